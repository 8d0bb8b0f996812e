"""What TensorBoard shows of a run besides its curves: what the model can say and do, at intervals during training."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset
from tqdm import tqdm

from cloze import ClozeDataset, MixedDataset, views_of
from dataset import CharCorruptionDataset, NameDataset, pack, shift
from engine.writer import RobustWriter
from evaluation import probes
from generation import generate, generate_answers
from questions import MAX_ANSWER, accepted, score
from titles import titles_of
from trainer import Trainer
from vocabulary import MASK, MASK_CHAR, decode
from wording import COURSE, Wording, find_wording

MAX_REPORTS = 50  # in a run; there is always one after its last epoch
PROBED = 128  # subjects
HELD_OUT = 128  # documents
SHOWN_DOCUMENTS, SHOWN_QUESTIONS = 6, 12  # in the table of completions
GAP = "___"  # shown for what is missing in a document
LOSSES = {"loss": {"training and held out": ["Multiline", ["train/loss", "heldout/.*"]]}}
KNOWLEDGE = {
    "what it knows": {
        "from reading to answering": ["Multiline", [f"probe/{name}" for name in probes.PROBES]],
        "right answers on dev": ["Multiline", ["dev/accuracy"]],
    }
}


class Sample(NamedTuple):
    """A prompt, and what the model should write after it."""

    tokens: list[int]
    text: str  # the prompt for people to read
    accepted: list[str]  # what it may write; empty if that is not known
    start_position: int = 0
    ends: bool = True  # whether training teaches where to end, by a MASK: span corruption does not


class Monitor:
    """Call it with the number of each epoch that has ended. It logs:

    - the loss on documents, of the kind that training reads, with gaps that are always the same and not those of training;
    - completions of a few of them, and answers to the first questions, beside what is right;
    - with answers given, the accuracy, which it also prints, and what `probes` finds for some of the subjects.
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
    ):
        """`prompts` are the encoded `questions`, empty where the model cannot read one. Documents begin at `start_position`,
        as in training, for the probes. Answers may be as long as the `longest_answer` of finetuning, in characters, and at
        least MAX_ANSWER. `known` is how its questions are worded."""
        self.trainer, self.corpus, self.writer, self.start_position = trainer, corpus, writer, start_position
        self.answers, self.prompts = answers, prompts
        self.max_answer = max(MAX_ANSWER, longest_answer)
        self.held_out = held_out_loss(trainer.train_dataset, corpus)
        self.documents = document_samples(trainer.train_dataset, corpus)
        self.asked = question_samples(trainer.train_dataset, questions, answers, prompts)
        self.interval = math.ceil(trainer.batches.epochs / MAX_REPORTS)
        wording = find_wording(questions, titles_of(corpus.data), known)
        self.probed = probes.prompts_of(questions, answers or (), corpus, wording, start_position, PROBED)
        self.score: tuple[float, float] | None = None  # of the last report: questions, and right answers
        writer.add_custom_scalars((KNOWLEDGE if answers else {}) | LOSSES)

    @torch.no_grad()
    def __call__(self, epoch: int) -> None:
        epochs = self.trainer.batches.epochs
        if epoch % self.interval and epoch < epochs:
            return
        model, writer, steps = self.trainer.model, self.writer, self.trainer.steps
        model.eval()
        for name, batch in self.held_out.items():
            parts = self.trainer.micro_batches(batch, all_rows=True)
            writer.add_scalar(name, sum(self.trainer.forward(part).item() * weight for part, weight in parts), steps)
        tables = [("Documents", self.completed(self.documents)), ("Questions", self.completed(self.asked))]
        if not isinstance(self.trainer.train_dataset, ClozeDataset | CharCorruptionDataset):
            tables.reverse()  # what is trained on comes first
        text = "\n".join(f"#### {title}\n\n{markdown_table(rows)}" for title, rows in tables if rows[1:])
        writer.add_text("completions", text, steps)
        if self.answers:
            tokens = generate_answers(model, self.prompts, self.max_answer)
            self.score = total, correct = score(self.answers, [decode(answer, self.corpus.itos) for answer in tokens])
            share = f"{correct:.0f} of {total:.0f} questions right ({100 * correct / total:.1f} %)"
            tqdm.write(f"epoch {epoch}/{epochs}: {share}", file=sys.stdout)  # above the progress bar
            writer.add_scalar("dev/accuracy", correct / total, steps)
            for name, (right, people) in probes.probe(model, self.probed, self.corpus, self.start_position).items():
                writer.add_scalar(f"probe/{name}", right / people, steps)
        model.train()

    def completed(self, samples: Sequence[Sample]) -> list[list[str]]:
        """The rows of a table, headed: each prompt, what the model writes after it, and what is right."""
        said = {}
        for start in {sample.start_position for sample in samples}:
            chosen = [i for i, sample in enumerate(samples) if sample.start_position == start]
            prompts = [samples[i].tokens for i in chosen]
            texts = generate(self.trainer.model, prompts, self.max_answer, MASK, start)
            said |= zip(chosen, (decode(tokens, self.corpus.itos) for tokens in texts))
        rows = [["prompt", "said", "should be", "✓"]]
        for i, sample in enumerate(samples):
            text = said[i] if sample.ends else said[i][: len(sample.accepted[0])]
            mark = "✓" if text in sample.accepted else "✗" if sample.accepted else ""
            rows.append([sample.text, text, " or ".join(sample.accepted), mark])
        return rows


def held_out_loss(dataset: Dataset, corpus: CharCorruptionDataset) -> dict[str, Sequence[torch.Tensor]]:
    """The documents whose loss is logged, as a batch, by the name of that loss. None if training reads only questions."""
    rng, views = np.random.default_rng(0), views_of(dataset)
    chosen = rng.permutation(len(views or corpus))[:HELD_OUT]
    if isinstance(dataset, NameDataset):
        return {}
    if views:
        return {"heldout/view_loss": pack(*views.examples(chosen, rng))}
    return {"heldout/span_corruption_loss": pack(*shift(corpus.corrupt(chosen, rng)))}


def document_samples(dataset: Dataset, corpus: CharCorruptionDataset) -> list[Sample]:
    """Some documents with a gap, of the kind that training reads: views if it has them, else spans. Those with the most text
    come first: they leave the least doubt about what is missing."""
    if isinstance(dataset, NameDataset):
        return []
    rng, views, samples = np.random.default_rng(1), views_of(dataset), []
    for i in rng.permutation(len(views or corpus))[:HELD_OUT].tolist():
        view = views.prompt(i, rng) if views else None
        prompt, missing = view or corpus.prompt(views.windows[i].document if views else i, rng)
        if len(missing):
            text = decode(prompt[:-1], corpus.itos).replace(MASK_CHAR, GAP)  # the last MASK ends the prompt
            texts = text, [decode(missing, corpus.itos)]
            samples.append(Sample(prompt.tolist(), *texts, views.start_position if view else 0, bool(view)))
    return sorted(samples, key=lambda sample: (not sample.ends, -len(sample.tokens)))[:SHOWN_DOCUMENTS]


def question_samples(
    dataset: Dataset, questions: Sequence[str], answers: Sequence[str] | None, prompts: Sequence[list[int]]
) -> list[Sample]:
    """The first questions that the model can read; if there are none, the first that it is trained on."""
    names = dataset.names if isinstance(dataset, MixedDataset) else dataset
    if not questions and isinstance(names, NameDataset):
        questions, answers = names.questions, names.answers
        prompts = [row[:n].tolist() for row, (n,) in zip(names.rows, names.prompt_lengths)]
    rights = map(accepted, answers) if answers else [[]] * len(questions)
    return [Sample(*sample) for sample in zip(prompts, questions, rights) if sample[0]][:SHOWN_QUESTIONS]


def markdown_table(rows: Iterable[Sequence[str]]) -> str:
    """A table of texts in Markdown; the first row is the head."""

    def line(cells: Iterable[str]) -> str:
        return f"| {' | '.join(cells)} |\n"

    def escape(text: str) -> str:  # what Markdown would take for something else, or not show
        text = re.sub(r"\A +| +\Z", lambda match: "␣" * len(match[0]), text)
        text = re.sub(r"[\\`*_{}\[\]<>#|&~]", lambda match: f"&#{ord(match[0])};", text)
        return "".join(c if c.isprintable() else "⏎" if c == "\n" else "�" for c in text)

    head, *body = rows
    return line(head) + line("---" for _ in head) + "".join(line(map(escape, row)) for row in body)
