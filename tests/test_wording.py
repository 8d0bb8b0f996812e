"""Finding the subject of questions, and what follows from it in a run."""

import json
import random
import re
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from answers import check_page
from commands import execute, stopping
from hypothesis import given
from hypothesis import strategies as st

from cloze import ClozeDataset
from dataset import CharCorruptionDataset
from engine import checkpoint
from evaluation import report
from evaluation.baselines import USUAL
from evaluation.probes import PROBES
from questions import encode_question, subject_positions
from vocabulary import without_accents
from wording import COURSE, MAX_LINES, Template, Wording, find_wording

SUBJECTS = [
    first + last for first in ("Os", "Ber", "Zoë", "Kal", "Ost", "New V", "Qu") for last in ("tria", "mia", "d", " R.")
]
TEMPLATES = ["Where was {} born?", "Where was the painter {} born?", "{} died when?", "What is the capital of {}?", "{}",
             "Capital of which you know: {}", "In {}, who is king?", "{}'s king?", "Где {}?", "Of the two, {} or what"]  # fmt: skip
mixtures = st.lists(st.sampled_from(TEMPLATES), min_size=1, max_size=4, unique=True)


@given(mixtures, st.randoms(use_true_random=False), st.booleans())
def test_the_subject_is_found_wherever_it_stands(templates, draw, accents):
    """In questions of several templates, among titles that are parts of it or words of the template."""
    names = SUBJECTS if accents else [*map(without_accents, SUBJECTS)]
    questions = [(template.format(name), name) for name in names for template in templates]
    draw.shuffle(questions)
    parts = ["Os", "Ber", "K", "born", "capital", "What", "Where", "was", "king", "the", "a", " "]
    wording = find_wording([question for question, _ in questions], [*SUBJECTS, *parts])
    assert {str(template) for template in wording.templates} == {template.format("…") for template in templates}
    assert all(wording.subject(question) == name for question, name in questions)
    assert wording.counts == (len(SUBJECTS),) * len(templates) and wording.questions == len(questions)


@given(st.sampled_from(TEMPLATES), st.integers(2, len(SUBJECTS)), st.randoms(use_true_random=False))
def test_some_titles_tell_the_other_subjects(template, titled, draw):
    titles = draw.sample(SUBJECTS, titled)
    wording = find_wording([template.format(name) for name in SUBJECTS], titles)
    assert [wording.subject(template.format(name)) for name in SUBJECTS] == SUBJECTS


@given(
    st.lists(st.text("ab ?", min_size=1, max_size=12), max_size=9), st.lists(st.text("ab .", max_size=4), max_size=9)
)
def test_any_questions_and_titles(questions, titles):
    """Whatever is found fits: a subject stands in its question, between the texts of its template."""
    wording = find_wording(questions, titles)
    assert len(wording.templates) == len(wording.counts) and sum(wording.counts) <= len(questions) == wording.questions
    for question in questions:
        template = wording.around_subject(question)
        assert (template is None) == (wording.subject(question) is None)
        if template:
            middle = question[len(template.before) : len(question) - len(template.after)]
            assert question == template.before + middle + template.after and wording.subject(question) == middle.strip()
    assert Wording.from_record(json.loads(json.dumps(wording.record()))) == replace(wording, single={}, single_count=0)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["questions", "templates", "before", "after"]), inner, max_size=4)
    ),
)


@given(JSON)
def test_metadata_with_anything_in_the_place_of_the_finding(record):
    found = Wording.from_record(record)
    assert found is None or Wording.from_record(found.record()) == found and not found.subject("?")


def test_questions_whose_subject_cannot_be_found():
    asked = [f"Tell me of {name}?" for name in SUBJECTS]
    for titles in ([], ["Tell", "me", "of"], ["Nobody"], SUBJECTS[:1]):  # one subject does not vary
        wording = find_wording(asked * 3, titles)
        assert wording.templates == () and not any(map(wording.subject, asked))
        assert wording.lines() == [f"subject: not found, {3 * len(asked)} of {3 * len(asked)} questions"]
    assert find_wording([], SUBJECTS) == Wording((), (), 0)
    course = find_wording(
        ["Where was Nobody born?", "Who is that?"], []
    )  # the course's wording is known without titles
    assert course.subject("Where was Nobody born?") == "Nobody" and course.subject("Who is that?") is None


def test_questions_worded_like_no_other():
    """The longest title in each is the subject, as whole words, if most of the questions have one that is not in all of them."""
    questions = {"Who ruled Rome first?": "Rome", "Is Romero in Oslo?": "Oslo", "Oslo Lake, how deep?": "Oslo Lake",
                 "Tell me about Bern!": "Bern", "Pourquoi Île?": "Île", "谁在北京住？": "北京", "Who is that?": None,
                 "Has Romero a sister?": None}  # fmt: skip
    titles = ["Rome", "Oslo", "Oslo Lake", "Bern", "Île", "北京", "Who", "Lima"]
    wording = find_wording([*questions], titles)
    assert {question: wording.subject(question) for question in questions} == questions | {"Who is that?": "Who"}
    common = {question + " Who?": subject for question, subject in questions.items()}  # in all of them
    wording = find_wording([*common] * 2, titles)
    assert {question: wording.subject(question) for question in common} == common and wording.templates == ()
    assert wording.lines() == ["subject: the title in each, 12 of 16 questions, worded like no other",
                               "subject: not found, 4 of 16 questions"]  # fmt: skip
    assert subject_positions(wording, common, {c: 0 for c in "".join(common)})[0] == 1  # Oslo Lake
    assert find_wording([*common], titles[:2]).single == {}  # too few
    both = find_wording([*common, *(f"Where was {name} born?" for name in SUBJECTS)], titles)
    assert both.templates == COURSE.templates and both.single == wording.single


def test_a_part_of_a_name_is_no_template():
    """Half of the people have no document, but their first names and surnames have one."""
    draw = random.Random(0)
    first, last = (["".join(draw.choices(letters, k=5)).title() for _ in range(20)] for letters in ("abcde", "klmno"))
    names = sorted({f"{a} {b}" for a in first for b in last})
    draw.shuffle(names)
    wording = find_wording([f"In which town was {name} born?" for name in names], [*names[::2], *first, *last])
    assert wording.templates == (Template("In which town was ", " born?"),)


def test_words_for_people():
    first, last, bare = Template("", " died when?"), Template("Who is ", ""), Template("", "")
    found = Wording((COURSE.templates[0], first, last, bare), (2000, 30, 20, 1), 2100)
    assert found.lines() == [
        "subject: between 'Where was ' and ' born?', 2,000 of 2,100 questions",
        "subject: before ' died when?', 30 of 2,100 questions",
        "subject: after 'Who is ', 20 of 2,100 questions",
        "subject: all of it, 1 of 2,100 questions",
        "subject: not found, 49 of 2,100 questions",
    ]
    many = Wording(tuple(Template(f"{i} of ", "") for i in range(30)), (2,) * 30, 60)
    assert len(many.lines()) == MAX_LINES + 1
    assert many.lines()[-1] == "subject: in 20 other templates, 40 of 60 questions"


def test_a_hundred_thousand_take_seconds():
    """Not all of their subjects are titles, and there are titles that are parts of subjects."""
    draw = random.Random(0)
    first, last = (["".join(draw.choices(letters, k=6)).title() for _ in range(600)] for letters in ("abcde", "klmno"))
    names = [f"{a} {b}" for a in first for b in last][:100_000]
    started = time.process_time()
    wording = find_wording([f"In which town was {name} born?" for name in names], [*names[-30_000:], *first])
    assert time.process_time() - started < 15 and wording.counts == (100_000,)  # 3 on an idle core


def test_positions_are_those_of_the_prompt():
    """Where the first character of the subject stands among the characters that the model reads."""
    names = ["Zoë Lund", "Ada Kern", "Élan Roy"]
    asked = [f"Où est né {name}?" for name in names] + [f"Где родилась {name}?" for name in names]
    corpus = CharCorruptionDataset("\n".join([*(f"{name}. Born ." for name in names), *asked]), 128)
    wording = find_wording(asked, names)
    positions = subject_positions(wording, asked, corpus.stoi)
    assert positions == {len("O est n "): 3, len("Где родилась "): 3}
    for question, name in zip(asked, [without_accents(name) for name in names] + names):
        prompt = "".join(corpus.itos[i] for i in encode_question(question, corpus.stoi, 128, ""))
        assert prompt.index(name) in positions
    views = ClozeDataset(corpus, 1.0, positions=positions)
    rng = np.random.default_rng(0)
    draws = [views.draw_position(rng) for _ in range(500)]
    assert set(draws) == set(positions) and 180 < draws.count(len("O est n ")) < 320


# ---------------------------------------------------------------------------------------------------------------------
# In a run

LANDS = {f"{a}{b}": f"{c} {d}" for (a, c) in (("Os", "Gra"), ("Ber", "Lin"), ("Kal", "Mo"), ("Vo", "Su"))
         for (b, d) in (("tria", "City"), ("nia", "Town"), ("mark", "Burg"))}  # fmt: skip
LANDS["Kalmark"] = "Lin City"  # the most frequent answer
SMALL = ("--n_layer", 2, "--n_head", 4, "--n_embd", 64)
WORDINGS = ["{} has which capital?", "The chief town of which you know: {}"]


def command(patch, function, *words):
    """A command line, in this process."""
    return execute(patch, function, "vanilla", "wiki.txt", *words, "--device", "cpu")


def write_lands():
    """A corpus of lands, and questions about their capitals in two wordings, all but the last three to learn from."""
    asked = [WORDINGS[i % 2].format(land) + f"\t{town}\n" for i, (land, town) in enumerate(LANDS.items())]
    documents = [f"{land}. {land} is a land whose chief town is {town} ." for land, town in LANDS.items()]
    characters = "".join(sorted(set("".join(WORDINGS) + "Where was born?")))
    Path("wiki.txt").write_text("\n".join([*documents, characters]))
    for name, lines in (("train.tsv", asked[:-3]), ("dev.tsv", asked[-3:]), ("all.tsv", asked)):
        Path(name).write_text("".join(lines))


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """The folder of a model that was finetuned on such questions."""
    folder = tmp_path_factory.mktemp("lands")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_lands()
        rate = ("--pretrain_lr", 4e-3, "--finetune_lr", 4e-3)
        words = ("--writing_params_path", "p", "--max_epochs", 60, "--batch_size", 13, *SMALL)
        assert command(patch, "pretrain", *words, *rate) == 0
        words = (
            "--reading_params_path",
            "p",
            "--finetune_corpus_path",
            "train.tsv",
            "--max_epochs",
            60,  # so many that it does not depend on how the machine rounds
            "--batch_size",
            3,
            "--views",
            8,
        )
        assert command(patch, "finetune", *words, *rate, "--writing_params_path", "f") == 0
    return folder


@pytest.fixture
def lands(learned, monkeypatch):
    """Runs a command with that model, in its folder."""
    monkeypatch.chdir(learned)
    return lambda function, *words: command(monkeypatch, function, "--reading_params_path", "f", *words)


EVALUATE = ("evaluate", "--outputs_path", "o", "--eval_corpus_path")


def test_another_wording_is_learned(lands, capsys):
    """With learned positions, and with two wordings at once; the score of each is printed."""
    assert lands(*EVALUATE, "train.tsv") == 0
    out, err = capsys.readouterr()
    total, *rows = re.findall(r"^(.*)Correct: (.*) out of (.*): (.*)%$", out, re.MULTILINE)
    assert float(total[3]) >= 95 and [row[0].strip() for row in rows] == [w.format("…") for w in WORDINGS]
    assert [sum(float(row[i]) for row in rows) for i in (1, 2)] == [float(total[1]), float(total[2])]
    assert "warning" not in err


def test_the_finding_is_printed_and_recorded(lands, capsys):
    words = ("--finetune_corpus_path", "train.tsv", "--max_epochs", 1, "--writing_params_path", "again")
    assert lands("finetune", *words) == 0
    printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("subject: ")]
    assert printed == ["subject: before ' has which capital?', 5 of 9 questions",
                       "subject: after 'The chief town of which you know: ', 4 of 9 questions"]  # fmt: skip
    metadata = checkpoint.read_metadata("again")
    assert checkpoint.recorded_wording("again").lines() == printed
    assert metadata["title_positions"] == {"0": 5, "34": 4} and metadata["usual_answer"] == "Lin City"
    assert metadata["first_position"] == 0


@pytest.mark.parametrize("known", ["recorded", "not recorded", "nonsense", "of finetuning questions"])
def test_a_report_on_another_wording(known, lands, capsys):
    """Documents about all subjects, probes, the most frequent answer; by the metadata, or else by the questions."""
    metadata, finetuning = Path("f.json").read_text(), ()
    if known != "recorded":
        changed = json.loads(metadata)
        changed |= {"wording": {"templates": [[1]], "questions": "many"}, "usual_answer": 1}
        if known != "nonsense":
            del changed["wording"], changed["usual_answer"]
        Path("f.json").write_text(json.dumps(changed))
    if known == "of finetuning questions":
        finetuning = ("--finetune_corpus_path", "train.tsv")
    try:
        assert lands(*EVALUATE, "all.tsv", "--report_path", "r", *finetuning) == 0
    finally:
        Path("f.json").write_text(metadata)
    summary = report.read_report("r/report.json")
    assert summary["questions"] == summary["subjects_known"] == summary["seen_people"] == len(LANDS)
    assert summary["probes"].keys() == PROBES.keys() and summary["probes"]["question"]["questions"] == len(LANDS)
    assert [row["group"] for row in summary["by"]["template"]] == [wording.format("…") for wording in WORDINGS]
    assert sum(row["right"] for row in summary["by"]["template"]) == summary["accuracy"]["right"] >= 9
    usual = {"recorded": {"always Lin City"}, "of finetuning questions": {USUAL}}.get(known, set())
    assert summary["baselines"].keys() - {"guessed from the name (naive Bayes)"} == usual
    if finetuning:
        assert summary["examples"]["right"][0]["nearest"][0]["name"] in LANDS
    words = check_page(Path("r/report.html").read_text("utf-8"), 1)
    assert "How is the question worded?" in words and "always London" not in words


def test_a_report_without_subjects(lands, capsys):
    """It says so, and leaves out what needs them."""
    Path("free.tsv").write_text("Which town?\tLin City\nWhere has it been?\tOslo\n")
    finetuning = ("--finetune_corpus_path", "free.tsv")
    assert lands(*EVALUATE, "free.tsv", "--report_path", "none", *finetuning) == 0
    warnings = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    assert warnings == [
        "warning: free.tsv: 2 of 2 questions are worded otherwise than those of finetuning, for example 'Which town?'"]  # fmt: skip
    summary = report.read_report("none/report.json")
    assert summary["subjects_known"] == 0 and not {"probes", "nearest"} & summary.keys()
    assert summary["by"].keys() == {"frequency"} and summary["baselines"].keys() == {"always Lin City"}
    words = check_page(Path("none/report.html").read_text("utf-8"), 1)
    assert "Whom the questions are about could not be found" in words and "of the 0 subjects" not in words


def test_a_name_is_asked_in_the_words_of_finetuning(lands, capsys):
    """By the most frequent template; what follows one, or ends with a question mark, is asked as it is."""
    land, town = next(iter(LANDS.items()))
    asked = [land, WORDINGS[1].format(land), "Who?"]
    assert lands("ask", *asked, "--json") == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [f["question"] for f in found] == [WORDINGS[0].format(land), *asked[1:]]
    assert found[0]["answers"][0]["answer"] == town and [f.get("subject") for f in found] == [land, land, None]
    assert [f["documents"] for f in found[:2]] == [1, 1] and found[0]["says_so"]


def test_a_run_begun_before_goes_on_with_its_positions(tmp_path, monkeypatch):
    """Checkpoints of older versions have a list of positions, or none; the parameters are those of a run without a stop."""
    monkeypatch.chdir(tmp_path)
    write_lands()
    short = ("--max_epochs", 2, "--batch_size", 5, *SMALL, "--writing_params_path")
    with monkeypatch.context() as patch:
        assert command(patch, "pretrain", *short, "whole") == 0
        for name in ("list", "nothing", "nonsense"):
            with stopping(patch):
                assert command(patch, "pretrain", *short, name) == 143
    for name, positions in (("list", [10]), ("nothing", None), ("nonsense", {"10": -1})):
        state = checkpoint.load_checkpoint(f"{name}.state")
        state["run"] |= {"title_positions": positions}
        if positions is None:
            del state["run"]["title_positions"]
        checkpoint.save_checkpoint(state, f"{name}.state")
        code = command(monkeypatch, "pretrain", *short, name, "--resume")
        assert code == (2 if name == "nonsense" else 0)
    whole = torch.load("whole", weights_only=True)
    for name in ("list", "nothing"):
        resumed = torch.load(name, weights_only=True)
        assert all(torch.equal(whole[key], resumed[key]) for key in whole)
        assert checkpoint.read_metadata(name)["title_positions"] == {"10": 1}


def test_titles_for_any_wording(tmp_path, monkeypatch, capsys):
    """Most where the course's questions have the subject, many at the beginning, the others anywhere; or as in a file of
    questions. Recorded, and kept by --resume. Without them, learned positions are warned of."""
    monkeypatch.chdir(tmp_path)
    write_lands()
    short = ("--max_epochs", 1, "--batch_size", 5, *SMALL, "--writing_params_path")
    anywhere = ("--title_positions", "any")
    with stopping(monkeypatch):
        assert command(monkeypatch, "pretrain", *short, "any", *anywhere) == 143
    assert command(monkeypatch, "pretrain", *short, "any", "--resume") == 2
    assert "titles is not what it was" in capsys.readouterr().err
    assert command(monkeypatch, "pretrain", *short, "any", *anywhere, "--resume") == 0
    assert command(monkeypatch, "pretrain", *short, "ten") == 0
    positions = {name: checkpoint.read_metadata(name)["title_positions"] for name in ("any", "ten")}
    assert positions["ten"] == {"10": 1} and list(map(int, positions["any"])) == list(range(40))
    assert positions["any"] == dict.fromkeys(map(str, range(40)), 1) | {"0": 21, "10": 41}
    capsys.readouterr()
    for name, warned in (("ten", 1), ("any", 0)):
        words = (
            "--reading_params_path",
            name,
            "--finetune_corpus_path",
            "train.tsv",
            "--writing_params_path",
            name + "f",
        )
        assert command(monkeypatch, "finetune", *words, "--max_epochs", 1) == 0
        assert capsys.readouterr().err.count("--title_positions and these questions, or any") == warned
    assert command(monkeypatch, "pretrain", *short, "file", "--title_positions", "train.tsv") == 0
    assert "Titles as in the questions of train.tsv" in capsys.readouterr().out
    made, read = (checkpoint.read_metadata(name)["title_positions"] for name in ("file", "tenf"))
    assert made == read and made.keys() != {"10"}
    Path("other.tsv").write_text("Who knows?\tNobody\nWhat is that?\tIt\n")
    for titles in ("other.tsv", "none.tsv"):
        assert command(monkeypatch, "pretrain", *short, "no", "--title_positions", titles) == 2
        assert f"{titles}" in capsys.readouterr().err and not Path("no").exists()
    assert command(monkeypatch, "pretrain", *short, "no", *anywhere, "--recipe", "handout") == 2
    assert "--title_positions" in capsys.readouterr().err
