"""`pytest tests/autograder --submission ...` as a teacher types it."""

import json
import os
import subprocess
import sys
import zipfile

import pytest

from autograder.perfect import FULL, ROOT, Workshop, own_code
from autograder.plugin import Grade, load_data

KEYS = [
    "submission",
    "handout",
    "parts",
    "points",
    "possible",
    "checks",
    "predictions_sha256",
    "parameters_sha256",
    "seconds",
]


def run(folder, submission, *flags, timeout=100):
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "tests/autograder",
        "--submission",
        str(submission),
    ]
    command += map(str, flags)
    command += ["--grade_json", str(folder / "grade.json")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COURSE_DATA"))}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=timeout, check=False
    )
    report = json.loads((folder / "grade.json").read_text()) if (folder / "grade.json").exists() else None
    return done.returncode, done.stdout + done.stderr, report


class Options:
    """A command line that pytest has read."""

    def __init__(self, **values):
        self.values = values

    def getoption(self, name):
        return self.values.get(name.removeprefix("--"))


def test_a_refused_archive(tmp_path):
    with zipfile.ZipFile(tmp_path / "assignment5.zip", "w") as archive:
        archive.writestr("../../etc/passwd", "")
    grade = Grade(Options(submission=tmp_path / "assignment5.zip", handout=5))
    report = grade.report
    assert [*report] == KEYS and (report["points"], report["possible"], report["handout"]) == (0, 33, 5)
    for part in report["parts"]:
        assert part["points"] == 0 and part["lost"][0]["points"] == part["possible"]
    table = " ".join(" ".join(grade.table([])).split())  # however long the path of the zip is, and where it is wrapped
    assert "the path '../../etc/passwd' leads out of the zip" in table


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "these may be the files of either handout; name one by --handout 4 or 5"),
        ({"data": ROOT / "tests"}, "wiki.txt"),
        (
            {"data": ROOT / "data", "answers": ROOT / "data" / "birth_dev.tsv"},
            "does not hold the questions of birth_test_inputs",
        ),
    ],
)
def test_what_cannot_be_graded(options, words, tmp_path):
    """One line, which pytest shows with its exit code for a wrong command line."""
    own_code(tmp_path / "s")
    with pytest.raises(pytest.UsageError, match=words) as error:
        Grade(Options(submission=tmp_path / "s", handout=4 if options else None))
        load_data(Options(**options))
    assert "\n" not in str(error.value)


def test_files_of_pytest_in_a_submission_are_not_used(tmp_path):
    """pytest itself would run a conftest.py in the folder that follows --submission."""
    own_code(tmp_path / "s")
    evil = f"open({str(tmp_path / 'ran')!r}, 'w').close()\n"
    for name in ("conftest.py", "src/conftest.py", "tests/conftest.py", "src/test_x.py", "test_x.py", "pytest.py"):
        (tmp_path / "s" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "s" / name).write_text(evil)
    (tmp_path / "s/pytest.ini").write_text("[pytest]\naddopts = -p evil\n")
    code, out, _ = run(tmp_path, tmp_path / "s", "--handout", 4, "-k", "archive")
    assert code == 0 and "1 passed" in out and not (tmp_path / "ran").exists()


@pytest.mark.slow
def test_a_submission_of_full_size(tmp_path):
    """All points, in less than two minutes on two idle cores, its own evaluation included."""
    workshop = Workshop(tmp_path, FULL)
    workshop.perfect(tmp_path / "s", 4)
    archive = tmp_path / "assignment4.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted((tmp_path / "s").rglob("*")):
            packed.write(path, path.relative_to(tmp_path))
    data = workshop.data
    code, out, report = run(tmp_path, archive, "--data", data.folder, "--answers", data.answers_path, timeout=600)
    print(out[-3000:])
    assert code == 0 and [*report] == KEYS and report["points"] == report["possible"] == 33
    assert "d            5     5" in out and "sum         33    33" in out
    assert report["handout"] == 4 and {*report["checks"].values()} == {"passed"}
    assert len(report["predictions_sha256"]) == 6 and len(report["parameters_sha256"]) == 3
    assert report["seconds"] < 600


@pytest.mark.slow
def test_a_submission_with_faults(tmp_path):
    """The sentences stand in the table, with a student's folder and without answers; the small model is a fault of its own."""
    workshop = Workshop(tmp_path)
    workshop.perfect(tmp_path / "s", 5)
    code, out, report = run(tmp_path, tmp_path / "s", "--data", workshop.data.folder)
    assert code == 1 and report["handout"] == 5
    lost = [entry for part in report["parts"] for entry in part["lost"]]
    assert {entry["check"] for entry in lost} == {
        "without_pretraining_the_parameters_are_a_vanilla_model",
        "the_finetuned_parameters_are_a_vanilla_model",
        "the_synthesizer_parameters_are_a_synthesizer",
    }
    assert all("is of another model" in entry["reason"] for entry in lost)
    assert report["points"] == report["possible"] - sum(entry["points"] for entry in lost)
    assert "is of another model" in out and report["checks"]["finetuned_enough_of_test_is_right"] == "skipped"
