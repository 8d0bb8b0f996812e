"""Several reports side by side: `python src/run.py compare DIR [DIR ...] --out comparison.html`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

from engine.files import InputError, check_writable, write_atomically
from evaluation import figures
from evaluation.report import FILES, read_report, render, require_packages
from evaluation.statistics import STATISTICS


def compare(folders: Sequence[str], out: str) -> None:
    """Prints a table with a row for each report, on stderr what its columns mean, and writes the page `out`.

    `folders` are those of `run.py evaluate --report_path`. Raises InputError, before anything is written, when one has
    no report or a damaged one, or when `out` cannot be written or is a file of one of the reports.
    """
    from jinja2 import UndefinedError

    require_packages()
    paths = [os.path.join(folder, "report.json") for folder in folders]
    reports = [read_report(path) for path in paths]
    check_writable(out, *(os.path.join(folder, name) for folder in folders for name in FILES))
    for path, report in zip(paths, reports):  # one by one, so that the message names the damaged one
        try:
            comparison_page([""], [report])
        except (KeyError, TypeError, ValueError, AttributeError, UndefinedError) as error:
            raise InputError(f"{path}: is not the report.json of an evaluation, or is damaged") from error
    print(comparison_text(folders, reports))
    print(*(f"{statistic.header}: {statistic.legend}" for statistic in STATISTICS), sep="\n", file=sys.stderr)
    write_atomically(out, comparison_page(folders, reports).encode())
    print(f"Comparison written to {out}")


def comparison_rows(reports: Sequence[dict[str, Any]]) -> list[list[str]]:
    """The headers of the statistics, and a row of cells for each report."""
    cells = [[statistic.text(report) for statistic in STATISTICS] for report in reports]
    return [[statistic.header for statistic in STATISTICS], *cells]


def comparison_text(folders: Sequence[str], reports: Sequence[dict[str, Any]]) -> str:
    """The table for a terminal; each line ends with the report's folder."""
    rows = comparison_rows(reports)
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [[*map(str.rjust, row, widths), name] for row, name in zip(rows, ["report", *folders])]
    return "\n".join(map("  ".join, lines))


def comparison_page(folders: Sequence[str], reports: Sequence[dict[str, Any]]) -> str:
    """The page: the table, the accuracies with their intervals, the risk-coverage curves. Raises KeyError, TypeError
    or the like when one of the reports is damaged."""
    header, *rows = comparison_rows(reports)
    numbered = list(enumerate(zip(folders, reports), 1))
    curves = [(str(i), report["risk_coverage"]) for i, (_, report) in numbered if "risk_coverage" in report]
    return render(
        "comparison.html.j2",
        header=["", "report", *header],
        rows=[[i, folder, *row] for (i, (folder, _)), row in zip(numbered, rows)],
        legend=[(statistic.header, statistic.legend) for statistic in STATISTICS],
        accuracies=[(f"{i} {folder}", report["accuracy"]) for i, (folder, report) in numbered if "accuracy" in report],
        risk=figures.svg_uri(lambda axes: figures.draw_risk(axes, curves)) if curves else None,
    )
