"""A submission without a fault, made out of this repository: its code with a smaller model, trained in seconds on a small
world. The questions of dev and test are trained on with their answers: the subject here is the grader, not learning."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from functools import cached_property
from math import ceil
from pathlib import Path

import torch

from attention import Dropout
from autograder.archive import LISTED
from autograder.checks_files import FINETUNED, ROPE, SCRATCH, SYNTHESIZER, Trained
from autograder.edition import EDITIONS, Edition
from autograder.reference import Data, blank_model
from dataset import NameDataset
from engine.files import read_text
from engine.parameters import save_params
from generation import generate
from model import GPT
from questions import encode_question
from trainer import Trainer, TrainerConfig
from vocabulary import MASK, decode

ROOT = Path(__file__).resolve().parent.parent.parent
FULL = EDITIONS["7/8"]
SMALL = replace(FULL, n_layer=2, n_head=2, n_embd=32)
STEPS = {
    SCRATCH: 56,
    FINETUNED: 112,
    ROPE: 112,
    SYNTHESIZER: 112,
}  # few where nothing was pretrained, but some are right


def patch(folder: Path, *changes: tuple[str, str, str]) -> None:
    """Replaces text in files: (name, old, new). The old text has to be there; "" means the beginning of the file."""
    for name, old, new in changes:
        path = folder / name
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{name} has no {old!r}"
        path.write_text(new + text if old == "" else text.replace(old, new), encoding="utf-8")


def own_code(folder: Path) -> None:
    """This repository's code, as collect_submission.sh packs it."""
    for path in [*(ROOT / "src").rglob("*.py"), *(ROOT / "src").rglob("*.j2"), ROOT / "london_baseline.py"]:
        copy = folder / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


class Workshop:
    """Makes submissions in a folder; each model is trained when it is first needed."""

    def __init__(self, folder: Path, edition: Edition = SMALL):
        self.folder, self.edition = folder, edition
        self.trained: dict[object, tuple[bytes, dict[str, list[str]]]] = {}

    @cached_property
    def data(self) -> Data:
        world = self.folder / "world"
        command = [sys.executable, str(ROOT / "data" / "make_world.py"), "--people", "200", "--out", str(world)]
        subprocess.run(command, check=True, timeout=120)
        return Data(world, world / "birth_test.tsv")

    def train(self, wanted: Trained, splits: tuple[str, ...] = ("dev", "test"), steps: int | None = None) -> GPT:
        """A model that knows the answers of these splits."""
        corpus = self.data.corpus
        torch.manual_seed(0)
        model = blank_model(self.edition, corpus.vocab_size, wanted.variant)
        for module in model.modules():
            if isinstance(module, Dropout):
                module.p = 0.0
        text = "".join(read_text(self.data.folder / f"birth_{split}.tsv") for split in splits)
        names = NameDataset(corpus, text)
        steps = STEPS[wanted] if steps is None else steps
        epochs = steps // ceil(len(names) / 16) // (1 if self.edition == SMALL else 2)  # a large model learns in fewer
        config = TrainerConfig(max_epochs=epochs, batch_size=16, learning_rate=1e-2, muon_lr=5e-2, weight_decay=0.0,
                               lr_decay=True, final_tokens=None, dtype="float32", device="cpu")  # fmt: skip
        if epochs:
            Trainer(model, names, None, config).train()
        return model.eval()

    def answers(self, model: GPT, split: str) -> list[str]:
        corpus = self.data.corpus
        prompts = [encode_question(question, corpus.stoi, 128, "") for question in self.data.questions[split]]
        return [decode(tokens, corpus.itos) for tokens in generate(model, prompts, 32, MASK)]

    def add(self, folder: Path, wanted: Trained, **training: object) -> None:
        """Writes parameters and predictions of a model into a submission."""
        key = (wanted, *training.items())
        if key not in self.trained:
            model = self.train(wanted, **training)
            save_params(model, self.folder / "made.params")
            predictions = {split: self.answers(model, split) for split in ("dev", "test")}
            self.trained[key] = (self.folder / "made.params").read_bytes(), predictions
        parameters, predictions = self.trained[key]
        (folder / wanted.parameters).write_bytes(parameters)
        for split, lines in predictions.items():
            write_lines(folder / wanted.predicted(split), lines)

    def perfect(self, folder: Path, handout: int) -> Path:
        """A submission without a fault."""
        own_code(folder)
        for name in ("n_layer", "n_head", "n_embd"):
            before, value = getattr(FULL, name), getattr(self.edition, name)
            patch(folder, ("src/engine/sizes.py", f"    {name}: int = {before}", f"    {name}: int = {value}"))
        # Otherwise the learning rates of a model of another width would not be the published ones.
        patch(folder, ("src/recipe.py", f"WIDTH = {FULL.n_embd}", f"WIDTH = {self.edition.n_embd}"))
        for wanted in (SCRATCH, FINETUNED, ROPE if handout == 4 else SYNTHESIZER):
            self.add(folder, wanted)
        if handout == 4:
            (folder / "london_baseline_accuracy.txt").write_text(f"{self.data.london:.1f}\n")
        assert all((folder / name).exists() for name in LISTED[handout])
        return folder


def write_lines(path: Path, lines: list[str]) -> None:
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
