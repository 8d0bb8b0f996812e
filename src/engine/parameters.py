"""Parameter files: a plain state_dict with the course's names, so that this code and the course's can read each other's."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from engine.files import InputError, read_bytes, write_atomically
from variants import VARIANTS

if TYPE_CHECKING:
    from model import GPT


def save_params(model: torch.nn.Module, path: Path | str) -> None:
    """Writes the model's parameters and buffers as CPU tensors. Raises InputError when they cannot be written."""
    buffer = io.BytesIO()
    torch.save({name: tensor.cpu() for name, tensor in model.state_dict().items()}, buffer)
    write_atomically(path, buffer.getbuffer())


def load_params(model: GPT, path: Path | str) -> None:
    """Reads parameters that `save_params`, or the course's code, has written.

    No code in the file is run. Raises InputError when it cannot be read, or belongs to another model.
    """
    saved = load_tensors(read_bytes(path), f"{path}: is not a parameter file, or is damaged")
    if not isinstance(saved, dict) or not all(map(is_named_tensor, saved, saved.values())):
        raise InputError(f"{path}: is not a parameter file: it should hold named tensors of numbers and nothing else")
    expected, checked = model.state_dict(), {}
    if "tok_emb.weight" in saved and (variant := nearest_variant(model, saved)) != model.config.variant:
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
            raise InputError(f"{path}: is not a parameter file: {name} should hold finite numbers and nothing else")
    if extra := sorted(set(saved) - set(expected)):
        raise InputError(f"{path}: holds a different model: it has {extra[0]!r}, too")
    model.load_state_dict(checked)


def load_tensors(content: bytes, problem: str) -> object:
    """What torch.save has written, on the CPU. No code in it is run. Raises InputError with the message `problem`."""
    try:
        with warnings.catch_warnings(action="ignore"):  # about what the error says anyway
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
    """The variant whose parameters have the most similar names; the model's own, if it is among the nearest."""

    def outside_upper_blocks(names: Iterable[str]) -> set[str]:  # so that the number of layers does not matter
        return {name for name in names if not name.startswith("blocks.") or name.startswith("blocks.0.")}

    def distance(variant: str) -> int:
        flags = {"variant": variant, "rope": variant == "rope", "synthesizer": variant == "synthesizer"}
        with torch.device("meta"):  # shapes and names only
            other = type(model)(replace(model.config, **flags))
        return len(outside_upper_blocks(other.state_dict()) ^ outside_upper_blocks(names))

    own = model.config.variant
    return min([own, *VARIANTS], key=distance)
