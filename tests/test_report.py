"""Reports: each statistic against a slow and obvious one, and the command that writes them from end to end."""

import base64
import csv
import functools
import itertools
import json
import math
import random
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import PEOPLE, contents, execute
from hypothesis import given, settings
from hypothesis import strategies as st

import run
from engine.files import InputError
from engine.parameters import save_params
from evaluation import judge, report
from evaluation.probes import PROBES
from model import GPT, GPTConfig
from vocabulary import MASK

DATA = Path(__file__).resolve().parent.parent / "data"
# Confidences, with many ties, and whether the answers are right.
JUDGED = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.95, 1.0]) | st.floats(0, 1), st.booleans()),
                  min_size=1, max_size=30)  # fmt: skip


def arrays(judged):
    return np.array([c for c, _ in judged]), np.array([r for _, r in judged])


# ---------------------------------------------------------------------------------------------------------------------
# Statistics


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_is_what_a_normal_test_would_not_refuse(case):
    right, total = case
    low, high = judge.wilson(right, total)
    kept = [p for p in np.linspace(0, 1, 2001)
            if abs(right / total - p) <= 1.959964 * math.sqrt(p * (1 - p) / total) + 1e-12]  # fmt: skip
    assert low == pytest.approx(min(kept), abs=6e-4) and high == pytest.approx(max(kept), abs=6e-4)
    assert 0 <= low <= right / total <= high <= 1


def test_wilson_interval_of_a_textbook():
    assert judge.wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)  # Newcombe 1998, table I


@given(JUDGED)
def test_calibration_error(judged):
    expected = 0
    for k in range(10):
        inside = [(c, r) for c, r in judged if min(int(c * 10), 9) == k]
        if inside:
            confidence, accuracy = (sum(column) / len(inside) for column in zip(*inside))
            expected += len(inside) / len(judged) * abs(confidence - accuracy)
    assert judge.calibration_error(*arrays(judged)) == pytest.approx(expected)


@given(JUDGED.map(lambda judged: judged[:6]))
def test_risk_coverage_is_the_mean_over_all_orders_of_equals(judged):
    orders = [order for order in itertools.permutations(judged)
              if all(a[0] >= b[0] for a, b in itertools.pairwise(order))]  # fmt: skip
    expected = [sum(sum(not r for _, r in order[:k]) / k for order in orders) / len(orders)
                for k in range(1, len(judged) + 1)]  # fmt: skip
    assert judge.risk_coverage(*arrays(judged)) == pytest.approx(expected)


@given(JUDGED, st.sampled_from([0.5, 0.9, 1.0]))
def test_answerable_tries_every_threshold(judged, precision):
    best = (0, 0)
    for threshold, _ in judged:
        given_ = [r for c, r in judged if c >= threshold]
        if sum(given_) / len(given_) >= precision and len(given_) > best[0]:
            best = len(given_), sum(given_)
    assert judge.answerable(*arrays(judged), precision) == best


@given(JUDGED)
def test_auroc_counts_pairs(judged):
    pairs = [(a > b) + (a == b) / 2 for a, right in judged if right for b, other in judged if not other]
    found = judge.auroc(*arrays(judged))
    assert found == (pytest.approx(sum(pairs) / len(pairs)) if pairs else None)


@given(st.lists(st.text("abé ", max_size=7), min_size=1, max_size=8), st.text("abé ", max_size=7))
def test_nearest_names_by_brute_force(names, query):
    @functools.cache
    def distance(a, b):
        if not a or not b:
            return len(a) + len(b)
        return min(distance(a[1:], b) + 1, distance(a, b[1:]) + 1, distance(a[1:], b[1:]) + (a[0] != b[0]))

    distances = [distance(query, name) for name in names]
    assert judge.edit_distances(query, *judge.as_columns(names)).tolist() == distances
    expected = [i for i in sorted(range(len(names)), key=distances.__getitem__) if names[i] != query][:3]
    assert judge.nearest_names([query], names, 3) == [expected]


# ---------------------------------------------------------------------------------------------------------------------
# Probabilities and their calibration


@pytest.mark.parametrize("variant", [{}, {"rope": True}, {"synthesizer": True}], ids=["vanilla", "rope", "synthesizer"])
def test_scores_token_by_token(variant, monkeypatch):
    monkeypatch.setattr(judge, "GROUP", 3)
    torch.manual_seed(0)
    model = GPT(GPTConfig(9, 12, n_layer=2, n_head=2, n_embd=16, **variant)).train()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    draw = random.Random(0)
    prompts = [[draw.randrange(9) for _ in range(n)] for n in (1, 3, 5, 5, 12, 4, 8)]
    answers = [[draw.randrange(9) for _ in range(n)] for n in (4, 0, 7, 8, 1, 2, 4)]  # three reach the block's end
    scores = judge.score_answers(model, prompts, answers, MASK)
    assert model.training and scores.shape == (7, 4)
    model.eval()
    for prompt, answer, row in zip(prompts, answers, scores):
        sequence, chances = list(prompt), []
        for token in [*answer, MASK]:
            if len(sequence) > 12:
                break
            distribution = model(torch.tensor([sequence]))[0][0, -1].softmax(-1).tolist()
            if not chances:
                entropy = -sum(p * math.log2(p) for p in distribution)
            chances.append(distribution[token])
            sequence.append(token)
        expected = sum(map(math.log, chances)), sum(chances) / len(chances), min(chances), entropy
        assert row == pytest.approx(expected, rel=1e-4)


def test_scores_that_are_no_numbers_are_refused():
    model = GPT(GPTConfig(5, 8, n_layer=1, n_head=1, n_embd=4))
    torch.nn.init.constant_(model.head.weight, math.inf)
    with pytest.raises(InputError, match="not numbers"):
        judge.score_answers(model, [[2]], [[3]], MASK)


def loss(calibration, logp, right):
    confidence = calibration(logp)
    r, w = right.sum(), (~right).sum()
    target = np.where(right, (r + 1) / (r + 2), 1 / (w + 2))
    with np.errstate(divide="ignore"):
        return -(target * np.log(confidence) + (1 - target) * np.log(1 - confidence)).sum()


@given(st.lists(st.tuples(st.floats(-12, -1e-4), st.booleans()), min_size=1, max_size=40))
@settings(max_examples=30)
def test_calibration_is_likelier_than_any_on_a_grid(judged):
    logp, right = arrays(judged)
    found = judge.fit_calibration(logp, right)
    assert 0.0099 < found.temperature < 100.1 and math.isfinite(found.offset)
    others = [judge.Calibration(t, b) for t in (0.01, 0.3, 0.8, 1, 1.5, 3, 10, 100) for b in (-5, -2, -0.5, 0, 0.5, 2)]
    assert loss(found, logp, right) <= min(loss(other, logp, right) for other in others) + 0.01
    order = np.argsort(logp)
    assert (np.diff(found(logp)[order]) >= 0).all()


def test_calibration_finds_what_was_put_in():
    rng = np.random.default_rng(1)
    x = rng.normal(3, 2, 20000)
    right = rng.random(20000) < judge.sigmoid(x / 2.5 - 1)
    found = judge.fit_calibration(-np.logaddexp(0, -x), right)
    assert (found.temperature, found.offset) == pytest.approx((2.5, -1), abs=0.1)


@pytest.mark.parametrize("right", [[True], [False], [True] * 5, [False] * 5])
def test_calibration_of_answers_of_one_kind_is_finite(right):
    logp = np.linspace(-3, -0.0, len(right))
    confidence = judge.fit_calibration(logp, np.array(right))(logp)
    assert ((0 < confidence) & (confidence < 1)).all() and (confidence > 0.5).tolist() == right


@given(st.integers(1, 60))
def test_halves_are_fixed_and_share_nothing(n):
    first, second = judge.halves(n)
    assert sorted([*first, *second]) == list(range(n)) and 0 <= len(first) - len(second) <= 1
    assert all(np.array_equal(a, b) for a, b in zip(judge.halves(n), (first, second)))


# ---------------------------------------------------------------------------------------------------------------------
# What is known of the people


def test_documents_and_positions():
    documents = [
        "Jack London. Jack London was born in Oakland ?",
        "Ann Lee. Ann Lee met Londoners in Perth, and lived in London ?",
        "Ann Lee. Born in London, Ann Lee was the daughter of Bo Lind ?",
        "Ann Leeson. Ann Leeson was born in Leeds ?",
    ]
    asked = {"Jack London": "London", "Ann Lee": "London", "Ann Leeson": "Rome", "Bo Lind": "Oslo", "Bo Lin": "Oslo"}
    questions = [f"Where was {name} born?" for name in asked]
    scores = np.zeros((5, 4))
    rows = judge.predictions_of(questions, ["x"] * 5, list(asked.values()), scores, documents)
    assert [(row.in_corpus, row.documents, row.position) for row in rows] == [
        (True, 1, None),
        (True, 2, documents[2].index("London")),
        (True, 1, None),
        (True, 0, None),
        (False, 0, None),
    ]
    group, order = report.position_groups(rows, 112)
    assert group == ["not in the document", "characters 0 to 27", "not in the document", *["there is no document"] * 2]
    rows[1].position = 106  # London would end with the 112th character
    assert report.position_groups(rows, 112)[0][1] == order[3] == "characters 84 to 111"
    rows[1].position = 107
    assert report.position_groups(rows, 112)[0][1] == order[4] == "beyond character 111"


def test_frequency_groups():
    rows = [row_of(answer=place) for place in "abcdef"]
    found, order = report.frequency_groups(rows, report.Counter("b" + "c" * 2 + "d" * 4 + "e" * 19 + "f" * 20))
    assert found == ["never", "once", "2 to 4 times", "2 to 4 times", "5 to 19 times", "20 times or more"]
    assert order == list(dict.fromkeys(found))


def row_of(question="Where was Ada Kern born?", prediction="Rome", answer="Rome", logp=-0.5, documents=1):
    return judge.Prediction(question, prediction, answer, logp, 0.9, 0.8, 1.5, documents > 0, documents, 3)


# ---------------------------------------------------------------------------------------------------------------------
# The page


class Page(HTMLParser):
    """What a browser would load, run or leave open."""

    def __init__(self, page):
        super().__init__()
        self.open, self.images, self.tags, self.words = [], [], set(), []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.add(tag)
        assert not {"href", "srcset", "data", "action", "background"} & set(attributes)
        assert not [name for name in attributes if name.startswith("on")]
        if "src" in attributes:
            kind, content = attributes["src"].split(",")
            assert (tag, kind) == ("img", "data:image/svg+xml;base64") and attributes["alt"]
            self.images.append(base64.b64decode(content, validate=True).decode())
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in ("meta", "img", "br"):
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, words):
        self.words.append(words)


def check_page(text, figures):
    """Asserts that the page loads nothing, runs nothing and has so many figures; its words."""
    page = Page(text)
    assert not {"script", "link", "iframe", "object", "embed", "base"} & page.tags
    assert not re.search(r"https?:|@import|url\(", text)
    assert len(page.images) == figures
    for image in page.images:
        for element in xml.etree.ElementTree.fromstring(image).iter():
            assert element.tag.split("}")[-1] not in ("script", "image", "foreignObject")
            links = [value for name, value in element.attrib.items() if name.split("}")[-1] == "href"]
            assert all(link.startswith("#") for link in links)
    return " ".join(page.words)


FINETUNING = [("Where was Ada Kahn born?", "Rome"), ("Where was Bob Lund born?", "Oslo")]
SEVEN = [f"Where was {name} born?" for name in ("Ada Kern", "Bob Li", "Cy Day", "Di Fox", "Ed Poe", "Flo Ray", "Gus")]


@pytest.mark.parametrize(
    ("rows", "finetuning", "figures", "there", "missing"),
    [
        pytest.param([row_of(q, logp=-i) for i, q in enumerate(SEVEN)], FINETUNING, 2,
                     ["accuracy", "by", "risk_coverage", "answerable"], ["auroc", "nearest"], id="all right"),
        pytest.param([row_of(q, "Oslo", logp=-i) for i, q in enumerate(SEVEN)], FINETUNING, 2,
                     ["accuracy", "risk_coverage", "nearest"], ["auroc"], id="all wrong"),
        pytest.param([row_of()], FINETUNING, 1, ["accuracy", "calibration"], ["auroc", "nearest"], id="one question"),
        pytest.param([row_of(prediction="Oslo")], None, 1, ["accuracy"], ["nearest", "auroc"], id="one, no names"),
        pytest.param([row_of(q, answer=None) for q in SEVEN], FINETUNING, 0, ["examples"],
                     ["accuracy", "baselines", "by", "calibration", "risk_coverage", "nearest"], id="no answers"),
        pytest.param([row_of(q, answer=None, documents=i % 2) for i, q in enumerate(SEVEN)], None, 1,
                     ["auroc"], ["accuracy"], id="no answers, seen and unseen"),
        pytest.param([row_of(q, answer="Rom"[:i], documents=0) for i, q in enumerate(SEVEN)], FINETUNING, 2,
                     ["accuracy"], ["auroc"], id="unseen only"),
        pytest.param([row_of(q, "", "", documents=0) for q in ["?", "Where was born?", "Where was  born?"]],
                     FINETUNING, 2, ["accuracy"], ["auroc"], id="nobody"),
    ],
)  # fmt: skip
def test_reports_of_edge_cases(rows, finetuning, figures, there, missing, tmp_path):
    calibration = None
    if rows[0].answer is not None:
        scores = np.array([[row.log_probability, 0, 0, 0] for row in rows])
        predictions, answers = [row.prediction for row in rows], [row.answer for row in rows]
        calibration = judge.fit_on_half(scores, predictions, answers)
    report.write_report(str(tmp_path), rows, 112, {"what": "a test"}, finetuning, calibration)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(report.FILES)
    summary = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert [name for name in there if name not in summary] == [] == [name for name in missing if name in summary]
    words = check_page((tmp_path / "report.html").read_text("utf-8"), figures)
    assert "nan" not in words.lower().split() and "None" not in words.split()
    table = (tmp_path / "predictions.tsv").read_text("utf-8").splitlines()
    assert len({line.count("\t") for line in table}) == 1 and len(table) == len(rows) + 1
    out = tmp_path / "comparison.html"
    report.main([str(tmp_path), str(tmp_path), "--out", str(out)])
    check_page(out.read_text("utf-8"), int("accuracy" in summary))


def test_statistics_of_a_report_are_those_of_its_answers():
    draw = random.Random(3)
    names = [
        f"{draw.choice('ABCD')}{draw.choice('aeiou')} {draw.choice('KLMN')}{draw.choice('aeiou')}n" for _ in range(60)
    ]
    places = ["London", "Rome", "Oslo", "Bonn"]
    finetuning = [(f"Where was {name} born?", draw.choice(places)) for name in names[:20]]
    rows = [row_of(f"Where was {name} born?", draw.choice(places), draw.choice(places), -draw.random() * 3,
                   draw.randrange(2)) for name in names[20:]]  # fmt: skip
    for row in rows:
        row.log_probability *= 0.5 if row.correct else 1
    logp, right = np.array([row.log_probability for row in rows]), np.array([row.correct for row in rows])
    first, second = judge.halves(40)
    calibration = judge.fit_calibration(logp[first], right[first])
    threshold = float(np.median(calibration(logp)))
    for row, confidence in zip(rows, calibration(logp).tolist()):
        row.confidence, row.answered = confidence, confidence >= threshold
    summary = report.summarise(rows, 112, finetuning, calibration, threshold)
    assert summary["accuracy"]["right"] == sum(row.prediction == row.answer for row in rows) == right.sum()
    assert summary["baselines"]["always London"]["right"] == sum(row.answer == "London" for row in rows)
    for table in summary["by"].values():
        assert sum(group["questions"] for group in table) == 40
        assert sum(group["right"] for group in table) == right.sum()
    found = summary["calibration"]
    assert found["tested_on"] == len(second) == 20
    assert found["ece_before"] == judge.calibration_error(np.exp(logp[second]), right[second])
    assert found["ece_after"] == judge.calibration_error(calibration(logp[second]), right[second])
    ranked = sorted(zip(-logp, right))
    risks = [sum(not r for _, r in ranked[:k]) / k for k in range(1, 41)]
    assert summary["risk_coverage"]["area"] == pytest.approx(sum(risks) / 40)
    assert [risk for _, risk in summary["risk_coverage"]["points"]] == pytest.approx(risks, abs=1e-6)
    best, chance = (summary["risk_coverage"][f"area_of_{name}_order"] for name in ("the_best", "a_random"))
    assert best <= summary["risk_coverage"]["area"] and chance == 1 - summary["accuracy"]["accuracy"]
    said = [i for i in second if rows[i].answered]
    assert summary["abstain"]["answered"] == sum(row.answered for row in rows)
    assert summary["abstain"]["tested_answered"] == len(said)
    assert summary["abstain"]["when_answered"]["right"] == right[said].sum()
    wrong = [row for row in rows if not row.correct]
    equal = 0
    for row in wrong:
        near = judge.nearest_names([judge.person(row.question)], names[:20])[0][0]
        equal += finetuning[near][1] == row.prediction
    assert (summary["nearest"]["equal"], summary["nearest"]["wrong"]) == (equal, len(wrong))
    assert {kind: len(told) for kind, told in summary["examples"].items()} == {
        "right": right.sum().clip(0, 10),
        "wrong": 10,
    }
    assert set(summary["auroc"]) == {"right", "seen"}
    trial = summary["answerable"]["threshold_of_one_half_on_the_other"]
    thresholds = [t for t in logp[first] if right[first][logp[first] >= t].mean() >= 0.9]
    let = second[logp[second] >= min(thresholds)] if thresholds else []
    assert trial == {"of": 20, "answered": len(let), "right": sum(right[let])}


def test_names_are_escaped_wherever_they_stand(tmp_path):
    hostile = "<script>alert(1)</script> & \"Ada\" 'K'"
    rows = [
        row_of(f"Where was {hostile} born?", hostile, hostile),
        row_of(f"Where was {hostile} born?", hostile + "2", "A"),
    ]
    finetuning = [(f"Where was {hostile}3 born?", hostile)]
    calibration = judge.Calibration(1.0, 0.0, source=hostile)
    folder = tmp_path / "<b>&amp;"
    folder.mkdir()
    report.write_report(str(folder), rows, 112, {hostile: hostile}, finetuning, calibration, 0.5)
    words = check_page((folder / "report.html").read_text("utf-8"), 3)
    assert hostile in words and words.count("<script>") >= 8
    report.main([str(folder), "--out", str(tmp_path / "c.html")])
    assert str(folder) in check_page((tmp_path / "c.html").read_text("utf-8"), 1)


def test_the_same_report_is_the_same_file(tmp_path):
    rows = [row_of(q, "Oslo" if i % 2 else "Rome", logp=-i / 5) for i, q in enumerate(SEVEN)]
    pages = []
    for _ in range(2):
        report.write_report(str(tmp_path), rows, 112, {}, FINETUNING, judge.Calibration(2.0, 0.5))
        pages.append([(tmp_path / name).read_bytes() for name in report.FILES])
    assert pages[0] == pages[1]


# ---------------------------------------------------------------------------------------------------------------------
# The commands


@pytest.fixture
def folder(folder):
    """That of the other commands' tests with more questions, and with a model that knows nothing."""
    questions = [f"Where was {name} born?\t{place}\n" for name, place in PEOPLE]
    Path("birth_dev.tsv").write_text("".join(questions[4:]), encoding="utf-8")
    torch.manual_seed(0)
    save_params(GPT(GPTConfig(run.load_corpus("wiki.txt").vocab_size, 128)), "model")
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
    check_page(Path("new/r/report.html").read_text("utf-8"), 2)
    summary = report.read_json("new/r/report.json")
    assert "model (" in summary["about"]["parameters"]
    assert set(summary["by"]) == {"position", "frequency", "seen"} and len(summary["baselines"]) == 2
    assert set(summary["probes"]) == set(judge.PROBES) == set(PROBES)
    assert all(counts["questions"] == len(PEOPLE) - 4 for counts in summary["probes"].values())


def test_without_finetuning_questions_or_answers(folder, monkeypatch, capsys):
    assert execute(monkeypatch, *EVALUATE, *DEV, "--report_path", "r") == 0
    out = capsys.readouterr().out
    assert len([line for line in out.splitlines() if "--finetune_corpus_path" in line]) == 1
    summary = report.read_json("r/report.json")
    assert "nearest" not in summary and "frequency" not in summary["by"] and len(summary["baselines"]) == 1
    assert "nearest" not in Path("r/report.html").read_text("utf-8")
    assert execute(monkeypatch, *EVALUATE, *INPUTS, "--report_path", "r") == 0
    assert not {"answer", "correct", "confidence"} & set(read_table("r/predictions.tsv")[0])
    assert "accuracy" not in report.read_json("r/report.json")


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
        assert f"Answered: {8 - expected.count('unknown')} out of 8" in out and "Correct: " in out
    calibration = ["--calibration_path", "dev/report.json", "--report_path", "test"]
    assert execute(monkeypatch, *EVALUATE, *INPUTS, "--abstain", threshold, *calibration) == 0
    assert Path("out").read_text().splitlines() == expected
    rows = read_table("test/predictions.tsv")
    assert [row["prediction"] for row in rows] == said  # the report tells what would have been said
    assert [row["answered"] for row in rows] == [str(int(a != "unknown")) for a in expected]
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


def test_reports_side_by_side(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, count in (("one", 7), ("two_", 4)):
        Path(name).mkdir()
        rows = [row_of(q, "Rome" if i % 3 else "Oslo", logp=-i / 9) for i, q in enumerate(SEVEN[:count])]
        report.write_report(name, rows, 112, {}, FINETUNING, judge.Calibration(1.0, 0.0))
    report.main(["one", "two_"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4 and "57.1 %" in lines[1] and lines[1].endswith("one") and lines[2].endswith("two_")
    check_page(Path("comparison.html").read_text("utf-8"), 1)
    for name, content in (("not", "{}"), ("half", '{"questions": 3, "accuracy": {}}'), ("text", "no"), ("list", "[1]")):
        Path(name).mkdir()
        Path(name, "report.json").write_text(content)
    for arguments in (["nowhere"], ["one", "not"], ["half"], ["text"], ["list"], ["one", "--out", "one/report.json"]):
        with pytest.raises(InputError):
            report.main(arguments)
    subprocess.run([sys.executable, report.__file__, "one", "--out", "c.html"], check=True, timeout=60)
    assert Path("c.html").exists()


def make_large(folder):
    """A report of the 500 questions of data/, of which some 40 % are answered right; the seconds that it took."""
    questions, answers = report.read_questions(DATA / "birth_dev.tsv")
    unseen, unseen_answers = report.read_questions(DATA / "unseen.tsv")
    questions, answers = questions[:350] + unseen[:150], answers[:350] + unseen_answers[:150]
    finetuning = report.read_finetuning(DATA / "birth_places_train.tsv")
    rng = np.random.default_rng(0)
    right = rng.random(500) < 0.4
    said = [answer if flag else finetuning[rng.integers(2000)][1] for answer, flag in zip(answers, right)]
    logp = -np.logaddexp(0, -np.where(right, rng.normal(4, 2, 500), rng.normal(1, 2, 500)))
    scores = np.stack((logp, np.exp(logp / 8), np.exp(logp / 2), rng.gamma(1, 1, 500)), axis=1)
    started = time.perf_counter()
    calibration = judge.fit_on_half(scores, said, answers)
    documents = (DATA / "wiki.txt").read_text("utf-8").split("\n")
    rows = judge.predictions_of(questions, said, answers, scores, documents, calibration, 0.5)
    report.write_report(str(folder), rows, 112, {"made": "for a test"}, finetuning, calibration, 0.5)
    return time.perf_counter() - started


def test_a_report_of_500_questions_takes_seconds(tmp_path):
    assert make_large(tmp_path) < 10
    summary = report.read_json(tmp_path / "report.json")
    assert summary["seen_people"] == 350 and set(summary["auroc"]) == {"right", "seen"}
    assert summary["calibration"]["ece_after"] < summary["calibration"]["ece_before"]
    assert len((tmp_path / "report.html").read_bytes()) < 1_000_000


@pytest.mark.slow
def test_a_browser_shows_the_whole_report(tmp_path):
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("there is no chromium")
    make_large(tmp_path)
    page = (tmp_path / "report.html").read_text("utf-8")
    # The page itself may run nothing. A copy of it, without that rule, says what became of it.
    probe = """<script>document.body.dataset.seen = JSON.stringify({
        shown: [...document.images].filter(i => i.complete && i.naturalWidth > 100 && i.offsetHeight > 100).length,
        images: document.images.length, loaded: performance.getEntriesByType("resource")
            .filter(e => !e.name.startsWith("data:")).length,
        wide: document.documentElement.scrollWidth > innerWidth, height: document.body.scrollHeight,
        headings: document.querySelectorAll("h2").length, rows: document.querySelectorAll("tr").length })
        </script></body>"""
    copy = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page).replace("</body>", probe)
    (tmp_path / "probe.html").write_text(copy, encoding="utf-8")
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={tmp_path}/profile",
        "--window-size=1200,4000",
    ]
    command = [browser, *flags, "--dump-dom", (tmp_path / "probe.html").as_uri()]
    found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    seen = json.loads(re.search(r'data-seen="([^"]*)"', found)[1].replace("&quot;", '"'))
    assert seen["images"] == seen["shown"] == 3 and seen["loaded"] == 0 and not seen["wide"]
    assert seen["headings"] == 5 and seen["rows"] > 40 and seen["height"] > 2000
    shot = tmp_path / "shot.png"
    command = [browser, *flags, f"--screenshot={shot}", (tmp_path / "report.html").as_uri()]
    subprocess.run(command, capture_output=True, check=True, timeout=120)
    assert shot.stat().st_size > 100_000  # a blank page takes a few thousand bytes
