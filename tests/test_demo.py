"""`make demo`: it runs from end to end, and its settings still teach the facts of the documents."""

import re
from pathlib import Path

import pytest

import demo
import replicate
from engine.files import InputError

ROWS = ["always London", "guessed from the name (naive Bayes)", "finetuned only", "pretrained and finetuned"]


@pytest.fixture
def run_demo(tmp_path, monkeypatch, capsys):
    """A function that runs the demo in an empty folder. It returns the printed text, and the table of accuracies: the
    row's name, and its percentages for dev, test and unseen."""
    pytest.importorskip("faker", reason="only the generator needs Faker")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "FOLDER", tmp_path / "demo")

    def run() -> tuple[str, dict[str, list[float]]]:
        demo.main()
        out = capsys.readouterr().out
        rows = re.findall(r"^(\S.{35})((?: +[\d.]+%){3})$", out, re.MULTILINE)
        return out, {name.strip(): [float(share) for share in re.findall(r"[\d.]+", shares)] for name, shares in rows}

    return run


def test_a_demo_in_few_epochs(run_demo, monkeypatch):
    for name in ("DOCUMENTS", "SCRATCH_EPOCHS", "PRETRAIN_EPOCHS", "FINETUNE_EPOCHS"):
        monkeypatch.setattr(demo, name, 1)

    def train_a_small_model(*args, **flags):
        replicate.train(*args, **flags, **({} if "reading_params_path" in flags else {"n_embd": 64, "n_head": 2}))

    monkeypatch.setattr(demo, "train", train_a_small_model)
    out, table = run_demo()
    assert list(table) == ROWS and all(0 <= share <= 100 for shares in table.values() for share in shares)
    assert "is there already" not in out
    assert {path.name[:10] for path in Path("expt").glob("*/*")} == {"demo_rope-"}
    assert Path("demo/report/report.html").exists() and "Ask it yourself: python src/run.py ask rope " in out
    assert "Nothing was read about " in out and re.search(r"^  \S* +[█▏]+ +\d+\.\d %$", out, re.MULTILINE)
    again, same = run_demo()
    assert same == table and again.count(".params is there already") == 3


def test_a_world_that_cannot_be_made_is_an_error_of_one_line(tmp_path, monkeypatch):
    pytest.importorskip("faker", reason="only the generator needs Faker")
    monkeypatch.setattr(demo, "PEOPLE", 1)
    with pytest.raises(InputError, match="^the world could not be made: --people must be from 200 to [^\n]*$"):
        demo.make_world(tmp_path)


@pytest.mark.slow
def test_facts_are_learned_by_reading(run_demo):
    """The model knows people whom it has read about, and no others."""
    _, table = run_demo()
    dev, test, unseen = table["pretrained and finetuned"]
    assert (34 * dev + 30 * test) / 64 > 50  # it was 42 of these 64; a guess from the name is right for one in ten
    assert unseen < 10
