"""`run.py ask`, on a small model that has learned where twelve people were born."""

import io
import json
import os
import sys
import time
from pathlib import Path

import pytest
import torch
from commands import PEOPLE, execute

from dataset import NameDataset
from engine.files import ROOT
from engine.inputs import load_corpus
from engine.parameters import save_params, tag_vocabulary
from model import GPT, GPTConfig
from trainer import Trainer, TrainerConfig


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """Parameters of a model that was trained on all the questions of the small corpus."""
    from commands import write_corpus

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("learned"))
        write_corpus()
        corpus = load_corpus("wiki.txt")
        torch.manual_seed(0)
        model = GPT(GPTConfig(corpus.vocab_size, 128, n_layer=2, n_head=2, n_embd=32, variant="rope"))
        names = NameDataset(corpus, "\n".join(f"Where was {name} born?\t{place}" for name, place in PEOPLE))
        settings = TrainerConfig(max_epochs=120, batch_size=12, learning_rate=1e-2, device="cpu", dtype="float32")
        Trainer(model, names, None, settings).train()
        tag_vocabulary(model, corpus.itos)
        save_params(model, "model")
        return Path("model").resolve()


@pytest.fixture
def ask(learned, folder, monkeypatch):
    """Runs the command on that model; the rest of the command line is given."""
    command = ("ask", "rope", "wiki.txt", "--reading_params_path", learned)
    return lambda *words: execute(monkeypatch, *command, *words)


def test_questions_of_the_command_line(ask, capsys):
    """A question, and a name alone; a probability for each of five different answers; the document, marked."""
    assert ask("Where was Ada Kern born?", "Zoë Nash") == 0
    out = capsys.readouterr().out
    first, second = out.split("Where was Zoë Nash born?\n")
    lines = first.splitlines()
    assert lines[0] == "Where was Ada Kern born?" and lines[1].split()[0] == "Rome" and lines[1].endswith(" %")
    shares = [float(line.split()[-2]) for line in lines[1:6]]
    assert len({line.split()[0] for line in lines[1:6]}) == 5
    assert shares == sorted(shares, reverse=True) and shares[0] > 50 and sum(shares) <= 100.3
    assert "read in pretraining: Ada Kern. Ada Kern was born in **Rome** ?" in first
    assert second.split()[0] == "Paris" and "Zoë Nash was born in **Paris** ?" in second


def test_somebody_of_whom_nothing_was_read(ask, capsys):
    assert ask("Ada Lund Kern", "Ada Kern") == 0  # the second is answered all the same
    out = capsys.readouterr().out
    assert "Nothing was read about Ada Lund Kern: this is a guess. Similar names:\n    Ada Kern, whose document" in out
    assert out.count("Similar names") == 1


def test_a_question_without_a_template(ask, capsys):
    """The title in it is its subject, if it has one."""
    assert ask("Was Ada Kern born?") == 0
    out = capsys.readouterr().out
    assert "It is worded otherwise than the questions of finetuning" in out and "Ada Kern was born in" in out
    assert ask("Was Ada born?") == 0
    out = capsys.readouterr().out
    assert "It is worded otherwise than the questions of finetuning" in out and "Its subject is not known." in out


@pytest.mark.parametrize("given", ["--json Where was Ada Kern born?", "--json"])
def test_json_for_scripts(given, ask, monkeypatch, capsys):
    """One object a line, on stdout alone; from a pipe, too."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("Where was Ada Kern born?\n\nBob Muir\n"))
    words = given.split(" ", 1)
    assert ask(*words) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [f["question"] for f in found] == [
        "Where was Ada Kern born?", *(["Where was Bob Muir born?"] if len(words) == 1 else [])]  # fmt: skip
    assert found[0]["answers"][0]["answer"] == "Rome" and found[0]["exact"] is True and found[0]["documents"] == 1
    assert [len(f["answers"]) for f in found] == [5] * len(found)


def test_confidence_from_an_earlier_report(ask, capsys):
    Path("report.json").write_text(json.dumps({"questions": 4, "calibration": {"temperature": 1.0, "offset": 0.0}}))
    assert ask("Ada Kern", "--calibration_path", "report.json") == 0
    lines = capsys.readouterr().out.splitlines()
    probability = float(lines[1].split()[-2])
    (line,) = [line for line in lines if "calibrated confidence" in line]
    assert float(line.split()[-2]) == pytest.approx(probability, abs=1)


@pytest.mark.parametrize("question", ["Where was Q born?", "Where was " + 30 * "Ada " + "born?"])
def test_bad_questions_are_one_line(question, ask, capsys):
    assert ask(question) == 2
    err = capsys.readouterr().err.splitlines()
    assert err[-1].startswith("run.py: error: ") and len(err) == 2  # the first says what the corpus is


def test_a_bad_question_does_not_keep_the_others_from_their_answers(ask, monkeypatch, capsys):
    asked = "Where was Q born?\nWhere was Ada Kern born?\nWhere was " + 30 * "Ada " + "born?\nBob Muir\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(asked))
    assert ask("--json") == 0
    out, err = capsys.readouterr()
    questions = [json.loads(line)["question"] for line in out.splitlines()]
    assert questions == ["Where was Ada Kern born?", "Where was Bob Muir born?"]
    assert err.splitlines()[-1] == ("warning: 2 of 4 questions cannot be read and get no answer; the first: Where was Q born?: "
                                    "the character 'Q' does not occur in the pretraining corpus")  # fmt: skip


@pytest.mark.skipif(os.name == "nt", reason="there are no pseudo-terminals here")
def test_the_prompt(learned, folder, monkeypatch):
    """On a terminal: questions are asked for, a bad one does not end it, an empty line does."""
    import pty

    program = f"""
import sys; sys.path.insert(0, {str(ROOT / "src")!r})
import run
from engine.cli import run_main
sys.argv = ["run.py", "ask", "rope", "wiki.txt", "--reading_params_path", {str(learned)!r}]
run_main(run.main)
"""
    Path("program.py").write_text(program)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "program.py"])
    text = b""

    def wait_for(end, seconds=60):
        nonlocal text
        deadline = time.monotonic() + seconds
        while end not in text:
            assert time.monotonic() < deadline, text
            try:
                text += os.read(terminal, 10000)
            except OSError:  # the program has ended
                assert end == b"never", text
                return

    for line, end in (
        ("Ada Kern\n", b"\x1b[1;32mRome"),
        ("Q\n", b"does not occur in the pretraining corpus"),
        ("\n", b"never"),
    ):
        wait_for(b"> ")
        text = b""
        os.write(terminal, line.encode())
        wait_for(end)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
