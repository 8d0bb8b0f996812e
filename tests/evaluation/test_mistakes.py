"""What goes wrong: the kinds of wrong answers."""

import itertools
import re

from answers import row_of
from hypothesis import given
from hypothesis import strategies as st

from evaluation.mistakes import KINDS, classify, describe_kinds, mistakes_of, neighbours

CORPUS = [
    "Ada Kern. Ada Kern was an English poet, born in Paris, France, and lived in Oslo .",
    "Bob Lund. Born in Fort Wayne, Indiana .",
    "Cy Muir. Worked in Rome, Oslo, Bonn and Oslo, Rome .",
]


def kinds_of(answers, where=True, finetuning=("Bonn",), documents=CORPUS):
    """The kinds of pairs of an answer that was given and the right one, to questions about Ada Kern."""
    question = "Where was Ada Kern born?" if where else "What was Ada Kern?"
    rows = [row_of(question, said, right) for said, right in answers]
    for row in rows:
        row.texts = [text for text in documents if text.startswith("Ada")]
    classify(rows, finetuning, documents)
    return [row.kind for row in rows], rows


def test_each_kind_by_its_rule():
    found, _ = kinds_of(
        [
            ("Paris", "Paris"),
            ("France", "Paris"),  # the corpus writes "Paris, France"
            ("Fort Wayne", "Indiana"),  # and this, of somebody else
            ("Rome", "Oslo"),  # "Rome, Oslo" and "Oslo, Rome": a list, and Rome is the right answer below
            ("English", "Paris"),
            ("Oslo", "Paris"),  # it stands in her document, too
            ("Bonn", "Paris"),  # asked in finetuning
            ("Kern", "Paris"),  # her name is not a word of her document
            ("Parisian", "Paris"),
            ("", "Rome"),
        ]
    )
    assert found == ["right", "level", "level", "other", "document", "document", "other", "none", "none", "none"]


def test_a_level_can_only_be_told_of_places():
    found, rows = kinds_of([("France", "Paris"), ("Fort Wayne", "Indiana"), ("poet", "poet")], where=False)
    assert found == ["document", "none", "right"]
    kinds = mistakes_of(rows)["kinds"]
    assert {kind: entry["questions"] for kind, entry in kinds.items()} == {
        "right": 1,
        "document": 1,
        "other": 0,
        "none": 1,
    }
    assert kinds["none"]["example"] == {
        "question": "What was Ada Kern?",
        "subject": None,
        "prediction": "Fort Wayne",
        "answer": "Indiana",
    }
    assert "place" in describe_kinds(True)["other"][0] and "place" not in describe_kinds(False)["other"][0]
    assert tuple(describe_kinds(True)) == KINDS


def test_without_documents_or_answers():
    found, rows = kinds_of([("France", "Paris"), ("Paris", "France")], documents=[], finetuning=())
    assert found == ["other", "other"] and "document" not in mistakes_of(rows)["kinds"]
    rows = [row_of(answer=None)]
    classify(rows, (), CORPUS)
    assert rows[0].kind == ""


WORDS = st.sampled_from(["Fort", "Wayne", "Paris", "in", "Oslo"])
TEXTS = st.lists(st.lists(st.tuples(WORDS, st.sampled_from([" ", ", ", " , ", ". "])), max_size=12), max_size=3)


@given(TEXTS)
def test_neighbours_are_those_that_a_pattern_finds(texts):
    documents = ["".join(itertools.chain(*pairs)) for pairs in texts]
    phrases = ["Fort Wayne", "Fort", "Wayne", "Paris", "Oslo"]  # a longer one before those that it contains
    any_of = "|".join(phrase.replace(" ", r"[ .]+") for phrase in phrases)
    found = {}
    for document in documents:
        for comma in re.finditer(r"[ .]*,[ .]*", document):
            left = re.search(rf"(?:^|[\s,.])({any_of})$", document[: comma.start()])
            right = re.match(rf"({any_of})(?:[\s,.]|$)", document[comma.end() :])
            if left and right:
                pair = tuple(" ".join(re.findall(r"\w+", match[1])) for match in (left, right))
                found[pair] = found.get(pair, 0) + 1
    assert dict(neighbours(documents, set(phrases))) == found
