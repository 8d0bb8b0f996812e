"""Naive Bayes on names, with probabilities computed by hand."""

import math
from dataclasses import replace

from answers import row_of

from evaluation.baselines import BY_NAME, USUAL, guess_by_name, guess_usual, most_frequent, name_features, per_wording
from evaluation.report import write_report


def test_features_are_words_and_their_ends():
    assert name_features("Ada Lovelace") == ["$ace", "$ce", "Ada", "Lovelace", "^Ada"]
    assert name_features("?") == ["$?", "?", "^?"]


def test_the_likeliest_place_of_all():
    """Each place by its frequency, times the smoothed frequency of each known feature there."""
    train = [("Ada Kern", "Rome"), ("Ada Lund", "Oslo"), ("Bob Lund", "Oslo"), ("Bob Kern", "Rome"), ("Cy Day", "Rome")]
    queries = ["Ada Lund", "Ada Kern", "Bob Day", "Zoe Poe", "Lund Ada"]

    def score(query, place):
        there = [set(name_features(name)) for name, where in train if where == place]
        everybody = [set(name_features(name)) for name, _ in train]
        result = math.log(len(there))
        for feature in name_features(query):
            everywhere = sum(feature in features for features in everybody) / len(train)
            if everywhere:
                result += math.log((sum(feature in f for f in there) + 30 * everywhere) / (len(there) + 30))
        return result

    expected = [max(("Rome", "Oslo"), key=lambda place, query=query: score(query, place)) for query in queries]
    assert guess_by_name(train, queries) == expected
    assert "Oslo" in expected and expected[3] == "Rome"  # of an unknown name, the more frequent place


def test_questions_about_nobody():
    assert guess_by_name([], ["Ada"]) == [""] == guess_by_name([(None, "Rome")], ["Ada"])
    assert guess_by_name([("Ada", "Rome"), (None, "Oslo"), (None, "Oslo")], [None, "?"]) == ["Rome"] * 2


def test_the_most_frequent_answer():
    assert most_frequent(["Oslo", "Rome", "Rome", "Oslo", "Bonn"]) == "Oslo"


def test_several_wordings():
    """Each by the questions worded like it; another wording, and one that is not known, by all."""
    train = [("Ada", "Rome"), ("Bob", "Rome"), ("Cy", "Oslo"), ("Ada", "1901"), ("Bob", "1850"), ("Dan", "1850")]
    wordings = ["Where?"] * 3 + ["When?"] * 3
    asked, names = ["When?", "Where?", None, "How?", "When?"], ["Ada", "Zoe", "Zoe", "Zoe", None]
    for guess, expected in (guess_usual, ["1850", "Rome", "Rome", "Rome", "1850"]), (guess_by_name, []):
        found = per_wording(guess, train, wordings, names, asked)
        assert len(found) == 5 and found[: len(expected)] == expected
        assert found == [guess([pair for pair, w in zip(train, wordings) if w == its] or train, [name])[0]
                         for its, name in zip(asked, names)]  # fmt: skip


def test_a_report_on_several_wordings(tmp_path):
    """Its baselines know which wording has which answers; with a single wording, the answer is named."""
    train = [("Ada", "Rome"), ("Bob", "Rome"), ("Cy", "Rome"), ("Ada", "1901"), ("Bob", "1901")]
    wordings = ["Where was … born?"] * 3 + ["When was … born?"] * 2
    rows = [row_of("Where was Dan Ray born?", answer="Rome"), row_of("Where was Eve Ray born?", answer="1901")]
    rows[1] = replace(rows[1], template="When was … born?")
    for templates, always, right in (wordings, USUAL, 2), ((), "always Rome", 1):
        found = write_report(str(tmp_path), rows, 112, {}, train, wordings=templates)["baselines"]
        assert found.keys() == {always, BY_NAME} and {row["right"] for row in found.values()} == {right}
