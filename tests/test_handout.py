"""What `make handout` packs for a student, and what it must not pack."""

import subprocess
import sys
import zipfile

import pytest
from autograder import handout

from engine.files import ROOT

PROGRAM = ROOT / "tests" / "autograder" / "handout.py"
SCRIPTS = [f"scripts/{path.name}" for path in (ROOT / "scripts").iterdir()]


def make(*arguments, cwd):
    command = [sys.executable, str(PROGRAM), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=cwd)


@pytest.fixture
def packed(tmp_path):
    done = make(ROOT / "data", "--out", "handouts", cwd=tmp_path)
    assert done.returncode == 0 and done.stdout == "Written to handouts/data.zip\n"
    assert "the test answers of data/ are public" in done.stderr
    with zipfile.ZipFile(tmp_path / "handouts" / "data.zip") as archive:
        archive.extractall(tmp_path)
        return tmp_path / "assignment", archive.namelist()


def test_it_has_the_world_the_commands_and_no_solution(packed):
    folder, names = packed
    assert sorted(names) == sorted(f"assignment/{name}" for name in (
        "wiki.txt", "birth_places_train.tsv", "birth_dev.tsv", "birth_test_inputs.tsv", "README.md", "requirements.txt",
        "collect_submission.sh", "collect_submission.bat", "collect_submission.py", *SCRIPTS))  # fmt: skip
    everything = "".join((folder.parent / name).read_text("utf-8") for name in names)
    answers = (ROOT / "data" / "birth_test.tsv").read_text("utf-8").splitlines()
    assert len(answers) == 437 and not any(line in everything for line in answers)
    ours = [path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py")]
    for text in ours:
        assert not any(line in everything for line in text.splitlines() if line.startswith(("class ", "def ")))


def test_its_readme_has_the_commands_and_names_its_files(packed):
    folder, names = packed
    text = (folder / "README.md").read_text("utf-8")
    for line in handout.commands().splitlines():
        assert line in (ROOT / "README.md").read_text("utf-8") and line in text
    assert text.count("python src/run.py") == 7 and "COMMANDS" not in text and "python src/dataset.py namedata" in text
    for name in names:
        name = name.removeprefix("assignment/")
        assert name == "README.md" or name.split("/")[0].partition(".")[0] in text, name


def test_its_requirements_are_those_of_training(packed):
    lines = (packed[0] / "requirements.txt").read_text().splitlines()
    assert [line.partition("==")[0] for line in lines] == ["torch", "numpy", "tqdm", "tensorboard"]
    assert set(lines) <= set((ROOT / "requirements.txt").read_text().splitlines())


def test_a_zip_for_each_world(tmp_path):
    for name in ("ada", "bob"):
        (tmp_path / "worlds" / name).mkdir(parents=True)
        for file in handout.WORLD:
            (tmp_path / "worlds" / name / file).write_text(f"{file} of {name}")
    worlds = sorted((tmp_path / "worlds").iterdir())
    done = make(*worlds, "--out", "h", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    with zipfile.ZipFile(tmp_path / "h" / "bob.zip") as archive:
        assert archive.read("assignment/wiki.txt") == b"wiki.txt of bob"
    before = (tmp_path / "h" / "ada.zip").read_bytes()
    (worlds[1] / "wiki.txt").unlink()
    done = make(*worlds, "--out", "h", cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "bob/wiki.txt: cannot be read" in done.stderr
    assert (tmp_path / "h" / "ada.zip").read_bytes() == before == handout.pack(worlds[0])
    (tmp_path / "file").write_text("")
    done = make(worlds[0], "--out", "file", cwd=tmp_path)
    assert done.returncode == 2 and "file: the folder cannot be made" in done.stderr
