"""Several seeds of several variants, and what the table makes of them. Real runs, of small models."""

import functools
import json
import re
import signal
import sys
from pathlib import Path
from statistics import mean

import pytest

import model
import replicate
from model import GPTConfig
from trainer import Trainer
from utils import evaluate_places, run_main

QUICK = ("--pretrain_epochs", "2", "--finetune_epochs", "1")


@pytest.fixture
def world(folder, monkeypatch):
    """The small corpus, with questions about people without a document, and a small model."""
    monkeypatch.setattr(model, "GPTConfig", functools.partial(GPTConfig, n_layer=1, n_head=2, n_embd=16))
    Path("unseen.tsv").write_text("Where was Ada Bob born?\tRome\nWhere was Bob Ada born?\tOslo\n")
    return folder


def execute(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["replicate.py", *arguments])
    try:
        run_main(replicate.main)
    except SystemExit as end:
        return end.code
    return 0


def table():
    lines = Path("runs/results.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[2:]]


def test_the_table_is_made_of_all_runs(world, monkeypatch, capsys):
    command = (".", "--out", "runs", "--variants", "synthesizer", "none", "--seeds", "0", "5", *QUICK)
    assert execute(monkeypatch, *command) == 0
    rows = table()
    assert capsys.readouterr().out.endswith(Path("runs/results.md").read_text())
    assert [(row["variant"], row["recipe"]) for row in rows] == [("synthesizer", "fast 2+1"), ("none", "fast")]
    made_by = {"synthesizer.fast.2+1": ["pretrain", "finetune"], "none.fast": ["finetune"]}
    for row, (name, phases) in zip(rows, made_by.items()):
        folders = [Path("runs", f"{name}.{seed}") for seed in (0, 5)]
        right = [evaluate_places("birth_dev.tsv", (folder / "dev.predictions").read_text().splitlines())
                 for folder in folders]  # fmt: skip
        shares = [100 * correct / total for total, correct in right]
        assert row["right of dev"] == f"{mean(shares):.1f} %"
        assert row["lowest to highest"] == f"{min(shares):.1f} to {max(shares):.1f} %"
        both = [json.loads((folder / "dev_and_unseen" / "report.json").read_text()) for folder in folders]
        assert [(report["questions"], report["seen_people"]) for report in both] == [(6, 4), (6, 4)]
        assert row["AUROC seen"] == f"{mean(report['auroc']['seen'] for report in both):.2f}"
        records = [json.loads((folder / f"{phase}.params.json").read_text()) for folder in folders for phase in phases]
        assert {record["seed"] for record in records} == {0, 5}
        assert row["million tokens"] == f"{sum(record['tokens'] for record in records) / 2e6:.1f}"
        assert row["seeds"] == "2"
        for folder in folders:
            assert len((folder / "test.predictions").read_text().splitlines()) == 8
    assert {path.name for path in Path("expt").iterdir()} == {"pretrain", "finetune"}

    made = {path: path.stat().st_mtime_ns for path in Path("runs").rglob("*") if path.suffix in (".params", ".html")}
    Path("runs/none.fast.5/dev/report.html").unlink()
    assert execute(monkeypatch, *command) == 0
    assert table() == rows
    for path, then in made.items():
        assert (path.stat().st_mtime_ns == then) == (path != Path("runs/none.fast.5/dev/report.html"))


def test_an_interrupted_run_goes_on(world, monkeypatch, capsys):
    def command(out):
        return (".", "--out", out, "--variants", "rope", "--seeds", "3", *QUICK)

    assert execute(monkeypatch, *command("whole")) == 0
    train_step = Trainer.step

    def told(self, batch):
        self.stop = signal.SIGTERM
        return train_step(self, batch)

    for interruptions in range(5):
        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "step", told)
            code = execute(monkeypatch, *command("runs"))
        if code == 0:
            break
        assert code == 143
    assert interruptions >= 2  # each phase has several steps
    for name in ("finetune.params", "dev.predictions", "test.predictions"):
        one, other = (Path(out, "rope.fast.2+1.3", name).read_bytes() for out in ("whole", "runs"))
        assert one == other
    assert re.findall(r"Resumed after step \d", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ((".", "--out", "wiki.txt"), "wiki.txt/rope.fast.0: the folder cannot be made"),
        (("elsewhere", "--out", "runs"), "elsewhere/wiki.txt"),
        ((".", "--out", "runs", "--seeds", "-1"), "--seeds"),
        ((".", "--out", "runs", "--variants", "lstm"), "--variants"),
        ((".",), "--out"),
    ],
)
def test_misuse(world, monkeypatch, capsys, words, named):
    assert execute(monkeypatch, *words) == 2
    err = capsys.readouterr().err
    assert err.splitlines()[-1].startswith("replicate.py: error: ") and named in err.splitlines()[-1]


def test_other_data_want_another_folder(world, monkeypatch, capsys):
    command = (".", "--out", "runs", "--variants", "rope", "--seeds", "0", *QUICK)
    assert execute(monkeypatch, *command) == 0
    run = Path("runs/rope.fast.2+1.0")
    params = run / "finetune.params"
    before = params.read_bytes()
    text = Path("wiki.txt").read_text(encoding="utf-8")
    Path("wiki.txt").write_text(text.replace("Oslo", "Bonn"), encoding="utf-8")
    assert execute(monkeypatch, *command) == 2
    assert "pretrain.params: was not made from wiki.txt; name another folder" in capsys.readouterr().err
    assert params.read_bytes() == before
    Path("wiki.txt").write_text(text, encoding="utf-8")
    params.write_bytes((run / "pretrain.params").read_bytes())  # of a known model, but not what the record tells of
    assert execute(monkeypatch, *command) == 2
    assert "finetune.params: does not belong to" in capsys.readouterr().err
