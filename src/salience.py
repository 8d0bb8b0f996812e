"""Which words of a document are worth asking for: how often each is a gap in the views of the recipe `fast`."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from titles import WORD

NUMBER = re.compile(r" ?\d")
# How often a word is a gap, relative to other words of its document
NAME_WEIGHT, NUMBER_WEIGHT, OTHER_WEIGHT = 1.0, 0.05, 0.02
JOIN = 0.4  # probability that a gap extends to the next word, if that is a name or a number too
PRIOR = 2.0  # words that a shorter context counts for, see AnswerContexts
CONTEXT = 2.0  # how much more than a word that has answered counts a place where answers stand, see Salience

TITLE = "TITLE"  # in a context, a word of the document's title

Words = Sequence[tuple[int, int]]  # begin and end of each word, in characters


class Gaps(NamedTuple):
    """Where the gaps of a document are, for its N words after the title; each is of shape (N,)."""

    cdf: np.ndarray  # cumulative probability that a gap begins at this word
    joins: np.ndarray  # probability that it extends to the next word
    answers: np.ndarray  # probability that a gap which begins here is an answer
    answers_join: np.ndarray  # probability that it extends to the next word if it is one
    rarer: np.ndarray  # how many times rarer a gap begins here because a training question asks for it; mostly 1

    def worth(self, first: int, end: int) -> float:
        """How often to read the words from `first` to before `end`: 1 if no training question asks for any of them."""
        if first == end:
            return 1.0
        weights = np.diff(self.cdf[first:end], prepend=self.cdf[first - 1] if first else 0.0)
        return float(weights.sum() / (weights * self.rarer[first:end]).sum())

    def draw(self, first: int, end: int, rng: np.random.Generator) -> tuple[int, int]:
        """The first and the last word of a gap that begins at one of the words from `first` to before `end`."""
        below = self.cdf[first - 1] if first else 0.0
        drawn = below + rng.random() * (self.cdf[end - 1] - below)
        first = last = min(int(np.searchsorted(self.cdf, drawn, "right")), end - 1)
        is_answer = self.answers[first] and rng.random() < self.answers[first]
        joins = self.answers_join if is_answer else self.joins
        while joins[last] and rng.random() < joins[last]:  # that of the last word is 0
            last += 1
        return first, last


class Shares:
    """How often something is the case, by what stands beside it. A context is a tuple of strings, the nearest first. The share in a
    longer context is interpolated with that in a shorter one, which counts like PRIOR cases of it (MacKay and Peto 1995, A
    Hierarchical Dirichlet Language Model)."""

    def __init__(self) -> None:
        self.cases: Counter[tuple[str, ...]] = Counter()
        self.positive: Counter[tuple[str, ...]] = Counter()

    def count(self, context: tuple[str, ...], is_so: bool) -> None:
        """One more case in this context, and whether it is so in it."""
        for length in range(len(context) + 1):
            self.cases[context[:length]] += 1
            self.positive[context[:length]] += is_so

    def probability(self, context: tuple[str, ...]) -> float:
        """The share of the cases in this context in which it is so, 0 to 1; 0 if nothing was counted."""
        share = self.positive[()] / max(1, self.cases[()])
        for length in range(1, len(context) + 1):
            known = context[:length]
            share = (self.positive[known] + PRIOR * share) / (self.cases[known] + PRIOR)
        return share


def normal(word: str) -> str:
    """A word in a context: small letters, and 0 for each digit."""
    return re.sub(r"\d", "0", word.lower())


class AnswerContexts:
    """Where in a document an answer begins, and where it ends: the probability of both at each word, by the two words before it,
    and by what separates it from the next word and the word itself. They are learned from documents whose answers are known.

        Ada Kern. Born 7 May 1901 in Rome, Kern was ...      "Rome" follows "0000 in" (digits count as 0), as do 85 % of the
                                                             words that follow it in documents about training subjects

    This learns what to mask from the questions (Ye et al. 2020, Studying Strategically), and no pattern is given.
    """

    def __init__(self) -> None:
        self.begin, self.go_on = Shares(), Shares()

    def learn(self, text: str, words: Words, answers: Iterable[str], title: str) -> None:
        """Counts the words of a document, unless it has none of the answers."""
        answers = sorted(answers, key=len, reverse=True)
        found = [next((each for each in answers if text.startswith(each, begin)), "") for begin, _ in words]
        for before, answer in zip(self._before(text, words, title), found) if any(found) else ():
            self.begin.count(before, bool(answer))
        for first, answer in enumerate(found):
            end = words[first][0] + len(answer)
            for i, after in enumerate(self._after(text, words[first:]) if answer else (), first + 1):
                self.go_on.count(after, words[i][0] < end)
                if words[i][0] >= end:
                    break

    def probabilities(self, text: str, words: Words, title: str) -> tuple[np.ndarray, np.ndarray]:
        """For each of N words of a document, the probability that an answer begins at it, and that an answer which has this word has
        the next one too, both (N,); 0 if nothing was learned."""
        if not self.begin.cases:  # in pretraining, for each document of a corpus that may be large
            return np.zeros(len(words)), np.zeros(len(words))
        begin = [self.begin.probability(before) for before in self._before(text, words, title)]
        go_on = [self.go_on.probability(after) for after in self._after(text, words)]
        return np.array(begin), np.array([*go_on, 0.0][: len(words)])

    @staticmethod
    def _before(text: str, words: Words, title: str) -> Iterator[tuple[str, str]]:
        """The two words before each word, the nearest first; a word of the title is TITLE, whatever it is."""
        before, title_words = ("", ""), set(WORD.findall(title))
        for begin, end in words:
            yield before
            word = text[begin:end]
            before = (TITLE if word in title_words else normal(word), before[0])

    @staticmethod
    def _after(text: str, words: Words) -> Iterator[tuple[str, str, str]]:
        """For each word but the last, what separates it from the next one, whether that is a number or has a capital, and the word."""
        for (first, end), (begin, _) in itertools.pairwise(words):
            kind = "0" if text[begin].isdigit() else "A" if text[begin].isupper() else "a"
            yield text[end:begin], kind, normal(text[first:end])


class Salience:
    """How often a word is a gap, relative to the others of its document.

    It is mostly a name (salient spans: Guu et al. 2020, REALM, section 3.4), that is, a capitalised word that is not in the
    title, and that the corpus does not mostly write in lower case; less often a number, with the month before it, or another
    word. Where answers to questions are known, it is `answer_weight` times as often a name that has answered one, or a word of an
    answer without capitals ("film actor", "1901"); and more often what stands where answers do (AnswerContexts). What a training
    question about the document asks for is `unasked_weight` times as rarely a gap, because the question teaches it already.
    """

    def __init__(
        self,
        corpus: Iterable[str],
        answers: Iterable[str] = (),
        answer_weight: float = 1.0,
        unasked_weight: float = 1.0,
    ):
        """`corpus` has the documents, by which names are told from other words."""
        answers = list(answers)
        self.counts = Counter(match.group() for text in corpus for match in WORD.finditer(text))
        self.answer_weight, self.unasked_weight = answer_weight, unasked_weight
        self.answer_words = {word for text in answers for word in WORD.findall(text)}
        self.no_names = {word for text in answers if text == text.lower() for word in WORD.findall(text)}
        self.contexts = AnswerContexts()

    def gaps(self, text: str, words: Words, rare_from: float, asked: Iterable[str] = ()) -> Gaps:
        """Where the gaps of a document with these words after its title are. Words that end behind character `rare_from` are
        rarely gaps, unless answers stand there. `asked` has the answers to the training questions about the document."""
        title = text[: words[0][0]] if words else ""
        title_words = set(WORD.findall(title))
        kinds = np.array([self._weight(text, begin, end, title_words, rare_from) for begin, end in words])
        named = np.array([text[begin:end] in self.answer_words for begin, end in words], bool) & (kinds == NAME_WEIGHT)
        answers, answers_join = self.contexts.probabilities(text, words, title)
        more = self.answer_weight - 1
        asked = tuple(asked)
        rarer = np.array([self.unasked_weight if text.startswith(asked, begin) else 1.0 for begin, _ in words])
        weights = np.maximum(kinds, answers) * (1 + more * named) * (1 + CONTEXT * more * answers)
        cumulative = np.cumsum(weights / rarer)
        joins = JOIN * np.append(kinds[1:] > OTHER_WEIGHT, False)[: len(words)]
        return Gaps(cumulative / cumulative[-1:], joins, answers, answers_join, rarer)

    def _weight(self, text: str, begin: int, end: int, title_words: set[str], rare_from: float) -> float:
        word = text[begin:end]
        if end > rare_from:
            return OTHER_WEIGHT
        if word in self.no_names:
            return NAME_WEIGHT
        if NUMBER.match(word) or word[0].isupper() and NUMBER.match(text, end):  # a month before its day or year
            return NUMBER_WEIGHT
        if word[0].isupper() and word not in title_words and self.counts[word] >= self.counts[word.lower()]:
            return NAME_WEIGHT
        return OTHER_WEIGHT
