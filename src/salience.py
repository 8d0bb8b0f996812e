"""Which words of a document are worth asking for: how often each is a gap in the views of the recipe `fast`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from titles import WORD

NUMBER = re.compile(r" ?\d")
# How often a word is a gap, relative to other words of its document
NAME_WEIGHT, NUMBER_WEIGHT, OTHER_WEIGHT = 1.0, 0.05, 0.02
PRIOR = 2.0  # words that a shorter context counts for, see AnswerContexts
CONTEXT = 2.0  # how much more than a word that has answered counts a place where answers stand, see Salience

Words = Sequence[tuple[int, int]]  # begin and end of each word, in characters


class AnswerContexts:
    """The probability that an answer begins at a word, given the two words before it. It is learned from documents whose
    answers are known.

        Ada Kern. Born 7 May 1901 in Rome, Kern was ...      "Rome" follows "0000 in" (digits count as 0), as do 85 % of the
                                                             words that follow it in documents about training subjects

    The shares after two words, after one and after any are interpolated: the share after a shorter context counts like PRIOR
    words after the longer one (MacKay and Peto 1995, A Hierarchical Dirichlet Language Model). This learns what to mask from the
    questions (Ye et al. 2020, Studying Strategically), and no pattern is given.
    """

    def __init__(self):
        self.words: Counter[tuple[str, ...]] = Counter()  # after each context
        self.answers: Counter[tuple[str, ...]] = Counter()  # of these, at which an answer begins

    def learn(self, text: str, words: Words, answers: Iterable[str]) -> None:
        """Counts the words of a document, unless it has none of the answers."""
        answers = tuple(answers)
        begins = [text.startswith(answers, begin) for begin, _ in words]
        if any(begins):
            for before, is_answer in zip(self._contexts(text, words), begins):
                for context in ((), before[1:], before):
                    self.words[context] += 1
                    self.answers[context] += is_answer

    def probabilities(self, text: str, words: Words) -> np.ndarray:
        """For each of N words of a document, the probability that an answer begins at it, (N,); 0 if nothing was learned."""
        found = np.zeros(len(words))
        for i, before in enumerate(self._contexts(text, words) if self.words else ()):
            found[i] = self.answers[()] / self.words[()]
            for context in (before[1:], before):
                found[i] = (self.answers[context] + PRIOR * found[i]) / (self.words[context] + PRIOR)
        return found

    @staticmethod
    def _contexts(text: str, words: Words) -> Iterator[tuple[str, str]]:
        """The two words before each word."""
        before = ("", "")
        for begin, end in words:
            yield before
            before = (before[1], re.sub(r"\d", "0", text[begin:end].lower()))


class Salience:
    """How often a word is a gap, relative to the others of its document.

    It is mostly a name (salient spans: Guu et al. 2020, REALM, section 3.4), that is, a capitalised word that is not in the
    title, and that the corpus does not mostly write in lower case; less often a number, with the month before it, or another
    word. Where answers to questions are known, it is `answer_weight` times as often a name that has answered one, or a word of an
    answer without capitals ("film actor", "1901"); and more often what stands where answers do (AnswerContexts).
    """

    def __init__(self, corpus: Iterable[str], answers: Iterable[str] = (), answer_weight: float = 1.0):
        """`corpus` has the documents, by which names are told from other words."""
        answers = list(answers)
        self.counts = Counter(match.group() for text in corpus for match in WORD.finditer(text))
        self.answer_weight = answer_weight
        self.answer_words = {word for text in answers for word in WORD.findall(text)}
        self.no_names = {word for text in answers if text == text.lower() for word in WORD.findall(text)}
        self.contexts = AnswerContexts()

    def of_words(self, text: str, words: Words, rare_from: float) -> tuple[list[bool], np.ndarray]:
        """Of the N words of a document after its title: whether each is a name or a number, and the cumulative probability that
        a gap begins at it, (N,). Words that end behind character `rare_from` are rarely gaps, unless answers stand there."""
        title_words = set(WORD.findall(text[: words[0][0]])) if words else ()
        kinds = np.array([self._weight(text, begin, end, title_words, rare_from) for begin, end in words])
        named = np.array([text[begin:end] in self.answer_words for begin, end in words], bool) & (kinds == NAME_WEIGHT)
        here = self.contexts.probabilities(text, words)
        more = self.answer_weight - 1
        cumulative = np.cumsum(np.maximum(kinds, here) * (1 + more * named) * (1 + CONTEXT * more * here))
        return [*(kinds > OTHER_WEIGHT)], cumulative / cumulative[-1:]

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
