"""Two runs on the same questions, against the slow way to compute the same."""

import math
from math import comb

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from engine.files import InputError
from evaluation.paired import Said, Z, paired_difference, paired_interval, read_answers


def score(b, c, n, difference):
    """The statistic of the score test that the accuracies differ by `difference`: the likeliest probabilities under which
    they do are searched numerically."""

    def surprise(q):  # q: the probability that only the second is right
        parts = ((b, q + difference), (c, q), (n - b - c, 1 - 2 * q - difference))
        return sum(-k * math.log(p) if p > 0 else 1e9 for k, p in parts if k)

    limits = (max(0, -difference), (1 - difference) / 2)
    q = minimize_scalar(surprise, bounds=limits, method="bounded", options={"xatol": 1e-12}).x
    return (b - c - n * difference) / math.sqrt(n * (2 * q + difference * (1 - difference)))


@given(st.integers(1, 60), st.data())
def test_the_interval_ends_where_the_score_test_rejects(n, data):
    b = data.draw(st.integers(0, n))
    c = data.draw(st.integers(0, n - b))
    low, high = paired_interval(b, c, n)
    assert -1 <= low <= (b - c) / n <= high <= 1
    if low > -0.999:
        assert score(b, c, n, low) == pytest.approx(Z, abs=1e-3)
    if high < 0.999:
        assert score(b, c, n, high) == pytest.approx(-Z, abs=1e-3)
    assert paired_interval(c, b, n) == pytest.approx((-high, -low), abs=1e-6)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_the_difference_and_its_p_value(results):
    one, other = ({("Q", "A", i): Said("x", pair[k]) for i, pair in enumerate(results)} for k in (0, 1))
    found = paired_difference(one, other)
    n, b, c = len(results), results.count((True, False)), results.count((False, True))
    assert found["difference"] == pytest.approx(sum(a for a, _ in results) / n - sum(b for _, b in results) / n)
    assert (len(found["only_one"]), len(found["only_other"]), found["both"]) == (b, c, results.count((True, True)))
    assume(b + c)
    as_uneven = sum(comb(b + c, k) for k in range(b + c + 1) if abs(2 * k - b - c) >= abs(b - c))
    assert found["p"] == pytest.approx(as_uneven / 2 ** (b + c))


def test_only_questions_of_both_count():
    one = {("Q", "A", 0): Said("A", True), ("Q", "A", 1): Said("B", False), ("R", "A", 0): Said("A", True)}
    other = {("Q", "A", 0): Said("C", False), ("R", "B", 0): Said("B", True)}
    found = paired_difference(one, other)
    assert (found["questions"], found["difference"], found["p"], found["only_one"]) == (1, 1.0, 1.0, [("Q", "A", 0)])
    assert paired_difference(one, {("S", "A", 0): Said("A", True)}) is None


def test_reading_answers(tmp_path):
    path = tmp_path / "predictions.tsv"
    head = "question\tprediction\tanswer\tcorrect\tx\n"
    path.write_text(head + 'Q "1"\ta\tb\t0\t1\nR\t\tb\t1\t1\nR\tb\tb\t1\t1\n')
    assert read_answers(str(path)) == {
        ('Q "1"', "b", 0): Said("a", False), ("R", "b", 0): Said("", True), ("R", "b", 1): Said("b", True)}  # fmt: skip
    path.write_text("question\tprediction\nQ\ta\n")
    assert read_answers(str(path)) is None  # no right answers
    for damaged in (head + "Q\ta\n", head + "Q\ta\tb\tmaybe\t1\n"):
        path.write_text(damaged)
        with pytest.raises(InputError, match="damaged"):
            read_answers(str(path))
