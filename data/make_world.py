"""Invent a world of people: one line about each of them, and questions about where they were born.

The files have the format and the size of the course's, and nearly the difficulty; but nobody in them exists. That
gives what real biographies cannot: answers to the test questions, people without a document (`unseen.tsv`, which tells
knowing from guessing), and as many people as an experiment needs. Names come from the Faker package, places from
`places.tsv`, sentences from the patterns below. `README.md` beside this file describes the result.

    python data/make_world.py                              # writes the committed files again, byte for byte
    python data/make_world.py --people 100000 --out DIR    # the same world, larger
"""

import argparse
import functools
import importlib
import os
import re
import sys
import unicodedata
import zlib
from bisect import bisect
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, NoReturn

from world_text import (
    ADJECTIVES,
    BRITISH,
    CLUBS,
    COUNTRIES,
    COUNTS,
    DEEDS,
    EARLIEST,
    EDUCATION,
    FAMILIES,
    FATHERS,
    GOODS,
    MONTHS,
    NOUNS,
    OFFICES,
    OLD_UNIVERSITIES,
    ORDINALS,
    PATTERNS,
    SAINTS,
    SECOND_JOBS,
    STUDIES,
    TOPICS,
    TRADES,
    TREATISES,
)

HERE = Path(__file__).resolve().parent
WORLD = ("seed", "people", "documents", "name_culture_strength")  # the flags that make one world differ from another
FAKER = "40.54.0"  # the version whose name lists the committed files were made with
FEWEST, MOST = 200, 1_000_000
SPLITS = {"train": 2000, "dev": 500, "test": 437, "unseen": 500}  # the course's sizes, and people without a document
DOCUMENTED = ("train", "dev", "test")  # the order of wiki.txt
UNSTATED = 0.05  # the share of documents that do not say where the person was born
THIS_YEAR = 2009  # nothing in this world happens later
LONGEST_NAME, LONGEST_ANSWER = 42, 15  # so that question and answer fit a block of 128 characters

# --------------------------------------------------------------------------------------------------------------------
# Places and names


class Place(NamedTuple):
    """A row of places.tsv. Town and country are the same where only the country is known; the region may be empty."""

    town: str
    region: str
    country: str
    culture: str  # the Faker locale whose names are at home here
    weight: int  # how many people are born here, in some unit

    def answer(self, level: str) -> str:
        """The answer for somebody known to come from this town, region or country: one plain word, or empty.

        Answers are single ASCII words, so a town of two words (or with accents) passes the question on to its region
        or its country. That is one source of answers at mixed levels; `level` is the other.
        """
        order = {
            "town": (self.town, self.region, self.country),
            "region": (self.region, self.town, self.country),
            "country": (self.country, self.region, self.town),
        }[level]
        return next((w for w in order if w.isascii() and w.isalpha() and len(w) <= LONGEST_ANSWER), "")


class Weighted:
    """Items to draw in proportion to their weights, in logarithmic time."""

    def __init__(self, items: Sequence[Any], weights: Sequence[float]) -> None:
        self.items, self.cumulative = items, list(accumulate(weights))

    def draw(self, rng: Random) -> Any:
        return self.items[min(bisect(self.cumulative, rng.random() * self.cumulative[-1]), len(self.items) - 1)]


class World(NamedTuple):
    """The places of places.tsv, arranged for drawing."""

    births: Weighted  # places that can be an answer, by weight
    cultures: Weighted  # cultures by the weight of their places
    towns: Weighted  # places to study, live and die in: towns only, so that large ones are not everywhere
    cities: Weighted  # the larger towns
    neighbours: dict[str, list[Place]]  # towns by country
    at_home: dict[str, list[Place]]  # towns by culture
    countries: dict[str, str]  # the main country of a culture


@functools.cache
def world() -> World:
    rows = [line.split("\t") for line in (HERE / "places.tsv").read_text("utf-8").splitlines()[1:]]
    places = [Place(town, region, country, culture, int(weight)) for town, region, country, culture, weight in rows]
    towns = [p for p in places if p.town not in (p.country, p.region)]
    cities = [p for p in towns if p.weight > 8 and p.town.isalpha()]
    births = [p for p in places if p.answer("town")]
    mass: dict[str, Counter[str]] = {}
    for p in births:
        mass.setdefault(p.culture, Counter())[p.country] += p.weight
    return World(
        births=Weighted(births, [p.weight for p in births]),
        cultures=Weighted(list(mass), [sum(mass[c].values()) for c in mass]),
        towns=Weighted(towns, [round(100 * p.weight**0.75) for p in towns]),
        cities=Weighted(cities, [round(100 * p.weight**0.5) for p in cities]),
        neighbours={c: [p for p in towns if p.country == c] for c in COUNTRIES},
        at_home={c: [p for p in towns if p.culture == c] for c in mass},
        countries={c: mass[c].most_common(1)[0][0] for c in mass},
    )


class Names(NamedTuple):
    """The name lists of a locale: first names and surnames of men (index 0) and of women (index 1)."""

    first: tuple[list[str], list[str]]
    last: tuple[list[str], list[str]]


@functools.cache
def names(locale: str) -> Names:
    """Faker's lists for a locale. Its `name()` would take minutes for a million people, and adds titles."""
    provider = importlib.import_module(f"faker.providers.person.{locale}").Provider

    def clean(items: Sequence[str]) -> list[str]:
        items = [unicodedata.normalize("NFC", item) for item in items]
        # Some lists hold inverted names ("Bourgondië, van"), other alphabets' leftovers and stray punctuation.
        part = r"(?:[a-zß-ÿ]{2,3} ){0,2}(?:[A-ZÀ-Ž]')?[^\W\d_][^\W\d_]+(?:[ -][A-ZÀ-Ž][^\W\d_]+)?"
        return list(dict.fromkeys(w for w in items if re.fullmatch(part, w) and w.split()[-1][0].isupper()))

    both = getattr(provider, "unisex_last_names", provider.last_names)
    men, women = getattr(provider, "last_names_male", both), getattr(provider, "last_names_female", both)
    if locale == "pl_PL":  # the one locale that keeps names such as -ski apart and derives -ska in code
        men = (*both, *provider.male_last_names)
        women = (*both, *(name[:-1] + "a" for name in provider.male_last_names))
    return Names((clean(provider.first_names_male), clean(provider.first_names_female)), (clean(men), clean(women)))


OWNERS = [split for split, size in SPLITS.items() for _ in range(size)]


def plain(text: str) -> str:
    """`text` as the model's questions show it: characters outside ASCII are dropped."""
    return text.encode("ascii", "ignore").decode()


def owner(name: str) -> str:
    """The one split that people of this name may belong to.

    A hash shares all names out among the splits, so that no dev, test or unseen person has the name of somebody in
    another split, however many people there are and without remembering a single one of them.
    """
    return OWNERS[zlib.crc32(plain(name).encode()) % len(OWNERS)]


# --------------------------------------------------------------------------------------------------------------------
# People


class Person(NamedTuple):
    key: str  # seeds everything about the person, so that nobody depends on how many others there are
    name: str
    first: str
    surname: str
    female: bool
    culture: str  # of the name
    place: Place
    level: str  # what is known of the birthplace: town, region or country
    answer: str
    stated: bool  # whether the document says it
    uncertain: bool  # whether the year of birth is: one person in fifty, so that even a small corpus has a "?"
    birth: int
    death: int | None

    @property
    def question(self) -> str:
        return f"Where was {self.name} born?"


def full_name(rng: Random, culture: str, female: bool) -> tuple[str, str, str]:
    """Full name, first name and surname (the part by which the text goes on to call the person)."""
    lists = names(culture)
    firsts, lasts = lists.first[female], lists.last[female]
    parts = [rng.choice(firsts)]
    surname = rng.choice(lasts)
    english = culture.startswith("en_") and culture not in ("en_IN", "en_KE")
    u = rng.random()
    if u < (0.24 if english else 0.07):
        middle = rng.choice(firsts)
        if middle not in parts[0]:
            parts.append(middle[0] + "." if english and u < 0.10 else middle)
    family = [surname]
    if culture in ("es_ES", "es_CO", "pt_PT", "pt_BR") and rng.random() < 0.35:
        second = rng.choice(lasts)
        if second != surname:  # Spanish goes on with the father's name, which comes first; Portuguese with the last
            family = [surname, second] if culture.startswith("es") else [second, surname]
    return " ".join(parts + family), parts[0], surname


def person(seed: int, split: str, index: int, strength: float) -> Person:
    """Person number `index` of a split. Only the name depends on `strength`, the life and its places do not."""
    key = f"{seed}:{split}:{index}"
    rng = Random(key)
    place: Place = world().births.draw(rng)
    u = rng.random()
    level = "town" if u < 0.905 else "region" if u < 0.95 else "country"
    uncertain = index % 50 == 0
    stated = rng.random() >= UNSTATED or uncertain
    birth = 0
    while birth < EARLIEST.get(place.country, 1560):
        u = rng.random()
        first_year, last_year = (1560, 1799) if u < 0.07 else (1800, 1899) if u < 0.30 else (1900, 1982)
        birth = rng.randint(first_year, last_year)
    death: int | None = birth + round(rng.triangular(33, 97, 76))
    chance = 1.0 if birth < 1915 else 0.85 if birth < 1930 else 0.5 if birth < 1945 else 0.1
    if rng.random() >= chance or death > THIS_YEAR:
        death = None if birth >= 1915 else min(death, THIS_YEAR)
    female = rng.random() < (0.10 if birth < 1880 else 0.30)
    # Half of the truth about a name is where its bearer comes from. Because a culture's share is the weight of its
    # places, the birthplaces are distributed in the same way whatever the strength; only the names move.
    culture = place.culture if rng.random() < strength else world().cultures.draw(rng)
    while True:
        name, first, surname = full_name(rng, culture, female)
        if len(name) <= LONGEST_NAME and owner(name) == split:
            break
    answer = place.answer(level)
    return Person(key, name, first, surname, female, culture, place, level, answer, stated, uncertain, birth, death)


def sizes(people: int) -> dict[str, int]:
    """How many people each split has, in the course's proportions, when `people` have a document."""
    total = sum(SPLITS[split] for split in DOCUMENTED)
    train, dev = round(people * SPLITS["train"] / total), round(people * SPLITS["dev"] / total)
    unseen = max(50, round(people * SPLITS["unseen"] / total))
    return {"train": train, "dev": dev, "test": people - train - dev, "unseen": unseen}


def people(seed: int, n: int, strength: float) -> Iterator[tuple[str, Person]]:
    """All people of a world with `n` documents, split by split, in the order of the files."""
    for split, size in sizes(n).items():
        for index in range(size):
            yield split, person(seed, split, index, strength)


# --------------------------------------------------------------------------------------------------------------------
# Documents


@functools.cache
def options(choices: str) -> tuple[str, ...]:
    return tuple(choices.split("|"))


def article(noun: str) -> str:
    return ("an " if noun[0] in "AEIOUaeiou" and not noun.startswith(("Eu", "Uk", "Ur", "Un")) else "a ") + noun


def capitals(topic: str) -> str:
    return " ".join(word if word in ("and", "the") else word.capitalize() for word in topic.split())


class Details:
    """The facts of one document, made up when a pattern first asks for them.

    Years go forward: every {year} lies after the one before it, after the studies and before death. Several documents
    about a person agree on profession, dates, family and place of death (see `_fact`), and tell different things else.
    """

    def __init__(self, who: Person, rng: Random) -> None:
        self.who, self.rng = who, rng
        if who.place.country in ("United States", "Canada"):
            self.style = "month day" if rng.random() < 0.85 else "day month"
        else:
            self.style = "day month" if rng.random() < 0.8 else "month day"
        self.precision = rng.choices(("day", "month", "year"), (74, 4, 22))[0]
        if who.birth < 1750:
            self.precision = rng.choices(("day", "year"), (35, 65))[0]
        self.trade_name = self._fact("trade", self._trade)
        self.clock = who.birth + 24  # the year up to which the story has been told
        self.end = min(who.death or THIS_YEAR, who.birth + 62)
        if self.trade_name in ("team", "sport"):
            self.clock, self.end = who.birth + 18, min(self.end, who.birth + 36)
        self.told: list[str] = []  # deeds, places and jobs already used, so that nothing is said twice

    def __getitem__(self, field: str) -> str:
        return getattr(self, field)

    def _trade(self) -> str:
        who = self.who
        return self.rng.choice([t for t, since in TRADES.items() if who.birth >= since[who.female]])

    def _fact(self, name: str, draw: Callable[[], str]) -> str:
        """What `draw` draws, the same in every document about this person."""
        rng, self.rng = self.rng, Random(f"{self.who.key}:{name}")
        try:
            return draw()
        finally:
            self.rng = rng

    def _pick(self, choices: str) -> str:
        """One of the choices, not one that this document has already used."""
        chosen = self.rng.choice(options(choices))
        while chosen in self.told:
            chosen = self.rng.choice(options(choices))
        self.told.append(chosen)
        return chosen

    # Who: names and pronouns. Initials lose their full stop in the text, as in the course's documents.
    name = property(lambda self: self.who.name.replace(".", ""))
    first = property(lambda self: self.who.first)
    sur = property(lambda self: self.who.surname)
    Sur = property(lambda self: self.who.surname[0].upper() + self.who.surname[1:])
    he = property(lambda self: "she" if self.who.female else "he")
    He = property(lambda self: "She" if self.who.female else "He")
    his = property(lambda self: "her" if self.who.female else "his")
    child = property(lambda self: "daughter" if self.who.female else "son")
    was = property(lambda self: "was" if self.who.death else "is")

    @property
    def job(self) -> str:
        actor = "actress" if self.who.female else "actor"
        jobs = TRADES[self.trade_name][2].replace("ACTOR", actor)
        return self._pick(jobs.replace("businessman", "businesswoman") if self.who.female else jobs)

    @property
    def id(self) -> str:
        who, u = self.who, self.rng.random()
        nation = COUNTRIES[who.place.country]
        if who.place.country in BRITISH and u < 0.3:
            nation = "British"
        elif u > 0.93 and who.birth > 1850:
            nation = f"{nation}-born {self.rng.choice([n for n in ('American', 'British', 'French') if n != nation])}"
        elif u > 0.86 and who.birth >= EARLIEST.get(world().countries[who.culture], 0):
            nation = COUNTRIES[world().countries[who.culture]]
        return article(f"{nation} {self.job}")

    # Where
    def _display(self, long: bool) -> str:
        """The birthplace as the text names it: with as much of "town, region, country" as is known and usual."""
        p, rng = self.who.place, self.rng
        known = {"town": (p.town, p.region, p.country), "region": (p.region, p.country), "country": (p.country,)}
        level = self.who.level
        # Sometimes the text is more exact than the answer, which makes reading alone imperfect, as in the course.
        parts = known["town" if level != "town" and long and rng.random() < 0.3 else level]
        names_ = [w for w in dict.fromkeys(parts) if w]
        if p.country == "United States" and len(names_) > 1 and rng.random() < 0.96:
            names_ = names_[:-1]
        if self.who.answer not in names_:  # a region that is not known, or a level the place does not have
            names_ = [w for w in (p.town, p.region, p.country) if w]
        u = rng.random()
        if len(names_) > 2:
            names_ = [names_[:1], names_[:2], names_[::2], names_][(u > 0.33) + (u > 0.62) + (u > 0.88)]
        elif len(names_) == 2 and (not long or u < (0.5 if p.region else 0.65)) or p.weight > 75 and u < 0.75:
            names_ = names_[:1]
        if self.who.answer not in names_:
            names_ = [w for w in (names_[0], self.who.answer) if w]
        return ", ".join(names_)

    place = property(lambda self: self._display(True))
    town = property(lambda self: self._display(False))

    @property
    def the_town(self) -> str:
        p = self.who.place
        if self.who.level != "town" or p.town == p.country:
            return self.place
        return f"the {'city' if p.weight > 8 else 'town'} of {self.town}"

    def _town(self, candidates: Weighted | list[Place]) -> str:
        """Somewhere other than the birthplace, and never the answer."""
        who, rng = self.who, self.rng
        for _ in range(20):
            p = candidates.draw(rng) if isinstance(candidates, Weighted) else rng.choice(candidates)
            if who.birth >= EARLIEST.get(p.country, 0) and p.town not in (who.place.town, who.answer, *self.told):
                self.told.append(p.town)
                return p.town
        return self._town(world().towns)

    @property
    def other(self) -> str:
        home = world().at_home[self.who.place.culture]
        return self._town(home if self.rng.random() < 0.45 and len(home) > 5 else world().towns)

    @property
    def near(self) -> str:
        neighbours = world().neighbours[self.who.place.country]
        return self._town(neighbours if len(neighbours) > 5 else world().towns)

    @property
    def grave(self) -> str:
        return self._fact("grave", lambda: self.near if self.rng.random() < 0.6 else self.other)

    @property
    def univ(self) -> str:
        town = self._pick(OLD_UNIVERSITIES) if self.who.birth < 1860 else self._town(world().cities)
        while town in (self.who.place.town, self.who.answer):
            town = self._pick(OLD_UNIVERSITIES)
        return f"University of {town}"

    @property
    def school(self) -> str:
        if self.rng.random() < 0.5:
            return f"{self.saint}'s School"
        usual = "{} High School" if self.who.place.country in ("United States", "Canada") else "{} Grammar School"
        form = self.rng.choice((usual, usual, "{} College", "a boarding school in {}"))
        return form.format(self.near if self.rng.random() < 0.7 else self.other)

    # When
    birth = property(lambda self: str(self.who.birth))
    death = property(lambda self: str(self.who.death))
    grad = property(lambda self: self._fact("grad", lambda: str(self.who.birth + self.rng.randint(20, 24))))

    @property
    def year(self) -> str:
        after = self.clock + 1
        self.clock = after + int(self.rng.random() * max(1, (self.end - after) // 3))
        return str(min(self.clock, self.end))

    def _day(self, event: str) -> str:
        month = self._fact(event + " month", lambda: self.rng.choice(options(MONTHS)))
        day = self._fact(event + " day", lambda: str(self.rng.randint(1, 28)))
        year = self[event]
        return f"{day} {month} {year}" if self.style == "day month" else f"{month} {day}, {year}"

    def _date(self, event: str) -> str:
        if self.precision == "month":
            return self._fact(event + " month", lambda: self.rng.choice(options(MONTHS))) + " " + self[event]
        return self._day(event) if self.precision == "day" else self[event]

    day = property(lambda self: self._day("birth"))
    date = property(lambda self: self._date("birth"))
    died = property(lambda self: self._date("death"))

    # What
    @property
    def vp(self) -> str:
        # Not "wrote this and wrote that"; and what names another place is drawn a second time, so that it is rarer.
        deeds = [deed for deed in options(DEEDS[self.trade_name]) if deed.split()[0] not in self.told]
        deed = self.rng.choice(deeds)
        if any(place in deed for place in ("{other}", "{near}", "{univ}")):
            deed = self.rng.choice(deeds)
        self.told.append(deed.split()[0])
        return deed.format_map(self)

    @property
    def edu(self) -> str:
        return self._pick(EDUCATION).format_map(self)

    @property
    def tail(self) -> str:
        u = self.rng.random()
        return "" if u < 0.2 else f" who {self.vp}" if u < 0.55 else f" who {self.vp} and {self.vp}"

    @property
    def more(self) -> str:
        u = self.rng.random()
        if u < 0.28:
            return ""
        if u < 0.68:
            return f", and later {self.vp}"
        return f", then {self.vp}, and later {self.vp}" if u < 0.94 else f", {self.vp}, {self.vp}, and later {self.vp}"

    def _parents(self) -> str:
        """The father bears the same surname, the mother is named as she was before the marriage."""
        fathers, mothers = names(self.who.culture).first
        father, mother = self.rng.choice(fathers), self.rng.choice(mothers)
        return f"{father} {self.sur} and {mother} {self.rng.choice(names(self.who.culture).last[1])}"

    parents = property(lambda self: self._fact("parents", self._parents))

    @property
    def also(self) -> str:
        """More about somebody, after a clause that says what the person is rather than what the person did."""
        u = self.rng.random()
        if u < 0.75:
            return ""
        return f"; {self.he} {self.vp}" if u < 0.9 else f"; {self.he} {self.vp}, and later {self.vp}"

    def _nth_child(self) -> str:
        siblings = self.rng.randint(2, 9)
        return f"{options(ORDINALS)[self.rng.randint(1, siblings) - 1]} of {options(COUNTS)[siblings - 2]} children"

    nth_child = property(lambda self: self._fact("siblings", self._nth_child))
    subject = property(lambda self: self._pick(STUDIES.get(self.trade_name, "literature|law|history|geography")))
    trade = property(lambda self: self._fact("father", lambda: self._pick(FATHERS)))
    traders = property(lambda self: self._pick(FAMILIES))
    work = property(lambda self: f"The {self._pick(ADJECTIVES)} {self._pick(NOUNS)}")
    treatise = property(lambda self: f"{self._pick(TREATISES)} {capitals(self.topic)}")
    topic = property(lambda self: self._pick(TOPICS))
    house = property(lambda self: "Congress" if self.who.place.country == "United States" else "parliament")
    office = property(lambda self: self._pick(OFFICES))
    goods = property(lambda self: self._pick(GOODS))
    club = property(lambda self: self._pick(CLUBS))
    saint = property(lambda self: self._pick(SAINTS))
    many = property(lambda self: self._pick(COUNTS))
    nth = property(lambda self: self._pick(ORDINALS))
    second = property(lambda self: self._pick(SECOND_JOBS))
    count = property(lambda self: str(self.rng.randint(11, 140)))


@functools.cache
def styles(stated: bool, alive: bool) -> Weighted:
    groups = [
        group
        for group in PATTERNS
        if group.startswith("unstated") != stated and not group.endswith(", dead" if alive else ", living")
    ]
    return Weighted(groups, [PATTERNS[group][0] for group in groups])


def pattern(who: Person, rng: Random) -> str:
    """The sentence pattern of a person's document."""
    if who.uncertain:
        return rng.choice(PATTERNS["uncertain, dead" if who.death else "uncertain, living"][1])
    return rng.choice(PATTERNS[styles(who.stated, who.death is None).draw(rng)][1])


def document(who: Person, number: int = 0) -> str:
    """A line of wiki.txt about a person: usually the only one, number 0."""
    rng = Random(f"{who.key}:document {number}")
    text = pattern(who, rng).format_map(Details(who, rng))
    return f"{who.name}. {text} ."


# --------------------------------------------------------------------------------------------------------------------
# Files


def write_world(out: Path, seed: int, n: int, strength: float, documents: int = 1) -> None:
    """Write the six files of a world of `n` people. None of them appears before all are complete.

    With several documents about each person, wiki.txt has the first about each, then the second about each, and so on.
    """
    from tqdm import tqdm

    targets = {
        "train": "birth_places_train.tsv",
        "dev": "birth_dev.tsv",
        "test": "birth_test.tsv",
        "questions": "birth_test_inputs.tsv",
        "unseen": "unseen.tsv",
        "wiki": "wiki.txt",
    }
    partial = {kind: out / f".{name}.{os.getpid()}.partial" for kind, name in targets.items()}
    try:
        with ExitStack() as stack:
            files = {
                kind: stack.enter_context(open(path, "w", encoding="utf-8", newline="\n"))
                for kind, path in partial.items()
            }
            characters: set[str] = set()
            everybody = sum(sizes(n).values()) + (documents - 1) * n
            # Progress only on a terminal, and only for a world large enough to wait for.
            with tqdm(total=everybody, delay=2, disable=None) as progress:
                for number in range(documents):
                    for split, who in people(seed, n, strength):
                        if split in DOCUMENTED:
                            text = document(who, number)
                            files["wiki"].write(("\n" if characters else "") + text)  # no newline at the end
                            characters.update(text)
                        elif number or not characters.issuperset(plain(who.name)):
                            continue  # the rarest letters: a model of a small corpus could not even read the question
                        if number == 0:
                            files[split].write(f"{who.question}\t{who.answer}\n")
                        if number == 0 and split == "test":
                            files["questions"].write(who.question + "\n")
                        progress.update()
        for kind, name in targets.items():
            os.replace(partial[kind], out / name)
    finally:
        for path in partial.values():
            path.unlink(missing_ok=True)


# --------------------------------------------------------------------------------------------------------------------


class OneLineParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}\n")


def main(argv: Sequence[str] | None = None) -> None:
    parser = OneLineParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--people", type=int, default=2937, help=f"people with documents, {FEWEST} to {MOST:,} (default 2937)"
    )
    parser.add_argument("--documents", type=int, default=1, help="documents about each person, 1 to 100 (default 1)")
    parser.add_argument(
        "--name_culture_strength", type=float, default=0.8, metavar="S",
        help="share of people named after the culture of their birthplace; 0: a name tells nothing (default 0.8)",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, default=HERE, metavar="DIR", help="default: the folder of this script")
    args = parser.parse_args(argv)
    if not FEWEST <= args.people <= MOST:
        parser.error(f"--people must be from {FEWEST} to {MOST}, not {args.people}")
    if not 1 <= args.documents <= 100:
        parser.error(f"--documents must be from 1 to 100, not {args.documents}")
    if not 0 <= args.name_culture_strength <= 1:
        parser.error(f"--name_culture_strength must be from 0 to 1, not {args.name_culture_strength}")
    try:
        from faker import VERSION
    except ImportError:
        parser.error(f"the Faker package is missing (pip install Faker=={FAKER})")
    another = any(getattr(args, name) != parser.get_default(name) for name in WORLD) or VERSION != FAKER
    if another and args.out.resolve() == HERE:
        parser.error(f"--out: name a folder for this world, as in {HERE} it would replace the committed one")
    if VERSION != FAKER:
        print(
            f"note: Faker {VERSION} may have other names than {FAKER}, which made the committed files", file=sys.stderr
        )
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        write_world(args.out, args.seed, args.people, args.name_culture_strength, args.documents)
    except OSError as error:
        parser.error(f"cannot write to {args.out}: {error.strerror}")


if __name__ == "__main__":
    main()
