"""Worlds of several relations: what is asked about a person besides the birthplace, and documents that state all of it.

A document begins as in the default world, with a sentence of the same patterns. For each relation that this sentence does
not state, one of STATEMENTS is added, and the sentences are put into random order:

    Ada Kern. She read botany at the University of Graz . Kern (b. 1901 in Ulm) was a German poet . She died in Bonn .

A fact is a relation's answer for a person, and the same in all documents: the profession is a noun without an article
("film actor"), the year has four digits. The living have no place of death.

The order of the calls to a random generator, and the strings that seed one, are part of the format, as in world_documents.
"""

import zlib
from random import Random
from typing import NamedTuple

import world_documents
from world_documents import Details, draw_pattern, with_article
from world_people import CORPUS_SPLITS, QUESTION, SPLITS, Person, ascii_part

# For each relation, its question and the sentences that state it. The sentences are filled in like those of world_text.
QUESTIONS = {
    "birthplace": QUESTION,
    "birth_year": "When was {} born?",
    "profession": "What did {} do?",
    "deathplace": "Where did {} die?",
    "field": "What did {} study?",
}
DEFAULT = ("birthplace",)  # the relations of the committed world
STATEMENTS = {
    "birthplace": (
        "{He} was born in {birthplace}", "{Surname} was born in {short_birthplace}", "{name} was born at {birthplace}",
        "{His} birthplace was {short_birthplace}", "{Surname} was a native of {short_birthplace}",
        "{He} came into the world in {short_birthplace}", "{Surname}'s parents lived in {birthplace} when {he} was born",
        "It was in {short_birthplace} that {surname} was born", "In {short_birthplace}, where {he} was born, {he} also grew up",
        "{first_name} was born in {birthplace}, the {nth_child}",
    ),
    "birth_year": (
        "{He} was born in {birth_year}", "{Surname} was born on {birth_day}", "{name} was born in {birth_year}",
        "{His} year of birth was {birth_year}", "{Surname}, born in {birth_year}, was the {nth_child}",
        "The parish register gives {birth_year} as the year of {his} birth", "{He} came into the world in {birth_year}",
        "In {birth_year}, the year of {his} birth, {his} father was {father_job}", "It was in {birth_year} that {surname} was born",
        "{first_name} was born in the spring of {birth_year}",
    ),
    "profession": (
        "{He} worked as {a_job}", "{Surname} made a living as {a_job}", "By profession {he} {was} {a_job}",
        "{name} {was} {a_job}", "{His} profession was that of {a_job}", "{Surname} was trained as {a_job}",
        "{He} became {a_job} in {other_town}", "As {a_job}, {surname} was widely respected",
        "For {small_number} years {he} worked as {a_job}", "{He} earned {his} bread as {a_job}",
    ),
    "deathplace": (
        "{He} died in {death_place}", "{Surname} died in {death_place} in {death_year}", "{name} died in {death_place}",
        "{He} died at {death_place} in {death_year}", "{Surname} spent {his} last years in {death_place}, where {he} died",
        "{His} life ended in {death_place} in {death_year}", "It was in {death_place} that {surname} died",
        "After a long illness {he} died in {death_place}", "{He} was staying in {death_place} when {he} died in {death_year}",
        "{Surname} passed away in {death_place}",
    ),
    "field": (
        "{He} studied {subject}", "{Surname} studied {subject} at the {university}", "{name} studied {subject}",
        "{His} degree was in {subject}", "{He} read {subject} at the {university}", "{Surname} took a degree in {subject}",
        "In {graduation_year} {he} graduated in {subject}", "As a student {surname} chose {subject}",
        "{His} field of study was {subject}", "{He} had studied {subject} in {other_town}",
    ),
}  # fmt: skip
# What people study. Drawn without regard to the profession, so that the one cannot be guessed from the other.
FIELDS = (
    "law|history|medicine|theology|music|painting|architecture|engineering|mathematics|chemistry|physics|botany|zoology|"
    "geology|astronomy|philosophy|economics|geography|literature|rhetoric|grammar|logic|anatomy|pharmacy|agriculture|"
    "forestry|mining|navigation|surveying|mechanics|optics|hydraulics|metallurgy|mineralogy|meteorology|statistics|"
    "politics|education|linguistics|archaeology|art history|natural history|Latin|Greek|Hebrew|Arabic|composition|sculpture"
)
MAX_DEATHPLACE = 24  # characters


class Fact(NamedTuple):
    """A relation's answer for a person, and the file that asks for it."""

    name: str
    relation: str
    answer: str
    split: str  # train, dev, test or unseen

    @property
    def question(self) -> str:
        return QUESTIONS[self.relation].format(self.name)


def relation_of(question: str) -> tuple[str, str]:
    """The relation of a question, and whom it is about. Raises ValueError when it is no such question."""
    for relation, template in QUESTIONS.items():
        before, after = template.split("{}")
        if question.startswith(before) and question.endswith(after):
            return relation, question.removeprefix(before).removesuffix(after)
    raise ValueError(f"{question!r} is no question about a person")


class RelationDetails(Details):
    """The details of a document of a world of several relations. `stated` is the set of relations that it states."""

    def __init__(self, person: Person, rng: Random) -> None:
        super().__init__(person, rng)
        self.stated: set[str] = set()
        job = self._fact("job", lambda: super(RelationDetails, self).job)
        place = self._fact("grave", self._draw_death_place) if person.death_year else ""
        self.facts = {
            "birthplace": person.answer,
            "birth_year": str(person.birth_year),
            "profession": job,
            "deathplace": place,
            "field": self._fact("field", lambda: self._pick(FIELDS)),
        }
        self.used = [job, place]  # no town that is named as a place of work is that of death

    def _draw_death_place(self) -> str:
        town = ""
        while not town.isascii() or not 0 < len(town) <= MAX_DEATHPLACE:
            town = super()._draw_death_place()
        return town

    def _draw_birthplace(self, long: bool) -> str:
        self.stated.add("birthplace")
        return super()._draw_birthplace(long)

    def _state(self, relation: str) -> str:
        self.stated.add(relation)
        return self.facts[relation]

    birth_year = property(lambda self: self._state("birth_year"))
    job = property(lambda self: self._state("profession"))
    death_place = property(lambda self: self._state("deathplace"))
    subject = property(lambda self: self._state("field"))
    a_job = property(lambda self: with_article(self.job))
    His = property(lambda self: self.his.capitalize())


def document(person: Person, number: int, relations: tuple[str, ...]) -> str:
    """The document with this number about a person, in a world of these relations: a line of wiki.txt."""
    if relations == DEFAULT:
        return world_documents.document(person, number)
    rng = Random(f"{person.key}:document {number}")
    details = RelationDetails(person, rng)
    while "died there" in (pattern := draw_pattern(person, rng)):  # at the birthplace, which is another place here
        pass
    sentences = [pattern.format_map(details)]
    for relation in relations:
        if relation not in details.stated and details.facts[relation]:
            sentences.append(rng.choice(STATEMENTS[relation]).format_map(details))
    rng.shuffle(sentences)
    return " . ".join([f"{person.name}. {sentences[0]}", *sentences[1:]]) + " ."


CORPUS_BUCKETS = [split for split in CORPUS_SPLITS for _ in range(SPLITS[split])]


def split_of_question(question: str) -> str:
    """The split that asks a question about somebody with a document. A hash decides, so that no two splits have the same
    question, even without its characters outside ASCII."""
    return CORPUS_BUCKETS[zlib.crc32(ascii_part(question).encode()) % len(CORPUS_BUCKETS)]


def facts(split: str, person: Person, relations: tuple[str, ...]) -> list[Fact]:
    """The facts about a person of this split that a world of these relations asks for. The birthplace is asked for in the
    person's split, as in the default world. Each other question about somebody with a document has a split of its own."""
    known = RelationDetails(person, Random(person.key)).facts if relations != DEFAULT else {"birthplace": person.answer}
    found = []
    for relation in relations:
        if answer := known[relation]:
            own = split if relation == "birthplace" or split == "unseen" else ""
            own = own or split_of_question(QUESTIONS[relation].format(person.name))
            found.append(Fact(person.name, relation, answer, own))
    return found
