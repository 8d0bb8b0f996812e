"""What a model answers to the questions of a world, and how probable it finds the true answers."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.files import InputError, read_text
from evaluation.baselines import guess_by_name
from studies.bits import known_bits, net_bits
from wording import COURSE

LIMIT = 2000  # facts of a group (split, relation, ...) that are asked; of more, so many, evenly spaced
REVERSAL = "reversal"


@dataclass(frozen=True)
class Fact:
    """A row of facts.tsv (data/make_study_world.py)."""

    split: str
    relation: str
    question: str
    answer: str
    bits: float  # information of the answer; nan if it is not known
    bits_given_name: float  # the same among people whose name comes from this one's culture
    best_guess: str
    guess_given_name: str
    documents: int
    culture: str  # of the name

    @property
    def group(self) -> tuple[str, str, bool]:
        return self.split, self.relation, self.documents > 1


def read_tsv(path: Path) -> list[dict[str, str]]:
    """The rows of a TSV file with a header. Raises InputError when one has other columns than the header."""
    rows = list(csv.DictReader(read_text(path).split("\n"), delimiter="\t", quoting=csv.QUOTE_NONE))
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise InputError(f"{path}, line {number}: is damaged; remove its folder, to make the world again")
    return rows


def read_facts(world: Path) -> list[Fact]:
    """The facts of a world. Raises InputError when they cannot be read."""
    path, kinds = world / "facts.tsv", {"bits": float, "bits_given_name": float, "documents": int}
    try:
        return [Fact(**{name: kinds.get(name, str)(value) for name, value in row.items()}) for row in read_tsv(path)]
    except (TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path}: is no list of facts ({error}); remove its folder, to make the world again"
        ) from error


def cultures_of_answers(world: Path) -> dict[str, set[str]]:
    """The cultures of the birthplaces with this answer. Raises InputError when they cannot be read."""
    path = world / "cultures.tsv"
    try:
        return {row["answer"]: set(row["cultures"].split()) for row in read_tsv(path)}
    except KeyError as error:
        raise InputError(f"{path}: has no column {error}; remove its folder, to make the world again") from error


def chosen(facts: Sequence[Fact], limit: int = LIMIT) -> dict[tuple[str, str, bool], tuple[int, list[Fact]]]:
    """By group: how many facts there are, and those that are asked."""
    groups: defaultdict[tuple[str, str, bool], list[Fact]] = defaultdict(list)
    for fact in facts:
        groups[fact.group].append(fact)
    spaced = {}
    for group, members in groups.items():
        numbers = np.linspace(0, len(members) - 1, min(limit, len(members))).round().astype(int)
        spaced[group] = len(members), [members[i] for i in numbers]
    return spaced


def ask(variant: str, corpus_path: Path, params: Path, facts: Sequence[Fact]) -> tuple[list[str], np.ndarray, int]:
    """The model's greedy answers to N questions, its log-probabilities (N,) of the true answers (natural), and the number of
    its parameters. A question or an answer that the model cannot write has no answer, and the probability 0 (NEVER)."""
    import run
    from engine.checkpoint import longest_answer
    from engine.inputs import find_sizes, load_recorded_corpus, make_model
    from evaluation.scoring import score_answers
    from generation import generate_answers
    from questions import MAX_ANSWER, encode_pair
    from replicate import command_line
    from vocabulary import MASK, decode

    flags = {"reading_params_path": params, "eval_corpus_path": "-", "outputs_path": "-", "device": "cpu"}
    args = run.parse_args(command_line("evaluate", variant, corpus_path, **flags))
    sizes = find_sizes(args)
    corpus = load_recorded_corpus(args, sizes.block_size)
    model = make_model(args, corpus, sizes)
    prompts, targets = [], []
    for fact in facts:
        try:
            prompt, target = encode_pair(fact.question, fact.answer, corpus.stoi, sizes.block_size, fact.question)
        except InputError:
            prompt, target = [], [MASK]
        prompts.append(prompt)
        targets.append(target[:-1])  # score_answers adds the mark that ends the answer
    log_probability = score_answers(model, prompts, targets, MASK)[:, 0]
    answers = generate_answers(model, prompts, max(MAX_ANSWER, longest_answer(params)))
    texts = [decode(answer, corpus.itos).replace("\n", " ") for answer in answers]
    return texts, log_probability, sum(p.numel() for p in model.parameters())


def measure(variant: str, corpus_path: Path, params: Path, world: Path, stage: str, reversal: bool) -> dict[str, Any]:
    """What the model at `params`, whose corpus is given, knows of the facts of a world: {"parameters": …, "rows": […]}, a row
    for each group of facts; `stage` tells which model it is, for those who read the rows."""
    facts = [fact for fact in read_facts(world) if reversal or fact.relation != REVERSAL]
    groups = chosen(facts)
    asked = [fact for _, members in groups.values() for fact in members]
    texts, log_probability, parameters = ask(variant, corpus_path, params, asked)
    by_name = names_only(facts, asked)
    cultures, begin, rows = cultures_of_answers(world), 0, []
    for (split, relation, several), (total, members) in groups.items():
        part = slice(begin, begin := begin + len(members))
        row = {"stage": stage, "split": split, "relation": relation, "several": several, "facts": total}
        rows.append(row | summary(members, texts[part], log_probability[part], by_name[part], cultures))
    return {"parameters": parameters, "rows": rows}


def names_only(facts: Sequence[Fact], asked: Sequence[Fact]) -> list[str]:
    """The answers of naive Bayes on the name, of birthplaces; "" for other relations."""
    train = [(COURSE.subject(f.question), f.answer) for f in facts if (f.split, f.relation) == ("train", "birthplace")]
    guesses = iter(guess_by_name(train, [COURSE.subject(f.question) for f in asked if f.relation == "birthplace"]))
    return [next(guesses) if fact.relation == "birthplace" else "" for fact in asked]


def summary(
    facts: Sequence[Fact],
    answers: Sequence[str],
    log_probability: np.ndarray,
    by_name: Sequence[str],
    cultures: dict[str, set[str]],
) -> dict[str, Any]:
    """What is known of N facts of one group; counts and sums over the N that were asked. `culture` counts the answers that
    are places of the culture of the name, right or wrong; `..._by_name` is of naive Bayes."""

    def equal(guesses: Sequence[str]) -> int:
        return sum(guess == fact.answer for guess, fact in zip(guesses, facts))

    def of_culture(guesses: Sequence[str]) -> int:
        return sum(fact.culture in cultures.get(guess, ()) for guess, fact in zip(guesses, facts))

    information, given_name = (np.array([getattr(f, name) for f in facts]) for name in ("bits", "bits_given_name"))
    counts = {"asked": len(facts), "right": equal(answers), "right_by_name": equal(by_name)}
    counts |= {"right_best_guess": equal([fact.best_guess for fact in facts])}
    counts |= {"right_given_name": equal([fact.guess_given_name for fact in facts])}
    counts |= {"culture": of_culture(answers), "culture_by_name": of_culture(by_name)}
    sums = {"information": information, "bits": known_bits(information, log_probability),
            "bits_beyond_name": known_bits(given_name, log_probability),
            "net": net_bits(information, log_probability)}  # fmt: skip
    return counts | {name: round(float(np.nansum(values)), 2) for name, values in sums.items()}
