"""Pretrains, finetunes and evaluates, with the commands and the hyperparameters of the handouts."""

import argparse
import random

import torch

import dataset
import trainer
import utils

try:
    import models  # the name since 2024
except ImportError:
    import model as models

BLOCK_SIZE = 128


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def parse_args(argv=None):
    argp = argparse.ArgumentParser()
    argp.add_argument("function", choices=["pretrain", "finetune", "evaluate"])
    argp.add_argument("variant", choices=["vanilla", "rope", "synthesizer"])
    argp.add_argument("pretrain_corpus_path")
    argp.add_argument("--reading_params_path")
    argp.add_argument("--writing_params_path")
    argp.add_argument("--finetune_corpus_path")
    argp.add_argument("--eval_corpus_path")
    argp.add_argument("--outputs_path")
    argp.add_argument("--pretrain_lr", type=float, default=6e-3)
    argp.add_argument("--finetune_lr", type=float, default=6e-4)
    return argp.parse_args(argv)


def pretrain(args, model, pretrain_dataset):
    tconf = trainer.TrainerConfig(
        max_epochs=650,
        batch_size=128,
        learning_rate=args.pretrain_lr,
        lr_decay=True,
        warmup_tokens=512 * 20,
        final_tokens=650 * len(pretrain_dataset) * BLOCK_SIZE,
        num_workers=0,
    )
    trainer.Trainer(model, pretrain_dataset, None, tconf).train()
    torch.save(model.state_dict(), args.writing_params_path)


def finetune(args, model, pretrain_dataset):
    names = dataset.NameDataset(pretrain_dataset, read(args.finetune_corpus_path))
    tconf = trainer.TrainerConfig(
        max_epochs=10 if args.reading_params_path else 75,
        batch_size=256,
        learning_rate=args.finetune_lr,
        lr_decay=True,
        warmup_tokens=512 * 20,
        final_tokens=200 * len(pretrain_dataset) * BLOCK_SIZE,
        num_workers=0,
    )
    trainer.Trainer(model, names, None, tconf).train()
    torch.save(model.state_dict(), args.writing_params_path)


def evaluate(args, model, pretrain_dataset, device):
    predictions = []
    for line in read(args.eval_corpus_path).rstrip("\n").split("\n"):
        question = line.split("\t")[0].encode("ascii", "ignore").decode() + pretrain_dataset.MASK_CHAR
        x = torch.tensor([[pretrain_dataset.stoi[c] for c in question]], dtype=torch.long, device=device)
        completion = "".join(pretrain_dataset.itos[int(i)] for i in utils.sample(model, x, 32)[0])
        predictions.append(completion.split(pretrain_dataset.MASK_CHAR)[1])
    with open(args.outputs_path, "w", encoding="utf-8") as file:
        file.writelines(prediction + "\n" for prediction in predictions)
    total, correct = utils.evaluate_places(args.eval_corpus_path, predictions)
    if total > 0:
        print(f"Correct: {correct} out of {total}: {correct / total * 100}%")
    else:
        print(f"Predictions written to {args.outputs_path}; no targets provided")


def main(argv=None):
    args = parse_args(argv)
    random.seed(0)
    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    pretrain_dataset = dataset.CharCorruptionDataset(read(args.pretrain_corpus_path), BLOCK_SIZE)
    mconf = models.GPTConfig(pretrain_dataset.vocab_size, pretrain_dataset.block_size, n_layer=4, n_head=8, n_embd=256)
    if args.variant != "vanilla":
        setattr(mconf, args.variant, True)
    net = models.GPT(mconf).to(device)
    if args.reading_params_path:
        net.load_state_dict(torch.load(args.reading_params_path, map_location=device, weights_only=True))
    if args.function == "pretrain":
        pretrain(args, net, pretrain_dataset)
    elif args.function == "finetune":
        finetune(args, net, pretrain_dataset)
    else:
        evaluate(args, net, pretrain_dataset, device)


if __name__ == "__main__":
    main()
