"""Documents, cut and marked."""

from hypothesis import given
from hypothesis import strategies as st

from evaluation.excerpts import MAX_LENGTH, choose_document, excerpt

NAME = "Ada Kern"


def test_what_is_marked():
    document = "Ada Kern. Kernel of Rome, Ada Kern left Romeo in Rome for New York ."
    assert excerpt(document, NAME, {"Rome": "right", "New York": "said"}) == [
        ("Ada Kern. Kernel of ", ""), ("Rome", "right"), (", Ada Kern left Romeo in Rome for ", ""), ("New York", "said"),
        (" .", "")]  # fmt: skip
    assert excerpt(document, NAME, {"Kern": "right", "Oslo": "said"}) == [(document, "")]
    overlapping = excerpt(document, NAME, {"York": "said", "New York": "right", "New": "said"})
    assert [piece for piece in overlapping if piece[1]] == [("New York", "right")]


def test_which_document_is_shown():
    documents = ["Ada Kern. Nothing .", "Ada Kern. In Oslo .", "Ada Kern. In Rome ."]
    assert choose_document(documents, NAME, ["Rome", "Oslo"]) == documents[2]
    assert choose_document(documents, NAME, ["Bonn", "Oslo"]) == documents[1]
    assert choose_document(documents, NAME, ["Bonn", ""]) == documents[0]
    assert choose_document([], NAME, ["Rome"]) is None


@given(st.lists(st.sampled_from(["Rome", "and", "so", "Oslo", "x" * 40, NAME, "—"]), max_size=120), st.booleans())
def test_nothing_is_lost_but_what_is_cut(words, known):
    document = " ".join(["Ada Kern.", *words])
    pieces = excerpt(document, NAME, {"Rome": "right", "Oslo": "said"} if known else {})
    shown = "".join(text for text, _ in pieces)
    if len(document) <= MAX_LENGTH:
        assert shown == document
    body = shown.strip("…")
    assert body in document and len(body) <= MAX_LENGTH
    assert shown.startswith("…") == (not document.startswith(body)) or body == ""
    marked = [text for text, kind in pieces if kind]
    first = min((words.index(word) for word in ("Rome", "Oslo") if word in words), default=None)
    assert not known or first is None or words[first] in marked  # the first of them is never cut off
