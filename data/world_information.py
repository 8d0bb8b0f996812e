"""How surprising each answer is: the exact distributions from which make_world draws what is true of a person.

The information of an answer a is -log2 P(a), in bits. P is the distribution over all people that the generator could make,
or over those whose name comes from a given culture (a Faker locale). The latter is the most that a name can tell: no name
says more than which culture it comes from. (It is a little more than a name tells, as cultures share names.)

The places of death are left out: they are drawn by rejection among towns, and have no short formula.
"""

import functools
import math
from collections import Counter, defaultdict

from world_documents import options
from world_people import FIRST_YEAR, all_places
from world_relations import FIELDS
from world_text import FIRST_YEARS, OCCUPATIONS

RELATIONS = ("birthplace", "birth_year", "profession", "field")  # those whose distribution is known here
LEVELS = {"town": 0.905, "region": 0.045, "country": 0.05}  # see make_person
YEARS = ((FIRST_YEAR, 1799, 0.07), (1800, 1899, 0.23), (1900, 1982, 0.70))  # see draw_years: first, last, probability

Distribution = dict[str, float]  # the probability of each answer; they sum to 1


def place_weights(strength: float, culture: str | None) -> list[float]:
    """The probability of each birthplace, for people whose name comes from `culture`; for all people if that is None.

    A name comes from the culture of the birthplace with probability `strength`, else from one drawn by the weight of its
    places. So cultures are as frequent among names as among places, and by Bayes' rule
    P(place | culture of the name) = P(place) * (strength * [place is of this culture] / P(culture) + 1 - strength).
    """
    places = all_places().birthplaces.items
    total = sum(place.weight for place in places)
    if culture is None:
        return [place.weight / total for place in places]
    of_culture = sum(place.weight for place in places if place.culture == culture) / total
    return [
        place.weight / total * (1 - strength + (strength / of_culture if place.culture == culture else 0))
        for place in places
    ]


@functools.cache
def years_after(first: int) -> dict[int, float]:
    """The distribution of the years of birth in a country in which nobody is born before the year `first`."""
    p = {year: share / (last - begin + 1) for begin, last, share in YEARS for year in range(begin, last + 1)}
    total = sum(probability for year, probability in p.items() if year >= first)
    return {year: probability / total for year, probability in p.items() if year >= first}


@functools.cache
def professions_of(birth_year: int) -> Distribution:
    """The distribution of the professions of people born in this year."""
    women, found = 0.10 if birth_year < 1880 else 0.30, defaultdict(float)
    for female, share in ((False, 1 - women), (True, women)):
        possible = [jobs for *first, jobs in OCCUPATIONS.values() if birth_year >= first[female]]
        for jobs in possible:
            if female:
                names = options(jobs.replace("ACTOR", "actress").replace("businessman", "businesswoman"))
            else:
                names = options(jobs.replace("ACTOR", "actor"))
            for name in names:
                found[name] += share / len(possible) / len(names)
    return dict(found)


def year_distribution(strength: float, culture: str | None) -> dict[int, float]:
    """The distribution of the years of birth, which depends on the country of birth."""
    firsts: Counter[int] = Counter()
    for place, p in zip(all_places().birthplaces.items, place_weights(strength, culture)):
        firsts[FIRST_YEARS.get(place.country, FIRST_YEAR)] += p
    found: defaultdict[int, float] = defaultdict(float)
    for first, p in firsts.items():
        for year, share in years_after(first).items():
            found[year] += p * share
    return dict(found)


@functools.cache
def distribution(relation: str, strength: float, culture: str | None = None) -> Distribution:
    """The distribution of the answers of a relation, of RELATIONS; among people whose name comes from `culture`, if that is
    given. `strength` is make_world's --name_culture_strength."""
    found: defaultdict[str, float] = defaultdict(float)
    if relation == "birthplace":
        for place, p in zip(all_places().birthplaces.items, place_weights(strength, culture)):
            for level, share in LEVELS.items():
                found[place.answer(level)] += p * share
    elif relation == "birth_year":
        found.update({str(year): p for year, p in year_distribution(strength, culture).items()})
    elif relation == "profession":
        for year, p in year_distribution(strength, culture).items():
            for name, share in professions_of(year).items():
                found[name] += p * share
    else:
        found.update(dict.fromkeys(options(FIELDS), 1 / len(options(FIELDS))))
    return dict(found)


def entropy(relation: str, strength: float, culture: str | None = None) -> float:
    """The mean information of an answer, in bits."""
    return -sum(p * math.log2(p) for p in distribution(relation, strength, culture).values() if p)


def likeliest(relation: str, strength: float, culture: str | None = None) -> str:
    """The best guess of an answer."""
    answers = distribution(relation, strength, culture)
    return max(answers, key=answers.__getitem__)
