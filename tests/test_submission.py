"""What is handed in: the archives of collect_submission, and the scripts that make the files in them."""

import re
import shlex
import shutil
import subprocess
import sys
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
    for suffix in ("sh", "bat", "py"):
        shutil.copy(ROOT / f"collect_submission.{suffix}", tmp_path)
    for room in ("engine", "evaluation", "__pycache__"):
        (tmp_path / "src" / room).mkdir(parents=True)
    (tmp_path / "src/__pycache__/run.pyc").write_text("not for submission")
    for name in {*CODE, *LISTED["4"], *LISTED["5"]}:
        (tmp_path / name).write_text(f"content of {name}")
    return tmp_path


def collect(folder, *arguments):
    command = [sys.executable, str(folder / "collect_submission.py"), *arguments]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=60, check=False)


def names(archive):
    with zipfile.ZipFile(archive) as file:
        for name in file.namelist():
            assert file.read(name).decode() == f"content of {name}"
        return sorted(file.namelist())


@pytest.mark.parametrize("assignment", ["4", "5"])
def test_a_complete_set(folder, assignment):
    done = collect(folder, assignment)
    assert done.returncode == 0, done.stderr
    assert names(folder / f"assignment{assignment}.zip") == sorted([*CODE, *LISTED[assignment]])
    assert len(list(folder.glob("*.zip"))) == 1 and not list(folder.glob(".*"))


def test_it_finds_out_which_assignment_is_complete(folder):
    assert collect(folder).returncode == 0
    assert {path.name for path in folder.glob("*.zip")} == {"assignment4.zip", "assignment5.zip"}
    for complete, gone in (("5", "rope.finetune.params"), ("4", "synthesizer.pretrain.test.predictions")):
        for path in folder.glob("*.zip"):
            path.unlink()
        (folder / gone).rename(folder / "away")
        assert collect(folder).returncode == 0
        assert [path.name for path in folder.glob("*.zip")] == [f"assignment{complete}.zip"]
        assert names(folder / f"assignment{complete}.zip") == sorted([*CODE, *LISTED[complete]])
        (folder / "away").rename(folder / gone)


def test_what_is_missing_is_listed_and_an_older_zip_stays(folder):
    (folder / "assignment4.zip").write_text("older")
    (folder / "rope.finetune.params").unlink()
    (folder / "vanilla.pretrain.dev.predictions").unlink()
    done = collect(folder, "4")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.split()[-2:] == ["vanilla.pretrain.dev.predictions", "rope.finetune.params"]
    assert (folder / "assignment4.zip").read_text() == "older"
    done = collect(folder)  # neither is complete: both are said
    assert done.returncode == 2 and done.stderr.count("vanilla.pretrain.dev.predictions") == 2
    for path in folder.glob("synthesizer.*"):
        path.unlink()
    assert "assignment5" not in collect(folder).stderr  # of which nothing is there
    (folder / "vanilla.pretrain.dev.predictions").write_text("content")
    (folder / "rope.finetune.params").write_text("content")
    shutil.rmtree(folder / "src")
    assert "src/" in collect(folder, "4").stderr


def test_the_baseline_may_be_in_src_as_in_the_starter(folder):
    (folder / "london_baseline.py").unlink()
    assert "london_baseline.py" in collect(folder, "4").stderr
    (folder / "src/london_baseline.py").write_text("content of src/london_baseline.py")
    assert collect(folder, "4").returncode == 0
    assert "src/london_baseline.py" in names(folder / "assignment4.zip")


@pytest.mark.parametrize("arguments", [["6"], ["4", "5"], [""]])
def test_wrong_arguments(folder, arguments):
    done = collect(folder, *arguments)
    assert (done.returncode, done.stderr) == (2, "usage: collect_submission [4|5]\n")
    assert not list(folder.glob("*.zip"))


def test_the_shell_script_passes_everything_on(folder):
    """From any folder. The .bat cannot run here: its one command, read as text."""
    if not shutil.which("sh"):
        pytest.skip("needs a POSIX shell")
    for arguments, code in ((["4"], 0), (["6"], 2), ([], 0)):
        command = ["sh", str(folder / "collect_submission.sh"), *arguments]
        assert subprocess.run(command, cwd="/", capture_output=True, timeout=60, check=False).returncode == code
    assert {path.name for path in folder.glob("*.zip")} == {"assignment4.zip", "assignment5.zip"}
    assert (ROOT / "collect_submission.bat").read_text().splitlines()[-1] == 'python "%~dp0collect_submission.py" %*'


# ---------------------------------------------------------------------------------------------------------------------
# The scripts


def commands(text, comment):
    """The commands of a script or of the README, each as a list of words; a backslash or caret continues a line."""
    text = re.sub(r"\s[\\^]\n\s*", " ", text)
    lines = (line.removesuffix(" || exit /b 1").partition(f" {comment} ")[0].strip() for line in text.splitlines())
    return [shlex.split(line) for line in lines if line.startswith("python src/run.py")]


def expected(script):
    """The README's commands; those of the variants are vanilla's with another name."""
    readme = (ROOT / "README.md").read_text("utf-8")
    block = [words for words in commands(readme, "#") if words[2] in ("pretrain", "finetune", "evaluate")][:7]
    assert [words[2] for words in block] == [
        "finetune",
        "evaluate",
        "evaluate",
        "pretrain",
        "finetune",
        "evaluate",
        "evaluate",
    ]
    if script == "run_vanilla_no_pretraining":
        return block[:3]
    return [[word.replace("vanilla", script.removeprefix("run_")) for word in words] for words in block[3:]]


SCRIPTS = ["run_vanilla_no_pretraining", "run_vanilla", "run_rope", "run_synthesizer"]


@pytest.mark.parametrize("suffix", ["sh", "bat"])
@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_have_the_readmes_commands(script, suffix):
    text = (ROOT / "scripts" / f"{script}.{suffix}").read_text("utf-8")
    assert commands(text, "#") == expected(script)
    assert {path.name for path in (ROOT / "scripts").iterdir()} == {f"{s}.{e}" for s in SCRIPTS for e in ("sh", "bat")}


def test_scripts_make_what_is_collected():
    """All files that the archives list, apart from the baseline's, are outputs of these commands."""
    words = [word for script in SCRIPTS for command in expected(script) for word in command]
    for assignment in LISTED.values():
        assert {name for name in assignment if not name.startswith("london")} <= set(words)


@pytest.mark.parametrize("failing", [None, "evaluate"])
def test_a_script_runs_from_any_folder_and_stops_at_the_first_failure(tmp_path, failing):
    if not shutil.which("sh"):
        pytest.skip("needs a POSIX shell")
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin" / "python"  # writes down how it was called
    python.write_text(f'#!/bin/sh\necho "$PWD $*" >> "{tmp_path}/calls"\n[ "$2" != "{failing}" ]\n')
    python.chmod(0o755)
    done = subprocess.run(["sh", str(tmp_path / "scripts/run_rope.sh")], cwd="/", check=False, timeout=60,
                          env={"PATH": f"{tmp_path}/bin:/usr/bin:/bin"})  # fmt: skip
    calls = (tmp_path / "calls").read_text().splitlines()
    wanted = [f"{tmp_path} {' '.join(words[1:])}" for words in expected("run_rope")]
    assert (done.returncode, calls) == ((1, wanted[:3]) if failing else (0, wanted))
