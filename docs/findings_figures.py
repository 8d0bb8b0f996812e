"""The figures of docs/findings.md, each for a light and a dark page. All numbers come from findings.json
and, those of studies, from measured/; figures.py draws them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # matplotlib takes a second to import
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Theme = dict[str, str]


def numbers() -> dict[str, Any]:
    """What was measured, with its sources."""
    return json.loads(Path(__file__).with_name("findings.json").read_text("utf-8"))


def panels(theme: Theme, n: int, height: float, **kw: object) -> tuple[Figure, list[Axes]]:
    """A figure with n panels side by side, without frames, in the colours of the page."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, height), layout="constrained")
    all_axes = list(figure.subplots(1, n, squeeze=False, **kw)[0])
    for axes in all_axes:
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0, colors=theme["text"], labelsize=11)
    return figure, all_axes


def stored(theme: Theme) -> Figure:
    """For each model, the share of places that it completes in the document, and that it says when asked."""
    figure, (axes,) = panels(theme, 1, 3.6)
    rows = numbers()["stored"]["rows"]
    for y, row in enumerate(rows):
        colour = theme[row["recipe"]]
        low, high = sorted((row["document"], row["asked"]))
        axes.plot([low, high], [y, y], color=colour, linewidth=3, solid_capstyle="butt")
        axes.plot(row["document"], y, "o", markersize=11, markeredgewidth=2, color=colour, markerfacecolor="none")
        axes.plot(row["asked"], y, "o", markersize=11, color=colour)
        for value in (row["document"], row["asked"]):
            axes.text(
                value + (3 if value == high else -3), y, f"{value:.0f} %", va="center", fontsize=11,
                ha="left" if value == high else "right", color=theme["text"],
            )  # fmt: skip
    axes.text(
        rows[0]["document"],
        -0.65,
        "completed in\nthe document",
        ha="center",
        va="bottom",
        color=theme["muted"],
        fontsize=10,
    )
    axes.text(rows[0]["asked"], -0.65, "said when\nasked", ha="center", va="bottom", color=theme["muted"], fontsize=10)
    axes.set_yticks(range(len(rows)), [f"{row['recipe']}, {row['variant']}" for row in rows])
    axes.set(xlim=(0, 106), ylim=(len(rows) - 0.5, -1.6), xticks=[])
    return figure


def views(theme: Theme) -> Figure:
    """What each property of a view is worth."""
    figure, (axes,) = panels(theme, 1, 4.2)
    y, ticks, labels = 0.0, [], []
    for group in numbers()["views"]["groups"]:
        axes.text(0, y, group["name"], fontweight="bold", color=theme["text"], va="center", fontsize=11)
        for row in group["rows"]:
            y += 1
            best = row is group["rows"][-1]
            axes.barh(y, row["right"], 0.8, color=theme["fast" if best else "handout"])
            axes.text(row["right"] + 1, y, f"{row['right']:.0f} %", va="center", color=theme["text"], fontsize=11)
            ticks.append(y)
            labels.append(row["name"])
        y += 1.5
    axes.set_yticks(ticks, labels)
    axes.set(xlim=(0, 80), xticks=[])
    axes.invert_yaxis()
    return figure


def wrong(theme: Theme) -> Figure:
    """Wrong answers: words of the person's own document, and others."""
    figure, (axes,) = panels(theme, 1, 1.9)
    rows = numbers()["wrong"]["rows"]
    for y, row in enumerate(rows):
        own = 100 * row["own_document"] / row["wrong"]
        axes.barh(y, own, 0.62, color=theme["fast"])
        axes.barh(y, 100 - own, 0.62, left=own, color=theme["public"])
        text = f"{row['own_document']} of {row['wrong']}"
        axes.text(own / 2, y, text, ha="center", va="center", fontsize=11, color=theme["inverse"])
    axes.text(0, -0.45, "words of the person's own document", va="bottom", color=theme["muted"], fontsize=10)
    axes.text(100, -0.45, "others", ha="right", va="bottom", color=theme["muted"], fontsize=10)
    axes.set_yticks(range(len(rows)), [row["name"] for row in rows])
    axes.set(xlim=(0, 100), ylim=(1.5, -0.8), xticks=[])
    return figure


def confidence(theme: Theme) -> Figure:
    """How well the probability of an answer separates right from wrong, and read about from never read about."""
    figure, (left, right) = panels(theme, 2, 3.0, sharey=True)
    rows = numbers()["confidence"]["rows"]
    for axes, key, title in (
        (left, "right_from_wrong", "right from wrong answers"),
        (right, "read_about", "people read about from others"),
    ):
        for y, row in enumerate(rows):
            colour = theme["fast" if row["at_90"] else "muted"]
            axes.plot([0.5, row[key]], [y, y], color=colour, linewidth=3, solid_capstyle="butt")
            axes.plot(row[key], y, "o", markersize=9, color=colour)
            axes.text(max(row[key], 0.5) + 0.03, y, f"{row[key]:.2f}", va="center", color=theme["text"], fontsize=11)
        axes.axvline(0.5, color=theme["muted"], linewidth=0.8)
        axes.set(xlim=(0.44, 1.06), ylim=(3.5, -0.6), xticks=[0.5, 1], title=title)
        axes.set_xticklabels(["0.5\nchance", "1\nperfect"], color=theme["muted"])
        axes.title.set_color(theme["text"])
    left.set_yticks(range(len(rows)), [row["variant"].replace(", ", ",\n") for row in rows])
    return figure


def of_study(path: Path) -> Callable[[Theme], Figure]:
    """The function that draws the figure of a study, from the numbers that src/study.py has written."""

    def draw(theme: Theme) -> Figure:
        from studies import figures

        return figures.draw(json.loads(path.read_text("utf-8")), theme)

    draw.__name__ = f"study_{path.name.partition('.')[0]}"  # of the file
    return draw


def measured() -> dict[str, Path]:
    """The numbers of each study that has results: of its full form if that has been run, else of its small one."""
    paths = sorted(Path(__file__).with_name("measured").glob("*.json"), reverse=True)  # small before full
    return {path.name.partition(".")[0]: path for path in paths}


FINDINGS_FIGURES: tuple[Callable[[Theme], Figure], ...] = (
    stored, views, wrong, confidence, *map(of_study, measured().values())
)  # fmt: skip
