"""Questions: their files, prompts and scores."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import compress
from pathlib import Path
from typing import NamedTuple

from engine.files import InputError, read_text, warn
from vocabulary import MASK, MASK_CHAR, PAD_CHAR, encode, without_accents
from wording import Wording

QUESTION_HEADERS = ["question", "questions"]  # of the columns of a TSV file, without digits and punctuation
ANSWER_HEADERS = ["answer", "answers", "place", "places", "alias", "aliases", "alternative", "alternatives", ""]
SEPARATOR = "|"  # between accepted answers
NONE_READABLE = "none of the questions can be read"
MAX_ANSWER = 32  # characters of an answer, at most


# ---------------------------------------------------------------------------------------------------------------------
# Files


class Row(NamedTuple):
    """A line of a file of questions."""

    line: int  # its number, from 1
    question: str
    answer: str  # or several, "Rome|Roma" (see `accepted`); "" when the file has no answers


def read_rows(path: Path | str) -> list[Row]:
    """The lines of a TSV file of questions. What follows the first tab are accepted answers, separated by tabs or `|`.

    Raises InputError when the file is empty, when a line has no question, or when only some lines have an answer.
    """
    text, first_line = skip_header(read_text(path), path)
    lines = text.rstrip("\n").split("\n")
    if lines == [""]:
        raise InputError(f"{path}: is empty")
    rows = []
    for number, line in enumerate(lines, start=first_line):
        question, _, answers = line.partition("\t")
        if not question.strip():
            raise InputError(f"{path}, line {number}: has no question")
        answers = [answer.strip() for answer in answers.replace("\t", SEPARATOR).split(SEPARATOR)]
        rows.append(Row(number, question.strip(), SEPARATOR.join(dict.fromkeys(filter(None, answers)))))
        if bool(rows[-1].answer) != bool(rows[0].answer):
            one, other = ("an answer", "none") if rows[-1].answer else ("no answer", "one")
            raise InputError(f"{path}, line {number}: has {one}, but line {first_line} has {other}")
    return rows


def read_questions(path: Path | str) -> tuple[list[str], list[str] | None]:
    """The questions of a TSV file and their answers, None if it has none; see `read_rows`."""
    rows = read_rows(path)
    return [row.question for row in rows], [row.answer for row in rows] if rows[0].answer else None


def warn_of_wording(
    questions: Sequence[str], wording: Wording, path: Path | str, learned: Wording | None = None
) -> None:
    """Warns on stderr of questions that are worded otherwise than the `learned` ones, or whose subject is not known."""
    follows, problem = wording.around_subject, "have no subject that could be found"
    if learned and learned.templates:
        follows, problem = learned.template_of, "are worded otherwise than those of finetuning"
    if other := [question for question in questions if follows(question) is None]:
        warn(f"{path}: {len(other):,} of {len(questions):,} questions {problem}, for example {other[0]!r}")


def skip_header(text: str, path: Path | str) -> tuple[str, int]:
    """The text without its first line, if that is a header, `question<TAB>answer` for example, which is said on stderr;
    and the number of the line that it begins with, 1 or 2.

    Raises InputError when a header names a column that is not of answers: it would be taken for accepted answers.
    """
    header, newline, rest = text.partition("\n")
    question, *columns = (re.sub(r"[\W\d_]+", "", cell.lower()) for cell in header.split("\t"))
    if not newline or question not in QUESTION_HEADERS or columns and columns[0] not in ANSWER_HEADERS:
        return text, 1
    for column, name in zip(header.split("\t")[1:], columns):
        if name not in ANSWER_HEADERS:
            problem = f"the column {column.strip()!r} would be read as accepted answers; remove it, or call it `answer`"
            raise InputError(f"{path}, line 1: {problem}")
    warn(f"{path}: the first line, {header!r}, is skipped as a header")
    return rest, 2


def read_training_rows(path: Path | str) -> list[Row]:
    """The questions of finetuning with their answers. Raises InputError when they have none."""
    rows = read_rows(path)
    if not rows[0].answer:
        line = f"{path}, line {rows[0].line}"
        raise InputError(f"{line}: has no answer after a tab; give the questions that the model is finetuned on")
    return rows


def read_question_answers(path: Path | str) -> list[tuple[str, str]]:
    """The questions of finetuning, each with the answer that is trained on, the first. Raises InputError when they have
    none."""
    return [(row.question, accepted(row.answer)[0]) for row in read_training_rows(path)]


# ---------------------------------------------------------------------------------------------------------------------
# Prompts


def read_characters(question: str, stoi: dict[str, int]) -> list[bool]:
    """Which characters of a question the model reads: the ASCII characters, as in the course's code; all that the
    vocabulary has if the question is in another alphabet (see `without_accents`)."""
    accents_lost = without_accents(question) != question
    return [c.isascii() or not accents_lost and c in stoi and c not in (PAD_CHAR, MASK_CHAR) for c in question]


def encode_question(question: str, stoi: dict[str, int], block_size: int, where: str) -> list[int]:
    """The prompt of a question: its characters (see `read_characters`) and a MASK, after which the model writes the answer.

    Raises InputError when no room for an answer is left, when an ASCII character is not in the vocabulary, or when most of
    the others are not.
    """
    known = read_characters(question, stoi)
    if 2 * sum(known) < len(question) and without_accents(question) == question:
        encode(question, stoi, where)  # raises
    tokens = encode("".join(compress(question, known)), stoi, where) + [MASK]
    if len(tokens) >= block_size:
        problem = f"the question is {len(tokens) - 1} characters long; {block_size - 2} is the most"
        raise InputError(f"{where}: {problem}, and it needs a model of --block_size {len(tokens) + 1} or more")
    return tokens


def encode_pair(
    question: str, answer: str, stoi: dict[str, int], block_size: int, where: str
) -> tuple[list[int], list[int]]:
    """The prompt of a question, and its answer with the MASK that ends it. Raises InputError, beginning with `where`, when
    they do not fit in the block, or when a character is not in the vocabulary."""
    prompt = encode_question(question, stoi, block_size, where)
    target = encode(answer, stoi, where) + [MASK]
    if len(prompt + target) > block_size:
        problem = f"is {len(prompt + target)} characters long with its masks, over {block_size}"
        raise InputError(f"{where}: {problem}; it needs a model of --block_size {len(prompt + target)} or more")
    return prompt, target


def subject_positions(wording: Wording, questions: Iterable[str], stoi: dict[str, int]) -> Counter[int]:
    """How many questions have the first character of their subject at each position of the prompt."""
    found = ((question, wording.around_subject(question)) for question in questions)
    return Counter(sum(read_characters(q, stoi)[: len(around.before)]) for q, around in found if around)


# ---------------------------------------------------------------------------------------------------------------------
# Scores


def accepted(answer: str) -> list[str]:
    """The answers that count as right: "Rome|Roma" -> ["Rome", "Roma"]. The first is the one that is trained on."""
    return answer.split(SEPARATOR)


def is_right(prediction: str, answer: str) -> bool:
    """Whether a prediction is one of the accepted answers."""
    return prediction in accepted(answer)


def score(answers: Sequence[str], predictions: Sequence[str]) -> tuple[float, float]:
    """How many answers there are, and how many of the predictions are right."""
    return float(len(answers)), float(sum(map(is_right, predictions, answers)))


def accuracy_line(total: float, correct: float) -> str:
    """A score in the course's words."""
    return f"Correct: {correct} out of {total}: {100 * correct / total:.1f}%"
