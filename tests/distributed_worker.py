"""What torchrun runs in test_distributed.py: a small training without dropout, its losses and parameters saved."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

import torch
from test_model import config
from test_trainer import TEXT, Recorder

from dataset import CharCorruptionDataset
from engine import distributed
from model import GPT
from trainer import Trainer, TrainerConfig
from utils import set_seed


def main(variant: str, out: str) -> None:
    torch.set_num_threads(1)
    set_seed(0)
    dataset = CharCorruptionDataset(TEXT, 32)
    model = GPT(config(variant, vocab_size=dataset.vocab_size, block_size=32))
    writer = Recorder()
    settings = TrainerConfig(
        max_epochs=4, batch_size=5, learning_rate=1e-2, device="cpu", dtype="float32", writer=writer
    )
    trainer = Trainer(model, dataset, None, settings)
    processes = distributed.world_size()
    if distributed.rank() > 0:  # the first process tells the others where to begin
        model.apply(GPT._init_weights)
    trainer.train()
    if distributed.rank() == 0:
        result = {"losses": writer.of("train/loss"), "norms": writer.of("train/grad_norm"), "processes": processes}
        torch.save(result | {"model": model.state_dict(), "tokens": trainer.tokens}, out)
    distributed.finish()


if __name__ == "__main__":
    main(*sys.argv[1:])
