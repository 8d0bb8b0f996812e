"""The figures of reports, drawn by matplotlib."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from evaluation.metrics import PRECISION

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, RED, ORANGE, GREY = "#4c72b0", "#c44e52", "#dd8452", "#999"
MARKER_AREA = 160  # of a bin that has all answers, in square points


def svg_uri(draw: Callable[[Axes], None]) -> str:
    """A figure as the data URI of an SVG image; `draw` draws on matplotlib's axes."""
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
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()


def draw_reliability(axes: Axes, calibration: dict[str, Any]) -> None:
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--", label="ideal")
    for name, colour, marker in (("before", RED, "o"), ("after", BLUE, "s")):
        bins = calibration[f"bins_{name}"]
        x, y = [b["confidence"] for b in bins], [b["accuracy"] for b in bins]
        axes.plot(x, y, color=colour, linewidth=1.2)
        sizes = [12 + MARKER_AREA * b["questions"] / calibration["tested_on"] for b in bins]
        axes.scatter(x, y, sizes, color=colour, marker=marker, alpha=0.8, label=f"{name} calibration")
    axes.set(xlabel="confidence", ylabel="share of right answers", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    for handle in axes.legend(loc="upper left").legend_handles[1:]:
        handle.set_sizes([30])


def draw_risk(axes: Axes, curves: Sequence[tuple[str | None, dict[str, Any]]]) -> None:
    """Risk-coverage curves, each with its label, if any."""
    for label, curve in curves:
        x, y = zip(*curve["points"])
        marker = "o" if len(x) == 1 else None
        if label:  # matplotlib refuses bytes of a path that are not UTF-8, and reads formulas between dollar signs
            label = label.encode(errors="backslashreplace").decode().replace("$", r"\$")
        axes.plot([100 * v for v in x], [100 * v for v in y], linewidth=1.4, marker=marker, label=label)
    axes.axhline(100 * (1 - PRECISION), color=GREY, linewidth=1, linestyle="--")
    axes.set(xlabel="answered, % of the questions, surest first", ylabel="wrong, % of the answered")
    axes.set(xlim=(0, 101), ylim=(-2, 102))
    if any(label for label, _ in curves):
        axes.legend()


def draw_roc(axes: Axes, curves: dict[str, list[list[float]]]) -> None:
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--")
    for name, label, colour in (("right", "right or wrong", BLUE), ("seen", "seen or unseen person", ORANGE)):
        if name in curves:
            axes.plot(*zip(*curves[name]), color=colour, linewidth=1.4, label=label)
    axes.set(xlabel="false positive rate", ylabel="true positive rate", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.legend(loc="lower right")
