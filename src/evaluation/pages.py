"""The pages: report.html, from what report.json holds and the answers, and what it shares with the comparison."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation import figures, mistakes
from evaluation.calibration import abstention_text
from evaluation.excerpts import Pieces, excerpt
from evaluation.metrics import PRECISION, confidence_interval, percent
from evaluation.probes import PROBES
from evaluation.provenance import phase_table, provenance_line
from evaluation.scoring import UNKNOWN, Prediction
from evaluation.statistics import STATISTICS, interval_text
from evaluation.summary import evenly_spaced
from questions import accepted
from vocabulary import MASK_CHAR

if TYPE_CHECKING:  # the page alone needs it
    from jinja2 import Environment

ENOUGH = 100  # questions, without which a reliability diagram is not drawn
MAX_ROWS = 2000  # answers in the table
FEW = {"right": 3}  # examples that are shown of a kind, 6 of the others; the rest is folded away
MAX_POINTS = 120  # of a curve that is drawn


def report_page(summary: dict[str, Any], rows: Sequence[Prediction]) -> str:
    """report.html."""
    kinds = summary.get("mistakes", {"asks_where": False, "kinds": {}})
    calibration = summary.get("calibration", {})
    charts = {}
    if "risk_coverage" in summary:
        label = f"all: {percent(summary['accuracy']['accuracy'])}"
        charts["coverage"] = coverage_chart([(label, summary["risk_coverage"], 0)], summary["answerable"])
    if calibration.get("tested_on", 0) >= ENOUGH:
        charts["reliability"] = reliability_chart(calibration)
    return render(
        "report.html.j2",
        title=title_of(summary),
        summary=summary,
        line=provenance_line(summary.get("training", [])),
        phases=phase_table(summary.get("training", [])),
        kinds=mistakes.describe_kinds(kinds["asks_where"]),
        groups={name: groups for name, groups in summary.get("by", {}).items() if len(groups) > 1},
        statistics=[(s.header, s.text(summary), s.legend) for s in STATISTICS if s.value(summary) is not None],
        charts=charts,
        probes=PROBES,
        by_subject=len({row.template for row in rows}) == 1,
        examples=[
            (kind, *split_examples(kind, summary["examples"][kind])) for kind in sorted(summary["examples"])[::-1]
        ],
        rows=rows[:MAX_ROWS],
        precision=PRECISION,
        unknown=UNKNOWN,
    )


def title_of(summary: dict[str, Any]) -> str:
    """The main result in a few words: "rope on birth_dev: 402 of 500 right"."""
    about, n = summary.get("about", {}), summary["questions"]
    questions = re.sub(r" \([\d,]+ bytes, sha256 \w+\)$", "", str(about.get("questions", "questions")))
    result = f"{summary['accuracy']['right']} of {n} right" if "accuracy" in summary else f"{n} answers"
    if "of" in summary.get("abstain", {}):
        result = abstention_text(summary["abstain"])
    return f"{about.get('variant', 'a model')} on {Path(questions).stem}: {unbroken(result)}"


def unbroken(text: str) -> str:
    """The text, in which no line can end between a number and its percent sign."""
    return text.replace(" %", "\u00a0%")


def coverage_chart(runs: Sequence[tuple[str, dict[str, Any], int]], answerable: dict[str, Any] | None = None) -> str:
    """Precision against coverage, for each run: its name, its `risk_coverage`, and the number of its colour. A dot on the
    first curve shows what is `answerable` at PRECISION."""
    curves = []
    for name, found, colour in runs:
        points = [(x, 1 - risk) for x, risk in evenly_spaced(np.array(found["points"]), MAX_POINTS).tolist()]
        curves.append(figures.Curve(name, points, colour))
    if answerable and 0 < answerable["answered"] < answerable["of"]:  # where all are answered, the curve ends
        x, y = answerable["answered"] / answerable["of"], answerable["right"] / answerable["answered"]
        curves[0].dots.append((x, y, y, y, f"{answerable['answered']} questions"))
    guides = [(f"{100 * PRECISION:.0f} % right", PRECISION)]
    return figures.chart(curves, "answered, % of the questions, surest first", "right, % of the answered", guides)


def reliability_chart(calibration: dict[str, Any]) -> str:
    """The share of right answers against confidence: before calibration, and after it with 95 % intervals and counts."""
    curves = []
    for i, (name, key) in enumerate((("calibrated", "bins_after"), ("before", "bins_before"))):
        points = [(b["confidence"], b["accuracy"]) for b in calibration[key]]
        curves.append(figures.Curve(name, points, i))
    for b in calibration["bins_after"]:
        low, high = confidence_interval(round(b["accuracy"] * b["questions"]), b["questions"])
        curves[0].dots.append((b["confidence"], b["accuracy"], low, high, str(b["questions"])))
    return figures.chart(curves, "confidence, %", "right, %", diagonal="ideal")


def split_examples(kind: str, examples: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """A few examples, evenly spaced, and the others."""
    chosen = set(evenly_spaced(np.arange(len(examples)), FEW.get(kind, 6)).tolist())
    return [e for i, e in enumerate(examples) if i in chosen], [e for i, e in enumerate(examples) if i not in chosen]


def text_pieces(text: str) -> Pieces:
    """A prompt in pieces, each MASK one of its own."""
    return [(piece, "mask" if piece == MASK_CHAR else "") for piece in re.split(f"({MASK_CHAR})", text) if piece]


def example_pieces(entry: dict[str, Any]) -> Pieces:
    """The document of an example, with the right answer and the one that was given marked."""
    said = entry["prediction"]
    if "answer" not in entry:
        marks = {said: "given"}
    else:
        marks = {said: "said"} | dict.fromkeys(accepted(entry["answer"]), "right")
    return excerpt(entry["document"], entry.get("subject", ""), marks)


def points(difference: float) -> str:
    """A difference of shares in percentage points: -0.123 -> "−12.3"."""
    return f"{100 * difference:+.1f}".replace("-", "−")


def p_text(p: float) -> str:
    """A p-value: "= 0.023", or "< 0.0001"."""
    return f"= {p:.2g}" if p >= 1e-4 else "< 0.0001"


@functools.cache
def environment() -> Environment:
    """The templates of this folder. All text is escaped, and a missing key raises jinja2.UndefinedError. A page allows its
    own script and no other, by the script's digest."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    found = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    script = found.get_template("table.js.j2").render().strip()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    found.globals |= {"script": Markup(script), "digest": digest}
    found.filters |= {
        "percent": lambda share: unbroken(percent(share)), "interval": lambda found: unbroken(interval_text(found)),
        "abstention": lambda found: unbroken(abstention_text(found)), "pieces": text_pieces, "answer": lambda text: " or ".join(accepted(text)),
        "marked": example_pieces, "points": points, "p_text": p_text,
    }  # fmt: skip
    return found


def render(template: str, **context: Any) -> str:
    """A page from a template."""
    return environment().get_template(template).render(**context).strip() + "\n"
