"""Self-attention in the ways of the handouts: with learned positions (which the model adds to its input), with RoPE, and
synthesized.

All compute softmax(q kᵀ · scale + bias) v, and differ in where queries, keys and bias come from. Read `Attention.attend`
first, then the `forward` of the two classes at the end. variants.py lists the variants by name. A variant that only
changes the scores needs no `forward`: it overrides `CausalSelfAttention.score_bias`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from generation import KVCache
    from model import GPTConfig


def precompute_rotary_emb(dim: int, max_positions: int) -> torch.Tensor:
    """cos and sin of t θ_i, θ_i = 10000^(-2i/dim), i = 0 … dim/2 - 1: (max_positions, dim/2, 2). Assignment 4, part g,
    which counts i from 1.

    Raises ValueError when `dim` is odd.
    """
    if dim % 2:
        raise ValueError(f"RoPE rotates pairs of features, and {dim} is odd")
    theta = 10000.0 ** (-torch.arange(0, dim, 2, dtype=torch.float64) / dim)
    angles = torch.arange(max_positions, dtype=torch.float64)[:, None] * theta
    return torch.stack((angles.cos(), angles.sin()), dim=-1).float()


def apply_rotary_emb(x: torch.Tensor, rope_cache: torch.Tensor) -> torch.Tensor:
    """Rotates the features (2i, 2i+1) of x (B, n_head, T, head_dim) at position t by the angle t θ_i (Su et al. 2021).

    `rope_cache` comes from `precompute_rotary_emb`; its first T positions are used. For positions that differ between
    the rows of the batch, give (B, 1, T, head_dim/2, 2).
    """
    rope_cache = rope_cache[..., : x.size(-2), :, :]
    pairs = x.to(torch.promote_types(x.dtype, torch.float32)).unflatten(-1, (-1, 2))
    rope_cache = rope_cache.to(pairs.dtype)
    if torch.compiler.is_compiling():  # torch.compile fuses these products, and does not support complex numbers
        (cos, sin), (even, odd) = rope_cache.unbind(-1), pairs.unbind(-1)
        rotated = torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1)
    else:
        rotated = torch.view_as_real(torch.view_as_complex(pairs) * torch.view_as_complex(rope_cache))
    return rotated.flatten(-2).to(x.dtype)


class Dropout(nn.Dropout):
    """nn.Dropout, but on a CPU with one random byte an element, which halves the time of a step with dropout. So p is
    rounded to a multiple of 1/256."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or self.p == 0:
            return x
        if x.device.type != "cpu" or not 0.01 < self.p < 0.99 or torch.compiler.is_compiling():
            return super().forward(x)
        dropped, n = round(self.p * 256), x.numel()
        draws = torch.empty(n // 8 + 1, dtype=torch.int64).random_(-(2**63), None)
        keep = draws.view(torch.uint8)[:n].ge_(dropped).view(x.shape)  # 0 or 1
        return x * keep.to(x.dtype).mul_(256 / (256 - dropped))


class DocumentMask:
    """Which tokens each token may attend to: the earlier ones of its own document, and itself.

    Several documents may share a row (see dataset.pack). Each has a number, and positions of its own:

        document_ids  [0, 0, 1, 1, 1]      the 4th token attends to the 3rd and the 4th
        positions     [0, 1, 0, 1, 2]

    T is the number of tokens that attend (the queries), S >= T that of all tokens up to the last of them (the keys).
    Without a cache of earlier keys, S = T.
    """

    def __init__(self, positions: torch.Tensor, document_ids: torch.Tensor, queries: int | None = None):
        """`positions` and `document_ids` (B, S) are those of the keys. The last `queries` of them attend; default: all."""
        S = positions.size(1)
        T = S if queries is None else queries
        self.key_positions, self.query_positions = positions, positions[:, S - T :]  # (B, S) and (B, T)
        not_later = torch.ones(T, S, dtype=torch.bool, device=positions.device).tril(S - T)
        allowed = (document_ids[:, S - T :, None] == document_ids[:, None, :]) & not_later
        # (B, 1, T, S), added to the scores of all heads: 0 where attention is allowed, else minus infinity
        self.bias = torch.zeros(len(positions), 1, T, S, device=positions.device)
        self.bias.masked_fill_(~allowed[:, None], -torch.inf)

    @classmethod
    def causal(cls, x: torch.Tensor) -> DocumentMask:
        """The mask for rows x (B, T, ...) that hold one document each, from its beginning."""
        positions = torch.arange(x.size(1), device=x.device)[None]
        return cls(positions, torch.zeros_like(positions))


class Attention(nn.Module):
    """What the kinds of attention have in common. A subclass defines `forward(x, mask=None, cache=None)`."""

    def __init__(self, config: GPTConfig):
        super().__init__()
        if config.n_embd % config.n_head:
            raise ValueError(f"n_embd {config.n_embd} is not a multiple of n_head {config.n_head}")
        self.n_head = config.n_head
        self.value = nn.Linear(config.n_embd, config.n_embd)
        self.proj = nn.Linear(config.n_embd, config.n_embd)
        self.attn_drop = Dropout(config.attn_pdrop)
        self.resid_drop = Dropout(config.resid_pdrop)
        # Unused, as DocumentMask replaces it; registered because the course's parameter files have it.
        self.register_buffer("mask", torch.ones(config.block_size, config.block_size).tril()[None, None])

    def heads(self, x: torch.Tensor, *layers: nn.Linear) -> list[torch.Tensor]:
        """The outputs of linear layers, divided among the heads: (B, T, n_embd) -> (B, n_head, T, head_dim) each."""
        weight, bias = torch.cat([a.weight for a in layers]), torch.cat([a.bias for a in layers])
        y = F.linear(x, weight, bias)  # one matrix product for all of them
        y = y.unflatten(-1, (len(layers), self.n_head, -1)).permute(2, 0, 3, 1, 4)
        return list(y.contiguous())  # otherwise each later operation would copy its part of y

    def attend(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, bias: torch.Tensor, scale: float
    ) -> torch.Tensor:
        """resid_drop(proj(softmax(q kᵀ · scale + bias) v)), with the heads concatenated: (B, T, n_embd).

        q is (B, n_head, T, head_dim), k and v are (B, n_head, S, head_dim), and bias broadcasts to (B, n_head, T, S).
        """
        bias = bias.to(q.dtype)
        if q.device.type == "cpu":
            # Faster here than scaled_dot_product_attention, whose backward pass takes four times longer in bfloat16.
            scores = ((q * scale) @ k.transpose(-2, -1)).add_(bias)
            y = self.attn_drop(scores.softmax(dim=-1)) @ v
        else:
            dropout = self.attn_drop.p if self.training else 0.0
            y = F.scaled_dot_product_attention(q, k, v, bias, dropout, scale=scale)
        return self.resid_drop(self.proj(y.transpose(1, 2).flatten(2)))


class CausalSelfAttention(Attention):
    """Scaled dot-product attention (assignment 5, equations 3 and 4), with RoPE if `config.rope` says so."""

    def __init__(self, config: GPTConfig):
        super().__init__(config)
        self.key = nn.Linear(config.n_embd, config.n_embd)
        self.query = nn.Linear(config.n_embd, config.n_embd)
        self.rope = config.rope
        if config.rope:
            rope_cache = precompute_rotary_emb(config.n_embd // config.n_head, config.block_size)
            self.register_buffer("rope_cache", rope_cache)

    def forward(self, x: torch.Tensor, mask: DocumentMask | None = None, cache: KVCache | None = None) -> torch.Tensor:
        """x (B, T, n_embd) -> the same shape. Without `mask`, each row of x is one document from its beginning."""
        mask = mask or DocumentMask.causal(x)
        q, k, v = self.heads(x, self.query, self.key, self.value)
        if self.rope:
            rope_cache = self.rope_cache[mask.query_positions][:, None]  # (B, 1, T, head_dim/2, 2)
            q, k = apply_rotary_emb(q, rope_cache), apply_rotary_emb(k, rope_cache)
        if cache:
            k, v = cache.update(self, k, v)
        return self.attend(q, k, v, self.score_bias(mask), 1 / math.sqrt(q.size(-1)))

    def score_bias(self, mask: DocumentMask) -> torch.Tensor:
        """What is added to the scores of this layer, broadcastable to (B, n_head, T, S): the mask. A subclass may add a
        bias by position, from `mask.query_positions` (B, T) and `mask.key_positions` (B, S)."""
        return mask.bias


class SynthesizerAttention(Attention):
    """Attention scores computed from each token alone, without the others (assignment 5, equation 5; Tay et al. 2020,
    the dense synthesizer): softmax(ReLU(x A + b1) B + b2) (x V).

    Put differently, the keys are learned constants, one for each position: the columns of `w2`. As in the course there
    are `block_size - 1` of them, so a token at the last position of the block can attend to all others but not to itself.
    """

    def __init__(self, config: GPTConfig):
        super().__init__(config)
        self.w1 = nn.Linear(config.n_embd, config.n_embd)
        self.w2 = nn.Parameter(torch.empty(config.n_embd // config.n_head, config.block_size - 1))
        self.b2 = nn.Parameter(torch.zeros(config.block_size - 1))
        nn.init.uniform_(self.w2, -0.001, 0.001)

    def forward(self, x: torch.Tensor, mask: DocumentMask | None = None, cache: KVCache | None = None) -> torch.Tensor:
        """x (B, T, n_embd) -> the same shape. Without `mask`, each row of x is one document from its beginning."""
        mask = mask or DocumentMask.causal(x)
        q, v = self.heads(x, self.w1, self.value)
        if cache:
            (v,) = cache.update(self, v)
        keys, bias = F.pad(self.w2.t(), (0, 0, 0, 1)), F.pad(self.b2, (0, 1), value=-torch.inf)  # for the last position
        k = F.embedding(mask.key_positions, keys).to(q.dtype)[:, None].expand_as(v)
        bias = bias[mask.key_positions][:, None, None] + mask.bias
        return self.attend(F.relu(q), k, v, bias, 1.0)
