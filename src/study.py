"""How much can a model know, and how does it come to know it? Studies of many short runs, each with one command.

    python src/study.py exposures --out DIR [--small|--full|--large] [--jobs 2] [--merge DIR ...]
    python src/study.py capacity --full --out DIR --list          # the commands of all runs that are left, one a line

The studies: capacity, exposures, wordings, reversal, guessing, forgetting (docs/studies.md). A study is printed with its
estimated time before it starts. The same command again goes on where it stopped. At the end, and after an interruption,
there are a table, DIR/NAME.FORM.json and DIR/NAME.FORM.svg of all runs that are done, in DIR or in a folder of --merge.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from argparse import Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from engine.cli import Parser, bounded, nonempty_path, run_main
from engine.files import InputError, write_atomically
from replicate import make_folder
from studies import results, work
from studies.catalogue import STUDIES, capacity
from studies.plan import FORMS, LARGE, Run, Study

POLL_SECONDS = 0.2
LOG = "log.txt"  # in the folder of a run: its output


def parse_args(argv: list[str] | None) -> Namespace:
    """The command line."""
    parser = Parser(prog="study.py", description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=list(STUDIES), metavar="NAME", help=", ".join(STUDIES))
    parser.add_argument("--out", type=nonempty_path, required=True, metavar="DIR", help="folder of worlds and results")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--small", dest="form", action="store_const", const=FORMS[0], help="minutes; the default")
    form.add_argument(
        "--full", dest="form", action="store_const", const=FORMS[1], help="more points, three seeds: up to an hour"
    )
    form.add_argument("--large", dest="form", action="store_const", const=LARGE,
                      help="of capacity only: up to 50,000 people, each read 1,000 times, for a cluster of GPUs")  # fmt: skip
    parser.add_argument("--jobs", type=bounded(int, 1, 1000), default=2, metavar="N",
                        help="runs side by side, each on one core; default %(default)s")  # fmt: skip
    parser.add_argument("--merge", nargs="+", type=nonempty_path, default=(), metavar="DIR",
                        help="other folders whose results count too")  # fmt: skip
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--list", action="store_true", help="print the commands of the runs that are left, and run nothing"
    )
    what.add_argument("--only", metavar="KEY", help="do one run, here")
    what.add_argument("--table", action="store_true", help="run nothing; table and figure of what is done")
    parser.set_defaults(form=FORMS[0])
    return parser.parse_args(argv)


def describe(study: Study, left: Sequence[Run], jobs: int) -> list[str]:
    """What a study is, for people to read before it starts."""
    runs = study.runs()
    lines = [f"{study.name}, {study.form}: {study.question}"]
    for point in study.points:
        world, size, reading = point.world, point.size, point.reading
        kind = f"{world.people} people, {size.n_layer} blocks of width {size.n_embd}, {reading.readings} readings"
        lines.append(f"  {point.name:20} {kind} ({reading.recipe}), {point.minutes:.1f} minutes")
    minutes = sum(run.point.minutes for run in left) / min(jobs, max(1, len(left)))
    seeds = f"{len(study.seeds)} seed{'s' * (len(study.seeds) > 1)}"
    time_left = f"{minutes:.0f} minutes" if minutes < 600 else f"{minutes / 60:,.0f} hours"
    lines.append(f"{len(runs)} runs, {seeds} of each; {len(left)} left, about {time_left} with {jobs} cores")
    return lines


class Schedule:
    """Runs side by side, each a process with one thread. What they print is in their folders."""

    def __init__(self, out: Path, jobs: int):
        self.out, self.jobs = out, jobs
        self.running: dict[subprocess.Popen, Run] = {}
        self.failed: dict[Run, str] = {}  # why

    def start(self, run: Run) -> None:
        folder = self.out / "runs" / run.key
        make_folder(folder)
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        with open(folder / LOG, "ab") as log:
            process = subprocess.Popen(work.command(run, self.out.resolve()), stdout=log, stderr=log, env=environment,
                                       stdin=subprocess.DEVNULL, start_new_session=True)  # fmt: skip
        self.running[process] = run

    def collect(self) -> int:
        """Forgets the processes that have ended; returns how many these are."""
        ended = [process for process in self.running if process.poll() is not None]
        for process in ended:
            run = self.running.pop(process)
            if process.returncode:
                log = self.out / "runs" / run.key / LOG
                lines = log.read_text("utf-8", "replace").strip().splitlines()
                self.failed[run] = f"{lines[-1] if lines else f'exit code {process.returncode}'} ({log})"
        return len(ended)

    def run(self, left: Sequence[Run]) -> None:
        """Does all runs. A failed one does not keep the others from running. When it is interrupted, the runs are told to
        save what they have."""
        waiting = list(left)
        previous = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        try:
            with tqdm(total=len(left), unit="run", disable=None) as bar:
                while waiting or self.running:
                    while waiting and len(self.running) < self.jobs:
                        self.start(waiting.pop(0))
                    if ended := self.collect():
                        bar.update(ended)
                        bar.set_postfix_str(", ".join(run.key for run in self.running.values()))
                    else:
                        time.sleep(POLL_SECONDS)
        finally:
            for process in self.running:
                process.send_signal(signal.SIGTERM)
            for process in self.running:
                process.wait()
            signal.signal(signal.SIGTERM, previous)


def write_outcome(study: Study, out: Path, found: dict[str, results.Row]) -> None:
    """Prints the table, and writes the numbers and the figure."""
    if not found:
        print("No run is done yet")
        return
    from studies import figures

    print(f"\n{len(found)} of {len(study.runs())} runs\n", *results.table(study, found), sep="\n", flush=True)
    known, stem = results.document(study, found), out / f"{study.name}.{study.form}"
    make_folder(out)
    write_atomically(f"{stem}.json", (json.dumps(known, indent=1) + "\n").encode())
    write_atomically(f"{stem}.svg", figures.svg(known))
    print(f"\nWritten: {stem}.json and {stem}.svg")


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    if args.form == LARGE and args.name != capacity.__name__:
        raise InputError(f"--large: {args.name} has no large form, only capacity has")
    study, out = STUDIES[args.name](args.form), Path(args.out)
    folders = [out, *map(Path, args.merge)]
    for folder in folders[1:]:
        if not folder.is_dir():
            raise InputError(f"--merge {folder}: there is no such folder")
    found = results.read_results(study, folders)
    left = [run for run in study.runs() if run.key not in found]
    if args.list:
        for run in left:
            print(shlex.join(["env", "OMP_NUM_THREADS=1", *work.command(run, out.resolve())]))
        return
    if args.only is not None:
        chosen = [run for run in study.runs() if run.key == args.only]
        if not chosen:
            raise InputError(f"--only {args.only}: {study.name} ({study.form}) has no such run; --list prints all")
        if chosen[0].key not in found:
            work.do(chosen[0], out)
        return
    schedule = Schedule(out, args.jobs)
    if not args.table:
        make_folder(out)
        print(*describe(study, left, args.jobs), sep="\n", flush=True)
        try:
            schedule.run(left)
        finally:
            write_outcome(study, out, results.read_results(study, folders))
    else:
        write_outcome(study, out, found)
    for run, why in schedule.failed.items():
        print(f"study.py: error: {run.key}: {why}", file=sys.stderr)
    if schedule.failed:
        sys.exit(1)


if __name__ == "__main__":
    run_main(main)
