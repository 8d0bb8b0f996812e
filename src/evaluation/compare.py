"""Several reports side by side: `python src/run.py compare DIR [DIR ...] --out comparison.html`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

from engine.files import InputError, check_writable, warn, write_text
from evaluation import figures
from evaluation.report import FILES, read_report, render, require_packages
from evaluation.statistics import STATISTICS, interval_text


def compare(folders: Sequence[str], out: str) -> None:
    """Prints a table with a row for each report, on stderr what its columns mean, and writes the page `out`.

    `folders` are those of `run.py evaluate --report_path`. Raises InputError, before anything is written, when one has
    no report or a damaged one, or when `out` cannot be written or is a file of one of the reports.
    """
    require_packages("jinja2", "matplotlib")
    from jinja2 import UndefinedError

    paths = [os.path.join(folder, "report.json") for folder in folders]
    reports = [read_report(path) for path in paths]
    check_writable(out, *(os.path.join(folder, name) for folder in folders for name in FILES))
    for path, report in zip(paths, reports):  # one by one, so that the message names the damaged one
        try:
            comparison_page([""], [report])
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, UndefinedError) as error:
            raise InputError(f"{path}: is not the report.json of an evaluation, or is damaged") from error
    if len({str(report.get("about", {}).get("questions")) for report in reports}) > 1:
        warn("the reports are of different questions, so their numbers do not compare")
    print(comparison_text(folders, reports))
    print(*(f"{statistic.header}: {statistic.legend}" for statistic in STATISTICS), sep="\n", file=sys.stderr)
    write_text(out, comparison_page(folders, reports))
    print(f"Comparison written to {out}")


def comparison_text(folders: Sequence[str], reports: Sequence[dict[str, Any]]) -> str:
    """The table for a terminal: a header, and a line for each report that ends with its folder."""
    rows = [[statistic.header for statistic in STATISTICS]]
    rows += [[statistic.text(report) for statistic in STATISTICS] for report in reports]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [[*map(str.rjust, row, widths), name] for row, name in zip(rows, ["report", *folders])]
    return "\n".join(map("  ".join, lines))


def comparison_page(folders: Sequence[str], reports: Sequence[dict[str, Any]]) -> str:
    """The page: the table, the accuracies with their intervals, the risk-coverage curves. Raises KeyError, TypeError
    or the like when one of the reports is damaged."""
    columns = [statistic for statistic in STATISTICS if statistic.form is not interval_text]  # drawn below the table
    numbered = list(enumerate(zip(folders, reports), 1))
    curves = [(folder[-30:], r["risk_coverage"]) for folder, r in zip(folders, reports) if "risk_coverage" in r]
    return render(
        "comparison.html.j2",
        header=["", "report", *(column.header for column in columns)],
        rows=[[i, folder, *(column.text(report) for column in columns)] for i, (folder, report) in numbered],
        legend=[(column.header, column.legend) for column in columns],
        accuracies=[(f"{i} {folder}", report["accuracy"]) for i, (folder, report) in numbered if "accuracy" in report],
        risk=figures.svg_uri(lambda axes: figures.draw_risk(axes, curves)) if curves else None,
    )
