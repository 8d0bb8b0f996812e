"""A world for each student: who is a student, what they get, and what only the teacher can make."""

import hashlib
import hmac
import importlib
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

DATA = Path(__file__).resolve().parent.parent / "data"
GIVEN = {"wiki.txt", "birth_places_train.tsv", "birth_dev.tsv", "birth_test_inputs.tsv", "unseen.tsv"}
SECRET = "correct horse battery staple\n"


@pytest.fixture(scope="module")
def world_class():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DATA)
        yield importlib.import_module("world_class")


@pytest.fixture
def class_folder(tmp_path, world_class):
    faker = pytest.importorskip("faker", reason="only the generator needs Faker")
    if importlib.import_module("make_world").FAKER != faker.VERSION:
        pytest.skip("worlds of a class are made with one version of Faker alone")
    (tmp_path / "names.csv").write_text("name,section\nAda Kern,1\nZoë Lund,2\n../x,1\n", "utf-8")
    (tmp_path / "secret.txt").write_text(SECRET)
    return tmp_path


def make(folder, *arguments, names="names.csv", secret="secret.txt"):
    flags = ["--class", folder / names, "--secret_file", folder / secret, "--people", 200, *arguments]
    command = [sys.executable, str(DATA / "make_world.py"), *map(str, flags)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def test_each_student_gets_a_world_without_the_test_answers(class_folder, world_class):
    done = make(class_folder, "--out", class_folder / "worlds")
    assert (done.returncode, done.stderr) == (0, "")
    folders = dict(reversed(line.split("\t")) for line in done.stdout.splitlines())
    assert list(folders) == ["Ada Kern", "Zoë Lund", "../x"]
    assert {str(path) for path in (class_folder / "worlds").iterdir()} == set(folders.values())
    seen = set()
    for student, folder in folders.items():
        assert Path(folder).name == world_class.folder_name(student)
        assert {path.name for path in Path(folder).iterdir()} == GIVEN
        # The teacher makes the same world from the secret, with the answers.
        again = class_folder / "again" / world_class.folder_name(student)
        seed = int(hmac.new(SECRET.strip().encode(), student.encode(), hashlib.sha256).hexdigest()[:32], 16)
        command = [sys.executable, DATA / "make_world.py", "--seed", seed, "--people", 200, "--out", again]
        subprocess.run([*map(str, command)], check=True, timeout=60)
        assert all((again / name).read_bytes() == Path(folder, name).read_bytes() for name in GIVEN)
        questions = [line.split("\t")[0] for line in (again / "birth_test.tsv").read_text("utf-8").splitlines()]
        assert questions == Path(folder, "birth_test_inputs.tsv").read_text("utf-8").splitlines()
        seen.update(questions)
    assert len(seen) > 80  # 3 x 30, apart from names that occur in two worlds


def test_another_secret_makes_other_worlds(class_folder, world_class):
    (class_folder / "other.txt").write_text("another secret of the same teacher")
    for secret in ("secret.txt", "other.txt"):
        assert make(class_folder, "--out", class_folder / secret[:-4], secret=secret).returncode == 0
    name = Path(world_class.folder_name("Ada Kern"), "wiki.txt")
    assert (class_folder / "secret" / name).read_bytes() != (class_folder / "other" / name).read_bytes()


@pytest.mark.parametrize(
    ("text", "students"),
    [
        ("Ada Kern\nBob Lund", ["Ada Kern", "Bob Lund"]),
        ("\ufeffname\r\nAda Kern\r\n\r\n  Bob   Lund \r\n", ["Ada Kern", "Bob Lund"]),
        ("Name,Student_ID,Email\nAda,7,a@x\nAda,8,b@x\n", ["7", "8"]),
        ("First Name;Last Name;SID\nAda;Kern;007\nBob;Kern;008\n", ["007", "008"]),
        ("email\tsection\na@x\t1\nb@x\t1\n", ["a@x", "b@x"]),
        ('"Kern, Ada",1\n"Kern, Bob",2\n', ["Kern, Ada", "Kern, Bob"]),
        ("Ada Kern,note\nBob Lund,\n", ["Ada Kern", "Bob Lund"]),
        ("Zoe\u0308\n", ["Zoë"]),
        ("李明\n=1+1\n../..\n", ["李明", "=1+1", "../.."]),
    ],
)
def test_a_class_is_read_with_a_header_or_without(text, students, tmp_path, world_class):
    (tmp_path / "names.csv").write_bytes(text.encode())
    assert world_class.read_class(tmp_path / "names.csv") == students


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "names.csv: has no students"),
        (b"name,id\n", "names.csv: has no students"),
        (b"Ada\nBob\nAda\n", "names.csv, line 3: 'Ada' is on line 1 too"),
        (b"Kern,Ada\nKern,Bob\n", "line 2: 'Kern' is on line 1 too; column 1 has to tell all students apart"),
        (b"name,id\nAda,1\nBob\n", "line 3: has no student in column 2"),
        (b"name,id\nAda, \n", "line 2: has no student in column 2"),
        (b"Zo\xeb\n", "is not UTF-8 text"),
        (b'Ada\n"Bob\nCy\n', "is not CSV"),
        (None, "cannot read"),
    ],
)
def test_a_bad_class_is_a_one_line_error(content, message, class_folder):
    (class_folder / "names.csv").unlink()
    if content is not None:
        (class_folder / "names.csv").write_bytes(content)
    done = make(class_folder, "--out", class_folder / "worlds")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1) and message in done.stderr
    assert not (class_folder / "worlds").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "OUT", "--seed", 3], "--seed: the worlds of a class"),
        (["--out", DATA], "--out: name a folder"),
        ([], "--out: name a folder"),
        (["--out", "OUT", "--people", 3], "--people must be"),
        (["--out", "OUT", "--secret_file", ""], "cannot read"),
        (["--out", "OUT", "--secret_file", "short"], "short: a secret has at least 16 characters"),
        (["--out", "names.csv"], "cannot write to"),
    ],
)
def test_wrong_arguments(arguments, message, class_folder):
    (class_folder / "short").write_text("hunter2")
    flags = [class_folder / a if a in ("OUT", "short", "names.csv") else a for a in arguments]
    done = make(class_folder, *flags)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1) and message in done.stderr
    assert not (class_folder / "OUT").exists()


def test_class_and_secret_need_each_other(class_folder):
    for flags in (["--class", class_folder / "names.csv"], ["--secret_file", class_folder / "secret.txt"]):
        command = [sys.executable, DATA / "make_world.py", *flags, "--out", class_folder / "out"]
        done = subprocess.run([*map(str, command)], check=False, capture_output=True, text=True, timeout=60)
        assert done.returncode == 2 and "need each other" in done.stderr and not (class_folder / "out").exists()


@given(st.lists(st.text(max_size=60), min_size=2, max_size=5))
def test_folder_names_are_safe_and_distinct(world_class, names):
    folders = {}
    for name in names:
        folder = world_class.folder_name(name)
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*-[0-9a-f]{10}", folder) and len(folder) <= 51
        folders.setdefault(folder, set()).add(" ".join(unicodedata.normalize("NFC", name).split()))
    assert all(len(same) == 1 for same in folders.values())
