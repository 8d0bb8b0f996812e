"""What it takes to add to the project: here, a statistic of the report."""

import json
from pathlib import Path

import pytest
import torch
from answers import check_page
from commands import PEOPLE, execute

import run
from evaluation.compare import compare
from evaluation.statistics import STATISTICS, Statistic
from model import GPT, GPTConfig
from utils import save_params


@pytest.fixture
def folder(folder):
    """That of the other commands' tests, with a model that knows nothing."""
    torch.manual_seed(0)
    save_params(GPT(GPTConfig(run.load_corpus("wiki.txt").vocab_size, 128)), "model")
    return folder


def wrong_length(rows):
    lengths = [len(row.prediction) for row in rows if row.answer is not None and not row.correct]
    return sum(lengths) / len(lengths) if lengths else None


@pytest.fixture
def added():
    """All it takes: the function above, and one row of the table."""
    row = Statistic(
        "lengths.wrong", "wrong length", ".2f", "mean length of <wrong> answers in characters", wrong_length
    )
    STATISTICS.append(row)
    yield row
    STATISTICS.remove(row)


def test_a_statistic_is_a_function_and_a_row(folder, added, monkeypatch, capsys):
    command = ["evaluate", "vanilla", "wiki.txt", "--reading_params_path", "model", "--outputs_path", "out"]
    for name, questions in (("dev", "birth_dev.tsv"), ("test", "birth_test_inputs.tsv")):
        assert execute(monkeypatch, *command, "--eval_corpus_path", questions, "--report_path", name) == 0
    said = Path("out").read_text("utf-8").splitlines()[-4:]  # the dev questions are the last four of the test's
    lengths = [len(text) for text, (_, place) in zip(said, PEOPLE[8:]) if text != place]
    expected = sum(lengths) / len(lengths)
    assert json.loads(Path("dev/report.json").read_text("utf-8"))["lengths"] == {"wrong": pytest.approx(expected)}
    assert "lengths" not in json.loads(Path("test/report.json").read_text("utf-8"))  # questions without answers

    shown = ["wrong length", f"{expected:.2f}", "mean length of <wrong> answers in characters"]
    words = check_page(Path("dev/report.html").read_text("utf-8"), 2)
    assert all(text in words for text in shown)
    assert "wrong length" not in check_page(Path("test/report.html").read_text("utf-8"), 0)

    capsys.readouterr()
    compare(["dev", "test"], "comparison.html")
    out, err = capsys.readouterr()
    header, dev, test = out.splitlines()[:3]
    assert header.split()[-3:] == ["wrong", "length", "report"]
    assert dev.split()[-2:] == [f"{expected:.2f}", "dev"] and test.split()[-2:] == ["-", "test"]
    assert "wrong length: mean length of <wrong> answers in characters\n" in err
    words = check_page(Path("comparison.html").read_text("utf-8"), 1)
    assert all(text in words for text in shown)
