"""The program study.py: real processes, real training of tiny models."""

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import commands
import pytest
import study_driver

import study
from studies import catalogue, work

DRIVER = str(Path(study_driver.__file__))


@pytest.fixture(autouse=True)
def tiny_studies(monkeypatch):
    pytest.importorskip("faker", reason="only the generator needs Faker")
    monkeypatch.setattr(catalogue, "STUDIES", dict(catalogue.STUDIES))
    monkeypatch.setattr(study, "STUDIES", catalogue.STUDIES)
    study_driver.use_tiny_studies(monkeypatch.setattr)


def execute(monkeypatch, *arguments):
    return commands.execute(monkeypatch, *arguments, program=study)


def test_a_study_from_its_command_to_its_figure(tmp_path, monkeypatch, capsys):
    """Its runs can be listed and given to a shell; what is done is not done again; folders are merged."""
    monkeypatch.chdir(tmp_path)
    assert execute(monkeypatch, "wordings", "--out", "a", "--list") == 0
    lines = capsys.readouterr().out.splitlines()
    one, two = (work.result_path(Path(), run) for run in catalogue.STUDIES["wordings"]("small").runs())
    assert len(lines) == 2 and not Path("a").exists()
    other = lines[1].replace("/a --only", "/b --only")  # another folder, from another machine
    subprocess.run(other, shell=True, check=True, capture_output=True)
    assert [*Path("b/results").iterdir()] == [Path("b", two)]
    assert execute(monkeypatch, "wordings", "--out", "a", "--merge", "b", "--table") == 0
    assert "\n1 of 2 runs\n" in capsys.readouterr().out

    assert execute(monkeypatch, "wordings", "--out", "a", "--merge", "b") == 0
    out = capsys.readouterr().out
    assert "2 runs, 1 seed of each; 1 left" in out and "\n2 of 2 runs\n" in out and "| one " in out and "| two " in out
    assert "right, one, less right of unseen, one: " in out
    known = json.loads(Path("a/wordings.small.json").read_text())
    assert (known["runs"], known["of"], [*known["points"]]) == (2, 2, ["one", "two"])
    assert Path("a/wordings.small.svg").read_bytes().startswith(b"<?xml")
    result = json.loads(Path("a", one).read_text())
    assert {row["split"]: row["facts"] for row in result["rows"]} == {"train": 136, "dev": 34, "test": 30, "unseen": 60}
    assert not [*Path("a/runs").iterdir()] and {*Path().iterdir()} == {Path("a"), Path("b")}
    reversed_rows = [r for r in json.loads(Path("b", two).read_text())["rows"]
                     if r["relation"] == "reversal"]  # fmt: skip
    assert {row["split"] for row in reversed_rows} == {"train", "dev", "test"}

    made = {path: path.stat().st_mtime_ns for path in Path("a/results").iterdir()}
    assert execute(monkeypatch, "wordings", "--out", "a", "--merge", "b") == 0
    assert "0 left" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in Path("a/results").iterdir()} == made
    assert execute(monkeypatch, "wordings", "--out", "a", "--merge", "b", "--list") == 0
    assert capsys.readouterr().out == ""
    assert execute(monkeypatch, "exposures", "--out", "a", "--table") == 0  # which has the same point
    assert "\n1 of 1 runs\n" in capsys.readouterr().out


def test_a_second_world_after_the_first_and_an_interruption(tmp_path, monkeypatch):
    """A run that is interrupted in training goes on, and its result is that of a run without interruption."""
    [run] = catalogue.STUDIES["forgetting"]("small").runs()
    for _ in range(3):
        with commands.stopping(monkeypatch), pytest.raises(SystemExit) as end:
            work.do(run, tmp_path / "stopped")
        assert end.value.code == 143 and not work.result_path(tmp_path / "stopped", run).exists()
    work.do(run, tmp_path / "stopped")
    work.do(run, tmp_path / "whole")
    one, other = (json.loads(work.result_path(tmp_path / name, run).read_text()) for name in ("stopped", "whole"))
    assert one["rows"] == other["rows"] and one["tokens"] == other["tokens"]
    assert {row["stage"] for row in one["rows"]} == {"before", "after", "second"}


def test_a_failed_run_is_named_and_the_others_are_done(tmp_path, monkeypatch, capsys):
    fail, touch = "import sys; sys.exit('study.py: error: no luck')", f"open({str(tmp_path / 'done')!r}, 'w')"
    programs = {"one": fail, "two": touch}
    monkeypatch.setattr(work, "command", lambda run, out: [sys.executable, "-c", programs[run.point.name]])
    assert execute(monkeypatch, "wordings", "--out", tmp_path / "out", "--jobs", "1") == 1
    out, err = capsys.readouterr()
    assert "No run is done yet" in out and (tmp_path / "done").exists()
    last = err.strip().splitlines()[-1]
    assert last.startswith("study.py: error: wordings.small.one.s0: study.py: error: no luck (")
    assert "Traceback" not in err


def test_a_study_that_is_told_to_stop_tells_its_runs(tmp_path, monkeypatch, capsys):
    program = f"open({str(tmp_path / 'begun')!r}, 'w'); import time; time.sleep(300)"
    monkeypatch.setattr(work, "command", lambda run, out: [sys.executable, "-c", program])

    def stop():
        while not (tmp_path / "begun").exists():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop).start()
    began, handler = time.monotonic(), signal.getsignal(signal.SIGTERM)
    assert execute(monkeypatch, "wordings", "--out", tmp_path / "out") == 143
    assert time.monotonic() - began < 100 and signal.getsignal(signal.SIGTERM) == handler
    assert "No run is done yet" in capsys.readouterr().out


@pytest.mark.parametrize(("words", "message"), [
    (["exposure", "--out", "o"], "did you mean 'exposures'"),
    (["exposures"], "--out"),
    (["exposures", "--out", ""], "is empty"),
    (["exposures", "--out", "file"], "file: is a file"),
    (["exposures", "--out", "file/below"], "file/below: the folder cannot be made"),
    (["exposures", "--out", "o", "--merge", "missing"], "--merge missing: there is no such folder"),
    (["exposures", "--out", "o", "--merge", "file"], "--merge file: there is no such folder"),
    (["exposures", "--out", "o", "--only", "exposures.small.one.s9"], "has no such run"),
    (["exposures", "--out", "o", "--only", ""], "has no such run"),
    (["exposures", "--out", "o", "--jobs", "0"], "--jobs"),
    (["exposures", "--out", "o", "--small", "--full"], "not allowed with"),
    (["exposures", "--out", "o", "--large"], "--large: exposures has no large form"),
    (["exposures", "--out", "o", "--list", "--table"], "not allowed with"),
    (["exposures", "--out", "broken", "--table"], ".json: is damaged"),
])  # fmt: skip
def test_bad_input(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    Path("broken/results").mkdir(parents=True)
    [run] = catalogue.STUDIES["exposures"]("small").runs()
    work.result_path(Path("broken"), run).write_text('{"key": ')
    before = commands.contents(".")
    assert execute(monkeypatch, *words) == 2
    err = capsys.readouterr().err
    assert message in err and err.startswith("study.py: error: ") and err.count("\n") == 1
    assert commands.contents(".") == before


def test_a_half_study_without_runs_has_no_table(tmp_path, monkeypatch, capsys):
    assert execute(monkeypatch, "exposures", "--out", tmp_path / "o", "--table") == 0
    assert "No run is done yet" in capsys.readouterr().out


def test_listed_commands_name_each_run_once():
    runs = catalogue.STUDIES["wordings"]("full").runs()
    commands_ = [work.command(run, Path("o")) for run in runs]
    assert len({shlex.join(words) for words in commands_}) == len(runs) == 4


def test_the_large_form_takes_any_device(tmp_path, monkeypatch):
    """The other forms are for the CPU, where a seed gives the same result on any day."""
    devices, finished = [], {"tokens": 1}
    monkeypatch.setattr(work, "train", lambda *_, device, **__: devices.append(device) or finished)
    point = catalogue.STUDIES["capacity"]("small").points[0]
    for form in ("small", "full", "large"):
        work.train_model(work.Run("capacity", form, point, 0), tmp_path, tmp_path, tmp_path, "first")
    assert devices == ["cpu"] * 4 + [None] * 2
