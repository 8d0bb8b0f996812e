"""The worlds of studies: data/make_study_world.py and the distributions of data/world_information.py."""

import csv
import importlib
import math
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parent.parent / "data"
RELATIONS = ("birthplace", "birth_year", "profession", "field")
ALL = ",".join(RELATIONS)


@pytest.fixture(scope="module", autouse=True)
def data_on_path():
    pytest.importorskip("faker", reason="only the generator needs Faker")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DATA)
        yield


@pytest.fixture(scope="module")
def information():
    return importlib.import_module("world_information")


@pytest.fixture(scope="module")
def sampled():
    """5,000 people of a world, and their facts."""
    people, relations = importlib.import_module("world_people"), importlib.import_module("world_relations")
    persons = [people.make_person(3, "train", number, 0.8) for number in range(5000)]
    return [(person, {fact.relation: fact.answer for fact in relations.facts("unseen", person, RELATIONS)})
            for person in persons]  # fmt: skip


@pytest.mark.parametrize("relation", RELATIONS)
@pytest.mark.parametrize("culture", [None, "fr_FR", "en_GB"])
@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
def test_distributions_sum_to_one(information, relation, culture, strength):
    found = information.distribution(relation, strength, culture)
    assert sum(found.values()) == pytest.approx(1) and min(found.values()) >= 0
    expected = sum(p * -math.log2(p) for p in found.values() if p)
    assert information.entropy(relation, strength, culture) == pytest.approx(expected)
    assert found[information.likeliest(relation, strength, culture)] == max(found.values())


@pytest.mark.parametrize("relation", RELATIONS)
def test_people_are_drawn_from_these_distributions(information, sampled, relation):
    """The mean information of the people's answers is the entropy, within four standard errors, given the name's culture
    or not; and frequent answers are as frequent as the distribution has them."""
    for cultures in ([None], sorted({person.name_culture for person, _ in sampled})):
        surprise, expected = [], []
        for person, known in sampled:
            culture = cultures[0] and person.name_culture
            surprise.append(-math.log2(information.distribution(relation, 0.8, culture)[known[relation]]))
            expected.append(information.entropy(relation, 0.8, culture))
        n = len(surprise)
        mean, mean_entropy = sum(surprise) / n, sum(expected) / n
        error = math.sqrt(sum((s - mean) ** 2 for s in surprise) / n / n)
        assert abs(mean - mean_entropy) < 4 * error + 1e-9
    distribution = information.distribution(relation, 0.8)
    counts = Counter(known[relation] for _, known in sampled)
    for answer in sorted(distribution, key=distribution.__getitem__)[-20:]:
        p = distribution[answer]
        assert abs(counts[answer] / n - p) < 4.5 * math.sqrt(p * (1 - p) / n), answer


def test_places_given_a_culture_by_enumeration(information):
    """The joint distribution of birthplace and culture of the name, written out."""
    places = importlib.import_module("world_people").all_places().birthplaces.items
    total, strength = sum(place.weight for place in places), 0.3
    of_culture = Counter()
    for place in places:
        of_culture[place.culture] += place.weight / total
    for culture in ("fr_FR", "en_GB"):
        joint = [place.weight / total * (strength * (place.culture == culture) + (1 - strength) * of_culture[culture])
                 for place in places]  # fmt: skip
        assert sum(joint) == pytest.approx(of_culture[culture])
        assert information.place_weights(strength, culture) == pytest.approx([p / sum(joint) for p in joint])


def test_a_name_that_says_nothing_leaves_the_entropy(information):
    for relation in RELATIONS:
        assert information.entropy(relation, 0, "fr_FR") == pytest.approx(information.entropy(relation, 0))
    assert information.entropy("birthplace", 1, "fr_FR") < information.entropy("birthplace", 0.5, "fr_FR")


def make(script: str, *flags: object) -> subprocess.CompletedProcess:
    command = [sys.executable, str(DATA / script), *map(str, flags)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)


def rows(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "facts.tsv").read_text().split("\n"), delimiter="\t", quoting=csv.QUOTE_NONE))


def test_a_study_world_is_one_of_make_world_with_more(tmp_path, information):
    flags = ("--people", 200, "--seed", 5, "--documents", 3, "--relations", ALL)
    for script, name in (("make_world.py", "plain"), ("make_study_world.py", "study")):
        assert make(script, *flags, "--out", tmp_path / name).returncode == 0
    for name in ("wiki.txt", "birth_places_train.tsv"):
        assert (tmp_path / "plain" / name).read_bytes() == (tmp_path / "study" / name).read_bytes()
    facts = [row for row in rows(tmp_path / "study") if row["relation"] != "reversal"]
    for split, name in (("dev", "birth_dev.tsv"), ("test", "birth_test.tsv")):
        asked = [f"{row['question']}\t{row['answer']}" for row in facts if row["split"] == split]
        assert asked == (tmp_path / "plain" / name).read_text().splitlines()
    for row in facts:
        p = information.distribution(row["relation"], 0.8)[row["answer"]]
        given = information.distribution(row["relation"], 0.8, row["culture"])[row["answer"]]
        assert float(row["bits"]) == pytest.approx(-math.log2(p), abs=1e-3)
        assert float(row["bits_given_name"]) == pytest.approx(-math.log2(given), abs=1e-3)
        assert row["documents"] == ("0" if row["split"] == "unseen" else "3")


def test_celebrities_have_several_documents_and_others_one(tmp_path):
    assert make("make_study_world.py", "--people", 300, "--documents", 4, "--several_share", 0.5, "--unseen", 70,
                "--out", tmp_path).returncode == 0  # fmt: skip
    documents = (tmp_path / "wiki.txt").read_text().split("\n")
    facts = rows(tmp_path)
    assert 0.4 < sum(row["documents"] == "4" for row in facts) / 300 < 0.6
    for row in facts:
        name = row["question"].removeprefix("Where was ").removesuffix(" born?")
        assert sum(line.startswith(f"{name}. ") for line in documents) == int(row["documents"]), name
    assert 65 <= sum(row["split"] == "unseen" for row in facts) <= 70


def test_reversed_questions_have_one_answer_which_reversed_documents_say(tmp_path):
    assert make("make_study_world.py", "--people", 300, "--relations", "birthplace,birth_year", "--reversed_documents", 2,
                "--out", tmp_path).returncode == 0  # fmt: skip
    facts = rows(tmp_path)
    asked = [row for row in facts if row["relation"] == "reversal"]
    assert len(asked) > 250 and len({row["question"] for row in asked}) == len(asked)
    documents = (tmp_path / "wiki.txt").read_text().split("\n")
    assert len(documents) == 300 + 2 * len(asked)
    known = {(row["relation"], row["question"]): row["answer"] for row in facts}
    for row in asked:
        where, year = re.fullmatch(r"Who was born in (.*) in (\d{4})\?", row["question"]).groups()
        name = row["answer"]
        assert known["birthplace", f"Where was {name} born?"] == where
        assert known["birth_year", f"When was {name} born?"] == year
        stating = [line for line in documents if line.startswith(f"{where} in {year}. ")]
        assert len(stating) == 2 and all(name in line for line in stating)


@pytest.mark.parametrize(("flags", "message"), [
    (["--several_share", "2"], "--several_share must be from 0 to 1"),
    (["--unseen", "-1"], "--unseen must be from 0"),
    (["--reversed_documents", "9", "--relations", "birthplace,birth_year"], "--reversed_documents must be from 0 to 5"),
    (["--reversed_documents", "1"], "--reversed_documents needs --relations birthplace,birth_year"),
    (["--people", "5"], "--people must be from"),
    (["--relations", "age"], "is none of"),
])  # fmt: skip
def test_bad_flags(tmp_path, flags, message):
    done = make("make_study_world.py", *flags, "--out", tmp_path / "out")
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    done = make("make_study_world.py", "--people", "200", "--out", tmp_path / "file")
    assert done.returncode == 2 and "cannot write to" in done.stderr and "Traceback" not in done.stderr
