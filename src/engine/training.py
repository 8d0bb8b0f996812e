"""A training run, from the command line's arguments to the parameter file. Start reading at `train`."""

from __future__ import annotations

import contextlib
import os
import shlex
from argparse import Namespace
from dataclasses import asdict, replace
from typing import Any

from torch.utils.data import Dataset

from cloze import ClozeDataset, MixedDataset, positions_of_record, pretraining_positions, views_of
from dataset import CharCorruptionDataset, NameDataset
from engine import checkpoint, distributed
from engine.devices import choose_device, choose_dtype
from engine.files import InputError, digest, find_corpus, is_main_process, naming_file, warn
from engine.inputs import (
    Questions,
    check_training_outputs,
    find_sizes,
    load_corpus,
    load_finetuning,
    load_questions,
    make_model,
    warn_of_unreadable,
)
from engine.monitor import Monitor
from engine.sizes import Sizes
from engine.stopping import graceful_shutdown, report_failures
from engine.writer import RobustWriter, open_writer
from evaluation.baselines import most_frequent
from model import GPT
from questions import subject_positions, warn_of_wording
from recipe import RECIPES, TOKENS_A_DOCUMENT, Phase
from trainer import Trainer, TrainerConfig
from wording import COURSE, Wording


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
    corpus = load_corpus(args.pretrain_corpus_path, sizes.block_size)
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
    before = resume(args, sizes, trainer, run) if resumed else {}
    if views := views_of(dataset):
        views.set_positions(distributed.broadcast(views.positions))  # those of the checkpoint, if there is one
        run["title_positions"] = config.run["title_positions"] = views.positions
    if distributed.broadcast(resumed and is_finished(args, trainer)):
        print(f"{args.writing_params_path} is finished: nothing to do; a higher --max_epochs trains it further")
        return distributed.finish()
    if before:
        print(f"Resumed after step {trainer.steps:,} of {len(trainer.batches):,}", flush=True)
    extended = extensions(before, phase)
    warn_of_input(args, dataset, names, wording, problems, evaluation)
    parameters = f"{sum(p.numel() for p in model.parameters()):,} parameters"
    print(f"Model: {args.variant}, {parameters}; {trainer.device}, {run['dtype']}, seed {args.seed}", flush=True)
    start_position = find_start_position(args, dataset)
    writer, longest = None, max(map(len, names.answers)) if names else 0
    if first:
        writer, folder = open_writer(args, before, trainer.steps)
        print(f"TensorBoard: {writer.log_dir}", flush=True)
        writer.add_text("recipe", "".join(f"    {name} {value}\n" for name, value in phase.record().items()))
        asked = evaluation[:3] if evaluation else ()
        monitor = Monitor(trainer, corpus, writer, *asked, start_position=start_position, longest_answer=longest,
                          known=wording)  # fmt: skip
        kept = config.run | extended | {"tensorboard": folder}
        trainer.config = replace(config, writer=writer, after_epoch=monitor, run=kept)
    processes = distributed.world_size()
    try:
        with report_failures(trainer), graceful_shutdown(trainer), writer or contextlib.nullcontext():
            trainer.train()
            if writer:
                log_results(writer, args, phase, trainer, monitor.score)
    finally:
        distributed.finish()
    if first:
        known = {"processes": processes, "first_position": start_position}
        if names:
            known |= {"longest_answer": longest, "usual_answer": most_frequent(names.answers)}
            known["wording"] = wording.record()
        record_results(args, trainer, run | extended | known)
        print(summary(args, trainer, monitor.score))


def record_results(args: Namespace, trainer: Trainer, known: dict[str, Any]) -> None:
    """Writes the metadata of the finished parameters, `known` and more, and keeps the run's last state."""
    results = {"steps": trainer.steps, "tokens": trainer.tokens, "seconds": round(trainer.seconds, 1)}
    results |= {"loss": trainer.mean_loss, "device": str(trainer.device)}
    flags = {name: value for name, value in vars(args).items() if value is not None}
    metadata = known | results | {"flags": flags, "versions": checkpoint.versions()}
    made = trainer.config.run | {"params": checkpoint.write_metadata(args.writing_params_path, metadata)}
    checkpoint.finish_checkpoints(trainer.state() | {"run": made}, args.writing_params_path)


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


def warn_of_input(
    args: Namespace,
    dataset: Dataset,
    names: NameDataset | None,
    wording: Wording,
    problems: list[str],
    evaluation: Questions | None,
) -> None:
    """Warns on stderr of what is probably not meant: few views, unreadable questions (`problems` are those of finetuning),
    unknown subjects, another recipe than in pretraining."""
    if isinstance(dataset, ClozeDataset):
        report_views(dataset)
    if names:
        warn_of_unreadable(args.finetune_corpus_path, problems, len(names) + len(problems), "are left out")
        warn_of_wording(names.questions, wording, args.finetune_corpus_path)
    if evaluation:
        warn_of_unreadable(args.eval_corpus_path, evaluation.problems, len(evaluation.texts), "will get no answer")
    if args.reading_params_path:
        checkpoint.warn_of_unknown_vocabulary(args.reading_params_path)
    metadata = checkpoint.read_metadata(args.reading_params_path) if args.reading_params_path else None
    flags = (metadata or {}).get("flags")
    before = flags.get("recipe") if isinstance(flags, dict) else None
    if before in list(RECIPES) and before != args.recipe:
        text = f"was made by the recipe {before}, and this run uses {args.recipe}; --recipe {before} continues with it"
        warn(f"{args.reading_params_path}: {text}")


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


def report_views(dataset: ClozeDataset) -> None:
    """Says how many documents are read as views, and warns when most are not."""
    viewable, total = dataset.count_viewable(), len(dataset)
    print(f"Views: of {viewable:,} of {total:,} documents; the others are span-corrupted")
    if 2 * viewable < total:
        text = f"only {viewable:,} of {total:,} documents begin with a title and a full stop, colon or dash, which views need"
        warn(f"{text}; put a title in front of each, or use --recipe handout")


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
        "model": shape,
        "title_positions": views.positions if (views := views_of(dataset)) else None,
    }


# ---------------------------------------------------------------------------------------------------------------------
# Which run is meant: a new one, an unfinished one, or a finished one that goes on


def should_resume(args: Namespace) -> bool:
    """Whether the command continues a run. Raises InputError when it would begin a new one where an unfinished one is, or,
    without --overwrite, where parameters are."""
    params, path = args.writing_params_path, checkpoint.checkpoint_path(args.writing_params_path)
    if args.resume:
        return True
    if not checkpoint.has_checkpoint(path):
        if os.path.exists(params) and not args.overwrite:
            other = "--overwrite replaces it, --resume with a higher --max_epochs trains it further"
            raise InputError(f"{params}: is there already; name another file ({other})")
        return False
    restarts, job = int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")), os.environ.get("TORCHELASTIC_RUN_ID")
    if restarts and checkpoint.load_checkpoint(path)["run"].get("job") == job:  # torchrun has restarted its processes
        return True
    remains = " and ".join(filter(os.path.exists, (path, path + checkpoint.PREVIOUS)))
    raise InputError(f"{path}: an unfinished run is here; go on with --resume, or begin anew after deleting {remains}")


def resume(args: Namespace, sizes: Sizes, trainer: Trainer, run: dict[str, Any]) -> dict[str, Any]:
    """Restores the last checkpoint, of an unfinished run or, if there is none, of a finished one, which may have had fewer
    epochs; and the positions of titles that its run has chosen. Returns what identified that run.

    A run that is extended from 2 to 4 epochs consists of the steps of a run of 2 epochs, and then steps 3 and 4 of a run of
    4 epochs, with its batches and learning rates.
    Raises InputError when the checkpoint's run differs from `run` in more than that, in data or settings.
    """

    def equal(one: object, other: object) -> bool:
        try:
            return bool(one == other)
        except (RuntimeError, TypeError, ValueError):  # a tensor in a hostile file
            return False

    params, path = args.writing_params_path, checkpoint.path_to_resume(args.writing_params_path)
    state = checkpoint.load_checkpoint(path)
    before = state["run"]
    if not isinstance(before, dict) or not isinstance(before.get("recipe"), dict):
        raise InputError(f"{path}: is not a state file")
    if path == checkpoint.final_path(params):
        if os.path.exists(params) and not equal(before.get("params"), digest(params)):
            raise InputError(f"{params}: is not what the run of {path} has written, so it cannot be trained further")
        run = run | {"recipe": shorter_recipe(args, sizes, before["recipe"].get("epochs"))}
    for name, now in run.items():
        then = before.get(name)
        if equal(then, now) or name == "title_positions":
            continue
        if isinstance(now, dict) and isinstance(then, dict):
            name = next((key for key in now | then if not equal(then.get(key), now.get(key))), name)
        raise InputError(f"--resume: {name} is not what it was when {path} was saved; give the same command and files")
    with naming_file(path):
        trainer.restore(state)
        if views := views_of(trainer.train_dataset):
            views.set_positions(positions_of_record(before.get("title_positions", [10]), views.corpus.block_size))
    return before


def shorter_recipe(args: Namespace, sizes: Sizes, epochs: object) -> dict[str, Any]:
    """The recipe that the command would use with `epochs` epochs, as it is saved. Raises InputError if it has fewer
    itself."""
    recipe = choose_phase(args, sizes).record()
    if type(epochs) is not int or epochs < 1 or epochs == recipe["epochs"]:
        return recipe
    if epochs > recipe["epochs"]:
        text = f"has been trained for {epochs} epochs already; --max_epochs above that trains it further"
        raise InputError(f"{args.writing_params_path}: {text}")
    return choose_phase(Namespace(**vars(args) | {"max_epochs": epochs}), sizes).record()


def is_finished(args: Namespace, trainer: Trainer) -> bool:
    """Whether all steps are done, and the parameters and their metadata written."""
    return trainer.steps == len(trainer.batches) and checkpoint.read_metadata(args.writing_params_path) is not None


def extensions(before: dict[str, Any], phase: Phase) -> dict[str, list[int]]:
    """After how many epochs the run was finished and extended, for its checkpoint and its metadata; {} if it was not."""
    epochs = before.get("extended_from")
    epochs = [n for n in epochs if type(n) is int] if isinstance(epochs, list) else []
    epochs += [before["recipe"]["epochs"]] if before and before["recipe"]["epochs"] != phase.epochs else []
    return {"extended_from": epochs} if epochs else {}


# ---------------------------------------------------------------------------------------------------------------------
# TensorBoard, and the final message


def log_results(
    writer: RobustWriter, args: Namespace, phase: Phase, trainer: Trainer, score: tuple[float, float] | None
) -> None:
    """The run's row in TensorBoard's table of runs, with its `score` (questions, right answers)."""
    settings = {name: getattr(args, name) for name in ("variant", "recipe", "seed")} | phase.record()
    metrics = {"final/loss": trainer.mean_loss, "final/dev_accuracy": score[1] / score[0] if score else None}
    writer.add_table_row(settings, metrics, trainer.steps)


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
