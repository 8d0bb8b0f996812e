"""Pretrain, finetune and evaluate, as in the handouts; compare reports.

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
import os
import re
import sys

from engine.cli import Parser, bounded, nonempty_path, plain_name, run_main
from recipe import RECIPES
from variants import VARIANTS

# torch, and everything that needs it, is imported when a command runs, so that --help answers at once.


def make_parser() -> Parser:
    """The parser, with a subparser for each command."""
    parser = Parser(prog="run.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="function", required=True, metavar="{pretrain,finetune,evaluate,compare}")
    add_pretrain(commands)
    add_finetune(commands)
    add_evaluate(commands)
    add_compare(commands)
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
    return args


def add_command(commands: argparse._SubParsersAction, name: str, purpose: str, usage: str) -> argparse.ArgumentParser:
    """The parser of a command; `usage` is what it needs."""
    description = purpose[0].upper() + purpose[1:] + "."
    return commands.add_parser(name, help=purpose, description=description, usage=f"%(prog)s {usage} [flags]",
                               formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=32))  # fmt: skip


def add_model(parser: argparse.ArgumentParser) -> None:
    """The two words that every command on a model begins with."""
    parser.add_argument("variant", choices=list(VARIANTS), metavar="VARIANT", help=", ".join(VARIANTS))
    parser.add_argument("pretrain_corpus_path", metavar="CORPUS",
                        help="the pretraining corpus, which defines the vocabulary (also found at the repository's top "
                        "and in data/)")  # fmt: skip


def add_machine(parser: argparse.ArgumentParser) -> None:
    """Flags of every command on a model."""
    parser.add_argument("--seed", type=bounded(int, 0, 2**32 - 1), default=0, metavar="N", help="default %(default)s")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, mps; default: the best there is")


def add_unused(parser: argparse.ArgumentParser, *flags: str) -> None:
    """Flags that have no effect on this command, so that a script can give all commands the same. The learning rates
    are in the name of the TensorBoard folder."""
    types = {"tb_expt_name": plain_name}
    for flag in flags:
        default = "run" if flag == "tb_expt_name" else None
        parser.add_argument(f"--{flag}", type=types.get(flag, bounded(float, 0, 1e30)), default=default,
                            help=argparse.SUPPRESS)  # fmt: skip


def recipe_values(field: str, *phases: str) -> str:
    """The default values of a flag: "fast 60, handout 650"."""
    texts = {
        phase: ", ".join(f"{name} {getattr(getattr(recipe, phase), field):g}" for name, recipe in RECIPES.items())
        for phase in phases
    }
    if len(phases) == 1:
        return texts[phases[0]]
    return "; ".join(f"{'after pretraining' if p == 'finetune' else 'from scratch'} {t}" for p, t in texts.items())


def add_training(parser: argparse.ArgumentParser, *phases: str) -> None:
    """Flags of pretrain and finetune. `phases` are those of a recipe that the command can run."""
    lr = f"{parser.prog.split()[-1]}_lr"
    how = parser.add_argument_group("how to train")
    how.add_argument(
        "--recipe", choices=list(RECIPES), default="fast", help="all that no other flag sets; default fast"
    )
    how.add_argument(f"--{lr}", type=bounded(float, 0, 1e30), metavar="LR",
                     help=f"peak learning rate; Muon's changes by the same factor; default: {recipe_values('lr', *phases)}")  # fmt: skip
    how.add_argument("--max_epochs", type=bounded(int, 1, 10**9), metavar="N",
                     help=f"default: {recipe_values('epochs', *phases)}")  # fmt: skip
    views = "; by fast after pretraining, each question comes with 20 views" if "finetune" in phases else ""
    how.add_argument("--batch_size", type=bounded(int, 1, 10**9), metavar="N",
                     help=f"default: {recipe_values('batch_size', *phases)}{views}")  # fmt: skip
    add_machine(how)
    run = parser.add_argument_group("the run")
    run.add_argument("--resume", action="store_true", default=None,
                     help="continue the interrupted run that was to write W")  # fmt: skip
    run.add_argument("--save_minutes", type=bounded(float, 0), metavar="M",
                     help="between two checkpoints; default 2")  # fmt: skip
    run.add_argument("--tb_expt_name", type=plain_name, default="run", metavar="NAME",
                     help="first part of the name of the TensorBoard folder; default %(default)s")  # fmt: skip
    run.add_argument("--num_workers", type=bounded(int, 0, 1000), metavar="N",
                     help="processes that make batches ahead of time; default 0")  # fmt: skip
    run.add_argument("--dtype", choices=["auto", "float32", "bfloat16"], help="of matrix products; default auto")
    run.add_argument("--compile", choices=["auto", "on", "off"], help="use torch.compile; default auto")


def add_pretrain(commands: argparse._SubParsersAction) -> None:
    parser = add_command(commands, "pretrain", "train a model on a corpus", "VARIANT CORPUS --writing_params_path W")
    add_model(parser)
    files = parser.add_argument_group("files")
    files.add_argument("--writing_params_path", required=True, type=nonempty_path, metavar="W",
                       help="where the parameters are written")  # fmt: skip
    files.add_argument("--reading_params_path", type=nonempty_path, metavar="R", help="parameters to start from")
    files.add_argument("--eval_corpus_path", type=nonempty_path, metavar="E",
                       help="questions (TSV), with or without answers, for TensorBoard to follow")  # fmt: skip
    add_training(parser, "pretrain")
    add_unused(parser, "finetune_lr")
    parser.set_defaults(finetune_corpus_path=None)


def add_finetune(commands: argparse._SubParsersAction) -> None:
    usage = "VARIANT CORPUS --finetune_corpus_path F --writing_params_path W [--reading_params_path R]"
    parser = add_command(commands, "finetune", "train a model on questions, after pretraining or from scratch", usage)
    add_model(parser)
    files = parser.add_argument_group("files")
    files.add_argument("--finetune_corpus_path", required=True, type=nonempty_path, metavar="F",
                       help="questions and answers (TSV)")  # fmt: skip
    files.add_argument("--writing_params_path", required=True, type=nonempty_path, metavar="W",
                       help="where the parameters are written")  # fmt: skip
    files.add_argument("--reading_params_path", type=nonempty_path, metavar="R",
                       help="pretrained parameters; default: none, train from scratch")  # fmt: skip
    files.add_argument("--eval_corpus_path", type=nonempty_path, metavar="E",
                       help="questions (TSV), with or without answers, for TensorBoard to follow")  # fmt: skip
    add_training(parser, "finetune", "scratch")
    add_unused(parser, "pretrain_lr")


def add_evaluate(commands: argparse._SubParsersAction) -> None:
    usage = "VARIANT CORPUS --reading_params_path R --eval_corpus_path E --outputs_path O"
    parser = add_command(commands, "evaluate", "answer the questions of a file, one prediction a line", usage)
    add_model(parser)
    files = parser.add_argument_group("files")
    files.add_argument("--reading_params_path", required=True, type=nonempty_path, metavar="R", help="the parameters")
    files.add_argument("--eval_corpus_path", required=True, type=nonempty_path, metavar="E",
                       help="questions (TSV), with or without answers")  # fmt: skip
    files.add_argument("--outputs_path", required=True, type=nonempty_path, metavar="O",
                       help="where the predictions are written")  # fmt: skip
    report = parser.add_argument_group("report and confidence")
    report.add_argument("--report_path", type=nonempty_path, metavar="DIR",
                        help="folder for a report: report.html, report.json, predictions.tsv")  # fmt: skip
    report.add_argument("--finetune_corpus_path", type=nonempty_path, metavar="F",
                        help="the questions of finetuning; with them the report says more")  # fmt: skip
    report.add_argument("--abstain", type=bounded(float, 0, 1), metavar="P",
                        help="answer `unknown` where the confidence is below P")  # fmt: skip
    report.add_argument("--calibration_path", type=nonempty_path, metavar="JSON",
                        help="report.json of an earlier report, from which the confidence is calculated; default: half "
                        "of E, if it has answers")  # fmt: skip
    add_machine(parser.add_argument_group("machine"))
    add_unused(parser, "pretrain_lr", "finetune_lr", "tb_expt_name")


def add_compare(commands: argparse._SubParsersAction) -> None:
    parser = add_command(commands, "compare", "put reports of `evaluate --report_path` side by side", "DIR [DIR ...]")
    parser.add_argument("folders", nargs="+", metavar="DIR", help="the folder of a report")
    parser.add_argument("--out", default="comparison.html", type=nonempty_path, metavar="FILE",
                        help="default %(default)s")  # fmt: skip


def run_command(args: argparse.Namespace) -> None:
    """Imports what the command needs, and runs it."""
    if args.function == "evaluate":
        from evaluation.evaluate import evaluate

        evaluate(args)
    elif args.function == "compare":
        from evaluation.compare import compare

        compare(args.folders, args.out)
    else:
        from engine.training import train

        train(args)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    first = os.environ.get("RANK", "0") == "0"  # torchrun numbers the processes that it starts
    if not first and args.function in ("evaluate", "compare"):
        return
    try:
        with contextlib.redirect_stdout(sys.stdout if first else io.StringIO()):
            run_command(args)
    except (MemoryError, RuntimeError) as error:
        if not (isinstance(error, MemoryError) or re.search("out of memory|can't allocate memory", str(error))):
            raise
        less = "" if args.function == "evaluate" else "; try a smaller --batch_size or fewer --num_workers"
        print(f"run.py: error: out of memory{less}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    run_main(main)
