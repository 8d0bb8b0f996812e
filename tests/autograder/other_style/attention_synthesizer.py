"""Part (g): attention one head at a time, as equations (3), (4) and (5) have it."""

import math

import torch
from torch import nn
from torch.nn import functional as F


def attention_of(config):
    assert not config.rope, "which is assignment 4's"
    return SynthesizerAttention(config) if config.synthesizer else CausalSelfAttention(config)


class CausalSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        assert config.n_embd % config.n_head == 0
        self.n_head = config.n_head
        self.key = nn.Linear(config.n_embd, config.n_embd)
        self.query = nn.Linear(config.n_embd, config.n_embd)
        self.value = nn.Linear(config.n_embd, config.n_embd)
        self.attn_drop = nn.Dropout(config.attn_pdrop)
        self.resid_drop = nn.Dropout(config.resid_pdrop)
        self.proj = nn.Linear(config.n_embd, config.n_embd)
        ones = torch.ones(config.block_size, config.block_size)
        self.register_buffer("mask", torch.tril(ones).view(1, 1, config.block_size, config.block_size))

    def forward(self, x):
        T = x.size(1)
        d = x.size(2) // self.n_head
        outputs = []
        for q, k, v in zip(*(layer(x).split(d, dim=2) for layer in (self.query, self.key, self.value))):
            scores = q @ k.transpose(1, 2) / math.sqrt(d)  # (B, T, T)
            scores = scores.masked_fill(self.mask[0, :, :T, :T] == 0, -1e10)
            outputs.append(self.attn_drop(F.softmax(scores, dim=2)) @ v)
        return self.resid_drop(self.proj(torch.cat(outputs, dim=2)))


class SynthesizerAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        assert config.n_embd % config.n_head == 0
        self.n_head = config.n_head
        self.w1 = nn.Linear(config.n_embd, config.n_embd)
        self.w2 = nn.Parameter(torch.empty(config.n_embd // config.n_head, config.block_size - 1))
        self.b2 = nn.Parameter(torch.zeros(config.block_size - 1))
        self.value = nn.Linear(config.n_embd, config.n_embd)
        self.attn_drop = nn.Dropout(config.attn_pdrop)
        self.resid_drop = nn.Dropout(config.resid_pdrop)
        self.proj = nn.Linear(config.n_embd, config.n_embd)
        ones = torch.ones(config.block_size, config.block_size)
        self.register_buffer("mask", torch.tril(ones).view(1, 1, config.block_size, config.block_size))
        nn.init.uniform_(self.w2, -0.001, 0.001)

    def forward(self, x):
        T = x.size(1)
        d = x.size(2) // self.n_head
        columns = min(
            T, self.w2.size(1)
        )  # of positions that can be attended to; there is none for the last of the block
        allowed = self.mask[0, :, :T, :columns]
        outputs = []
        for hidden, v in zip(F.relu(self.w1(x)).split(d, dim=2), self.value(x).split(d, dim=2)):
            scores = hidden @ self.w2[:, :columns] + self.b2[:columns]  # (B, T, columns)
            weights = F.softmax(scores.masked_fill(allowed == 0, -1e10), dim=2)
            outputs.append(self.attn_drop(weights) @ v[:, :columns])
        return self.resid_drop(self.proj(torch.cat(outputs, dim=2)))
