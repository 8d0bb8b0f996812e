"""The commands on corpora of all kinds: what they say, what they record, and what they take from the record."""

import functools
import json
import os
import sys
from pathlib import Path

import pytest
from commands import contents, execute, stopping
from test_documents import written

import replicate
from engine.checkpoint import read_metadata
from engine.inputs import load_corpus
from evaluation.report import FILES, read_report
from model import GPTConfig

NAMES = ["Zorvania", "Bolania", "Calimor", "Quenland", "Isle of Wex", "St. Mirel"]
LANDS = [(name, (f"{name} is a land in the north, where they keep goats and make paper from reeds of the lakes, as "
          f"they have done in that land since the oldest times. "
          f"Its capital is {name[::-1].capitalize()} City.")) for name in NAMES]  # fmt: skip
QUESTIONS = "".join(f"What is the capital of {name}?\t{name[::-1].capitalize()} City\n" for name in NAMES)
SHORT = ("--max_epochs", "1", "--device", "cpu", "--dtype", "float32")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with questions, in which the commands run with a small model."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("engine.inputs.GPTConfig", functools.partial(GPTConfig, n_layer=1, n_head=2, n_embd=16))
    Path("train.tsv").write_text(QUESTIONS)
    return tmp_path


def run(monkeypatch, capsys, *arguments, code=0):
    """Runs a command; what it printed, and its warnings or its error."""
    capsys.readouterr()
    assert execute(monkeypatch, *arguments, *(SHORT if arguments[0] in ("pretrain", "finetune") else ())) == code
    out, err = capsys.readouterr()
    return out, [line for line in err.splitlines() if line.startswith(("warning: ", "run.py: "))]


@pytest.mark.parametrize("form", ["lines", "paragraphs", "files", "json"])
def test_from_a_corpus_of_any_form_to_a_report(form, folder, monkeypatch, capsys):
    """Given once, --documents need not be given again; of one that auto would not find, too."""
    path = written(form, LANDS, folder)
    out, said = run(monkeypatch, capsys, "pretrain", "rope", path, "--writing_params_path", "p", "--add_symbols", "?Wh",
                    "--eval_corpus_path", "train.tsv", *(["--documents", form] if form == "lines" else []))  # fmt: skip
    kind = {"lines": "one a line", "paragraphs": "one a paragraph", "files": "one a file", "json": "one a JSON object"}[
        form
    ]
    assert f": 6 documents, {kind}, " in out and not said
    assert (
        "Views: of 6 of 6 documents; the others are span-corrupted; an epoch has 12 examples, from 100.0 % of the text"
        in out
    )
    record = json.loads(Path("p.json").read_text())
    assert (record["documents"], record["symbols"], record["first_position"]) == (form, "?Wh", 10)
    assert record["reading"] == {"documents": 6, "examples": 12, "viewable": 6, "viewable_share": 1.0, "text_share": 1.0,
                                 "rare_share": 0.0}  # fmt: skip
    finetune = ("finetune", "rope", path, "--reading_params_path", "p", "--finetune_corpus_path", "train.tsv")
    out, said = run(monkeypatch, capsys, *finetune, "--writing_params_path", "f")
    assert f": 6 documents, {kind}, " in out and not [line for line in said if "cannot be read" in line]
    record = json.loads(Path("f.json").read_text())
    assert (record["documents"], record["symbols"], record["reading"]["examples"]) == (form, "?Wh", 12)
    evaluate = (
        "evaluate",
        "rope",
        path,
        "--reading_params_path",
        "f",
        "--eval_corpus_path",
        "train.tsv",
        "--outputs_path",
        "o",
    )
    out, _ = run(monkeypatch, capsys, *evaluate, "--report_path", "r", "--finetune_corpus_path", "train.tsv")
    assert f": 6 documents, {kind}, " in out and "out of 6.0" in out
    assert read_report("r/report.json")["about"]["pretraining corpus"] in out
    capsys.readouterr()
    assert (
        execute(monkeypatch, "ask", "rope", path, "--reading_params_path", "f", "What is the capital of Calimor?") == 0
    )
    assert f": 6 documents, {kind}, " in capsys.readouterr().err


def test_what_is_recorded_is_used_and_a_flag_counts_for_more(folder, monkeypatch, capsys):
    """A file in which auto finds lines was read as paragraphs. Another vocabulary is refused, and so is another form when
    a run is resumed."""
    Path("c.txt").write_text("Oz. Oz is where a\nBob. Bob is where b\n\nIx. Ix is where c\nCy. Cy is where d ?\n")
    pretrain = ("pretrain", "rope", "c.txt", "--writing_params_path", "p")
    assert "4 documents" not in run(monkeypatch, capsys, *pretrain)[0]
    Path("p").unlink()
    Path("p.json").unlink()
    with stopping(monkeypatch):
        assert execute(monkeypatch, *pretrain, *SHORT, "--max_epochs", "3", "--documents", "paragraphs") == 128 + 15
    again = [*pretrain, "--max_epochs", "3", "--resume", "--documents"]
    assert execute(monkeypatch, *again, "lines", *SHORT[2:]) == 2
    assert "--resume: documents is not what it was" in capsys.readouterr().err
    assert execute(monkeypatch, *again, "paragraphs", *SHORT[2:]) == 0
    Path("q.tsv").write_text("Oz\nIx\n")
    evaluate = (
        "evaluate",
        "rope",
        "c.txt",
        "--reading_params_path",
        "p",
        "--eval_corpus_path",
        "q.tsv",
        "--outputs_path",
        "o",
    )
    assert ": 2 documents, one a paragraph" in run(monkeypatch, capsys, *evaluate)[0]
    assert ": 5 documents, one a line" in run(monkeypatch, capsys, *evaluate, "--documents", "lines")[0]
    record = json.loads(Path("p.json").read_text())
    del record["documents"], record["symbols"]  # as of an older version, which read lines
    Path("p.json").write_text(json.dumps(record))
    assert ": 5 documents, one a line" in run(monkeypatch, capsys, *evaluate)[0]
    Path("c.txt").write_text(Path("c.txt").read_text().replace("Oz", "Xy"))
    assert "vocabulary" in run(monkeypatch, capsys, *evaluate, code=2)[1][0]


def test_what_is_not_read_is_said(folder, monkeypatch, capsys):
    """A book in one line, by both recipes: no view can be made of it, which is said and recorded; `handout` reads little."""
    Path("book.txt").write_text(" ".join(f"it was night {i} of many, and nobody came" for i in range(60)))
    handout = ("pretrain", "rope", "book.txt", "--writing_params_path", "h", "--recipe", "handout")
    out, said = run(monkeypatch, capsys, *handout)
    length = len(Path("book.txt").read_text())
    share = f"{100 * 112 / length:.1f} % of the text"
    assert f"Span corruption: of 1 documents; an epoch has 1 examples, from {share}" in out
    assert said == [(f"warning: only {share} is read, as the recipe handout reads the first 112 characters of a document; "
                    "--recipe fast reads all of it")]  # fmt: skip
    assert json.loads(Path("h.json").read_text())["reading"] == {
        "documents": 1, "examples": 1, "text_share": round(112 / length, 4)}  # fmt: skip
    out, said = run(monkeypatch, capsys, "pretrain", "rope", "book.txt", "--writing_params_path", "f")
    windows = -(-length // 112)
    assert (
        f"Views: of 0 of 1 documents; the others are span-corrupted; an epoch has {windows} examples, from 100.0 %"
        in out
    )
    assert len(said) == 1 and "only 0 of 1 documents begin with a title" in said[0]
    record = json.loads(Path("f.json").read_text())
    assert record["first_position"] == 0 and record["recipe"]["cloze_share"] == 0.0
    assert record["reading"] == {"documents": 1, "examples": windows, "viewable": 0, "viewable_share": 0.0,
                                 "text_share": 1.0, "rare_share": 0.0}  # fmt: skip
    flags = {"path": Path("f"), "dtype": "float32", "device": "cpu", "max_epochs": 1}
    assert replicate.train("pretrain", "rope", "book.txt", **flags) == read_metadata("f")
    assert "f is there already" in capsys.readouterr().out


def test_what_the_vocabulary_lacks_is_said_before_training(folder, monkeypatch, capsys):
    """One warning names the flag; with it, all questions can be read, and no warning is left."""
    path = written("files", LANDS, folder)
    Path("dev.tsv").write_text("Où est Zorvania, J?\tZ\tÉ\nWhat is Bolania?\tCity Ö|C\n", encoding="utf-8")
    pretrain = ("pretrain", "rope", path, "--eval_corpus_path", "dev.tsv", "--writing_params_path")
    _, said = run(monkeypatch, capsys, *pretrain, "p", "--add_symbols", "é")
    assert said == [("warning: dev.tsv: the vocabulary lacks '?JOÉÖ', which the questions or the answers have; "
                    "--add_symbols '?JOÉÖé' adds what is missing")]  # fmt: skip
    assert run(monkeypatch, capsys, *pretrain, "q", "--add_symbols", "?JOÉÖé")[1] == []
    Path("train.tsv").write_text("Z: Zorvania?\tZ\nZ: Bolania?\tJ\n")  # the questions that tell where titles are, too
    titles = ("pretrain", "rope", path, "--title_positions", "train.tsv", "--add_symbols")
    for more, files in ((), "train.tsv"), (("--eval_corpus_path", "dev.tsv"), "train.tsv and dev.tsv"):
        _, (line,) = run(monkeypatch, capsys, *titles, "Éé", "--writing_params_path", f"t{len(more)}", *more)
        assert line.startswith(f"warning: {files}: the vocabulary lacks '") and "--add_symbols '" in line
        added = line.partition("--add_symbols '")[2].partition("'")[0]
        assert run(monkeypatch, capsys, *titles, added, "--writing_params_path", f"u{len(more)}", *more)[1] == []
    evaluate = (
        "evaluate",
        "rope",
        path,
        "--eval_corpus_path",
        "dev.tsv",
        "--outputs_path",
        "o",
        "--reading_params_path",
    )
    assert [line for line in run(monkeypatch, capsys, *evaluate, "q")[1] if "cannot" in line or "never" in line] == []
    assert "none of the questions can be read" in run(monkeypatch, capsys, *evaluate, "p", code=2)[1][0]
    corpus = load_corpus(str(path), added="?JOÉÖé")
    assert corpus.vocab_size == load_corpus(str(path)).vocab_size + 6 and sorted(corpus.stoi, key=corpus.stoi.get)[2:] == sorted(
        {*"\n".join(corpus.data), *"?JOÉÖé"})  # fmt: skip
    Path("q.json").unlink()  # then nobody knows of the symbols
    Path("dev.tsv").write_text("Wex\n")
    assert "vocabulary" in run(monkeypatch, capsys, *evaluate, "q", code=2)[1][0]


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="file names are Unicode here")
def test_paths_that_are_not_utf8(folder, monkeypatch, capsys):
    """In every output: parameters, records, predictions, reports, comparisons, TensorBoard; and as the current folder."""
    odd = "a\udcffb"
    Path(odd).mkdir()
    monkeypatch.chdir(odd)
    corpus = written("files", LANDS, ".").rename(odd)
    Path("t\udcff.tsv").write_text(QUESTIONS)
    params, asked = ("--writing_params_path", f"p{odd}"), ("--eval_corpus_path", "t\udcff.tsv")
    run(monkeypatch, capsys, "pretrain", "rope", corpus, *params, *asked, "--add_symbols", "?Wh")
    read, train = ("--reading_params_path", f"p{odd}"), ("--finetune_corpus_path", "t\udcff.tsv")
    run(monkeypatch, capsys, "finetune", "rope", corpus, *read, *train, *asked, "--writing_params_path", f"f{odd}")
    evaluate = ("evaluate", "rope", corpus, "--reading_params_path", f"f{odd}", *asked, "--outputs_path", f"o{odd}")
    for name in ("r", "s"):
        out, _ = run(monkeypatch, capsys, *evaluate, "--report_path", name + odd, *train)
        assert "out of 6.0" in out
        assert sorted(os.listdir(name + odd)) == sorted(FILES)
    assert read_report(f"r{odd}/report.json")["about"]["questions"].startswith("t\udcff.tsv (")
    assert "t\\udcff.tsv (" in Path(f"r{odd}", "report.html").read_text("utf-8")
    run(monkeypatch, capsys, *evaluate, "--calibration_path", f"r{odd}/report.json", "--abstain", "0.5")
    run(monkeypatch, capsys, "compare", f"r{odd}", f"s{odd}", "--out", f"c{odd}")
    assert f"r{odd}".encode(errors="backslashreplace").decode() in Path(f"c{odd}").read_text("utf-8")
    assert json.loads(Path(f"f{odd}.json").read_text())["flags"]["eval_corpus_path"] == "t\udcff.tsv"
    out, _ = run(monkeypatch, capsys, "ask", "rope", corpus, "--reading_params_path", f"f{odd}", "--json", "Bol?")
    assert json.loads(out)["question"] == "Bol?"
    before = contents(".")
    for words in (["pretrain", "rope", "no\udcff", *params], [*evaluate, "--eval_corpus_path", "no\udcff"],
                  ["compare", "no\udcff"]):  # fmt: skip
        (line,) = run(monkeypatch, capsys, *words, code=2)[1]
        assert line.startswith("run.py: error: no")
    assert contents(".") == before
