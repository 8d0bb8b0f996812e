"""The training loop. It knows nothing of GPT: anything will do that is called with a batch and returns (output, loss),
the loss being a mean over the targets that are not padding.

A batch is a pure function of the seed and the number of the step, and so is the dropout of a step: nothing random has a
state that lasts. So a run can be continued exactly where it was, and does not depend on how many workers make its
batches. A dataset with a method `batch(indices, rng)` makes whole batches itself; of any other, the examples
`dataset[i]` are stacked. Token 0 is padding, and not counted.
"""

from __future__ import annotations

import ctypes
import importlib.util
import math
import os
import shutil
import signal
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Subset, default_collate
from tqdm import tqdm

import distributed
from optimizers import like, lr_factor, make_optimizers, moments
from state import save_state
from utils import InputError, save_params

PAD = 0
CPU_TOKENS = 2**12  # how many go through the model at once on a CPU, padding included
STEPS_WORTH_COMPILING = 2000
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
    lr_floor: float = 0.1  # share of the learning rate below which it does not fall
    linear_decay: bool = False  # to the floor at the end, rather than along a cosine
    muon_lr: float = 0.0  # if not 0, the matrices of the blocks are trained by Muon instead, at this rate
    num_workers: int = 0  # processes that make batches ahead of time; 0: the training process does
    writer: Any = None  # a TensorBoard SummaryWriter, for train/loss, train/lr and more
    after_epoch: Callable[[int], None] | None = None  # called with the number of each epoch that has ended
    ckpt_path: str | None = None  # where the parameters are saved: at the end, or after the best epoch
    run: Any = None  # whatever is to be saved with the state, to know it by
    state_path: str | None = None  # where all that it takes to go on is saved from time to time
    save_minutes: float = 2.0  # between these times

    seed: int = 0  # of the order of the examples, and of what is random about them
    device: str = "auto"  # or as torch names it: cpu, cuda, cuda:1, mps
    dtype: str = "auto"  # or float32, bfloat16: of the matrix products; the parameters are always float32
    compile: str = "auto"  # or on, off: whether torch.compile makes a program of the model first


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name; by default CUDA if there is one, or Apple's MPS, or the CPU. Of several processes, each
    has a GPU of its own.

    Raises InputError when there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    name = distributed.own_device(name)
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
            capabilities = torch.cpu.get_capabilities()
            fast = any(capabilities.get(name, False) for name in ("amx_bf16", "avx512_bf16"))
        else:
            fast = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        name = "bfloat16" if fast else "float32"
    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[name]


def choose_compile(name: str, device: torch.device, steps: int) -> bool:
    """Whether to compile the model; by default in long runs on CUDA. On a CPU it does not pay (docs/LOG.md).

    Raises InputError when it is wanted and there is no compiler.
    """
    compiler = os.environ.get("CXX", "cl" if os.name == "nt" else "c++")
    possible = bool(shutil.which(compiler))
    if device.type == "cuda":  # for which Triton compiles an extension of Python
        header = os.path.join(sysconfig.get_path("include"), "Python.h")
        possible = possible and os.path.exists(header) and bool(importlib.util.find_spec("triton"))
    if name == "on" and not possible:
        what = "a C++ compiler, and on CUDA Triton and Python's headers (python3-dev)"
        raise InputError(f"--compile on needs {what}; leave it out to go without")
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


def seed_of(*numbers: int) -> int:
    """A seed for torch that is another one for other numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])


def count_targets(y: torch.Tensor) -> int:
    """How many targets there are: those that are not padding, or where they are no classes, the rows."""
    return len(y) if y.is_floating_point() else int((y != PAD).sum())


def ignore_signals(_: int) -> None:
    """Ctrl-C, and what a cluster sends to all processes of a job, reach the workers of a DataLoader as well, and are
    not for them: they end with the trainer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setpgrp"):
        os.setpgrp()


class Stopped(Exception):
    """The run was asked to stop, and has saved its state."""


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
        with torch.random.fork_rng(devices=[]):  # the examples may use torch's generator
            torch.manual_seed(seed_of(self.seed, 1, step))
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
        distributed.start(self.device)
        self.dtype = choose_dtype(config.dtype, self.device)
        if self.device.type == "cpu":
            keep_memory()
        self.model = model.to(self.device)
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.train_dataset, self.test_dataset = train_dataset, test_dataset
        self.batches = Batches(train_dataset, config.batch_size, config.max_epochs, config.seed)
        # The number of rows is different in each batch.
        compiled = choose_compile(config.compile, self.device, len(self.batches))
        self.compute = torch.compile(self.model, dynamic=True) if compiled else self.model
        self.optimizers = make_optimizers(self.model, config, self.device, self.dtype)
        self.steps = self.tokens = 0  # done so far
        self.seconds = 0.0
        self.losses = (0.0, 0)  # the sum over the steps of this epoch, and how many they are
        self.best_loss = math.inf  # on the test set
        self.stop = False  # set this to end the run after the current step

    def train(self) -> None:
        """Runs all epochs, or those that are left.

        Raises Stopped after `stop` was set, with the state saved; FloatingPointError when loss, gradient or parameters
        are not finite, before they are saved anywhere; InputError when the parameters cannot be saved.
        """
        config = self.config
        if distributed.world_size() > 1:
            self.restore(distributed.from_first(self.state()))
        epochs, before = config.max_epochs, self.seconds
        started = saved = time.perf_counter()
        self.save()
        self.model.train()
        with Progress(len(self.batches), self.steps) as progress:
            for batch in self.load(Subset(self.batches, range(self.steps, len(self.batches)))):
                if self.losses[1] == self.batches.per_epoch:
                    self.losses = (0.0, 0)
                stop = self.step(batch)
                now = time.perf_counter()
                self.seconds = before + now - started
                speed = self.tokens / self.seconds
                epoch = math.ceil(self.steps / self.batches.per_epoch)
                state = f"loss {self.loss:.4f}, lr {self.lr:.2e}, {speed:,.0f} tokens/s"
                progress.show(f"epoch {epoch}/{epochs}", state)
                if self.losses[1] == self.batches.per_epoch:
                    self.end_epoch(epoch, progress)
                if self.steps < len(self.batches) and (stop or now - saved >= 60 * config.save_minutes):
                    self.check_parameters()
                    self.save(progress)
                    saved = time.perf_counter()
                    if stop:
                        raise Stopped(f"interrupted after step {self.steps} of {len(self.batches)}")
        self.check_parameters()
        if config.ckpt_path and self.test_dataset is None and distributed.rank() == 0:
            save_params(self.model, config.ckpt_path)

    def check_parameters(self) -> None:
        """Raises FloatingPointError when one is not finite: the next loss would tell, but there may be none."""
        if not all(p.isfinite().all() for p in self.parameters):
            message = f"parameters are not finite after step {self.steps}, learning rate {self.lr:.2e}"
            raise FloatingPointError(message)

    def end_epoch(self, epoch: int, progress: Progress) -> None:
        """Measures the loss on the test set, if there is one, and logs what is known after an epoch."""
        config = self.config
        if self.test_dataset is not None:
            progress.write(f"epoch {epoch}: loss {self.mean_loss:.4f}, test loss {self.test():.4f}")
        if config.writer:
            config.writer.add_scalar("train/tokens_per_second", self.tokens / self.seconds, self.steps)
        if config.after_epoch and distributed.rank() == 0:
            config.after_epoch(epoch)

    @property
    def mean_loss(self) -> float:
        """Of the steps of this epoch so far."""
        return self.losses[0] / max(1, self.losses[1])

    def step(self, batch: Any) -> bool:
        """One update of the parameters; `loss` is then the loss before it. Returns whether to stop: what one process
        has been told, all have to do."""
        config = self.config
        torch.manual_seed(seed_of(config.seed, 2, self.steps, distributed.rank()))
        tokens = int((batch[0] != PAD).sum())
        self.steps, self.tokens = self.steps + 1, self.tokens + tokens
        schedule = (config.warmup_tokens, config.final_tokens, config.lr_floor, config.linear_decay)
        factor = lr_factor(self.tokens, *schedule) if config.lr_decay else 1.0
        self.lr = config.learning_rate * factor
        for optimizer, lr in zip(self.optimizers, (config.learning_rate, config.muon_lr)):
            for group in optimizer.param_groups:
                group["lr"] = lr * factor
            optimizer.zero_grad(set_to_none=True)
        loss = 0.0
        for part, share in self.parts(batch):
            part_loss = self.forward(part) * share
            part_loss.backward()
            loss += part_loss.item()
        self.loss, stop = distributed.add_up(self.parameters, [loss, float(self.stop)], self.device)
        if not math.isfinite(self.loss):
            raise FloatingPointError(f"the loss is {self.loss} at step {self.steps}, learning rate {self.lr:.2e}")
        norm = float(torch.nn.utils.clip_grad_norm_(self.parameters, config.grad_norm_clip))
        if not math.isfinite(norm):
            message = f"the gradient is {norm} long at step {self.steps}, learning rate {self.lr:.2e}"
            raise FloatingPointError(message)
        for optimizer in self.optimizers:
            optimizer.step()
        self.losses = self.losses[0] + self.loss, self.losses[1] + 1
        if config.writer:
            padding = 1 - tokens / batch[0].numel()
            numbers = {"loss": self.loss, "lr": self.lr, "grad_norm": norm, "padding": padding}
            for name, number in numbers.items():
                config.writer.add_scalar(f"train/{name}", number, self.steps)
        return stop > 0

    def state(self) -> dict[str, Any]:
        """All that it takes to go on: nothing else that changes while training goes on lasts longer than a step."""
        names = ("steps", "tokens", "seconds", "losses", "best_loss")
        progress = {name: getattr(self, name) for name in names}
        return {
            "model": self.model.state_dict(),
            "optimizers": [o.state_dict() for o in self.optimizers],
            "progress": progress,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes back to where `state` was made. Raises InputError when it is not the state of such a run."""
        try:
            if not all(isinstance(then, dict) for then in (state["model"], state["progress"], *state["optimizers"])):
                raise ValueError("these are not named")
            own = self.state()
            weights = {name: like(state["model"][name], tensor) for name, tensor in own["model"].items()}
            pairs = [(o, moments(o, saved)) for o, saved in zip(self.optimizers, state["optimizers"], strict=True)]
            progress = {name: state["progress"][name] for name in own["progress"]}
            steps, tokens, seconds, (total, count), best = progress.values()
            if not (type(steps) is type(tokens) is type(count) is int and 0 <= steps <= len(self.batches)):
                raise ValueError("the number of steps")
            if not (0 <= tokens < 2**63 and 0 <= count <= self.batches.per_epoch):
                raise ValueError("the number of tokens")
            if not (type(seconds) is type(total) is type(best) is float and 0 <= seconds < math.inf):
                raise ValueError("the number of seconds")
            self.model.load_state_dict(weights)
            for optimizer, checked in pairs:
                optimizer.load_state_dict(checked)
            for name, value in progress.items():
                setattr(self, name, value)
        except Exception as error:  # what a hostile file leads to is of many kinds
            raise InputError(f"this is not the state of such a run ({' '.join(str(error).split())[:100]})") from error

    def save(self, progress: Progress | None = None) -> None:
        """Saves the state. A failure, of the disk for instance, does not end the run: the next time may be better."""
        if not self.config.state_path or distributed.rank() > 0:
            return
        if self.config.writer:
            self.config.writer.flush()  # so that its curves reach at least as far as the state
        try:
            save_state(self.state() | {"run": self.config.run}, self.config.state_path)
        except InputError as error:
            if progress is None:
                raise
            progress.write(f"warning: {error}; the run goes on, but has not been saved")

    def parts(self, batch: list[torch.Tensor], alone: bool = False) -> Iterator[tuple[list[torch.Tensor], float]]:
        """The rows of the batch that are for this process (all, if it is `alone` with it), on the device, and the
        share of the batch's targets in them.

        On a CPU, several parts of a large batch, whose gradients add up to the batch's. That is faster, because what a
        part of this size has to remember for its backward pass stays near the processor, and it takes less memory.
        """
        whole = batch[1]
        targets = count_targets(whole)
        several = self.device.type == "cpu" and targets and not whole.is_floating_point()
        rank, size = (0, 1) if alone else (distributed.rank(), distributed.world_size())
        mine = [tensor[rank::size] for tensor in batch]
        n = math.ceil(mine[0].numel() / CPU_TOKENS) if several else 1
        for part in zip(*(tensor.chunk(max(1, n)) for tensor in mine)):
            share = count_targets(part[1]) / targets if targets else len(part[1]) / len(whole)
            if share:
                pinned = self.device.type == "cuda"
                yield [tensor.to(self.device, non_blocking=pinned) for tensor in part], share

    def forward(self, batch: list[torch.Tensor]) -> torch.Tensor:
        """The loss of a batch that is on the device."""
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            return self.compute(*batch)[1]

    @torch.no_grad()
    def test(self) -> float:
        """The mean loss over the test set, each target counting once; the same examples every time. Logs it, and saves
        the parameters if it is the best."""
        config = self.config
        self.model.eval()
        total = count = 0.0
        for batch in self.load(Batches(self.test_dataset, config.batch_size, epochs=1, seed=config.seed)):
            targets = count_targets(batch[1])
            loss = sum(self.forward(part).item() * share for part, share in self.parts(batch))
            total += distributed.add_up([], [loss], self.device)[0] * targets
            count += targets
        self.model.train()
        loss = total / count
        if config.writer:
            config.writer.add_scalar("test/loss", loss, self.steps)
        if config.ckpt_path and loss < self.best_loss and distributed.rank() == 0:
            save_params(self.model, config.ckpt_path)
        self.best_loss = min(self.best_loss, loss)
        return loss

    def load(self, batches: Dataset) -> DataLoader:
        """The batches, one after the other, made by `num_workers` processes."""
        return DataLoader(
            batches,
            batch_size=None,
            num_workers=self.config.num_workers,
            pin_memory=self.device.type == "cuda",
            worker_init_fn=ignore_signals,
            generator=torch.Generator(),  # from which it draws seeds that nothing here uses
        )


class Progress:
    """A bar on a terminal, a line now and then elsewhere."""

    def __init__(self, total: int, done: int = 0):
        first = distributed.rank() == 0
        self.lines, bar = not sys.stderr.isatty() and first, sys.stderr.isatty() and first
        self.bar = tqdm(total=total, initial=done, disable=not bar, dynamic_ncols=True)
        self.total, self.done, self.started, self.shown = total, done, time.perf_counter(), time.perf_counter()

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
        now = time.perf_counter()
        if self.lines and (now - self.shown > SECONDS_BETWEEN_LINES or self.done == self.total):
            self.shown = now
            self.write(f"{what}, step {self.done}/{self.total}, {now - self.started:.0f} s: {state}")

    def write(self, line: str) -> None:
        """A line that stays."""
        tqdm.write(line, file=sys.stderr)
