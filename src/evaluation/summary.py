"""What report.json holds of a model's answers. What cannot be computed, for want of right answers say, is left out."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from evaluation import metrics
from evaluation.baselines import (
    ALWAYS,
    BY_NAME,
    USUAL,
    Pairs,
    guess_by_name,
    guess_usual,
    most_frequent,
    per_wording,
    same_wording,
)
from evaluation.calibration import Calibration, abstention, calibration_split, tested_questions
from evaluation.excerpts import choose_document
from evaluation.metrics import accuracy_with_interval
from evaluation.mistakes import mistakes_of
from evaluation.scoring import Prediction
from evaluation.statistics import add_statistics
from questions import accepted, is_right

EXAMPLES = 10  # right answers shown, and as many wrong ones
NEAREST = 3  # names shown with each
TOP = (1, 3, 5)  # how many of the likeliest answers are looked at
MIN_CLASS = 10  # right and wrong answers, or people read about and others, without which an AUROC is mostly chance
CURVE_POINTS = 501  # of a curve at most, so that many questions do not make a large file
FREQUENCIES = {"never": 0, "once": 1, "2 to 4 times": 4, "5 to 19 times": 19, "20 times or more": math.inf}

OTHER_WORDING, NO_SUBJECT = "another wording", "the subject is not known"  # groups of questions

Named = dict[str | None, Sequence[tuple[str, str]]]  # by template, finetuning subjects and answers


def summarise(
    rows: Sequence[Prediction],
    max_chars: int,
    finetuning: Pairs | None = None,
    calibration: Calibration | None = None,
    abstain: float | None = None,
    usual: str | None = None,
    wordings: Sequence[str | None] = (),
) -> dict[str, Any]:
    """The statistics of one or more predictions, ready for report.json.

    `max_chars` is how many characters of a document span corruption reads. `finetuning` has whom its questions are
    about, and their answers; `wordings` the template of each, if there are several. Without them there is no naive
    Bayes, no frequency of places and no nearest name; their most frequent answer is then `usual`, if that is known.
    `abstain` is the confidence below which the rows are marked as not answered. What needs the subjects of the
    questions is left out when none is known.
    """
    logp = np.array([row.log_probability for row in rows])
    sure = np.array([row.certainty for row in rows])
    right = np.array([row.correct for row in rows])
    seen = np.array([row.documents > 0 for row in rows])  # a name that occurs only as someone's parent is not seen
    known = np.array([row.subject is not None for row in rows])
    quartiles = zip(("lower quartile", "median", "upper quartile"), np.quantile(np.exp(logp), (0.25, 0.5, 0.75)))
    summary: dict[str, Any] = {
        "questions": len(rows),
        "subjects_known": int(known.sum()),
        "seen_people": int(seen.sum()),
        "sequence_probability": {name: float(value) for name, value in quartiles},
        "recall": not all(math.isnan(row.log_recall) for row in rows),  # whether the certainty has it; see scoring.py
    }
    if calibration:
        summary["calibration"] = asdict(calibration)
    if abstain is not None and calibration:
        summary["abstain"] = abstention(rows, calibration, abstain)
    has_answers = rows[0].answer is not None
    if has_answers:
        summary |= accuracy_of(rows, right, max_chars, finetuning) | selection_of(sure, right)
        summary["baselines"] = baselines_of(rows, finetuning, wordings, usual)
        summary |= top_of(rows) | ({"mistakes": mistakes_of(rows)} if rows[0].kind else {})
    if has_answers and calibration and len(tested := tested_questions(len(rows), calibration)):
        summary["calibration"] |= calibration_of(calibration, [rows[i] for i in tested])
    labels = {"seen": (sure[known], seen[known])} | ({"right": (sure, right)} if has_answers else {})
    summary |= discrimination_of(labels)
    unread = known & ~seen
    if has_answers and min((right & seen).sum(), unread.sum()) >= MIN_CLASS:
        answered, total = metrics.false_answers(sure, right & seen, unread) or (0, 0)
        summary["unread"] = {"kept": metrics.KEPT, "answered": answered, "of": total, "share": answered / total}
    named = named_questions(rows, finetuning or (), wordings)
    kinds = {"right": right, "wrong": ~right} if has_answers else {"all": np.full(len(rows), True)}
    summary["examples"] = examples_of(rows, sure, kinds, named)
    wrong = [row for row in rows if not row.correct and row.subject is not None]
    if has_answers and wrong and any(named.values()):
        summary["nearest"] = nearest_of(wrong, named)
    add_statistics(summary, rows)
    return summary


def named_questions(rows: Sequence[Prediction], finetuning: Pairs, wordings: Sequence[str | None]) -> Named:
    """For each template of the rows, the finetuning questions that are worded so and whose subject is known."""
    wordings = wordings or [None] * len(finetuning)
    known = [(pair, wording) for pair, wording in zip(finetuning, wordings) if pair[0] is not None]
    return same_wording([pair for pair, _ in known], [wording for _, wording in known], [row.template for row in rows])


def accuracy_by_group(names: Sequence[str], right: np.ndarray, order: Sequence[str]) -> list[dict[str, Any]]:
    """The accuracy of each group that has questions, in the given order; `names` (N) has the group of each question."""
    count, correct = Counter(names), Counter(name for name, flag in zip(names, right) if flag)
    return [{"group": name} | accuracy_with_interval(correct[name], count[name]) for name in order if count[name]]


def position_groups(rows: Sequence[Prediction], max_chars: int) -> tuple[list[str], list[str]]:
    """The group of each row by where the answer is in the person's document, and all groups in order. Span corruption
    cuts a document to `max_chars` characters, of which each quarter is a group."""
    limits = [max_chars * k // 4 for k in range(5)]
    quarters = [f"characters {begin} to {end - 1}" for begin, end in itertools.pairwise(limits)]
    beyond, absent, none = f"beyond character {max_chars - 1}", "not in the document", "there is no document"

    def group(row: Prediction) -> str:
        if row.subject is None:
            return NO_SUBJECT
        if row.position is None:
            return absent if row.documents else none
        if row.position + min(map(len, accepted(row.answer or ""))) > max_chars:
            return beyond
        return next(name for name, limit in zip(quarters, limits[1:]) if row.position < limit)

    return [group(row) for row in rows], [*quarters, beyond, absent, none, NO_SUBJECT]


def frequency_groups(rows: Sequence[Prediction], places: Counter[str]) -> tuple[list[str], list[str]]:
    """The group of each row by how often its answer is among the finetuning answers (of several, the most frequent), and all
    groups in order."""
    counts = [max(places[answer] for answer in accepted(row.answer or "")) for row in rows]
    return [next(name for name, most in FREQUENCIES.items() if n <= most) for n in counts], list(FREQUENCIES)


def template_groups(rows: Sequence[Prediction]) -> tuple[list[str], list[str]]:
    """The group of each row by the wording of its question, and all groups, the most frequent first."""
    names = [OTHER_WORDING if row.template is None else row.template for row in rows]
    order = [name for name, _ in Counter(names).most_common() if name != OTHER_WORDING]
    return names, [*order, OTHER_WORDING]


def accuracy_of(
    rows: Sequence[Prediction], right: np.ndarray, max_chars: int, finetuning: Pairs | None
) -> dict[str, Any]:
    """The accuracy of all answers, and of groups of the questions."""
    names, tables = [row.subject for row in rows], {}
    templates, order = template_groups(rows)
    if len(set(templates)) > 1:
        tables["template"] = templates, order
    if any(names):
        tables["position"] = position_groups(rows, max_chars)
    if finetuning:
        tables["frequency"] = frequency_groups(rows, Counter(answer for _, answer in finetuning))
    if any(names):
        seen = ["yes" if row.documents else "no" if row.subject else NO_SUBJECT for row in rows]
        tables["seen"] = seen, ["yes", "no", NO_SUBJECT]
    by = {name: accuracy_by_group(names, right, order) for name, (names, order) in tables.items()}
    return {"accuracy": accuracy_with_interval(right.sum(), len(rows)), "by": by}


def baselines_of(
    rows: Sequence[Prediction], finetuning: Pairs | None, wordings: Sequence[str | None], usual: str | None
) -> dict[str, Any]:
    """The accuracy of the answers that are possible without reading."""
    names, answers = [row.subject for row in rows], [row.answer or "" for row in rows]
    several = len(set(wordings)) > 1
    asked = [row.template if several else None for row in rows]
    guesses, wordings = {}, wordings if several else [None] * len(finetuning or ())
    if finetuning:
        name = USUAL if several else ALWAYS + most_frequent([answer for _, answer in finetuning])
        guesses[name] = per_wording(guess_usual, finetuning, wordings, names, asked)
    elif usual is not None:
        guesses[ALWAYS + usual] = [usual] * len(rows)
    if finetuning and any(names) and any(name for name, _ in finetuning):
        guesses[BY_NAME] = per_wording(guess_by_name, finetuning, wordings, names, asked)
    return {
        name: accuracy_with_interval(sum(map(is_right, found, answers)), len(rows)) for name, found in guesses.items()
    }


def top_of(rows: Sequence[Prediction]) -> dict[str, Any]:
    """How often the right answer is among the k likeliest ones, of the questions whose alternatives are known; and how
    many of these got an answer that is not the likeliest, because it was written character by character."""
    known = [row for row in rows if row.alternatives]
    if not known:
        return {}
    counts = {k: sum(any(row.accepts(text) for text, _ in row.alternatives[:k]) for row in known) for k in TOP}
    differs = sum(row.alternatives[0][0] != row.prediction for row in known)
    return {
        "top": {str(k): accuracy_with_interval(n, len(known)) for k, n in counts.items()},
        "greedy_differs": differs,
    }


def selection_of(sure: np.ndarray, right: np.ndarray) -> dict[str, Any]:
    """What is gained by answering only the questions of whose answers the model is surest."""
    risk = metrics.risk_coverage(sure, right)
    best = metrics.risk_coverage(right.astype(float), right)  # all right answers before all wrong ones
    coverage = {
        "area": float(risk.mean()),
        "area_of_the_best_order": float(best.mean()),
        "area_of_a_random_order": float((~right).mean()),
        "points": curve_points(np.stack((np.arange(1, len(right) + 1) / len(right), risk), axis=1)),
    }
    count, correct = metrics.coverage_at_precision(sure, right)
    stats = {"precision": metrics.PRECISION, "answered": count, "right": correct, "of": len(right)}
    first, second = calibration_split(len(right))
    chosen = metrics.coverage_at_precision(sure[first], right[first])[0]  # the threshold is chosen on one half ...
    if len(second):  # ... and tested on the other
        kept = second[sure[second] >= np.sort(sure[first])[-chosen]] if chosen else second[:0]
        trial = {"of": len(second), "answered": len(kept), "right": int(right[kept].sum())}
        stats["threshold_of_one_half_on_the_other"] = trial
    return {"risk_coverage": coverage, "answerable": stats}


def calibration_of(calibration: Calibration, rows: Sequence[Prediction]) -> dict[str, Any]:
    """How well probabilities and confidences agree with accuracy, on questions that the calibration was not fitted on."""
    logp, recall = (np.array([getattr(row, name) for row in rows]) for name in ("log_probability", "log_recall"))
    right = np.array([row.correct for row in rows])
    before, after = np.exp(logp), calibration.of(logp, recall)
    surer = np.argsort(-after, kind="stable")[: len(rows) // 2]
    return {
        "tested_on": len(right),
        "tested_right": int(right.sum()),
        "surer_half": {"questions": len(surer), "right": int(right[surer].sum())},
        "mean_before": float(before.mean()),
        "mean_after": float(after.mean()),
        "ece_before": metrics.expected_calibration_error(before, right),
        "ece_after": metrics.expected_calibration_error(after, right),
        "bins_before": metrics.reliability_bins(before, right),
        "bins_after": metrics.reliability_bins(after, right),
    }


def discrimination_of(labels: dict[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, Any]:
    """AUROC and ROC curve of the certainty for each label that has at least MIN_CLASS of both classes. A label is
    certainties (M,) and flags (M,)."""
    enough = {name: pair for name, pair in labels.items() if min(pair[1].sum(), (~pair[1]).sum()) >= MIN_CLASS}
    areas = {name: metrics.auroc(*pair) for name, pair in enough.items()}
    curves = {name: curve_points(metrics.roc(*pair)) for name, pair in enough.items()}
    return {"auroc": areas, "roc": curves} if areas else {}


def evenly_spaced(items: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of the items (N, ...), evenly spaced, the first and the last among them."""
    return items[np.linspace(0, max(len(items) - 1, 0), min(len(items), count)).round().astype(int)]


def curve_points(points: np.ndarray) -> list[list[float]]:
    """A curve (M, 2), reduced to at most CURVE_POINTS points."""
    return [[round(float(x), 6) for x in point] for point in evenly_spaced(points, CURVE_POINTS)]


def examples_of(
    rows: Sequence[Prediction], sure: np.ndarray, kinds: dict[str, np.ndarray], finetuning: Named
) -> dict[str, list[dict[str, Any]]]:
    """A few answers of each kind, from the surest to the least sure; `kinds` has N flags by name."""
    examples = {}
    for kind, flags in kinds.items():
        which = np.flatnonzero(flags)
        chosen = evenly_spaced(which[np.argsort(-sure[which], kind="stable")], 2 * EXAMPLES // len(kinds))
        if len(chosen):
            examples[kind] = [example(rows[i], finetuning) for i in chosen]
    return examples


def example(row: Prediction, finetuning: Named) -> dict[str, Any]:
    """One answer, with the finetuning questions about the nearest names."""
    entry = {"question": row.question, "subject": row.subject, "prediction": row.prediction, "answer": row.answer}
    entry |= {"probability": math.exp(row.log_probability), "confidence": row.confidence, "seen": row.documents > 0}
    entry["kind"] = row.kind or None
    if row.alternatives:
        entry["alternatives"] = [
            {"answer": text, "probability": p, "right": row.accepts(text)} for text, p in row.alternatives
        ]
    entry["document"] = choose_document(row.texts, row.subject or "", [*row.right_answers, row.prediction])
    pairs = finetuning[row.template]
    if pairs and row.subject is not None:
        nearest = metrics.nearest_names([row.subject], [name for name, _ in pairs], NEAREST)[0]
        entry["nearest"] = [{"name": pairs[i][0], "answer": pairs[i][1]} for i in nearest]
    return {name: value for name, value in entry.items() if value is not None}


def nearest_of(wrong: Sequence[Prediction], finetuning: Named) -> dict[str, Any]:
    """How many wrong answers are the answer of the finetuning question with the nearest name, of the same wording."""
    same, by_chance = 0, 0.0
    for template in dict.fromkeys(row.template for row in wrong):
        pairs, rows = finetuning[template], [row for row in wrong if row.template == template]
        nearest = metrics.nearest_names([row.subject or "" for row in rows], [name for name, _ in pairs])
        same += sum(bool(near) and pairs[near[0]][1] == row.prediction for row, near in zip(rows, nearest))
        answers = Counter(answer for _, answer in pairs)
        by_chance += sum(answers[row.prediction] for row in rows) / len(pairs)
    return {
        "wrong": len(wrong), "equal": same, "share": same / len(wrong), "share_by_chance": by_chance / len(wrong)
    }  # fmt: skip
