"""Sampling and scoring."""

import torch


def top_k_logits(logits, k):
    smallest = torch.topk(logits, k).values[:, -1:]
    return torch.where(logits < smallest, torch.full_like(logits, -float("inf")), logits)


@torch.no_grad()
def sample(model, x, steps, temperature=1.0, sample=False, top_k=None):
    model.eval()
    for _ in range(steps):
        logits, _ = model(x[:, -model.get_block_size() :])
        logits = logits[:, -1, :] / temperature
        if top_k is not None:
            logits = top_k_logits(logits, top_k)
        probs = torch.softmax(logits, dim=-1)
        new = torch.multinomial(probs, 1) if sample else probs.argmax(dim=-1, keepdim=True)
        x = torch.cat((x, new), dim=1)
    return x


def evaluate_places(filepath, predicted_places):
    with open(filepath, encoding="utf-8") as file:
        rows = [line.strip().split("\t") for line in file]
    if len(rows[0]) == 1:
        print("No gold birth places provided; returning (0,0)")
        return (0, 0)
    assert len(rows) == len(predicted_places)
    return float(len(rows)), float(sum(row[1] == place for row, place in zip(rows, predicted_places)))
