"""src/study.py with the tiny studies of the tests in place of its own; the tests run it as a program."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

import study
from engine.cli import run_main
from studies import catalogue, work
from studies.plan import Effect, Point, Reading, Size, Study, World

QUICK = Reading(readings=2, finetune_epochs=1, pretrain_batch=64, finetune_batch=32)
TINY = Point("one", World(people=200, unseen=60), Size(1, 16), QUICK)
MORE = Point("two", World(people=200, unseen=60, relations="birthplace,birth_year", reversal=True, reversed_documents=1),
             Size(1, 16), QUICK)  # fmt: skip
TWICE = Point("replay-0.5", TINY.world, TINY.size, QUICK, replay=0.5)


def tiny(name: str, *points: Point):
    """A study of that name with these points."""

    def make(form: str) -> Study:
        seeds = (0,) if form == "small" else (0, 1)
        return Study(name, form, "Is it done?", points, seeds, (Effect(("right", "one"), ("right of unseen", "one")),))

    return make


TINY_STUDIES = {"exposures": tiny("exposures", TINY), "wordings": tiny("wordings", TINY, MORE),
                "reversal": tiny("reversal", MORE), "forgetting": tiny("forgetting", TWICE)}  # fmt: skip


def use_tiny_studies(patch=setattr) -> None:
    """Replaces the studies, and the program that does their runs."""
    command = work.command
    for name, make in TINY_STUDIES.items():
        catalogue.STUDIES[name] = make
    patch(work, "command", lambda run, out: [
        __file__ if word.endswith("study.py") else word for word in command(run, out)])  # fmt: skip


if __name__ == "__main__":
    use_tiny_studies()
    run_main(study.main)
