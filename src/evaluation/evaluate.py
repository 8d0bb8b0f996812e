"""The command `run.py evaluate`: answers every question of a file, and reports how far the answers can be trusted."""

from __future__ import annotations

import math
import os
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from dataset import CharCorruptionDataset
from engine.checkpoint import (
    longest_answer,
    recorded_wording,
    start_position,
    usual_answer,
    view_position,
    warn_of_unknown_vocabulary,
)
from engine.devices import choose_device, keep_freed_memory
from engine.files import InputError, describe, find_corpus, warn, write_lines
from engine.inputs import (
    check_prediction_outputs,
    find_sizes,
    load_questions,
    load_recorded_corpus,
    make_model,
    warn_of_unreadable,
)
from evaluation import calibration, probes, report, scoring
from evaluation.baselines import LONDON
from evaluation.provenance import training_phases
from evaluation.summary import OTHER_WORDING, TOP, evenly_spaced
from generation import BATCH, generate_answers, likeliest_answers
from model import GPT
from questions import (
    MAX_ANSWER,
    NONE_READABLE,
    accepted,
    accuracy_line,
    read_question_answers,
    score,
    warn_of_wording,
)
from titles import titles_of
from vocabulary import MASK, decode
from wording import COURSE, Wording, find_wording

GENERATE_BATCH = 500  # questions between two updates of the progress bar
MAX_SEARCHED = 1000  # questions whose likeliest answers are searched: it takes as long as 20 greedy answers


def evaluate(args: Namespace) -> None:
    """Writes the answers to the questions of a file, one a line (assignment 4, part d). With --abstain, writes `unknown`
    where the confidence is too low; with --report_path, writes a report."""
    check_prediction_outputs(args)
    keep_freed_memory()
    sizes = find_sizes(args)
    corpus = load_recorded_corpus(args, sizes.block_size)
    found = find_corpus(args.eval_corpus_path)
    questions, answers, prompts, problems = load_questions(found, corpus)
    if not any(prompts):
        raise InputError(f"{found}, {problems[0]}; {NONE_READABLE}")
    fitted = find_calibration(args, found, answers)
    finetuning = find_corpus(args.finetune_corpus_path) if args.finetune_corpus_path else None
    pairs = read_question_answers(finetuning) if finetuning else None
    files = {"parameters": args.reading_params_path, "questions": found, "finetuning questions": finetuning,
             "pretraining corpus": find_corpus(args.pretrain_corpus_path)}  # fmt: skip
    model = make_model(args, corpus, sizes).to(choose_device(args.device))
    learned = recorded_wording(args.reading_params_path)
    asked = [*questions, *(question for question, _ in pairs or ())]
    wording = find_wording(asked, titles_of(corpus.data), learned or COURSE)
    if args.report_path:
        report.make_folder(args.report_path, *files.values(), args.outputs_path, args.calibration_path)
    warn_of_wording(questions, wording, found, learned)
    warn_of_unreadable(found, problems, len(questions), "get no answer" + ", which is wrong" * bool(answers))
    warn_of_unknown_vocabulary(args.reading_params_path)
    max_answer = max(MAX_ANSWER, longest_answer(args.reading_params_path))
    warn_of_impossible_answers(answers or (), max_answer, corpus, found)
    tokens = answer_in_batches(model, prompts, max_answer)
    predictions = [decode(answer, corpus.itos).replace("\n", " ") for answer in tokens]
    rows = []
    if args.report_path or args.abstain is not None:
        scores, recall = scoring.score_answers(model, prompts, tokens, MASK), None
        start = view_position(args.reading_params_path, sizes.block_size)
        if start is not None:
            recall = scoring.recall_scores(model, [*map(wording.subject, questions)], tokens, corpus, start)
        if fitted is None and answers is not None:
            fitted = calibration.fit_on_first_half(scores, predictions, answers, recall)
        rows = scoring.predictions_of(
            questions, predictions, answers, scores, corpus.data, fitted, args.abstain, wording, recall
        )
    if args.abstain is not None:
        predictions = [row.prediction if row.answered else scoring.UNKNOWN for row in rows]
    write_lines(args.outputs_path, predictions)
    if answers is None:
        print(f"Predictions written to {args.outputs_path}; no targets provided")
    else:
        print_scores(wording, questions, answers, predictions)
    if args.abstain is not None:
        print(calibration.abstention_text(calibration.abstention(rows, fitted, args.abstain)).capitalize())
    if args.report_path:
        add_alternatives(rows, model, prompts, max_answer, corpus)
        probed = probe_model(args, model, corpus, questions, answers or (), wording)
        write_report(args, files, rows, corpus, pairs or (), wording, fitted, probed)


def write_report(
    args: Namespace,
    files: dict[str, Path | str | None],
    rows: Sequence[scoring.Prediction],
    corpus: CharCorruptionDataset,
    finetuning: Sequence[tuple[str, str]],
    wording: Wording,
    fitted: calibration.Calibration | None,
    probed: dict[str, Any],
) -> None:
    """Writes the report, with what the metadata of the parameters say. `finetuning` has its questions and answers."""
    provenance = {"variant": args.variant} | {name: describe(path) for name, path in files.items() if path}
    usual = usual_answer(args.reading_params_path) or (LONDON if any(row.accepts(LONDON) for row in rows) else None)
    known = [(wording.subject(question), answer) for question, answer in finetuning]
    templates = [str(template) if template else None for template in (wording.template_of(q) for q, _ in finetuning)]
    report.write_report(
        args.report_path, rows, corpus.max_chars, provenance, known, fitted, args.abstain, probed, usual,
        corpus.data, training_phases(args.reading_params_path), templates,
    )  # fmt: skip
    if not finetuning:
        print("Without --finetune_corpus_path the report has no naive Bayes, frequency of places or nearest names")
    print(f"Report written to {os.path.join(args.report_path, 'report.html')}")


def find_calibration(args: Namespace, path: Path, answers: list[str] | None) -> calibration.Calibration | None:
    """The calibration of the report that --calibration_path names. Raises InputError when --abstain needs one, and it cannot
    be learned from the answers of the questions at `path` either."""
    if args.calibration_path:
        return report.read_calibration(args.calibration_path)
    if args.abstain is not None:
        if answers is None:
            raise InputError(f"--abstain needs --calibration_path, as {path} has no answers to learn confidence from")
        report.require_packages("scipy")
    return None


def warn_of_impossible_answers(
    answers: Sequence[str], max_answer: int, corpus: CharCorruptionDataset, path: Path
) -> None:
    """Warns on stderr of answers that the model cannot give, because they are too long or have unknown characters."""

    def possible(answer: str) -> bool:
        return len(answer) <= max_answer and set(answer) <= corpus.stoi.keys()

    impossible = [answer for answer in answers if not any(map(possible, accepted(answer)))]
    if impossible:
        why = f"they have over {max_answer} characters, or some that the corpus has not: {impossible[0]!r}"
        warn(f"{path}: {len(impossible)} of {len(answers)} answers can never be given, as {why}")


def print_scores(
    wording: Wording, questions: Sequence[str], answers: Sequence[str], predictions: Sequence[str]
) -> None:
    """Prints the score; if the questions follow several templates, that of each too, the most frequent first."""
    print(accuracy_line(*score(answers, predictions)))
    groups: dict[str, list[tuple[str, str]]] = {}
    for question, *pair in zip(questions, answers, predictions):
        template = wording.template_of(question)
        groups.setdefault(str(template) if template else OTHER_WORDING, []).append(pair)
    by_size = sorted(groups.items(), key=lambda group: -len(group[1])) if len(groups) > 1 else []
    for name, pairs in by_size:
        print(f"  {name}  {accuracy_line(*score(*zip(*pairs)))}")


def answer_in_batches(model: GPT, prompts: list[list[int]], max_answer: int) -> list[list[int]]:
    """`generate_answers` with a progress bar."""
    answers = []
    for i in tqdm(range(0, len(prompts), GENERATE_BATCH), disable=None, delay=2):
        answers += generate_answers(model, prompts[i : i + GENERATE_BATCH], max_answer)
    return answers


def add_alternatives(
    rows: Sequence[scoring.Prediction],
    model: GPT,
    prompts: list[list[int]],
    max_answer: int,
    corpus: CharCorruptionDataset,
) -> None:
    """Gives each row the likeliest answers to its question; of more than MAX_SEARCHED rows, so many, evenly spaced."""
    chosen = evenly_spaced(np.flatnonzero([*map(bool, prompts)]), MAX_SEARCHED).tolist()  # others cannot be read
    for i in tqdm(range(0, len(chosen), BATCH), "likeliest answers", disable=None, delay=2):
        batch = chosen[i : i + BATCH]
        found = likeliest_answers(model, [prompts[j] for j in batch], max(TOP), max_answer, MASK)
        for j, answers in zip(batch, found):
            texts = [decode(tokens, corpus.itos).replace("\n", " ") for tokens in answers.tokens]
            rows[j].alternatives = list(zip(texts, map(math.exp, answers.logprobs)))


def probe_model(
    args: Namespace,
    model: GPT,
    corpus: CharCorruptionDataset,
    questions: Sequence[str],
    answers: Sequence[str],
    wording: Wording,
) -> dict[str, Any]:
    """`probes.summarise_probes`, with documents where the model has read them in training."""
    start = start_position(args.reading_params_path, corpus.block_size)
    prompts = probes.prompts_of(questions, answers, corpus, wording, start)
    texts = probes.complete(model, prompts, corpus, start)
    return probes.summarise_probes(prompts, texts, corpus.itos)
