"""The size of a model: its flags, what is recorded, what follows the block, and rates by width."""

import dataclasses
import functools
import json
import math
import re
from pathlib import Path

import commands
import numpy as np
import pytest
import torch
from commands import contents, execute, stopping
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import replicate
from dataset import CharCorruptionDataset
from engine.inputs import find_sizes
from engine.parameters import save_params
from engine.sizes import LIMITS, Sizes, sizes_of_tensors
from model import GPT, GPTConfig
from recipe import RECIPES
from run import parse_args
from trainer import Trainer

ODD = {
    "vanilla": {"n_layer": 1, "n_head": 3, "n_embd": 21, "block_size": 61},
    "rope": {"n_layer": 2, "n_head": 3, "n_embd": 18, "block_size": 77},
    "synthesizer": {"n_layer": 3, "n_head": 5, "n_embd": 35, "block_size": 50},
}
ONCE = ("--max_epochs", "1", "--device", "cpu")
QUESTIONS = ("--finetune_corpus_path", "birth_places_train.tsv")


@pytest.fixture
def folder(folder, monkeypatch):
    """Models of the handouts' size, unless a flag says otherwise."""
    monkeypatch.setattr("engine.sizes.Sizes", Sizes)
    return folder


def flags(sizes):
    return [word for name, value in sizes.items() for word in (f"--{name}", str(value))]


def shape_in(path):
    return {name: json.loads(Path(f"{path}.json").read_text())["model"][name] for name in LIMITS}


def refused(monkeypatch, capsys, *words):
    """Runs a command that must end in one line and change nothing; the line."""
    before = contents(".")
    capsys.readouterr()
    assert execute(monkeypatch, *words) == 2
    assert contents(".") == before
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("run.py: error: ")
    return line.removeprefix("run.py: error: ")


def test_the_defaults_are_those_of_the_handouts_and_of_the_model():
    assert dataclasses.asdict(Sizes()) == {"n_layer": 4, "n_head": 8, "n_embd": 256, "block_size": 128}
    assert all(getattr(GPTConfig(9, 5), name) == getattr(Sizes, name) for name in ("n_layer", "n_head", "n_embd"))
    for name, (least, most) in LIMITS.items():
        assert least <= getattr(Sizes, name) <= most


@pytest.mark.parametrize("variant", ODD)
def test_sizes_are_given_once(folder, monkeypatch, capsys, variant):
    """Pretraining is told the sizes; the other commands find them with the parameters, and agree when they are told."""
    command, sizes = (variant, "wiki.txt"), ODD[variant]
    assert execute(monkeypatch, "pretrain", *command, "--writing_params_path", "p", *flags(sizes), *ONCE) == 0
    finetune = ("finetune", *command, "--reading_params_path", "p", *QUESTIONS, *ONCE)
    assert execute(monkeypatch, *finetune, "--writing_params_path", "f") == 0
    assert shape_in("p") == shape_in("f") == sizes
    saved = torch.load("f", weights_only=True)
    assert saved["tok_emb.weight"].shape[1] == sizes["n_embd"]
    assert {saved[f"blocks.{i}.attn.mask"].shape for i in range(sizes["n_layer"])} == {
        (1, 1, *2 * [sizes["block_size"]])
    }
    assert f"blocks.{sizes['n_layer']}.ln1.weight" not in saved
    if variant == "synthesizer":
        assert saved["blocks.0.attn.w2"].shape == (sizes["n_embd"] // sizes["n_head"], sizes["block_size"] - 1)
    evaluate = ("evaluate", *command, "--reading_params_path", "f", "--eval_corpus_path", "birth_dev.tsv")
    ask = ("ask", *command, "--reading_params_path", "f", "--json", "Where was Zoë Kern born?")
    for name, told in (("o", ()), ("again", flags(sizes))):
        assert execute(monkeypatch, *evaluate, "--outputs_path", name, *told) == 0
    capsys.readouterr()
    assert execute(monkeypatch, *ask) == 0
    best = json.loads(capsys.readouterr().out)["answers"][0]["answer"]

    # Without the record, the shapes tell the rest, but not the number of heads of vanilla.
    Path("f.json").unlink()
    if variant == "vanilla":
        assert "n_embd 21 is not a multiple of n_head 8; give the --n_head that f was trained with" == refused(
            monkeypatch, capsys, *evaluate, "--outputs_path", "new"
        )
        evaluate, ask = (*evaluate, "--n_head", "3"), (*ask[:-1], "--n_head", "3", ask[-1])
    assert execute(monkeypatch, *evaluate, "--outputs_path", "third") == 0
    assert Path("o").read_bytes() == Path("again").read_bytes() == Path("third").read_bytes()
    capsys.readouterr()
    assert execute(monkeypatch, *ask) == 0
    assert json.loads(capsys.readouterr().out)["answers"][0]["answer"] == best


@pytest.mark.parametrize("name", LIMITS)
def test_a_flag_that_contradicts_the_file_is_refused(folder, monkeypatch, capsys, name):
    sizes = ODD["rope"]
    command = ("rope", "wiki.txt", "--reading_params_path", "p")
    assert execute(monkeypatch, "pretrain", *command[:2], "--writing_params_path", "p", *flags(sizes), *ONCE) == 0
    other = {"n_layer": 1, "n_head": 9, "n_embd": 36, "block_size": 76}[name]
    message = f"--{name} {other}: p holds a model of {name} {sizes[name]}; leave the flag out"
    told = (f"--{name}", str(other))
    for words in (
        ("pretrain", *command, "--writing_params_path", "new", *ONCE),
        ("finetune", *command, *QUESTIONS, "--writing_params_path", "new", *ONCE),
        ("evaluate", *command, "--eval_corpus_path", "birth_dev.tsv", "--outputs_path", "new"),
        ("ask", *command, "Where was Zoë Kern born?"),
    ):
        assert refused(monkeypatch, capsys, *words, *told) == message


@pytest.mark.parametrize("command", ["pretrain", "finetune"])
def test_a_resumed_run_has_its_sizes(folder, monkeypatch, capsys, command):
    words = (command, "synthesizer", "wiki.txt", *(QUESTIONS if command == "finetune" else ()), "--max_epochs", "3",
             "--batch_size", "4", "--device", "cpu")  # fmt: skip
    sizes = flags(ODD["synthesizer"])
    assert execute(monkeypatch, *words, *sizes, "--writing_params_path", "whole") == 0
    with stopping(monkeypatch):
        assert execute(monkeypatch, *words, *sizes, "--writing_params_path", "w") == 143
    line = refused(monkeypatch, capsys, *words, "--writing_params_path", "w", "--resume", "--n_embd", "40")
    assert line == "--n_embd 40: w.state holds a model of n_embd 35; leave the flag out"
    assert execute(monkeypatch, *words, "--writing_params_path", "w", "--resume") == 0
    whole, resumed = (torch.load(path, weights_only=True) for path in ("whole", "w"))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert shape_in("w") == ODD["synthesizer"]
    longer = (*words[: words.index("--max_epochs")], "--max_epochs", "4", *words[words.index("--max_epochs") + 2 :])
    assert execute(monkeypatch, *longer, "--writing_params_path", "w", "--resume") == 0  # a finished run, extended
    assert shape_in("w") == ODD["synthesizer"] and json.loads(Path("w.json").read_text())["recipe"]["epochs"] == 4


@pytest.mark.parametrize(
    "variant, given, message",
    [
        ("vanilla", "--n_embd 100", "n_embd 100 is not a multiple of n_head 8; change one of the flags"),
        ("vanilla", "--n_head 7", "n_embd 256 is not a multiple of n_head 7; change one of the flags"),
        ("rope", "--n_embd 24", "rope needs heads of an even size, and n_embd 24 / n_head 8 is 3; change one of the flags"),
        ("rope", "--n_head 256", "rope needs heads of an even size, and n_embd 256 / n_head 256 is 1; change one of the flags"),
        ("vanilla", "--n_layer 0", "argument --n_layer: 0 is not between 1 and 64"),
        ("vanilla", "--n_layer 65", "argument --n_layer: 65 is not between 1 and 64"),
        ("vanilla", "--n_head 0", "argument --n_head: 0 is not between 1 and 256"),
        ("vanilla", "--n_embd 7", "argument --n_embd: 7 is not between 8 and 4096"),
        ("vanilla", "--n_embd 1e3", "argument --n_embd: invalid int value: '1e3'"),
        ("vanilla", "--block_size 15", "argument --block_size: 15 is not between 16 and 4096"),
        ("vanilla", "--block_size 9999999", "argument --block_size: 9999999 is not between 16 and 4096"),
        ("vanilla", "--block_size -1", "argument --block_size: -1 is not between 16 and 4096"),
    ],
)  # fmt: skip
def test_sizes_that_no_model_has(folder, monkeypatch, capsys, variant, given, message):
    words = ("pretrain", variant, "wiki.txt", "--writing_params_path", "new", *ONCE, *given.split())
    assert refused(monkeypatch, capsys, *words).startswith(message)


def test_a_block_that_is_too_small_for_the_questions(folder, monkeypatch, capsys):
    """The line says which block size is needed, and that is right."""
    name = "Ada " * 40 + "Kern"
    with open("wiki.txt", "a", encoding="utf-8") as corpus:
        corpus.write(f"\n{name}. {name} was born in Rome")
    Path("long.tsv").write_text(f"Where was {name} born?\tRome\n")
    words = ("finetune", "vanilla", "wiki.txt", "--writing_params_path", "w", "--finetune_corpus_path", "long.tsv", *ONCE,
             "--n_embd", "16")  # fmt: skip
    line = refused(monkeypatch, capsys, *words)
    needed = re.search(r"^long.tsv, line 1: .* --block_size (\d+) or more", line)[1]
    line = refused(monkeypatch, capsys, *words, "--block_size", needed)
    needed = re.search(r"^long.tsv, line 1: .* --block_size (\d+) or more", line)[1]  # with the answer
    assert int(needed) == len(f"Where was {name} born?") + len("Rome") + 2
    assert execute(monkeypatch, *words, "--block_size", needed) == 0
    line = refused(monkeypatch, capsys, *words, "--block_size", str(int(needed) - 1), "--writing_params_path", "new")
    assert f"--block_size {needed} or more" in line


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(list(ODD)), st.integers(*LIMITS["block_size"]).map(lambda n: n % 110 + 16),
       st.sampled_from(list(RECIPES)))  # fmt: skip
def test_a_run_with_any_block(folder, monkeypatch, variant, block_size, recipe):
    """All that TensorBoard gets fits: held-out loss, completions, probes."""
    for path in ("p", "p.json"):
        Path(path).unlink(missing_ok=True)
    Path("short.tsv").write_text("Who?\tRome\nWhere was Bo born?\tRome\n" if block_size > 24 else "Who?\tRome\n")
    sizes = {"n_layer": 1, "n_head": 2, "n_embd": 12, "block_size": block_size}
    words = ("pretrain", variant, "wiki.txt", "--writing_params_path", "p", *flags(sizes), *ONCE, "--recipe", recipe)
    assert execute(monkeypatch, *words, "--eval_corpus_path", "short.tsv") == 0
    assert shape_in("p") == sizes


def test_the_report_follows_the_block(folder, monkeypatch):
    sizes = {"n_layer": 1, "n_head": 2, "n_embd": 12, "block_size": 64}
    words = ("finetune", "rope", "wiki.txt", "--writing_params_path", "f", *QUESTIONS, *flags(sizes), *ONCE)
    assert execute(monkeypatch, *words) == 0
    words = ("evaluate", "rope", "wiki.txt", "--reading_params_path", "f", "--eval_corpus_path", "birth_dev.tsv")
    assert execute(monkeypatch, *words, "--outputs_path", "o", "--report_path", "report") == 0
    groups = [row["group"] for row in json.loads(Path("report/report.json").read_text())["by"]["position"]]
    assert groups and set(groups) <= {f"characters {14 * i} to {14 * i + 13}" for i in range(4)}  # of 7/8 of 64


# Parameters that lie


def lying(n_embd=4096, n_layer=64, block_size=4096):
    """Tensors of a large model that need little memory: each is one number, repeated."""
    names = [f"blocks.{i}.attn.mask" for i in range(n_layer)]
    shapes = {"tok_emb.weight": (30, n_embd)} | dict.fromkeys(names, (1, 1, block_size, block_size))
    return {name: torch.zeros(1).expand(shape) for name, shape in shapes.items()}


@pytest.mark.parametrize("large", [{"n_layer": 1}, {"block_size": 128}, {"n_embd": 256, "n_layer": 1}, {}])
def test_a_small_file_makes_no_large_model(folder, monkeypatch, capsys, large):
    assert sizes_of_tensors(lying(**large)) == {}
    torch.save(lying(**large), "r")
    words = ("evaluate", "vanilla", "wiki.txt", "--reading_params_path", "r", "--eval_corpus_path", "birth_dev.tsv")
    assert refused(monkeypatch, capsys, *words, "--outputs_path", "o").startswith("r: holds a different ")


@pytest.mark.parametrize("n_head", [0, -1, 7, 10**30, "2", None, [], True, 2.0])
def test_a_record_that_lies_about_heads(folder, monkeypatch, capsys, n_head):
    """It is not believed, or the line is clear."""
    assert execute(monkeypatch, "pretrain", "vanilla", "wiki.txt", "--writing_params_path", "p", *ONCE, "--n_embd", "16",
                   "--n_head", "4") == 0  # fmt: skip
    record = json.loads(Path("p.json").read_text())
    record["model"]["n_head"] = n_head
    Path("p.json").write_text(json.dumps(record))
    words = ("vanilla", "wiki.txt", "--reading_params_path", "p")
    if n_head == 7:
        line = refused(monkeypatch, capsys, "ask", *words, "Where was Zoë Kern born?")
        assert line == "n_embd 16 is not a multiple of n_head 7; give the --n_head that p was trained with"
    else:
        assert find_sizes(parse_args(["ask", *words])).n_head == 8


def test_shapes_tell_all_but_the_heads_of_vanilla():
    for variant, sizes in ODD.items():
        tensors = GPT(GPTConfig(9, variant=variant, **sizes)).state_dict()
        known = sizes_of_tensors(tensors)
        assert known == {name: n for name, n in sizes.items() if name != "n_head" or variant != "vanilla"}
        assert sizes_of_tensors(tensors, {"n_head": sizes["n_head"]}) == sizes
    assert sizes_of_tensors({}) == {} and sizes_of_tensors({"tok_emb.weight": torch.zeros(())}) == {}
    assert sizes_of_tensors({"tok_emb.weight": torch.zeros(300, 16), "blocks.0.attn.mask": torch.zeros(0)}) == {
        "n_embd": 16,
        "n_layer": 1,
    }


# What follows the block, and the width


@given(st.lists(st.integers(0, 300), min_size=1, max_size=8), st.integers(16, 300))
def test_the_mean_length_that_is_read(lengths, block_size):
    corpus = CharCorruptionDataset("\n".join("x" * n for n in lengths) + "\ny", 16)
    drawn = range(4, block_size * 7 // 8 + 1)
    slow = np.mean([[min(n, r) for r in drawn] for n in [*lengths, 1]])
    assert math.isclose(corpus.mean_length(block_size), slow, rel_tol=1e-12)


def configured(folder, monkeypatch, *words):
    """The trainer's configuration for a command."""
    seen = []

    def look(trainer):
        seen.append(trainer.config)
        save_params(trainer.model, trainer.config.ckpt_path)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train", look)
        assert execute(monkeypatch, *words) == 0
    return seen[0]


def test_rates_by_width(folder, monkeypatch):
    """AdamW's rate is inversely proportional to the width, Muon's is not; a rate that is given is used as it is."""
    pretrain = ("pretrain", "vanilla", "wiki.txt", "--device", "cpu")
    finetune = ("finetune", "vanilla", "wiki.txt", *QUESTIONS, "--device", "cpu")
    configure = functools.partial(configured, folder, monkeypatch)
    for width, path in ((64, "a"), (256, "b"), (512, "c")):
        written, told = ("--writing_params_path", path), ("--n_embd", str(width), "--n_layer", "1")
        config = configure(*pretrain, *written, *told)
        assert (config.learning_rate, config.muon_lr) == (2e-3 * 256 / width, 2e-2)
        config = configure(*finetune, "--reading_params_path", path, "--writing_params_path", path + "f")
        assert (config.learning_rate, config.muon_lr) == (8e-4 * 256 / width, 8e-3)
        config = configure(*finetune, "--writing_params_path", path + "s", *told)
        assert (config.learning_rate, config.muon_lr) == (6e-4 * 256 / width, 0)
        config = configure(*pretrain, "--writing_params_path", path + "h", *told, "--recipe", "handout")
        assert config.learning_rate == 6e-3 * 256 / width
        config = configure(*pretrain, "--writing_params_path", path + "l", *told, "--pretrain_lr", "1e-3")
        assert config.learning_rate == 1e-3 and math.isclose(config.muon_lr, 2e-2 * 1e-3 / (2e-3 * 256 / width))
        assert json.loads(Path(path + "l.json").read_text())["recipe"]["lr"] == 1e-3


def test_the_schedule_of_handout_keeps_its_shape_in_other_blocks(folder, monkeypatch):
    """Documents of which a larger block reads more make pretraining longer in tokens, and the decay with it."""
    Path("wiki.txt").write_text("\n".join("Where was Ada? " + "x" * n for n in range(0, 400, 7)))
    corpus = CharCorruptionDataset(Path("wiki.txt").read_text(), 128)
    words = ("pretrain", "vanilla", "wiki.txt", "--device", "cpu", "--recipe", "handout", "--n_embd", "8")
    horizons = {}
    for block_size in (64, 128, 256):
        config = configured(
            folder, monkeypatch, *words, "--writing_params_path", f"{block_size}", "--block_size", str(block_size)
        )
        horizons[block_size] = config.final_tokens
        assert config.final_tokens == round(
            650 * len(corpus) * 128 * corpus.mean_length(block_size) / corpus.mean_length(128)
        )
        assert config.warmup_tokens == min(
            config.final_tokens // 10, round(512 * 20 * config.final_tokens / 650 / len(corpus))
        )
    assert horizons[128] == 650 * len(corpus) * 128
    assert horizons[64] < 0.7 * horizons[128] < 1.4 * horizons[128] < horizons[256]


# replicate.py


def test_replicate_passes_the_sizes_on(folder, monkeypatch, capsys):
    data = (
        "--out",
        "runs",
        "--variants",
        "vanilla",
        "--seeds",
        "0",
        "--pretrain_epochs",
        "1",
        "--finetune_epochs",
        "1",
    )
    small = ("--n_layer", "1", "--n_head", "2", "--n_embd", "16", "--block_size", "70")
    run = functools.partial(commands.execute, monkeypatch, ".", *data, program=replicate)
    assert run(*small) == 0
    (made,) = Path("runs").iterdir()
    assert made.name == "vanilla.fast.1+1.n_layer.1.n_head.2.n_embd.16.block_size.70.0"
    assert shape_in(made / "finetune.params") == {"n_layer": 1, "n_head": 2, "n_embd": 16, "block_size": 70}
    assert "| fast 1+1 n_layer 1 n_head 2 n_embd 16 block_size 70 |" in capsys.readouterr().out
    assert run(*small[:-1], "60") == 0  # another block: another run
    assert len(list(Path("runs").iterdir())) == 2
    made.rename(Path("runs") / made.name.replace("70", "80"))
    assert run(*small[:-1], "80") == 2  # not what it says it is
