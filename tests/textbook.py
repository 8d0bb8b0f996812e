"""The course's mathematics written out plainly and slowly: what src/ has to agree with, and what bench.py times.

Each example is padded to the whole block, everything is float32, the softmax is explicit, dropout is PyTorch's, and
answers are decoded one at a time with a full forward pass for each character.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F


class TextbookAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        C, self.H, self.config = config.n_embd, config.n_head, config
        self.value, self.proj = nn.Linear(C, C), nn.Linear(C, C)
        if config.synthesizer:
            self.w1 = nn.Linear(C, C)
            self.w2 = nn.Parameter(torch.empty(C // self.H, config.block_size - 1).uniform_(-0.001, 0.001))
            self.b2 = nn.Parameter(torch.zeros(config.block_size - 1))
        else:
            self.key, self.query = nn.Linear(C, C), nn.Linear(C, C)
        self.attn_drop, self.resid_drop = nn.Dropout(config.attn_pdrop), nn.Dropout(config.resid_pdrop)
        block = config.block_size
        self.register_buffer("mask", torch.tril(torch.ones(block, block)).view(1, 1, block, block))
        if config.rope:
            self.register_buffer("rope_cache", rope_angles(C // self.H, block))

    def forward(self, x):
        B, T, C = x.shape

        def heads(a):
            return a.view(B, T, self.H, C // self.H).transpose(1, 2)

        v = heads(self.value(x))
        if self.config.synthesizer:
            columns = min(T, self.w2.size(1))  # the course never gives the last position of the block
            scores = heads(F.relu(self.w1(x))) @ self.w2[:, :columns] + self.b2[:columns]
            scores = F.pad(scores, (0, T - columns), value=-math.inf)
        else:
            q, k = heads(self.query(x)), heads(self.key(x))
            if self.config.rope:
                q, k = rotate(q, self.rope_cache), rotate(k, self.rope_cache)
            scores = q @ k.transpose(-2, -1) / math.sqrt(k.size(-1))
        scores = scores.masked_fill(self.mask[:, :, :T, :T] == 0, -math.inf)
        y = self.attn_drop(F.softmax(scores, dim=-1)) @ v
        return self.resid_drop(self.proj(y.transpose(1, 2).reshape(B, T, C)))


def rope_angles(dim, positions):
    return torch.tensor(
        [
            [(f(t * 10000 ** (-2 * (i - 1) / dim))) for f in (math.cos, math.sin)]
            for t in range(positions)
            for i in range(1, dim // 2 + 1)
        ]
    ).view(positions, dim // 2, 2)


def rotate(x, angles):
    """RoPE by complex multiplication (assignment 4, equation 4)."""
    z = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2).contiguous())
    return torch.view_as_real(z * torch.view_as_complex(angles[: x.size(-2)].to(x.dtype).contiguous())).flatten(-2)


class TextbookBlock(nn.Module):
    def __init__(self, config):
        super().__init__()
        C = config.n_embd
        self.ln1, self.ln2, self.attn = nn.LayerNorm(C), nn.LayerNorm(C), TextbookAttention(config)
        self.mlp = nn.Sequential(nn.Linear(C, 4 * C), nn.GELU(), nn.Linear(4 * C, C), nn.Dropout(config.resid_pdrop))

    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class TextbookGPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.tok_emb = nn.Embedding(config.vocab_size, config.n_embd)
        if not config.rope:
            self.pos_emb = nn.Parameter(torch.zeros(1, config.block_size, config.n_embd))
        self.drop = nn.Dropout(config.embd_pdrop)
        self.blocks = nn.Sequential(*[TextbookBlock(config) for _ in range(config.n_layer)])
        self.ln_f = nn.LayerNorm(config.n_embd)
        self.head = nn.Linear(config.n_embd, config.vocab_size, bias=False)

    def get_block_size(self):
        return self.config.block_size

    def forward(self, idx, targets=None):
        x = self.tok_emb(idx)
        if not self.config.rope:
            x = x + self.pos_emb[:, : idx.size(1)]
        logits = self.head(self.ln_f(self.blocks(self.drop(x))))
        if targets is None:
            return logits, None
        return logits, F.cross_entropy(logits.view(-1, logits.size(-1)), targets.reshape(-1), ignore_index=0)


@torch.no_grad()
def answer(model, prompt, steps=32, mask=1):
    """One prompt, one full forward pass a character, `steps` characters, then what stands before the next MASK."""
    model.eval()
    x = torch.tensor([prompt])
    for _ in range(steps):
        logits, _ = model(x[:, -model.get_block_size() :])
        x = torch.cat((x, logits[:, -1].argmax(-1, keepdim=True)), dim=1)
    new = x[0, len(prompt) :].tolist()
    return new[: new.index(mask)] if mask in new else new
