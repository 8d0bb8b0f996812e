"""What the tests of the commands share, besides the fixture `folder` of conftest.py."""

import contextlib
import dataclasses
import signal
import sys
from pathlib import Path

import run
from engine.cli import run_main
from engine.sizes import Sizes
from trainer import Trainer

PEOPLE = [(f"{first} {last}", place)
          for first, place in zip(("Ada", "Bob", "Zoë"), ("Rome", "Oslo", "Paris"))
          for last in ("Kern", "Lund", "Muir", "Nash")]  # fmt: skip
SMALL = {"n_layer": 2, "n_head": 4, "n_embd": 64}  # the models that commands train in the fixture `folder`


def write_corpus():
    """A small corpus and its questions, into the current folder."""
    documents = [f"{name}. {name} was born in {place} ?" for name, place in PEOPLE]
    Path("wiki.txt").write_text("\n".join([*documents, "Where"]), encoding="utf-8")
    questions = [f"Where was {name} born?\t{place}\n" for name, place in PEOPLE]
    Path("birth_places_train.tsv").write_text("".join(questions[:8]), encoding="utf-8")
    Path("birth_dev.tsv").write_text("".join(questions[8:]), encoding="utf-8")
    asked = "".join(q.split("\t")[0] + "\n" for q in questions[4:])
    Path("birth_test_inputs.tsv").write_text(asked, encoding="utf-8")


def sizes(**defaults):
    """engine.sizes.Sizes with other defaults, to be put in its place, so that the commands train small models."""
    fields = [(name, int, value) for name, value in defaults.items()]
    return dataclasses.make_dataclass("SmallSizes", fields, bases=(Sizes,), frozen=True)


def execute(monkeypatch, *arguments, program=run):
    """Runs a command line in this process; its exit code."""
    monkeypatch.setattr(sys, "argv", [f"{program.__name__}.py", *map(str, arguments)])
    try:
        run_main(program.main)
    except SystemExit as end:
        return end.code
    return 0


@contextlib.contextmanager
def stopping(monkeypatch):
    """Training is told to stop in its next step, as by SIGTERM."""
    step = Trainer.step

    def told(self, batch):
        self.stop = signal.SIGTERM
        return step(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", told)
        yield


def contents(folder):
    """All that is there: the bytes of each file, None for a folder."""
    return {path: None if path.is_dir() else path.read_bytes() for path in Path(folder).rglob("*")}
