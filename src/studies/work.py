"""One run of a study: makes its world, trains, asks, and writes a result. What was interrupted goes on."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

from engine.files import ROOT, InputError, read_text, write_atomically, write_lines
from replicate import make_folder, train
from studies.measure import REVERSAL, measure, read_facts
from studies.plan import LARGE, Run, World

SCRIPT = ROOT / "data" / "make_study_world.py"
VARIANT = "rope"


def result_path(out: Path, run: Run) -> Path:
    """Where the result of a run is written."""
    return out / "results" / run.file


def make_world(out: Path, world: World, seed: int) -> Path:
    """The folder of a world, which is made unless it is there. Two processes may make it at the same time.

    Raises InputError with the last line of the generator's error output if that fails.
    """
    folder = out / "worlds" / world.folder(seed)
    if folder.exists():
        return folder
    make_folder(folder.parent)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".") as temporary:
        made = Path(temporary, "world")
        command = [sys.executable, str(SCRIPT), *world.flags(seed), "--out", str(made)]
        done = subprocess.run(command, stderr=subprocess.PIPE, encoding="utf-8", check=False)
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise InputError(f"the world could not be made: {lines[-1].partition('error: ')[2] or lines[-1]}")
        with contextlib.suppress(OSError):  # another process has been faster
            made.rename(folder)
    return folder


def write_questions(path: Path, world: Path, reversal: bool) -> None:
    """Writes the questions of finetuning."""
    known = [f for f in read_facts(world) if f.split == "train" and (reversal or f.relation != REVERSAL)]
    write_lines(path, [f"{fact.question}\t{fact.answer}" for fact in known])


def train_model(
    run: Run, folder: Path, corpus: Path, questions: Path, name: str, **flags: object
) -> tuple[Path, list[dict[str, Any]]]:
    """Pretrains and finetunes; returns the parameters, and the metadata of both. `flags` are for pretraining."""
    reading, size = run.point.reading, run.point.size
    device = None if run.form == LARGE else "cpu"  # the large form takes the GPU if there is one
    shared = {"seed": run.seed, "recipe": reading.recipe, "device": device, "tb_expt_name": name}
    if "reading_params_path" not in flags:
        flags |= {"n_layer": size.n_layer, "n_head": size.n_head, "n_embd": size.n_embd}
    first, second = folder / f"{name}.pretrain.params", folder / f"{name}.finetune.params"
    made = train("pretrain", VARIANT, corpus, path=first, batch_size=reading.pretrain_batch,
                 max_epochs=reading.pretrain_epochs(run.point.world), **shared, **flags)  # fmt: skip
    asked = train("finetune", VARIANT, corpus, path=second, reading_params_path=first, finetune_corpus_path=questions,
                  batch_size=reading.finetune_batch, max_epochs=reading.finetune_epochs, views=reading.views,
                  unasked_weight=1, **shared)  # fmt: skip
    return second, [made, asked]


def mixed_corpus(path: Path, new: Path, old: Path, share: float, seed: int) -> Path:
    """Writes the documents of one corpus and a share of those of another, chosen by the seed; returns the path."""
    rng = Random(seed)
    again = [line for line in read_text(old / "wiki.txt").split("\n") if rng.random() < share]
    write_atomically(path, "\n".join([*read_text(new / "wiki.txt").split("\n"), *again]).encode())
    return path


def carry_out(run: Run, out: Path, folder: Path) -> dict[str, Any]:
    """Trains and measures; returns what a result has beside its settings. Everything is written below `folder`."""
    point = run.point
    world = make_world(out, point.world, run.seed)
    corpus, questions, flags = world / "wiki.txt", folder / "questions.tsv", {}
    write_questions(questions, world, point.world.reversal)
    if point.replay is not None:  # the second world has other characters
        second = make_world(out, point.world, run.seed + 1000)
        both = set(read_text(corpus) + read_text(second / "wiki.txt")) - {"\n"}
        flags = {"add_symbols": "".join(sorted(both))}
    params, phases = train_model(run, folder, corpus, questions, "first", **flags)
    stage = "first" if point.replay is None else "before"
    found = measure(VARIANT, corpus, params, world, stage, point.world.reversal)
    if point.replay is not None:
        corpus = mixed_corpus(folder / "second.txt", second, world, point.replay, run.seed)
        write_questions(questions_2 := folder / "questions.second.tsv", second, point.world.reversal)
        params, more = train_model(run, folder, corpus, questions_2, "second", reading_params_path=params)
        phases += more
        for stage, asked in (("after", world), ("second", second)):
            found["rows"] += measure(VARIANT, corpus, params, asked, stage, point.world.reversal)["rows"]
    return found | {
        "tokens": sum(phase["tokens"] for phase in phases),
        "minutes": round(sum(phase["seconds"] for phase in phases) / 60, 2),
        "loss": [round(float(phase["loss"]), 4) for phase in phases],
        "commit": phases[0]["versions"]["commit"],
        "machine": phases[0]["machine"],
    }


def do(run: Run, out: Path) -> Path:
    """Does a run whose result is missing, in a folder of its own, which is removed at the end. Returns the path of the
    result."""
    path, folder = result_path(out, run), out.resolve() / "runs" / run.key
    make_folder(folder)
    make_folder(path.parent)
    start, before = time.time(), os.getcwd()
    os.chdir(folder)  # TensorBoard's curves are written into the current folder
    try:
        found = carry_out(run, out.resolve(), folder)
    finally:
        os.chdir(before)
    text = json.dumps({"key": run.key, "settings": run.settings()} | found | {"wall_minutes": round(
        (time.time() - start) / 60, 2)}, indent=1)  # fmt: skip
    write_atomically(path, (text + "\n").encode())
    shutil.rmtree(folder, ignore_errors=True)
    return path


def command(run: Run, out: Path) -> list[str]:
    """The command that does one run."""
    return [
        sys.executable,
        str(ROOT / "src" / "study.py"),
        run.study,
        f"--{run.form}",
        "--out",
        str(out),
        "--only",
        run.key,
    ]
