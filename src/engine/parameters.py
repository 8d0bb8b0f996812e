"""Parameter files, the course's and our own, and the vocabulary that they name."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from engine.files import InputError, read_bytes, write_atomically
from variants import VARIANTS

if TYPE_CHECKING:
    from model import GPT


def save_params(model: torch.nn.Module, path: Path | str) -> None:
    """Writes the model's parameters and buffers as CPU tensors. Raises InputError when they cannot be written."""
    buffer, parameters = io.BytesIO(), model.state_dict()
    for name, tensor in parameters.items():
        parameters[name] = tensor.cpu()
    torch.save(parameters, buffer)
    write_atomically(path, buffer.getbuffer())


def read_params(path: Path | str) -> OrderedDict[str, torch.Tensor]:
    """The tensors that `save_params`, or the course's code, has written; also those of a model that was wrapped by
    DataParallel or torch.compile, whose names begin with "module." or "_orig_mod.".

    No code in the file is run. Raises InputError when it cannot be read.
    """
    saved = load_tensors(read_bytes(path), f"{path}: is not a parameter file, or is damaged")
    if not isinstance(saved, dict) or not all(map(is_named_tensor, saved, saved.values())):
        raise InputError(f"{path}: is not a parameter file: it should hold named tensors of numbers and nothing else")
    metadata = getattr(saved, "_metadata", None)
    for prefix in ("module.", "_orig_mod.", "module."):
        if all(name.startswith(prefix) for name in saved):
            saved = {name.removeprefix(prefix): tensor for name, tensor in saved.items()}
    params = OrderedDict(saved)
    params._metadata = metadata  # see tag_vocabulary
    return params


def load_params(model: GPT, path: Path | str, trust_buffers: bool = False) -> None:
    """Puts the parameters of a file, see `read_params`, into the model.

    Raises InputError when the file cannot be read, or belongs to another model or vocabulary, or when its buffers (mask,
    rope_cache) are not those of the model, unless `trust_buffers`.
    """
    saved, expected, checked = read_params(path), model.state_dict(), {}
    if "tok_emb.weight" in saved and saved.keys() != expected.keys():  # slow: the meta device imports torch._dynamo
        variant = nearest_variant(model, saved)
        if variant != model.config.variant:
            raise InputError(f"{path}: holds a {variant} model, not a {model.config.variant} one")
    check_vocabulary(path, named_vocabulary(saved), named_vocabulary(expected))
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
# The vocabulary


def vocabulary_digest(itos: dict[int, str]) -> str:
    """The SHA-256 of the vocabulary's characters, in order."""
    return hashlib.sha256("".join(itos[i] for i in range(len(itos))).encode("utf-32-le", "surrogatepass")).hexdigest()


def tag_vocabulary(model: torch.nn.Module, itos: dict[int, str]) -> None:
    """Adds the vocabulary's digest to the `_metadata` of each state_dict of the model, where torch has its version numbers."""
    vocabulary = vocabulary_digest(itos)

    def tag(module: torch.nn.Module, state_dict: object, prefix: str, metadata: dict[str, Any]) -> None:
        metadata["vocabulary"] = vocabulary

    model.register_state_dict_post_hook(tag)


def named_vocabulary(state_dict: object) -> str | None:
    """The digest that `tag_vocabulary` has added, also where the model was wrapped; None in the files of other code."""
    metadata = getattr(state_dict, "_metadata", None)
    entries = metadata.values() if isinstance(metadata, dict) else ()
    found = (entry["vocabulary"] for entry in entries if isinstance(entry, dict) and "vocabulary" in entry)
    return next((vocabulary for vocabulary in found if isinstance(vocabulary, str)), None)


def check_vocabulary(params_path: Path | str, vocabulary: object, expected: str | None) -> None:
    """Raises InputError when parameters were made with another vocabulary than the expected one; None: not known."""
    if None not in (vocabulary, expected) and vocabulary != expected:
        raise InputError(f"{params_path}: was made with another vocabulary; use the corpus it was pretrained on")
