"""Checks of the code: modules, span corruption (part e), questions, configuration, and what the models compute."""

from __future__ import annotations

import math
import random
import re
from typing import Any

import torch
from torch.nn import functional as F

from autograder.edition import CONFIGURATION, RECIPE_FLAGS
from autograder.grading import Fault, Grading, Skip, check
from autograder.reference import vocabulary
from autograder.sandbox import Outcome
from vocabulary import MASK_CHAR

# ---------------------------------------------------------------------------------------------------------------------
# A small world for the commands

PLACES = ["Rome", "Oslo", "Paris", "London", "Bonn"]
PEOPLE = [f"{a}{b} {c}{d}" for a in ("Ad", "Bo", "Cy", "Di", "Ed") for b in ("a", "na", "on", "e")
          for c in ("Ker", "Lun", "Mo") for d in ("n", "d", "ss", "rley")]  # fmt: skip
BORN = [(name, PLACES[i % 5]) for i, name in enumerate(PEOPLE)]
WORLD = {
    "wiki.txt": "\n".join(f"{name}. {name} was born in {place} ?" for name, place in BORN) + "\nWhere",
    "birth_places_train.tsv": "".join(f"Where was {name} born?\t{place}\n" for name, place in BORN[:200]),
    "birth_dev.tsv": "".join(f"Where was {name} born?\t{place}\n" for name, place in BORN[200:220]),
    "birth_test_inputs.tsv": "".join(f"Where was {name} born?\n" for name, _ in BORN[220:]),
}
DOCUMENTS = len(PEOPLE) + 1
SCRATCH = ["finetune", "vanilla", "wiki.txt", "--writing_params_path", "vanilla.model.params",
           "--finetune_corpus_path", "birth_places_train.tsv"]  # fmt: skip
FINETUNE = ["finetune", "vanilla", "wiki.txt", "--reading_params_path", "fresh.params", "--writing_params_path",
            "vanilla.finetune.params", "--finetune_corpus_path", "birth_places_train.tsv"]  # fmt: skip


def inputs(g: Grading, biases: bool) -> dict[str, Any]:
    """What the probe `examine` feeds to a model."""
    draw = random.Random(0)
    tokens = [[draw.randrange(2, 20) for _ in range(24)] for _ in range(2)]
    changed = [row[:12] + [2 + (token - 1) % 18 for token in row[12:]] for row in tokens]
    targets = [row[1:9] + [0] * 16 for row in tokens]
    vectors = [[draw.gauss(0, 1) for _ in range(g.edition.n_embd)] for _ in range(2)] if biases else []
    return {"tokens": tokens, "changed": changed, "targets": targets, "block_size": g.edition.block_size,
            "heads": g.edition.n_head, "biases": vectors}  # fmt: skip


def flags(g: Grading) -> list[str]:
    """What has to be added to a training command so that it trains as the handout says."""
    return [*RECIPE_FLAGS] if re.search(r"\brecipe\b", g.submission.source("run.py")) else []


def training(g: Grading, variant: str = "") -> Outcome:
    """The commands of finetuning, or of pretraining a variant, up to where they train."""
    if variant:
        words = ["pretrain", variant, "wiki.txt", "--writing_params_path", f"{variant}.pretrain.params", *flags(g)]
        runs = [{"name": "pretrain", "words": words}]
        if variant != "vanilla":
            runs[0]["checks"] = inputs(g, biases=variant == "rope")
    else:
        runs = [{"name": "scratch", "words": SCRATCH + flags(g), "save": "fresh.params", "checks": inputs(g, False)},
                {"name": "finetune", "words": FINETUNE + flags(g), "reads": "fresh.params"}]  # fmt: skip
    return g.probe("commands", WORLD, runs=runs)


def about_cuda(problem: str | None) -> bool:
    return bool(problem and re.search(r"cuda|nvidia|\bgpu", problem, re.IGNORECASE))


# ---------------------------------------------------------------------------------------------------------------------
# Modules and commands


# Where it counts if a module cannot be imported
IMPORTED = {"attention": "attention_can_be_imported", "dataset": "span_corruption_gives_pairs_of_long_tensors"}


@check()
def attention_can_be_imported(g: Grading) -> Fault | None:
    problem = g.imports("attention")
    return Fault(f"attention.py cannot be imported: {problem}", fatal=True) if problem else None


@check()
def the_modules_can_be_imported(g: Grading) -> Fault | Skip | None:
    for name, its_check in IMPORTED.items():
        if g.imports(name):
            return Skip(f"not checked because {name}.py cannot be imported", its_check)
    for name in ("model", "trainer", "utils"):
        if problem := g.imports(name):
            return Fault(f"{name}.py cannot be imported: {problem}", fatal=True)
    return None


@check("the_modules_can_be_imported")
def finetuning_without_pretraining_starts(g: Grading) -> Fault | Skip | None:
    problem = training(g).problem("scratch")
    if about_cuda(problem):
        return Skip("not checked because run.py asks for a GPU", "it_runs_without_a_gpu")
    return Fault(f"`run.py {' '.join(SCRATCH)}` does not train: {problem}", fatal=True) if problem else None


@check("finetuning_without_pretraining_starts")
def workers_that_are_spawned_do_not_train(g: Grading) -> Fault | None:
    outcomes = [(training(g), ("scratch", "finetune")), (training(g, "vanilla"), ("pretrain",))]
    counts = [
        outcome.values.get(name, {}).get("config", {}).get("num_workers")
        for outcome, names in outcomes
        for name in names
    ]
    if any(counts) and g.probe("spawned", WORLD, words=SCRATCH).values.get("trains"):
        return Fault(f'run.py has no `if __name__ == "__main__":`, and loads data by {max(filter(None, counts))} workers: where '
                     "processes are spawned (Windows, macOS), each worker begins to train itself")  # fmt: skip
    return None


@check("attention_can_be_imported")
def no_block_is_left_empty(g: Grading) -> Fault | None:
    files = [name for name in ("model.py", "models.py", "attention.py") if g.submission.source(name)]
    outcome = g.probe("unfinished", names=files)
    empty = [function for name in files for function in outcome.values.get(name) or ()]
    if empty:
        more = f", and {len(empty) - 1} more" if len(empty) > 1 else ""
        return Fault(
            f"{empty[0]} is left empty{more}: write it, or delete the class if no part of this handout needs it"
        )
    return None


# ---------------------------------------------------------------------------------------------------------------------
# Configuration


def wrong_settings(config: dict[str, Any], expected: dict[str, tuple], path: str) -> dict[str, str]:
    """The settings that are not as published, each with a phrase that says so. An empty last line of the corpus may count
    as a document."""

    def values_of(wanted: Any) -> list[Any]:
        if isinstance(wanted, str) and "N" in wanted:
            return [int(wanted.split("*")[0]) * n * 128 for n in (DOCUMENTS, DOCUMENTS + 1)]
        return [path] if wanted == "W" else [wanted]

    wrong = {}
    for name, choices in expected.items():
        found = config.get(name)
        if not any(same(found, value) for choice in choices for value in values_of(choice)):
            wrong[name] = f"{name} is {found}, it should be {str(choices[0]).replace('N', 'len(pretrain_dataset)')}"
    return wrong


def same(found: Any, wanted: Any) -> bool:
    if isinstance(found, bool) or isinstance(wanted, bool) or not isinstance(wanted, (int, float)):
        return found == wanted
    return isinstance(found, (int, float)) and abs(found - wanted) <= 1e-9 * abs(wanted)


PHASES = {"scratch": ("finetuning without pretraining", "vanilla.model.params"),
          "finetune": ("finetuning after pretraining", "vanilla.finetune.params"),
          "pretrain": ("pretraining", "vanilla.pretrain.params")}  # fmt: skip


def configuration(g: Grading, phase: str) -> Fault | None:
    """What is wrong with the settings of a phase, except what is wrong in the same way in an earlier phase."""
    told: set[str] = set()
    for name, (what, path) in PHASES.items():
        outcome = training(g, "vanilla") if name == "pretrain" else training(g)
        problem = outcome.problem(name)
        if problem and name == phase:
            return Fault(f"{what} does not get as far as training: {problem}")
        wrong = {} if problem else wrong_settings(outcome.values[name]["config"], CONFIGURATION[name], path)
        new = [phrase for phrase in wrong.values() if phrase not in told]
        if name == phase:
            return Fault(f"in {what}, {'; '.join(new)}") if new else None
        told |= {*wrong.values()}
    return None


@check("finetuning_without_pretraining_starts")
def finetuning_without_pretraining_is_configured_as_published(g: Grading) -> Fault | None:
    return configuration(g, "scratch")


@check("finetuning_without_pretraining_starts")
def finetuning_after_pretraining_is_configured_as_published(g: Grading) -> Fault | None:
    return configuration(g, "finetune")


@check("finetuning_without_pretraining_starts")
def pretraining_is_configured_as_published(g: Grading) -> Fault | None:
    return configuration(g, "pretrain")


@check("finetuning_without_pretraining_starts")
def finetuning_begins_with_the_pretrained_parameters(g: Grading) -> Fault | Skip | None:
    outcome = training(g)
    if outcome.problem("finetune"):
        return Skip("not checked because finetuning after pretraining does not get as far as training",
                    "finetuning_after_pretraining_is_configured_as_published")  # fmt: skip
    if problem := outcome.problem("finetune distance"):
        return Fault(f"finetuning after pretraining trains a model of other parameters than were pretrained: {problem}")
    if not outcome.values["finetune distance"] < 1e-5:
        return Fault(
            "finetuning ignores --reading_params_path: it begins with new parameters, it should load the pretrained"
        )
    return None


# ---------------------------------------------------------------------------------------------------------------------
# Questions


@check()
def questions_and_answers_are_laid_out_as_given(g: Grading) -> Fault | Skip | None:
    if g.imports("dataset"):
        return Skip("not checked because dataset.py cannot be imported", IMPORTED["dataset"])
    if skip := g.failed("vocabulary_is_pad_mask_and_the_sorted_characters"):
        return skip
    lines, size = WORLD["birth_places_train.tsv"].splitlines()[:12], 64
    outcome = g.probe("name_dataset", corpus=WORLD["wiki.txt"], block_size=size, questions="\n".join(lines))
    index = {symbol: i for i, symbol in enumerate(vocabulary(WORLD["wiki.txt"]))}
    for i, line in enumerate(lines):
        if problem := outcome.problem(str(i)):
            return Fault(f"NameDataset fails on {line.split(chr(9))[0]!r}: {problem}")
        question, answer = line.split("\t")
        row = [index[char] for char in question + MASK_CHAR + answer + MASK_CHAR]
        row += [0] * (size - len(row))
        y = [0] * (len(question) - 1) + row[len(question) :]
        found = [value.get("numbers") if isinstance(value, dict) else value for value in outcome.values[str(i)]]
        if found[0] != row[:-1]:
            return Fault("x of NameDataset should be question, MASK, answer, MASK and then PAD, one character less than a "
                         f"block; it is something else for {question!r}")  # fmt: skip
        if found[1] == row[1:]:
            return Fault(
                "y of NameDataset has the question itself as targets; it should be PAD there, so that no loss falls on it"
            )
        if found[1] != y:
            return Fault(
                f"y of NameDataset should be PAD for the question and then x one later; it is not for {question!r}"
            )
    return None


# ---------------------------------------------------------------------------------------------------------------------
# What the models compute


def past_only(outcome: Outcome, name: str, model: str) -> Fault | None:
    if problem := outcome.problem(f"{name} change"):
        return Fault(f"the {model} model cannot be called with tokens (2, 24): {problem}")
    change = outcome.values[f"{name} change"]
    if not all(map(math.isfinite, change)):
        return Fault(f"the {model} model's logits are not finite for tokens (2, 24), with large random parameters")
    if max(change[:12]) > 1e-4 * (1 + max(change)):
        where = next(t for t in range(12) if change[t] > 1e-4 * (1 + max(change)))
        return Fault(f"the {model} model looks into the future: when tokens from position 12 on change, the prediction at "
                     f"position {where} changes; mask the scores of later positions")  # fmt: skip
    if not max(change[12:]) > 0:
        return Fault(f"the predictions of the {model} model do not depend on its input")
    return None


def whole_block(outcome: Outcome, name: str, model: str, size: int) -> Fault | None:
    if problem := outcome.problem(f"{name} block {size}"):
        return Fault(f"the {model} model fails on {size} tokens, a whole block: {problem}")
    if outcome.values[f"{name} block {size}"][:2] != [1, size]:
        return Fault(
            f"the {model} model gives logits of shape {outcome.values[f'{name} block {size}']} for {size} tokens"
        )
    return None


@check("finetuning_without_pretraining_starts")
def vanilla_looks_at_the_past_only(g: Grading) -> Fault | None:
    return past_only(training(g), "scratch", "vanilla")


@check("vanilla_looks_at_the_past_only")
def vanilla_takes_a_whole_block(g: Grading) -> Fault | None:
    return whole_block(training(g), "scratch", "vanilla", g.edition.block_size)


@check("vanilla_looks_at_the_past_only")
def padding_does_not_count_in_the_loss(g: Grading) -> Fault | None:
    outcome = training(g)
    if problem := outcome.problem("scratch loss"):
        return Fault(f"the model cannot be called with targets: {problem}")
    output, loss = outcome.values["scratch loss"]
    logits = torch.tensor(output["numbers"], dtype=torch.float64).view(-1, output["shape"][-1])
    targets = torch.tensor(inputs(g, False)["targets"]).flatten()
    right, counted = F.cross_entropy(logits, targets, ignore_index=0), F.cross_entropy(logits, targets)
    if abs(loss - right) < 1e-3 * right:
        return None
    if abs(loss - counted) < 1e-3 * counted:
        return Fault("the loss counts padding: targets that are PAD (0) have to be left out, as by ignore_index=0")
    return Fault(f"the loss is {loss:.4f}, the mean cross-entropy of the targets that are not PAD is {right:.4f}")
