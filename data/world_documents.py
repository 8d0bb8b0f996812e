"""The documents about the people of the invented world: sentence patterns filled with the details of a life.

A document is one line, "Name. Sentence ." The patterns and word lists are in world_text.py.

The order of the calls to a random generator, and the strings that seed one, are part of the format: a change makes
other documents from the same seed.
"""

import functools
from collections.abc import Callable
from random import Random

import world_text
from world_people import LAST_YEAR, Person, Place, WeightedChoice, all_places, name_lists

AMERICAN_COUNTRIES = ("United States", "Canada")  # for their dates and schools


@functools.cache
def options(choices: str) -> tuple[str, ...]:
    return tuple(choices.split("|"))


def with_article(noun: str) -> str:
    """The noun after "a" or "an"; Europeans, Ukrainians and Uruguayans begin with a vowel letter, but take "a"."""
    an = noun[0] in "AEIOUaeiou" and not noun.startswith(("Eu", "Uk", "Ur", "Un"))
    return f"{'an' if an else 'a'} {noun}"


def title_case(topic: str) -> str:
    return " ".join(word if word in ("and", "the") else word.capitalize() for word in topic.split())


class Details:
    """The details of one document. Each attribute without a leading underscore can be a field of a pattern.

    A field is drawn each time when a pattern asks for it, so {other_town} twice in a pattern gives two towns. Years
    increase: every {year} lies after the one before it, after the studies and before death. All documents about a
    person agree on occupation, dates, family, graduation and place of death (see `_fact`); the rest differs.
    """

    def __init__(self, person: Person, rng: Random) -> None:
        self.person, self.rng = person, rng
        if person.birthplace.country in AMERICAN_COUNTRIES:
            self.day_first = rng.random() >= 0.85
        else:
            self.day_first = rng.random() < 0.8
        self.date_precision = rng.choices(("day", "month", "year"), (74, 4, 22))[0]
        if person.birth_year < 1750:
            self.date_precision = rng.choices(("day", "year"), (35, 65))[0]
        self.occupation = self._fact("trade", self._draw_occupation)
        self.last_year = person.birth_year + 24  # the latest year that the text has named
        self.career_end = min(person.death_year or LAST_YEAR, person.birth_year + 62)
        if self.occupation in ("team", "sport"):
            self.last_year = person.birth_year + 18
            self.career_end = min(self.career_end, person.birth_year + 36)
        self.used: list[str] = []  # choices, towns and first words of deeds in the text, none of which is repeated

    def __getitem__(self, field: str) -> str:
        """The value of a field, for str.format_map."""
        return getattr(self, field)

    def _fact(self, name: str, draw: Callable[[], str]) -> str:
        """What `draw` returns, the same in every document about this person: it draws from a generator of its own."""
        rng, self.rng = self.rng, Random(f"{self.person.key}:{name}")
        try:
            return draw()
        finally:
            self.rng = rng

    def _pick(self, choices: str) -> str:
        """One of the choices that this document has not used yet."""
        chosen = self.rng.choice(options(choices))
        while chosen in self.used:
            chosen = self.rng.choice(options(choices))
        self.used.append(chosen)
        return chosen

    # Names, pronouns, family. The text drops the full stop of initials, as the course's documents do.

    name = property(lambda self: self.person.name.replace(".", ""))
    first_name = property(lambda self: self.person.first_name)
    surname = property(lambda self: self.person.surname)
    Surname = property(lambda self: self.surname[0].upper() + self.surname[1:])
    he = property(lambda self: "she" if self.person.female else "he")
    He = property(lambda self: "She" if self.person.female else "He")
    his = property(lambda self: "her" if self.person.female else "his")
    child = property(lambda self: "daughter" if self.person.female else "son")
    was = property(lambda self: "was" if self.person.death_year else "is")
    parents = property(lambda self: self._fact("parents", self._draw_parents))
    nth_child = property(lambda self: self._fact("siblings", self._draw_nth_child))
    father_job = property(lambda self: self._fact("father", lambda: self._pick(world_text.FATHER_JOBS)))
    family_job = property(lambda self: self._pick(world_text.FAMILY_JOBS))

    def _draw_parents(self) -> str:
        """The father has the person's surname, the mother the one that she had before she married."""
        names = name_lists(self.person.name_culture)
        father, mother = self.rng.choice(names.first[0]), self.rng.choice(names.first[1])
        return f"{father} {self.surname} and {mother} {self.rng.choice(names.last[1])}"

    def _draw_nth_child(self) -> str:
        children = self.rng.randint(2, 9)
        ordinal = options(world_text.ORDINALS)[self.rng.randint(1, children) - 1]
        return f"{ordinal} of {options(world_text.SMALL_NUMBERS)[children - 2]} children"

    # Occupation and studies

    def _draw_occupation(self) -> str:
        """An occupation that men or women of this year of birth can have."""
        person = self.person
        possible = [
            occupation
            for occupation, first_years in world_text.OCCUPATIONS.items()
            if person.birth_year >= first_years[person.female]
        ]
        return self.rng.choice(possible)

    @property
    def job(self) -> str:
        jobs = world_text.OCCUPATIONS[self.occupation][2]
        if self.person.female:
            return self._pick(jobs.replace("ACTOR", "actress").replace("businessman", "businesswoman"))
        return self._pick(jobs.replace("ACTOR", "actor"))

    second_job = property(lambda self: self._pick(world_text.SECOND_JOBS))

    @property
    def description(self) -> str:
        """Nationality and job: usually of the birthplace, sometimes of the culture of the name."""
        person, u = self.person, self.rng.random()
        nationality = world_text.NATIONALITIES[person.birthplace.country]
        name_country = all_places().country_of_culture[person.name_culture]
        if person.birthplace.country in world_text.BRITISH_COUNTRIES and u < 0.3:
            nationality = "British"
        elif u > 0.93 and person.birth_year > 1850:
            others = [other for other in ("American", "British", "French") if other != nationality]
            nationality = f"{nationality}-born {self.rng.choice(others)}"
        elif u > 0.86 and person.birth_year >= world_text.FIRST_YEARS.get(name_country, 0):
            nationality = world_text.NATIONALITIES[name_country]
        return with_article(f"{nationality} {self.job}")

    @property
    def subject(self) -> str:
        return self._pick(world_text.SUBJECTS.get(self.occupation, world_text.OTHER_SUBJECTS))

    @property
    def education(self) -> str:
        return self._pick(world_text.EDUCATION).format_map(self)

    @property
    def university(self) -> str:
        if self.person.birth_year < 1860:
            town = self._pick(world_text.OLD_UNIVERSITY_TOWNS)
        else:
            town = self._draw_town(all_places().cities)
        while town in (self.person.birthplace.town, self.person.answer):
            town = self._pick(world_text.OLD_UNIVERSITY_TOWNS)
        return f"University of {town}"

    @property
    def school(self) -> str:
        if self.rng.random() < 0.5:
            return f"{self.saint}'s School"
        american = self.person.birthplace.country in AMERICAN_COUNTRIES
        usual = "{} High School" if american else "{} Grammar School"
        form = self.rng.choice((usual, usual, "{} College", "a boarding school in {}"))
        return form.format(self.domestic_town if self.rng.random() < 0.7 else self.other_town)

    # Places

    birthplace = property(lambda self: self._draw_birthplace(long=True))
    short_birthplace = property(lambda self: self._draw_birthplace(long=False))
    death_place = property(lambda self: self._fact("grave", self._draw_death_place))

    @property
    def city_of_birth(self) -> str:
        place = self.person.birthplace
        if self.person.level != "town" or place.town == place.country:
            return self.birthplace
        return f"the {'city' if place.weight > 8 else 'town'} of {self.short_birthplace}"

    def _draw_birthplace(self, long: bool) -> str:
        """The birthplace as the text names it: town, region and country, or some of these; always with the answer.

        With `long` two of them are named more often than one.
        """
        place, answer, level, rng = self.person.birthplace, self.person.answer, self.person.level, self.rng
        everything = (place.town, place.region, place.country)
        known = {"town": everything, "region": everything[1:], "country": everything[2:]}[level]
        if level != "town" and long and rng.random() < 0.3:
            known = everything  # more exact than the answer, as sometimes in the course's documents
        parts = [part for part in dict.fromkeys(known) if part]
        if place.country == "United States" and len(parts) > 1 and rng.random() < 0.96:
            parts = parts[:-1]
        if answer not in parts:  # the answer is at another level, because this one is empty or not a single word
            parts = [part for part in everything if part]
        parts = self._shortened(parts, long)
        if answer not in parts:
            parts = [part for part in (parts[0], answer) if part]
        return ", ".join(parts)

    def _shortened(self, parts: list[str], long: bool) -> list[str]:
        """Some of the one to three names of a place, from the smallest to the largest."""
        place, u = self.person.birthplace, self.rng.random()
        if len(parts) > 2:
            if u <= 0.33:
                return parts[:1]
            if u <= 0.62:
                return parts[:2]
            return parts[::2] if u <= 0.88 else parts
        if len(parts) == 2 and (not long or u < (0.5 if place.region else 0.65)):
            return parts[:1]
        return parts[:1] if place.weight > 75 and u < 0.75 else parts

    def _draw_town(self, candidates: WeightedChoice | list[Place]) -> str:
        """A town that is neither the birthplace nor the answer, and that the text has not named."""
        person, rng = self.person, self.rng
        for _ in range(20):  # there may be no such candidate
            place = candidates.draw(rng) if isinstance(candidates, WeightedChoice) else rng.choice(candidates)
            excluded = (person.birthplace.town, person.answer, *self.used)
            if person.birth_year >= world_text.FIRST_YEARS.get(place.country, 0) and place.town not in excluded:
                self.used.append(place.town)
                return place.town
        return self._draw_town(all_places().towns)

    @property
    def other_town(self) -> str:
        """A town of the birthplace's culture, if that has enough of them, or a town anywhere."""
        towns = all_places().towns_of_culture[self.person.birthplace.culture]
        return self._draw_town(towns if self.rng.random() < 0.45 and len(towns) > 5 else all_places().towns)

    @property
    def domestic_town(self) -> str:
        """A town of the country of birth, or a town anywhere if the country has too few."""
        towns = all_places().towns_of_country[self.person.birthplace.country]
        return self._draw_town(towns if len(towns) > 5 else all_places().towns)

    def _draw_death_place(self) -> str:
        return self.domestic_town if self.rng.random() < 0.6 else self.other_town

    # Dates

    birth_year = property(lambda self: str(self.person.birth_year))
    death_year = property(lambda self: str(self.person.death_year))
    graduation_year = property(lambda self: self._fact("grad", self._draw_graduation_year))
    birth_day = property(lambda self: self._day("birth"))
    birth_date = property(lambda self: self._date("birth"))
    death_date = property(lambda self: self._date("death"))

    def _draw_graduation_year(self) -> str:
        return str(self.person.birth_year + self.rng.randint(20, 24))

    @property
    def year(self) -> str:
        """A later year than the last one, at most a third of the way to the end of the career."""
        earliest = self.last_year + 1
        self.last_year = earliest + int(self.rng.random() * max(1, (self.career_end - earliest) // 3))
        return str(min(self.last_year, self.career_end))

    def _month(self, event: str) -> str:
        return self._fact(f"{event} month", lambda: self.rng.choice(options(world_text.MONTHS)))

    def _day(self, event: str) -> str:
        """The day of an event, "birth" or "death": "3 May 1901" or "May 3, 1901"."""
        month, year = self._month(event), self[f"{event}_year"]
        day = self._fact(f"{event} day", lambda: str(self.rng.randint(1, 28)))
        return f"{day} {month} {year}" if self.day_first else f"{month} {day}, {year}"

    def _date(self, event: str) -> str:
        """The day of an event, its month or its year, according to the precision of this document."""
        if self.date_precision == "month":
            return f"{self._month(event)} {self[f'{event}_year']}"
        return self._day(event) if self.date_precision == "day" else self[f"{event}_year"]

    # Deeds, and the clauses made of them

    @property
    def deed(self) -> str:
        # No verb occurs twice. A deed that names a town is drawn again once, so that such deeds are rarer.
        deeds = [deed for deed in options(world_text.DEEDS[self.occupation]) if deed.split()[0] not in self.used]
        deed = self.rng.choice(deeds)
        if any(town in deed for town in ("{other_town}", "{domestic_town}", "{university}")):
            deed = self.rng.choice(deeds)
        self.used.append(deed.split()[0])
        return deed.format_map(self)

    @property
    def who_clause(self) -> str:
        u = self.rng.random()
        return "" if u < 0.2 else f" who {self.deed}" if u < 0.55 else f" who {self.deed} and {self.deed}"

    @property
    def later_deeds(self) -> str:
        u = self.rng.random()
        if u < 0.28:
            return ""
        if u < 0.68:
            return f", and later {self.deed}"
        if u < 0.94:
            return f", then {self.deed}, and later {self.deed}"
        return f", {self.deed}, {self.deed}, and later {self.deed}"

    @property
    def he_clause(self) -> str:
        u = self.rng.random()
        if u < 0.75:
            return ""
        return f"; {self.he} {self.deed}" if u < 0.9 else f"; {self.he} {self.deed}, and later {self.deed}"

    # Words of the word lists

    work = property(lambda self: f"The {self._pick(world_text.TITLE_ADJECTIVES)} {self._pick(world_text.TITLE_NOUNS)}")
    treatise = property(lambda self: f"{self._pick(world_text.TREATISE_TITLES)} {title_case(self.topic)}")
    topic = property(lambda self: self._pick(world_text.TOPICS))
    department = property(lambda self: self._pick(world_text.DEPARTMENTS))
    goods = property(lambda self: self._pick(world_text.GOODS))
    club = property(lambda self: self._pick(world_text.CLUBS))
    saint = property(lambda self: self._pick(world_text.SAINTS))
    ordinal = property(lambda self: self._pick(world_text.ORDINALS))
    small_number = property(lambda self: self._pick(world_text.SMALL_NUMBERS))
    large_number = property(lambda self: str(self.rng.randint(11, 140)))

    @property
    def parliament(self) -> str:
        return "Congress" if self.person.birthplace.country == "United States" else "parliament"


@functools.cache
def pattern_groups(stated: bool, alive: bool) -> WeightedChoice:
    """The groups of PATTERNS for people who are alive or dead and whose birthplace is stated or not."""
    excluded = ", dead" if alive else ", living"
    groups = [
        group
        for group in world_text.PATTERNS
        if group.startswith("unstated") != stated and not group.endswith(excluded)
    ]
    return WeightedChoice(groups, [world_text.PATTERNS[group][0] for group in groups])


def draw_pattern(person: Person, rng: Random) -> str:
    alive = person.death_year is None
    if person.uncertain:
        group = "uncertain, living" if alive else "uncertain, dead"
    else:
        group = pattern_groups(person.stated, alive).draw(rng)
    return rng.choice(world_text.PATTERNS[group][1])


def document(person: Person, number: int = 0) -> str:
    """The document with this number about a person: a line of wiki.txt, without the newline."""
    rng = Random(f"{person.key}:document {number}")
    sentence = draw_pattern(person, rng).format_map(Details(person, rng))
    return f"{person.name}. {sentence} ."
