"""Probes that run a submission's run.py: its training commands up to the moment when they train, and evaluation.

Like probes.py, this runs in the jail, beside the student's code, and judges nothing.
"""

from __future__ import annotations

import importlib
import os
import re
import runpy
import sys
from collections.abc import Sequence
from typing import Any

import torch

from autograder.probes import Attempt, seed

CONFIGURATION = ("max_epochs", "batch_size", "learning_rate", "betas", "grad_norm_clip", "weight_decay", "lr_decay",
                 "warmup_tokens", "final_tokens", "num_workers", "ckpt_path")  # fmt: skip


class Captured(BaseException):
    """Training was about to begin."""


class Recorder:
    """Runs a submission's run.py up to the moment when it trains, and keeps model, data and configuration."""

    def __init__(self):
        self.model = self.dataset = self.config = None
        trainer = importlib.import_module("trainer")
        begin = trainer.Trainer.__init__

        def __init__(trainer_self, *arguments, **named):
            words = dict(zip(("model", "train_dataset", "test_dataset", "config"), arguments)) | named
            self.model, self.dataset, self.config = (words.get(n) for n in ("model", "train_dataset", "config"))
            begin(trainer_self, *arguments, **named)
            self.config = self.config or getattr(trainer_self, "config", None)

        def train(trainer_self, *arguments, **named):
            raise Captured

        trainer.Trainer.__init__, trainer.Trainer.train = __init__, train

    def run(self, words: Sequence[str], run_name: str = "__main__") -> bool:
        """Whether the command got as far as training."""
        self.model = self.dataset = self.config = None
        path = os.path.join(sys.path[0], "run.py")
        sys.argv = [os.path.relpath(path), *words]
        seed()
        try:
            runpy.run_path(sys.argv[0], run_name=run_name)
        except Captured:
            return True
        except SystemExit as end:
            if end.code not in (None, 0):
                raise RuntimeError(f"run.py {' '.join(words)} ended with exit code {end.code}") from end
        return False

    def summary(self) -> dict[str, Any]:
        """The configuration, and the names and shapes of the model's parameters and buffers."""
        config = {name: getattr(self.config, name, None) for name in CONFIGURATION}
        return {"config": config, "documents": len(self.dataset), "state": shapes(self.model)}


def shapes(model: Any) -> dict[str, list[int]]:
    return {name: list(tensor.shape) for name, tensor in bare(model).state_dict().items()}


def bare(model: Any) -> Any:
    """The model without DataParallel around it."""
    return getattr(model, "module", model)


def commands(attempt: Attempt, runs: Sequence[dict[str, Any]]) -> None:
    """Runs commands of run.py up to their training. {"name", "words"}, and optionally "save": a file for parameters unlike
    any that the command would make; "reads": such a file, to compare with; "checks": inputs for `examine`."""
    recorder = Recorder()

    def start(words: Sequence[str]) -> dict[str, Any]:
        if not recorder.run(words):
            raise RuntimeError(f"run.py {' '.join(words)} ends without calling Trainer.train")
        return recorder.summary()

    def distance(file: str) -> float:
        saved, own = torch.load(file), dict(bare(recorder.model).named_parameters())
        return max(float((own[name].detach() - saved[name]).abs().max()) for name in own)

    for each in runs:
        if attempt(each["name"], start, each["words"]) is None:
            continue
        model = bare(recorder.model)
        if "save" in each:
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.add_(torch.randn_like(parameter), alpha=0.05)
            torch.save(model.state_dict(), each["save"])
        if "reads" in each:
            attempt(each["name"] + " distance", distance, each["reads"])
        if "checks" in each:
            examine(attempt, each["name"], model, **each["checks"])


def examine(
    attempt: Attempt,
    name: str,
    model: Any,
    tokens: list,
    changed: list,
    targets: list,
    block_size: int,
    heads: int,
    biases: list,
) -> None:
    """What the model computes, with large random parameters: for tokens, and others that differ from the middle on; its
    loss; a whole block; and what its first attention layer attends to."""
    seed()
    model.eval()
    with torch.no_grad():
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.2)

    def logits(idx: list) -> torch.Tensor:
        with torch.no_grad():
            return model(torch.tensor(idx))[0]

    def change() -> list[float]:
        return (logits(tokens) - logits(changed)).abs().amax(-1)[0].tolist()

    def loss() -> list[object]:
        with torch.no_grad():
            output, value = model(torch.tensor(tokens), torch.tensor(targets))
        return [output, float(value)]

    attempt(name + " change", change)
    attempt(name + " loss", loss)
    for length in (block_size - 1, block_size):
        attempt(f"{name} block {length}", lambda row: [*logits([row]).shape], [2 + i % 5 for i in range(length)])
    if biases:
        attempt(name + " attention", attention_weights, model, heads, biases)


def attention_weights(model: Any, heads: int, biases: list) -> torch.Tensor:
    """What each position attends to in the first layer, (heads, T, T), from values that say where they come from. Before any
    rotation, all queries are equal, and the key of position t is one vector times 1 + (t % 3) / 2."""
    layer = model.blocks[0].attn
    width = layer.value.weight.size(0)
    size = width // heads
    T = min(size, 12)
    query, key = torch.tensor(biases)[:, :width]
    with torch.no_grad():
        for linear in (layer.query, layer.key):
            linear.weight.zero_()
            linear.bias.zero_()
        layer.query.bias.copy_(query)
        layer.key.weight[:, :T] = key[:, None] * (1 + torch.arange(T) % 3 / 2)
        for linear in (layer.value, layer.proj):
            linear.weight.copy_(torch.eye(width))
            linear.bias.zero_()
        x = torch.eye(T, size).repeat(1, heads)[None]
        y = layer(x)  # (1, T, width)
        return y.view(T, heads, size).transpose(0, 1)[..., :T]


def spawned(attempt: Attempt, words: Sequence[str]) -> None:
    """Whether run.py trains when it is imported by a worker process that was spawned, as on Windows and macOS."""
    recorder = Recorder()
    attempt("trains", recorder.run, words, "__mp_main__")


def evaluate(attempt: Attempt, runs: Sequence[dict[str, Any]]) -> None:
    """Runs `run.py evaluate` with each "words", and returns the lines that it has written to "outputs"."""

    def lines(words: Sequence[str], outputs: str) -> list[str]:
        sys.argv = [os.path.relpath(os.path.join(sys.path[0], "run.py")), *words]
        try:
            runpy.run_path(sys.argv[0], run_name="__main__")
        except SystemExit as end:
            if end.code not in (None, 0):
                raise RuntimeError(f"run.py evaluate ended with exit code {end.code}") from end
        with open(outputs, encoding="utf-8") as file:
            return file.read().removesuffix("\n").split("\n")

    for each in runs:
        attempt(each["name"], lines, each["words"], each["outputs"])


def london(attempt: Attempt, script: str) -> None:
    """Runs london_baseline.py. The numbers in what it has written into its file, if it has; the rest is on stdout."""
    sys.argv, sys.path[0] = [script], os.path.dirname(os.path.abspath(script))
    attempt("run", lambda: runpy.run_path(script, run_name="__main__") and None)
    name = "london_baseline_accuracy.txt"
    places = [place for place in (name, os.path.join(os.path.dirname(script), name)) if os.path.exists(place)]
    for place in places[:1]:
        with open(place, encoding="utf-8", errors="replace") as file:
            content = file.read(1000)
        attempt("file", re.findall, r"\d+\.?\d*", content)
