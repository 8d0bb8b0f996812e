"""Each statistic against a slow and obvious computation of it."""

import functools
import itertools
import math

import numpy as np
import pytest
from answers import JUDGED, arrays
from hypothesis import given
from hypothesis import strategies as st

from evaluation.metrics import (
    auroc,
    confidence_interval,
    coverage_at_precision,
    expected_calibration_error,
    false_answers,
    nearest_names,
    risk_coverage,
)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_is_what_a_normal_test_would_not_refuse(case):
    right, total = case
    low, high = confidence_interval(right, total)
    kept = [p for p in np.linspace(0, 1, 2001)
            if abs(right / total - p) <= 1.959964 * math.sqrt(p * (1 - p) / total) + 1e-12]  # fmt: skip
    assert low == pytest.approx(min(kept), abs=6e-4) and high == pytest.approx(max(kept), abs=6e-4)
    assert 0 <= low <= right / total <= high <= 1


def test_wilson_interval_of_a_textbook():
    assert confidence_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)  # Newcombe 1998, table I


@given(JUDGED)
def test_calibration_error(judged):
    expected = 0
    for k in range(10):
        inside = [(c, r) for c, r in judged if min(int(c * 10), 9) == k]
        if inside:
            confidence, accuracy = (sum(column) / len(inside) for column in zip(*inside))
            expected += len(inside) / len(judged) * abs(confidence - accuracy)
    assert expected_calibration_error(*arrays(judged)) == pytest.approx(expected)


@given(JUDGED.map(lambda judged: judged[:6]))
def test_risk_coverage_is_the_mean_over_all_orders_of_equals(judged):
    orders = [order for order in itertools.permutations(judged)
              if all(a[0] >= b[0] for a, b in itertools.pairwise(order))]  # fmt: skip
    expected = [sum(sum(not r for _, r in order[:k]) / k for order in orders) / len(orders)
                for k in range(1, len(judged) + 1)]  # fmt: skip
    assert risk_coverage(*arrays(judged)) == pytest.approx(expected)


@given(JUDGED, st.sampled_from([0.5, 0.9, 1.0]))
def test_coverage_at_precision_tries_every_threshold(judged, precision):
    best = (0, 0)
    for threshold, _ in judged:
        given_ = [r for c, r in judged if c >= threshold]
        if sum(given_) / len(given_) >= precision and len(given_) > best[0]:
            best = len(given_), sum(given_)
    assert coverage_at_precision(*arrays(judged), precision) == best


@given(JUDGED, st.lists(st.booleans(), min_size=40, max_size=40), st.sampled_from([0.5, 0.85, 1.0]))
def test_false_answers_tries_every_threshold(judged, unread, kept):
    confidence, right = arrays(judged)
    unread = np.resize(unread, len(right))
    good = [c for c, r, u in zip(confidence, right, unread) if r and not u]
    found = false_answers(confidence, right, unread, kept)
    if not good or not unread.any():
        assert found is None
        return
    enough = [t for t in confidence if sum(c >= t for c in good) >= kept * len(good) - 1e-9]
    assert found == (sum(c >= max(enough) for c, u in zip(confidence, unread) if u), unread.sum())


@given(JUDGED)
def test_auroc_counts_pairs(judged):
    pairs = [(a > b) + (a == b) / 2 for a, right in judged if right for b, other in judged if not other]
    found = auroc(*arrays(judged))
    assert found == (pytest.approx(sum(pairs) / len(pairs)) if pairs else None)


@given(st.lists(st.text("abé ", max_size=7), min_size=1, max_size=8), st.text("abé ", max_size=7))
def test_nearest_names_by_brute_force(names, query):
    @functools.cache
    def distance(a, b):
        if not a or not b:
            return len(a) + len(b)
        return min(distance(a[1:], b) + 1, distance(a, b[1:]) + 1, distance(a[1:], b[1:]) + (a[0] != b[0]))

    distances = [distance(query, name) for name in names]
    expected = [i for i in sorted(range(len(names)), key=distances.__getitem__) if names[i] != query][:3]
    assert nearest_names([query], names, 3) == [expected]
