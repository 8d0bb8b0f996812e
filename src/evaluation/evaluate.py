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
    from evaluation.calibration import Calibration
    from evaluation.scoring import Prediction
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
    calibration: Calibration | None  # from an earlier report
    files: dict[str, Path | str | None]  # by what they are


def evaluate(args: Namespace) -> None:
    """Answers every question of a file and writes the answers, one a line (handout 000, part d). With --abstain, writes
    `unknown` where the confidence is too low; with --report_path, writes a report."""
    from tqdm import tqdm

    from dataset import MASK
    from run import MAX_ANSWER, check_output, make_model
    from trainer import choose_device, keep_memory

    check_output(args)
    keep_memory()
    inputs = load_inputs(args)
    model = make_model(args, inputs.corpus).to(choose_device(args.device))
    if args.report_path:
        report.make_folder(args.report_path, *inputs.files.values(), args.outputs_path, args.calibration_path)
    tokens: list[list[int]] = []
    for i in tqdm(range(0, len(inputs.prompts), GENERATE_BATCH), disable=None, delay=2):
        tokens += model.generate(inputs.prompts[i : i + GENERATE_BATCH], MAX_ANSWER, stop_token=MASK)
    predictions = ["".join(inputs.corpus.itos[i] for i in answer).replace("\n", " ") for answer in tokens]
    rows, fitted = [], inputs.calibration
    if args.report_path or args.abstain is not None:
        scores = scoring.score_answers(model, inputs.prompts, tokens, MASK)
        if fitted is None and inputs.answers is not None:
            fitted = calibration.fit_on_first_half(scores, predictions, inputs.answers)
        asked = inputs.questions, predictions, inputs.answers
        rows = scoring.predictions_of(*asked, scores, inputs.corpus.data, fitted, args.abstain)
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


def write_report(
    args: Namespace, model: GPT, inputs: Inputs, rows: list[Prediction], fitted: Calibration | None
) -> None:
    """Probes the model, and writes the report into --report_path."""
    from run import first_position as start_position

    corpus = inputs.corpus
    prompts = probes.prompts_of(inputs.questions, inputs.answers or (), corpus)
    probed = probes.probe(model, prompts, corpus, start_position(args))
    provenance = {"variant": args.variant} | {name: describe(path) for name, path in inputs.files.items() if path}
    finetuning, path = inputs.finetuning, args.report_path
    report.write_report(path, rows, corpus.longest, provenance, finetuning, fitted, args.abstain, probed)
    if finetuning is None:
        print("Without --finetune_corpus_path the report has no naive Bayes, frequency of places or nearest names")
    print(f"Report written to {os.path.join(path, 'report.html')}")
