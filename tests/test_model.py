import contextlib
import pickle
from collections import OrderedDict

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_attention import VARIANTS
from textbook import TextbookGPT, answer

from dataset import pack
from engine.files import InputError
from engine.parameters import load_params, named_vocabulary, save_params, tag_vocabulary, vocabulary_digest
from generation import generate
from model import GPT, GPTConfig
from utils import sample
from vocabulary import MASK, PAD


def config(variant, **kw):
    shape = {"vocab_size": 20, "block_size": 16, "n_layer": 2, "n_head": 2, "n_embd": 16}
    dropout = dict.fromkeys(("embd_pdrop", "resid_pdrop", "attn_pdrop"), 0.0)
    return GPTConfig(**(shape | dropout | VARIANTS[variant] | kw))


def pair(variant, std=0.3, **kw):
    """A model and the textbook's, with the same random parameters: large ones, so that there is something to compare."""
    torch.manual_seed(0)
    ours, theirs = GPT(config(variant, **kw)), TextbookGPT(config(variant, **kw))
    for p in ours.parameters():
        torch.nn.init.normal_(p, std=std)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    return ours, theirs


def ragged(B, T, seed=0):
    """Examples of different lengths, padded, some with no loss on their first tokens."""
    g = torch.Generator().manual_seed(seed)
    x, y = torch.randint(2, 20, (2, B, T), generator=g)
    for i in range(B):
        length, silent = (int(torch.randint(1, n + 1, (), generator=g)) for n in (T, T // 2))
        x[i, length + 1 :], y[i, length:], y[i, : min(silent, length - 1)] = PAD, PAD, PAD
    return x, y


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("packed", [False, True])
def test_loss_and_every_gradient_are_the_textbooks(variant, packed):
    ours, theirs = (model.double() for model in pair(variant))
    x, y = ragged(8, 16)
    _, expected = theirs(x, y)
    _, loss = ours(*pack(x, y)) if packed else ours(x, y)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)
    expected.backward()
    loss.backward()
    expected = dict(theirs.named_parameters())
    for name, p in ours.named_parameters():
        assert torch.allclose(p.grad, expected[name].grad, rtol=1e-9, atol=1e-12), name


@pytest.mark.parametrize("variant", VARIANTS)
def test_bfloat16_stays_near(variant):
    ours, theirs = pair(variant, std=0.02, n_embd=64, block_size=64)
    x, y = ragged(16, 64)
    _, expected = theirs(x, y)
    with torch.autocast("cpu", torch.bfloat16):
        _, loss = ours(*pack(x, y))
    assert loss.dtype == torch.float32 and loss.item() == pytest.approx(expected.item(), rel=2e-3)
    expected.backward()
    loss.backward()
    a, b = (torch.cat([dict(m.named_parameters())[n].grad.flatten() for n, _ in ours.named_parameters()])
            for m in (ours, theirs))  # fmt: skip
    assert (a - b).norm() < 0.03 * b.norm()


@pytest.mark.parametrize("variant", VARIANTS)
def test_logits(variant):
    ours, theirs = pair(variant)
    x = torch.randint(20, (3, 16))
    logits, loss = ours(x)
    assert loss is None and logits.shape == (3, 16, 20)
    assert torch.allclose(logits, theirs(x)[0], atol=1e-4)
    assert ours.get_block_size() == 16
    with pytest.raises(ValueError, match="17"):
        ours(torch.zeros(1, 17, dtype=torch.long))


@pytest.mark.parametrize("variant", VARIANTS)
@settings(max_examples=15)
@given(
    prompts=st.lists(st.lists(st.integers(2, 19), min_size=1, max_size=15), min_size=1, max_size=6),
    steps=st.integers(0, 12),
    stop=st.integers(0, 19),
)
def test_generating_is_the_textbooks_greedy_decoding(variant, prompts, steps, stop):
    """Token for token; but where the block is full the textbook slides its window, and we stop."""
    ours, theirs = (model.double() for model in pair(variant))  # the likeliest token is not a matter of rounding
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("generation.BATCH", 2)  # so that there are several groups
        answers = generate(ours, prompts, steps, stop)
    for prompt, ours_says in zip(prompts, answers):
        expected = answer(theirs, prompt, min(steps, 17 - len(prompt)), stop)
        assert ours_says == expected
    assert ours.training


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("first", [1, 4, 11])
def test_prompts_may_begin_further_on(variant, first):
    """Token for token by a whole pass for each, at these positions. The shorter prompts are padded in generating."""
    ours, _ = pair(variant)
    prompts = [[5, 3, 8, 2], [7], [2, 9]]
    answers = generate(ours, prompts, 12, -1, first)
    for prompt, answer_ in zip(prompts, answers):
        tokens = list(prompt)
        while first + len(tokens) <= 16 and len(tokens) < len(prompt) + 12:
            positions = torch.arange(first, first + len(tokens))[None]
            tokens.append(int(ours.eval()(torch.tensor([tokens]), positions=positions)[0][0, -1].argmax()))
        assert answer_ == tokens[len(prompt) :]
    with pytest.raises(ValueError, match=f"between 1 and {16 - first}"):
        generate(ours, [[1] * (17 - first)], 1, -1, first)


def test_generating_refuses_what_does_not_fit():
    model = GPT(config("vanilla"))
    for prompts in ([[]], [[1] * 17], [[1], []]):
        with pytest.raises(ValueError, match="between 1 and 16"):
            generate(model, prompts, 3, MASK)
    assert generate(model, [[1] * 16], 3, stop_token=-1) == [generate(model, [[1] * 16], 1, stop_token=-1)[0]]


def test_sampling_agrees_with_generating():
    ours, _ = pair("rope")
    x = torch.tensor([[3, 4, 5]])
    assert sample(ours, x, 8)[0, 3:].tolist() == generate(ours, [[3, 4, 5]], 8, stop_token=-1)[0]
    assert sample(ours, x, 30).shape == (1, 33)  # goes on past the block
    torch.manual_seed(0)
    likely = ours.eval()(x)[0][0, -1].topk(2).indices.tolist()
    drawn = {sample(ours, x, 1, sample=True, top_k=2, temperature=5.0)[0, -1].item() for _ in range(60)}
    assert drawn == set(likely)


@pytest.mark.parametrize("kind", ["embd_pdrop", "resid_pdrop", "attn_pdrop"])
def test_dropout_is_for_training_alone(kind):
    ours, _ = pair("vanilla", **{kind: 0.5})
    x = torch.randint(2, 20, (4, 16))
    assert not torch.equal(ours(x)[0], ours(x)[0])
    prompts = x[:, :5].tolist()
    assert generate(ours, prompts, 10, -1) == generate(ours, prompts, 10, -1)
    assert torch.equal(sample(ours, x[:, :5], 10), sample(ours, x[:, :5], 10))
    assert ours.training
    assert torch.equal(ours.eval()(x)[0], ours(x)[0])


def test_parameters_have_the_courses_names():
    for variant in VARIANTS:
        state = GPT(GPTConfig(256, 128, **VARIANTS[variant])).state_dict()
        shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
        block = {name.removeprefix("blocks.3.") for name in shapes if name.startswith("blocks.3.")}
        linear = {f"{layer}.{kind}" for layer in ("attn.value", "attn.proj", "mlp.0", "mlp.2", "ln1", "ln2")
                  for kind in ("weight", "bias")}  # fmt: skip
        own = {
            "vanilla": {"attn.key.weight", "attn.key.bias", "attn.query.weight", "attn.query.bias"},
            "rope": {"attn.key.weight", "attn.key.bias", "attn.query.weight", "attn.query.bias", "attn.rope_cache"},
            "synthesizer": {"attn.w1.weight", "attn.w1.bias", "attn.w2", "attn.b2"},
        }[variant]
        assert block == linear | {"attn.mask"} | own
        outside = {name for name in shapes if not name.startswith("blocks.")}
        positions = set() if variant == "rope" else {"pos_emb"}
        assert outside == {"tok_emb.weight", "ln_f.weight", "ln_f.bias", "head.weight"} | positions
        assert shapes["blocks.0.attn.mask"] == (1, 1, 128, 128)
        assert variant == "rope" or shapes["pos_emb"] == (1, 128, 256)
        assert variant != "rope" or shapes["blocks.0.attn.rope_cache"] == (128, 16, 2)
        assert variant != "synthesizer" or (shapes["blocks.0.attn.w2"], shapes["blocks.0.attn.b2"]) == (
            (32, 127),
            (127,),
        )
    assert torch.equal(state["blocks.0.attn.mask"][0, 0], torch.ones(128, 128).tril())


def test_initialisation():
    torch.manual_seed(0)
    model = GPT(GPTConfig(256, 128))
    for name, p in model.named_parameters():
        if name == "pos_emb" or name.endswith("bias"):
            assert (p == 0).all(), name
        elif "ln" in name:
            assert (p == 1).all(), name
        else:
            assert p.mean().item() == pytest.approx(0, abs=1e-3) and p.std().item() == pytest.approx(0.02, rel=0.05), (
                name
            )
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 1) == 3.3


def test_rope_and_synthesizer_exclude_each_other():
    with pytest.raises(ValueError, match="choose"):
        GPTConfig(256, 128, rope=True, synthesizer=True)


@pytest.mark.parametrize("variant", VARIANTS)
def test_parameter_files_travel_both_ways(variant, tmp_path):
    ours, theirs = pair(variant)
    save_params(ours, tmp_path / "ours.params")
    theirs.load_state_dict(torch.load(tmp_path / "ours.params", weights_only=True), strict=True)
    torch.save(theirs.state_dict(), tmp_path / "theirs.params")
    again = GPT(config(variant))
    load_params(again, tmp_path / "theirs.params")
    for name, tensor in ours.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_refused_parameter_files(tmp_path):
    path, model = tmp_path / "x.params", GPT(config("vanilla"))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    def refused(message):
        with pytest.raises(InputError, match=message) as caught:
            load_params(model, path)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)

    refused("cannot be read")
    for variant in ("rope", "synthesizer"):
        save_params(GPT(config(variant)), path)
        refused(f"{variant} model, not a vanilla one")
    save_params(GPT(config("vanilla", vocab_size=21)), path)
    refused("vocabulary")
    save_params(GPT(config("vanilla", n_embd=8)), path)
    refused("different")
    save_params(GPT(config("vanilla", n_layer=1)), path)
    refused("no .blocks.1")
    save_params(GPT(config("vanilla", n_layer=3)), path)
    refused("blocks.2")
    save_params(model, path)
    content = path.read_bytes()
    for part in (b"", content[:1000], content[: len(content) // 2], content[:-100], b"text"):
        path.write_bytes(part)
        refused("damaged")
    sparse = torch.eye(16).to_sparse()
    nan = torch.full((16,), torch.nan)
    wrong = [{"ln_f.weight": a} for a in (sparse, nan, torch.zeros(16, device="meta"))] + [{1: torch.zeros(1)}]
    for what in ([1, 2], {"tok_emb.weight": 3}, *({**model.state_dict(), **part} for part in wrong)):
        torch.save(what, path)
        refused("not a parameter file")
    path.write_bytes(pickle.dumps(Hostile(tmp_path / "created")))
    refused("damaged")
    torch.save(Hostile(tmp_path / "created"), path)
    refused("damaged")
    assert not (tmp_path / "created").exists()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_parameters_of_a_wrapped_model(prefix, tmp_path):
    """As DataParallel and torch.compile name them."""
    ours, _ = pair("rope")
    torch.save({prefix + name: tensor for name, tensor in ours.state_dict().items()}, tmp_path / "x.params")
    again = GPT(config("rope"))
    load_params(again, tmp_path / "x.params")
    assert all(torch.equal(tensor, ours.state_dict()[name]) for name, tensor in again.state_dict().items())


@pytest.mark.parametrize("wrapper", [None, torch.nn.DataParallel, torch.compile])
def test_a_parameter_file_names_its_vocabulary(wrapper, tmp_path):
    """To torch and the course's code it is a state_dict like any other. Of two vocabularies of the same size, only the
    right one is accepted; a file that names none, as the course's, is accepted."""
    ours, theirs = pair("vanilla")
    itos, others = ({i: chr(first + i) for i in range(20)} for first in (65, 66))
    tag_vocabulary(ours, itos)
    path = str(tmp_path / "x.params")
    save_params(wrapper(ours) if wrapper else ours, path)
    saved = torch.load(path, weights_only=True)
    assert named_vocabulary(saved) == vocabulary_digest(itos) and len(saved) == len(ours.state_dict())
    if wrapper is None:
        theirs.load_state_dict(saved, strict=True)
        torch.save(saved, path)  # read and written again
    assert named_vocabulary(torch.load(path, weights_only=True)) == vocabulary_digest(itos)
    for symbols in (itos, others, None):
        again = GPT(config("vanilla"))
        if symbols:
            tag_vocabulary(again, symbols)
        with pytest.raises(InputError, match="another vocabulary") if symbols is others else contextlib.nullcontext():
            load_params(again, path)
            assert torch.equal(again.tok_emb.weight, ours.tok_emb.weight)
    save_params(theirs, path)
    assert named_vocabulary(torch.load(path, weights_only=True)) is None
    load_params(again, path)


@pytest.mark.parametrize(
    "metadata",
    [5, [], {}, {"": 5}, {"": {}}, {"": {"vocabulary": 5}}, {5: {"vocabulary": None}}, {"": {"vocabulary": torch.ones(3)}}],
    ids=ascii,
)  # fmt: skip
def test_odd_metadata_names_no_vocabulary(metadata, tmp_path):
    """It is passed over, and so is the absence of any."""
    model, path = GPT(config("vanilla")), tmp_path / "x.params"
    tag_vocabulary(model, {0: "a"})
    state = OrderedDict(GPT(config("vanilla")).state_dict())
    state._metadata = metadata
    torch.save(state, path)
    load_params(model, path)
    assert torch.equal(model.head.weight, state["head.weight"])


def test_buffers_that_are_wrong_are_refused(tmp_path):
    """A mask of zeros; a table of RoPE that begins at position 1. On request they are used."""
    ours, _ = pair("rope")
    state, path = ours.state_dict(), tmp_path / "x.params"
    shifted = state["blocks.0.attn.rope_cache"].roll(-1, 0)
    for name, wrong, row in (
        ("blocks.1.attn.mask", torch.zeros_like(state["blocks.1.attn.mask"]), 0),
        ("blocks.0.attn.rope_cache", shifted, 0),
    ):
        torch.save(state | {name: wrong}, path)
        with pytest.raises(InputError, match=f"{name} is not what it must be, from position {row} on"):
            load_params(GPT(config("rope")), path)
        again = GPT(config("rope"))
        load_params(again, path, trust_buffers=True)
        assert torch.equal(again.state_dict()[name], wrong)
    rounded = state["blocks.0.attn.rope_cache"] + 1e-5
    torch.save(state | {"blocks.0.attn.rope_cache": rounded}, path)
    load_params(GPT(config("rope")), path)
