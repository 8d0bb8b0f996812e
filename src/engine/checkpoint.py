"""What is kept of a run beside its parameters.

x.params         the parameters, written when the run has ended (parameters.py)
x.params.json    their metadata: how they were made, see `write_metadata`
x.params.state   the checkpoint of an unfinished run: all that is needed to continue it, see `save_checkpoint`
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

from engine.files import ROOT, InputError, digest, read_bytes, write_atomically
from engine.parameters import load_tensors
from variants import VARIANTS

PREVIOUS = ".previous"  # added to the name of a checkpoint when a newer one replaces it
CHECKSUM_BYTES = 32


def checkpoint_path(params_path: str) -> str:
    return params_path + ".state"


def metadata_path(params_path: str) -> str:
    return params_path + ".json"


def has_checkpoint(path: str) -> bool:
    """Whether there is a checkpoint at `path`, or the one before it."""
    return os.path.exists(path) or os.path.exists(path + PREVIOUS)


def checksum(content: bytes | memoryview) -> bytes:
    """The SHA-256 with which a checkpoint ends, so that damage is noticed."""
    return hashlib.sha256(content).digest()


def is_intact(content: bytes | memoryview) -> bool:
    return checksum(memoryview(content)[:-CHECKSUM_BYTES]) == content[-CHECKSUM_BYTES:]


def save_checkpoint(state: dict[str, Any], path: str) -> None:
    """Writes tensors and plain values. At any moment there is an intact file, at `path` or with PREVIOUS added; a damaged
    one never replaces it.

    Raises InputError when the file cannot be written.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.write(checksum(buffer.getbuffer()))
    try:
        intact = is_intact(Path(path).read_bytes())
    except OSError:
        intact = False
    write_atomically(path, buffer.getbuffer(), previous=path + PREVIOUS if intact else None)


def load_checkpoint(path: str) -> dict[str, Any]:
    """The latest intact checkpoint. Warns on stderr when that is not the last one written.

    Raises InputError when there is none.
    """
    problems = []
    for candidate in (path, path + PREVIOUS):
        if not os.path.exists(candidate):
            continue
        problem = f"{candidate}: is not a state file, or is damaged"
        try:
            content = read_bytes(candidate)
            if not is_intact(content):
                raise InputError(problem)
            state = load_tensors(content[:-CHECKSUM_BYTES], problem)
            if not isinstance(state, dict) or "run" not in state:
                raise InputError(f"{candidate}: is not a state file")
        except InputError as error:
            problems.append(str(error))
            continue
        for problem in problems:
            print(f"warning: {problem}; going on from {candidate}", file=sys.stderr)
        return state
    raise InputError(problems[0] if problems else f"{path}: no such file, so there is no run to resume")


def remove_checkpoint(path: str) -> None:
    """Removes the checkpoint of a finished run, and temporary files that a killed process has left."""
    folder, name = os.path.split(os.path.realpath(path))
    temporary = glob.glob(os.path.join(glob.escape(folder), f".{glob.escape(name)}.*.tmp"))
    for file in (path, path + PREVIOUS, *filter(os.path.isfile, temporary)):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(file)


def vocabulary_digest(itos: dict[int, str]) -> str:
    """The SHA-256 of the vocabulary's characters, in order."""
    return hashlib.sha256("".join(itos[i] for i in range(len(itos))).encode("utf-32-le", "surrogatepass")).hexdigest()


def versions() -> dict[str, str | None]:
    """The versions of Python and of the packages that affect the numbers, and the commit of this repository, if it is
    one."""
    environment = os.environ | {"GIT_CEILING_DIRECTORIES": str(ROOT.parent)}  # not that of an enclosing repository
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True, env=environment)
        commit = done.stdout.strip() or None
    except (OSError, subprocess.SubprocessError):
        commit = None
    packages = {"python": platform.python_version(), "torch": torch.__version__, "numpy": numpy.__version__}
    return packages | {"commit": commit}


def write_metadata(params_path: str, metadata: dict[str, Any]) -> None:
    """Writes beside a parameter file how it was made, with the file's digest, so that the two cannot be mixed up."""
    metadata = metadata | {"params": digest(params_path)}
    text = json.dumps(metadata, indent=1, ensure_ascii=True) + "\n"
    write_atomically(metadata_path(params_path), text.encode())


def read_metadata(params_path: str) -> dict[str, Any] | None:
    """The metadata of a parameter file; None if there is none, or if it belongs to other parameters."""
    try:
        metadata = json.loads(Path(metadata_path(params_path)).read_bytes())
        return metadata if metadata["params"] == digest(params_path) else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def check_metadata(params_path: str, variant: str, vocabulary: str) -> None:
    """Raises InputError when the metadata of these parameters names another variant or vocabulary."""
    metadata = read_metadata(params_path) or {}
    if metadata.get("variant", variant) != variant:
        other = metadata["variant"] if metadata["variant"] in list(VARIANTS) else "different"
        raise InputError(f"{params_path}: holds a {other} model, not a {variant} one")
    if metadata.get("vocabulary", vocabulary) != vocabulary:
        raise InputError(f"{params_path}: was made with another vocabulary; use the corpus it was pretrained on")


def start_position(params_path: str | None, block_size: int) -> int:
    """The position at which the documents began that these parameters were trained on, by their metadata; else 0."""
    position = (read_metadata(params_path) or {}).get("first_position") if params_path else 0
    return position if type(position) is int and 0 <= position < block_size else 0
