"""The symbols with a meaning of their own, and text as indices. A vocabulary is PAD, MASK, and a corpus's characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from engine.files import InputError

PAD_CHAR, MASK_CHAR = "\u25a1", "\u2047"  # an empty square and a double question mark
# Their indices in every vocabulary. PAD fills rows up, and is never a target. MASK stands for what is missing in a
# document, separates it (or a question) from what the model has to write, and ends that.
PAD, MASK = 0, 1


def without_accents(text: str) -> str:
    """The ASCII characters of a text, as the course's code reads questions: "Zoë Lund" -> "Zo Lund". But a text with a word
    in another alphabet, of which nothing would be left, is returned as it is: "Где Zoë?", "Where was Анна born?"."""

    def is_latin(char: str) -> bool:
        return char.isascii() or unicodedata.name(char, "").startswith("LATIN ")

    for word in () if text.isascii() else text.split():
        meaningful = [char for char in word if char.isalnum() or unicodedata.category(char) == "So"]  # an emoji is So
        if meaningful and not any(map(is_latin, meaningful)):
            return text
    return text.encode("ascii", "ignore").decode()


def encode(text: str, stoi: dict[str, int], where: str) -> list[int]:
    """The indices of the characters of `text`. Raises InputError, beginning with `where`, when one is unknown."""
    for char in text:
        if char not in stoi or char in (PAD_CHAR, MASK_CHAR):
            raise InputError(f"{where}: the character {char!r} does not occur in the pretraining corpus")
    return [stoi[char] for char in text]


def decode(indices: Iterable[int], itos: dict[int, str]) -> str:
    """The text of these indices."""
    return "".join(itos[int(i)] for i in indices)
