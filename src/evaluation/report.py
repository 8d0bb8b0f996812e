"""How far a model's answers can be trusted: what `run.py evaluate --report_path DIR` writes, and reports side by side.

    python src/report.py DIR [DIR ...] --out comparison.html

A report is three files: predictions.tsv has a line for each question, report.json the statistics, and report.html the
same for a reader, in one file that loads nothing. What cannot be said of a set of questions (when it has no answers,
say) is left out of all three.
"""

from __future__ import annotations

import base64
import html
import importlib.util
import io
import json
import math
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.cli import Parser, run_main
from engine.files import ROOT, InputError, check_writable, read_text, reason, write_atomically, write_lines
from evaluation.judge import (
    PRECISION,
    PROBES,
    UNKNOWN,
    Calibration,
    Prediction,
    answerable,
    auroc,
    calibration_error,
    halves,
    nearest_names,
    percent,
    person,
    reliability,
    risk_coverage,
    roc,
    share,
)
from questions import read_questions

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FILES = ("predictions.tsv", "report.json", "report.html")
EXAMPLES = 10  # right answers shown, and as many wrong ones
NEAREST = 3  # names shown with each
POINTS = 501  # of a curve at most, so that many questions make no large file
BASELINES = ("always London", "guessed from the name (naive Bayes)")
FREQUENCIES = ((0, 0), (1, 1), (2, 4), (5, 19), (20, math.inf))  # how often finetuning had the place, by groups


# ---------------------------------------------------------------------------------------------------------------------
# The report


def read_json(path: Path | str) -> dict[str, Any]:
    """A report.json. Raises InputError when it is not like one."""
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
    found = read_json(path).get("calibration")
    if not isinstance(found, dict):
        raise InputError(f"{path}: has no calibration; it takes the report of questions with answers")
    temperature, offset = found.get("temperature"), found.get("offset")
    if not all(isinstance(x, (int, float)) and math.isfinite(x) for x in (temperature, offset)) or temperature <= 0:
        raise InputError(f"{path}: has no usable calibration: a temperature above 0 and an offset")
    return Calibration(float(temperature), float(offset), source=str(path))


def read_finetuning(path: Path | str) -> list[tuple[str, str]]:
    """The questions of finetuning and their answers. Raises InputError when they have none."""
    questions, answers = read_questions(path)
    if answers is None:
        raise InputError(f"{path}, line 1: has no answer; give the questions that the model was finetuned on")
    return list(zip(questions, answers))


def make_folder(path: str, *others: Path | str | None) -> None:
    """Makes the folder of a report. Raises InputError when that is impossible, when the files cannot be written, or
    when they would overwrite one of the `others`."""
    if importlib.util.find_spec("matplotlib") is None:
        raise InputError("a report needs matplotlib for its figures: pip install -r requirements.txt")
    if not os.path.exists(path) and any(
        other and os.path.realpath(other) == os.path.realpath(path) for other in others
    ):
        raise InputError(f"{path}: is to be a file as well; name another folder")
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be made a folder: {reason(error)}") from error
    for name in FILES:
        file = os.path.join(path, name)
        check_writable(file, *others)
        if any(other and os.path.realpath(other) == os.path.realpath(file) for other in others):
            raise InputError(f"{file}: belongs to the report; name another file")


def guess_by_name(finetuning: Sequence[tuple[str, str]], questions: Sequence[str]) -> list[str]:
    """The answers of naive Bayes, which has seen names and places and nothing else; see data/make_world.py."""
    folder = str(ROOT / "data")
    if folder not in sys.path:
        sys.path.append(folder)
    import make_world

    asked = [question if person(question) else "Where was nobody born?" for question in questions]
    train = [(question, answer) for question, answer in finetuning if person(question)]
    return make_world.guess_by_name(train, asked) if train else [""] * len(asked)


def by_group(names: Sequence[str], right: np.ndarray, order: Sequence[str]) -> list[dict[str, Any]]:
    """The accuracy of each group of questions, in the given order; `names` (N) says to which each belongs."""
    count, correct = Counter(names), Counter(name for name, flag in zip(names, right) if flag)
    return [{"group": name} | share(correct[name], count[name]) for name in order if count[name]]


def position_groups(rows: Sequence[Prediction], reach: int) -> tuple[list[str], list[str]]:
    """A group for each row by where the answer stands, and all groups in order. Span corruption cuts a document to
    `reach` characters, and never shows what stands behind them."""
    limits = [reach * k // 4 for k in range(5)]
    quarters = [f"characters {limits[k]} to {limits[k + 1] - 1}" for k in range(4)]
    behind, absent, none = f"beyond character {reach - 1}", "not in the document", "there is no document"

    def group(row: Prediction) -> str:
        if row.position is None:
            return absent if row.documents else none
        if row.position + len(row.answer or "") > reach:
            return behind
        return next(name for name, limit in zip(quarters, limits[1:]) if row.position < limit)

    return [group(row) for row in rows], [*quarters, behind, absent, none]


def frequency_groups(rows: Sequence[Prediction], places: Counter[str]) -> tuple[list[str], list[str]]:
    """A group for each row by how often finetuning had its answer, and all groups in order."""

    def name(low: float, high: float) -> str:
        if low == high:
            return {0: "never", 1: "once"}[int(low)]
        return f"{low} times or more" if high == math.inf else f"{low} to {high} times"

    names = [name(low, high) for low, high in FREQUENCIES]
    counts = [places[row.answer or ""] for row in rows]
    return [next(n for n, (low, high) in zip(names, FREQUENCIES) if low <= c <= high) for c in counts], names


def thin(points: np.ndarray) -> list[list[float]]:
    """A curve (M, 2) in POINTS points at most."""
    return [[round(float(x), 6) for x in point] for point in spread(points, POINTS)]


def summarise(
    rows: Sequence[Prediction],
    reach: int,
    finetuning: Sequence[tuple[str, str]] | None = None,
    calibration: Calibration | None = None,
    abstain: float | None = None,
) -> dict[str, Any]:
    """The statistics of one or more predictions, ready for report.json. What cannot be said is not in it.

    `reach` is how many characters of a document span corruption reads. Without `finetuning`, there is no naive Bayes,
    no frequency of places, no nearest name. `abstain` is the confidence below which the rows' `answered` is false.
    """
    logp = np.array([row.log_probability for row in rows])
    right = np.array([row.correct for row in rows])
    seen = np.array([row.documents > 0 for row in rows])  # that a name was met as somebody's parent tells nothing
    quartiles = zip(("lower quartile", "median", "upper quartile"), np.quantile(np.exp(logp), (0.25, 0.5, 0.75)))
    summary: dict[str, Any] = {
        "questions": len(rows),
        "seen_people": int(seen.sum()),
        "sequence_probability": {name: float(value) for name, value in quartiles},
    }
    if calibration:
        summary["calibration"] = asdict(calibration)
    if abstain is not None:
        summary["abstain"] = {"below": abstain, "answered": sum(row.answered for row in rows)}
    given = rows[0].answer is not None
    if given:
        summary |= accuracy_of(rows, right, seen, reach, finetuning) | selection_of(logp, right)
    if given and calibration:
        tested = np.arange(len(rows)) if calibration.source else halves(len(rows))[1]
        if len(tested):
            summary["calibration"] |= calibration_of(calibration, logp[tested], right[tested])
        if abstain is not None:
            said = [i for i in tested if rows[i].answered]
            summary["abstain"] |= {"tested_on": len(tested), "tested_answered": len(said)}
            if said:
                summary["abstain"]["when_answered"] = share(right[said].sum(), len(said))
    summary |= discrimination_of(logp, {"seen": seen} | ({"right": right} if given else {}))
    kinds = {"right": right, "wrong": ~right} if given else {"all": np.full(len(rows), True)}
    summary["examples"] = examples_of(rows, logp, kinds, finetuning or ())
    if given and finetuning and not right.all():
        summary["nearest"] = nearest_of([row for row in rows if not row.correct], finetuning)
    return summary


def accuracy_of(
    rows: Sequence[Prediction],
    right: np.ndarray,
    seen: np.ndarray,
    reach: int,
    finetuning: Sequence[tuple[str, str]] | None,
) -> dict[str, Any]:
    """How many answers are right, how many would be without reading, and among which questions."""
    answers = [row.answer for row in rows]
    baselines = {BASELINES[0]: share(answers.count("London"), len(rows))}
    tables = {"position": position_groups(rows, reach)}
    if finetuning:
        guesses = guess_by_name(finetuning, [row.question for row in rows])
        baselines[BASELINES[1]] = share(sum(a == b for a, b in zip(guesses, answers)), len(rows))
        tables["frequency"] = frequency_groups(rows, Counter(answer for _, answer in finetuning))
    tables["seen"] = (["yes" if flag else "no" for flag in seen], ["yes", "no"])
    by = {name: by_group(names, right, order) for name, (names, order) in tables.items()}
    return {"accuracy": share(right.sum(), len(rows)), "baselines": baselines, "by": by}


def selection_of(logp: np.ndarray, right: np.ndarray) -> dict[str, Any]:
    """What is gained by answering only where the model is surest."""
    risk = risk_coverage(logp, right)
    best = risk_coverage(right.astype(float), right)  # if all right answers were more confident than all wrong ones
    coverage = {
        "area": float(risk.mean()),
        "area_of_the_best_order": float(best.mean()),
        "area_of_a_random_order": float((~right).mean()),
        "points": thin(np.stack((np.arange(1, len(right) + 1) / len(right), risk), axis=1)),
    }
    count, correct = answerable(logp, right)
    told = {"precision": PRECISION, "answered": count, "right": correct, "of": len(right)}
    first, second = halves(len(right))
    chosen = answerable(logp[first], right[first])[0]  # a threshold, tried on questions that it was not chosen on
    if len(second):
        said = second[logp[second] >= np.sort(logp[first])[-chosen]] if chosen else second[:0]
        trial = {"of": len(second), "answered": len(said), "right": int(right[said].sum())}
        told["threshold_of_one_half_on_the_other"] = trial
    return {"risk_coverage": coverage, "answerable": told}


def calibration_of(calibration: Calibration, logp: np.ndarray, right: np.ndarray) -> dict[str, Any]:
    """How well probabilities fit, as they are and as confidence, on questions that this was not learned from."""
    before, after = np.exp(logp), calibration(logp)
    return {
        "tested_on": len(right),
        "ece_before": calibration_error(before, right),
        "ece_after": calibration_error(after, right),
        "bins_before": reliability(before, right),
        "bins_after": reliability(after, right),
    }


def discrimination_of(logp: np.ndarray, labels: dict[str, np.ndarray]) -> dict[str, Any]:
    """How well the probability tells apart what each of the labels does, where there is both."""
    areas = {name: auroc(logp, label) for name, label in labels.items()}
    areas = {name: area for name, area in areas.items() if area is not None}
    return {"auroc": areas, "roc": {name: thin(roc(logp, labels[name])) for name in areas}} if areas else {}


def examples_of(
    rows: Sequence[Prediction],
    logp: np.ndarray,
    kinds: dict[str, np.ndarray],
    finetuning: Sequence[tuple[str, str]],
) -> dict[str, list[dict[str, Any]]]:
    """A few answers of each kind, from the surest to the least sure."""
    names, examples = [person(question) for question, _ in finetuning], {}
    for kind, flags in kinds.items():
        which = np.flatnonzero(flags)
        chosen = spread(which[np.argsort(-logp[which], kind="stable")], 2 * EXAMPLES // len(kinds))
        if len(chosen):
            examples[kind] = [example(rows[i], names, finetuning) for i in chosen]
    return examples


def nearest_of(wrong: Sequence[Prediction], finetuning: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """How many wrong answers are that of the finetuning question with the most similar name."""
    nearest = nearest_names([person(row.question) for row in wrong], [person(question) for question, _ in finetuning])
    same = sum(bool(near) and finetuning[near[0]][1] == row.prediction for row, near in zip(wrong, nearest))
    places = Counter(answer for _, answer in finetuning)
    chance = sum(places[row.prediction] for row in wrong) / len(finetuning) / len(wrong)
    return {"wrong": len(wrong), "equal": same, "share": same / len(wrong), "share_by_chance": chance}


def spread(items: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of the items, evenly spaced, the first and the last among them."""
    return items[np.linspace(0, max(len(items) - 1, 0), min(len(items), count)).round().astype(int)]


def example(row: Prediction, names: Sequence[str], finetuning: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """What report.json tells of one answer."""
    told = {"question": row.question, "prediction": row.prediction, "answer": row.answer}
    told |= {"probability": math.exp(row.log_probability), "confidence": row.confidence, "seen": row.documents > 0}
    if finetuning:
        near = nearest_names([person(row.question)], names, NEAREST)[0]
        told["nearest"] = [{"name": names[i], "answer": finetuning[i][1]} for i in near]
    return {name: value for name, value in told.items() if value is not None}


def table_lines(rows: Sequence[Prediction], abstaining: bool) -> list[str]:
    """The lines of predictions.tsv, a header first."""
    given = rows[0].answer is not None
    columns: dict[str, Callable[[Prediction], object]] = {
        "question": lambda row: row.question,
        "prediction": lambda row: row.prediction,
    }
    if given:
        columns |= {"answer": lambda row: row.answer, "correct": lambda row: row.correct}
    columns |= {
        "log_probability": lambda row: row.log_probability,
        "mean_probability": lambda row: row.mean_probability,
        "min_probability": lambda row: row.min_probability,
        "first_entropy_bits": lambda row: row.entropy,
        "name_in_corpus": lambda row: row.in_corpus,
        "documents": lambda row: row.documents,
    }
    if given:
        columns |= {
            "answer_in_document": lambda row: row.position is not None,
            "answer_position": lambda row: "" if row.position is None else row.position,
        }
    if rows[0].confidence is not None:
        columns["confidence"] = lambda row: row.confidence
    if abstaining:
        columns["answered"] = lambda row: row.answered

    def cell(value: object) -> str:
        if isinstance(value, bool):
            return str(int(value))
        return f"{value:.6g}" if isinstance(value, float) else " ".join(re.split(r"[\t\r\n]", str(value)))

    return ["\t".join(columns), *("\t".join(cell(column(row)) for column in columns.values()) for row in rows)]


def write_report(
    folder: str,
    rows: Sequence[Prediction],
    reach: int,
    about: dict[str, str],
    finetuning: Sequence[tuple[str, str]] | None = None,
    calibration: Calibration | None = None,
    abstain: float | None = None,
    probes: dict[str, tuple[int, int]] | None = None,
) -> dict[str, Any]:
    """Writes the three files into `folder`, which is there, and returns the statistics; see `summarise`.

    `about` says by name what was evaluated, `probes` is from `probes.probe`. Raises InputError when a file cannot be
    written.
    """
    summary = {"about": about} | summarise(rows, reach, finetuning, calibration, abstain)
    if probes:
        summary["probes"] = {name: share(right, people) for name, (right, people) in probes.items()}
    page = report_page(summary)
    write_lines(os.path.join(folder, FILES[0]), table_lines(rows, abstain is not None))
    write_json(os.path.join(folder, FILES[1]), summary)
    write_atomically(os.path.join(folder, FILES[2]), page.encode())
    return summary


def write_json(path: str, summary: dict[str, Any]) -> None:
    write_atomically(path, (json.dumps(summary, ensure_ascii=False, allow_nan=False, indent=1) + "\n").encode())


# ---------------------------------------------------------------------------------------------------------------------
# HTML


STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 76rem; margin: 2rem auto;
       padding: 0 1.5rem }
h1 { font-size: 1.7rem; line-height: 1.2 } h2 { font-size: 1.25rem; margin-top: 2.2rem } p { max-width: 48rem }
table { border-collapse: collapse; margin: .8rem 0 1.4rem; font-size: .92rem }
th, td { text-align: left; vertical-align: top; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid #ddd }
th { color: #555; font-weight: 600 } .n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
.large { font-size: 2.2rem; font-weight: 700; line-height: 1.2 } .small { font-size: .85rem; color: #555 }
.wide { overflow-x: auto } td svg { display: block; margin-top: .35rem }
.figures { display: flex; flex-wrap: wrap; gap: 1rem .8rem }
figure { margin: 0; flex: 0 0 auto } figcaption { max-width: 20.5rem; font-size: .85rem; color: #555 }
"""
SAFE = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"  # the browser is to load nothing, ever


def escaped(value: object) -> str:
    """As HTML, where it stands for nothing but itself."""
    return html.escape(str(value))


def page_of(title: str, parts: Sequence[str]) -> str:
    """A whole HTML document."""
    head = f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{SAFE}">'
    head += f"<title>{escaped(title)}</title><style>{STYLE}</style>"
    body = "\n".join([f"<h1>{escaped(title)}</h1>", *parts])
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'


def table(header: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """An HTML table of cells that are HTML already; the columns `numbers` are set to the right."""

    def line(tag: str, cells: Sequence[str]) -> str:
        kinds = [' class="n"' if i in numbers else "" for i in range(len(cells))]
        return "<tr>" + "".join(f"<{tag}{kind}>{cell}</{tag}>" for kind, cell in zip(kinds, cells)) + "</tr>"

    lines = [line("th", header)] if any(header) else []
    return '<div class="wide"><table>\n' + "\n".join([*lines, *(line("td", row) for row in rows)]) + "\n</table></div>"


def bar(accuracy: dict[str, Any]) -> str:
    """A bar as long as the accuracy, with its interval."""
    low, mid, high = (round(2 * 100 * accuracy[name], 1) for name in ("low", "accuracy", "high"))
    return (
        f'<svg width="204" height="12" role="img" aria-label="{percent(accuracy["accuracy"])}">'
        f'<rect x="2" width="200" height="12" fill="#eee"/><rect x="2" width="{mid}" height="12" fill="#7aa6d6"/>'
        f'<path d="M{low + 2} 6H{high + 2}M{low + 2} 3v6M{high + 2} 3v6" stroke="#222" fill="none"/></svg>'
    )


def accuracy_table(title: str, rows: Sequence[tuple[str, dict[str, Any]]]) -> str:
    cells = [
        [
            escaped(name),
            str(row["questions"]),
            str(row["right"]),
            percent(row["accuracy"]),
            f"{100 * row['low']:.1f} to {percent(row['high'])}",
            bar(row),
        ]
        for name, row in rows
    ]
    return table([escaped(title), "questions", "right", "accuracy", "95 % interval", ""], cells, (1, 2, 3, 4))


def picture(draw: Callable[[Axes], None], alternative: str, caption: str) -> str:
    """A figure, drawn by `draw` on matplotlib's axes, as an <img> that holds its own SVG."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.hashsalt": "report", "font.size": 9}):  # the same figure is the same file
        figure = Figure(figsize=(4.1, 3.4), layout="constrained")
        axes = figure.add_subplot()
        axes.grid(color="#ddd", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    source = base64.b64encode(buffer.getvalue()).decode()
    image = f'<img width="345" height="286" alt="{escaped(alternative)}" src="data:image/svg+xml;base64,{source}">'
    return f"<figure>{image}<figcaption>{caption}</figcaption></figure>"


def draw_reliability(axes: Axes, calibration: dict[str, Any]) -> None:
    axes.plot([0, 1], [0, 1], color="#999", linewidth=1, linestyle="--", label="ideal")
    styles = (("before", "#c44e52", "o"), ("after", "#4c72b0", "s"))
    for name, colour, marker in styles:
        bins = calibration[f"bins_{name}"]
        x, y = [b["confidence"] for b in bins], [b["accuracy"] for b in bins]
        axes.plot(x, y, color=colour, linewidth=1.2)
        sizes = [12 + 160 * b["questions"] / calibration["tested_on"] for b in bins]
        axes.scatter(x, y, sizes, color=colour, marker=marker, alpha=0.8, label=f"{name} calibration")
    axes.set(xlabel="confidence", ylabel="share of right answers", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    for handle in axes.legend(loc="upper left").legend_handles[1:]:
        handle.set_sizes([30])


def draw_risk(axes: Axes, curves: Sequence[tuple[str | None, dict[str, Any]]]) -> None:
    """Risk-coverage curves, each with the label of its own, if any."""
    for label, curve in curves:
        x, y = zip(*curve["points"])
        marker = "o" if len(x) == 1 else None
        axes.plot([100 * v for v in x], [100 * v for v in y], linewidth=1.4, marker=marker, label=label)
    axes.axhline(100 * (1 - PRECISION), color="#999", linewidth=1, linestyle="--")
    axes.set(xlabel="answered, % of the questions, surest first", ylabel="wrong, % of the answered")
    axes.set(xlim=(0, 101), ylim=(-2, 102))
    if any(label for label, _ in curves):
        axes.legend()


def draw_roc(axes: Axes, curves: dict[str, list[list[float]]]) -> None:
    axes.plot([0, 1], [0, 1], color="#999", linewidth=1, linestyle="--")
    labels = {"right": ("right or wrong", "#4c72b0"), "seen": ("seen or unseen person", "#dd8452")}
    for name, (label, colour) in labels.items():
        if name in curves:
            axes.plot(*zip(*curves[name]), color=colour, linewidth=1.4, label=label)
    axes.set(xlabel="false positive rate", ylabel="true positive rate", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.legend(loc="lower right")


def report_page(summary: dict[str, Any]) -> str:
    """report.html, from what report.json holds."""
    n, given = summary["questions"], "accuracy" in summary
    parts = []
    if given:
        accuracy = summary["accuracy"]
        interval = f"95 % interval {100 * accuracy['low']:.1f} to {percent(accuracy['high'])}"
        parts.append(f'<p><span class="large">{percent(accuracy["accuracy"])}</span> of {n} answers are right: ')
        parts[0] += f"{accuracy['right']} ({interval}, Wilson).</p>"
        lines = [("this model", accuracy), *summary["baselines"].items()]
        parts.append(accuracy_table("who answers", lines))
    else:
        parts.append(f"<p>{n} questions without answers: what is right cannot be said, and is left out.</p>")
    parts.append(table(["", ""], [[escaped(name), escaped(value)] for name, value in summary["about"].items()]))
    if "probes" in summary:
        people = summary["probes"]["question"]["questions"]
        parts += ["<h2>From reading to answering</h2>", f"<p>For the {people} people whose document tells the place "]
        parts[-1] += "within what span corruption reads. What is known in the document's own words and cannot be said "
        parts[-1] += "when asked has been stored, but not extracted.</p>"
        parts.append(accuracy_table("the model", [(PROBES[name], row) for name, row in summary["probes"].items()]))
    if given:
        parts += accuracy_parts(summary)
    parts += trust_parts(summary)
    parts += example_parts(summary)
    return page_of(f"Report of {n} answers" if n > 1 else "Report of one answer", parts)


def accuracy_parts(summary: dict[str, Any]) -> list[str]:
    titles = {
        "position": (
            "where the document says it",
            "By where the answer stands in the person's document",
            "Characters are counted from 0; of several documents, the earliest mention counts. Span corruption, as the "
            + "handouts have it, reads no further than these ranges go.",
        ),
        "frequency": (
            "the place was an answer",
            "By how frequent the place is in the finetuning answers",
            "A place that finetuning never had can only come from reading.",
        ),
        "seen": (
            "seen",
            "By whether the pretraining corpus has a document about the person",
            "About an unseen person there was nothing to read: there, a right answer is a guess.",
        ),
    }
    parts = []
    for name, (column, title, remark) in titles.items():
        if name in summary["by"]:
            parts += [f"<h2>{title}</h2>", f"<p>{remark}</p>"]
            parts.append(accuracy_table(column, [(row["group"], row) for row in summary["by"][name]]))
    return parts


def trust_parts(summary: dict[str, Any]) -> list[str]:
    """Confidence: what it is, how well it fits, what it is good for."""
    quartiles = ", ".join(f"{name} {value:.3g}" for name, value in summary["sequence_probability"].items())
    parts = ["<h2>Does it know what it knows?</h2>"]
    parts.append(
        "<p>The <i>sequence probability</i> is the model's own probability of its whole answer and of its end: "
        f"{quartiles}. The pretraining corpus has documents about {summary['seen_people']} of the "
        f"{summary['questions']} people.</p>"
    )
    figures = []
    calibration = summary.get("calibration")
    if calibration:
        source = (
            f"taken from {escaped(calibration['source'])}"
            if calibration["source"]
            else "fitted on half of the questions"
        )
        told = "<p>It is turned into a confidence by a temperature and an offset on its log-odds, "
        told += f"sigmoid(logit(p) / T + b), {source}: T = {calibration['temperature']:.3g}, b = {calibration['offset']:.3g}."
        if "tested_on" in calibration:
            n = calibration["tested_on"]
            told += f" The expected calibration error is {calibration['ece_before']:.3f} before that and "
            told += f"{calibration['ece_after']:.3f} after it, by "
            told += f"all {n} questions." if calibration["source"] else f"the {n} questions that it was not fitted on."
            caption = f"Reliability of {n} answers, in bins of a tenth. A larger mark stands for more answers."
            figures.append(picture(lambda axes: draw_reliability(axes, calibration), "Reliability diagram", caption))
        parts.append(told + "</p>")
    if "answerable" in summary:
        parts.append(silence(summary))
    if "risk_coverage" in summary:
        curve = summary["risk_coverage"]
        caption = (
            f"Risk and coverage. The area is {curve['area']:.3f}; it would be {curve['area_of_a_random_order']:.3f} if "
            f"the order were random, {curve['area_of_the_best_order']:.3f} if perfect. Dashed: {percent(1 - PRECISION)}."
        )
        figures.append(picture(lambda axes: draw_risk(axes, [(None, curve)]), "Risk-coverage curve", caption))
    if "roc" in summary:
        names = {"right": "right from wrong answers", "seen": "seen from unseen people"}
        told = [f"{names[name]} {value:.3f}" for name, value in sorted(summary["auroc"].items())]
        caption = f"ROC: how well the probability tells. Area (AUROC): {', '.join(told)}; guessing would be 0.5."
        figures.append(picture(lambda axes: draw_roc(axes, summary["roc"]), "ROC curve", caption))
    if figures:
        parts.append('<div class="figures">' + "\n".join(figures) + "</div>")
    return parts


def silence(summary: dict[str, Any]) -> str:
    """The answer to the question how much is left of a model that may stay silent."""
    found = summary["answerable"]
    told = "<p><b>If it may stay silent, how many questions can it answer at "
    told += f"{100 * found['precision']:.0f} % precision?</b> "
    if found["answered"]:
        told += f"{found['answered']} of {found['of']} ({percent(found['answered'] / found['of'])}), the surest; "
        told += f"{found['right']} of these are right. "
        if "threshold_of_one_half_on_the_other" in found:
            trial = found["threshold_of_one_half_on_the_other"]
            told += "That threshold was chosen knowing the answers. One chosen on half of the questions lets through "
            told += f"{trial['answered']} of the other {trial['of']}"
            told += f", of which {trial['right']} are right. " if trial["answered"] else ". "
    else:
        told += "None: not even its surest answers are right that often. "
    if "abstain" in summary:
        asked, fitted = summary["abstain"], not summary["calibration"]["source"]
        told += f"Here it was told to say <i>{UNKNOWN}</i> below a confidence of {asked['below']:g}, and answered "
        told += f"{asked['answered']} of {summary['questions']}"
        if fitted:
            told += f", {asked['tested_answered']} of them among the {asked['tested_on']} that the calibration was not "
            told += "fitted on"
        if "when_answered" in asked:
            told += f"; {percent(asked['when_answered']['accuracy'])} of these are right"
        told += "."
    return told + "</p>"


def example_parts(summary: dict[str, Any]) -> list[str]:
    parts = ["<h2>Some answers</h2>", "<p>From the most to the least confident, evenly spaced.</p>"]
    if "nearest" in summary:
        near = summary["nearest"]
        parts.append(
            f"<p><b>{percent(near['share'])} of the wrong answers</b> ({near['equal']} of {near['wrong']}) are the answer "
            "of the nearest name that finetuning asked about; of a name drawn at random, "
            f"{percent(near['share_by_chance'])} would be. The nearest is the one that takes the fewest insertions, "
            "deletions and replacements of letters to become the other.</p>"
        )
    for kind, examples in summary["examples"].items():
        header = ["person", "answer given", "right answer", "probability", "confidence", "seen", "nearest names"]
        kept = [0, 1, *([2] if kind == "wrong" else []), 3, *([4] if "confidence" in examples[0] else []), 5]
        kept += [6] if "nearest" in examples[0] else []
        rows = []
        for told in examples:
            names = "<br>".join(f"{escaped(n['name'])}: {escaped(n['answer'])}" for n in told.get("nearest", ()))
            confidence = f"{told['confidence']:.2f}" if "confidence" in told else ""
            cells = [escaped(person(told["question"])), escaped(told["prediction"]), escaped(told.get("answer", ""))]
            cells += [f"{told['probability']:.3g}", confidence, "yes" if told["seen"] else "no"]
            rows.append([[*cells, names][i] for i in kept])
        if kind != "all":
            parts.append(f"<h3>{kind.capitalize()}</h3>")
        parts.append(table([header[i] for i in kept], rows, [i for i, k in enumerate(kept) if k in (3, 4)]))
    return parts


# ---------------------------------------------------------------------------------------------------------------------
# Reports side by side


def number(value: object, form: str = ".3f") -> str:
    return format(value, form) if isinstance(value, (int, float)) else "-"


def comparison(reports: Sequence[dict[str, Any]]) -> list[list[str]]:
    """A header, and a row of cells for each report. Raises KeyError or the like when one is not like a report."""
    header = ["questions", "right", "95 % interval", "London", "by name", "ECE", "calibrated", "risk area",
              "at 90 %", "AUROC right", "AUROC seen", "nearest"]  # fmt: skip
    rows = [header]
    for report in reports:
        accuracy, baselines = report.get("accuracy"), report.get("baselines", {})
        calibration, found = report.get("calibration", {}), report.get("answerable")
        guess = [baselines.get(name, {}).get("accuracy") for name in BASELINES]
        rows.append(
            [
                str(report["questions"]),
                percent(accuracy["accuracy"]) if accuracy else "-",
                f"{100 * accuracy['low']:.1f} to {percent(accuracy['high'])}" if accuracy else "-",
                *(number(value, ".1%").replace("%", " %") for value in guess),
                number(calibration.get("ece_before")),
                number(calibration.get("ece_after")),
                number(report.get("risk_coverage", {}).get("area")),
                f"{found['answered']} of {found['of']}" if found else "-",
                number(report.get("auroc", {}).get("right")),
                number(report.get("auroc", {}).get("seen")),
                number(report.get("nearest", {}).get("share"), ".1%").replace("%", " %"),
            ]
        )
    return rows


LEGEND = (
    "London and by name: the baselines. ECE: expected calibration error, before and after calibration. Risk area: "
    "under the risk-coverage curve, lower is better. At 90 %: how many questions are answered with 90 % right, the surest. "
    "AUROC: telling right from wrong answers, and seen from unseen people. Nearest: the share of the wrong answers "
    "that are the answer of the nearest name in the finetuning questions."
)


def comparison_page(folders: Sequence[str], reports: Sequence[dict[str, Any]], rows: Sequence[Sequence[str]]) -> str:
    rows = [[*row[:2], *row[3:]] for row in rows]  # the intervals are drawn below
    header = ["", "report", *rows[0]]
    cells = [[str(i), escaped(folder), *row] for i, (folder, row) in enumerate(zip(folders, rows[1:]), 1)]
    parts = [table(header, cells, range(2, len(header))), f'<p class="small">{escaped(LEGEND)}</p>']
    judged = [(f"{i} {folder}", report["accuracy"]) for i, (folder, report) in enumerate(zip(folders, reports), 1)
              if "accuracy" in report]  # fmt: skip
    if judged:
        parts += ["<h2>Right answers</h2>", accuracy_table("report", judged)]
    curves = [(str(i), r["risk_coverage"]) for i, r in enumerate(reports, 1) if "risk_coverage" in r]
    if curves:
        caption = "Risk and coverage, by the numbers of the table."
        parts.append(picture(lambda axes: draw_risk(axes, curves), "Risk-coverage curves", caption))
    return page_of(f"{len(folders)} reports side by side", parts)


def main(argv: list[str] | None = None) -> None:
    parser = Parser(prog="report.py", description="Put reports of `run.py evaluate --report_path` side by side.")
    parser.add_argument("folders", nargs="+", metavar="DIR", help="the folder of a report")
    parser.add_argument("--out", default="comparison.html", metavar="FILE", help="default %(default)s")
    args = parser.parse_args(argv)
    paths = [os.path.join(folder, "report.json") for folder in args.folders]
    reports = [read_json(path) for path in paths]
    check_writable(args.out, *(os.path.join(folder, name) for folder in args.folders for name in FILES))
    for path, report in zip(paths, reports):  # one after the other, to name the one that is wrong
        try:
            comparison_page([""], [report], comparison([report]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"{path}: is not the report.json of an evaluation, or is damaged") from error
    rows = comparison(reports)
    lines = [[*row, name] for row, name in zip(rows, ["report", *args.folders])]
    widths = [max(len(line[i]) for line in lines) for i in range(len(rows[0]))]
    for line in lines:
        print("  ".join([*(cell.rjust(width) for cell, width in zip(line, widths)), line[-1]]))
    write_atomically(args.out, comparison_page(args.folders, reports, rows).encode())
    print(f"Comparison written to {args.out}")


if __name__ == "__main__":
    run_main(main)
