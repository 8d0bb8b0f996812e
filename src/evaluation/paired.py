"""Two runs that answered the same questions. Because the questions are the same, only those count that one of the two
answered rightly and the other wrongly."""

from __future__ import annotations

import csv
import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

from engine.files import InputError, read_text

Z = 1.959963984540054  # of a 95 % interval: the 97.5 % quantile of the normal distribution
Key = tuple[str, str, int]  # a question, its right answer, and how many times both were in the file before


@dataclass
class Said:
    """What a run answered."""

    prediction: str
    correct: bool


Answers = dict[Key, Said]


def read_answers(path: str) -> Answers | None:
    """The answers in a predictions.tsv, in its order. None when the questions have no right answers. Raises InputError
    when the file cannot be read or is something else."""
    lines = csv.DictReader(read_text(path).split("\n"), delimiter="\t", quoting=csv.QUOTE_NONE)
    answers: Answers = {}
    times: Counter[tuple[str, str]] = Counter()
    for line in lines:
        if "correct" not in line:
            return None
        question, answer = line.get("question"), line.get("answer")
        if not question or answer is None or line.get("prediction") is None or line["correct"] not in ("0", "1"):
            raise InputError(f"{path}: is not the predictions.tsv of an evaluation, or is damaged")
        answers[question, answer, times[question, answer]] = Said(line["prediction"], line["correct"] == "1")
        times[question, answer] += 1
    return answers or None


def paired_difference(one: Answers, other: Answers) -> dict[str, Any] | None:
    """How much better `one` is than `other` on the questions that both have: how many only one of them answers rightly,
    the difference of the accuracies with its 95 % interval (`paired_interval`), and the p-value of McNemar's exact test:
    the probability that chance alone, if both were equally good, would divide the questions on which they differ at
    least as unevenly. None without common questions."""
    from scipy.stats import binomtest

    common = [key for key in one if key in other]
    if not common:
        return None
    only_one = [key for key in common if one[key].correct and not other[key].correct]
    only_other = [key for key in common if other[key].correct and not one[key].correct]
    b, c, n = len(only_one), len(only_other), len(common)
    low, high = paired_interval(b, c, n)
    p = float(binomtest(b, b + c).pvalue) if b + c else 1.0
    return {
        "questions": n, "both": sum(one[key].correct and other[key].correct for key in common), "difference": (b - c) / n,
        "low": low, "high": high, "p": p, "only_one": only_one, "only_other": only_other,
    }  # fmt: skip


def paired_interval(b: int, c: int, n: int) -> tuple[float, float]:
    """The 95 % interval of the difference of two accuracies on the same n questions, of which b were answered rightly by
    the first only and c by the second only: Tango's score interval (Tango 1998, Statistics in Medicine 17, 891-908), the
    differences that a score test does not reject. Unlike the normal approximation it holds for few questions too, and for
    b = c = 0."""
    from scipy.optimize import brentq

    def score(difference: float) -> float:
        """The test statistic for this difference, normal with variance 1 if it is the true one."""
        linear = (2 * n - b + c) * difference - b - c
        root = linear**2 + 8 * n * c * difference * (1 - difference)
        only_second = (math.sqrt(max(root, 0.0)) - linear) / (4 * n)  # the likeliest probability of c's kind
        variance = n * (2 * only_second + difference * (1 - difference))
        distance = b - c - n * difference
        if abs(distance) < 1e-9:
            return 0.0
        return distance / math.sqrt(max(variance, 1e-18))  # 0 at differences of 1 and -1

    found = (b - c) / n
    low = brentq(lambda d: score(d) - Z, -1, found) if c < n else -1.0
    high = brentq(lambda d: score(d) + Z, found, 1) if b < n else 1.0
    return low, high
