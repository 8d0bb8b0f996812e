import os
from pathlib import Path

import pytest
import torch
from commands import PEOPLE


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
    documents = [f"{name}. {name} was born in {place} ?" for name, place in PEOPLE]
    Path("wiki.txt").write_text("\n".join([*documents, "Where"]), encoding="utf-8")
    questions = [f"Where was {name} born?\t{place}\n" for name, place in PEOPLE]
    Path("birth_places_train.tsv").write_text("".join(questions[:8]), encoding="utf-8")
    Path("birth_dev.tsv").write_text("".join(questions[8:]), encoding="utf-8")
    asked = "".join(q.split("\t")[0] + "\n" for q in questions[4:])
    Path("birth_test_inputs.tsv").write_text(asked, encoding="utf-8")
    return tmp_path
