"""GPT: a decoder-only Transformer that reads characters and predicts the next one.

The design descends from minGPT: learned position embeddings (or RoPE), pre-norm blocks of self-attention and a
feed-forward network, a final LayerNorm, and an output head that shares no weights with the input embedding. Unlike
nanoGPT, all matrices are initialised with the same deviation. Start with GPT, at the end of the file: it is made of
Blocks, and a Block of attention (attention.py) and an MLP.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F

from attention import DocumentMask, Dropout
from engine.starter import accept_any_keyword
from variants import VARIANTS
from vocabulary import PAD

if TYPE_CHECKING:
    from generation import KVCache


@accept_any_keyword
@dataclass
class GPTConfig:
    """The shape of a model. The defaults are the handouts' (3.3 million parameters with their vocabulary of 256).

    Instead of `variant`, the course's two booleans may be given, or set later: `config.rope = True`. All three always
    agree. Raises ValueError when they contradict each other, or when there is no such variant.
    """

    vocab_size: int
    block_size: int  # the longest sequence, in tokens
    n_layer: int = 4
    n_head: int = 8
    n_embd: int = 256
    rope: bool = False  # rotate queries and keys instead of adding learned positions to the input
    synthesizer: bool = False  # compute attention scores without keys
    embd_pdrop: float = 0.1
    resid_pdrop: float = 0.1
    attn_pdrop: float = 0.1
    variant: str | None = None  # one of variants.VARIANTS

    def __post_init__(self):
        flagged = "rope" if self.rope else "synthesizer" if self.synthesizer else None
        if self.variant and flagged and self.variant != flagged:
            raise ValueError(f"variant {self.variant!r} contradicts {flagged}=True")
        if self.rope and self.synthesizer:
            raise ValueError("the synthesizer has no queries and keys that RoPE could rotate: choose one of them")
        self.variant = self.variant or flagged or "vanilla"

    def __setattr__(self, name: str, value: object) -> None:
        complete = "variant" in self.__dict__  # __init__ sets it last
        if complete and name in ("rope", "synthesizer"):
            if value and self.variant not in ("vanilla", name):
                raise ValueError(f"{name}=True contradicts variant {self.variant!r}")
            if bool(value) != (self.variant == name):
                self.variant = name if value else "vanilla"
            return
        if complete and name == "variant":
            if value not in VARIANTS:
                raise ValueError(f"there is no variant {value!r}, but {', '.join(VARIANTS)}")
            self.__dict__.update(rope=value == "rope", synthesizer=value == "synthesizer")
        super().__setattr__(name, value)


class Block(nn.Module):
    """x + attention(LayerNorm(x)), then x + MLP(LayerNorm(x))."""

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.ln1 = nn.LayerNorm(config.n_embd)
        self.ln2 = nn.LayerNorm(config.n_embd)
        self.attn = VARIANTS[config.variant].attention_class()(config)
        self.mlp = nn.Sequential(
            nn.Linear(config.n_embd, 4 * config.n_embd),
            nn.GELU(),
            nn.Linear(4 * config.n_embd, config.n_embd),
        )
        self.drop = Dropout(config.resid_pdrop)

    def forward(self, x: torch.Tensor, mask: DocumentMask | None = None, cache: KVCache | None = None) -> torch.Tensor:
        """x (B, T, n_embd) -> the same shape. Without `mask`, each row of x is one document from its beginning."""
        x = x + self.attn(self.ln1(x), mask, cache)
        return x + self.drop(self.mlp(self.ln2(x)))


class GPT(nn.Module):
    """The language model."""

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.config = copy.copy(config)  # the caller may change it for another model
        self.learned_positions = VARIANTS[config.variant].learned_positions
        self.tok_emb = nn.Embedding(config.vocab_size, config.n_embd)
        if self.learned_positions:
            self.pos_emb = nn.Parameter(torch.zeros(1, config.block_size, config.n_embd))
        self.drop = Dropout(config.embd_pdrop)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.ln_f = nn.LayerNorm(config.n_embd)
        self.head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.apply(self._init_weights)

    @staticmethod
    def _init_weights(module: nn.Module) -> None:
        """Matrices from normal(0, 0.02), biases 0. A LayerNorm keeps torch's initial values, 1 and 0."""
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=0.02)
            if getattr(module, "bias", None) is not None:
                nn.init.zeros_(module.bias)

    def get_block_size(self) -> int:
        """The length of the longest sequence that the model can take."""
        return self.config.block_size

    def forward(
        self,
        idx: torch.Tensor,
        targets: torch.Tensor | None = None,
        positions: torch.Tensor | None = None,
        document_ids: torch.Tensor | None = None,
        cache: KVCache | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The logits of the next token at each position, and the mean cross-entropy if targets are given.

        idx and targets are (B, T) Long, logits (B, T, vocab_size). The mean is over the targets that are not PAD.
        Rows may hold several documents (see dataset.pack): `positions` (B, T) are then those of the tokens in their own
        documents, and `document_ids` (B, T) number the documents of a row; by default a row is one document. With
        `cache`, the tokens continue the rows that it holds (see generation.py).
        Raises ValueError when T exceeds the block size.
        """
        T = idx.size(1)
        if T > self.config.block_size:
            raise ValueError(f"a sequence of {T} tokens exceeds the block size of {self.config.block_size}")
        if positions is None:
            positions = torch.arange(T, device=idx.device)[None]
        if document_ids is None:
            document_ids = torch.zeros_like(positions)
        mask = cache.advance(positions, document_ids) if cache else DocumentMask(positions, document_ids)

        x = self.tok_emb(idx)
        if self.learned_positions:
            x = x + F.embedding(positions, self.pos_emb[0])
        if torch.is_autocast_enabled(x.device.type):  # the residual stream too: half the memory traffic
            x = x.to(torch.get_autocast_dtype(x.device.type))
        x = self.drop(x)  # (B, T, n_embd)
        for block in self.blocks:
            x = block(x, mask, cache)
        logits = self.head(self.ln_f(x))
        if targets is None:
            return logits, None
        loss_dtype = torch.promote_types(logits.dtype, torch.float32)
        return logits, F.cross_entropy(logits.flatten(0, 1).to(loss_dtype), targets.flatten(), ignore_index=PAD)
