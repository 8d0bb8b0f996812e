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
    of which nothing would be left is returned as it is: "Где Zoë?", "Where was Анна born?". So is one with a word of more
    accents than letters. (One accented letter, as in "Arthur à Beckett", is no word.)"""

    def must_stay(word: str) -> bool:
        lost, left = [c for c in word if not c.isascii()], sum(c.isascii() and c.isalnum() for c in word)
        if left:
            return sum(unicodedata.category(c)[0] == "M" for c in lost) > left  # more accents than letters
        letters = [c for c in lost if c.isalnum() or unicodedata.category(c) == "So"]  # an emoji is So
        return bool(letters) and (len(lost) > 1 or not unicodedata.name(letters[0], "").startswith("LATIN "))

    if not text.isascii() and any(map(must_stay, text.split())):
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
