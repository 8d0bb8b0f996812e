"""The command `run.py ask`: asks the model anything, and shows what it considered and what it has read."""

from __future__ import annotations

import contextlib
import json
import math
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from dataset import CharCorruptionDataset
from engine.checkpoint import longest_answer, recorded_wording, view_position, warn_of_unknown_vocabulary
from engine.devices import choose_device
from engine.files import InputError, warn
from engine.inputs import find_sizes, load_recorded_corpus, make_model
from evaluation.calibration import Calibration
from evaluation.excerpts import excerpt
from evaluation.metrics import nearest_names
from evaluation.report import read_calibration
from evaluation.scoring import documents_by_subject, find_answer, recall_scores
from generation import BATCH, Answers, likeliest_answers
from model import GPT
from questions import MAX_ANSWER, encode_question
from titles import split_title
from vocabulary import MASK, decode
from wording import COURSE, QUESTION_MARKS, Wording, find_wording

ANSWERS = 5  # shown for each question
SIMILAR = 3  # names shown for somebody of whom the model has read nothing
BAR = 20  # characters for a probability of 1


def ask(args: Namespace) -> None:
    """Answers the questions of the command line, of a pipe (one a line), or of a prompt."""
    with contextlib.redirect_stdout(sys.stderr):  # what is read is said there, so that --json prints nothing else
        sizes = find_sizes(args)
        corpus = load_recorded_corpus(args, sizes.block_size)
        model = make_model(args, corpus, sizes).to(choose_device(args.device))
    calibration = read_calibration(args.calibration_path) if args.calibration_path else None
    warn_of_unknown_vocabulary(args.reading_params_path)
    max_answer = max(MAX_ANSWER, longest_answer(args.reading_params_path))
    wording = recorded_wording(args.reading_params_path) or COURSE
    start = view_position(args.reading_params_path, sizes.block_size)
    answer = Asker(model, corpus, max_answer, calibration, wording, start)
    show: Callable[[dict[str, Any]], str] = json.dumps if args.json else text_of
    if args.questions or not sys.stdin.isatty():
        lines = answer.readable(args.questions or [line.strip() for line in sys.stdin if line.strip()])
        for i in range(0, len(lines), BATCH):
            for found in answer(lines[i : i + BATCH]):
                print(show(found), flush=True)
        return
    for line in typed_lines():
        try:
            print(show(answer([line])[0]), flush=True)
        except InputError as error:
            print(error, file=sys.stderr)


def typed_lines() -> Iterator[str]:
    """What the user types, with a history, until an empty line or Ctrl-D."""
    with contextlib.suppress(ImportError):  # Windows has no readline
        import readline  # noqa: F401 (input uses it)
    print("Ask a question, or give a name; an empty line ends.")
    with contextlib.suppress(EOFError):
        while line := input("> ").strip():
            yield line


class Asker:
    """Call it with questions or names. It gives for each what `text_of` shows and --json prints."""

    def __init__(
        self,
        model: GPT,
        corpus: CharCorruptionDataset,
        max_answer: int = MAX_ANSWER,
        calibration: Calibration | None = None,
        wording: Wording = COURSE,
        view_position: int | None = None,
    ):
        """Answers have `max_answer` characters at most. `wording` is that of the questions of finetuning. Titles of views began
        at `view_position`, if the model has read views."""
        self.model, self.corpus, self.max_answer, self.calibration = model, corpus, max_answer, calibration
        self.wording, self.view_position = wording, view_position
        self.documents_of = documents_by_subject(corpus.data)
        self.titles = list(dict.fromkeys(split_title(document)[0] for document in corpus.data))

    def __call__(self, lines: list[str]) -> list[dict[str, Any]]:
        """Raises InputError when a question is too long, or has a character that the corpus has not."""
        questions = [*map(self.question, lines)]
        found = likeliest_answers(self.model, [*map(self.prompt, questions)], ANSWERS, self.max_answer, MASK)
        firsts = [answers.tokens[0] if answers.tokens else [] for answers in found]
        recall, subjects = np.full(len(found), np.nan), [*map(self.subject, questions)]
        if self.calibration and self.calibration.recall and self.view_position is not None:
            recall = recall_scores(self.model, subjects, firsts, self.corpus, self.view_position)
        return [self.describe(*each) for each in zip(questions, subjects, found, recall)]

    def prompt(self, question: str) -> list[int]:
        """The prompt of a question. Raises InputError when it is too long, or has a character that the corpus has not."""
        return encode_question(question, self.corpus.stoi, self.corpus.block_size, question)

    def readable(self, lines: Sequence[str]) -> list[str]:
        """The lines that the model can read; the others are said on stderr. Raises InputError when it can read none."""
        found, problems = [], []
        for line in lines:
            try:
                self.prompt(self.question(line))
                found.append(line)
            except InputError as error:
                problems.append(str(error))
        if problems and not found:
            raise InputError(problems[0])
        if problems:
            warn(
                f"{len(problems)} of {len(lines)} questions cannot be read and get no answer; the first: {problems[0]}"
            )
        return found

    def question(self, line: str) -> str:
        """A name as a question by the most frequent template; what is a question already stays as it is."""
        template = next(iter(self.wording.templates), None)
        if template is None or self.wording.template_of(line) or line.endswith(QUESTION_MARKS):
            return line
        return template.before + line + template.after

    def subject(self, question: str) -> str | None:
        """Whom a question is about; if it is worded otherwise than those of finetuning, the title in it."""
        known = self.wording.template_of(question)  # looking for titles takes long where there are many
        return (self.wording if known else find_wording([question], self.titles, self.wording)).subject(question)

    def describe(self, question: str, name: str | None, answers: Answers, log_recall: float) -> dict[str, Any]:
        """The answers to a question, and what the corpus says about its subject `name`, None if that is not known. `log_recall`
        is of the first answer."""
        texts = [decode(tokens, self.corpus.itos) for tokens in answers.tokens]
        pairs = zip(texts, answers.logprobs)
        result: dict[str, Any] = {"question": question, "exact": answers.exact}
        result["answers"] = [{"answer": text, "probability": math.exp(logprob)} for text, logprob in pairs]
        if self.calibration and texts:
            result["confidence"] = float(self.calibration.of(np.array(answers.logprobs[0]), np.array(log_recall)))
        if self.wording.templates and self.wording.template_of(question) is None:
            result["worded_otherwise"] = True
        if name is None:
            return result
        result["subject"] = name
        documents = self.documents_of(name)
        result["documents"] = len(documents)
        if documents:
            said = self.stating(name, texts)
            result |= {"says_so": bool(said), "text": (said or documents)[0]}
        else:
            nearest = [self.titles[i] for i in nearest_names([name], self.titles, SIMILAR)[0]]
            result["similar"] = [{"name": title, "says_so": bool(self.stating(title, texts))} for title in nearest]
        return result

    def stating(self, name: str, texts: list[str]) -> list[str]:
        """The documents about `name` that have the first of the answers `texts`."""
        return [
            document for document in self.documents_of(name) if texts and find_answer(document, name, texts[0]) >= 0
        ]


def text_of(found: dict[str, Any]) -> str:
    """What a terminal shows of an answer."""
    lines, terminal = [f"{found['question']}"], sys.stdout.isatty()
    width = max((len(entry["answer"]) for entry in found["answers"]), default=0)
    for entry in found["answers"]:
        bar = "█" * round(BAR * entry["probability"]) or "▏"
        lines.append(f"  {entry['answer']:{width}}  {bar:{BAR}} {100 * entry['probability']:5.1f} %")
    if not found["exact"]:
        lines.append("  (the model is so unsure that others may be as likely)")
    if "confidence" in found:
        lines.append(f"  calibrated confidence in the first: {100 * found['confidence']:.0f} %")
    if found.get("worded_otherwise"):
        lines.append("  It is worded otherwise than the questions of finetuning.")
    if "documents" not in found:
        lines.append("  Its subject is not known.")
    elif found["documents"]:
        best = found["answers"][0]["answer"] if found["answers"] else ""
        before, after = ("\033[1;32m", "\033[0m") if terminal else ("**", "**")
        pieces = excerpt(found["text"], found["subject"], {best: "said"})
        text = "".join(before + piece + after if kind else piece for piece, kind in pieces)
        heading = "read in pretraining" + ("" if found["says_so"] else ", which does not say that")
        lines.append(f"  {heading}: {text}")
    else:
        lines.append(f"  Nothing was read about {found['subject']}: this is a guess. Similar names:")
        for near in found["similar"]:
            lines.append(f"    {near['name']}{', whose document has that answer' if near['says_so'] else ''}")
    return "\n".join(lines)
