"""The process that other people's code is forked from: PyTorch is imported once, and each probe starts in milliseconds.

    python -I zygote.py SETTINGS        SETTINGS: {"tests": folder, "packages": [...], "visible": [...]}

It reads one request a line from stdin, {"folder", "probe", "arguments", "limits"}, runs the probe (probes.py) in a new
process that is locked in (jail.py), watches it, and answers with one line: how it ended, what it printed, and the lines
of results that it has written. It knows nothing about grades, and has none of the environment of the grader.
"""

import gc
import importlib
import io
import json
import os
import selectors
import signal
import sys
import time
from typing import TextIO

SETTINGS = json.loads(sys.argv[1]) if __name__ == "__main__" else {}
sys.path += [path for path in SETTINGS.get("packages", ()) if path not in sys.path]
sys.path.insert(0, SETTINGS.get("tests", ""))

import torch

from autograder import jail, probes, probes_of_runs

sys.path.pop(0)

KEPT = 16_000  # bytes of stdout and stderr that are kept, from the end
POLL = 0.02  # seconds between two looks at a probe
PAGE = os.sysconf("SC_PAGE_SIZE")


def processes() -> dict[int, tuple[int, int]]:
    """All processes that can be seen: number -> (parent, resident bytes). Empty where there is no /proc."""
    found = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:  # has just ended
                continue
            found[int(name)] = int(fields[1]), int(fields[21]) * PAGE
    return found


def descendants() -> dict[int, int]:
    """The processes that come from this one: number -> resident bytes."""
    everything, family, new = processes(), {}, {os.getpid()}
    while new:
        new = {pid for pid, (parent, _) in everything.items() if parent in new and pid not in family}
        family |= {pid: everything[pid][1] for pid in new}
    return family


def kill_all(group: int) -> None:
    """Ends this group of processes, and all descendants of this process, also those that make new ones meanwhile."""
    for _ in range(400):
        for kill, pid in [(os.killpg, group), *((os.kill, pid) for pid in descendants())]:
            try:
                kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.005)


def size_of(folder: str) -> int:
    """Bytes in a folder, roughly."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(place, name)).st_blocks * 512
            except OSError:
                pass
    return total


def writer(number: int) -> TextIO:
    """A text file that writes to a file descriptor."""
    return io.TextIOWrapper(
        io.BufferedWriter(io.FileIO(number, "w", closefd=False)), encoding="utf-8", errors="backslashreplace"
    )


def run_locked_in(request: dict, ends: dict[str, int]) -> None:
    """The new process: locks itself in, runs the probe, and never returns. `ends` are the pipes to write to."""
    try:
        os.setsid()
        for number, source in ((0, os.open(os.devnull, os.O_RDONLY)), (1, ends["stdout"]), (2, ends["stderr"])):
            os.dup2(source, number)
        os.dup2(ends["result"], 3)
        os.closerange(4, 1024)  # those to the grader, above all
        result, sys.stdout, sys.stderr = map(writer, (3, 1, 2))

        def emit(name: str, **value: object) -> None:
            result.write(json.dumps({"name": name, **value}) + "\n")
            result.flush()

        try:
            work, missing = jail.enter(os.path.join(request["folder"], "work"), SETTINGS["visible"], request["uid"])
            jail.set_limits(**request["kernel_limits"])
            os.chdir(work)
            os.environ["HOME"] = work
        except OSError as error:
            emit(":broken", error=str(error))
            return
        emit(":missing", value=missing)
        probe = getattr(probes, request["probe"], None) or getattr(probes_of_runs, request["probe"])
        probes.run(probe, request["arguments"], emit)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(0)


class Watched:
    """A probe's process, what it has written so far, and why it was ended, if it was."""

    def __init__(self, pid: int, streams: dict[str, int], request: dict):
        self.pid, self.folder, self.limits = pid, request["folder"], request["limits"]
        self.status, self.seen = None, dict.fromkeys(streams, 0)
        self.kept = {name: bytearray() for name in streams}
        self.started = self.looked = time.monotonic()
        self.selector = selectors.DefaultSelector()
        for name, stream in streams.items():
            os.set_blocking(stream, False)
            self.selector.register(stream, selectors.EVENT_READ, name)

    def read(self, wait: float) -> bool:
        """Takes what has been written. Returns whether there was anything."""
        any_news = False
        for key, _ in self.selector.select(wait):
            content = os.read(key.fd, 1 << 16)
            if not content:
                self.selector.unregister(key.fd)
                continue
            any_news, name = True, key.data
            self.seen[name] += len(content)
            self.kept[name] += content
            if name != "result":
                del self.kept[name][:-KEPT]
        return any_news

    def verdict(self) -> str | None:
        """Why the probe has to be ended now, if it has to be."""
        now = time.monotonic()
        if now - self.started > self.limits["seconds"]:
            return "time"
        if (
            self.seen["stdout"] + self.seen["stderr"] > self.limits["output"]
            or self.seen["result"] > self.limits["result"]
        ):
            return "output"
        if now - self.looked > 0.25:
            self.looked = now
            family = descendants()
            if len(family) > self.limits["processes"]:
                return "processes"
            if sum(family.values()) > self.limits["all_memory"]:
                return "memory"
            if size_of(os.path.join(self.folder, "work")) > self.limits["disk"]:
                return "disk"
        return None

    def watch(self) -> None:
        """Until the probe ends, or is ended."""
        while self.status is None:
            self.read(POLL)
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                code = os.waitstatus_to_exitcode(status)
                self.status = "ended" if code == 0 else f"exit {code}"
            else:
                self.status = self.verdict()
        kill_all(self.pid)
        while self.selector.get_map() and self.read(0):
            pass


def answer(request: dict) -> dict:
    """Runs a probe. Returns how it ended, the seconds, the ends of stdout and stderr, and the lines of results."""
    if hasattr(probes_of_runs, request["probe"]):
        for name in ("torch._dynamo", "torch.utils.tensorboard"):  # take seconds; an optimizer imports the first
            importlib.import_module(name)
    sys.stdout.flush()
    pipes = {name: os.pipe() for name in ("stdout", "stderr", "result")}
    pid = os.fork()
    if not pid:
        run_locked_in(request, {name: ends[1] for name, ends in pipes.items()})
    for _, end in pipes.values():
        os.close(end)
    watched = Watched(pid, {name: ends[0] for name, ends in pipes.items()}, request)
    watched.watch()
    watched.selector.close()
    for end, _ in pipes.values():
        os.close(end)
    texts = {name: content.decode("utf-8", "replace") for name, content in watched.kept.items()}
    return {"ended": watched.status, "seconds": time.monotonic() - watched.started, **texts}


def main() -> None:
    """Answers requests until stdin ends."""
    jail.adopt_orphans()
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    torch.set_num_threads(1)
    gc.freeze()  # what is here is not looked at again in each child, which would copy it
    for line in sys.stdin:
        channel.write(json.dumps(answer(json.loads(line))) + "\n")
        channel.flush()
    os._exit(0)  # there is nothing to tidy up


if __name__ == "__main__":
    main()
