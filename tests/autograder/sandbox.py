"""Other people's code, run where it can do no harm: in a process of its own (zygote.py), locked in (jail.py), in a fresh
folder, with limits of time, memory, output, files and processes. What comes back is plain data, and may be lies.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CLEAN = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "1", "HOME": "/",
         "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": "/tmp"}  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """Of one probe; bytes."""

    seconds: float = 60.0
    memory: int = 4 << 30  # of one process
    all_memory: int = 8 << 30  # of all its processes, shared memory counted in each
    processes: int = 64
    file: int = 256 << 20
    disk: int = 1 << 30
    output: int = 16 << 20
    result: int = 64 << 20


class SandboxError(Exception):
    """The sandbox itself does not work here, which is no fault of a submission."""


@dataclass
class Outcome:
    """What a probe has found. `values` and `errors` are by name; a name in neither was not reached."""

    ended: str  # "ended", "exit N", or the limit that it has exceeded
    seconds: float
    stdout: str
    stderr: str
    values: dict[str, Any] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    cuda: list[str] = field(default_factory=list)  # places in the code that ask for a GPU
    missing: list[str] = field(default_factory=list)  # of the protection, in words
    limits: Limits = field(default_factory=Limits)

    def problem(self, name: str) -> str | None:
        """Why there is no value of that name, as the end of a sentence; None if there is one."""
        if name in self.values:
            return None
        return self.errors.get(name) or self.errors.get(":end") or self.end()

    def end(self) -> str:
        """How the process ended, in words."""
        limits = self.limits
        return {
            "time": f"it did not end within {limits.seconds:g} seconds (an endless loop?)",
            "output": f"it printed more than {limits.output >> 20} MB",
            "processes": f"it started more than {limits.processes} processes",
            "memory": f"it took more than {limits.all_memory >> 30} GB of memory",
            "disk": f"it wrote more than {limits.disk >> 20} MB of files",
            "ended the sandbox": "it killed the process that watches it",
            "overwrote": "it overwrote files of the grader (which has put them back)",
            "ended": "the process ended itself (os._exit?) without a result",
        }.get(self.ended, f"the process ended itself, or crashed, with {self.ended.replace('exit', 'exit code')}")


def parse(reply: dict[str, Any], limits: Limits) -> Outcome:
    """The outcome in a zygote's reply. Lines of results that are not what a probe writes are ignored. Raises SandboxError
    when the jail could not be built, which the first line says; that is written before any of the student's code runs."""
    outcome = Outcome(reply["ended"], reply["seconds"], reply["stdout"], reply["stderr"], limits=limits)
    for number, line in enumerate(reply["result"].split("\n")):
        try:
            entry = json.loads(line)
            name = entry["name"]
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
        if number == 0 and name == ":broken":
            raise SandboxError(f"the jail cannot be built: {entry.get('error')}")
        if number == 0 and name == ":missing":
            outcome.missing = entry["value"]
        elif name == ":cuda":
            outcome.cuda.append(str(entry.get("value")))
        elif isinstance(name, str) and "error" in entry:
            outcome.errors[name] = str(entry["error"])
        elif isinstance(name, str) and "value" in entry:
            outcome.values[name] = entry["value"]
    return outcome


class Sandbox:
    """A place to run probes in, as a context manager."""

    def __init__(self):
        packages = {str(Path(importlib.util.find_spec(name).origin).parent.parent) for name in ("torch", "numpy")}
        folders = {sys.prefix, sys.base_prefix, *packages}
        visible = sorted(folders | {*map(os.path.realpath, folders)})  # .venv may be a link
        self.folder = Path(tempfile.mkdtemp(prefix="autograder-")).resolve()
        self.folder.chmod(0o711)
        self.uid = self.another_user()
        self.missing: list[str] = []  # of the protection, in words
        self.count = 0
        self.own = {
            path: path.read_bytes() for folder in (HERE, HERE.parent.parent / "src") for path in folder.rglob("*.py")
        }
        self.settings = {"tests": str(HERE.parent), "packages": sorted(packages), "visible": visible}
        self.log = self.folder / "zygote.log"
        self.has_answered = False
        self.start()

    def start(self) -> None:
        """Starts the zygote."""
        with open(self.log, "w", encoding="utf-8") as log:
            self.zygote = subprocess.Popen(
                [sys.executable, "-I", str(HERE / "zygote.py"), json.dumps(self.settings)],
                env=CLEAN,
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                encoding="utf-8",
                start_new_session=True,
            )

    def ask(self, request: dict[str, Any]) -> dict[str, Any] | None:
        """The zygote's answer; None if it has ended instead, and another was started."""
        try:
            self.zygote.stdin.write(json.dumps(request) + "\n")
            self.zygote.stdin.flush()
            line = self.zygote.stdout.readline()
        except BrokenPipeError:
            line = ""
        if line:
            self.has_answered = True
            return json.loads(line)
        if not self.has_answered:
            raise SandboxError(f"the process that runs submissions has ended: {self.log.read_text()[-2000:]}")
        self.close()
        self.start()
        return None

    def run(
        self,
        probe: str,
        code: str,
        files: Mapping[str, Path | str | bytes],
        limits: Limits | None = None,
        **arguments: Any,
    ) -> Outcome:
        """Runs a probe in a fresh folder with these files: name in it -> a file or folder to copy, or its content. `code`
        is the folder in it that the student's modules are in. A file that the probe is to write, `target`, is returned as
        the value of that name, a path below `self.folder`."""
        limits = limits or Limits()
        self.count += 1
        folder = self.folder / str(self.count)
        self.fill(folder / "work", files)
        kernel = {"seconds": int(limits.seconds) + 5, "memory": limits.memory, "file_size": limits.file,
                  "processes": limits.processes + (4096 if self.uid == os.geteuid() else 0)}  # fmt: skip
        request = {"folder": str(folder), "probe": probe, "arguments": {"code": code, **arguments}, "uid": self.uid,
                   "limits": vars(limits), "kernel_limits": kernel}  # fmt: skip
        try:
            reply = self.ask(request)
            if reply is None:
                return Outcome("ended the sandbox", 0.0, "", "", limits=limits)
            outcome = parse(reply, limits)
            self.missing = outcome.missing
            if self.missing and self.restore():
                return Outcome("overwrote", outcome.seconds, outcome.stdout, outcome.stderr, limits=limits)
            if "target" in arguments:
                outcome.values["target"] = read_plainly(folder / "work" / arguments["target"], limits.file)
            return outcome
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def fill(self, work: Path, files: Mapping[str, Path | str | bytes]) -> None:
        """Makes the folder and what is in it, all of it the jailed user's."""
        work.mkdir(parents=True)
        work.parent.chmod(0o711)
        for name, content in files.items():
            path = work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                (shutil.copytree if content.is_dir() else shutil.copyfile)(content, path)
            else:
                path.write_bytes(content if isinstance(content, bytes) else content.encode())
        if self.uid != os.geteuid():
            for place, folders, names in os.walk(work):
                for name in (".", *folders, *names):
                    os.chown(os.path.join(place, name), self.uid, self.uid)

    def restore(self) -> bool:
        """Puts the grader's own files back, where they were within reach. Returns whether any had changed."""
        changed = {path: content for path, content in self.own.items() if read_plainly(path, 1 << 24) != content}
        for path, content in changed.items():
            if not path.is_file() or path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
                path.unlink(missing_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return bool(changed)

    def another_user(self) -> int:
        """The user that runs the submission: if the grader is root, one that owns nothing else; otherwise the grader's."""
        other = 200_000 + os.getpid() % 100_000
        try:
            os.chown(self.folder, other, -1)
            os.chown(self.folder, os.geteuid(), -1)
        except OSError:  # not root, or root of a container that has no other users
            return os.geteuid()
        return other

    def close(self) -> None:
        """Ends the zygote."""
        with contextlib.suppress(BrokenPipeError):
            self.zygote.stdin.close()
        try:
            self.zygote.wait(10)
        except subprocess.TimeoutExpired:
            self.zygote.kill()
            self.zygote.wait()
        self.zygote.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *error: object):
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def read_plainly(path: Path, most: int) -> bytes | None:
    """The content of an ordinary file that other people's code may have put there; None if it is anything else."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode) or status.st_size > most:
        os.close(handle)
        return None
    with open(handle, "rb") as file:
        return file.read(most)
