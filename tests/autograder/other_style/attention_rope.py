"""Part (g): attention with rotary positions, written with einsum."""

import math

import torch
from torch import nn


def precompute_rotary_emb(dim, max_positions):
    """(max_positions, dim/2, 2): cosine and sine of t * theta_i."""
    cache = torch.empty(max_positions, dim // 2, 2)
    for i in range(dim // 2):
        angle = torch.arange(max_positions) * 10000 ** (-2 * i / dim)
        cache[:, i, 0] = torch.cos(angle)
        cache[:, i, 1] = torch.sin(angle)
    return cache


def apply_rotary_emb(x, rope_cache):
    """x (B, n_head, T, head_dim): the pair (2i, 2i + 1) of features is multiplied by its rotation matrix."""
    cos, sin = rope_cache[: x.shape[2], :, 0], rope_cache[: x.shape[2], :, 1]
    rotation = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)  # (T, dim/2, 2, 2)
    pairs = x.reshape(*x.shape[:3], -1, 2)
    return torch.einsum("tirc,bhtic->bhtir", rotation.to(x.dtype), pairs).reshape(x.shape)


def attention_of(config):
    assert not config.synthesizer, "which is assignment 5's"
    return CausalSelfAttention(config)


class CausalSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        assert config.n_embd % config.n_head == 0
        self.n_head = config.n_head
        self.rope = config.rope
        self.key = nn.Linear(config.n_embd, config.n_embd)
        self.query = nn.Linear(config.n_embd, config.n_embd)
        self.value = nn.Linear(config.n_embd, config.n_embd)
        self.proj = nn.Linear(config.n_embd, config.n_embd)
        self.attn_drop = nn.Dropout(config.attn_pdrop)
        self.resid_drop = nn.Dropout(config.resid_pdrop)
        if self.rope:
            assert (config.n_embd // config.n_head) % 2 == 0
            self.register_buffer("rope_cache", precompute_rotary_emb(config.n_embd // config.n_head, config.block_size))
        ones = torch.ones(config.block_size, config.block_size)
        self.register_buffer("mask", torch.tril(ones).view(1, 1, config.block_size, config.block_size))

    def forward(self, x):
        B, T, C = x.shape
        shape = (B, T, self.n_head, C // self.n_head)
        q, k, v = (layer(x).view(shape).permute(0, 2, 1, 3) for layer in (self.query, self.key, self.value))
        if self.rope:
            q, k = apply_rotary_emb(q, self.rope_cache), apply_rotary_emb(k, self.rope_cache)
        scores = torch.einsum("bhqd,bhkd->bhqk", q, k) / math.sqrt(C // self.n_head)
        weights = scores.masked_fill(self.mask[:, :, :T, :T] == 0, -1e10).softmax(dim=-1)
        y = torch.einsum("bhqk,bhkd->bqhd", self.attn_drop(weights), v).reshape(B, T, C)
        return self.resid_drop(self.proj(y))
