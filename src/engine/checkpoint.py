"""The files of a run.

x.params         the parameters, written when the run has ended: a plain state_dict with the course's names, so that this
                 code and the course's can read each other's files. Its `_metadata`, which torch saves too, names the
                 vocabulary
x.params.json    their metadata: how they were made, see `write_metadata`
x.params.state   the checkpoint of an unfinished run: all that is needed to continue it, see `save_checkpoint`
x.params.final   the last checkpoint of a finished run, with which --resume extends it: three times the size of x.params
                 (40 MB) by AdamW, less by Muon. It may be deleted
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
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import torch

from engine.files import ROOT, InputError, digest, read_bytes, reason, warn, write_atomically
from engine.parameters import check_vocabulary, load_tensors, named_vocabulary
from variants import VARIANTS
from wording import Wording

PREVIOUS = ".previous"  # added to the name of a checkpoint when a newer one replaces it
CHECKSUM_BYTES = 32


# ---------------------------------------------------------------------------------------------------------------------
# Checkpoints


def checkpoint_path(params_path: str) -> str:
    return params_path + ".state"


def final_path(params_path: str) -> str:
    return params_path + ".final"


def metadata_path(params_path: str) -> str:
    return params_path + ".json"


def has_checkpoint(path: str) -> bool:
    """Whether there is a checkpoint at `path`, or the one before it."""
    return os.path.exists(path) or os.path.exists(path + PREVIOUS)


@contextlib.contextmanager
def sole_writer(params_path: str) -> Iterator[None]:
    """Lets one run at a time write a parameter file. The lock ends with the process, however that ends; Windows has none.

    Raises InputError when another run has it.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    path = params_path + ".lock"
    try:
        file = open(path, "w")  # noqa: SIM115 (closed below)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {reason(error)}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(f"{params_path}: another run is about to write it; name another file") from error
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                os.unlink(path)


def checksum(content: bytes | memoryview) -> bytes:
    """The SHA-256 with which a checkpoint ends, so that damage is noticed."""
    return hashlib.sha256(content).digest()


def is_intact(content: bytes | memoryview) -> bool:
    return checksum(memoryview(content)[:-CHECKSUM_BYTES]) == content[-CHECKSUM_BYTES:]


def sealed(state: dict[str, Any]) -> memoryview:
    """Tensors and plain values as the content of a checkpoint."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.write(checksum(buffer.getbuffer()))
    return buffer.getbuffer()


def save_checkpoint(state: dict[str, Any], path: str) -> None:
    """Writes tensors and plain values. At any moment there is an intact file, at `path` or at `path` + PREVIOUS: a damaged
    file never becomes the previous one.

    Raises InputError when the file cannot be written.
    """
    content = sealed(state)
    try:
        intact = is_intact(Path(path).read_bytes())
    except OSError:
        intact = False
    write_atomically(path, content, previous=path + PREVIOUS if intact else None)


def finish_checkpoints(state: dict[str, Any], params_path: str) -> None:
    """Keeps the last state of a finished run, so that it can be extended, and removes the checkpoints before it. Warns on
    stderr when the state cannot be written."""
    path = final_path(params_path)
    stale = temporary_files(path)
    try:
        write_atomically(path, sealed(state))
    except InputError as error:
        stale.append(path)  # that of an earlier run
        warn(f"{error}; the run is finished, but --resume cannot extend it")
    for file in stale:
        with contextlib.suppress(OSError):
            os.unlink(file)
    remove_checkpoint(checkpoint_path(params_path))


def path_to_resume(params_path: str) -> str:
    """The checkpoint that --resume continues: of the unfinished run or, if there is none, the last of the finished one.

    Raises InputError when a finished run has not kept any.
    """
    unfinished, final = checkpoint_path(params_path), final_path(params_path)
    if has_checkpoint(unfinished) or not (os.path.exists(params_path) or os.path.exists(final)):
        return unfinished
    if not os.path.exists(final):
        raise InputError(f"{params_path}: is finished, and cannot be trained further, because there is no {final}")
    return final


def load_checkpoint(path: str, quiet: bool = False) -> dict[str, Any]:
    """The latest intact checkpoint. Warns on stderr when that is not the last one written, unless `quiet`.

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
        for problem in () if quiet else problems:
            warn(f"{problem}; going on from {candidate}")
        return state
    raise InputError(problems[0] if problems else f"{path}: no such file, so there is no run to resume")


def remove_checkpoint(path: str) -> None:
    """Removes the checkpoint of a finished run, and temporary files that a killed process has left."""
    for file in (path, path + PREVIOUS, *temporary_files(path)):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(file)


def temporary_files(path: str) -> list[str]:
    """The files that processes which were killed while they wrote `path` have left."""
    folder, name = os.path.split(os.path.realpath(path))
    return list(filter(os.path.isfile, glob.glob(os.path.join(glob.escape(folder), f".{glob.escape(name)}.*.tmp"))))


# ---------------------------------------------------------------------------------------------------------------------
# Metadata


def warn_of_unknown_vocabulary(params_path: str) -> None:
    """Warns on stderr if neither the parameters nor their metadata name the vocabulary, so that it cannot be checked."""
    if "vocabulary" in (read_metadata(params_path) or {}):
        return
    if named_vocabulary(load_tensors(read_bytes(params_path), params_path)) is None:
        warn(
            f"{params_path}: does not say with which vocabulary it was made; with another one, its answers are nonsense"
        )


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


def write_metadata(params_path: str, metadata: dict[str, Any]) -> str:
    """Writes beside a parameter file how it was made, with the file's digest, so that the two cannot be mixed up. Returns
    the digest."""
    metadata = metadata | {"params": digest(params_path)}
    text = json.dumps(metadata, indent=1, ensure_ascii=True) + "\n"
    write_atomically(metadata_path(params_path), text.encode())
    return metadata["params"]


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
    check_vocabulary(params_path, metadata.get("vocabulary"), vocabulary)


def longest_answer(params_path: str) -> int:
    """The length in characters of the longest answer in finetuning, by the metadata of these parameters; else 0."""
    length = (read_metadata(params_path) or {}).get("longest_answer", 0)
    return length if type(length) is int and length > 0 else 0


def recorded_wording(params_path: str) -> Wording | None:
    """How the questions of finetuning are worded, by the metadata of these parameters; None if that is not known."""
    return Wording.from_record((read_metadata(params_path) or {}).get("wording"))


def usual_answer(params_path: str) -> str | None:
    """The most frequent answer in finetuning, by the metadata of these parameters; None if that is not known."""
    answer = (read_metadata(params_path) or {}).get("usual_answer")
    return answer if isinstance(answer, str) else None


def view_position(params_path: str | None, block_size: int) -> int | None:
    """Where the titles of views began in training, by the metadata of these parameters; None if it read no views."""
    recipe = (read_metadata(params_path) or {}).get("recipe") if params_path else None
    reads_views = isinstance(recipe, dict) and recipe.get("cloze_share")
    return start_position(params_path, block_size) if reads_views else None


def start_position(params_path: str | None, block_size: int) -> int:
    """Where documents began in training, by the metadata of these parameters; 0 if that is not known."""
    position = (read_metadata(params_path) or {}).get("first_position") if params_path else 0
    return position if type(position) is int and 0 <= position < block_size else 0
