"""Pretrain, finetune and evaluate: the three commands of the handouts.

    python src/run.py pretrain vanilla wiki.txt --writing_params_path vanilla.pretrain.params
    python src/run.py finetune vanilla wiki.txt --reading_params_path vanilla.pretrain.params \\
        --writing_params_path vanilla.finetune.params --finetune_corpus_path birth_places_train.tsv
    python src/run.py evaluate vanilla wiki.txt --reading_params_path vanilla.finetune.params \\
        --eval_corpus_path birth_dev.tsv --outputs_path vanilla.pretrain.dev.predictions

The pretraining corpus is always named, because its characters are the vocabulary.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from typing import TYPE_CHECKING

from utils import (
    InputError,
    Parser,
    about,
    accuracy_line,
    check_writable,
    describe,
    find_corpus,
    read_questions,
    read_text,
    run_main,
    score,
    set_seed,
    write_lines,
)

if TYPE_CHECKING:  # torch, and all that needs it, is imported when a command runs, so that --help answers at once
    from dataset import CharCorruptionDataset
    from model import GPT
    from trainer import TrainerConfig

BLOCK_SIZE = 128
MAX_ANSWER = 32  # characters
UNFINISHED = ".unfinished"  # is added to the name of a parameter file until the training is done

# Which of these flags each function needs, and which it takes besides. The others would have no effect. (Both learning
# rates and the name are always taken: they make up the name of the TensorBoard run.)
NEEDED = {
    "pretrain": ["writing_params_path"],
    "finetune": ["writing_params_path", "finetune_corpus_path"],
    "evaluate": ["reading_params_path", "eval_corpus_path", "outputs_path"],
}
ALLOWED = {
    "pretrain": (TRAINING := ["reading_params_path", "max_epochs", "batch_size", "num_workers", "dtype", "compile"]),
    "finetune": TRAINING,
    "evaluate": ["batch_size"],
}


def number(kind: type, least: float, most: float = math.inf):
    """A reader of flags: a number of that kind, from `least` to `most`."""

    def read(text: str):
        value = kind(text)
        if not least <= value <= most or value == math.inf:
            raise argparse.ArgumentTypeError(f"{text} is not between {least} and {most}")
        return value

    read.__name__ = kind.__name__  # argparse names it when `kind` refuses the text
    return read


def file_name(text: str) -> str:
    """A reader of flags: a name for a folder, not a path."""
    if os.path.basename(text) != text or text in ("", ".", ".."):
        raise argparse.ArgumentTypeError(f"{text!r} is not a plain name")
    return text


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line, with all the flags that the function needs and none that would have no effect."""
    parser = Parser(
        prog="run.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("function", choices=["pretrain", "finetune", "evaluate"])
    parser.add_argument("variant", choices=["vanilla", "rope", "synthesizer"])
    parser.add_argument("pretrain_corpus_path", help="the corpus; also looked for at the repository's top and in data/")
    paths = parser.add_argument_group("files (pretrain: R optional, W; finetune: R optional, W, F; evaluate: R, E, O)")
    paths.add_argument("--reading_params_path", metavar="R", help="parameters to start from, or to evaluate")
    paths.add_argument("--writing_params_path", metavar="W", help="where the trained parameters go")
    paths.add_argument("--finetune_corpus_path", metavar="F", help="questions and answers, TSV")
    paths.add_argument("--eval_corpus_path", metavar="E", help="questions, with or without answers, TSV")
    paths.add_argument("--outputs_path", metavar="O", help="where the predictions go, one a line")
    training = parser.add_argument_group("training")
    training.add_argument("--pretrain_lr", type=number(float, 0), default=6e-3, help="default %(default)s")
    training.add_argument("--finetune_lr", type=number(float, 0), default=6e-4, help="default %(default)s")
    training.add_argument(
        "--tb_expt_name", type=file_name, default="run", help="name of the TensorBoard run, default %(default)s"
    )
    training.add_argument(
        "--max_epochs",
        type=number(int, 1, 10**9),
        help="default: pretrain 650, finetune 75 from scratch or 10 after pretraining",
    )
    training.add_argument(
        "--batch_size", type=number(int, 1, 10**9), help="default: pretrain 128, finetune 256, evaluate 500"
    )
    training.add_argument(
        "--num_workers", type=number(int, 0, 1000), help="processes that make batches ahead; default 0"
    )
    training.add_argument("--dtype", choices=["auto", "float32", "bfloat16"], help="of matrix products; default auto")
    training.add_argument("--compile", choices=["auto", "on", "off"], help="the model, by torch.compile; default auto")
    machine = parser.add_argument_group("machine")
    machine.add_argument("--seed", type=number(int, 0, 2**32 - 1), default=0, help="default %(default)s")
    machine.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, mps; default: the best there is")
    args = parser.parse_args(argv)

    needed, allowed = NEEDED[args.function], NEEDED[args.function] + ALLOWED[args.function]
    for flag in sorted(set().union(*NEEDED.values(), *ALLOWED.values())):
        if flag in needed and getattr(args, flag) is None:
            parser.error(f"{args.function} needs --{flag}")
        if flag not in allowed and getattr(args, flag) is not None:
            parser.error(f"{args.function} has no use for --{flag}")
    return args


def check_output(args: argparse.Namespace) -> None:
    """Raises InputError when what the command is to write cannot be written, or would overwrite what it reads."""
    corpora = [args.pretrain_corpus_path, args.finetune_corpus_path, args.eval_corpus_path]
    inputs = [find_corpus(path) for path in corpora if path] + [args.reading_params_path]
    if args.function == "evaluate":
        check_writable(args.outputs_path, *inputs)
    else:  # training may well overwrite the parameters that it starts from, once it has ended
        check_writable(args.writing_params_path, *inputs[:-1])
        check_writable(args.writing_params_path + UNFINISHED, *inputs)


def load_corpus(path: str) -> CharCorruptionDataset:
    """The pretraining corpus, and what there is to say of it."""
    from dataset import CharCorruptionDataset

    found = find_corpus(path)
    text = read_text(found)
    with about(found):
        dataset = CharCorruptionDataset(text, BLOCK_SIZE)
    print(f"Corpus: {describe(found)}: {len(dataset):,} documents, {dataset.vocab_size} symbols")
    return dataset


def make_model(args: argparse.Namespace, corpus: CharCorruptionDataset) -> GPT:
    """The model, new or as it stands in --reading_params_path."""
    from model import GPT, GPTConfig, load_params

    set_seed(args.seed)
    flags = {"rope": args.variant == "rope", "synthesizer": args.variant == "synthesizer"}
    model = GPT(GPTConfig(corpus.vocab_size, BLOCK_SIZE, **flags))
    if args.reading_params_path:
        load_params(model, args.reading_params_path)
    return model


def pretrain(args: argparse.Namespace) -> None:
    """Span corruption over the corpus (handout 000, part f)."""
    from trainer import TrainerConfig

    check_output(args)
    corpus = load_corpus(args.pretrain_corpus_path)
    epochs = args.max_epochs or 650
    config = TrainerConfig(
        max_epochs=epochs,
        batch_size=args.batch_size or 128,
        learning_rate=args.pretrain_lr,
        lr_decay=True,
        warmup_tokens=512 * 20,
        final_tokens=epochs * len(corpus) * BLOCK_SIZE,
    )
    train(args, make_model(args, corpus), corpus, config)


def finetune(args: argparse.Namespace) -> None:
    """Questions and answers, after pretraining or from scratch (handout 000, parts c and f)."""
    from dataset import NameDataset
    from trainer import TrainerConfig

    check_output(args)
    corpus = load_corpus(args.pretrain_corpus_path)
    found = find_corpus(args.finetune_corpus_path)
    text = read_text(found)
    with about(found):
        names = NameDataset(corpus, text)
    print(f"Questions: {describe(found)}: {len(names):,}")
    config = TrainerConfig(
        max_epochs=args.max_epochs or (10 if args.reading_params_path else 75),
        batch_size=args.batch_size or 256,
        learning_rate=args.finetune_lr,
        lr_decay=True,
        warmup_tokens=512 * 20,
        final_tokens=200 * len(corpus) * BLOCK_SIZE,
    )
    train(args, make_model(args, corpus), names, config)


def train(args: argparse.Namespace, model: GPT, dataset, config: TrainerConfig) -> None:
    """Trains, and writes the parameters when all is done; those of an unfinished run are in a file beside."""
    from dataclasses import replace

    from torch.utils.tensorboard import SummaryWriter

    from trainer import Trainer, choose_device

    run = f"{args.tb_expt_name}_{args.variant}_pt_lr_{args.pretrain_lr:f}_ft_lr_{args.finetune_lr:f}"
    unfinished = args.writing_params_path + UNFINISHED
    if os.path.exists(unfinished):  # left behind by a run that was killed
        os.unlink(unfinished)
    device = str(choose_device(args.device))
    machine = {"seed": args.seed, "device": device, "num_workers": args.num_workers or 0}
    machine |= {"dtype": args.dtype or "auto", "compile": args.compile or "auto"}
    try:
        writer = SummaryWriter(os.path.join("expt", args.function, run))
    except OSError as error:
        raise InputError(f"expt: the TensorBoard log cannot be written there: {error.strerror}") from error
    trainer = Trainer(model, dataset, None, replace(config, ckpt_path=unfinished, writer=writer, **machine))
    parameters = sum(p.numel() for p in model.parameters())
    dtype = str(trainer.dtype).removeprefix("torch.")
    print(f"Model: {args.variant}, {parameters:,} parameters; {trainer.device}, {dtype}, seed {args.seed}", flush=True)
    try:
        with writer:
            trainer.train()
    except KeyboardInterrupt:
        kept = f"; parameters so far: {unfinished}" if os.path.exists(unfinished) else ""
        print(f"run.py: interrupted, {args.writing_params_path} is as it was{kept}", file=sys.stderr)
        sys.exit(130)
    except FloatingPointError as error:
        print(f"run.py: error: {error}; nothing was overwritten, try a lower learning rate", file=sys.stderr)
        sys.exit(1)
    try:
        os.replace(unfinished, os.path.realpath(args.writing_params_path))
    except OSError as error:
        message = f"{args.writing_params_path}: cannot be written; the parameters are in {unfinished}"
        raise InputError(message) from error
    print(f"Parameters written to {args.writing_params_path}")


def evaluate(args: argparse.Namespace) -> None:
    """Asks every question of a file and writes the answers, one a line (handout 000, part d)."""
    from tqdm import tqdm

    from dataset import MASK, ask
    from trainer import choose_device, keep_memory

    check_output(args)
    keep_memory()
    corpus = load_corpus(args.pretrain_corpus_path)
    found = find_corpus(args.eval_corpus_path)
    questions, places = read_questions(found)
    print(f"Questions: {describe(found)}: {len(questions):,}")
    prompts = [
        ask(question, corpus.stoi, BLOCK_SIZE, f"{found}, line {line}") for line, question in enumerate(questions, 1)
    ]
    model = make_model(args, corpus).to(choose_device(args.device))
    size, answers = args.batch_size or 500, []
    for i in tqdm(range(0, len(prompts), size), disable=None, delay=2):
        answers += model.generate(prompts[i : i + size], MAX_ANSWER, stop_token=MASK)
    predictions = ["".join(corpus.itos[i] for i in answer).replace("\n", " ") for answer in answers]
    write_lines(args.outputs_path, predictions)
    if places is None:
        print(f"Predictions written to {args.outputs_path}; no targets provided")
    else:
        print(accuracy_line(*score(places, predictions)))


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    {"pretrain": pretrain, "finetune": finetune, "evaluate": evaluate}[args.function](args)


if __name__ == "__main__":
    run_main(main)
