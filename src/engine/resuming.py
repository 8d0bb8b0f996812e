"""Which run a training command means: a new one, an unfinished one, or a finished one that is trained further."""

from __future__ import annotations

import os
from argparse import Namespace
from typing import Any

from cloze import positions_of_record, views_of
from engine import checkpoint
from engine.files import InputError, digest, naming_file
from engine.sizes import Sizes
from recipe import Phase, choose_phase
from trainer import Trainer

LACKING = {"documents": "lines", "symbols": "", "titles": "course"}  # what older checkpoints do not say


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
    Raises InputError when the checkpoint's run differs from `run` in anything else, in data or settings.
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
        then = before.get(name, LACKING.get(name))
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
