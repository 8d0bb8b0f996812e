"""`make demo`: does pretraining teach facts? The whole experiment on a small invented world, in ten minutes.

A model is finetuned on questions about some people and asked about others. Without pretraining it can only guess; when
it has read about them it can know; about people of whom it has read nothing it can, again, only guess. The world has
several documents about each person, which say the same in other words: facts met in one wording only can hardly be
asked for in another (Allen-Zhu & Li 2023, Physics of Language Models 3.1). What is done is what the printed commands do.
What is trained is kept in demo/, and interrupted training goes on; remove the folder to begin anew.
"""

from __future__ import annotations

import sys
import time

from evaluation.baselines import guess_by_name
from replicate import command, train
from utils import ROOT, evaluate_places, read_questions, run_main

sys.path.insert(0, str(ROOT / "data"))

PEOPLE, DOCUMENTS = 200, 5  # documents about each of them
SCRATCH_EPOCHS, PRETRAIN_EPOCHS, FINETUNE_EPOCHS = 15, 18, 5
VARIANT = "rope"
FILES = {"dev": "birth_dev.tsv", "test": "birth_test.tsv", "unseen": "unseen.tsv"}


def main() -> None:
    import make_world

    started = time.monotonic()
    folder = ROOT / "demo"
    world = folder / f"world.{PEOPLE}x{DOCUMENTS}"
    folder.mkdir(exist_ok=True)

    def say(title: str) -> None:
        print(f"\n[{time.monotonic() - started:3.0f} s] {title}", flush=True)

    say(f"A world of {PEOPLE} people who do not exist, with {DOCUMENTS} documents about each; and some without")
    if not (world / "wiki.txt").exists():
        make_world.main(["--people", str(PEOPLE), "--documents", str(DOCUMENTS), "--out", str(world)])
    print(*(world / "wiki.txt").read_text("utf-8").split("\n")[::PEOPLE], sep="\n")
    asked = {split: read_questions(world / name) for split, name in FILES.items()}
    known = list(zip(*read_questions(world / "birth_places_train.tsv")))
    print(
        f"{len(known)} questions to learn from; to be asked: "
        + ", ".join(f"{len(q)} {s}" for s, (q, _) in asked.items())
    )

    corpus, questions = world / "wiki.txt", {"finetune_corpus_path": world / "birth_places_train.tsv"}
    scratch, pretrained, finetuned = (folder / f"{name}.params" for name in ("scratch", "pretrain", "finetune"))
    flags = {"tb_expt_name": "demo"}  # not to be taken for a run of the user's
    say("Finetuning without pretraining")
    train("finetune", VARIANT, corpus, path=scratch, max_epochs=SCRATCH_EPOCHS, batch_size=32, **questions, **flags)
    say("Pretraining")
    train("pretrain", VARIANT, corpus, path=pretrained, max_epochs=PRETRAIN_EPOCHS, **flags)
    say("Finetuning after pretraining")
    train("finetune", VARIANT, corpus, path=finetuned, reading_params_path=pretrained, max_epochs=FINETUNE_EPOCHS,
          **questions, **flags)  # fmt: skip

    say("Asking about people that no question of the finetuning was about")
    predictions = {}
    for split, (split_questions, _) in asked.items():
        predictions["always London", split] = ["London"] * len(split_questions)
        predictions["guessed from the name (naive Bayes)", split] = guess_by_name(known, split_questions)
        for name, params in {"finetuned only": scratch, "pretrained and finetuned": finetuned}.items():
            path = folder / f"{params.stem}.{split}.predictions"
            command("evaluate", VARIANT, corpus, reading_params_path=params, eval_corpus_path=world / FILES[split],
                    outputs_path=path)  # fmt: skip
            predictions[name, split] = path.read_text("utf-8").splitlines()

    say("Right answers")
    print(f"{'':36}" + "".join(f"{split:>10}" for split in FILES))
    for name in dict.fromkeys(name for name, _ in predictions):
        scores = [evaluate_places(world / FILES[split], predictions[name, split]) for split in FILES]
        print(f"{name:36}" + "".join(f"{100 * correct / total:9.1f}%" for total, correct in scores))
    print(f"\nThe predictions: {folder}/finetune.*.predictions")


if __name__ == "__main__":
    run_main(main)
