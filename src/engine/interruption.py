"""How a run ends before its time, and how it continues."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from engine import distributed
from engine.checkpoint import PREVIOUS, has_checkpoint, load_checkpoint
from engine.files import InputError, naming_file
from engine.parameters import save_params
from model import GPT
from trainer import Stopped, Trainer


@contextlib.contextmanager
def graceful_shutdown(trainer: Trainer) -> Iterator[None]:
    """Lets Ctrl-C and SIGTERM end the run after the current step, with a checkpoint; a second Ctrl-C ends it at once."""

    def stop(number: int, frame: object) -> None:
        trainer.stop = number
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def report_failures(trainer: Trainer) -> Iterator[None]:
    """Ends the program with one line that says what to do, when training ends early. Process 0 says it for all."""

    def end(message: str, code: int) -> None:
        if distributed.rank() == 0:
            print(f"run.py: {message}", file=sys.stderr)
        sys.exit(code)

    config = trainer.config
    try:
        yield
    except Stopped as error:
        code = 128 + (trainer.stop or signal.SIGTERM)  # the latter when another process received the signal
        end(f"{error}; go on with the same command and --resume", code)
    except FloatingPointError as error:
        kept = f"{config.ckpt_path} is as it was; to begin anew, delete {config.state_path} and its .previous"
        end(f"error: {error}; try a lower learning rate. {kept}", 1)
    except InputError as error:
        if trainer.steps < len(trainer.batches):
            raise
        # The run is complete, but its parameters could not be written: hours of training should not be lost.
        raise InputError(f"{error}; {rescue(trainer.model)}, or go on from the last state with --resume") from error


def rescue(model: GPT) -> str:
    """Writes the parameters to the folder of temporary files. Returns a phrase that says where, or that it failed."""
    handle, path = tempfile.mkstemp(suffix=".params")
    os.close(handle)
    try:
        save_params(model, path)
    except InputError:
        os.unlink(path)
        return "nor could the parameters be saved elsewhere: make room"
    return f"the parameters are in {path}"


def should_resume(args: Namespace, path: str) -> bool:
    """Whether to resume from the checkpoint at `path`. Raises InputError when there is one and --resume is missing."""
    if args.resume:
        return True
    if not has_checkpoint(path):
        return False
    restarts, job = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")), os.environ.get("TORCHELASTIC_RUN_ID")
    if restarts and load_checkpoint(path)["run"].get("job") == job:  # torchrun has restarted its processes
        return True
    remains = " and ".join(filter(os.path.exists, (path, path + PREVIOUS)))
    raise InputError(f"{path}: an unfinished run is here; go on with --resume, or begin anew after deleting {remains}")


def resume(trainer: Trainer, run: dict[str, Any]) -> None:
    """Restores the last checkpoint. Raises InputError when its run differs from `run`, in data or settings."""

    def equal(one: object, other: object) -> bool:
        try:
            return bool(one == other)
        except (RuntimeError, TypeError, ValueError):  # a tensor in a hostile file
            return False

    path = trainer.config.state_path
    state = load_checkpoint(path)
    if not isinstance(state["run"], dict):
        raise InputError(f"{path}: is not a state file")
    for name, now in run.items():
        then = state["run"].get(name)
        if equal(then, now):
            continue
        if isinstance(now, dict) and isinstance(then, dict):
            name = next((key for key in now | then if not equal(then.get(key), now.get(key))), name)
        raise InputError(f"--resume: {name} is not what it was when {path} was saved; give the same command and files")
    with naming_file(path):
        trainer.restore(state)
    print(f"Resumed after step {trainer.steps:,} of {len(trainer.batches):,}", flush=True)
