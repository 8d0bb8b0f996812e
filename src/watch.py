"""What TensorBoard shows of a run besides its curves: how far the model is, now and then, in its own words."""

from __future__ import annotations

import functools
import math
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
import torch
from torch.utils.tensorboard import SummaryWriter

from dataset import MASK, PAD, CharCorruptionDataset, as_tensors, pack
from evaluation import probes
from trainer import Trainer
from utils import score

TIMES = 50  # a run, at most; and after its last epoch
PROBED = 128  # people


class Log(SummaryWriter):
    """A SummaryWriter for long runs: where it cannot write any more, on a full disk for instance, it says so once, and
    the run goes on without its curves. Raises OSError when it cannot even begin."""

    lost = False

    def unless_lost(method: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(method)
        def attempt(self: Log, *args: Any, **settings: Any) -> None:
            if self.lost:
                return
            try:
                method(self, *args, **settings)
            except OSError as error:
                self.lost = True
                what = f"warning: {self.log_dir}: {error.strerror}; the run goes on, but TensorBoard no longer sees it"
                print(what, file=sys.stderr, flush=True)

        return attempt

    add_scalar = unless_lost(SummaryWriter.add_scalar)
    add_text = unless_lost(SummaryWriter.add_text)
    add_hparams = unless_lost(SummaryWriter.add_hparams)
    flush = unless_lost(SummaryWriter.flush)
    close = unless_lost(SummaryWriter.close)

    def __enter__(self) -> Self:
        self.hook, threading.excepthook = threading.excepthook, self.report
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
        threading.excepthook = self.hook

    def report(self, raised: threading.ExceptHookArgs) -> None:
        """What the thread that writes could not do, the next call above says in a line."""
        if not isinstance(raised.exc_value, OSError):
            self.hook(raised)


def watch(
    trainer: Trainer,
    corpus: CharCorruptionDataset,
    writer: Log,
    longest: int,
    questions: Sequence[str] = (),
    places: Sequence[str] | None = None,
    prompts: Sequence[list[int]] = (),
    first: int = 0,
) -> Callable[[int], None]:
    """A function to be called with the number of an epoch that has ended. It logs the loss of span corruption on
    examples that are always the same and not those of training, a few of them completed, by `longest` characters at
    most; if there are questions, as the prompts ask them, the first answers; and with their places, how many are right,
    and what `probes` finds out about some of the people. Documents stand at position `first`, as in training."""
    rng = np.random.default_rng(0)
    some = rng.permutation(len(corpus))[:128]
    batch = pack(*as_tensors(corpus.corrupt(some, rng)), np.full(len(some), first))
    documents = [row[: np.flatnonzero(row == MASK)[1] + 1].tolist() for row in corpus.corrupt(some[:3], rng)]
    every = math.ceil(trainer.batches.epochs / TIMES)
    probed = probes.prompts_of(questions, places or (), corpus, PROBED)

    def spell(indices: list[int]) -> str:
        return "".join(corpus.itos[i] for i in indices)

    @torch.no_grad()
    def after_epoch(epoch: int) -> None:
        if epoch % every and epoch < trainer.batches.epochs:
            return
        model = trainer.model
        model.eval()
        loss = sum(trainer.forward(part).item() * share for part, share in trainer.parts(batch, alone=True))
        writer.add_scalar("heldout/span_corruption_loss", loss, trainer.steps)
        completions = model.generate(documents, longest, stop_token=PAD, first=first)
        shown = list(zip(map(spell, documents), map(spell, completions)))
        if prompts:
            answers = [spell(answer) for answer in model.generate(prompts, longest, stop_token=MASK)]
            shown += list(zip(questions, answers))[:10]
        if places:
            total, correct = score(places, answers)
            writer.add_scalar("dev/accuracy", correct / total, trainer.steps)
            for name, (right, people) in probes.probe(model, probed, corpus, first).items():
                writer.add_scalar(f"probe/{name}", right / people, trainer.steps)
        writer.add_text("completions", "".join(f"    {a}  ->  {b}\n" for a, b in shown), trainer.steps)
        model.train()

    return after_epoch
