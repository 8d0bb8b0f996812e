"""Optimizers and their rates."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_model import config

from engine.optimizers import Muon, lr_factor, parameter_groups
from model import GPT


def test_schedule_against_a_table():
    table = {0: 0, 5: 0.05, 50: 0.5, 100: 1, 325: 0.853553, 550: 0.5, 775: 0.146447, 900: 0.1, 1000: 0.1, 5000: 0.1}
    for tokens, factor in table.items():
        assert lr_factor(tokens, 100, 1000) == pytest.approx(factor, abs=1e-6)


def test_straight_schedule_against_a_table():
    tables = {
        0.0: {0: 0, 50: 0.5, 100: 1, 325: 0.75, 550: 0.5, 910: 0.1, 1000: 0, 5000: 0},
        0.4: {0: 0, 50: 0.5, 100: 1, 325: 0.85, 550: 0.7, 910: 0.46, 1000: 0.4, 5000: 0.4},
    }
    for floor, table in tables.items():
        for tokens, factor in table.items():
            assert lr_factor(tokens, 100, 1000, floor, linear=True) == pytest.approx(factor, abs=1e-6)


@given(st.integers(0, 10**9), st.integers(0, 10**6), st.integers(0, 10**9), st.booleans())
def test_schedule_stays_in_bounds(tokens, warmup, final, linear):
    factor = lr_factor(tokens, warmup, final, linear=linear)
    assert 0 <= factor <= 1
    assert tokens < warmup or factor >= 0.1
    assert tokens < max(final, warmup) + 1 or factor == 0.1  # never climbs again


def test_only_matrices_decay():
    for variant in ("vanilla", "rope", "synthesizer"):
        model = GPT(config(variant))
        groups = parameter_groups(model.parameters(), 0.1)
        assert [group["weight_decay"] for group in groups] == [0.1, 0]
        listed = [p for group in groups for p in group["params"]]
        assert sorted(map(id, listed)) == sorted(map(id, model.parameters()))
        decayed = {id(p) for group in groups if group["weight_decay"] for p in group["params"]}
        for name, p in model.named_parameters():
            assert (id(p) in decayed) == (not any(part in name for part in ("bias", "ln", "b2"))), name


def test_muon_is_torchs():
    """Side by side with torch.optim.Muon, one matrix after the other: the same steps but for bfloat16's roundings."""
    torch.manual_seed(0)
    shapes = [(16, 16), (16, 48), (48, 16), (16, 16), (16, 48), (8, 4)]
    ours = [torch.randn(shape, requires_grad=True) for shape in shapes]
    theirs = [p.detach().clone().requires_grad_() for p in ours]
    settings = {"lr": 0.05, "weight_decay": 0.1}
    optimizers = Muon(ours, **settings), torch.optim.Muon(theirs, **settings)
    for step in range(6):
        for mine, its in zip(ours, theirs):
            before = mine.detach().clone()
            mine.grad = torch.randn_like(mine)
            its.grad = mine.grad.clone()
            its.before = mine.before = before
        ours[-1].grad = theirs[-1].grad = None if step == 0 else ours[-1].grad  # it has none at first
        for optimizer in optimizers:
            optimizer.param_groups[0]["lr"] = 0.05 / (step + 1)
            optimizer.step()
        for mine, its in zip(ours, theirs):
            assert (mine - its).norm() <= 0.02 * (its - its.before).norm()
            assert optimizers[0].state[mine].keys() == optimizers[1].state[its].keys()
            with torch.no_grad():
                mine.copy_(its)  # so that roundings do not add up
    assert torch.allclose(
        optimizers[0].state[ours[0]]["momentum_buffer"], optimizers[1].state[theirs[0]]["momentum_buffer"]
    )


def test_muon_in_float32_does_what_newton_and_schulz_do():
    """The polynomial that it is made of, applied to each singular value alone."""
    torch.manual_seed(0)
    p = torch.zeros(6, 9, requires_grad=True)
    p.grad = torch.randn(6, 9)
    u, s, vt = torch.linalg.svd(p.grad / p.grad.norm(), full_matrices=False)
    for _ in range(5):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    Muon([p], torch.float32, lr=1.0, weight_decay=0.0).step()
    assert torch.allclose(p, -(u * s) @ vt, atol=1e-4)
