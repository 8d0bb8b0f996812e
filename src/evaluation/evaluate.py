"""interim"""

from __future__ import annotations

import argparse
import os

from questions import MAX_ANSWER


def evaluate(args: argparse.Namespace) -> None:
    """Asks every question of a file and writes the answers, one a line (handout 000, part d); reports, if told to."""
    from tqdm import tqdm

    from engine.checkpoint import start_position
    from engine.devices import choose_device, keep_freed_memory
    from engine.files import InputError, describe, find_corpus, write_lines
    from engine.inputs import check_prediction_outputs, load_corpus, load_questions, make_model
    from evaluation import judge, probes, report
    from generation import generate
    from questions import accuracy_line, score
    from vocabulary import MASK

    check_prediction_outputs(args)
    keep_freed_memory()
    corpus = load_corpus(args.pretrain_corpus_path)
    found = find_corpus(args.eval_corpus_path)
    questions, places, prompts = load_questions(found, corpus)
    calibration = report.read_calibration(args.calibration_path) if args.calibration_path else None
    if args.abstain is not None and places is None and calibration is None:
        raise InputError(f"--abstain needs --calibration_path, as {found} has no answers to learn confidence from")
    trained = find_corpus(args.finetune_corpus_path) if args.finetune_corpus_path else None
    finetuning = report.read_finetuning(trained) if trained else None
    model = make_model(args, corpus).to(choose_device(args.device))
    if args.report_path:
        others = [find_corpus(args.pretrain_corpus_path), found, trained]
        others += [args.reading_params_path, args.outputs_path, args.calibration_path]
        report.make_folder(args.report_path, *others)
    answers = []
    for i in tqdm(range(0, len(prompts), 500), disable=None, delay=2):
        answers += generate(model, prompts[i : i + 500], MAX_ANSWER, stop_token=MASK)
    predictions = ["".join(corpus.itos[i] for i in answer).replace("\n", " ") for answer in answers]
    rows = []
    if args.report_path or args.abstain is not None:
        scores = judge.score_answers(model, prompts, answers, MASK)
        if calibration is None and places is not None:
            calibration = judge.fit_on_half(scores, predictions, places)
        rows = judge.predictions_of(questions, predictions, places, scores, corpus.data, calibration, args.abstain)
    if args.abstain is not None:
        predictions = [row.prediction if row.answered else judge.UNKNOWN for row in rows]
    write_lines(args.outputs_path, predictions)
    if places is None:
        print(f"Predictions written to {args.outputs_path}; no targets provided")
    else:
        print(accuracy_line(*score(places, predictions)))
    if args.abstain is not None:
        print(judge.abstention_line(rows, calibration))
    if args.report_path:
        files = {"parameters": args.reading_params_path, "questions": found, "finetuning questions": trained}
        files["pretraining corpus"] = find_corpus(args.pretrain_corpus_path)
        origin = {"variant": args.variant} | {name: describe(path) for name, path in files.items() if path}
        asked = probes.prompts_of(questions, places or (), corpus)
        probed = probes.probe(model, asked, corpus, start_position(args.reading_params_path, 128))
        report.write_report(
            args.report_path, rows, corpus.max_chars, origin, finetuning, calibration, args.abstain, probed
        )
        if finetuning is None:
            print("Without --finetune_corpus_path the report has no naive Bayes, frequency of places or nearest names")
        print(f"Report written to {os.path.join(args.report_path, 'report.html')}")
