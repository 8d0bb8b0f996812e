"""Hostile archives are refused in a line, and hostile code is contained."""

import json
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from autograder.archive import Refused, open_submission
from autograder.sandbox import Limits, Sandbox, SandboxError, parse, read_plainly

CODE = {"src/dataset.py": "", "src/run.py": "", "src/attention.py": ""}


def zipped(path: Path, files: dict[str, bytes | str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


# ---------------------------------------------------------------------------------------------------------------------
# Archives


@pytest.mark.parametrize("top", ["", "assignment4/", "students/jane/"])
@pytest.mark.parametrize("flat", [False, True])
def test_where_the_code_lies(top, flat, tmp_path):
    names = {"rope.finetune.params": b"r", "vanilla.model.params": b"v", "src/dataset.py": "d", "src/run.py": "r",
             "__MACOSX/src/._run.py": "x", "src/__pycache__/run.pyc": "x", ".git/config": "x", "wiki.txt": "w"}  # fmt: skip
    names = {top + (name.removeprefix("src/") if flat else name): content for name, content in names.items()}
    submission = open_submission(zipped(tmp_path / "assignment4_submission.zip", names), tmp_path / "opened")
    assert (submission.code, submission.source("dataset.py")) == ("." if flat else "src", "d")
    assert {*submission.found} == {"rope.finetune.params", "vanilla.model.params"}
    code = ["dataset.py", "run.py"] if flat else ["src/dataset.py", "src/run.py"]
    assert [*submission.tree] == code
    assert submission.handout() == 4
    for name, content in names.items():  # the same as a folder
        file = tmp_path / "folder" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    again = open_submission(tmp_path / "folder", tmp_path / "again")
    assert (again.code, [*again.tree], again.digest) == (submission.code, code, submission.digest)


@pytest.mark.parametrize(
    ("name", "names", "handout"),
    [
        ("s.zip", ["synthesizer.finetune.params"], 5),
        ("s.zip", ["london_baseline_accuracy.txt"], 4),
        ("assignment5.zip", ["vanilla.model.params"], 5),
        ("assignment4_submission.zip", [], 4),
        ("maria5.zip", [], None),
        ("s.zip", ["synthesizer.finetune.params", "rope.finetune.params"], None),
        ("a5.zip", ["synthesizer.finetune.params", "rope.finetune.params"], 5),
    ],
)
def test_which_handout_it_is(name, names, handout, tmp_path):
    archive = zipped(tmp_path / name, CODE | dict.fromkeys(names, b""))
    assert open_submission(archive, tmp_path / "opened").handout() == handout


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def misdeclared(path: Path, size: int) -> Path:
    """A zip with a file of 3 MB, whose directory says another size."""
    content = zipped(path, CODE | {"big": bytes(3 << 20)}).read_bytes()
    path.write_bytes(content.replace((3 << 20).to_bytes(4, "little"), size.to_bytes(4, "little")))
    return path


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"/etc/passwd": b""}, "leads out"),
        ({"../up": b""}, "leads out"),
        ({"src/../../up": b""}, "leads out"),
        ({"..\\up": b""}, "leads out"),
        ({"C:/x": b""}, "leads out"),
        ({"C:\\x": b""}, "leads out"),
        ({"a\nb": b""}, "leads out"),
        ({link("src/model.py"): "/etc/passwd"}, "is a link"),
        ({f"src/{i}.py": b"" for i in range(10_000)}, "more than 2,000 files"),
        ({"SRC/RUN.py": b"", "src/run.py": b""}, "twice"),
        ({"src/run.py/x": b"", "src/run.py": b""}, "damaged"),
        ({"notes.txt": b"nothing"}, "neither the code"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_zips_that_are_refused(files, words, tmp_path):
    with pytest.raises(Refused, match=words) as refused:
        open_submission(zipped(tmp_path / "s.zip", files), tmp_path / "opened")
    assert "\n" not in str(refused.value) and not (tmp_path / "up").exists()


def test_gigabytes_of_zeros(tmp_path):
    """They are refused by what the zip's directory says; a directory that says less is found out."""
    with pytest.raises(Refused, match="more than 2 GB"):
        open_submission(misdeclared(tmp_path / "bomb.zip", 0xF0000000), tmp_path / "opened")
    with pytest.raises(Refused, match="damaged"):
        open_submission(misdeclared(tmp_path / "liar.zip", 1), tmp_path / "again")
    assert sum(p.stat().st_size for p in tmp_path.rglob("*") if p.is_file()) < 1 << 20


def test_what_is_no_archive(tmp_path):
    (tmp_path / "text.zip").write_text("PK no zip")
    whole = zipped(tmp_path / "whole.zip", {"src/dataset.py": os.urandom(5000)}).read_bytes()
    (tmp_path / "half.zip").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "broken.zip").write_bytes(whole[:500] + b"xxxx" + whole[504:])
    for number, (name, words) in enumerate({"text.zip": "neither", "half.zip": "neither", "broken.zip": "damaged",
                                            "missing.zip": "no such file"}.items()):  # fmt: skip
        with pytest.raises(Refused, match=words):
            open_submission(tmp_path / name, tmp_path / f"opened{number}")


def test_links_in_a_folder(tmp_path):
    (tmp_path / "s/src").mkdir(parents=True)
    (tmp_path / "s/src/dataset.py").symlink_to("/etc/passwd")
    with pytest.raises(Refused, match="is a link"):
        open_submission(tmp_path / "s", tmp_path / "opened")


# ---------------------------------------------------------------------------------------------------------------------
# Processes

SHORT = Limits(seconds=2)


def attempt(sandbox: Sandbox, code: str, limits: Limits = SHORT):
    return sandbox.run("import_modules", "src", {"src/model.py": code}, limits, names=[["model"]])


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("while True: pass", "endless loop"),
        ("import os; os._exit(3)", "exit code 3"),
        ("import os; os._exit(0)", "ended itself"),
        ("import sys; sys.exit()", "SystemExit"),
        ("import os\nwhile True: os.write(2, b'x' * 65536)", "printed more than 16 MB"),
        ("import ctypes; ctypes.string_at(0)", "crashed"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL); import time; time.sleep(60)", ""),
        ("bytearray(9 << 30)", "MemoryError"),
        ("open('/submission/x' if 0 else 'x', 'wb').truncate(1 << 40)", "File too large"),
        ("def f(): f()\nf()", "RecursionError"),
        ("x = (", "SyntaxError"),
    ],
    ids=lambda value: value[:30],
)
def test_code_that_ends_badly(code, words, sandbox):
    outcome = attempt(sandbox, code)
    assert words in outcome.problem("model") and "\n" not in outcome.problem("model")


def test_the_next_one_is_not_affected(sandbox):
    """Processes that would outlive the probe are gone, and the files of the last probe are, too."""
    stays = "import os, time\nopen('left', 'w').close()\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(1000)"
    assert attempt(sandbox, stays).problem("model") is None
    outcome = attempt(sandbox, "import os\nassert not os.path.exists('left')")
    assert outcome.problem("model") is None
    assert sorted(path.name for path in sandbox.folder.iterdir()) == ["zygote.log"]


@pytest.mark.slow
def test_a_fork_bomb(sandbox):
    bomb = "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass"
    assert attempt(sandbox, bomb).problem("model")
    assert attempt(sandbox, "").problem("model") is None


def test_what_it_can_see(sandbox, monkeypatch, tmp_path):
    """Neither the environment of the grader nor, with namespaces, its files and the network."""
    monkeypatch.setenv("SECRET_OF_THE_TEACHER", "1")
    code = f"""
import os, socket, pathlib
assert "SECRET_OF_THE_TEACHER" not in os.environ
assert b"SECRET" not in pathlib.Path("/proc/self/environ").read_bytes()
seen = [path for path in ({str(Path(__file__))!r}, {str(tmp_path)!r}, os.path.expanduser("~root/.ssh")) if os.path.exists(path)]
for path in ("/usr/x", "/etc/x", "/x"):
    try:
        open(path, "w")
        seen.append(path)
    except OSError:
        pass
try:
    socket.create_connection(("127.0.0.1", 22), 1)
    seen.append("network")
except ConnectionRefusedError:
    seen.append("this machine's network")
except OSError:
    pass
assert os.getuid() != 0
print(seen)
"""
    outcome = attempt(sandbox, code)
    assert outcome.problem("model") is None, outcome
    if not sandbox.missing:
        assert outcome.stdout == "[]\n"


@pytest.mark.slow
def test_without_namespaces(tmp_path):
    """Then code that runs can write the grader's files: they are put back, and it is told."""
    if not shutil.which("unshare") or not shutil.which("setpriv"):
        pytest.skip("needs unshare and setpriv of util-linux")
    here = Path(__file__).resolve().parent
    shutil.copytree(here, tmp_path / "tests/autograder", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "try.py").write_text(f"""
import sys
sys.path.insert(0, {str(tmp_path / "tests")!r})
from autograder.sandbox import HERE, Limits, Sandbox
code = f"open({{str(HERE / 'jail.py')!r}}, 'w').close(); open({{str(HERE / 'edition.py')!r}} + 'c', 'w').close()"
with Sandbox() as sandbox:
    for text in (code, "import os, signal; os.kill(os.getppid(), signal.SIGKILL); import time; time.sleep(60)", "while True: pass", "import os\\nif os.fork() == 0:\\n    os.setsid()\\n    while True: pass"):
        outcome = sandbox.run("import_modules", "src", {{"src/model.py": text}}, Limits(seconds=3), names=[["model"]])
        print(outcome.problem("model"), sandbox.missing[:1], (HERE / "jail.py").stat().st_size > 1000)
""")
    powerless = ["unshare", "-Ur", "setpriv", "--bounding-set", "-all", "--inh-caps", "-all"]
    done = subprocess.run(
        [*powerless, sys.executable, str(tmp_path / "try.py")], capture_output=True, text=True, timeout=200, check=False
    )
    if "unshare" in done.stderr or "setpriv" in done.stderr:
        pytest.skip(done.stderr)
    told = ["['no Linux namespaces here: network and files of this machine are within reach'] True"] * 4
    said = [
        "it overwrote files of the grader (which has put them back)",
        "it killed the process that watches it",
        "it did not end within 3 seconds (an endless loop?)",
        "None",
    ]
    assert done.stdout.splitlines() == [f"{one} {two}" for one, two in zip(said, told)], done.stderr


def test_what_comes_back_may_be_anything(tmp_path):
    """Lines of results that are no results are ignored; what is no ordinary file is not read."""
    lines = [
        '{"name": "x", "value": 1}',
        "[" * 100_000,
        "null",
        '{"name": ["x"], "value": 2}',
        '{"value": 3}',
        "x",
        '{"name": "y"}',
    ]
    reply = {"ended": "ended", "seconds": 1.0, "stdout": "", "stderr": "", "result": "\n".join(lines)}
    assert parse(reply, Limits()).values == {"x": 1}
    for first, name in (("", ":broken"), ('{"name": ":missing", "value": []}\n', ":missing")):  # the first line is ours
        late = first + json.dumps({"name": name, "value": 7, "error": "x"})
        assert parse(reply | {"result": first + "\n" + late}, Limits()).missing == []
    with pytest.raises(SandboxError, match="cannot be built: no mount"):
        parse(reply | {"result": '{"name": ":broken", "error": "no mount"}'}, Limits())
    (tmp_path / "link").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "big").write_bytes(b"x" * 100)
    assert [read_plainly(tmp_path / name, 50) for name in ("link", "pipe", "big", "missing", ".")] == [None] * 5
    assert read_plainly(tmp_path / "big", 100) == b"x" * 100
