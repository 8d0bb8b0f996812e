"""Make a world of invented people: one line of text about each, and questions about where they were born.

    python data/make_world.py                             # writes the committed files again, byte for byte
    python data/make_world.py --people 100000 --out DIR   # a larger world
    python data/make_world.py --class names.csv --secret_file secret.txt --out worlds    # one for each student
    python data/make_world.py --relations birthplace,birth_year,profession,deathplace,field --out DIR

The files have the format of the course's files. README.md beside this script describes them and the flags.
"""

import argparse
import os
import sys
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn, TextIO

from world_class import folder_name, read_class, read_secret, student_seed
from world_people import CORPUS_SPLITS, SPLITS, ascii_part, people, split_sizes
from world_relations import DEFAULT, QUESTIONS, document, facts

HERE = Path(__file__).resolve().parent
FAKER = "40.54.0"  # the version whose name lists the committed files were made with
MIN_PEOPLE, MAX_PEOPLE, MAX_DOCUMENTS = 200, 1_000_000, 100
WORLD_FLAGS = (
    "seed",
    "people",
    "documents",
    "name_culture_strength",
    "relations",
)  # the flags that change the contents of a world
FILES = {
    "train": "birth_places_train.tsv",
    "dev": "birth_dev.tsv",
    "test": "birth_test.tsv",
    "test questions": "birth_test_inputs.tsv",
    "unseen": "unseen.tsv",
    "corpus": "wiki.txt",
}
FACTS = {"facts": "facts.tsv"}  # of a world with other relations than the default: which question asks for what


def write_world(
    folder: Path,
    seed: int,
    n: int,
    strength: float,
    documents: int = 1,
    relations: tuple[str, ...] = DEFAULT,
    without: Collection[str] = (),
) -> None:
    """Write the files of a world with `n` people, `documents` documents about each of them, and questions about `relations`;
    but not the kinds of files in `without`, "test" for the answers of the test questions.

    The files are written under temporary names and renamed when all are complete, so that an interruption leaves the
    previous files. Raises OSError if the folder cannot be written to.
    """
    names = {k: name for k, name in (FILES if relations == DEFAULT else FILES | FACTS).items() if k not in without}
    partial = {kind: folder / f".{name}.{os.getpid()}.partial" for kind, name in names.items()}
    try:
        with ExitStack() as stack:
            files = {
                kind: stack.enter_context(open(path, "w", encoding="utf-8", newline="\n"))
                for kind, path in partial.items()
            }
            write_lines(files, seed, n, strength, documents, relations)
        for kind, name in names.items():
            os.replace(partial[kind], folder / name)
    finally:
        for path in partial.values():
            path.unlink(missing_ok=True)


def write_lines(
    files: dict[str, TextIO], seed: int, n: int, strength: float, documents: int, relations: tuple[str, ...]
) -> None:
    """Write the lines of all files.

    The corpus has document 0 about each person, then document 1 about each person, and so on, and no newline at the
    end. The people are made again for each document number, because a million of them would need too much memory.
    """
    from tqdm import tqdm

    characters: set[str] = set()  # of the corpus
    total = sum(split_sizes(n).values()) + (documents - 1) * n
    if "facts" in files:
        files["facts"].write("name\trelation\tanswer\tsplit\n")
    with tqdm(total=total, delay=2, disable=None) as progress:  # shown on a terminal only, after two seconds
        for number in range(documents):
            for split, person in people(seed, n, strength):
                if split in CORPUS_SPLITS:
                    text = document(person, number, relations)
                    files["corpus"].write(("\n" if characters else "") + text)
                    characters.update(text)
                elif number > 0 or not characters.issuperset(ascii_part(person.name)):
                    # Questions are written once; and a model whose vocabulary is the corpus could not encode this one.
                    continue
                for fact in facts(split, person, relations) if number == 0 else ():
                    if fact.split in files:
                        files[fact.split].write(f"{fact.question}\t{fact.answer}\n")
                    if fact.split == "test":
                        files["test questions"].write(fact.question + "\n")
                    if "facts" in files:
                        files["facts"].write("\t".join(fact) + "\n")
                progress.update()


def relation_list(text: str) -> tuple[str, ...]:
    """The type of --relations: names separated by commas, in any order. The order of QUESTIONS is returned."""
    names = text.split(",")
    for name in names:
        if name not in QUESTIONS or names.count(name) > 1:
            problem = "is named twice" if name in QUESTIONS else f"is none of {', '.join(QUESTIONS)}"
            raise argparse.ArgumentTypeError(f"{name!r} {problem}")
    return tuple(name for name in QUESTIONS if name in names)


class OneLineParser(argparse.ArgumentParser):
    """An ArgumentParser whose error messages are one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}\n")


def write_class(students: Sequence[str], secret: bytes, args: argparse.Namespace) -> None:
    """Write a world for each student, into a folder of their own below `args.out`; without the test answers."""
    from tqdm import tqdm

    for student in tqdm(students, disable=None):
        folder = args.out / folder_name(student)
        folder.mkdir(parents=True, exist_ok=True)
        seed = student_seed(secret, student)
        write_world(
            folder, seed, args.people, args.name_culture_strength, args.documents, args.relations, ["test", "facts"]
        )
    print(*(f"{args.out / folder_name(student)}\t{student}" for student in students), sep="\n")


def add_world_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that change the contents of a world, apart from its seed."""
    default_people = sum(SPLITS[split] for split in CORPUS_SPLITS)
    parser.add_argument("--people", type=int, default=default_people, metavar="N",
                        help=f"people with documents, {MIN_PEOPLE} to {MAX_PEOPLE:,}; default %(default)s")  # fmt: skip
    parser.add_argument("--documents", type=int, default=1, metavar="K",
                        help=f"documents about each person, 1 to {MAX_DOCUMENTS}; default %(default)s")  # fmt: skip
    parser.add_argument("--name_culture_strength", type=float, default=0.8, metavar="S",
                        help="probability that a name comes from the culture of the birthplace; at 0 a name says "
                        "nothing about the birthplace; default %(default)s")  # fmt: skip
    parser.add_argument("--relations", type=relation_list, default=DEFAULT, metavar="R,R,...",
                        help=f"what is asked, of {','.join(QUESTIONS)}; default {','.join(DEFAULT)}")  # fmt: skip


def add_class_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that name a class."""
    parser.add_argument("--class", dest="class_file", type=Path, metavar="CSV",
                        help="a world for each student of this file, named in its column id, email or name, or in the first")  # fmt: skip
    parser.add_argument("--secret_file", type=Path, metavar="FILE",
                        help="a file with a secret that only the teacher has; the worlds follow from it and the names")  # fmt: skip


def check_world_flags(args: argparse.Namespace) -> str:
    """What is wrong with the flags of `add_world_flags` and `add_class_flags`, empty if nothing is."""
    if not MIN_PEOPLE <= args.people <= MAX_PEOPLE:
        return f"--people must be from {MIN_PEOPLE} to {MAX_PEOPLE}, not {args.people}"
    if not 1 <= args.documents <= MAX_DOCUMENTS:
        return f"--documents must be from 1 to {MAX_DOCUMENTS}, not {args.documents}"
    if not 0 <= args.name_culture_strength <= 1:
        return f"--name_culture_strength must be from 0 to 1, not {args.name_culture_strength}"
    if bool(args.class_file) != bool(args.secret_file):
        return "--class and --secret_file need each other"
    try:
        from faker import VERSION
    except ImportError:
        return f"the Faker package is missing (pip install Faker=={FAKER})"
    if args.class_file and VERSION != FAKER:
        return (
            f"--class: Faker {VERSION} may have other names, with which nobody could grade; pip install Faker=={FAKER}"
        )
    return ""


def make_parser() -> OneLineParser:
    parser = OneLineParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("--seed", type=int, default=0, help="default %(default)s")
    add_world_flags(parser)
    add_class_flags(parser)
    parser.add_argument("--out", type=Path, default=HERE, metavar="DIR", help="default: the folder of this script")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    parser = make_parser()
    args = parser.parse_args(argv)
    if problem := check_world_flags(args):
        parser.error(problem)
    from faker import VERSION

    differs = any(getattr(args, flag) != parser.get_default(flag) for flag in WORLD_FLAGS) or VERSION != FAKER
    if (differs or args.class_file) and args.out.resolve() == HERE:
        parser.error(f"--out: name a folder for this world; in {HERE} it would replace the committed one")
    if args.class_file and args.seed != parser.get_default("seed"):
        parser.error("--seed: the worlds of a class have their seeds from --secret_file")
    if VERSION != FAKER:
        print(
            f"note: the committed files were made with Faker {FAKER}; {VERSION} may have other names", file=sys.stderr
        )
    try:
        if args.class_file:
            students, secret = read_class(args.class_file), read_secret(args.secret_file)
            write_class(students, secret, args)
        else:
            args.out.mkdir(parents=True, exist_ok=True)
            write_world(args.out, args.seed, args.people, args.name_culture_strength, args.documents, args.relations)
    except ValueError as error:
        parser.error(str(error))
    except OSError as error:
        if args.class_file and error.filename in (str(args.class_file), str(args.secret_file)):
            parser.error(f"cannot read {error.filename}: {error.strerror}")
        parser.error(f"cannot write to {args.out}: {error.strerror}")


if __name__ == "__main__":
    main()
