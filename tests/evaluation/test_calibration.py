"""The calibration of confidence: it finds the likeliest parameters, and stays finite."""

import math

import numpy as np
import pytest
from answers import arrays
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.calibration import Calibration, calibration_split, fit_calibration, sigmoid


def loss(calibration, logp, right):
    confidence = calibration(logp)
    r, w = right.sum(), (~right).sum()
    target = np.where(right, (r + 1) / (r + 2), 1 / (w + 2))
    with np.errstate(divide="ignore"):
        return -(target * np.log(confidence) + (1 - target) * np.log(1 - confidence)).sum()


@given(st.lists(st.tuples(st.floats(-12, -1e-4), st.booleans()), min_size=1, max_size=40))
@settings(max_examples=30)
def test_calibration_is_likelier_than_any_on_a_grid(judged):
    logp, right = arrays(judged)
    found = fit_calibration(logp, right)
    assert 0.0099 < found.temperature < 100.1 and math.isfinite(found.offset)
    others = [Calibration(t, b) for t in (0.01, 0.3, 0.8, 1, 1.5, 3, 10, 100) for b in (-5, -2, -0.5, 0, 0.5, 2)]
    assert loss(found, logp, right) <= min(loss(other, logp, right) for other in others) + 0.01
    order = np.argsort(logp)
    assert (np.diff(found(logp)[order]) >= 0).all()


def test_calibration_finds_what_was_put_in():
    rng = np.random.default_rng(1)
    x = rng.normal(3, 2, 20000)
    right = rng.random(20000) < sigmoid(x / 2.5 - 1)
    found = fit_calibration(-np.logaddexp(0, -x), right)
    assert (found.temperature, found.offset) == pytest.approx((2.5, -1), abs=0.1)


@pytest.mark.parametrize("right", [[True], [False], [True] * 5, [False] * 5])
def test_calibration_of_answers_of_one_kind_is_finite(right):
    logp = np.linspace(-3, -0.0, len(right))
    confidence = fit_calibration(logp, np.array(right))(logp)
    assert ((0 < confidence) & (confidence < 1)).all() and (confidence > 0.5).tolist() == right


@given(st.integers(1, 60))
def test_calibration_split_is_fixed_and_disjoint(n):
    first, second = calibration_split(n)
    assert sorted([*first, *second]) == list(range(n)) and 0 <= len(first) - len(second) <= 1
    assert all(np.array_equal(a, b) for a, b in zip(calibration_split(n), (first, second)))
