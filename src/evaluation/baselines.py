"""Answers without reading: always the most frequent answer (London for the course), and naive Bayes on the name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from math import log

LONDON = "London"
ALWAYS, BY_NAME = (
    "always ",
    "guessed from the name (naive Bayes)",
)  # as report.json calls them; an answer follows the first
USUAL = ALWAYS + "the most frequent answer to the same wording"  # of several
FEATURE_WEIGHT = 30  # people's worth of smoothing: most places are too rare to estimate a feature's frequency from


Pairs = Sequence[tuple[str | None, str]]  # names and answers


def same_wording(train: Pairs, wordings: Sequence[str | None], asked: Iterable[str | None]) -> dict[str | None, Pairs]:
    """For each wording asked for, the questions of finetuning that are worded so, and all of them where there are none: who is
    asked for a year does not guess a town. `wordings` are those of `train`."""
    found = {wording: [pair for pair, its in zip(train, wordings) if its == wording] for wording in set(asked)}
    return {wording: pairs or train for wording, pairs in found.items()}


def per_wording(
    guess: Callable[[Pairs, Sequence[str | None]], list[str]],
    train: Pairs,
    wordings: Sequence[str | None],
    names: Sequence[str | None],
    asked: Sequence[str | None],
) -> list[str]:
    """What `guess(train, names)` answers if it knows the finetuning questions of the same wording. `wordings` are those of
    `train`, `asked` those of the questions about `names`."""
    answers = [""] * len(names)
    for wording, same in same_wording(train, wordings, asked).items():
        chosen = [i for i, its in enumerate(asked) if its == wording]
        for i, answer in zip(chosen, guess(same, [names[i] for i in chosen])):
            answers[i] = answer
    return answers


def guess_usual(train: Pairs, names: Sequence[str | None]) -> list[str]:
    """The most frequent answer of `train`, for each of the names."""
    return [most_frequent([answer for _, answer in train])] * len(names)


def most_frequent(answers: Sequence[str]) -> str:
    """The most frequent answer; of several, the first."""
    return Counter(answers).most_common(1)[0][0]


def name_features(name: str) -> list[str]:
    """The words of the name, the first word's first four letters and the last word's last three and two."""
    words = name.split() or [""]
    return sorted({*words, "^" + words[0][:4], "$" + words[-1][-3:], "$" + words[-1][-2:]})


def guess_by_name(train: Pairs, names: Sequence[str | None]) -> list[str]:
    """The answers about `names` of a naive Bayes classifier that knows `train`, pairs of a name and an answer, and no
    documents. A feature's frequency at an answer is smoothed towards its frequency everywhere. About nobody (None), the
    answer is the most frequent one. Without a name in `train`, each answer is empty."""
    train = [(name, answer) for name, answer in train if name]
    if not train:
        return [""] * len(names)
    prior = Counter(answer for _, answer in train)
    seen: dict[str, Counter[str]] = {}
    for name, answer in train:
        for feature in name_features(name):
            seen.setdefault(feature, Counter())[answer] += 1
    usual = {feature: FEATURE_WEIGHT * places.total() / len(train) for feature, places in seen.items()}

    def guess(name: str | None) -> str:
        known = [(seen[feature], usual[feature]) for feature in name_features(name or "") if feature in seen]
        score = {
            place: log(count) + sum(log((places[place] + extra) / (count + FEATURE_WEIGHT)) for places, extra in known)
            for place, count in prior.items()
        }
        return max(score, key=score.__getitem__)

    return [guess(name) for name in names]
