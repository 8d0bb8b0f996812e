"""Questions: their wording, files, prompts and scores.

From TEMPLATES follow whom a question is about (for reports, probes and baselines), and at which position the name stands.
The recipe `fast` puts the titles of documents there (cloze.py), so it has to pretrain again after a change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from engine.files import InputError, read_text, warn
from vocabulary import MASK, MASK_CHAR, PAD_CHAR, encode, without_accents

# One template a line; {} is the subject. Add a line for another wording or another kind of question.
TEMPLATES = [
    "Where was {} born?",
]
HEADERS = [["question", "answer"], ["question"], ["questions", "answers"], ["question", "place"]]  # of a TSV file
MAX_ANSWER = 32  # characters of an answer, at most


def template_of(question: str) -> str | None:
    """The template that the question is made of; None when it is made of none."""
    for template in TEMPLATES:
        before, _, after = template.partition("{}")
        if question.startswith(before) and question.endswith(after) and len(question) > len(before) + len(after):
            return template
    return None


def subject(question: str) -> str:
    """Whom a question is about: "Where was Ada Lovelace born?" -> "Ada Lovelace"."""
    before, _, after = (template_of(question) or TEMPLATES[0]).partition("{}")
    return question.removeprefix(before).removesuffix(after).strip()


def subject_starts() -> list[int]:
    """The positions at which the templates have their subject: [10] for "Where was {} born?"."""
    return [template.index("{}") for template in TEMPLATES]


def warn_of_unknown_wording(questions: Sequence[str], path: Path | str) -> None:
    """Warns on stderr of questions that follow no template."""
    if unknown := [question for question in questions if template_of(question) is None]:
        count = f"{len(unknown)} of {len(questions)} questions"
        text = (
            f"{count} match no line of TEMPLATES in src/questions.py ({unknown[0]!r}), so their subjects are not known"
        )
        warn(f"{path}: {text}")


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


def readable(question: str) -> str:
    """A question without its non-ASCII characters, as in the course's code, unless that would remove most of its subject:
    "Where was Zoë Lund born?" loses one, "Где родилась Анна?" and "Where was Анна born?" keep all, as far as the vocabulary has them."""
    name = subject(question)
    return question if without_accents(name) == name else question.encode("ascii", "ignore").decode()


def encode_question(question: str, stoi: dict[str, int], block_size: int, where: str) -> list[int]:
    """The prompt of a question: its characters (see `readable`) and a MASK, after which the model writes the answer.

    Raises InputError when no room for an answer is left, or when a character is not in the vocabulary.
    """
    known = [c for c in readable(question) if c.isascii() or c in stoi and c not in (PAD_CHAR, MASK_CHAR)]
    tokens = encode("".join(known), stoi, where) + [MASK]
    if len(tokens) >= block_size:
        problem = f"the question is {len(tokens) - 1} characters long; {block_size - 2} is the most"
        raise InputError(f"{where}: {problem}, and it needs a model of --block_size {len(tokens) + 1} or more")
    return tokens


def encode_questions(questions: Iterable[str], stoi: dict[str, int], block_size: int, path: Path) -> list[list[int]]:
    """The prompts of all questions of a file; an InputError names the line."""
    lines = enumerate(questions, start=1)
    return [encode_question(text, stoi, block_size, f"{path}, line {line}") for line, text in lines]


# ---------------------------------------------------------------------------------------------------------------------
# Scores


def score(answers: Sequence[str], predictions: Sequence[str]) -> tuple[float, float]:
    """How many answers there are, and how many of the predictions equal theirs."""
    return float(len(answers)), float(sum(a == b for a, b in zip(answers, predictions)))


def accuracy_line(total: float, correct: float) -> str:
    """A score in the course's words."""
    return f"Correct: {correct} out of {total}: {100 * correct / total:.1f}%"
