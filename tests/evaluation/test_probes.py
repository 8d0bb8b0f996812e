import torch
from test_model import config

from dataset import CharCorruptionDataset
from evaluation.probes import PROBES, probe, prompts_of
from generation import generate
from model import GPT
from vocabulary import MASK
from wording import COURSE

DOCUMENTS = (
    """Ada Byron. Ada Byron, born in London, wrote of an engine that nobody had built.
Jack London. Jack London (1876) was a writer .
Zoë Kern. Zoë Kern was born in Rome.
Zoë Kern. Another one, born in Paris.
Where Two. Too far in: """
    + "x" * 60
    + " born in Oslo?"
)
QUESTIONS = {"Ada Byron": "London", "Jack London": "London", "Zoë Kern": "Paris", "Where Two": "Oslo", "Nobody": "Rome"}
NAMES, PLACES = [f"Where was {name} born?" for name in QUESTIONS], list(QUESTIONS.values())


def spelled(prompts, corpus):
    return {
        name: [("".join(corpus.itos[i] for i in tokens), right) for tokens, right in pairs]
        for name, pairs in prompts.items()
    }


def test_what_is_asked():
    """Of those whose document tells the place early enough, and not only as a name; in the document that tells it."""
    corpus = CharCorruptionDataset(DOCUMENTS, 64)
    assert corpus.max_chars == 56
    prompts = prompts_of(NAMES, PLACES, corpus, COURSE)
    assert tuple(prompts) == tuple(PROBES)
    assert spelled(prompts, corpus) == {
        "masked": [
            ("Ada Byron. Ada Byron, born in ⁇, wrote of an engine⁇", "London"),
            ("Zoë Kern. Another one, born in ⁇.⁇", "Paris"),
        ],
        "context": [
            ("Ada Byron. Ada Byron, born in ⁇⁇", "London"),
            ("Zoë Kern. Another one, born in ⁇⁇", "Paris"),
        ],
        "name": [("Ada Byron. ", "Ada Byron, born "), ("Zoë Kern. ", "Another one, bor")],
        "question": [("Where was Ada Byron born?⁇", "London"), ("Where was Zo Kern born?⁇", "Paris")],
    }
    first = prompts_of(NAMES, PLACES, corpus, COURSE, limit=1)
    assert first == {name: pairs[:1] for name, pairs in prompts.items()}


def test_any_accepted_answer_may_stand_in_the_document_or_be_said():
    corpus = CharCorruptionDataset(DOCUMENTS, 64)
    several = ["Rome|London", "London|Oslo", "Paris|Oslo", "Oslo", "Rome"]
    asked = [*NAMES[:1], "Where was Zoë Kern born?" + " " * 70, *NAMES[1:]]  # the second is too long
    prompts = prompts_of(asked, [several[0], "Paris", *several[1:]], corpus, COURSE)
    usual = prompts_of(NAMES, PLACES, corpus, COURSE)
    assert {name: prompts[name] for name in tuple(PROBES)[:3]} == {name: usual[name] for name in tuple(PROBES)[:3]}
    assert [right for _, right in prompts["question"]] == ["Rome|London", "Paris|Oslo"]
    torch.manual_seed(0)
    model = GPT(config("rope", vocab_size=corpus.vocab_size, block_size=64))
    (said,) = generate(model, [prompts["question"][0][0]], 5, stop_token=MASK)
    text = "".join(corpus.itos[i] for i in said)
    for right, count in ((f"Oslo|{text}", 1), (f"{text}|Oslo", 1), (text, 1), (text + "x", 0), (f"{text}x|Oslo", 0)):
        pairs = {"question": [(prompts["question"][0][0], right)]}
        assert probe(model, pairs, corpus)["question"] == (count if len(said) < 5 else 0, 1)


def test_how_many_it_knows():
    """Against the model asked one by one. Only after a question does it matter where it ends."""
    corpus = CharCorruptionDataset(DOCUMENTS, 64)
    torch.manual_seed(0)
    model = GPT(config("rope", vocab_size=corpus.vocab_size, block_size=64))
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.3)
    asked = prompts_of(NAMES, PLACES, corpus, COURSE)
    assert probe(model, asked, corpus) == dict.fromkeys(PROBES, (0, 2))

    def says(tokens, length):
        (answer,) = generate(model, [tokens], length, stop_token=MASK)
        return "".join(corpus.itos[i] for i in answer)

    begun = {name: [(tokens, says(tokens, 4)) for tokens, _ in pairs] for name, pairs in asked.items()}
    whole = {name: [(tokens, says(tokens, 5)) for tokens, _ in pairs] for name, pairs in asked.items()}
    assert any(a != b for a, b in zip(begun["question"], whole["question"]))
    ended = sum(a == b for a, b in zip(begun["question"], whole["question"]))
    assert probe(model, begun, corpus) == dict.fromkeys(tuple(PROBES)[:3], (2, 2)) | {"question": (ended, 2)}
    assert probe(model, {name: [*pairs, *asked[name]] for name, pairs in begun.items()}, corpus)["name"] == (2, 4)


def test_nobody_to_ask_about():
    corpus = CharCorruptionDataset(DOCUMENTS, 64)
    assert (
        probe(
            GPT(config("rope", vocab_size=corpus.vocab_size, block_size=64)), prompts_of([], [], corpus, COURSE), corpus
        )
        == {}
    )
