"""Several reports side by side: `python src/run.py compare DIR [DIR ...] --out comparison.html`."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.files import InputError, check_writable, warn, write_text
from evaluation.metrics import percent
from evaluation.mistakes import describe_kinds
from evaluation.pages import coverage_chart, p_text, points, render, unbroken
from evaluation.paired import Answers, paired_difference, read_answers
from evaluation.probes import PROBES
from evaluation.report import FILES, read_report, require_packages
from evaluation.statistics import STATISTICS

MAX_TITLE = 3  # runs whose results are in the title
MAX_DIFFERENCES = 100  # questions in each list of those that only one run answers rightly


@dataclass
class Run:
    """A report, and what its predictions.tsv says of each question."""

    name: str
    report: dict[str, Any]
    answers: Answers | None = None  # None when the questions have no answers, or the file is missing


def compare(folders: Sequence[str], out: str) -> None:
    """Prints a table with a row for each report, the difference of each run from the first, and on stderr what the
    columns mean; writes the page `out`.

    `folders` are those of `run.py evaluate --report_path`. Raises InputError, before anything is written, when one has
    no report or a damaged one, or when `out` cannot be written or is a file of one of the reports.
    """
    require_packages("jinja2", "scipy")
    from jinja2 import UndefinedError

    paths = [os.path.join(folder, "report.json") for folder in folders]
    runs = [Run(name, read_report(path)) for name, path in zip(short_names(folders), paths)]
    check_writable(out, *(os.path.join(folder, name) for folder in folders for name in FILES))
    for path, run in zip(paths, runs):  # one by one, so that the message names the damaged one
        try:
            comparison_page([run])
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, UndefinedError) as error:
            raise InputError(f"{path}: is not the report.json of an evaluation, or is damaged") from error
    for folder, run in zip(folders, runs):
        if "accuracy" in run.report:
            run.answers = answers_of(folder, run.report)
    print(comparison_text(folders, runs))
    print(*map(difference_text, pairs_of(runs)), sep="\n")
    for note in notes_of(runs):
        warn(note)
    print(*(f"{statistic.header}: {statistic.legend}" for statistic in STATISTICS), sep="\n", file=sys.stderr)
    write_text(out, comparison_page(runs))
    print(f"Comparison written to {out}")


def answers_of(folder: str, report: dict[str, Any]) -> Answers | None:
    """The answers in the predictions.tsv of a report. Warns on stderr when there is none that belongs to it."""
    path = os.path.join(folder, FILES[0])
    try:
        answers = read_answers(path)
    except InputError as error:
        warn(f"{error}; without it, {folder} is not compared question by question")
        return None
    if len(answers or ()) != report["questions"]:
        warn(f"{path}: does not belong to the report.json beside it, so {folder} is not compared question by question")
        return None
    return answers


def short_names(folders: Sequence[str]) -> list[str]:
    """The parts of the paths in which they differ: "rope.0" and "vanilla.0" for runs/rope.0/dev and runs/vanilla.0/dev.
    A name that occurs again gets a number."""
    parts = [Path(os.path.abspath(folder)).parts for folder in folders]
    first = last = 0
    while len({path[: first + 1] for path in parts}) == 1 and first + 1 < min(map(len, parts)):
        first += 1
    while len({path[-last - 1 :] for path in parts}) == 1 and first + last + 1 < min(map(len, parts)):
        last += 1
    names, times = [], Counter()
    for path in parts:
        name = "/".join(path[first : len(path) - last])
        times[name] += 1
        names.append(name if times[name] == 1 else f"{name} ({times[name]})")
    return names


def comparison_text(folders: Sequence[str], runs: Sequence[Run]) -> str:
    """The table for a terminal: a header, and a line for each report that ends with its folder."""
    rows = [[statistic.header for statistic in STATISTICS]]
    rows += [[statistic.text(run.report) for statistic in STATISTICS] for run in runs]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [[*map(str.rjust, row, widths), name] for row, name in zip(rows, ["report", *folders])]
    return "\n".join(map("  ".join, lines))


def pairs_of(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Each run beside the first one that was asked some of the same questions: their names, `paired_difference`, and the
    questions that only one of them answers rightly, with both answers."""
    pairs, compared = [], [run for run in runs if run.answers]
    for i, run in enumerate(compared):
        for other in compared[:i]:
            if found := paired_difference(run.answers, other.answers):
                lists = {
                    side: [(key, run.answers[key], other.answers[key]) for key in found[side][:MAX_DIFFERENCES]]
                    for side in ("only_one", "only_other")
                }
                pairs.append({"one": run.name, "other": other.name, "found": found, "lists": lists})
                break
    return pairs


def notes_of(runs: Sequence[Run]) -> list[str]:
    """A sentence for each run whose questions, or whose kind of certainty, are not those of the first one."""
    notes, first = [], runs[0]
    for run in runs[1:]:
        if run.answers and first.answers:
            ours, theirs = (
                len(run.answers.keys() - first.answers.keys()),
                len(first.answers.keys() - run.answers.keys()),
            )
            if ours or theirs:
                notes.append(
                    f"{run.name} and {first.name} were not asked the same: {ours} questions are only in the former, "
                    f"{theirs} only in the latter, so their accuracies do not compare"
                )
        elif run.report.get("about", {}).get("questions") != first.report.get("about", {}).get("questions"):
            notes.append(f"{run.name} and {first.name} are reports of different files, so their numbers do not compare")
        with_recall = {bool(one.report.get("recall")): one.name for one in (first, run)}
        if len(with_recall) == 2:
            notes.append(
                f"the certainty of {with_recall[True]} includes the recall of its answers, that of {with_recall[False]} does "
                "not (it has read no views, or the report is older), so AUROC and what depends on it differ for that reason, too"
            )
    return notes


def difference_text(pair: dict[str, Any]) -> str:
    """What a terminal shows of a pair."""
    found = pair["found"]
    return (
        f"{pair['one']} against {pair['other']}, {found['questions']} questions of both: {points(found['difference'])} "
        f"points (95 % interval {points(found['low'])} to {points(found['high'])}); only the former is right on "
        f"{len(found['only_one'])}, only the latter on {len(found['only_other'])} (McNemar's p {p_text(found['p'])})"
    )


def title_of(runs: Sequence[Run]) -> str:
    """The results in a few words: "rope 66.7 %, vanilla 60.8 % right"."""
    if len(runs) > MAX_TITLE or not all("accuracy" in run.report for run in runs):
        return f"{len(runs)} runs compared"
    return unbroken(", ".join(f"{run.name} {percent(run.report['accuracy']['accuracy'])}" for run in runs) + " right")


def comparison_page(runs: Sequence[Run]) -> str:
    """The page. Raises KeyError, TypeError or the like when one of the reports is damaged."""
    numbered = list(enumerate(runs))

    def having(key: str) -> list[tuple[int, str, Any]]:
        """The number, the name and the value of each run whose report has the key."""
        return [(i, run.name, run.report[key]) for i, run in numbered if key in run.report]

    curves = [(name, found, i) for i, name, found in having("risk_coverage")]
    return render(
        "comparison.html.j2",
        title=title_of(runs),
        names=[run.name for run in runs],
        notes=notes_of(runs),
        accuracies=having("accuracy"),
        pairs=pairs_of(runs),
        top=having("top"),
        mistakes=having("mistakes"),
        labels=describe_kinds(all(found["asks_where"] for _, _, found in having("mistakes"))),
        probes=having("probes"),
        probe_names=PROBES,
        coverage=coverage_chart(curves) if curves else None,
        statistics=[
            (s.header, s.legend, [s.text(run.report) for run in runs])
            for s in STATISTICS
            if any(s.value(run.report) is not None for run in runs)
        ],
    )
