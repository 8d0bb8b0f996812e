"""What a submission is compared with: the data, the handouts' mathematics and its usual misreadings, and what this
repository's code answers with the student's parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch.nn import functional as F

from attention import precompute_rotary_emb
from autograder.edition import SAMPLE, Edition
from dataset import CharCorruptionDataset
from engine.files import InputError, naming_file, read_text
from generation import generate
from model import GPT, GPTConfig
from questions import MAX_ANSWER, encode_question, read_questions, score
from vocabulary import MASK, MASK_CHAR, PAD_CHAR, decode

# ---------------------------------------------------------------------------------------------------------------------
# Data


FILES = {"dev": "birth_dev.tsv", "test": "birth_test_inputs.tsv"}


@dataclass(frozen=True)
class Data:
    """The files that the submission was made with. Raises engine.files.InputError when one cannot be used."""

    folder: Path
    answers_path: Path | None = None  # the test set with its answers

    @cached_property
    def corpus(self) -> CharCorruptionDataset:
        return CharCorruptionDataset(read_text(self.folder / "wiki.txt"), 128)

    @cached_property
    def questions(self) -> dict[str, list[str]]:
        """Of dev and test."""
        return {split: read_questions(self.folder / name)[0] for split, name in FILES.items()}

    @cached_property
    def answers(self) -> dict[str, list[str] | None]:
        """Of dev, and of test if they are known."""
        test = read_questions(self.answers_path)[1] if self.answers_path else None
        return {"dev": read_questions(self.folder / "birth_dev.tsv")[1], "test": test}

    def sampled(self, split: str) -> dict[int, str]:
        """Some questions of a split, as they stand in its file: number -> line."""
        lines = read_text(self.folder / FILES[split]).removesuffix("\n").split("\n")
        count = len(self.questions[split])
        skipped = len(lines) - count  # a header
        return {i: lines[skipped + i] + "\n" for i in sorted({n * count // SAMPLE for n in range(SAMPLE)})}

    @property
    def london(self) -> float:
        """The accuracy on dev of always answering London, in percent."""
        total, correct = score(self.answers["dev"], ["London"] * len(self.answers["dev"]))
        return 100 * correct / total

    def check(self) -> None:
        """Raises InputError when a file is missing or the test answers are not those of the test questions."""
        with naming_file(self.folder / "wiki.txt"):
            _ = self.corpus
        if self.answers["dev"] is None:
            raise InputError(f"{self.folder / 'birth_dev.tsv'}: has no answers")
        if self.answers_path:
            asked = read_questions(self.answers_path)
            if asked[0] != self.questions["test"] or asked[1] is None:
                raise InputError(
                    f"{self.answers_path}: does not hold the questions of birth_test_inputs.tsv with answers"
                )


# ---------------------------------------------------------------------------------------------------------------------
# RoPE


def rope_tables(dim: int, positions: int) -> dict[str, torch.Tensor]:
    """The table of the handout, under the name "", and those of its misreadings, each under what is to be said of it."""
    t, i = torch.arange(positions, dtype=torch.float64)[:, None], torch.arange(1, dim // 2 + 1, dtype=torch.float64)

    def table(angles: torch.Tensor) -> torch.Tensor:
        return torch.stack((angles.cos(), angles.sin()), -1)

    right = t * 10000 ** (-2 * (i - 1) / dim)
    return {
        "": table(right),
        "the exponent has the wrong sign: the angles grow with i as t / 10000^(-2(i-1)/d), they should shrink as "
        "t * 10000^(-2(i-1)/d)": table(t * 10000 ** (2 * (i - 1) / dim)),
        "i counts from 1 without the -1: the exponent is -2i/d, it should be -2(i-1)/d, so that the first pair turns by "
        "t itself": table(t * 10000 ** (-2 * i / dim)),
        "the 2 in the exponent is missing: it is -(i-1)/d, it should be -2(i-1)/d": table(
            t * 10000 ** (-(i - 1) / dim)
        ),
        "the angles start at t = 1": table((t + 1) * 10000 ** (-2 * (i - 1) / dim)),
        "the base is 1000, it should be 10000": table(t * 1000 ** (-2 * (i - 1) / dim)),
        "the angles turn the other way: sin has the wrong sign": table(-right),
        "sin stands before cos": table(right).flip(-1),
        "the angles are in degrees": table(torch.deg2rad(right)),
        "all pairs turn by the same angle": table(t.expand(positions, dim // 2)),
    }


def rotate(x: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """Equation 3: the pairs (1, 2), (3, 4) and so on of x (..., T, d), turned by the angles of table (T, d/2, 2)."""
    (cos, sin), (one, two) = table.unbind(-1), x.unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack((one * cos - two * sin, one * sin + two * cos), -1).flatten(-2)


def rotations(x: torch.Tensor, table: torch.Tensor) -> dict[str, torch.Tensor]:
    """x (B, heads, T, d) rotated as in the handout, under the name "", and in other ways, under what is to be said."""
    cos, sin = table.unbind(-1)
    one, two = x.chunk(2, -1)
    reverse = torch.stack((cos, -sin), -1)
    interleaved = rotate(torch.stack((one, two), -1).flatten(-2), table)
    return {
        "": rotate(x, table),
        "it pairs feature i with i + d/2 (it splits the vector in halves); the handout rotates neighbouring pairs, "
        "(1, 2), (3, 4) and so on": torch.cat((one * cos - two * sin, one * sin + two * cos), -1),
        "it pairs feature i with i + d/2 (it splits the vector in halves) and mixes up their order; the handout rotates "
        "neighbouring pairs, (1, 2), (3, 4) and so on": interleaved,
        "it rotates in the wrong direction: the minus of equation 3 stands at the other sin": rotate(x, reverse),
    }


def rope_attention(biases: torch.Tensor, heads: int, T: int) -> dict[str, torch.Tensor]:
    """Attention weights (heads, T, T) of rotated queries and keys; and those of misreadings. `biases` (2, width) are the query
    of all positions, and the key of position t divided by 1 + (t % 3) / 2."""
    q, k = biases.double().view(2, heads, 1, -1).expand(-1, -1, T, -1)
    k = k * (1 + torch.arange(T)[:, None] % 3 / 2)
    size = q.size(-1)
    table = precompute_rotary_emb(size, T).double()
    causal = torch.full((T, T), -torch.inf, dtype=torch.float64).triu(1)

    def weights(q: torch.Tensor, k: torch.Tensor, scale: float = size**-0.5) -> torch.Tensor:
        return (q @ k.transpose(-2, -1) * scale + causal).softmax(-1)

    return {
        "": weights(rotate(q, table), rotate(k, table)),
        "neither queries nor keys are rotated": weights(q, k),
        "only the queries are rotated; queries and keys both have to be": weights(rotate(q, table), k),
        "only the keys are rotated; queries and keys both have to be": weights(q, rotate(k, table)),
        "the scores are not divided by the root of the head's size": weights(rotate(q, table), rotate(k, table), 1.0),
        "queries and keys are rotated twice": weights(rotate(rotate(q, table), table), rotate(rotate(k, table), table)),
    }


# ---------------------------------------------------------------------------------------------------------------------
# The synthesizer


def synthesized(x: torch.Tensor, w: Mapping[str, torch.Tensor], heads: int) -> dict[str, torch.Tensor]:
    """Equation 5 with the weights `w` for x (B, T, C), under the name "", and its misreadings."""
    B, T, C = x.shape
    causal = torch.full((T, T), -torch.inf, dtype=torch.float64).triu(1)

    def split(a: torch.Tensor) -> torch.Tensor:
        return a.view(B, T, heads, C // heads).transpose(1, 2)

    def layer(name: str, a: torch.Tensor) -> torch.Tensor:
        return F.linear(a, w[f"{name}.weight"], w[f"{name}.bias"])

    hidden, v = split(layer("w1", x)), split(layer("value", x))
    scores = hidden.relu() @ w["w2"][:, :T]

    def output(weights: torch.Tensor) -> torch.Tensor:
        return layer("proj", (weights @ v).transpose(1, 2).reshape(B, T, C))

    b2, right = w["b2"][:T], scores + w["b2"][:T]
    return {
        "": output((right + causal).softmax(-1)),
        "there is no ReLU around x A + b1": output((hidden @ w["w2"][:, :T] + b2 + causal).softmax(-1)),
        "b2 is not added": output((scores + causal).softmax(-1)),
        "b1 is not added": output(
            (split(F.linear(x, w["w1.weight"])).relu() @ w["w2"][:, :T] + b2 + causal).softmax(-1)
        ),
        "later positions are not masked": output(right.softmax(-1)),
        "the scores are divided by the root of the head's size, as in equation 3; equation 5 does not divide": output(
            (right / (C // heads) ** 0.5 + causal).softmax(-1)
        ),
        "the scores are divided by the root of the head's size, before b2 is added; equation 5 does not divide": output(
            (scores / (C // heads) ** 0.5 + b2 + causal).softmax(-1)
        ),
        "the softmax runs over the queries, it should run over the keys (dim=-1)": output((right + causal).softmax(-2)),
        "the heads are not joined in order before the projection": layer(
            "proj", ((right + causal).softmax(-1) @ v).reshape(B, T, C)
        ),
        "the output projection is missing": ((right + causal).softmax(-1) @ v).transpose(1, 2).reshape(B, T, C),
        "masked scores are 0 before the softmax, they should be minus infinity": output(
            right.masked_fill(causal < 0, 0).softmax(-1)
        ),
    }


# ---------------------------------------------------------------------------------------------------------------------
# What the parameters answer


def blank_model(edition: Edition, vocab_size: int, variant: str) -> GPT:
    shape = {name: getattr(edition, name) for name in ("n_layer", "n_head", "n_embd")}
    return GPT(GPTConfig(vocab_size, edition.block_size, variant=variant, **shape)).eval()


def given_again(
    model: GPT, corpus: CharCorruptionDataset, questions: list[str], lines: list[str]
) -> tuple[list[bool], list[str]]:
    """Whether each line is what the model answers to its question, and its answers. Questions are read in the ways of the
    course's code, too: its evaluation keeps letters that are not ASCII, and the newline after a question without answer."""

    def as_read(question: str, ways: str) -> list[int] | None:
        prompt = encode_question(question, corpus.stoi, corpus.block_size, "")
        if not ways:
            return prompt
        text = (question if "whole" in ways else decode(prompt[:-1], corpus.itos)) + "\n" * ("newline" in ways)
        known = all(char in corpus.stoi for char in text) and len(text) + 1 < corpus.block_size
        return [corpus.stoi[char] for char in text] + [MASK] if known else None

    same, answers = [False] * len(questions), [""] * len(questions)
    for ways in ("", "whole", "newline", "whole newline"):
        asked = [(i, as_read(questions[i], ways)) for i in range(len(questions)) if not same[i]]
        prompts = [(i, tokens) for i, tokens in asked if tokens]
        for (i, _), new in zip(prompts, generate(model, [tokens for _, tokens in prompts], MAX_ANSWER, MASK)):
            answer = decode(new, corpus.itos).replace("\n", " ").strip()
            same[i] = answer == lines[i].strip()
            answers[i] = answer if not ways else answers[i]
    return same, answers


def vocabulary(corpus: str) -> list[str]:
    """The symbols in their order."""
    return [PAD_CHAR, MASK_CHAR, *sorted(set(corpus))]
