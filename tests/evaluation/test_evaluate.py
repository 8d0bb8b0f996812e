"""`run.py evaluate` with a report, with a threshold on confidence, and with bad input."""

import csv
import json
from collections import Counter
from pathlib import Path

import pytest
import torch
from answers import check_page
from commands import PEOPLE, SMALL, contents, execute

from engine.inputs import load_corpus
from engine.parameters import load_params, save_params, tag_vocabulary
from evaluation import report
from evaluation.probes import PROBES
from generation import likeliest_answers
from model import GPT, GPTConfig
from questions import encode_question
from vocabulary import MASK, decode


@pytest.fixture
def folder(folder):
    """That of the other commands' tests with more questions, and with a model that knows nothing."""
    questions = [f"Where was {name} born?\t{place}\n" for name, place in PEOPLE]
    Path("birth_dev.tsv").write_text("".join(questions[4:]), encoding="utf-8")
    torch.manual_seed(0)
    corpus = load_corpus("wiki.txt")
    model = GPT(GPTConfig(corpus.vocab_size, 128, **SMALL))
    tag_vocabulary(model, corpus.itos)
    save_params(model, "model")
    return folder


EVALUATE = ["evaluate", "vanilla", "wiki.txt", "--reading_params_path", "model", "--outputs_path", "out"]


DEV, INPUTS = ["--eval_corpus_path", "birth_dev.tsv"], ["--eval_corpus_path", "birth_test_inputs.tsv"]


def read_table(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_evaluate_with_a_report(folder, monkeypatch, capsys):
    assert execute(monkeypatch, *EVALUATE, *DEV) == 0
    plain, usual = Path("out").read_bytes(), capsys.readouterr().out
    command = [*EVALUATE, *DEV, "--report_path", "new/r", "--finetune_corpus_path", "birth_places_train.tsv"]
    assert execute(monkeypatch, *command) == 0
    assert Path("out").read_bytes() == plain
    assert "Report written to new/r" in (out := capsys.readouterr().out) and usual.splitlines()[-1] in out
    assert sorted(path.name for path in Path("new/r").iterdir()) == sorted(report.FILES)
    rows = read_table("new/r/predictions.tsv")
    assert [row["question"] for row in rows] == [f"Where was {name} born?" for name, _ in PEOPLE[4:]]
    assert [row["prediction"] for row in rows] == plain.decode().splitlines()
    assert [row["answer"] for row in rows] == [place for _, place in PEOPLE[4:]]
    for row, (name, place) in zip(rows, PEOPLE[4:]):
        assert row["correct"] == str(int(row["prediction"] == place)) and row["name_in_corpus"] == "1"
        assert int(row["answer_position"]) == f"{name}. {name} was born in {place} ?".index(place)
        assert float(row["log_probability"]) < 0 <= float(row["first_entropy_bits"])
        assert 0 < float(row["min_probability"]) <= float(row["mean_probability"]) <= 1
    check_page(Path("new/r/report.html").read_text("utf-8"), 1)
    summary = report.read_report("new/r/report.json")
    assert "model (" in summary["about"]["parameters"]
    assert set(summary["by"]) == {"position", "frequency", "seen"} and len(summary["baselines"]) == 2
    assert set(summary["probes"]) == set(PROBES)
    assert all(counts["questions"] == len(PEOPLE) - 4 for counts in summary["probes"].values())
    check_what_a_report_shows(summary, rows)


def check_what_a_report_shows(summary, rows):
    """The likeliest answers, the kinds of mistakes and the probes' example, against the same computed one by one."""
    corpus = load_corpus("wiki.txt")
    model = GPT(GPTConfig(corpus.vocab_size, 128, **SMALL))
    load_params(model, "model")
    ranks = []
    for row in rows:
        prompt = encode_question(row["question"], corpus.stoi, 128, "")
        (found,) = likeliest_answers(model, [prompt], 5, 32, MASK)
        texts = [decode(tokens, corpus.itos).replace("\n", " ") for tokens in found.tokens]
        ranks.append(texts.index(row["answer"]) if row["answer"] in texts else 9)
        shown = [entry for entry in summary["examples"].get("wrong", []) if entry["question"] == row["question"]]
        for entry in shown:
            assert [each["answer"] for each in entry["alternatives"]] == texts
            assert entry["document"] == next(text for text in corpus.data if text.startswith(entry["subject"] + "."))
    assert {k: found["right"] for k, found in summary["top"].items()} == {
        k: sum(rank < int(k) for rank in ranks) for k in ("1", "3", "5")}  # fmt: skip
    kinds = {kind: found["questions"] for kind, found in summary["mistakes"]["kinds"].items() if found["questions"]}
    assert kinds == Counter(row["kind"] for row in rows)
    for name in PROBES:
        case = summary["probe_example"][name]
        assert case["passed"] == (case["said"] == case["expected"])
    assert summary["probe_example"]["question"]["prompt"].endswith("born?⁇")


def test_without_finetuning_questions_or_answers(folder, monkeypatch, capsys):
    assert execute(monkeypatch, *EVALUATE, *DEV, "--report_path", "r") == 0
    out = capsys.readouterr().out
    assert len([line for line in out.splitlines() if "--finetune_corpus_path" in line]) == 1
    summary = report.read_report("r/report.json")
    assert "nearest" not in summary and "frequency" not in summary["by"] and not summary["baselines"]
    assert "nearest" not in Path("r/report.html").read_text("utf-8")
    assert execute(monkeypatch, *EVALUATE, *INPUTS, "--report_path", "r") == 0
    assert not {"answer", "correct", "confidence"} & set(read_table("r/predictions.tsv")[0])
    assert "accuracy" not in report.read_report("r/report.json")


def test_abstaining(folder, monkeypatch, capsys):
    assert execute(monkeypatch, *EVALUATE, *DEV, "--report_path", "dev") == 0
    said = Path("out").read_text().splitlines()
    confidence = [float(row["confidence"]) for row in read_table("dev/predictions.tsv")]
    threshold = (max(confidence) + min(confidence)) / 2
    expected = [a if c >= threshold else "unknown" for a, c in zip(said, confidence)]
    assert 0 < expected.count("unknown") < 8
    capsys.readouterr()
    for calibration in ([], ["--calibration_path", "dev/report.json"]):  # learnt from the same half
        assert execute(monkeypatch, *EVALUATE, *DEV, "--abstain", threshold, *calibration) == 0
        assert Path("out").read_text().splitlines() == expected
        out = capsys.readouterr().out
        assert f"Answered {8 - expected.count('unknown')} of 8" in out and "Correct: " in out
    calibration = ["--calibration_path", "dev/report.json", "--report_path", "test"]
    assert execute(monkeypatch, *EVALUATE, *INPUTS, "--abstain", threshold, *calibration) == 0
    assert Path("out").read_text().splitlines() == expected
    rows = read_table("test/predictions.tsv")
    assert [row["prediction"] for row in rows] == said  # the report tells what would have been said
    assert [row["answered"] for row in rows] == [str(int(a != "unknown")) for a in expected]
    capsys.readouterr()
    again = ["--calibration_path", "dev/report.json", "--report_path", "again"]
    assert execute(monkeypatch, *EVALUATE, *DEV, "--abstain", threshold, *again) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Answered ")]
    words = check_page(Path("again/report.html").read_text("utf-8"), 1).replace("\u00a0", " ")
    assert f"vanilla on birth_dev: a{line[1:]}" in words and line.endswith("right (0.0 %)")
    for P, count in ((0, 0), (1, 8)):
        assert execute(monkeypatch, *EVALUATE, *DEV, "--abstain", P) == 0
        assert Path("out").read_text().splitlines().count("unknown") == count


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*INPUTS, "--abstain", "0.5"], "--abstain needs --calibration_path"),
        ([*DEV, "--abstain", "1.5"], "--abstain"),
        ([*DEV, "--abstain", "nan"], "--abstain"),
        ([*DEV, "--calibration_path", "good.json"], "no use for --calibration_path without"),
        ([*DEV, "--finetune_corpus_path", "birth_places_train.tsv"], "no use for --finetune_corpus_path without"),
        (
            [*DEV, "--report_path", "r", "--finetune_corpus_path", "birth_test_inputs.tsv"],
            "birth_test_inputs.tsv, line 1: has no answer",
        ),
        ([*DEV, "--report_path", "r", "--finetune_corpus_path", "nowhere.tsv"], "nowhere.tsv: no such file"),
        ([*DEV, "--report_path", "wiki.txt"], "wiki.txt: cannot be made a folder"),
        ([*DEV, "--report_path", "wiki.txt/r"], "wiki.txt/r: cannot be made a folder"),
        ([*DEV, "--report_path", "blocked"], "is a folder"),
        ([*DEV, "--report_path", ".", "--outputs_path", "report.json"], "belongs to the report"),
        ([*DEV, "--report_path", "old", "--calibration_path", "old/report.json"], "would overwrite the input"),
        (
            [*DEV, "--abstain", "0.5", "--calibration_path", "good.json", "--outputs_path", "good.json"],
            "would overwrite",
        ),
        ([*DEV, "--abstain", "0.5", "--calibration_path", "nowhere.json"], "nowhere.json: cannot be read"),
        ([*DEV, "--abstain", "0.5", "--calibration_path", "wiki.txt"], "wiki.txt: is not the report.json"),
        ([*DEV, "--abstain", "0.5", "--calibration_path", "bare.json"], "bare.json: has no calibration"),
        ([*DEV, "--abstain", "0.5", "--calibration_path", "odd.json"], "odd.json: has no usable calibration"),
        ([*DEV, "--abstain", "0.5", "--calibration_path", "deep.json"], "deep.json: is not the report.json"),
    ],
)
def test_bad_input_is_one_line_and_touches_nothing(arguments, message, folder, monkeypatch, capsys):
    Path("old").mkdir()
    Path("blocked/report.json").mkdir(parents=True)
    good = {"questions": 3, "calibration": {"temperature": 2.0, "offset": 0.1}}
    for path in ("good.json", "old/report.json"):
        Path(path).write_text(json.dumps(good))
    Path("bare.json").write_text('{"questions": 3}')
    Path("odd.json").write_text('{"questions": 3, "calibration": {"temperature": NaN, "offset": 0}}')
    Path("deep.json").write_text("[" * 100_000)
    before = contents(folder)
    capsys.readouterr()
    assert execute(monkeypatch, *EVALUATE, *arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("run.py: error: ") and err.count("\n") == 1 and message in err
    assert contents(folder) == before


def test_answers_as_long_as_those_of_finetuning(folder, monkeypatch, capsys):
    """Over 32 characters; what can never be given is counted, and does not stop the rest."""
    long = "Rome and Oslo and Paris and Rome and Oslo and Paris"
    Path("t.tsv").write_text("".join(f"Where was {name} born?\t{long}\n" for name, _ in PEOPLE[:4]), encoding="utf-8")
    words = ("--finetune_corpus_path", "t.tsv", "--max_epochs", "60", "--recipe", "handout", "--finetune_lr", "6e-3")
    assert execute(monkeypatch, "finetune", "rope", "wiki.txt", "--writing_params_path", "m", *words) == 0
    assert json.loads(Path("m.json").read_text())["longest_answer"] == len(long) > 32
    extra = f"Where was Bob Kern born?\t{long * 2}\nWhere was Bob Muir born?\tQ\n"
    Path("e.tsv").write_text(Path("t.tsv").read_text("utf-8") + extra, encoding="utf-8")
    capsys.readouterr()
    evaluate = ("evaluate", "rope", "wiki.txt", "--reading_params_path", "m", "--outputs_path", "o")
    assert execute(monkeypatch, *evaluate, "--eval_corpus_path", "e.tsv") == 0
    assert Path("o").read_text("utf-8").splitlines()[:4] == [long] * 4
    (warning,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    assert "e.tsv: 2 of 6 answers can never be given" in warning
