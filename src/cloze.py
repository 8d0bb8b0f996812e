"""What the recipe `fast` reads: views of documents, each a title and a few gaps, in place of whole documents."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from dataset import Batch, CharCorruptionDataset, NameDataset, pack, shift
from engine.files import InputError
from vocabulary import MASK, PAD, without_accents
from wording import COURSE

FULL_STOP = re.compile(r"(?<!\b[^\W\d_])\. ")  # that does not belong to an initial
TITLE_END = re.compile(r"[.?!:] | [–—-] |\t")  # what else can end a title
MAX_TITLE = 64  # characters
WORD = re.compile(r"[^\W_][\w'’-]*")
NUMBER = re.compile(r" ?\d")

# How often a word is a gap, relative to other words of its document
NAME_WEIGHT, NUMBER_WEIGHT, OTHER_WEIGHT = 1.0, 0.05, 0.02
MAX_GAPS = 3  # in a view
NO_CONTEXT = 0.35  # probability that a view has no words around its gaps
MAX_CONTEXT = 4  # words before a gap, and after it
DISTRACTOR = 0.3  # probability of random words before the title
COURSE_POSITIONS = {len(COURSE.templates[0].before): 1}  # where titles begin, and how often
JOIN = 0.4  # probability that a gap extends to the next word, if that is a name or a number too
PROMPT_TRIES = 20  # to find a gap with words before it


def split_title(text: str) -> tuple[str, str]:
    """The title of a document, and what follows it; the latter is empty when there is no title.

    A title is what the next sentence begins with again ("St. Lucia. St. Lucia is an island", "Vitamin C. Vitamin C was");
    else what precedes the first full stop that does not belong to an initial ("J. E. P. Aldous. Born in"); else what
    precedes other punctuation ("What? A film", "Name: text", "Name – text", a tab).
    """
    ends = list(TITLE_END.finditer(text, 0, MAX_TITLE))
    for end in ends:
        title, after = text[: end.start()], text[end.end() + end.start() :][:1]
        if len(title) > 1 and text.startswith(title, end.end()) and not (after.isalnum() or after in ".'’-"):
            return title, text[end.end() :]
    if end := FULL_STOP.search(text) or (ends[0] if ends else None):
        return text[: end.start()], text[end.end() :]
    return text, ""


def pretraining_positions(block_size: int) -> dict[int, float]:
    """Where titles begin before any question is known, and how often."""
    return COURSE_POSITIONS


def positions_of_record(saved: object, block_size: int) -> dict[int, float]:
    """Where the titles of views begin, by a checkpoint; older ones have a list of equally frequent positions. Raises
    InputError when it is anything else."""
    found = {p: 1 for p in saved if type(p) is int} if isinstance(saved, list) else saved
    if not (isinstance(found, dict) and found) or not all(
        type(position) is int and 0 <= position < block_size and type(weight) in (int, float) and weight > 0
        for position, weight in found.items()
    ):
        raise InputError("is not a state file")
    return found


def titles_of(documents: Iterable[str]) -> list[str]:
    """The titles of the documents that have one."""
    return [title for title, body in map(split_title, documents) if body]


class Document(NamedTuple):
    """Where the words of a document are."""

    title_end: int  # characters
    words: list[tuple[int, int]]  # begin and end of each word after the title, in characters
    salient: list[bool]  # whether each word is a name or a number
    gap_cdf: np.ndarray  # cumulative probability that a gap begins at this word
    loses_accents: bool  # whether questions lose the non-ASCII characters of the title (vocabulary.without_accents)


class ClozeDataset(Dataset):
    """Small views of each document: its title, a few gaps, and what was in each of them.

        title. words before MASK words after MASK missing words MASK words before MASK ... MASK
        title MASK missing words MASK other missing words MASK       (a view without context; it may have two MASKs first)

    A fact that is always read in the same words is learned as the continuation of these words. To answer a question,
    the model has to recall it from the name alone (Allen-Zhu & Li 2023, Physics of Language Models 3.1). So a view has a
    random number of words around a gap, or none. To save tokens, up to MAX_GAPS gaps follow one title. Their contexts do not
    overlap, because one could contain what is missing in another.

    A gap is mostly a name (salient spans: Guu et al. 2020, REALM, section 3.4), that is, a capitalised word that is not
    in the title, that the corpus does not mostly write in lower case, and that lies within the first `max_chars`
    characters; less often a number, with the month before it, or another word. Names that have answered a question can be
    preferred (learning what to mask from the questions: Ye et al. 2020, Studying Strategically).

    With probability DISTRACTOR, random words of another document precede the title (and follow it in a view without
    context), so that recall does not depend on what surrounds the name. Half of the time the title (see `split_title`) loses
    its non-ASCII characters, if questions do. It begins at a position at which questions have their subject: learned
    positions, and the synthesizer, would not recognise it elsewhere.
    """

    def __init__(
        self,
        corpus: CharCorruptionDataset,
        share: float = 0.9,
        answers: Iterable[str] = (),
        answer_weight: float = 1.0,
        positions: Mapping[int, float] = COURSE_POSITIONS,
    ):
        """`share` of the examples are views, the others span corruption. A gap is `answer_weight` times as likely at a
        name that occurs in `answers`, and as likely at a word of an answer without capitals ("film actor", "1901").
        `positions` has the positions at which titles begin, each with its weight."""
        self.corpus, self.share, self.answer_weight = corpus, share, answer_weight
        answers = list(answers)
        self.answer_words = {word for text in answers for word in WORD.findall(text)}
        self.no_names = {word for text in answers if text == text.lower() for word in WORD.findall(text)}
        counts = Counter(match.group() for text in corpus.data for match in WORD.finditer(text))
        self.documents = [self._find_words(text, counts) for text in corpus.data]
        self.ascii = np.array([corpus.itos[i].isascii() for i in range(corpus.vocab_size)])
        self.set_positions(positions)

    def set_positions(self, positions: Mapping[int, float]) -> None:
        """Titles begin at these positions from now on, each with its weight."""
        self.positions = dict(sorted(positions.items()))
        cumulative = np.cumsum([*self.positions.values()], dtype=float)
        self.position_cdf = cumulative / cumulative[-1]

    @property
    def start_position(self) -> int:
        """The most frequent position of a title's first character."""
        return max(self.positions, key=self.positions.__getitem__) if self.share else 0

    def _find_words(self, text: str, counts: Counter[str]) -> Document:
        """The words of a document. `counts` is how often the corpus has each word in just this spelling."""
        title, body = split_title(text)
        offset, title_words = len(text) - len(body), set(WORD.findall(title))
        words = [(offset + match.start(), offset + match.end()) for match in WORD.finditer(body)]
        weights, is_answer = [], []
        for begin, end in words:
            word = text[begin:end]
            if end > self.corpus.max_chars:
                weight = OTHER_WEIGHT
            elif word in self.no_names:
                weight = NAME_WEIGHT
            elif NUMBER.match(word) or word[0].isupper() and NUMBER.match(text, end):  # a month before its day or year
                weight = NUMBER_WEIGHT
            elif word[0].isupper() and word not in title_words and counts[word] >= counts[word.lower()]:
                weight = NAME_WEIGHT
            else:
                weight = OTHER_WEIGHT
            weights.append(weight)
            is_answer.append(weight == NAME_WEIGHT and word in self.answer_words)
        cumulative = np.cumsum(np.where(is_answer, self.answer_weight, 1.0) * weights)
        salient = [weight > OTHER_WEIGHT for weight in weights]
        loses_accents = title.isascii() or without_accents(title) != title
        return Document(len(title), words, salient, cumulative / cumulative[-1:], loses_accents)

    def __len__(self) -> int:
        return len(self.corpus)

    def count_viewable(self) -> int:
        """The number of documents that have a title and words after it that leave room in the block. The others are
        span-corrupted."""
        room = self.corpus.block_size - self.start_position
        return sum(bool(d.words) and d.title_end + 4 < room for d in self.documents)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        """A new view of document i, or a corruption: x and y, Long tensors of length block_size."""
        x, y, _ = self.examples(np.array([range(len(self))[i]]), np.random.default_rng(int(torch.randint(2**62, ()))))
        return x[0], y[0]

    def batch(self, indices: np.ndarray, rng: np.random.Generator) -> Batch:
        """Views of the documents `indices`, packed."""
        return pack(*self.examples(indices, rng))

    def examples(self, indices: np.ndarray, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
        """x and y (B, block_size) of the documents `indices`, and their start positions (B,). A document without words
        after its title is corrupted instead."""
        rows = np.full((len(indices), self.corpus.block_size + 1), PAD, np.int64)
        start_positions = np.zeros(len(indices), np.int64)
        for row, i in enumerate(indices):
            if rng.random() < self.share and (view := self.view(i, rng)):
                tokens, start_positions[row] = view
                rows[row, : len(tokens)] = tokens
            else:
                rows[row] = self.corpus.corrupt(np.array([i]), rng)
        return *shift(rows), start_positions

    def view(self, i: int, rng: np.random.Generator) -> tuple[np.ndarray, int] | None:
        """A view of document i, as indices, and its start position. None when there is no word after the title, or no
        room."""
        document, text = self.documents[i], self.corpus.document(i)
        if not document.words:
            return None
        start = self.draw_position(rng)
        name, heading = text[: document.title_end], text[: document.words[0][0]]  # "Ada King" and "Ada King. "
        if rng.random() < 0.5 and document.loses_accents:
            name, heading = name[self.ascii[name]], heading[self.ascii[heading]]
        before, without_context = text[:0], rng.random() < NO_CONTEXT
        if rng.random() < DISTRACTOR:
            space = np.array([self.corpus.stoi[" "]])
            before = np.concatenate((self.distractor(3, rng), space))
            before = before[max(0, len(before) - start) :]  # the last `start` characters
            name = np.concatenate((name, space, self.distractor(2, rng)))
        pieces = [name, *[np.array([MASK])] * int(rng.integers(1, 3))] if without_context else [heading]
        length, shown = start + sum(map(len, pieces)), []
        for _ in range(rng.integers(1, MAX_GAPS, endpoint=True)):
            gap, (first, last) = self.gap(i, without_context, rng)
            size = sum(map(len, gap))
            if length + size <= self.corpus.block_size and not any(a <= last and first <= b for a, b in shown):
                length += size
                pieces += gap
                shown.append((first, last))
        return (np.concatenate((before, *pieces)), start - len(before)) if shown else None

    def draw_position(self, rng: np.random.Generator) -> int:
        """The position at which a title begins."""
        only_one = len(self.positions) == 1
        return [*self.positions][0 if only_one else int(np.searchsorted(self.position_cdf, rng.random(), "right"))]

    def gap(self, i: int, without_context: bool, rng: np.random.Generator) -> tuple[list[np.ndarray], tuple[int, int]]:
        """The pieces of a gap in document i, with words around it unless `without_context`, and the numbers of the first and
        the last word in them."""
        document, text, mask = self.documents[i], self.corpus.document(i), np.array([MASK])
        words = document.words
        first = last = int(np.searchsorted(document.gap_cdf, rng.random(), "right"))
        while last + 1 < len(words) and document.salient[last + 1] and rng.random() < JOIN:
            last += 1
        (begin, _), (_, end) = words[first], words[last]
        missing = [text[begin:end], mask]
        if without_context:
            return missing, (first, last)
        first = max(0, first - rng.integers(MAX_CONTEXT + 1))
        last = min(len(words) - 1, last + rng.integers(MAX_CONTEXT + 1) * rng.integers(2))
        return [text[words[first][0] : begin], mask, text[end : words[last][1]], mask, *missing], (first, last)

    def prompt(self, i: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray] | None:
        """A view of document i with one gap, if possible with words before it, up to the place where the model begins to
        write; and what it should write there. None when there is no such view."""
        document, text, found = self.documents[i], self.corpus.document(i), None
        for _ in range(PROMPT_TRIES if document.words else 0):
            (before, mask, after, _, missing, _), _ = self.gap(i, False, rng)
            prompt = np.concatenate((text[: document.words[0][0]], before, mask, after, mask))
            if self.start_position + len(prompt) + len(missing) < self.corpus.block_size:
                found = prompt, missing
                if len(before):
                    break
        return found

    def distractor(self, max_words: int, rng: np.random.Generator) -> np.ndarray:
        """Between one and `max_words` successive words of a random document, as indices; none if it has none."""
        i = rng.integers(len(self.documents))
        words = self.documents[i].words or [(0, 0)]
        first = int(rng.integers(len(words)))
        last = min(len(words) - 1, first + int(rng.integers(max_words)))
        return self.corpus.document(i)[words[first][0] : words[last][1]]


class MixedDataset(Dataset):
    """Questions, and with each of them several views of random documents. So facts are stored where questions find
    them, and what was read is not forgotten (mixed training: Allen-Zhu & Li 2023, section 3)."""

    def __init__(self, names: NameDataset, documents: ClozeDataset, views: int):
        """`views` is how many there are with each question."""
        self.names, self.documents, self.views = names, documents, views

    @property
    def start_position(self) -> int:
        """Where the views have their titles."""
        return self.documents.start_position

    def __len__(self) -> int:
        return len(self.names)

    def batch(self, indices: np.ndarray, rng: np.random.Generator) -> Batch:
        """The questions `indices` with their views, packed."""
        return pack(*self.examples(indices, rng))

    def examples(self, indices: np.ndarray, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
        """x and y (B, block_size) of the questions `indices` and of the views, and their start positions (B,)."""
        chosen = rng.integers(0, len(self.documents), self.views * len(indices))
        *views, start_positions = self.documents.examples(chosen, rng)
        questions = (torch.nn.functional.pad(rows, (0, 1), value=PAD) for rows in self.names.examples(indices))
        x, y = (torch.cat(pair) for pair in zip(questions, views))
        return x, y, np.concatenate((np.zeros(len(indices), np.int64), start_positions))


def views_of(dataset: Dataset) -> ClozeDataset | None:
    """The views in the training data, if there are any."""
    documents = dataset.documents if isinstance(dataset, MixedDataset) else dataset
    return documents if isinstance(documents, ClozeDataset) else None
