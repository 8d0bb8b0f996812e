"""Which words are gaps: those that stand where answers stand, learned from documents with known answers."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloze import ClozeDataset
from dataset import CharCorruptionDataset
from salience import CONTEXT, PRIOR, AnswerContexts, Salience, normal
from titles import WORD

sentences = st.lists(st.sampled_from(["born", "in", "Rome", "Oslo", "1901", "1850", "died"]), max_size=8).map(" ".join)


def words_of(text):
    return [match.span() for match in WORD.finditer(text)]


def shares_of(corpus, **kw):
    """For each document, its words with the probability that a gap begins there."""
    documents = ClozeDataset(corpus, share=1.0, **kw).documents
    return [
        dict(zip((text[a:b] for a, b in document.words), np.diff(document.gaps.cdf, prepend=0)))
        for text, document in zip(corpus.data, documents)
    ]


titles = st.sampled_from(["", "died", "Rome born"])


@given(
    st.lists(st.tuples(sentences, st.sampled_from(["Rome", "Oslo", "in Rome"]), titles), max_size=6), sentences, titles
)
def test_the_probability_of_an_answer_by_the_words_before_it(known, text, title):
    """Against a reference that looks at all known documents again for each word."""

    def before(sentence, title):
        """The words of a sentence as a context has them, and two in front of it."""
        kinds = {"1901": "0000", "1850": "0000"} | dict.fromkeys(title.split(), "TITLE")
        return ["", "", *(kinds.get(word, word.lower()) for word in sentence.split())]

    contexts = AnswerContexts()
    for sentence, answer, its_title in known:
        contexts.learn(sentence, words_of(sentence), [answer], its_title)
    events = []  # words before, whether an answer begins
    for sentence, answer, its_title in known:
        found = [sentence.startswith(answer, begin) for begin, _ in words_of(sentence)]
        words = before(sentence, its_title)
        events += [(words[i : i + 2], is_answer) for i, is_answer in enumerate(found)] if any(found) else []
    words = before(text, title)
    for i, probability in enumerate(contexts.probabilities(text, words_of(text), title)[0]):
        expected = np.mean([is_answer for _, is_answer in events]) if events else 0
        for length in (1, 2) if events else ():
            same = [is_answer for before, is_answer in events if before[-length:] == words[i : i + 2][-length:]]
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
    before = salience.gaps(corpus.data[2], words := words_of(corpus.data[2]), 112).cdf
    for text, answer in zip(corpus.data, ("ships", "boats")):
        salience.contexts.learn(text, words_of(text), [answer], "")
    after = salience.gaps(corpus.data[2], words, 112).cdf
    here, _ = salience.contexts.probabilities(corpus.data[2], words, "")
    assert here[-1] == here.max() > 0.5 and np.diff(after)[-1] > 20 * np.diff(before)[-1]
    assert np.diff(after)[-1] / np.diff(after)[-2] == pytest.approx(
        here[-1] * (1 + CONTEXT * 5 * here[-1]) / (0.02 * (1 + CONTEXT * 5 * here[-2])), rel=0.5
    )


def test_years_after_names_are_found():
    """Though each document has another name, and writes both years together."""
    people = [
        f"Al {c}um. He met Al {c}um in 1950 . {c}um (19{i}--1987) died in Rome ."
        for i, c in enumerate("BCDEFGHIJK", 10)
    ]
    corpus = CharCorruptionDataset("\n".join(people), 128)
    answers = [(f"Al {c}um", f"19{i}") for i, c in enumerate("BCDEFGHI", 10)]
    for i, shares in enumerate(shares_of(corpus, answers=answers, answer_weight=6.0)[8:], 18):
        assert shares[f"19{i}"] > 0.5 and shares["1987"] < 0.05 and shares["1950"] < 0.05


def test_titles_without_accents_are_found():
    """The questions of the course lose the accents of names."""
    corpus = CharCorruptionDataset("Zoë Lund. Born in Oslo .\nBea Kern. Born in Rome .", 64)
    for subject in ("Zoë Lund", "Zo Lund"):
        shares = shares_of(corpus, answers=[(subject, "Oslo")], answer_weight=6.0)
        assert shares[1]["Rome"] > shares_of(corpus)[1]["Rome"]


CASES = {
    "one word": ("Rome", "Paris, Texas", "Paris"),
    "two words": ("New Rome", "Port Said", "Port Said"),
    "words with a comma": ("Rome, Italy", "Paris, Texas", "Paris, Texas"),
    "small letters": ("film actor", "film maker and poet", "film maker"),
    "numbers": ("7 May 1901", "8 June 1907", "8 June 1907"),
}


@pytest.mark.parametrize("answer, text, missing", CASES.values(), ids=CASES)
def test_a_gap_where_an_answer_stands_is_as_long_as_answers_are(answer, text, missing):
    """Whatever separates its words, also where nobody asks. Where other words than answers stand, nothing changes."""
    people = [f"Person {c}. Known for {answer} and since then in Old Town ." for c in "BCDEFGHIJKLMNOPQRSTUVWXYZ"]
    corpus = CharCorruptionDataset(
        "\n".join([*people, f"Person A. Known for {text} and since then in Old Town ."]), 128
    )
    views = ClozeDataset(
        corpus, answers=[(f"Person {c}", answer) for c in "BCDEFGHIJKLMNOPQRSTUVWXYZ"], answer_weight=6.0
    )
    rng, found, usual = np.random.default_rng(0), Counter(), ClozeDataset(corpus).documents[25].gaps
    words, gaps = views.documents[25].words, views.documents[25].gaps
    for _ in range(1000):
        first, last = gaps.draw(0, len(words), rng)
        found[corpus.data[25][words[first][0] : words[last][1]]] += 1
    assert found.most_common(1)[0][0] == missing and found[missing] > 400
    assert gaps.joins[-4:] == pytest.approx(usual.joins[-4:]) and usual.answers.max() == 0


@given(
    st.lists(st.tuples(sentences, st.sampled_from(["Rome", "born in", "in Rome", "1901 died Oslo"])), max_size=6),
    sentences,
)
def test_the_probability_that_an_answer_goes_on(known, text):
    """Against a reference that lists the words of all answers in known documents, until one is the last."""
    contexts = AnswerContexts()
    events = []  # the next word's kind, the word, whether the answer has both
    for sentence, answer in known:
        contexts.learn(sentence, words_of(sentence), [answer], "")
        words = sentence.split(" ") if sentence else []
        length = len(answer.split(" "))
        for i in range(len(words)):
            if words[i : i + length] == answer.split(" "):
                inside = [
                    (kind_of(words[j + 1]), normal(words[j]), j < i + length - 1)
                    for j in range(i, i + length)
                    if j + 1 < len(words)
                ]
                events += inside
    words = text.split(" ") if text else []
    go_on = contexts.probabilities(text, words_of(text), "")[1]
    assert len(go_on) == len(words) and all(go_on[-1:] == 0)
    for i, word in enumerate(words[:-1]):
        same_kind = [goes for kind, _, goes in events if kind == kind_of(words[i + 1])]
        same_word = [goes for kind, before, goes in events if (kind, before) == (kind_of(words[i + 1]), normal(word))]
        expected = np.mean([goes for *_, goes in events]) if events else 0
        if events:  # what separates the words is always a space
            expected = (sum(goes for *_, goes in events) + PRIOR * expected) / (len(events) + PRIOR)
            expected = (sum(same_kind) + PRIOR * expected) / (len(same_kind) + PRIOR)
            expected = (sum(same_word) + PRIOR * expected) / (len(same_word) + PRIOR)
        assert go_on[i] == pytest.approx(expected)


def kind_of(word):
    return "0" if word[0].isdigit() else "A" if word[0].isupper() else "a"
