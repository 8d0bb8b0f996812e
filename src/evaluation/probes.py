"""Four tests of whether a model has stored a fact and can retrieve it, from completing a document to answering.

    masked      Ada Lovelace. Ada was born in MASK , a mathematician MASK     only the place is missing
    context     Ada Lovelace. Ada was born in MASK MASK                       the same, without the text after it
    name        Ada Lovelace.                                                 continues as the document does
    question    Where was Ada Lovelace born? MASK                             is answered with the place

A model that fails the first two has not stored the fact; one that passes them and fails the last cannot retrieve it
(Allen-Zhu & Li 2023, Physics of Language Models 3.1). The questions should not be those of finetuning. What follows
the place is ignored, except after a question: span corruption does not teach a model where to stop.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any

from dataset import CharCorruptionDataset
from engine.files import InputError
from evaluation.metrics import accuracy_with_interval
from evaluation.scoring import documents_by_subject, find_answer
from generation import generate
from model import GPT
from questions import accepted, encode_question, is_right
from titles import split_title
from vocabulary import MASK, decode, encode
from wording import Wording

PROBES = {  # what the model does, and what it is given
    "masked": ("Fill the gap", "given the document, in which only the answer is missing"),
    "context": ("Finish the sentence", "given the document up to the answer"),
    "name": ("Go on from the name", "given the name, with which the document begins"),
    "question": ("Answer the question", "given the question alone"),
}
TEXT_AFTER = 24  # characters of the document, at most, that `masked` shows after the place
CONTINUATION = 16  # characters that `name` expects after the name and its full stop

# By probe, for each person: the tokens, and the expected text; of a question, the accepted answers (questions.accepted).
Prompts = dict[str, list[tuple[list[int], str]]]
Texts = dict[str, list[str]]  # by probe, for each person: what the model says


def prompts_of(
    questions: Sequence[str],
    answers: Sequence[str],
    corpus: CharCorruptionDataset,
    wording: Wording,
    start_position: int = 0,
    limit: int | None = None,
) -> Prompts:
    """The prompts of each probe for the same people, so that the accuracies compare: the first `limit` of those whose
    document has the answer within the characters that span corruption reads, and the block has room for, if documents begin
    at `start_position`. `wording` tells whom a question is about."""
    documents_of, max_chars = documents_by_subject(corpus.data), corpus.readable(start_position)
    prompts: Prompts = {name: [] for name in PROBES}
    for question, answer in zip(questions, answers):
        if len(prompts["name"]) == limit:
            break
        name = wording.subject(question) or ""
        try:
            prompt = encode_question(question, corpus.stoi, corpus.block_size, question)
        except InputError:  # the model cannot read it
            continue
        for document, right in itertools.product(documents_of(name), accepted(answer)):
            begin = find_answer(document, name, right)
            end, title_end = begin + len(right), len(document) - len(split_title(document)[1])
            if not len(name) < title_end <= begin or end > max_chars:
                continue
            tokens = encode(document, corpus.stoi, name)
            title, before = tokens[:title_end], tokens[:begin]
            after = tokens[end : min(end + TEXT_AFTER, max_chars)]
            prompts["masked"].append(([*before, MASK, *after, MASK], right))
            prompts["context"].append(([*before, MASK, MASK], right))
            prompts["name"].append((title, document[len(title) : len(title) + CONTINUATION]))
            prompts["question"].append((prompt, answer))
            break
    return prompts


def complete(model: GPT, prompts: Prompts, corpus: CharCorruptionDataset, start_position: int = 0) -> Texts:
    """By probe, what the model says for each person; empty without people. `start_position` is the position at which
    documents began in training; questions begin at 0."""
    texts = {}
    for name, pairs in prompts.items():
        if not pairs:
            continue
        length = max(len(expected) for _, expected in pairs) + 1
        begin = 0 if name == "question" else start_position
        outputs = generate(model, [tokens for tokens, _ in pairs], length, MASK, begin)
        texts[name] = [decode(output, corpus.itos) for output in outputs]
        if name != "question":  # where a document goes on after the expected text, the model may, too
            texts[name] = [text[: len(expected)] for text, (_, expected) in zip(texts[name], pairs)]
    return texts


def passed(prompts: Prompts, texts: Texts) -> dict[str, list[bool]]:
    """By probe, whether each of the `texts` is what was expected."""

    def all_of(name: str) -> list[bool]:
        passes = is_right if name == "question" else str.__eq__
        return [passes(text, expected) for text, (_, expected) in zip(texts[name], prompts[name])]

    return {name: all_of(name) for name in texts}


def probe(
    model: GPT, prompts: Prompts, corpus: CharCorruptionDataset, start_position: int = 0
) -> dict[str, tuple[int, int]]:
    """By probe, for how many people the model gives the expected text, and how many people there are; see `complete`."""
    found = passed(prompts, complete(model, prompts, corpus, start_position))
    return {name: (sum(flags), len(flags)) for name, flags in found.items()}


def summarise_probes(prompts: Prompts, texts: Texts, itos: dict[int, str]) -> dict[str, Any]:
    """What report.json says of the probes, {} without people: the accuracy of each; how many of the people whose place
    the model has stored, that is, completes in `masked` or `context`, it answers rightly when asked; and what it says
    in each probe about one person, the first whose results in the four are the commonest ones."""
    if not texts:
        return {}
    found = passed(prompts, texts)
    results = list(zip(*(found[name] for name in PROBES)))
    (typical, count), *_ = Counter(results).most_common()
    i = results.index(typical)
    stored = [masked or context for masked, context, *_ in results]
    said = found["question"]
    example = {
        name: {
            "prompt": decode(prompts[name][i][0], itos),
            "expected": prompts[name][i][1],
            "said": texts[name][i],
            "passed": found[name][i],
        }
        for name in PROBES
    }
    return {
        "probes": {name: accuracy_with_interval(sum(flags), len(flags)) for name, flags in found.items()},
        "retrieval": {
            "stored": sum(stored),
            "stored_and_said": sum(a and b for a, b in zip(stored, said)),
            "said_only": sum(b and not a for a, b in zip(stored, said)),
        },
        "probe_example": example | {"like_it": count},
    }
