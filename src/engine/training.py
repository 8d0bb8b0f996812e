"""A training run, from the command line's arguments to the parameter file. Start reading at `train`."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from torch.utils.data import Dataset

from cloze import ClozeDataset, MixedDataset, pretraining_positions
from dataset import CharCorruptionDataset, NameDataset
from engine import checkpoint, distributed
from engine.devices import choose_device, choose_dtype
from engine.files import InputError, digest, find_corpus, is_main_process, naming_file
from engine.inputs import (
    check_training_outputs,
    find_sizes,
    load_finetuning,
    load_questions,
    load_recorded_corpus,
    make_model,
)
from engine.monitor import Monitor, RobustWriter
from engine.reading import reading_of, views_of, warn_of_input
from engine.sizes import Sizes
from evaluation.baselines import most_frequent
from model import GPT
from questions import subject_positions
from recipe import RECIPES, TOKENS_A_DOCUMENT, Phase
from trainer import Stopped, Trainer, TrainerConfig
from wording import COURSE, Wording

# What older checkpoints lack
BEFORE: dict[str, Any] = {"title_positions": [10], "documents": "lines", "symbols": ""}


def train(args: Namespace) -> None:
    """Pretrains or finetunes (assignment 4, parts c to g), and writes the parameters and their metadata at the end. Until
    then there is a checkpoint."""
    check_training_outputs(args)
    with checkpoint.sole_writer(args.writing_params_path) if is_main_process() else contextlib.nullcontext():
        train_alone(args)


def train_alone(args: Namespace) -> None:
    """`train`, while no other run writes the same file."""
    sizes = find_sizes(args)
    corpus = load_recorded_corpus(args, sizes.block_size)
    names, wording, problems = None, COURSE, []
    if args.function == "finetune":
        names, wording, problems = load_finetuning(args.finetune_corpus_path, corpus)
    phase = choose_phase(args, sizes)
    dataset = build_dataset(phase, corpus, names, wording)
    evaluation = load_questions(find_corpus(args.eval_corpus_path), corpus) if args.eval_corpus_path else None
    print("Recipe:", ", ".join(f"{name} {value}" for name, value in phase.record().items()))
    model = make_model(args, corpus, sizes, phase.dropout)
    run = fingerprint(args, sizes, corpus, model, dataset)
    config = trainer_config(args, phase, corpus, run)
    trainer = Trainer(model, dataset, None, config)
    first = distributed.rank() == 0
    if first and should_resume(args, config.state_path):
        resume(trainer, run)
    if views := views_of(dataset):
        views.set_positions(distributed.broadcast(views.positions))  # those of the checkpoint, if there is one
        run["title_positions"] = config.run["title_positions"] = views.positions
    warn_of_input(args, corpus, dataset, names, wording, problems, evaluation)
    parameters = f"{sum(p.numel() for p in model.parameters()):,} parameters"
    print(f"Model: {args.variant}, {parameters}; {trainer.device}, {run['dtype']}, seed {args.seed}", flush=True)
    start_position = find_start_position(args, dataset)
    writer = open_writer(args, phase, trainer.steps + 1) if first else None
    monitor, longest = None, max(map(len, names.answers)) if names else 0
    if writer:
        asked = evaluation[:3] if evaluation else ()
        starts = views.start_positions if views else None
        monitor = Monitor(trainer, corpus, writer, *asked, start_position=start_position, longest_answer=longest,
                          known=wording, start_positions=starts)  # fmt: skip
        trainer.config = replace(config, writer=writer, after_epoch=monitor)
    processes = distributed.world_size()
    try:
        with report_failures(trainer), graceful_shutdown(trainer), writer or contextlib.nullcontext():
            trainer.train()
            if writer:
                log_hyperparameters(writer, args, phase, trainer)
    finally:
        distributed.finish()
    if first:
        progress = {"steps": trainer.steps, "tokens": trainer.tokens, "seconds": round(trainer.seconds, 1)}
        progress |= {"loss": trainer.mean_loss, "device": str(trainer.device), "processes": processes}
        progress["first_position"] = start_position
        if reading := reading_of(dataset):
            progress["reading"] = reading
            if not reading.get("viewable", 1):  # no view could be made
                progress["recipe"] = run["recipe"] | {"cloze_share": 0.0}
        if names:
            progress |= {"longest_answer": longest, "usual_answer": most_frequent(names.answers)}
            progress["wording"] = wording.record()
        flags = {name: value for name, value in vars(args).items() if value is not None}
        metadata = run | progress | {"flags": flags, "versions": checkpoint.versions()}
        checkpoint.write_metadata(args.writing_params_path, metadata)
        checkpoint.remove_checkpoint(config.state_path)
        print(summary(args, trainer, monitor.score))


# ---------------------------------------------------------------------------------------------------------------------
# What is trained, how, and on what


def choose_phase(args: Namespace, sizes: Sizes) -> Phase:
    """The recipe's phase (pretraining, finetuning, or finetuning from scratch) for a model of these sizes, with the values
    that flags override."""
    name = args.function if args.function == "pretrain" or args.reading_params_path else "scratch"
    phase = getattr(RECIPES[args.recipe], name).at_width(sizes.n_embd)
    lr = args.pretrain_lr if name == "pretrain" else args.finetune_lr
    if lr is not None:  # Muon's rate changes by the same factor
        phase = replace(phase, lr=lr, muon_lr=phase.muon_lr * lr / phase.lr)
    if args.max_epochs:
        horizon = args.max_epochs if phase.horizon_epochs == phase.epochs else phase.horizon_epochs
        phase = replace(phase, epochs=args.max_epochs, horizon_epochs=horizon)
    return replace(phase, batch_size=args.batch_size or phase.batch_size)


def build_dataset(
    phase: Phase, corpus: CharCorruptionDataset, names: NameDataset | None = None, wording: Wording = COURSE
) -> Dataset:
    """The training data of a phase: the corpus or views of it; if there are questions, the questions, alone or mixed with
    views, whose titles begin where the questions have their subjects by their `wording`."""
    if names is None:
        if not phase.cloze_share:
            return corpus
        return ClozeDataset(corpus, phase.cloze_share, positions=pretraining_positions(corpus.block_size))
    if not phase.views:
        return names
    positions = subject_positions(wording, names.questions, corpus.stoi) or pretraining_positions(corpus.block_size)
    documents = ClozeDataset(corpus, phase.cloze_share, names.answers, phase.answer_weight, positions)
    return MixedDataset(names, documents, phase.views)


def saved_positions(run: dict[str, Any], views: ClozeDataset) -> dict[int, float]:
    """Where the titles of views begin, by the checkpoint of a run. Older ones have a list of equally frequent positions,
    the oldest nothing, and then it was 10. Raises InputError when the checkpoint has anything else."""
    saved = run.get("title_positions", [10])
    found = dict.fromkeys(saved, 1) if isinstance(saved, list) else saved
    usable = isinstance(found, dict) and all(
        type(position) is int
        and 0 <= position < views.corpus.block_size
        and type(weight) in (int, float)
        and weight > 0
        for position, weight in found.items()
    )
    if not (usable and found):
        raise InputError("is not a state file")
    return found


def find_start_position(args: Namespace, dataset: Dataset) -> int:
    """The position at which documents begin. For questions alone, it is the one saved with --reading_params_path."""
    if isinstance(dataset, NameDataset):
        return checkpoint.start_position(args.reading_params_path, dataset.block_size)
    return dataset.start_position


def trainer_config(args: Namespace, phase: Phase, corpus: CharCorruptionDataset, run: dict[str, Any]) -> TrainerConfig:
    """The phase and the flags as the trainer's configuration."""
    horizon, warmup = None, phase.warmup_tokens  # tokens
    if phase.horizon_epochs:
        # In pretraining a larger block reads more of each document: the schedule is stretched, and its shape stays.
        read, usual = corpus.mean_length(corpus.block_size), corpus.mean_length(TOKENS_A_DOCUMENT)
        stretch = read / usual if args.function == "pretrain" else 1.0
        horizon = round(stretch * phase.horizon_epochs * len(corpus) * TOKENS_A_DOCUMENT)
        warmup = min(round(stretch * warmup), horizon // 10)
    return TrainerConfig(
        max_epochs=phase.epochs,
        batch_size=phase.batch_size,
        learning_rate=phase.lr,
        muon_lr=phase.muon_lr,
        weight_decay=phase.weight_decay,
        lr_decay=True,
        min_lr_ratio=phase.min_lr_ratio,
        linear_decay=phase.linear_decay,
        warmup_tokens=warmup,
        final_tokens=horizon,
        seed=args.seed,
        device=args.device,
        dtype=args.dtype or "auto",
        compile=args.compile or "auto",
        num_workers=args.num_workers or 0,
        save_minutes=2.0 if args.save_minutes is None else args.save_minutes,
        ckpt_path=args.writing_params_path,
        state_path=checkpoint.checkpoint_path(args.writing_params_path),
        run=run | {"job": os.environ.get("TORCHELASTIC_RUN_ID")},
    )


# ---------------------------------------------------------------------------------------------------------------------
# What identifies the run


def requested_run(args: Namespace, sizes: Sizes) -> dict[str, Any]:
    """What a training command asks for, with its files as digests."""
    corpora = {"pretrain_corpus_path": args.pretrain_corpus_path, "finetune_corpus_path": args.finetune_corpus_path}
    return {name: getattr(args, name) for name in ("function", "variant", "seed")} | {
        "data": {name: digest(find_corpus(path)) for name, path in corpora.items() if path},
        "parent": digest(args.reading_params_path) if args.reading_params_path else None,
        "recipe": choose_phase(args, sizes).record(),
    }


def fingerprint(
    args: Namespace, sizes: Sizes, corpus: CharCorruptionDataset, model: GPT, dataset: Dataset
) -> dict[str, Any]:
    """All that distinguishes one run from another. A run can be resumed only when none of it has changed."""
    shape = asdict(model.config)
    del shape["variant"]  # requested_run has it
    return requested_run(args, sizes) | {
        "dtype": str(choose_dtype(args.dtype or "auto", choose_device(args.device))).removeprefix("torch."),
        "vocabulary": checkpoint.vocabulary_digest(corpus.itos),
        "documents": corpus.form,
        "symbols": corpus.added,
        "model": shape,
        "title_positions": views.positions if (views := views_of(dataset)) else None,
    }


# ---------------------------------------------------------------------------------------------------------------------
# Stopping and resuming


@contextlib.contextmanager
def graceful_shutdown(trainer: Trainer) -> Iterator[None]:
    """Lets Ctrl-C and SIGTERM end the run after the current step, with a checkpoint; a second Ctrl-C ends it at once."""

    def stop(number: int, frame: object) -> None:
        trainer.stop = number
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def report_failures(trainer: Trainer) -> Iterator[None]:
    """Ends the program with one line that says what to do, when training ends early. Process 0 says it for all."""

    def end(message: str, code: int) -> None:
        if distributed.rank() == 0:
            print(f"run.py: {message}", file=sys.stderr)
        sys.exit(code)

    config = trainer.config
    try:
        yield
    except Stopped as error:
        code = 128 + (trainer.stop or signal.SIGTERM)  # the latter when another process received the signal
        end(f"{error}; go on with the same command and --resume", code)
    except FloatingPointError as error:
        kept = f"{config.ckpt_path} is as it was; to begin anew, delete {config.state_path} and its .previous"
        end(f"error: {error}; try a lower learning rate. {kept}", 1)
    except InputError as error:
        if trainer.steps < len(trainer.batches):
            raise
        # The run is complete, but its parameters could not be written: hours of training should not be lost.
        raise InputError(f"{error}; {rescue(trainer.model)}, or go on from the last state with --resume") from error


def rescue(model: GPT) -> str:
    """Writes the parameters to the folder of temporary files. Returns a phrase that says where, or that it failed."""
    handle, path = tempfile.mkstemp(suffix=".params")
    os.close(handle)
    try:
        checkpoint.save_params(model, path)
    except InputError:
        os.unlink(path)
        return "nor could the parameters be saved elsewhere: free some disk space"
    return f"the parameters are in {path}"


def should_resume(args: Namespace, path: str) -> bool:
    """Whether to resume from the checkpoint at `path`. Raises InputError when there is one and --resume is missing."""
    if args.resume:
        return True
    if not checkpoint.has_checkpoint(path):
        return False
    restarts, job = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")), os.environ.get("TORCHELASTIC_RUN_ID")
    if restarts and checkpoint.load_checkpoint(path)["run"].get("job") == job:  # torchrun has restarted its processes
        return True
    remains = " and ".join(filter(os.path.exists, (path, path + checkpoint.PREVIOUS)))
    raise InputError(f"{path}: an unfinished run is here; go on with --resume, or begin anew after deleting {remains}")


def resume(trainer: Trainer, run: dict[str, Any]) -> None:
    """Restores the last checkpoint, and the positions of titles that its run has chosen. Raises InputError when the run
    differs from `run` in anything else."""

    def equal(one: object, other: object) -> bool:
        try:
            return bool(one == other)
        except (RuntimeError, TypeError, ValueError):  # a tensor in a hostile file
            return False

    path = trainer.config.state_path
    state = checkpoint.load_checkpoint(path)
    if not isinstance(state["run"], dict):
        raise InputError(f"{path}: is not a state file")
    for name, now in run.items():
        then = state["run"].get(name, BEFORE.get(name))
        if equal(then, now) or name == "title_positions":
            continue
        if isinstance(now, dict) and isinstance(then, dict):
            name = next((key for key in now | then if not equal(then.get(key), now.get(key))), name)
        raise InputError(f"--resume: {name} is not what it was when {path} was saved; give the same command and files")
    with naming_file(path):
        trainer.restore(state)
        if views := views_of(trainer.train_dataset):
            views.set_positions(saved_positions(state["run"], views))
    print(f"Resumed after step {trainer.steps:,} of {len(trainer.batches):,}", flush=True)


# ---------------------------------------------------------------------------------------------------------------------
# TensorBoard, and the final message


def tensorboard_name(args: Namespace) -> str:
    """The name of the run's folder, as in the handouts: --tb_expt_name, the variant and both learning rates."""
    recipe = RECIPES[args.recipe]
    from_scratch = args.function == "finetune" and not args.reading_params_path
    finetuning = recipe.scratch if from_scratch else recipe.finetune
    pretrain_lr = recipe.pretrain.lr if args.pretrain_lr is None else args.pretrain_lr
    finetune_lr = finetuning.lr if args.finetune_lr is None else args.finetune_lr
    return f"{args.tb_expt_name}_{args.variant}_pt_lr_{pretrain_lr:f}_ft_lr_{finetune_lr:f}"


def open_writer(args: Namespace, phase: Phase, step: int) -> RobustWriter:
    """The run's TensorBoard writer. Entries of earlier runs in the same folder are hidden from `step` on."""
    try:
        writer = RobustWriter(os.path.join("expt", args.function, tensorboard_name(args)), purge_step=step)
    except OSError as error:
        raise InputError(f"expt: the TensorBoard log cannot be written there: {error.strerror}") from error
    writer.add_text("recipe", "".join(f"    {name} {value}\n" for name, value in phase.record().items()))
    return writer


def log_hyperparameters(writer: RobustWriter, args: Namespace, phase: Phase, trainer: Trainer) -> None:
    """A row of TensorBoard's table of runs, in which None is not allowed."""
    settings = phase.record() | {"variant": args.variant, "seed": args.seed}
    settings = {name: str(value) if value is None else value for name, value in settings.items()}
    writer.add_hparams(settings, {"final/loss": trainer.mean_loss}, run_name=".")


def summary(args: Namespace, trainer: Trainer, score: tuple[float, float] | None) -> str:
    """What a finished run prints: its results, and the command that comes next."""
    params = args.writing_params_path
    results = f"mean loss of the last epoch {trainer.mean_loss:.4f}, {trainer.seconds / 60:.1f} minutes"
    if score:
        total, correct = score
        results += f", {correct:.0f} of {total:.0f} questions right ({100 * correct / total:.1f} %)"
    folder, name = os.path.split(params)
    data = os.path.dirname(args.pretrain_corpus_path)  # where the questions are, if they are beside the corpus
    command = ["python", "src/run.py", "evaluate", args.variant, args.pretrain_corpus_path]
    command += ["--reading_params_path", params]
    if args.function == "pretrain":
        command[2] = "finetune"
        stem = name.removesuffix(".params").removesuffix("pretrain").rstrip(".")
        finetuned = os.path.join(folder, f"{stem}.finetune.params" if stem else "finetune.params")
        command += ["--writing_params_path", finetuned, "--finetune_corpus_path"]
        command += [os.path.join(data, "birth_places_train.tsv")]
    else:
        predictions = f"{params.removesuffix('.params')}.dev.predictions"
        command += ["--eval_corpus_path", args.eval_corpus_path or os.path.join(data, "birth_dev.tsv")]
        command += ["--outputs_path", predictions]
    command += ["--recipe", args.recipe] if args.recipe != "fast" and args.function == "pretrain" else []
    return f"Parameters written to {params}: {results}\nNext: {shlex.join(command)}"
