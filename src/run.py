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
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipe import RECIPES, Phase
from utils import (
    InputError,
    Parser,
    about,
    check_writable,
    describe,
    find_corpus,
    read_questions,
    read_text,
    run_main,
    save_params,
    set_seed,
)

if TYPE_CHECKING:  # torch, and all that needs it, is imported when a command runs, so that --help answers at once
    from torch.utils.data import Dataset

    from dataset import CharCorruptionDataset, NameDataset
    from model import GPT
    from trainer import Trainer, TrainerConfig
    from watch import Log

BLOCK_SIZE = 128
MAX_ANSWER = 32  # characters

# Which of these flags each function needs, and which it takes besides. The others would have no effect. (Both learning
# rates, the name, which together name the TensorBoard run, and the seed are always taken, so that a script can give all
# three functions the same.)
NEEDED = {
    "pretrain": ["writing_params_path"],
    "finetune": ["writing_params_path", "finetune_corpus_path"],
    "evaluate": ["reading_params_path", "eval_corpus_path", "outputs_path"],
}
ALLOWED = {
    "pretrain": (
        TRAINING := [
            "recipe",
            "reading_params_path",
            "eval_corpus_path",
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
    "evaluate": ["finetune_corpus_path", "report_path", "abstain", "calibration_path"],
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


def path(text: str) -> str:
    """A reader of flags: a path, not the empty value of a variable that was never set."""
    if not text:
        raise argparse.ArgumentTypeError("is empty")
    return text


def file_name(text: str) -> str:
    """A reader of flags: a name for a folder, not a path."""
    plain = os.path.basename(text) == text and text not in ("", ".", "..")
    if not plain or not text.isprintable():  # as bytes that are no UTF-8 are not; TensorBoard cannot write them
        raise argparse.ArgumentTypeError(f"{text!r} is not a plain name")
    return text


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line, with all the flags that the function needs and none that is for another one."""
    parser = Parser(
        prog="run.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("function", choices=["pretrain", "finetune", "evaluate"])
    parser.add_argument("variant", choices=["vanilla", "rope", "synthesizer"])
    parser.add_argument("pretrain_corpus_path", help="the corpus; also looked for at the repository's top and in data/")
    paths = parser.add_argument_group(
        "files (pretrain: W, and R or E if wanted; finetune: W and F, and R or E if wanted; evaluate: R, E and O)"
    )
    paths.add_argument("--reading_params_path", type=path, metavar="R", help="parameters to start from, or to evaluate")
    paths.add_argument("--writing_params_path", type=path, metavar="W", help="where the trained parameters go")
    paths.add_argument("--finetune_corpus_path", type=path, metavar="F", help="questions and answers, TSV")
    paths.add_argument("--eval_corpus_path", type=path, metavar="E", help="questions, with or without answers, TSV")
    paths.add_argument("--outputs_path", type=path, metavar="O", help="where the predictions go, one a line")
    judging = parser.add_argument_group("what evaluate can do besides")
    judging.add_argument("--report_path", type=path, metavar="DIR", help="a folder for a report; with F, it tells more")
    judging.add_argument(
        "--abstain", type=number(float, 0, 1), metavar="P", help="answer `unknown` where the confidence is below P"
    )
    judging.add_argument(
        "--calibration_path",
        type=path,
        metavar="JSON",
        help="report.json of an earlier report, to know confidence by; default: half of E, if it has answers",
    )
    training = parser.add_argument_group("training")
    training.add_argument("--recipe", choices=list(RECIPES), help="all that is not set below; default fast")
    training.add_argument(
        "--pretrain_lr",
        type=number(float, 0, 1e30),
        help="default: the recipe's; 2e-3 in fast (Muon's rate changes by the same factor), 6e-3 in handout",
    )
    training.add_argument(
        "--finetune_lr",
        type=number(float, 0, 1e30),
        help="default: the recipe's; 8e-4 in fast after pretraining, 6e-4 from scratch and in handout",
    )
    training.add_argument(
        "--tb_expt_name", type=file_name, default="run", help="name of the TensorBoard run, default %(default)s"
    )
    training.add_argument(
        "--max_epochs",
        type=number(int, 1, 10**9),
        help="default: the recipe's; in handout's: pretrain 650, finetune 75 from scratch or 10 after pretraining",
    )
    training.add_argument(
        "--batch_size",
        type=number(int, 1, 10**9),
        help="default: the recipe's; in handout's: pretrain 128, finetune 256; in fast, finetuning after pretraining has "
        "8 questions a batch and 20 views with each",
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
    if args.function == "evaluate" and args.report_path is None:
        if args.finetune_corpus_path is not None:
            parser.error("evaluate has no use for --finetune_corpus_path without --report_path")
        if args.calibration_path is not None and args.abstain is None:
            parser.error("evaluate has no use for --calibration_path without --abstain or --report_path")
    if args.function != "evaluate":
        args.recipe = args.recipe or "fast"
    return args


def check_output(args: argparse.Namespace) -> None:
    """Raises InputError when what the command is to write cannot be written, or would overwrite what it reads."""
    from state import PREVIOUS, record_path, state_path

    corpora = [args.pretrain_corpus_path, args.finetune_corpus_path, args.eval_corpus_path]
    inputs = [find_corpus(path) for path in corpora if path] + [args.reading_params_path]
    if args.function == "evaluate":
        check_writable(args.outputs_path, *inputs, record_path(args.reading_params_path), args.calibration_path)
        return
    # Training may well overwrite the parameters that it starts from, once it has ended.
    check_writable(args.writing_params_path, *inputs[:-1])
    state = state_path(args.writing_params_path)
    for path in (record_path(args.writing_params_path), state, state + PREVIOUS):
        check_writable(path, *inputs)


def load_corpus(path: str) -> CharCorruptionDataset:
    """The pretraining corpus, and what there is to say of it."""
    from dataset import CharCorruptionDataset

    found = find_corpus(path)
    text = read_text(found)
    with about(found):
        dataset = CharCorruptionDataset(text, BLOCK_SIZE)
    print(f"Corpus: {describe(found)}: {len(dataset):,} documents, {dataset.vocab_size} symbols")
    return dataset


def load_questions(found: Path, corpus: CharCorruptionDataset) -> tuple[list[str], list[str] | None, list[list[int]]]:
    """The questions of a file, their answers, if it has any, and the prompts that the model is given."""
    from dataset import ask

    questions, places = read_questions(found)
    print(f"Questions: {describe(found)}: {len(questions):,}")
    lines = enumerate(questions, start=1)
    return questions, places, [ask(text, corpus.stoi, BLOCK_SIZE, f"{found}, line {line}") for line, text in lines]


def make_model(args: argparse.Namespace, corpus: CharCorruptionDataset, dropout: float = 0.1) -> GPT:
    """The model, new or as it stands in --reading_params_path."""
    from model import GPT, GPTConfig, load_params
    from state import check_record, vocabulary_digest

    set_seed(args.seed)
    flags = {"rope": args.variant == "rope", "synthesizer": args.variant == "synthesizer"}
    flags |= dict.fromkeys(("embd_pdrop", "resid_pdrop", "attn_pdrop"), dropout)
    model = GPT(GPTConfig(corpus.vocab_size, BLOCK_SIZE, **flags))
    if args.reading_params_path:
        load_params(model, args.reading_params_path)
        check_record(args.reading_params_path, args.variant, vocabulary_digest(corpus.itos))
    return model


def pretrain(args: argparse.Namespace) -> None:
    """Span corruption over the corpus (handout 000, part f), or views of it."""
    check_output(args)
    corpus = load_corpus(args.pretrain_corpus_path)
    phase = choose_phase(args)
    train(args, phase, corpus, examples_of(phase, corpus))


def finetune(args: argparse.Namespace) -> None:
    """Questions and answers, after pretraining or from scratch (handout 000, parts c and f)."""
    from dataset import NameDataset

    check_output(args)
    corpus = load_corpus(args.pretrain_corpus_path)
    found = find_corpus(args.finetune_corpus_path)
    text = read_text(found)
    with about(found):
        names = NameDataset(corpus, text)
    print(f"Questions: {describe(found)}: {len(names):,}")
    phase = choose_phase(args)
    train(args, phase, corpus, examples_of(phase, corpus, names))


def examples_of(phase: Phase, corpus: CharCorruptionDataset, names: NameDataset | None = None) -> Dataset:
    """What is learned from: the corpus, or views of it; or the questions `names`, with or without views beside them."""
    from dataset import ClozeDataset, MixedDataset

    if names is None:
        return ClozeDataset(corpus, phase.cloze_share) if phase.cloze_share else corpus
    if not phase.views:
        return names
    documents = ClozeDataset(corpus, phase.cloze_share, answers=names.answers, answer_weight=phase.answer_weight)
    return MixedDataset(names, documents, phase.views)


def first_position(args: argparse.Namespace, phase: Phase | None = None) -> int:
    """Where the documents began that were last read: a view's title is not at 0. A phase that reads questions alone
    leaves this as the record of its parameters has it; and so does evaluation, which has no phase."""
    from dataset import ClozeDataset
    from state import read_record

    if phase and (phase.cloze_share or args.function == "pretrain" or not args.reading_params_path):
        return ClozeDataset.NAME_AT if phase.cloze_share else 0
    record = read_record(args.reading_params_path) or {}
    return ClozeDataset.NAME_AT if record.get("first_position") == ClozeDataset.NAME_AT else 0


def choose_phase(args: argparse.Namespace) -> Phase:
    """What the recipe says of pretraining, finetuning or finetuning from scratch, changed as the flags say."""
    name = args.function if args.function == "pretrain" or args.reading_params_path else "scratch"
    phase = getattr(RECIPES[args.recipe], name)
    lr = args.pretrain_lr if name == "pretrain" else args.finetune_lr
    if lr is not None:  # both rates move together
        phase = replace(phase, lr=lr, muon_lr=phase.muon_lr * lr / phase.lr)
    if args.max_epochs:
        horizon = args.max_epochs if phase.horizon_epochs == phase.epochs else phase.horizon_epochs
        phase = replace(phase, epochs=args.max_epochs, horizon_epochs=horizon)
    return replace(phase, batch_size=args.batch_size or phase.batch_size)


def tensorboard_name(args: argparse.Namespace) -> str:
    """The handouts': the name, the variant and both learning rates, whichever of them is used."""
    recipe = RECIPES[args.recipe]
    from_scratch = args.function == "finetune" and not args.reading_params_path
    finetuning = recipe.scratch if from_scratch else recipe.finetune
    pretrain_lr = recipe.pretrain.lr if args.pretrain_lr is None else args.pretrain_lr
    finetune_lr = finetuning.lr if args.finetune_lr is None else args.finetune_lr
    return f"{args.tb_expt_name}_{args.variant}_pt_lr_{pretrain_lr:f}_ft_lr_{finetune_lr:f}"


def schedule_tokens(phase: Phase, corpus: CharCorruptionDataset, dataset: Dataset, seed: int) -> int:
    """How many tokens the learning rate decays over: the recipe's horizon, or the whole run, estimated from its first
    batches."""
    from trainer import PAD, Batches

    if phase.horizon_epochs:
        return phase.horizon_epochs * len(corpus) * BLOCK_SIZE
    batches = Batches(dataset, phase.batch_size, phase.epochs, seed)
    first = range(min(64, len(batches)))
    tokens = sum(int((batches[step][0] != PAD).sum()) for step in first)
    return len(batches) * tokens // len(first)


def train(args: argparse.Namespace, phase: Phase, corpus: CharCorruptionDataset, dataset: Dataset) -> None:
    """Trains, and writes the parameters and their record when all is done; until then there is the state of the run."""
    import distributed
    import state
    from trainer import Trainer
    from watch import watch

    asked = load_questions(find_corpus(args.eval_corpus_path), corpus) if args.eval_corpus_path else ([], None, [])
    print("Recipe:", ", ".join(f"{name} {value}" for name, value in asdict(phase).items()))
    model = make_model(args, corpus, phase.dropout)
    run = identity(args, corpus, model)
    config = trainer_config(args, phase, schedule_tokens(phase, corpus, dataset, args.seed), run)
    trainer = Trainer(model, dataset, None, config)
    processes, first = distributed.world_size(), distributed.rank() == 0
    if first and will_resume(args, config.state_path):
        resume(trainer, run)
    kind = f"{args.variant}, {sum(p.numel() for p in model.parameters()):,} parameters"
    print(f"Model: {kind}; {trainer.device}, {run['dtype']}, seed {args.seed}", flush=True)
    writer = open_log(args, phase, trainer.steps + 1) if first else None
    position = first_position(args, phase)
    if writer:
        after_epoch = watch(trainer, corpus, writer, MAX_ANSWER, *asked, first=position)
        trainer.config = replace(config, writer=writer, after_epoch=after_epoch)
    try:
        with explaining(trainer), stopping_when_told(trainer), writer or contextlib.nullcontext():
            trainer.train()
            if writer:  # for TensorBoard's table of runs, which knows no None
                settings = asdict(phase) | {"variant": args.variant, "seed": args.seed}
                settings = {name: str(value) if value is None else value for name, value in settings.items()}
                writer.add_hparams(settings, {"final/loss": trainer.mean_loss}, run_name=".")
    finally:
        distributed.finish()
    if first:
        progress = {"steps": trainer.steps, "tokens": trainer.tokens, "seconds": round(trainer.seconds, 1)}
        progress |= {"loss": trainer.mean_loss, "device": str(trainer.device), "processes": processes}
        progress["first_position"] = position
        flags = {name: value for name, value in vars(args).items() if value is not None}
        record = run | progress | {"flags": flags, "versions": state.versions()}
        state.write_record(args.writing_params_path, record)
        state.remove_state(config.state_path)
        print(f"Parameters written to {args.writing_params_path}")


def asked_for(args: argparse.Namespace) -> dict[str, Any]:
    """What a training command asks for, its files by their digests."""
    import state

    corpora = {"pretrain_corpus_path": args.pretrain_corpus_path, "finetune_corpus_path": args.finetune_corpus_path}
    return {name: getattr(args, name) for name in ("function", "variant", "seed")} | {
        "data": {name: state.digest(find_corpus(path)) for name, path in corpora.items() if path},
        "parent": state.digest(args.reading_params_path) if args.reading_params_path else None,
        "recipe": asdict(choose_phase(args)),
    }


def identity(args: argparse.Namespace, corpus: CharCorruptionDataset, model: GPT) -> dict[str, Any]:
    """All that makes one run different from another. A run can only be resumed when nothing of it has changed."""
    import state
    from trainer import choose_device, choose_dtype

    return asked_for(args) | {
        "dtype": str(choose_dtype(args.dtype or "auto", choose_device(args.device))).removeprefix("torch."),
        "vocabulary": state.vocabulary_digest(corpus.itos),
        "model": asdict(model.config),
    }


def trainer_config(args: argparse.Namespace, phase: Phase, final_tokens: int, run: dict[str, Any]) -> TrainerConfig:
    """What the recipe and the flags say, as the trainer wants it."""
    from state import state_path
    from trainer import TrainerConfig

    return TrainerConfig(
        max_epochs=phase.epochs,
        batch_size=phase.batch_size,
        learning_rate=phase.lr,
        muon_lr=phase.muon_lr,
        weight_decay=phase.weight_decay,
        lr_decay=True,
        lr_floor=phase.lr_floor,
        linear_decay=phase.linear_decay,
        warmup_tokens=min(phase.warmup_tokens, final_tokens // 10),
        final_tokens=final_tokens,
        seed=args.seed,
        device=args.device,
        dtype=args.dtype or "auto",
        compile=args.compile or "auto",
        num_workers=args.num_workers or 0,
        save_minutes=2.0 if args.save_minutes is None else args.save_minutes,
        ckpt_path=args.writing_params_path,
        state_path=state_path(args.writing_params_path),
        run=run | {"job": os.environ.get("TORCHELASTIC_RUN_ID")},
    )


def open_log(args: argparse.Namespace, phase: Phase, step: int) -> Log:
    """The run's TensorBoard log. What an earlier run has logged there of `step` and later is hidden."""
    from watch import Log

    try:
        writer = Log(os.path.join("expt", args.function, tensorboard_name(args)), purge_step=step)
    except OSError as error:
        raise InputError(f"expt: the TensorBoard log cannot be written there: {error.strerror}") from error
    writer.add_text("recipe", "".join(f"    {name} {value}\n" for name, value in asdict(phase).items()))
    return writer


@contextlib.contextmanager
def explaining(trainer: Trainer) -> Iterator[None]:
    """Ends the program with a line of what to do, where training ends before its time. One process says it for all."""
    import distributed
    from trainer import Stopped

    def end(message: str, code: int) -> None:
        if distributed.rank() == 0:
            print(f"run.py: {message}", file=sys.stderr)
        sys.exit(code)

    config = trainer.config
    try:
        yield
    except Stopped as error:
        code = 128 + (trainer.stop or signal.SIGTERM)  # the latter when another process was told
        end(f"{error}; go on with the same command and --resume", code)
    except FloatingPointError as error:
        kept = f"{config.ckpt_path} is as it was; to begin anew, delete {config.state_path} and its .previous"
        end(f"error: {error}; try a lower learning rate. {kept}", 1)
    except InputError as error:  # after hours of training, a full disk should not be the end
        if trainer.steps < len(trainer.batches):
            raise
        raise InputError(f"{error}; {rescue(trainer.model)}, or go on from the last state with --resume") from error


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
    from state import PREVIOUS, has_state, load_state

    if args.resume:
        return True
    if not has_state(path):
        return False
    restarts, job = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")), os.environ.get("TORCHELASTIC_RUN_ID")
    if restarts and load_state(path)["run"].get("job") == job:  # torchrun has restarted its processes
        return True
    remains = " and ".join(filter(os.path.exists, (path, path + PREVIOUS)))
    raise InputError(f"{path}: an unfinished run is here; go on with --resume, or begin anew after deleting {remains}")


def resume(trainer: Trainer, run: dict[str, Any]) -> None:
    """Goes back to the saved state. Raises InputError when it is of a run with other data or settings."""
    from state import load_state

    def same(one: object, other: object) -> bool:
        try:
            return bool(one == other)
        except (RuntimeError, TypeError, ValueError):  # a tensor, where there should be none
            return False

    path = trainer.config.state_path
    state = load_state(path)
    if not isinstance(state["run"], dict):
        raise InputError(f"{path}: is not a state file")
    for name, now in run.items():
        then = state["run"].get(name)
        if same(then, now):
            continue
        if isinstance(now, dict) and isinstance(then, dict):
            name = next((key for key in now | then if not same(then.get(key), now.get(key))), name)
        raise InputError(f"--resume: {name} is not what it was when {path} was saved; give the same command and files")
    with about(path):
        trainer.restore(state)
    print(f"Resumed after step {trainer.steps:,} of {len(trainer.batches):,}", flush=True)


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
    """Answers every question of a file, see evaluation.evaluate."""
    from evaluation.evaluate import evaluate

    evaluate(args)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    first = os.environ.get("RANK", "0") == "0"  # of several processes, which torchrun numbers so
    if args.function == "evaluate" and not first:  # one process does it all
        return
    try:
        with contextlib.redirect_stdout(sys.stdout if first else io.StringIO()):
            {"pretrain": pretrain, "finetune": finetune, "evaluate": evaluate}[args.function](args)
    except (MemoryError, RuntimeError) as error:
        if not (isinstance(error, MemoryError) or re.search("out of memory|can't allocate memory", str(error))):
            raise
        less = "" if args.function == "evaluate" else "; try a smaller --batch_size or fewer --num_workers"
        print(f"run.py: error: out of memory{less}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    run_main(main)
