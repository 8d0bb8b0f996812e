"""Several seeds of several variants, and what the table makes of them. Real runs, of small models."""

import functools
import hashlib
import json
from pathlib import Path

import commands
import pytest
from hypothesis import given
from hypothesis import strategies as st

import replicate
from engine.files import digest

QUICK = ("--pretrain_epochs", "2", "--finetune_epochs", "2")


@pytest.fixture
def world(folder, monkeypatch):
    """The small corpus, with questions about people without a document, and a small model."""
    monkeypatch.setattr("engine.sizes.Sizes", commands.sizes(n_layer=1, n_head=2, n_embd=16))
    Path("unseen.tsv").write_text("Where was Ada Bob born?\tRome\nWhere was Bob Ada born?\tOslo\n")
    return folder


execute = functools.partial(commands.execute, program=replicate)


def table(out):
    """The rows of the Markdown table at the end, by the names of their columns."""
    lines = out[out.rindex("| variant |") :].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[2:]]


def a_run(right, auroc, answered, nearest, unseen, seen, tokens, seconds, commit):
    """Records and reports with these numbers."""
    dev = {"accuracy": {"accuracy": right}, "answerable": {"answered": answered, "of": 500}}
    dev |= {"auroc": {"right": auroc}} if auroc else {}
    dev |= {"nearest": {"share": nearest}}
    both = {"by": {"seen": [{"group": "yes", "accuracy": 1.0}, {"group": "no", "accuracy": unseen}]}}
    both |= {"auroc": {"right": 0.01, "seen": seen}, "unread": {"share": 2 * unseen}}
    records = [{"tokens": a, "seconds": b, "versions": {"commit": commit}} for a, b in zip(tokens, seconds)]
    return records, {"dev": dev, "dev_and_unseen": both}


def test_a_row_is_of_means():
    commit = "0123456789" * 4
    one = a_run(0.50, 0.80, 100, 0.02, 0.01, 0.90, (10**6, 2 * 10**6), (60, 120), commit)
    two = a_run(0.60, 0.90, 201, 0.04, 0.03, 0.94, (10**6, 4 * 10**6), (60, 240), commit + "-dirty")
    row = replicate.table_row("rope", "fast", [one, two])
    assert dict(zip(replicate.HEADER, row, strict=True)) == {
        "variant": "rope", "recipe": "fast", "seeds": "2", "right of dev": "55.0 %",
        "lowest to highest": "50.0 to 60.0 %", "AUROC": "0.85", "at 90 % precision": "150 of 500",
        "nearest name's": "3.0 %", "right of unseen": "2.0 %", "AUROC seen": "0.92", "unread answered": "4.0 %", "million tokens": "4.0",
        "minutes": "4", "commit": "0123456 0123456-dirty",
    }  # fmt: skip
    nothing_right = a_run(0.0, None, 0, 0.04, 0.03, 0.94, (10**6,), (60,), None)
    row = dict(zip(replicate.HEADER, replicate.table_row("rope", "fast", [one, nothing_right])))
    assert (row["AUROC"], row["right of dev"], row["commit"]) == ("-", "25.0 %", "- 0123456")
    del one[1]["dev_and_unseen"]
    row = dict(zip(replicate.HEADER, replicate.table_row("rope", "fast", [one])))
    assert (row["right of unseen"], row["AUROC seen"]) == ("-", "-")


def made(folder):
    """When the parameters and the reports there were made."""
    return {path: path.stat().st_mtime_ns for path in Path(folder).rglob("*") if path.suffix in (".params", ".html")}


def test_each_seed_is_run_once(world, monkeypatch, capsys):
    command = (".", "--out", "runs", "--variants", "none", "--seeds", "0", "5", *QUICK)
    assert execute(monkeypatch, *command) == 0
    rows = table(capsys.readouterr().out)
    assert [(row["variant"], row["recipe"], row["seeds"]) for row in rows] == [("none", "fast", "2")]
    for seed in (0, 5):
        run = Path("runs", f"none.fast.{seed}")
        record = json.loads((run / "finetune.params.json").read_text())
        assert (record["function"], record["variant"], record["seed"]) == ("finetune", "vanilla", seed)
        assert record["recipe"]["epochs"] == 75 and record["parent"] is None
        both = json.loads((run / "dev_and_unseen" / "report.json").read_text())
        assert (both["questions"], both["seen_people"]) == (6, 4)
        assert len((run / "test.predictions").read_text().splitlines()) == 8
    before = made("runs")
    assert len(before) == 2 + 4
    assert execute(monkeypatch, *command) == 0
    assert table(capsys.readouterr().out) == rows and made("runs") == before

    # With another question to learn from, the old parameters do not count; without them, all is made anew.
    with Path("birth_places_train.tsv").open("a") as file:
        file.write("Where was Bob Ada born?\tRome\n")
    command = (*command[:6], "5", *QUICK)
    assert execute(monkeypatch, *command) == 2
    assert "finetune.params: was made with another data; remove it and" in capsys.readouterr().err
    for path in Path("runs/none.fast.5").glob("finetune.params*"):
        path.unlink()
    assert execute(monkeypatch, *command) == 0
    assert {path for path, then in made("runs").items() if before[path] != then} == set(made("runs/none.fast.5"))


def test_an_interrupted_run_goes_on(world, monkeypatch, capsys):
    def command(out):
        return (".", "--out", out, "--variants", "synthesizer", "--seeds", "3", *QUICK)

    assert execute(monkeypatch, *command("whole")) == 0
    for interruptions in range(5):
        with commands.stopping(monkeypatch):
            code = execute(monkeypatch, *command("runs"))
        out, err = capsys.readouterr()
        assert bool(interruptions) == ("Resumed after step" in out)
        if code == 0:
            break
        assert code == 143 and err.endswith("replicate.py: given again, this command goes on by itself\n")
    assert interruptions >= 2  # each phase has several steps
    assert [(row["variant"], row["recipe"]) for row in table(out)] == [("synthesizer", "fast 2+2")]
    for name, epochs in {"pretrain": 2, "finetune": 2}.items():
        record = json.loads(Path(f"runs/synthesizer.fast.2+2.3/{name}.params.json").read_text())
        assert (record["variant"], record["seed"], record["recipe"]["epochs"]) == ("synthesizer", 3, epochs)
    for name in ("finetune.params", "dev.predictions", "test.predictions"):
        one, other = (Path(out, "synthesizer.fast.2+2.3", name).read_bytes() for out in ("whole", "runs"))
        assert one == other
    assert not list(Path("runs").rglob("*.state*"))


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ((".", "--out", "wiki.txt"), "wiki.txt/rope.fast.0: the folder cannot be made"),
        (("elsewhere", "--out", "runs"), "elsewhere/wiki.txt: cannot be read"),
        (("", "--out", "runs"), "DATA: is empty"),
        ((".", "--out", ""), "--out: is empty"),
        ((".", "--out", "runs", "--seeds", "-1"), "--seeds"),
        ((".", "--out", "runs", "--variants", "lstm"), "--variants"),
        ((".",), "--out"),
        ((".", "--out", "runs", "--holdout", "1.5"), "--holdout"),
        ((".", "--out", "runs", "--holdout", "nan"), "--holdout"),
        ((".", "--out", "runs", "--holdout", "0"), "--holdout 0: would hold out 0 of 8 questions of "),
        ((".", "--out", "runs", "--holdout", "1"), "--holdout 1: would hold out 8 of 8 questions of "),
        (
            (".", "--out", "runs", "--holdout", "0.2", "--finetune_corpus_path", "birth_test_inputs.tsv"),
            "has no answers",
        ),
        ((".", "--out", "runs", "--pretrain_corpus_path", "other.txt"), "other.txt: cannot be read"),
        ((".", "--out", "runs", "--eval_corpus_path", ""), "--eval_corpus_path: is empty"),
        ((".", "--out", "wiki.txt", "--holdout", "0.5"), "wiki.txt/holdout.0.5: the folder cannot be made"),
    ],
)
def test_misuse(world, monkeypatch, capsys, words, named):
    assert execute(monkeypatch, *words) == 2
    err = capsys.readouterr().err
    assert err.splitlines()[-1].startswith("replicate.py: error: ") and named in err.splitlines()[-1]
    assert not Path("runs").exists()


def test_files_of_other_names(world, monkeypatch, tmp_path_factory):
    """In DATA, or elsewhere; the test questions need not be there, unless they are named."""
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "dev"
    for name, other in {"wiki.txt": "corpus", "birth_places_train.tsv": "train", "birth_dev.tsv": elsewhere}.items():
        Path(name).rename(other)
    flags = ("--pretrain_corpus_path", "corpus", "--finetune_corpus_path", "train", "--eval_corpus_path", elsewhere)
    command = (".", "--out", "runs", "--variants", "rope", "--seeds", "0", *QUICK, *flags)
    Path("birth_test_inputs.tsv").rename("asked")
    assert execute(monkeypatch, *command, "--test_corpus_path", "nowhere") == 2 and not Path("runs").exists()
    assert execute(monkeypatch, *command) == 0
    assert not Path("runs/rope.fast.2+2.0/test.predictions").exists()
    assert execute(monkeypatch, *command, "--test_corpus_path", "asked") == 0
    assert len(Path("runs/rope.fast.2+2.0/test.predictions").read_text().splitlines()) == 8


@given(questions=st.lists(st.text(), unique=True), share=st.floats(0, 1), other=st.floats(0, 1))
def test_what_is_held_out(questions, share, other):
    """A question is held out for all shares from a certain one on; that one is a fixed number, spread evenly."""
    least, most = sorted((share, other))
    for question in questions:
        number = int(hashlib.sha256(question.encode()).hexdigest()[:16], 16) / 2**64
        assert replicate.is_held_out(question, share) == (number < share)
        assert replicate.is_held_out(question, most) or not replicate.is_held_out(question, least)


def test_a_fifth_is_held_out():
    held = sum(replicate.is_held_out(f"Where was {i} born?", 0.2) for i in range(10_000))
    assert abs(held - 2000) < 4 * (10_000 * 0.2 * 0.8) ** 0.5


def test_settings_are_chosen_without_dev_and_test(world, monkeypatch, capsys):
    """Not a byte of these is read. A file like them is asked in their place, and pretraining is shared with other runs."""
    command = (".", "--out", "runs", "--variants", "synthesizer", "--seeds", "4", *QUICK)
    assert execute(monkeypatch, *command) == 0
    lines = Path("birth_places_train.tsv").read_text().splitlines()
    Path("birth_places_train.tsv").write_text("\n".join(["question\tanswer", *lines]))
    Path("birth_dev.tsv").unlink()
    Path("birth_test_inputs.tsv").write_bytes(b"\xff")
    capsys.readouterr()
    assert execute(monkeypatch, *command, "--holdout", "0.5") == 0
    out, err = capsys.readouterr()
    assert err.count("is skipped as a header") == 1
    held = [line for line in lines if replicate.is_held_out(line.split("\t")[0], 0.5)]
    assert 0 < len(held) < len(lines) == 8
    assert f"Held out, and used in place of dev: {len(held)} of 8 questions of " in out
    assert "pretrain.params is there already" in out and "finetune.params is there already" not in out
    assert Path("runs/holdout.0.5/heldout.tsv").read_text().splitlines() == held
    assert Path("runs/holdout.0.5/train.tsv").read_text().splitlines() == [line for line in lines if line not in held]
    folder = Path("runs/synthesizer.fast.2+2.4/holdout.0.5")
    report = json.loads((folder / "dev" / "report.json").read_text())
    assert report["questions"] == len(held) and "heldout.tsv" in report["about"]["questions"]
    record = json.loads((folder / "finetune.params.json").read_text())
    assert record["data"]["finetune_corpus_path"] == digest("runs/holdout.0.5/train.tsv")
    assert not (folder / "test.predictions").exists()
    header = out[out.rindex("| variant |") :].splitlines()[0]
    assert "| right of held out |" in header and "of dev" not in header
    before = made("runs")
    assert execute(monkeypatch, *command, "--holdout", "0.5") == 0 and made("runs") == before


@pytest.mark.parametrize("name", ["birth_places_train.tsv", "birth_dev.tsv", "unseen.tsv"])
def test_questions_without_answers_are_found_out_first(world, monkeypatch, capsys, name):
    Path(name).write_text("Where was Ada Kern born?\n")
    assert execute(monkeypatch, ".", "--out", "runs") == 2
    assert f"{name}: has no answers" in capsys.readouterr().err
    assert not Path("runs").exists()


def test_other_parameters_are_not_taken_for_the_run(world, monkeypatch, capsys):
    command = (".", "--out", "runs", "--variants", "rope", "--seeds", "0", *QUICK)
    assert execute(monkeypatch, *command) == 0
    folder = Path("runs/rope.fast.2+2.0")
    kept = {path: path.read_bytes() for path in folder.glob("*.params*")}
    capsys.readouterr()

    def refused(message):
        assert execute(monkeypatch, *command) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1 and message in err
        for path, content in kept.items():
            path.write_bytes(content)

    text = Path("wiki.txt").read_text(encoding="utf-8")
    Path("wiki.txt").write_text(text.replace("Oslo", "Bonn"), encoding="utf-8")
    refused("pretrain.params: was made with another data")
    Path("wiki.txt").write_text(text, encoding="utf-8")
    (folder / "finetune.params").write_bytes((folder / "pretrain.params").read_bytes())
    refused("finetune.params: does not belong to")
    for name, other in {"seed": 1, "recipe": {}, "parent": "0" * 64}.items():
        record = folder / "finetune.params.json"
        record.write_text(json.dumps(json.loads(record.read_text()) | {name: other}))
        refused(f"finetune.params: was made with another {name}")
    assert execute(monkeypatch, *command) == 0
