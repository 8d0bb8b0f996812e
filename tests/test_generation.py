"""The likeliest answers, against all answers that there are. (Greedy answers are tested in test_model.py.)"""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_model import config

from generation import generate, likeliest_answers
from model import GPT

STOP = 1


def random_model(variant, seed, sharpness=1.0, **shape):
    torch.manual_seed(seed)
    model = GPT(config(variant, **{"vocab_size": 6, "block_size": 12, "n_embd": 16} | shape)).double()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.4)
    model.head.weight.data *= sharpness
    return model


@torch.no_grad()
def all_answers(model, prompt, longest):
    """Every complete answer with its log-probability, by a full forward pass without a cache."""
    model.eval()
    found = []
    for n in range(min(longest, model.get_block_size() - len(prompt)) + 1):
        texts = list(itertools.product([t for t in range(6) if t != STOP], repeat=n))
        tokens = torch.tensor([[*prompt, *text, STOP] for text in texts])
        logprobs = model(tokens[:, :-1])[0].log_softmax(-1).gather(2, tokens[:, 1:, None])[:, len(prompt) - 1 :, 0]
        found += zip(logprobs.sum(1).tolist(), map(list, texts))
    return sorted(found, key=lambda entry: -entry[0])


@pytest.mark.parametrize("variant", ["vanilla", "rope", "synthesizer"])
@settings(max_examples=8)
@given(
    seed=st.integers(0, 1000),
    prompts=st.lists(st.lists(st.integers(2, 5), min_size=1, max_size=11), min_size=1, max_size=3),
    k=st.integers(1, 6),
    longest=st.integers(0, 4),
    sharpness=st.sampled_from([0.1, 1.0, 4.0]),
)
def test_the_likeliest_are_those_of_exhaustive_enumeration(variant, seed, prompts, k, longest, sharpness):
    """With a beam of 512, and 625 beginnings at most, nearly always nothing is dropped."""
    model = random_model(variant, seed, sharpness)
    found = likeliest_answers(model, prompts, k, longest, STOP)
    assert model.training
    for prompt, answers in zip(prompts, found):
        expected = all_answers(model, prompt, longest)[:k]
        assert answers.exact
        assert answers.logprobs == pytest.approx([value for value, _ in expected], abs=1e-9)
        assert answers.tokens == [text for _, text in expected]


def test_the_first_is_at_least_as_likely_as_the_greedy_answer():
    model = random_model("rope", 3, vocab_size=20, block_size=16, sharpness=2.0)
    prompts = [[3, 4], [5, 6, 7], [2]]
    greedy = generate(model, prompts, 5, STOP)
    for prompt, answer, answers in zip(prompts, greedy, likeliest_answers(model, prompts, 3, 5, STOP)):
        if len(answer) < 5:  # it has ended by itself
            tokens = [*prompt, *answer, STOP]
            logprobs = model.eval()(torch.tensor([tokens[:-1]]))[0][0].log_softmax(-1)
            value = sum(logprobs[i, tokens[i + 1]].item() for i in range(len(prompt) - 1, len(tokens) - 1))
            assert answers.logprobs[0] >= value - 1e-9
        assert sum(map(math.exp, answers.logprobs)) <= 1 + 1e-9 and len(set(map(tuple, answers.tokens))) == 3


def test_a_beam_that_is_too_narrow_says_so(monkeypatch):
    monkeypatch.setattr("generation.MAX_BEAM", 2)
    model = random_model("vanilla", 0, sharpness=0.01)  # all answers nearly alike
    assert not likeliest_answers(model, [[2, 3]], 5, 4, STOP)[0].exact
