"""The course's helpers: the random seed, sampling, and the score of predictions."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.files import InputError
from questions import read_questions, score

if TYPE_CHECKING:  # importing torch takes seconds, and scoring does not need it
    import torch


def set_seed(seed: int) -> None:
    """Seeds Python, numpy and torch (all devices)."""
    import numpy
    import torch

    random.seed(seed)
    numpy.random.seed(seed)
    torch.manual_seed(seed)


def top_k_logits(logits: torch.Tensor, k: int) -> torch.Tensor:
    """The logits (B, V), with minus infinity in place of all that are less than the k-th largest of their row."""
    least = logits.topk(min(k, logits.size(-1))).values[:, -1:]
    return logits.masked_fill(logits < least, -float("inf"))


def sample(
    model: torch.nn.Module,
    x: torch.Tensor,
    steps: int,
    temperature: float = 1.0,
    sample: bool = False,
    top_k: int | None = None,
) -> torch.Tensor:
    """Continues the sequences x (B, T) by `steps` tokens, with one full forward pass each, and returns (B, T + steps).

    Each token is the likeliest one, or with `sample` drawn from the distribution over the `top_k` likeliest. A sequence
    longer than the context is continued from its last `block_size` tokens. `generation.generate` is faster for greedy
    answers to many questions.
    """
    import torch

    block_size, was_training = model.get_block_size(), model.training
    model.eval()
    with torch.no_grad():
        for _ in range(steps):
            logits = model(x[:, -block_size:])[0][:, -1].float() / temperature
            if top_k is not None:
                logits = top_k_logits(logits, top_k)
            if sample:
                token = torch.multinomial(logits.softmax(-1), 1)
            else:
                token = logits.argmax(-1, keepdim=True)
            x = torch.cat((x, token), dim=1)
    model.train(was_training)
    return x


def evaluate_places(filepath: Path | str, predicted_places: Sequence[str]) -> tuple[float, float]:
    """The number of questions in a TSV file, and how many predictions equal their answers; (0, 0) without answers.

    Raises InputError when the number of predictions is not that of the questions.
    """
    questions, places = read_questions(filepath)
    if places is None:
        return 0.0, 0.0
    if len(places) != len(predicted_places):
        raise InputError(f"{filepath}: {len(predicted_places)} predictions for {len(questions)} questions")
    return score(places, predicted_places)
