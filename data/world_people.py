"""The people of the invented world: who they are, and when and where they were born. README.md describes the world.

Every person is a function of the seed, the split and a number in that split, so that a world can be of any size: no
person depends on how many others there are, and nothing has to be kept in memory. Names come from the Faker package,
which is imported when the first name is drawn; places come from places.tsv.

The order of the calls to a random generator is part of the format: another order makes other people from the same seed.
"""

import functools
import importlib
import re
import unicodedata
import zlib
from bisect import bisect
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from world_text import FIRST_YEARS, NATIONALITIES

SPLITS = {"train": 2000, "dev": 500, "test": 437, "unseen": 500}  # default sizes; the first three are the course's
CORPUS_SPLITS = ("train", "dev", "test")  # the splits with documents, in the order of wiki.txt
MIN_UNSEEN = 50
UNSTATED_SHARE = 0.05  # the share of documents that do not state the birthplace
UNCERTAIN_EVERY = 50  # the year of birth of every 50th person is uncertain; see PATTERNS in world_text.py
FIRST_YEAR, LAST_YEAR = 1560, 2009  # nothing in this world happens before the first or after the last
MAX_NAME, MAX_ANSWER = 42, 15  # characters, so that a question and its answer fit into a block of 128
QUESTION = "Where was {} born?"


# --------------------------------------------------------------------------------------------------------------------
# Places


class Place(NamedTuple):
    """A row of places.tsv. `town` equals `country` if only the country is known; `region` may be empty."""

    town: str
    region: str
    country: str
    culture: str  # the Faker locale whose names are common here, "fr_FR" for instance
    weight: int  # relative number of births

    def answer(self, level: str) -> str:
        """The answer for a person of whom this `level` is known: "town", "region" or "country".

        Answers are single ASCII words of at most MAX_ANSWER letters. If the town is not such a word, the answer is the
        region or the country: Indiana for Fort Wayne. Empty if none of the three is.
        """
        order = {
            "town": (self.town, self.region, self.country),
            "region": (self.region, self.town, self.country),
            "country": (self.country, self.region, self.town),
        }[level]
        return next((word for word in order if word.isascii() and word.isalpha() and len(word) <= MAX_ANSWER), "")


class WeightedChoice:
    """Draws items in proportion to their weights, in logarithmic time."""

    def __init__(self, items: Sequence[Any], weights: Sequence[float]) -> None:
        self.items, self.cumulative = items, list(accumulate(weights))

    def draw(self, rng: Random) -> Any:
        return self.items[min(bisect(self.cumulative, rng.random() * self.cumulative[-1]), len(self.items) - 1)]


class Places(NamedTuple):
    """The places of places.tsv, arranged for drawing."""

    birthplaces: WeightedChoice  # all places that have an answer, by weight
    cultures: WeightedChoice  # by the total weight of their birthplaces
    towns: WeightedChoice  # to live, study and die in; flatter weights, so that large towns are not named too often
    cities: WeightedChoice  # the larger towns, which have a university
    towns_of_country: dict[str, list[Place]]
    towns_of_culture: dict[str, list[Place]]
    country_of_culture: dict[str, str]  # the country with the largest weight


@functools.cache
def all_places() -> Places:
    lines = Path(__file__).with_name("places.tsv").read_text("utf-8").splitlines()[1:]
    rows = [line.split("\t") for line in lines]
    places = [Place(town, region, country, culture, int(weight)) for town, region, country, culture, weight in rows]
    towns = [p for p in places if p.town not in (p.country, p.region)]
    cities = [p for p in towns if p.weight > 8 and p.town.isalpha()]
    birthplaces = [p for p in places if p.answer("town")]
    weights: dict[str, Counter[str]] = {}  # by culture and country
    for p in birthplaces:
        weights.setdefault(p.culture, Counter())[p.country] += p.weight
    return Places(
        birthplaces=WeightedChoice(birthplaces, [p.weight for p in birthplaces]),
        cultures=WeightedChoice(list(weights), [countries.total() for countries in weights.values()]),
        towns=WeightedChoice(towns, [round(100 * p.weight**0.75) for p in towns]),
        cities=WeightedChoice(cities, [round(100 * p.weight**0.5) for p in cities]),
        towns_of_country={country: [p for p in towns if p.country == country] for country in NATIONALITIES},
        towns_of_culture={culture: [p for p in towns if p.culture == culture] for culture in weights},
        country_of_culture={culture: countries.most_common(1)[0][0] for culture, countries in weights.items()},
    )


# --------------------------------------------------------------------------------------------------------------------
# Names


class NameLists(NamedTuple):
    """The first names and surnames of a culture: of men at index 0, of women at index 1."""

    first: tuple[list[str], list[str]]
    last: tuple[list[str], list[str]]


def usable_names(names: Sequence[str]) -> list[str]:
    """The distinct names that look like names: Faker's lists also hold "Bourgondië, van", for instance."""
    names = [unicodedata.normalize("NFC", name) for name in names]
    # At most two short words in lower case (de la), a letter with an apostrophe (O'), then one or two longer words.
    form = r"(?:[a-zß-ÿ]{2,3} ){0,2}(?:[A-ZÀ-Ž]')?[^\W\d_][^\W\d_]+(?:[ -][A-ZÀ-Ž][^\W\d_]+)?"
    return list(dict.fromkeys(name for name in names if re.fullmatch(form, name) and name.split()[-1][0].isupper()))


@functools.cache
def name_lists(culture: str) -> NameLists:
    """Faker's lists for a locale. Its method `name()` is too slow for a million people, and adds titles."""
    provider = importlib.import_module(f"faker.providers.person.{culture}").Provider
    both = getattr(provider, "unisex_last_names", provider.last_names)
    men, women = getattr(provider, "last_names_male", both), getattr(provider, "last_names_female", both)
    if culture == "pl_PL":  # Faker lists the Polish names of men (-ski) and derives those of women (-ska) in code
        men = (*both, *provider.male_last_names)
        women = (*both, *(name[:-1] + "a" for name in provider.male_last_names))
    return NameLists(
        first=(usable_names(provider.first_names_male), usable_names(provider.first_names_female)),
        last=(usable_names(men), usable_names(women)),
    )


def draw_name(rng: Random, culture: str, female: bool) -> tuple[str, str, str]:
    """A full name, its first name, and the surname by which the text refers to the person."""
    lists = name_lists(culture)
    first_names, surnames = lists.first[female], lists.last[female]
    parts = [rng.choice(first_names)]
    surname = rng.choice(surnames)
    english = culture.startswith("en_") and culture not in ("en_IN", "en_KE")
    u = rng.random()
    if u < (0.24 if english else 0.07):
        middle = rng.choice(first_names)
        if middle not in parts[0]:
            parts.append(middle[0] + "." if english and u < 0.10 else middle)
    family = [surname]
    if culture in ("es_ES", "es_CO", "pt_PT", "pt_BR") and rng.random() < 0.35:
        second = rng.choice(surnames)
        if second != surname:  # the name by which one is called stands first in Spanish, last in Portuguese
            family = [surname, second] if culture.startswith("es") else [second, surname]
    return " ".join(parts + family), parts[0], surname


def ascii_part(text: str) -> str:
    """`text` without its characters outside ASCII, which questions drop when they are encoded for the model."""
    return text.encode("ascii", "ignore").decode()


SPLIT_OF_BUCKET = [split for split, size in SPLITS.items() for _ in range(size)]


def split_of_name(name: str) -> str:
    """The only split that may contain people of this name.

    A hash assigns each name to a split. No two splits share a name then, for any number of people, and no list of used
    names has to be kept.
    """
    return SPLIT_OF_BUCKET[zlib.crc32(ascii_part(name).encode()) % len(SPLIT_OF_BUCKET)]


# --------------------------------------------------------------------------------------------------------------------
# People


class Person(NamedTuple):
    """What is the same in all documents about a person."""

    key: str  # "seed:split:number"; seeds the random generators of everything about this person
    name: str
    first_name: str
    surname: str
    female: bool
    name_culture: str  # a Faker locale
    birthplace: Place
    level: str  # how exactly the birthplace is known: town, region or country
    answer: str
    stated: bool  # whether the documents state the birthplace
    uncertain: bool  # whether the year of birth is uncertain
    birth_year: int
    death_year: int | None

    @property
    def question(self) -> str:
        return QUESTION.format(self.name)


def name_in(question: str) -> str:
    before, after = QUESTION.split("{}")
    return question.removeprefix(before).removesuffix(after)


def draw_years(rng: Random, birthplace: Place) -> tuple[int, int | None]:
    """The years of birth and of death, the latter None for the living."""
    birth = 0
    while birth < FIRST_YEARS.get(birthplace.country, FIRST_YEAR):
        u = rng.random()
        first, last = (FIRST_YEAR, 1799) if u < 0.07 else (1800, 1899) if u < 0.30 else (1900, 1982)
        birth = rng.randint(first, last)
    death: int | None = birth + round(rng.triangular(33, 97, 76))
    dead_share = 1.0 if birth < 1915 else 0.85 if birth < 1930 else 0.5 if birth < 1945 else 0.1
    if rng.random() >= dead_share or death > LAST_YEAR:
        death = None if birth >= 1915 else min(death, LAST_YEAR)
    return birth, death


def make_person(seed: int, split: str, number: int, strength: float) -> Person:
    """The person with this number in a split. Only the name depends on `strength`.

    `strength` is the probability that the name comes from the culture of the birthplace. Otherwise a culture is drawn
    by the weight of its places, so that cultures are equally frequent at every strength.
    """
    key = f"{seed}:{split}:{number}"
    rng = Random(key)
    birthplace: Place = all_places().birthplaces.draw(rng)
    u = rng.random()
    level = "town" if u < 0.905 else "region" if u < 0.95 else "country"
    uncertain = number % UNCERTAIN_EVERY == 0
    stated = rng.random() >= UNSTATED_SHARE or uncertain
    birth_year, death_year = draw_years(rng, birthplace)
    female = rng.random() < (0.10 if birth_year < 1880 else 0.30)
    culture = birthplace.culture if rng.random() < strength else all_places().cultures.draw(rng)
    while True:
        name, first_name, surname = draw_name(rng, culture, female)
        if len(name) <= MAX_NAME and split_of_name(name) == split:
            break
    answer = birthplace.answer(level)
    return Person(key, name, first_name, surname, female, culture, birthplace, level, answer, stated, uncertain,
                  birth_year, death_year)  # fmt: skip


def split_sizes(n: int) -> dict[str, int]:
    """The number of people in each split of a world with `n` people with documents, in the course's proportions."""
    total = sum(SPLITS[split] for split in CORPUS_SPLITS)
    train, dev = round(n * SPLITS["train"] / total), round(n * SPLITS["dev"] / total)
    unseen = max(MIN_UNSEEN, round(n * SPLITS["unseen"] / total))
    return {"train": train, "dev": dev, "test": n - train - dev, "unseen": unseen}


def people(seed: int, n: int, strength: float) -> Iterator[tuple[str, Person]]:
    """Yields all people of a world with their splits, in the order of the files."""
    for split, size in split_sizes(n).items():
        for number in range(size):
            yield split, make_person(seed, split, number, strength)
