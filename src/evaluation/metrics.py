"""Statistics of N answers, mostly from arrays: `confidence` (N,) floats, where higher means more confident, and `right`
(N,) bools. A statistic of the report may also be a function of the predictions (see statistics.py)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

RELIABILITY_BINS = 10  # of equal width
PRECISION = 0.9  # the share of right answers that `coverage_at_precision` asks for
KEPT = 0.85  # the share of the right answers that `false_answers` keeps
NAME_BATCH = 256  # names compared with all others at once


def percent(value: float) -> str:
    """0.123 -> "12.3 %"."""
    return f"{100 * value:.1f} %"


def confidence_interval(right: int, total: int) -> tuple[float, float]:
    """The 95 % Wilson score interval (Wilson 1927) of an accuracy, `right` of `total` answers; total > 0."""
    from scipy.stats import binomtest

    interval = binomtest(int(right), int(total)).proportion_ci(confidence_level=0.95, method="wilson")
    return float(interval.low), float(interval.high)


def accuracy_with_interval(right: int, total: int) -> dict[str, Any]:
    """An accuracy and its 95 % interval, as report.json has them; total > 0."""
    low, high = confidence_interval(right, total)
    return {"questions": int(total), "right": int(right), "accuracy": right / total, "low": low, "high": high}


def reliability_bins(confidence: np.ndarray, right: np.ndarray) -> list[dict[str, Any]]:
    """The bins of a reliability diagram that are not empty: limits, questions, mean confidence and accuracy of each.
    Confidences are between 0 and 1."""
    index = np.minimum((confidence * RELIABILITY_BINS).astype(int), RELIABILITY_BINS - 1)
    return [
        {
            "low": k / RELIABILITY_BINS,
            "high": (k + 1) / RELIABILITY_BINS,
            "questions": int((index == k).sum()),
            "confidence": float(confidence[index == k].mean()),
            "accuracy": float(right[index == k].mean()),
        }
        for k in sorted(set(index.tolist()))
    ]


def expected_calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """The distance between accuracy and mean confidence of a bin, averaged over all answers (Guo et al. 2017)."""
    bins = reliability_bins(confidence, right)
    return sum(b["questions"] * abs(b["accuracy"] - b["confidence"]) for b in bins) / len(confidence)


def cumulative_counts(values: np.ndarray, flags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each distinct value, from the greatest to the least: how many of `values` (N,) are at least as great, and how
    many of these are flagged. Values [3, 1, 3], flags [True, True, False]: ([2, 3], [1, 2])."""
    distinct, index = np.unique(-values, return_inverse=True)
    total = np.bincount(index, minlength=len(distinct))
    flagged = np.bincount(index, weights=flags.astype(float), minlength=len(distinct))
    return total.cumsum(), flagged.cumsum().round().astype(int)


def risk_coverage(confidence: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The share of wrong answers (N,) among the k most confident ones, for k = 1 to N; equally confident answers are
    taken in random order, on average."""
    answered, correct = cumulative_counts(confidence, right)
    k = np.arange(1, len(confidence) + 1)
    wrong = np.interp(k, np.concatenate(([0], answered)), np.concatenate(([0], answered - correct)))
    return wrong / k


def coverage_at_precision(confidence: np.ndarray, right: np.ndarray, precision: float = PRECISION) -> tuple[int, int]:
    """The most answers that a threshold on confidence keeps while `precision` of them are right; and how many are.
    (0, 0) when no threshold reaches the precision."""
    answered, correct = cumulative_counts(confidence, right)
    reached = np.flatnonzero(correct >= precision * answered - 1e-9)
    return (int(answered[reached[-1]]), int(correct[reached[-1]])) if len(reached) else (0, 0)


def false_answers(
    confidence: np.ndarray, right: np.ndarray, unread: np.ndarray, kept: float = KEPT
) -> tuple[int, int] | None:
    """What a threshold on confidence lets through when it keeps at least the share `kept` of the right answers about people
    who were read about: how many of the answers about the `unread` (N,) are at least as confident, and how many there
    are. None when either kind is missing."""
    good, others = np.sort(confidence[right & ~unread])[::-1], confidence[unread]
    if not len(good) or not len(others):
        return None
    threshold = good[math.ceil(kept * len(good) - 1e-9) - 1]
    return int((others >= threshold).sum()), len(others)


def roc(confidence: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """The points (false positive rate, true positive rate) of a ROC curve: (M, 2). There must be both classes."""
    total, found = cumulative_counts(confidence, positive)
    points = np.stack(((total - found) / (~positive).sum(), found / positive.sum()), axis=1)
    return np.concatenate((np.zeros((1, 2)), points))


def auroc(confidence: np.ndarray, positive: np.ndarray) -> float | None:
    """The area under the ROC curve: the probability that a random positive is more confident than a random negative,
    where a tie counts one half. None when one class is missing."""
    if positive.all() or not positive.any():
        return None
    points = roc(confidence, positive)
    return float(np.trapezoid(points[:, 1], points[:, 0]))


def nearest_names(queries: Sequence[str], names: Sequence[str], count: int = 1) -> list[list[int]]:
    """For each query, the indices of the `count` names at the least Levenshtein distance, nearest first; of equally
    near names, the earlier first. Names that equal the query are left out."""
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cdist

    nearest = []
    for i in range(0, len(queries), NAME_BATCH):
        for distances in cdist(queries[i : i + NAME_BATCH], names, scorer=Levenshtein.distance, dtype=np.int32):
            order = np.argsort(distances, kind="stable")
            nearest.append(order[distances[order] > 0][:count].tolist())
    return nearest
