import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BOTH = ["london_baseline.py", "vanilla.model.params", "vanilla.nopretrain.dev.predictions",
        "vanilla.nopretrain.test.predictions", "vanilla.finetune.params", "vanilla.pretrain.dev.predictions",
        "vanilla.pretrain.test.predictions"]  # fmt: skip
CODE = ["src/engine/training.py", "src/evaluation/report.html.j2", "src/model.py", "src/run.py"]
LISTED = {
    "4": [*BOTH, "london_baseline_accuracy.txt", "rope.finetune.params", "rope.pretrain.dev.predictions",
          "rope.pretrain.test.predictions"],
    "5": [*BOTH, "synthesizer.finetune.params", "synthesizer.pretrain.dev.predictions",
          "synthesizer.pretrain.test.predictions"],
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    shutil.copy(ROOT / "collect_submission.sh", tmp_path)
    for room in ("engine", "evaluation", "__pycache__"):
        (tmp_path / "src" / room).mkdir(parents=True)
    (tmp_path / "src/__pycache__/run.pyc").write_text("not for submission")
    for name in {*CODE, *LISTED["4"], *LISTED["5"]}:
        (tmp_path / name).write_text(f"content of {name}")
    return tmp_path


def collect(folder, *arguments):
    if not shutil.which("sh"):
        pytest.skip("needs a POSIX shell")
    command = ["sh", str(folder / "collect_submission.sh"), *arguments]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("assignment", ["4", "5"])
def test_a_complete_set(folder, assignment):
    done = collect(folder, assignment)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(folder / f"assignment{assignment}.zip") as archive:
        assert sorted(archive.namelist()) == sorted([*CODE, *LISTED[assignment]])
        for name in archive.namelist():
            assert archive.read(name).decode() == f"content of {name}"
    assert not list(folder.glob(".*"))


def test_what_is_missing_is_listed_and_an_older_zip_stays(folder):
    (folder / "assignment4.zip").write_text("older")
    (folder / "rope.finetune.params").unlink()
    (folder / "vanilla.pretrain.dev.predictions").unlink()
    done = collect(folder, "4")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.split()[-2:] == ["vanilla.pretrain.dev.predictions", "rope.finetune.params"]
    assert (folder / "assignment4.zip").read_text() == "older"
    (folder / "vanilla.pretrain.dev.predictions").write_text("content")
    assert collect(folder, "5").returncode == 0  # which has no use for rope
    shutil.rmtree(folder / "src")
    assert "src/" in collect(folder, "5").stderr


@pytest.mark.parametrize("arguments", [[], ["6"], ["4", "5"], [""]])
def test_wrong_arguments(folder, arguments):
    done = collect(folder, *arguments)
    assert (done.returncode, done.stderr) == (2, "usage: collect_submission.sh 4|5\n")
    assert not list(folder.glob("*.zip"))


def test_windows_collects_the_same():
    """The .bat cannot run here: its file lists, read as text."""
    text = (ROOT / "collect_submission.bat").read_text()
    common, rest = text.split('if "%~1"=="4" (')
    four, five = rest.split('else if "%~1"=="5" (')
    names = re.compile(r"(?<![\w\\])[a-z_]+(?:\.[a-z]+)+\b")

    def listed(part):
        return [
            name for line in part.splitlines() if line.strip().startswith("set files=") for name in names.findall(line)
        ]

    assert listed(common) == BOTH
    assert listed(common) + listed(four) == LISTED["4"] and listed(common) + listed(five) == LISTED["5"]
