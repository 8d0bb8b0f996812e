import os
from pathlib import Path

import pytest
import torch
from commands import write_corpus
from hypothesis import settings

settings.register_profile("patient", deadline=None)  # a busy machine is no error
settings.load_profile("patient")


@pytest.fixture
def course_data() -> Path:
    """The folder with the course's own files, which may not be redistributed."""
    if "COURSE_DATA" not in os.environ:
        pytest.skip("COURSE_DATA does not name the folder of the course's files")
    return Path(os.environ["COURSE_DATA"])


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """The models of the tests are too small to be divided among threads, which would only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a small corpus and its questions, in which the commands run."""
    monkeypatch.chdir(tmp_path)
    write_corpus()
    return tmp_path
