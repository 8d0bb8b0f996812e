import fcntl
import json
import os
from pathlib import Path

import pytest

from autograder.archive import arrange
from autograder.checks import CHECKS
from autograder.edition import EDITIONS
from autograder.grading import Grading, checks_of
from autograder.perfect import own_code
from autograder.plugin import GRADE, load_data
from autograder.sandbox import Sandbox


def pytest_generate_tests(metafunc):
    """One test for each check of the submission's handout; of both handouts, for this repository itself."""
    if "check_name" in metafunc.fixturenames:
        grade = metafunc.config.stash.get(GRADE, None)
        handout = grade.handout if grade else metafunc.config.getoption("--handout", default=None)
        found = [] if grade and grade.refused else [*checks_of(handout)]
        assert {name for _, name in found} <= {*CHECKS}
        metafunc.parametrize("check_name", [name for _, name in found], ids=[f"{part}-{name}" for part, name in found])


@pytest.fixture(scope="session")
def sandbox():
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def grading(request):
    """Of the submission on the command line; None without one."""
    config = request.config
    grade = config.stash.get(GRADE, None)
    if grade is None:
        return None
    edition = EDITIONS[config.getoption("--edition")]
    grade.grading = Grading(
        grade.submission, grade.handout, load_data(config), edition, request.getfixturevalue("sandbox")
    )
    return grade.grading


@pytest.fixture(scope="session")
def own_results(request, tmp_path_factory):
    """What the checks say of this repository itself: name -> (status, reason). The processes of pytest-xdist make them
    once, together."""
    together = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    folder = tmp_path_factory.getbasetemp()
    path = (folder.parent if together else folder) / f"own-results-{together}.json"
    with open(path, "a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        if not (text := file.read()):
            grading = own_grading(request, tmp_path_factory.mktemp("repository"))
            found = {name: grading.result(name) for _, name in checks_of(grading.handout)}
            text = json.dumps({name: (grading.status(name), getattr(f, "reason", "")) for name, f in found.items()})
            file.write(text)
        return json.loads(text)


def own_grading(request, folder: Path) -> Grading:
    """Of this repository, whose parameters and predictions have not been handed in."""
    own_code(folder)
    config = request.config
    edition = EDITIONS[config.getoption("--edition", default="7/8")]
    handout = config.getoption("--handout", default=None)
    submission = arrange("this repository", folder)
    return Grading(submission, handout, load_data(config), edition, request.getfixturevalue("sandbox"), whole=False)
