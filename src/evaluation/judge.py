"""What there is to say of a model's answers, in numbers: how sure it was of them, how sure it may be, what it had read.

The *sequence probability* is the probability, by the model, of the whole answer and of the MASK that ends it. It is
calibrated on its log-odds: confidence = sigmoid(logit(p) / temperature + offset), fitted by the likelihood of which
answers are right. The order of the answers stays as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.files import InputError

if TYPE_CHECKING:  # torch is needed to score answers, but not to read what was found out about them
    from model import GPT

GROUP = 128  # answers scored at once
BINS = 10  # of equal width, in the reliability diagram
PRECISION = 0.9  # what is asked of a model that may stay silent
UNKNOWN = "unknown"  # the answer of such a model when it does
PROBES = {  # of probes.py
    "masked": "says the place when exactly that is missing in the person's document",
    "context": "says it after the words that stand before it",
    "name": "goes on as the document does after the name",
    "question": "says the place when asked",
}


# ---------------------------------------------------------------------------------------------------------------------
# The model's answers


def score_answers(model: GPT, prompts: list[list[int]], answers: list[list[int]], stop_token: int) -> np.ndarray:
    """What the model itself thinks of its answers to the prompts, all lists of tokens: (N, 4), float64.

    The columns are the log-probability (natural) of the answer and the stop token after it, the mean and the least
    probability of one of these tokens, and the entropy (bits) of the first one's distribution. Where the stop token
    does not fit in the block, it is not counted. Raises InputError when the probabilities are not numbers.
    """
    import torch

    block_size, device = model.get_block_size(), model.head.weight.device
    sequences = [prompt + answer + [stop_token] for prompt, answer in zip(prompts, answers)]
    by_length = sorted(range(len(sequences)), key=lambda i: len(sequences[i]))
    scores = np.empty((len(sequences), 4))
    was_training = model.training
    model.eval()
    with torch.no_grad():
        for i in range(0, len(by_length), GROUP):
            group = by_length[i : i + GROUP]
            width = min(max(len(sequences[j]) for j in group), block_size + 1)
            rows = torch.tensor([(sequences[j] + [0] * width)[:width] for j in group], device=device)
            logits = model(rows[:, :-1])[0].cpu().double()  # a probability near 1 keeps its distance from it
            predicted = torch.log_softmax(logits, dim=-1).numpy()  # (B, width - 1, vocab_size)
            targets = rows[:, 1:].cpu().numpy()
            for row, j in enumerate(group):
                places = np.arange(len(prompts[j]) - 1, min(len(sequences[j]), width) - 1)
                tokens = predicted[row, places, targets[row, places]]
                first = predicted[row, places[0]]
                entropy = -(np.exp(first) * first).sum() / math.log(2)
                scores[j] = tokens.sum(), np.exp(tokens).mean(), np.exp(tokens.min()), entropy
    model.train(was_training)
    if not np.isfinite(scores).all():
        raise InputError("the model's probabilities are not numbers: its parameters are too large, or damaged")
    return scores


@dataclass
class Prediction:
    """A question and all that is known of its answer: a line of predictions.tsv."""

    question: str
    prediction: str
    answer: str | None
    log_probability: float  # of the prediction and the MASK after it, natural logarithm
    mean_probability: float  # of their tokens
    min_probability: float
    entropy: float  # of the first character's distribution, bits
    in_corpus: bool  # whether the person's name occurs in the pretraining corpus, anywhere
    documents: int  # how many of its documents begin with the name
    position: int | None  # the first character of the answer in such a document, from 0; the least, of several
    confidence: float | None = None  # calibrated
    answered: bool = True  # rather than "unknown"

    @property
    def correct(self) -> bool:
        return self.prediction == self.answer


def person(question: str) -> str:
    """Whom a question is about."""
    return question.removeprefix("Where was ").removesuffix(" born?").strip()


def find_word(text: str, phrase: str, start: int = 0) -> int:
    """Where `phrase` stands in `text` as whole words, from `start` on; -1 when it does not."""
    position = text.find(phrase, start) if phrase else -1
    while position >= 0:
        end = position + len(phrase)
        if not (text[position - 1 : position].isalnum() or text[end : end + 1].isalnum()):
            return position
        position = text.find(phrase, position + 1)
    return -1


def find_told(document: str, name: str, place: str) -> int:
    """Where a document about `name` tells the place; -1 when it does not. Jack London's name does not say where he was
    born."""
    return find_word(document.replace(name, "\0" * len(name)), place)


def by_person(documents: Sequence[str]) -> Callable[[str], list[str]]:
    """A function that gives the documents that begin with a name."""
    by_first_word: dict[str, list[str]] = {}  # so that not every document is compared with every name
    for document in documents:
        by_first_word.setdefault(document.partition(" ")[0].rstrip("."), []).append(document)

    def own(name: str) -> list[str]:
        candidates = by_first_word.get(name.partition(" ")[0].rstrip("."), []) if name else []
        return [document for document in candidates if document.startswith(name + ".")]

    return own


def predictions_of(
    questions: Sequence[str],
    predictions: Sequence[str],
    answers: Sequence[str] | None,
    scores: np.ndarray,
    documents: Sequence[str],
    calibration: Calibration | None = None,
    abstain: float | None = None,
) -> list[Prediction]:
    """A Prediction for each question; `scores` (N, 4) are from `score_answers`, `documents` is the corpus.

    Without a calibration they have no confidence; with `abstain`, those below it are not answered.
    """
    confidence = calibration(scores[:, 0]) if calibration else None
    documents_of = by_person(documents)
    text = "\n".join(documents)
    rows = []
    for i, question in enumerate(questions):
        name = person(question)
        own = documents_of(name)
        positions = [] if answers is None else [find_told(document, name, answers[i]) for document in own]
        found = [position for position in positions if position >= 0]
        rows.append(
            Prediction(
                question,
                predictions[i],
                None if answers is None else answers[i],
                *map(float, scores[i]),
                in_corpus=bool(own) or find_word(text, name) >= 0,
                documents=len(own),
                position=min(found, default=None),
                confidence=None if confidence is None else float(confidence[i]),
                answered=confidence is None or abstain is None or bool(confidence[i] >= abstain),
            )
        )
    return rows


# ---------------------------------------------------------------------------------------------------------------------
# Statistics


def wilson(right: int, total: int, z: float = 1.959964) -> tuple[float, float]:
    """The Wilson score interval, 95 % by default, for a share of which `right` of `total` were seen; total > 0."""
    share = right / total
    centre = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return 0.0 if right == 0 else centre - half, 1.0 if right == total else centre + half


def share(right: int, total: int) -> dict[str, Any]:
    """An accuracy with its interval, for report.json; total > 0."""
    low, high = wilson(int(right), int(total))
    return {"questions": int(total), "right": int(right), "accuracy": right / total, "low": low, "high": high}


def reliability(confidence: np.ndarray, right: np.ndarray) -> list[dict[str, Any]]:
    """The bins of a reliability diagram that are not empty: their limits, questions, mean confidence and accuracy."""
    index = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return [
        {
            "low": k / BINS,
            "high": (k + 1) / BINS,
            "questions": int((index == k).sum()),
            "confidence": float(confidence[index == k].mean()),
            "accuracy": float(right[index == k].mean()),
        }
        for k in sorted(set(index.tolist()))
    ]


def calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """The expected calibration error: how far accuracy is from confidence, on average, in BINS bins."""
    bins = reliability(confidence, right)
    return sum(b["questions"] * abs(b["accuracy"] - b["confidence"]) for b in bins) / len(confidence)


def groups(values: np.ndarray, flags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many values, and how many of them flagged, are as great as each distinct value or greater; both rise."""
    distinct, index = np.unique(-values, return_inverse=True)
    total = np.bincount(index, minlength=len(distinct))
    flagged = np.bincount(index, weights=flags.astype(float), minlength=len(distinct))
    return total.cumsum(), flagged.cumsum().round().astype(int)


def risk_coverage(confidence: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The share of wrong answers among the k most confident ones, for k from 1 to N. Among equals, on average."""
    answered, correct = groups(confidence, right)
    k = np.arange(1, len(confidence) + 1)
    wrong = np.interp(k, np.concatenate(([0], answered)), np.concatenate(([0], answered - correct)))
    return wrong / k


def answerable(confidence: np.ndarray, right: np.ndarray, precision: float = PRECISION) -> tuple[int, int]:
    """The most answers that are given above any one confidence and right in that share; and how many are right."""
    answered, correct = groups(confidence, right)
    good = np.flatnonzero(correct >= precision * answered - 1e-9)
    return (int(answered[good[-1]]), int(correct[good[-1]])) if len(good) else (0, 0)


def roc(confidence: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """The points (false positive rate, true positive rate) of a ROC curve (M, 2); both kinds have to occur."""
    total, found = groups(confidence, positive)
    points = np.stack(((total - found) / (~positive).sum(), found / positive.sum()), axis=1)
    return np.concatenate((np.zeros((1, 2)), points))


def auroc(confidence: np.ndarray, positive: np.ndarray) -> float | None:
    """The chance that a positive is the more confident of a pair, a tie counting half; None if one kind is missing."""
    if positive.all() or not positive.any():
        return None
    points = roc(confidence, positive)
    return float(np.trapezoid(points[:, 1], points[:, 0]))


def as_columns(names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The names for `edit_distances`: a column of character codes each (longest, N), filled up with -1, and their
    lengths (N)."""
    codes = np.full((max(map(len, names), default=0), len(names)), -1, np.int32)
    for i, name in enumerate(names):
        codes[: len(name), i] = [*map(ord, name)]
    return codes, np.array([len(name) for name in names], int)


def edit_distances(name: str, codes: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The Levenshtein distances (N), in insertions, deletions and replacements of characters, from `name` to the names
    that `as_columns` made `codes` and `lengths` of. Each row of the usual table is computed for all of them at once."""
    steps = np.arange(len(codes) + 1, dtype=np.int16)[:, None]
    row = np.repeat(steps, len(lengths), axis=1)
    for i, char in enumerate(name, 1):
        above, row = row, np.full_like(row, i)
        np.minimum(above[1:] + np.int16(1), above[:-1] + (codes != ord(char)), out=row[1:])
        row -= steps  # an insertion costs as much as a step to the right: nothing now, so that a running minimum does
        np.minimum.accumulate(row, axis=0, out=row)
        row += steps
    return row[lengths, np.arange(len(lengths))].astype(int)


def nearest_names(queries: Sequence[str], names: Sequence[str], count: int = 1) -> list[list[int]]:
    """For each query the indices of the `count` nearest names by edit distance, nearest first, the query itself left
    out. Among equals, the earlier."""
    codes, lengths = as_columns(names)
    nearest = []
    for query in queries:
        distances = edit_distances(query, codes, lengths)
        order = np.argsort(distances, kind="stable")
        nearest.append(order[distances[order] > 0][:count].tolist())
    return nearest


# ---------------------------------------------------------------------------------------------------------------------
# Calibration


@dataclass
class Calibration:
    """From a sequence probability to a confidence."""

    temperature: float
    offset: float
    source: str | None = None  # the report it comes from; None when it was fitted on half of the same questions

    def __call__(self, log_probability: np.ndarray) -> np.ndarray:
        """Confidences between 0 and 1, of the same shape."""
        return sigmoid(log_odds(log_probability) / self.temperature + self.offset)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * np.asarray(x)))


def log_odds(log_probability: np.ndarray) -> np.ndarray:
    """log(p / (1 - p)) of log(p), kept within what single precision can tell apart."""
    clipped = np.clip(log_probability, -100.0, -1e-6)
    return clipped - np.log(-np.expm1(clipped))


def halves(total: int) -> tuple[np.ndarray, np.ndarray]:
    """The indices of the questions to fit a calibration on and of those to test it on, always the same for `total`."""
    order = np.random.default_rng(0).permutation(total)
    return np.sort(order[: (total + 1) // 2]), np.sort(order[(total + 1) // 2 :])


def fit_calibration(log_probability: np.ndarray, right: np.ndarray) -> Calibration:
    """The likeliest temperature, between 0.01 and 100, and offset.

    What is to be predicted of a right answer is not 1 but (r + 1) / (r + 2), r being the number of right ones, and
    likewise of a wrong one (Platt 1999): without that, a fit to answers that are all right would be infinite.
    """
    x, r, w = log_odds(log_probability), int(right.sum()), int((~right).sum())
    target = np.where(right, (r + 1) / (r + 2), 1 / (w + 2))

    def offset(slope: float) -> float:
        """The likeliest one for this slope: it makes the mean confidence that of the targets."""
        low, high = -50.0 - slope * x.max(), 50.0 - slope * x.min()
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if sigmoid(slope * x + middle).sum() < target.sum() else (low, middle)
        return (low + high) / 2

    def loss(log_slope: float) -> float:
        """The negative log-likelihood, and a pull towards a temperature of 1 that decides when nothing else does."""
        y = math.exp(log_slope) * x + offset(math.exp(log_slope))
        return float((np.logaddexp(0, y) - target * y).sum() + 1e-4 * log_slope**2)

    low, high = math.log(0.01), math.log(100)
    ratio = (math.sqrt(5) - 1) / 2  # golden section: the loss is convex in the slope, so it falls and then rises
    left, right_ = high - ratio * (high - low), low + ratio * (high - low)
    left_loss, right_loss = loss(left), loss(right_)
    for _ in range(40):
        if left_loss < right_loss:
            high, right_, right_loss = right_, left, left_loss
            left = high - ratio * (high - low)
            left_loss = loss(left)
        else:
            low, left, left_loss = left, right_, right_loss
            right_ = low + ratio * (high - low)
            right_loss = loss(right_)
    slope = math.exp((low + high) / 2)
    return Calibration(1 / slope, offset(slope))


def fit_on_half(scores: np.ndarray, predictions: Sequence[str], answers: Sequence[str]) -> Calibration:
    """The calibration by the first of the `halves`; `scores` (N, 4) are from `score_answers`."""
    half = halves(len(predictions))[0]
    right = np.array([prediction == answer for prediction, answer in zip(predictions, answers)])
    return fit_calibration(scores[half, 0], right[half])


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def abstention_line(rows: Sequence[Prediction], calibration: Calibration) -> str:
    """How many questions were answered, and how many of these rightly, where the calibration has not seen them."""
    answered = sum(row.answered for row in rows)
    line = f"Answered: {answered} out of {len(rows)}"
    tested = range(len(rows)) if calibration.source else halves(len(rows))[1]
    said = [rows[i] for i in tested if rows[i].answered]
    if rows[0].answer is None or not said:
        return line
    where = "" if calibration.source else f"; in the half that the calibration was not fitted on, {len(said)}"
    return f"{line}{where}, of which {percent(sum(row.correct for row in said) / len(said))} are right"
