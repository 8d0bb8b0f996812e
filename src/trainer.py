"""The training loop. It knows nothing of GPT: anything will do that is called with a batch and returns (output, loss),
the loss being a mean over the targets that are not padding.

A batch is a pure function of the seed and the number of the step, so a run does not depend on how many workers make
its batches. A dataset with a method `batch(indices, rng)` makes whole batches itself; of any other, the examples
`dataset[i]` are stacked. Token 0 is padding, and not counted.
"""

from __future__ import annotations

import ctypes
import importlib.util
import math
import os
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, default_collate
from tqdm import tqdm

from utils import InputError, save_params

PAD = 0
CPU_TOKENS = 2**12  # how many go through the model at once on a CPU, padding included
STEPS_WORTH_COMPILING = 2000
SECONDS_BETWEEN_SAVES = 120
SECONDS_BETWEEN_LINES = 30  # of progress, when nobody watches the bar


@dataclass(frozen=True)
class TrainerConfig:
    """How to train. The first block is minGPT's, with its defaults; a token is a character that is not padding."""

    max_epochs: int = 10
    batch_size: int = 64
    learning_rate: float = 3e-4
    betas: tuple[float, float] = (0.9, 0.95)
    grad_norm_clip: float = 1.0
    weight_decay: float = 0.1  # of matrices only
    lr_decay: bool = False  # whether the learning rate follows `lr_factor`
    warmup_tokens: float = 375e6
    final_tokens: float = 260e9
    num_workers: int = 0  # processes that make batches ahead of time; 0: the training process does
    writer: Any = None  # a TensorBoard SummaryWriter, for train/loss, train/lr and test/loss
    ckpt_path: str | None = None  # where the parameters are saved from time to time, and at the end

    seed: int = 0  # of the order of the examples, and of what is random about them
    device: str = "auto"  # or as torch names it: cpu, cuda, cuda:1, mps
    dtype: str = "auto"  # or float32, bfloat16: of the matrix products; the parameters are always float32
    compile: str = "auto"  # or on, off: whether torch.compile makes a program of the model first


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name; by default CUDA if there is one, or Apple's MPS, or the CPU.

    Raises InputError when there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        if torch.device(name).type not in ("cpu", "cuda", "mps"):
            raise RuntimeError(f"nothing here was made for {name}")
        torch.empty(1, device=name)
    except Exception as error:  # of a different kind for each device that is not there
        raise InputError(f"there is no device {name!r} here; leave --device out to take the best one") from error
    return torch.device(name)


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """The dtype of that name; by default bfloat16 where the hardware multiplies it faster than float32."""
    if name == "auto":
        if device.type == "cpu":
            fast = torch.cpu.get_capabilities().get("amx_bf16", False)
        else:
            fast = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        name = "bfloat16" if fast else "float32"
    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[name]


def choose_compile(name: str, device: torch.device, steps: int) -> bool:
    """Whether to compile the model; by default in long runs on CUDA. On a CPU it does not pay (docs/LOG.md).

    Raises InputError when it is wanted and there is no compiler.
    """
    compiler = os.environ.get("CXX", "cl" if os.name == "nt" else "c++")
    possible = bool(shutil.which(compiler)) and (device.type != "cuda" or bool(importlib.util.find_spec("triton")))
    if name == "on" and not possible:
        raise InputError("--compile on needs a C++ compiler, and on CUDA Triton; leave it out to go without")
    return name == "on" or name == "auto" and possible and device.type == "cuda" and steps >= STEPS_WORTH_COMPILING


def keep_memory() -> None:
    """Asks the C library to keep what is freed for the next step.

    By default, glibc hands large blocks back to the system, which zeroes each page anew when the next step asks for
    it: a tenth of the time of a step on a CPU. Where there is no glibc, nothing happens.
    """
    mmap_threshold, trim_threshold, top_pad = -3, -1, -2  # from malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(mmap_threshold, 2**30)
    mallopt(trim_threshold, 2**31 - 1)
    mallopt(top_pad, 2**26)


def lr_factor(tokens: float, warmup_tokens: float, final_tokens: float) -> float:
    """What the learning rate is multiplied by after `tokens` tokens: it rises in a straight line to 1, then falls
    along a cosine that ends at `final_tokens`, but never below a tenth."""
    if tokens < warmup_tokens:
        return tokens / warmup_tokens
    progress = min(1.0, (tokens - warmup_tokens) / max(1.0, final_tokens - warmup_tokens))
    return max(0.1, 0.5 * (1.0 + math.cos(math.pi * progress)))


def parameter_groups(model: torch.nn.Module, weight_decay: float) -> list[dict]:
    """Every parameter of the model once: matrices decay, biases and LayerNorms do not."""
    parameters = list(model.parameters())
    return [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]


class Batches(Dataset):
    """The batches of a whole run: item `step` is the batch of that step, over and over through shuffled examples."""

    def __init__(self, dataset: Dataset, batch_size: int, epochs: int, seed: int):
        self.dataset, self.batch_size, self.epochs, self.seed = dataset, batch_size, epochs, seed
        self.per_epoch = math.ceil(len(dataset) / batch_size)
        self.shuffled: tuple[int, np.ndarray] = (-1, np.empty(0))  # the epoch that it is for, and its order

    def __len__(self) -> int:
        return self.epochs * self.per_epoch

    def __getitem__(self, step: int):
        epoch, place = divmod(step, self.per_epoch)
        if self.shuffled[0] != epoch:
            self.shuffled = epoch, np.random.default_rng((self.seed, 0, epoch)).permutation(len(self.dataset))
        indices = self.shuffled[1][place * self.batch_size : (place + 1) * self.batch_size]
        if hasattr(self.dataset, "batch"):
            return self.dataset.batch(indices, np.random.default_rng((self.seed, 1, step)))
        return default_collate([self.dataset[int(i)] for i in indices])


class Trainer:
    """Trains `model` on `train_dataset`; call `train`."""

    def __init__(
        self, model: torch.nn.Module, train_dataset: Dataset, test_dataset: Dataset | None, config: TrainerConfig
    ):
        """With a `test_dataset`, the loss on it is measured after each epoch, and `ckpt_path` keeps the best epoch.

        Raises InputError when the device is not there, or compiling is wanted and impossible.
        """
        self.config = config
        self.device = choose_device(config.device)
        self.dtype = choose_dtype(config.dtype, self.device)
        if self.device.type == "cpu":
            keep_memory()
        self.model = model.to(self.device)
        self.train_dataset, self.test_dataset = train_dataset, test_dataset
        steps = config.max_epochs * math.ceil(len(train_dataset) / config.batch_size)
        # The number of rows is different in each batch.
        compiled = choose_compile(config.compile, self.device, steps)
        self.compute = torch.compile(self.model, dynamic=True) if compiled else self.model
        self.tokens = 0  # processed so far
        fused = self.device.type in ("cpu", "cuda")
        groups = parameter_groups(self.model, config.weight_decay)
        self.optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, fused=fused)

    def train(self) -> None:
        """Runs all epochs.

        Raises FloatingPointError when loss, gradient or parameters are not finite: before they are saved anywhere.
        """
        config, best_loss = self.config, math.inf
        started = saved = time.monotonic()
        batches = Batches(self.train_dataset, config.batch_size, config.max_epochs, config.seed)
        self.model.train()
        with Progress(len(batches)) as progress:
            for step, batch in enumerate(self.load(batches), start=1):
                loss = self.step(step, batch)
                epoch, epoch_ended = math.ceil(step / batches.per_epoch), step % batches.per_epoch == 0
                speed = self.tokens / (time.monotonic() - started)
                state = f"loss {loss:.4f}, lr {self.lr:.2e}, {speed:,.0f} tokens/s"
                progress.show(f"epoch {epoch}/{config.max_epochs}", state)
                if not epoch_ended:
                    continue
                if self.test_dataset is not None:
                    test_loss = self.test()
                    progress.write(f"epoch {epoch}: loss {loss:.4f}, test loss {test_loss:.4f}")
                    if config.writer:
                        config.writer.add_scalar("test/loss", test_loss, step)
                    if config.ckpt_path and test_loss < best_loss:
                        save_params(self.model, config.ckpt_path)
                    best_loss = min(best_loss, test_loss)
                elif (
                    config.ckpt_path and epoch < config.max_epochs and time.monotonic() - saved > SECONDS_BETWEEN_SAVES
                ):
                    save_params(self.model, config.ckpt_path)
                    saved = time.monotonic()
        if not all(p.isfinite().all() for p in self.model.parameters()):
            raise FloatingPointError("the last step has made parameters that are not finite")
        if config.ckpt_path and self.test_dataset is None:
            save_params(self.model, config.ckpt_path)

    def step(self, step: int, batch: Any) -> float:
        """One update of the parameters; returns the loss before it."""
        config = self.config
        self.tokens += int((batch[0] != PAD).sum())
        factor = lr_factor(self.tokens, config.warmup_tokens, config.final_tokens) if config.lr_decay else 1.0
        self.lr = config.learning_rate * factor
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr
        self.optimizer.zero_grad(set_to_none=True)
        loss = 0.0
        for part, share in self.parts(batch):
            part_loss = self.loss(part) * share
            part_loss.backward()
            loss += part_loss.item()
        if not math.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss} at step {step}, learning rate {self.lr:.2e}")
        norm = float(torch.nn.utils.clip_grad_norm_(self.model.parameters(), config.grad_norm_clip))
        if not math.isfinite(norm):
            raise FloatingPointError(f"the gradient is {norm} long at step {step}, learning rate {self.lr:.2e}")
        self.optimizer.step()
        if config.writer:
            config.writer.add_scalar("train/loss", loss, step)
            config.writer.add_scalar("train/lr", self.lr, step)
        return loss

    def parts(self, batch: list[torch.Tensor]) -> Iterator[tuple[list[torch.Tensor], float]]:
        """The batch on the device, and the share of its targets that are in it: 1.

        On a CPU, several parts of a large batch, whose gradients add up to the batch's. That is faster, because what a
        part of this size has to remember for its backward pass stays near the processor, and it takes less memory.
        """
        targets = (batch[1] != PAD).sum()
        divisible = self.device.type == "cpu" and not batch[1].is_floating_point() and targets > 0
        n = math.ceil(batch[0].numel() / CPU_TOKENS) if divisible else 1
        for part in zip(*(tensor.chunk(n) for tensor in batch)):
            share = 1.0 if n == 1 else float((part[1] != PAD).sum() / targets)
            if share:
                yield [tensor.to(self.device, non_blocking=True) for tensor in part], share

    def loss(self, batch: list[torch.Tensor]) -> torch.Tensor:
        """The loss of a batch that is on the device."""
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            return self.compute(*batch)[1]

    @torch.no_grad()
    def test(self) -> float:
        """The mean loss over the test set, a target that is not padding counting once; the same examples every time."""
        self.model.eval()
        total = count = 0.0
        for batch in self.load(Batches(self.test_dataset, self.config.batch_size, epochs=1, seed=self.config.seed)):
            targets = int((batch[1] != PAD).sum())
            total += sum(self.loss(part).item() * share for part, share in self.parts(batch)) * targets
            count += targets
        self.model.train()
        return total / count

    def load(self, batches: Batches) -> DataLoader:
        """The batches, one after the other, made by `num_workers` processes."""
        workers = self.config.num_workers
        return DataLoader(batches, batch_size=None, num_workers=workers, pin_memory=self.device.type == "cuda")


class Progress:
    """A bar on a terminal, a line now and then elsewhere."""

    def __init__(self, total: int):
        self.lines = not sys.stderr.isatty()
        self.bar = tqdm(total=total, disable=self.lines, dynamic_ncols=True)
        self.total, self.done, self.started, self.shown = total, 0, time.monotonic(), time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def show(self, what: str, state: str) -> None:
        """One step more is done."""
        self.done += 1
        self.bar.update()
        self.bar.set_description(what, refresh=False)
        self.bar.set_postfix_str(state, refresh=False)
        now = time.monotonic()
        if self.lines and (now - self.shown > SECONDS_BETWEEN_LINES or self.done == self.total):
            self.shown = now
            self.write(f"{what}, step {self.done}/{self.total}, {now - self.started:.0f} s: {state}")

    def write(self, line: str) -> None:
        """A line that stays."""
        tqdm.write(line, file=sys.stderr)
