"""How parameters were made, from the files beside them."""

import json
from pathlib import Path

import pytest

from engine.files import digest
from evaluation.provenance import duration, phase_table, provenance_line, training_phases


def write(name, start=None, **changes):
    """A parameter file, and its metadata."""
    Path(name).write_text(name)
    metadata = {
        "function": "finetune" if start else "pretrain", "variant": "rope", "seed": 0, "parent": start and digest(start),
        "recipe": {"epochs": 3 if start else 60, "lr": 1e-3}, "tokens": 4_000_000, "seconds": 700.0, "loss": 0.5,
        "device": "cpu", "flags": {"recipe": "fast", "reading_params_path": start},
        "versions": {"commit": "0123456789" * 4 + "-dirty"}, "params": digest(name),
    }  # fmt: skip
    Path(f"{name}.json").write_text(json.dumps(metadata | changes))


@pytest.fixture(autouse=True)
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_the_whole_way():
    write("one")
    write("two", "one", loss=0.4)
    phases = training_phases("two")
    assert [phase["function"] for phase in phases] == ["pretrain", "finetune"]
    assert provenance_line(phases) == (
        "recipe fast, seed 0 · 60 epochs of pretraining, 3 of finetuning · 8.0 million tokens in 23 minutes on cpu · "
        "final loss 0.40 · commit 0123456-dirty"
    )
    header, rows = phase_table(phases)
    assert header == ["", "pretraining", "finetuning"] and ["epochs", "60", "3"] in rows
    assert ["tokens", "4,000,000", "4,000,000"] in rows and ["learning rate", "0.001", "0.001"] in rows


def test_as_far_as_it_is_known():
    write("one")
    write("two", "one")
    write("one", seed=1, tokens=1)
    Path("one").write_text("other parameters")
    assert [phase["function"] for phase in training_phases("two")] == ["finetune"]
    assert training_phases("nowhere") == [] and provenance_line([]) == ""
    write("three", flags={"recipe": "fast", "reading_params_path": "three"})
    Path("three.json").write_text(json.dumps(json.loads(Path("three.json").read_text()) | {"parent": digest("three")}))
    assert len(training_phases("three")) == 10  # its own parent


@pytest.mark.parametrize("value", [None, True, -1, float("nan"), float("inf"), 10**400, "x", [1], {"a": 1}])
def test_anybody_can_edit_it(value):
    """Whatever stands there, the line is one, and report.json can be written."""
    for name in (
        "function",
        "variant",
        "recipe",
        "seed",
        "tokens",
        "seconds",
        "loss",
        "device",
        "flags",
        "versions",
        "parent",
    ):
        write("one", **{name: value})
        phases = training_phases("one")
        json.dumps(phases, allow_nan=False)
        assert "\n" not in provenance_line(phases) and all(len(row) == 2 for row in phase_table(phases)[1])


def test_durations():
    assert [duration(s) for s in (5, 60, 130, 7000, 10_020)] == ["5 seconds", "1 minute", "2 minutes", "117 minutes", "2 h 47 min"]  # fmt: skip
