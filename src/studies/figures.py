"""A figure for each study, from what results.document says of it."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # matplotlib takes a second to import
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Theme = dict[str, str]
Points = dict[str, dict[str, Any]]  # of a study, by name
LIGHT = {"text": "#1f2328", "muted": "#59636e", "blue": "#0069b4", "orange": "#c2500a", "green": "#00795a"}
COLOURS = ("blue", "orange", "green", "muted")
# Bits a parameter after 1,000 and after 100 exposures (Allen-Zhu and Li 2024, Physics of Language Models 3.3)
PUBLISHED = {2.0: "published: 2 bits a parameter (1,000 readings)", 1.0: "published: 1 bit a parameter (100 readings)"}


def new(theme: Theme, height: float = 3.6) -> tuple[Figure, Axes]:
    """A figure without a frame, in the colours of the page."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(theme["muted"])
    axes.tick_params(colors=theme["text"], labelsize=11)
    axes.xaxis.label.set_color(theme["text"])
    axes.yaxis.label.set_color(theme["text"])
    return figure, axes


def curve(
    axes: Axes, theme: Theme, colour: str, name: str, xs: Sequence[float], shares: Sequence[dict], raised: float = 0
) -> None:
    """Shares with their intervals against x, and the name at the right end, `raised` by some points."""
    values = [share["percent"] for share in shares]
    errors = [[max(0, s["percent"] - s["low"]) for s in shares], [max(0, s["high"] - s["percent"]) for s in shares]]
    axes.errorbar(xs, values, errors, color=theme[colour], marker="o", linewidth=2, elinewidth=1, capsize=0)
    axes.annotate(name, (xs[-1], values[-1]), (8, raised), textcoords="offset points", color=theme[colour], va="center",
                  fontweight="bold")  # fmt: skip


def bars(theme: Theme, points: Points, measures: dict[str, str], name: Callable[[str], str] = str) -> Figure:
    """For each point a bar for each measure that it has; `measures` has their names for the reader, `name` makes those of the
    points."""
    figure, axes = new(theme, 1.2 + 0.5 * sum(m in point for point in points.values() for m in measures))
    y, ticks = 0.0, []
    for point in points.values():
        own = [measure for measure in measures if measure in point]
        ticks.append(y + (len(own) - 1) / 2)
        for measure in own:
            share, colour = point[measure], theme[COLOURS[[*measures].index(measure)]]
            axes.barh(y, share["percent"], 0.8, color=colour)
            axes.plot([share["low"], share["high"]], [y, y], color=theme["text"], linewidth=1)
            text = f"  {share['percent']:.1f} %{'  ' + measures[measure] if len(own) > 1 else ''}"
            axes.text(share["high"], y, text, va="center", color=theme["text"])
            y += 1
        y += 0.6
    axes.set_yticks(ticks, map(name, points))
    axes.set(xlim=(0, 130), xticks=[])
    axes.spines[:].set_visible(False)
    axes.invert_yaxis()
    return figure


def capacity(theme: Theme, points: Points) -> Figure:
    """Bits against parameters, a curve for each number of people, beside the published lines."""
    figure, axes = new(theme, 4.6)
    axes.set(xscale="log", yscale="log", xlabel="parameters", ylabel="bits of all facts that were asked for")
    worlds: dict[int, list[dict]] = {}
    for point in points.values():
        worlds.setdefault(point["people"], []).append(point)
    ends = [point["parameters"] for point in points.values()]
    for bits, name in PUBLISHED.items():
        xs = [min(ends) / 1.5, max(ends) * 1.5]
        axes.plot(xs, [bits * x for x in xs], color=theme["muted"], linestyle="--", linewidth=1)
        above = bits == max(PUBLISHED)  # its name stands above its end, the other below its beginning
        x, offset = (xs[1], (0, 4)) if above else (xs[0], (10, -4))
        axes.annotate(name, (x, bits * x), offset, textcoords="offset points", fontsize=9, color=theme["muted"],
                      ha="right" if above else "left", va="bottom" if above else "top")  # fmt: skip
    for colour, (people, own) in zip(COLOURS, worlds.items()):
        own = sorted(own, key=lambda point: point["parameters"])
        xs, ys = [p["parameters"] for p in own], [max(1, p["bits"]) for p in own]
        axes.plot(xs, ys, marker="o", color=theme[colour])
        total = own[-1]["information"]
        axes.axhline(total, color=theme[colour], linewidth=0.8, linestyle=":")
        axes.text(max(ends) * 1.5, total, f"all of {people:,} people", color=theme[colour], ha="right", va="bottom")
    return figure


def exposures(theme: Theme, points: Points) -> Figure:
    """Right answers against the number of readings."""
    figure, axes = new(theme)
    for colour, kind, name in (("blue", "views", "views (fast)"), ("orange", "spans", "span corruption")):
        own = [point for key, point in points.items() if key.startswith(kind)]
        if own:
            curve(axes, theme, colour, name, [p["readings"] for p in own], [p["right"] for p in own])
    axes.set(xscale="log", xlabel="readings of each person", ylabel="right answers, %", ylim=(0, 100))
    ticks = sorted({point["readings"] for point in points.values()})
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlim(ticks[0] * 0.9, ticks[-1] * 2)
    return figure


def guessing(theme: Theme, points: Points) -> Figure:
    """About people without documents: answers that are places of the name's culture, and right ones."""
    figure, axes = new(theme, 4.2)
    xs = [float(key.removeprefix("strength-")) for key in points]
    lines = (("blue", "culture of unseen", "a place of the name's culture"), ("green", "culture by name", "the same, naive Bayes"),
             ("orange", "right of unseen", "right"), ("muted", "best guess", "right, if a name told its culture"))  # fmt: skip
    ends = [[*points.values()][-1][measure]["percent"] for _, measure, _ in lines]
    for (colour, measure, name), end in zip(lines, ends):
        close = [other for other in ends if other != end and abs(other - end) < 6]  # whose names would overlap
        raised = (7 if end > close[0] else -7) if close else 0
        curve(axes, theme, colour, name, xs, [point[measure] for point in points.values()], raised)
    axes.set(xlabel="name_culture_strength", ylabel="of the answers, %", ylim=(0, 100), xlim=(-0.05, 1.65))
    axes.set_xticks(xs)
    return figure


def wordings(theme: Theme, points: Points) -> Figure:
    """Right answers by the number of documents about a person."""

    def name(point: str) -> str:
        kind, _, documents = point.replace("spans", "span corruption").partition("-")
        if not documents:
            return point
        number = "1 or 5" if documents == "celebrities" else documents
        return f"{kind}, {number} document{'s' * (number != '1')}"

    kinds = {"right of one document": "those with one", "right of several": "those with five"}
    return bars(theme, points, kinds if any(map(set(kinds).issubset, points.values())) else {"right": ""}, name)


def reversal(theme: Theme, points: Points) -> Figure:
    """Right answers to questions about a person, and for a person."""
    return bars(theme, points, {"right": "where and when somebody was born", "right of reversed": "who was born"})


def forgetting(theme: Theme, points: Points) -> Figure:
    """Right answers about the first world before and after the second, and about the second."""
    return bars(theme, points, {"right": "first world, before", "right after": "first world, after the second",
                                "right of second": "second world"})  # fmt: skip


FIGURES: dict[str, Callable[[Theme, Points], Figure]] = {
    each.__name__: each for each in (capacity, exposures, guessing, wordings, reversal, forgetting)
}


def draw(known: dict[str, Any], theme: Theme = LIGHT) -> Figure:
    """The figure of a study, of the points that have results."""
    return FIGURES[known["study"]](theme, known["points"])


def svg(known: dict[str, Any]) -> bytes:
    """The figure as a file, the same bytes for the same numbers."""
    import matplotlib

    content = io.BytesIO()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # ignore the user's own settings
        matplotlib.rcParams["svg.hashsalt"] = "study"
        draw(known).savefig(content, format="svg", metadata={"Date": None, "Creator": None})
    return content.getvalue()
