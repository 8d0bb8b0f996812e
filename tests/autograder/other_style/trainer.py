"""A training loop like minGPT's."""

import math

import torch
from torch.utils.data import DataLoader


class TrainerConfig:
    max_epochs = 10
    batch_size = 64
    learning_rate = 3e-4
    betas = (0.9, 0.95)
    grad_norm_clip = 1.0
    weight_decay = 0.1
    lr_decay = False
    warmup_tokens = 375e6
    final_tokens = 260e9
    ckpt_path = None
    num_workers = 0
    writer = None

    def __init__(self, **kwargs):
        for k, v in kwargs.items():
            setattr(self, k, v)


class Trainer:
    def __init__(self, model, train_dataset, test_dataset, config):
        self.model = model
        self.train_dataset = train_dataset
        self.test_dataset = test_dataset
        self.config = config
        self.tokens = 0
        self.device = next(model.parameters()).device

    def save_checkpoint(self):
        if self.config.ckpt_path is not None:
            torch.save(self.model.state_dict(), self.config.ckpt_path)

    def lr_multiplier(self):
        config = self.config
        if not config.lr_decay:
            return 1.0
        if self.tokens < config.warmup_tokens:
            return self.tokens / config.warmup_tokens
        progress = (self.tokens - config.warmup_tokens) / max(1, config.final_tokens - config.warmup_tokens)
        return max(0.1, 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress))))

    def train(self):
        config, model = self.config, self.model
        decayed = [p for p in model.parameters() if p.dim() > 1]
        others = [p for p in model.parameters() if p.dim() <= 1]
        groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas)
        step = 0
        model.train()
        for epoch in range(config.max_epochs):
            loader = DataLoader(self.train_dataset, config.batch_size, shuffle=True, num_workers=config.num_workers)
            for x, y in loader:
                longest = int((y != 0).sum(0).nonzero().max()) + 1  # what is padding in every row costs time only
                x, y = x[:, :longest].to(self.device), y[:, :longest].to(self.device)
                self.tokens += int((y != 0).sum())
                lr = config.learning_rate * self.lr_multiplier()
                for group in optimizer.param_groups:
                    group["lr"] = lr
                _, loss = model(x, y)
                model.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), config.grad_norm_clip)
                optimizer.step()
                if config.writer is not None:
                    config.writer.add_scalar("train/loss", loss.item(), step)
                    config.writer.add_scalar("train/lr", lr, step)
                step += 1
        print(f"{step} steps, last loss {loss.item():.3f}")
        self.save_checkpoint()
