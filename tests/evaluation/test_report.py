"""Reports: their statistics, their pages, and how long they take."""

import json
import random
import time
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from answers import FINETUNING, SEVEN, check_page, row_of

from evaluation import report, scoring
from evaluation.baselines import guess_by_name, most_frequent
from evaluation.calibration import Calibration, calibration_split, fit_calibration, fit_on_first_half
from evaluation.compare import compare
from evaluation.metrics import auroc, expected_calibration_error, nearest_names
from evaluation.summary import frequency_groups, summarise
from questions import read_question_answers, read_questions
from wording import COURSE

DATA = Path(__file__).resolve().parents[2] / "data"


def test_frequency_groups():
    rows = [row_of(answer=place) for place in "abcdef"]
    found, order = frequency_groups(rows, Counter("b" + "c" * 2 + "d" * 4 + "e" * 19 + "f" * 20))
    assert found == ["never", "once", "2 to 4 times", "2 to 4 times", "5 to 19 times", "20 times or more"]
    assert order == list(dict.fromkeys(found))


@pytest.mark.parametrize(
    ("rows", "finetuning", "charts", "there", "missing"),
    [
        pytest.param([row_of(q, logp=-i) for i, q in enumerate(SEVEN)], FINETUNING, 1,
                     ["accuracy", "by", "risk_coverage", "answerable"], ["auroc", "nearest"], id="all right"),
        pytest.param([row_of(q, "Oslo", logp=-i) for i, q in enumerate(SEVEN)], FINETUNING, 1,
                     ["accuracy", "risk_coverage", "nearest"], ["auroc"], id="all wrong"),
        pytest.param([row_of()], FINETUNING, 1, ["accuracy", "calibration"], ["auroc", "nearest"], id="one question"),
        pytest.param([row_of(prediction="Oslo")], None, 1, ["accuracy"], ["nearest", "auroc"], id="one, no names"),
        pytest.param([row_of(q, answer=None) for q in SEVEN], FINETUNING, 0, ["examples"],
                     ["accuracy", "baselines", "by", "calibration", "risk_coverage", "nearest"], id="no answers"),
        pytest.param([row_of(q, answer=None, documents=i % 2) for i, q in enumerate(SEVEN)], None, 0,
                     ["examples"], ["accuracy", "auroc"], id="no answers, seen and unseen"),
        pytest.param([row_of(q, answer=None, documents=i % 2) for i, q in enumerate(SEVEN * 3)], None, 0,
                     ["auroc"], ["accuracy"], id="no answers, ten of each"),
        pytest.param([row_of(q, answer="Rom"[:i], documents=0) for i, q in enumerate(SEVEN)], FINETUNING, 1,
                     ["accuracy"], ["auroc"], id="unseen only"),
        pytest.param([row_of(q, "", "", documents=0) for q in ["?", "Where was born?", "Where was  born?"]],
                     FINETUNING, 1, ["accuracy"], ["auroc"], id="nobody"),
    ],
)  # fmt: skip
def test_reports_of_edge_cases(rows, finetuning, charts, there, missing, tmp_path):
    calibration = None
    if rows[0].answer is not None:
        scores = np.array([[row.log_probability, 0, 0, 0] for row in rows])
        predictions, answers = [row.prediction for row in rows], [row.answer for row in rows]
        calibration = fit_on_first_half(scores, predictions, answers)
    report.write_report(str(tmp_path), rows, 112, {"what": "a test"}, finetuning, calibration)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(report.FILES)
    summary = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert [name for name in there if name not in summary] == [] == [name for name in missing if name in summary]
    words = check_page((tmp_path / "report.html").read_text("utf-8"), charts)
    assert "nan" not in words.lower().split() and "None" not in words.split()
    table = (tmp_path / "predictions.tsv").read_text("utf-8").splitlines()
    assert len({line.count("\t") for line in table}) == 1 and len(table) == len(rows) + 1
    out = tmp_path / "comparison.html"
    compare([str(tmp_path), str(tmp_path)], str(out))
    check_page(out.read_text("utf-8"), int("accuracy" in summary))


def test_statistics_of_a_report_are_those_of_its_answers():
    draw = random.Random(3)
    names = [
        f"{draw.choice('ABCD')}{draw.choice('aeiou')} {draw.choice('KLMN')}{draw.choice('aeiou')}n" for _ in range(60)
    ]
    places = ["London", "Rome", "Oslo"]
    finetuning = [(name, draw.choice(places)) for name in names[:20]]
    rows = [row_of(f"Where was {name} born?", draw.choice(places), draw.choice(places), -draw.random() * 3,
                   draw.randrange(2)) for name in names[20:]]  # fmt: skip
    for row in rows:
        row.log_probability *= 0.5 if row.correct else 1
    logp, right = np.array([row.log_probability for row in rows]), np.array([row.correct for row in rows])
    first, second = calibration_split(40)
    calibration = fit_calibration(logp[first], right[first])
    threshold = float(np.median(calibration(logp)))
    for row, confidence in zip(rows, calibration(logp).tolist()):
        row.confidence, row.answered = confidence, confidence >= threshold
    summary = summarise(rows, 112, finetuning, calibration, threshold)
    assert summary["accuracy"]["right"] == sum(row.prediction == row.answer for row in rows) == right.sum()
    usual = Counter(place for _, place in finetuning).most_common(1)[0][0]
    assert summary["baselines"][f"always {usual}"]["right"] == sum(row.answer == usual for row in rows)
    for table in summary["by"].values():
        assert sum(group["questions"] for group in table) == 40
        assert sum(group["right"] for group in table) == right.sum()
    found = summary["calibration"]
    assert found["tested_on"] == len(second) == 20
    assert found["ece_before"] == expected_calibration_error(np.exp(logp[second]), right[second])
    assert found["ece_after"] == expected_calibration_error(calibration(logp[second]), right[second])
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
        near = nearest_names([row.subject], names[:20])[0][0]
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


def test_any_accepted_answer_counts():
    """As if it alone had been the right one, in every number of the report; the first is as good as the last."""
    draw = random.Random(5)
    places = ["London", "Rome", "Oslo", "Bonn"]
    finetuning = [(f"{name} Kern", draw.choice(places)) for name in "ABCDEFG"]
    several, one = [], []
    for i in range(40):
        prediction, logp = draw.choice(places), -draw.random() * 3
        others = draw.sample(places + ["Paris", "Quito"], 3)
        right = next((answer for answer in others if answer == prediction), others[0])
        question = f"Where was {draw.choice('ABCDEFG')} {i} born?"
        several.append(row_of(question, prediction, "|".join(others), logp, draw.randrange(2)))
        one.append(row_of(question, prediction, right, logp, several[-1].documents))
    scores = np.array([[row.log_probability, 0, 0, 0] for row in one])
    fits = [
        fit_on_first_half(scores, [row.prediction for row in rows], [row.answer for row in rows])
        for rows in (several, one)
    ]
    assert fits[0] == fits[1]
    found, expected = (summarise(rows, 112, finetuning, fits[0]) for rows in (several, one))
    for name in ("accuracy", "calibration", "risk_coverage", "answerable", "auroc", "nearest"):
        assert found[name] == expected[name], name
    said = [row.answer.split("|") for row in several]
    usual = most_frequent([place for _, place in finetuning])
    assert found["baselines"][f"always {usual}"]["right"] == sum(usual in answers for answers in said)
    guesses = guess_by_name(finetuning, [row.subject for row in several])
    by_name = found["baselines"]["guessed from the name (naive Bayes)"]["right"]
    assert by_name == sum(guess in answers for guess, answers in zip(guesses, said))
    counts = Counter(answer for _, answer in finetuning)
    never = sum(not any(counts[answer] for answer in answers) for answers in said)
    assert sum(group["questions"] for group in found["by"]["frequency"] if group["group"] == "never") == never


def test_what_was_not_read_does_not_count_for_the_calibration():
    rows = [(-0.1 * i, i % 3 > 0) for i in range(20)]
    scores = np.array([[logp, 0, 0, 0] for logp, _ in rows])
    answers = ["Rome" if right else "Oslo" for _, right in rows]
    half = calibration_split(20)[0]
    unread = scores.copy()
    unread[half[:3]] = scoring.NEVER, 0, 0, 0
    rest = half[3:]
    right = np.array([right for _, right in rows])
    assert fit_on_first_half(unread, ["Rome"] * 20, answers) == fit_calibration(scores[rest, 0], right[rest])
    unread[half] = scoring.NEVER, 0, 0, 0
    other = calibration_split(20)[1]
    assert fit_on_first_half(unread, ["Rome"] * 20, answers) == fit_calibration(scores[other, 0], right[other])


def test_a_calibration_says_what_it_was_fitted_on(tmp_path):
    """Certainties, if any answer was recalled; the confidence of an older report, which had none, is still by probability."""
    rng, right = np.random.default_rng(0), np.arange(40) % 3 > 0
    scores, recall = np.array([[-x, 0, 0, 0] for x in rng.random(40)]), -np.where(right, 0.1, 2.0) - rng.random(40)
    said, answers = ["Rome"] * 40, ["Rome" if flag else "Oslo" for flag in right]
    half, _ = calibration_split(40)
    both = (scores[:, 0] + recall) / 2
    twice, once = (fit_on_first_half(scores, said, answers, each) for each in (recall, np.full(40, np.nan)))
    assert twice == replace(fit_calibration(both[half], right[half]), recall=True)
    assert once == fit_calibration(scores[half, 0], right[half]) == fit_on_first_half(scores, said, answers)
    questions = [f"Where was P{i} born?" for i in range(40)]
    for calibration, by in ((twice, both), (once, scores[:, 0])):
        path = tmp_path / "report.json"
        path.write_text(json.dumps({"questions": 40, "calibration": asdict(calibration)}))
        read = report.read_calibration(path)
        rows = scoring.predictions_of(questions, said, answers, scores, [], read, recall=recall)
        assert [row.confidence for row in rows] == pytest.approx(calibration(by).tolist())
        assert [row.certainty for row in rows] == pytest.approx(both.tolist())
        found = summarise(rows, 112, calibration=read)
        assert found["auroc"]["right"] == auroc(both, right)
        assert found["calibration"]["mean_before"] == pytest.approx(np.exp(scores[:, 0]).mean())
        assert found["calibration"]["mean_after"] == pytest.approx(calibration(by).mean())


def test_names_are_escaped_wherever_they_stand(tmp_path):
    hostile = "<script>alert(1)</script> & \"Ada\" 'K'"
    rows = [
        row_of(f"Where was {hostile} born?", hostile, hostile),
        row_of(f"Where was {hostile} born?", hostile + "2", "A"),
    ]
    finetuning = [(f"{hostile}3", hostile)]
    calibration = Calibration(1.0, 0.0, source=hostile)
    folder = tmp_path / "<b>&amp;"
    folder.mkdir()
    report.write_report(str(folder), rows, 112, {hostile: hostile}, finetuning, calibration, 0.5)
    words = check_page((folder / "report.html").read_text("utf-8"), 1)
    assert hostile in words and words.count("<script>") >= 8
    compare([str(folder)], str(tmp_path / "c.html"))
    assert folder.name in check_page((tmp_path / "c.html").read_text("utf-8"), 1)


def test_the_same_report_is_the_same_file(tmp_path):
    rows = [row_of(q, "Oslo" if i % 2 else "Rome", logp=-i / 5) for i, q in enumerate(SEVEN)]
    pages = []
    for _ in range(2):
        report.write_report(str(tmp_path), rows, 112, {}, FINETUNING, Calibration(2.0, 0.5))
        pages.append([(tmp_path / name).read_bytes() for name in report.FILES])
    assert pages[0] == pages[1]


def make_large(folder):
    """A report of the 500 questions of data/, of which some 40 % are answered right; the seconds that it took."""
    questions, answers = read_questions(DATA / "birth_dev.tsv")
    unseen, unseen_answers = read_questions(DATA / "unseen.tsv")
    questions, answers = questions[:350] + unseen[:150], answers[:350] + unseen_answers[:150]
    finetuning = [(COURSE.subject(q), place) for q, place in read_question_answers(DATA / "birth_places_train.tsv")]
    rng = np.random.default_rng(0)
    right = rng.random(500) < 0.4
    said = [answer if flag else finetuning[rng.integers(2000)][1] for answer, flag in zip(answers, right)]
    logp = -np.logaddexp(0, -np.where(right, rng.normal(4, 2, 500), rng.normal(1, 2, 500)))
    scores = np.stack((logp, np.exp(logp / 8), np.exp(logp / 2), rng.gamma(1, 1, 500)), axis=1)
    started = time.perf_counter()
    calibration = fit_on_first_half(scores, said, answers)
    documents = (DATA / "wiki.txt").read_text("utf-8").split("\n")
    rows = scoring.predictions_of(questions, said, answers, scores, documents, calibration, 0.5)
    report.write_report(str(folder), rows, 112, {"made": "for a test"}, finetuning, calibration, 0.5)
    return time.perf_counter() - started


def test_a_report_of_500_questions_takes_seconds(tmp_path):
    assert make_large(tmp_path) < 10
    summary = report.read_report(tmp_path / "report.json")
    assert summary["seen_people"] == 350 and set(summary["auroc"]) == {"right", "seen"}
    assert summary["calibration"]["ece_after"] < summary["calibration"]["ece_before"]
    assert len((tmp_path / "report.html").read_bytes()) < 1_000_000


def test_the_nearest_name_is_one_of_the_same_wording():
    """Adi's neighbour in the questions about years is Ada, and in those about towns Bob."""
    train = [("Ada", "1901"), ("Eve", "1850"), ("Bob", "Rome"), ("Eve", "Oslo")]
    wordings = ["When was … born?"] * 2 + ["Where was … born?"] * 2
    rows = [replace(row_of("When was Adi born?", "1901", "1902"), template=wordings[0], subject="Adi"),
            row_of("Where was Bo born?", "Rome", "Oslo"), row_of("Where was Ad born?", "1901", "Oslo")]  # fmt: skip
    found = summarise(rows, 112, train, wordings=wordings)
    assert found["nearest"] == {"wrong": 3, "equal": 2, "share": 2 / 3, "share_by_chance": pytest.approx(1 / 3)}
    names = {entry["question"]: {near["name"] for near in entry["nearest"]} for entry in found["examples"]["wrong"]}
    assert names == {
        rows[0].question: {"Ada", "Eve"},
        rows[1].question: {"Bob", "Eve"},
        rows[2].question: {"Bob", "Eve"},
    }
    assert summarise(rows[2:], 112, train)["nearest"]["equal"] == 1  # no wordings known: among all
