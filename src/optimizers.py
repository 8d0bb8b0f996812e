"""What turns gradients into steps: AdamW, Muon, and how their learning rates go."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from trainer import TrainerConfig


def lr_factor(
    tokens: float, warmup_tokens: float, final_tokens: float, floor: float = 0.1, linear: bool = False
) -> float:
    """What the learning rate is multiplied by after `tokens` tokens: it rises in a straight line to 1, then falls until
    `final_tokens`, in a straight line to `floor`, or along a cosine to 0, but not below `floor`."""
    if tokens < warmup_tokens:
        return tokens / warmup_tokens
    progress = min(1.0, (tokens - warmup_tokens) / max(1.0, final_tokens - warmup_tokens))
    if linear:
        return floor + (1.0 - floor) * (1.0 - progress)
    return max(floor, 0.5 * (1.0 + math.cos(math.pi * progress)))


def parameter_groups(parameters: Iterable[torch.nn.Parameter], weight_decay: float) -> list[dict]:
    """Every parameter once: matrices decay, biases and LayerNorms do not."""
    parameters = list(parameters)
    return [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]


class Muon(torch.optim.Muon):
    """torch.optim.Muon, but it makes all matrices of one shape orthogonal together, which on a CPU takes half the time,
    and multiplies them in `dtype`: bfloat16, as there, takes most CPUs thirty times as long as float32."""

    def __init__(self, params: Iterable[torch.nn.Parameter], dtype: torch.dtype = torch.bfloat16, **settings: Any):
        super().__init__(params, **settings)
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """One update of the parameters that have a gradient."""
        (group,) = self.param_groups
        lr, momentum, (a, b, c) = group["lr"], group["momentum"], group["ns_coefficients"]
        shapes = defaultdict(list)
        for p in group["params"]:
            if p.grad is not None:
                shapes[p.shape].append(p)
        for (rows, columns), matrices in shapes.items():
            gradients = []
            for p in matrices:
                if not self.state[p]:
                    self.state[p]["momentum_buffer"] = torch.zeros_like(p)
                average = self.state[p]["momentum_buffer"].lerp_(p.grad, 1 - momentum)
                gradients.append(p.grad.lerp(average, momentum).to(self.dtype))  # Nesterov's momentum
            x = torch.stack(gradients)
            x = x.mT if rows > columns else x
            x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=group["eps"])
            for _ in range(group["ns_steps"]):  # each brings all singular values nearer to 1 (Newton and Schulz)
                square = x @ x.mT
                x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
            for p, update in zip(matrices, x.mT if rows > columns else x):
                p.mul_(1 - lr * group["weight_decay"]).add_(update, alpha=-lr * math.sqrt(max(1, rows / columns)))


def make_optimizers(
    model: torch.nn.Module, config: TrainerConfig, device: torch.device, dtype: torch.dtype
) -> list[torch.optim.Optimizer]:
    """AdamW; or Muon, in `dtype`, for the weights of the linear layers inside the blocks, and AdamW for the rest.

    Muon makes each update an orthogonal matrix, so that all directions are learned at the same pace, rare facts' too
    (Jordan et al. 2024); it is not meant for embeddings and the output.
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


def like(then: object, now: torch.Tensor) -> torch.Tensor:
    """A copy of the tensor `then`, which has to be one like `now`, of finite numbers."""
    if not isinstance(then, torch.Tensor) or (then.shape, then.dtype) != (now.shape, now.dtype):
        raise ValueError(f"a tensor of {tuple(now.shape)} is missing")
    copy = torch.empty_like(now, requires_grad=False).copy_(then.detach())
    if not copy.isfinite().all():
        raise ValueError("a number is not finite")
    return copy


def moments(optimizer: torch.optim.Optimizer, saved: object) -> dict[str, Any]:
    """The state of that optimizer with the moments of `saved`; the rest is known without. A moment of another size
    would have it write beside its memory."""
    names = ("momentum_buffer",) if isinstance(optimizer, Muon) else ("step", "exp_avg", "exp_avg_sq")
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    found = {}
    for i, then in saved["state"].items():
        if type(i) is not int or not 0 <= i < len(parameters) or not isinstance(then, dict):
            raise ValueError("a moment is of no parameter")
        found[i] = {name: like(then[name], torch.zeros(()) if name == "step" else parameters[i]) for name in names}
    return {"state": found, "param_groups": optimizer.state_dict()["param_groups"]}
