"""Answers without reading: always London, and naive Bayes on the name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import log

from questions import subject

LONDON = "London"
BASELINES = ("always London", "guessed from the name (naive Bayes)")  # as report.json calls them
FEATURE_WEIGHT = 30  # people's worth of smoothing: most places are too rare to estimate a feature's frequency from


def name_features(question: str) -> list[str]:
    """The words of the name, the first word's first four letters and the last word's last three and two."""
    words = (subject(question) or "nobody").split()
    return sorted({*words, "^" + words[0][:4], "$" + words[-1][-3:], "$" + words[-1][-2:]})


def guess_by_name(train: Sequence[Sequence[str]], questions: Sequence[str]) -> list[str]:
    """The answers of a naive Bayes classifier that knows the names and places of `train`, pairs of a question and its
    answer, and no documents. A feature's frequency at a place is smoothed towards its frequency everywhere. Without a
    training question about somebody, each answer is empty."""
    train = [(question, answer) for question, answer in train if subject(question)]
    if not train:
        return [""] * len(questions)
    prior = Counter(answer for _, answer in train)
    seen: dict[str, Counter[str]] = {}
    for question, answer in train:
        for feature in name_features(question):
            seen.setdefault(feature, Counter())[answer] += 1
    usual = {feature: FEATURE_WEIGHT * places.total() / len(train) for feature, places in seen.items()}

    def guess(question: str) -> str:
        known = [(seen[feature], usual[feature]) for feature in name_features(question) if feature in seen]
        score = {
            place: log(count) + sum(log((places[place] + extra) / (count + FEATURE_WEIGHT)) for places, extra in known)
            for place, count in prior.items()
        }
        return max(score, key=score.__getitem__)

    return [guess(question) for question in questions]
