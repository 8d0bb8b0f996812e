"""Speed and memory on a CPU, relative to the textbook code, and how they grow with the size of things.

    python bench.py [train|decode|data|growth|all] [--variant VARIANT] [--recipe handout|fast] [--steps 20] [--json FILE]
                    [--against FILE]

A speed is the median of `--steps` repetitions, with quartiles. Each repetition alternates with one of the textbook code
(tests/textbook.py: every example padded to the block, float32, explicit softmax, PyTorch's dropout of 0.1, AdamW, one
question answered at a time), so that other load on the machine affects both. Training follows the recipe, on its
examples; the textbook gets the same ones. The textbook trains in a process of its own, in which the C library has its
default settings (see `devices.keep_freed_memory`). Run nothing else meanwhile.

`--against` compares with what `--json` has written before: each median, and its ratio to the textbook's, which depends less on how
fast the machine is today.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

ROOT = Path(__file__).resolve().parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from textbook import TextbookGPT, answer

from cloze import MixedDataset
from dataset import CharCorruptionDataset, NameDataset, shift
from engine.cli import Parser, bounded, run_main
from engine.devices import choose_dtype
from engine.files import InputError, check_writable, find_corpus, read_text, warn, write_lines
from engine.sizes import Sizes
from engine.training import build_dataset
from generation import generate
from model import GPT, GPTConfig
from questions import encode_question, read_questions
from recipe import RECIPES, Phase
from trainer import Batches, Trainer, TrainerConfig
from utils import set_seed
from variants import VARIANTS
from vocabulary import MASK, PAD

results: list[dict] = []


def corpus() -> CharCorruptionDataset:
    return CharCorruptionDataset(read_text(find_corpus("wiki.txt")), Sizes.block_size)


def questions(data: CharCorruptionDataset) -> NameDataset:
    return NameDataset(data, read_text(find_corpus("birth_places_train.tsv")))


def work_of(recipe: str, data: CharCorruptionDataset) -> dict[str, tuple[Phase, Dataset]]:
    """The phases of a recipe and their training data."""
    pretrain, finetune = RECIPES[recipe].pretrain, RECIPES[recipe].finetune
    return {
        "pretraining": (pretrain, build_dataset(pretrain, data)),
        "finetuning": (finetune, build_dataset(finetune, data, questions(data))),
    }


def shape(
    variant: str, vocab_size: int, block_size: int = Sizes.block_size, dropout: float = 0.1, **kw: int
) -> GPTConfig:
    kw |= dict.fromkeys(("embd_pdrop", "resid_pdrop", "attn_pdrop"), dropout)
    return GPTConfig(vocab_size, block_size, variant=variant, **kw)


def seconds(work: Callable[..., object], *args: object) -> float:
    started = time.perf_counter()
    work(*args)
    return time.perf_counter() - started


def report(row: str, rates: list[float], unit: str, reference: list[float] | None = None, **more: float) -> None:
    """A line of the table: the median of `rates` with quartiles, and the ratio of medians to the reference."""
    low, median, high = np.percentile(rates, [25, 50, 75])
    result = {"row": row, "unit": unit, "median": median, "low": low, "high": high, "repetitions": len(rates)} | more
    line = f"{row:44} {median:12,.1f} {unit:10} ({low:,.1f} … {high:,.1f})"
    if reference is not None:
        result["ratio"] = median / np.median(reference)
        line += f"  {result['ratio']:6.1f} x"
    print(line + "".join(f"  {name} {value:,.2f}" for name, value in more.items()), flush=True)
    results.append(result)


# ---------------------------------------------------------------------------------------------------------------------
# Training


def our_steps(model: GPT, dataset: Dataset, phase: Phase, dtype: str) -> Iterator[tuple[float, int]]:
    """Seconds and useful tokens of one training step after the other, the making of the batch included."""
    settings = TrainerConfig(
        learning_rate=phase.lr, muon_lr=phase.muon_lr, weight_decay=phase.weight_decay, dtype=dtype, device="cpu"
    )
    trainer = Trainer(model, dataset, None, settings)
    trainer.model.train()
    batches = Batches(dataset, phase.batch_size, 10**6, seed=0)
    for step in range(len(batches)):
        before = trainer.tokens
        yield seconds(lambda step: trainer.step(batches[step]), step), trainer.tokens - before


def textbook_steps(model: TextbookGPT, dataset: Dataset, batch_size: int) -> Iterator[tuple[float, int]]:
    """The same for the textbook's step."""

    def rows(indices: np.ndarray) -> Iterator[torch.Tensor]:
        if isinstance(dataset, MixedDataset):  # which has no single examples
            return iter(dataset.examples(indices, rng)[:2])
        return (torch.stack(part) for part in zip(*(dataset[int(i)] for i in indices)))

    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=False)
    rng = np.random.default_rng(0)
    while True:
        indices = rng.permutation(len(dataset))[:batch_size]

        def step(indices: np.ndarray) -> None:
            nonlocal y
            x, y = rows(indices)
            _, loss = model(x, y)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()

        y = torch.empty(0)
        taken = seconds(step, indices)
        # The last character of an example is never looked at, unless it is the target of the one before.
        yield taken, int(((y != PAD).flip(1).cumsum(1) > 0).sum())


def textbook_elsewhere(config: GPTConfig, recipe: str, work: str) -> Iterator[tuple[float, int]]:
    """`textbook_steps` in another process, which waits between the steps."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=serve_textbook, args=(theirs, config, recipe, work), daemon=True)
    child.start()
    try:
        while True:
            ours.send("next")
            yield ours.recv()
    finally:
        child.terminate()


def serve_textbook(connection: Connection, config: GPTConfig, recipe: str, work: str) -> None:
    set_seed(0)
    phase, dataset = work_of(recipe, corpus())[work]
    steps = textbook_steps(TextbookGPT(config), dataset, phase.batch_size)
    while connection.recv():
        connection.send(next(steps))


def matrix_peak(model: GPT, dtype: torch.dtype, tokens: float, muon: bool) -> float:
    """Tokens a second if a training step of `tokens` tokens consisted of its matrix products alone: those of the layers,
    forward and (two each) backward, for a micro-batch, with attention in rows as long as the block; and those of Muon."""
    config, T, part = model.config, model.config.block_size, 4096
    C, head, batch = config.n_embd, config.n_embd // config.n_head, (part // T * config.n_head,)
    first = 2 * C if config.synthesizer else 3 * C
    linear = [((), part, a, b) for a, b in [(C, first), (C, C), (C, 4 * C), (4 * C, C)]]
    attention = [(batch, T, head, T), (batch, T, T, head)]
    taken = 0.0

    def add(times: float, *pairs: tuple[torch.Tensor, torch.Tensor]) -> None:
        nonlocal taken
        for x, w in pairs:
            taken += times * np.median([seconds(torch.matmul, x, w) for _ in range(12)][2:])

    shapes = Counter((linear + attention) * config.n_layer + [((), part, C, config.vocab_size)])
    for (batch, n, a, b), times in shapes.items():
        x, w, g = (torch.randn(*batch, *size, dtype=dtype) for size in ((n, a), (a, b), (n, b)))
        add(times * tokens / part, (x, w), (g, w.mT), (x.mT, g))
    weights = Counter(tuple(sorted(a.weight.shape)) for a in model.blocks.modules() if isinstance(a, torch.nn.Linear))
    for (rows, columns), matrices in weights.items() if muon else ():
        x = torch.randn(matrices, rows, columns, dtype=dtype)
        square = x @ x.mT
        add(5, (x, x.mT), (square, square), (square, x))
    return tokens / taken


def memory_of(what: str, variant: str, recipe: str) -> float:
    """Peak resident memory of a process that takes three steps of pretraining, in MB."""
    command = [sys.executable, str(Path(__file__).resolve()), "memory", "--variant", variant, "--whose", what]
    command += ["--recipe", recipe]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def peak_memory(what: str, variant: str, recipe: str) -> None:
    """Run in a process of its own by `memory_of`."""
    import resource

    data = corpus()
    phase, dataset = work_of(recipe, data)["pretraining"]
    if what == "textbook":
        steps = textbook_steps(TextbookGPT(shape(variant, data.vocab_size)), dataset, phase.batch_size)
    else:
        steps = our_steps(GPT(shape(variant, data.vocab_size, dropout=phase.dropout)), dataset, phase, "auto")
    for _ in range(3):
        next(steps)
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would say how large the parent was, which on Linux a child inherits
        print(int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text()).group(1)) / 2**10)
    else:
        scale = 2**20 if sys.platform == "darwin" else 2**10
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale)


def bench_training(variants: list[str], recipe: str, steps: int) -> None:
    data = corpus()
    works = work_of(recipe, data)
    for variant in variants:
        for work, (phase, dataset) in works.items():
            set_seed(0)
            config = shape(variant, data.vocab_size, dropout=phase.dropout)
            runs = {
                "textbook": textbook_elsewhere(shape(variant, data.vocab_size), recipe, work),
                "float32": our_steps(GPT(config), dataset, phase, "float32"),
                "auto": our_steps(GPT(config), dataset, phase, "auto"),
            }
            rates: dict[str, list[float]] = {name: [] for name in runs}
            dtypes = {name: choose_dtype(name, torch.device("cpu")) for name in ("float32", "auto")}
            peaks: dict[str, list[float]] = {name: [] for name in dtypes}
            model, sizes = GPT(config), []
            for repetition in range(steps + 2):
                for name, run in runs.items():
                    taken, tokens = next(run)
                    if repetition >= 2:  # the first ones set things up
                        rates[name].append(tokens / taken)
                        sizes.append(tokens)
                if repetition % 5 == 2:  # now and then, because the machine is not always equally fast
                    for name, dtype in dtypes.items():
                        peaks[name].append(matrix_peak(model, dtype, np.mean(sizes), phase.muon_lr > 0))
            report(f"{work} {variant}, textbook", rates["textbook"], "tokens/s")
            for name, dtype in dtypes.items():
                share = np.median(rates[name]) / np.median(peaks[name])
                row = f"{work} {variant}, {name} ({str(dtype).removeprefix('torch.')})"
                report(row, rates[name], "tokens/s", rates["textbook"], share_of_peak=share)
        ours, textbook = memory_of("ours", variant, recipe), memory_of("textbook", variant, recipe)
        report(f"peak memory {variant}", [ours], "MB", [textbook])
    with tempfile.TemporaryDirectory() as folder:
        text = "\n".join(data.data[:128])
        Path(folder, "wiki.txt").write_text(text, encoding="utf-8")
        command = [sys.executable, str(ROOT / "src" / "run.py"), "pretrain", "vanilla", "wiki.txt"]
        command += ["--writing_params_path", "x.params", "--max_epochs", "1", "--recipe", recipe, "--overwrite"]
        taken = [
            seconds(lambda: subprocess.run(command, cwd=folder, check=True, capture_output=True)) for _ in range(5)
        ]
    report("start of run.py to the end of the first step", taken, "s")


# ---------------------------------------------------------------------------------------------------------------------
# Decoding, data, growth


def one_at_a_time(model: TextbookGPT, prompts: list[list[int]]) -> None:
    for prompt in prompts:
        answer(model, prompt)


def bench_decoding(variants: list[str], steps: int) -> None:
    data = corpus()
    phase, names = Phase(epochs=1, batch_size=128, lr=1e-3), questions(data)
    asked, _ = read_questions(find_corpus("birth_dev.tsv"))
    prompts = [encode_question(question, data.stoi, data.block_size, "") for question in asked]
    for variant in variants:
        set_seed(0)
        model = GPT(shape(variant, data.vocab_size))
        learning = our_steps(model, names, phase, "auto")
        for _ in range(150):  # until answers have an end
            next(learning)
        textbook = TextbookGPT(model.config)
        textbook.load_state_dict(model.state_dict(), strict=False)  # it times a variant that it lacks as vanilla
        ours, theirs = [], []
        for repetition in range(min(steps, len(prompts) // 10)):
            some = prompts[repetition * 10 :][:10]  # the textbook takes a tenth of a second and more for each
            theirs.append(len(some) / seconds(one_at_a_time, textbook, some))
            ours.append(len(prompts) / seconds(generate, model, prompts, 32, MASK))
        report(f"decoding {variant}, textbook", theirs, "questions/s")
        report(f"decoding {variant}", ours, "questions/s", theirs)


def bench_data(steps: int) -> None:
    data = corpus()
    batches = Batches(data, 128, 10**6, seed=0)
    report("a batch of 128, corrupted and packed", [1e3 * seconds(batches.__getitem__, i) for i in range(steps)], "ms")
    one_by_one = [1e3 * seconds(lambda: [data[i] for i in range(128)]) for _ in range(steps)]
    report("128 examples one by one", one_by_one, "ms")
    rows = shift(data.corrupt(np.arange(128), np.random.default_rng(0)))[1]
    report("share of padding in a batch, padded", [float((rows == PAD).float().mean())], "")
    report("share of padding in a batch, packed", [float((batches[0][1] == PAD).float().mean())], "")
    for documents in (10**3, 10**4, 10**5, 10**6):
        text = "\n".join(data.data[i % len(data)] for i in range(documents))
        started = time.perf_counter()
        loaded = CharCorruptionDataset(text, 128)
        report(f"loading {documents:,} documents", [time.perf_counter() - started], "s", mb=loaded.tokens.nbytes / 1e6)
        batches = Batches(loaded, 128, 1, seed=0)
        times = [1e3 * seconds(batches.__getitem__, i) for i in range(7)][1:]
        report(f"a batch of 128 out of {documents:,}", times, "ms")


def bench_growth(variants: list[str], steps: int) -> None:
    """Of the handouts' span corruption."""
    data, variant = corpus(), variants[0]
    for name, values in {"batch": (32, 64, 128, 256, 512), "block_size": (128, 256, 512, 1024), "n_embd": (128, 256, 512)}.items():  # fmt: skip
        for value in values:
            block_size = value if name == "block_size" else 128
            grown = data
            if block_size > 128:  # documents long enough to fill it
                lines = [" ".join(data.data[i : i + 8]) for i in range(0, len(data), 8)]
                grown = CharCorruptionDataset("\n".join(lines), block_size)
            width = {"n_embd": value} if name == "n_embd" else {}
            phase = Phase(epochs=1, batch_size=value if name == "batch" else 128 * 128 // block_size, lr=1e-3)
            run = our_steps(GPT(shape(variant, grown.vocab_size, block_size, **width)), grown, phase, "auto")
            rates = [tokens / taken for taken, tokens in (next(run) for _ in range(steps // 2 + 2))][2:]
            report(f"pretraining {variant}, {name} {value}", rates, "tokens/s")


def read_saved(path: str) -> dict[str, Any]:
    """What --json has written. Raises InputError when the file is something else."""
    text = read_text(path)
    try:
        saved = json.loads(text)
        rows = {each["row"]: (float(each["median"]), each.get("ratio")) for each in saved["results"]}
        return {"machine": dict(saved["machine"]), "rows": rows}
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: was not written by bench.py --json") from error


def compare(path: str, saved: dict[str, Any], machine: dict[str, Any]) -> None:
    """Prints each result as a multiple of the saved one of the same name, and warns when the machines differ."""
    if other := {name: value for name, value in saved["machine"].items() if machine.get(name) != value}:
        warn(f"{path}: was measured with " + ", ".join(f"{name} {value}" for name, value in other.items()))
    print(f"\n{'relative to ' + path:44} {'median':>12} {'ratio to the textbook':>24}")
    for result in results:
        if result["row"] in saved["rows"]:
            median, ratio = saved["rows"][result["row"]]
            relative = f"{result['ratio'] / ratio:22.2f} x" if ratio and "ratio" in result else ""
            print(f"{result['row']:44} {result['median'] / median if median else 1.0:10.2f} x {relative:>24}".rstrip())
    if not {result["row"] for result in results} & saved["rows"].keys():
        warn(f"{path}: has none of these measurements")


def main() -> None:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "what", nargs="?", default="all", choices=["train", "decode", "data", "growth", "all", "memory"]
    )
    parser.add_argument("--variant", choices=VARIANTS, help="default: all of them")
    parser.add_argument("--recipe", choices=list(RECIPES), default="fast", help="to train by, default %(default)s")
    parser.add_argument(
        "--steps", type=bounded(int, 1), default=20, help="repetitions of a measurement, default %(default)s"
    )
    parser.add_argument("--json", metavar="FILE", help="write the measurements there, too")
    parser.add_argument(
        "--against", metavar="FILE", help="compare with the measurements of this file, written by --json"
    )
    parser.add_argument("--whose", choices=["ours", "textbook"], default="ours", help="for `memory` alone")
    args = parser.parse_args()
    if args.json is not None:
        check_writable(args.json)
    saved = None if args.against is None else read_saved(args.against)
    variants = [args.variant] if args.variant else list(VARIANTS)
    if args.what == "memory":
        peak_memory(args.whose, variants[0], args.recipe)
        return
    machine = {
        "processor": torch.cpu.get_capabilities().get("cpu_name", platform.processor()),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "recipe": args.recipe,
        "python": platform.python_version(),
    }
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    if args.what in ("train", "all"):
        bench_training(variants, args.recipe, args.steps)
    if args.what in ("decode", "all"):
        bench_decoding(variants, args.steps)
    if args.what in ("data", "all"):
        bench_data(args.steps)
    if args.what in ("growth", "all"):
        bench_growth(variants, args.steps)
    if args.json is not None:
        write_lines(args.json, [json.dumps({"machine": machine, "results": results}, indent=1)])
    if saved:
        compare(args.against, saved, machine)


if __name__ == "__main__":
    run_main(main)
