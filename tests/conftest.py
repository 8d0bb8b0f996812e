import os
from pathlib import Path

import pytest
import torch
from commands import SMALL, sizes, write_corpus
from hypothesis import settings

from engine.sizes import Sizes

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
    """A folder with a small corpus and its questions, in which the commands run, and train small models unless told."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("engine.sizes.Sizes", sizes(**SMALL))
    write_corpus()
    return tmp_path


@pytest.fixture
def handout_size(folder, monkeypatch):
    """In `folder`, the commands train models of the handouts' size."""
    monkeypatch.setattr("engine.sizes.Sizes", Sizes)
