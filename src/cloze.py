"""What the recipe `fast` reads: views of documents, each a title and a few gaps, in place of whole documents."""

from __future__ import annotations

import bisect
import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from dataset import Batch, CharCorruptionDataset, NameDataset, pack, shift
from engine.files import InputError
from salience import Gaps, Salience
from titles import MAX_TITLE, WORD, split_long_title, split_title
from vocabulary import MASK, PAD, without_accents
from wording import COURSE

MAX_WORD = 32  # characters
MAX_GAPS = 3  # in a view
NO_CONTEXT = 0.35  # probability that a view has no words around its gaps
MAX_CONTEXT = 4  # words before a gap, and after it
DISTRACTOR = 0.3  # probability of random words before the title
FITTING, MANY = 0.7, 5  # see ClozeDataset: share of a corpus within the blocks, and blocks of a document
POSITION_REACH = 40  # with any wording, titles begin before this position
WORDINGS = ("course", "any")  # of the questions that will be asked, as far as pretraining knows
COURSE_POSITIONS: dict[int, float] = {len(COURSE.templates[0].before): 1}  # where titles begin, and how often
PROMPT_TRIES = 20  # to find a gap with words before it


def pretraining_positions(block_size: int, any_wording: bool = False) -> dict[int, float]:
    """Where titles begin before any question is known, and how often: where the course's questions have their subject; if the
    questions will have `any_wording`, two fifths of them there, a fifth at 0, and the others at any of the first positions."""
    if not any_wording:
        return COURSE_POSITIONS
    reach = min(POSITION_REACH, block_size // 3)
    positions = dict.fromkeys(range(reach), 1.0)
    # No earlier title covers the first tokens, so that the synthesizer would seldom look there.
    positions[0] += reach / 2
    for position in COURSE_POSITIONS:
        positions[position] = positions.get(position, 1.0) + reach
    return positions


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


class Window(NamedTuple):
    """A part of a document, of which an epoch has one example. A short document is one window."""

    document: int
    first_word: int  # of those that a gap can begin at
    end_word: int  # after the last of them
    begin: int  # characters
    end: int


class Document(NamedTuple):
    """Where the words of a document are."""

    title_end: int  # characters
    words: list[tuple[int, int]]  # begin and end of each word after the title, in characters
    gaps: Gaps  # which of them are missing
    loses_accents: bool  # whether questions lose the non-ASCII characters of the title (vocabulary.without_accents)


class ClozeDataset(Dataset):
    """Small views of each document: its title, a few gaps, and what was in each of them.

        title. words before MASK words after MASK missing words MASK words before MASK ... MASK
        title MASK missing words MASK other missing words MASK       (a view without context; it may have two MASKs first)

    A fact that is always read in the same words is learned as the continuation of these words. To answer a question,
    the model has to recall it from the name alone (Allen-Zhu & Li 2023, Physics of Language Models 3.1). So a view has a
    random number of words around a gap, or none. To save tokens, up to MAX_GAPS gaps follow one title. Their contexts do not
    overlap, because one could contain what is missing in another.

    Which words are gaps, salience.py says: mostly names, and where questions are known, what these ask for.

    A long document is read to its end: it has an example for every `max_chars` characters, whose gaps are in this part of it,
    a window. Long is what is longer than the block. But where documents are lines, and FITTING of the text or more is in the
    blocks, as in the course's files, only what is longer than MANY blocks is long; in the others, words beyond `max_chars`
    are rarely gaps, because what is asked about comes first. A document without a title is span-corrupted, from a random
    place in each window if it is longer than the block.

    With probability DISTRACTOR, random words of another document precede the title (and follow it in a view without
    context), so that recall does not depend on what surrounds the name. Half of the time the title (see `split_title`) loses
    its non-ASCII characters, if questions do. It begins at a position at which questions have their subject: learned
    positions, and the synthesizer, would not recognise it elsewhere.
    """

    def __init__(
        self,
        corpus: CharCorruptionDataset,
        share: float = 0.9,
        answers: Iterable[tuple[str | None, str]] = (),
        answer_weight: float = 1.0,
        positions: Mapping[int, float] = COURSE_POSITIONS,
        unasked_weight: float = 1.0,
    ):
        """`share` of the examples are views, the others span corruption. `answers` has the subjects of questions, None where
        that is not known, and their answers; by `answer_weight`, gaps are more often such words, and where such words stand
        (salience.py). `positions` has the positions at which titles begin, each with its weight. What a question about the
        document asks for is a gap `unasked_weight` times as rarely."""
        self.corpus, self.share = corpus, share
        fitting = np.minimum(corpus.lengths, corpus.block_size).sum() / corpus.lengths.sum()
        mostly_fit = corpus.form == "lines" and fitting >= FITTING
        self.is_long = corpus.lengths > corpus.block_size * (MANY if mostly_fit else 1)
        self.documents = self._find_words(list(answers), answer_weight, unasked_weight)
        self.ascii = np.array([corpus.itos[i].isascii() for i in range(corpus.vocab_size)])
        untitled = [not document.words or document.title_end >= MAX_TITLE for document in self.documents]
        self.is_long |= np.array(untitled) & (corpus.lengths > corpus.block_size)
        self.windows = [window for i in range(len(corpus)) for window in self._windows(i)]
        self.set_positions(positions)

    def set_positions(self, positions: Mapping[int, float]) -> None:
        """Titles begin at these positions from now on, each with its weight."""
        self.positions = dict(sorted(positions.items()))
        cumulative = np.cumsum([*self.positions.values()], dtype=float)
        self.position_cdf = cumulative / cumulative[-1]
        self.usual_position = max(self.positions, key=self.positions.__getitem__)
        room = self.corpus.block_size - self.usual_position
        # which documents have a title, and words after it, that leave room in the block (N,); the others are span-corrupted
        self.viewable = np.array([bool(d.words) and d.title_end + 4 < room for d in self.documents])

    @property
    def start_position(self) -> int:
        """The most frequent position of a title's first character; 0 if there are no views."""
        return self.usual_position if self.share and self.viewable.any() else 0

    def _find_words(
        self, answers: list[tuple[str | None, str]], answer_weight: float, unasked_weight: float
    ) -> list[Document]:
        """Where the words of each document are, and which of them are gaps."""
        texts = self.corpus.data
        like_the_courses = [self.corpus.form == "lines" and not is_long for is_long in self.is_long]
        titles = [split_title(text)[0] if usual else split_long_title(text, len(texts) == 1)[0]
                  for text, usual in zip(texts, like_the_courses)]  # fmt: skip
        words = [[match.span() for match in WORD.finditer(text, len(title))] for text, title in zip(texts, titles)]
        by_subject = defaultdict(set)
        for subject, answer in answers:
            by_subject[subject].add(answer)
        asked = [by_subject.get(title, set()) | by_subject.get(without_accents(title), set()) for title in titles]
        salience = Salience(texts, (answer for _, answer in answers), answer_weight, unasked_weight)
        for document in zip(texts, words, asked, titles):
            salience.contexts.learn(*document)
        return [Document(len(title), found, salience.gaps(text, found, self.corpus.max_chars if usual else math.inf, own),
                         title.isascii() or without_accents(title) != title)
                for text, title, found, usual, own in zip(texts, titles, words, like_the_courses, asked)]  # fmt: skip

    def _windows(self, i: int) -> list[Window]:
        """The windows of document i, equally wide."""
        length, words = int(self.corpus.lengths[i]), self.documents[i].words
        edges = np.linspace(
            0, length, 1 + (math.ceil(length / self.corpus.max_chars) if self.is_long[i] else 1)
        ).astype(int)
        split = [bisect.bisect_left(words, (edge,)) for edge in edges[1:-1]]
        numbers = itertools.pairwise([0, *split, len(words)])
        return [Window(i, *pair, *ends) for pair, ends in zip(numbers, itertools.pairwise(edges.tolist()))]

    def __len__(self) -> int:
        return len(self.windows)

    def count_viewable(self) -> int:
        """The number of documents that are read as views."""
        return int(self.viewable.sum())

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        """A new view of window i, or a corruption: x and y, Long tensors of length block_size."""
        x, y, _ = self.examples(np.array([range(len(self))[i]]), np.random.default_rng(int(torch.randint(2**62, ()))))
        return x[0], y[0]

    def batch(self, indices: np.ndarray, rng: np.random.Generator) -> Batch:
        """Views of the windows `indices`, packed."""
        return pack(*self.examples(indices, rng))

    def examples(self, indices: np.ndarray, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
        """x and y (B, block_size) of the windows `indices`, and their start positions (B,). A document without words
        after its title is corrupted instead."""
        rows = np.full((len(indices), self.corpus.block_size + 1), PAD, np.int64)
        start_positions = np.zeros(len(indices), np.int64)
        for row, i in enumerate(indices):
            if rng.random() < self.share and (view := self.view(i, rng)):
                tokens, start_positions[row] = view
                rows[row, : len(tokens)] = tokens
            else:
                rows[row] = self.corrupt(i, rng)
        return *shift(rows), start_positions

    def corrupt(self, i: int, rng: np.random.Generator) -> np.ndarray:
        """The document of window i, corrupted. In a long document, reading begins at a word in the window, or somewhat
        before it, so that the beginnings of windows are read as often as their ends."""
        window, begin = self.windows[i], 0
        if self.is_long[window.document]:
            text, half = self.corpus.data[window.document], self.corpus.max_chars // 2
            begin = min(max(0, int(rng.integers(window.begin - half, window.end))), len(text) - 4)
            space = text.rfind(" ", max(0, begin - MAX_WORD), begin)
            begin = space + 1 if space >= 0 or begin < MAX_WORD else begin
        return self.corpus.corrupt(np.array([window.document]), rng, begins=begin)

    def view(self, i: int, rng: np.random.Generator) -> tuple[np.ndarray, int] | None:
        """A view of window i, as indices, and its start position. None when it has no word after the title, or no room."""
        window = self.windows[i]
        document, text = self.documents[window.document], self.corpus.document(window.document)
        if window.first_word == window.end_word:
            return None
        start = self.draw_position(rng)
        name, heading = text[: document.title_end], text[: document.words[0][0]]  # "Ada King" and "Ada King. "
        if rng.random() < 0.5 and document.loses_accents:
            name, heading = name[self.ascii[name]], heading[self.ascii[heading]]
        before, without_context = text[:0], rng.random() < NO_CONTEXT
        if " " in self.corpus.stoi and rng.random() < DISTRACTOR:
            space = np.array([self.corpus.stoi[" "]])
            before = np.concatenate((self.distractor(3, rng), space))
            before = before[max(0, len(before) - start) :]  # the last `start` characters
            name = np.concatenate((name, space, self.distractor(2, rng)))
        pieces = [name, *[np.array([MASK])] * int(rng.integers(1, 3))] if without_context else [heading]
        length, shown = start + sum(map(len, pieces)), []
        for _ in range(rng.integers(1, MAX_GAPS, endpoint=True)):
            gap, (first, last) = self.gap(window, without_context, rng)
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

    def gap(
        self, window: Window, without_context: bool, rng: np.random.Generator
    ) -> tuple[list[np.ndarray], tuple[int, int]]:
        """The pieces of a gap that begins in a window, with words around it unless `without_context`, and the numbers of the first and
        the last word in them."""
        document, text, mask = self.documents[window.document], self.corpus.document(window.document), np.array([MASK])
        words, (first, last) = document.words, document.gaps.draw(window.first_word, window.end_word, rng)
        (begin, _), (_, end) = words[first], words[last]
        missing = [text[begin:end], mask]
        if without_context:
            return missing, (first, last)
        first = max(0, first - rng.integers(MAX_CONTEXT + 1))
        last = min(len(words) - 1, last + rng.integers(MAX_CONTEXT + 1) * rng.integers(2))
        return [text[words[first][0] : begin], mask, text[end : words[last][1]], mask, *missing], (first, last)

    def prompt(self, i: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray] | None:
        """A view of window i with one gap, if possible with words before it, up to the place where the model begins to
        write; and what it should write there. None when there is no such view."""
        window, found = self.windows[i], None
        document, text = self.documents[window.document], self.corpus.document(window.document)
        for _ in range(PROMPT_TRIES if window.first_word < window.end_word else 0):
            (before, mask, after, _, missing, _), _ = self.gap(window, False, rng)
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
    """Questions, and with each of them several views. So facts are stored where questions find them, and what was read is not
    forgotten (mixed training: Allen-Zhu & Li 2023, section 3)."""

    def __init__(self, names: NameDataset, documents: ClozeDataset, views: int):
        """`views` is how many there are with each question. A window is the rarer the more of it the questions ask for."""
        self.names, self.documents, self.views = names, documents, views
        worth = [documents.documents[w.document].gaps.worth(w.first_word, w.end_word) for w in documents.windows]
        cumulative = np.cumsum(worth)
        self.window_cdf = cumulative / cumulative[-1]
        # Each view of an epoch has a stratum of the windows, (Q, views): so each window is read as often as it should be, to
        # within one, and not by chance.
        self.strata = np.random.default_rng(0).permutation(len(names) * views).reshape(len(names), views)

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
        strata = self.strata[indices].ravel()
        chosen = np.searchsorted(self.window_cdf, (strata + rng.random(len(strata))) / self.strata.size, "right")
        *views, start_positions = self.documents.examples(chosen, rng)
        questions = (torch.nn.functional.pad(rows, (0, 1), value=PAD) for rows in self.names.examples(indices))
        x, y = (torch.cat(pair) for pair in zip(questions, views))
        return x, y, np.concatenate((np.zeros(len(indices), np.int64), start_positions))


def views_of(dataset: Dataset) -> ClozeDataset | None:
    """The views in the training data, if there are any."""
    documents = dataset.documents if isinstance(dataset, MixedDataset) else dataset
    return documents if isinstance(documents, ClozeDataset) else None
