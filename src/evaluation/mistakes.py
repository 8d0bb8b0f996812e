"""What goes wrong: each answer is of one of a few kinds. The rules need nothing but the corpus and the questions."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from evaluation.scoring import Prediction, find_answer

KINDS = ("right", "level", "document", "other", "none")  # the first that fits counts
MAX_WORDS = 4  # of an answer that is looked for beside another one


def classify(rows: Sequence[Prediction], known_answers: Iterable[str], documents: Iterable[str]) -> None:
    """Sets the `kind` of each row that has a right answer, by these rules, in this order:

    right     it is a right answer
    level     the question asks where, and the corpus writes the answer given and the right one side by side with a comma,
              as in "Paris, France", in one order more often than in the other (so lists do not count)
    document  it is another word of the documents about the subject
    other     it is the answer to another question, of those asked or one of the `known_answers` (of finetuning)
    none      it is none of these
    """
    answers = set(known_answers).union(*(row.right_answers for row in rows))
    where = {text for row in rows if asks_where(row) for text in (row.prediction, *row.right_answers)}
    nested = neighbours(documents, where) if where else Counter()

    def kind(row: Prediction) -> str:
        if row.correct:
            return "right"
        pairs = [(row.prediction, answer) for answer in row.right_answers] if asks_where(row) else []
        if any(nested[a, b] != nested[b, a] for a, b in pairs):
            return "level"
        if any(find_answer(text, row.subject or "", row.prediction) >= 0 for text in row.texts):
            return "document"
        return "other" if row.prediction in answers else "none"

    for row in rows:
        row.kind = kind(row) if row.answer is not None else ""


def describe_kinds(asks_where: bool) -> dict[str, tuple[str, str]]:
    """For each kind, what a reader sees: its name, and its rule."""
    one, others = ("place", "another person's place") if asks_where else ("answer", "the answer to another question")
    return {
        "right": ("right", "is a right answer"),
        "level": ("right area, wrong level", "the corpus writes the two side by side, as in “Paris, France”"),
        "document": ("another word of the same document", "a nationality for instance, or another place"),
        "other": (others, "right for another question, but not for this one"),
        "none": (f"no known {one}", "right for no question"),
    }


def asks_where(row: Prediction) -> bool:
    return row.question.startswith("Where ")


def neighbours(documents: Iterable[str], phrases: Collection[str]) -> Counter[tuple[str, str]]:
    """How often the documents write two of the phrases with a comma between them: ("Paris", "France") for
    "in Paris, France". Of several phrases that end before the comma, or begin after it, the longest counts."""
    found: Counter[tuple[str, str]] = Counter()
    for document in documents:
        parts = [re.sub(r"[.;:()]", " ", part).split() for part in document.split(",")]
        for before, after in itertools.pairwise(parts):
            sizes = range(MAX_WORDS, 0, -1)
            left = next((text for n in sizes if (text := " ".join(before[-n:])) in phrases), None)
            right = next((text for n in sizes if (text := " ".join(after[:n])) in phrases), None)
            if left and right:
                found[left, right] += 1
    return found


def mistakes_of(rows: Sequence[Prediction]) -> dict[str, Any]:
    """What report.json says of the kinds: how many answers are of each, with an example of each wrong one. A kind that no
    answer could be of is left out: `level` when nothing was asked where, `document` when nobody has a document."""
    possible = {"level": any(map(asks_where, rows)), "document": any(row.texts for row in rows)}
    kinds = {}
    for kind in KINDS:
        some = [row for row in rows if row.kind == kind]
        if possible.get(kind, True):
            kinds[kind] = {"questions": len(some)}
        if some and kind != "right":
            likeliest = max(some, key=lambda row: row.log_probability)
            kinds[kind]["example"] = {
                "question": likeliest.question,
                "subject": likeliest.subject,
                "prediction": likeliest.prediction,
                "answer": likeliest.answer,
            }
    return {"asks_where": all(map(asks_where, rows)), "kinds": kinds}
