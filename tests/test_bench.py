"""bench.py compares a run with a saved one."""

import json
import subprocess
import sys

import pytest

from engine.files import ROOT


def bench(*arguments):
    command = [sys.executable, str(ROOT / "bench.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=300, check=False)


@pytest.mark.slow
def test_a_run_is_compared_with_a_saved_one(tmp_path):
    """A minute. Against half of its medians it is about twice as fast, whatever else the machine does; and it says that the other
    machine had more cores."""
    path = tmp_path / "saved.json"
    done = bench("data", "--steps", 3, "--json", path)
    assert done.returncode == 0, done.stderr
    saved = json.loads(path.read_text())
    saved["machine"]["cores"] = 1024
    saved["results"] = [each | {"median": each["median"] / 2} for each in saved["results"] if each["unit"] == ""]
    path.write_text(json.dumps(saved))
    done = bench("data", "--steps", 3, "--against", path)
    table = done.stdout.split("relative to ")[1].splitlines()[1:]
    assert len(table) == len(saved["results"]) > 1 and all(line.endswith(" 2.00 x") for line in table)
    assert done.stderr == f"warning: {path}: was measured with cores 1024\n"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"machine": {}, "results": [{"row": 1}]}', "\\udcff"])
def test_what_was_not_written_by_it_is_refused_before_anything_is_measured(tmp_path, text):
    (tmp_path / "saved.json").write_text(text, encoding="utf-8")
    done = bench("data", "--against", tmp_path / "saved.json")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.endswith("saved.json: was not written by bench.py --json\n") and done.stderr.count("\n") == 1
