"""Worlds that ask about more than birthplaces: data/make_world.py --relations."""

import hashlib
import importlib
import math
import re
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from itertools import combinations
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

DATA = Path(__file__).resolve().parent.parent / "data"
RELATIONS = ("birthplace", "birth_year", "profession", "deathplace", "field")
WORDING = {
    "birthplace": "Where was {} born?",
    "birth_year": "When was {} born?",
    "profession": "What did {} do?",
    "deathplace": "Where did {} die?",
    "field": "What did {} study?",
}
SPLIT_FILES = {"train": "birth_places_train.tsv", "dev": "birth_dev.tsv", "test": "birth_test.tsv",
               "unseen": "unseen.tsv"}  # fmt: skip
FILES = {*SPLIT_FILES.values(), "birth_test_inputs.tsv", "wiki.txt"}


@pytest.fixture(scope="module", autouse=True)
def data_on_path():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DATA)
        yield


@pytest.fixture(scope="module", autouse=True)
def faker_installed(data_on_path):
    faker = pytest.importorskip("faker", reason="only the generator needs Faker")
    if importlib.import_module("make_world").FAKER != faker.VERSION:
        pytest.skip("Faker's name lists change with its version")


def module(name: str):
    return importlib.import_module(name)


def run(*arguments: object, script: str = "make_world.py") -> subprocess.CompletedProcess:
    command = [sys.executable, str(DATA / script), *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def rows(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text("utf-8").splitlines()]


def plain(text: str) -> str:
    return text.encode("ascii", "ignore").decode()


def states(document: str, answer: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", document) is not None


def digest(folder: Path) -> str:
    """Of the names and the contents of all files of a world."""
    files = sorted(path for path in folder.iterdir() if path.name in FILES or path.name == "facts.tsv")
    return hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in files)).hexdigest()[:16]


# These digests were taken before there were relations, the last one when they came.
@pytest.mark.parametrize(
    "flags, expected",
    [
        ((), "c2e1990289dc0c87"),
        (("--people", 300, "--seed", 5), "fdf21655270f722a"),
        (
            ("--people", 200, "--documents", 3, "--name_culture_strength", 0.3, "--relations", "birthplace"),
            "b332650fe6a9ba0a",
        ),
        (("--people", 200, "--relations", ",".join(RELATIONS)), "6a332f315deb8745"),
    ],
)
def test_digests(tmp_path, flags, expected):
    assert run(*flags, "--out", tmp_path).returncode == 0
    assert digest(tmp_path) == expected


@settings(max_examples=8)
@given(st.sets(st.sampled_from(RELATIONS), min_size=1), st.integers(-9, 2**40), st.integers(1, 3))
def test_every_question_of_a_world_is_answered_by_the_documents(chosen, seed, copies):
    relations = tuple(name for name in RELATIONS if name in chosen)
    everybody = list(module("world_people").people(seed, 200, 0.8))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        module("make_world").write_world(folder, seed, 200, 0.8, copies, relations)
        default = relations == ("birthplace",)
        assert {path.name for path in folder.iterdir()} == FILES | (set() if default else {"facts.tsv"})
        asked = {split: rows(folder / file) for split, file in SPLIT_FILES.items()}
        documents = (folder / "wiki.txt").read_text("utf-8").split("\n")
        inputs = rows(folder / "birth_test_inputs.tsv")
        facts = None if default else rows(folder / "facts.tsv")
    assert inputs == [[question] for question, _ in asked["test"]]
    assert len(documents) == 200 * copies

    # The facts file has the questions of all files, and these have nothing else.
    if facts:
        assert facts[0] == ["name", "relation", "answer", "split"]
        for split, lines in asked.items():
            assert lines == [[WORDING[r].format(name), answer] for name, r, answer, own in facts[1:] if own == split]

    # No question is in two files, and all can be encoded.
    for one, other in combinations(asked, 2):
        assert not {plain(question) for question, _ in asked[one]} & {plain(question) for question, _ in asked[other]}
    characters = set("".join(documents))
    assert all(set(plain(question)) <= characters for part in asked.values() for question, _ in part)

    # Each relation is asked for once about each person, but no place of death of the living.
    people = [person for split, person in everybody if split != "unseen"]
    answers = defaultdict(list)
    for split in ("train", "dev", "test"):
        for question, answer in asked[split]:
            answers[question].append(answer)
    expected = Counter(
        WORDING[relation].format(person.name)
        for person in people
        for relation in relations
        if relation != "deathplace" or person.death_year
    )
    assert {question: len(found) for question, found in answers.items()} == expected

    # All documents about a person state each answer as words of their own. (Of the default world, 19 in 20.)
    stated = []
    for i, person in enumerate(people):
        for relation in relations:
            for answer in answers[WORDING[relation].format(person.name)]:
                if expected[WORDING[relation].format(person.name)] == 1:  # else a namesake's answer may be meant
                    stated += [states(document, answer) for document in documents[i::200]]
    assert all(stated) or default and sum(stated) > 0.85 * len(stated)
    for i, person in enumerate(people):
        assert all(
            document.startswith(f"{person.name}. ") and document.endswith(" .") for document in documents[i::200]
        )
        assert not any(re.search(r"[{}]|  |None|\ba [aeio]", document) for document in documents[i::200])

    # Sizes: exact for birthplaces, near the proportions 2000 : 500 : 437 for the others.
    for relation in relations:
        before, after = WORDING[relation].split("{}")
        sizes = [
            sum(question.startswith(before) and question.endswith(after) for question, _ in asked[split])
            for split in asked
        ]
        total = sum(sizes[:3])
        if relation == "birthplace":
            assert sizes[:3] == [136, 34, 30]
        else:
            for size, share in zip(sizes, (2000 / 2937, 500 / 2937, 437 / 2937)):
                assert abs(size - total * share) <= 5 * math.sqrt(total * share * (1 - share))
        assert sizes[3] <= 50 and (relation == "deathplace" or sizes[3] >= 40)
    unseen = {module("world_relations").relation_of(question)[1] for question, _ in asked["unseen"]}
    assert not unseen & {person.name for person in people}


def test_facts_do_not_depend_on_the_document_or_on_what_else_is_asked():
    relations = module("world_relations")
    for split, person in list(module("world_people").people(3, 200, 0.8))[:150]:
        known = {fact.relation: fact for fact in relations.facts(split, person, RELATIONS)}
        assert known["birthplace"].split == split and known["birth_year"].answer == str(person.birth_year)
        assert ("deathplace" in known) == (person.death_year is not None)
        if "deathplace" in known:
            assert known["deathplace"].answer not in (person.answer, person.birthplace.town)
        for chosen in (("field",), ("birth_year", "deathplace"), ("birthplace", "profession")):
            assert relations.facts(split, person, chosen) == [known[r] for r in chosen if r in known]
        for number in range(3):
            details = relations.RelationDetails(person, Random(f"{person.key}:document {number}"))
            assert {r: a for r, a in details.facts.items() if a} == {r: fact.answer for r, fact in known.items()}


def test_people_may_be_in_train_for_one_relation_and_in_dev_for_another():
    relations, splits = module("world_relations"), defaultdict(set)
    for split, person in module("world_people").people(0, 500, 0.8):
        found = {fact.split for fact in relations.facts(split, person, RELATIONS)}
        assert found == {"unseen"} if split == "unseen" else "unseen" not in found
        splits[split] |= {frozenset(found)}
    assert {"train", "dev"} in splits["train"] and {"train", "dev", "test"} in splits["dev"]


def test_every_statement_is_used_and_states_its_relation():
    relations = module("world_relations")
    person = next(p for _, p in module("world_people").people(0, 200, 0.8) if p.death_year)
    assert set(relations.STATEMENTS) == set(RELATIONS) == set(relations.QUESTIONS)
    for relation, sentences in relations.STATEMENTS.items():
        assert len(set(sentences)) == len(sentences) >= 10
        for sentence in sentences:
            details = relations.RelationDetails(person, Random(0))
            text = sentence.format_map(details)
            assert details.stated == {relation} and states(text, details.facts[relation])
            assert text[0].isupper()


def test_the_order_of_relations_does_not_matter(tmp_path):
    for name, listed in (("a", "field,birth_year"), ("b", "birth_year,field")):
        assert run("--people", 200, "--relations", listed, "--out", tmp_path / name).returncode == 0
    assert digest(tmp_path / "a") == digest(tmp_path / "b")


@pytest.mark.parametrize(
    "value, message",
    [
        ("", "'' is none of birthplace, birth_year, profession, deathplace, field"),
        ("birthplace,", "'' is none of"),
        ("birth place", "'birth place' is none of"),
        ("field,field", "'field' is named twice"),
        ("field, profession", "' profession' is none of"),
        ("field", "name a folder for this world"),  # it must not replace the committed one
    ],
)
def test_wrong_relations_are_a_one_line_error(value, message):
    result = run("--relations", value)
    assert result.returncode == 2 and result.stdout == ""
    assert len(result.stderr.splitlines()) == 1 and message in result.stderr


def test_statistics_of_each_relation(tmp_path):
    relations = ("birthplace", "field")
    module("make_world").write_world(tmp_path, 7, 200, 0.8, 2, relations)
    table = module("world_stats").world_statistics(tmp_path)
    documents = (tmp_path / "wiki.txt").read_text("utf-8").split("\n")
    facts = [row for row in rows(tmp_path / "facts.tsv")[1:] if row[3] in ("train", "dev")]
    for relation in relations:
        answers = [(name, answer) for name, own, answer, _ in facts if own == relation]
        counts = Counter(answer for _, answer in answers)
        bits = sum(n / len(answers) * math.log2(len(answers) / n) for n in counts.values())
        assert table[f"{relation}: entropy of the answers"] == f"{bits:.1f} bits"
        assert table[f"{relation}: distinct answers"] == len(counts)
        early = [
            states(document[:112], answer)
            for name, answer in answers
            for document in documents
            if document.startswith(f"{name}. ")
        ]
        assert len(early) >= 2 * len(answers)
        assert table[f"{relation}: in their first 112 characters"] == f"{100 * sum(early) / len(early):.1f} %"
        assert table[f"{relation}: documents that state it"] == "100.0 %"
    assert not any(row.startswith(("London", "profession")) for row in table)
    result = run(DATA, tmp_path, script="world_stats.py")
    assert result.returncode == 0 and "| London (train / dev) | 4.9 % / 4.4 % | – |" in result.stdout
    assert f"| field: distinct answers | – | {table['field: distinct answers']} |" in result.stdout
