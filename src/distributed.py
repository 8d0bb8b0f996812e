"""Several processes that train one model together. torchrun starts them:

    torchrun --standalone --nproc_per_node=2 src/run.py pretrain ...

Each process has the whole model and takes its share of the rows of every batch; before a step, the gradients are added
up. So a run does not depend on how many processes there are. With one process, nothing here does anything.
"""

from __future__ import annotations

import os
import time
import uuid
from typing import Any

import torch
import torch.distributed as dist


def rank() -> int:
    """Which process this is; the first one, 0, does all the writing."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """How many processes there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def start(device: torch.device) -> torch.device:
    """Meets the other processes that torchrun has started, if it has. Returns the device of this process."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        return device
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    store, rank, size = next(dist.rendezvous("env://"))
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=afresh(store, rank, size), rank=rank, world_size=size)
    return device


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
    """What the first process calls `value`."""
    if world_size() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def add_up(parameters: list[torch.nn.Parameter], *numbers: float) -> list[float]:
    """Adds the gradients of all processes, and the given numbers, which are returned. None is a gradient of 0."""
    if world_size() == 1:
        return list(numbers)
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    device = gradients[0].device if gradients else None
    together = torch.cat([*(g.flatten() for g in gradients), torch.tensor(numbers, device=device)])  # one message
    dist.all_reduce(together)
    *pieces, sums = together.split([*(p.numel() for p in parameters), len(numbers)])
    for p, piece in zip(parameters, pieces):
        p.grad = piece.view_as(p)
    return sums.tolist()
