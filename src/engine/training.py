"""A training run, from the command line's arguments to the parameter file. Start reading at `train`."""

from __future__ import annotations

import contextlib
import os
import shlex
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from torch.utils.data import Dataset

from cloze import COURSE_POSITIONS, WORDINGS, ClozeDataset, MixedDataset, views_of
from dataset import CharCorruptionDataset, NameDataset
from engine import checkpoint, distributed, parameters
from engine.devices import choose_device, choose_dtype, choose_workers, describe_machine
from engine.files import InputError, digest, find_corpus, is_main_process, warn
from engine.inputs import (
    Questions,
    check_training_outputs,
    find_sizes,
    find_title_positions,
    load_finetuning,
    load_questions,
    load_recorded_corpus,
    load_title_questions,
    make_model,
    missing_symbols,
    warn_of_unreadable,
)
from engine.monitor import Monitor
from engine.reading import reading_of, report_reading, warn_of_positions
from engine.resuming import extensions, is_finished, resume, should_resume
from engine.sizes import Sizes
from engine.stopping import graceful_shutdown, report_failures
from engine.writer import open_writer
from evaluation.baselines import most_frequent
from model import GPT
from questions import subject_positions, warn_of_wording
from recipe import RECIPES, TOKENS_A_DOCUMENT, Phase, choose_phase
from trainer import Trainer, TrainerConfig
from wording import COURSE, Wording

QUESTIONS = "QUESTIONS.tsv"  # stands for a file of the user's own
FEW_STEPS = 150  # of a run by a recipe with Muon; its usual ones have 370 and 500


def train(args: Namespace) -> None:
    """Pretrains or finetunes (assignment 4, parts c to g), and writes the parameters and their metadata at the end. Until
    then there is a checkpoint."""
    check_training_outputs(args)
    with checkpoint.sole_writer(args.writing_params_path) if is_main_process() else contextlib.nullcontext():
        train_alone(args)


def train_alone(args: Namespace) -> None:
    """`train`, while no other run writes the same file."""
    resumed = is_main_process() and should_resume(args)
    sizes = find_sizes(args)
    corpus = load_recorded_corpus(args, sizes.block_size)
    names, wording, problems = None, COURSE, []
    if args.function == "finetune":
        names, wording, problems = load_finetuning(args.finetune_corpus_path, corpus)
    phase = choose_phase(args, sizes)
    titled = load_title_questions(args.title_positions)
    positions = find_title_positions(args.title_positions, titled, corpus)
    dataset = build_dataset(phase, corpus, names, wording, positions)
    evaluation = load_questions(find_corpus(args.eval_corpus_path), corpus) if args.eval_corpus_path else None
    print("Recipe:", ", ".join(f"{name} {value}" for name, value in phase.record().items()))
    model = make_model(args, corpus, sizes, phase.dropout)
    run = fingerprint(args, sizes, corpus, model, dataset)
    config = trainer_config(args, phase, corpus, run)
    trainer = Trainer(model, dataset, None, config)
    first = distributed.rank() == 0
    before = resume(args, sizes, trainer, run) if resumed else {}
    if distributed.broadcast(resumed and is_finished(args, trainer)):
        print(f"{args.writing_params_path} is finished: nothing to do; a higher --max_epochs trains it further")
        return distributed.finish()
    run |= extensions(before, phase)
    if views := views_of(dataset):
        views.set_positions(distributed.broadcast(views.positions))  # those of the checkpoint, if there is one
        run["title_positions"] = views.positions
    config.run.update(run)
    warn_of_input(args, corpus, dataset, names, wording, problems, evaluation, titled)
    warn_of_few_steps(args, phase, len(trainer.batches))
    if before:
        print(f"Resumed after step {trainer.steps:,} of {len(trainer.batches):,}", flush=True)
    parameters = f"{sum(p.numel() for p in model.parameters()):,} parameters"
    print(f"Model: {args.variant}, {parameters}; {trainer.device}, {run['dtype']}, seed {args.seed}", flush=True)
    known = facts(args, run, dataset, names, wording)
    monitor = watch(args, phase, trainer, before, corpus, evaluation, wording, known) if first else None
    try:
        writer = monitor.writer if first else contextlib.nullcontext()
        with report_failures(trainer), graceful_shutdown(trainer), writer:
            trainer.train()
            if monitor:
                log_results(args, phase, trainer, monitor)
    finally:
        distributed.finish()
    if monitor:
        record_results(args, trainer, run | known)
        print(summary(args, trainer, monitor.score))


def facts(
    args: Namespace, run: dict[str, Any], dataset: Dataset, names: NameDataset | None, wording: Wording
) -> dict[str, Any]:
    """What the metadata say of the data that `run` reads."""
    known = {"processes": distributed.world_size(), "first_position": find_start_position(args, dataset)}
    if names:
        known |= {"longest_answer": max(map(len, names.answers)), "usual_answer": most_frequent(names.answers)}
        known["wording"] = wording.record()
    if reading := reading_of(dataset):
        known["reading"] = reading
        if not reading.get("viewable", 1):  # no view could be made
            known["recipe"] = run["recipe"] | {"cloze_share": 0.0}
    return known


def watch(
    args: Namespace,
    phase: Phase,
    trainer: Trainer,
    before: dict[str, Any],
    corpus: CharCorruptionDataset,
    evaluation: Questions | None,
    wording: Wording,
    known: dict[str, Any],
) -> Monitor:
    """Lets TensorBoard follow the training, in the folder that the run already has if it is resumed (`before`)."""
    writer, folder = open_writer(args, before, trainer.steps)
    print(f"TensorBoard: {writer.log_dir}", flush=True)
    writer.add_text("recipe", "".join(f"    {name} {value}\n" for name, value in phase.record().items()))
    monitor = Monitor(trainer, corpus, writer, *(evaluation[:3] if evaluation else ()), known=wording,
                      start_position=known["first_position"], longest_answer=known.get("longest_answer", 0))  # fmt: skip
    run = trainer.config.run | {"tensorboard": folder}
    trainer.config = replace(trainer.config, writer=writer, after_epoch=monitor, run=run)
    return monitor


def record_results(args: Namespace, trainer: Trainer, known: dict[str, Any]) -> None:
    """Writes the metadata of the finished parameters, `known` and more, and keeps the run's last state."""
    results = {"steps": trainer.steps, "tokens": trainer.tokens, "seconds": round(trainer.seconds, 1)}
    results |= {"loss": trainer.mean_loss, "device": str(trainer.device), "machine": describe_machine(trainer.device)}
    flags = {name: value for name, value in vars(args).items() if value is not None}
    metadata = known | results | {"flags": flags, "versions": checkpoint.versions()}
    made = trainer.config.run | {"params": checkpoint.write_metadata(args.writing_params_path, metadata)}
    checkpoint.finish_checkpoints(trainer.state() | {"run": made}, args.writing_params_path)


# ---------------------------------------------------------------------------------------------------------------------
# What is trained, how, and on what


def warn_of_input(
    args: Namespace,
    corpus: CharCorruptionDataset,
    dataset: Dataset,
    names: NameDataset | None,
    wording: Wording,
    problems: list[str],
    evaluation: Questions | None,
    titled: Questions | None,
) -> None:
    """Warns on stderr of what is probably not meant: little to read, unreadable questions (`problems` are those of
    finetuning), unknown subjects, another recipe than in pretraining."""
    if args.function == "pretrain":
        report_reading(reading_of(dataset), corpus.max_chars)
    if names:
        warn_of_unreadable(args.finetune_corpus_path, problems, len(names) + len(problems), "are left out")
        warn_of_wording(names.questions, wording, args.finetune_corpus_path)
        warn_of_positions(args, dataset)
    if not (args.function == "pretrain" and warn_of_missing_symbols(args, corpus, evaluation, titled)) and evaluation:
        warn_of_unreadable(args.eval_corpus_path, evaluation.problems, len(evaluation.texts), "will get no answer")
    if args.reading_params_path:
        checkpoint.warn_of_unknown_vocabulary(args.reading_params_path)
    metadata = checkpoint.read_metadata(args.reading_params_path) if args.reading_params_path else None
    flags = (metadata or {}).get("flags")
    before = flags.get("recipe") if isinstance(flags, dict) else None
    if before in list(RECIPES) and before != args.recipe:
        text = f"was made by the recipe {before}, and this run uses {args.recipe}; --recipe {before} continues with it"
        warn(f"{args.reading_params_path}: {text}")


def warn_of_missing_symbols(
    args: Namespace, corpus: CharCorruptionDataset, evaluation: Questions | None, titled: Questions | None
) -> bool:
    """Warns on stderr if questions that pretraining is given have characters that no document has: later they cannot be added."""
    asked = {path: questions for path, questions in
             ((args.title_positions, titled), (args.eval_corpus_path, evaluation)) if questions}  # fmt: skip
    lacking = {path: symbols for path, questions in asked.items() if (symbols := missing_symbols(questions, corpus))}
    if lacking:
        missing = "".join(sorted(set().union(*lacking.values())))
        text = f"the vocabulary lacks {missing!r}, which the questions or the answers have"
        wanted = shlex.quote(missing + corpus.added)
        warn(f"{' and '.join(lacking)}: {text}; --add_symbols {wanted} adds what is missing")
    return bool(lacking)


def warn_of_few_steps(args: Namespace, phase: Phase, steps: int) -> None:
    """Warns on stderr when the recipe's passes and batches, which suit thousands of documents, are kept for a small corpus."""
    if phase.muon_lr and steps < FEW_STEPS and not (args.max_epochs or args.batch_size):
        text = f"only {steps:,} steps, and the recipe {args.recipe} needs some hundreds to learn anything"
        warn(f"{text}; more --max_epochs, or a smaller --batch_size, make more")


def build_dataset(
    phase: Phase,
    corpus: CharCorruptionDataset,
    names: NameDataset | None = None,
    wording: Wording = COURSE,
    positions: Mapping[int, float] = COURSE_POSITIONS,
) -> Dataset:
    """The training data of a phase: the corpus or views of it; if there are questions, the questions, alone or mixed with
    views, whose titles begin where the questions have their subjects by their `wording`. Without questions, or if their
    subjects are not known, `positions` says where titles begin, and how often."""
    if names is None:
        if not phase.cloze_share:
            if positions != COURSE_POSITIONS:
                raise InputError("--title_positions: this recipe reads no views, so it cannot place their titles")
            return corpus
        return ClozeDataset(corpus, phase.cloze_share, positions=positions)
    if not phase.views:
        return names
    positions = subject_positions(wording, names.questions, corpus.stoi) or positions
    answers = zip(map(wording.subject, names.questions), names.answers)
    documents = ClozeDataset(corpus, phase.cloze_share, answers, phase.answer_weight, positions, phase.unasked_weight)
    return MixedDataset(names, documents, phase.views)


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
        num_workers=choose_workers(args.num_workers, choose_device(args.device)),
        save_minutes=2.0 if args.save_minutes is None else args.save_minutes,
        ckpt_path=args.writing_params_path,
        state_path=checkpoint.checkpoint_path(args.writing_params_path),
        run=run | {"job": os.environ.get("TORCHELASTIC_RUN_ID")},
    )


# ---------------------------------------------------------------------------------------------------------------------
# What identifies the run


def requested_run(args: Namespace, sizes: Sizes) -> dict[str, Any]:
    """What a training command asks for, with its files as digests."""
    titles = args.title_positions
    corpora = {"pretrain_corpus_path": args.pretrain_corpus_path, "finetune_corpus_path": args.finetune_corpus_path}
    return {name: getattr(args, name) for name in ("function", "variant", "seed")} | {
        "data": {name: digest(find_corpus(path)) for name, path in corpora.items() if path},
        "parent": digest(args.reading_params_path) if args.reading_params_path else None,
        "recipe": choose_phase(args, sizes).record(),
        "titles": titles if titles in WORDINGS else digest(find_corpus(titles)),
    }


def fingerprint(
    args: Namespace, sizes: Sizes, corpus: CharCorruptionDataset, model: GPT, dataset: Dataset
) -> dict[str, Any]:
    """All that distinguishes one run from another. A run can be resumed only when none of it has changed."""
    shape = asdict(model.config)
    del shape["variant"]  # requested_run has it
    return requested_run(args, sizes) | {
        "dtype": str(choose_dtype(args.dtype or "auto", choose_device(args.device))).removeprefix("torch."),
        "vocabulary": parameters.vocabulary_digest(corpus.itos),
        "documents": corpus.form,
        "symbols": corpus.added,
        "model": shape,
        "title_positions": views.positions if (views := views_of(dataset)) else None,
    }


# ---------------------------------------------------------------------------------------------------------------------
# TensorBoard, and the final message


def log_results(args: Namespace, phase: Phase, trainer: Trainer, monitor: Monitor) -> None:
    """The run's row in TensorBoard's table of runs."""
    asked = {name: getattr(args, name) for name in ("variant", "recipe", "seed")}
    metrics = {"final/dev_accuracy": None, "final/loss": trainer.mean_loss}
    if monitor.score:
        total, correct = monitor.score
        metrics["final/dev_accuracy"] = correct / total
    monitor.writer.add_table_row(asked | phase.record(), metrics, trainer.steps, first=[*asked, "lr", "muon_lr"])


def summary(args: Namespace, trainer: Trainer, score: tuple[float, float] | None) -> str:
    """What a finished run prints: its results, and the command that comes next."""
    params = args.writing_params_path
    results = f"mean loss of the last epoch {trainer.mean_loss:.4f}, {trainer.seconds / 60:.1f} minutes"
    if score:
        total, correct = score
        results += f", {correct:.0f} of {total:.0f} questions right ({100 * correct / total:.1f} %)"
    folder, name = os.path.split(params)
    command = ["python", "src/run.py", "evaluate", args.variant, args.pretrain_corpus_path]
    command += ["--reading_params_path", params]
    if args.function == "pretrain":
        command[2] = "finetune"
        stem = name.removesuffix(".params").removesuffix("pretrain").rstrip(".")
        finetuned = os.path.join(folder, f"{stem}.finetune.params" if stem else "finetune.params")
        command += ["--writing_params_path", finetuned, "--finetune_corpus_path"]
        known = None if args.title_positions in WORDINGS else args.title_positions
        command += [known or questions_beside(args.pretrain_corpus_path, "birth_places_train.tsv")]
    else:
        predictions = f"{params.removesuffix('.params')}.dev.predictions"
        questions = args.eval_corpus_path or questions_beside(args.pretrain_corpus_path, "birth_dev.tsv")
        command += ["--eval_corpus_path", questions, "--outputs_path", predictions]
    command += ["--recipe", args.recipe] if args.recipe != "fast" and args.function == "pretrain" else []
    return f"Parameters written to {params}: {results}\nNext: {shlex.join(command)}"


def questions_beside(corpus: str, name: str) -> str:
    """The course's file of that name beside the course's corpus; a placeholder where the corpus or its questions are other ones."""
    found = find_corpus(corpus)
    there = found.name == "wiki.txt" and found.with_name(name).is_file()
    return os.path.join(os.path.dirname(corpus), name) if there else QUESTIONS
