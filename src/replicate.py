"""How well do the variants learn, and is it chance? Runs with several seeds, and a table of what came out.

    python src/replicate.py DATA --out RUNS [--variants rope vanilla synthesizer none] [--seeds 0 1 2]
                            [--recipe fast|handout] [--pretrain_epochs N] [--finetune_epochs N]

DATA is a folder with the course's files, or with a world of data/make_world.py. For each seed of each variant the
handouts' commands are run, and printed: pretrain, finetune, evaluate. Each run has a folder of its own in RUNS, with a
report on the dev questions and the answers to the test's. `none` is vanilla without pretraining. Where DATA has
unseen.tsv, the dev people are also asked about together with people without a document: does the model know whom it has
read about? The same command again goes on with what was interrupted, and does not repeat what is done. Two commands may
run side by side if they have different variants or seeds.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import run
from evaluation.report import read_report
from recipe import RECIPES
from state import has_state, read_record, record_path, remove_state, state_path
from utils import InputError, Parser, describe, read_questions, read_text, run_main, write_atomically

VARIANTS = ("rope", "vanilla", "synthesizer", "none")
HEADER = ("variant", "recipe", "seeds", "right of dev", "lowest to highest", "AUROC", "at 90 % precision",
          "nearest name's", "right of unseen", "AUROC seen", "million tokens", "minutes", "commit")  # fmt: skip


def words(function: str, variant: str, corpus: Path, **flags: object) -> list[str]:
    """A command line of run.py. A flag that is None is left out, and one that is True has no value."""
    argv = [function, variant, str(corpus)]
    for name, value in flags.items():
        argv += [] if value is None else [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return argv


def command(*what: object, **flags: object) -> None:
    """Runs a command of run.py, and prints it."""
    argv = words(*what, **flags)
    print("$ python src/run.py", shlex.join(argv), flush=True)
    try:
        run.main(argv)
    except SystemExit as end:
        if end.code in (130, 143):  # it has said to add --resume
            print(f"{Path(sys.argv[0]).name}: given again, this command goes on by itself", file=sys.stderr)
        raise


def train(*what: object, path: Path, **flags: object) -> dict[str, Any]:
    """Trains by a command of run.py, unless that is done; an interrupted run goes on. Returns the record of the
    parameters at `path`. Raises InputError when these were made in another way."""
    state, flags = state_path(str(path)), flags | {"writing_params_path": path}
    if has_state(state) and not read_record(str(path)):
        command(*what, **flags, resume=True)
    elif path.exists():
        print(f"{path} is there already", flush=True)
        remove_state(state)
    else:
        command(*what, **flags)
    record, about = read_record(str(path)), record_path(str(path))
    if record is None:
        raise InputError(f"{path}: does not belong to {about}; remove both, to train again")
    for name, value in run.asked_for(run.parse_args(words(*what, **flags))).items():
        if record.get(name) != value:
            raise InputError(f"{path}: was made with another {name}; remove it and {about}, to train again")
    return record


def ask(variant: str, data: Path, folder: Path, params: Path) -> dict[str, dict[str, Any]]:
    """Answers all questions that there are; returns the reports, by name. A report that fits is not made again."""
    corpus, known = data / "wiki.txt", data / "birth_places_train.tsv"
    asked = {"dev": data / "birth_dev.tsv"}
    if (data / "unseen.tsv").exists():
        asked["dev_and_unseen"] = folder / "dev_and_unseen.tsv"
        both = read_text(data / "birth_dev.tsv").rstrip("\n") + "\n" + read_text(data / "unseen.tsv")
        write_atomically(asked["dev_and_unseen"], both.encode())
    reports = {}
    for name, questions in asked.items():
        path = folder / name / "report.json"
        made_from = {describe(file) for file in (corpus, known, questions, params)}
        if not path.exists() or not made_from <= {*map(str, read_report(path).get("about", {}).values())}:
            command("evaluate", variant, corpus, reading_params_path=params, eval_corpus_path=questions,
                    outputs_path=folder / f"{name}.predictions", report_path=folder / name,
                    finetune_corpus_path=known)  # fmt: skip
        reports[name] = read_report(path)
    if (data / "birth_test_inputs.tsv").exists():
        command("evaluate", variant, corpus, reading_params_path=params,
                eval_corpus_path=data / "birth_test_inputs.tsv", outputs_path=folder / "test.predictions")  # fmt: skip
    return reports


def row_of(variant: str, recipe: str, runs: Sequence[tuple[list[dict], dict[str, dict]]]) -> list[str]:
    """A row of the table: means over the runs, each of which is the records of its parameters and its reports. What one
    of them lacks is left open."""

    def average(numbers: Sequence[float | None], form: str) -> str:
        return "-" if None in numbers or not numbers else format(mean(numbers), form).replace("%", " %")

    def area(name: str, which: str) -> list[float | None]:
        return [reports.get(name, {}).get("auroc", {}).get(which) for _, reports in runs]

    right = [reports["dev"]["accuracy"]["accuracy"] for _, reports in runs]
    answerable = [reports["dev"]["answerable"] for _, reports in runs]
    nearest = [reports["dev"].get("nearest", {}).get("share") for _, reports in runs]
    groups = [
        group for _, reports in runs for group in reports.get("dev_and_unseen", {"by": {"seen": []}})["by"]["seen"]
    ]
    commits = {record["versions"]["commit"] or "-" for records, _ in runs for record in records}
    return [
        variant,
        recipe,
        str(len(runs)),
        average(right, ".1%"),
        f"{100 * min(right):.1f} to {100 * max(right):.1f} %",
        average(area("dev", "right"), ".2f"),
        f"{mean(found['answered'] for found in answerable):.0f} of {answerable[0]['of']}",
        average(nearest, ".1%"),
        average([group["accuracy"] for group in groups if group["group"] == "no"], ".1%"),
        average(area("dev_and_unseen", "seen"), ".2f"),
        average([sum(record["tokens"] for record in records) / 1e6 for records, _ in runs], ".1f"),
        average([sum(record["seconds"] for record in records) / 60 for records, _ in runs], ".0f"),
        " ".join(sorted(commit[:7] + commit[40:] for commit in commits)),  # with "-dirty", where it was
    ]


def check(data: Path) -> None:
    """Raises InputError when a file is missing or is not as it should be, before hours are spent on the others."""
    read_text(data / "wiki.txt")
    for name in ("birth_places_train.tsv", "birth_dev.tsv", "unseen.tsv"):
        if (name != "unseen.tsv" or (data / name).exists()) and read_questions(data / name)[1] is None:
            raise InputError(f"{data / name}: has no answers, and runs are compared by them")
    if (data / "birth_test_inputs.tsv").exists():
        read_questions(data / "birth_test_inputs.tsv")


def main(argv: list[str] | None = None) -> None:
    parser = Parser(prog="replicate.py", description="Run several seeds of several variants, and compare them.")
    parser.add_argument("data", type=run.path, metavar="DATA", help="folder of wiki.txt and the questions")
    parser.add_argument("--out", type=run.path, required=True, metavar="RUNS", help="folder of the runs")
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
    data, out = Path(args.data).absolute(), Path(args.out)
    corpus, questions = data / "wiki.txt", data / "birth_places_train.tsv"
    check(data)

    rows = []
    for variant in dict.fromkeys(args.variants):
        runs, recipe = [], args.recipe
        if variant != "none" and (args.pretrain_epochs or args.finetune_epochs):
            recipe += f" {args.pretrain_epochs or 'all'}+{args.finetune_epochs or 'all'}"
        for seed in dict.fromkeys(args.seeds):
            folder = out / f"{variant}.{recipe.replace(' ', '.')}.{seed}"
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(f"{folder}: the folder cannot be made: {error.strerror}") from error
            shared = {"seed": seed, "recipe": args.recipe, "tb_expt_name": f"{out.resolve().name}.{folder.name}"}
            kind, pretrained, finetuned = variant, folder / "pretrain.params", folder / "finetune.params"
            if variant == "none":
                kind = "vanilla"
                records = [train("finetune", kind, corpus, path=finetuned, finetune_corpus_path=questions, **shared)]
            else:
                before = train("pretrain", kind, corpus, path=pretrained, max_epochs=args.pretrain_epochs, **shared)
                shared |= {"reading_params_path": pretrained, "max_epochs": args.finetune_epochs}
                after = train("finetune", kind, corpus, path=finetuned, finetune_corpus_path=questions, **shared)
                records = [before, after]
            runs.append((records, ask(kind, data, folder, finetuned)))
        try:
            rows.append(row_of(variant, recipe, runs))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"{out}: a record or a report of {variant} is damaged ({error}); remove it") from error
    print("", *("| " + " | ".join(cells) + " |" for cells in (HEADER, ["---"] * len(HEADER), *rows)), sep="\n")


if __name__ == "__main__":
    run_main(main)
