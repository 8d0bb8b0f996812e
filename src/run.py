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
import contextlib
import io
import math
import os
import re
import signal
import sys
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

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
    save_params,
    score,
    set_seed,
    write_lines,
)

if TYPE_CHECKING:  # torch, and all that needs it, is imported when a command runs, so that --help answers at once
    from dataset import CharCorruptionDataset
    from model import GPT
    from trainer import Trainer, TrainerConfig

BLOCK_SIZE = 128
HYPERPARAMETERS = ("max_epochs", "batch_size", "learning_rate", "betas", "grad_norm_clip", "weight_decay", "lr_decay",
                   "warmup_tokens", "final_tokens")  # fmt: skip
MAX_ANSWER = 32  # characters

# Which of these flags each function needs, and which it takes besides. The others would have no effect. (Both learning
# rates and the name are always taken: they make up the name of the TensorBoard run.)
NEEDED = {
    "pretrain": ["writing_params_path"],
    "finetune": ["writing_params_path", "finetune_corpus_path"],
    "evaluate": ["reading_params_path", "eval_corpus_path", "outputs_path"],
}
ALLOWED = {
    "pretrain": (
        TRAINING := [
            "reading_params_path",
            "max_epochs",
            "batch_size",
            "num_workers",
            "dtype",
            "compile",
            "save_minutes",
            "resume",
        ]
    ),
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
    training.add_argument(
        "--save_minutes", type=number(float, 0), metavar="M", help="how often the state of the run is saved; default 2"
    )
    training.add_argument(
        "--resume", action="store_true", default=None, help="go on with the run that was to write W and was interrupted"
    )
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
        return
    # Training may well overwrite the parameters that it starts from, once it has ended.
    check_writable(args.writing_params_path, *inputs[:-1])
    state = args.writing_params_path + ".state"
    check_writable(state, *inputs)


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
    from state import check_record, vocabulary_digest

    set_seed(args.seed)
    flags = {"rope": args.variant == "rope", "synthesizer": args.variant == "synthesizer"}
    model = GPT(GPTConfig(corpus.vocab_size, BLOCK_SIZE, **flags))
    if args.reading_params_path:
        load_params(model, args.reading_params_path)
        check_record(args.reading_params_path, args.variant, vocabulary_digest(corpus.itos))
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
    train(args, make_model(args, corpus), corpus, corpus, config)


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
    train(args, make_model(args, corpus), corpus, names, config)


def train(args: argparse.Namespace, model: GPT, corpus: CharCorruptionDataset, dataset, config: TrainerConfig) -> None:
    """Trains, and writes the parameters and their record when all is done; until then there is the state of the run."""
    from dataclasses import asdict, replace

    from torch.utils.tensorboard import SummaryWriter

    import distributed
    import state
    from trainer import Stopped, Trainer

    corpora = {"pretrain_corpus_path": args.pretrain_corpus_path, "finetune_corpus_path": args.finetune_corpus_path}
    run = {name: getattr(args, name) for name in ("function", "variant", "seed")} | {
        "dtype": args.dtype or "auto",
        "data": {name: state.digest(find_corpus(path)) for name, path in corpora.items() if path},
        "vocabulary": state.vocabulary_digest(corpus.itos),
        "parent": state.digest(args.reading_params_path) if args.reading_params_path else None,
        "training": {name: value for name, value in asdict(config).items() if name in HYPERPARAMETERS},
        "model": asdict(model.config),
    }
    config = replace(
        config,
        seed=args.seed,
        device=args.device,
        dtype=args.dtype or "auto",
        compile=args.compile or "auto",
        num_workers=args.num_workers or 0,
        save_minutes=2.0 if args.save_minutes is None else args.save_minutes,
        ckpt_path=args.writing_params_path,
        state_path=state.state_path(args.writing_params_path),
        run=run | {"job": os.environ.get("TORCHELASTIC_RUN_ID")},
    )
    trainer = Trainer(model, dataset, None, config)
    processes = distributed.world_size()
    first = distributed.rank() == 0
    if first and will_resume(args, config.state_path):
        resume(trainer, run)
    parameters, dtype = sum(p.numel() for p in model.parameters()), str(trainer.dtype).removeprefix("torch.")
    print(f"Model: {args.variant}, {parameters:,} parameters; {trainer.device}, {dtype}, seed {args.seed}", flush=True)
    name = f"{args.tb_expt_name}_{args.variant}_pt_lr_{args.pretrain_lr:f}_ft_lr_{args.finetune_lr:f}"
    try:  # what an earlier run has logged of the steps to come is hidden
        folder = os.path.join("expt", args.function, name)
        writer = SummaryWriter(folder, purge_step=trainer.steps + 1) if first else None
    except OSError as error:
        raise InputError(f"expt: the TensorBoard log cannot be written there: {error.strerror}") from error
    trainer.config = replace(config, writer=writer)
    try:
        with stopping_when_told(trainer), writer or contextlib.nullcontext():
            trainer.train()
    except Stopped as error:
        if first:
            print(f"run.py: {error}; go on with the same command and --resume", file=sys.stderr)
        sys.exit(128 + (trainer.stop or signal.SIGTERM))  # the latter when another process was told
    except FloatingPointError as error:
        if first:
            message = f"{error}; try a lower learning rate. {args.writing_params_path} is as it was"
            print(f"run.py: error: {message}, and the state from before is in {config.state_path}", file=sys.stderr)
        sys.exit(1)
    except InputError as error:  # after hours of training, a full disk should not be the end
        if trainer.steps < len(trainer.batches):
            raise
        raise InputError(f"{error}; {rescue(model)}, or go on from the last state with --resume") from error
    finally:
        distributed.finish()
    if first:
        progress = {"steps": trainer.steps, "tokens": trainer.tokens, "seconds": round(trainer.seconds, 1)}
        progress |= {"loss": trainer.mean_loss, "device": str(trainer.device), "processes": processes}
        flags = {name: value for name, value in vars(args).items() if value is not None}
        record = run | progress | {"dtype": dtype, "flags": flags, "versions": state.versions()}
        state.write_record(args.writing_params_path, record)
        state.remove_state(config.state_path)
        print(f"Parameters written to {args.writing_params_path}")


def rescue(model: GPT) -> str:
    """Writes the parameters where temporary files go; says where, or that it could not."""
    handle, path = tempfile.mkstemp(suffix=".params")
    os.close(handle)
    try:
        save_params(model, path)
    except InputError:
        os.unlink(path)
        return "nor could the parameters be saved elsewhere: make room"
    return f"the parameters are in {path}"


def will_resume(args: argparse.Namespace, path: str) -> bool:
    """Whether to go on from the state at `path`. Raises InputError when that is neither asked for nor excluded."""
    from state import has_state, load_state

    if args.resume:
        return True
    if not has_state(path):
        return False
    restarts, job = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")), os.environ.get("TORCHELASTIC_RUN_ID")
    if restarts and load_state(path)["run"].get("job") == job:  # torchrun has restarted its processes
        return True
    raise InputError(f"{path}: an unfinished run is here; go on with --resume, or delete this file to begin anew")


def resume(trainer: Trainer, run: dict[str, Any]) -> None:
    """Goes back to the saved state. Raises InputError when it is of a run with other data or settings."""
    from state import load_state

    path = trainer.config.state_path
    state = load_state(path)
    for name, now in run.items():
        then = state["run"].get(name)
        if then == now:
            continue
        if isinstance(now, dict) and isinstance(then, dict):
            name = next(key for key in now.keys() | then.keys() if then.get(key) != now.get(key))
        raise InputError(f"--resume: {name} is not what it was when {path} was saved; give the same command and files")
    with about(path):
        trainer.restore(state)
    print(f"Resumed after step {trainer.steps:,} of {len(trainer.batches):,}")


@contextlib.contextmanager
def stopping_when_told(trainer: Trainer) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the run after the current step, with its state saved; a second Ctrl-C, at once."""

    def stop(number: int, frame: object) -> None:
        trainer.stop = number
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def evaluate(args: argparse.Namespace) -> None:
    """Asks every question of a file and writes the answers, one a line (handout 000, part d)."""
    from tqdm import tqdm

    from dataset import MASK, ask
    from trainer import choose_device, keep_memory

    if os.environ.get("RANK", "0") != "0":  # one process does it all
        return
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
    first = os.environ.get("RANK", "0") == "0"  # of several processes, which torchrun numbers so
    try:
        with contextlib.redirect_stdout(sys.stdout if first else io.StringIO()):
            {"pretrain": pretrain, "finetune": finetune, "evaluate": evaluate}[args.function](args)
    except (MemoryError, RuntimeError) as error:
        if not (isinstance(error, MemoryError) or re.search("out of memory|can't allocate memory", str(error))):
            raise
        print("run.py: error: out of memory; try a smaller --batch_size or fewer --num_workers", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    run_main(main)
