"""Several processes that train one model together (data parallelism). torchrun starts them:

    torchrun --standalone --nproc_per_node=2 src/run.py pretrain ...

Each process has the whole model and computes a part of the rows of every batch; before a step, the gradients are summed.
So the result does not depend on the number of processes, except for rounding, and for dropout, whose random numbers
differ. With one process, the functions here do nothing.
"""

from __future__ import annotations

import io
import os
import time
import uuid
from typing import Any

import torch
import torch.distributed as dist

from engine.files import InputError


def rank() -> int:
    """The number of this process. Process 0 does all the writing."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """The number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_launched() -> bool:
    """Whether torchrun has started this process and others."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def local_device(name: str) -> str:
    """The device for this process if the user asked for `name`: of several GPUs, the one with its number. MPS cannot
    share gradients between processes, so the CPU replaces it.

    Raises InputError when there are not enough GPUs.
    """
    if not is_launched() or name == "cpu":
        return name
    if name == "mps":
        return "cpu"
    if name != "cuda":
        raise InputError(f"--device {name}: each of several processes has a GPU of its own; say --device cuda")
    number, available = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if number >= available:
        raise InputError(f"there is no GPU for process {number + 1}: --nproc_per_node={available}, or add --device cpu")
    return f"cuda:{number}"


def start(device: torch.device) -> None:
    """Connects to the other processes, if torchrun has started any. This process computes on `device`."""
    if not is_launched() or dist.is_initialized():
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    store, rank, size = next(dist.rendezvous("env://"))
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, store=fresh_store(store, rank, size), rank=rank, world_size=size)


def fresh_store(store: dist.Store, rank: int, size: int) -> dist.Store:
    """A part of `store` that no earlier process has written to.

    torchrun keeps its store across restarts, with the dead workers' addresses. Rank 0 publishes a fresh prefix; the
    others announce themselves under the prefix that they read, and retry until rank 0 acknowledges them.
    """
    if rank == 0:
        prefix = uuid.uuid4().hex
        store.set("mark", prefix)
        for other in range(1, size):
            name = store.get(f"{prefix}/{other}").decode()
            store.set(f"{prefix}/{other}/{name}", "acknowledged")
        return dist.PrefixStore(prefix, store)
    name = uuid.uuid4().hex
    while True:
        prefix = store.get("mark").decode()
        store.set(f"{prefix}/{rank}", name)
        if store.check([f"{prefix}/{rank}/{name}"]):
            return dist.PrefixStore(prefix, store)
        time.sleep(0.1)


def finish() -> None:
    """Disconnects from the other processes."""
    if dist.is_initialized():
        dist.destroy_process_group()


def broadcast(value: Any) -> Any:
    """The `value` of process 0, for all processes. It consists of plain values and tensors, which are then on the CPU."""
    if world_size() == 1:
        return value
    buffer = io.BytesIO()
    torch.save(value, buffer)
    box = [buffer.getvalue()]
    dist.broadcast_object_list(box, src=0)
    return torch.load(io.BytesIO(box[0]), map_location="cpu", weights_only=True)


def all_reduce(parameters: list[torch.nn.Parameter], numbers: torch.Tensor) -> torch.Tensor:
    """Sums the gradients over all processes, and the given numbers (n,), which are returned. A missing gradient is 0;
    all are on the same device."""
    if world_size() == 1:
        return numbers
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    flat = torch.cat([*(g.flatten() for g in gradients), numbers])  # one message
    dist.all_reduce(flat)
    *pieces, sums = flat.split([*(p.numel() for p in parameters), len(numbers)])
    for p, piece in zip(parameters, pieces):
        p.grad = piece.view_as(p)
    return sums
