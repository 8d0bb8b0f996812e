"""Four ways to find out what a model knows of the people it is asked about, from reading along to answering.

    masked      Ada Lovelace. Ada was born in MASK , a mathematician MASK     the place is what is missing
    context     Ada Lovelace. Ada was born in MASK MASK                       the same, with nothing behind it
    name        Ada Lovelace.                                                 goes on as the document does
    question    Where was Ada Lovelace born? MASK                             is answered with the place

Whoever fails at the first two has not stored the fact; whoever passes these and fails at the last cannot get it out
(Allen-Zhu & Li 2023, Physics of Language Models 3.1). The questions should not be those of finetuning. What is said
after the place does not count, except after a question: span corruption does not teach a model where to end.
"""

from __future__ import annotations

from collections.abc import Sequence

from dataset import CharCorruptionDataset
from evaluation import judge
from generation import generate
from model import GPT
from questions import encode_question as ask
from vocabulary import MASK, encode

PROBES = tuple(judge.PROBES)
BEHIND = 24  # characters, at most, that are shown behind the place
STARTED = 16  # characters of the document after the name and its full stop


def prompts_of(
    questions: Sequence[str], places: Sequence[str], corpus: CharCorruptionDataset, most: int | None = None
) -> dict[str, list[tuple[list[int], str]]]:
    """What the model is given for each probe, as indices, and what it should say then, for the people whose document
    tells the place within what span corruption reads, the first `most` of them. They are the same for each probe, so
    that the shares compare."""
    documents_of = judge.by_person(corpus.data)
    prompts: dict[str, list[tuple[list[int], str]]] = {name: [] for name in PROBES}
    for question, place in zip(questions, places):
        if len(prompts["name"]) == most:
            break
        name = judge.person(question)
        for document in documents_of(name):
            begin = judge.find_told(document, name, place)
            end = begin + len(place)
            if not document.startswith(name + ". ") or begin < 0 or end > corpus.max_chars:
                continue
            tokens = encode(document, corpus.stoi, name)
            head, before = tokens[: len(name) + 2], tokens[:begin]
            behind = tokens[end : min(end + BEHIND, corpus.max_chars)]
            prompts["masked"].append(([*before, MASK, *behind, MASK], place))
            prompts["context"].append(([*before, MASK, MASK], place))
            prompts["name"].append((head, document[len(head) : len(head) + STARTED]))
            prompts["question"].append((ask(question, corpus.stoi, corpus.block_size, question), place))
            break
    return prompts


def probe(
    model: GPT, prompts: dict[str, list[tuple[list[int], str]]], corpus: CharCorruptionDataset, first: int = 0
) -> dict[str, tuple[int, int]]:
    """For how many of the people of `prompts_of` the model says what it should, and how many they are, by probe. Empty
    for nobody. `first` is the position at which the documents began that it has read."""
    counts = {}
    for name, pairs in prompts.items():
        longest = max((len(right) for _, right in pairs), default=0) + 1
        begin = 0 if name == "question" else first
        answers = generate(model, [tokens for tokens, _ in pairs], longest, stop_token=MASK, start_position=begin)
        said = ["".join(corpus.itos[i] for i in answer) for answer in answers]
        if name != "question":
            said = [text[: len(right)] for text, (_, right) in zip(said, pairs)]
        if pairs:
            counts[name] = sum(text == right for text, (_, right) in zip(said, pairs)), len(pairs)
    return counts
