"""How well do the variants learn, and how much of it is chance? Several seeds of each variant, and a table of results.

    python src/replicate.py DATA --out RUNS [--variants rope vanilla synthesizer none] [--seeds 0 1 2] [--holdout 0.2]
                            [--recipe fast|sprint|handout] [--pretrain_epochs N] [--finetune_epochs N]
                            [--n_layer N] [--n_head N] [--n_embd N] [--block_size N]

DATA is a folder with the course's files, or with a world of data/make_world.py; flags name files that are called otherwise.
For each seed of each variant, this program runs the handouts' commands and prints them: pretrain, finetune, evaluate. Each
run has a folder of its own in RUNS, with a report on the dev questions and the predictions for the test questions. `none` is
vanilla without pretraining. If DATA has unseen.tsv, the dev questions are also asked together with those about people
without a document, to see whether the model can tell whom it has read about. The same command again continues what was
interrupted and skips what is finished. Two commands may run at the same time if their variants or seeds differ.

Choose settings with --holdout 0.2: a fifth of the training questions, always the same ones, are then not trained on but
asked, and the files of dev and test are not read, so that these can still tell how well the chosen settings do.
"""

from __future__ import annotations

import hashlib
import shlex
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

import run
from engine.cli import Parser, bounded, nonempty_path, run_main
from engine.files import InputError, describe, read_text, write_atomically, write_lines
from engine.sizes import LIMITS
from questions import read_questions
from recipe import RECIPES
from variants import VARIANTS

NO_PRETRAINING = "none"
HEADER = ("variant", "recipe", "seeds", "right of dev", "lowest to highest", "AUROC", "at 90 % precision",
          "nearest name's", "right of unseen", "AUROC seen", "unread answered", "million tokens", "minutes", "commit")  # fmt: skip


def command_line(function: str, variant: str, corpus: Path, *questions: str, **flags: object) -> list[str]:
    """A command line of run.py. A flag that is None is left out, and one that is True has no value."""
    argv = [function, variant, str(corpus), *questions]
    for name, value in flags.items():
        argv += [] if value is None else [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return argv


def run_command(*words: object, **flags: object) -> None:
    """Prints a command of run.py and runs it."""
    argv = command_line(*words, **flags)
    print("$ python src/run.py", shlex.join(argv), flush=True)
    try:
        run.main(argv)
    except SystemExit as end:
        if end.code in (130, 143):  # the command has said to add --resume
            print(f"{Path(sys.argv[0]).name}: given again, this command goes on by itself", file=sys.stderr)
        raise


def train(*words: object, path: Path, **flags: object) -> dict[str, Any]:
    """Trains by a command of run.py, unless that is finished; an unfinished run continues automatically. Returns the
    metadata of the parameters at `path`. Raises InputError when these were made in another way."""
    from engine import checkpoint
    from engine.inputs import find_sizes
    from engine.training import requested_run

    state, flags = checkpoint.checkpoint_path(str(path)), flags | {"writing_params_path": path}
    if checkpoint.has_checkpoint(state) and not checkpoint.read_metadata(str(path)):
        run_command(*words, **flags, resume=True)
    elif path.exists():
        print(f"{path} is there already", flush=True)
        checkpoint.remove_checkpoint(state)
    else:
        run_command(*words, **flags)
    metadata, file = checkpoint.read_metadata(str(path)), checkpoint.metadata_path(str(path))
    if metadata is None:
        raise InputError(f"{path}: does not belong to {file}; remove both, to train again")
    args = run.parse_args(command_line(*words, **flags))
    sizes = find_sizes(args)
    made_as = metadata | metadata.get("model", {})
    for name, value in (requested_run(args, sizes) | asdict(sizes)).items():
        if name == "recipe" and (metadata.get("reading") or {}).get("viewable") == 0:
            value = value | {"cloze_share": 0.0}  # no view could be made
        if made_as.get(name) != value:
            raise InputError(f"{path}: was made with another {name}; remove it and {file}, to train again")
    return metadata


@dataclass(frozen=True)
class Files:
    """What the runs read."""

    corpus: Path
    finetuning: Path
    dev: Path  # with --holdout, the questions held out
    test: Path | None
    unseen: Path | None


def choose_files(args: Namespace) -> Files:
    """The files that the command line names. Raises InputError when one is missing or malformed, before hours are spent on
    the others."""
    data = Path(args.data).absolute()
    files = Files(data / args.pretrain_corpus_path, data / args.finetune_corpus_path, data / args.eval_corpus_path,
                  data / (args.test_corpus_path or "birth_test_inputs.tsv"), data / "unseen.tsv")  # fmt: skip
    read_text(files.corpus)
    if args.holdout is not None:
        folder = Path(args.out).absolute() / holdout_name(args)
        hold_out(files.finetuning, args.holdout, folder)
        files = replace(files, finetuning=folder / "train.tsv", dev=folder / "heldout.tsv", test=None)
    elif not args.test_corpus_path and not files.test.exists():
        files = replace(files, test=None)
    files = files if files.unseen.exists() else replace(files, unseen=None)
    for path in filter(None, (files.finetuning, files.dev, files.unseen)):
        check_answers(path)
    if files.test:
        read_questions(files.test)
    return files


def check_answers(path: Path) -> list[str]:
    """The questions of a file. Raises InputError when it has no answers."""
    questions, answers = read_questions(path)
    if answers is None:
        raise InputError(f"{path}: has no answers, and runs are compared by them")
    return questions


def holdout_name(args: Namespace) -> str:
    """The folder for what is made with --holdout: "holdout.0.2"; "" without it."""
    return "" if args.holdout is None else f"holdout.{args.holdout:g}"


def is_held_out(question: str, share: float) -> bool:
    """Whether a question is among the `share` (0 to 1) that are held out. That depends on nothing but its text."""
    return int.from_bytes(hashlib.sha256(question.encode()).digest()[:8]) < share * 2**64


def hold_out(path: Path, share: float, folder: Path) -> None:
    """Divides the questions of a file into train.tsv and heldout.tsv, in `folder`. Raises InputError when the file has no
    answers, or a part would be empty."""
    questions = check_answers(path)
    lines = read_text(path).rstrip("\n").split("\n")[-len(questions) :]  # without a header
    parts: dict[str, list[str]] = {"train.tsv": [], "heldout.tsv": []}
    for question, line in zip(questions, lines):
        parts["heldout.tsv" if is_held_out(question, share) else "train.tsv"].append(line)
    held = f"{len(parts['heldout.tsv']):,} of {len(lines):,} questions of {path}"
    if not all(parts.values()):
        raise InputError(f"--holdout {share:g}: would hold out {held}")
    make_folder(folder)
    for name, part in parts.items():
        write_lines(folder / name, part)
    print(f"Held out, and used in place of dev: {held}; no other questions of dev or test are read")


def make_folder(folder: Path) -> None:
    """Makes a folder, and those above it. Raises InputError when that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: the folder cannot be made: {error.strerror}") from error


def evaluate_run(variant: str, files: Files, folder: Path, params: Path) -> dict[str, dict[str, Any]]:
    """Answers all questions; returns the reports, by name. An up-to-date report is not made again."""
    from evaluation.report import read_report

    sets = {"dev": files.dev}
    if files.unseen:
        sets["dev_and_unseen"] = folder / "dev_and_unseen.tsv"
        both = read_text(files.dev).rstrip("\n") + "\n" + read_text(files.unseen)
        write_atomically(sets["dev_and_unseen"], both.encode())
    reports = {}
    for name, questions in sets.items():
        path = folder / name / "report.json"
        made_from = {describe(file) for file in (files.corpus, files.finetuning, questions, params)}
        if not path.exists() or not made_from <= {*map(str, read_report(path).get("about", {}).values())}:
            run_command("evaluate", variant, files.corpus, reading_params_path=params, eval_corpus_path=questions,
                        outputs_path=folder / f"{name}.predictions", report_path=folder / name,
                        finetune_corpus_path=files.finetuning)  # fmt: skip
        reports[name] = read_report(path)
    if files.test:
        run_command("evaluate", variant, files.corpus, reading_params_path=params, eval_corpus_path=files.test,
                    outputs_path=folder / "test.predictions")  # fmt: skip
    return reports


def table_row(variant: str, recipe: str, runs: Sequence[tuple[list[dict], dict[str, dict]]]) -> list[str]:
    """A row of the table: means over the runs, each of which is the metadata of its parameters and its reports. A cell is
    "-" when one of them lacks the number."""

    def average(numbers: Sequence[float | None], form: str) -> str:
        return "-" if None in numbers or not numbers else format(mean(numbers), form).replace("%", " %")

    def auroc(report: str, of: str) -> list[float | None]:
        return [reports.get(report, {}).get("auroc", {}).get(of) for _, reports in runs]

    accuracy = [reports["dev"]["accuracy"]["accuracy"] for _, reports in runs]
    answerable = [reports["dev"]["answerable"] for _, reports in runs]
    nearest = [reports["dev"].get("nearest", {}).get("share") for _, reports in runs]
    groups = [group for _, reports in runs for group in reports.get("dev_and_unseen", {"by": {}})["by"].get("seen", [])]
    unread = [reports.get("dev_and_unseen", {}).get("unread", {}).get("share") for _, reports in runs]
    commits = {trained["versions"]["commit"] or "-" for phases, _ in runs for trained in phases}
    return [
        variant,
        recipe,
        str(len(runs)),
        average(accuracy, ".1%"),
        f"{100 * min(accuracy):.1f} to {100 * max(accuracy):.1f} %",
        average(auroc("dev", "right"), ".2f"),
        f"{mean(stats['answered'] for stats in answerable):.0f} of {answerable[0]['of']}",
        average(nearest, ".1%"),
        average([group["accuracy"] for group in groups if group["group"] == "no"], ".1%"),
        average(auroc("dev_and_unseen", "seen"), ".2f"),
        average(unread, ".1%"),
        average([sum(trained["tokens"] for trained in phases) / 1e6 for phases, _ in runs], ".1f"),
        average([sum(trained["seconds"] for trained in phases) / 60 for phases, _ in runs], ".0f"),
        " ".join(sorted(commit[:7] + commit[40:] for commit in commits)),  # with "-dirty", if it was
    ]


def parse_args(argv: list[str] | None) -> Namespace:
    """The command line."""
    parser = Parser(prog="replicate.py", description="Run several seeds of several variants, and compare them.")
    parser.add_argument("data", type=nonempty_path, metavar="DATA", help="folder of wiki.txt and the questions")
    parser.add_argument("--out", type=nonempty_path, required=True, metavar="RUNS", help="folder of the runs")
    parser.add_argument("--variants", nargs="+", choices=[*VARIANTS, NO_PRETRAINING], metavar="V",
                        default=["rope", "vanilla", "synthesizer"],
                        help=f"of {', '.join(VARIANTS)} and {NO_PRETRAINING}, which is vanilla without pretraining; "
                        "default: rope vanilla synthesizer")  # fmt: skip
    parser.add_argument("--seeds", nargs="+", type=bounded(int, 0, 2**32 - 1), default=[0, 1, 2], metavar="N",
                        help="default 0 1 2")  # fmt: skip
    for name, kind, default in (
        ("pretrain", "the corpus", "wiki.txt"),
        ("finetune", "questions to train on", "birth_places_train.tsv"),
        ("eval", "dev questions", "birth_dev.tsv"),
    ):
        parser.add_argument(f"--{name}_corpus_path", type=nonempty_path, default=default, metavar="FILE",
                            help=f"{kind}, in DATA; default %(default)s")  # fmt: skip
    parser.add_argument("--test_corpus_path", type=nonempty_path, metavar="FILE",
                        help="test questions, in DATA; default birth_test_inputs.tsv, if there is one")  # fmt: skip
    parser.add_argument("--holdout", type=bounded(float, 0, 1), metavar="SHARE",
                        help="ask this share of the training questions, and train on the others; read no dev and test "
                        "questions")  # fmt: skip
    parser.add_argument("--recipe", choices=list(RECIPES), default="fast", help="default %(default)s")
    for phase in ("pretrain", "finetune"):
        parser.add_argument(f"--{phase}_epochs", type=bounded(int, 1, 10**9), metavar="N",
                            help=f"instead of the recipe's ({NO_PRETRAINING} keeps those)")  # fmt: skip
    for name, limits in LIMITS.items():
        parser.add_argument(f"--{name}", type=bounded(int, *limits), metavar="N", help="as of run.py")
    return parser.parse_args(argv)


def run_seed(args: Namespace, files: Files, variant: str, recipe: str, seed: int) -> tuple[list[dict], dict[str, dict]]:
    """Pretrains, finetunes and evaluates one seed; returns the metadata of its parameters and its reports."""
    out = Path(args.out)
    folder = out / f"{variant}.{recipe.replace(' ', '.')}.{seed}"
    make_folder(folder / holdout_name(args))
    shared = {"seed": seed, "recipe": args.recipe, "tb_expt_name": out.resolve().name}
    shared |= {name: getattr(args, name) for name in LIMITS}
    pretrained, finetuned = folder / "pretrain.params", folder / holdout_name(args) / "finetune.params"
    phases = []
    if variant == NO_PRETRAINING:
        variant = "vanilla"
    else:
        phases.append(
            train("pretrain", variant, files.corpus, path=pretrained, max_epochs=args.pretrain_epochs, **shared)
        )
        shared |= {"reading_params_path": pretrained, "max_epochs": args.finetune_epochs}
    shared |= {"finetune_corpus_path": files.finetuning}
    phases.append(train("finetune", variant, files.corpus, path=finetuned, **shared))
    return phases, evaluate_run(variant, files, finetuned.parent, finetuned)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    files = choose_files(args)
    rows = []
    for variant in dict.fromkeys(args.variants):
        recipe = args.recipe
        if variant != NO_PRETRAINING and (args.pretrain_epochs or args.finetune_epochs):
            recipe += f" {args.pretrain_epochs or 'all'}+{args.finetune_epochs or 'all'}"
        recipe += "".join(f" {name} {getattr(args, name)}" for name in LIMITS if getattr(args, name) is not None)
        runs = [run_seed(args, files, variant, recipe, seed) for seed in dict.fromkeys(args.seeds)]
        try:
            rows.append(table_row(variant, recipe, runs))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            message = f"{args.out}: a record or a report of {variant} is damaged ({error}); remove it"
            raise InputError(message) from error
    header = HEADER if args.holdout is None else [name.replace("of dev", "of held out") for name in HEADER]
    print("", *("| " + " | ".join(cells) + " |" for cells in (header, ["---"] * len(header), *rows)), sep="\n")


if __name__ == "__main__":
    run_main(main)
