"""Make a world for src/study.py: that of make_world.py with what a measurement needs besides.

    python data/make_study_world.py --people 400 --out DIR

writes wiki.txt and birth_places_train.tsv as make_world.py does (with the same flags, the same bytes), and facts.tsv: for
each question the information of its answer (world_information.py), how many documents are about the person, and the culture
of the name; cultures.tsv tells which cultures a birthplace belongs to.
"""

import argparse
import functools
import math
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import world_information
from make_world import OneLineParser, add_world_flags, check_world_flags
from world_people import CORPUS_SPLITS, Person, all_places, ascii_part, make_person, split_sizes
from world_relations import document, facts

COLUMNS = ("split", "relation", "question", "answer", "bits", "bits_given_name", "best_guess", "guess_given_name",
           "documents", "culture")  # fmt: skip
REVERSAL = "Who was born in {}?"
REVERSED = (  # documents whose title is the place and the year, and which then say who was born there
    "{where}. {name} was born there in that year .",
    "{where}. This is where and when {name} was born .",
    "{where}. In that year and in that place {name} came into the world .",
    "{where}. The register of that year has the birth of {name} .",
    "{where}. Among those who were born then and there was {name} .",
)


World = Sequence[tuple[str, Person]]  # all people with their splits


def everybody(args: argparse.Namespace) -> Iterator[tuple[str, Person]]:
    """All people of the world with their splits, in the order of the files."""
    for split, size in (split_sizes(args.people) | {"unseen": args.unseen}).items():
        for number in range(size):
            yield split, make_person(args.seed, split, number, args.name_culture_strength)


def documents_of(person: Person, args: argparse.Namespace) -> int:
    """How many documents are about a person of the corpus: all, or only one. That depends on no flag but the share."""
    return args.documents if Random(f"{person.key}:several").random() < args.several_share else 1


def where_born(person: Person) -> str:
    """ "Ulm in 1901" """
    return f"{person.answer} in {person.birth_year}"


def only_ones(world: World) -> set[str]:
    """Where and when only one person with documents was born who is known to be: "Ulm in 1901"."""
    counts = Counter(where_born(person) for split, person in world if split in CORPUS_SPLITS)
    return {where for where, count in counts.items() if count == 1}


def corpus(args: argparse.Namespace, world: World, unique: set[str]) -> Iterator[str]:
    """The lines of wiki.txt. `unique` is from `only_ones`."""
    for number in range(args.documents):
        for split, person in world:
            if split in CORPUS_SPLITS and number < documents_of(person, args):
                yield document(person, number, args.relations)
    for number in range(args.reversed_documents):
        for split, person in world:
            if split in CORPUS_SPLITS and where_born(person) in unique:
                yield REVERSED[number].format(where=where_born(person), name=person.name)


@functools.cache
def bits_of(relation: str, answer: str, strength: float, culture: str | None) -> str:
    """The information of an answer, in bits; "nan" if the relation's distribution is not known."""
    if relation not in world_information.RELATIONS:
        return "nan"
    return f"{-math.log2(world_information.distribution(relation, strength, culture)[answer]):.4f}"


@functools.cache
def guess(relation: str, strength: float, culture: str | None) -> str:
    return world_information.likeliest(relation, strength, culture) if relation in world_information.RELATIONS else ""


def fact_rows(args: argparse.Namespace, world: World, unique: set[str], known: set[str]) -> Iterator[tuple[str, ...]]:
    """The rows of facts.tsv, in the order of COLUMNS. People without documents whose name has characters that are not
    `known` from the corpus are left out. `unique` is from `only_ones`."""
    strength = args.name_culture_strength
    for split, person in world:
        if not known.issuperset(ascii_part(person.name)):
            continue
        culture, count = person.name_culture, str(documents_of(person, args) if split in CORPUS_SPLITS else 0)
        for fact in facts(split, person, args.relations):
            yield (fact.split, fact.relation, fact.question, fact.answer,
                   bits_of(fact.relation, fact.answer, strength, None),
                   bits_of(fact.relation, fact.answer, strength, culture),
                   guess(fact.relation, strength, None), guess(fact.relation, strength, culture), count, culture)  # fmt: skip
        if split in CORPUS_SPLITS and where_born(person) in unique:
            yield (
                split,
                "reversal",
                REVERSAL.format(where_born(person)),
                person.name,
                "nan",
                "nan",
                "",
                "",
                count,
                culture,
            )


def cultures_of_answers() -> dict[str, set[str]]:
    """For each answer to a question about a birthplace, the cultures of the places that it can mean."""
    found: dict[str, set[str]] = {}
    for place in all_places().birthplaces.items:
        for level in world_information.LEVELS:
            found.setdefault(place.answer(level), set()).add(place.culture)
    return found


def write(args: argparse.Namespace) -> None:
    """Writes the files, under temporary names first. Raises OSError if that fails."""
    args.out.mkdir(parents=True, exist_ok=True)
    world = [*everybody(args)]
    unique = only_ones(world) if {"birthplace", "birth_year"} <= {*args.relations} else set()
    documents = [*corpus(args, world, unique)]
    cultures = cultures_of_answers()
    rows = [*fact_rows(args, world, unique, set().union(*documents))]
    questions = [f"{row[2]}\t{row[3]}" for row in rows if row[0] == "train" and row[1] != "reversal"]
    texts = {"birth_places_train.tsv": "\n".join(questions) + "\n", "facts.tsv": "".join(
        "\t".join(row) + "\n" for row in (COLUMNS, *rows)), "cultures.tsv": "answer\tcultures\n" + "".join(
        f"{answer}\t{' '.join(sorted(cultures[answer]))}\n" for answer in sorted(cultures)),
             "wiki.txt": "\n".join(documents)}  # fmt: skip
    for name, text in texts.items():
        partial = args.out / f".{name}.{os.getpid()}.partial"
        partial.write_text(text, encoding="utf-8", newline="\n")
        os.replace(partial, args.out / name)


def check(args: argparse.Namespace) -> str:
    """What is wrong with the flags, empty if nothing is."""
    if problem := check_world_flags(args):
        return problem
    if not 0 <= args.several_share <= 1:
        return f"--several_share must be from 0 to 1, not {args.several_share}"
    if not 0 <= args.unseen <= 100_000:
        return f"--unseen must be from 0 to 100000, not {args.unseen}"
    if not 0 <= args.reversed_documents <= len(REVERSED):
        return f"--reversed_documents must be from 0 to {len(REVERSED)}, not {args.reversed_documents}"
    if args.reversed_documents and not {"birthplace", "birth_year"} <= {*args.relations}:
        return "--reversed_documents needs --relations birthplace,birth_year"
    return ""


def main(argv: Sequence[str] | None = None) -> None:
    parser = OneLineParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("--seed", type=int, default=0, help="default %(default)s")
    add_world_flags(parser)
    parser.add_argument("--several_share", type=float, default=1.0, metavar="P",
                        help="share of the people with all documents; the others have one; default %(default)s")  # fmt: skip
    parser.add_argument("--unseen", type=int, default=500, metavar="N",
                        help="people without documents; default %(default)s")  # fmt: skip
    parser.add_argument("--reversed_documents", type=int, default=0, metavar="R",
                        help="documents for each place and year that say who was born there; default %(default)s")  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    args = parser.parse_args(argv)
    args.class_file = args.secret_file = None
    if problem := check(args):
        parser.error(problem)
    try:
        write(args)
    except OSError as error:
        parser.error(f"cannot write to {args.out}: {error.strerror}")


if __name__ == "__main__":
    main()
