"""Reports side by side."""

from pathlib import Path

import pytest
from answers import FINETUNING, SEVEN, check_page, row_of

from engine.files import InputError
from evaluation import report
from evaluation.calibration import Calibration
from evaluation.compare import compare


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
