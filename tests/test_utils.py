import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine import files
from engine.files import InputError, check_writable, describe, find_corpus, read_text, write_atomically, write_lines
from questions import accepted, accuracy_line, read_question_answers, read_questions
from utils import evaluate_places, set_seed

ROOT = Path(__file__).parent.parent


def test_corpora_are_found_as_typed_then_at_the_top_then_in_data(tmp_path, monkeypatch):
    here, top = tmp_path / "here", tmp_path / "top"
    for folder in (here, top / "data"):
        folder.mkdir(parents=True)
    monkeypatch.setattr(files, "ROOT", top)
    monkeypatch.chdir(here)
    with pytest.raises(InputError, match="wiki.txt: no such file"):
        find_corpus("wiki.txt")
    for place in (top / "data" / "wiki.txt", top / "wiki.txt", here / "wiki.txt"):
        place.write_text("text")
        assert find_corpus("wiki.txt").resolve() == place
    assert find_corpus(str(top / "wiki.txt")) == top / "wiki.txt"
    with pytest.raises(InputError, match="nowhere"):
        find_corpus(str(tmp_path / "nowhere"))
    (top / "data" / "birth_places_train.tsv").write_text("text")  # as assignment 5 also calls it:
    assert find_corpus("birthplaces_train.tsv") == top / "data" / "birth_places_train.tsv"


def test_text(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffeins\r\nzwei\rdrei\n".encode())
    assert read_text(path) == "eins\nzwei\ndrei\n"
    path.write_bytes(b"fine\nfine\n\xff\n")
    with pytest.raises(InputError, match=r"a\.txt, line 3: not UTF-8"):
        read_text(path)
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_text(tmp_path / "b.txt")
    with pytest.raises(InputError, match="cannot be read"):
        read_text(tmp_path)


def test_description(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 1234)
    digest = hashlib.sha256(b"x" * 1234).hexdigest()[:8]
    assert describe(tmp_path / "a") == f"{tmp_path / 'a'} (1,234 bytes, sha256 {digest})"


def test_files_are_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "out"
    write_lines(path, ["Zürich", "Rome"])
    assert path.read_bytes() == "Zürich\nRome\n".encode()

    def interrupted(number):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "fsync", interrupted)
        write_atomically(path, b"half")
    assert path.read_bytes() == "Zürich\nRome\n".encode()
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(InputError, match="cannot be written"):
        write_lines(tmp_path / "no" / "such" / "folder", [])


def test_checking_leaves_nothing_behind(tmp_path):
    check_writable(tmp_path / "new")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="folder"):
        check_writable(tmp_path)
    with pytest.raises(InputError, match="cannot be written: No such file"):
        check_writable(tmp_path / "no" / "folder")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written: Not a directory"):
        check_writable(tmp_path / "file" / "below")
    with pytest.raises(InputError, match="overwrite"):
        check_writable(tmp_path / "file", None, tmp_path / "file")


def test_links_are_followed(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "target")
    write_lines(tmp_path / "link", ["text"])
    assert (tmp_path / "link").is_symlink() and (tmp_path / "target").read_text() == "text\n"


def test_scores(tmp_path):
    path = tmp_path / "dev.tsv"
    path.write_text("Where was A born?\tRome\nWhere was B born?\tOslo \n")
    assert evaluate_places(path, ["Rome", "Rome"]) == (2.0, 1.0)
    assert evaluate_places(path, ["rome", "Oslo"]) == (2.0, 1.0)
    with pytest.raises(InputError, match="1 predictions for 2"):
        evaluate_places(path, ["Rome"])
    path.write_text("Where was A born?\nWhere was B born?\n")
    assert evaluate_places(path, ["Rome", "Rome"]) == (0, 0)
    assert accuracy_line(500.0, 182.0) == "Correct: 182.0 out of 500.0: 36.4%"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("a\tb\nc\n", "line 2: has no answer, but line 1 has one"),
        ("a\tb\nc\t |\t\n", "line 2: has no answer, but line 1 has one"),
        ("a\nb\tc\n", "line 2: has an answer, but line 1 has none"),
        ("question\tanswer\na\tb\nc\n", "line 3: has no answer, but line 2 has one"),
        ("a\tb\n\nc\td\n", "line 2: has no question"),
        ("question\tanswer\tsource\na\tb\tc\n", "line 1: the column 'source' would be read as accepted answers"),
    ],
)
def test_refused_question_files(tmp_path, text, message):
    (tmp_path / "q.tsv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_questions(tmp_path / "q.tsv")


cell = st.text(st.characters(codec="utf-8", exclude_characters="\t|\n\r"), min_size=1, max_size=6).filter(str.strip)


@given(
    st.lists(st.tuples(cell, st.lists(st.lists(cell, min_size=1, max_size=3), min_size=1, max_size=3)), min_size=1),
    st.sampled_from(["", "\t", "\t \t", "|"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_several_accepted_answers(rows, rest, end):
    """In columns, separated by `|` in a column, or both, and with empty columns at the end, as spreadsheets write them."""
    lines = ["\t".join([question, *map("|".join, columns)]) + rest for question, columns in rows]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "q.tsv")
        path.write_bytes(f"any\tone{end}{end.join(lines)}{end}".encode())
        questions, answers = read_questions(path)
        right = [[answer.strip() for column in columns for answer in column] for _, columns in rows]
        assert questions == ["any", *(question.strip() for question, _ in rows)]
        assert [accepted(answer) for answer in answers] == [["one"], *map(list, map(dict.fromkeys, right))]
        assert read_question_answers(path) == list(zip(questions, ["one", *(first for first, *_ in right)]))
        for predicted in ([first for first, *_ in right], [last for *_, last in right]):
            assert evaluate_places(path, ["one", *predicted]) == (len(answers), len(answers))
        assert evaluate_places(path, answers)[1] == sum(len(accepted(answer)) == 1 for answer in answers)
        assert evaluate_places(path, [""] * len(answers))[1] == 0


def test_a_file_whose_answers_are_all_empty_has_none(tmp_path):
    (tmp_path / "q.tsv").write_text("a\t\nb\t\t\nc\n")
    assert read_questions(tmp_path / "q.tsv") == (["a", "b", "c"], None)
    with pytest.raises(InputError, match="line 1: has no answer"):
        read_question_answers(tmp_path / "q.tsv")


def test_seed():
    def draw():
        return random.random(), numpy.random.rand(), torch.rand(1).item()

    set_seed(5)
    one = draw()
    set_seed(5)
    assert one == draw() != draw()


def test_london_baseline(tmp_path):
    dev, other = tmp_path / "birth_dev.tsv", tmp_path / "other.tsv"
    dev.write_text("Where was A born?\tLondon\nWhere was B born?\tOslo\n")
    other.write_text("Where was A born?\tOslo\n")
    shutil.copytree(ROOT / "src", tmp_path / "src")
    shutil.copy(ROOT / "london_baseline.py", tmp_path)
    command = [sys.executable, str(tmp_path / "london_baseline.py")]
    several = tmp_path / "several.tsv"
    several.write_text(
        "Where was A born?\tWestminster\tLondon\nWhere was B born?\tOslo|London\nWhere was C born?\tRome\n"
    )
    for path, line in ((dev, "Correct: 1.0 out of 2.0: 50.0%\n"), (other, "Correct: 0.0 out of 1.0: 0.0%\n"),
                       (several, "Correct: 2.0 out of 3.0: 66.7%\n")):  # fmt: skip
        done = subprocess.run([*command, str(path)], capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout == line
    assert (tmp_path / "london_baseline_accuracy.txt").read_text() == "50.0\n"  # of dev alone
    dev.write_text("Where was A born?\n")
    for arguments, message in (([], "no answers"), (["no.tsv"], "no.tsv"), (["a", "b"], "unrecognized")):
        done = subprocess.run(
            [*command, *arguments], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path
        )
        assert (done.returncode, done.stderr.count("\n")) == (2, 1) and message in done.stderr


def test_london_baseline_on_the_courses_dev_set(course_data, tmp_path):
    shutil.copytree(ROOT / "src", tmp_path / "src")
    shutil.copy(ROOT / "london_baseline.py", tmp_path)
    command = [sys.executable, str(tmp_path / "london_baseline.py"), str(course_data / "birth_dev.tsv")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "Correct: 25.0 out of 500.0: 5.0%\n"
    assert (tmp_path / "london_baseline_accuracy.txt").read_text() == "5.0\n"


@pytest.mark.parametrize(
    "header", ["question\tanswer", "Question\tAnswer", "QUESTIONS\tanswers ", "question\tanswer 1\tanswer_2\taliases\t"]
)
def test_a_header_is_skipped_with_a_word(header, tmp_path, capsys):
    path = tmp_path / "q.tsv"
    path.write_text(f"{header}\nWhere was A born?\tOslo\n")
    assert read_questions(path) == (["Where was A born?"], ["Oslo"])
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and f"warning: {path}: the first line" in err
    path.write_text(f"{header}\n\n")
    with pytest.raises(InputError, match="is empty"):
        read_questions(path)
    path.write_text(f"{header}\nWhere was A born?\tOslo\n\tOslo\n")
    with pytest.raises(InputError, match="line 3: has no question"):
        read_questions(path)
    capsys.readouterr()
    path.write_text("Where was A born?\tOslo\nquestion\tanswer\n")  # only the first line can be one
    assert read_questions(path)[0] == ["Where was A born?", "question"] and not capsys.readouterr().err
