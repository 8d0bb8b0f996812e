"""Self-attention in the three ways of the handouts: with learned positions (which the model adds to its input), with
RoPE, and synthesized.

All three do the same with their queries, keys and values, softmax(q kᵀ · scale + bias) v, and differ in where these
come from: read `Attention.attend` and the `forward` of the two classes at the end first. `Places` is what lets several
documents share a row in training, and lets past keys and values be kept in generation.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F


def precompute_rotary_emb(dim: int, max_positions: int) -> torch.Tensor:
    """cos and sin of t θ_i, θ_i = 10000^(-2(i-1)/dim), i = 1 … dim/2: (max_positions, dim/2, 2). Handout 000, part g.

    Raises ValueError when `dim` is odd.
    """
    if dim % 2:
        raise ValueError(f"RoPE rotates pairs of features, and {dim} is odd")
    theta = 10000.0 ** (-torch.arange(0, dim, 2, dtype=torch.float64) / dim)
    angles = torch.arange(max_positions, dtype=torch.float64)[:, None] * theta
    return torch.stack((angles.cos(), angles.sin()), dim=-1).float()


def apply_rotary_emb(x: torch.Tensor, rope_cache: torch.Tensor) -> torch.Tensor:
    """Rotates the features (2i, 2i+1) of x (B, n_head, T, head_dim) at position t by the angle t θ_i (Su et al. 2021).

    `rope_cache` comes from `precompute_rotary_emb`; its first T positions are used. To place each sequence of the
    batch elsewhere, give (B, 1, T, head_dim/2, 2).
    """
    rope_cache = rope_cache[..., : x.size(-2), :, :]
    pairs = x.to(torch.promote_types(x.dtype, torch.float32)).unflatten(-1, (-1, 2))
    rope_cache = rope_cache.to(pairs.dtype)
    if torch.compiler.is_compiling():  # a compiler fuses these products, and has no complex numbers
        (cos, sin), (even, odd) = rope_cache.unbind(-1), pairs.unbind(-1)
        rotated = torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1)
    else:
        rotated = torch.view_as_real(torch.view_as_complex(pairs) * torch.view_as_complex(rope_cache))
    return rotated.flatten(-2).to(x.dtype)


class DropoutMasks:
    """The random numbers for all the dropout of one forward pass.

    On a CPU, drawing a number for each element takes longer than the rest of a small layer. So they are drawn only
    for a tensor that is larger than those before it, and every other dropout of the pass reads them too, from another
    random place on. Within a tensor all elements are independent. The probability is rounded to a 256th, and in
    bfloat16 the factor 1/(1-p) to 8 bits.
    """

    PLACES = 2**16  # how many there are at least to begin at

    def __init__(self):
        self.pools: dict[tuple[int, torch.dtype], torch.Tensor] = {}

    def mask(self, x: torch.Tensor, p: float) -> torch.Tensor:
        """What to multiply x with: 0 with probability p, else 1/(1-p)."""
        dropped, n = round(p * 256), x.numel()
        pool = self.pools.get((dropped, x.dtype))
        if pool is None or len(pool) < n + self.PLACES:
            draws = torch.empty((n + self.PLACES) // 8 + 1, dtype=torch.int64).random_(-(2**63), None)
            pool = draws.view(torch.uint8).ge_(dropped).to(x.dtype).mul_(256 / (256 - dropped))  # a byte an element
            self.pools[dropped, x.dtype] = pool
        start = int(torch.randint(len(pool) - n, ()))
        return pool[start : start + n].view(x.shape)


class Dropout(nn.Dropout):
    """nn.Dropout, but on a CPU with masks that cost little."""

    def forward(self, x: torch.Tensor, masks: DropoutMasks | None = None) -> torch.Tensor:
        if not self.training or self.p == 0:
            return x
        if x.device.type != "cpu" or not 0.01 < self.p < 0.99 or torch.compiler.is_compiling():
            return super().forward(x)
        return x * (masks or DropoutMasks()).mask(x, self.p)


class Places:
    """Where the tokens of a batch (B, T) stand, and which of them each may look at.

    `positions` (B, T) are the tokens' positions in their own documents. Several documents may share a row: another
    one begins where the positions do not go on, and tokens look at the earlier ones of their own document only. With
    `cache_size` the rows are continued from one call to the next: their keys and values are kept, with room for that
    many columns.

    `bias` (B, 1, T, S) is added to the attention scores: 0, or -inf where a token must not look. `key_positions`
    (B, S) are the positions of what may be looked at: the T tokens, behind those of earlier calls.
    """

    def __init__(self, positions: torch.Tensor, cache_size: int = 0):
        self.cache_size, self.stored = cache_size, {}
        self.key_positions = positions[:, :0]
        self.masks = DropoutMasks()
        self.move_to(positions)

    def move_to(self, positions: torch.Tensor) -> None:
        """The next tokens are at `positions` (B, T)."""
        self.positions = positions
        self.key_positions = torch.cat((self.key_positions, positions), dim=1)
        begins = self.key_positions.diff(prepend=self.key_positions[:, :1]) != 1
        document = begins.cumsum(1)
        (B, T), S = positions.shape, document.size(1)
        earlier = torch.ones(T, S, dtype=torch.bool, device=positions.device).tril(S - T)
        allowed = (document[:, S - T :, None] == document[:, None, :]) & earlier
        self.bias = torch.zeros(B, 1, T, S, device=positions.device).masked_fill_(~allowed[:, None], -torch.inf)

    def remember(self, layer: nn.Module, *new: torch.Tensor) -> list[torch.Tensor]:
        """Adds a layer's tensors (B, n_head, T, head_dim) to the cache, and returns all that it has stored of them,
        (B, n_head, S, head_dim); without a cache, the tensors themselves."""
        if not self.cache_size:
            return list(new)
        if layer not in self.stored:
            self.stored[layer] = [a.new_empty(*a.shape[:2], self.cache_size, a.size(-1)) for a in new]
        T, S = self.bias.shape[2:]
        for old, a in zip(self.stored[layer], new):
            old[:, :, S - T : S] = a
        return [old[:, :, :S] for old in self.stored[layer]]

    def keep(self, rows: torch.Tensor) -> torch.Tensor:
        """Drops the rows for which `rows` (B,) is false. Returns which one each row is now: those from the end move up
        to where others are gone, so that little of the cache has to be copied."""
        n, order = int(rows.sum()), torch.arange(len(rows), device=rows.device)
        gone, moved = order[:n][~rows[:n]], order[n:][rows[n:]]
        order[gone] = moved
        order = order[:n]
        self.key_positions = self.key_positions[order]
        for layer, tensors in self.stored.items():
            for a in tensors:
                a[gone] = a[moved]
            self.stored[layer] = [a[:n] for a in tensors]
        return order


class Attention(nn.Module):
    """What every kind of attention does with its queries, keys and values."""

    def __init__(self, config):
        super().__init__()
        if config.n_embd % config.n_head:
            raise ValueError(f"n_embd {config.n_embd} is not a multiple of n_head {config.n_head}")
        self.n_head = config.n_head
        self.value = nn.Linear(config.n_embd, config.n_embd)
        self.proj = nn.Linear(config.n_embd, config.n_embd)
        self.attn_drop = Dropout(config.attn_pdrop)
        self.resid_drop = Dropout(config.resid_pdrop)
        # Not used here, but the course's parameter files have it.
        self.register_buffer("mask", torch.ones(config.block_size, config.block_size).tril()[None, None])

    def heads(self, x: torch.Tensor, *layers: nn.Linear) -> list[torch.Tensor]:
        """The outputs of linear layers, divided among the heads: (B, T, n_embd) -> (B, n_head, T, head_dim) each."""
        weight, bias = torch.cat([a.weight for a in layers]), torch.cat([a.bias for a in layers])
        y = F.linear(x, weight, bias)  # one matrix product for all of them
        y = y.unflatten(-1, (len(layers), self.n_head, -1)).permute(2, 0, 3, 1, 4)
        return list(y.contiguous())  # or else each later operation would copy its part of y

    def attend(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, bias: torch.Tensor, scale: float, masks: DropoutMasks
    ) -> torch.Tensor:
        """resid_drop(proj(softmax(q kᵀ · scale + bias) v)), the heads side by side again: (B, T, n_embd).

        q is (B, n_head, T, head_dim), k and v are (B, n_head, S, head_dim), and bias broadcasts to (B, n_head, T, S).
        """
        bias = bias.to(q.dtype)
        if q.device.type == "cpu":
            # Written out, this is faster here: the fused kernel takes four times longer for its backward pass in
            # bfloat16, and draws the numbers for its dropout one by one.
            scores = ((q * scale) @ k.transpose(-2, -1)).add_(bias)
            y = self.attn_drop(scores.softmax(dim=-1), masks) @ v
        else:
            dropout = self.attn_drop.p if self.training else 0.0
            y = F.scaled_dot_product_attention(q, k, v, bias, dropout, scale=scale)
        return self.resid_drop(self.proj(y.transpose(1, 2).flatten(2)), masks)


class CausalSelfAttention(Attention):
    """Scaled dot-product attention (handout 001, equations 3 and 4), with RoPE if the configuration says so."""

    def __init__(self, config):
        super().__init__(config)
        self.key = nn.Linear(config.n_embd, config.n_embd)
        self.query = nn.Linear(config.n_embd, config.n_embd)
        self.rope = config.rope
        if config.rope:
            rope_cache = precompute_rotary_emb(config.n_embd // config.n_head, config.block_size)
            self.register_buffer("rope_cache", rope_cache)

    def forward(self, x: torch.Tensor, places: Places | None = None) -> torch.Tensor:
        """x (B, T, n_embd) -> the same shape. Without `places`, each row of x is one document from its beginning."""
        places = places or Places(torch.arange(x.size(1), device=x.device)[None])
        q, k, v = self.heads(x, self.query, self.key, self.value)
        if self.rope:
            rope_cache = self.rope_cache[places.positions][:, None]
            q, k = apply_rotary_emb(q, rope_cache), apply_rotary_emb(k, rope_cache)
        k, v = places.remember(self, k, v)
        return self.attend(q, k, v, places.bias, 1 / math.sqrt(q.size(-1)), places.masks)


class SynthesizerAttention(Attention):
    """Attention scores made of each token alone, without a look at the others (handout 001, equation 5; Tay et al.
    2020, the dense synthesizer): softmax(ReLU(x A + b1) B + b2) (x V).

    In other words, the keys are learned constants, one a position: the columns of `w2`. As in the course there are
    `block_size - 1` of them, so a token at the last position of the block can look at all others but not at itself.
    """

    def __init__(self, config):
        super().__init__(config)
        self.w1 = nn.Linear(config.n_embd, config.n_embd)
        self.w2 = nn.Parameter(torch.empty(config.n_embd // config.n_head, config.block_size - 1))
        self.b2 = nn.Parameter(torch.zeros(config.block_size - 1))
        nn.init.uniform_(self.w2, -0.001, 0.001)

    def forward(self, x: torch.Tensor, places: Places | None = None) -> torch.Tensor:
        """x (B, T, n_embd) -> the same shape. Without `places`, each row of x is one document from its beginning."""
        places = places or Places(torch.arange(x.size(1), device=x.device)[None])
        q, v = self.heads(x, self.w1, self.value)
        (v,) = places.remember(self, v)
        keys, bias = F.pad(self.w2.t(), (0, 0, 0, 1)), F.pad(self.b2, (0, 1), value=-torch.inf)  # for the last position
        k = F.embedding(places.key_positions, keys).to(q.dtype)[:, None].expand_as(v)
        bias = bias[places.key_positions][:, None, None] + places.bias
        return self.attend(F.relu(q), k, v, bias, 1.0, places.masks)
