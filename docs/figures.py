"""Draws the figures of docs/written.md, docs/findings.md and the README: `python docs/figures.py` writes them into docs/figures/.

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

BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#777777"
STYLE = {
    "svg.hashsalt": "written",  # without a fixed salt, the ids in the file are random
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
}


def softmax(scores: np.ndarray) -> np.ndarray:
    """The softmax over the last axis."""
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def sinusoids(T: int, d: int) -> np.ndarray:
    """The sinusoidal embeddings of the positions 0 … T-1: (T, d)."""
    angles = np.arange(T)[:, None] * 10000.0 ** (-2 * np.arange(d // 2) / d)
    return np.stack((np.sin(angles), np.cos(angles)), axis=-1).reshape(T, d)


def panels(n: int, height: float = 2.9, **kw: object) -> tuple[Figure, list[Axes]]:
    """A figure with n panels side by side."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, height), layout="constrained")
    return figure, list(figure.subplots(1, n, **kw))


def beta() -> Figure:
    """The weights for a copying and for an averaging query, against the scale beta."""
    figure, (left, right) = panels(2)
    scale = np.linspace(0, 16, 81)
    for n, colour in ((4, BLUE), (64, ORANGE), (1024, GREEN)):
        left.plot(scale, 1 / (1 + (n - 1) * np.exp(-scale)), color=colour, label=f"{n} keys")
        right.plot(scale, 1 / (2 + (n - 2) * np.exp(-scale)), color=colour, label=f"{n} keys")
    right.axhline(0.5, color=GREY, linewidth=0.8)
    left.set(title=r"copying: $q=\beta k_j$", ylabel=r"weight $\alpha_j$")
    right.set(title=r"averaging: $q=\beta(k_a+k_b)$", ylabel=r"weight $\alpha_a=\alpha_b$", ylim=(-0.025, 0.55))
    for axes in (left, right):
        axes.axvline(1, color=GREY, linestyle=":", linewidth=1)
        axes.set(xlabel=r"$\beta$ (dotted: $\beta=1$, no scale)", xlim=(0, 16))
    left.legend(loc="lower right")
    return figure


def heads() -> Figure:
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

    figure, (left, right) = panels(2)
    one, two = one_and_two(scale)
    left.fill_between(
        gamma[::20], (density / density.max() * 0.35)[::20], color="#e4e4e4", label=r"how often $\gamma$ occurs"
    )
    left.plot(gamma[::5], one[::5], color=ORANGE, label="one head")
    left.plot(gamma[::5], two[::5], color=BLUE, label="two heads")
    left.set(title=rf"{n} keys, $\beta={scale:.0f}$", xlabel=r"$\gamma$, where $k_a\approx\gamma\mu_a$")
    left.set(ylabel=r"weight of $v_a$ in $c$", ylim=(0, 1.42), xlim=(-1.5, 3.5), yticks=np.linspace(0, 1, 5))
    left.legend(loc="upper left", ncols=2, columnspacing=1)
    betas, everywhere, positive = np.linspace(0, 60, 61), np.ones_like(gamma), gamma > 0
    spreads = [
        (variance(a, everywhere), variance(b, everywhere), variance(b, positive)) for a, b in map(one_and_two, betas)
    ]
    for values, colour, dashes, label in zip(
        zip(*spreads), (ORANGE, BLUE, BLUE), ("-", "-", "--"), ("one head", "two heads", r"two heads, $\gamma>0$ only")
    ):
        right.plot(betas, values, color=colour, linestyle=dashes, label=label)
    right.axhline(0.25, color=GREY, linewidth=0.8)
    right.set(title="all samples together", xlabel=r"$\beta$", ylabel=r"variance of $v_a$'s weight", ylim=(0, 0.29))
    right.set(xlim=(0, 60))
    right.legend(loc="center right")
    return figure


def positions() -> Figure:
    """Sinusoidal embeddings, and their inner products against the distance."""
    figure, (left, right) = panels(2)
    image = left.imshow(sinusoids(64, 64), cmap="RdBu", vmin=-1, vmax=1, aspect="auto", interpolation="nearest")
    left.set(title=r"$\Phi$ for $d=64$", xlabel="feature", ylabel="position")
    figure.colorbar(image, ax=left)
    for d, colour in ((8, GREEN), (64, ORANGE), (256, BLUE)):
        phi = sinusoids(151, d)
        right.plot(phi @ phi[0] / (d / 2), color=colour, label=f"d = {d}")
    right.set(title="inner product of two positions", xlabel="distance between them", xlim=(0, 150))
    right.set(ylabel=r"$\phi_s^\top\phi_t\,/\,(d/2)$", ylim=(-0.2, 1.25))
    right.legend(loc="upper right", ncols=3, columnspacing=1)
    return figure


def rope() -> Figure:
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
        for t, colour, marker, size in ((0, GREY, "o", 7), (20, ORANGE, "o", 4.2), (80, BLUE, "o", 1.8)):
            scores = queries[t + distances] @ keys[t]
            ax.plot(distances, scores, color=colour, linewidth=0.9, marker=marker, markersize=size, label=f"t = {t}")
        ax.set(title=title, xlabel=r"distance $s-t$", ylabel="score")
    axes[0].legend(loc="upper right", title="key at", ncols=3, columnspacing=1)
    axes[0].set_ylim(top=axes[0].get_ylim()[1] + 12)
    return figure


def synthesizer() -> Figure:
    """The attention weights of the last token, before and after two other tokens are exchanged."""
    T, width = 6, 16
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(T, width, generator=generator)
    order = [0, 1, 4, 3, 2, 5]
    names = np.array(list("ABCDE?"))
    figure, axes = panels(2, 2.6, sharey=True)
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
        for shift, weights, label, colour in (
            (-0.2, seen[0], " ".join(names), BLUE),
            (0.2, seen[1], " ".join(names[order]), ORANGE),
        ):
            ax.bar(at + shift, weights, 0.4, color=colour, label=label)
        ax.set(title=title, xlabel="place", xticks=at)
        ax.set_xticklabels(f"{i + 1}\n{a} | {b}" for i, (a, b) in enumerate(zip(names, names[order])))
    axes[0].set(ylabel="weight at the last token")
    axes[1].legend(title="sequence", loc="upper left")
    return figure


# ---------------------------------------------------------------------------------------------------------------------
# The README's figures, each for a light and a dark page


THEMES = {
    "light": {"text": "#1f2328", "muted": "#59636e", "public": "#b0b7bf", "handout": "#5b9bd5", "fast": "#0969da", "inverse": "#ffffff",
              "mask": "#fff3c4", "missing": "#ffd8a8", "title": "#cfe5ff"},
    "dark": {"text": "#e6edf3", "muted": "#9198a1", "public": "#59636e", "handout": "#3a6ea5", "fast": "#58a6ff", "inverse": "#0d1117",
             "mask": "#4d4212", "missing": "#6b4415", "title": "#173f6b"},
}  # fmt: skip
# Right answers in % of the course's 500 dev questions; sources in docs/results.md
WITHOUT_READING = {"always London": 5.0, "guessed from the name": 4.4}
ACCURACIES = {"rope": (33.2, 36.6, 81.6), "vanilla": (27.2, 39.0, 81.5), "synthesizer": (13.4, 20.6, 76.7)}
SERIES = {"public": "best public result", "handout": "the handouts' recipe, here", "fast": "recipe fast, here"}


def accuracy(theme: dict[str, str]) -> Figure:
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
    axes.set(xlim=(0, 128), xticks=[])
    axes.invert_yaxis()
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, colors=theme["text"], labelsize=12)
    return figure


def view(theme: dict[str, str]) -> Figure:
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


FIGURES: tuple[Callable[[], Figure], ...] = (beta, heads, positions, rope, synthesizer)
README_FIGURES: tuple[Callable[[dict[str, str]], Figure], ...] = (accuracy, view)


def main(folder: Path = HERE / "figures") -> None:
    """Writes all figures to `folder`."""
    import matplotlib

    def save(figure: Figure, name: str, **settings: object) -> None:
        content = io.BytesIO()
        figure.savefig(content, format="svg", metadata={"Date": None, "Creator": None}, **settings)
        write_atomically(folder / f"{name}.svg", content.getvalue())

    folder.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # ignore the user's own settings
        matplotlib.rcParams.update(STYLE)
        for draw in FIGURES:
            save(draw(), draw.__name__)
        matplotlib.rcParams.update({"font.size": 12, "axes.titlesize": 13})
        for draw in README_FIGURES + FINDINGS_FIGURES:
            for name, theme in THEMES.items():
                save(draw(theme), f"{draw.__name__}.{name}", transparent=True)


if __name__ == "__main__":
    main()
