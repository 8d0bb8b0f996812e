"""The checks of a submission, or of this repository's own code without --submission. `edition.POINTS` has their points."""

import pytest

from autograder.grading import Fault, Skip
from autograder.plugin import GRADE


def test_the_archive_can_be_opened(pytestconfig):
    grade = pytestconfig.stash.get(GRADE, None)
    if grade and grade.refused:
        pytest.fail(grade.refused, pytrace=False)


def test_part(check_name, grading):
    found = grading.result(check_name)
    if isinstance(found, Fault):
        pytest.fail(found.reason, pytrace=False)
    if isinstance(found, Skip):
        pytest.skip(found.reason)
