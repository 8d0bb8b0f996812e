"""Programs written for the course's starter code run on our modules unchanged."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import models
from attention import CausalSelfAttention, SynthesizerAttention
from engine.files import ROOT
from model import GPT, Block, GPTConfig
from trainer import Trainer, TrainerConfig
from utils import top_k_logits

DRIVER = Path(__file__).with_name("starter_driver.py")


@pytest.mark.parametrize(("module", "variant"), [("models", "rope"), ("model", "synthesizer")])
def test_a_students_own_run_script(module, variant, folder):
    command = [sys.executable, str(DRIVER), str(ROOT / "src"), module, variant]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr
    pretraining, finetuning, score, sampled = done.stdout.splitlines()
    assert pretraining == "pretrain 3 train/loss train/lr" and finetuning == "finetune 4 train/loss train/lr"
    assert score.startswith("Correct: ") and "out of 4.0" in score
    assert sampled.startswith("torch.Size([1, ")
    pretrained, kept, finetuned = (
        torch.load(f"{name}.params", weights_only=True) for name in ("pretrain", "kept", "finetune")
    )
    assert all(torch.equal(kept[name], tensor) for name, tensor in pretrained.items())  # the caller's model is trained
    assert any("rope_cache" in name or "w2" in name for name in pretrained)
    assert finetuned.keys() == pretrained.keys() and not torch.equal(finetuned["head.weight"], kept["head.weight"])


def test_models_is_model():
    assert (models.GPT, models.GPTConfig, models.Block) == (GPT, GPTConfig, Block)


@pytest.mark.parametrize("variant", ["vanilla", "rope", "synthesizer"])
def test_a_flag_may_be_set_later(variant):
    """The same model as if it had been given; and a config may be used again for another model."""
    config = GPTConfig(9, 8, n_layer=1, n_head=2, n_embd=8)
    config.n_embd = 16
    if variant != "vanilla":
        setattr(config, variant, True)
    given_at_once = GPTConfig(9, 8, n_layer=1, n_head=2, n_embd=16, variant=variant)
    assert config == given_at_once
    models_of_both = []
    for each in (config, given_at_once):
        torch.manual_seed(0)
        models_of_both.append(GPT(each))
    one, two = (model.state_dict() for model in models_of_both)
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
    config.rope = config.synthesizer = False
    assert config.variant == "vanilla" and models_of_both[0].config.variant == variant
    config.variant = "rope"
    assert (config.rope, config.synthesizer) == (True, False)
    with pytest.raises(ValueError, match="contradicts"):
        config.synthesizer = True
    with pytest.raises(ValueError, match="no variant"):
        config.variant = "ropes"
    assert config.variant == "rope" and config.rope


def test_a_config_accepts_anything_and_says_what_nothing_reads(capsys):
    config = GPTConfig(9, 8, n_layers=3, bottleneck_dim=32, n_head=2)
    assert (config.n_layers, config.bottleneck_dim, config.n_head) == (3, 32, 2)
    assert capsys.readouterr().err == "warning: GPTConfig: nothing reads bottleneck_dim, n_layers\n"
    config = TrainerConfig(max_epochs=2, device_ids=[0])
    assert (config.max_epochs, config.device_ids) == (2, [0])
    assert capsys.readouterr().err == "warning: TrainerConfig: nothing reads device_ids\n"
    with pytest.raises(TypeError):
        GPTConfig(9)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("kind", [CausalSelfAttention, SynthesizerAttention])
def test_attention_is_called_with_x_alone(kind):
    """As graders do: n_embd 6, n_head 3, block 8, x (11, 7, 6)."""
    torch.manual_seed(0)
    x = torch.randn(11, 7, 6)
    config = GPTConfig(100, 8, n_embd=6, n_head=3, synthesizer=kind is SynthesizerAttention)
    assert kind(config)(x).shape == x.shape
    assert Block(config)(x).shape == x.shape


def test_save_checkpoint_writes_the_parameters(tmp_path):
    model = GPT(GPTConfig(9, 8, n_layer=1, n_head=2, n_embd=8))
    config = TrainerConfig(ckpt_path=str(tmp_path / "x.params"), device="cpu")
    trainer = Trainer(model, [0], None, config)
    trainer.save_checkpoint()
    saved = torch.load(tmp_path / "x.params", weights_only=True)
    assert all(torch.equal(saved[name], tensor) for name, tensor in model.state_dict().items())
    config.ckpt_path = None
    trainer.save_checkpoint()
    assert [path.name for path in tmp_path.iterdir()] == ["x.params"]


@given(st.lists(st.lists(st.integers(-50, 50), min_size=6, max_size=6), min_size=1, max_size=4), st.integers(1, 9))
def test_top_k_logits(rows, k):
    logits = torch.tensor(rows, dtype=torch.float)
    kept = top_k_logits(logits, k)
    assert torch.equal(logits, torch.tensor(rows, dtype=torch.float))  # which are not changed
    for row, new in zip(rows, kept.tolist()):
        least = sorted(row, reverse=True)[: min(k, 6)][-1]
        assert new == [value if value >= least else -float("inf") for value in row]
