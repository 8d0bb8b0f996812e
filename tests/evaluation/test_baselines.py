"""Naive Bayes on names, with probabilities computed by hand."""

import math

from evaluation.baselines import guess_by_name, most_frequent, name_features


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
