"""Greedy decoding of many prompts at once, with a cache of past keys and values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from attention import DocumentMask
from vocabulary import PAD

if TYPE_CHECKING:
    from model import GPT

BATCH = 128  # prompts that are continued at once


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


def generate_batch(
    model: GPT, prompts: list[list[int]], max_new_tokens: int, stop_token: int, start_position: int
) -> list[list[int]]:
    """`generate` for one batch of prompts, by a model in evaluation mode."""
    block_size, device = model.get_block_size(), model.head.weight.device
    answers: list[list[int]] = [[] for _ in prompts]
    longest = max(map(len, prompts))
    padding = [longest - len(prompt) for prompt in prompts]  # before each prompt, as a document of its own

    def tensor(rows: list[list[int]]) -> torch.Tensor:
        return torch.tensor(rows, device=device)

    idx = tensor([[PAD] * n + prompt for n, prompt in zip(padding, prompts)])  # (B, longest)
    positions = tensor([[0] * n + [*range(start_position, start_position + longest - n)] for n in padding])
    document_ids = tensor([[-1] * n + [0] * (longest - n) for n in padding])
    cache = KVCache(len(prompts), longest + max(0, max_new_tokens), device)
    rows, last = torch.arange(len(prompts), device=device), positions[:, -1]  # of the unfinished prompts
    logits = model(idx, positions=positions, document_ids=document_ids, cache=cache)[0][:, -1]
    for step in range(max_new_tokens):
        token, last = logits.argmax(dim=-1), last + 1
        for row, new in zip(rows.tolist(), token.tolist()):
            if new != stop_token:
                answers[row].append(new)
        unfinished = (token != stop_token) & (last < block_size)
        if step + 1 == max_new_tokens or not unfinished.any():
            break
        kept = cache.select_rows(unfinished)
        rows, last, token = rows[kept], last[kept], token[kept]
        logits = model(token[:, None], positions=last[:, None], cache=cache)[0][:, 0]
    return answers
