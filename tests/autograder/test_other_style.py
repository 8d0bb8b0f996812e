"""The grader accepts correct code that resembles nothing in this repository (other_style/)."""

from dataclasses import replace

import pytest

from autograder.archive import open_submission
from autograder.edition import EDITIONS
from autograder.grading import Grading
from autograder.other_style.build import SHAPE, build
from autograder.reference import Data


@pytest.mark.slow
@pytest.mark.parametrize("handout", [4, 5])
def test_a_submission_in_another_style_has_all_points(handout, tmp_path, sandbox):
    archive = build(handout, tmp_path / "student")
    submission = open_submission(archive, tmp_path / "opened")
    assert submission.handout() == handout
    data = Data(tmp_path / "student", tmp_path / "student" / "answers.tsv")
    report = Grading(submission, handout, data, replace(EDITIONS["7/8"], **SHAPE), sandbox).report()
    assert [(lost["check"], lost["reason"]) for part in report["parts"] for lost in part["lost"]] == []
    assert {name: status for name, status in report["checks"].items() if status != "passed"} == {}
    assert report["points"] == report["possible"]
