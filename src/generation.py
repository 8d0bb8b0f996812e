"""Answers to many prompts at once, with a cache of past keys and values: the greedy one, or the k likeliest."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

from attention import DocumentMask
from vocabulary import MASK, PAD

if TYPE_CHECKING:
    from model import GPT

BATCH = 128  # prompts that are continued at once
MAX_BEAM = 512  # beginnings of answers to a prompt
ROUNDING = 1e-3  # by which the log-probability of an answer may differ between two searches


class KVCache:
    """The keys and values of the tokens that the model has seen, for each layer, with their positions and documents."""

    def __init__(self, rows: int, size: int, device: torch.device):
        """For `rows` sequences (B) of `size` tokens at most."""
        self.size = size
        self.positions = torch.empty(rows, 0, dtype=torch.int64, device=device)  # (B, S), S growing
        self.document_ids = self.positions
        self.layers: dict[nn.Module, list[torch.Tensor]] = {}  # (B, n_head, size, head_dim) each

    def advance(self, positions: torch.Tensor, document_ids: torch.Tensor) -> DocumentMask:
        """Adds new tokens (B, T) to the sequences. Returns the mask with which these attend to all tokens so far."""
        self.positions = torch.cat((self.positions, positions), dim=1)
        self.document_ids = torch.cat((self.document_ids, document_ids), dim=1)
        return DocumentMask(self.positions, self.document_ids, queries=positions.size(1))

    def update(self, layer: nn.Module, *new: torch.Tensor) -> list[torch.Tensor]:
        """Stores the new tokens' tensors (B, n_head, T, head_dim) of a layer. Returns those of all tokens so far,
        (B, n_head, S, head_dim)."""
        if layer not in self.layers:
            self.layers[layer] = [a.new_empty(*a.shape[:2], self.size, a.size(-1)) for a in new]
        S, T = self.positions.size(1), new[0].size(2)
        for stored, a in zip(self.layers[layer], new):
            stored[:, :, S - T : S] = a
        return [stored[:, :, :S] for stored in self.layers[layer]]

    def reorder(self, order: torch.Tensor) -> None:
        """Replaces the rows by the old rows `order` (any number, with repetitions)."""
        self.positions, self.document_ids = self.positions[order], self.document_ids[order]
        self.layers = {layer: [a[order] for a in tensors] for layer, tensors in self.layers.items()}

    def select_rows(self, keep: torch.Tensor) -> torch.Tensor:
        """Drops the rows for which `keep` (B,) is false. Returns the order of the others, as indices into the old rows.

        The last rows move into the gaps, so that little is copied: keep [1, 0, 1, 1] gives the order [0, 3, 2].
        """
        n, order = int(keep.sum()), torch.arange(len(keep), device=keep.device)
        gaps, moved = order[:n][~keep[:n]], order[n:][keep[n:]]
        order[gaps] = moved
        order = order[:n]
        self.positions, self.document_ids = self.positions[order], self.document_ids[order]
        for layer, tensors in self.layers.items():
            for a in tensors:
                a[gaps] = a[moved]
            self.layers[layer] = [a[:n] for a in tensors]
        return order


@torch.no_grad()
def generate(
    model: GPT, prompts: list[list[int]], max_new_tokens: int, stop_token: int, start_position: int = 0
) -> list[list[int]]:
    """The likeliest next token after each prompt, then the next, and so on, for all prompts at once.

    A continuation ends before `stop_token`, after `max_new_tokens` tokens, or where the block is full. `start_position`
    is the position of a prompt's first token.
    Raises ValueError when a prompt is empty or does not fit into the block.
    """
    lengths, room = [len(prompt) for prompt in prompts], model.get_block_size() - start_position
    if not all(0 < length <= room for length in lengths):
        raise ValueError(f"prompts must have between 1 and {room} tokens")
    was_training = model.training
    model.eval()
    answers: list[list[int]] = [[] for _ in prompts]
    by_length = sorted(range(len(prompts)), key=lambda i: lengths[i])
    for begin in range(0, len(prompts), BATCH):
        batch = by_length[begin : begin + BATCH]
        new = generate_batch(model, [prompts[i] for i in batch], max_new_tokens, stop_token, start_position)
        for i, answer in zip(batch, new):
            answers[i] = answer
    model.train(was_training)
    return answers


def generate_answers(model: GPT, prompts: list[list[int]], max_new_tokens: int) -> list[list[int]]:
    """The greedy answers to the prompts of questions. The prompt of a question that the model cannot read is empty (see
    `inputs.Questions`), and so is the answer to it."""
    answers = iter(generate(model, [prompt for prompt in prompts if prompt], max_new_tokens, MASK))
    return [next(answers) if prompt else [] for prompt in prompts]


def read_prompts(
    model: GPT, prompts: list[list[int]], max_new_tokens: int, start_position: int = 0
) -> tuple[KVCache, torch.Tensor, torch.Tensor]:
    """Reads prompts of any lengths together. Returns the cache, with room for `max_new_tokens` tokens more, the logits
    (B, vocab_size) of the token after each prompt, and the position (B,) of its last token."""
    device, longest = model.head.weight.device, max(map(len, prompts))
    padding = [longest - len(prompt) for prompt in prompts]  # before each prompt, as a document of its own

    def tensor(rows: list[list[int]]) -> torch.Tensor:
        return torch.tensor(rows, device=device)

    idx = tensor([[PAD] * n + prompt for n, prompt in zip(padding, prompts)])  # (B, longest)
    positions = tensor([[0] * n + [*range(start_position, start_position + longest - n)] for n in padding])
    document_ids = tensor([[-1] * n + [0] * (longest - n) for n in padding])
    cache = KVCache(len(prompts), longest + max(0, max_new_tokens), device)
    logits = model(idx, positions=positions, document_ids=document_ids, cache=cache)[0][:, -1]
    return cache, logits, positions[:, -1]


def generate_batch(
    model: GPT, prompts: list[list[int]], max_new_tokens: int, stop_token: int, start_position: int
) -> list[list[int]]:
    """`generate` for one batch of prompts, by a model in evaluation mode."""
    answers: list[list[int]] = [[] for _ in prompts]
    cache, logits, last = read_prompts(model, prompts, max_new_tokens, start_position)
    rows = torch.arange(len(prompts), device=logits.device)  # the unfinished prompts
    for step in range(max_new_tokens):
        token, last = logits.argmax(dim=-1), last + 1
        for row, new in zip(rows.tolist(), token.tolist()):
            if new != stop_token:
                answers[row].append(new)
        unfinished = (token != stop_token) & (last < model.get_block_size())
        if step + 1 == max_new_tokens or not unfinished.any():
            break
        kept = cache.select_rows(unfinished)
        rows, last, token = rows[kept], last[kept], token[kept]
        logits = model(token[:, None], positions=last[:, None], cache=cache)[0][:, 0]
    return answers


# ---------------------------------------------------------------------------------------------------------------------
# The likeliest answers


class Answers(NamedTuple):
    """The likeliest complete answers to a prompt."""

    tokens: list[list[int]]  # without the stop token, most probable first
    logprobs: list[float]  # natural logarithm of the probability, that of the stop token included
    exact: bool  # whether no other complete answer can be more probable


@torch.no_grad()
def likeliest_answers(
    model: GPT, prompts: list[list[int]], k: int, max_new_tokens: int, stop_token: int
) -> list[Answers]:
    """The `k` most probable answers to each prompt, among those of at most `max_new_tokens` tokens before `stop_token`.

    A narrow beam finds k good answers. What it dropped cannot become one of the k if it is less probable than the worst of
    them, because a continuation is never more probable than its beginning. For the other prompts, the search is repeated
    with a wide beam that keeps every beginning at least as probable as that worst answer. Only if more than MAX_BEAM
    beginnings are kept, the result may not be exact.
    """
    was_training = model.training
    model.eval()
    found: list[Answers] = []
    for i in range(0, len(prompts), BATCH):
        batch = prompts[i : i + BATCH]
        narrow = beam_search(model, batch, k, max_new_tokens, stop_token, 2 * k, [-math.inf] * len(batch))
        again = [j for j, answers in enumerate(narrow) if not answers.exact]
        floors = [narrow[j].logprobs[-1] - ROUNDING if len(narrow[j].logprobs) == k else -math.inf for j in again]
        if again:
            wide = beam_search(model, [batch[j] for j in again], k, max_new_tokens, stop_token, MAX_BEAM, floors)
            for j, answers in zip(again, wide):
                narrow[j] = answers
        found += narrow
    model.train(was_training)
    return found


def beam_search(
    model: GPT, prompts: list[list[int]], k: int, max_new_tokens: int, stop_token: int, width: int, floors: list[float]
) -> list[Answers]:
    """A beam of `width` beginnings for each prompt, by a model in evaluation mode. Beginnings with a log-probability
    below the prompt's floor, or below its k-th best complete answer, are dropped."""
    cache, logits, last = read_prompts(model, prompts, max_new_tokens)
    beams = [[([], 0.0)] for _ in prompts]  # the beginnings of each prompt, tokens and log-probability, in cache order
    complete: list[list[tuple[float, list[int]]]] = [[] for _ in prompts]
    dropped = [-math.inf] * len(prompts)  # the most probable beginning that did not fit into the beam
    for step in range(max_new_tokens + 1):
        logprobs = logits.double().log_softmax(-1).cpu()  # (rows, vocab_size)
        rows, tokens, first = [], [], 0
        for i, beam in enumerate(beams):
            total = (
                logprobs[first : first + len(beam)]
                + torch.tensor([score for _, score in beam], dtype=torch.float64)[:, None]
            )
            complete[i] += [(value, text) for value, (text, _) in zip(total[:, stop_token].tolist(), beam)]
            complete[i] = sorted(complete[i], key=lambda entry: -entry[0])[:k]
            floor = max(floors[i], complete[i][-1][0] if len(complete[i]) == k else -math.inf)
            total[:, stop_token] = -math.inf
            best = total.flatten().topk(min(width + 1, total.numel()))
            kept = [(v, j) for v, j in zip(best.values.tolist(), best.indices.tolist()) if v > floor]
            if step >= min(max_new_tokens, model.get_block_size() - len(prompts[i])):
                kept = []  # longer answers are not allowed, or do not fit into the block
            dropped[i] = max(dropped[i], kept[width][0] if len(kept) > width else -math.inf)
            beams[i] = []
            for value, j in kept[:width]:
                row, token = divmod(j, total.size(1))
                rows.append(first + row)
                tokens.append(token)
                beams[i].append(([*beam[row][0], token], value))
            first += len(beam)
        order = torch.tensor(rows, dtype=torch.int64, device=logits.device)
        if not rows:
            break
        last = last[order] + 1
        cache.reorder(order)
        token = torch.tensor(tokens, device=logits.device)[:, None]
        logits = model(token, positions=last[:, None], cache=cache)[0][:, 0]
    return [
        Answers(
            [text for _, text in found],
            [value for value, _ in found],
            best <= (found[-1][0] if found[k - 1 :] else -math.inf),
        )
        for found, best in zip(complete, dropped)
    ]
