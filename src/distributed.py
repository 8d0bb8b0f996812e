"""Several processes that train one model together. torchrun starts them:

    torchrun --standalone --nproc_per_node=2 src/run.py pretrain ...

Each process has the whole model and takes its share of the rows of every batch; before a step, the gradients are added
up. So a run does not depend on how many processes there are, but for rounding, and for dropout, whose masks are other
ones in each. With one process, nothing here does anything.
"""

from __future__ import annotations

import io
import os
import time
import uuid
from typing import Any

import torch
import torch.distributed as dist

from utils import InputError


def rank() -> int:
    """Which process this is; the first one, 0, does all the writing."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """How many processes there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def started() -> bool:
    """Whether torchrun has started this process, and others."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def own_device(name: str) -> str:
    """The device that this process has for itself where `name` is asked for: one of several GPUs, if there are several
    processes; or the CPU, where torch lets processes share no gradients otherwise.

    Raises InputError when there are not enough GPUs.
    """
    if not started() or name == "cpu":
        return name
    if name == "mps":
        return "cpu"
    if name != "cuda":
        raise InputError(f"--device {name}: each of several processes has a GPU of its own; say --device cuda")
    number, there = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if number >= there:
        raise InputError(f"there is no GPU for process {number + 1}: --nproc_per_node={there}, or add --device cpu")
    return f"cuda:{number}"


def start(device: torch.device) -> None:
    """Meets the other processes that torchrun has started, if it has. This one is to compute on `device`."""
    if not started() or dist.is_initialized():
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    store, rank, size = next(dist.rendezvous("env://"))
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=afresh(store, rank, size), rank=rank, world_size=size)


def afresh(store: dist.Store, rank: int, size: int) -> dist.Store:
    """A part of `store` in which these processes, and none before them, have written.

    torchrun keeps its store when it restarts the processes, and in it the addresses of those that are gone: who comes
    early would knock at a dead one's door. So the first process makes up a mark, and each other one writes its name
    under the mark that it finds, again and again, until the maker of the mark has answered it.
    """
    if rank == 0:
        mark = uuid.uuid4().hex
        store.set("mark", mark)
        for other in range(1, size):
            name = store.get(f"{mark}/{other}").decode()
            store.set(f"{mark}/{other}/{name}", "met")
        return dist.PrefixStore(mark, store)
    name = uuid.uuid4().hex
    while True:
        mark = store.get("mark").decode()
        store.set(f"{mark}/{rank}", name)
        if store.check([f"{mark}/{rank}/{name}"]):
            return dist.PrefixStore(mark, store)
        time.sleep(0.1)


def finish() -> None:
    """Takes leave of the other processes."""
    if dist.is_initialized():
        dist.destroy_process_group()


def from_first(value: Any) -> Any:
    """What the first process calls `value`: tensors, on the CPU then, and plain values."""
    if world_size() == 1:
        return value
    buffer = io.BytesIO()
    torch.save(value, buffer)
    box = [buffer.getvalue()]
    dist.broadcast_object_list(box, src=0)
    return torch.load(io.BytesIO(box[0]), map_location="cpu", weights_only=True)


def add_up(parameters: list[torch.nn.Parameter], numbers: list[float], device: torch.device) -> list[float]:
    """Adds the gradients of all processes, and the given numbers, which are returned. None is a gradient of 0; all are
    on `device`."""
    if world_size() == 1:
        return numbers
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    # One message, of one type: of a process that has no rows, a number may be the integer 0.
    together = torch.cat([*(g.flatten() for g in gradients), torch.tensor(numbers, dtype=torch.float32, device=device)])
    dist.all_reduce(together)
    *pieces, sums = together.split([*(p.numel() for p in parameters), len(numbers)])
    for p, piece in zip(parameters, pieces):
        p.grad = piece.view_as(p)
    return sums.tolist()
