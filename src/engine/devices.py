"""Device, dtype, compilation and memory: chosen by name, or the best that this machine has."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import platform
import re
import shutil
import sysconfig
from pathlib import Path

import torch

from engine import distributed
from engine.files import InputError

MIN_COMPILED_STEPS = 2000  # a shorter run would not make up for the time that compiling takes


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name. "auto" is CUDA if there is a GPU, else Apple's MPS, else the CPU. If torchrun has started
    several processes, each gets a GPU of its own.

    Raises InputError when there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    name = distributed.local_device(name)
    try:
        if torch.device(name).type not in ("cpu", "cuda", "mps"):
            raise RuntimeError(f"{name} is not supported")
        torch.empty(1, device=name)
    except Exception as error:  # its type depends on the device
        raise InputError(f"there is no device {name!r} here; leave --device out to take the best one") from error
    return torch.device(name)


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """The dtype of that name. "auto" is bfloat16 where the hardware multiplies it faster than float32, else float32."""
    if name == "auto":
        if device.type == "cpu":
            capabilities = torch.cpu.get_capabilities()
            fast = any(capabilities.get(name, False) for name in ("amx_bf16", "avx512_bf16"))
        else:
            fast = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        name = "bfloat16" if fast else "float32"
    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[name]


def choose_compile(name: str, device: torch.device, steps: int) -> bool:
    """Whether to compile the model: "on", "off", or "auto", which compiles long runs on CUDA. On a CPU compiling did not
    make training faster (docs/LOG.md).

    Raises InputError when it is "on" and there is no compiler.
    """
    compiler = os.environ.get("CXX", "cl" if os.name == "nt" else "c++")
    possible = bool(shutil.which(compiler))
    if device.type == "cuda":  # Triton compiles an extension of Python
        header = os.path.join(sysconfig.get_path("include"), "Python.h")
        possible = possible and os.path.exists(header) and bool(importlib.util.find_spec("triton"))
    if name == "on" and not possible:
        what = "a C++ compiler, and on CUDA Triton and Python's headers (python3-dev)"
        raise InputError(f"--compile on needs {what}; leave it out to go without")
    return name == "on" or name == "auto" and possible and device.type == "cuda" and steps >= MIN_COMPILED_STEPS


def choose_workers(wanted: int | None, device: torch.device) -> int:
    """How many processes make batches. If the user does not say: two on CUDA, where a step may take no longer than making
    a batch does; none on a CPU, whose cores are busy with the step, of which a batch takes a hundredth."""
    return (2 if device.type == "cuda" else 0) if wanted is None else wanted


def keep_freed_memory() -> None:
    """Asks the C library to keep freed memory for the next step.

    By default, glibc returns large blocks to the system, which zeroes each page again when the next step needs it: a
    tenth of the time of a step on a CPU. Without glibc, nothing happens.
    """
    mmap_threshold, trim_threshold, top_pad = -3, -1, -2  # from malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(mmap_threshold, 2**30)
    mallopt(trim_threshold, 2**31 - 1)
    mallopt(top_pad, 2**26)


def describe_machine(device: torch.device) -> str:
    """The name of a GPU; else how many cores of which processor the run may use, as far as the system tells."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        models = re.search(
            r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text("utf-8", "replace"), re.MULTILINE
        )
    except OSError:  # only Linux has this file
        models = None
    name = models[1] if models else platform.processor() or platform.machine()
    return f"{cores} core{'s' * (cores > 1)} of {name or 'an unknown processor'}"
