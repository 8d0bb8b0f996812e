"""What is kept of a run beside its parameters: the state from which it can go on, and the record of how it was made.

x.params         the parameters: a plain state_dict, written when the run is done
x.params.json    their record, see `write_record`
x.params.state   while the run is not done: all that it takes to go on, see `save_state`
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import io
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy
import torch

from utils import ROOT, InputError, digest, is_sealed, load_plain, seal, write_atomically

PREVIOUS = ".previous"  # is added to the name of a state file when a newer one takes its place


def state_path(params_path: str) -> str:
    """Where the state of the run is that is to write `params_path`."""
    return params_path + ".state"


def record_path(params_path: str) -> str:
    """Where the record of parameters is."""
    return params_path + ".json"


def has_state(path: str) -> bool:
    """Whether a run left its state at `path`."""
    return os.path.exists(path) or os.path.exists(path + PREVIOUS)


def save_state(state: dict[str, Any], path: str) -> None:
    """Writes tensors and plain values. At any moment, a whole file is there, under this name or with PREVIOUS: a
    damaged one does not take the place of the one before.

    Raises InputError when it cannot be written.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.write(seal(buffer.getbuffer()))
    try:
        whole = is_sealed(Path(path).read_bytes())
    except OSError:
        whole = False
    write_atomically(path, buffer.getbuffer(), previous=path + PREVIOUS if whole else None)


def load_state(path: str) -> dict[str, Any]:
    """The latest state that is whole; says on stderr when that is not the last one written.

    Raises InputError when there is none.
    """
    problems = []
    for candidate in (path, path + PREVIOUS):
        if not os.path.exists(candidate):
            continue
        try:
            state = load_plain(candidate, "state file", sealed=True)
            if not isinstance(state, dict) or "run" not in state:
                raise InputError(f"{candidate}: is not a state file")
        except InputError as error:
            problems.append(str(error))
            continue
        for problem in problems:
            print(f"warning: {problem}; going on from {candidate}", file=sys.stderr)
        return state
    raise InputError(problems[0] if problems else f"{path}: no such file, so there is no run to resume")


def remove_state(path: str) -> None:
    """Removes the state of a run that is done, and what a killed one has left."""
    folder, name = os.path.split(os.path.realpath(path))
    remains = glob.glob(os.path.join(glob.escape(folder), f".{glob.escape(name)}.*.tmp"))
    for file in (path, path + PREVIOUS, *filter(os.path.isfile, remains)):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(file)


def vocabulary_digest(itos: dict[int, str]) -> str:
    """The SHA-256 of the characters, in order."""
    return hashlib.sha256("".join(itos[i] for i in range(len(itos))).encode("utf-32-le", "surrogatepass")).hexdigest()


def versions() -> dict[str, str | None]:
    """Of Python and the packages that decide the numbers, and the commit of this repository, if it is one."""
    here = os.environ | {"GIT_CEILING_DIRECTORIES": str(ROOT.parent)}  # not of one that it has been unpacked in
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True, env=here)
        commit = done.stdout.strip() or None
    except (OSError, subprocess.SubprocessError):
        commit = None
    packages = {"python": platform.python_version(), "torch": torch.__version__, "numpy": numpy.__version__}
    return packages | {"commit": commit}


def write_record(params_path: str, record: dict[str, Any]) -> None:
    """Writes beside a parameter file how it was made, and its own digest, so that the two cannot be mixed up."""
    record = record | {"params": digest(params_path)}
    text = json.dumps(record, indent=1, ensure_ascii=True) + "\n"
    write_atomically(record_path(params_path), text.encode())


def read_record(params_path: str) -> dict[str, Any] | None:
    """The record of a parameter file; None if there is none, or it belongs to other parameters."""
    try:
        record = json.loads(Path(record_path(params_path)).read_bytes())
        return record if record["params"] == digest(params_path) else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def check_record(params_path: str, variant: str, vocabulary: str) -> None:
    """Raises InputError when the record of these parameters tells of another variant or vocabulary."""
    record = read_record(params_path) or {}
    if record.get("variant", variant) != variant:
        other = record["variant"] if record["variant"] in ("vanilla", "rope", "synthesizer") else "different"
        raise InputError(f"{params_path}: holds a {other} model, not a {variant} one")
    if record.get("vocabulary", vocabulary) != vocabulary:
        raise InputError(f"{params_path}: was made with another vocabulary; use the corpus it was pretrained on")
