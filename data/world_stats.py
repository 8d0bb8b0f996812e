"""Print the statistics of one or more data sets as a Markdown table, one column per folder.

    python data/world_stats.py DIR [DIR ...]

A folder holds files in the format of the course's data: wiki.txt, birth_places_train.tsv, birth_dev.tsv and
birth_test_inputs.tsv. The statistics are computed in the same way for the invented world and for the course's files.
Those about answers use train and dev only, because the course's test answers are not published. A world of other relations
than the birthplace has rows about each relation in place of those about birthplaces.
"""

import argparse
import math
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from make_world import OneLineParser
from world_people import name_in
from world_relations import DEFAULT, QUESTIONS, relation_of

Row = Sequence[str]  # the columns of a line of a TSV file: question, answer
WORD = r"[^\W\d_]+"
PREFIX = 112  # span corruption reads at most 7/8 of a block of 128 characters


class DataSet(NamedTuple):
    """The files of one folder. Document i of the corpus belongs to question i of train and dev laid end to end."""

    corpus: str
    documents: list[str]
    train: list[Row]
    dev: list[Row]
    test: list[Row]

    @property
    def answered(self) -> list[Row]:
        return self.train + self.dev


def read_data_set(folder: str | Path) -> DataSet:
    """Read the files of a folder. Raises OSError if one is missing, ValueError if one is not UTF-8."""

    def rows(name: str) -> list[Row]:
        return [line.split("\t") for line in (Path(folder) / name).read_text("utf-8").splitlines()]

    corpus = (Path(folder) / "wiki.txt").read_text("utf-8")
    train, dev, test = (rows(name) for name in ("birth_places_train.tsv", "birth_dev.tsv", "birth_test_inputs.tsv"))
    return DataSet(corpus, corpus.split("\n"), train, dev, test)


def percentage(flags: Iterable[object], total: int) -> str:
    return f"{100 * sum(map(bool, flags)) / total:.1f} %"


def corpus_statistics(data: DataSet) -> dict[str, object]:
    """Size of the corpus, and the length of its documents in characters."""
    lengths = sorted(map(len, data.documents))
    deciles = [lengths[min(len(lengths) * k // 10, len(lengths) - 1)] for k in range(11)]
    return {
        "documents": len(data.documents),
        "characters": len(data.corpus),
        "distinct characters, newline included": len(set(data.corpus)),
        "length of a document, mean": f"{statistics.mean(lengths):.1f}",
        "shortest, deciles, longest": " ".join(map(str, deciles)),
        "documents with letters outside ASCII": percentage((not d.isascii() for d in data.documents), len(lengths)),
    }


def question_statistics(data: DataSet) -> dict[str, object]:
    """Names and answers of the questions, without their documents."""
    names = [name_in(question) for question, _ in data.answered]
    train_places = Counter(answer for _, answer in data.train)
    dev_places = [answer for _, answer in data.dev]
    words = [len(name.split()) for name in names]
    london = [percentage((a == "London" for _, a in split), len(split)) for split in (data.train, data.dev)]
    return {
        "questions (train / dev / test)": f"{len(data.train)} / {len(data.dev)} / {len(data.test)}",
        "questions with letters outside ASCII": percentage((not name.isascii() for name in names), len(names)),
        "longest question": max(len(question) for question, _ in data.answered),
        "longest answer": max(len(answer) for _, answer in data.answered),
        "names of two / three words": " / ".join(percentage((w == k for w in words), len(words)) for k in (2, 3)),
        "distinct places (train / dev)": f"{len(train_places)} / {len(set(dev_places))}",
        "places asked for once in train": sum(count == 1 for count in train_places.values()),
        "dev questions whose place train never has": percentage(
            (place not in train_places for place in dev_places), len(dev_places)
        ),
        "most frequent answers in train": ", ".join(f"{a} {count}" for a, count in train_places.most_common(10)),
        "London (train / dev)": " / ".join(london),
    }


def document_statistics(data: DataSet) -> dict[str, object]:
    """How the documents state the birthplace. A place is any answer of train or dev; the sentence follows the title."""
    known = {answer for _, answer in data.answered}

    def places(text: str) -> list[str]:
        """The places that a text names, in its order."""
        return [word for word in re.findall(WORD, text) if word in known]

    def first_after_born(sentence: str) -> str:
        """The answer of a simple pattern: the first place after "born", or else the first one, or else London."""
        candidates = places(sentence.partition("orn ")[2]) + places(sentence)
        return candidates[0] if candidates else "London"

    def share(holds: Callable[[str, str, str, str], object]) -> str:
        """The share of the questions for which `holds(document, name, sentence, answer)` is true."""
        flags = []
        for document, (question, answer) in zip(data.documents, data.answered, strict=False):
            name = name_in(question)
            flags.append(holds(document, name, document[len(name) + 2 :], answer))
        return percentage(flags, len(data.answered))

    named = [
        len({*places(document[len(name_in(question)) + 2 : PREFIX])})
        for document, (question, _) in zip(data.documents, data.answered, strict=False)
    ]
    return {
        "answer inside the document": share(lambda d, n, s, a: a in d),
        f"answer inside its first {PREFIX} characters": share(lambda d, n, s, a: a in d[:PREFIX]),
        f"different places in its first {PREFIX} characters, mean": f"{statistics.mean(named):.2f}",
        "full name again in the sentence": share(lambda d, n, s, a: n in s),
        'sentence starts with "Born"': share(lambda d, n, s, a: s.startswith("Born")),
        "sentence with a year": share(lambda d, n, s, a: re.search(r"\b\d{4}\b", d)),
        "sentence with he, she, his or her": share(lambda d, n, s, a: re.search(r"(?i)\b(he|she|his|her)\b", d)),
        "first place of the sentence is the answer": share(lambda d, n, s, a: places(s)[:1] == [a]),
        'first place after "born" is the answer': share(lambda d, n, s, a: first_after_born(s) == a),
    }


def entropy(answers: Iterable[str]) -> float:
    """The entropy in bits of the answers' frequencies: what a model has to know of each fact if it knows no more than these."""
    counts = Counter(answers)
    return -sum(n / counts.total() * math.log2(n / counts.total()) for n in counts.values())


def relation_statistics(data: DataSet, relation: str) -> dict[str, object]:
    """The questions of a relation, and how the documents state their answers. A document belongs to the name it begins with."""
    asked = {
        split: [(relation_of(row[0])[1], *row[1:]) for row in rows if relation_of(row[0])[0] == relation]
        for split, rows in (("train", data.train), ("dev", data.dev), ("test", data.test))
    }
    answered = asked["train"] + asked["dev"]
    documents = defaultdict(list)
    for document in data.documents:
        for end in re.finditer(r"\. ", document):  # names have initials: "Ann B. Lee. Ann B Lee was"
            documents[document[: end.start()]].append(document)
    said = [
        re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", document)
        for name, answer in answered
        for document in documents[name]
    ]
    (usual, count), *_ = Counter(answer for _, answer in asked["train"]).most_common(1)
    rows = {
        "questions (train / dev / test)": " / ".join(str(len(rows)) for rows in asked.values()),
        "distinct answers": len({answer for _, answer in answered}),
        "entropy of the answers": f"{entropy(answer for _, answer in answered):.1f} bits",
        "most frequent answer in train": f"{usual}, {100 * count / len(asked['train']):.1f} %",
        "documents that state it": percentage(said, len(said)),
        f"in their first {PREFIX} characters": percentage(
            (match and match.end() <= PREFIX for match in said), len(said)
        ),
    }
    return {f"{relation}: {row}": value for row, value in rows.items()}


def world_statistics(folder: str | Path) -> dict[str, object]:
    """All statistics of a folder, by the names that the table gives them.

    Raises OSError if a file is missing; ValueError or ArithmeticError if a file has another format or is empty.
    """
    data = read_data_set(folder)
    relations = {relation_of(question)[0] for question, _ in data.answered}
    rows = corpus_statistics(data)
    if relations <= {*DEFAULT}:
        return rows | question_statistics(data) | document_statistics(data)
    for relation in QUESTIONS:
        rows |= relation_statistics(data, relation) if relation in relations else {}
    return rows


def markdown_table(folders: Sequence[str]) -> str:
    columns = [world_statistics(folder) for folder in folders]
    lines = ["| | " + " | ".join(folders) + " |", "| --- |" + " --- |" * len(folders)]
    names = dict.fromkeys(name for column in columns for name in column)
    lines += ["| " + " | ".join([name, *(str(column.get(name, "–")) for column in columns)]) + " |" for name in names]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    parser = OneLineParser(
        description=__doc__, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", metavar="DIR", help="a folder with files in the course's format")
    folders = parser.parse_args(argv).folders
    try:
        print(markdown_table(folders))
    except OSError as error:
        parser.error(f"cannot read {error.filename}: {error.strerror}")
    except (ValueError, ArithmeticError) as error:  # not UTF-8, no tab, no question
        parser.error(f"one of these folders does not hold files in the course's format ({error})")


if __name__ == "__main__":
    main()
