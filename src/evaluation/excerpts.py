"""The document that says (or does not say) an answer, cut to a readable length, with the answers in it marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evaluation.scoring import find_answer

MAX_LENGTH = 260  # characters of a document that are shown
LEAD = 80  # characters before the first mark, at most, when a document is cut

Pieces = list[tuple[str, str]]  # parts of a text, and what each is: a value of `marks`, or "" for the rest


def choose_document(documents: Sequence[str], name: str, answers: Sequence[str]) -> str | None:
    """The first of the documents about `name` that has the first of the `answers` as whole words; else the second, and so on; else the
    first document. None when there is none."""
    for answer in answers:
        for document in documents:
            if find_answer(document, name, answer) >= 0:
                return document
    return documents[0] if documents else None


def excerpt(document: str, name: str, marks: Mapping[str, str]) -> Pieces:
    """The document in pieces, of which those that are a phrase of `marks` have its value: with {"Rome": "right"},
    "Ada Kern. Born in Rome ." gives [("Ada Kern. Born in ", ""), ("Rome", "right"), (" .", "")]. A phrase is looked for
    as whole words outside of the name; of two that overlap, the earlier and longer one counts. A long document is cut
    around the first of them."""
    found = sorted(
        (begin, -len(phrase), kind)
        for phrase, kind in marks.items()
        if (begin := find_answer(document, name, phrase)) >= 0
    )
    first, last = cut(document, found[0][0] if found else 0)
    pieces, position = [("…", "")] if first else [], first
    for begin, minus_length, kind in found:
        end = begin - minus_length
        if begin >= position and end <= last:  # neither inside of the phrase before it, nor cut off
            pieces += [(document[position:begin], ""), (document[begin:end], kind)]
            position = end
    pieces += [(document[position:last], ""), ("…" if last < len(document) else "", "")]
    return [piece for piece in pieces if piece[0]]


def cut(document: str, centre: int) -> tuple[int, int]:
    """Begin and end of what is shown of a document in which the character `centre` is of interest."""
    if len(document) <= MAX_LENGTH:
        return 0, len(document)
    first = max(0, min(centre - LEAD, len(document) - MAX_LENGTH))
    first = document.rfind(" ", 0, first + 1) + 1 if first else 0  # words are not cut
    last = first + MAX_LENGTH
    return first, max(document.rfind(" ", 0, last), centre) if last < len(document) else len(document)
