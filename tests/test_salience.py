"""Which words are gaps: those that stand where answers stand, learned from documents with known answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloze import ClozeDataset
from dataset import CharCorruptionDataset
from salience import CONTEXT, PRIOR, AnswerContexts, Salience
from titles import WORD

sentences = st.lists(st.sampled_from(["born", "in", "Rome", "Oslo", "1901", "1850", "died"]), max_size=8).map(" ".join)


def words_of(text):
    return [match.span() for match in WORD.finditer(text)]


def shares_of(corpus, **kw):
    """For each document, its words with the probability that a gap begins there."""
    documents = ClozeDataset(corpus, share=1.0, **kw).documents
    return [
        dict(zip((text[a:b] for a, b in document.words), np.diff(document.gap_cdf, prepend=0)))
        for text, document in zip(corpus.data, documents)
    ]


@given(st.lists(st.tuples(sentences, st.sampled_from(["Rome", "Oslo", "in Rome"])), max_size=6), sentences)
def test_the_probability_of_an_answer_by_the_words_before_it(known, text):
    """Against a reference that looks at all known documents again for each word."""
    contexts = AnswerContexts()
    for sentence, answer in known:
        contexts.learn(sentence, words_of(sentence), [answer])
    events = []  # words before, whether an answer begins
    for sentence, answer in known:
        found = [sentence.startswith(answer, begin) for begin, _ in words_of(sentence)]
        normal = ["", "", *sentence.replace("1901", "0000").replace("1850", "0000").lower().split()]
        events += [(normal[i : i + 2], is_answer) for i, is_answer in enumerate(found)] if any(found) else []
    normal = ["", "", *text.replace("1901", "0000").replace("1850", "0000").lower().split()]
    for i, probability in enumerate(contexts.probabilities(text, words_of(text))):
        expected = np.mean([is_answer for _, is_answer in events]) if events else 0
        for length in (1, 2) if events else ():
            same = [is_answer for before, is_answer in events if before[-length:] == normal[i : i + 2][-length:]]
            expected = (sum(same) + PRIOR * expected) / (len(same) + PRIOR)
        assert probability == pytest.approx(expected)


def test_gaps_are_where_answers_stand():
    """Also at words that have never answered a question, in documents nobody asked about, and where nothing is known else
    than the kinds of words."""
    people = ["Ada Kern. Born in Rome, she met Max in Bern .", "Bo Lund. Born in Oslo, he met Max in Lima .",
              "Cy Zorn. He met Max in Rome. Born in Paris, he was old ."]  # fmt: skip
    corpus = CharCorruptionDataset("\n".join(people), 128)
    answers = [("Ada Kern", "Rome"), ("Bo Lund", "Oslo")]
    plain, named, asked = (
        shares_of(corpus, **kw)[2]
        for kw in ({}, {"answers": [(None, answer) for _, answer in answers], "answer_weight": 6.0},
                   {"answers": answers, "answer_weight": 6.0})
    )  # fmt: skip
    assert plain["Paris"] == pytest.approx(plain["Rome"]) == pytest.approx(plain["Max"])
    assert named["Rome"] == pytest.approx(6 * named["Paris"])  # the wrong place
    assert asked["Paris"] > 5 * asked["Max"] and asked["Paris"] > named["Paris"]
    assert asked["Rome"] / asked["Paris"] < named["Rome"] / named["Paris"] / 2


def test_words_of_any_kind_are_gaps_where_answers_stand():
    """Numbers and words in small letters, also beyond what is usually read."""
    lines = [
        f"Person {c}. {'Lived long ' * 12}and made {what} ." for c, what in zip("ABC", ("ships", "boats", "violins"))
    ]
    corpus = CharCorruptionDataset("\n".join(lines + ["Short. Text ."] * 200), 128)
    salience = Salience(corpus.data, ["ships", "boats"], 6.0)
    before = salience.of_words(corpus.data[2], words := words_of(corpus.data[2]), 112)[1]
    for text, answer in zip(corpus.data, ("ships", "boats")):
        salience.contexts.learn(text, words_of(text), [answer])
    _, after = salience.of_words(corpus.data[2], words, 112)
    here = salience.contexts.probabilities(corpus.data[2], words)
    assert here[-1] == here.max() > 0.5 and np.diff(after)[-1] > 20 * np.diff(before)[-1]
    assert np.diff(after)[-1] / np.diff(after)[-2] == pytest.approx(
        here[-1] * (1 + CONTEXT * 5 * here[-1]) / (0.02 * (1 + CONTEXT * 5 * here[-2])), rel=0.5
    )


def test_titles_without_accents_are_found():
    """The questions of the course lose the accents of names."""
    corpus = CharCorruptionDataset("Zoë Lund. Born in Oslo .\nBea Kern. Born in Rome .", 64)
    for subject in ("Zoë Lund", "Zo Lund"):
        shares = shares_of(corpus, answers=[(subject, "Oslo")], answer_weight=6.0)
        assert shares[1]["Rome"] > shares_of(corpus)[1]["Rome"]
