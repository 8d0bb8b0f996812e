"""The charts of reports: SVG inside the page, so that it takes the page's colours (light, dark or printed).

Both axes are shares, from 0 to 100 %. A curve is named at its right end, in its own colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup, escape

WIDTH, HEIGHT = 460, 300
LEFT, TOP, RIGHT, BOTTOM = 46, 14, 340, 252  # of the square that shows 0 to 100 %
LINE = 14  # height of a line of text
MAX_NAME = 15  # characters of a curve's name that are shown
COLOURS = 8  # in the page's style sheet: c0 to c7


@dataclass
class Curve:
    """A line through points (x, y), both between 0 and 1."""

    name: str
    points: Sequence[Sequence[float]]
    colour: int = 0
    # Points with an interval: x, y, low and high end, and a text above it
    dots: list[tuple[float, float, float, float, str]] = field(default_factory=list)


def x_of(share: float) -> float:
    return round(LEFT + share * (RIGHT - LEFT), 1)


def y_of(share: float) -> float:
    return round(BOTTOM - share * (BOTTOM - TOP), 1)


def chart(
    curves: Sequence[Curve], x_title: str, y_title: str, guides: Sequence[tuple[str, float]] = (), diagonal: str = ""
) -> Markup:
    """The chart. Dashed `guides` are levels of y with a name; the `diagonal`, if it has a name, is y = x."""
    parts = axes(x_title, y_title)
    names = [(name, y_of(level), "muted") for name, level in guides]
    parts += [f'<path class="guide" d="M{LEFT} {y_of(level)}H{RIGHT}"/>' for _, level in guides]
    if diagonal:
        parts.append(f'<path class="guide" d="M{x_of(0)} {y_of(0)}L{x_of(1)} {y_of(1)}"/>')
        names.append((diagonal, y_of(1), "muted"))
    for curve in curves:
        colour = f"c{curve.colour % COLOURS}"
        points = [f"{x_of(x)} {y_of(y)}" for x, y in curve.points]
        if len(points) > 1:
            parts.append(f'<path class="curve {colour}" d="M{"L".join(points)}"/>')
        elif points:
            parts.append(
                f'<circle class="dot {colour}" cx="{points[0].split()[0]}" cy="{points[0].split()[1]}" r="3"/>'
            )
        parts += [dot(*values, colour) for values in curve.dots]
        if points:
            names.append((curve.name, y_of(curve.points[-1][1]), colour))
    parts += [
        f'<text class="name {colour}" x="{RIGHT + 8}" y="{y + 4}">{escape(shortened(name))}</text>'
        for (name, _, colour), y in zip(names, spread([y for _, y, _ in names]))
    ]
    label = escape(", ".join(curve.name for curve in curves))
    head = f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(y_title)}: {label}">'
    return Markup(head + "".join(parts) + "</svg>")


def axes(x_title: str, y_title: str) -> list[str]:
    """The grid, its numbers, and the titles of the axes."""
    parts = []
    for percent in (0, 25, 50, 75, 100):
        x, y = x_of(percent / 100), y_of(percent / 100)
        parts.append(f'<path class="grid" d="M{LEFT} {y}H{RIGHT}M{x} {TOP}V{BOTTOM}"/>')
        parts.append(f'<text x="{LEFT - 7}" y="{y + 4}" text-anchor="end">{percent}</text>')
        parts.append(f'<text x="{x}" y="{BOTTOM + 17}" text-anchor="middle">{percent}</text>')
    middle = (TOP + BOTTOM) / 2
    parts.append(f'<text x="{(LEFT + RIGHT) / 2}" y="{BOTTOM + 36}" text-anchor="middle">{escape(x_title)}</text>')
    turned = f'transform="translate(12 {middle}) rotate(-90)"'
    return [*parts, f'<text {turned} text-anchor="middle">{escape(y_title)}</text>']


def dot(x: float, y: float, low: float, high: float, text: str, colour: str) -> str:
    """A point with its interval and a text: above the interval, or beside the point if it has none."""
    cx, cy = x_of(x), y_of(y)
    circle = f'<circle class="dot {colour}" cx="{cx}" cy="{cy}" r="3.5"/>'
    if low == high:  # on a falling curve, so the text is above its right or below its left part, and within the chart
        place = f'x="{cx + 8}" y="{cy - 5}"' if x < 0.5 else f'x="{cx - 8}" y="{cy + 14}" text-anchor="end"'
        return f'{circle}<text class="count" {place}>{escape(text)}</text>'
    bar = f'<path class="interval {colour}" d="M{cx} {y_of(low)}V{y_of(high)}"/>'
    return f'{bar}{circle}<text class="count" x="{cx}" y="{y_of(high) - 4}" text-anchor="middle">{escape(text)}</text>'


def shortened(name: str) -> str:
    """A name that fits beside the chart: of a long one, the beginning and the end."""
    if len(name) <= MAX_NAME:
        return name
    return f"{name[: MAX_NAME // 2 - 1]}…{name[-(MAX_NAME // 2) :]}"


def spread(heights: Sequence[float]) -> list[float]:
    """The heights of lines of text, moved apart where they would overlap, in the same order and within the chart."""
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    placed, previous = [0.0] * len(heights), TOP - LINE
    for i in order:
        previous = placed[i] = max(heights[i], previous + LINE)
    limit = float(HEIGHT - 8)
    for i in reversed(order):
        placed[i] = min(placed[i], limit)
        limit = placed[i] - LINE
    return [round(y, 1) for y in placed]
