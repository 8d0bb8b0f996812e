"""AdamW, Muon, and the schedule of their learning rates."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from trainer import TrainerConfig


def lr_factor(
    tokens: float, warmup_tokens: float, final_tokens: float, min_ratio: float = 0.1, linear: bool = False
) -> float:
    """The learning rate after `tokens` tokens, as a ratio of its peak.

    It rises linearly to 1 during the warm-up, then decays until `final_tokens`: linearly to `min_ratio`, or along a
    cosine to 0, but not below `min_ratio`.
    """
    if tokens < warmup_tokens:
        return tokens / warmup_tokens
    progress = min(1.0, (tokens - warmup_tokens) / max(1.0, final_tokens - warmup_tokens))
    if linear:
        return min_ratio + (1.0 - min_ratio) * (1.0 - progress)
    return max(min_ratio, 0.5 * (1.0 + math.cos(math.pi * progress)))


def parameter_groups(parameters: Iterable[torch.nn.Parameter], weight_decay: float) -> list[dict]:
    """AdamW's groups, with each parameter once: matrices decay, biases and LayerNorms do not."""
    parameters = list(parameters)
    return [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]


class Muon(torch.optim.Muon):
    """torch.optim.Muon with two changes for CPUs. Matrices of the same shape are orthogonalised together, in half the
    time. And their products are in `dtype` instead of always bfloat16, which takes most CPUs thirty times as long as
    float32."""

    def __init__(self, params: Iterable[torch.nn.Parameter], dtype: torch.dtype = torch.bfloat16, **settings: Any):
        super().__init__(params, **settings)
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """One update of the parameters that have a gradient."""
        (group,) = self.param_groups
        lr, momentum, (a, b, c) = group["lr"], group["momentum"], group["ns_coefficients"]
        by_shape = defaultdict(list)
        for p in group["params"]:
            if p.grad is not None:
                by_shape[p.shape].append(p)
        for (rows, columns), matrices in by_shape.items():
            gradients = []
            for p in matrices:
                if not self.state[p]:
                    self.state[p]["momentum_buffer"] = torch.zeros_like(p)
                average = self.state[p]["momentum_buffer"].lerp_(p.grad, 1 - momentum)
                gradients.append(p.grad.lerp(average, momentum).to(self.dtype))  # Nesterov's momentum
            x = torch.stack(gradients)
            x = x.mT if rows > columns else x
            x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=group["eps"])
            for _ in range(group["ns_steps"]):  # Newton-Schulz: each step moves all singular values towards 1
                square = x @ x.mT
                x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
            for p, update in zip(matrices, x.mT if rows > columns else x):
                p.mul_(1 - lr * group["weight_decay"]).add_(update, alpha=-lr * math.sqrt(max(1, rows / columns)))


def make_optimizers(
    model: torch.nn.Module, config: TrainerConfig, device: torch.device, dtype: torch.dtype
) -> list[torch.optim.Optimizer]:
    """AdamW for all parameters; with `config.muon_lr`, Muon (computing in `dtype`) for the weights of the linear layers
    in the blocks, and AdamW for the rest.

    Muon makes each update an orthogonal matrix, so that all directions are learned at the same rate, those of rare facts
    too (Jordan et al. 2024). It is not meant for embeddings and the output layer.
    """
    inner = {
        module.weight
        for name, module in model.named_modules()
        if config.muon_lr and isinstance(module, torch.nn.Linear) and name.startswith("blocks.")
    }
    fused = device.type in ("cpu", "cuda")
    others = parameter_groups((p for p in model.parameters() if p not in inner), config.weight_decay)
    optimizers = [torch.optim.AdamW(others, lr=config.learning_rate, betas=config.betas, fused=fused)]
    if inner:
        matrices = [p for p in model.parameters() if p in inner]
        optimizers.append(Muon(matrices, dtype, lr=config.muon_lr, weight_decay=config.weight_decay))
    return optimizers


def checked_copy(saved: object, expected: torch.Tensor) -> torch.Tensor:
    """A copy of the tensor `saved`. Raises ValueError unless it has the shape and dtype of `expected`, and finite
    numbers."""
    if not isinstance(saved, torch.Tensor) or (saved.shape, saved.dtype) != (expected.shape, expected.dtype):
        raise ValueError(f"a tensor of {tuple(expected.shape)} is missing")
    copy = torch.empty_like(expected, requires_grad=False).copy_(saved.detach())
    if not copy.isfinite().all():
        raise ValueError("a number is not finite")
    return copy


def checked_optimizer_state(optimizer: torch.optim.Optimizer, saved: dict[str, Any]) -> dict[str, Any]:
    """A state_dict for `optimizer` with the moments of `saved`; its settings stay as they are.

    Raises ValueError when a moment has no parameter or another shape than it: a wrong shape would make the optimizer
    write out of bounds.
    """
    names = ("momentum_buffer",) if isinstance(optimizer, Muon) else ("step", "exp_avg", "exp_avg_sq")
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state = {}
    for i, moments in saved["state"].items():
        if type(i) is not int or not 0 <= i < len(parameters) or not isinstance(moments, dict):
            raise ValueError("a moment is of no parameter")
        shapes = {name: torch.zeros(()) if name == "step" else parameters[i] for name in names}
        state[i] = {name: checked_copy(moments[name], shape) for name, shape in shapes.items()}
    return {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
