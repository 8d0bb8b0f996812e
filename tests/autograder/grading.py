"""The grading of one submission: probes are run when a check needs them, and each check is judged once.

A check is a function that looks at what probes have found (checks_code.py, checks_rope.py, checks_files.py) and returns
None, a Fault or a Skip. Checks need others: what depends on a failing check is skipped, and loses no points, so that one
fault costs the points of one check. Only a fatal fault (nothing can be run, a file is missing) also costs the points of
the checks of the same part that cannot be made because of it.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder.archive import Submission, sha256
from autograder.edition import POINTS, Edition
from autograder.reference import Data
from autograder.sandbox import Limits, Outcome, Sandbox

MODULES = [["attention"], ["dataset"], ["model", "models"], ["trainer"], ["utils"]]  # the last but two has two names


@dataclass(frozen=True)
class Fault:
    """Why points are lost: one sentence that a student can act on."""

    reason: str
    fatal: bool = False


@dataclass(frozen=True)
class Skip:
    """Why there is nothing to judge. `cause` is the check that has failed, if it is for one."""

    reason: str
    cause: str | None = None


@dataclass(frozen=True)
class Check:
    name: str
    judge: Callable[[Grading], Fault | Skip | None]
    needs: tuple[str, ...]  # checks that have to pass before
    unless_failed: tuple[str, ...]  # checks that must not have failed, nor been skipped because another failed


CHECKS: dict[str, Check] = {}


def check(*needs: str, unless_failed: Sequence[str] = ()) -> Callable:
    """Makes a function a check of that name."""

    def register(judge: Callable[[Grading], Fault | Skip | None]) -> Callable:
        CHECKS[judge.__name__] = Check(judge.__name__, judge, needs, tuple(unless_failed))
        return judge

    return register


def groups(handout: int | None) -> dict[str, str]:
    """The keys of POINTS and the part that each belongs to. Without a handout, those of both."""
    keys = ["d", "e", "f", *(["g4", "g5"] if handout is None else [f"g{handout}"])]
    return {key: key[0] for key in keys}


def checks_of(handout: int | None) -> Iterator[tuple[str, str]]:
    """Part and name of each check."""
    seen = set()
    for key, part in groups(handout).items():
        for name in POINTS[key]:
            if name not in seen:
                seen.add(name)
                yield part, name


class Grading:
    """One submission, its probes and its checks. `whole` says that files which are not there are missing; without it (this
    repository itself) they have not been handed in, and what needs them is skipped."""

    def __init__(
        self,
        submission: Submission,
        handout: int | None,
        data: Data,
        edition: Edition,
        sandbox: Sandbox,
        whole: bool = True,
        limits: Limits | None = None,
        cache: dict[str, Any] | None = None,
    ):
        self.submission, self.handout, self.data, self.edition, self.sandbox = (
            submission,
            handout,
            data,
            edition,
            sandbox,
        )
        self.whole, self.limits = whole, limits or Limits()
        self.cache = {} if cache is None else cache  # shared by gradings of similar submissions
        self.results: dict[str, Fault | Skip | None] = {}
        self.began = time.monotonic()

    # -----------------------------------------------------------------------------------------------------------------
    # Probes

    def once(self, key: Sequence[Any], make: Callable[[], Any]) -> Any:
        """What `make` returns, made once for each key."""
        name = hashlib.sha256(json.dumps(list(key), sort_keys=True, default=str).encode()).hexdigest()
        if name not in self.cache:
            self.cache[name] = make()
        return self.cache[name]

    def probe(
        self, name: str, files: Mapping[str, Path | str] | None = None, seconds: float | None = None, **arguments: Any
    ) -> Outcome:
        """The outcome of a probe of the student's code, with these files beside it."""
        files = files or {}
        limits = Limits(**vars(self.limits) | ({"seconds": seconds} if seconds else {}))
        contents = {name: sha256(value) if isinstance(value, Path) else value for name, value in files.items()}
        key = ["probe", self.submission.digest, self.submission.code, name, contents, vars(limits), arguments]

        def run() -> Outcome:
            everything = {**self.submission.tree, **files}
            return self.sandbox.run(name, self.submission.code, everything, limits, **arguments)

        return self.once(key, run)

    def imports(self, name: str) -> str | None:
        """Why a module cannot be imported; None if it can be. They are imported together; if one of them ends the process,
        those after it are tried alone."""
        together = self.probe("import_modules", names=MODULES)
        if name in together.values or name == next((m for m, *_ in MODULES if together.problem(m)), None):
            return together.problem(name)
        return self.probe("import_modules", names=[group for group in MODULES if group[0] == name]).problem(name)

    # -----------------------------------------------------------------------------------------------------------------
    # Checks

    def failed(self, *names: str) -> Skip | None:
        """Why something is not judged, if one of these checks has failed."""
        for name in names:
            found = self.result(name)
            if isinstance(found, Fault):
                return Skip(f"not checked because of {name}: {found.reason}", name)
        return None

    def result(self, name: str) -> Fault | Skip | None:
        """What a check has found, after those that it needs."""
        if name not in self.results:
            self.results[name] = self.obstacle(CHECKS[name]) or self.judge(CHECKS[name])
        return self.results[name]

    def judge(self, wanted: Check) -> Fault | Skip | None:
        """What a check finds. Probes return what other people's code has made, so that it may be of any kind."""
        try:
            return wanted.judge(self)
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            what = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            return Fault(f"what the code returns cannot be judged: it is of another kind than it should be ({what})")

    def obstacle(self, wanted: Check) -> Skip | None:
        """Why a check cannot be made."""
        for need in (*wanted.needs, *wanted.unless_failed):
            if skip := self.failed(need):
                return skip
            found = self.result(need)
            if isinstance(found, Skip) and (need in wanted.needs or found.cause):
                return Skip(found.reason, found.cause)
        return None

    def status(self, name: str) -> str:
        return {Fault: "failed", Skip: "skipped"}.get(type(self.result(name)), "passed")

    def lost(self, part: str, points: Mapping[str, float]) -> list[dict[str, Any]]:
        """The checks of a part that failed, with the points that each costs."""
        entries = []
        for name in points:
            found = self.result(name)
            if isinstance(found, Fault):
                costs = points[name]
                if found.fatal:
                    results = {other: self.result(other) for other in points}
                    costs += sum(points[o] for o, r in results.items() if isinstance(r, Skip) and r.cause == name)
                entries.append({"check": name, "points": number(costs), "reason": found.reason})
        return entries

    def report(self) -> dict[str, Any]:
        """The grade, as grade.json has it."""
        parts = []
        for key, part in groups(self.handout).items():
            possible, lost = sum(POINTS[key].values()), self.lost(part, POINTS[key])
            points = possible - sum(entry["points"] for entry in lost)
            parts.append({"part": part, "points": number(points), "possible": number(possible), "lost": lost})
        files = self.submission.found
        return {
            "submission": self.submission.name,
            "handout": self.handout,
            "parts": parts,
            "points": number(sum(part["points"] for part in parts)),
            "possible": number(sum(part["possible"] for part in parts)),
            "checks": {name: self.status(name) for _, name in checks_of(self.handout)},
            "predictions_sha256": {n: sha256(p) for n, p in sorted(files.items()) if n.endswith(".predictions")},
            "parameters_sha256": {n: sha256(p) for n, p in sorted(files.items()) if n.endswith(".params")},
            "seconds": round(time.monotonic() - self.began, 1),
        }


def number(value: float) -> int | float:
    """5.0 as 5."""
    return int(value) if float(value).is_integer() else round(value, 4)


def refusal(name: str, handout: int, reason: str) -> dict[str, Any]:
    """The report about an archive that was not even opened."""
    parts = []
    for key, part in groups(handout).items():
        possible = number(sum(POINTS[key].values()))
        lost = [{"check": "the_archive_can_be_opened", "points": possible, "reason": reason}]
        parts.append({"part": part, "points": 0, "possible": possible, "lost": lost})
    return {
        "submission": name,
        "handout": handout,
        "parts": parts,
        "points": 0,
        "possible": number(sum(part["possible"] for part in parts)),
        "checks": {"the_archive_can_be_opened": "failed"},
        "predictions_sha256": {},
        "parameters_sha256": {},
        "seconds": 0.0,
    }
