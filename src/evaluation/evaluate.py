"""The command `run.py evaluate`: answers every question of a file, and reports how far the answers can be trusted."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from dataset import CharCorruptionDataset
from engine.checkpoint import longest_answer, start_position
from engine.devices import choose_device, keep_freed_memory
from engine.files import InputError, describe, find_corpus, warn, write_lines
from engine.inputs import (
    BLOCK_SIZE,
    check_prediction_outputs,
    load_questions,
    load_recorded_corpus,
    make_model,
    warn_of_unreadable,
)
from evaluation import calibration, probes, report, scoring
from generation import generate_answers
from model import GPT
from questions import (
    MAX_ANSWER,
    NONE_READABLE,
    accepted,
    accuracy_line,
    read_question_answers,
    score,
    warn_of_unknown_wording,
)
from vocabulary import MASK, decode

GENERATE_BATCH = 500  # questions between two updates of the progress bar


def evaluate(args: Namespace) -> None:
    """Writes the answers to the questions of a file, one a line (assignment 4, part d). With --abstain, writes `unknown`
    where the confidence is too low; with --report_path, writes a report."""
    check_prediction_outputs(args)
    keep_freed_memory()
    corpus = load_recorded_corpus(args)
    found = find_corpus(args.eval_corpus_path)
    questions, answers, prompts, problems = load_questions(found, corpus)
    if not any(prompts):
        raise InputError(f"{found}, {problems[0]}; {NONE_READABLE}")
    fitted = report.read_calibration(args.calibration_path) if args.calibration_path else None
    if args.abstain is not None and fitted is None:
        if answers is None:
            raise InputError(f"--abstain needs --calibration_path, as {found} has no answers to learn confidence from")
        report.require_packages("scipy")
    finetuning = find_corpus(args.finetune_corpus_path) if args.finetune_corpus_path else None
    pairs = read_question_answers(finetuning) if finetuning else None
    files = {"parameters": args.reading_params_path, "questions": found, "finetuning questions": finetuning,
             "pretraining corpus": find_corpus(args.pretrain_corpus_path)}  # fmt: skip
    model = make_model(args, corpus).to(choose_device(args.device))
    warn_of_unknown_wording(questions, found)
    warn_of_unreadable(found, problems, len(questions), "get no answer" + ", which is wrong" * bool(answers))
    if args.report_path:
        report.make_folder(args.report_path, *files.values(), args.outputs_path, args.calibration_path)
    max_answer = max(MAX_ANSWER, longest_answer(args.reading_params_path))
    warn_of_impossible_answers(answers or (), max_answer, corpus, found)
    tokens = answer_in_batches(model, prompts, max_answer)
    predictions = [decode(answer, corpus.itos).replace("\n", " ") for answer in tokens]
    rows = []
    if args.report_path or args.abstain is not None:
        scores = scoring.score_answers(model, prompts, tokens, MASK)
        if fitted is None and answers is not None:
            fitted = calibration.fit_on_first_half(scores, predictions, answers)
        rows = scoring.predictions_of(questions, predictions, answers, scores, corpus.data, fitted, args.abstain)
    if args.abstain is not None:
        predictions = [row.prediction if row.answered else scoring.UNKNOWN for row in rows]
    write_lines(args.outputs_path, predictions)
    if answers is None:
        print(f"Predictions written to {args.outputs_path}; no targets provided")
    else:
        print(accuracy_line(*score(answers, predictions)))
    if args.abstain is not None:
        print(calibration.abstention_line(rows, fitted))
    if args.report_path:
        provenance = {"variant": args.variant} | {name: describe(path) for name, path in files.items() if path}
        probed = probe_model(args, model, corpus, questions, answers or ())
        report.write_report(args.report_path, rows, corpus.max_chars, provenance, pairs, fitted, args.abstain, probed)
        if pairs is None:
            print("Without --finetune_corpus_path the report has no naive Bayes, frequency of places or nearest names")
        print(f"Report written to {os.path.join(args.report_path, 'report.html')}")


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


def answer_in_batches(model: GPT, prompts: list[list[int]], max_answer: int) -> list[list[int]]:
    """`generate_answers` with a progress bar."""
    answers = []
    for i in tqdm(range(0, len(prompts), GENERATE_BATCH), disable=None, delay=2):
        answers += generate_answers(model, prompts[i : i + GENERATE_BATCH], max_answer)
    return answers


def probe_model(
    args: Namespace, model: GPT, corpus: CharCorruptionDataset, questions: Sequence[str], answers: Sequence[str]
) -> dict[str, tuple[int, int]]:
    """`probes.probe`, with documents where the model has read them in training."""
    prompts = probes.prompts_of(questions, answers, corpus)
    return probes.probe(model, prompts, corpus, start_position(args.reading_params_path, BLOCK_SIZE))
