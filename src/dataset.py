"""Text in, tensors out: span corruption for pretraining, and questions with answers for finetuning.

    python src/dataset.py charcorruption        prints four examples of a dataset
    python src/dataset.py namedata

Both datasets give pairs (x, y), where y is the next character at each position of x. Both also give a whole batch at
once, made by numpy and packed; training uses that. The recipe `fast` pretrains on the views of cloze.py instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from engine.cli import Parser, run_main
from engine.files import InputError, find_corpus, naming_file, read_text
from engine.sizes import Sizes
from questions import NONE_READABLE, Row, accepted, encode_pair, read_training_rows
from vocabulary import MASK, MASK_CHAR, PAD, PAD_CHAR, decode


class Batch(NamedTuple):
    """Examples packed into rows, each (R, W) Long: the first four arguments of model.GPT.forward, in order."""

    x: torch.Tensor
    y: torch.Tensor
    positions: torch.Tensor  # of each token in its own example
    document_ids: torch.Tensor  # which example of the row each token belongs to; -1: padding


def pack(x: torch.Tensor, y: torch.Tensor, start_positions: np.ndarray | None = None) -> Batch:
    """Puts several examples into each row. Without it, padding would take more than half of a batch's time.

    x and y (B, T) become rows of the same width T, R <= B of them, with the examples end to end:

        x             abcd                          x             abcdxyz
        y             bcde            becomes       y             bcdeyz!
        x             xyz                           positions     0123012
        y             yz!                           document_ids  0000111

    The positions of example i begin at `start_positions[i]` (B,), default 0. What follows an example's last target is cut.
    Longest first, each example goes into the fullest row that has room for it.
    """
    x, y = x.numpy(), y.numpy()
    T = x.shape[1]
    lengths = (T - (y[:, ::-1] != PAD).argmax(1)).tolist()
    starts = [0] * len(x) if start_positions is None else start_positions.tolist()
    used: list[int] = []  # columns taken, for each row
    examples: list[int] = []  # examples in each row
    placed = [(0, 0, 0)] * len(x)  # for each example: its row, the column where it begins, its number in the row
    for i in sorted(range(len(x)), key=lengths.__getitem__, reverse=True):
        fitting = [row for row, n in enumerate(used) if n + lengths[i] <= T]
        row = max(fitting, key=used.__getitem__, default=len(used))
        if row == len(used):
            used.append(0)
            examples.append(0)
        placed[i] = row, used[row], examples[row]
        used[row] += lengths[i]
        examples[row] += 1
    packed = np.zeros((4, len(used), T), np.int64)
    packed[3] = -1
    for (row, column, number), n, x_i, y_i, start in zip(placed, lengths, x, y, starts):
        packed[:3, row, column : column + n] = x_i[:n], y_i[:n], start + np.arange(n)
        packed[3, row, column : column + n] = number
    return Batch(*torch.from_numpy(packed))


def shift(rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """x and y (B, T) from rows (B, T + 1): all but the last column, and all but the first, as Long tensors."""
    rows = torch.from_numpy(rows.astype(np.int64))
    return rows[:, :-1], rows[:, 1:]


def check_characters(data: str, first_line: int = 1) -> None:
    """Raises InputError, naming the line, when a corpus holds the mask or the pad character."""
    for char in (PAD_CHAR, MASK_CHAR):
        if char in data:
            line = first_line + data.count("\n", 0, data.index(char))
            raise InputError(f"line {line}: the corpus holds the character {char}, which has a meaning here")


class CharCorruptionDataset(Dataset):
    """Span corruption: a span of a document is masked, and the model writes it at the end (assignment 4, part e; a
    simple case of T5, Raffel et al. 2020, section 3.1.4).

    Example i is drawn anew each time. Document i, one line of the corpus, is truncated to a random length between 4 and
    7/8 of the block size (a shorter document is used as it is) and split in three:

        prefix, masked content, suffix   ->   prefix MASK suffix MASK masked content PAD PAD ...

    The masked content is a quarter of the truncated document on average, at a random place. x and y, each `block_size`
    long, are that string without its last and without its first character.

    The vocabulary is PAD, MASK, and the sorted distinct characters of the corpus, newline included.
    """

    start_position = 0  # the position of a document's first character
    form = "lines"  # how the documents were told apart in their file (see documents.py)

    def __init__(self, data: str, block_size: int, added: str = ""):
        """`data` is the whole corpus. `added` are characters that the vocabulary has in addition to those of `data`. Raises
        InputError when the corpus is empty, or holds the mask or the pad character."""
        if block_size < 5:
            raise ValueError(f"block_size {block_size} is too small for a document of 4 characters")
        if not data.strip():
            raise InputError("the corpus is empty")
        check_characters(data)
        self.PAD_CHAR, self.MASK_CHAR = PAD_CHAR, MASK_CHAR
        self.block_size = block_size
        self.max_chars = block_size * 7 // 8  # how much of a document is read
        self.data = data.removesuffix("\n").split("\n")  # the documents
        self.added = added
        symbols = [PAD_CHAR, MASK_CHAR, *sorted(set(data).union(added))]
        self.stoi = {char: i for i, char in enumerate(symbols)}
        self.itos = dict(enumerate(symbols))
        self.vocab_size = len(symbols)
        self.tokens = self._tokenize(data, symbols)  # all documents, with a newline after each
        self.lengths = np.array([len(document) for document in self.data])
        self.starts = np.cumsum(self.lengths + 1) - (self.lengths + 1)

    def _tokenize(self, data: str, symbols: list[str]) -> np.ndarray:
        """The corpus as the smallest integers that suffice, so that a batch is one indexing operation."""
        dtype = np.uint8 if len(symbols) <= 256 else np.uint16 if len(symbols) <= 65536 else np.uint32
        index_of = np.zeros(max(map(ord, symbols)) + 1, dtype)
        for char, i in self.stoi.items():
            index_of[ord(char)] = i
        pieces = (data[i : i + 2**22] for i in range(0, len(data), 2**22))  # UTF-32 takes four bytes a character
        return np.concatenate(
            [index_of[np.frombuffer(piece.encode("utf-32-le", "surrogatepass"), np.uint32)] for piece in pieces]
        )

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        """A new corruption of document i: x and y, Long tensors of length block_size."""
        i = range(len(self))[i]  # raises IndexError, and accepts negative numbers
        rng = np.random.default_rng(
            int(torch.randint(2**62, ()))
        )  # torch seeds each worker of a DataLoader differently
        x, y = shift(self.corrupt(np.array([i]), rng))
        return x[0], y[0]

    def document(self, i: int) -> np.ndarray:
        """Document i, as indices."""
        return self.tokens[self.starts[i] : self.starts[i] + self.lengths[i]]

    def batch(self, indices: np.ndarray, rng: np.random.Generator) -> Batch:
        """The documents `indices`, corrupted by the random numbers of `rng` and packed."""
        return pack(*shift(self.corrupt(indices, rng)))

    def readable(self, start_position: int) -> int:
        """How many characters of a document fit into the block with two masks, if its first one is at that position; at most
        `max_chars`, at least 4."""
        return max(4, min(self.max_chars, self.block_size - start_position - 2))

    def mean_length(self, block_size: int) -> float:
        """How many characters of a document are read on average if the block has this size: the mean of min(length, r) over
        the documents, and over the random r."""
        most = block_size * 7 // 8
        n = np.minimum(self.lengths, most)
        sums = np.where(n < 4, n * (most - 3), n * (n + 1) // 2 - 6 + n * (most - n))  # over r = 4, 5, ..., most
        return float(sums.mean()) / (most - 3)

    def corrupt(
        self,
        indices: np.ndarray,
        rng: np.random.Generator,
        max_chars: int | None = None,
        begins: np.ndarray | int = 0,
    ) -> np.ndarray:
        """The strings of `block_size + 1` characters described above, as indices, one row for each document. At most
        `max_chars` characters of a document are read, by default 7/8 of the block size, from character `begins` (B,) on."""
        column = (len(indices), 1)
        starts, rest = self.starts[indices] + begins, self.lengths[indices] - begins
        most = max_chars or self.max_chars
        length = np.minimum(rest[:, None], rng.integers(4, most, column, endpoint=True))
        # Uniform between 1 and half the length less 1, then rounded up or down at random, so that the mean is exactly
        # a quarter. Under four characters that is impossible: one character is masked, if there is one.
        masked = np.floor(rng.uniform(1, np.maximum(length / 2 - 1, 1)) + rng.random(column)).astype(np.int64)
        masked = np.minimum(masked, length)
        start = rng.integers(0, length - masked, endpoint=True)  # of the masked content

        # text[:start] MASK text[start + masked :] MASK text[start : start + masked]
        t = np.arange(self.block_size + 1)
        second = length - masked + 1  # position of the second MASK; the first is at `start`
        prefix, suffix, content = t, t - 1 + masked, t - 1 - second + start  # what is at t, if it is one of these
        source = np.where(t < start, prefix, np.where(t < second, suffix, content))
        source = starts[:, None] + np.clip(source, 0, np.maximum(length - 1, 0))
        rows = self.tokens[np.minimum(source, len(self.tokens) - 1)]
        rows[(t == start) | (t == second)] = MASK
        rows[t > length + 1] = PAD
        return rows

    def prompt(self, i: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """A corruption of document i up to the place where the model begins to write, and what it should write there."""
        row = self.corrupt(np.array([i]), rng)[0]
        end = np.flatnonzero(row == MASK)[1] + 1
        return row[:end], row[end:][row[end:] != PAD]


class NameDataset(Dataset):
    """Questions with their answers, in the vocabulary of a CharCorruptionDataset (assignment 4, part b). The name is the
    course's.

        x    Where was Ada Lovelace born?MASKLondonMASK PAD PAD ...
        y    PAD ...                     MASKLondonMASK PAD PAD ...     (shifted by one)

    No loss falls on the question: its characters are PAD in y. As in the course, questions lose their non-ASCII
    characters (`questions.encode_question` does so in evaluation too). Both tensors are `block_size - 1` long.
    """

    def __init__(self, pretraining_dataset: CharCorruptionDataset, data: str):
        """`data` is TSV text: a question, a tab and an answer on each line.

        Raises InputError, naming the line, when a line is malformed, does not fit, or has an unknown character.
        """
        self.MASK_CHAR, self.PAD_CHAR = MASK_CHAR, PAD_CHAR
        self.stoi, self.itos = pretraining_dataset.stoi, pretraining_dataset.itos
        self.block_size = pretraining_dataset.block_size
        self.data = data.rstrip("\n").split("\n")
        if self.data == [""]:
            raise InputError("there are no questions")
        self.rows = np.full((len(self.data), self.block_size), PAD, np.int64)
        self.prompt_lengths = np.empty((len(self.data), 1), np.int64)  # of each question with its MASK
        self.questions: list[str] = []
        self.answers: list[str] = []
        for i, line in enumerate(self.data):
            where = f"line {i + 1}"
            question, answer = self._parse(line, where)
            prompt, target = encode_pair(question, answer, self.stoi, self.block_size, where)
            self.rows[i, : len(prompt + target)], self.prompt_lengths[i] = prompt + target, len(prompt)
            self.questions.append(question)
            self.answers.append(answer)

    def _parse(self, line: str, where: str) -> tuple[str, str]:
        """The question and the answer of a line. Raises InputError when it is malformed."""
        if line.count("\t") != 1:
            raise InputError(f"{where}: should be a question, a tab and an answer")
        question, answer = (part.strip() for part in line.split("\t"))
        if not question:
            raise InputError(f"{where}: has no question before the tab")
        if not answer:
            raise InputError(f"{where}: has no answer after the tab")
        return question, answer

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        """x and y of question i, Long tensors of length block_size - 1."""
        x, y = self.examples(np.array([range(len(self))[i]]))
        return x[0], y[0]

    def batch(self, indices: np.ndarray, rng: np.random.Generator | None = None) -> Batch:
        """The questions `indices`, packed. Nothing about them is random."""
        return pack(*self.examples(indices))

    def examples(self, indices: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """x and y (B, block_size - 1) of the questions `indices`."""
        x, y = shift(self.rows[indices])
        is_question = np.arange(1, self.block_size) < self.prompt_lengths[indices] - 1  # where the target is
        return x, y.masked_fill(torch.from_numpy(is_question), PAD)


def readable_questions(corpus: CharCorruptionDataset, rows: Sequence[Row]) -> tuple[NameDataset, list[str]]:
    """The questions, each with its first accepted answer, that the model can read; and for each of the others what is wrong,
    "line 3: ...". Raises InputError when it can read none."""
    lines, problems = [], []
    for row in rows:
        answer = accepted(row.answer)[0]
        try:
            encode_pair(row.question, answer, corpus.stoi, corpus.block_size, f"line {row.line}")
            lines.append(f"{row.question}\t{answer}")
        except InputError as error:
            problems.append(str(error))
    if not lines:
        raise InputError(f"{problems[0]}; {NONE_READABLE}")
    return NameDataset(corpus, "\n".join(lines)), problems


def main() -> None:
    parser = Parser(description="Print four examples of a dataset.")
    parser.add_argument("dataset_type", choices=["namedata", "charcorruption"])
    args = parser.parse_args()
    path = find_corpus("wiki.txt")
    text = read_text(path)
    with naming_file(path):
        dataset = CharCorruptionDataset(text, Sizes.block_size)
    if args.dataset_type == "namedata":
        path = find_corpus("birth_places_train.tsv")
        rows = read_training_rows(path)
        with naming_file(path):
            dataset, _ = readable_questions(dataset, rows)
    for _, (x, y) in zip(range(4), dataset):
        print("x:", decode(x.tolist(), dataset.itos))
        print("y:", decode(y.tolist(), dataset.itos))


if __name__ == "__main__":
    run_main(main)
