"""Text in, tensors out: the span-corruption data for pretraining and the questions for finetuning.

    python src/dataset.py charcorruption        prints four examples of each kind
    python src/dataset.py namedata

Both datasets give (x, y) pairs, y being the next character at each position of x. Both also give a whole batch at
once, by numpy, which is what training uses.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

import numpy as np
import torch
from torch.utils.data import Dataset

from utils import InputError, Parser, about, find_corpus, read_text, run_main

PAD_CHAR, MASK_CHAR = "\u25a1", "\u2047"  # an empty square and a double question mark
PAD, MASK = 0, 1  # their indices in every vocabulary
TITLE_END = re.compile(r"(?<!\b[^\W\d_])\. ")  # a full stop that belongs to no initial
WORD = re.compile(r"[^\W_][\w'’-]*")
NUMBER = re.compile(r" ?\d")


def pack(
    x: torch.Tensor, y: torch.Tensor, first: np.ndarray | None = None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Puts several examples into each row, so that no time is spent on their padding: more than half of a batch.

    x and y (B, T) become x, y and positions (R, W), R <= B, the examples end to end in rows W wide, where `positions`
    tells each token's place in its own example, which begins at 0 or at its number in `first` (B,). What follows an
    example's last target is padding. Longest first, each example goes into the fullest row that has room for it and
    does not end just where it begins, as if the same example went on.
    """
    x, y = x.numpy(), y.numpy()
    T = x.shape[1]
    lengths = (T - (y[:, ::-1] != PAD).argmax(1)).tolist()
    first = [0] * len(x) if first is None else first.tolist()
    used, ends = [], []  # of each row: the columns taken, and the position that would go on its last example
    place = [(0, 0)] * len(x)  # of each example: its row, and the column where it begins
    for i in sorted(range(len(x)), key=lengths.__getitem__, reverse=True):
        fitting = [row for row, n in enumerate(used) if n + lengths[i] <= T and ends[row] != first[i]]
        row = max(fitting, key=used.__getitem__, default=len(used))
        if row == len(used):
            used.append(0)
            ends.append(None)
        place[i] = row, used[row]
        used[row], ends[row] = used[row] + lengths[i], first[i] + lengths[i]
    packed = np.zeros((3, len(used), T), np.int64)
    for (row, column), length, x_i, y_i, first_i in zip(place, lengths, x, y, first):
        packed[:, row, column : column + length] = x_i[:length], y_i[:length], first_i + np.arange(length)
    return tuple(torch.from_numpy(packed))


def as_tensors(rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """All but the last column of `rows`, and all but the first, as Long tensors."""
    rows = torch.from_numpy(rows.astype(np.int64))
    return rows[:, :-1], rows[:, 1:]


class CharCorruptionDataset(Dataset):
    """One span of a document is cut out, and has to be written down at the end (a simple case of T5, Raffel et al.
    2020, section 3.1.4; handout part e).

    Example i is made anew whenever it is asked for. Document i, one line of the corpus, is truncated to a random
    length between 4 and 7/8 of the block size (a shorter one is used as it is) and split in three:

        prefix, masked content, suffix   ->   prefix MASK suffix MASK masked content PAD PAD ...

    The masked content is a quarter of the truncated document on average, at a random place. x and y, each
    `block_size` long, are that string without its last and without its first character.

    The vocabulary is PAD, MASK, and the sorted distinct characters of the corpus, newline included.
    """

    def __init__(self, data: str, block_size: int):
        """`data` is the whole corpus. Raises InputError when it is empty, or holds the mask or the pad character."""
        if block_size < 5:
            raise ValueError(f"block_size {block_size} is too small for a document of 4 characters")
        if not data.strip():
            raise InputError("the corpus is empty")
        self.PAD_CHAR, self.MASK_CHAR = PAD_CHAR, MASK_CHAR
        self.block_size = block_size
        self.longest = block_size * 7 // 8  # characters of a document that are read, at most
        self.data = data.removesuffix("\n").split("\n")  # the documents
        symbols = [PAD_CHAR, MASK_CHAR, *sorted(set(data))]
        for char in (PAD_CHAR, MASK_CHAR):
            if symbols.count(char) > 1:
                line = data.count("\n", 0, data.index(char)) + 1
                raise InputError(f"line {line}: the corpus holds the character {char}, which has a meaning here")
        self.stoi = {char: i for i, char in enumerate(symbols)}
        self.itos = dict(enumerate(symbols))
        self.vocab_size = len(symbols)

        # All documents end to end, one small integer a character, so that a batch is one indexing operation.
        dtype = np.uint8 if self.vocab_size <= 256 else np.uint16 if self.vocab_size <= 65536 else np.uint32
        index_of = np.zeros(max(map(ord, symbols)) + 1, dtype)
        for char, i in self.stoi.items():
            index_of[ord(char)] = i
        pieces = (data[i : i + 2**22] for i in range(0, len(data), 2**22))  # four bytes a character is much
        self.corpus = np.concatenate(
            [index_of[np.frombuffer(piece.encode("utf-32-le", "surrogatepass"), np.uint32)] for piece in pieces]
        )
        self.lengths = np.array([len(document) for document in self.data])
        self.starts = np.cumsum(self.lengths + 1) - (self.lengths + 1)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        """A fresh corruption of document i: x and y, Long tensors of length block_size."""
        i = range(len(self))[i]  # raises IndexError, and knows negative numbers
        rng = np.random.default_rng(int(torch.randint(2**62, ())))  # torch gives each worker of a DataLoader its own
        x, y = as_tensors(self.corrupt(np.array([i]), rng))
        return x[0], y[0]

    def batch(self, indices: np.ndarray, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The documents `indices`, corrupted as the state of `rng` says, in packed rows: see `pack`."""
        return pack(*as_tensors(self.corrupt(indices, rng)))

    def corrupt(self, indices: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The strings of `block_size + 1` characters described above, as indices, one row a document."""
        column = (len(indices), 1)
        length = np.minimum(self.lengths[indices, None], rng.integers(4, self.longest, column, endpoint=True))
        # Uniform between 1 and half the length less 1, then rounded up or down at random, so that the mean is exactly
        # a quarter. Under four characters that is impossible: one character is masked, if there is one.
        masked = np.floor(rng.uniform(1, np.maximum(length / 2 - 1, 1)) + rng.random(column)).astype(np.int64)
        masked = np.minimum(masked, length)
        first = rng.integers(0, length - masked, endpoint=True)  # where the masked content begins

        # text[:first] MASK text[first + masked :] MASK text[first : first + masked]
        t = np.arange(self.block_size + 1)
        second = length - masked + 1  # where the second MASK stands; the first stands at `first`
        prefix, suffix, content = t, t - 1 + masked, t - 1 - second + first  # what stands at t, if it is one of these
        source = np.where(t < first, prefix, np.where(t < second, suffix, content))
        source = self.starts[indices, None] + np.clip(source, 0, np.maximum(length - 1, 0))
        rows = self.corpus[np.minimum(source, len(self.corpus) - 1)]
        rows[(t == first) | (t == second)] = MASK
        rows[t > length + 1] = PAD
        return rows


class ClozeDataset(Dataset):
    """Many small views of each document, instead of the document: its title, a few gaps, and what stood in each.

        title. words before MASK words behind MASK what is missing MASK words before MASK ... MASK
        title MASK what is missing MASK what else is missing MASK

    A fact that is always met in the same words is learned as a continuation of these words. To be asked for, it must
    be found from the name, in whatever surroundings (Allen-Zhu & Li 2023, Physics of Language Models 3.1). So a view
    has few words around a gap, at random, or none; and as a title costs as much as a gap does, several gaps share one.
    Their surroundings do not overlap, or one would tell what is missing in another.

    A gap is mostly a name (salient spans: Guu et al. 2020, REALM, section 3.4), that is capitalised words that the title
    has not, that the corpus does not mostly write small, and that span corruption would read; less often a number, with
    the month before it, or another word. Names that have answered a question may be preferred (what to mask, learned
    from what is asked: Ye et al. 2020, Studying Strategically).

    Some of the views have stray words of a random document before the title, the last few characters of them, and
    behind it where nothing else is: whatever stands around a name, as in a question, should not keep it from being
    known. The title is what stands before the first full stop, initials apart; half of the time it loses its non-ASCII
    characters, as questions do. It begins at the position where questions have the name, if they begin as the
    handouts': learned positions, and the synthesizer, which attends to positions, know it there and nowhere else.
    A share of the examples may be span corruption as ever.
    """

    NAME_WEIGHT, NUMBER_WEIGHT, OTHER_WEIGHT = 1.0, 0.05, 0.02  # how likely a gap is at a word of that kind
    MOST_GAPS = 3  # in a view
    TITLE_ONLY = 0.35  # share of views without surroundings
    MOST_WORDS = 4  # before a gap, and behind it
    NAME_AT = 10  # position of the title, as long as "Where was "
    STRAY = 0.3  # share of views with words that do not belong there
    JOINED = 0.4  # how likely a gap goes on, if the next word is a name or a number too

    def __init__(
        self,
        corpus: CharCorruptionDataset,
        share: float = 0.9,
        answers: Iterable[str] = (),
        answer_weight: float = 1.0,
    ):
        """`share` of the examples are views. Gaps are `answer_weight` times as likely at names that occur in
        `answers`."""
        self.corpus, self.share = corpus, share
        self.answered, self.answer_weight = {word for text in answers for word in WORD.findall(text)}, answer_weight
        written = Counter(match.group() for text in corpus.data for match in WORD.finditer(text))
        self.documents = [self.words(text, written) for text in corpus.data]
        self.ascii = np.array([corpus.itos[i].isascii() for i in range(corpus.vocab_size)])

    def words(self, text: str, written: Counter[str]) -> tuple[int, list[tuple[int, int]], list[bool], np.ndarray]:
        """Where the title of a document ends, where the words after it begin and end, which of them are names or
        numbers, and up to where each reaches if all are laid end to end, weighted, from 0 to 1. `written` is how often
        the corpus has each word, just as it is written."""
        title, *rest = TITLE_END.split(text, maxsplit=1)
        body = "".join(rest)
        known, first = set(WORD.findall(title)), len(text) - len(body)
        words = [(first + match.start(), first + match.end()) for match in WORD.finditer(body)]
        weights = []
        for begin, end in words:
            word = text[begin:end]
            if end > self.corpus.longest:
                weights.append(self.OTHER_WEIGHT)
            elif NUMBER.match(word) or word[0].isupper() and NUMBER.match(text, end):  # a month before its day or year
                weights.append(self.NUMBER_WEIGHT)
            elif word[0].isupper() and word not in known and written[word] >= written[word.lower()]:
                weights.append(self.NAME_WEIGHT)
            else:
                weights.append(self.OTHER_WEIGHT)
        salient = [weight > self.OTHER_WEIGHT for weight in weights]
        answers = [w == self.NAME_WEIGHT and text[a:b] in self.answered for w, (a, b) in zip(weights, words)]
        reach = np.cumsum(np.where(answers, self.answer_weight, 1.0) * weights)
        return len(title), words, salient, reach / reach[-1:]

    def __len__(self) -> int:
        return len(self.corpus)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        """A fresh view of document i, or a corruption: x and y, Long tensors of length block_size."""
        x, y, _ = self.examples(np.array([range(len(self))[i]]), np.random.default_rng(int(torch.randint(2**62, ()))))
        return x[0], y[0]

    def view(self, i: int, rng: np.random.Generator) -> list[np.ndarray]:
        """The pieces of a view of document i, as indices, the first of them what stands before the title. Empty when
        there is no word after the title, or no room."""
        title, words, _, _ = self.documents[i]
        if not words:
            return []
        text = self.characters(i)
        name, heading = text[:title], text[: words[0][0]]  # the latter with what follows the title
        if rng.random() < 0.5:
            name, heading = name[self.ascii[name]], heading[self.ascii[heading]]
        stray, alone = text[:0], rng.random() < self.TITLE_ONLY
        if rng.random() < self.STRAY:
            space = np.array([self.corpus.stoi[" "]])
            stray = np.concatenate((self.stray(3, rng), space))[-self.NAME_AT :]
            name = np.concatenate((name, space, self.stray(2, rng)))
        pieces = [stray, name, *[np.array([MASK])] * int(rng.integers(1, 3))] if alone else [stray, heading]
        length, shown = self.NAME_AT + sum(map(len, pieces[1:])), []
        for _ in range(rng.integers(1, self.MOST_GAPS, endpoint=True)):
            gap, (first, last) = self.gap(i, alone, rng)
            size = sum(map(len, gap))
            if length + size <= self.corpus.block_size and not any(a <= last and first <= b for a, b in shown):
                length += size
                pieces += gap
                shown.append((first, last))
        return pieces if shown else []

    def gap(self, i: int, alone: bool, rng: np.random.Generator) -> tuple[list[np.ndarray], tuple[int, int]]:
        """The pieces of a gap in document i, with the words around it unless it is `alone`, and the numbers of the
        first and the last word in them."""
        _, words, salient, reach = self.documents[i]
        text, mask = self.characters(i), np.array([MASK])
        first = last = int(np.searchsorted(reach, rng.random(), "right"))
        while last + 1 < len(words) and salient[last + 1] and rng.random() < self.JOINED:
            last += 1
        (begin, _), (_, end) = words[first], words[last]
        missing = [text[begin:end], mask]
        if alone:
            return missing, (first, last)
        first = max(0, first - rng.integers(self.MOST_WORDS + 1))
        last = min(len(words) - 1, last + rng.integers(self.MOST_WORDS + 1) * rng.integers(2))
        return [text[words[first][0] : begin], mask, text[end : words[last][1]], mask, *missing], (first, last)

    def stray(self, most: int, rng: np.random.Generator) -> np.ndarray:
        """Between one and `most` successive words of a random document, as indices; none if it has none."""
        i = rng.integers(len(self.documents))
        words = self.documents[i][1] or [(0, 0)]
        first = int(rng.integers(len(words)))
        last = min(len(words) - 1, first + int(rng.integers(most)))
        return self.characters(i)[words[first][0] : words[last][1]]

    def characters(self, i: int) -> np.ndarray:
        """Document i, as indices."""
        start = self.corpus.starts[i]
        return self.corpus.corpus[start : start + self.corpus.lengths[i]]

    def examples(self, indices: np.ndarray, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
        """x and y (B, block_size) of the documents `indices`, and the positions (B,) that they begin at."""
        rows, first = self.corpus.corrupt(indices, rng).astype(np.int64), np.zeros(len(indices), np.int64)
        for n, i in enumerate(indices):
            if rng.random() < self.share and (pieces := self.view(i, rng)):
                view, first[n] = np.concatenate(pieces), self.NAME_AT - len(pieces[0])
                rows[n] = PAD
                rows[n, : len(view)] = view
        return *as_tensors(rows), first

    def batch(self, indices: np.ndarray, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The documents `indices` in packed rows, see `pack`."""
        return pack(*self.examples(indices, rng))


class NameDataset(Dataset):
    """Questions with their answers, in the vocabulary of a CharCorruptionDataset (handout part b).

        x    Where was Ada Lovelace born?MASKLondonMASK PAD PAD ...
        y    PAD ...                     MASKLondonMASK PAD PAD ...     (one to the left)

    No loss falls on the question: its characters are PAD in y. The questions lose their non-ASCII characters, as in
    the course (`ask` does the same when a question is to be answered). Both tensors are `block_size - 1` long.
    """

    def __init__(self, pretraining_dataset: CharCorruptionDataset, data: str):
        """`data` is TSV text: a question, a tab and an answer on each line.

        Raises InputError, naming the line, when a line is not like that, does not fit, or has an unknown character.
        """
        self.MASK_CHAR, self.PAD_CHAR = MASK_CHAR, PAD_CHAR
        self.stoi, self.itos = pretraining_dataset.stoi, pretraining_dataset.itos
        self.block_size = pretraining_dataset.block_size
        self.data = data.rstrip("\n").split("\n")
        if self.data == [""]:
            raise InputError("there are no questions")
        self.rows = np.full((len(self.data), self.block_size), PAD, np.int64)
        self.asked = np.empty((len(self.data), 1), np.int64)  # length of each question, its MASK included
        self.answers: list[str] = []
        for i, line in enumerate(self.data):
            where = f"line {i + 1}"
            if line.count("\t") != 1:
                raise InputError(f"{where}: should be a question, a tab and an answer")
            question, answer = (part.strip() for part in line.split("\t"))
            if not question:
                raise InputError(f"{where}: has no question before the tab")
            if not answer:
                raise InputError(f"{where}: has no answer after the tab")
            asked = ask(question, self.stoi, self.block_size, where)
            row = asked + encode(answer, self.stoi, where) + [MASK]
            if len(row) > self.block_size:
                raise InputError(f"{where}: is {len(row)} characters long with its masks, over {self.block_size}")
            self.rows[i, : len(row)], self.asked[i] = row, len(asked)
            self.answers.append(answer)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        """x and y of question i, Long tensors of length block_size - 1."""
        x, y = self.examples(np.array([range(len(self))[i]]))
        return x[0], y[0]

    def batch(
        self, indices: np.ndarray, rng: np.random.Generator | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The questions `indices` in packed rows, see `pack`. Nothing about them is random."""
        return pack(*self.examples(indices))

    def examples(self, indices: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """x and y (B, block_size - 1) of the questions `indices`."""
        x, y = as_tensors(self.rows[indices])
        silent = np.arange(1, self.block_size) < self.asked[indices] - 1  # where the target belongs to the question
        return x, y.masked_fill(torch.from_numpy(silent), PAD)


class MixedDataset(Dataset):
    """Questions, and with each of them several views of other documents: what is read then is stored where questions
    find it, and what was read is not forgotten (mixed training: Allen-Zhu & Li 2023, section 3)."""

    def __init__(self, names: NameDataset, documents: ClozeDataset, views: int):
        """`views` is how many there are with each question."""
        self.names, self.documents, self.views = names, documents, views

    def __len__(self) -> int:
        return len(self.names)

    def examples(self, indices: np.ndarray, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
        """x and y (B, block_size) of the questions `indices` and of views of random documents, and the positions (B,)
        that they begin at."""
        *views, first = self.documents.examples(rng.integers(0, len(self.documents), self.views * len(indices)), rng)
        questions = (torch.nn.functional.pad(rows, (0, 1), value=PAD) for rows in self.names.examples(indices))
        x, y = (torch.cat(pair) for pair in zip(questions, views))
        return x, y, np.concatenate((np.zeros(len(indices), np.int64), first))

    def batch(self, indices: np.ndarray, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The same in packed rows, see `pack`."""
        return pack(*self.examples(indices, rng))


def encode(text: str, stoi: dict[str, int], where: str) -> list[int]:
    """The indices of the characters of `text`. Raises InputError when one is not in the vocabulary."""
    for char in text:
        if char not in stoi or char in (PAD_CHAR, MASK_CHAR):
            raise InputError(f"{where}: the character {char!r} does not occur in the pretraining corpus")
    return [stoi[char] for char in text]


def ask(question: str, stoi: dict[str, int], block_size: int, where: str) -> list[int]:
    """A question as the model is asked it: its ASCII characters and a MASK, after which the answer is to come.

    Raises InputError when no room for an answer is left, or when a character is not in the vocabulary.
    """
    tokens = encode(question.encode("ascii", "ignore").decode(), stoi, where) + [MASK]
    if len(tokens) >= block_size:
        raise InputError(f"{where}: the question is {len(tokens) - 1} characters long; {block_size - 2} is the most")
    return tokens


def main() -> None:
    parser = Parser(description="Print four examples of a dataset.")
    parser.add_argument("dataset_type", choices=["namedata", "charcorruption"])
    args = parser.parse_args()
    path = find_corpus("wiki.txt")
    text = read_text(path)
    with about(path):
        dataset = CharCorruptionDataset(text, block_size=128)
    if args.dataset_type == "namedata":
        path = find_corpus("birth_places_train.tsv")
        text = read_text(path)
        with about(path):
            dataset = NameDataset(dataset, text)
    for _, (x, y) in zip(range(4), dataset):
        print("x:", "".join(dataset.itos[int(i)] for i in x))
        print("y:", "".join(dataset.itos[int(i)] for i in y))


if __name__ == "__main__":
    run_main(main)
