"""Where and how a run writes for TensorBoard: a folder of its own, and a writer that survives a full disk."""

from __future__ import annotations

import contextlib
import functools
import glob
import itertools
import json
import os
import sys
import threading
import uuid
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from engine.files import InputError

OWNER = "run.txt"  # in the folder of a run: says which one it is
TABLE = ".hparams"  # ends the name of the file with the run's row of the table of runs


class RobustWriter(SummaryWriter):
    """A SummaryWriter for long runs. When it cannot write any more, for instance because the disk is full, it warns once
    and the run continues without its curves. Raises OSError when it cannot be opened."""

    failed = False

    def unless_failed(method: Callable[..., None]) -> Callable[..., None]:
        """Wraps a method of SummaryWriter."""

        @functools.wraps(method)
        def attempt(self: RobustWriter, *args: Any, **settings: Any) -> None:
            if self.failed:
                return
            try:
                method(self, *args, **settings)
            except OSError as error:
                self.failed = True
                text = f"warning: {self.log_dir}: {error.strerror}; the run goes on, but TensorBoard no longer sees it"
                print(text, file=sys.stderr, flush=True)

        return attempt

    add_scalar = unless_failed(SummaryWriter.add_scalar)
    add_text = unless_failed(SummaryWriter.add_text)
    add_custom_scalars = unless_failed(SummaryWriter.add_custom_scalars)
    flush = unless_failed(SummaryWriter.flush)
    close = unless_failed(SummaryWriter.close)

    @unless_failed
    def add_table_row(
        self, settings: dict[str, Any], metrics: dict[str, float | None], step: int, first: Sequence[str] = ()
    ) -> None:
        """The run's row in TensorBoard's table of runs (HPARAMS), in place of an earlier one. The settings named in `first`
        are the first columns. A metric that is None is an empty cell: TensorBoard takes the columns of all runs from one of
        them, so each has to name them all."""
        for file in glob.glob(os.path.join(glob.escape(self.log_dir), "*" + TABLE)):
            os.unlink(file)
        texts = {name: str(value) for name, value in settings.items() if value is None or isinstance(value, bool)}
        columns, *row = hparams(settings | texts, metrics)
        # TensorBoard sorts the columns by name, and before that by whether the runs differ in them.
        data = HParamsPluginData.FromString(columns.value[0].metadata.plugin_data.content)
        for info in data.experiment.hparam_infos:
            info.differs = info.name in first
        columns.value[0].metadata.plugin_data.content = data.SerializeToString()
        with SummaryWriter(self.log_dir, filename_suffix=TABLE) as writer:
            for part in (columns, *row):
                writer.file_writer.add_summary(part, step)
            for name, value in metrics.items():
                if value is not None:
                    writer.add_scalar(name, value, step)

    def __enter__(self) -> Self:
        self.hook, threading.excepthook = threading.excepthook, self.ignore_os_error
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
        threading.excepthook = self.hook

    def ignore_os_error(self, raised: threading.ExceptHookArgs) -> None:
        """Silences the writing thread's OSError: the next call of a method above fails with it, and warns."""
        if not isinstance(raised.exc_value, OSError):
            self.hook(raised)


def run_name(args: Namespace) -> str:
    """The name of the run's folder, unless that is taken: "run_rope-fast-s0", or "run_rope-fast-scratch-s0" for finetuning
    without pretraining; --tb_expt_name, the handouts' flag, comes first."""
    from_scratch = args.function == "finetune" and not args.reading_params_path
    return f"{args.tb_expt_name}_{args.variant}-{args.recipe}{'-scratch' * from_scratch}-s{args.seed}"


def open_writer(args: Namespace, before: dict[str, Any], steps: int) -> tuple[RobustWriter, dict[str, str]]:
    """The run's writer; and its folder and owner, which the run's checkpoints keep as "tensorboard", to find it again.

    A new run gets a new folder below expt/. A run that is resumed after `steps` steps, from a checkpoint of the run `before`,
    continues in its own, where entries of later steps are hidden.
    Raises InputError when TensorBoard's log cannot be written.
    """
    parent, params = os.path.join("expt", args.function), json.dumps(os.path.abspath(args.writing_params_path))
    own, purge_step = before.get("tensorboard"), steps + 1
    try:
        if not is_own(parent, own, params):
            own = {"folder": new_folder(parent, run_name(args)), "owner": f"{uuid.uuid4().hex} writes {params}"}
            Path(parent, own["folder"], OWNER).write_text(own["owner"])
            purge_step = None
        return RobustWriter(os.path.join(parent, own["folder"]), purge_step=purge_step), own
    except OSError as error:
        raise InputError(f"expt: the TensorBoard log cannot be written there: {error.strerror}") from error


def new_folder(parent: str, name: str) -> str:
    """Makes a folder in `parent` that nobody has: `name`, or if that is taken `name`-2, and so on. Returns its name."""
    os.makedirs(parent, exist_ok=True)
    for number in itertools.count(1):
        candidate = name if number == 1 else f"{name}-{number}"
        with contextlib.suppress(FileExistsError):
            os.mkdir(os.path.join(parent, candidate))
            return candidate


def is_own(parent: str, own: object, params: str) -> bool:
    """Whether `own` names a folder in `parent` and its owner, and that writes `params`: another run's checkpoint may have
    been copied. The names may be from a hostile file."""
    folder, owner = (own.get("folder"), own.get("owner")) if isinstance(own, dict) else (None, None)
    if not isinstance(folder, str) or not isinstance(owner, str) or os.path.basename(folder) != folder:
        return False
    try:
        return owner.endswith(f" writes {params}") and Path(parent, folder, OWNER).read_text() == owner
    except (OSError, ValueError):
        return False
