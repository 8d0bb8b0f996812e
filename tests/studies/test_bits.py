"""The bits that a model knows, against the formula spelled out, and asked of a real model a character at a time."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from study_driver import TINY

import run
from engine.files import InputError
from engine.inputs import find_sizes, load_recorded_corpus, make_model
from replicate import command_line
from studies import work
from studies.bits import known_bits, net_bits
from studies.measure import ask, chosen, cultures_of_answers, measure, read_facts
from studies.plan import Run
from vocabulary import MASK, encode

PROBABILITY = st.floats(1e-12, 1.0)


@given(st.lists(st.tuples(PROBABILITY, PROBABILITY), min_size=1))
def test_bits_are_information_less_loss(pairs):
    """Of a fact that the world draws with probability p and the model says with probability q."""
    expected = []
    for p, q in pairs:
        information, loss = math.log2(1 / p), math.log2(1 / q)
        expected.append(information - loss if information > loss else 0.0)
    world, model = np.array(pairs).T
    assert known_bits(-np.log2(world), np.log(model)) == pytest.approx(expected, abs=1e-9)
    assert (known_bits(-np.log2(world), np.log(model)) >= net_bits(-np.log2(world), np.log(model)) - 1e-12).all()


def test_who_knows_everything_knows_the_information_and_who_knows_the_world_only_nothing():
    information = np.array([1.0, 2.0, 8.5])
    assert known_bits(information, np.zeros(3)).sum() == pytest.approx(11.5)
    assert known_bits(information, -information * math.log(2)).sum() == pytest.approx(0)
    assert known_bits(np.array([math.nan]), np.zeros(1)) == [0]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The world and the parameters of a tiny run."""
    out, patch = tmp_path_factory.mktemp("trained"), pytest.MonkeyPatch()
    pytest.importorskip("faker", reason="only the generator needs Faker")
    patch.chdir(out)
    tiny = Run("exposures", "small", TINY, 0)
    world = work.make_world(out, TINY.world, 0)
    work.write_questions(out / "questions.tsv", world, False)
    params, _ = work.train_model(tiny, out, world / "wiki.txt", out / "questions.tsv", "first")
    yield world, params
    patch.undo()


def test_a_model_is_asked_for_each_fact(trained):
    """Log-probabilities and answers, a character at a time, and the sums of the rows."""
    world, params = trained
    facts = [fact for fact in read_facts(world) if fact.split in ("dev", "test")]
    flags = {"reading_params_path": params, "eval_corpus_path": "-", "outputs_path": "-"}
    args = run.parse_args(command_line("evaluate", work.VARIANT, world / "wiki.txt", **flags))
    corpus = load_recorded_corpus(args, 128)
    model = make_model(args, corpus, find_sizes(args)).eval()
    texts, log_probability, parameters = ask(work.VARIANT, world / "wiki.txt", params, facts)
    assert parameters == sum(p.numel() for p in model.parameters())
    bits, right, information = 0.0, 0, 0.0
    for fact, text, found in zip(facts, texts, log_probability, strict=True):
        question = "".join(c for c in fact.question if c.isascii())
        tokens = encode(question, corpus.stoi, "") + [MASK]
        total = 0.0
        for token in [*encode(fact.answer, corpus.stoi, ""), MASK]:
            with torch.no_grad():
                logits = model(torch.tensor([tokens]))[0][0, -1].double()
            total += float(logits[token] - logits.logsumexp(0))
            tokens.append(token)
        assert found == pytest.approx(total, abs=1e-3)
        bits += max(0.0, fact.bits - -total / math.log(2))
        information += fact.bits
        right += text == fact.answer
    rows = [r for r in measure(work.VARIANT, world / "wiki.txt", params, world, "first", False)["rows"]
            if r["split"] in ("dev", "test")]  # fmt: skip
    assert sum(row["bits"] for row in rows) == pytest.approx(bits, abs=0.05)
    assert sum(row["information"] for row in rows) == pytest.approx(information, abs=0.05)
    assert (sum(row["right"] for row in rows), sum(row["asked"] for row in rows)) == (right, len(facts))


def test_of_many_facts_some_are_asked(trained):
    facts = read_facts(trained[0])
    groups = chosen(facts, limit=10)
    assert sum(total for total, _ in groups.values()) == len(facts)
    for group, (total, members) in groups.items():
        assert len(members) == min(10, total) and {fact.group for fact in members} == {group}
        assert len(set(members)) == len(members)


FACTS = "split\trelation\tquestion\tanswer\tbits\tbits_given_name\tbest_guess\tguess_given_name\tdocuments\tculture\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (FACTS + "dev\tbirthplace\tWhere?\tRome\tmany\t1\tA\tB\t1\tfr_FR\n", "is no list of facts"),
        (FACTS + "dev\tbirthplace\tWhere?\tRome\n", "line 2: is damaged"),
        (FACTS + "dev\tfield\tWhat?\tlaw\t1\t1\tA\tB\t1\tfr_FR\tmore\n", "line 2: is damaged"),
        ("split\trelation\ndev\tfield\n", "is no list of facts"),
        (None, "cannot be read"),
    ],
)
def test_damaged_facts_are_named(tmp_path, text, message):
    if text is not None:
        (tmp_path / "facts.tsv").write_text(text)
    with pytest.raises(InputError, match=message) as found:
        read_facts(tmp_path)
    assert str(found.value).startswith(str(tmp_path / "facts.tsv"))


@pytest.mark.parametrize(("text", "message"), [("answer\nRome\n", "no column"), ("answer\tcultures\nRome\n", "line 2")])
def test_damaged_cultures_are_named(tmp_path, text, message):
    (tmp_path / "cultures.tsv").write_text(text)
    with pytest.raises(InputError, match=message):
        cultures_of_answers(tmp_path)
