"""How questions are worded: where their subject is, found from the questions and the titles of the documents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, Self

from vocabulary import without_accents

MAX_TEMPLATES = 50
MAX_REJECTED = 10  # candidates in turn
CHANCE = 1e-3  # that so many questions of an earlier template have no title in it
ENOUGH_QUESTIONS = 20  # with different subjects prove a template; of less than 2,000 questions, a hundredth, at least 2
MAX_LINES = 10  # that a run prints
KEY_LENGTH = 3  # characters by which titles are looked up
QUESTION_MARKS = ("?", "？", "؟", ";", "\u037e")


class Template(NamedTuple):
    """The text before the subject and after it."""

    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.before}…{self.after}"

    @property
    def fixed(self) -> int:
        """The number of characters around the subject."""
        return len(self.before) + len(self.after)

    def subject(self, question: str) -> str | None:
        """Whom a question is about; None if it does not follow this template."""
        if not (question.startswith(self.before) and question.endswith(self.after)):
            return None
        if not self.fixed and question.endswith(QUESTION_MARKS):  # no bare name
            return None
        return question[len(self.before) : max(0, len(question) - len(self.after))].strip() or None

    def where(self) -> str:
        """Where the subject is, in words."""
        if self.before and self.after:
            return f"between {self.before!r} and {self.after!r}"
        return f"after {self.before!r}" if self.before else f"before {self.after!r}" if self.after else "all of it"


@dataclass(frozen=True)
class Wording:
    """The templates that the questions of a file follow."""

    templates: tuple[Template, ...]  # the most frequent first
    counts: tuple[int, ...]  # how many questions follow each
    questions: int  # all of the file
    # Of the questions that are worded like no other, the text around the title in them, and how many they are; not in metadata
    single: dict[str, Template] = field(default_factory=dict)
    single_count: int = 0

    @cached_property
    def _most_fixed_first(self) -> list[Template]:
        return sorted(self.templates, key=lambda template: -template.fixed)

    def template_of(self, question: str) -> Template | None:
        """The template that a question follows; of several, the one with the most text around the subject."""
        return next((t for t in self._most_fixed_first if t.subject(question) is not None), None)

    def around_subject(self, question: str) -> Template | None:
        """The text around the subject of a question, whether others are worded like it or not."""
        return self.template_of(question) or self.single.get(question)

    def subject(self, question: str) -> str | None:
        """Whom or what a question is about, None if that is not known: "Where was Ada Lovelace born?" -> "Ada Lovelace"."""
        around = self.around_subject(question)
        return around.subject(question) if around else None

    def lines(self) -> list[str]:
        """The finding for people to read, a line for each template."""
        total = f"of {self.questions:,} questions"
        found = [f"subject: {t.where()}, {count:,} {total}" for t, count in zip(self.templates, self.counts)]
        rest, missing = sum(self.counts[MAX_LINES:]), self.questions - sum(self.counts) - self.single_count
        found[MAX_LINES:] = [f"subject: in {len(found) - MAX_LINES} other templates, {rest:,} {total}"] if rest else []
        found += (
            [f"subject: the title in each, {self.single_count:,} {total}, worded like no other"] if self.single else []
        )
        return [*found, f"subject: not found, {missing:,} {total}"] if missing else found

    def record(self) -> dict[str, Any]:
        """The finding as metadata have it."""
        templates = [t._asdict() | {"questions": count} for t, count in zip(self.templates, self.counts)]
        return {"questions": self.questions, "templates": templates}

    @classmethod
    def from_record(cls, record: object) -> Self | None:
        """The finding in metadata; None if there is none, or something else in its place."""
        try:
            entries = [(entry["before"], entry["after"], entry["questions"]) for entry in record["templates"]]
            total = record["questions"]
        except (TypeError, KeyError, IndexError):
            return None
        if any([*map(type, entry)] != [str, str, int] for entry in entries) or type(total) is not int:
            return None
        return cls(tuple(Template(*entry[:2]) for entry in entries), tuple(entry[2] for entry in entries), total)


COURSE = Wording((Template("Where was ", " born?"),), (0,), 0)  # what is assumed where no question is known


def find_wording(questions: Sequence[str], titles: Iterable[str], known: Wording = COURSE) -> Wording:
    """Finds the templates of the questions.

    What varies between questions and is the title of a document is the subject, and the text around it is the template.
    The template that explains the most questions is taken first, then the one that explains the most of the others, and so
    on; those of `known` come before all. Where only some of the subjects are titles, the template that these have tells the
    others. A template that no question follows is left out. In questions worded like no other, the longest title is the
    subject, if most of them have one.
    """
    contexts = contexts_of_titles(dict.fromkeys(questions), titles)
    enough = max(2, min(ENOUGH_QUESTIONS, len(contexts) // 100))
    templates = list(known.templates)
    unexplained = {q: around for q, around in contexts.items() if around.isdisjoint(templates)}
    support = Counter(template for around in unexplained.values() for template in around)
    followers: dict[Template, list[str]] = {template: [] for template, count in support.items() if count >= enough}
    for question, around in unexplained.items():
        for template in around & followers.keys():
            followers[template].append(question)
    rejected = 0
    while followers and len(templates) < MAX_TEMPLATES and rejected < MAX_REJECTED:
        best = max(followers, key=lambda template: (support[template], -template.fixed))
        explained = [question for question in followers.pop(best) if question in unexplained]
        if len(explained) < enough:
            break
        if is_needed(best, explained, enough, templates, contexts, {best, *followers}):
            templates.append(best)
            for question in explained:
                support.subtract(unexplained.pop(question))
        else:
            rejected += 1
    wording = Wording(tuple(templates), (0,) * len(templates), len(questions))
    counts = Counter(map(wording.template_of, questions))
    found = sorted(((counts[t], t) for t in templates if counts[t]), key=lambda pair: -pair[0])
    single = longest_titles({q: around for q, around in contexts.items() if wording.template_of(q) is None})
    return Wording(tuple(t for _, t in found), tuple(count for count, _ in found), len(questions),
                   single, sum(question in single for question in questions))  # fmt: skip


def longest_titles(contexts: dict[str, set[Template]]) -> dict[str, Template]:
    """For each question that has a title in it, the text around the longest. A title that is in most of the questions does not say
    what one is about. Empty if most questions have none."""
    titles = {q: {t: t.subject(q) for t in around if is_whole_word(t, q)} for q, around in contexts.items()}
    common = Counter(title for found in titles.values() for title in set(found.values()))
    most = max(1, len(contexts) // 2)
    longest = {
        question: min(left, key=lambda template: (template.fixed, template))  # the same one in each run
        for question, found in titles.items()
        if (left := [template for template, title in found.items() if common[title] <= most])
    }
    return longest if len(longest) > len(contexts) // 2 else {}


def is_whole_word(template: Template, question: str) -> bool:
    """Whether a template cuts no word of a question: "Is Rome old?" has Rome, "Is Romero old?" has not."""
    subject = template.subject(question)
    return subject is not None and not any(
        one and two and all(c.isdigit() or c.lower() != c.upper() for c in (one, two))
        for one, two in ((template.before[-1:], subject[:1]), (subject[-1:], template.after[:1]))
    )


def is_needed(
    new: Template,
    explained: Sequence[str],
    enough: int,
    templates: Sequence[Template],
    contexts: dict[str, set[Template]],
    candidates: set[Template],
) -> bool:
    """Whether a template, `new` of the `candidates`, says more than chance by the questions that only it explains.

    The questions may follow one of the `templates` as well, without that having a title in them. "Where was the painter …
    born?" is needed beside "Where was … born?". But "Where was … Smith born?" is not, if Ada Smith has no document and Ada has
    one: then most likely another Smith has a document, if people have documents at all.
    """
    if sum(all(t.subject(question) is None for t in templates) for question in explained) >= enough:
        return True
    if new.before[-1:].isalnum() or new.after[:1].isalnum():  # it cuts a word
        return False
    titled = sum(not around.isdisjoint(templates) for around in contexts.values())
    if not titled:
        return 2 * len(explained) > sum(not around.isdisjoint(candidates) for around in contexts.values())
    if (1 - titled / len(contexts)) ** len(explained) > CHANCE:
        return False
    return all(around.isdisjoint(templates) for q, around in contexts.items() if new.subject(q) is not None)


def contexts_of_titles(questions: Iterable[str], titles: Iterable[str]) -> dict[str, set[Template]]:
    """For each question, the text around each title that occurs in it."""
    spellings = set()
    for title in titles:
        spellings |= {title, without_accents(title), *([title + "."] if "." in title else [])}  # Washington D.C.
    lengths: dict[str, set[int]] = {}  # of the titles that begin with these characters
    for title in spellings - {""}:
        lengths.setdefault(title[:KEY_LENGTH], set()).add(len(title))
    key_lengths = sorted({len(key) for key in lengths})

    def contexts(question: str) -> set[Template]:
        return {
            Template(question[:begin], question[begin + length :])
            for begin in range(len(question))
            for size in key_lengths
            for length in lengths.get(question[begin : begin + size], ())
            if question[begin : begin + length] in spellings
        }

    return {question: contexts(question) for question in questions}
