"""How probable the model finds its own answers, and what the pretraining corpus says about the person of a question.

The *sequence probability* is the model's probability of the whole answer and of the MASK that ends it. A model that has read views
is asked in a second way, as in a view without words around its gap:

    Where was Ada Kern born? MASK                 Ada Kern MASK MASK

What it knows, it finds by both; a guess is seldom the same. So its *certainty* is the mean log-probability of the answer after
the two. Measured in docs/LOG.md, 2026-11-30.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from engine.files import InputError
from questions import accepted, is_right
from titles import split_title
from vocabulary import MASK, encode, without_accents
from wording import COURSE, Wording

if TYPE_CHECKING:  # torch takes seconds to import, and only `score_answers` needs it
    from dataset import CharCorruptionDataset
    from evaluation.calibration import Calibration
    from model import GPT

SCORE_BATCH = 128  # answers scored at once
NEVER = -1000.0  # log-probability of an answer to a question that the model cannot read
UNKNOWN = "unknown"  # written instead of an answer whose confidence is too low


def score_answers(
    model: GPT, prompts: list[list[int]], answers: list[list[int]], stop_token: int, start_position: int = 0
) -> np.ndarray:
    """The model's own probabilities of its `answers` to the `prompts` (lists of N token lists): (N, 4), float64.

    The columns are the log-probability (natural) of the answer with the stop token, the mean and the least
    probability of one of these tokens, and the entropy (bits) of the first token's distribution. A stop token that
    does not fit in the block is not counted. `start_position` is the position of a prompt's first token. Where the prompt is
    empty, the log-probability is NEVER, and the rest 0. The model is in the same mode (training or not) afterwards. Raises
    InputError when a probability is not finite.
    """
    import torch

    room, device = model.get_block_size() - start_position, model.head.weight.device
    sequences = [prompt + answer + [stop_token] for prompt, answer in zip(prompts, answers)]
    by_length = sorted((i for i, prompt in enumerate(prompts) if prompt), key=lambda i: len(sequences[i]))
    scores = np.tile([NEVER, 0.0, 0.0, 0.0], (len(sequences), 1))
    was_training = model.training
    model.eval()
    with torch.no_grad():
        for i in range(0, len(by_length), SCORE_BATCH):
            batch = by_length[i : i + SCORE_BATCH]
            width = min(max(len(sequences[j]) for j in batch), room + 1)
            rows = torch.tensor([(sequences[j] + [0] * width)[:width] for j in batch], device=device)
            positions = torch.arange(start_position, start_position + width - 1, device=device)[None]
            # float32 would round probabilities near 1 to 1
            logits = model(rows[:, :-1], positions=positions)[0].cpu().double()
            predicted = torch.log_softmax(logits, dim=-1).numpy()  # (B, width - 1, vocab_size)
            targets = rows[:, 1:].cpu().numpy()
            for row, j in enumerate(batch):
                columns = np.arange(len(prompts[j]) - 1, min(len(sequences[j]), width) - 1)
                tokens = predicted[row, columns, targets[row, columns]]
                first = predicted[row, columns[0]]
                entropy = -(np.exp(first) * first).sum() / math.log(2)
                scores[j] = tokens.sum(), np.exp(tokens).mean(), np.exp(tokens.min()), entropy
    model.train(was_training)
    if not np.isfinite(scores).all():
        raise InputError("the model's probabilities are not numbers: its parameters are too large, or damaged")
    return scores


def recall_scores(
    model: GPT,
    subjects: Sequence[str | None],
    answers: list[list[int]],
    corpus: CharCorruptionDataset,
    start_position: int,
) -> np.ndarray:
    """The log-probability (natural) of each of N `answers` (token lists) as what is missing in a view of its subject that has
    no words around its gap: (N,), float64. NaN where no subject is known, or the model cannot read it. Titles of views begin at
    `start_position`."""
    prompts = []
    for name in subjects:
        try:
            tokens = encode(without_accents(name or ""), corpus.stoi, "")
        except InputError:  # the corpus lacks a character of it
            tokens = []
        prompts.append([*tokens, MASK, MASK] if 0 < len(tokens) < corpus.block_size - start_position - 2 else [])
    found = score_answers(model, prompts, answers, MASK, start_position)[:, 0]
    return np.where([*map(bool, prompts)], found, np.nan)


def certainty(log_probability: np.ndarray, log_recall: np.ndarray) -> np.ndarray:
    """The mean of both, (N,); where the answer has no recall (NaN), or the question was not read, its log-probability alone."""
    alone = np.isnan(log_recall) | (log_probability <= NEVER)
    return np.where(alone, log_probability, (log_probability + log_recall) / 2)


@dataclass
class Prediction:
    """A question and what is known of its answer: a line of predictions.tsv."""

    question: str
    prediction: str
    answer: str | None  # right ones (see questions.accepted); None when the file of questions has no answers
    log_probability: float  # of the prediction and the MASK after it, natural logarithm
    mean_probability: float  # of their tokens
    min_probability: float
    entropy: float  # of the first character's distribution, bits
    in_corpus: bool  # whether the person's name occurs anywhere in the pretraining corpus
    documents: int  # how many documents of the corpus begin with the name
    position: int | None  # where a right answer begins in these documents, in characters from 0; the least of several
    log_recall: float = math.nan  # of the prediction, see recall_scores; NaN when there is none
    confidence: float | None = None  # calibrated, 0 to 1
    answered: bool = True  # False when UNKNOWN is written instead of the prediction
    subject: str | None = None  # whom the question is about; None when that is not known
    template: str | None = None  # how it is worded: "Where was … born?"; None when it follows no known template
    texts: Sequence[str] = ()  # the documents about the subject
    alternatives: Sequence[tuple[str, float]] = ()  # the likeliest answers with their probabilities, likeliest first
    kind: str = ""  # which of mistakes.KINDS it is; "" when there is no right answer

    @property
    def probability(self) -> float:
        return math.exp(self.log_probability)

    @property
    def certainty(self) -> float:
        """By which the answers are ordered, from the surest to the least sure."""
        return float(certainty(np.array(self.log_probability), np.array(self.log_recall)))

    @property
    def right_answers(self) -> list[str]:
        return [] if self.answer is None else accepted(self.answer)

    def accepts(self, text: str) -> bool:
        """Whether `text` is a right answer."""
        return self.answer is not None and is_right(text, self.answer)

    @property
    def correct(self) -> bool:
        return self.accepts(self.prediction)


def find_phrase(text: str, phrase: str, start: int = 0) -> int:
    """The index at or after `start` at which `phrase` occurs in `text` as whole words; -1 when it does not."""
    position = text.find(phrase, start) if phrase else -1
    while position >= 0:
        end = position + len(phrase)
        if not (text[position - 1 : position].isalnum() or text[end : end + 1].isalnum()):
            return position
        position = text.find(phrase, position + 1)
    return -1


def find_answer(document: str, name: str, answer: str) -> int:
    """The index of the answer in a document about `name`, -1 when it is not there. The name itself does not count:
    "Jack London" does not say that he was born in London."""
    return find_phrase(document.replace(name, "\0" * len(name)), answer)


def documents_by_subject(documents: Sequence[str]) -> Callable[[str], list[str]]:
    """A function from a name to the documents that have it as their title: that begin with it, and then have a full
    stop or other punctuation that can end a title (see cloze.split_title). A name without accents, "Zo Lund", is looked
    for among the titles without accents if it is no title itself."""

    def first_word(text: str) -> str:
        return re.split(r"[ \t]", text, maxsplit=1)[0].rstrip(".?!:")

    def endings(name: str) -> tuple[str, ...]:
        return (
            *(name + end for end in (".", "?", "!", ":", " – ", " — ", " - ", "\t")),
            *([name + " "] if name[-1] in ".?!" else []),
        )

    by_first_word: dict[str, list[str]] = {}  # an index, so that no name is compared with every document
    without: dict[str, list[str]] = {}  # documents with accents in their title, by that without accents
    for document in documents:
        by_first_word.setdefault(first_word(document), []).append(document)
        title, body = split_title(document)
        if body and not title.isascii():
            without.setdefault(without_accents(title), []).append(document)

    def documents_of(name: str) -> list[str]:
        candidates = by_first_word.get(first_word(name), []) if name else []
        found = [document for document in candidates if document.startswith(endings(name))]
        return found or without.get(name, [])

    return documents_of


def predictions_of(
    questions: Sequence[str],
    predictions: Sequence[str],
    answers: Sequence[str] | None,
    scores: np.ndarray,
    documents: Sequence[str],
    calibration: Calibration | None = None,
    abstain: float | None = None,
    wording: Wording = COURSE,
    recall: np.ndarray | None = None,
) -> list[Prediction]:
    """A Prediction for each of N questions.

    `scores` (N, 4) are from `score_answers`, `recall` (N,) is from `recall_scores`, `documents` is the pretraining corpus.
    Without a calibration there are no confidences; with `abstain`, a prediction whose confidence is below it is marked as not answered. `wording` tells whom
    the questions are about.
    """
    recall = np.full(len(scores), np.nan) if recall is None else recall
    confidence = calibration.of(scores[:, 0], recall) if calibration else None
    documents_of = documents_by_subject(documents)
    corpus = "\n".join(documents)
    rows = []
    for i, question in enumerate(questions):
        template, name = wording.template_of(question), wording.subject(question)
        own = documents_of(name) if name else []
        right = [] if answers is None else accepted(answers[i])
        positions = [find_answer(document, name, answer) for document in own for answer in right]
        rows.append(
            Prediction(
                question,
                predictions[i],
                None if answers is None else answers[i],
                *map(float, scores[i]),
                in_corpus=bool(own) or find_phrase(corpus, name or "") >= 0,
                documents=len(own),
                position=min((position for position in positions if position >= 0), default=None),
                log_recall=float(recall[i]),
                confidence=None if confidence is None else float(confidence[i]),
                answered=confidence is None or abstain is None or bool(confidence[i] >= abstain),
                subject=name,
                template=str(template) if template else None,
                texts=own,
            )
        )
    return rows
