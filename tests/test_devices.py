"""The same on every device that this machine has: on the CPU, and on CUDA or MPS where there is one."""

import contextlib

import pytest
import torch
from test_attention import VARIANTS
from test_model import config, pair, ragged
from test_trainer import Recorder, parameters_of, small_run, twenty_steps
from textbook import answer
from torch._subclasses.fake_tensor import FakeTensorMode

from dataset import pack
from engine.checkpoint import load_checkpoint
from engine.devices import choose_workers, describe_machine
from generation import generate, read_prompts
from model import GPT
from trainer import Stopped

HERE = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
DEVICES = [name for name, here in HERE.items() if here]


@pytest.fixture(params=DEVICES)
def device(request):
    return request.param


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("variant", VARIANTS)
def test_loss_and_gradients(variant, packed, device):
    ours, theirs = pair(variant)
    ours.to(device)
    x, y = ragged(8, 16)
    _, expected = theirs(x, y)
    batch = pack(x, y) if packed else (x, y)
    _, loss = ours(*(tensor.to(device) for tensor in batch))
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)
    expected.backward()
    loss.backward()
    gradients = {name: p.grad for name, p in theirs.named_parameters()}
    for name, p in ours.named_parameters():
        assert torch.allclose(p.grad.cpu(), gradients[name], rtol=1e-3, atol=1e-4), name


@pytest.mark.parametrize("variant", VARIANTS)
def test_answers(variant, device):
    ours, theirs = pair(variant)
    prompts = [[5, 3, 8, 2], [7], [2, 9, 11, 4, 4, 13, 6]]
    answers = generate(ours.to(device), prompts, 6, stop_token=1)
    assert answers == [answer(theirs, prompt, 6, 1) for prompt in prompts]


@pytest.mark.parametrize(("dtype", "near"), [("float32", 2e-3), ("bfloat16", 5e-2)])
@pytest.mark.parametrize("variant", VARIANTS)
def test_twenty_steps(variant, dtype, near, device):
    """The CPU's, in the textbook's way; without dropout, whose random numbers are other ones elsewhere."""
    if device == "mps" and dtype == "bfloat16":
        pytest.skip("MPS computes in float32")
    writer, expected = twenty_steps(variant, device, dtype)
    assert writer.of("train/loss") == pytest.approx(expected, rel=near)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_stopped_run_goes_on(variant, device, tmp_path):
    """With dropout, and both optimizers. Elsewhere than on a CPU, not to the last bit."""
    settings = {"device": device, "muon_lr": 1e-2}
    whole = small_run(variant, tmp_path / "whole.state", **settings)
    whole.train()
    begun, path = small_run(variant, tmp_path / "x.state", **settings), str(tmp_path / "x.state")
    begun.stop = True
    with pytest.raises(Stopped, match="after step 1 of 15"):
        begun.train()
    resumed = small_run(variant, path, **settings)
    resumed.restore(load_checkpoint(path))
    resumed.train()
    assert torch.allclose(parameters_of(resumed), parameters_of(whole), atol=1e-3)


@pytest.mark.skipif(not HERE["cuda"], reason="compiled by itself on CUDA alone")
@pytest.mark.parametrize("variant", VARIANTS)
def test_compiled(variant):
    losses = []
    for compiled in ("off", "on"):
        writer = Recorder()
        settings = {"device": "cuda", "dtype": "bfloat16", "compile": compiled, "writer": writer, "state_path": None}
        run = small_run(variant, "", **settings)
        run.model.eval()  # no dropout
        run.model.train = lambda mode=True, model=run.model: model
        run.train()
        losses.append(writer.of("train/loss"))
    assert losses[1] == pytest.approx(losses[0], rel=0.02)


@pytest.mark.parametrize("elsewhere", ["meta", "cuda"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_no_tensor_is_left_on_the_cpu(variant, elsewhere, monkeypatch):
    """Without a GPU: on meta, and as fakes on CUDA, tensors have a device and no content, and an operation raises when
    theirs differ. The loss of packed rows, its gradients where there are any, and reading prompts with a cache."""
    if elsewhere == "cuda" and not torch.backends.cuda.is_built():
        pytest.skip("this torch was built for the CPU alone")
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda _: False)  # meta is not among its devices
    device = torch.device(elsewhere, 0) if elsewhere == "cuda" else torch.device(elsewhere)
    with FakeTensorMode() if elsewhere == "cuda" else contextlib.nullcontext():
        with device:
            model = GPT(config(variant, block_size=16))
        batch = [torch.zeros(3, 16, dtype=torch.int64, device=device) for _ in range(4)]
        _, loss = model(*batch)
        if elsewhere == "meta":
            loss.backward()
            assert all(p.grad.device == device for p in model.parameters())
        with torch.no_grad():
            cache, logits, last = read_prompts(model, [[5, 3, 8], [7]], 4)
            following = {"positions": last[:, None] + 1, "document_ids": torch.zeros_like(last)[:, None]}
            logits, _ = model(logits.argmax(-1, keepdim=True), **following, cache=cache)
        assert loss.device == logits.device == device


def test_batches_are_made_ahead_on_cuda():
    devices = map(torch.device, ("cpu", "mps", "cuda:1"))
    assert [choose_workers(None, device) for device in devices] == [0, 0, 2]
    assert [choose_workers(n, torch.device("cuda")) for n in (0, 3)] == [0, 3]


def test_a_machine_has_a_name(device):
    name = describe_machine(torch.device(device))
    assert name.isprintable() and len(name) > 5
    assert device == "cuda" or int(name.split()[0]) >= 1
