"""The files of a run.

x.params         the parameters, written when the run has ended: a plain state_dict with the course's names, so that this
                 code and the course's can read each other's files
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
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy
import torch

from engine.files import ROOT, InputError, digest, read_bytes, reason, warn, write_atomically
from variants import VARIANTS
from wording import Wording

if TYPE_CHECKING:
    from model import GPT

PREVIOUS = ".previous"  # added to the name of a checkpoint when a newer one replaces it
CHECKSUM_BYTES = 32


# ---------------------------------------------------------------------------------------------------------------------
# Parameters


def save_params(model: torch.nn.Module, path: Path | str) -> None:
    """Writes the model's parameters and buffers as CPU tensors. Raises InputError when they cannot be written."""
    buffer = io.BytesIO()
    torch.save({name: tensor.cpu() for name, tensor in model.state_dict().items()}, buffer)
    write_atomically(path, buffer.getbuffer())


def read_params(path: Path | str) -> dict[str, torch.Tensor]:
    """The tensors that `save_params`, or the course's code, has written; also those of a model that was wrapped by
    DataParallel or torch.compile, whose names begin with "module." or "_orig_mod.".

    No code in the file is run. Raises InputError when it cannot be read.
    """
    saved = load_tensors(read_bytes(path), f"{path}: is not a parameter file, or is damaged")
    if not isinstance(saved, dict) or not all(map(is_named_tensor, saved, saved.values())):
        raise InputError(f"{path}: is not a parameter file: it should hold named tensors of numbers and nothing else")
    for prefix in ("module.", "_orig_mod.", "module."):
        if all(name.startswith(prefix) for name in saved):
            saved = {name.removeprefix(prefix): tensor for name, tensor in saved.items()}
    return saved


def load_params(model: GPT, path: Path | str, trust_buffers: bool = False) -> None:
    """Puts the parameters of a file, see `read_params`, into the model.

    Raises InputError when the file cannot be read, or belongs to another model, or when its buffers (mask, rope_cache) are
    not those of the model, unless `trust_buffers`.
    """
    saved, expected, checked = read_params(path), model.state_dict(), {}
    if "tok_emb.weight" in saved and saved.keys() != expected.keys():  # slow: the meta device imports torch._dynamo
        variant = nearest_variant(model, saved)
        if variant != model.config.variant:
            raise InputError(f"{path}: holds a {variant} model, not a {model.config.variant} one")
    for name, tensor in expected.items():
        if name not in saved:
            raise InputError(f"{path}: holds a different model: it has no {name!r}")
        if saved[name].shape != tensor.shape:
            what = "vocabulary: use the corpus it was pretrained on" if name == "tok_emb.weight" else "model"
            shapes = f"{name} is {tuple(saved[name].shape)}, not {tuple(tensor.shape)}"
            raise InputError(f"{path}: holds a different {what} ({shapes})")
        # Copied only after the shape is known, and by copy_, because the file may have replaced the tensor's own methods.
        checked[name] = torch.empty_like(tensor).copy_(saved[name])
        if not checked[name].isfinite().all():
            raise InputError(f"{path}: is not a parameter file: {name} has infinite values or NaN")
    if extra := sorted(set(saved) - set(expected)):
        raise InputError(f"{path}: holds a different model: it also has {extra[0]!r}")
    for name, buffer in model.named_buffers() if not trust_buffers else ():
        wrong = ((checked[name] - buffer.cpu()).abs() > 1e-3).squeeze()  # other code may round differently
        if wrong.any():
            row = int(wrong.reshape(len(wrong), -1).any(1).nonzero()[0])
            problem = f"{name} is not what it must be, from position {row} on; --trust_buffers uses it as it is"
            raise InputError(f"{path}: {problem}")
    model.load_state_dict(checked)


def load_tensors(content: bytes, problem: str) -> object:
    """What torch.save has written, on the CPU. No code in it is run. Raises InputError with the message `problem`."""
    try:
        with warnings.catch_warnings(action="ignore"):  # the error says the same
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # what a damaged or hostile file raises is not documented, and of many types
        raise InputError(problem) from error


def is_named_tensor(name: object, tensor: object) -> bool:
    """Whether this is a name and an ordinary tensor of real numbers."""
    return (
        isinstance(name, str)
        and isinstance(tensor, torch.Tensor)
        and tensor.layout == torch.strided
        and tensor.device.type == "cpu"
        and not (tensor.is_nested or tensor.is_quantized or tensor.dtype.is_complex)
    )


def nearest_variant(model: GPT, names: Iterable[str]) -> str:
    """The variant whose parameters have the most similar names; on a tie, the model's own."""

    def outside_upper_blocks(names: Iterable[str]) -> set[str]:  # so that the number of layers does not matter
        return {name for name in names if not name.startswith("blocks.") or name.startswith("blocks.0.")}

    def distance(variant: str) -> int:
        flags = {"variant": variant, "rope": variant == "rope", "synthesizer": variant == "synthesizer"}
        with torch.device("meta"):  # shapes and names only
            other = type(model)(replace(model.config, **flags))
        return len(outside_upper_blocks(other.state_dict()) ^ outside_upper_blocks(names))

    own = model.config.variant
    return min([own, *VARIANTS], key=distance)


# ---------------------------------------------------------------------------------------------------------------------
# Checkpoints


def checkpoint_path(params_path: str) -> str:
    return params_path + ".state"


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


def save_checkpoint(state: dict[str, Any], path: str) -> None:
    """Writes tensors and plain values. At any moment there is an intact file, at `path` or at `path` + PREVIOUS: a damaged
    file never becomes the previous one.

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
    folder, name = os.path.split(os.path.realpath(path))
    temporary = glob.glob(os.path.join(glob.escape(folder), f".{glob.escape(name)}.*.tmp"))
    for file in (path, path + PREVIOUS, *filter(os.path.isfile, temporary)):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(file)


# ---------------------------------------------------------------------------------------------------------------------
# Metadata


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


def start_position(params_path: str | None, block_size: int) -> int:
    """Where documents began in training, by the metadata of these parameters; 0 if that is not known."""
    position = (read_metadata(params_path) or {}).get("first_position") if params_path else 0
    return position if type(position) is int and 0 <= position < block_size else 0
