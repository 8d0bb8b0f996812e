import cmath
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from textbook import TextbookAttention

from attention import (
    CausalSelfAttention,
    DocumentMask,
    Dropout,
    SynthesizerAttention,
    apply_rotary_emb,
    precompute_rotary_emb,
)
from generation import KVCache
from model import GPTConfig

VARIANTS = {"vanilla": {}, "rope": {"rope": True}, "synthesizer": {"synthesizer": True}}


def config(variant, block_size=12, **kw):
    return GPTConfig(10, block_size, n_head=2, n_embd=16, attn_pdrop=0.0, resid_pdrop=0.0, **VARIANTS[variant], **kw)


def pair(variant, block_size=12):
    """An attention layer and the textbook's, with the same parameters, in float64."""
    torch.manual_seed(0)
    ours = (SynthesizerAttention if variant == "synthesizer" else CausalSelfAttention)(config(variant, block_size))
    theirs = TextbookAttention(config(variant, block_size))
    for p in ours.parameters():
        torch.nn.init.normal_(p)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    return ours.double(), theirs.double()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("T", [1, 7, 11, 12])
def test_agrees_with_the_textbook(variant, T):
    ours, theirs = pair(variant)
    x = torch.randn(3, T, 16, dtype=torch.float64, requires_grad=True)
    g = torch.randn(3, T, 16, dtype=torch.float64)
    assert torch.allclose(ours(x), theirs(x), atol=1e-10)
    (one,), (two,) = (torch.autograd.grad((layer(x) * g).sum(), [x]) for layer in (ours, theirs))
    assert torch.allclose(one, two, atol=1e-9)


@pytest.mark.parametrize("variant", VARIANTS)
def test_looks_at_the_past_only(variant):
    ours, _ = pair(variant)
    x = torch.randn(1, 12, 16, dtype=torch.float64)
    changed = x.clone()
    changed[:, 6:] += 1
    assert torch.equal(ours(x)[:, :6], ours(changed)[:, :6])
    assert not torch.allclose(ours(x)[:, 6:], ours(changed)[:, 6:])


@pytest.mark.parametrize(("variant", "shift"), [*((variant, 0) for variant in VARIANTS), ("rope", 3)])
def test_documents_in_one_row_do_not_see_each_other(variant, shift):
    """Nor does it matter to RoPE where they begin."""
    ours, theirs = pair(variant)
    lengths = [4, 5, 2]
    parts = [torch.randn(1, n, 16, dtype=torch.float64) for n in lengths]
    positions = torch.tensor([[*range(4), *range(5), *range(2), 0]]) + shift
    document_ids = torch.tensor([[0] * 4 + [1] * 5 + [2] * 2 + [-1]])
    row = torch.cat([*parts, torch.zeros(1, 1, 16, dtype=torch.float64)], dim=1)
    y = ours(row, DocumentMask(positions, document_ids))
    expected = torch.cat([theirs(part) for part in parts], dim=1)
    assert torch.allclose(y[:, :11], expected, atol=1e-10)


@pytest.mark.parametrize("variant", VARIANTS)
def test_cached_in_pieces_is_the_same_as_at_once(variant):
    """Three sequences of different lengths go on, token by token, until two of them are dropped."""
    ours, theirs = pair(variant)
    x = torch.randn(3, 12, 16, dtype=torch.float64)
    expected = theirs(x)
    filling = [0, 3, 1]  # what stands before each, so that all end in the same column
    positions = torch.tensor([[*range(n), *range(6 - n)] for n in filling])
    document_ids = torch.tensor([[-1] * n + [0] * (6 - n) for n in filling])
    cache = KVCache(3, 10, torch.device("cpu"))
    start = torch.cat([torch.cat((torch.randn(n, 16).double(), x[i, : 6 - n]))[None] for i, n in enumerate(filling)])
    y = ours(start, cache.advance(positions, document_ids), cache)
    for i, n in enumerate(filling):
        assert torch.allclose(y[i, n:], expected[i, : 6 - n])
    rows = torch.arange(3)
    for step in range(4):
        if step == 2:
            rows = rows[cache.select_rows(torch.tensor([False, False, True]))]
            assert rows.tolist() == [2]
        at = positions[rows, -1:] + 1 + step
        y = ours(x[rows[:, None], at], cache.advance(at, torch.zeros_like(at)), cache)
        assert torch.allclose(y[:, 0], expected[rows, at[:, 0]])


@given(st.lists(st.booleans(), min_size=1, max_size=9))
def test_dropping_rows_keeps_the_others(kept):
    rows = torch.tensor(kept)
    cache = KVCache(len(kept), 2, torch.device("cpu"))
    cache.advance(torch.zeros(len(kept), 1, dtype=torch.long), torch.zeros(len(kept), 1, dtype=torch.long))
    values = torch.arange(len(kept)).float()[:, None, None, None]
    cache.update(None, values)
    order = cache.select_rows(rows)
    assert sorted(order.tolist()) == [i for i, keep in enumerate(kept) if keep]
    assert cache.layers[None][0][:, 0, 0, 0].tolist() == order.tolist()
    assert len(cache.positions) == len(order)


def test_rotary_table():
    table = precompute_rotary_emb(8, 5)
    assert table.shape == (5, 4, 2)
    for t in range(5):
        for i in range(1, 5):
            angle = t * 10000 ** (-2 * (i - 1) / 8)
            assert table[t, i - 1].tolist() == pytest.approx([math.cos(angle), math.sin(angle)], abs=1e-6)
    with pytest.raises(ValueError, match="odd"):
        precompute_rotary_emb(7, 5)


@given(st.integers(1, 4), st.integers(1, 6), st.integers(0, 1000))
def test_rotation_is_complex_multiplication(half, T, seed):
    """assignment 4, equation 4, one number at a time."""
    x = torch.randn(2, 3, T, 2 * half, generator=torch.Generator().manual_seed(seed))
    y = apply_rotary_emb(x, precompute_rotary_emb(2 * half, 6))
    assert y.shape == x.shape
    for t in range(T):
        for i in range(half):
            z = complex(*x[1, 2, t, 2 * i : 2 * i + 2].tolist()) * cmath.exp(1j * t * 10000 ** (-2 * i / (2 * half)))
            assert y[1, 2, t, 2 * i : 2 * i + 2].tolist() == pytest.approx([z.real, z.imag], abs=1e-4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_rotation_in_other_types(dtype):
    """As in a model that has been converted, whose table is of that type, too."""
    x, table = torch.randn(2, 3, 5, 8, generator=torch.Generator().manual_seed(0)), precompute_rotary_emb(8, 6)
    y = apply_rotary_emb(x.to(dtype), table.to(dtype))
    assert y.dtype == dtype and torch.allclose(y.float(), apply_rotary_emb(x, table), atol=0.05)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 20))
def test_rotation_depends_on_the_distance_only(s, t, shift):
    table = precompute_rotary_emb(8, 64).double()
    q, k = torch.randn(2, 1, 1, 1, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def score(s, t):
        return (apply_rotary_emb(q, table[s : s + 1]) * apply_rotary_emb(k, table[t : t + 1])).sum()

    assert torch.allclose(score(s, t), score(s + shift, t + shift), atol=1e-6)


@pytest.mark.parametrize("p", [0.1, 0.5])
@pytest.mark.parametrize("shape", [(1000, 333), (7, 11, 5000)])
def test_dropout(p, shape):
    torch.manual_seed(0)
    dropout, x = Dropout(p), torch.full(shape, 3.0, requires_grad=True)
    y = dropout(x)
    rounded = round(p * 256) / 256
    dropped = y == 0
    assert dropped.double().mean().item() == pytest.approx(rounded, abs=5 * math.sqrt(p / x.numel()))
    assert torch.allclose(y[~dropped], torch.tensor(3 / (1 - rounded)))
    y.sum().backward()
    assert torch.allclose(x.grad, y.detach() / 3)  # the same elements
    assert not torch.equal(dropped, dropout(x) == 0)  # others the next time
    assert torch.equal(dropout.eval()(x), x)
    pairs = dropped.flatten()[: x.numel() // 2 * 2].view(-1, 2).double()  # neighbours come from one draw
    assert abs(torch.corrcoef(pairs.t())[0, 1]) < 5 / math.sqrt(len(pairs))


def test_masks_of_one_pass_are_unrelated():
    torch.manual_seed(0)
    x = torch.ones(1000, 100)
    one, two = (Dropout(0.5)(x).flatten() for _ in range(2))
    assert abs(torch.corrcoef(torch.stack((one, two)))[0, 1]) < 5 / math.sqrt(x.numel())
    assert 0 < (Dropout(0.001)(x) == 0).sum() < 300  # of 100,000
    assert (Dropout(1.0)(x) == 0).all()


def test_heads_have_to_divide_the_width():
    with pytest.raises(ValueError, match="n_head"):
        CausalSelfAttention(GPTConfig(10, 8, n_head=3, n_embd=16))
