"""Makes a submission of the code in this folder, which is not this repository's.

    python tests/autograder/other_style/build.py 4 FOLDER        or 5

The other files are what a student might have written, from the handouts' text, with the starter code's interfaces: another
attention, other datasets, another trainer. This script copies them into FOLDER/src, writes a small world, runs the commands
of scripts/ with shorter training, and collects the archive. It takes less than a minute. The grader is tested with it:
whoever grades has to accept correct code that resembles nothing here.
"""

from __future__ import annotations

import os
import random
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent.parent
CODE = ["dataset.py", "london_baseline.py", "run.py", "trainer.py", "utils.py"]
# For each assignment: where its attention is, the name of the model's module, and the scripts that make its files. Since 2024
# the starter code calls the module models.
ASSIGNMENTS = {
    4: ("attention_rope.py", "models.py", ["run_vanilla_no_pretraining", "run_vanilla", "run_rope"]),
    5: ("attention_synthesizer.py", "model.py", ["run_vanilla_no_pretraining", "run_vanilla", "run_synthesizer"]),
}
SHAPE = {"n_layer": 2, "n_head": 4, "n_embd": 64}  # instead of the handouts' 4, 8 and 256
# A quarter in London, so that also a model that only guesses is right now and then.
PLACES = ["London", "London", "Rome", "Oslo", "Paris", "Lima", "Cairo", "Quito"]
# Runs run.py with less training: by the handouts' number of epochs, what replaces the hyperparameters.
SHORT = """
import sys
sys.path.insert(0, "src")
import run

SHORT = {
    650: dict(max_epochs=900, learning_rate=3e-3, warmup_tokens=5_000, final_tokens=600_000),
    75: dict(max_epochs=18, learning_rate=3e-3, warmup_tokens=500, final_tokens=10_000),
    10: dict(max_epochs=10, learning_rate=5e-4, warmup_tokens=100, final_tokens=10_000),
}
Config = run.trainer.TrainerConfig
run.trainer.TrainerConfig = lambda max_epochs, **given: Config(**given | SHORT[max_epochs])
run.models.GPTConfig.embd_pdrop = run.models.GPTConfig.resid_pdrop = run.models.GPTConfig.attn_pdrop = 0.0
run.main(sys.argv[1:])
"""


def write_world(folder: Path, answers: Path) -> None:
    """Eight people in each split. Their documents resemble the questions, so that little training suffices."""
    rng = random.Random(0)
    syllables = [first + second for first in "bdfgklmnprst" for second in "aeiou"]
    firsts = rng.sample(syllables, 3 * len(PLACES))  # no two people begin with the same syllable
    people = [((first + rng.choice(syllables)).capitalize(), place) for first, place in zip(firsts, PLACES * 3)]
    documents = [f"Where was {name} born? {place}" for name, place in people]
    (folder / "wiki.txt").write_text("\n".join(documents), encoding="utf-8")
    lines = [f"Where was {name} born?\t{place}\n" for name, place in people]
    train, dev, test = (lines[i : i + len(PLACES)] for i in range(0, len(lines), len(PLACES)))
    for path, content in (
        (folder / "birth_places_train.tsv", train),
        (folder / "birth_dev.tsv", dev),
        (folder / "birth_test_inputs.tsv", [line.split("\t")[0] + "\n" for line in test]),
        (answers, test),
    ):
        path.write_text("".join(content), encoding="utf-8")


def copy_code(assignment: int, folder: Path) -> None:
    """The submission's code, with a smaller model."""
    (folder / "src").mkdir()
    attention, model, _ = ASSIGNMENTS[assignment]
    for source, target in (*((name, name) for name in CODE), (attention, "attention.py"), ("model.py", model)):
        shutil.copyfile(HERE / source, folder / "src" / target)
    run = folder / "src" / "run.py"
    text, shape = run.read_text(encoding="utf-8"), ", ".join(f"{name}={value}" for name, value in SHAPE.items())
    assert "n_layer=4, n_head=8, n_embd=256" in text
    run.write_text(text.replace("n_layer=4, n_head=8, n_embd=256", shape), encoding="utf-8")


def build(assignment: int, folder: Path) -> Path:
    """Writes everything into `folder`, which must be empty or new: the data, the code and their outputs, and the test answers
    as answers.tsv. Returns the archive."""
    folder.mkdir(parents=True, exist_ok=True)
    write_world(folder, folder / "answers.tsv")
    copy_code(assignment, folder)

    def execute(*command: str) -> None:
        subprocess.run(command, cwd=folder, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})

    execute(sys.executable, "src/london_baseline.py")
    for script in ASSIGNMENTS[assignment][2]:
        text = (ROOT / "scripts" / f"{script}.sh").read_text(encoding="utf-8").replace("\\\n", "")
        for line in text.splitlines():
            if line.startswith("python src/run.py "):
                execute(sys.executable, "-c", SHORT, *shlex.split(line)[2:])
    for name in ("collect_submission.sh", "collect_submission.py"):
        shutil.copy(ROOT / name, folder)
    execute("sh", "collect_submission.sh", str(assignment))
    return folder / f"assignment{assignment}.zip"


if __name__ == "__main__":
    print(build(int(sys.argv[1]), Path(sys.argv[2])))
