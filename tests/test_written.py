"""Checks the mathematical claims of docs/written.md numerically, in the order of that file.

As there, A4 is the handout of assignment 4 (spring 2024) and A5 that of assignment 5 (an earlier year).
"""

import importlib.util
import itertools
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls
from torch.utils.flop_counter import FlopCounterMode

from attention import CausalSelfAttention, DocumentMask, SynthesizerAttention, apply_rotary_emb, precompute_rotary_emb
from model import GPT, GPTConfig

DOCS = Path(__file__).resolve().parent.parent / "docs"
FIGURES = DOCS / "figures"
seeds = st.integers(0, 10**6)
few = settings(max_examples=20)


def softmax(scores):
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def attend(keys, values, q):
    return softmax(keys @ q) @ values


def orthonormal(rng, n, d):
    """n orthogonal unit vectors in d dimensions, the rows of (n, d)."""
    return np.linalg.qr(rng.normal(size=(d, d)))[0][:n]


def normal_cdf(x):
    return math.erfc(-x / math.sqrt(2)) / 2


# ---------------------------------------------------------------------------------------------------------------------
# One head


@few
@given(st.lists(st.floats(-100, 100), min_size=1, max_size=20))
def test_attention_weights_are_positive_and_add_up_to_one(scores):
    """A5 1(a)i: they are a probability distribution."""
    weights = softmax(np.array(scores))
    assert (weights > 0).all() and weights.sum() == pytest.approx(1)


@few
@given(st.lists(st.floats(-30, 30), min_size=2, max_size=30))
def test_the_margin_of_the_best_score_bounds_its_weight_from_both_sides(scores):
    """1/(1+(n-1)e^-m) <= alpha_j <= 1/(1+e^-m), m the margin to the second best score."""
    *_, second, best = sorted(scores)
    n, m, weight = len(scores), best - second, softmax(np.array(scores)).max()
    assert 1 / (1 + (n - 1) * math.exp(-m)) - 1e-9 <= weight <= 1 / (1 + math.exp(-m)) + 1e-9


def test_neither_the_sign_nor_the_ratio_of_scores_makes_a_copy():
    """A5 1(a)ii: a copy is possible with negative scores, or with a ratio near 1; a ratio of 100 may not be enough."""
    assert softmax(np.array([-5.0, -30, -40]))[0] > 0.999
    assert softmax(np.array([1000.0, 990, 990]))[0] > 0.999
    assert softmax(np.array([0.01, 0.0001]))[0] < 0.503


def test_a_query_equal_to_a_unit_key_does_not_copy_without_a_scale():
    """A4 1(a)i: for orthonormal keys and q = k_j, the weight is 0.48 with 4 keys, 0.28 with 8, and 0.003 with 1,024."""
    for n, expected in ((4, 0.48), (8, 0.28), (1024, 0.003)):
        assert softmax(np.eye(1, n)[0])[0] == pytest.approx(expected, rel=0.12)
        assert softmax(np.eye(1, n)[0])[0] == pytest.approx(1 / (1 + (n - 1) / math.e))


def test_a_longer_key_has_more_weight_than_the_key_most_similar_to_the_query():
    """A4 1(a)i: the inner product counts, so similarity to the query is not enough."""
    q = 10 * np.array([1.0, 0.0])
    keys = np.array([[1.0, 0.0], [2.0, 1.0]])  # the first has the query's direction, the second is longer
    assert softmax(keys @ q)[1] > 0.999


@few
@given(st.integers(2, 20), st.floats(1, 30), seeds)
def test_a_scaled_key_copies_its_value_up_to_the_bound(n, beta, seed):
    """q = beta k_j: |c - v_j| <= (1-alpha_j) max |v_i - v_j|, and alpha_j = 1/(1+(n-1)e^-beta)."""
    rng = np.random.default_rng(seed)
    keys, values = orthonormal(rng, n, 20), rng.normal(size=(n, 6))
    weight = 1 / (1 + (n - 1) * math.exp(-beta))
    assert softmax(keys @ (beta * keys[0]))[0] == pytest.approx(weight)
    error = np.linalg.norm(attend(keys, values, beta * keys[0]) - values[0])
    assert error <= (1 - weight) * np.linalg.norm(values - values[0], axis=1).max() + 1e-12


@few
@given(st.integers(2, 8), seeds)
def test_a_key_in_the_convex_hull_of_the_others_cannot_be_copied(n, seed):
    """No query gives more than half of the weight to a key that is a weighted mean of the others."""
    rng = np.random.default_rng(seed)
    others = rng.normal(size=(n, 5))
    keys = np.vstack((rng.dirichlet(np.ones(n)) @ others, others))
    queries = rng.normal(size=(200, 5)) * 10 ** rng.uniform(-2, 3, size=(200, 1))
    assert softmax(queries @ keys.T)[:, 0].max() <= 0.5 + 1e-9


def nearest_in_hull(point, others):
    """The point of the convex hull of `others` (n, d) that is nearest to `point`: least squares with weights that are not
    negative and, by a heavy last row, add up to 1."""
    heavy = 1e4
    weights, _ = nnls(np.vstack((others.T, np.full(len(others), heavy))), np.append(point, heavy))
    return weights @ others / weights.sum()


@few
@given(st.integers(2, 8), seeds)
def test_a_key_outside_the_convex_hull_of_the_others_can_be_copied(n, seed):
    """For the nearest point p of the hull, q = beta (k_j - p) has a margin of at least beta |k_j - p|^2."""
    rng = np.random.default_rng(seed)
    others = rng.normal(size=(n, 3))
    direction = rng.normal(size=3)
    key = others.mean(axis=0) + ((others - others.mean(axis=0)) @ direction).max() * 1.3 * direction / (
        direction @ direction
    )
    p = nearest_in_hull(key, others)
    margin = (key - others) @ (key - p)
    assert margin.min() >= 0.98 * (key - p) @ (key - p) > 0
    q = 20 / margin.min() * (key - p)
    assert softmax(np.vstack((key, others)) @ q)[0] > 0.999


def test_a_copy_is_exact_only_for_special_values():
    """c - v_j is (1 - alpha_j) times the difference between the weighted mean of the other values and v_j."""
    rng = np.random.default_rng(0)
    keys, values = orthonormal(rng, 5, 6), rng.normal(size=(5, 4))
    weights = softmax(keys @ (3 * keys[0]))
    others = weights[1:] @ values[1:] / weights[1:].sum()
    assert np.allclose(attend(keys, values, 3 * keys[0]) - values[0], (1 - weights[0]) * (others - values[0]))
    assert attend(np.eye(3), np.array([0.0, 1, -1]), 3 * np.eye(3)[0]) == pytest.approx(0, abs=1e-15)


def test_the_copied_output_is_the_value_and_not_mostly_zeros():
    """A5 1(a)iii: most weights are nearly zero, the entries of c are not."""
    rng = np.random.default_rng(0)
    keys, values = orthonormal(rng, 10, 12), rng.normal(size=(10, 12))
    c, weights = attend(keys, values, 30 * keys[4]), softmax(keys @ (30 * keys[4]))
    assert np.allclose(c, values[4], atol=1e-9) and (np.abs(c) > 1e-3).all()
    assert (weights > 0).all() and (weights < 1e-9).sum() == 9


# ---------------------------------------------------------------------------------------------------------------------
# An average of two


@few
@given(st.integers(1, 5), st.integers(1, 5), seeds)
def test_the_projection_extracts_one_value_from_the_sum(m, p, seed):
    """A5 1(b)i: M = A^T A, with the basis as the rows of A. A alone gives the m coefficients. For the average, 2M."""
    rng = np.random.default_rng(seed)
    basis = orthonormal(rng, m + p, 12)
    A, B = basis[:m], basis[m:]
    coefficients = rng.normal(size=m)
    v_a, v_b = coefficients @ A, rng.normal(size=p) @ B
    M = A.T @ A
    assert np.allclose(M @ (v_a + v_b), v_a) and np.allclose(2 * M @ ((v_a + v_b) / 2), v_a)
    assert np.allclose(M @ M, M) and np.allclose(M, M.T)
    assert (A @ (v_a + v_b)).shape == (m,) and np.allclose(A @ (v_a + v_b), coefficients)


@few
@given(st.integers(1, 4), seeds)
def test_a_basis_that_is_not_orthonormal_needs_the_inverse_of_its_gram_matrix(m, seed):
    """M = U (U^T U)^-1 U^T; U U^T is wrong there."""
    rng = np.random.default_rng(seed)
    both = orthonormal(rng, 2 * m, 10)
    U = (both[:m].T @ (rng.normal(size=(m, m)) + 3 * np.eye(m))) * 2
    v_a, v_b = U @ rng.normal(size=m), rng.normal(size=m) @ both[m:]
    assert np.allclose(U @ np.linalg.solve(U.T @ U, U.T @ (v_a + v_b)), v_a)
    assert not np.allclose(U @ U.T @ (v_a + v_b), v_a)


@few
@given(st.integers(3, 20), st.floats(0, 30), seeds)
def test_the_averaging_query_has_exactly_this_error(n, beta, seed):
    """A4 1(b), A5 1(b)ii: c - (v_a+v_b)/2 = eps (mean of the others - (v_a+v_b)/2); eps > 0 for three keys or more."""
    rng = np.random.default_rng(seed)
    keys, values = orthonormal(rng, n, 20), rng.normal(size=(n, 6))
    q = beta * (keys[0] + keys[1])
    weights, rest = softmax(keys @ q), (n - 2) * math.exp(-beta)
    assert weights[:2] == pytest.approx(1 / (2 + rest)) and weights[0] < 0.5
    half = values[:2].mean(axis=0)
    error = rest / (2 + rest) * (values[2:].mean(axis=0) - half)
    assert np.allclose(attend(keys, values, q) - half, error, atol=1e-12)


@few
@given(st.integers(3, 10**6), st.floats(1e-9, 0.4))
def test_this_scale_is_enough_for_an_error_below_delta(n, delta):
    """With beta = ln((n-2)/(2 delta)), the total weight of the other keys is less than delta."""
    scores = np.zeros(n)
    scores[:2] = math.log((n - 2) / (2 * delta))
    assert softmax(scores)[2:].sum() < delta


def test_with_two_keys_the_average_is_exact_and_without_a_scale_it_is_not_with_eight():
    """A4 1(b): without a scale, 6 of 8 keys have more than half of the weight."""
    assert softmax(np.zeros(2)).tolist() == [0.5, 0.5] == softmax(np.array([7.0, 7.0])).tolist()
    assert 2 * softmax(np.array([1.0, 1, 0, 0, 0, 0, 0, 0]))[0] == pytest.approx(0.475, abs=0.001)


# ---------------------------------------------------------------------------------------------------------------------
# Random keys: one head and two heads


def noisy_keys(rng, samples, alpha, long=True, n=8):
    """Samples of n keys whose means are the unit vectors: (samples, n, n). If `long`, the variance of the first key
    along its own mean is greater by 1/2."""
    keys = np.eye(n) + math.sqrt(alpha) * rng.normal(size=(samples, n, n))
    if long:
        keys[:, 0, 0] += math.sqrt(0.5) * rng.normal(size=samples)
    return keys


def test_small_noise_leaves_the_average_only_while_beta_times_its_size_is_small():
    """1(c)i in both: the difference between the scores of a and b is normal with the variance 4 alpha beta^2."""
    rng, alpha = np.random.default_rng(0), 1e-4
    keys = noisy_keys(rng, 20_000, alpha, long=False)
    both = np.eye(8)[0] + np.eye(8)[1]
    for beta in (10, 1000):
        scores = keys @ (beta * both)
        assert (scores[:, 0] - scores[:, 1]).var() == pytest.approx(4 * alpha * beta**2, rel=0.05)
    good, wild = (softmax(keys @ (beta * both))[:, 0] for beta in (10, 1000))
    assert good.mean() == pytest.approx(0.5, abs=0.01) and good.std() < 0.06
    assert wild.std() > 0.4
    assert softmax(keys @ both)[:, :2].sum(axis=1).mean() < 0.5  # beta = 1: the other six have more weight than the two


def test_one_head_flips_between_the_two_values():
    """1(c)ii: the weight of v_a is 1/(1+e^(beta(1-gamma))): mean 1/2, variance near 1/4, 12 % between 0.1 and 0.9."""
    beta, rng = 20, np.random.default_rng(1)
    keys = noisy_keys(rng, 20_000, 1e-7)
    weights = softmax(keys @ (beta * (np.eye(8)[0] + np.eye(8)[1])))
    gamma = keys[:, 0, 0]
    assert gamma.var() == pytest.approx(0.5, rel=0.05)
    assert np.allclose(weights[:, 0], 1 / (1 + np.exp(beta * (1 - gamma))), atol=0.02)
    assert weights[:, 0].mean() == pytest.approx(0.5, abs=0.015)
    assert 0.21 < weights[:, 0].var() < 0.25
    unscaled = softmax(keys @ (np.eye(8)[0] + np.eye(8)[1]))  # beta = 1: less variance, but the other keys get weight
    assert unscaled[:, 0].var() < 0.05 and unscaled[:, 2:].sum(axis=1).mean() > 0.4
    between = ((weights[:, 0] > 0.1) & (weights[:, 0] < 0.9)).mean()
    assert between == pytest.approx(2 * normal_cdf(math.sqrt(2) * math.log(9) / beta) - 1, abs=0.01)
    assert between == pytest.approx(0.123, abs=0.01)
    values = rng.normal(size=(8, 3))
    difference = values[0] - values[1]
    covariance = np.cov((weights @ values).T)
    assert np.allclose(covariance, weights[:, 0].var() * np.outer(difference, difference), atol=0.02)


def test_two_heads_vary_far_less_than_one_and_only_the_first_varies():
    """1(d)ii: c2 is constant, Var c is a quarter of Var c1, and for gamma > 0 it is small and shrinks with beta."""
    keys = noisy_keys(np.random.default_rng(2), 20_000, 1e-7)
    positive, conditional = keys[:, 0, 0] > 0, []
    for beta in (20, 60):
        two_queries = sum(softmax(keys @ (b * (np.eye(8)[0] + np.eye(8)[1])))[:, 0] for b in (beta, 2 * beta)) / 2
        assert two_queries.var() > 0.2  # two different queries, but both flip at gamma = 1
        one = softmax(keys @ (beta * (np.eye(8)[0] + np.eye(8)[1])))[:, 0]
        first, second = (softmax(keys @ (beta * np.eye(8)[i])) for i in range(2))
        c = (first + second)[:, 0] / 2
        assert second.var(axis=0).max() < 1e-9 and second[:, 1].min() > 0.999
        assert c.var() == pytest.approx(first[:, 0].var() / 4, rel=1e-3)
        assert c.var() < one.var() / 10
        conditional.append(c[positive].var())
    assert conditional[1] < conditional[0] < 0.005
    assert c[positive].mean() == pytest.approx(0.5, abs=0.01)


def test_one_head_and_two_heads_fail_for_a_key_that_points_backwards():
    """1(d)ii: gamma < 0 in 7.9 % of the samples. Then c1 is the mean of the other values, and one head gives v_b."""
    keys = noisy_keys(np.random.default_rng(3), 20_000, 1e-7)
    backwards = keys[:, 0, 0] < -0.3
    assert (keys[:, 0, 0] < 0).mean() == pytest.approx(normal_cdf(-math.sqrt(2)), abs=0.006)
    assert normal_cdf(-math.sqrt(2)) == pytest.approx(0.079, abs=0.0005)
    first = softmax(keys[backwards] @ (20 * np.eye(8)[0]))
    assert np.allclose(first[:, 1:], 1 / 7, atol=0.02) and first[:, 0].max() < 0.01
    one = softmax(keys[backwards] @ (20 * (np.eye(8)[0] + np.eye(8)[1])))
    assert one[:, 1].min() > 0.99  # even where k_a is the longer of the two
    assert (keys[:, 0, 0] < -1).mean() == pytest.approx(normal_cdf(-2 * math.sqrt(2)), abs=0.001)
    weight = (softmax(keys @ (1000 * np.eye(8)[0])) + softmax(keys @ (1000 * np.eye(8)[1])))[:, 0] / 2
    assert weight.var() == pytest.approx(0.018, abs=0.0015)


def test_two_heads_with_the_same_query_are_one_head():
    """A5 1(d)ii: the keys are sampled once, so two heads with equal queries see the same keys."""
    keys = noisy_keys(np.random.default_rng(4), 1000, 1e-7)
    q1, q2 = (20 * (np.eye(8)[0] + np.eye(8)[1]) for _ in range(2))
    one, two = softmax(keys @ q1), (softmax(keys @ q1) + softmax(keys @ q2)) / 2
    assert np.array_equal(one, two) and two[:, 0].var() > 0.2


def test_two_heads_without_a_scale_neither_average_nor_have_a_small_variance():
    """1(d) in both: for q1 = mu_a, q2 = mu_b and eight keys, v_a and v_b together have a weight of 0.38, and the
    weight of v_a depends on gamma."""
    e = np.eye(8)

    def weight_of_a(gamma, n):
        keys = np.eye(n)
        keys[0] *= gamma
        return (softmax(keys @ np.eye(n)[0]) + softmax(keys @ np.eye(n)[1]))[0] / 2

    both = (softmax(e @ e[0]) + softmax(e @ e[1])) / 2
    assert both[:2].sum() == pytest.approx(0.383, abs=0.001)
    assert weight_of_a(2, 8) > 1.5 * weight_of_a(1, 8)
    assert weight_of_a(1, 2) == pytest.approx(0.5)  # exact with two keys and no noise
    assert weight_of_a(2, 2) == pytest.approx((1 / (1 + math.exp(-2)) + 1 / (1 + math.e)) / 2) != pytest.approx(0.5)


@few
@given(st.floats(0.2, 3))
def test_the_weights_are_not_ratios_of_lengths(length):
    """A4 1(d)ii: for keys of the lengths l and 1, the weights are not l/(l+1) and 1/(l+1). For l = 1 these would be
    1/2, whatever the scale is."""
    weight = softmax(np.diag([length, 1.0]) @ np.eye(2)[0])[0]
    assert weight == pytest.approx(math.exp(length) / (math.exp(length) + 1))
    assert weight - length / (length + 1) > 0.02
    assert softmax(np.eye(2) @ (10 * np.eye(2)[0]))[0] > 0.999


# ---------------------------------------------------------------------------------------------------------------------
# Positions


def layer(kind, T=6, n_embd=16, n_head=2, seed=0, std=0.3, **kw):
    """An attention layer with random parameters, in float64, without dropout."""
    made = kind(GPTConfig(4, T + 1, n_head=n_head, n_embd=n_embd, **kw)).double().eval()
    generator = torch.Generator().manual_seed(seed)
    for p in made.parameters():
        p.requires_grad_(False).normal_(std=std, generator=generator)
    return made


def tokens(T, n_embd=16, seed=0):
    return torch.randn(1, T, n_embd, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def one_document(positions):
    """The mask of one document with these positions (1, T)."""
    return DocumentMask(positions, torch.zeros_like(positions))


def unmasked(T):
    """No mask: each token sees all tokens."""
    mask = one_document(torch.arange(T)[None])
    mask.bias = torch.zeros_like(mask.bias)
    return mask


def transformer_layer(rng, d):
    """The layer of A4 question 2, attention and feed-forward network, with random weights."""
    Q, K, V, W1, W2 = rng.normal(size=(5, d, d))
    b1, b2 = rng.normal(size=(2, 1, d))

    def apply(X):
        H = softmax((X @ Q) @ (X @ K).T / math.sqrt(d)) @ (X @ V)
        return np.maximum(H @ W1 + b1, 0) @ W2 + b2

    return apply


@few
@given(st.integers(2, 8), st.integers(1, 6), seeds)
def test_attention_and_feed_forward_are_equivariant_and_not_invariant(T, d, seed):
    """A4 2(a): Z_perm = P Z. What is pooled over the tokens, such as the mean, is invariant."""
    rng = np.random.default_rng(seed)
    f, X, P = transformer_layer(rng, d), rng.normal(size=(T, d)), np.eye(T)[rng.permutation(T)]
    A = rng.normal(size=(T, T))
    assert np.allclose(softmax(P @ A @ P.T), P @ softmax(A) @ P.T)
    assert np.array_equal(P @ np.ones((T, 1)), np.ones((T, 1))) and np.array_equal(P.T @ P, np.eye(T))
    assert np.allclose(np.maximum(P @ A, 0), P @ np.maximum(A, 0))
    assert np.allclose(f(P @ X), P @ f(X))
    assert np.allclose(f(P @ X).mean(axis=0), f(X).mean(axis=0))


def test_the_output_does_change_when_the_tokens_are_shuffled():
    """A4 2(a)ii: equivariant is not invariant."""
    rng = np.random.default_rng(0)
    f, X = transformer_layer(rng, 4), rng.normal(size=(5, 4))
    assert not np.allclose(f(X[::-1]), f(X), atol=0.1)


def test_positions_end_the_equivariance():
    """A4 2(b)i: P X + Phi is not P (X + Phi), and the outputs differ."""
    rng = np.random.default_rng(1)
    f, X, phi, P = transformer_layer(rng, 4), rng.normal(size=(5, 4)), sinusoids(5, 4), np.eye(5)[[1, 2, 3, 4, 0]]
    assert not np.allclose(f(P @ X + phi), P @ f(X + phi), atol=0.1)


@pytest.mark.parametrize("rope", [False, True])
def test_this_projects_layer_is_equivariant_without_mask_and_rope(rope):
    """With RoPE it is not equivariant, because RoPE depends on positions."""
    attention, x, order = layer(CausalSelfAttention, rope=rope), tokens(6), [3, 1, 5, 0, 4, 2]
    same = torch.allclose(attention(x[:, order], unmasked(6)), attention(x, unmasked(6))[:, order], atol=1e-6)
    assert same is not rope


def test_a_causal_layer_is_not_equivariant_but_its_last_token_sees_a_multiset():
    """Without positions, the last token ignores the order of the others in one causal layer, but not in two."""
    one, two, x, order = layer(CausalSelfAttention), layer(CausalSelfAttention, seed=1), tokens(6), [3, 1, 4, 0, 2, 5]
    y, shuffled = one(x), one(x[:, order])
    assert torch.allclose(shuffled[:, -1], y[:, -1]) and not torch.allclose(shuffled, y[:, order], atol=0.01)
    assert not torch.allclose(two(x + y)[:, -1], two(x[:, order] + shuffled)[:, -1], atol=0.01)


def sinusoids(T, d):
    angles = np.arange(T)[:, None] * 10000.0 ** (-2 * np.arange(d // 2) / d)
    return np.stack((np.sin(angles), np.cos(angles)), axis=-1).reshape(T, d)


@pytest.mark.parametrize("d", [2, 4, 64, 256])
def test_no_two_sinusoidal_positions_are_the_same(d):
    """A4 2(b)ii: one pair of features is enough, and the distances are those of the formula."""
    phi, omega = sinusoids(600, d), 10000.0 ** (-2 * np.arange(d // 2) / d)
    squared = np.array([d - 2 * np.cos(omega * m).sum() for m in range(600)])
    assert np.allclose(((phi[500] - phi) ** 2).sum(axis=1), squared[abs(500 - np.arange(600))])
    assert squared[1:].min() > 1e-9
    assert np.allclose(np.linalg.norm(phi, axis=1) ** 2, d / 2)
    if d >= 64:
        assert squared[1:].argmin() == 0  # with enough features, the neighbour is the nearest


def test_with_one_pair_of_features_positions_710_apart_are_nearly_equal():
    """710 is 113 times 2 pi plus 0.00006. In bfloat16, some positions that are 710 apart are equal."""
    phi = sinusoids(711, 2)
    assert 0 < np.linalg.norm(phi[710] - phi[0]) < 7e-5
    near = torch.tensor(sinusoids(800, 2)).bfloat16()
    assert any(torch.equal(near[t], near[t + 710]) for t in range(90))


@few
@given(st.integers(0, 200), st.integers(0, 200), st.integers(1, 16))
def test_inner_products_and_shifts_of_sinusoids_depend_on_the_distance(s, t, half):
    """phi_s . phi_t = sum cos(omega (s-t)), and phi_(s+t) is phi_t rotated by angles that depend only on s."""
    phi, omega = sinusoids(401, 2 * half), 10000.0 ** (-np.arange(half) / half)
    assert phi[s] @ phi[t] == pytest.approx(np.cos(omega * (s - t)).sum(), abs=1e-9)
    as_complex = phi[:, 1::2] + 1j * phi[:, 0::2]
    assert np.allclose(as_complex[s + t], as_complex[t] * np.exp(1j * omega * s))


def test_learned_positions_start_equal():
    """A4 2(b)ii: nothing forces learned embeddings to differ; in this project they all start as zeros."""
    assert not GPT(GPTConfig(5, 7, n_layer=1, n_head=2, n_embd=8)).pos_emb.any()


# ---------------------------------------------------------------------------------------------------------------------
# RoPE


def rope_matrix(d, t):
    """The matrix of A4 equation 3 for position t: (d, d)."""
    R = np.zeros((d, d))
    for i in range(d // 2):
        a = t * 10000.0 ** (-2 * i / d)
        R[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = [[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]]
    return R


def rotated(x, t):
    """The vector x, rotated for position t by this project's code."""
    cache = precompute_rotary_emb(len(x), t + 1).double()[t:]
    return apply_rotary_emb(torch.tensor(x)[None, None, None], cache)[0, 0, 0].numpy()


@few
@given(st.integers(1, 12), st.integers(0, 127), seeds)
def test_rope_as_a_matrix_as_a_complex_product_and_in_the_code_is_the_same(half, t, seed):
    """A4 3(g)i: equation 3 is equation 4, with real and imaginary parts in turn."""
    x = np.random.default_rng(seed).normal(size=2 * half)
    by_matrix = rope_matrix(2 * half, t) @ x
    z = np.exp(1j * t * 10000.0 ** (-np.arange(half) / half)) * (x[0::2] + 1j * x[1::2])
    by_complex = np.stack((z.real, z.imag), axis=-1).reshape(-1)
    assert np.allclose(by_matrix, by_complex, atol=1e-12)
    assert np.allclose(by_matrix, rotated(x, t), atol=1e-5)


@pytest.mark.parametrize("d", [2, 4, 8, 64])
def test_the_matrix_of_rope_has_2d_nonzero_entries(d):
    """So most entries are zero from d = 6 on: none of 4 for d = 2, 8 of 16 for d = 4."""
    assert np.count_nonzero(rope_matrix(d, 1)) == 2 * d


@few
@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), seeds)
def test_rope_scores_depend_on_the_distance_alone(s, t, shift, seed):
    """A4 3(g): <R_s q, R_t k> = <R_(s-t) q, k>."""
    q, k = np.random.default_rng(seed).normal(size=(2, 8))
    score = rotated(q, s) @ rotated(k, t)
    assert score == pytest.approx(rotated(q, s + shift) @ rotated(k, t + shift), abs=1e-4)
    assert score == pytest.approx((rope_matrix(8, s - t) @ q) @ k, abs=1e-4)
    assert score == pytest.approx(q @ rope_matrix(8, t - s) @ k, abs=1e-4)
    assert np.allclose(rope_matrix(8, s).T @ rope_matrix(8, t), rope_matrix(8, t - s))
    R = rope_matrix(8, t)
    assert np.allclose(R.T @ R, np.eye(8)) and np.linalg.norm(rotated(k, t)) == pytest.approx(np.linalg.norm(k))


def test_conjugating_the_rotated_vector_changes_the_sign_of_the_angle():
    """A4 3(g)i: with the wrong sign, the real part is different."""
    z1, z2, angle = 1 + 2j, 3 - 1j, 0.7  # angle = (t1 - t2) theta
    truth = (np.conj(np.exp(1j * angle) * z1) * z2).real
    assert truth == pytest.approx((np.exp(-1j * angle) * np.conj(z1) * z2).real)
    assert abs(truth - (np.exp(1j * angle) * np.conj(z1) * z2).real) > 1


def test_rope_scores_of_equal_vectors_are_greatest_at_distance_0_but_do_not_fall_steadily():
    """For q = k the score is sum |q_i|^2 cos(m theta_i)."""
    q = np.ones(16)
    scores = np.array([rotated(q, m) @ q for m in range(60)])
    assert np.allclose(scores, [2 * np.cos(m * 10000.0 ** (-np.arange(8) / 8)).sum() for m in range(60)], atol=1e-4)
    assert scores.argmax() == 0 and (np.diff(scores) > 0).any()


def test_a_rope_layer_does_not_depend_on_the_position_of_the_first_token():
    """The same tokens, 5 positions later, give the same output; in another order they do not."""
    attention, x = layer(CausalSelfAttention, T=12, rope=True), tokens(6)
    here, there = (attention(x, one_document(torch.arange(6)[None] + shift)) for shift in (1, 6))
    assert torch.allclose(here, there, atol=1e-5)
    shuffled = attention(x[:, [3, 1, 4, 0, 2, 5]], one_document(torch.arange(6)[None] + 1))
    assert not torch.allclose(here[:, -1], shuffled[:, -1], atol=0.01)


# ---------------------------------------------------------------------------------------------------------------------
# The synthesizer

KINDS = {"queries and keys": (CausalSelfAttention, {}), "synthesizer": (SynthesizerAttention, {"synthesizer": True})}


def last_weights(attention, x):
    """The attention weights (n_head, T) of the last token."""
    seen = []
    hook = attention.attn_drop.register_forward_pre_hook(lambda _, given: seen.append(given[0][0, :, -1].clone()))
    attention(x)
    hook.remove()
    return seen[0]


@few
@given(seeds, st.permutations(range(5)))
def test_synthesized_weights_ignore_the_other_tokens_and_those_of_queries_and_keys_follow_them(seed, order):
    """A5 2(g)ii: if earlier tokens are permuted, synthesized weights stay at their positions; the others move along."""
    x, order = tokens(6, seed=seed), [*order, 5]
    for name, (kind, kw) in KINDS.items():
        attention = layer(kind, seed=seed, **kw)
        before, after = last_weights(attention, x), last_weights(attention, x[:, order])
        assert torch.allclose(after, before if name == "synthesizer" else before[:, order])


def test_weights_differ_between_positions():
    """Otherwise the test before could not tell weights that stay from weights that move."""
    for kind, kw in KINDS.values():
        weights = last_weights(layer(kind, **kw), tokens(6))
        assert (weights.amax(dim=1) > 2 * weights.amin(dim=1)).all()


def test_a_synthesizers_output_does_depend_on_the_other_tokens():
    """A5 2(g)ii: it depends on the values of the other tokens."""
    attention, x = layer(SynthesizerAttention, synthesizer=True), tokens(6)
    changed = x.clone()
    changed[0, 1] += 1
    assert (attention(changed) - attention(x))[0, -1].abs().max() > 0.1


def mixed_difference(attention, seed):
    """The mixed difference of the last output in two other tokens: 0 if it is a sum of one term for each of them."""
    base, other, outputs = tokens(6, seed=seed), tokens(6, seed=seed + 1), {}
    for i, j in itertools.product((0, 1), repeat=2):
        x = base.clone()
        x[0, 1], x[0, 3] = (base, other)[i][0, 1], (base, other)[j][0, 3]
        outputs[i, j] = attention(x)[0, -1]
    return (outputs[1, 1] - outputs[0, 1] - outputs[1, 0] + outputs[0, 0]).abs().max()


@few
@given(seeds, st.sampled_from([1, 2, 4, 8]))
def test_a_synthesizers_output_is_a_sum_over_the_other_tokens_with_no_interaction(seed, n_head):
    """The mixed difference in two other tokens is 0 for all parameters and numbers of heads, and the output is affine
    in each token."""
    attention = layer(SynthesizerAttention, n_head=n_head, seed=seed, synthesizer=True)
    assert mixed_difference(attention, seed) < 1e-9
    outputs = []
    for share in (0.0, 0.3, 1.0):
        x = tokens(6, seed=seed)
        x[0, 1] += share * tokens(6, seed=seed + 1)[0, 1]
        outputs.append(attention(x)[0, -1])
    assert torch.allclose(outputs[1], 0.7 * outputs[0] + 0.3 * outputs[2])


def test_with_queries_and_keys_the_other_tokens_interact():
    """Their scores share one denominator."""
    assert mixed_difference(layer(CausalSelfAttention), 0) > 0.01


def greater_of_two(attention):
    """The errors (4,) of feature 0 of the last output against max(x1, x2), for x1 and x2 of 0 and 1."""
    pairs = torch.tensor(list(itertools.product((0.0, 1.0), repeat=2)), dtype=torch.float64)
    x = torch.tensor([[0.0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], dtype=torch.float64).repeat(4, 1, 1)
    x[:, :2, 0] = pairs
    return attention(x)[:, -1, 0] - pairs.amax(dim=1)


@few
@given(seeds, st.sampled_from([1, 2, 4]), st.floats(0.1, 3))
def test_no_synthesizer_layer_finds_the_greater_of_two_numbers(seed, n_head, std):
    """Its error is at least 1/4 for all parameters and numbers of heads, because max has a mixed difference of -1."""
    attention = layer(SynthesizerAttention, T=3, n_embd=4, n_head=n_head, seed=seed, std=std, synthesizer=True)
    assert greater_of_two(attention).abs().max() >= 0.25 - 1e-9


@pytest.mark.parametrize("n_head", [1, 2, 4])
def test_a_synthesizer_layer_trained_for_it_does_not_either(n_head):
    """Its error goes to 1/4, and not below."""
    attention = layer(SynthesizerAttention, T=3, n_embd=4, n_head=n_head, synthesizer=True).requires_grad_(True)
    optimizer = torch.optim.Adam(attention.parameters(), lr=0.03)
    for _ in range(300):
        errors = greater_of_two(attention)
        assert (errors[0] - errors[1] - errors[2] + errors[3]).item() == pytest.approx(1)
        assert errors.abs().max() >= 0.25 - 1e-9
        optimizer.zero_grad()
        errors.square().sum().backward()
        optimizer.step()
    assert errors.abs().max() < 0.26


def test_the_best_synthesizer_errs_by_a_quarter_and_queries_and_keys_need_not_err():
    """(x1+x2)/2 + 1/4 has an error of 1/4; softmax with a large scale finds the maximum."""
    synthesizer = layer(SynthesizerAttention, T=3, n_embd=4, n_head=1, synthesizer=True)
    for p in synthesizer.parameters():
        p.zero_()
    synthesizer.b2[2] = -50.0  # the last token gives each of the two numbers half of its weight
    synthesizer.value.weight[0, 0] = synthesizer.proj.weight[0, 0] = 1
    synthesizer.proj.bias[0] = 0.25
    assert greater_of_two(synthesizer).abs().max() == pytest.approx(0.25)
    attention = layer(CausalSelfAttention, T=3, n_embd=4, n_head=1)
    for p in attention.parameters():
        p.zero_()
    attention.query.weight[0, 2] = 60.0  # the last token looks for a large first feature
    attention.key.weight[0, 0], attention.key.weight[0, 1] = 1, 1
    attention.value.weight[0, 0] = attention.proj.weight[0, 0] = 1
    assert greater_of_two(attention).abs().max() < 1e-9


def test_one_synthesizer_head_for_each_possible_key_can_look_up_a_value():
    """Head h reads block h of all tokens. The asking token lets the other heads look at the first token, which is all
    zeros."""
    names, contents = 4, [3.0, -1.0, 2.5, 0.5]
    T = names + 2  # the zeros, the names in some order, and the asking token
    attention = layer(SynthesizerAttention, T=T, n_embd=16, n_head=names, synthesizer=True)  # 4 features a head
    for p in attention.parameters():
        p.zero_()
    for head in range(names):
        attention.value.weight[4 * head, head] = 1  # features 0 to 3 are the blocks
        attention.proj.weight[0, 4 * head] = T
        for asked in range(names):
            attention.w1.weight[4 * head, 4 + asked] = float(asked != head)  # features 4 to 7: which name is asked for
    attention.w2[0, 0] = 60.0
    for order in itertools.permutations(range(names)):
        x = torch.zeros(names, T, 16, dtype=torch.float64)  # a row for each question
        for place, key in enumerate(order, 1):
            x[:, place, key] = contents[key]
        x[range(names), -1, range(4, 4 + names)] = 1
        assert attention(x)[:, -1, 0].tolist() == pytest.approx(contents)


def test_no_affine_map_selects_content_by_a_key_beside_it():
    """'The content if the key is h, else 0' has a mixed difference in key and content; an affine map has none."""
    table = np.array([[*np.eye(2)[key], content, 1.0] for key in range(2) for content in (0.0, 1.0)])
    wanted = np.array([0.0, 1.0, 0.0, 0.0])  # the content of key 0
    best = np.linalg.lstsq(table, wanted, rcond=None)[0]
    assert np.abs(table @ best - wanted).max() > 0.2


@pytest.mark.parametrize("T", [16, 32])
def test_a_synthesizer_saves_the_projection_to_keys_and_nothing_of_the_quadratic_part(T):
    """A5 2(g): at every length T it saves T d^2 multiplications, those of one linear layer."""
    counts = []
    for kind, kw in KINDS.values():
        attention, x = layer(kind, T=T, n_embd=32, n_head=4, **kw), tokens(T, 32)
        with FlopCounterMode(display=False) as counter:
            attention(x)
        counts.append(counter.get_total_flops())
    assert counts[0] - counts[1] == 2 * T * 32**2


# ---------------------------------------------------------------------------------------------------------------------
# The document and its figures


def test_the_text_shows_each_figure_once():
    """No link is broken, and no file in figures/ is unused. Each is there for a light and for a dark page."""
    documents = {
        name: (DOCS / name).read_text(encoding="utf-8") for name in ("written.md", "findings.md", "../README.md")
    }
    shown = [name for text in documents.values() for name in re.findall(r'"(?:docs/)?figures/([^"]+)"', text)]
    assert sorted(shown) == sorted(path.name for path in FIGURES.iterdir())


def words_and_numbers(path):
    """The text and the numbers of an SVG file. Images and the names of parts are left out, because they depend on the
    rounding of the machine."""
    svg = re.sub(r'base64,[^"]*|#[0-9a-zA-Z]+|id="[^"]*"', "", path.read_text("utf-8"))
    number = r"-?\d+\.\d+"
    return re.sub(number, "0", svg), [float(found) for found in re.findall(number, svg)]


def test_figures_are_drawn_the_same_each_time(tmp_path, monkeypatch):
    """Drawn twice, the files have the same bytes and no date. They agree with those in docs/figures/."""
    pytest.importorskip("matplotlib")
    monkeypatch.syspath_prepend(DOCS)  # as when the script runs
    spec = importlib.util.spec_from_file_location("figures", DOCS / "figures.py")
    figures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(figures)
    for folder in ("one", "two"):
        figures.main(tmp_path / folder)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == sorted(path.name for path in FIGURES.iterdir())
    for name in names:
        content = (tmp_path / "one" / name).read_bytes()
        assert content == (tmp_path / "two" / name).read_bytes() and b"dc:date" not in content
        (text, numbers), (drawn, theirs) = (words_and_numbers(path / name) for path in (tmp_path / "one", FIGURES))
        assert text == drawn and np.allclose(numbers, theirs, atol=0.05), f"{name} is out of date: docs/figures.py"
