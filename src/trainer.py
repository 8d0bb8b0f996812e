"""The training loop. It knows nothing of GPT: it trains any model that is called with a batch and returns (output, loss),
where the loss is a mean over the targets that are not padding.

A batch is a function of the seed and the number of the step alone. So is the dropout of a step, in each process. So a run can be
resumed exactly, and the number of workers does not matter. A dataset with a method `batch(indices, rng)` makes whole
batches itself; from any other, the examples `dataset[i]` are stacked. Token 0 is padding, and is not counted.
"""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Subset, default_collate

from engine import distributed
from engine.checkpoint import save_checkpoint
from engine.devices import choose_compile, choose_device, choose_dtype, keep_freed_memory
from engine.files import InputError
from engine.optimizers import checked_copy, checked_optimizer_state, lr_factor, make_optimizers
from engine.parameters import save_params
from engine.progress import Progress
from engine.starter import accept_any_keyword
from vocabulary import PAD

CPU_TOKENS = 2**12  # tokens of a micro-batch on a CPU, padding included


@accept_any_keyword
@dataclass
class TrainerConfig:
    """How to train. The first block is minGPT's, with its defaults; a token is a character that is not padding."""

    max_epochs: int = 10
    batch_size: int = 64
    learning_rate: float = 3e-4
    betas: tuple[float, float] = (0.9, 0.95)
    grad_norm_clip: float = 1.0
    weight_decay: float = 0.1  # applies to matrices only
    lr_decay: bool = False  # whether the learning rate follows `optimizers.lr_factor`
    warmup_tokens: float = 375e6
    final_tokens: float | None = 260e9  # None: the decay lasts as long as the run, the warm-up a tenth of it at most
    ckpt_path: str | None = None  # minGPT's name: where the parameters are written, at the end or after the best epoch
    num_workers: int = 0  # processes that make batches ahead of time; 0: the training process makes them
    writer: Any = None  # a TensorBoard SummaryWriter, for train/loss, train/lr and more

    min_lr_ratio: float = 0.1  # the learning rate does not decay below this ratio of its peak
    linear_decay: bool = False  # whether it decays linearly to that ratio, instead of along a cosine
    muon_lr: float = 0.0  # if not 0, Muon trains the matrices of the blocks, at this rate
    after_epoch: Callable[[int], None] | None = None  # called with the number of each epoch that has ended
    state_path: str | None = None  # where checkpoints are saved, to resume from
    save_minutes: float = 2.0  # between two checkpoints
    run: Any = None  # saved with each checkpoint: what identifies the run

    seed: int = 0  # determines the order of the examples, and everything random about them
    device: str = "auto"  # or as torch names it: cpu, cuda, cuda:1, mps
    dtype: str = "auto"  # or float32, bfloat16: type of the matrix products; the parameters are always float32
    compile: str = "auto"  # or on, off: whether to use torch.compile


class Stopped(Exception):
    """The run was asked to stop, and has saved a checkpoint."""


def derive_seed(*numbers: int) -> int:
    """A seed for torch, different for different numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])


def count_targets(y: torch.Tensor) -> int:
    """The number of targets that are not padding; for targets that are not classes, the number of rows."""
    return len(y) if y.is_floating_point() else int((y != PAD).sum())


def ignore_signals(_: int) -> None:
    """Lets a worker of a DataLoader ignore Ctrl-C and signals to the process group: it ends with the trainer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setpgrp"):
        os.setpgrp()


class Batches(Dataset):
    """The batches of a whole run: item `step` is the batch of that step. Each epoch shuffles the examples anew."""

    def __init__(self, dataset: Dataset, batch_size: int, epochs: int, seed: int):
        self.dataset, self.batch_size, self.epochs, self.seed = dataset, batch_size, epochs, seed
        self.per_epoch = math.ceil(len(dataset) / batch_size)
        self.order: tuple[int, np.ndarray] = (-1, np.empty(0))  # an epoch, and its order of the examples

    def __len__(self) -> int:
        return self.epochs * self.per_epoch

    def __getitem__(self, step: int) -> Any:
        epoch, place = divmod(step, self.per_epoch)
        if self.order[0] != epoch:
            self.order = epoch, np.random.default_rng((self.seed, 0, epoch)).permutation(len(self.dataset))
        indices = self.order[1][place * self.batch_size : (place + 1) * self.batch_size]
        if hasattr(self.dataset, "batch"):
            return self.dataset.batch(indices, np.random.default_rng((self.seed, 1, step)))
        with torch.random.fork_rng(devices=[]):  # the examples may use torch's generator
            torch.manual_seed(derive_seed(self.seed, 1, step))
            return default_collate([self.dataset[int(i)] for i in indices])


class Trainer:
    """Trains `model` on `train_dataset`; call `train`."""

    def __init__(
        self, model: torch.nn.Module, train_dataset: Dataset, test_dataset: Dataset | None, config: TrainerConfig
    ):
        """With a `test_dataset` (minGPT's name; it serves for validation), its loss is measured after each epoch, and
        `ckpt_path` gets the best epoch's parameters. run.py gives none.

        Raises InputError when the device does not exist, or compiling is wanted and impossible.
        """
        self.config = config
        self.device = choose_device(config.device)
        distributed.start(self.device)
        self.dtype = choose_dtype(config.dtype, self.device)
        if self.device.type == "cpu":
            keep_freed_memory()
        self.model = model.to(self.device)
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.train_dataset, self.test_dataset = train_dataset, test_dataset
        self.batches = Batches(train_dataset, config.batch_size, config.max_epochs, config.seed)
        compiled = choose_compile(config.compile, self.device, len(self.batches))
        # dynamic, because the number of rows differs from batch to batch
        self.compute = torch.compile(self.model, dynamic=True) if compiled else self.model
        self.optimizers = make_optimizers(self.model, config, self.device, self.dtype)
        self.steps = self.tokens = 0  # done so far
        self.seconds = 0.0
        self.losses = (0.0, 0)  # the sum over the steps of this epoch, and the number of these steps
        self.best_loss = math.inf  # on the test set
        self.stop = 0  # set this, for example to the number of a signal, to end the run after the current step

    def train(self) -> None:
        """Trains for all epochs, or those that are left after `restore`.

        Raises Stopped after `stop` was set, with a checkpoint saved; FloatingPointError when loss, gradient or
        parameters are not finite, before they are saved anywhere; InputError when the parameters cannot be saved.
        """
        config = self.config
        if distributed.world_size() > 1:
            self.restore(distributed.broadcast(self.state()))
        seconds_before, started = self.seconds, time.perf_counter()
        saved = started
        self.save_state()
        self.model.train()
        with Progress(len(self.batches), self.steps) as progress:
            for batch in self.load(Subset(self.batches, range(self.steps, len(self.batches)))):
                if self.epoch_is_complete:
                    self.losses = (0.0, 0)
                stop = self.step(batch)
                now = time.perf_counter()
                self.seconds = seconds_before + now - started
                epoch, speed = math.ceil(self.steps / self.batches.per_epoch), self.tokens / self.seconds
                numbers = f"loss {self.loss:.4f}, lr {self.lr:.2e}, {speed:,.0f} tokens/s"
                progress.update(f"epoch {epoch}/{config.max_epochs}", numbers)
                if self.epoch_is_complete:
                    self.end_epoch(epoch, progress)
                if self.steps < len(self.batches) and (stop or now - saved >= 60 * config.save_minutes):
                    self.check_parameters()
                    self.save_state(progress)
                    saved = time.perf_counter()
                    if stop:
                        raise Stopped(f"interrupted after step {self.steps} of {len(self.batches)}")
        self.check_parameters()
        if self.test_dataset is None:
            self.save_checkpoint()

    def step(self, batch: Any) -> bool:
        """One update of the parameters; afterwards `loss` is the loss before it. Returns whether to stop, which is true
        in all processes if it is in one."""
        config = self.config
        torch.manual_seed(derive_seed(config.seed, 2, self.steps, distributed.rank()))  # seeds the dropout of this step
        tokens = int((batch[0] != PAD).sum())
        self.steps, self.tokens = self.steps + 1, self.tokens + tokens
        self.set_learning_rate()
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        numbers = torch.tensor([0.0, float(self.stop)], device=self.device)  # the loss, and whether to stop
        for micro_batch, weight in self.micro_batches(batch):
            micro_loss = self.forward(micro_batch) * weight
            micro_loss.backward()
            numbers[0] += micro_loss.detach()
        numbers = distributed.all_reduce(self.parameters, numbers)
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, config.grad_norm_clip)
        self.loss, stop, norm = torch.stack((*numbers, norm)).tolist()  # at once: to read from a GPU is to wait for it
        if not math.isfinite(self.loss):
            raise FloatingPointError(f"the loss is {self.loss} at step {self.steps}, learning rate {self.lr:.2e}")
        if not math.isfinite(norm):
            raise FloatingPointError(f"the gradient is {norm} long at step {self.steps}, learning rate {self.lr:.2e}")
        for optimizer in self.optimizers:
            optimizer.step()
        self.losses = self.losses[0] + self.loss, self.losses[1] + 1
        self.log("train", loss=self.loss, lr=self.lr, grad_norm=norm, padding=1 - tokens / batch[0].numel())
        return stop > 0

    def log(self, group: str, **numbers: float) -> None:
        """Gives numbers to the TensorBoard writer, if there is one."""
        for name, number in numbers.items() if self.config.writer else ():
            self.config.writer.add_scalar(f"{group}/{name}", number, self.steps)

    def set_learning_rate(self) -> None:
        """Sets the rates of the step that is about to be taken."""
        config = self.config
        warmup, final = config.warmup_tokens, config.final_tokens
        if final is None:  # estimated anew in each step, from the tokens of the steps so far
            final = self.tokens / self.steps * len(self.batches)
            warmup = min(warmup, final / 10)
        factor = 1.0
        if config.lr_decay:
            factor = lr_factor(self.tokens, warmup, final, config.min_lr_ratio, config.linear_decay)
        self.lr = config.learning_rate * factor
        for optimizer, lr in zip(self.optimizers, (config.learning_rate, config.muon_lr)):
            for group in optimizer.param_groups:
                group["lr"] = lr * factor

    def forward(self, batch: list[torch.Tensor]) -> torch.Tensor:
        """The loss of a batch that is on the device."""
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            return self.compute(*batch)[1]

    def micro_batches(
        self, batch: list[torch.Tensor], all_rows: bool = False
    ) -> Iterator[tuple[list[torch.Tensor], float]]:
        """This process's rows of the batch (or `all_rows`), on the device, and their share of the batch's targets.

        On a CPU a large batch is split automatically into micro-batches, whose gradients add up to the batch's. That is faster,
        because the activations of a micro-batch stay in the processor's cache, and it takes less memory.
        """
        targets = count_targets(batch[1])
        split = self.device.type == "cpu" and targets and not batch[1].is_floating_point()
        rank, size = (0, 1) if all_rows else (distributed.rank(), distributed.world_size())
        own = [tensor[rank::size] for tensor in batch]
        n = math.ceil(own[0].numel() / CPU_TOKENS) if split else 1
        for micro_batch in zip(*(tensor.chunk(max(1, n)) for tensor in own)):
            count = count_targets(micro_batch[1])
            weight = count / targets if targets else len(micro_batch[1]) / len(batch[1])
            if weight:
                pinned = self.device.type == "cuda"
                yield [tensor.to(self.device, non_blocking=pinned) for tensor in micro_batch], weight

    def load(self, batches: Dataset) -> DataLoader:
        """The batches, one after the other, made by `num_workers` processes."""
        pinned = self.device.type == "cuda"
        return DataLoader(batches, None, num_workers=self.config.num_workers, pin_memory=pinned,
                          worker_init_fn=ignore_signals, generator=torch.Generator())  # fmt: skip

    @property
    def mean_loss(self) -> float:
        """Of the steps of this epoch so far."""
        return self.losses[0] / max(1, self.losses[1])

    @property
    def epoch_is_complete(self) -> bool:
        """Whether all steps of an epoch are done, and none of the next."""
        return self.losses[1] == self.batches.per_epoch

    def end_epoch(self, epoch: int, progress: Progress) -> None:
        """Measures the loss on the test set, if there is one, and calls `after_epoch`."""
        config = self.config
        if self.test_dataset is not None:
            progress.write(f"epoch {epoch}: loss {self.mean_loss:.4f}, test loss {self.test():.4f}")
        self.log("train", tokens_per_second=self.tokens / self.seconds)
        if config.after_epoch and distributed.rank() == 0:
            config.after_epoch(epoch)

    @torch.no_grad()
    def test(self) -> float:
        """The mean loss over the targets of the test set, on the same examples every time. Saves the parameters if it is
        the best so far."""
        config = self.config
        self.model.eval()
        total = count = 0.0
        for batch in self.load(Batches(self.test_dataset, config.batch_size, epochs=1, seed=config.seed)):
            targets = count_targets(batch[1])
            losses = [self.forward(part) * weight for part, weight in self.micro_batches(batch)]
            loss = torch.zeros(1, device=self.device) + sum(losses)
            total += distributed.all_reduce([], loss).item() * targets
            count += targets
        self.model.train()
        loss = total / count
        self.log("test", loss=loss)
        if loss < self.best_loss:
            self.save_checkpoint()
        self.best_loss = min(self.best_loss, loss)
        return loss

    def check_parameters(self) -> None:
        """Raises FloatingPointError when a parameter is not finite, which no later loss might show."""
        if not all(p.isfinite().all() for p in self.parameters):
            raise FloatingPointError(f"parameters are not finite after step {self.steps}, learning rate {self.lr:.2e}")

    def state(self) -> dict[str, Any]:
        """All that is needed to resume. Nothing else changes during training and lasts longer than a step."""
        progress = ("steps", "tokens", "seconds", "losses", "best_loss")
        return {
            "model": self.model.state_dict(),
            "optimizers": [o.state_dict() for o in self.optimizers],
            "progress": {name: getattr(self, name) for name in progress},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continues from what `state` returned. Raises InputError, and changes nothing, when it is of another kind of
        run."""
        try:
            if not all(isinstance(part, dict) for part in (state["model"], state["progress"], *state["optimizers"])):
                raise ValueError("a part has no names")
            own = self.state()
            weights = {name: checked_copy(state["model"][name], tensor) for name, tensor in own["model"].items()}
            pairs = zip(self.optimizers, state["optimizers"], strict=True)
            optimizer_states = [checked_optimizer_state(optimizer, saved) for optimizer, saved in pairs]
            progress = {name: state["progress"][name] for name in own["progress"]}
            kinds = [[type(x) for x in (*p.values(), *p["losses"])] for p in (progress, own["progress"])]
            in_range = 0 <= progress["steps"] <= len(self.batches) and 0 <= progress["tokens"] < 2**63
            if kinds[0] != kinds[1] or not in_range or not 0 <= progress["losses"][1] <= self.batches.per_epoch:
                raise ValueError("the counters")
        except Exception as error:  # a hostile file can raise anything
            raise InputError(f"this is not the state of such a run ({' '.join(str(error).split())[:100]})") from error
        self.model.load_state_dict(weights)
        for optimizer, checked in zip(self.optimizers, optimizer_states):
            optimizer.load_state_dict(checked)
        for name, value in progress.items():
            setattr(self, name, value)

    def save_checkpoint(self) -> None:
        """Writes the parameters to `ckpt_path`, if it is given (minGPT's name; `save_state` saves what resuming needs).
        Raises InputError when they cannot be written."""
        if self.config.ckpt_path and distributed.rank() == 0:
            save_params(self.model, self.config.ckpt_path)

    def save_state(self, progress: Progress | None = None) -> None:
        """Saves a checkpoint, if `state_path` is given. When that fails during the run (a full disk, for instance), it
        warns and the run continues: the next one may succeed."""
        if not self.config.state_path or distributed.rank() > 0:
            return
        if self.config.writer:
            self.config.writer.flush()  # so that TensorBoard's curves reach at least as far as the checkpoint
        try:
            save_checkpoint(self.state() | {"run": self.config.run}, self.config.state_path)
        except InputError as error:
            if progress is None:
                raise
            progress.write(f"warning: {error}; the run goes on, but has not been saved")
