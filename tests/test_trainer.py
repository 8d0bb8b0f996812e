import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_model import config
from textbook import TextbookGPT
from torch import nn
from torch.utils.data import Dataset

import trainer
from dataset import CharCorruptionDataset, NameDataset
from engine.checkpoint import load_checkpoint
from engine.devices import choose_compile, choose_device, choose_dtype
from engine.files import InputError
from engine.optimizers import lr_factor
from generation import generate
from model import GPT
from questions import encode_question
from trainer import Batches, Stopped, Trainer, TrainerConfig
from utils import set_seed
from vocabulary import MASK, decode

TEXT = "\n".join(
    f"Person {chr(65 + i)}. Person {chr(65 + i)} was born in {['Rome', 'Oslo'][i % 2]} ." for i in range(10)
)


class Pairs(Dataset):
    """y = 2x: examples of a model that has nothing to do with GPT."""

    def __len__(self):
        return 10

    def __getitem__(self, i):
        return torch.tensor([i / 10]), torch.tensor([i / 5])


class Line(nn.Module):
    def __init__(self):
        super().__init__()
        self.slope = nn.Parameter(torch.zeros(1, 1))

    def forward(self, x, y):
        out = x @ self.slope
        return out, ((out - y) ** 2).mean()


class Recorder:
    """As much of a SummaryWriter as the trainer uses."""

    def __init__(self):
        self.seen = []

    def add_scalar(self, tag, value, step):
        self.seen.append((tag, step, value))

    def of(self, tag):
        return [value for t, _, value in self.seen if t == tag]


@pytest.mark.parametrize("batch_size", [3, 5, 10, 64])
def test_each_epoch_has_every_example_once_in_another_order(batch_size):
    batches = Batches(Pairs(), batch_size, epochs=3, seed=1)
    assert len(batches) == 3 * math.ceil(10 / batch_size)
    seen = [torch.cat([batches[step][0] for step in range(e * batches.per_epoch, (e + 1) * batches.per_epoch)])
            for e in range(3)]  # fmt: skip
    order = [tuple((x[:, 0] * 10).round().int().tolist()) for x in seen]
    assert all(sorted(o) == list(range(10)) for o in order) and len(set(order)) == 3
    again = Batches(Pairs(), batch_size, epochs=3, seed=1)
    assert torch.equal(again[len(again) - 1][0], batches[len(batches) - 1][0])  # from any step on
    assert len({tuple(Batches(Pairs(), 10, 1, seed)[0][0][:, 0].tolist()) for seed in range(5)}) == 5


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_make_no_difference(workers):
    dataset = CharCorruptionDataset(TEXT, 32)
    made = Trainer(Line(), dataset, None, TrainerConfig(num_workers=workers, device="cpu")).load(
        Batches(dataset, 4, 2, 7)
    )
    expected = Batches(dataset, 4, 2, 7)
    for step, batch in enumerate(made):
        assert all(torch.equal(a, b) for a, b in zip(batch, expected[step]))
    assert step == len(expected) - 1
    assert not torch.equal(expected[0][0], Batches(dataset, 4, 2, 8)[0][0])


def test_trains_anything():
    model, writer = Line(), Recorder()
    settings = {"max_epochs": 60, "batch_size": 4, "learning_rate": 0.05, "weight_decay": 0.0, "writer": writer}
    Trainer(model, Pairs(), Pairs(), TrainerConfig(**settings, device="cpu", dtype="float32")).train()
    assert model.slope.item() == pytest.approx(2, abs=0.05)
    assert [step for tag, step, _ in writer.seen if tag == "train/loss"] == list(range(1, 181))
    assert len(writer.of("test/loss")) == 60 and writer.of("test/loss")[-1] < 1e-2


def textbook_training(model, dataset, settings, steps):
    """Losses of the plainest loop there is, on the padded examples of the same batches."""
    decay = [p for p in model.parameters() if p.dim() >= 2]
    other = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": decay, "weight_decay": 0.1}, {"params": other, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95), fused=False, foreach=False)
    batches, losses, tokens = Batches(dataset, settings.batch_size, settings.max_epochs, settings.seed), [], 0
    for step in range(steps):
        epoch, place = divmod(step, batches.per_epoch)
        order = np.random.default_rng((settings.seed, 0, epoch)).permutation(len(dataset))
        indices = order[place * settings.batch_size : (place + 1) * settings.batch_size]
        rows = torch.from_numpy(dataset.corrupt(indices, np.random.default_rng((settings.seed, 1, step))).astype(int))
        x, y = rows[:, :-1], rows[:, 1:]
        tokens += int((y != 0).sum())
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * lr_factor(tokens, settings.warmup_tokens, settings.final_tokens)
        _, loss = model(x, y)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.grad_norm_clip)
        optimizer.step()
        losses.append(loss.item())
    return losses


def twenty_steps(variant, device, dtype):
    """Without dropout: what a Recorder has seen of twenty steps, and the losses of the textbook's."""
    dataset, writer = CharCorruptionDataset(TEXT, 32), Recorder()
    shape = config(variant, vocab_size=dataset.vocab_size, block_size=32)
    set_seed(0)
    model, textbook = GPT(shape), TextbookGPT(shape)
    textbook.load_state_dict(model.state_dict())
    settings = TrainerConfig(max_epochs=5, batch_size=3, learning_rate=1e-2, lr_decay=True, warmup_tokens=150,
                             final_tokens=900, writer=writer, device=device, dtype=dtype)  # fmt: skip
    Trainer(model, dataset, None, settings).train()
    return writer, textbook_training(textbook, dataset, settings, 20)


@pytest.mark.parametrize("tokens_at_once", [trainer.CPU_TOKENS, 64])  # all at once, or in several parts
@pytest.mark.parametrize("variant", ["vanilla", "rope", "synthesizer"])
def test_twenty_steps_are_the_textbooks(variant, tokens_at_once, monkeypatch):
    monkeypatch.setattr(trainer, "CPU_TOKENS", tokens_at_once)
    writer, expected = twenty_steps(variant, "cpu", "float32")
    assert writer.of("train/loss") == pytest.approx(expected, rel=2e-3)
    rates = writer.of("train/lr")
    assert rates[0] < rates[1] and max(rates) <= 1e-2
    assert rates[-1] == pytest.approx(1e-3)
    assert writer.of("train/loss")[-1] < writer.of("train/loss")[0]


def test_a_schedule_as_long_as_the_run():
    """Without final_tokens the rate rises in the first tenth of the run, and reaches its minimum in the last step, though
    steps differ in their tokens."""
    set_seed(0)
    dataset, writer = CharCorruptionDataset(TEXT, 32), Recorder()
    model = GPT(config("rope", vocab_size=dataset.vocab_size, block_size=32))
    settings = TrainerConfig(max_epochs=10, batch_size=3, learning_rate=1e-2, lr_decay=True, warmup_tokens=10**9,
                             final_tokens=None, min_lr_ratio=0.25, linear_decay=True, writer=writer, device="cpu")  # fmt: skip
    Trainer(model, dataset, None, settings).train()
    rates = writer.of("train/lr")
    assert rates[:4] == pytest.approx([1e-2 * step / 4 for step in range(1, 5)]) and rates[-1] == pytest.approx(2.5e-3)
    expected = [1e-2 * (0.25 + 0.75 * (1 - (step - 4) / 36)) for step in range(4, 41)]
    assert rates[3:] == pytest.approx(expected)


def test_same_seed_same_parameters():
    def train(seed):
        set_seed(seed)
        dataset = CharCorruptionDataset(TEXT, 32)
        model = GPT(config("rope", vocab_size=dataset.vocab_size, block_size=32, attn_pdrop=0.1, resid_pdrop=0.1))
        Trainer(model, dataset, None, TrainerConfig(max_epochs=3, batch_size=4, seed=seed, device="cpu")).train()
        return torch.cat([p.detach().flatten() for p in model.parameters()])

    assert torch.equal(train(1), train(1)) and not torch.equal(train(1), train(2))


def test_a_loss_that_is_not_finite_ends_the_run_and_leaves_the_parameters():
    class Broken(Line):
        calls = 0

        def forward(self, x, y):
            self.calls += 1
            out, loss = super().forward(x, y)
            return out, loss * (math.nan if self.calls == 3 else 1)

    model = Broken()
    with pytest.raises(FloatingPointError, match="nan at step 3, learning rate 3.00e-04"):
        Trainer(model, Pairs(), None, TrainerConfig(batch_size=5, device="cpu", dtype="float32")).train()
    assert model.slope.isfinite().all() and model.slope.item() != 0


def test_a_gradient_that_is_not_finite_ends_the_run_and_leaves_the_parameters(tmp_path):
    model = Line()
    steps = []
    model.slope.register_hook(lambda gradient: steps.append(1) or gradient * (math.inf if len(steps) == 3 else 1))
    path = tmp_path / "x.params"
    settings = TrainerConfig(max_epochs=4, batch_size=5, device="cpu", dtype="float32", ckpt_path=path)
    with pytest.raises(FloatingPointError, match="the gradient is inf long at step 3, learning rate 3.00e-04"):
        Trainer(model, Pairs(), None, settings).train()
    assert model.slope.isfinite().all() and model.slope.item() != 0 and not path.exists()


def overflow_in(monkeypatch, last):
    """The parameters of a Line are infinite after that step."""
    step = Trainer.step

    def overflowing(self, batch):
        stop = step(self, batch)
        if self.steps == last:
            self.model.slope.data.fill_(math.inf)
        return stop

    monkeypatch.setattr(Trainer, "step", overflowing)


def test_a_last_step_that_is_not_finite_is_not_saved(tmp_path, monkeypatch):
    """No loss is computed after it that would tell."""
    overflow_in(monkeypatch, 8)
    path = tmp_path / "x.params"
    settings = TrainerConfig(max_epochs=4, batch_size=5, device="cpu", dtype="float32", ckpt_path=path)
    with pytest.raises(FloatingPointError, match="parameters are not finite after step 8, learning rate 3.00e-04"):
        Trainer(Line(), Pairs(), None, settings).train()
    assert not path.exists()


def test_a_state_that_is_not_finite_is_not_saved(tmp_path, monkeypatch):
    overflow_in(monkeypatch, 3)
    settings = TrainerConfig(max_epochs=4, batch_size=5, device="cpu", dtype="float32", save_minutes=0.0,
                             state_path=str(tmp_path / "x.state"), run={})  # fmt: skip
    with pytest.raises(FloatingPointError, match="parameters are not finite after step 3, learning rate 3.00e-04"):
        Trainer(Line(), Pairs(), None, settings).train()
    state = load_checkpoint(settings.state_path)
    assert state["progress"]["steps"] == 2 and state["model"]["slope"].isfinite().all()


def test_parameters_are_saved(tmp_path, monkeypatch):
    path = tmp_path / "x.params"
    saves = []
    monkeypatch.setattr(trainer, "save_params", lambda model, path: saves.append((model.slope.item(), path)))
    model = Line()
    Trainer(model, Pairs(), None, TrainerConfig(max_epochs=4, ckpt_path=path, device="cpu")).train()
    assert saves == [(model.slope.item(), path)]  # at the end
    saves.clear()
    worse_and_worse = TrainerConfig(max_epochs=4, learning_rate=100.0, ckpt_path=path, device="cpu", dtype="float32")
    writer = Recorder()
    Trainer(Line(), Pairs(), Pairs(), replace(worse_and_worse, writer=writer)).train()
    losses = writer.of("test/loss")
    assert len(saves) == sum(loss < min(losses[:i], default=math.inf) for i, loss in enumerate(losses))  # the best
    assert 0 < len(saves) < 4


def small_run(variant, path, seed=1, **settings):
    """A trainer of a tiny model with dropout: 15 steps, in three epochs."""
    set_seed(seed)
    dataset = CharCorruptionDataset(TEXT, 32)
    dropout = {"attn_pdrop": 0.1, "resid_pdrop": 0.1, "embd_pdrop": 0.1}
    model = GPT(config(variant, vocab_size=dataset.vocab_size, block_size=32, **dropout))
    settings = {"max_epochs": 3, "batch_size": 2, "learning_rate": 1e-2, "lr_decay": True, "warmup_tokens": 100,
                "final_tokens": 900, "seed": seed, "device": "cpu", "state_path": str(path)} | settings  # fmt: skip
    return Trainer(model, dataset, None, TrainerConfig(**settings))


def parameters_of(trainer):
    return torch.cat([p.detach().flatten() for p in trainer.model.parameters()])


@pytest.mark.parametrize("variant", ["vanilla", "rope", "synthesizer"])
@pytest.mark.parametrize("workers", [0, 1])
def test_a_run_that_is_stopped_goes_on_exactly(variant, workers, tmp_path):
    """Stopped after step 2, 5 (the end of an epoch), 8 and 14, each time begun anew from the file: the same, bit for bit."""

    class Stopping(Recorder):
        def add_scalar(self, tag, value, step):
            super().add_scalar(tag, value, step)
            current.stop = step in (1, 4, 7, 13)  # seen in the step that follows

        def flush(self):
            pass

    whole = small_run(variant, tmp_path / "whole.state", num_workers=workers, writer=(uninterrupted := Stopping()))
    current = Pairs()  # nobody
    whole.train()
    writer, stops = Stopping(), 0
    current = small_run(variant, tmp_path / "x.state", num_workers=workers, writer=writer)
    while current.steps < 15:
        try:
            current.train()
        except Stopped as error:
            stops += 1
            assert f"after step {current.steps} of 15" in str(error)
            torch.rand(stops)  # whatever else the process does with its generators
            current = small_run(variant, tmp_path / "x.state", seed=1, num_workers=workers, writer=writer)
            current.model.apply(GPT._init_weights)
            current.restore(load_checkpoint(str(tmp_path / "x.state")))
    assert stops == 4
    assert torch.equal(parameters_of(current), parameters_of(whole))
    curves = [[seen for seen in w.seen if seen[0] != "train/tokens_per_second"] for w in (writer, uninterrupted)]
    assert curves[0] == curves[1]
    assert (current.tokens, current.mean_loss) == (whole.tokens, whole.mean_loss)


def test_state_is_saved_when_due(tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(trainer, "save_checkpoint", lambda state, path: saved.append(state["progress"]["steps"]))
    small_run("rope", tmp_path / "x.state", save_minutes=0).train()
    assert saved == list(range(15))  # at the start, and after each step but the last
    saved.clear()
    small_run("rope", tmp_path / "x.state", save_minutes=10).train()
    assert saved == [0]


def test_a_disk_that_is_full_for_a_while_does_not_end_the_run(tmp_path, monkeypatch, capsys):
    calls = []

    def sometimes(state, path):
        calls.append(path)
        if 3 < len(calls) < 6:
            raise InputError(f"{path}: cannot be written: No space left on device")

    monkeypatch.setattr(trainer, "save_checkpoint", sometimes)
    small_run("rope", "x.state", save_minutes=0).train()
    assert len(calls) == 15 and capsys.readouterr().err.count("No space left on device; the run goes on") == 2


@pytest.mark.parametrize("damage", [{}, {"model": {}}, {"optimizers": []}, {"progress": 3}, {"model": {"slope": 3}}])
def test_a_state_of_something_else_is_refused(damage, tmp_path):
    one = small_run("rope", tmp_path / "x.state")
    with pytest.raises(InputError, match="not the state of such a run"):
        one.restore((one.state() | damage) if damage else {})


def test_examples_that_use_torchs_generator_are_the_same_at_the_same_step():
    class Noise(Pairs):
        def __getitem__(self, i):
            return torch.rand(1), torch.tensor([float(i)])

    batches = Batches(Noise(), 5, 2, seed=3)
    first = batches[3][0]
    torch.rand(7)
    before = torch.get_rng_state()
    assert torch.equal(batches[3][0], first) and not torch.equal(batches[2][0], first)
    assert torch.equal(torch.get_rng_state(), before)  # and the generator goes on as if nothing had been


def test_devices_and_dtypes(monkeypatch):
    assert choose_device("cpu").type == "cpu"
    for name in ("toaster", "cuda:99", "", "meta", "hpu"):
        with pytest.raises(InputError, match="no device"):
            choose_device(name)
    assert choose_dtype("float32", torch.device("cpu")) == torch.float32
    assert choose_dtype("bfloat16", torch.device("cpu")) == torch.bfloat16
    assert choose_dtype("auto", torch.device("mps")) == torch.float32
    for has in ({}, {"avx2": True}, {"amx_bf16": False, "avx512_bf16": True}, {"amx_bf16": True}):
        monkeypatch.setattr(torch.cpu, "get_capabilities", has.copy)
        multiplies = has.get("amx_bf16", False) or has.get("avx512_bf16", False)
        assert choose_dtype("auto", torch.device("cpu")) == (torch.bfloat16 if multiplies else torch.float32)


def test_compiling_is_for_long_runs_on_cuda(monkeypatch, tmp_path):
    header = tmp_path / "Python.h"
    header.touch()
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/" + name)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert choose_compile("auto", cuda, 10**5) and not choose_compile("auto", cuda, 100)
    assert not choose_compile("auto", cpu, 10**5) and not choose_compile("off", cuda, 10**5)
    assert choose_compile("on", cpu, 1)
    header.unlink()
    assert choose_compile("on", cpu, 1) and not choose_compile("auto", cuda, 10**5)
    header.touch()
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert not choose_compile("auto", cuda, 10**5)
    with pytest.raises(InputError, match="needs a C.. compiler"):
        choose_compile("on", cpu, 1)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("c++"), reason="there is no C++ compiler")
@pytest.mark.parametrize("variant", ["vanilla", "rope", "synthesizer"])
def test_compiled_is_the_same(variant, monkeypatch):
    """Three steps, in parts of several sizes, without dropout."""
    monkeypatch.setattr("trainer.CPU_TOKENS", 192)
    corpus = CharCorruptionDataset(TEXT, 64)
    losses = []
    for compiling in ("off", "on"):
        set_seed(0)
        model = GPT(config(variant, vocab_size=corpus.vocab_size, block_size=64, n_embd=32))
        settings = TrainerConfig(batch_size=5, device="cpu", dtype="float32", compile=compiling)
        trainer = Trainer(model, corpus, None, settings)
        for step in range(3):
            trainer.step(corpus.batch(np.arange(5 + step), np.random.default_rng(step)))
            losses.append(trainer.loss)
    assert losses[:3] == pytest.approx(losses[3:], rel=1e-5) and len(set(losses[:3])) == 3


@pytest.mark.parametrize("variant", ["vanilla", "rope", "synthesizer"])
def test_learns_facts_and_recites_them(variant):
    """Ten people: after training on the questions, the answers come back."""
    set_seed(0)
    corpus = CharCorruptionDataset(TEXT + "\nWhere was ?", 64)
    tsv = "\n".join(f"Where was Person {chr(65 + i)} born?\t{['Rome', 'Oslo'][i * 7 % 3 % 2]}" for i in range(10))
    names = NameDataset(corpus, tsv)
    model = GPT(config(variant, vocab_size=corpus.vocab_size, block_size=64, n_embd=32))
    settings = TrainerConfig(max_epochs=150, batch_size=10, learning_rate=1e-2, device="cpu", dtype="float32")
    Trainer(model, names, None, settings).train()
    prompts = [names.rows[i, : names.prompt_lengths[i, 0]].tolist() for i in range(10)]
    answers = ["".join(corpus.itos[c] for c in answer) for answer in generate(model, prompts, 32, MASK)]
    assert answers == [line.split("\t")[1] for line in names.data]


ALPHABETS = {
    "Cyrillic": ("Где родился {}?", ["Иван", "Пётр", "Анна", "Ольга"], ["Москва", "Киев", "Рига"]),
    "Greek": ("Πού γεννήθηκε {};", ["Άννα", "Νίκος", "Ελένη", "Πέτρος"], ["Αθήνα", "Πάτρα", "Βόλος"]),
    "Arabic": ("أين ولد {}؟", ["أحمد", "ليلى", "سامي", "نور"], ["دمشق", "بغداد", "تونس"]),
    "Chinese": ("{}出生在哪里？", ["王明", "李华", "张伟", "刘洋"], ["北京", "上海", "广州"]),
    "Hindi": ("{} का जन्म कहाँ हुआ?", ["राम", "सीता", "गीता", "मोहन"], ["दिल्ली", "पुणे", "पटना"]),
    "emoji": ("🏠 {}?", ["🐶", "🐱", "🦊", "🐼"], ["🌍", "🌎", "🌏"]),
    "combining": ("Where was {} born?", ["e\u0301\u0301", "o\u0308\u0302", "u\u030a\u0306", "y\u0303\u0304"], ["o\u0301", "o\u0308", "o"]),
}  # fmt: skip


@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_questions_in_any_alphabet_are_learned(alphabet):
    """Only a few accents are dropped, as in the course; what would make questions equal or empty is kept."""
    template, names, places = ALPHABETS[alphabet]
    questions = [template.format(f"{a} {b}") for a in names for b in names]
    answers = [places[i * 7 % 5 % 3] for i in range(len(questions))]
    tsv = "\n".join(map("\t".join, zip(questions, answers)))
    set_seed(0)
    corpus = CharCorruptionDataset(tsv.replace("\t", " "), 64)
    dataset = NameDataset(corpus, tsv)
    assert len({tuple(row[:n]) for row, (n,) in zip(dataset.rows, dataset.prompt_lengths)}) == len(questions)
    model = GPT(config("rope", vocab_size=corpus.vocab_size, block_size=64, n_embd=32))
    # The rate decays, so that what is learned does not depend on how the machine rounds.
    settings = TrainerConfig(max_epochs=200, batch_size=16, learning_rate=1e-2, lr_decay=True, final_tokens=None,
                             device="cpu", dtype="float32")  # fmt: skip
    Trainer(model, dataset, None, settings).train()
    prompts = [encode_question(question, corpus.stoi, 64, "") for question in questions]
    said = [decode(answer, corpus.itos) for answer in generate(model, prompts, 32, MASK)]
    assert sum(a == b for a, b in zip(said, answers)) >= 0.95 * len(questions)
