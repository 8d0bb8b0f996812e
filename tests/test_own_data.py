"""docs/own-data.md: its commands are run as they stand there, on data/lands."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from commands import execute

from engine.files import ROOT, text_files
from evaluation.report import read_report

PAGE = (ROOT / "docs" / "own-data.md").read_text("utf-8")
LANDS = ROOT / "data" / "lands"


def commands(program):
    """The command lines of the page that run this program, without the words before its name's end."""
    blocks = "\n".join(re.findall(r"^    .*$", PAGE, flags=re.MULTILINE)).replace("\\\n", " ")
    lines = [line.strip() for line in blocks.splitlines() if line.strip().startswith(f"python {program} ")]
    return [shlex.split(line, comments=True)[2:] for line in lines]


def test_the_example_is_small_and_made_by_its_script(tmp_path):
    (again, _) = commands("data/make_lands.py") or [[], []]
    assert again == []
    command = [sys.executable, str(ROOT / "data" / "make_lands.py"), "--out", str(tmp_path)]
    subprocess.run(command, check=True, timeout=60)
    committed = {path.name: path.read_bytes() for path in LANDS.iterdir()}
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == committed
    assert len(text_files(LANDS)) == 100 and sum(map(len, committed.values())) < 60_000
    assert any(line.count("\t") == 2 for line in (LANDS / "dev.tsv").read_text("utf-8").splitlines()[1:])
    for number in ("4", "2001", "x"):
        done = subprocess.run([*command, "--lands", number], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 2 and "--lands" in done.stderr.splitlines()[-1]


def test_what_the_page_quotes_is_what_the_commands_say(tmp_path, monkeypatch, capsys):
    """Cut short: one epoch of a small model. Nothing is warned of but the headers."""
    monkeypatch.chdir(tmp_path)
    said, small = "", ["--n_layer", "1", "--n_embd", "32"]
    for words in commands("src/run.py")[:3]:
        short = {"pretrain": ["--max_epochs", "1", *small], "finetune": ["--max_epochs", "1"], "evaluate": []}[words[0]]
        assert execute(monkeypatch, *words, *short) == 0
        out, err = capsys.readouterr()
        said += out
        warnings = [line for line in err.splitlines() if line.startswith("warning: ")]
        assert all("is skipped as a header" in line for line in warnings) and "lands" in said
    for quoted in re.findall(r"^\| `(\w+: .*?)` \|", PAGE, flags=re.MULTILINE)[:-1]:
        assert re.search(".*".join(map(re.escape, quoted.split("…"))), said), quoted
    assert "subject: between 'What is the capital of ' and '?', 60 of 60 questions" in said
    assert read_report("lands.report/report.json")["questions"] == 40
    following = [shlex.split(line)[3:] for line in said.splitlines() if line.startswith("Next: ")]
    assert following[0][0] == "finetune" and following[0][-2:] == ["--finetune_corpus_path", "QUESTIONS.tsv"]
    assert following[1][0] == "evaluate" and "--eval_corpus_path QUESTIONS.tsv" in " ".join(following[1])


@pytest.mark.slow
def test_the_page_from_top_to_bottom(tmp_path, monkeypatch):
    """In a folder of its own; the numbers that it names are reached."""
    monkeypatch.chdir(tmp_path)
    words = commands("src/run.py")
    assert [line[0] for line in words] == ["pretrain", "finetune", "evaluate", "ask"]
    for line in words:
        assert execute(monkeypatch, *line) == 0
    report = read_report("lands.report/report.json")
    (named,) = re.findall(r"(\d+) of the 40 ", PAGE)
    assert report["accuracy"]["right"] >= int(named) - 6  # other processors round otherwise
    assert len(Path("lands.dev.predictions").read_text("utf-8").splitlines()) == 40
    assert json.loads(Path("lands.params.json").read_text())["documents"] == "files"
