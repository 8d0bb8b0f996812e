"""What it takes to add something. A contributor writes the code below, and one line in a registry; all the rest follows."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from answers import check_page
from commands import PEOPLE, execute, stopping
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import replicate
from attention import CausalSelfAttention
from dataset import CharCorruptionDataset, NameDataset
from engine.files import ROOT
from engine.inputs import load_corpus
from engine.parameters import save_params
from engine.training import build_dataset
from evaluation.compare import compare
from evaluation.statistics import STATISTICS, Statistic
from model import GPT, GPTConfig
from recipe import RECIPES
from titles import titles_of
from variants import VARIANTS, Variant
from wording import find_wording


class ALiBiAttention(CausalSelfAttention):
    """Attention with linear biases: scores fall with the distance, at a rate of its own for each head (Press et al.
    2022, Train Short, Test Long)."""

    def score_bias(self, mask):
        slopes = 2.0 ** (-8 * torch.arange(1, self.n_head + 1, device=mask.bias.device) / self.n_head)
        distance = mask.query_positions[:, None, :, None] - mask.key_positions[:, None, None, :]  # (B, 1, T, S)
        return mask.bias - slopes[:, None, None] * distance


@pytest.fixture
def alibi(monkeypatch):
    """The one line in the registry."""
    monkeypatch.setitem(VARIANTS, "alibi", Variant("test_contributing:ALiBiAttention", learned_positions=False))


def test_a_variant_is_a_class_and_a_line(alibi, folder, monkeypatch, capsys):
    """It pretrains, resumes, finetunes and evaluates; its parameters are told from other variants'."""
    short = ("--max_epochs", "1", "--batch_size", "5", "--save_minutes", "0", "--device", "cpu")
    pretrain = ("pretrain", "alibi", "wiki.txt", "--writing_params_path", "a.pretrain.params", *short)
    assert execute(monkeypatch, *pretrain[:3], "--writing_params_path", "whole.params", *short) == 0
    with stopping(monkeypatch):
        assert execute(monkeypatch, *pretrain) == 143
    assert execute(monkeypatch, *pretrain, "--resume") == 0
    one, two = (torch.load(path, weights_only=True) for path in ("whole.params", "a.pretrain.params"))
    assert "pos_emb" not in one and all(torch.equal(one[name], two[name]) for name in one)

    files = ("--reading_params_path", "a.pretrain.params", "--finetune_corpus_path", "birth_places_train.tsv")
    finetune = ("finetune", "alibi", "wiki.txt", *files, "--writing_params_path", "a.params", *short)
    assert execute(monkeypatch, *finetune, "--eval_corpus_path", "birth_dev.tsv") == 0
    assert "Next: python src/run.py evaluate alibi wiki.txt --reading_params_path a.params" in capsys.readouterr().out
    log = EventAccumulator("expt/finetune/run_alibi-fast-s0").Reload()
    assert "probe/question" in log.Tags()["scalars"]
    questions = ("--eval_corpus_path", "birth_dev.tsv", "--outputs_path", "o")
    assert execute(monkeypatch, "evaluate", "alibi", "wiki.txt", "--reading_params_path", "a.params", *questions) == 0
    assert len(Path("o").read_text().splitlines()) == 4
    for variant in ("vanilla", "rope", "synthesizer"):
        for metadata in (True, False):
            Path("a.params.json").rename("away") if not metadata and Path("a.params.json").exists() else None
            capsys.readouterr()
            command = ("evaluate", variant, "wiki.txt", "--reading_params_path", "a.params", *questions)
            assert execute(monkeypatch, *command) == 2
            assert f"a.params: holds a alibi model, not a {variant} one" in capsys.readouterr().err


def test_a_variant_is_offered_everywhere(alibi, folder, monkeypatch, capsys):
    """In the help, in the sweep, in the benchmark."""
    assert execute(monkeypatch, "pretrain", "--help") == 0
    assert "vanilla, rope, synthesizer, alibi" in capsys.readouterr().out
    assert replicate.parse_args([".", "--out", "x", "--variants", "alibi"]).variants == ["alibi"]
    monkeypatch.syspath_prepend(ROOT)
    import bench

    assert "alibi" in bench.VARIANTS
    phase, dataset = bench.work_of("fast", bench.corpus())["pretraining"]
    shape = bench.shape("alibi", dataset.corpus.vocab_size, n_layer=1, n_embd=16)
    seconds, tokens = next(bench.our_steps(GPT(shape), dataset, phase, "float32"))
    assert seconds > 0 and tokens > 100


def test_alibi_is_what_the_paper_says(alibi):
    """Scores by the formula, one pair at a time; and causal."""
    torch.manual_seed(0)
    layer = ALiBiAttention(GPTConfig(9, 8, n_head=2, n_embd=8, attn_pdrop=0, resid_pdrop=0, variant="alibi")).double()
    x = torch.randn(1, 6, 8, dtype=torch.float64)
    q, k, v = (part.view(6, 2, 4).transpose(0, 1) for part in (layer.query(x), layer.key(x), layer.value(x)))
    y = torch.zeros(6, 2, 4, dtype=torch.float64)
    for head, slope in enumerate((1 / 16, 1 / 256)):
        for t in range(6):
            scores = torch.stack([q[head, t] @ k[head, s] / 2 - slope * (t - s) for s in range(t + 1)])
            y[t, head] = scores.softmax(0) @ v[head, : t + 1]
    assert torch.allclose(layer(x)[0], layer.proj(y.flatten(1)), atol=1e-10)


def test_a_kind_of_question_is_nothing_but_its_file(monkeypatch):
    """From questions and documents follow whom a question is about, and where the views of finetuning have their titles."""
    names = ["Ada Kern", "Bo Lund", "Cy Dee"]
    corpus = CharCorruptionDataset(
        "\n".join(f"{name}. Born in Rome. What did he do? Where was he? Died when? Nobody knows" for name in names), 128
    )
    monkeypatch.setattr("cloze.DISTRACTOR", 0)
    for templates in (["What did {} do?"], ["Where was {} born?", "What did {} do?", "{} died when?"]):
        asked = [template.format(name) for name in names for template in templates]
        questions = NameDataset(corpus, "".join(f"{question}\tRome\n" for question in asked))
        wording = find_wording(questions.questions, titles_of(corpus.data))
        assert [wording.subject(question) for question in asked] == [name for name in names for _ in templates]
        views = build_dataset(RECIPES["fast"].finetune, corpus, questions, wording).documents
        rng = np.random.default_rng(0)
        assert {views.view(0, rng)[1] for _ in range(100)} == {template.index("{}") for template in templates}


def test_help_names_every_recipe():
    """Its values are written in recipe.py alone."""
    command = [sys.executable, str(ROOT / "src" / "run.py"), "pretrain", "--help"]
    text = " ".join(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert (
        f"default: handout 650, fast {RECIPES['fast'].pretrain.epochs}" in text
        and "default: handout 0.006, fast 0.002" in text
    )


@pytest.fixture
def untrained(folder):
    """The folder, with a model that has learned nothing."""
    torch.manual_seed(0)
    save_params(GPT(GPTConfig(load_corpus("wiki.txt").vocab_size, 128)), "model")
    return folder


def wrong_length(rows):
    lengths = [len(row.prediction) for row in rows if row.answer is not None and not row.correct]
    return sum(lengths) / len(lengths) if lengths else None


@pytest.fixture
def added():
    """All it takes: the function above, and one row of the table."""
    row = Statistic(
        "lengths.wrong", "wrong length", ".2f", "mean length of <wrong> answers in characters", wrong_length
    )
    STATISTICS.append(row)
    yield row
    STATISTICS.remove(row)


def test_a_statistic_is_a_function_and_a_row(untrained, added, monkeypatch, capsys):
    command = ["evaluate", "vanilla", "wiki.txt", "--reading_params_path", "model", "--outputs_path", "out"]
    for name, questions in (("dev", "birth_dev.tsv"), ("test", "birth_test_inputs.tsv")):
        assert execute(monkeypatch, *command, "--eval_corpus_path", questions, "--report_path", name) == 0
    said = Path("out").read_text("utf-8").splitlines()[-4:]  # the dev questions are the last four of the test's
    lengths = [len(text) for text, (_, place) in zip(said, PEOPLE[8:]) if text != place]
    expected = sum(lengths) / len(lengths)
    assert json.loads(Path("dev/report.json").read_text("utf-8"))["lengths"] == {"wrong": pytest.approx(expected)}
    assert "lengths" not in json.loads(Path("test/report.json").read_text("utf-8"))  # questions without answers

    shown = ["wrong length", f"{expected:.2f}", "mean length of <wrong> answers in characters"]
    words = check_page(Path("dev/report.html").read_text("utf-8"), 1)
    assert all(text in words for text in shown)
    assert "wrong length" not in check_page(Path("test/report.html").read_text("utf-8"), 0)

    capsys.readouterr()
    compare(["dev", "test"], "comparison.html")
    out, err = capsys.readouterr()
    header, dev, test = out.splitlines()[:3]
    assert header.split()[-3:] == ["wrong", "length", "report"]
    assert dev.split()[-2:] == [f"{expected:.2f}", "dev"] and test.split()[-2:] == ["-", "test"]
    assert "wrong length: mean length of <wrong> answers in characters\n" in err
    words = check_page(Path("comparison.html").read_text("utf-8"), 1)
    assert all(text in words for text in shown)
