"""What TensorBoard shows of a run besides its curves: what the model can say and do, at intervals during training."""

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

from dataset import CharCorruptionDataset, pack, shift
from evaluation import probes
from generation import generate, generate_answers
from questions import MAX_ANSWER, score
from titles import titles_of
from trainer import Trainer
from vocabulary import MASK, PAD, decode
from wording import COURSE, Wording, find_wording

MAX_REPORTS = 50  # in a run; there is always one after its last epoch
PROBED = 128  # subjects


class RobustWriter(SummaryWriter):
    """A SummaryWriter for long runs. When it cannot write any more, for instance because the disk is full, it warns once
    and the run continues without its curves. Raises OSError when it cannot be opened."""

    failed = False

    def unless_failed(method: Callable[..., None]) -> Callable[..., None]:
        """Wraps a method of SummaryWriter."""

        @functools.wraps(method)
        def attempt(self: RobustWriter, *args: Any, **settings: Any) -> None:
            if self.failed:
                return
            try:
                method(self, *args, **settings)
            except OSError as error:
                self.failed = True
                text = f"warning: {self.log_dir}: {error.strerror}; the run goes on, but TensorBoard no longer sees it"
                print(text, file=sys.stderr, flush=True)

        return attempt

    add_scalar = unless_failed(SummaryWriter.add_scalar)
    add_text = unless_failed(SummaryWriter.add_text)
    add_hparams = unless_failed(SummaryWriter.add_hparams)
    flush = unless_failed(SummaryWriter.flush)
    close = unless_failed(SummaryWriter.close)

    def __enter__(self) -> Self:
        self.hook, threading.excepthook = threading.excepthook, self.ignore_os_error
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
        threading.excepthook = self.hook

    def ignore_os_error(self, raised: threading.ExceptHookArgs) -> None:
        """Silences the writing thread's OSError: the next call of a method above fails with it, and warns."""
        if not isinstance(raised.exc_value, OSError):
            self.hook(raised)


class Monitor:
    """Call it with the number of each epoch that has ended. It logs:

    - the loss of span corruption, on documents of the corpus with gaps that are always the same and not those of training;
    - completions of a few of them, and answers to the first questions;
    - with answers given, the accuracy, and what `probes` finds for some of the subjects.
    """

    def __init__(
        self,
        trainer: Trainer,
        corpus: CharCorruptionDataset,
        writer: RobustWriter,
        questions: Sequence[str] = (),
        answers: Sequence[str] | None = None,
        prompts: Sequence[list[int]] = (),
        start_position: int = 0,
        longest_answer: int = 0,
        known: Wording = COURSE,
        start_positions: np.ndarray | None = None,
    ):
        """`prompts` are the encoded `questions`, empty where the model cannot read one. Documents begin at `start_position`,
        as in training; if that differs, document i begins at `start_positions[i]`. Answers may be as long as the
        `longest_answer` of finetuning, in characters, and at least MAX_ANSWER. `known` is how its questions are worded."""
        self.trainer, self.corpus, self.writer, self.start_position = trainer, corpus, writer, start_position
        self.questions, self.answers, self.prompts = questions, answers, prompts
        self.max_answer = max(MAX_ANSWER, longest_answer)
        rng = np.random.default_rng(0)
        chosen = rng.permutation(len(corpus))[:128]
        starts = np.full(len(corpus), start_position) if start_positions is None else start_positions
        most = corpus.readable(int(starts[chosen].max()))
        self.fixed_batch = pack(*shift(corpus.corrupt(chosen, rng, most)), starts[chosen])
        self.starts = starts[chosen[:3]].tolist()
        rows = corpus.corrupt(chosen[:3], rng, most)
        self.documents = [row[: np.flatnonzero(row == MASK)[1] + 1].tolist() for row in rows]  # up to the second MASK
        self.interval = math.ceil(trainer.batches.epochs / MAX_REPORTS)
        wording = find_wording(questions, titles_of(corpus.data), known)
        self.probed = probes.prompts_of(questions, answers or (), corpus, wording, start_position, PROBED)
        self.score: tuple[float, float] | None = (
            None  # the number of questions, and of right answers, in the last report
        )

    @torch.no_grad()
    def __call__(self, epoch: int) -> None:
        if epoch % self.interval and epoch < self.trainer.batches.epochs:
            return
        model, writer, steps = self.trainer.model, self.writer, self.trainer.steps
        model.eval()
        parts = self.trainer.micro_batches(self.fixed_batch, all_rows=True)
        loss = sum(self.trainer.forward(part).item() * weight for part, weight in parts)
        writer.add_scalar("heldout/span_corruption_loss", loss, steps)
        pairs = zip(self.documents, self.starts)
        completions = [generate(model, [text], self.max_answer, PAD, start)[0] for text, start in pairs]
        shown = list(zip(map(self.decode, self.documents), map(self.decode, completions)))
        if self.prompts:
            predictions = list(map(self.decode, generate_answers(model, self.prompts, self.max_answer)))
            shown += list(zip(self.questions, predictions))[:10]
        if self.answers:
            self.score = total, correct = score(self.answers, predictions)
            writer.add_scalar("dev/accuracy", correct / total, steps)
            for name, (right, people) in probes.probe(model, self.probed, self.corpus, self.start_position).items():
                writer.add_scalar(f"probe/{name}", right / people, steps)
        writer.add_text("completions", "".join(f"    {a}  ->  {b}\n" for a, b in shown), steps)
        model.train()

    def decode(self, indices: Sequence[int]) -> str:
        """The text of these indices."""
        return decode(indices, self.corpus.itos)
