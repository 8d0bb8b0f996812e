"""A program as students of the course write them: a run.py of their own, made of the starter code's modules.

    python starter_driver.py SRC MODULE VARIANT

SRC is the folder of the modules, MODULE the name of the model's: model, and models since 2024. The data are in the
current folder. test_starter.py runs it with our modules.
"""

import importlib
import sys
from pathlib import Path

import torch

SRC, MODULE, VARIANT = sys.argv[1:]
sys.path.insert(0, SRC)

import dataset
import trainer
import utils

models = importlib.import_module(MODULE)


class Writer:
    """The part of TensorBoard's SummaryWriter that the starter's trainer uses."""

    def __init__(self):
        self.tags = set()

    def add_scalar(self, tag, value, step):
        self.tags.add(tag)


def run(function, reading_params_path=None):
    block_size = 128
    text = Path("wiki.txt").read_text(encoding="utf-8")
    pretrain_dataset = dataset.CharCorruptionDataset(text, block_size)
    mconf = models.GPTConfig(pretrain_dataset.vocab_size, pretrain_dataset.block_size, n_layer=2, n_head=4, n_embd=32)
    if VARIANT != "vanilla":
        setattr(mconf, VARIANT, True)  # mconf.rope = True
    model = models.GPT(mconf).to("cpu")
    if reading_params_path:
        model.load_state_dict(torch.load(reading_params_path))

    writer = Writer()
    if function == "pretrain":
        tconf = trainer.TrainerConfig(max_epochs=3, batch_size=128, learning_rate=6e-3, lr_decay=True,
                                      warmup_tokens=512 * 20, final_tokens=650 * len(pretrain_dataset) * block_size,
                                      num_workers=4, writer=writer, ckpt_path="kept.params")  # fmt: skip
        training = trainer.Trainer(model, pretrain_dataset, None, tconf)
        training.train()
        torch.save(model.state_dict(), "pretrain.params")
    elif function == "finetune":
        tconf = trainer.TrainerConfig(max_epochs=75, batch_size=256, learning_rate=6e-4, num_workers=0)
        if reading_params_path:
            tconf.max_epochs = 4
        tconf.lr_decay, tconf.warmup_tokens = True, 512 * 20
        tconf.final_tokens = 200 * len(pretrain_dataset) * block_size
        tconf.ckpt_path, tconf.writer = "finetune.params", writer
        names = dataset.NameDataset(pretrain_dataset, Path("birth_places_train.tsv").read_text(encoding="utf-8"))
        training = trainer.Trainer(model, names, None, tconf)
        training.train()
        training.save_checkpoint()
    if function != "evaluate":
        print(function, training.steps, *sorted(writer.tags & {"train/loss", "train/lr"}))
        return

    predictions = []
    for line in Path("birth_dev.tsv").read_text(encoding="utf-8").splitlines(keepends=True):
        question = line.split("\t")[0].encode("ascii", "ignore").decode() + "⁇"
        x = torch.tensor([pretrain_dataset.stoi[s] for s in question], dtype=torch.long)[None, ...]
        pred = utils.sample(model, x, 32, sample=False)[0]
        completion = "".join([pretrain_dataset.itos[int(i)] for i in pred])
        predictions.append(completion.split("⁇")[1])
    total, correct = utils.evaluate_places("birth_dev.tsv", predictions)
    print(f"Correct: {correct} out of {total}: {correct / total * 100}%")
    print(utils.sample(model, x, 3, temperature=0.9, sample=True, top_k=5).shape)


if __name__ == "__main__":
    run("pretrain")
    run("finetune", "pretrain.params")
    run("evaluate", "finetune.params")
