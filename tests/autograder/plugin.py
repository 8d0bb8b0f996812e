"""The command line: `pytest tests/autograder --submission FILE_OR_FOLDER`, the table at the end, and grade.json.

pyproject.toml loads this before pytest looks for any conftest.py. Otherwise pytest would take the folder after
--submission for a folder of tests, and run a conftest.py that a student has put there.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import textwrap
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
EDITIONS = ("7/8", "3/4")
NOT_LOCKED_IN = "The submission's code was not fully locked in"  # grade.py looks for it
CHECKS_FILE = "test_submission_parts.py"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("autograder", "the autograder (tests/autograder)")
    group.addoption(
        "--submission", type=Path, metavar="FILE_OR_FOLDER", help="what to grade; default: this repository's code"
    )
    group.addoption(
        "--handout", type=int, choices=(4, 5), help="assignment 4 (RoPE) or 5 (synthesizer); default: as the files tell"
    )
    group.addoption("--data", type=Path, metavar="DIR", help="wiki.txt, birth_dev.tsv and so on that the submission was made with; "
                    "default: COURSE_DATA if that is set, else this repository's")  # fmt: skip
    group.addoption("--answers", type=Path, metavar="TSV", help="the test questions with their answers")
    group.addoption(
        "--edition",
        choices=EDITIONS,
        default=EDITIONS[0],
        help="the most of a block that a document takes; default 7/8",
    )
    group.addoption(
        "--grade_json", type=Path, default=Path("grade.json"), help="where the grade is written; default %(default)s"
    )


class Grade:
    """What is known about the submission on the command line."""

    def __init__(self, config: pytest.Config):
        from autograder.archive import Refused, open_submission

        self.path: Path = config.getoption("--submission")
        self.folder = Path(tempfile.mkdtemp(prefix="submission-"))
        self.submission = self.refused = self.grading = None
        self.handout = config.getoption("--handout")
        try:
            self.submission = open_submission(self.path, self.folder / "files")
        except Refused as error:
            self.refused = str(error)
        if self.submission and self.handout is None:
            self.handout = self.submission.handout()
            if self.handout is None:
                raise pytest.UsageError(
                    f"{self.path}: these may be the files of either handout; name one by --handout 4 or 5"
                )

    @property
    def is_complete(self) -> bool:
        """Whether there is a grade: not if only some tests were chosen, or if the sandbox does not work here."""
        from autograder.sandbox import SandboxError

        try:
            return bool(self.refused or self.grading and self.report)
        except SandboxError:
            return False

    @cached_property
    def report(self) -> dict:
        from autograder.grading import refusal

        return refusal(str(self.path), self.handout or 4, self.refused) if self.refused else self.grading.report()

    def table(self, missing: list[str]) -> list[str]:
        """The grade for the terminal: one line a part, and one for each loss."""
        report = self.report
        lines = [f"{report['submission']}: assignment {report['handout']}", f"{'part':6}{'points':>8}{'of':>6}"]
        for part in report["parts"]:
            lines.append(f"{part['part']:6}{part['points']:8g}{part['possible']:6g}")
            for lost in part["lost"]:
                first, *rest = textwrap.wrap(f"{lost['check']}: {lost['reason']}", 100)
                lines += [f"{'':6}{-lost['points']:8g}  {first}", *(f"{'':16}{line}" for line in rest)]
        lines.append(f"{'sum':6}{report['points']:8g}{report['possible']:6g}")
        return lines + [f"{NOT_LOCKED_IN}: {text}" for text in missing]


GRADE = pytest.StashKey[Grade]()


def find_data(config: pytest.Config) -> Path:
    """The folder of the data."""
    if folder := config.getoption("--data"):
        return folder
    if os.environ.get("COURSE_DATA"):
        return Path(os.environ["COURSE_DATA"])
    return ROOT if (ROOT / "wiki.txt").exists() else ROOT / "data"


def load_data(config: pytest.Config):
    """The data. Raises UsageError when they cannot be used."""
    from autograder.reference import Data
    from engine.files import InputError

    data = Data(find_data(config), config.getoption("--answers"))
    try:
        data.check()
    except (InputError, OSError) as error:
        raise pytest.UsageError(" ".join(str(error).split())) from error
    return data


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """One submission is graded by one process: pytest-xdist would grade it in each."""
    if config.getoption("--submission"):
        config.option.numprocesses, config.option.dist = None, "no"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With a submission, only its checks run, not the tests of this repository."""
    is_test = collection_path.name.startswith("test_") and collection_path.suffix == ".py"
    return True if config.getoption("--submission") and is_test and collection_path.name != CHECKS_FILE else None


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--submission"):
        folder = config.getoption("--grade_json").resolve().parent
        if not os.access(folder, os.W_OK):
            raise pytest.UsageError(f"--grade_json: cannot be written in {folder}")
        load_data(config)
        config.stash[GRADE] = Grade(config)


def pytest_sessionfinish(session: pytest.Session) -> None:
    grade = session.config.stash.get(GRADE, None)
    if grade and grade.is_complete:
        text = json.dumps(grade.report, indent=1, ensure_ascii=False) + "\n"
        path = session.config.getoption("--grade_json")
        unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    grade = config.stash.get(GRADE, None)
    if grade and grade.is_complete:
        terminalreporter.section("grade")
        for line in grade.table(grade.grading.sandbox.missing if grade.grading else []):
            terminalreporter.line(line)
        terminalreporter.line(f"written to {config.getoption('--grade_json')}")


def pytest_unconfigure(config: pytest.Config) -> None:
    if grade := config.stash.get(GRADE, None):
        shutil.rmtree(grade.folder, ignore_errors=True)
