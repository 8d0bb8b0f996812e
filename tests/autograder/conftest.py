from pathlib import Path

import pytest

from autograder.archive import arrange
from autograder.checks import CHECKS
from autograder.edition import EDITIONS
from autograder.grading import Grading, checks_of
from autograder.plugin import GRADE, ROOT, load_data
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


def own_submission(folder: Path):
    """This repository's code, as collect_submission.sh would pack it."""
    for path in [*(ROOT / "src").rglob("*.py"), *(ROOT / "src").rglob("*.j2"), ROOT / "london_baseline.py"]:
        copy = folder / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    return arrange("this repository", folder)


@pytest.fixture(scope="session")
def grading(request, sandbox, tmp_path_factory):
    """Of the submission on the command line, else of this repository."""
    config = request.config
    grade, data = config.stash.get(GRADE, None), load_data(config)
    edition = EDITIONS[config.getoption("--edition")]
    if grade is None:
        submission = own_submission(tmp_path_factory.mktemp("repository"))
        return Grading(submission, config.getoption("--handout"), data, edition, sandbox, whole=False)
    grade.grading = Grading(grade.submission, grade.handout, data, edition, sandbox)
    return grade.grading
