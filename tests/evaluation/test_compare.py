"""Reports side by side."""

from dataclasses import replace
from pathlib import Path

import pytest
from answers import FINETUNING, SEVEN, check_page, row_of

from engine.files import InputError
from evaluation import report
from evaluation.calibration import Calibration
from evaluation.compare import compare, short_names
from evaluation.paired import paired_interval


def test_reports_side_by_side(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, count in (("one", 7), ("two_", 4)):
        Path(name).mkdir()
        rows = [row_of(q, "Rome" if i % 3 else "Oslo", logp=-i / 9) for i, q in enumerate(SEVEN[:count])]
        report.write_report(name, rows, 112, {}, FINETUNING, Calibration(1.0, 0.0))
    compare(["one", "two_"], "comparison.html")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5 and "57.1 %" in lines[1] and lines[1].endswith("one") and lines[2].endswith("two_")
    check_page(Path("comparison.html").read_text("utf-8"), 1)
    for name, content in (("not", "{}"), ("half", '{"questions": 3, "accuracy": {}}'), ("text", "no"), ("list", "[1]")):
        Path(name).mkdir()
        Path(name, "report.json").write_text(content)
    for folders in (["nowhere"], ["one", "not"], ["half"], ["text"], ["list"]):
        with pytest.raises(InputError):
            compare(folders, "c.html")
    with pytest.raises(InputError):
        compare(["one"], "one/report.json")
    assert not Path("c.html").exists()
    compare(["one"], "c.html")
    assert Path("c.html").exists()


def write(folder, wrong, questions=SEVEN, about="a"):
    """A report in which the questions with the numbers `wrong` are answered wrongly."""
    Path(folder).mkdir(parents=True)
    rows = [row_of(q, "Oslo" if i in wrong else "Rome", logp=-i / 9) for i, q in enumerate(questions)]
    report.write_report(folder, rows, 112, {"questions": about}, FINETUNING, Calibration(1.0, 0.0))


def test_the_same_questions(tmp_path, monkeypatch, capsys):
    """The difference, and the questions that one run answers and the other does not."""
    monkeypatch.chdir(tmp_path)
    write("runs/rope.0/dev", {0, 1})
    write("runs/vanilla.0/dev", {1, 2, 3, 4})
    compare(["runs/rope.0/dev", "runs/vanilla.0/dev"], "c.html")
    out, err = capsys.readouterr()
    low, high = paired_interval(1, 3, 7)
    (line,) = [line for line in out.splitlines() if " against " in line]
    assert line == (
        f"vanilla.0 against rope.0, 7 questions of both: −28.6 points (95 % interval {100 * low:+.1f} to "
        f"{100 * high:+.1f}); only the former is right on 1, only the latter on 3 (McNemar's p = 0.62)"
    ).replace("-", "−")
    assert "do not compare" not in err
    words = check_page(Path("c.html").read_text("utf-8"), 1).replace("\u00a0", " ")
    assert "rope.0 71.4 %, vanilla.0 42.9 % right" in words and "That may be chance" in words
    ours, theirs = words.split("questions that only vanilla.0 answers rightly")[1].split("questions that only rope.0")
    assert SEVEN[0] in ours and not any(q in ours for q in SEVEN[1:])
    assert all(q in theirs for q in SEVEN[2:5]) and SEVEN[1] not in theirs


def test_another_kind_of_certainty(tmp_path, monkeypatch, capsys):
    """A report with recall (scoring.py) beside one without, and beside another with it."""
    monkeypatch.chdir(tmp_path)
    write("old", {0, 1})
    for name in ("new", "newer"):
        Path(name).mkdir()
        rows = [replace(row_of(q, logp=-i / 9), log_recall=-i / 7) for i, q in enumerate(SEVEN)]
        report.write_report(name, rows, 112, {"questions": "a"}, FINETUNING, Calibration(1.0, 0.0, recall=True))
    for folders, expected in ((["old", "new"], 1), (["new", "old", "newer"], 1), (["new", "newer"], 0)):
        compare(folders, "c.html")
        said = "the certainty of new includes the recall of its answers, that of old does not"
        assert capsys.readouterr().err.count(said) == expected
        assert check_page(Path("c.html").read_text("utf-8"), 1).count(said) == expected


def test_other_questions(tmp_path, monkeypatch, capsys):
    """It is said that they differ, and those of both are compared; each run with the first that shares some."""
    monkeypatch.chdir(tmp_path)
    write("all", {0})
    write("half", {1}, SEVEN[:3], "b")
    write("others", {0}, [q.replace("?", " ?") for q in SEVEN])
    write("again", {1}, [q.replace("?", " ?") for q in SEVEN])
    compare(["all", "half", "others", "again"], "c.html")
    out, err = capsys.readouterr()
    assert [line.split(",")[0] for line in out.splitlines() if " against " in line] == [
        "half against all",
        "again against others",
    ]
    assert "half and all were not asked the same: 0 questions are only in the former, 4 only in the latter" in err
    assert "others and all were not asked the same: 7 questions are only in the former, 7 only in the latter" in err
    words = check_page(Path("c.html").read_text("utf-8"), 1)
    assert "4 runs compared" in words and "half and all were not asked the same" in words
    Path("half/predictions.tsv").unlink()  # without it, it is known all the same that the files differ
    Path("others/predictions.tsv").write_text("question\tcorrect\nQ\t1\n")
    compare(["all", "half", "others"], "c.html")
    out, err = capsys.readouterr()
    assert " against " not in out and "half/predictions.tsv: cannot be read" in err and "others/predictions.tsv" in err
    assert "half and all are reports of different files" in err
    check_page(Path("c.html").read_text("utf-8"), 1)


def test_names_are_what_the_paths_differ_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert short_names(["runs/a.0/dev", "runs/b.0/dev"]) == ["a.0", "b.0"]
    assert short_names(["runs/a/dev", "runs/a/unseen"]) == ["dev", "unseen"]
    assert short_names(["a/x", "b/y"]) == ["a/x", "b/y"] and short_names(["r"]) == ["r"]
    assert short_names(["r", "./r", "r/../r"]) == ["r", "r (2)", "r (3)"]
    assert short_names(["r", "r/s"]) == ["r", "r/s"]
