"""The tables of a class, as CSV files that are safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autograder.similarity import Pair
from autograder.submissions import Submission
from engine.files import write_atomically


def printable(text: object) -> str:
    """A text in one line, without control characters."""
    return " ".join("".join(char if char.isprintable() else " " for char in str(text)).split())


def cell(value: object) -> object:
    """A cell that no spreadsheet takes for a formula. Numbers stay numbers."""
    if isinstance(value, (int, float)):
        return value
    text = printable(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def write_table(path: Path, rows: Sequence[Sequence[object]]) -> None:
    """Writes a CSV file. One that is there and differs (a teacher's notes, for example) is kept as `.previous`."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([cell(value) for value in row] for row in rows)
    content = text.getvalue().encode(
        "utf-8-sig", "replace"
    )  # by the mark at its beginning, Excel knows that it is UTF-8
    if not path.exists() or path.read_bytes() != content:
        write_atomically(path, content, previous=path.with_name(path.name + ".previous"))


def grade_rows(
    graded: Sequence[tuple[Submission, dict[str, Any]]], students: Sequence[str], pairs: Sequence[Pair]
) -> list[list[object]]:
    """The rows of grades.csv: a header, each submission, and each student without one."""
    parts = sorted({part["part"] for _, grade in graded for part in grade.get("parts", ())})
    rows: list[list[object]] = [
        ["student", "submission", "assignment", *parts, "points", "of", "why points are lost", "similar to", "seconds"]
    ]
    for submission, grade in graded:
        points = {part["part"]: part["points"] for part in grade.get("parts", ())}
        reasons = [
            f"({part['part']}) -{lost['points']:g}: {lost['reason']}"
            for part in grade.get("parts", ())
            for lost in part["lost"]
        ]
        name = submission.path.name
        similar = sorted(
            {pair.one if pair.other == name else pair.other for pair in pairs if name in (pair.one, pair.other)}
        )
        rows.append([submission.student, name, grade.get("handout", ""), *(points.get(part, "") for part in parts),
                     grade.get("points", ""), grade.get("possible", ""), grade.get("problem", "; ".join(reasons)),
                     ", ".join(similar), grade.get("seconds", "")])  # fmt: skip
    handed_in = {submission.student for submission, _ in graded}
    for student in students:
        if student not in handed_in:
            rows.append([student, "", "", *("" for _ in parts), "", "", "nothing was handed in", "", ""])
    return rows
