"""The command `run.py evaluate`: answers every question of a file, and reports how far the answers can be trusted."""

from __future__ import annotations

import os
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation import calibration, probes, report, scoring
from utils import InputError, accuracy_line, describe, find_corpus, score, write_lines

if TYPE_CHECKING:
    from dataset import CharCorruptionDataset
    from model import GPT

GENERATE_BATCH = 500  # questions answered at once


@dataclass
class Inputs:
    """What the command reads."""

    corpus: CharCorruptionDataset
    questions: list[str]
    answers: list[str] | None
    prompts: list[list[int]]
    finetuning: list[tuple[str, str]] | None
    calibration: calibration.Calibration | None  # from an earlier report
    files: dict[str, Path | str | None]  # by what they are


def evaluate(args: Namespace) -> None:
    """Answers every question of a file and writes the answers, one a line (handout 000, part d). With --abstain, writes
    `unknown` where the confidence is too low; with --report_path, writes a report."""
    from run import check_output, make_model
    from trainer import choose_device, keep_memory

    check_output(args)
    keep_memory()
    inputs = load_inputs(args)
    model = make_model(args, inputs.corpus).to(choose_device(args.device))
    if args.report_path:
        report.make_folder(args.report_path, *inputs.files.values(), args.outputs_path, args.calibration_path)
    tokens = generate_answers(model, inputs)
    predictions = ["".join(inputs.corpus.itos[i] for i in answer).replace("\n", " ") for answer in tokens]
    rows, fitted = [], inputs.calibration
    if args.report_path or args.abstain is not None:
        rows, fitted = score_predictions(model, inputs, tokens, predictions, args.abstain)
    if args.abstain is not None:
        predictions = [row.prediction if row.answered else scoring.UNKNOWN for row in rows]
    write_lines(args.outputs_path, predictions)
    if inputs.answers is None:
        print(f"Predictions written to {args.outputs_path}; no targets provided")
    else:
        print(accuracy_line(*score(inputs.answers, predictions)))
    if args.abstain is not None:
        print(calibration.abstention_line(rows, fitted))
    if args.report_path:
        write_report(args, model, inputs, rows, fitted)


def load_inputs(args: Namespace) -> Inputs:
    """Reads all files but the parameters. Raises InputError when one is bad, or when --abstain has no confidence."""
    from run import load_corpus, load_questions

    corpus = load_corpus(args.pretrain_corpus_path)
    found = find_corpus(args.eval_corpus_path)
    questions, answers, prompts = load_questions(found, corpus)
    earlier = report.read_calibration(args.calibration_path) if args.calibration_path else None
    if args.abstain is not None and answers is None and earlier is None:
        raise InputError(f"--abstain needs --calibration_path, as {found} has no answers to learn confidence from")
    if args.abstain is not None and earlier is None:
        report.require_packages("scipy")
    trained = find_corpus(args.finetune_corpus_path) if args.finetune_corpus_path else None
    finetuning = report.read_finetuning(trained) if trained else None
    files = {"parameters": args.reading_params_path, "questions": found, "finetuning questions": trained}
    files["pretraining corpus"] = find_corpus(args.pretrain_corpus_path)
    return Inputs(corpus, questions, answers, prompts, finetuning, earlier, files)


def generate_answers(model: GPT, inputs: Inputs) -> list[list[int]]:
    """The model's greedy answers, as tokens without the MASK that ends them."""
    from tqdm import tqdm

    from dataset import MASK
    from run import MAX_ANSWER

    answers = []
    for i in tqdm(range(0, len(inputs.prompts), GENERATE_BATCH), disable=None, delay=2):
        answers += model.generate(inputs.prompts[i : i + GENERATE_BATCH], MAX_ANSWER, stop_token=MASK)
    return answers


def score_predictions(
    model: GPT, inputs: Inputs, tokens: list[list[int]], predictions: list[str], abstain: float | None
) -> tuple[list[scoring.Prediction], calibration.Calibration | None]:
    """Scores the answers, by tokens and as text, and calibrates: by the earlier report, or else on half of them, if the
    right answers are known. Returns a row for each question, and the calibration."""
    from dataset import MASK

    fitted, scores = inputs.calibration, scoring.score_answers(model, inputs.prompts, tokens, MASK)
    if fitted is None and inputs.answers is not None:
        fitted = calibration.fit_on_first_half(scores, predictions, inputs.answers)
    documents = inputs.corpus.data
    rows = scoring.predictions_of(
        inputs.questions, predictions, inputs.answers, scores, documents, fitted, abstain
    )  # fmt: skip
    return rows, fitted


def write_report(
    args: Namespace,
    model: GPT,
    inputs: Inputs,
    rows: list[scoring.Prediction],
    fitted: calibration.Calibration | None,
) -> None:
    """Probes the model and writes the report into --report_path."""
    from run import first_position as start_position

    corpus, files = inputs.corpus, {name: describe(path) for name, path in inputs.files.items() if path}
    prompts = probes.prompts_of(inputs.questions, inputs.answers or (), corpus)
    probed = probes.probe(model, prompts, corpus, start_position(args))
    provenance = {"variant": args.variant} | files
    report.write_report(
        args.report_path, rows, corpus.longest, provenance, inputs.finetuning, fitted, args.abstain, probed
    )
    if inputs.finetuning is None:
        print("Without --finetune_corpus_path the report has no naive Bayes, frequency of places or nearest names")
    print(f"Report written to {os.path.join(args.report_path, 'report.html')}")
