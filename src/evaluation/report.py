"""The report of an evaluation: what `run.py evaluate --report_path DIR` writes, and reading it again.

A report is three files: predictions.tsv has a line for each question, report.json the statistics, and report.html the
same for a reader, in one file that loads nothing. What cannot be computed is left out of all three.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.files import InputError, check_writable, read_text, reason, write_lines, write_text
from evaluation import mistakes
from evaluation.calibration import Calibration
from evaluation.pages import report_page
from evaluation.scoring import Prediction
from evaluation.summary import Pairs, summarise

FILES = ("predictions.tsv", "report.json", "report.html")
PACKAGES = ("scipy", "rapidfuzz", "jinja2")


def read_report(path: Path | str) -> dict[str, Any]:
    """A report.json. Raises InputError when the file is anything else."""
    try:
        report = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: is not the report.json of an evaluation, or is damaged") from error
    if not isinstance(report, dict) or not isinstance(report.get("questions"), int):
        raise InputError(f"{path}: is not the report.json of an evaluation")
    return report


def read_calibration(path: Path | str) -> Calibration:
    """The calibration in the report.json of an earlier evaluation. Raises InputError when there is none."""
    found = read_report(path).get("calibration")
    if not isinstance(found, dict):
        raise InputError(f"{path}: has no calibration; it takes the report of questions with answers")
    temperature, offset = found.get("temperature"), found.get("offset")
    if not all(isinstance(x, (int, float)) and math.isfinite(x) for x in (temperature, offset)) or temperature <= 0:
        raise InputError(f"{path}: has no usable calibration: a temperature above 0 and an offset")
    return Calibration(float(temperature), float(offset), source=str(path), recall=found.get("recall") is True)


def require_packages(*names: str) -> None:
    """Raises InputError when one of the packages is not installed."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"this needs {' and '.join(missing)}: pip install -r requirements.txt")


def make_folder(path: str, *others: Path | str | None) -> None:
    """Makes the folder of a report. Raises InputError when that is impossible, when a file of the report cannot be
    written, or when it would overwrite one of the `others`."""

    def is_other(file: str) -> bool:
        return any(other and os.path.realpath(other) == os.path.realpath(file) for other in others)

    require_packages(*PACKAGES)
    if not os.path.exists(path) and is_other(path):
        raise InputError(f"{path}: is to be a file as well; name another folder")
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be made a folder: {reason(error)}") from error
    for name in FILES:
        file = os.path.join(path, name)
        check_writable(file, *others)
        if is_other(file):
            raise InputError(f"{file}: belongs to the report; name another file")


def prediction_cells(row: Prediction, abstaining: bool) -> dict[str, object]:
    """What predictions.tsv has of a prediction, by column."""
    cells: dict[str, object] = {"question": row.question, "prediction": row.prediction}
    if row.answer is not None:
        cells |= {"answer": row.answer, "correct": row.correct}
    cells |= {"log_probability": row.log_probability, "mean_probability": row.mean_probability}
    cells |= {"min_probability": row.min_probability, "first_entropy_bits": row.entropy}
    cells["log_recall"] = "" if math.isnan(row.log_recall) else row.log_recall
    cells |= {"name_in_corpus": row.in_corpus, "documents": row.documents}
    if row.answer is not None:
        found = row.position is not None
        cells |= {"answer_in_document": found, "answer_position": row.position if found else ""}
        cells["kind"] = row.kind
    if row.confidence is not None:
        cells["confidence"] = row.confidence
    return cells | ({"answered": row.answered} if abstaining else {})


def prediction_lines(rows: Sequence[Prediction], abstaining: bool) -> list[str]:
    """The lines of predictions.tsv, a header first."""

    def text(value: object) -> str:
        if isinstance(value, bool):
            return str(int(value))
        return f"{value:.6g}" if isinstance(value, float) else re.sub(r"[\t\r\n]", " ", str(value))

    table = [prediction_cells(row, abstaining) for row in rows]
    return ["\t".join(table[0]), *("\t".join(map(text, cells.values())) for cells in table)]


def write_report(
    folder: str,
    rows: Sequence[Prediction],
    max_chars: int,
    provenance: dict[str, str],
    finetuning: Pairs | None = None,
    calibration: Calibration | None = None,
    abstain: float | None = None,
    probes: dict[str, Any] | None = None,
    usual: str | None = None,
    documents: Sequence[str] = (),
    phases: Sequence[dict[str, Any]] = (),
    wordings: Sequence[str | None] = (),
) -> dict[str, Any]:
    """Writes the three files into `folder`, which exists, and returns the statistics; see `summarise`.

    `provenance` says by name what was evaluated, `probes` is from `probes.summarise_probes`, `documents` is the
    pretraining corpus, `phases` is from `provenance.training_phases`. Raises InputError when a file cannot be written.
    """
    mistakes.classify(rows, [answer for _, answer in finetuning or ()], documents)
    summary = {"about": provenance} | ({"training": [*phases]} if phases else {})
    summary |= summarise(rows, max_chars, finetuning, calibration, abstain, usual, wordings) | (probes or {})
    text = json.dumps(summary, ensure_ascii=False, allow_nan=False, indent=1) + "\n"
    page = report_page(summary, rows)
    write_lines(os.path.join(folder, FILES[0]), prediction_lines(rows, abstain is not None))
    write_text(os.path.join(folder, FILES[1]), text)
    write_text(os.path.join(folder, FILES[2]), page)
    return summary
