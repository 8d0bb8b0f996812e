"""The results of runs: read from any number of folders, put together by point, and compared."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from engine.files import InputError, read_text, reason
from evaluation.metrics import confidence_interval
from studies.measure import REVERSAL
from studies.plan import Effect, Point, Study

HELD = ("dev", "test")  # the questions about people with documents that finetuning does not ask
CORPUS = ("train", *HELD)
COUNTS = ("facts", "asked", "right", "right_by_name", "right_best_guess", "right_given_name", "culture",
          "culture_by_name")  # fmt: skip
SUMS = ("information", "bits", "bits_beyond_name", "net")
Row = dict[str, Any]  # of a result (measure.py)


@dataclass(frozen=True)
class Share:
    """A share with its 95 % interval. The interval is that of the questions; seeds may differ by more."""

    count: int
    total: int

    @property
    def share(self) -> float:
        return self.count / self.total

    @property
    def interval(self) -> tuple[float, float]:
        return confidence_interval(self.count, self.total)

    def __str__(self) -> str:
        return f"{100 * self.share:.1f} %"


def rows_of(results: Iterable[Row], keep: Callable[[Row], bool]) -> list[Row]:
    return [row for result in results for row in result["rows"] if keep(row)]


def is_forward(row: Row, splits: Sequence[str]) -> bool:
    """Questions about these people, and not for them, asked after the first training."""
    return row["split"] in splits and row["relation"] != REVERSAL and row["stage"] in ("first", "before")


def asked_forward(row: Row) -> bool:
    """The people are those whom the model has read about and was not asked about."""
    return is_forward(row, HELD)


def about_unseen(row: Row) -> bool:
    """The people are those whom the model has not read about."""
    return row["split"] == "unseen" and row["stage"] == "first"


# By name: the rows that a measure is of, and what it counts in them
MEASURES: dict[str, tuple[Callable[[Row], bool], str]] = {
    "right": (asked_forward, "right"),
    "right of one document": (lambda row: asked_forward(row) and not row["several"], "right"),
    "right of several": (lambda row: asked_forward(row) and row["several"], "right"),
    "right of unseen": (about_unseen, "right"),
    "right by name": (about_unseen, "right_by_name"),
    "best guess": (about_unseen, "right_given_name"),
    "culture of unseen": (about_unseen, "culture"),
    "culture by name": (about_unseen, "culture_by_name"),
    "right of reversed": (lambda row: row["split"] in HELD and row["relation"] == REVERSAL, "right"),
    "right after": (lambda row: row["split"] in HELD and row["stage"] == "after", "right"),
    "right of second": (lambda row: row["split"] in HELD and row["stage"] == "second", "right"),
}  # fmt: skip
COLUMNS = {  # of the table of a study
    "capacity": ("right",),
    "exposures": ("right", "right of unseen"),
    "wordings": ("right", "right of one document", "right of several"),
    "reversal": ("right", "right of reversed"),
    "guessing": ("right", "right of unseen", "right by name", "best guess", "culture of unseen", "culture by name"),
    "forgetting": ("right", "right after", "right of second"),
}


# ---------------------------------------------------------------------------------------------------------------------
# Files


def check_result(result: object) -> str:
    """What is wrong with a result, "" if nothing is."""
    if not isinstance(result, dict) or not isinstance(result.get("settings"), dict):
        return "is not the result of a run"
    numbers = [result.get(name) for name in ("parameters", "tokens", "minutes", "wall_minutes")]
    rows = result.get("rows")
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        return "has no rows"
    numbers += [row.get(name) for row in rows for name in (*COUNTS, *SUMS)]
    if not all(type(n) in (int, float) and math.isfinite(n) for n in numbers):
        return "lacks numbers"
    texts = [row.get(name) for row in rows for name in ("stage", "split", "relation")]
    if not all(isinstance(text, str) for text in texts):
        return "lacks texts"
    if not all(0 <= row["right"] <= row["asked"] <= row["facts"] and row["asked"] for row in rows):
        return "has impossible counts"
    return ""


def read_result(path: Path, settings: dict[str, Any]) -> Row:
    """A result. Raises InputError when it is damaged, or was made with other settings."""
    text = read_text(path)
    try:
        problem = check_result(result := json.loads(text))
    except (ValueError, RecursionError, OverflowError) as error:
        problem = f"is damaged ({reason(error)})"
    if problem:
        raise InputError(f"{path}: {problem}; remove it, to run it again")
    if result["settings"] != json.loads(json.dumps(settings)):
        raise InputError(f"{path}: was made with other settings; remove it, to run it again")
    return result


def read_results(study: Study, folders: Sequence[Path]) -> dict[str, Row]:
    """The results of a study by the keys of their runs, in the order of the runs; of a result that several folders have, the
    first folder's. Raises InputError when a folder is none, or a result is damaged."""
    for folder in folders:
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder}: is a file, and not a folder of results")
    found = {}
    for run in study.runs():
        paths = [folder / "results" / run.file for folder in folders]
        if path := next(filter(Path.exists, paths), None):
            found[run.key] = read_result(path, run.settings())
    return found


# ---------------------------------------------------------------------------------------------------------------------
# Points


def of_point(study: Study, point: str, results: dict[str, Row]) -> list[Row]:
    """The results of a point, one a seed."""
    keys = [run.key for run in study.runs() if run.point.name == point]
    return [results[key] for key in keys if key in results]


def share_of(measure: str, results: Sequence[Row]) -> Share | None:
    """A measure over the questions of all seeds; None without any."""
    keep, count = MEASURES[measure]
    rows = rows_of(results, keep)
    total = sum(row["asked"] for row in rows)
    return Share(sum(row[count] for row in rows), total) if total else None


def bits_of(result: Row, name: str = "bits", splits: Sequence[str] = CORPUS) -> float:
    """The bits of all facts about these people, of the first model: what was measured on those asked, times all."""
    rows = rows_of([result], lambda row: is_forward(row, splits))
    return sum(row[name] * row["facts"] / row["asked"] for row in rows)


def facts_of(result: Row) -> int:
    """How many facts about people of the corpus there are."""
    return sum(row["facts"] for row in rows_of([result], lambda row: is_forward(row, CORPUS)))


def bits_a_fact(result: Row, name: str, splits: Sequence[str]) -> float:
    """The mean bits of a fact about these people."""
    rows = rows_of([result], lambda row: is_forward(row, splits))
    return sum(row[name] for row in rows) / sum(row["asked"] for row in rows) if rows else math.nan


def difference(more: Share, less: Share) -> tuple[float, float, float]:
    """The difference of two shares of different questions, and its 95 % interval: Newcombe's hybrid of the two Wilson
    intervals (Newcombe 1998, Statistics in Medicine 17, 873-890, method 10). It is that of the questions; another seed of
    the training may differ by more."""
    d, (low, high), (low_2, high_2) = more.share - less.share, more.interval, less.interval
    below = math.hypot(more.share - low, high_2 - less.share)
    above = math.hypot(high - more.share, less.share - low_2)
    return d, max(-1.0, d - below), min(1.0, d + above)


def effect_of(study: Study, effect: Effect, results: dict[str, Row]) -> tuple[float, float, float] | None:
    """The `difference` that a study expects to be positive; None as long as a point has no result."""
    shares = [share_of(measure, of_point(study, point, results)) for measure, point in (effect.more, effect.less)]
    return difference(*shares) if all(shares) else None


def effect_text(effect: Effect) -> str:
    (measure, point), (measure_2, point_2) = effect.more, effect.less
    return f"{measure}, {point}, less {'' if measure == measure_2 else measure_2 + ', '}{point_2}"


def table(study: Study, results: dict[str, Row]) -> list[str]:
    """The results in Markdown: a row for each point that has any, then the expected effects."""
    columns = [column for column in COLUMNS[study.name] if any(share_of(column, [r]) for r in results.values())]
    header = ["point", "seeds", "parameters", *columns, "bits a fact", "of unseen", "of the world", "a parameter",
              "minutes"]  # fmt: skip
    lines = [header, ["---"] * len(header)]
    for point in study.points:
        if found := of_point(study, point.name, results):
            lines.append([point.name, str(len(found)), f"{found[0]['parameters']:,}", *cells(columns, found)])
    text = ["| " + " | ".join(line) + " |" for line in lines]
    for effect in study.effects:
        if values := effect_of(study, effect, results):
            d, low, high = (f"{100 * value:+.1f}" for value in values)
            text.append(f"\n{effect_text(effect)}: {d} points ({low} to {high})")
    return text


def cells(columns: Sequence[str], found: Sequence[Row]) -> list[str]:
    """The cells of a row of the table: means over the seeds, with the lowest and the highest of several."""
    texts = []
    for column in columns:
        shares = [share.share for result in found if (share := share_of(column, [result]))]
        spread = f" ({100 * min(shares):.1f} to {100 * max(shares):.1f})" if len(shares) > 1 else ""
        texts.append(f"{100 * mean(shares):.1f} %{spread}" if shares else "-")
    bits = [mean(bits_of(result) for result in found), mean(bits_of(r) / r["parameters"] for r in found)]
    unseen = mean(bits_a_fact(result, "bits", ("unseen",)) for result in found)
    return [*texts, f"{mean(bits_a_fact(result, 'bits', HELD) for result in found):.2f}",
            "-" if math.isnan(unseen) else f"{unseen:.2f}", f"{bits[0]:,.0f}", f"{bits[1]:.3f}",
            f"{mean(result['minutes'] for result in found):.1f}"]  # fmt: skip


def document(study: Study, results: dict[str, Row]) -> dict[str, Any]:
    """All that is known, as it is written to NAME.FORM.json."""
    points = {}
    for point in study.points:
        if found := of_point(study, point.name, results):
            shares = {name: share for name in COLUMNS[study.name] if (share := share_of(name, found))}
            points[point.name] = summary_of(point, found) | {
                name: {"right": s.count, "asked": s.total, "percent": round(100 * s.share, 1),
                       "low": round(100 * s.interval[0], 1), "high": round(100 * s.interval[1], 1),
                       "seeds": [round(100 * one.share, 1) for r in found if (one := share_of(name, [r]))]}
                for name, s in shares.items()
            }  # fmt: skip
    effects = [(effect_text(effect), effect_of(study, effect, results)) for effect in study.effects]
    named = {
        text: dict(zip(("points", "low", "high"), (round(100 * v, 1) for v in values)))
        for text, values in effects
        if values
    }
    made = {
        name: sorted({str(result.get(name) or "-") for result in results.values()}) for name in ("commit", "machine")
    }
    return {"study": study.name, "form": study.form, "question": study.question, "runs": len(results),
            "of": len(study.runs()), "points": points, "effects": named} | made  # fmt: skip


def summary_of(point: Point, found: Sequence[Row]) -> dict[str, Any]:
    """The numbers of a point that are no shares: means over the seeds."""
    return {
        "seeds": len(found),
        "people": point.world.people,
        "readings": point.reading.readings,
        "parameters": found[0]["parameters"],
        "facts": round(mean(map(facts_of, found))),
        "information": round(mean(bits_of(result, "information") for result in found)),  # all that there is to know
        "bits": round(mean(map(bits_of, found))),
        "net_bits": round(mean(bits_of(result, "net") for result in found)),
        "bits_beyond_name": round(mean(bits_of(result, "bits_beyond_name") for result in found)),
        "bits_a_parameter": round(mean(bits_of(r) / r["parameters"] for r in found), 4),
        "bits_a_fact": round(mean(bits_a_fact(r, "bits", HELD) for r in found), 2),
        "information_a_fact": round(mean(bits_a_fact(r, "information", HELD) for r in found), 2),
        "bits_a_fact_of_unseen": round(mean(bits_a_fact(r, "bits", ("unseen",)) for r in found), 2),
        "net_bits_a_fact_of_unseen": round(mean(bits_a_fact(r, "net", ("unseen",)) for r in found), 2),
        "megatokens": round(mean(result["tokens"] for result in found) / 1e6, 2),
        "minutes": round(mean(result["minutes"] for result in found), 1),
    }  # fmt: skip
