import os
from pathlib import Path

import pytest


@pytest.fixture
def course_data() -> Path:
    """The folder with the course's own files, which may not be redistributed."""
    if "COURSE_DATA" not in os.environ:
        pytest.skip("COURSE_DATA does not name the folder of the course's files")
    return Path(os.environ["COURSE_DATA"])
