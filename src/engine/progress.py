"""The progress of a run on stderr."""

from __future__ import annotations

import sys
import time
from typing import Self

from tqdm import tqdm

from engine import distributed

SECONDS_BETWEEN_LINES = 30


class Progress:
    """A bar on a terminal; elsewhere, in a log file for instance, a line now and then."""

    def __init__(self, total: int, done: int = 0):
        """For a run of `total` steps, of which `done` are done."""
        first = distributed.rank() == 0
        self.lines, bar = not sys.stderr.isatty() and first, sys.stderr.isatty() and first
        self.bar = tqdm(total=total, initial=done, disable=not bar, dynamic_ncols=True)
        self.total, self.done, self.started, self.shown = total, done, time.perf_counter(), time.perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def update(self, description: str, numbers: str) -> None:
        """Another step is done."""
        self.done += 1
        self.bar.update()
        self.bar.set_description(description, refresh=False)
        self.bar.set_postfix_str(numbers, refresh=False)
        now = time.perf_counter()
        if self.lines and (now - self.shown > SECONDS_BETWEEN_LINES or self.done == self.total):
            self.shown = now
            self.write(f"{description}, step {self.done}/{self.total}, {now - self.started:.0f} s: {numbers}")

    def write(self, line: str) -> None:
        """Writes a line above the bar."""
        tqdm.write(line, file=sys.stderr)
