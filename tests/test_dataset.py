import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from cloze import ClozeDataset, MixedDataset
from dataset import CharCorruptionDataset, NameDataset, pack
from engine.files import InputError
from questions import encode_question
from salience import JOIN
from titles import WORD, split_title
from vocabulary import MASK, PAD

ROOT = Path(__file__).parent.parent
MASK_CHAR, PAD_CHAR = "\u2047", "\u25a1"

characters = st.characters(exclude_categories=["Cs"], exclude_characters="\n\r" + MASK_CHAR + PAD_CHAR)
documents = st.lists(st.text(characters, max_size=60), min_size=1, max_size=8).filter(lambda d: "".join(d).strip())


def taken_apart(dataset, x, y):
    """The three parts of an example, after checking that it is laid out as it should be."""
    assert x.dtype == y.dtype == torch.long and x.shape == y.shape == (dataset.block_size,)
    assert torch.equal(x[1:], y[:-1])
    text = "".join(dataset.itos[int(i)] for i in [*x, y[-1]])
    assert text.count(MASK_CHAR) == 2
    content = text.rstrip(PAD_CHAR)
    assert PAD_CHAR not in content
    return content.split(MASK_CHAR)  # prefix, suffix, masked content


@given(documents, st.integers(5, 70), st.integers(0, 2**32))
def test_span_corruption_of_any_corpus(documents, block_size, seed):
    torch.manual_seed(seed)
    dataset = CharCorruptionDataset("\n".join(documents), block_size)
    assert dataset.data == documents or dataset.data == documents[:-1]  # an empty last line is no document
    for document, (x, y) in zip(dataset.data, dataset):
        prefix, suffix, masked = taken_apart(dataset, x, y)
        truncated = prefix + masked + suffix
        assert document.startswith(truncated)
        assert min(4, len(document)) <= len(truncated) <= min(block_size * 7 // 8, len(document))
        assert bool(masked) == bool(document)


def corrupted_slowly(document, block_size, rng):
    """The specification, step by step: (length after truncation, masked characters, where they begin)."""
    length = min(len(document), rng.randint(4, int(block_size * 7 / 8)))
    share = rng.uniform(1, length / 2 - 1)
    masked = int(share) + (rng.random() < share - int(share))
    return length, masked, rng.randint(0, length - masked)


def test_same_distribution_as_the_specification():
    documents = ["x" * n for n in (4, 5, 9, 60, 112, 300)]
    dataset, rng, draws = CharCorruptionDataset("\n".join(documents), 128), random.Random(0), 20000
    for i, document in enumerate(documents):
        rows = dataset.corrupt(np.full(draws, i), np.random.default_rng(i))
        first = (rows == MASK).argmax(1)
        length = (rows != PAD).sum(1) - 2
        masked = length - ((rows == MASK) * np.arange(129)).sum(1) + first + 1
        slow = np.array([corrupted_slowly(document, 128, rng) for _ in range(draws)])
        for ours, theirs in zip((length, masked, first), slow.T):
            below = np.arange(130)  # largest distance of the two distribution functions (Kolmogorov and Smirnov)
            distance = abs(np.mean(ours[:, None] < below, 0) - np.mean(theirs[:, None] < below, 0)).max()
            assert distance < 1.95 * np.sqrt(2 / draws)


def test_every_length_is_possible_and_a_quarter_is_masked():
    torch.manual_seed(0)
    dataset = CharCorruptionDataset("ab" * 100, 128)
    parts = [taken_apart(dataset, *dataset[0]) for _ in range(5000)]
    lengths = Counter(len(prefix + suffix + masked) for prefix, suffix, masked in parts)
    assert sorted(lengths) == list(range(4, 113))
    share = [len(masked) / len(prefix + suffix + masked) for prefix, suffix, masked in parts]
    assert abs(np.mean(share) - 0.25) < 4 * np.std(share) / np.sqrt(len(share))
    assert {len(masked) for *_, masked in parts} >= set(range(1, 50))
    assert any(not prefix for prefix, _, _ in parts) and any(not suffix for _, suffix, _ in parts)


def test_vocabulary():
    dataset = CharCorruptionDataset("böb\nab", 16)
    assert dataset.itos == {0: PAD_CHAR, 1: MASK_CHAR, 2: "\n", 3: "a", 4: "b", 5: "ö"}
    assert dataset.stoi == {c: i for i, c in dataset.itos.items()}
    assert (dataset.vocab_size, dataset.MASK_CHAR, dataset.PAD_CHAR) == (6, MASK_CHAR, PAD_CHAR)
    assert dataset.data == ["böb", "ab"] and len(dataset) == 2
    with pytest.raises(IndexError):
        dataset[2]


def test_large_vocabularies_and_lone_surrogates():
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 300))) + "\U0001f600\ud800"
    dataset = CharCorruptionDataset(text, 400)
    prefix, suffix, masked = taken_apart(dataset, *dataset[0])
    assert text.startswith(prefix + masked + suffix)


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "empty"), ("\n \n", "empty"), ("a\nb" + MASK_CHAR, "line 2"), (PAD_CHAR + "\n", "line 1")],
)
def test_refused_corpora(text, message):
    with pytest.raises(InputError, match=message):
        CharCorruptionDataset(text, 128)


def test_examples_follow_the_seed_and_differ_between_workers():
    dataset = CharCorruptionDataset("a sentence that is long enough\n" * 8, 32)

    def epochs():
        torch.manual_seed(3)
        loader = DataLoader(dataset, batch_size=4, num_workers=2)
        return [x for _ in range(2) for x, _ in loader]

    one, two = epochs(), epochs()
    assert all(torch.equal(a, b) for a, b in zip(one, two))
    assert len({x.numpy().tobytes() for x in one}) == len(one)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 12), st.integers(0, 6)), min_size=1, max_size=30))
def test_packing_keeps_every_example_whole(shapes):
    """shapes: how many targets of each example are PAD before the first real one, where its last one is, and the
    position of its first token. `document_ids` says which tokens belong together."""
    T = 12
    x, y = torch.zeros(len(shapes), T, dtype=torch.long), torch.zeros(len(shapes), T, dtype=torch.long)
    for i, (silent, length, _) in enumerate(shapes):
        x[i, :length] = torch.arange(length) * 100 + i + 1
        y[i, min(silent, length - 1) : length] = i + 1
    X, Y, positions, document_ids = pack(x, y, np.array([first for *_, first in shapes]))
    assert X.shape == Y.shape == positions.shape == document_ids.shape and X.shape[1] == T and len(X) <= len(x)
    assert torch.equal(document_ids == -1, X == PAD)
    found = []
    for row in range(len(X)):
        for i in set(document_ids[row].tolist()) - {-1}:
            found.append([tensor[row, document_ids[row] == i].tolist() for tensor in (X, Y, positions)])
    expected = [
        [x[i, :length].tolist(), y[i, :length].tolist(), list(range(first, first + length))]
        for i, (_, length, first) in enumerate(shapes)
    ]
    assert sorted(found) == sorted(expected)
    assert torch.equal(pack(x, y)[2], pack(x, y, np.zeros(len(x), int))[2])


def test_packing_leaves_little_room():
    dataset = CharCorruptionDataset("\n".join("x" * n for n in range(40, 240)), 128)
    X, *_ = dataset.batch(np.arange(128), np.random.default_rng(0))
    assert (X != PAD).float().mean() > 0.9


TRAIN = "Where was Ada born?\tParis\nWhere was Zoë K. born?\tRome\n"


@pytest.fixture
def corpus():
    return CharCorruptionDataset("Where was Ada K. Zo born?\nParis Rome", 32)


def test_questions(corpus):
    names = NameDataset(corpus, TRAIN)
    assert len(names) == 2
    x, y = ("".join(corpus.itos[int(i)] for i in part) for part in names[0])
    assert x == "Where was Ada born?⁇Paris⁇" + 5 * PAD_CHAR
    assert y == 18 * PAD_CHAR + "⁇Paris⁇" + 6 * PAD_CHAR
    assert "".join(corpus.itos[int(i)] for i in names[1][0]).startswith("Where was Zo K. born?⁇Rome⁇")
    X, Y, positions, _ = names.batch(np.array([1, 0]))
    assert (
        X.shape == (2, 31) and torch.equal(Y[1, :25], names[0][1][:25]) and positions[0, :5].tolist() == [0, 1, 2, 3, 4]
    )
    assert len(list(names)) == 2
    assert (
        encode_question("Where was Zoë K. born?", corpus.stoi, 32, "")
        == names.rows[1, : names.prompt_lengths[1, 0]].tolist()
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no questions"),
        (TRAIN + "Where was Bo born?\n", "line 3.*tab"),
        (TRAIN + "\n" + TRAIN, "line 3.*tab"),
        (TRAIN + "a\tb\tc", "line 3.*tab"),
        (TRAIN + "Where was Ada born?\t\n", "line 3.*no answer"),
        (TRAIN + " \tRome\n", "line 3.*no question"),
        (TRAIN + "\n\n", None),
        (TRAIN + "Where was Ada born?\tPariX", "line 3.*'X'.*corpus"),
        (TRAIN + "Where was Qda born?\tParis", "line 3.*'Q'.*corpus"),
        (TRAIN + "Where was Ada" + " Ada" * 9 + "?\tParis", "line 3.*characters"),
        (TRAIN + "Where was Ada born?\tParis Paris Paris", "line 3.*characters"),
        (TRAIN + "Where⁇\tParis", None),  # not ASCII, so it falls away
        (TRAIN + "Where\tPar⁇is", "line 3"),
    ],
)
def test_refused_questions(corpus, text, message):
    if message is None:
        NameDataset(corpus, text)
        return
    with pytest.raises(InputError, match=message):
        NameDataset(corpus, text)


@pytest.mark.parametrize("kind", ["namedata", "charcorruption"])
def test_four_examples_are_printed(kind, tmp_path):
    command, environment = [sys.executable, str(ROOT / "src" / "dataset.py"), kind], {**os.environ, "PYTHONUTF8": "0"}
    environment["PYTHONIOENCODING"] = "cp1252"  # as on Windows
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=60, env=environment,
                          check=True)  # fmt: skip
    lines = done.stdout.splitlines()
    assert [line[:3] for line in lines] == ["x: ", "y: "] * 4
    assert all(len(line) == 3 + (127 if kind == "namedata" else 128) for line in lines)


def test_course_files(course_data):
    dataset = CharCorruptionDataset((course_data / "wiki.txt").read_text(encoding="utf-8"), 128)
    assert (len(dataset), dataset.vocab_size) == (2937, 256)
    names = NameDataset(dataset, (course_data / "birth_places_train.tsv").read_text(encoding="utf-8"))
    assert len(names) == 2000


VIEWED = (
    "Ada Kern. Ada Kern was born in Rome in 1901 and died in New Oslo .\nBob. He .\nNo stop here\n\nZoë Lund. Painter ."
)


def test_views_are_the_documents_own_words(monkeypatch):
    """Each is taken apart again: the words around a gap and those in it stand in the document in that order, and none
    is shown more often than it stands there, or a gap would be given away by the surroundings of another."""
    monkeypatch.setattr("cloze.DISTRACTOR", 0)
    corpus = CharCorruptionDataset(VIEWED, 128)
    views = ClozeDataset(corpus, share=1.0)
    words = Counter(WORD.findall(VIEWED.split("\n")[0].removeprefix("Ada Kern. ")))
    rng, seen, sizes, bare = np.random.default_rng(0), Counter(), Counter(), 0
    for _ in range(3000):
        x, y, _ = views.examples(np.array([0]), rng)
        text = "".join(corpus.itos[int(i)] for i in [x[0, 0], *y[0]]).rstrip(PAD_CHAR)
        title, *pieces, end = text.split(MASK_CHAR)
        assert end == "" and title.startswith("Ada Kern")
        if title == "Ada Kern":
            bare += 1
            gaps = shown = pieces[1:] if pieces[0] == "" else pieces
        else:
            assert title.startswith("Ada Kern. ")
            pieces.insert(0, title.removeprefix("Ada Kern. "))
            befores, behinds, gaps = (pieces[i::3] for i in range(3))
            shown = [before + gap + behind for before, gap, behind in zip(befores, gaps, behinds, strict=True)]
        assert all(gap == gap.strip() for gap in gaps) and all(part in corpus.data[0] for part in shown)
        assert Counter(WORD.findall(" ".join(shown))) <= words
        sizes[len(gaps)] += 1
        seen.update(gaps)
    names = [gap for gap in seen if gap[0].isupper()]
    assert {"Rome", "New", "New Oslo", "Oslo"} <= set(names)
    assert sum(seen[gap] for gap in names) > 2 * seen["1901"] > 2 * seen["born"] > 0
    assert 0.30 < bare / 3000 < 0.40 and set(sizes) == {1, 2, 3}


def test_what_a_gap_prefers():
    """Names, rather than numbers with their months, rather than words that are mostly written small, or in the title, or,
    where most of the corpus fits in the block, behind what span corruption reads."""
    documents = "Ada Kern. Born in Rome, New Oslo, on 7 May 1901, Kern was the May queen .\nBob. Where was he born and was she born ."
    corpus = CharCorruptionDataset(documents, 128)
    _, words, gaps, _ = ClozeDataset(corpus, share=1.0).documents[0]
    weights = np.diff(gaps.cdf, prepend=0)
    kinds = [
        (corpus.data[0][begin:end], round(weight / weights.max(), 6)) for (begin, end), weight in zip(words, weights)
    ]
    few, number = 0.02, 0.05
    assert kinds == [("Born", few), ("in", few), ("Rome", 1), ("New", 1), ("Oslo", 1), ("on", few), ("7", number),
                     ("May", number), ("1901", number), ("Kern", few), ("was", few), ("the", few), ("May", 1), ("queen", few)]  # fmt: skip
    assert [*gaps.joins] == [JOIN * (weight > few) for _, weight in kinds[1:]] + [
        0
    ]  # the next word, if it is one of these
    short = ClozeDataset(CharCorruptionDataset(documents + 20 * "\nBob. He .", 36)).documents[0]  # it reads up to New
    assert np.diff(short.gaps.cdf, prepend=0)[2:5] / short.gaps.cdf[0] == pytest.approx([1 / few, 1 / few, 1])
    asked = ClozeDataset(
        corpus, answers=[(None, "Rome, Italy"), (None, "Queen on")], answer_weight=7.0
    )  # of these words, only names
    ratio = np.diff(asked.documents[0].gaps.cdf, prepend=0) / weights
    assert [round(r / ratio.min(), 6) for r in ratio] == [7.0 if kind == ("Rome", 1) else 1.0 for kind in kinds]


def test_a_gap_prefers_answers_that_are_no_names():
    """Years and words in small letters are otherwise hardly ever missing, so that what they say would not be learned."""
    corpus = CharCorruptionDataset("Ada Kern. Born on 7 May 1901 in Rome, Kern was a film actor and a poet .", 128)
    asked = ClozeDataset(
        corpus, answers=[(None, text) for text in ("1901", "film actor", "Rome")], answer_weight=6.0
    ).documents[0]
    shares = dict(zip((corpus.data[0][a:b] for a, b in asked.words), np.diff(asked.gaps.cdf, prepend=0)))
    for word in ("1901", "film", "actor"):
        assert shares[word] == pytest.approx(shares["Rome"]) == pytest.approx(6 / 0.02 * shares["poet"])
    assert shares["7"] == shares["May"] == pytest.approx(0.05 / 6 * shares["Rome"])
    joins = [
        asked.gaps.joins[i - 1] > 0 for i, (a, b) in enumerate(asked.words) if corpus.data[0][a:b] in ("film", "poet")
    ]
    assert joins == [True, False]


@pytest.mark.parametrize("i", range(5))
def test_documents_without_words_still_give_examples(i):
    corpus = CharCorruptionDataset(VIEWED, 128)
    views = ClozeDataset(corpus)
    for seed in range(20):
        x, y = views[i]
        assert x.shape == y.shape == (128,) and torch.equal(x[1:], y[:-1])
        assert bool(views.view(i, np.random.default_rng(seed))) == bool(views.documents[i][1])  # else it is corrupted
    assert len(views) == 5


def test_a_title_that_leaves_no_room_is_corrupted():
    corpus = CharCorruptionDataset("Ada. Rome .\n" + 60 * "N" + ". Rome .", 64)
    views, rng = ClozeDataset(corpus, share=1.0), np.random.default_rng(0)
    for _ in range(20):
        assert views.view(0, rng) and views.view(1, rng) is None
        _, y, first = views.examples(np.array([0, 1]), rng)
        assert y[0][y[0] != PAD][-1] == MASK and first[0] <= 10
        assert y[1][y[1] != PAD][-1] != MASK and first[1] == 0


def test_a_corpus_without_spaces_has_views():
    """Its titles end with a tab; nothing then stands before them."""
    corpus = CharCorruptionDataset("Ada\tRome\nBob\tOslo", 32)
    views, rng = ClozeDataset(corpus, 1.0), np.random.default_rng(0)
    shown = {"".join(corpus.itos[int(c)] for c in views.view(i, rng)[0]) for i in (0, 1) for _ in range(50)}
    assert {text.split("\t")[0].split(MASK_CHAR)[0] for text in shown} == {"Ada", "Bob"}


def test_prompts_are_documents_with_a_gap():
    """Up to where the model begins to write; with what belongs in the gap, it is the document's text again."""
    text = (
        "Ada King. Ada King was born in New Rome , a town of Italy .\nBob. Oslo .\nno title\nX. y\n"
        + "Long" * 20
        + ". Ok no"
    )
    corpus, rng = CharCorruptionDataset(text, 64), np.random.default_rng(0)

    def decoded(tokens):
        return "".join(corpus.itos[int(i)] for i in tokens)

    views, seen = ClozeDataset(corpus, 1.0), set()
    for i in [*range(len(corpus))] * 20:
        prompt, missing = map(decoded, corpus.prompt(i, rng))
        before, after, end = prompt.split(corpus.MASK_CHAR)
        assert end == "" and corpus.data[i].startswith(before + missing + after)
        view = views.prompt(i, rng)
        assert (view is None) == (i in (2, 4))
        if view:
            prompt, missing = map(decoded, view)
            heading, rest = prompt.split(". ", 1)
            before, after, end = rest.split(corpus.MASK_CHAR)
            assert end == "" and missing and f"{before}{missing}{after}" in corpus.data[i].removeprefix(heading + ". ")
            assert before or i in (1, 3) and views.start_position + len(prompt + missing) < 64
            seen.add(missing)
    assert {"Rome", "Oslo", "y"} < seen or {"New Rome", "Oslo", "y"} < seen


@pytest.mark.parametrize("share", [0.0, 0.75, 1.0])
def test_a_share_of_the_examples_is_span_corruption(share):
    corpus = CharCorruptionDataset("\n".join(["Ada. Rome ."] * 2000), 128)
    _, y, _ = ClozeDataset(corpus, share).examples(np.arange(2000), np.random.default_rng(0))
    views = sum(row[row != PAD][-1].item() == MASK for row in y)  # only a view ends with MASK
    assert views / 2000 == pytest.approx(share, abs=0.03 if share == 0.75 else 0)


@pytest.mark.parametrize("block_size", [64, 128])
def test_names_stand_at_one_position(block_size):
    """In views, with distractors or without, as in questions. No view goes on beyond the block: the smaller one has no
    room for some, which become corrupted documents."""
    text = "Zed Quist. Born in Rome, he moved to Oslo, Bonn and Paris .\nWhere was ?"
    corpus = CharCorruptionDataset(text, block_size)
    names = NameDataset(corpus, "Where was Zed Quist?\tRome\n")
    title, rng, starts = [corpus.stoi[char] for char in "Zed Quist"], np.random.default_rng(0), set()
    for dataset in (ClozeDataset(corpus, share=1.0), MixedDataset(names, ClozeDataset(corpus, share=1.0), views=5)):
        for _ in range(100):
            x, _, positions, _ = dataset.batch(np.zeros(4, int), rng)
            assert positions.max() < block_size
            starts |= set(positions[:, 0].tolist())
            for row, column in (x == title[0]).nonzero().tolist() if block_size == 128 else ():
                whole = slice(column, column + len(title))
                assert x[row, whole].tolist() == title and positions[row, whole].tolist() == [*range(10, 19)]
    assert {0, 10} < starts <= set(range(11))


def test_questions_beside_views():
    corpus = CharCorruptionDataset(VIEWED + "\nWhere was ?", 128)
    names = NameDataset(corpus, "Where was Ada Kern born?\tRome\nWhere was Bob born?\tOslo\n")
    mixed = MixedDataset(names, ClozeDataset(corpus, share=1.0), views=3)
    assert len(mixed) == 2
    batch = mixed.batch(np.array([1, 0]), np.random.default_rng(0))
    assert sum(len(set(row.tolist()) - {-1}) for row in batch.document_ids) == 2 + 3 * 2
    text = ["".join(corpus.itos[int(i)] for i in row) for row in batch[0]]
    assert sum(row.count("born?" + MASK_CHAR) for row in text) == 2
    silent = (batch[0] != PAD) & (batch[1] == PAD)
    assert silent.sum() >= len("Where was Ada Kern born?") + len("Where was Bob born?") - 2  # no loss on the questions


@pytest.mark.parametrize("views", [1, 7, 20])
@pytest.mark.parametrize("weight", [1.0, 4.0, 0.5])
def test_how_often_each_document_is_read_beside_questions(views, weight):
    """The rarer, the more of it is asked for; to within one in each pass, whatever the order of the questions; with fewer views
    than documents, other documents in other passes. Ada's title has lost its accent in the question."""
    people = ["Ada Körn", "Bo Lund", *(f"Person {c}" for c in "CDEFGHIJKLM")]
    text = "\n".join(f"{name}. Born in Rome, lived in Oslo ." for name in people) + "\nWhere was b?"
    corpus = CharCorruptionDataset(text, 128)
    names = NameDataset(corpus, "Where was Ada Krn born?\tRome\nWhere was Bo Lund born?\tRome\n" * 2)
    answers = [("Ada Krn", "Rome"), ("Bo Lund", "Rome")]
    documents, uniform = (
        ClozeDataset(corpus, answers=answers, answer_weight=6.0, unasked_weight=each) for each in (weight, 1.0)
    )
    gaps = np.diff(uniform.documents[0].gaps.cdf, prepend=0)  # born in Rome lived in Oslo
    worth = 1 - gaps[2] + gaps[2] / weight
    for i in range(14):
        expected = gaps / np.array([1, 1, weight, 1, 1, 1]) / worth if i < 2 else gaps
        if i < 13:
            assert np.diff(documents.documents[i].gaps.cdf, prepend=0) == pytest.approx(expected)
    mixed, rng, seen = MixedDataset(names, documents, views), np.random.default_rng(0), []
    examples = documents.examples
    documents.examples = lambda chosen, rng: seen.extend(chosen.tolist()) or examples(chosen, rng)
    expected = np.array([worth] * 2 + [1] * 12)
    expected *= 4 * views / expected.sum()
    totals = np.zeros(14)
    for _ in range(200):
        seen.clear()
        for questions in np.split(rng.permutation(4), 2):
            mixed.batch(questions, rng)
        counts = np.bincount(seen, minlength=14)
        assert counts.sum() == 4 * views and (abs(counts - expected) < 2).all()
        totals += counts
    assert totals == pytest.approx(200 * expected, rel=0.4)


def test_a_window_of_a_long_document_is_read_by_what_it_says():
    """In the part that nobody asks for as often as any."""
    words = [f"word{i}" for i in range(60)]
    text = "Ada Kern. Born in Rome, " + " ".join(words) + ". She died in Oslo ."
    corpus = CharCorruptionDataset(text + "\n" + text.replace("Ada", "Bea"), 128)
    views = ClozeDataset(corpus, answers=[("Ada Kern", "Rome")], answer_weight=6.0, unasked_weight=4.0)
    worth = [views.documents[w.document].gaps.worth(w.first_word, w.end_word) for w in views.windows]
    assert len(worth) == 2 * (n := len(worth) // 2) and n > 2
    assert worth[0] < 0.5 and worth[1:] == pytest.approx([1.0] * (2 * n - 1))


@pytest.mark.parametrize("title", ["J. E. P. Aldous", "Zoë Q. Lund", "George Graham, Jr.", "Dr. No"])
def test_titles_with_initials_and_accents(title, monkeypatch):
    """Dr. is a title of its own to it: that is not an initial."""
    monkeypatch.setattr("cloze.DISTRACTOR", 0)
    corpus = CharCorruptionDataset(f"{title}. Born in Rome .", 128)
    views, rng = ClozeDataset(corpus, share=1.0), np.random.default_rng(0)
    seen = set()
    for _ in range(100):
        _, y, _ = views.examples(np.array([0]), rng)
        seen.add(title[0] + "".join(corpus.itos[int(i)] for i in y[0]).partition(MASK_CHAR)[0])
    names = {name for name in seen if "Rome" not in name and "Born" not in name and not name.endswith(". ")}
    expected = {"Dr"} if title == "Dr. No" else {title, title.replace("ë", "")}
    assert expected <= names and all(name.startswith(tuple(expected)) for name in names)


def test_some_of_the_views_have_stray_words():
    """Before the title, as many characters as fit there, and behind it when there is nothing else."""
    corpus = CharCorruptionDataset("Ada. Rome .\nOther Doc. alpha beta gamma delta .", 128)
    views, rng, preceded, bare = ClozeDataset(corpus, share=1.0), np.random.default_rng(0), 0, set()
    for _ in range(1000):
        x, y, _ = views.examples(np.array([0]), rng)
        text = "".join(corpus.itos[int(i)] for i in [x[0, 0], *y[0]])
        before, _, behind = text.partition("Ada")
        preceded += bool(before)
        assert before == "" or before in VIEWED_DISTRACTORS
        if not behind.startswith(". "):
            bare.add(behind.partition(MASK_CHAR)[0])
    assert 230 < preceded < 370  # of 1,000; cloze.DISTRACTOR is their share
    assert bare == {
        "",
        " Rome",
        *(f" {words}" for words in ("alpha", "beta", "gamma", "delta", "alpha beta", "beta gamma", "gamma delta")),
    }


VIEWED_DISTRACTORS = {f"{words} "[-10:] for words in ("Rome", "alpha", "beta", "gamma", "delta", "alpha beta", "beta gamma",
                 "gamma delta", "alpha beta gamma", "beta gamma delta")}  # fmt: skip


TITLES = {
    "St. Lucia. St. Lucia is an island .": "St. Lucia",
    "St. Vincent. St. Vincent, an island, is near .": "St. Vincent",
    "Vitamin C. Vitamin C was first isolated in Szeged .": "Vitamin C",
    "Washington D.C. Washington D.C. is a city .": "Washington D.C",
    "R.E.M. R.E.M. was a band .": "R.E.M",
    "What? What is a film .": "What",
    "Stop! Or my mother will shoot .": "Stop",
    "Ada Kern: a painter born in Rome": "Ada Kern",
    "Ada Kern – a painter born in Rome": "Ada Kern",
    "Ada Kern\ta painter born in Rome": "Ada Kern",
    "Anastasius I. Anastasius I, born in Rome, was pope .": "Anastasius I",
    "A. A. Milne. A. A. Milne was a writer .": "A. A. Milne",
    "J. E. P. Aldous. Born in Rome .": "J. E. P. Aldous",
    "Ann-Marie. Ann was born in Oslo. Marie was not .": "Ann-Marie",
    "R.E.M. R.E.M. was a band. It was known .": "R.E.M",
    "Oz: a land far away. Its capital is Emerald City .": "Oz",
    "Oz – a land. Its capital is Emerald City .": "Oz",
    "What? A film. It was made in 1972 .": "What",
    "St. Lucia\tAn island. Its capital is Castries .": "St. Lucia",
}


@pytest.mark.parametrize(("document", "title"), TITLES.items())
def test_titles_of_many_kinds(document, title):
    assert split_title(document)[0] == title
    corpus = CharCorruptionDataset(document, 128)
    assert ClozeDataset(corpus, share=1.0).view(0, np.random.default_rng(0)) is not None


@given(st.lists(st.sampled_from(["Ada", "St.", "B.", "D.C.", "II", "Vitamin C", "Zoë"]), min_size=1, max_size=4))
def test_a_title_that_is_repeated_is_found(words):
    """Whatever it consists of, if it does not end with its own beginning."""
    title = " ".join(words).rstrip(".")
    text = f"{title}. {title} was born in Rome ."
    found, body = split_title(text)
    assert text.startswith(found) and text.endswith(body) and body
    if len(set(words)) == len(words) and len(title) > 1:
        assert found == title


def test_a_corpus_without_titles_has_none():
    for text in ("no title here", "", "It was the best of times, it was the worst of times", "3. 4 . 5"):
        title, body = split_title(text)
        assert (title + body).replace(" ", "") == text.replace(". ", "", 1 if body else 0).replace(" ", "")
