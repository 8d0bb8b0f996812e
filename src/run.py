"""Pretrain, finetune and evaluate, as in the handouts; ask a model anything; compare reports.

    python src/run.py pretrain vanilla wiki.txt --writing_params_path vanilla.pretrain.params
    python src/run.py finetune vanilla wiki.txt --reading_params_path vanilla.pretrain.params \\
        --writing_params_path vanilla.finetune.params --finetune_corpus_path birth_places_train.tsv
    python src/run.py evaluate vanilla wiki.txt --reading_params_path vanilla.finetune.params \\
        --eval_corpus_path birth_dev.tsv --outputs_path vanilla.pretrain.dev.predictions

`run.py pretrain --help` and so on explain the flags of a command.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import sys
from collections.abc import Sequence
from typing import Any

from engine.cli import Parser, bounded, nonempty_path, plain_name, run_main, symbols
from engine.files import AUTO, FORMS, is_main_process
from engine.sizes import LIMITS, Sizes
from recipe import RECIPES, WIDTH
from variants import VARIANTS

# torch, and everything that needs it, is imported when a command runs, so that --help answers at once.

TRAINING = ("recipe", "max_epochs", "batch_size", "seed", "device")
SIZES = {"n_layer": "blocks", "n_head": "heads of attention in a block", "n_embd": "features of a token",
         "block_size": "characters of the longest sequence"}  # fmt: skip
RUN = ("resume", "overwrite", "save_minutes", "tb_expt_name", "num_workers", "dtype", "compile")
# For each command: its purpose, the flags that it needs, its other flags by group, and flags that it accepts and ignores,
# so that a script can give the same learning rates to each.
COMMANDS: dict[str, tuple[str, Sequence[str], dict[str, Sequence[str]], Sequence[str]]] = {
    "pretrain": ("train a model on a corpus", ["writing_params_path"],
                 {"files": ["reading_params_path", "eval_corpus_path", "trust_buffers"],
                  "corpus": ["documents", "add_symbols"], "the model": SIZES,
                   "how to train": ["title_positions", "pretrain_lr", *TRAINING], "the run": RUN},
                 ["finetune_lr"]),
    "finetune": ("train a model on questions, after pretraining or from scratch",
                 ["finetune_corpus_path", "writing_params_path"],
                 {"files": ["reading_params_path", "eval_corpus_path", "trust_buffers"],
                  "corpus": ["documents", "add_symbols"], "the model": SIZES,
                   "how to train": ["views", "unasked_weight", "finetune_lr", *TRAINING], "the run": RUN},
                 ["pretrain_lr"]),
    "evaluate": ("answer the questions of a file, one prediction a line",
                 ["reading_params_path", "eval_corpus_path", "outputs_path"],
                 {"report and confidence": ["report_path", "finetune_corpus_path", "abstain", "calibration_path"],
                  "corpus": ["documents"], "the model": SIZES, "machine": ["trust_buffers", "seed", "device"]},
                 ["pretrain_lr", "finetune_lr", "tb_expt_name"]),
    "ask": ("answer questions or names, typed or given: the likeliest answers, and what was read", ["reading_params_path"],
            {"output": ["json", "calibration_path"], "corpus": ["documents"], "the model": SIZES, "machine": ["trust_buffers", "seed", "device"]}, []),
}  # fmt: skip


def recipe_values(field: str, command: str) -> str:
    """The default values of a flag, by recipe: "default: handout 650, fast 24"."""
    phases = (
        {"pretrain": ""} if command == "pretrain" else {"finetune": " after pretraining", "scratch": " from scratch"}
    )
    texts = [
        ", ".join(f"{name} {getattr(getattr(recipe, phase), field):g}" for name, recipe in RECIPES.items()) + when
        for phase, when in phases.items()
    ]
    return f"default: {'; '.join(texts)}"


def flag(name: str, command: str) -> dict[str, Any]:
    """The arguments of argparse's `add_argument` for a flag."""
    path, count, rate = {"type": nonempty_path}, bounded(int, 1, 10**9), bounded(float, 0, 1e30)
    usual_lr = f"{recipe_values('lr', command)}; times {WIDTH} / n_embd"
    lr = {"type": rate, "metavar": "LR", "help": f"peak learning rate; Muon's is scaled by the same factor; {usual_lr}"}
    if name in SIZES:
        usual = "default: as in R" if command in ("evaluate", "ask") else f"default {getattr(Sizes, name)}, or as in R"
        return {"type": bounded(int, *LIMITS[name]), "metavar": "N", "help": f"{SIZES[name]}; {usual}"}
    return {
        "reading_params_path": path | {"metavar": "R", "help": "parameters to evaluate or ask" if command in ("evaluate", "ask")
                                       else "parameters to start from"},
        "writing_params_path": path | {"metavar": "W", "help": "where the parameters are written"},
        "finetune_corpus_path": path | {"metavar": "F", "help": "questions of finetuning with answers (TSV)"},
        "eval_corpus_path": path | {"metavar": "E", "help": "questions (TSV), with or without answers" if command == "evaluate"
                                    else "questions (TSV) to follow the accuracy on, in TensorBoard"},
        "outputs_path": path | {"metavar": "O", "help": "where the predictions are written"},
        "report_path": path | {"metavar": "DIR", "help": "folder for a report; with F, it has more baselines"},
        "abstain": {"type": bounded(float, 0, 1), "metavar": "P", "help": "answer `unknown` if less confident than P"},
        "calibration_path": path | {"metavar": "JSON", "help": "report.json of an earlier report, whose calibration is "
                                    "used"},
        "trust_buffers": {"action": "store_true", "default": None,
                          "help": "use mask and rope_cache of R even if they are wrong"},
        "documents": {"choices": [AUTO, *FORMS], "help": "what a document is: a line, a "
                      "paragraph between blank lines, a .txt file of a folder, a JSON line with text and title; default: as in R, "
                      "else auto, which finds out"},
        "add_symbols": {"type": symbols, "metavar": "TEXT", "help": "characters that the vocabulary gets besides those of the "
                        "corpus"},
        "json": {"action": "store_true", "help": "one JSON object a question"},
        "recipe": {"choices": list(RECIPES), "default": "fast", "help": "set of hyperparameters (src/recipe.py), which "
                   "other flags override one by one; default fast"},
        "title_positions": {"type": nonempty_path, "metavar": "course|any|FILE", "default": "course", "help": "where the views of "
                            "fast have titles: where 'Where was X born?' has X, anywhere, or where the questions of a file have "
                            "their subjects, of which nothing else is used (rope needs none of it); default %(default)s"},
        "views": {"type": bounded(int, 0, 1000), "metavar": "N", "help": "documents read beside each question; "
                  f"{recipe_values('views', command)}"},
        "unasked_weight": {"type": bounded(float, 0.01, 100), "metavar": "X", "help": "how much more often these documents tell facts that "
                           f"no question asks for; {recipe_values('unasked_weight', command)}"},
        "pretrain_lr": lr,
        "finetune_lr": lr,
        "max_epochs": {"type": count, "metavar": "N", "help": recipe_values("epochs", command)},
        "batch_size": {"type": count, "metavar": "N", "help": f"views not counted; {recipe_values('batch_size', command)}"},
        "seed": {"type": bounded(int, 0, 2**32 - 1), "default": 0, "metavar": "N", "help": "default %(default)s"},
        "device": {"default": "auto", "help": "cpu, cuda, cuda:1, mps; default: the best there is"},
        "resume": {"action": "store_true", "default": None, "help": "continue the run with this W; a finished one, with more epochs"},
        "overwrite": {"action": "store_true", "default": None, "help": "replace W if there is one"},
        "save_minutes": {"type": bounded(float, 0), "metavar": "M", "help": "minutes between checkpoints; default 2"},
        "tb_expt_name": {"type": plain_name, "default": "run", "metavar": "NAME",
                         "help": "begins the name of the TensorBoard folder; default %(default)s"},
        "num_workers": {"type": bounded(int, 0, 1000), "metavar": "N", "help": "processes that make batches; default 0, on CUDA 2"},
        "dtype": {"choices": ["auto", "float32", "bfloat16"], "help": "type of matrix products; default auto"},
        "compile": {"choices": ["auto", "on", "off"], "help": "use torch.compile; default auto"},
    }[name]  # fmt: skip


def make_parser() -> Parser:
    """The parser, with a subparser for each command."""
    parser = Parser(prog="run.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="function", required=True, metavar=f"{{{','.join(COMMANDS)},compare}}")
    for name, (purpose, needed, groups, unused) in COMMANDS.items():
        usage = " ".join(f"--{each} {flag(each, name)['metavar']}" for each in needed)
        command = commands.add_parser(name, help=purpose, description=f"{purpose[0].upper()}{purpose[1:]}.",
                                      usage=f"%(prog)s VARIANT CORPUS {usage} [flags]",
                                      formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=32))  # fmt: skip
        command.add_argument("variant", choices=list(VARIANTS), metavar="VARIANT", help=", ".join(VARIANTS))
        command.add_argument("pretrain_corpus_path", type=nonempty_path, metavar="CORPUS", help="the pretraining corpus, a file or a folder of "
                             ".txt files, which defines the vocabulary (also found at the repository's top and in data/)")  # fmt: skip
        for title, flags in ({"needed": needed} | groups).items():
            group = command.add_argument_group(title)
            for each in flags:
                group.add_argument(f"--{each}", required=each in needed, **flag(each, name))
        for each in unused:
            command.add_argument(f"--{each}", **flag(each, name) | {"help": argparse.SUPPRESS})
        if name == "ask":
            command.add_argument("questions", nargs="*", metavar="QUESTION", help="without any, they are read from a "
                                 "pipe, one a line, or asked for")  # fmt: skip
        command.set_defaults(**{"finetune_corpus_path": None} if name == "pretrain" else {"title_positions": "course"})
    purpose = "put reports of `evaluate --report_path` side by side"
    command = commands.add_parser("compare", help=purpose, description=f"{purpose[0].upper()}{purpose[1:]}.")
    command.add_argument("folders", nargs="+", type=nonempty_path, metavar="DIR", help="the folder of a report")
    command.add_argument(
        "--out", default="comparison.html", type=nonempty_path, metavar="FILE", help="default %(default)s"
    )
    return parser


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line. Ends the program with one line on stderr when it is wrong."""
    parser = make_parser()
    args = parser.parse_args(argv)
    if args.function == "evaluate" and args.report_path is None:
        if args.finetune_corpus_path is not None:
            parser.error("evaluate has no use for --finetune_corpus_path without --report_path")
        if args.calibration_path is not None and args.abstain is None:
            parser.error("evaluate has no use for --calibration_path without --abstain or --report_path")
    if getattr(args, "add_symbols", None) and args.reading_params_path:
        parser.error(
            f"{args.function} has no use for --add_symbols with --reading_params_path, whose vocabulary it keeps"
        )
    return args


def run_command(args: argparse.Namespace) -> None:
    """Imports what the command needs, and runs it."""
    if args.function == "evaluate":
        from evaluation.evaluate import evaluate

        evaluate(args)
    elif args.function == "ask":
        from evaluation.ask import ask

        ask(args)
    elif args.function == "compare":
        from evaluation.compare import compare

        compare(args.folders, args.out)
    else:
        from engine.training import train

        train(args)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    if not is_main_process() and args.function in ("evaluate", "ask", "compare"):
        return
    try:
        with contextlib.redirect_stdout(sys.stdout if is_main_process() else io.StringIO()):
            run_command(args)
    except (MemoryError, RuntimeError) as error:
        if not (isinstance(error, MemoryError) or re.search("out of memory|can't allocate memory", str(error))):
            raise
        less = "" if args.function == "evaluate" else "; try a smaller --batch_size or fewer --num_workers"
        print(f"run.py: error: out of memory{less}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    run_main(main)
