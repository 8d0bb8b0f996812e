"""Draws the figures of docs/written.md, docs/findings.md and the README: `python docs/figures.py` writes them into docs/figures/,
each for a light and for a dark page.

Those of docs/written.md are computed from formulas or from layers with random weights; the others show measured numbers,
which stand below and in findings.json. The same program writes the same bytes each time.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

HERE = Path(__file__).resolve().parent
if str(HERE.parent / "src") not in sys.path:
    sys.path.append(str(HERE.parent / "src"))

import torch
from findings_figures import FINDINGS_FIGURES

from attention import CausalSelfAttention, SynthesizerAttention, apply_rotary_emb, precompute_rotary_emb
from engine.files import write_atomically
from model import GPTConfig

if TYPE_CHECKING:  # matplotlib takes a second to import
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Theme = dict[str, str]
STYLE = {
    "svg.hashsalt": "written",  # without a fixed salt, the ids in the file are random
    "font.size": 12,
    "axes.titlesize": 13,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 2,
}


def softmax(scores: np.ndarray) -> np.ndarray:
    """The softmax over the last axis."""
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def sinusoids(T: int, d: int) -> np.ndarray:
    """The sinusoidal embeddings of the positions 0 … T-1: (T, d)."""
    angles = np.arange(T)[:, None] * 10000.0 ** (-2 * np.arange(d // 2) / d)
    return np.stack((np.sin(angles), np.cos(angles)), axis=-1).reshape(T, d)


def panels(n: int, height: float = 3.4, **kw: object) -> tuple[Figure, list[Axes]]:
    """A figure with n panels side by side."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, height), layout="constrained")
    return figure, list(figure.subplots(1, n, **kw))


def name(axes: Axes, x: float, y: float, text: str, colour: str, **kw: object) -> None:
    """The name of a curve beside it, in its colour."""
    axes.text(x, y, text, color=colour, va="center", fontweight="bold", **kw)


def beta(theme: Theme) -> Figure:
    """The weights for a copying and for an averaging query, against the scale beta."""
    figure, (left, right) = panels(2)
    scale = np.linspace(0, 16, 81)
    for n, colour in ((4, theme["blue"]), (64, theme["orange"]), (1024, theme["green"])):
        left.plot(scale, 1 / (1 + (n - 1) * np.exp(-scale)), color=colour)
        right.plot(scale, 1 / (2 + (n - 2) * np.exp(-scale)), color=colour)
        for axes, height in ((left, 0.5), (right, 0.25)):
            name(axes, np.log(n - 1) + 0.45, height - 0.03, f"{n} keys" if n == 1024 else f"{n}", colour)
    right.axhline(0.5, color=theme["muted"], linewidth=0.8)
    left.set(title=r"copying: $q=\beta k_j$", ylabel=r"weight $\alpha_j$", ylim=(-0.05, 1.05))
    right.set(title=r"averaging: $q=\beta(k_a+k_b)$", ylabel=r"weight $\alpha_a=\alpha_b$", ylim=(-0.025, 0.55))
    for axes in (left, right):
        axes.axvline(1, color=theme["muted"], linestyle=":", linewidth=1)
        axes.set(xlabel=r"$\beta$ (dotted: $\beta=1$, no scale)", xlim=(0, 16))
    return figure


def heads(theme: Theme) -> Figure:
    """One head and two heads, if k_a is gamma mu_a with a random gamma."""
    n, scale = 8, 20.0
    gamma = np.linspace(-1.5, 3.5, 1001)
    density = np.exp(-((gamma - 1) ** 2)) / np.sqrt(np.pi)  # normal, mean 1, variance 1/2

    def one_and_two(b: float) -> tuple[np.ndarray, np.ndarray]:
        """The weight of v_a in the output of one head and of two, for each gamma, in the limit alpha = 0: twice (1001,)."""
        keys, a, other = np.eye(n), np.eye(n)[0], np.eye(n)[1]
        scores = [np.repeat((keys @ q)[None] * b, len(gamma), axis=0) for q in (a + other, a, other)]
        for s in scores[:2]:
            s[:, 0] = b * gamma
        one, first, second = (softmax(s)[:, 0] for s in scores)
        return one, (first + second) / 2

    def variance(weight: np.ndarray, among: np.ndarray) -> float:
        """The variance of `weight` over gamma; `among` is 1 for each gamma that counts, else 0."""
        p = density * among / (density * among).sum()
        return float((p * weight**2).sum() - (p * weight).sum() ** 2)

    blue, orange = theme["blue"], theme["orange"]
    figure, (left, right) = panels(2)
    one, two = one_and_two(scale)
    left.fill_between(gamma[::20], (density / density.max() * 0.35)[::20], color=theme["area"])
    left.text(1, 0.09, r"how often $\gamma$ occurs", color=theme["text"], ha="center", fontsize=10.5)
    left.plot(gamma[::5], one[::5], color=orange)
    left.plot(gamma[::5], two[::5], color=blue)
    name(left, 1.3, 0.93, "one head", orange)
    name(left, 0.85, 0.57, "two heads", blue, ha="right")
    left.set(title=rf"{n} keys, $\beta={scale:.0f}$", xlabel=r"$\gamma$, where $k_a\approx\gamma\mu_a$")
    left.set(ylabel=r"weight of $v_a$ in $c$", ylim=(0, 1.06), xlim=(-1.5, 3.5), yticks=np.linspace(0, 1, 5))
    betas, everywhere, positive = np.linspace(0, 60, 61), np.ones_like(gamma), gamma > 0
    spreads = [
        (variance(a, everywhere), variance(b, everywhere), variance(b, positive)) for a, b in map(one_and_two, betas)
    ]
    for values, colour, dashes, text, height in zip(
        zip(*spreads),
        (orange, blue, blue),
        ("-", "-", "--"),
        ("one head", "two heads", r"$\gamma>0$ only"),
        (0.24, 0.027, 0),
    ):
        right.plot(betas, values, color=colour, linestyle=dashes)
        name(right, 61, height, text, colour)
    right.axhline(0.25, color=theme["muted"], linewidth=0.8)
    right.set(
        title="all samples together", xlabel=r"$\beta$", ylabel=r"variance of $v_a$'s weight", ylim=(-0.012, 0.29)
    )
    right.set(xlim=(0, 60))
    return figure


def positions(theme: Theme) -> Figure:
    """Sinusoidal embeddings, and their inner products against the distance."""
    figure, (left, right) = panels(2)
    image = left.imshow(sinusoids(64, 64), cmap="RdBu", vmin=-1, vmax=1, aspect="auto", interpolation="nearest")
    left.set(title=r"$\Phi$ for $d=64$", xlabel="feature", ylabel="position")
    figure.colorbar(image, ax=left)
    for d, colour, height in ((8, theme["green"], 0.1), (64, theme["orange"], 0.34), (256, theme["blue"], 0.45)):
        phi = sinusoids(151, d)
        right.plot(phi @ phi[0] / (d / 2), color=colour)
        name(right, 152, height, f"d = {d}", colour)
    right.set(title="inner product of two positions", xlabel="distance between them", xlim=(0, 150))
    right.set(ylabel=r"$\phi_s^\top\phi_t\,/\,(d/2)$", ylim=(-0.2, 1.05))
    return figure


def rope(theme: Theme) -> Figure:
    """A score against the distance, for keys at three positions: with sinusoids added, and with RoPE."""
    d, distances = 32, np.arange(41)
    rng = np.random.default_rng(3)
    q = rng.normal(size=d)
    k = q + 0.5 * rng.normal(size=d)
    phi, cache = sinusoids(128, d), precompute_rotary_emb(d, 128)

    def rotated(x: np.ndarray) -> np.ndarray:
        """x, rotated for each of the positions 0 … 127: (128, d)."""
        return apply_rotary_emb(torch.tensor(x, dtype=torch.float32).expand(1, 1, 128, d), cache)[0, 0].numpy()

    figure, axes = panels(2, sharex=True)
    for ax, queries, keys, title in (
        (axes[0], q + phi, k + phi, r"sinusoids added: $(q+\phi_s)^\top(k+\phi_t)$"),
        (axes[1], rotated(q), rotated(k), r"RoPE: $(R_s\,q)^\top(R_t\,k)$"),
    ):
        for t, colour, size, shift in (
            (0, theme["grey"], 7, 1),
            (20, theme["orange"], 4.2, 0),
            (80, theme["blue"], 1.8, -1),
        ):
            scores = queries[t + distances] @ keys[t]
            ax.plot(distances, scores, color=colour, linewidth=0.9, marker="o", markersize=size)
            if ax is axes[0]:
                name(ax, 42, scores[-1] + shift, f"t = {t}", colour)
        ax.set(title=title, xlabel=r"distance $s-t$", ylabel="score", xlim=(-1.5, 41.5))
    axes[1].text(40, scores.max(), "the same for t = 0, 20 and 80", ha="right", va="top", color=theme["text"])
    return figure


def synthesizer(theme: Theme) -> Figure:
    """The attention weights of the last token, before and after two other tokens are exchanged."""
    T, width = 6, 16
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(T, width, generator=generator)
    order = [0, 1, 4, 3, 2, 5]
    names = np.array(list("ABCDE?"))
    figure, axes = panels(2, 3, sharey=True)
    for ax, kind, title in (
        (axes[0], CausalSelfAttention, "queries and keys"),
        (axes[1], SynthesizerAttention, "synthesizer"),
    ):
        layer = kind(GPTConfig(2, T + 1, n_head=1, n_embd=width, synthesizer=kind is SynthesizerAttention))
        with torch.no_grad():
            for p in layer.parameters():
                p.normal_(std=0.4, generator=generator)
        seen: list[np.ndarray] = []
        layer.eval().attn_drop.register_forward_pre_hook(
            lambda _, given, into=seen: into.append(given[0][0, 0, -1].numpy())
        )
        with torch.no_grad():
            layer(x[None])
            layer(x[order][None])
        at = np.arange(T)
        for shift, weights, colour in ((-0.2, seen[0], theme["blue"]), (0.2, seen[1], theme["orange"])):
            ax.bar(at + shift, weights, 0.4, color=colour)
        ax.set(title=title, xlabel="place", xticks=at)
        ax.set_xticklabels(f"{i + 1}\n{a} | {b}" for i, (a, b) in enumerate(zip(names, names[order])))
    axes[0].set(ylabel="weight at the last token", ylim=(0, 0.95))
    for height, text, colour in ((0.92, names, theme["blue"]), (0.8, names[order], theme["orange"])):
        name(axes[0], 0.02, height, "sequence " + " ".join(text), colour, transform=axes[0].transAxes)
    return figure


# ---------------------------------------------------------------------------------------------------------------------
# The README's figures


THEMES = {
    "light": {"text": "#1f2328", "muted": "#59636e", "public": "#b0b7bf", "handout": "#5b9bd5", "fast": "#0969da", "inverse": "#ffffff",
              "mask": "#fff3c4", "missing": "#ffd8a8", "title": "#cfe5ff",
              "blue": "#0069b4", "orange": "#c2500a", "green": "#00795a", "grey": "#6e7781", "area": "#e1e5ea"},
    "dark": {"text": "#e6edf3", "muted": "#9198a1", "public": "#59636e", "handout": "#3a6ea5", "fast": "#58a6ff", "inverse": "#0d1117",
             "mask": "#4d4212", "missing": "#6b4415", "title": "#173f6b",
             "blue": "#6cb6ff", "orange": "#f0883e", "green": "#3fc59a", "grey": "#9198a1", "area": "#2d333b"},
}  # fmt: skip
# Right answers in % of the course's 500 dev questions; sources in docs/results.md
WITHOUT_READING = {"always London": 5.0, "guessed from the name": 4.4}
ACCURACIES = {"rope": (33.2, 36.6, 89.5), "vanilla": (27.2, 39.0, 88.9), "synthesizer": (13.4, 20.6, 80.2)}
SERIES = {"public": "best public result", "handout": "the handouts' recipe, here", "fast": "recipe fast, here"}


def accuracy(theme: Theme) -> Figure:
    """Right answers: without reading, the best public results, and the two recipes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.9), layout="constrained")
    axes = figure.subplots()
    ticks, names, y = [], [], 0.0
    for name, value in WITHOUT_READING.items():
        axes.barh(y, value, 0.8, color=theme["muted"])
        axes.text(value + 1, y, f"{value:.1f} %", va="center", color=theme["text"])
        ticks.append(y)
        names.append(name)
        y += 1
    for variant, values in ACCURACIES.items():
        y += 0.6
        ticks.append(y + 1)
        names.append(variant)
        for (key, label), value in zip(SERIES.items(), values):
            bold = "bold" if key == "fast" else "normal"
            axes.barh(y, value, 0.9, color=theme[key])
            text = f"{value:.1f} %  {label if variant == 'rope' else ''}"
            axes.text(value + 1, y, text, va="center", color=theme["text"], fontweight=bold)
            y += 1
    axes.set_yticks(ticks, names)
    axes.set(xlim=(0, 140), xticks=[])
    axes.invert_yaxis()
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, colors=theme["text"], labelsize=12)
    return figure


def view(theme: Theme) -> Figure:
    """A document, the question about it, and a view of it: character by character."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    figure = Figure(figsize=(8, 2.5))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-1, 75), ylim=(0, 8))
    axes.axis("off")

    def write(pieces: list[tuple[str, str | None]], x: float, y: float) -> None:
        """Pieces of text from column x on, one after the other, each on its colour."""
        for text, colour in pieces:
            if colour:
                axes.add_patch(Rectangle((x, y - 0.45), len(text), 1.0, color=theme[colour], linewidth=0))
            for i, char in enumerate(text):
                axes.text(x + i + 0.5, y, char, family="monospace", fontsize=10.5, ha="center", va="center",
                          color=theme["text"])  # fmt: skip
            x += len(text)

    for y, label in ((7.4, "document"), (4.9, "a view of it, with two gaps: the model restores what is missing (orange)"),
                     (2.0, "question")):  # fmt: skip
        axes.text(-0.6, y, label, fontsize=10, color=theme["muted"], va="center")
    name = ("Andrew Ball", "title")
    write([name, (". Andrew Ball was an English theologian born in London .", None)], 0, 6.5)
    mask = ("\u2047", "mask")
    write([name, (". ", None), ("born in ", None), mask, (" .", None), mask, ("London", "missing"), mask,
           ("was an ", None), mask, (" theologian", None), mask, ("English", "missing"), mask], 10, 3.9)  # fmt: skip
    write([("Where was ", None), name, (" born?", None), mask, ("London", "missing"), mask], 0, 1.0)
    axes.plot([10, 10], [0.4, 4.6], color=theme["muted"], linewidth=0.8, linestyle=":")
    axes.text(32, 2.0, "the name begins at position 10 in both", fontsize=10, color=theme["muted"], va="center")
    return figure


FIGURES: tuple[Callable[[Theme], Figure], ...] = (beta, heads, positions, rope, synthesizer, accuracy, view)


def main(folder: Path = HERE / "figures") -> None:
    """Writes all figures to `folder`, each for a light and for a dark page."""
    import matplotlib

    folder.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # ignore the user's own settings
        matplotlib.rcParams.update(STYLE)
        for page, theme in THEMES.items():
            text = ("text.color", "axes.labelcolor", "axes.titlecolor", "axes.edgecolor", "xtick.color", "ytick.color")
            matplotlib.rcParams.update(dict.fromkeys(text, theme["text"]))
            for draw in FIGURES + FINDINGS_FIGURES:
                content = io.BytesIO()
                settings = {"format": "svg", "metadata": {"Date": None, "Creator": None}, "transparent": True}
                draw(theme).savefig(content, **settings)
                write_atomically(folder / f"{draw.__name__}.{page}.svg", content.getvalue())


if __name__ == "__main__":
    main()
