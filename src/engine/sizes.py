"""The size of a model: told by flags, or by the parameters that a command reads."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from engine.files import InputError

if TYPE_CHECKING:  # torch takes seconds to import, and the flags' help does not need it
    import torch

LIMITS = {"n_layer": (1, 64), "n_head": (1, 256), "n_embd": (8, 4096), "block_size": (16, 4096)}


@dataclass(frozen=True)
class Sizes:
    """The sizes that flags can change; the defaults are the handouts'."""

    n_layer: int = 4  # blocks
    n_head: int = 8  # heads of attention in each
    n_embd: int = 256  # features of a token
    block_size: int = 128  # the longest sequence, in tokens

    def check(self, variant: str, hint: str) -> Sizes:
        """These sizes. Raises InputError, ending with `hint`, when no such model of the variant can be made."""
        head_size, rest = divmod(self.n_embd, self.n_head)
        if rest:
            raise InputError(f"n_embd {self.n_embd} is not a multiple of n_head {self.n_head}; {hint}")
        if variant == "rope" and head_size % 2:
            raise InputError(f"rope needs heads of an even size, and n_embd {self.n_embd} / n_head {self.n_head} is "
                             f"{head_size}; {hint}")  # fmt: skip
        return self


def sizes_of_tensors(tensors: Mapping[str, torch.Tensor], record: Any = None) -> dict[str, int]:
    """The sizes of the model whose parameters these are, as far as their shapes tell. The number of heads of a vanilla model
    is not among these: it is taken from the `record`, the "model" of the parameters' metadata.

    Sizes beyond LIMITS, or of a larger model than the tensors have room for, are left out: the file is damaged or hostile.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    embedding, mask = shapes.get("tok_emb.weight", ()), shapes.get("blocks.0.attn.mask", ())
    rope_cache, w2 = shapes.get("blocks.0.attn.rope_cache", ()), shapes.get("blocks.0.attn.w2", ())
    found = {"n_layer": len({match[1] for name in shapes if (match := re.match(r"blocks\.(\d+)\.", name))})}
    found |= {"n_embd": embedding[-1]} if embedding else {}
    found |= {"block_size": mask[-1]} if mask else {}
    head_size = 2 * rope_cache[1] if len(rope_cache) == 3 else w2[0] if len(w2) == 2 else 0
    if head_size and found.get("n_embd"):
        found["n_head"] = found["n_embd"] // head_size
    elif isinstance(record, dict) and type(record.get("n_head")) is int:
        found["n_head"] = record["n_head"]
    if numbers_of(found) > stored_bytes(tensors.values()):
        return {}
    return {name: n for name, n in found.items() if LIMITS[name][0] <= n <= LIMITS[name][1]}


def numbers_of(sizes: Mapping[str, int]) -> int:
    """How many parameters and entries of masks a model of these sizes has at least."""
    return sizes.get("n_layer", 0) * (11 * sizes.get("n_embd", 0) ** 2 + sizes.get("block_size", 0) ** 2)


def stored_bytes(tensors: Iterable[torch.Tensor]) -> int:
    """The memory of tensors. Those of a hostile file may share it, and be small behind large shapes."""
    from torch import Tensor

    storages = [
        Tensor.untyped_storage(tensor) for tensor in tensors
    ]  # the file may have replaced a tensor's own methods
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


def choose_sizes(args: Namespace, known: dict[str, int], source: str) -> Sizes:
    """The sizes that the flags give, or else those `known` from the file `source`, or else the defaults.

    Raises InputError when a flag contradicts the file, or when no such model can be made.
    """
    given = {name: getattr(args, name) for name in asdict(Sizes()) if getattr(args, name) is not None}
    for name, value in given.items():
        if known.get(name, value) != value:
            raise InputError(f"--{name} {value}: {source} holds a model of {name} {known[name]}; leave the flag out")
    hint = f"give the --n_head that {source} was trained with" if known else "change one of the flags"
    return Sizes(**known | given).check(args.variant, hint)
