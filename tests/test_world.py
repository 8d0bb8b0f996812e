"""The invented world: its committed files, its generator, and their statistics beside those of the course's files."""

import importlib
import itertools
import os
import re
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from random import Random

import pytest

DATA = Path(__file__).resolve().parent.parent / "data"
FILES = ("wiki.txt", "birth_places_train.tsv", "birth_dev.tsv", "birth_test_inputs.tsv", "birth_test.tsv", "unseen.tsv")
SPLIT_FILES = {
    "train": "birth_places_train.tsv",
    "dev": "birth_dev.tsv",
    "test": "birth_test.tsv",
    "unseen": "unseen.tsv",
}


@pytest.fixture(scope="module")
def data_on_path():
    """Makes the scripts of data/ importable; the folder is not a package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DATA)
        yield


@pytest.fixture(scope="module")
def make_world(data_on_path):
    return importlib.import_module("make_world")


@pytest.fixture(scope="module")
def world_people(data_on_path):
    return importlib.import_module("world_people")


@pytest.fixture(scope="module")
def world_documents(data_on_path):
    return importlib.import_module("world_documents")


@pytest.fixture(scope="module")
def world_stats(data_on_path):
    return importlib.import_module("world_stats")


@pytest.fixture(scope="module")
def faker_installed(make_world):
    faker = pytest.importorskip("faker", reason="only the generator needs Faker")
    if make_world.FAKER != faker.VERSION:
        pytest.skip(f"Faker's name lists change: the files were made with {make_world.FAKER}, not {faker.VERSION}")


def lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


def pairs(name: str, folder: Path = DATA) -> list[tuple[str, str]]:
    return [tuple(line.split("\t")) for line in lines(folder / name)]


def plain(text: str) -> str:
    return text.encode("ascii", "ignore").decode()


def run(*arguments: object, script: str = "make_world.py", **options) -> subprocess.CompletedProcess:
    command = [sys.executable, str(DATA / script), *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, **options)


# The committed files


def test_committed_files_are_regenerated_byte_for_byte(tmp_path, faker_installed):
    # Neither the seed of Python's hashes nor the working folder may change the files.
    result = run("--out", tmp_path, cwd=tmp_path, env={**os.environ, "PYTHONHASHSEED": "123"})
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (DATA / name).read_bytes(), name
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)


def test_format_of_questions_and_answers():
    for name, size in zip(SPLIT_FILES.values(), (2000, 500, 437, 500), strict=True):
        text = (DATA / name).read_text("utf-8")
        assert text.endswith("\n") and "\r" not in text
        assert len(pairs(name)) == size
        for question, answer in pairs(name):
            assert re.fullmatch(r"Where was \S.*\S born\?", question)
            assert len(question) <= 58
            assert re.fullmatch(r"[A-Za-z]{1,15}", answer)
    assert lines(DATA / "birth_test_inputs.tsv") == [question for question, _ in pairs("birth_test.tsv")]


def test_every_question_has_its_document_in_order():
    text = (DATA / "wiki.txt").read_text("utf-8")
    assert not text.endswith("\n") and "\r" not in text
    documents = text.split("\n")
    asked = [pair for split in ("train", "dev", "test") for pair in pairs(SPLIT_FILES[split])]
    assert len(documents) == len(asked) == 2937
    stated = 0
    for document, (question, answer) in zip(documents, asked, strict=True):
        name = question.removeprefix("Where was ").removesuffix(" born?")
        assert document.startswith(f"{name}. ")
        assert document.endswith(" .")
        assert "{" not in document and "  " not in document and "None" not in document
        stated += answer in document
    assert 0.935 < stated / len(asked) < 0.965  # one document in twenty does not state the birthplace


def test_splits_share_no_name_and_unseen_people_have_no_document():
    names = {split: {plain(question) for question, _ in pairs(file)} for split, file in SPLIT_FILES.items()}
    for (one, mine), (other, theirs) in itertools.permutations(names.items(), 2):
        assert not mine & theirs, (one, other)
    # Names may contain initials ("Ann B. Lee"), so every part of a line before ". " may be its title.
    titles = {plain(d[: stop.start()]) for d in lines(DATA / "wiki.txt") for stop in re.finditer(r"\. ", d)}
    unseen = {name.removeprefix("Where was ").removesuffix(" born?") for name in names["unseen"]}
    assert not unseen & titles


def test_no_sentence_is_taken_from_the_course():
    course = os.environ.get("COURSE_DATA")
    if not course:
        pytest.skip("COURSE_DATA is not set")
    ours = {document.partition(". ")[2] for document in lines(DATA / "wiki.txt")}
    theirs = {document.partition(". ")[2] for document in lines(Path(course) / "wiki.txt")}
    assert not ours & theirs


def numbers(value: object) -> list[float]:
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?", str(value))]


def share_guessed(train: list[tuple[str, str]], asked: list[tuple[str, str]]) -> float:
    """The share of the questions that naive Bayes answers correctly from the name alone."""
    from evaluation.baselines import guess_by_name
    from wording import COURSE

    known = [(COURSE.subject(question), place) for question, place in train]
    guesses = guess_by_name(known, [COURSE.subject(question) for question, _ in asked])
    return sum(guess == answer for guess, (_, answer) in zip(guesses, asked, strict=True)) / len(asked)


def share_guessed_of_dev(folder: Path) -> float:
    return share_guessed(pairs("birth_places_train.tsv", folder), pairs("birth_dev.tsv", folder))


# For each row of the table, the largest allowed difference of its numbers from the course's: relative, or in
# percentage points.
TOLERANCES = {
    "documents": ("relative", 0),
    "length of a document, mean": ("relative", 0.10),
    "shortest, deciles, longest": ("relative", 0.15),
    "questions (train / dev / test)": ("relative", 0),
    "longest answer": ("relative", 0),
    "distinct places (train / dev)": ("relative", 0.10),
    "places asked for once in train": ("relative", 0.25),
    "documents with letters outside ASCII": ("points", 3),
    "questions with letters outside ASCII": ("points", 7),
    "names of two / three words": ("points", 3),
    "dev questions whose place train never has": ("points", 4),
    "London (train / dev)": ("points", 1),
    "answer inside the document": ("points", 2),
    "answer inside its first 112 characters": ("points", 3),
    "full name again in the sentence": ("points", 5),
    'sentence starts with "Born"': ("points", 3),
    "sentence with a year": ("points", 3),
    "sentence with he, she, his or her": ("points", 3),
    "first place of the sentence is the answer": ("points", 4),
    'first place after "born" is the answer': ("points", 4),
}


def test_statistics_are_close_to_those_of_the_course(world_stats):
    course = os.environ.get("COURSE_DATA")
    if not course:
        pytest.skip("COURSE_DATA is not set")
    ours, theirs = world_stats.world_statistics(DATA), world_stats.world_statistics(course)
    for row, (kind, tolerance) in TOLERANCES.items():
        mine, reference = numbers(ours[row]), numbers(theirs[row])
        if row.startswith("shortest"):
            mine, reference = mine[:-1], reference[:-1]  # the longest document is a single outlier
        for a, b in zip(mine, reference, strict=True):
            assert abs(a - b) <= tolerance * (b if kind == "relative" else 1), (row, ours[row], theirs[row])
    assert ours["most frequent answers in train"].startswith("London ")
    assert numbers(ours["longest question"])[0] <= numbers(theirs["longest question"])[0]
    assert abs(share_guessed_of_dev(DATA) - share_guessed_of_dev(Path(course))) <= 0.02


def test_readme_states_the_current_statistics(make_world, world_stats):
    readme = (DATA / "README.md").read_text("utf-8")
    for row, value in world_stats.world_statistics(DATA).items():
        assert f"| {row} | {value} |" in readme
    assert f"| dev answers guessed from the name | {100 * share_guessed_of_dev(DATA):.1f} % |" in readme
    assert make_world.FAKER in readme


# The generator


def test_import_does_not_need_faker():
    code = "import sys, make_world; assert 'faker' not in sys.modules"
    subprocess.run([sys.executable, "-B", "-c", code], check=True, timeout=60, cwd=DATA)


def test_all_of_at_least_sixty_patterns_are_used(world_people, world_documents, faker_installed):
    written = [pattern for _, group in world_documents.world_text.PATTERNS.values() for pattern in group]
    assert len(written) == len(set(written)) >= 60
    used = Counter()
    for split, person in world_people.people(0, 2937, 0.8):
        if split in world_people.CORPUS_SPLITS:
            used[world_documents.draw_pattern(person, Random(f"{person.key}:document 0"))] += 1
    assert set(used) == set(written)


def test_every_place_has_an_answer_at_every_level(world_people):
    places = world_people.all_places()
    birthplaces = places.birthplaces.items
    assert len({(p.town, p.region, p.country, p.culture) for p in birthplaces}) == len(birthplaces) > 500
    assert {p.country for p in birthplaces} <= set(world_people.NATIONALITIES)
    assert len(places.country_of_culture) >= 12
    for place in birthplaces:
        for level in ("town", "region", "country"):
            assert re.fullmatch(r"[A-Za-z]{1,15}", place.answer(level)), place


def test_years_are_plausible_and_unstated_birthplaces_are_not_stated(world_people, world_documents, faker_installed):
    for _, person in world_people.people(1, 3000, 0.8):
        assert person.death_year is None or 30 <= person.death_year - person.birth_year <= 100
        assert (person.death_year or 2009) <= 2009
        assert person.death_year or person.birth_year >= 1915
        text = world_documents.document(person)
        years = map(int, re.findall(r"\b1[5-9]\d\d\b|\b20\d\d\b", text))
        assert all(person.birth_year - 5 <= year <= 2009 for year in years), text
        assert not re.search(r"\ba [AEIOaeio]|\ban [^aeiouAEIOUhH]", text), text
        if person.stated:
            assert person.answer in text
        else:
            assert "orn in" not in text and "orn at" not in text and "native" not in text


def test_people_do_not_depend_on_the_size_of_the_world(world_people, world_documents, faker_installed):
    def first(n: int) -> dict[str, list]:
        found = defaultdict(list)
        for split, person in world_people.people(3, n, 0.8):
            if len(found[split]) < 25:
                found[split].append((person, world_documents.document(person)))
        return found

    assert first(200) == first(1500)
    assert next(world_people.people(4, 200, 0.8)) != next(world_people.people(3, 200, 0.8))


def share_guessed_of_unseen(world_people, strength: float) -> float:
    """The share of unseen people, in a world of this name_culture_strength, whose birthplace naive Bayes guesses."""
    asked = defaultdict(list)
    for split, person in world_people.people(0, 5000, strength):
        asked[split].append((person.question, person.answer))
    return share_guessed(asked["train"], asked["unseen"])


def test_a_higher_strength_makes_names_more_informative(world_people, faker_installed):
    none, usual, full = (share_guessed_of_unseen(world_people, strength) for strength in (0, 0.8, 1))
    assert none < 0.05  # no better than always answering London
    assert none + 0.01 < usual < full
    assert full > 0.04
    for (_, one), (_, other) in zip(world_people.people(0, 200, 0), world_people.people(0, 200, 1), strict=True):
        assert one.birthplace == other.birthplace and one.answer == other.answer and one.birth_year == other.birth_year
        assert other.name_culture == other.birthplace.culture


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_smallest_world(tmp_path, faker_installed, seed):
    folder = tmp_path / "new" / "folder"
    assert run("--people", 200, "--seed", seed, "--out", folder).returncode == 0
    asked = {split: pairs(name, folder) for split, name in SPLIT_FILES.items()}
    assert [len(asked[split]) for split in ("train", "dev", "test")] == [136, 34, 30]
    assert 40 <= len(asked["unseen"]) <= 50  # people whose name has a letter that the corpus lacks are left out
    corpus = (folder / "wiki.txt").read_text("utf-8")
    assert corpus.count("\n") == 199
    assert set(corpus).issuperset("".join(plain(question) for part in asked.values() for question, _ in part))


def test_several_documents_about_each_person(tmp_path, world_people, world_documents, faker_installed):
    assert run("--people", 200, "--out", tmp_path / "one").returncode == 0
    assert run("--people", 200, "--documents", 4, "--out", tmp_path / "four").returncode == 0
    for name in FILES:
        one, four = ((tmp_path / folder / name).read_text("utf-8") for folder in ("one", "four"))
        assert four.startswith(one) if name == "wiki.txt" else four == one or name == "unseen.tsv"
    documents = lines(tmp_path / "four" / "wiki.txt")
    about = [documents[i::200] for i in range(200)]
    assert len(documents) == 800 and all(len({d.split(". ")[0] for d in same}) == 1 for same in about)
    assert sum(len(set(same)) == 4 for same in about) > 190  # different sentences
    for _, person in itertools.islice(world_people.people(0, 200, 0.8), 200):
        details = [world_documents.Details(person, Random(f"{person.key}:document {i}")) for i in range(4)]
        for fact in ("occupation", "death_place", "parents", "nth_child", "graduation_year"):
            assert len({d[fact] for d in details}) == 1, fact  # about the same life


@pytest.mark.parametrize(
    "arguments",
    [
        ("--people", 199),
        ("--people", 1_000_001),
        ("--people", "many"),
        ("--documents", 0),
        ("--name_culture_strength", 1.01),
        ("--name_culture_strength", -0.1),
        ("--name_culture_strength", "nan"),
        ("--no_such_flag",),
        ("--out", DATA / "places.tsv"),  # not a folder
        ("--people", 300),  # another world must not replace the committed one
        ("--seed", 1),
        ("--documents", 2, "--out", DATA),
    ],
)
def test_wrong_arguments_are_a_one_line_error_and_exit_code_2(arguments, faker_installed):
    result = run(*arguments)
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1 and "error: " in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    "content",
    [None, b"", b"\xff", b"Where was A born?\n"],
    ids=["no files", "empty", "not UTF-8", "no answers"],
)
def test_statistics_of_other_files_are_a_one_line_error(tmp_path, content):
    if content is not None:
        for name in FILES:
            (tmp_path / name).write_bytes(content)
    result = run(tmp_path, script="world_stats.py")
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1 and "error: " in result.stderr
    assert result.stdout == ""


def test_statistics_are_printed_with_one_column_per_folder(world_stats):
    result = run(DATA, DATA, script="world_stats.py")
    assert result.returncode == 0, result.stderr
    header, rule, *rows = result.stdout.splitlines()
    assert header == f"| | {DATA} | {DATA} |" and rule == "| --- | --- | --- |"
    statistics = world_stats.world_statistics(DATA)
    assert rows == [f"| {row} | {value} | {value} |" for row, value in statistics.items()]


def test_interruption_leaves_the_previous_files(tmp_path, make_world, faker_installed, monkeypatch):
    for name in FILES:
        shutil.copy(DATA / name, tmp_path / name)
    count = iter(range(150))

    def interrupted(person, number, relations):
        if next(count, None) is None:
            raise KeyboardInterrupt
        return "Text ."

    monkeypatch.setattr(make_world, "document", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make_world.write_world(tmp_path, 0, 200, 0.8)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (DATA / name).read_bytes()


@pytest.mark.slow
def test_a_million_people_in_five_minutes_and_300_megabytes(tmp_path, faker_installed):
    pytest.importorskip("resource")
    # A child process inherits the peak memory of its parent, and this process may be large: a small one measures.
    small = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, timeout=300)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"""
    command = [sys.executable, str(DATA / "make_world.py"), "--people", "1000000", "--out", str(tmp_path)]
    result = subprocess.run([sys.executable, "-c", small, *command], check=True, capture_output=True, text=True)
    peak = int(result.stdout.split()[-1]) / (2**20 if sys.platform == "darwin" else 2**10)
    assert peak < 300
    with open(tmp_path / "wiki.txt", encoding="utf-8") as wiki:
        assert sum(1 for _ in wiki) == 1_000_000
    shutil.rmtree(tmp_path)
