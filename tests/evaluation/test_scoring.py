"""The probabilities of answers, token by token; and the documents about a person."""

import math
import random

import numpy as np
import pytest
import torch

from dataset import CharCorruptionDataset
from engine.files import InputError
from evaluation import scoring
from evaluation.summary import position_groups
from model import GPT, GPTConfig
from vocabulary import MASK, encode


@pytest.mark.parametrize("variant", [{}, {"rope": True}, {"synthesizer": True}], ids=["vanilla", "rope", "synthesizer"])
def test_scores_token_by_token(variant, monkeypatch):
    monkeypatch.setattr(scoring, "SCORE_BATCH", 3)
    torch.manual_seed(0)
    model = GPT(GPTConfig(9, 12, n_layer=2, n_head=2, n_embd=16, **variant)).train()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    draw = random.Random(0)
    prompts = [[draw.randrange(9) for _ in range(n)] for n in (1, 3, 5, 5, 12, 4, 8)]
    answers = [[draw.randrange(9) for _ in range(n)] for n in (4, 0, 7, 8, 1, 2, 4)]  # three reach the block's end
    scores = scoring.score_answers(model, prompts, answers, MASK)
    assert model.training and scores.shape == (7, 4)
    model.eval()
    for prompt, answer, row in zip(prompts, answers, scores):
        sequence, chances = list(prompt), []
        for token in [*answer, MASK]:
            if len(sequence) > 12:
                break
            distribution = model(torch.tensor([sequence]))[0][0, -1].softmax(-1).tolist()
            if not chances:
                entropy = -sum(p * math.log2(p) for p in distribution)
            chances.append(distribution[token])
            sequence.append(token)
        expected = sum(map(math.log, chances)), sum(chances) / len(chances), min(chances), entropy
        assert row == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("variant", [{}, {"rope": True}, {"synthesizer": True}], ids=["vanilla", "rope", "synthesizer"])
def test_what_a_view_without_context_recalls(variant):
    """The probability of the answer after `title MASK MASK`, token by token, where titles begin at position 3."""
    torch.manual_seed(0)
    corpus = CharCorruptionDataset("Ada Kern. Born in Rome.\nZoë Lund. Born in Oslo.", block_size=24)
    model = GPT(GPTConfig(corpus.vocab_size, 24, n_layer=2, n_head=2, n_embd=16, **variant)).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    subjects = ["Ada Kern", "Zoë Lund", None, "Ada Quinn", "Ada Kern" * 3]  # there is no Q; the last does not fit
    answers = [encode(text, corpus.stoi, "") for text in ("Rome", "", "Rome", "Rome", "Rome")]
    found = scoring.recall_scores(model, subjects, answers, corpus, 3)
    assert np.isnan(found).tolist() == [False, False, True, True, True]
    for name, answer, score in zip(("Ada Kern", "Zo Lund"), answers, found):
        sequence, expected = [*encode(name, corpus.stoi, ""), MASK, MASK], 0.0
        for token in [*answer, MASK]:
            logits = model(torch.tensor([sequence]), positions=torch.arange(3, 3 + len(sequence))[None])[0][0, -1]
            expected += logits.log_softmax(-1)[token].item()
            sequence.append(token)
        assert score == pytest.approx(expected, rel=1e-4)


def test_certainty_is_the_mean_of_two_log_probabilities_where_there_are_two():
    asked, recalled = np.array([-1.0, -2.0, scoring.NEVER]), np.array([-3.0, np.nan, -1.0])
    assert scoring.certainty(asked, recalled).tolist() == [-2.0, -2.0, scoring.NEVER]


def test_scores_that_are_no_numbers_are_refused():
    model = GPT(GPTConfig(5, 8, n_layer=1, n_head=1, n_embd=4))
    torch.nn.init.constant_(model.head.weight, math.inf)
    with pytest.raises(InputError, match="not numbers"):
        scoring.score_answers(model, [[2]], [[3]], MASK)


def test_documents_and_positions():
    documents = [
        "Jack London. Jack London was born in Oakland ?",
        "Ann Lee. Ann Lee met Londoners in Perth, and lived in London ?",
        "Ann Lee. Born in London, Ann Lee was the daughter of Bo Lind ?",
        "Ann Leeson. Ann Leeson was born in Leeds ?",
    ]
    asked = {"Jack London": "London", "Ann Lee": "London", "Ann Leeson": "Rome", "Bo Lind": "Oslo", "Bo Lin": "Oslo"}
    questions = [f"Where was {name} born?" for name in asked]
    scores = np.zeros((5, 4))
    rows = scoring.predictions_of(questions, ["x"] * 5, list(asked.values()), scores, documents)
    assert [(row.in_corpus, row.documents, row.position) for row in rows] == [
        (True, 1, None),
        (True, 2, documents[2].index("London")),
        (True, 1, None),
        (True, 0, None),
        (False, 0, None),
    ]
    group, order = position_groups(rows, 112)
    assert group == ["not in the document", "characters 0 to 27", "not in the document", *["there is no document"] * 2]
    rows[1].position = 106  # London would end with the 112th character
    assert position_groups(rows, 112)[0][1] == order[3] == "characters 84 to 111"
    rows[1].position = 107
    assert position_groups(rows, 112)[0][1] == order[4] == "beyond character 111"
