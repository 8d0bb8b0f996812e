"""Calibration (Platt scaling): from the model's certainty (scoring.py), as a probability p, to the probability that its answer is
right.

    confidence = sigmoid(logit(p) / temperature + offset)

Temperature and offset are those under which the right and wrong answers are likeliest. The order of the answers by
confidence is that by certainty.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from evaluation.metrics import accuracy_with_interval, percent
from evaluation.scoring import NEVER, Prediction, certainty
from questions import is_right

MAX_TEMPERATURE = 100.0  # and the least is 1 / MAX_TEMPERATURE
REGULARIZATION = 1e-4  # of log(temperature)**2, against a log-likelihood summed over the answers


@dataclass
class Calibration:
    """A function from the logarithm of p to a confidence."""

    temperature: float
    offset: float
    source: str | None = None  # the report.json it comes from; None when it was fitted on half of the same questions
    recall: bool = False  # whether p is the certainty; in older reports it was the sequence probability

    def __call__(self, log_probability: np.ndarray) -> np.ndarray:
        """Confidences between 0 and 1, of the same shape."""
        return sigmoid(log_odds(log_probability) / self.temperature + self.offset)

    def of(self, log_probability: np.ndarray, log_recall: np.ndarray) -> np.ndarray:
        """The confidences of answers, by what the calibration was fitted on; see `scoring.certainty`."""
        return self(certainty(log_probability, log_recall) if self.recall else log_probability)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)), without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * np.asarray(x)))


def log_odds(log_probability: np.ndarray) -> np.ndarray:
    """log(p / (1 - p)) from log(p), which is clipped to what float32 can tell apart."""
    clipped = np.clip(log_probability, -100.0, -1e-6)
    return clipped - np.log(-np.expm1(clipped))


def calibration_split(total: int) -> tuple[np.ndarray, np.ndarray]:
    """The indices of the questions to fit a calibration on, and of those to test it on: two halves of `total`, always
    the same for the same `total`."""
    order = np.random.default_rng(0).permutation(total)
    return np.sort(order[: (total + 1) // 2]), np.sort(order[(total + 1) // 2 :])


def fit_calibration(log_probability: np.ndarray, right: np.ndarray) -> Calibration:
    """The calibration of maximum likelihood for N answers, by their log-probabilities (N,) and whether they are right.

    The target of a right answer is not 1 but (r + 1) / (r + 2), r being the number of right answers, and likewise for
    a wrong one (Platt 1999), so that the fit stays finite when all are right. A weak pull towards temperature 1
    decides when the answers do not, for example when all have the same probability.
    """
    from scipy.optimize import minimize

    x, r, w = log_odds(log_probability), int(right.sum()), int((~right).sum())
    target = np.where(right, (r + 1) / (r + 2), 1 / (w + 2))
    centre = x.mean()  # slope and offset depend on each other less when x is centred

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        """The negative log-likelihood with the pull, and its gradient, by log(1 / temperature) and offset."""
        log_slope, offset = parameters
        scaled = math.exp(log_slope) * (x - centre)
        y = scaled + offset
        value = (np.logaddexp(0, y) - target * y).sum() + REGULARIZATION * log_slope**2
        error = sigmoid(y) - target
        return value, np.array([error @ scaled + 2 * REGULARIZATION * log_slope, error.sum()])

    start = np.array([0.0, math.log(target.mean() / (1 - target.mean()))])
    limit = math.log(MAX_TEMPERATURE)
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=[(-limit, limit), (None, None)],
        options={"ftol": 0, "gtol": 1e-9, "maxiter": 1000, "maxfun": 5000},
    )  # fmt: skip
    slope = math.exp(found.x[0])
    return Calibration(1 / slope, float(found.x[1] - slope * centre))


def fit_on_first_half(
    scores: np.ndarray, predictions: Sequence[str], answers: Sequence[str], recall: np.ndarray | None = None
) -> Calibration:
    """The calibration by the first half of `calibration_split`; `scores` (N, 4) are from `score_answers`, and `recall` (N,) from
    `recall_scores`."""
    half, read = calibration_split(len(predictions))[0], scores[:, 0] > NEVER  # what was not read teaches nothing
    chosen = half[read[half]] if read[half].any() else np.flatnonzero(read)
    right = np.array(list(map(is_right, predictions, answers)))
    if recall is None or np.isnan(recall).all():
        return fit_calibration(scores[chosen, 0], right[chosen])
    return replace(fit_calibration(certainty(scores[:, 0], recall)[chosen], right[chosen]), recall=True)


def tested_questions(total: int, calibration: Calibration) -> np.ndarray:
    """The indices of those of `total` questions that the calibration was not fitted on."""
    return np.arange(total) if calibration.source else calibration_split(total)[1]


def abstention(rows: Sequence[Prediction], calibration: Calibration, below: float) -> dict[str, Any]:
    """What report.json says of answering only where the confidence is not `below` a threshold."""
    tested = [rows[i] for i in tested_questions(len(rows), calibration)]
    kept = [row for row in tested if row.answered]
    found: dict[str, Any] = {"below": below, "of": len(rows), "answered": sum(row.answered for row in rows)}
    if rows[0].answer is not None:
        found["right"] = sum(row.correct for row in rows if row.answered)
        found["right_without_abstaining"] = sum(row.correct for row in rows)
        found |= {"tested_on": len(tested), "tested_answered": len(kept)}
        if kept:
            found["when_answered"] = accuracy_with_interval(sum(row.correct for row in kept), len(kept))
    return found


def abstention_text(found: dict[str, Any]) -> str:
    """For example "answered 20 of 84, 15 of these right (75.0 %); without abstaining 18 right (21.4 %)"."""
    text, total = f"answered {found['answered']} of {found['of']}", found["of"]
    if "right_without_abstaining" not in found:  # the questions have no answers, or the report is an older one
        return text
    right, without = found["right"], found["right_without_abstaining"]
    text += f", {right} of these right ({percent(right / found['answered'])})" if found["answered"] else ""
    return f"{text}; without abstaining {without} right ({percent(without / total)})"
