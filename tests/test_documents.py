"""Corpora as people have them: what a document is, what its title is, and that all of it is read."""

import json
import re
import textwrap
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloze import ClozeDataset, MixedDataset
from dataset import CharCorruptionDataset, NameDataset
from documents import document_of_file, guess_form, read_documents
from engine.files import FORMS, ROOT, InputError, describe, digest
from titles import WORD, split_title
from vocabulary import MASK, PAD

ALPHABETS = ["abdeiklmnorstuvz", "абвгдеиклмнор", "αβγδεικλμνορ", "ابتدرسكلمن", "कखगचजटतनपम", "阿波德佛格哈加卡拉"]


@st.composite
def lands(draw, least=3):
    """Titles, and a few sentences about each, in one of several alphabets."""
    letters = draw(st.sampled_from(ALPHABETS))
    word, name = (st.text(letters, min_size=n, max_size=n + 4) for n in (3, 8))
    names = draw(st.lists(name.map(str.capitalize), min_size=least, max_size=6, unique=True))

    def sentence():
        return " ".join([draw(word).capitalize(), *draw(st.lists(word, min_size=9, max_size=14))]) + "."

    return [(name, " ".join([f"{name} {sentence()}", *(sentence() for _ in range(draw(st.integers(0, 3))))]))
            for name in names]  # fmt: skip


def written(form, documents, folder, width=50):
    """The documents in a file, or a folder, of that form; its path."""
    if form == "files":
        path = Path(folder, "texts")
        path.mkdir(exist_ok=True)
        for file in path.iterdir():
            file.unlink()
        for i, (title, body) in enumerate(documents):
            (path / f"{i}.txt").write_text(f"{title}\n\n{textwrap.fill(body, width)}\n", "utf-8")
        return path
    texts = {
        "lines": "\n".join(f"{title}. {body}" for title, body in documents),
        "paragraphs": "\n\n".join(f"{title}\n{textwrap.fill(body, width)}" for title, body in documents),
        "headings": "".join(f"== {title} ==\n\n{textwrap.fill(body, width)}\n\n\n" for title, body in documents),
        "json": "".join(json.dumps({"title": title, "text": body}) + "\n" for title, body in documents),
        "plain json": "".join(json.dumps({"text": f"{title}.\n{body}"}, ensure_ascii=False) + "\n\n"
                              for title, body in documents),
    }  # fmt: skip
    path = Path(folder, "corpus.txt")
    path.write_text(texts[form], "utf-8")
    return path


@pytest.mark.parametrize("form", ["lines", "paragraphs", "headings", "files", "json", "plain json"])
def test_the_same_documents_in_any_form(form, tmp_path_factory):
    """Auto finds out which one it is, and the documents are the same ones, with their titles."""

    @given(lands(), st.integers(20, 200))
    def check(documents, width):
        folder = tmp_path_factory.mktemp("c")
        path = written(form, documents, folder, width)
        text, found = read_documents(path)
        assert found == {"headings": "paragraphs", "plain json": "json"}.get(form, form)
        assert text.split("\n") == [f"{title}. {body}" for title, body in documents]
        assert [split_title(line)[0] for line in text.split("\n")] == [title for title, _ in documents]
        corpus = CharCorruptionDataset(text, 128)
        corpus.form = found
        assert ClozeDataset(corpus, share=1.0).viewable.all()

    check()


line = st.text(st.characters(codec="utf-8", exclude_characters="\n\r\u2047\u25a1"), min_size=1, max_size=80).filter(
    lambda text: text.strip() and not text.startswith("{")
)


@given(st.lists(line, min_size=1, max_size=6), st.sampled_from(["", "\n"]))
def test_lines_are_left_as_they_are(lines, end):
    """If there is no blank line among them, whatever they are."""
    text = "\n".join(lines) + end
    if re.search(r"\n\s*\n", text.strip()):
        return
    assert guess_form(text) == "lines"


@pytest.mark.parametrize("name", ["wiki.txt", "course"])
def test_one_document_a_line_is_read_as_ever(name, request):
    path = request.getfixturevalue("course_data") / "wiki.txt" if name == "course" else ROOT / "data" / name
    text = path.read_text("utf-8")
    assert read_documents(path) == read_documents(path, "lines") == (text, "lines")
    views = ClozeDataset(CharCorruptionDataset(text, 128), share=1.0)
    assert len(views) == len(text.split("\n")) and not views.is_long.any()


BLANKS = {  # what auto takes files with blank lines for
    "Ada. Ada was born .\nBob. Bob was born .\n\nCy. Cy was born .\nDi. Di was .\n": ("lines", 5),
    "Oz: Quix\nIx: Rux\nEv: Tux\n\nMo: Lux\nIl: Pux\nZo: Mux\n": ("lines", 7),
    "Oz is a land whose capital is Quix\nIx is a land\n\nEv is a land\nMo is a land\n": ("lines", 5),
    "Oz is a land.\n\nIx is a land.\n\n\nEv is a land.\n": ("paragraphs", 3),
    "It was the best of times, it was\nthe worst of times.\n\nThere were a king and a\nqueen.\n": ("paragraphs", 2),
    "Oz. Oz is a land.\nIts capital is Quix.\nIt is low.\n\nIx. Ix is a land.\nIt is high.\n": ("paragraphs", 2),
    "Oz\nOz is a land.\nIts capital is Quix.\nIt is low.\n\nIx\nIx is a land.\nIt is high.\nIts capital is Rux.\n": (
        "paragraphs",
        2,
    ),
    "# Oz\n\nOz is a land.\nIt is wide.\n\n## Ix\n\nIx is a land.\n\nIts capital is Rux.\n": ("paragraphs", 3),
    "奎克斯\n奎克斯是一个北方的国家,\n人们在那里养羊。\n\n博拉\n博拉是一个国家。\n": ("paragraphs", 2),
}


@pytest.mark.parametrize("text", BLANKS)
def test_what_blank_lines_mean(text, tmp_path):
    (tmp_path / "c").write_text(text, "utf-8")
    documents, form = read_documents(tmp_path / "c")
    assert (form, len(documents.removesuffix("\n").split("\n"))) == BLANKS[text]


def test_a_heading_is_the_title_of_what_follows(tmp_path):
    text = "Oz\n\nOz is a land.\n\nIts capital is Quix. It is wide.\n\nSee also\n\nOther lands.\n\nIx\n\nIx is low.\n"
    (tmp_path / "c").write_text(text)
    expected = [
        "Oz. Oz is a land.",
        "Oz. Its capital is Quix. It is wide.",
        "See also",
        "Other lands.",
        "Ix. Ix is low.",
    ]
    assert read_documents(tmp_path / "c") == ("\n".join(expected), "paragraphs")


FILES = {  # name, content, document
    "first line": ("a", "Oz\n\nOz is a land.\nIt is wide.\n", "Oz. Oz is a land. It is wide."),
    "first line, no blank line": ("a", "Isle of Man\nAn island. It is wide.", "Isle of Man. An island. It is wide."),
    "heading": ("a", "# isle of man #\n\nAn island. It is wide.", "isle of man\tAn island. It is wide."),
    "colon": ("a", "\n\nAda Kern:\nborn in Rome.", "Ada Kern. born in Rome."),
    "abbreviation": ("a", "St. Lucia\n\nAn island. It is wide.", "St. Lucia\tAn island. It is wide."),
    "repeated abbreviation": ("a", "Washington D.C.\nWashington D.C. is a city. Old.",
                              "Washington D.C. Washington D.C. is a city. Old."),
    "question": ("a", "What?\nA film.\n", "What? A film."),
    "in the line": ("a", "Oz. Oz is a land.\nIt is wide.", "Oz. Oz is a land. It is wide."),
    "a name in the line": ("a", "Ada Kern. Born in Rome.", "Ada Kern. Born in Rome."),
    "a sentence": ("Port_Moresby", "It was the best of times.\nIt is over.",
                   "Port Moresby. It was the best of times. It is over."),
    "wrapped": ("Oz", "It was the best of times\nand the worst.", "Oz. It was the best of times and the worst."),
    "long": ("Oz", "N" * 64 + "\n\nIt is.", "Oz. " + "N" * 64 + " It is."),
    "nothing else": ("Oz", "Quix", "Oz. Quix"),
    "empty": ("Oz", " \n\t\n", ""),
}  # fmt: skip


@pytest.mark.parametrize("case", FILES)
def test_the_title_of_a_file(case):
    name, content, document = FILES[case]
    assert document_of_file(Path(f"{name}.txt"), content) == document
    if document:
        title, body = split_title(document)
        assert title and body and document.startswith(title)


def test_folders(tmp_path):
    """In the order of the names, without hidden, empty and other files; the digest is that of all names and contents."""
    texts = {"b.txt": "Oz\n\nOz is.\n", "a.TXT": "Ix. Ix is low.\r\n", "c.txt": "\n", ".d.txt": "hidden", "e.md": "not"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "f.txt").mkdir()
    assert read_documents(tmp_path) == ("Ix. Ix is low.\nOz. Oz is.", "files")
    (tmp_path / "b.txt").write_text("Oz. Oz is .\nEv. Ev is .")
    assert read_documents(tmp_path, "lines") == ("Ix. Ix is low.\nOz. Oz is .\nEv. Ev is .", "lines")
    size = sum((tmp_path / name).stat().st_size for name in ("a.TXT", "b.txt", "c.txt"))
    before = digest(tmp_path)
    assert describe(tmp_path) == f"{tmp_path} (3 files, {size} bytes, sha256 {before[:8]})"
    (tmp_path / ".d.txt").write_text("other")
    assert digest(tmp_path) == before
    (tmp_path / "b.txt").write_text("Oz. Oz is .\nEv. Ev Is .")
    assert digest(tmp_path) != before
    (tmp_path / "b.txt").write_text("Oz. Oz is .\nEv. Ev is .")
    assert digest(tmp_path) == before
    (tmp_path / "b.txt").rename(tmp_path / "bb.txt")
    assert digest(tmp_path) != before


@pytest.mark.parametrize(
    ("content", "form", "message"),
    [
        ('{"text": "a"}\n{"text": "b"\n', "auto", "line 2: is no JSON object"),
        ('{"text": "a"}\n\n[1]\n', "auto", "line 3: is no JSON object"),
        ('{"text": "a"}\n{"text": null}', "auto", "line 2: is no JSON object"),
        ('{"text": "a"}\n{"title": "b"}', "auto", "line 2: is no JSON object"),
        ('{"text": "a"}\n{"text": "\\ud800"}', "auto", "line 2: is no JSON object"),
        ('{"text": "a"}\n{"text": "b\\u2047"}', "auto", "line 2: the corpus holds"),
        ("no json", "json", "line 1: is no JSON object"),
        ("[" * 100_000, "json", "line 1: is no JSON object"),
        ("some text", "files", "is no folder"),
        ("a\nb\udcff", "auto", "line 2: not UTF-8"),
        ("a\n\x00\udc80", "auto", "line 2: not UTF-8"),
    ],
)  # fmt: skip
def test_refused_corpora(content, form, message, tmp_path):
    (tmp_path / "c").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=message) as refused:
        read_documents(tmp_path / "c", form)
    assert str(refused.value).startswith(str(tmp_path / "c")) and "\n" not in str(refused.value)


def test_folders_within_a_folder(tmp_path, capsys):
    """They are not read, which is said."""
    for name in ("b", "a", ".hidden"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Oslo.txt").write_text("Oslo\n\nOslo is a town.")
    (tmp_path / "Rome.txt").write_text("Rome\n\nRome is a town.")
    assert read_documents(tmp_path)[0].startswith("Rome")
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and f"warning: {tmp_path}: " in err and f"such as {Path('a', 'Oslo.txt')};" in err


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "has no .txt file"),
        ({"a.md": b"text", ".b.txt": b"text"}, "has no .txt file"),
        ({"a.txt": b"fine", "b.txt": b"\nbinary\xff\x00"}, "b.txt, line 2: not UTF-8"),
        ({"a.txt": b"fine", "b.txt": "\nbad \u2047".encode()}, "b.txt, line 2: the corpus holds"),
    ],
)
def test_refused_folders(files, message, tmp_path):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_documents(tmp_path)


# ---------------------------------------------------------------------------------------------------------------------
# Long documents are read to their end


def long_corpus(titles=True, words=400, block_size=64):
    """Two long documents, in which every word is another one, and a short one."""
    rng = np.random.default_rng(5)

    def words_of(prefix, n):
        return [prefix + "".join(rng.choice([*"abcdefgh"], 3)) + str(i) for i in range(n)]

    texts = [" ".join(words_of("N" if i % 3 else "n", words - 100 * i)) for i in range(2)]
    lines = [f"{title}. {text}" for title, text in zip(("Ada Kern", "Bob"), texts)] if titles else texts
    return CharCorruptionDataset("\n".join([*lines, "Cy. Short One ."]), block_size)


def words_read(views, i, rng, times):
    """Of `times` examples of window i: how often each text was missing, and all that was shown."""
    missing, shown = Counter(), Counter()
    for _ in range(times):
        x, y, _ = views.examples(np.array([i]), rng)
        tokens = [int(x[0, 0]), *(int(token) for token in y[0] if token != PAD)]
        assert tokens[-1] == MASK
        parts, text = [], []
        for token in tokens:
            if token == MASK:
                parts.append("".join(views.corpus.itos[t] for t in text))
                text = []
            else:
                text.append(token)
        shown.update(word for part in parts for word in WORD.findall(part))
        missing.update(part for part in parts if part)
    return missing, shown


def test_every_word_of_a_long_document_is_missing_in_some_view_as_often_as_it_should(monkeypatch):
    """By statistics, against the definition: an epoch has an example for every `max_chars` characters; its gaps begin in its
    own part of the document, each word there with a probability proportional to its weight, names 50 times that of others,
    wherever they stand; and the title precedes each view."""
    for name, value in {"DISTRACTOR": 0, "MAX_CONTEXT": 0, "NO_CONTEXT": 1.0, "MAX_GAPS": 1}.items():
        monkeypatch.setattr(f"cloze.{name}", value)
    monkeypatch.setattr("salience.JOIN", 0)
    corpus = long_corpus(words=200)
    views, rng = ClozeDataset(corpus, share=1.0), np.random.default_rng(0)
    counts = [-(-len(text) // corpus.max_chars) if len(text) > 64 else 1 for text in corpus.data]
    assert len(views) == sum(counts) and views.is_long.tolist() == [True, True, False] and views.viewable.all()
    assert [window.document for window in views.windows] == [i for i, n in enumerate(counts) for _ in range(n)]
    text = corpus.data[0]
    spans = [match.span() for match in WORD.finditer(text)][2:]  # after the title
    times = 400
    seen = set()
    for k in range(counts[0]):
        low, high = (int(len(text) * edge / counts[0]) for edge in (k, k + 1))
        inside = [text[a:b] for a, b in spans if low <= a < high]
        weight = {word: 1.0 if word[0] == "N" else 0.02 for word in inside}
        missing, shown = words_read(views, k, rng, times)
        assert shown["Ada"] == shown["Kern"] == times
        del missing["Ada Kern"]
        assert set(missing) <= set(inside) and missing.total() == times
        for word, w in weight.items():
            p = w / sum(weight.values())
            assert abs(missing[word] - times * p) < 5 * np.sqrt(times * p * (1 - p)) + 1
        seen |= {word for word in inside if word[0] == "N"}
    assert seen == {text[a:b] for a, b in spans if text[a] == "N"}


@pytest.mark.parametrize("form", ["words of any kind", "words that do not fit"])
def test_all_of_a_book_is_read(form):
    """A text without a title, in one line: each character is read about as often as any other, the first and the last too;
    also where a title does not leave room."""
    text = " ".join(f"it was {i} and" for i in range(120))
    text = ("X" * 61 + ". " if form == "words that do not fit" else "") + text
    corpus = CharCorruptionDataset(text, 64)
    views, rng = ClozeDataset(corpus, share=1.0), np.random.default_rng(0)
    assert len(views) == -(-len(text) // corpus.max_chars) and views.start_position == 0
    assert not views.viewable.any()
    read = np.zeros(len(text))
    epochs = 300
    for i in np.tile(np.arange(len(views)), epochs):
        row = views.corrupt(i, rng)[0]
        first, second = np.flatnonzero(row == MASK)
        prefix, suffix, masked = ("".join(corpus.itos[t] for t in part if t != PAD)
                                  for part in (row[:first], row[first + 1 : second], row[second + 1 :]))  # fmt: skip
        whole = prefix + masked + suffix
        begin = text.find(whole)
        assert begin >= 0 and len(whole) <= corpus.max_chars and (text[begin - 1 : begin] in ("", " ") or begin < 64)
        if text.count(whole) == 1:
            read[begin : begin + len(whole)] += 1
    inner = read[len(text) // 8 : -len(text) // 8]
    assert read.min() > 0.1 * inner.mean() and inner.min() > 0.5 * inner.mean() and inner.max() < 2 * inner.mean()


def test_documents_that_fit_are_read_as_ever():
    """Windows are for corpora of which more than a fifth lies beyond the blocks, and for very long documents in others."""
    short = [f"Bob {i}. Bob was born in Rome ." for i in range(80)]
    middle, huge = "Ada. " + "Rome is a town . " * 9, "Cy. " + "Oslo is a town . " * 40
    views = ClozeDataset(CharCorruptionDataset("\n".join([*short, middle, huge]), 128))
    assert views.is_long.tolist() == [False] * 81 + [True] and len(views) == 81 + -(-len(huge) // 112)
    assert views.documents[80].gaps.cdf[0] > 0 and views.windows[80][1:] == (0, 36, 0, len(middle))
    other = CharCorruptionDataset("\n".join([*short, middle, huge]), 128)
    other.form = "json"  # there, no document is read as ever
    other = ClozeDataset(other)
    assert other.is_long.tolist() == [False] * 80 + [True] * 2
    assert np.diff(other.documents[80].gaps.cdf)[-4] == pytest.approx(other.documents[80].gaps.cdf[0])
    untitled = ClozeDataset(CharCorruptionDataset("\n".join([*short, middle.replace(".", ",")]), 128))
    assert untitled.is_long.tolist() == [False] * 80 + [True]  # nothing of it would be read otherwise
    middle *= 2
    alone = ClozeDataset(CharCorruptionDataset(middle, 128))
    assert alone.is_long.tolist() == [True] and not alone.viewable.any()  # the only text: "Ada" need not be a title
    twice = ClozeDataset(CharCorruptionDataset(middle + "\n" + middle.replace("Ada", "Bea"), 128))
    assert twice.is_long.all() and twice.viewable.all() and len(twice) == 2 * -(-len(middle) // 112)


def test_questions_are_mixed_with_all_windows():
    corpus = long_corpus(words=200)
    names = NameDataset(corpus, "Cy\tCy\n")
    mixed = MixedDataset(names, ClozeDataset(corpus, share=1.0), views=3)
    assert len(mixed) == 1 and len(mixed.documents) > 20
    rng, drawn = np.random.default_rng(0), set()
    examples = mixed.documents.examples
    mixed.documents.examples = lambda chosen, rng: drawn.update(chosen.tolist()) or examples(chosen, rng)
    for _ in range(200):
        mixed.batch(np.array([0]), rng)
    assert drawn == set(range(len(mixed.documents)))


def test_forms_are_described():
    assert set(FORMS) == {"lines", "paragraphs", "files", "json"}
