"""The grader: a perfect submission has all points, and each faulty one (mutants.py) loses exactly those of its fault, and
is told so in the right words."""

import shutil
from dataclasses import replace

import pytest

from autograder.archive import open_submission
from autograder.edition import EDITIONS, POINTS
from autograder.grading import Grading, groups
from autograder.mutants import ATTACKS, MUTANTS
from autograder.perfect import SMALL, Workshop, own_code, patch
from autograder.sandbox import Limits

PATIENT, SHORT = Limits(seconds=20), Limits(seconds=5)  # a busy machine is no fault; an endless loop should not last
CACHE: dict = {}  # what has been found about equal code and equal files


@pytest.fixture(scope="session")
def workshop(tmp_path_factory):
    return Workshop(tmp_path_factory.mktemp("workshop"))


@pytest.fixture(scope="session")
def perfect(workshop, tmp_path_factory):
    """A function that gives the folder of the perfect submission for a handout."""
    made = {}

    def make(handout):
        if handout not in made:
            made[handout] = workshop.perfect(tmp_path_factory.mktemp(f"perfect{handout}"), handout)
        return made[handout]

    return make


def grade(folder, handout, workshop, sandbox, tmp_path, edition="7/8", limits=PATIENT):
    submission = open_submission(folder, tmp_path / "opened")
    chosen = replace(SMALL, truncation=EDITIONS[edition].truncation)
    return Grading(submission, handout, workshop.data, chosen, sandbox, limits=limits, cache=CACHE)


def test_the_mutants_can_be_made(tmp_path):
    """Their patches fit the code as it is. If they do not after a change in src/, mutants.py has to follow it."""
    own_code(tmp_path)
    for file, old, _ in {change for mutant in MUTANTS for change in mutant.code}:
        assert old in (tmp_path / file).read_text(encoding="utf-8"), f"{file} has no {old!r}"


def check_perfect(handout, perfect, workshop, sandbox, tmp_path):
    grading = grade(perfect(handout), handout, workshop, sandbox, tmp_path)
    assert grading.submission.handout() == handout
    report = grading.report()
    assert [lost for part in report["parts"] for lost in part["lost"]] == []
    assert report["points"] == report["possible"] == 33
    assert {*report["checks"].values()} == {"passed"}


def check_mutant(mutant, perfect, workshop, sandbox, tmp_path):
    folder = tmp_path / "submission"
    shutil.copytree(perfect(mutant.handout), folder)
    patch(folder, *mutant.code)
    if mutant.change:
        mutant.change(folder, workshop)
    limits = SHORT if mutant in ATTACKS else PATIENT
    report = grade(folder, mutant.handout, workshop, sandbox, tmp_path, mutant.edition, limits).report()
    lost = [(part["part"], entry) for part in report["parts"] for entry in part["lost"]]
    for part, entry in lost or [("-", {"points": 0, "reason": "-"})]:
        print(f"MUTANT | {mutant.name} | {part} | {entry['points']} | {entry['reason']}")
    assert [entry["check"] for _, entry in lost] == ([mutant.check] if mutant.check else []), mutant.name
    if mutant.check:
        ((_, entry),) = lost
        assert mutant.words in entry["reason"], mutant.name
        own = POINTS[next(key for key in groups(mutant.handout) if mutant.check in POINTS[key])]
        assert entry["points"] > own[mutant.check] if mutant.fatal else entry["points"] == own[mutant.check], (
            mutant.name
        )
        assert report["points"] == report["possible"] - entry["points"]


def test_some_of_the_mutants(perfect, workshop, sandbox, tmp_path):
    """Perfect submissions and a dozen mutants, in one test, so that they share what is trained and found."""
    for handout in (4, 5):
        check_perfect(handout, perfect, workshop, sandbox, tmp_path / str(handout))
    for i, mutant in enumerate(mutant for mutant in MUTANTS if mutant.quick):
        check_mutant(mutant, perfect, workshop, sandbox, tmp_path / f"mutant{i}")


@pytest.mark.slow
@pytest.mark.parametrize("mutant", [pytest.param(m, id=m.name) for m in MUTANTS if not m.quick])
def test_a_mutant_loses_the_points_of_its_fault(mutant, perfect, workshop, sandbox, tmp_path):
    check_mutant(mutant, perfect, workshop, sandbox, tmp_path)
