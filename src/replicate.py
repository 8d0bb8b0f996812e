"""How well do the variants learn, and is it chance? Runs with several seeds, and a table of what came out.

    python src/replicate.py DATA --out RUNS [--variants rope vanilla synthesizer none] [--seeds 0 1 2]
                            [--recipe fast|handout] [--pretrain_epochs N] [--finetune_epochs N]

DATA is a folder with the course's files, or with a world of data/make_world.py. For each seed of each variant the
handouts' commands are run, and printed: pretrain, finetune, evaluate. Each run has a folder of its own in RUNS, with a
report on the dev questions and the answers to the test's. `none` is vanilla without pretraining. Where DATA has
unseen.tsv, the dev people are also asked about together with people without a document: does the model know whom it has
read about? The same command goes on with what was interrupted, and skips what is done. The table is in RUNS/results.md.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import run
from recipe import RECIPES
from report import read_json
from state import digest, has_state, read_record, record_path, state_path
from utils import InputError, Parser, read_text, run_main, write_atomically

VARIANTS = ("rope", "vanilla", "synthesizer", "none")
HEADER = ("variant", "recipe", "seeds", "right of dev", "lowest to highest", "AUROC", "at 90 % precision",
          "nearest name's", "right of unseen", "AUROC seen", "million tokens", "minutes", "commit")  # fmt: skip


def step(done: Path | str, function: str, variant: str, corpus: Path, **flags: object) -> None:
    """One command of run.py, unless `done`, which it writes last, is there already. What was interrupted goes on."""
    argv = [function, variant, str(corpus)]
    argv += [part for name, value in flags.items() if value is not None for part in (f"--{name}", str(value))]
    if "writing_params_path" in flags and has_state(state_path(str(flags["writing_params_path"]))):
        argv.append("--resume")
    print("$ python src/run.py", shlex.join(argv), flush=True)
    if Path(done).exists():
        print(f"{done} is there already", flush=True)
    else:
        run.main(argv)


def train(
    variant: str, data: Path, folder: Path, seed: int, recipe: str, pretrain_epochs: int | None,
    finetune_epochs: int | None,
) -> list[str]:  # fmt: skip
    """Pretrains and finetunes; returns the paths of the parameters, the finetuned last.

    Raises InputError when there are parameters in the folder that were made from other files.
    """
    corpus, questions = data / "wiki.txt", data / "birth_places_train.tsv"
    shared = {"seed": seed, "recipe": recipe, "tb_expt_name": folder.name}
    pretrained, finetuned = str(folder / "pretrain.params"), str(folder / "finetune.params")
    for path in (pretrained, finetuned):
        made_from = (read_record(path) or {}).get("data", {}).get("pretrain_corpus_path")
        if made_from and made_from != digest(corpus):
            raise InputError(f"{path}: was not made from {corpus}; name another folder with --out")
    if variant == "none":
        step(record_path(finetuned), "finetune", "vanilla", corpus, writing_params_path=finetuned,
             finetune_corpus_path=questions, **shared)  # fmt: skip
        return [finetuned]
    step(record_path(pretrained), "pretrain", variant, corpus, writing_params_path=pretrained,
         max_epochs=pretrain_epochs, **shared)  # fmt: skip
    step(record_path(finetuned), "finetune", variant, corpus, reading_params_path=pretrained,
         writing_params_path=finetuned, finetune_corpus_path=questions, max_epochs=finetune_epochs,
         **shared)  # fmt: skip
    return [pretrained, finetuned]


def ask(variant: str, data: Path, folder: Path, params: str) -> dict[str, dict[str, Any]]:
    """Answers all questions that there are; returns the reports, by name."""
    variant = "vanilla" if variant == "none" else variant
    reports = {"dev": data / "birth_dev.tsv"}
    if (data / "unseen.tsv").exists():
        reports["dev and unseen"] = folder / "dev_and_unseen.tsv"
        both = read_text(data / "birth_dev.tsv").rstrip("\n") + "\n" + read_text(data / "unseen.tsv")
        write_atomically(reports["dev and unseen"], both.encode())
    made = {}
    for name, questions in reports.items():
        report = folder / name.replace(" ", "_")
        step(report / "report.html", "evaluate", variant, data / "wiki.txt", reading_params_path=params,
             eval_corpus_path=questions, outputs_path=f"{report}.predictions", report_path=report,
             finetune_corpus_path=data / "birth_places_train.tsv")  # fmt: skip
        made[name] = read_json(report / "report.json")
    if (data / "birth_test_inputs.tsv").exists():
        answers = folder / "test.predictions"
        step(answers, "evaluate", variant, data / "wiki.txt", reading_params_path=params,
             eval_corpus_path=data / "birth_test_inputs.tsv", outputs_path=answers)  # fmt: skip
    return made


def row_of(variant: str, recipe: str, runs: Sequence[tuple[list[dict], dict[str, dict]]]) -> list[str]:
    """A row of the table: means over the runs, each of which is the records of its parameters and its reports."""

    def average(numbers: Sequence[float | None], form: str) -> str:
        known = [number for number in numbers if number is not None]
        return format(mean(known), form).replace("%", " %") if known else "-"

    def area(name: str, which: str) -> list[float | None]:
        return [made.get(name, {}).get("auroc", {}).get(which) for _, made in runs]

    right = [made["dev"]["accuracy"]["accuracy"] for _, made in runs]
    answered = [made["dev"]["answerable"] for _, made in runs]
    nearest = [made["dev"].get("nearest", {}).get("share") for _, made in runs]
    groups = [group for _, made in runs for group in made.get("dev and unseen", {}).get("by", {}).get("seen", ())]
    commits = {(record["versions"]["commit"] or "-")[:7] for records, _ in runs for record in records}
    return [
        variant,
        recipe,
        str(len(runs)),
        average(right, ".1%"),
        f"{100 * min(right):.1f} to {100 * max(right):.1f} %",
        average(area("dev", "right"), ".2f"),
        f"{mean(found['answered'] for found in answered):.0f} of {answered[0]['of']}",
        average(nearest, ".1%"),
        average([group["accuracy"] for group in groups if group["group"] == "no"], ".1%"),
        average(area("dev and unseen", "seen"), ".2f"),
        average([sum(record["tokens"] for record in records) / 1e6 for records, _ in runs], ".1f"),
        average([sum(record["seconds"] for record in records) / 60 for records, _ in runs], ".0f"),
        " ".join(sorted(commits)),
    ]


def main(argv: list[str] | None = None) -> None:
    parser = Parser(prog="replicate.py", description="Run several seeds of several variants, and compare them.")
    parser.add_argument("data", type=Path, metavar="DATA", help="folder of wiki.txt and the questions")
    parser.add_argument("--out", type=Path, required=True, metavar="RUNS", help="folder of the runs and the table")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=VARIANTS[:3], metavar="V",
                        help="of rope, vanilla, synthesizer and none, which is vanilla without pretraining; default: "
                        "the first three")  # fmt: skip
    parser.add_argument("--seeds", nargs="+", type=run.number(int, 0, 2**32 - 1), default=[0, 1, 2], metavar="N",
                        help="default 0 1 2")  # fmt: skip
    parser.add_argument("--recipe", choices=list(RECIPES), default="fast", help="default %(default)s")
    for phase in ("pretrain", "finetune"):
        parser.add_argument(f"--{phase}_epochs", type=run.number(int, 1, 10**9), metavar="N",
                            help="instead of the recipe's (which `none` keeps)")  # fmt: skip
    args = parser.parse_args(argv)

    passes = (args.pretrain_epochs, args.finetune_epochs)
    recipe = args.recipe + ("" if passes == (None, None) else " {}+{}".format(*(n or "all" for n in passes)))
    table = []
    for variant in dict.fromkeys(args.variants):
        runs = []
        for seed in dict.fromkeys(args.seeds):
            own = args.recipe if variant == "none" else recipe
            folder = args.out / f"{variant}.{own.replace(' ', '.')}.{seed}"
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(f"{folder}: the folder cannot be made: {error.strerror}") from error
            params = train(variant, args.data, folder, seed, args.recipe, *passes)
            reports = ask(variant, args.data, folder, params[-1])
            records = [read_record(path) for path in params]
            if None in records:
                path = params[records.index(None)]
                raise InputError(f"{path}: does not belong to {record_path(path)}; remove both, to train again")
            runs.append((records, reports))
        table.append(row_of(variant, own, runs))
    lines = ["| " + " | ".join(cells) + " |" for cells in (HEADER, ["---"] * len(HEADER), *table)]
    print("", *lines, sep="\n")
    write_atomically(args.out / "results.md", ("\n".join(lines) + "\n").encode())


if __name__ == "__main__":
    run_main(main)
