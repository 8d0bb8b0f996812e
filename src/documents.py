"""Files as people have them, as documents: one a line, each with its title in front, as in the course's wiki.txt.

    lines         each line is a document
    paragraphs    blank lines separate documents; a line of its own before a paragraph can be its title
    files         each .txt file of a folder is a document; its title is its first line, or else the file's name
    json          each line is a JSON object with "text", and with "title" if there is one

In all but the first, white space of any kind becomes a space.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Iterable
from glob import glob
from pathlib import Path

from dataset import check_characters
from engine.files import AUTO, InputError, naming_file, read_text, text_files, warn
from titles import MAX_TITLE, is_name, split_long_title, split_title

SENTENCE_END = tuple(".!?:;\"'”’)]…。！？")


def read_documents(path: Path, form: str = AUTO) -> tuple[str, str]:
    """The documents of a file or a folder, one a line, and in which form (see files.FORMS) they were found.

    Raises InputError when there are none, or when they are not in the form that was asked for.
    """
    if not path.is_dir():
        if form == "files":
            raise InputError(f"{path}: is no folder; --documents files reads the .txt files of one")
        text = read_text(path)
        form = guess_form(text) if form == AUTO else form
        with naming_file(path):
            return "\n".join(documents_of(text, form)) if form != "lines" else text, form
    form = "files" if form == AUTO else form
    documents, files = [], text_files(path)
    for file in files:
        text = read_text(file)
        with naming_file(file):
            check_characters(text)  # named here, because line numbers are those of the files
            documents += [document_of_file(file, text)] if form == "files" else documents_of(text, form)
    if not files:
        raise InputError(f"{path}: has no .txt file (folders within it are not looked into)")
    if below := sorted(glob("*/*.txt", root_dir=path)):
        warn(f"{path}: texts in folders within it are not read, such as {below[0]}; move them into {path} itself")
    return "\n".join(filter(None, documents)), form


def documents_of(text: str, form: str) -> list[str]:
    """The documents of a text. Raises InputError, naming the line, when it is not in this form."""
    if form == "paragraphs":
        return paragraphs(text)
    lines = text.removesuffix("\n").split("\n")
    return lines if form == "lines" else list(json_documents(lines))


def one_line(text: str) -> str:
    """A text without line breaks and tabs."""
    return " ".join(text.split())


def titled(title: str, body: str) -> str:
    """A document with a title in front, separated so that the title is found again if it is short enough."""
    line = f"{title}. {body}"
    for candidate in (f"{title} {body}", line, f"{title}\t{body}"):
        if split_title(candidate)[0] == split_long_title(candidate)[0] in (title, title.rstrip(".?!")):
            return candidate
    return line


# ---------------------------------------------------------------------------------------------------------------------
# Titles


def heading_text(line: str) -> str:
    """A line without the marks of a heading: "== Ada Kern ==", "# Ada Kern", "Ada Kern:"."""
    return one_line(line.strip("#=* \t").rstrip(": "))


def first_line_title(text: str) -> tuple[str, str]:
    """The title that is the first line of a text of several lines, and the rest; an empty title if that line is none:
    if it is long, ends as a sentence does, or does not look like a name and is followed by another line at once."""
    first, _, rest = text.strip().partition("\n")
    title, body = heading_text(first), one_line(rest)
    if not title or not body or len(title) >= MAX_TITLE:
        return "", ""
    following = rest.partition("\n")[0].strip()
    separate = not following or first.rstrip().endswith(":") or is_name(title) and following[0].isupper()
    is_title = body.startswith(title.rstrip(".")) or separate and not title.endswith((".", ",", ";"))
    return (title, body) if is_title else ("", "")


def has_title(document: str) -> bool:
    """Whether a document of one line begins with a title that leaves no doubt."""
    return bool(split_long_title(document)[1])


def is_heading(block: str, following: str) -> bool:
    """Whether a block of lines is a title of the next block, which names it."""
    return (
        "\n" not in block
        and bool(first_line_title(f"{block}\n\n{following}")[0])
        and heading_text(block) in one_line(following)
    )


def document_of_file(path: Path, text: str) -> str:
    """The document of a file; an empty one if the file is empty."""
    title, body = first_line_title(text)
    whole = one_line(text)
    if title:
        return titled(title, body)
    name = one_line(os.fsencode(path.stem).decode("utf-8", "replace").replace("_", " "))
    return whole if not whole or has_title(whole) else titled(name, whole)


def blocks_of(text: str) -> list[str]:
    """The lines between blank lines."""
    return [block.strip() for block in re.split(r"\n\s*\n", text) if block.strip()]


def paragraphs(text: str) -> list[str]:
    """The documents between blank lines. A short line that stands alone, and that the next paragraph names, is the title of
    the paragraphs that follow, up to the next such line."""
    documents, heading = [], ""
    for block, following in itertools.pairwise([*blocks_of(text), ""]):
        whole = one_line(block)
        title, body = first_line_title(block)
        if is_heading(block, following):
            heading = heading_text(block)
            continue
        if "\n" not in block and first_line_title(f"{block}\n\n-")[0]:  # it is a title of something else
            heading = ""
        if title or heading and not has_title(whole):
            whole = titled(title or heading, body or whole)
        documents.append(whole)
    return documents


# ---------------------------------------------------------------------------------------------------------------------
# Forms


def json_documents(lines: list[str]) -> Iterable[str]:
    """The documents of JSON lines. Raises InputError, naming the line, when one is no object with a text."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
            text, title = one_line(found["text"]), found.get("title")
            title = one_line(title) if isinstance(title, str) else ""
            (text + title).encode()  # JSON can spell half a character, a surrogate
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(f'line {number}: is no JSON object with a "text" in it') from error
        check_characters(text + title, number)
        yield titled(title, text) if title and text else text or title


def is_json(line: str) -> bool:
    """Whether a line is a JSON object with a text."""
    try:
        return line.startswith("{") and isinstance(json.loads(line).get("text"), str)
    except (ValueError, RecursionError):
        return False


def continues(one: str, two: str) -> bool:
    """Whether a line goes on with the sentence of the line before, or with what that is the title of."""
    first = two.lstrip()[:1]
    if first.isupper():
        return 0 < len(heading_text(one)) < MAX_TITLE and heading_text(one) in two
    return first.islower() or one.rstrip()[-1:] not in SENTENCE_END


def begins_with_title(block: str) -> bool:
    """Whether the first of some lines begins with a title, or is one that the second names."""
    first, second, *_ = [*block.split("\n"), ""]
    return has_title(first) or second.lstrip()[:1].isupper() and continues(first, second)


def guess_form(text: str) -> str:
    """The form of a file's documents. Blank lines separate them if nearly every line stands between two; if many are
    headings; if most other lines continue the line before; or if each block of lines begins with a title, and its other
    lines do not. Otherwise each line is a document."""
    if is_json(text.lstrip().partition("\n")[0]):
        return "json"
    blocks = blocks_of(text)
    if len(blocks) < 2:
        return "lines"
    pairs = [pair for block in blocks for pair in itertools.pairwise(block.split("\n"))]
    headings = sum(itertools.starmap(is_heading, itertools.pairwise(blocks)))
    continued = sum(itertools.starmap(continues, pairs))
    if 5 * len(pairs) <= len(blocks) or 4 * headings >= len(blocks) or 2 * continued >= len(pairs):
        return "paragraphs"
    titles = sum(map(begins_with_title, blocks))
    others = sum(has_title(two) for _, two in pairs)
    return "paragraphs" if titles >= 0.9 * len(blocks) and others <= 0.1 * len(pairs) else "lines"
