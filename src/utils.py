"""What the commands share: files read and written with care, the random seed, scoring and sampling."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import os
import random
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn

if TYPE_CHECKING:  # torch takes seconds to import, and half of this file has no use for it
    import torch

ROOT = Path(__file__).resolve().parent.parent
# Handout 001 spells this name in two ways; both have to work.
SPELLINGS = {"birthplaces_train.tsv": "birth_places_train.tsv"}


class InputError(ValueError):
    """The user's input is wrong. The message says which file, line or flag, and what to do, in one line."""


def reason(error: BaseException) -> str:
    """What went wrong, without the number and the path that Python puts around it."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())


def run_main(main: Callable[[], object]) -> None:
    """Runs a command line; bad input becomes one line on stderr and the exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        # Windows has other ideas, which lack the mask; and a name may hold bytes that are no UTF-8.
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        main()
    except InputError as error:
        print(f"{Path(sys.argv[0]).name}: error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"{Path(sys.argv[0]).name}: interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # whoever was reading has seen enough, `head` for instance
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose complaints are one line long."""

    def parse_args(self, *arguments, **named) -> argparse.Namespace:
        args = super().parse_args(*arguments, **named)
        for name, value in vars(args).items():
            if value == []:  # which Python 3.11 makes of --flag=--
                self.error(f"argument --{name}: expected one argument")
        return args

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {' '.join(message.split())}; see {self.prog} --help\n")


@contextlib.contextmanager
def about(path: Path | str) -> Iterator[None]:
    """Names the file in an InputError about its content."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}{', ' if str(error).startswith('line ') else ': '}{error}") from error


# ---------------------------------------------------------------------------------------------------------------------
# Files


def find_corpus(name: str) -> Path:
    """The file meant by `name`: as typed, or of that name at the top of the repository (where students drop the
    course's files), or in its `data/` folder (the embedded corpus)."""
    places = [Path(name)]
    if not Path(name).is_absolute():
        for spelling in dict.fromkeys((name, SPELLINGS.get(name, name))):
            places += [Path(spelling), ROOT / spelling, ROOT / "data" / spelling]
    for place in places:
        if os.path.exists(place):  # which, unlike Path.exists, minds no name and no folder
            return place
    raise InputError(f"{name}: no such file, neither as typed nor in {ROOT} or {ROOT / 'data'}")


def read_text(path: Path | str) -> str:
    """The text of a UTF-8 file, its line ends turned into newlines. Raises InputError when it cannot be read."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {reason(error)}") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {line}: not UTF-8 text ({error.reason}); save the file as UTF-8") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def digest(path: Path | str) -> str:
    """The SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe(path: Path | str) -> str:
    """Path, size and digest of a file, so that a log says which data a run has seen."""
    return f"{path} ({Path(path).stat().st_size:,} bytes, sha256 {digest(path)[:8]})"


@contextlib.contextmanager
def temporary_beside(path: Path | str) -> Iterator[str]:
    """The name of a new, empty file in the folder of `path`, which is gone afterwards unless it was renamed.

    Raises InputError when `path` is no place for a file.
    """
    target = os.path.realpath(path)
    if os.path.isdir(target) or str(path).endswith(("/", os.sep)):
        raise InputError(f"{path}: is a folder; name a file in it")
    if os.path.exists(target) and not os.path.isfile(target):
        raise InputError(f"{path}: is no ordinary file")
    temporary = os.path.join(os.path.dirname(target), f".{os.path.basename(target)}.{os.getpid()}.tmp")
    try:
        open(temporary, "wb").close()
        yield temporary
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {reason(error)}") from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def check_writable(path: Path | str, *inputs: Path | str | None) -> None:
    """Raises InputError unless a file can be written at `path`, and it is none of `inputs`. Leaves nothing behind."""
    with temporary_beside(path):
        pass
    for source in filter(None, inputs):
        if os.path.exists(path) and os.path.exists(source) and os.path.samefile(path, source):
            raise InputError(f"{path}: would overwrite the input; name another file")


def write_through(file: BinaryIO, content: bytes | memoryview) -> None:
    """Writes, and waits until it is on the disk, so that not even a power cut leaves a renamed file empty."""
    file.write(content)
    file.flush()
    os.fsync(file.fileno())


def write_atomically(path: Path | str, content: bytes | memoryview, previous: Path | str | None = None) -> None:
    """Writes a temporary file beside `path`, then renames it: the file is there whole, or not at all. What was there
    before is kept as `previous`, if that is given."""
    target = os.path.realpath(path)
    with temporary_beside(path) as temporary:
        with open(temporary, "wb") as file:
            write_through(file, content)
        if previous and os.path.exists(target):
            os.replace(target, previous)
        os.replace(temporary, target)


def save_params(model: torch.nn.Module, path: Path | str) -> None:
    """Writes the model's parameters and buffers: a plain state_dict of CPU tensors, as the course's code does."""
    import torch

    buffer = io.BytesIO()
    torch.save({name: tensor.cpu() for name, tensor in model.state_dict().items()}, buffer)
    write_atomically(path, buffer.getbuffer())


def seal(content: bytes | memoryview) -> bytes:
    """What a file ends with so that damage is noticed."""
    return hashlib.sha256(content).digest()


def is_sealed(content: bytes | memoryview) -> bool:
    """Whether a file ends with the seal of what stands before."""
    return seal(memoryview(content)[:-32]) == content[-32:]


def load_plain(path: Path | str, kind: str, sealed: bool = False) -> object:
    """What torch.save has written there, on the CPU, with its seal after it or without. No code in the file is run.

    Raises InputError, saying that it is no `kind`, when it cannot be read.
    """
    import torch

    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {reason(error)}") from error
    try:
        if sealed:
            if not is_sealed(content):
                raise ValueError("the seal is broken")
            content = content[:-32]
        with warnings.catch_warnings(action="ignore"):  # about what the error says anyway
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # what a damaged or hostile file raises is not documented, and of many kinds
        raise InputError(f"{path}: is not a {kind}, or is damaged") from error


def write_lines(path: Path | str, lines: Sequence[str]) -> None:
    """Writes one line for each string."""
    write_atomically(path, "".join(line + "\n" for line in lines).encode())


# ---------------------------------------------------------------------------------------------------------------------
# Questions and answers


def read_questions(path: Path | str) -> tuple[list[str], list[str] | None]:
    """The questions of a TSV file and their answers, or None when the file has no second column.

    Raises InputError when the file is empty, when a line has more than two columns, or when only some have an answer.
    """
    rows = [line.split("\t") for line in read_text(path).rstrip("\n").split("\n")]
    if rows == [[""]]:
        raise InputError(f"{path}: is empty")
    for number, row in enumerate(rows, start=1):
        if not row[0].strip():
            raise InputError(f"{path}, line {number}: has no question")
        if len(row) > 2:
            raise InputError(f"{path}, line {number}: has {len(row) - 1} tabs; give one question and one answer")
        if len(row) != len(rows[0]):
            one, other = ("no tab", "one") if len(row) < len(rows[0]) else ("a tab", "none")
            raise InputError(f"{path}, line {number}: has {one}, but the first line has {other}")
    questions = [row[0].strip() for row in rows]
    return questions, [row[1].strip() for row in rows] if len(rows[0]) == 2 else None


def evaluate_places(filepath: Path | str, predicted_places: Sequence[str]) -> tuple[float, float]:
    """How many questions `filepath` has, and how many predictions equal its answers. (0, 0) when it has no answers.

    Raises InputError when there is not exactly one prediction a question.
    """
    questions, places = read_questions(filepath)
    if places is None:
        return 0.0, 0.0
    if len(places) != len(predicted_places):
        raise InputError(f"{filepath}: {len(predicted_places)} predictions for {len(questions)} questions")
    return score(places, predicted_places)


def score(places: Sequence[str], predicted_places: Sequence[str]) -> tuple[float, float]:
    """How many places there are, and how many of them are predicted."""
    return float(len(places)), float(sum(a == b for a, b in zip(places, predicted_places)))


def accuracy_line(total: float, correct: float) -> str:
    """The course's wording of a score."""
    return f"Correct: {correct} out of {total}: {100 * correct / total:.1f}%"


# ---------------------------------------------------------------------------------------------------------------------
# Sampling and randomness


def set_seed(seed: int) -> None:
    """Seeds Python, numpy and torch (all devices)."""
    import numpy
    import torch

    random.seed(seed)
    numpy.random.seed(seed)
    torch.manual_seed(seed)


def sample(
    model: torch.nn.Module,
    x: torch.Tensor,
    steps: int,
    temperature: float = 1.0,
    sample: bool = False,
    top_k: int | None = None,
) -> torch.Tensor:
    """Continues the sequences x (B, T) by `steps` tokens, one full forward pass each, and returns (B, T + steps).

    The likeliest token is taken, or with `sample` a token drawn from the distribution, among the `top_k` likeliest.
    A sequence longer than the context is continued from its last `block_size` tokens. Greedy answers to many
    questions come faster from `model.GPT.generate`.
    """
    import torch

    block_size, was_training = model.get_block_size(), model.training
    model.eval()
    with torch.no_grad():
        for _ in range(steps):
            logits = model(x[:, -block_size:])[0][:, -1].float() / temperature
            if top_k is not None:
                least = logits.topk(min(top_k, logits.size(-1))).values[:, -1:]
                logits = logits.masked_fill(logits < least, -torch.inf)
            if sample:
                token = torch.multinomial(logits.softmax(-1), 1)
            else:
                token = logits.argmax(-1, keepdim=True)
            x = torch.cat((x, token), dim=1)
    model.train(was_training)
    return x
