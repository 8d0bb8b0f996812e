"""`make demo`: does pretraining teach facts? The whole experiment on a small invented world, in ten minutes.

A model is finetuned on questions about some people and asked about others. Without pretraining it can only guess. With
pretraining it has read about the people of dev and test, so it can know their birthplaces; it has read nothing about
the unseen people, so there it can again only guess. The world has several documents about each person, which state the
same facts in different words, because a model can hardly answer questions about facts that it has read in one wording
only (Allen-Zhu & Li 2023, Physics of Language Models 3.1).

The demo prints each command of run.py before it runs it. The parameters stay in demo/, and a repeated `make demo`
continues interrupted training; remove the folder to start again.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from pathlib import Path

from engine.cli import run_main
from engine.files import ROOT, InputError
from questions import read_questions
from replicate import command_line, run_command, train
from utils import evaluate_places
from wording import COURSE

FOLDER = ROOT / "demo"  # the world, the parameters and the predictions
PEOPLE, DOCUMENTS = 200, 5  # people with documents, and documents about each of them
SCRATCH_EPOCHS, PRETRAIN_EPOCHS, FINETUNE_EPOCHS = 15, 18, 5
VARIANT = "rope"
FILES = {"dev": "birth_dev.tsv", "test": "birth_test.tsv", "unseen": "unseen.tsv"}
TENSORBOARD = {"tb_expt_name": "demo"}  # keeps the demo's curves apart from those of the user's own runs

Predictions = dict[tuple[str, str], list[str]]  # by model or baseline, and split


def main() -> None:
    start = time.monotonic()

    def print_heading(title: str) -> None:
        print(f"\n[{time.monotonic() - start:3.0f} s] {title}", flush=True)

    world = FOLDER / f"world.{PEOPLE}x{DOCUMENTS}"
    FOLDER.mkdir(exist_ok=True)
    print_heading(
        f"A world of {PEOPLE} people who do not exist, with {DOCUMENTS} documents about each; and some without"
    )
    make_world(world)
    print_world(world)

    corpus, questions = world / "wiki.txt", {"finetune_corpus_path": world / "birth_places_train.tsv"}
    scratch, pretrained, finetuned = (FOLDER / f"{name}.params" for name in ("scratch", "pretrain", "finetune"))
    print_heading("Finetuning without pretraining")
    train("finetune", VARIANT, corpus, path=scratch, max_epochs=SCRATCH_EPOCHS, batch_size=32, **questions,
          **TENSORBOARD)  # fmt: skip
    print_heading("Pretraining")
    train("pretrain", VARIANT, corpus, path=pretrained, max_epochs=PRETRAIN_EPOCHS, **TENSORBOARD)
    print_heading("Finetuning after pretraining")
    train("finetune", VARIANT, corpus, path=finetuned, reading_params_path=pretrained, max_epochs=FINETUNE_EPOCHS,
          **questions, **TENSORBOARD)  # fmt: skip

    print_heading("Asking about people that no question of the finetuning was about")
    models = {"finetuned only": scratch, "pretrained and finetuned": finetuned}
    predictions = baseline_predictions(world) | model_predictions(world, models)
    print_heading("Right answers")
    print_accuracies(world, predictions)
    print_heading("What does it know? A report, and three people: one known, one wrong, one invented")
    run_command("evaluate", VARIANT, corpus, reading_params_path=finetuned, eval_corpus_path=world / FILES["dev"],
                outputs_path=FOLDER / "finetune.dev.predictions", report_path=FOLDER / "report", **questions)  # fmt: skip
    people = three_people(world, predictions["pretrained and finetuned", "dev"])
    run_command("ask", VARIANT, corpus, *people, reading_params_path=finetuned)
    command = ("python", "src/run.py", *command_line("ask", VARIANT, corpus, reading_params_path=finetuned))
    print(f"\nThe report: {FOLDER / 'report' / 'report.html'}\nAsk it yourself: {shlex.join(command)}")


def three_people(world: Path, predictions: list[str]) -> list[str]:
    """A question that is answered rightly, one that is not, if there are such, and one about somebody without a
    document."""
    questions, answers = read_questions(world / FILES["dev"])
    right = [question for question, a, b in zip(questions, answers, predictions) if a == b]
    wrong = [question for question, a, b in zip(questions, answers, predictions) if a != b]
    return [*right[:1], *wrong[:1], read_questions(world / FILES["unseen"])[0][0]]


def make_world(world: Path) -> None:
    """Writes the world into its folder, unless it is there already.

    Raises InputError with the last line of make_world.py's error output if that fails.
    """
    if (world / "wiki.txt").exists():
        return
    script = ROOT / "data" / "make_world.py"
    arguments = ["--people", str(PEOPLE), "--documents", str(DOCUMENTS), "--out", str(world)]
    result = subprocess.run([sys.executable, script, *arguments], stderr=subprocess.PIPE, encoding="utf-8", check=False)
    if result.returncode:
        lines = result.stderr.strip().splitlines() or [f"exit code {result.returncode}"]
        raise InputError(f"the world could not be made: {lines[-1].removeprefix('make_world.py: error: ')}")
    sys.stderr.write(result.stderr)  # a note on the version of Faker


def print_world(world: Path) -> None:
    """Prints all documents about one person, and the number of questions in each split."""
    print(*(world / "wiki.txt").read_text("utf-8").split("\n")[::PEOPLE], sep="\n")
    known, _ = read_questions(world / "birth_places_train.tsv")
    sizes = {split: len(read_questions(world / name)[0]) for split, name in FILES.items()}
    asked = ", ".join(f"{size} {split}" for split, size in sizes.items())
    print(f"{len(known)} questions to learn from; to be asked: {asked}")


def baseline_predictions(world: Path) -> Predictions:
    """The answers of the baselines, which read no documents."""
    from evaluation.baselines import guess_by_name

    known = [
        (COURSE.subject(question), place) for question, place in zip(*read_questions(world / "birth_places_train.tsv"))
    ]
    predictions = {}
    for split, name in FILES.items():
        questions, _ = read_questions(world / name)
        predictions["always London", split] = ["London"] * len(questions)
        predictions["guessed from the name (naive Bayes)", split] = guess_by_name(
            known, [*map(COURSE.subject, questions)]
        )
    return predictions


def model_predictions(world: Path, models: dict[str, Path]) -> Predictions:
    """The answers of models, given their names and parameter files. Each run of run.py is printed."""
    predictions = {}
    for split, questions in FILES.items():
        for name, params in models.items():
            path = FOLDER / f"{params.stem}.{split}.predictions"
            run_command("evaluate", VARIANT, world / "wiki.txt", reading_params_path=params,
                        eval_corpus_path=world / questions, outputs_path=path)  # fmt: skip
            predictions[name, split] = path.read_text("utf-8").splitlines()
    return predictions


def print_accuracies(world: Path, predictions: Predictions) -> None:
    """Prints a row for each model or baseline, and a column for each split."""
    print(f"{'':36}" + "".join(f"{split:>10}" for split in FILES))
    for name in dict.fromkeys(name for name, _ in predictions):
        scores = [evaluate_places(world / FILES[split], predictions[name, split]) for split in FILES]
        print(f"{name:36}" + "".join(f"{100 * correct / total:9.1f}%" for total, correct in scores))


if __name__ == "__main__":
    run_main(main)
