"""The titles of documents, which say what they are about."""

from __future__ import annotations

import re
from collections.abc import Iterable

FULL_STOP = re.compile(r"(?<!\b[^\W\d_])\. ")  # that does not belong to an initial
TITLE_END = re.compile(r"[.?!:] | [–—-] |\t")  # what else can end a title
NAME_GOES_ON = re.compile(r"[^\W_]|[.'’-]")
MAX_TITLE = 64  # characters
WORD = re.compile(r"\d+(?=-+\d)|[^\W_][\w'’-]*")  # 1886--1972 is two


def split_title(text: str) -> tuple[str, str]:
    """The title of a document, and what follows it; the latter is empty when there is no title.

    A title is what the next sentence begins with again ("St. Lucia. St. Lucia is an island", "Vitamin C. Vitamin C was");
    else what precedes a tab, if there is one; else what precedes the first full stop that does not belong to an initial
    ("J. E. P. Aldous. Born in"), or other punctuation before that ("What? A film", "Name: text", "Name – text").
    """
    if repeated := repeated_title(text):
        return repeated
    ends, stop = list(TITLE_END.finditer(text, 0, MAX_TITLE)), FULL_STOP.search(text)
    tabs = [end for end in ends if end.group() == "\t"]
    others = [end for end in ends if not stop or end.group() != ". "]
    if found := tabs or sorted(filter(None, (stop, *others[:1])), key=re.Match.start):
        return text[: found[0].start()], text[found[0].end() :]
    return text, ""


def repeated_title(text: str) -> tuple[str, str] | None:
    """The title that the next sentence begins with again, and what follows it; None if there is none."""
    for end in TITLE_END.finditer(text, 0, MAX_TITLE):
        title, rest = text[: end.start()], text[end.end() + end.start() :]
        abbreviated = end.group() == rest[:2] == ". " and rest[2:3].islower()  # "R.E.M. R.E.M. was a band. It"
        if len(title) > 1 and text.startswith(title, end.end()) and (abbreviated or not NAME_GOES_ON.match(rest)):
            return title, text[end.end() :]
    return None


def split_long_title(text: str, is_alone: bool = False) -> tuple[str, str]:
    """`split_title` for a text that may have none, such as a book: a title ends with a tab, or is repeated, or is short and
    looks like a name. The latter is not enough if the text is the only one of its corpus (`is_alone`)."""
    title, body = split_title(text)
    certain = text[len(title) :][:1] == "\t" or repeated_title(text)
    return (title, body) if len(title) < MAX_TITLE and (certain or is_name(title) and not is_alone) else (text, "")


def is_name(text: str) -> bool:
    """Whether a text looks like the name of something: a word, or words of which the longer ones have capital letters, as
    far as their alphabet has such. "Isle of Man", but not "It was the best of times"."""
    words = WORD.findall(text)
    return len(words) == 1 or 0 < len(words) <= 8 and not any(len(word) > 3 and word[0].islower() for word in words)


def titles_of(documents: Iterable[str]) -> list[str]:
    """The titles of the documents that have one."""
    return [title for title, body in map(split_title, documents) if body]
