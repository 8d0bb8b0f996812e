"""Grades a class: every zip and folder in a folder of submissions.

    python tests/autograder/grade.py submissions --out grades.csv
    python tests/autograder/grade.py submissions --out grades.csv --class names.csv --secret_file secret.txt

The second form is for a class whose students each got a world of their own from `data/make_world.py --class`: the same world
is made again to grade. A submission is a student's if the name of its file or folder has the student's in it.

It writes grades.csv, a row a submission, and grades.pairs.csv, the pairs of submissions that have equal or nearly equal
predictions or parameters (similarity.py says how that is judged). What it knows about each submission is in grades.files/.
So if it is started again, it grades only what is new, has changed, or could not be graded. docs/teaching.md says more.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "data"), str(HERE.parent)]

from make_world import FILES, add_class_flags, add_world_flags, check_world_flags, write_world
from tqdm import tqdm
from world_class import read_class, read_secret, student_seed

from autograder.edition import EDITIONS
from autograder.plugin import NOT_LOCKED_IN
from autograder.similarity import Evidence, Pair, find_pairs
from autograder.submissions import Submission, content_digest, find_submissions, unwrap
from autograder.tables import grade_rows, printable, write_table
from engine.cli import Parser, run_main
from engine.files import InputError, check_writable, digest, find_corpus, reason, warn, write_atomically

GRADER = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE))
AT_ONCE = 2  # submissions
MINUTES = 30  # after which a grader is stopped; it has limits of its own, so this is for a fault in it
GIVEN = [FILES[kind] for kind in ("corpus", "train", "dev", "test questions")]  # what a student gets
WORLD_SIZES = ("people", "documents", "name_culture_strength")  # flags that a world depends on


# ---------------------------------------------------------------------------------------------------------------------
# Grading one


class Grading:
    """Grades submissions, several at once, and keeps what is known about each in the folder `results`."""

    def __init__(self, args: argparse.Namespace, secret: bytes | None, grader: Sequence[str] = GRADER):
        self.args, self.secret, self.grader = args, secret, grader
        self.results = args.out.with_suffix(".files")
        self.running: set[subprocess.Popen] = set()
        self.stopped = False
        self.making_worlds = threading.Lock()

    def grade(self, submission: Submission) -> dict[str, Any]:
        """The grade of a submission: what the grader wrote, and "made_from", which identifies what it was made from. If it
        could not be graded, "problem" says why."""
        if submission.problem:
            return {"problem": submission.problem}
        try:
            made_from = self.made_from(submission)
            kept = self.read(submission)
            if kept and kept.get("made_from") == made_from:
                return kept
            with tempfile.TemporaryDirectory() as folder:
                grade = self.run_grader(submission, Path(folder)) | {"made_from": made_from}
            if "problem" not in grade:
                write_atomically(self.file(submission, "json"), json.dumps(grade, indent=1).encode())
            return grade
        except (OSError, InputError) as error:
            return {"problem": f"could not be graded: {reason(error)}"}

    def file(self, submission: Submission, suffix: str) -> Path:
        return self.results / f"{submission.key}.{suffix}"

    def read(self, submission: Submission) -> dict[str, Any] | None:
        """The grade of an earlier start, if there is one."""
        try:
            return check_grade(json.loads(self.file(submission, "json").read_text("utf-8")))
        except (OSError, ValueError):
            return None

    def made_from(self, submission: Submission) -> dict[str, Any]:
        """All that a grade depends on, apart from the grader."""
        args = self.args
        made_from: dict[str, Any] = {"submission": content_digest(submission.path)}
        made_from |= {"handout": args.handout, "edition": args.edition}
        if self.secret:
            world = [student_seed(self.secret, submission.student), *(getattr(args, flag) for flag in WORLD_SIZES)]
            made_from["world"] = hashlib.sha256(repr(world).encode()).hexdigest()  # from which the seed cannot be told
        else:
            files = [args.data / name for name in GIVEN] + ([args.answers] if args.answers else [])
            made_from["data"] = [digest(path) for path in files]
        return made_from

    def run_grader(self, submission: Submission, folder: Path) -> dict[str, Any]:
        """Runs the grader in a process of its own, and gathers what similarity.py compares; `folder` is empty."""
        path, written, log = unwrap(submission.path), folder / "grade.json", self.file(submission, "log")
        data, answers = self.args.data, self.args.answers
        if self.secret:
            data, answers = self.write_student_world(submission.student, folder)
        command = [*self.grader, "--submission", path, "--grade_json", written, "--data", data]
        command += ["--edition", self.args.edition]
        command += ["--answers", answers] if answers else []
        command += ["--handout", self.args.handout] if self.args.handout else []
        ended = self.run(command, log)
        try:
            grade = check_grade(json.loads(written.read_text("utf-8")))
        except (OSError, ValueError):
            return {"problem": f"the grader {ended}: {last_line(log)} ({log} has the rest)"}
        grade["locked_in"] = NOT_LOCKED_IN not in log.read_text("utf-8", "replace")
        evidence = self.file(submission, "npz")
        evidence.unlink(missing_ok=True)
        command = [sys.executable, HERE / "similarity.py", path, evidence, data / "birth_dev.tsv"]
        self.run(command + ([answers] if answers else []), self.file(submission, "similarity.log"))
        return grade

    def write_student_world(self, student: str, folder: Path) -> tuple[Path, Path]:
        """Makes a student's world again. Returns the folder that the student got, and the file of the test answers."""
        args, data, answers = self.args, folder / "data", folder / "answers" / FILES["test"]
        data.mkdir()
        answers.parent.mkdir()
        seed = student_seed(self.secret, student)
        with self.making_worlds:  # one at a time, in this process: elsewhere, the seed would be seen in a command line
            write_world(
                data, seed, args.people, args.name_culture_strength, args.documents, args.relations, without=["facts"]
            )
        (data / answers.name).rename(answers)
        return data, answers

    def run(self, command: Sequence[object], log: Path) -> str:
        """Runs a command, with its output in a file. Returns how it ended, in words."""
        threads = str(max(1, (os.cpu_count() or 1) // AT_ONCE))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        environment["OMP_NUM_THREADS"] = threads
        with open(log, "wb") as out:
            process = subprocess.Popen([*map(str, command)], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
                                       stdout=out, stderr=subprocess.STDOUT, start_new_session=True)  # fmt: skip
            self.running.add(process)
            try:
                if self.stopped:  # meanwhile
                    kill(process)
                return f"ended with exit code {process.wait(60 * MINUTES)}"
            except subprocess.TimeoutExpired:
                return f"was stopped after {MINUTES} minutes"
            finally:
                kill(process)
                self.running.discard(process)

    def stop(self) -> None:
        """Ends what is running."""
        self.stopped = True
        for process in [*self.running]:
            kill(process)


def last_line(log: Path) -> str:
    """The last line of a log that has any words in it, shortened."""
    lines = [line.strip() for line in log.read_text("utf-8", "replace")[-5000:].splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"


def kill(process: subprocess.Popen) -> None:
    """Ends a process and all that it has started."""
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL) if hasattr(os, "killpg") else process.kill()
    process.wait()


def check_grade(grade: Any) -> dict[str, Any]:
    """A grade as the grader writes it. Raises ValueError when something is missing or of another kind."""
    try:
        for part in grade["parts"]:
            str(part["part"]), float(part["points"]), float(part["possible"])
            [(float(lost["points"]), str(lost["reason"])) for lost in part["lost"]]
        float(grade["points"]), float(grade["possible"]), float(grade["seconds"]), int(grade["handout"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"this is not a grade: {error}") from error
    return grade


def gather_pairs(grading: Grading, graded: Sequence[tuple[Submission, dict[str, Any]]]) -> list[Pair]:
    """The pairs of submissions with something in common."""
    evidence = {}
    for submission, grade in graded:
        if "problem" in grade:
            continue
        try:
            evidence[submission.path.name] = Evidence.load(grading.file(submission, "npz"))
        except (OSError, ValueError, zipfile.BadZipFile):
            warn(f"{submission.path}: its predictions and parameters could not be compared with those of others")
    return find_pairs(evidence)


def write_tables(
    grading: Grading, graded: Sequence[tuple[Submission, dict[str, Any]]], students: Sequence[str]
) -> None:
    """Writes grades.csv and grades.pairs.csv; the first in any case."""
    out, pairs = grading.args.out, []
    try:
        pairs = gather_pairs(grading, graded)
    finally:
        write_table(out, grade_rows(graded, students, pairs))
    rows = [[pair.one, pair.other, pair.file, pair.finding] for pair in pairs]
    write_table(out.with_suffix(".pairs.csv"), [["submission", "and", "file", "what is equal"], *rows])


# ---------------------------------------------------------------------------------------------------------------------
# The command line


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line, with `data` and `answers` filled in unless each student has a world."""
    parser = Parser(prog="grade.py", description="Grade a class.", formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("submissions", type=Path, metavar="DIR", help="folder with a zip or folder of each student")
    parser.add_argument("--out", type=Path, required=True, metavar="CSV", help="the grades")
    parser.add_argument("--handout", type=int, choices=(4, 5), help="the assignment; default: as the files tell")
    parser.add_argument(
        "--edition", choices=EDITIONS, default="7/8", help="of the course (edition.py); default %(default)s"
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="what all students got, if that is the same; default: as run.py finds it",
    )
    parser.add_argument(
        "--answers", type=Path, metavar="TSV", help=f"its test answers; default: {FILES['test']} in DIR, if it is there"
    )
    worlds = parser.add_argument_group("a world for each student, as made by data/make_world.py")
    add_class_flags(worlds)
    add_world_flags(worlds)
    args = parser.parse_args(argv)
    for name in ("submissions", "out", "data", "answers"):  # the grader runs in another folder
        setattr(args, name, path.absolute() if (path := getattr(args, name)) else None)
    if args.class_file or args.secret_file:
        if args.data or args.answers:
            parser.error("--data and --answers are for a class without --class, whose students all got the same")
        if problem := check_world_flags(args):
            parser.error(problem)
        return args
    for flag in WORLD_SIZES:
        if getattr(args, flag) != parser.get_default(flag):
            parser.error(f"--{flag} is for a class with --class, whose students each got a world")
    args.data = args.data or find_corpus("wiki.txt").parent.absolute()
    if args.answers is None and (args.data / FILES["test"]).exists():
        args.answers = args.data / FILES["test"]
    for path in [*(args.data / name for name in GIVEN), *([args.answers] if args.answers else [])]:
        if not path.is_file():
            raise InputError(f"{path}: no such file")
    return args


def grade_all(args: argparse.Namespace, grader: Sequence[str] = GRADER) -> int:
    """Grades all, writes the tables, and returns the exit code: 1 if something could not be graded."""
    students, secret = None, None
    if args.class_file:
        try:
            students, secret = read_class(args.class_file), read_secret(args.secret_file)
        except ValueError as error:
            raise InputError(str(error)) from error
        except OSError as error:
            raise InputError(f"{error.filename}: cannot be read: {reason(error)}") from error
    submissions = find_submissions(args.submissions, students)
    check_writable(args.out)
    grading = Grading(args, secret, grader)
    grading.results.mkdir(exist_ok=True)
    grades: dict[Submission, dict[str, Any]] = {}
    try:
        with ThreadPoolExecutor(AT_ONCE) as pool, tqdm(total=len(submissions), unit="submission") as progress:
            waiting = {pool.submit(grading.grade, submission): submission for submission in submissions}
            try:
                for done in as_completed(waiting):
                    grades[waiting[done]] = done.result()
                    progress.update()
                    progress.set_postfix_str(printable(waiting[done].path.name))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                grading.stop()
                raise
    finally:
        missing = {"problem": "not graded yet: start grade.py again"}
        graded = [(submission, grades.get(submission, missing)) for submission in submissions]
        write_tables(grading, graded, students or ())
    problems = [f"{submission.path.name}: {grade['problem']}" for submission, grade in graded if "problem" in grade]
    for problem in problems:
        warn(printable(problem))
    if not all(grade.get("locked_in", True) for _, grade in graded):
        warn("the submissions' code could read this machine's files or use its network: docs/teaching.md, last section")
    print(f"{len(graded) - len(problems)} of {len(graded)} submissions are graded: {args.out}")
    return 1 if problems else 0


def main() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(grade_all(parse_args()))


if __name__ == "__main__":
    run_main(main)
