"""The users' window on a run, looked at as a browser does: through a real TensorBoard's HTTP interface."""

import json
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import torch
from commands import PEOPLE, execute

from dataset import CharCorruptionDataset
from engine.monitor import Monitor
from evaluation.probes import PROBES
from generation import generate
from model import GPT, GPTConfig
from trainer import Trainer, TrainerConfig
from vocabulary import MASK

PRETRAIN = ("pretrain", "rope", "wiki.txt", "--writing_params_path", "a.params", "--max_epochs", "3", "--batch_size", "5",
            "--eval_corpus_path", "birth_dev.tsv", "--device", "cpu")  # fmt: skip
FINETUNE = ("finetune", "rope", "wiki.txt", "--reading_params_path", "a.params", "--writing_params_path", "b.params",
            "--finetune_corpus_path", "birth_places_train.tsv", "--eval_corpus_path", "birth_dev.tsv", "--max_epochs", "2",
            "--batch_size", "4", "--device", "cpu")  # fmt: skip


@pytest.fixture
def server(folder, monkeypatch):
    """A function that gets JSON from a TensorBoard server that shows two runs."""
    assert execute(monkeypatch, *PRETRAIN) == 0
    assert execute(monkeypatch, *FINETUNE) == 0
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", "expt", "--port", "0", "--host", "127.0.0.1",
               "--load_fast", "false", "--reload_interval", "1"]  # fmt: skip
    with open("log", "w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        deadline, found = time.monotonic() + 60, None
        while not found:
            assert process.poll() is None and time.monotonic() < deadline, Path("log").read_text()
            time.sleep(0.1)
            found = re.search(r"http://[^ ]+:\d+/", Path("log").read_text())

        def get(path, body=None):
            request = urllib.request.Request(found[0] + "data/" + path, data=body and json.dumps(body).encode())
            if body:
                request.add_header("Content-Type", "application/json")
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)

        while len(get("runs")) < 2 or not get("plugin/scalars/tags").get(FINETUNED):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield get
    finally:
        process.terminate()
        process.wait(timeout=30)


PRETRAINED, FINETUNED = "pretrain/run_rope-fast-s0", "finetune/run_rope-fast-s0"


def test_what_tensorboard_shows(server):
    tags = server("plugin/scalars/tags")
    train = {f"train/{name}" for name in ("loss", "lr", "grad_norm", "padding", "tokens_per_second")}
    known = {"heldout/span_corruption_loss", "dev/accuracy", *(f"probe/{name}" for name in PROBES)}
    assert train | known <= set(tags[PRETRAINED]) & set(tags[FINETUNED])

    def scalars(run, tag):
        return [(step, value) for _, step, value in server(f"plugin/scalars/scalars?run={run}&tag={tag}")]

    losses = scalars(PRETRAINED, "train/loss")
    assert [step for step, _ in losses] == list(range(1, 10)) and losses[-1][1] < losses[0][1]
    assert [step for step, _ in scalars(PRETRAINED, "heldout/span_corruption_loss")] == [3, 6, 9]
    assert [step for step, _ in scalars(PRETRAINED, "probe/context")] == [3, 6, 9]
    assert all(0 <= value < 1 for _, value in scalars(PRETRAINED, "train/padding"))
    assert all(0 <= value <= 1 for _, value in scalars(FINETUNED, "dev/accuracy"))
    texts = server("plugin/text/tags")
    assert all(
        {"completions", "recipe"} <= {tag.split("/")[0] for tag in texts[run]} for run in (PRETRAINED, FINETUNED)
    )
    text = server(f"plugin/text/text?run={FINETUNED}&tag=completions/text_summary")
    assert [item["step"] for item in text] == [2, 4] and "Where was Zo Kern born?" not in text[0]["text"]
    assert "Where was Zoë Kern born?" in text[0]["text"] and "-&gt;" in text[0]["text"]
    experiment = server("plugin/hparams/experiment", {"experimentName": ""})
    columns = {info["name"] for info in experiment["hparamInfos"]}
    assert {"lr", "batch_size", "epochs", "variant", "seed", "dropout"} <= columns


class Recorder:
    """Stands for a RobustWriter, and keeps what it was given last."""

    def __init__(self):
        self.logged = {}

    def add_scalar(self, tag, value, step):
        self.logged[tag] = value

    add_text = add_scalar


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
    assert all(f"{question}  ->  {answer}\n" in logged["completions"] for question, answer in zip(questions, said))
    assert model.training
    completions = logged["completions"]
    logged.clear()
    Monitor(trainer, corpus, recorder, questions, None, prompts)(1)  # questions whose answers nobody knows
    assert logged.keys() == {"heldout/span_corruption_loss", "completions"} and logged["completions"] == completions


@pytest.mark.parametrize(("epochs", "times"), [(1, 1), (50, 50), (60, 30), (99, 50), (101, 34)])
def test_a_long_run_is_looked_at_fifty_times_at_most(epochs, times):
    """And after its last epoch."""
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


def test_documents_are_completed_where_they_stood_in_training():
    """With learned positions that all differ, what is held out is known at the position that is named, and there only."""
    torch.manual_seed(0)
    corpus = CharCorruptionDataset("\n".join(f"{name}. {name} was born in {place} ." for name, place in PEOPLE), 128)
    model = GPT(GPTConfig(corpus.vocab_size, 128, n_layer=1, n_head=2, n_embd=16))
    torch.nn.init.normal_(model.pos_emb)
    trainer = Trainer(model, corpus, None, TrainerConfig(max_epochs=1, batch_size=4, device="cpu", dtype="float32"))

    def logged(start):
        recorder = Recorder()
        Monitor(trainer, corpus, recorder, start_position=start)(1)
        return recorder.logged["heldout/span_corruption_loss"], recorder.logged["completions"]

    (loss_at_0, _), (loss, completions) = logged(0), logged(10)
    assert loss != pytest.approx(loss_at_0, rel=1e-4)
    with torch.no_grad():  # what stood at 10 stands at 0
        model.pos_emb[:, :-10] = model.pos_emb[:, 10:].clone()
    assert logged(0) == (pytest.approx(loss, rel=1e-6), completions)
