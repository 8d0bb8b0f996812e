"""How a training run ends early: by a signal, or by an error of one line. Nothing that was trained is lost."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Iterator

from engine import distributed, parameters
from engine.files import InputError
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
        parameters.save_params(model, path)
    except InputError:
        os.unlink(path)
        return "nor could the parameters be saved elsewhere: free some disk space"
    return f"the parameters are in {path}"
