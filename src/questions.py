"""Questions: their files, prompts and scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import compress
from pathlib import Path

from engine.files import InputError, read_text, warn
from vocabulary import MASK, MASK_CHAR, PAD_CHAR, encode, without_accents
from wording import Wording

HEADERS = [["question", "answer"], ["question"], ["questions", "answers"], ["question", "place"]]  # of a TSV file
MAX_ANSWER = 32  # characters of an answer, at most


# ---------------------------------------------------------------------------------------------------------------------
# Files


def read_questions(path: Path | str) -> tuple[list[str], list[str] | None]:
    """The questions of a TSV file and their answers; None for the answers when the file has no second column.

    Raises InputError when the file is empty, when a line has more than two columns, or when only some have an answer.
    """
    text, first_line = skip_header(read_text(path), path)
    rows = [line.split("\t") for line in text.rstrip("\n").split("\n")]
    if rows == [[""]]:
        raise InputError(f"{path}: is empty")
    for number, row in enumerate(rows, start=first_line):
        if not row[0].strip():
            raise InputError(f"{path}, line {number}: has no question")
        if len(row) > 2:
            raise InputError(f"{path}, line {number}: has {len(row) - 1} tabs; give one question and one answer")
        if len(row) != len(rows[0]):
            one, other = ("no tab", "one") if len(row) < len(rows[0]) else ("a tab", "none")
            raise InputError(f"{path}, line {number}: has {one}, but the first line has {other}")
    questions = [row[0].strip() for row in rows]
    return questions, [row[1].strip() for row in rows] if len(rows[0]) == 2 else None


def warn_of_wording(
    questions: Sequence[str], wording: Wording, path: Path | str, learned: Wording | None = None
) -> None:
    """Warns on stderr of questions that are worded otherwise than the `learned` ones, or whose subject is not known."""
    known, problem = wording, "have no subject that could be found"
    if learned and learned.templates:
        known, problem = learned, "are worded otherwise than those of finetuning"
    if other := [question for question in questions if known.template_of(question) is None]:
        warn(f"{path}: {len(other):,} of {len(questions):,} questions {problem}, for example {other[0]!r}")


def skip_header(text: str, path: Path | str) -> tuple[str, int]:
    """The text without its first line, if that is a header, `question<TAB>answer` for example, which is said on stderr;
    and the number of the line that it begins with, 1 or 2."""
    header, newline, rest = text.partition("\n")
    if newline and [cell.strip().lower() for cell in header.split("\t")] in HEADERS:
        warn(f"{path}: the first line, {header!r}, is skipped as a header")
        return rest, 2
    return text, 1


def read_question_answers(path: Path | str) -> list[tuple[str, str]]:
    """The questions of finetuning with their answers. Raises InputError when they have none."""
    questions, answers = read_questions(path)
    if answers is None:
        raise InputError(f"{path}, line 1: has no answer; give the questions that the model was finetuned on")
    return list(zip(questions, answers))


# ---------------------------------------------------------------------------------------------------------------------
# Prompts


def read_characters(question: str, stoi: dict[str, int]) -> list[bool]:
    """Which characters of a question the model reads: the ASCII characters, as in the course's code; all that the
    vocabulary has if the question is in another alphabet (see `without_accents`)."""
    accents_lost = without_accents(question) != question
    return [c.isascii() or not accents_lost and c in stoi and c not in (PAD_CHAR, MASK_CHAR) for c in question]


def encode_question(question: str, stoi: dict[str, int], block_size: int, where: str) -> list[int]:
    """The prompt of a question: its characters (see `read_characters`) and a MASK, after which the model writes the answer.

    Raises InputError when no room for an answer is left, or when a character is not in the vocabulary.
    """
    tokens = encode("".join(compress(question, read_characters(question, stoi))), stoi, where) + [MASK]
    if len(tokens) >= block_size:
        raise InputError(f"{where}: the question is {len(tokens) - 1} characters long; {block_size - 2} is the most")
    return tokens


def encode_questions(questions: Iterable[str], stoi: dict[str, int], block_size: int, path: Path) -> list[list[int]]:
    """The prompts of all questions of a file; an InputError names the line."""
    lines = enumerate(questions, start=1)
    return [encode_question(text, stoi, block_size, f"{path}, line {line}") for line, text in lines]


def subject_positions(wording: Wording, questions: Iterable[str], stoi: dict[str, int]) -> Counter[int]:
    """How many questions have the first character of their subject at each position of the prompt."""
    found = ((question, wording.template_of(question)) for question in questions)
    return Counter(sum(read_characters(q, stoi)[: len(template.before)]) for q, template in found if template)


# ---------------------------------------------------------------------------------------------------------------------
# Scores


def score(answers: Sequence[str], predictions: Sequence[str]) -> tuple[float, float]:
    """How many answers there are, and how many of the predictions equal theirs."""
    return float(len(answers)), float(sum(a == b for a, b in zip(answers, predictions)))


def accuracy_line(total: float, correct: float) -> str:
    """A score in the course's words."""
    return f"Correct: {correct} out of {total}: {100 * correct / total:.1f}%"
