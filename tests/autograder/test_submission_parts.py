"""The checks of a submission, or of this repository's own code without --submission. `edition.POINTS` has their points."""

import pytest

from autograder.plugin import GRADE


def test_the_archive_can_be_opened(pytestconfig):
    grade = pytestconfig.stash.get(GRADE, None)
    if grade and grade.refused:
        pytest.fail(grade.refused, pytrace=False)


def test_part(check_name, grading, request):
    if grading is None:
        status, reason = request.getfixturevalue("own_results")[check_name]
    else:
        status, reason = grading.status(check_name), getattr(grading.result(check_name), "reason", "")
    if status == "failed":
        pytest.fail(reason, pytrace=False)
    if status == "skipped":
        pytest.skip(reason)
