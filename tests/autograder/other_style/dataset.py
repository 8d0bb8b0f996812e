"""Data for the assignment, as strings and lists."""

import argparse
import random

import torch
from torch.utils.data import Dataset


class NameDataset(Dataset):
    """Question, mask, answer, mask; only the answer and the masks are to be predicted."""

    def __init__(self, pretraining_dataset, data):
        self.MASK_CHAR = "⁇"
        self.PAD_CHAR = "□"
        self.itos = pretraining_dataset.itos
        self.stoi = pretraining_dataset.stoi
        self.block_size = pretraining_dataset.block_size
        self.data = data.encode("utf-8").decode("ascii", errors="ignore").rstrip("\n").split("\n")

    def __len__(self):
        return len(self.data)

    def __getitem__(self, idx):
        question, answer = self.data[idx].split("\t")
        x = question + self.MASK_CHAR + answer + self.MASK_CHAR
        x += self.PAD_CHAR * (self.block_size - len(x))
        y = self.PAD_CHAR * (len(question) - 1) + x[len(question) :]
        x = x[:-1]
        return tuple(torch.tensor([self.stoi[c] for c in s], dtype=torch.long) for s in (x, y))


class CharCorruptionDataset(Dataset):
    """Part (e): a document without a span, which follows at the end."""

    def __init__(self, data, block_size):
        self.MASK_CHAR = "⁇"
        self.PAD_CHAR = "□"
        chars = sorted(set(data))
        assert self.MASK_CHAR not in chars
        assert self.PAD_CHAR not in chars
        chars = [self.PAD_CHAR, self.MASK_CHAR] + chars
        self.stoi = {ch: i for i, ch in enumerate(chars)}
        self.itos = {i: ch for i, ch in enumerate(chars)}
        self.block_size = block_size
        self.vocab_size = len(chars)
        self.data = data.split("\n")

    def __len__(self):
        return len(self.data)

    def __getitem__(self, idx):
        document = self.data[idx][: random.randint(4, int(self.block_size * 7 / 8))]
        n = len(document)
        # Between an eighth and three eighths: a quarter on average. The half is for rounding.
        gap = int(n / 4 + random.uniform(-n / 8, n / 8) + 0.5)
        start = random.randint(0, n - gap)
        prefix, masked, suffix = document[:start], document[start : start + gap], document[start + gap :]
        corrupted = prefix + self.MASK_CHAR + suffix + self.MASK_CHAR + masked
        corrupted += self.PAD_CHAR * (self.block_size + 1 - len(corrupted))
        ids = torch.tensor([self.stoi[c] for c in corrupted], dtype=torch.long)
        return ids[:-1], ids[1:]


if __name__ == "__main__":
    argp = argparse.ArgumentParser()
    argp.add_argument("dataset_type", choices=["namedata", "charcorruption"])
    args = argp.parse_args()
    with open("wiki.txt", encoding="utf-8") as file:
        examples = CharCorruptionDataset(file.read(), 128)
    if args.dataset_type == "namedata":
        with open("birth_places_train.tsv", encoding="utf-8") as file:
            examples = NameDataset(examples, file.read())
    for i in range(4):
        x, y = examples[i]
        print("x:", "".join(examples.itos[int(c)] for c in x))
        print("y:", "".join(examples.itos[int(c)] for c in y))
