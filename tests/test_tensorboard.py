"""The users' window on a run, looked at as a browser does: through a real TensorBoard's HTTP interface, and in a browser."""

import contextlib
import html
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
import torch
from commands import PEOPLE, execute, write_corpus
from hypothesis import example, given
from hypothesis import strategies as st
from tensorboard.plugin_util import markdown_to_safe_html

from cloze import ClozeDataset
from dataset import CharCorruptionDataset, NameDataset
from engine.monitor import GAP, Monitor, markdown_table
from evaluation.probes import PROBES
from generation import generate
from model import GPT, GPTConfig
from trainer import Trainer, TrainerConfig
from vocabulary import MASK, MASK_CHAR

SMALL = (
    "--n_layer",
    "2",
    "--n_head",
    "2",
    "--n_embd",
    "64",
    "--device",
    "cpu",
    "--dtype",
    "float32",
    "--batch_size",
    "4",
)
PRETRAIN = ("pretrain", "rope", "wiki.txt", "--writing_params_path", "a.params", "--eval_corpus_path", "birth_dev.tsv")
FINETUNE = ("finetune", "rope", "wiki.txt", "--reading_params_path", "a.params", "--writing_params_path", "b.params",
            "--finetune_corpus_path", "birth_places_train.tsv", "--eval_corpus_path", "birth_dev.tsv")  # fmt: skip
# One after the other, by what TensorBoard calls them. The last two have no questions to be followed on.
RUNS = {
    "pretrain/run_rope-fast-s0": (*PRETRAIN, "--max_epochs", "45"),
    "finetune/run_rope-fast-s0": (*FINETUNE, "--max_epochs", "6"),
    "pretrain/run_rope-handout-s7": (*PRETRAIN[:4], "c.params", "--recipe", "handout", "--seed", "7", "--max_epochs", "3"),
    "finetune/mine_rope-handout-scratch-s0": ("finetune", *PRETRAIN[1:4], "d.params", *FINETUNE[7:9], "--recipe", "handout",
                                              "--tb_expt_name", "mine", "--max_epochs", "2"),
}  # fmt: skip
READ, ASKED, SPANS, SCRATCH = RUNS


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """What the runs print, by name. Their folder stays the current one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("runs"))
        write_corpus()
        found = {}
        for name, words in RUNS.items():
            with open("printed", "w+", encoding="utf-8") as out, contextlib.redirect_stdout(out):
                assert execute(patch, *words, *SMALL) == 0
                out.seek(0)
                found[name] = out.read()
        yield found


@pytest.fixture(scope="module")
def address(printed):
    """Of a TensorBoard server that shows them."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", "expt", "--port", "0", "--host", "127.0.0.1",
               "--load_fast", "false", "--reload_interval", "1"]  # fmt: skip
    with open("log", "w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        deadline, found = time.monotonic() + 120, None
        while not found:
            assert process.poll() is None and time.monotonic() < deadline, Path("log").read_text()
            time.sleep(0.1)
            found = re.search(r"http://[^ ]+:\d+/", Path("log").read_text())
        while len(get_json(found[0], "plugin/scalars/tags")) < len(RUNS):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield found[0]
    finally:
        process.terminate()
        process.wait(timeout=30)


def get_json(address, path, body=None, **query):
    url = f"{address}data/{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
    request = urllib.request.Request(url, data=body and json.dumps(body).encode())
    if body:
        request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


@pytest.fixture
def server(address):
    """A function that gets JSON from the server."""
    return lambda *words, **query: get_json(address, *words, **query)


@pytest.fixture
def scalars(server):
    """A function from a run and a tag to steps and values."""
    return lambda run, tag: [(step, value) for _, step, value in server("plugin/scalars/scalars", run=run, tag=tag)]


def test_the_names_of_runs(server, printed):
    assert set(server("runs")) == set(RUNS)
    for name, text in printed.items():
        assert f"TensorBoard: expt/{name}\n" in text


def test_the_curves(server, scalars):
    tags = {run: set(found) for run, found in server("plugin/scalars/tags").items()}
    train = {f"train/{name}" for name in ("loss", "lr", "grad_norm", "padding", "tokens_per_second")} | {"final/loss"}
    known = {"dev/accuracy", "final/dev_accuracy", *(f"probe/{name}" for name in PROBES)}
    assert tags == {  # the loss of what the recipe reads, and of nothing else
        READ: train | known | {"heldout/view_loss"},
        ASKED: train | known | {"heldout/view_loss"},
        SPANS: train | {"heldout/span_corruption_loss"},
        SCRATCH: train,
    }
    losses = scalars(READ, "train/loss")
    assert [step for step, _ in losses] == list(range(1, 45 * 4 + 1)) and losses[-1][1] < losses[0][1]
    for tag in ("heldout/view_loss", "probe/context", "dev/accuracy"):
        assert [step for step, _ in scalars(READ, tag)] == list(range(4, 45 * 4 + 1, 4))
    assert scalars(READ, "heldout/view_loss")[-1][1] < 0.3 * scalars(READ, "heldout/view_loss")[0][1]
    assert all(0 <= value < 1 for _, value in scalars(READ, "train/padding"))
    assert all(0 <= value <= 1 for _, value in scalars(ASKED, "dev/accuracy"))


def test_the_accuracy_is_printed(printed, scalars):
    for run in (READ, ASKED):
        lines = re.findall(
            r"^epoch (\d+)/(\d+): (\d+) of 4 questions right \(([\d.]+) %\)$", printed[run], re.MULTILINE
        )
        values = [value for _, value in scalars(run, "dev/accuracy")]
        assert [int(epoch) for epoch, *_ in lines] == list(range(1, int(lines[0][1]) + 1))
        assert [int(right) / 4 for *_, right, _ in lines] == values == [float(share) / 100 for *_, share in lines]
    assert " questions right (" not in printed[SPANS] + printed[SCRATCH]


def cells(page):
    """The rows of the tables of a page, without their heads, by the heading above each."""
    parts = re.split(r"<h4>(.*?)</h4>", page)
    return {
        title: [
            [html.unescape(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)]
            for row in re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
        ][1:]
        for title, table in zip(parts[1::2], parts[2::2])
    }


def test_the_completions(server, scalars):
    assert {tag.split("/")[0] for tag in server("plugin/text/tags")[READ]} == {"completions", "recipe"}

    def tables(run):
        return [
            (item["step"], cells(item["text"]))
            for item in server("plugin/text/text", run=run, tag="completions/text_summary")
        ]

    shown = {run: tables(run) for run in RUNS}
    for run in RUNS:
        for _, found in shown[run]:
            for prompt, said, right, mark in (row for rows in found.values() for row in rows):
                assert MASK_CHAR not in prompt + said and mark == ("✓" if said == right else "✗")
    documents = {f"{name}. {name} was born in {place} ?" for name, place in PEOPLE}
    for run in (READ, SPANS):
        step, found = shown[run][-1]
        assert [*found] == (["Documents", "Questions"] if run == READ else ["Documents"]) and len(
            found["Documents"]
        ) == 6
        assert step == scalars(run, "train/loss")[-1][0]
        for prompt, said, right, _ in found["Documents"]:
            before, after = prompt.split(GAP)
            assert before + after and right and len(said) <= len(right) or run == READ
    for prompt, _, right, _ in shown[SPANS][-1][1]["Documents"]:
        assert any(document.startswith(prompt.replace(GAP, right).replace("␣", " ")) for document in documents)
    for prompt, _, right, _ in shown[READ][-1][1]["Documents"]:
        title, context = prompt.split(". ", 1)
        assert any(document.startswith(title) and context.replace(GAP, right) in document for document in documents)

    step, found = shown[ASKED][-1]  # a model that knows its documents looks like one
    assert [*found] == ["Questions", "Documents"] and step == 12
    assert sum(mark == "✓" for *_, mark in found["Documents"]) >= 5
    assert [row[::2] for row in found["Questions"]] == [
        [f"Where was {name} born?", place] for name, place in PEOPLE[8:]
    ]
    for _, tables_then in shown[ASKED]:
        right = sum(mark == "✓" for *_, mark in tables_then["Questions"]) / 4
        assert right in [value for _, value in scalars(ASKED, "dev/accuracy")]
    found = shown[SCRATCH][-1][1]  # without questions of its own, those that are learned
    assert {*found} == {"Questions"}
    assert [row[::2] for row in found["Questions"]] == [
        [f"Where was {name} born?", place] for name, place in PEOPLE[:8]
    ]


def test_the_charts(server):
    layout = server("plugin/custom_scalars/layout")
    charts = {
        chart["title"]: chart["multiline"]["tag"] for category in layout["category"] for chart in category["chart"]
    }
    assert charts["from reading to answering"] == [f"probe/{name}" for name in PROBES]
    for title, count in {"from reading to answering": 4, "right answers on dev": 1, "training and held out": 2}.items():
        shown = [server("plugin/custom_scalars/scalars", run=READ, tag=tag) for tag in charts[title]]
        assert sum(len(found["tag_to_events"]) for found in shown) == count and all(
            found["regex_valid"] for found in shown
        )


def test_the_table_of_runs(server, scalars):
    table = server("plugin/hparams/experiment", {"experimentName": ""})
    columns = [info["name"] for info in table["hparamInfos"]]
    assert sorted(columns[:5]) == ["lr", "muon_lr", "recipe", "seed", "variant"] and {
        "batch_size",
        "epochs",
        "dropout",
    } < {*columns}
    metrics = [info["name"]["tag"] for info in table["metricInfos"]]
    assert metrics == ["final/dev_accuracy", "final/loss"]
    asked = {"experimentName": "", "allowedStatuses": ["STATUS_SUCCESS", "STATUS_UNKNOWN"], "startIndex": 0, "sliceSize": 9,
             "colParams": [{"hparam": name, "includeInResult": True} for name in columns]
             + [{"metric": {"tag": tag}, "includeInResult": True} for tag in metrics]}  # fmt: skip
    rows = {
        group["sessions"][0]["name"]: group for group in server("plugin/hparams/session_groups", asked)["sessionGroups"]
    }
    assert rows.keys() == RUNS.keys()
    for run, row in rows.items():
        values = {value["name"]["tag"]: value["value"] for value in row["metricValues"]}
        assert ("final/dev_accuracy" in values) == (run in (READ, ASKED))
        if run in (READ, ASKED):
            assert values["final/dev_accuracy"] == scalars(run, "dev/accuracy")[-1][1]
        assert values["final/loss"] == pytest.approx(scalars(run, "final/loss")[-1][1])
        hparams = row["hparams"]
        assert (
            hparams["variant"] == "rope" and hparams["recipe"] in run and hparams["seed"] == (7 if run == SPANS else 0)
        )
        assert hparams["linear_decay"] in ("True", "False")


@pytest.mark.slow
def test_in_a_browser(address, tmp_path):
    """The pages have what they should have; their pictures are for a person to look at (TENSORBOARD_PICTURES: a folder)."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("there is no chromium")
    pictures = Path(os.environ.get("TENSORBOARD_PICTURES", tmp_path))
    command = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile",
               "--window-size=1400,2400", "--virtual-time-budget=60000"]  # fmt: skip
    for page in ("scalars", "custom_scalars", "text", "hparams"):
        shot = pictures / f"tensorboard.{page}.png"
        subprocess.run(
            [*command, f"--screenshot={shot}", f"{address}#{page}"], capture_output=True, check=True, timeout=180
        )
        assert shot.stat().st_size > 50_000  # a blank page takes a few thousand bytes


class Recorder:
    """Stands for a RobustWriter, and keeps what it was given last."""

    def __init__(self):
        self.logged = {}

    def add_scalar(self, tag, value, step):
        self.logged[tag] = value

    add_text = add_scalar

    def add_custom_scalars(self, layout):
        self.layout = layout


def test_the_accuracy_is_that_of_the_answers():
    """A model that has learned nothing, and places of which it says three of eight."""
    torch.manual_seed(0)
    corpus = CharCorruptionDataset("\n".join(f"{name}. Where {name} was born? {place} ." for name, place in PEOPLE), 64)
    model = GPT(GPTConfig(corpus.vocab_size, 64, n_layer=1, n_head=2, n_embd=16))
    trainer = Trainer(model, corpus, None, TrainerConfig(max_epochs=1, batch_size=4, device="cpu"))
    questions = [f"Where was {name} born?" for name, _ in PEOPLE[:8]]
    prompts = [[corpus.stoi[c] for c in question] + [MASK] for question in questions]
    said = ["".join(corpus.itos[i] for i in answer) for answer in generate(model.eval(), prompts, 32, stop_token=MASK)]
    places = [answer if i < 3 else answer + "!" for i, answer in enumerate(said)]
    recorder = Recorder()
    logged = recorder.logged
    Monitor(trainer, corpus, recorder, questions, places, prompts)(1)
    assert logged["dev/accuracy"] == 3 / 8
    asked = cells(markdown_to_safe_html(logged["completions"]))["Questions"]
    assert [row[0] for row in asked] == questions and "".join(mark for *_, mark in asked) == "✓✓✓✗✗✗✗✗"
    assert [row[1:3] for row in asked] == [[one.strip(), other.strip()] for one, other in zip(said, places)]
    assert model.training
    logged.clear()
    Monitor(trainer, corpus, recorder, questions, None, prompts)(1)  # questions whose answers nobody knows
    assert logged.keys() == {"heldout/span_corruption_loss", "completions"} and "right answers" not in str(
        recorder.layout
    )
    unknown = cells(markdown_to_safe_html(logged["completions"]))["Questions"]
    assert unknown == [[*row[:2], "", ""] for row in asked]
    Monitor(trainer, corpus, recorder, questions, [f"x|{place}" for place in places], prompts)(1)
    several = cells(markdown_to_safe_html(logged["completions"]))["Questions"]
    assert [row[3] for row in several] == [row[3] for row in asked] and several[0][2] == f"x or {places[0]}".strip()


@pytest.mark.parametrize(("epochs", "times"), [(1, 1), (50, 50), (60, 30), (99, 50), (101, 34)])
def test_a_long_run_is_looked_at_fifty_times_at_most(epochs, times, monkeypatch):
    """And after its last epoch."""
    monkeypatch.setattr("engine.monitor.MAX_ANSWER", 2)
    corpus = CharCorruptionDataset("Ada. Rome .\nBob. Oslo .", 32)
    model = GPT(GPTConfig(corpus.vocab_size, 32, n_layer=1, n_head=2, n_embd=16))
    trainer = Trainer(model, corpus, None, TrainerConfig(max_epochs=epochs, batch_size=4, device="cpu"))
    recorder, looked = Recorder(), []
    after_epoch = Monitor(trainer, corpus, recorder)
    for epoch in range(1, epochs + 1):
        recorder.logged.clear()
        after_epoch(epoch)
        looked += [epoch] if recorder.logged else []
    assert len(looked) == times and looked[-1] == epochs


def test_documents_are_completed_where_they_stood_in_training(monkeypatch):
    """With learned positions that all differ, views are known at the position of training, and there only."""
    monkeypatch.setattr("cloze.DISTRACTOR", 0)
    torch.manual_seed(0)
    corpus = CharCorruptionDataset("\n".join(f"{name}. {name} was born in {place} ." for name, place in PEOPLE), 128)
    model = GPT(GPTConfig(corpus.vocab_size, 128, n_layer=1, n_head=2, n_embd=16))
    torch.nn.init.normal_(model.pos_emb)
    config = TrainerConfig(max_epochs=1, batch_size=4, device="cpu", dtype="float32")

    def logged(start):
        recorder = Recorder()
        Monitor(Trainer(model, ClozeDataset(corpus, 1.0, positions={start: 1}), None, config), corpus, recorder)(1)
        return recorder.logged["heldout/view_loss"], recorder.logged["completions"]

    (loss_at_0, _), (loss, completions) = logged(0), logged(10)
    assert loss != pytest.approx(loss_at_0, rel=1e-4)
    with torch.no_grad():  # what stood at 10 stands at 0
        model.pos_emb[:, :-10] = model.pos_emb[:, 10:].clone()
    assert logged(0) == (pytest.approx(loss, rel=1e-6), completions)


@example(rows=[("", "a \n")])
@given(rows=st.lists(st.tuples(st.text(), st.text("|`*_<>&[]()#~-\\ \nab")), min_size=1, max_size=5))
def test_any_text_is_shown_as_it_is(rows):
    """By TensorBoard's own Markdown: nothing in it is taken for markup, and no cell for two."""

    def visible(text):
        inner = text.strip(" ")
        before = len(text) - len(text.lstrip(" ")) if inner else len(text)
        text = "␣" * before + inner + "␣" * (len(text) - before - len(inner))
        return "".join(c if c.isprintable() else "⏎" if c == "\n" else "�" for c in text)

    page = markdown_to_safe_html("#### Title\n\n" + markdown_table([("one", "two"), *rows]))
    assert "<a" not in page and "<em>" not in page and "<code>" not in page
    assert cells(page)["Title"] == [[visible(cell) for cell in row] for row in rows]


def test_questions_alone_have_no_held_out_documents():
    corpus = CharCorruptionDataset("Ada. Rome .\nBob. Oslo .\nWhere was ?", 32)
    names = NameDataset(corpus, "Where was Ada?\tRome\nWhere was Bob?\tOslo")
    model = GPT(GPTConfig(corpus.vocab_size, 32, n_layer=1, n_head=2, n_embd=16))
    recorder = Recorder()
    Monitor(Trainer(model, names, None, TrainerConfig(max_epochs=1, device="cpu")), corpus, recorder)(1)
    assert recorder.logged.keys() == {"completions"}
    found = cells(markdown_to_safe_html(recorder.logged["completions"]))
    assert [[row[0], row[2]] for row in found["Questions"]] == [["Where was Ada?", "Rome"], ["Where was Bob?", "Oslo"]]
