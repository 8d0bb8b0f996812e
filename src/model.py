"""GPT: a decoder-only Transformer that reads characters and predicts the next one.

The design descends from minGPT: learned position embeddings (or RoPE), pre-norm blocks of self-attention and a
feed-forward network, a last LayerNorm, and an output head that shares no weights with the input embedding.
Read from the bottom up: GPT is made of Blocks, and a Block of attention (attention.py) and an MLP.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from attention import CausalSelfAttention, Dropout, Places, SynthesizerAttention
from utils import InputError, load_plain

PAD = 0  # the token that fills a batch up: nothing is to be predicted where it is the target
GROUP = 128  # how many prompts are continued at once


@dataclass
class GPTConfig:
    """The shape of a model. The defaults are the handouts' (3.3 million parameters with their vocabulary of 256)."""

    vocab_size: int
    block_size: int
    n_layer: int = 4
    n_head: int = 8
    n_embd: int = 256
    rope: bool = False  # rotate queries and keys instead of adding learned positions to the input
    synthesizer: bool = False  # make the attention scores without queries and keys
    embd_pdrop: float = 0.1
    resid_pdrop: float = 0.1
    attn_pdrop: float = 0.1

    def __post_init__(self):
        if self.rope and self.synthesizer:
            raise ValueError("the synthesizer has no queries and keys that RoPE could rotate: choose one of them")


class Block(nn.Module):
    """x + attention(x), then x + MLP(x), each behind a LayerNorm."""

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.ln1 = nn.LayerNorm(config.n_embd)
        self.ln2 = nn.LayerNorm(config.n_embd)
        self.attn = SynthesizerAttention(config) if config.synthesizer else CausalSelfAttention(config)
        self.mlp = nn.Sequential(
            nn.Linear(config.n_embd, 4 * config.n_embd),
            nn.GELU(),
            nn.Linear(4 * config.n_embd, config.n_embd),
        )
        self.drop = Dropout(config.resid_pdrop)

    def forward(self, x: torch.Tensor, places: Places) -> torch.Tensor:
        """x (B, T, n_embd) -> the same shape."""
        x = x + self.attn(self.ln1(x), places)
        return x + self.drop(self.mlp(self.ln2(x)), places.masks)


class GPT(nn.Module):
    """The language model."""

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.config = config
        self.tok_emb = nn.Embedding(config.vocab_size, config.n_embd)
        if not config.rope:
            self.pos_emb = nn.Parameter(torch.zeros(1, config.block_size, config.n_embd))
        self.drop = Dropout(config.embd_pdrop)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.ln_f = nn.LayerNorm(config.n_embd)
        self.head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.apply(self._init_weights)

    @staticmethod
    def _init_weights(module: nn.Module) -> None:
        """Matrices from normal(0, 0.02), biases 0; a LayerNorm starts as torch makes it, 1 and 0."""
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
        places: Places | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The logits of the next token at each place, and the mean cross-entropy if targets are given.

        idx and targets are (B, T) Long, logits (B, T, vocab_size). The mean is over the targets that are not PAD.
        `positions` (B, T) is for rows that hold several documents, see `dataset.pack`: the position of each token in
        its own. `places` is for rows that continue earlier ones, see `generate`.
        Raises ValueError when T exceeds the block size.
        """
        T = idx.size(1)
        if T > self.config.block_size:
            raise ValueError(f"a sequence of {T} tokens exceeds the block size of {self.config.block_size}")
        if places is None:
            places = Places(torch.arange(T, device=idx.device)[None] if positions is None else positions)
        x = self.tok_emb(idx)
        if not self.config.rope:
            x = x + F.embedding(places.positions, self.pos_emb[0])
        if torch.is_autocast_enabled(x.device.type):  # the residual stream, too: half the memory to move
            x = x.to(torch.get_autocast_dtype(x.device.type))
        x = self.drop(x, places.masks)  # (B, T, n_embd)
        for block in self.blocks:
            x = block(x, places)
        logits = self.head(self.ln_f(x))
        if targets is None:
            return logits, None
        precise = torch.promote_types(logits.dtype, torch.float32)
        return logits, F.cross_entropy(logits.flatten(0, 1).to(precise), targets.flatten(), ignore_index=PAD)

    @torch.no_grad()
    def generate(
        self, prompts: list[list[int]], max_new_tokens: int, stop_token: int, first: int = 0
    ) -> list[list[int]]:
        """The likeliest continuation of each prompt, token by token, all prompts at once.

        A continuation ends before `stop_token`, or with `max_new_tokens` tokens, or where the block is full. The keys
        and values of past tokens are kept, and a finished prompt takes no more part in the computation. `first` is the
        position of a prompt's first token.
        Raises ValueError when a prompt is empty or longer than the rest of the block.
        """
        lengths, room = [len(prompt) for prompt in prompts], self.config.block_size - first
        if not all(0 < length <= room for length in lengths):
            raise ValueError(f"prompts must have between 1 and {room} tokens")
        was_training = self.training
        self.eval()
        answers: list[list[int]] = [[] for _ in prompts]
        by_length = sorted(range(len(prompts)), key=lambda i: lengths[i])
        for begin in range(0, len(prompts), GROUP):
            group = by_length[begin : begin + GROUP]
            new = self.generate_group([prompts[i] for i in group], max_new_tokens, stop_token, first)
            for i, answer in zip(group, new):
                answers[i] = answer
        self.train(was_training)
        return answers

    def generate_group(
        self, prompts: list[list[int]], max_new_tokens: int, stop_token: int, first: int
    ) -> list[list[int]]:
        """The same for as many prompts as are continued at once; the model should be in evaluation mode."""
        block_size, device = self.config.block_size, self.head.weight.device
        answers: list[list[int]] = [[] for _ in prompts]
        longest = max(map(len, prompts))
        filling = [longest - len(prompt) for prompt in prompts]  # before each prompt, as if it were other documents
        idx = torch.tensor([[PAD] * n + prompt for n, prompt in zip(filling, prompts)], device=device)
        before = int(first == 1)  # a position that `first` does not follow
        positions = [[before] * n + [*range(first, first + longest - n)] for n in filling]
        positions = torch.tensor(positions, device=device)
        places = Places(positions, cache_size=longest + max(0, max_new_tokens))
        rows, last = torch.arange(len(prompts), device=device), positions[:, -1]  # of the unfinished prompts
        logits = self(idx, places=places)[0][:, -1]
        for step in range(max_new_tokens):
            token, last = logits.argmax(dim=-1), last + 1
            for row, new in zip(rows.tolist(), token.tolist()):
                if new != stop_token:
                    answers[row].append(new)
            unfinished = (token != stop_token) & (last < block_size)
            if step + 1 == max_new_tokens or not unfinished.any():
                break
            kept = places.keep(unfinished)
            rows, last, token = rows[kept], last[kept], token[kept]
            places.move_to(last[:, None])
            logits = self(token[:, None], places=places)[0][:, 0]
        return answers


def variant_of(names: Iterable[str]) -> str:
    """The variant that has parameters of these names."""
    names = set(names)
    if "blocks.0.attn.w1.weight" in names:
        return "synthesizer"
    return "vanilla" if "pos_emb" in names else "rope"


def is_plain(name: object, tensor: object) -> bool:
    """Whether this is a name and an ordinary tensor of real numbers."""
    return (
        isinstance(name, str)
        and isinstance(tensor, torch.Tensor)
        and tensor.layout == torch.strided
        and tensor.device.type == "cpu"
        and not (tensor.is_nested or tensor.is_quantized or tensor.dtype.is_complex)
    )


def load_params(model: GPT, path: Path | str) -> None:
    """Reads parameters that `utils.save_params`, or the course's own code, has written.

    No code in the file is run. Raises InputError when it cannot be read, or is of another model.
    """
    state = load_plain(path, "parameter file")
    if not isinstance(state, dict) or not all(map(is_plain, state, state.values())):
        raise InputError(f"{path}: is not a parameter file: it should hold named tensors of numbers and nothing else")
    own, read = model.state_dict(), {}
    if "tok_emb.weight" in state and variant_of(state) != variant_of(own):
        raise InputError(f"{path}: holds a {variant_of(state)} model, not a {variant_of(own)} one")
    for name in own:
        if name not in state:
            raise InputError(f"{path}: holds a different model: it has no {name!r}")
        if state[name].shape != own[name].shape:
            what = "vocabulary: use the corpus it was pretrained on" if name == "tok_emb.weight" else "model"
            shapes = f"{name} is {tuple(state[name].shape)}, not {tuple(own[name].shape)}"
            raise InputError(f"{path}: holds a different {what} ({shapes})")
        # Only now that the size is known, and by nothing that the file may have put in the place of a method.
        read[name] = torch.empty_like(own[name]).copy_(state[name])
        if not read[name].isfinite().all():
            raise InputError(f"{path}: is not a parameter file: {name} should hold finite numbers and nothing else")
    if extra := sorted(set(state) - set(own)):
        raise InputError(f"{path}: holds a different model: it has {extra[0]!r}, too")
    model.load_state_dict(read)
