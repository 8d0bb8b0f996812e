import io
import json
import os
import pickle
import subprocess

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.checkpoint import (
    PREVIOUS,
    check_metadata,
    checksum,
    has_checkpoint,
    load_checkpoint,
    read_metadata,
    remove_checkpoint,
    save_checkpoint,
    versions,
    write_metadata,
)
from engine.files import ROOT, InputError, digest
from engine.parameters import vocabulary_digest


def state(n):
    return {"run": {"n": n}, "model": {"weight": torch.full((1000,), float(n))}}


def test_the_state_before_stays_until_there_is_a_new_one(tmp_path):
    path = str(tmp_path / "x.state")
    assert not has_checkpoint(path)
    with pytest.raises(InputError, match="no run to resume"):
        load_checkpoint(path)
    for n in range(3):
        save_checkpoint(state(n), path)
        assert load_checkpoint(path)["run"]["n"] == n and torch.equal(
            load_checkpoint(path)["model"]["weight"], state(n)["model"]["weight"]
        )
    os.unlink(path)  # as if killed between the two renamings
    assert has_checkpoint(path) and load_checkpoint(path)["run"]["n"] == 1
    remove_checkpoint(path)
    assert not has_checkpoint(path) and not list(tmp_path.iterdir())


@given(cut=st.floats(0, 1, exclude_max=True), flip=st.floats(0, 1, exclude_max=True), truncated=st.booleans())
def test_a_damaged_state_is_passed_over(cut, flip, truncated, tmp_path_factory):
    path = tmp_path_factory.mktemp("damage") / "x.state"
    for n in range(2):
        save_checkpoint(state(n), str(path))
    content = bytearray(path.read_bytes())
    if truncated:
        content = content[: int(cut * len(content))]
    else:
        content[int(flip * len(content))] ^= 0xFF
    path.write_bytes(content)
    found = load_checkpoint(str(path))
    assert found["run"]["n"] == 0 and torch.equal(found["model"]["weight"], state(0)["model"]["weight"])


def test_a_damaged_state_is_told_of(tmp_path, capsys):
    path = tmp_path / "x.state"
    for n in range(2):
        save_checkpoint(state(n), str(path))
    path.write_bytes(b"not a state")
    assert load_checkpoint(str(path))["run"]["n"] == 0
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and f"{path}: is not a state file" in err and f"going on from {path}{PREVIOUS}" in err
    (tmp_path / ("x.state" + PREVIOUS)).write_bytes(b"nor this")
    with pytest.raises(InputError, match="is not a state file"):
        load_checkpoint(str(path))


def test_the_good_state_stays_when_the_next_is_saved_over_a_damaged_one(tmp_path, monkeypatch):
    path = tmp_path / "x.state"
    for n in range(2):
        save_checkpoint(state(n), str(path))
    path.write_bytes(path.read_bytes()[:-1])
    rename, kept = os.replace, []

    def watched(source, target):  # what a kill just before, and just after, would leave
        kept.append(load_checkpoint(str(path))["run"]["n"])
        rename(source, target)
        kept.append(load_checkpoint(str(path))["run"]["n"])

    monkeypatch.setattr(os, "replace", watched)
    save_checkpoint(state(2), str(path))
    assert kept == [0, 2] and load_checkpoint(str(path) + PREVIOUS)["run"]["n"] == 0


class Hostile:
    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("write", [torch.save, lambda value, file: file.write(pickle.dumps(value))])
def test_a_state_with_code_in_it_is_refused(write, tmp_path):
    file = io.BytesIO()
    write({"run": Hostile(tmp_path / "created")}, file)
    (tmp_path / "x.state").write_bytes(file.getvalue() + checksum(file.getvalue()))
    with pytest.raises(InputError, match="is not a state file"):
        load_checkpoint(str(tmp_path / "x.state"))
    assert not (tmp_path / "created").exists()


def test_a_record_belongs_to_its_parameters(tmp_path):
    params = tmp_path / "x.params"
    assert read_metadata(str(params)) is None
    params.write_bytes(b"parameters")
    write_metadata(str(params), {"variant": "rope", "vocabulary": "abc", "loss": 1.5})
    assert json.loads((tmp_path / "x.params.json").read_text()) == {
        "variant": "rope", "vocabulary": "abc", "loss": 1.5, "params": digest(params)}  # fmt: skip
    check_metadata(str(params), "rope", "abc")
    with pytest.raises(InputError, match="holds a rope model, not a vanilla one"):
        check_metadata(str(params), "vanilla", "abc")
    with pytest.raises(InputError, match="another vocabulary"):
        check_metadata(str(params), "rope", "abd")
    params.write_bytes(b"others")
    check_metadata(str(params), "vanilla", "abd")  # nothing is known of these
    for nonsense in (b"", b"[]", b"\xff", b"3", b"[" * 100000, b'{"params": 3}'):
        (tmp_path / "x.params.json").write_bytes(nonsense)
        assert read_metadata(str(params)) is None


def test_vocabularies_are_told_apart():
    assert (
        vocabulary_digest({0: "a", 1: "b"})
        == vocabulary_digest({1: "b", 0: "a"})
        != vocabulary_digest({0: "b", 1: "a"})
    )
    vocabulary_digest({0: "\ud800"})


def test_versions(monkeypatch):
    assert versions()["torch"] == torch.__version__
    if (ROOT / ".git").exists():
        command = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
        head = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        assert versions()["commit"].removesuffix("-dirty") == head
    monkeypatch.setenv("PATH", "")
    assert versions()["commit"] is None
