"""Grading a class: a row each, whatever a submission does; going on after an interruption; copies are found."""

import csv
import io
import json
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from autograder.grade import MINUTES, grade_all, parse_args
from autograder.similarity import Evidence, distance, find_pairs, gather, kappa
from autograder.submissions import content_digest, find_submissions, match_student
from autograder.tables import cell
from hypothesis import given
from hypothesis import strategies as st

from engine.files import ROOT, InputError

STAND_IN = [sys.executable, str(Path(__file__).with_name("stand_in_grader.py"))]
GRADE = ROOT / "tests" / "autograder" / "grade.py"


@pytest.fixture
def room(tmp_path, monkeypatch):
    """A folder with data that all got, and a place for submissions. `calls` are those of the stand-in grader."""
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.chdir(tmp_path)
    for folder in ("data", "submissions"):
        Path(folder).mkdir()
    for name in ("wiki.txt", "birth_places_train.tsv", "birth_dev.tsv", "birth_test_inputs.tsv", "birth_test.tsv"):
        shutil.copy(ROOT / "data" / name, "data")
    return tmp_path


def hand_in(name, behaviour="fine", **files):
    folder = Path("submissions", name)
    folder.mkdir(exist_ok=True)
    (folder / "behaviour").write_text(behaviour)
    for file, content in files.items():
        path = folder / file.replace("__", ".")
        path.write_bytes(content) if isinstance(content, bytes) else path.write_text(content, "utf-8")
    return folder


def grade(*flags, code=0):
    arguments = ["submissions", "--out", "grades.csv", *([] if "--class" in flags else ["--data", "data"]), *flags]
    assert grade_all(parse_args([*map(str, arguments)]), STAND_IN) == code
    return table("grades.csv")


def table(path):
    text = Path(path).read_text("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def calls():
    return sorted(Path("calls").read_text().split()) if Path("calls").exists() else []


# ---------------------------------------------------------------------------------------------------------------------
# Rows


def test_a_row_for_each_whatever_it_does(room, capsys):
    for name in ("fine", "fault", "crash", "garbage", "incomplete"):
        hand_in(name, name)
    Path("submissions/notes.txt").write_text("not a submission")
    Path("submissions/.DS_Store").write_text("")
    with zipfile.ZipFile("submissions/zipped.ZIP", "w") as archive:
        archive.writestr("src/run.py", "")
    (hand_in("Moodle") / "behaviour").unlink()
    shutil.copy("submissions/zipped.ZIP", "submissions/Moodle/assignment4.zip")
    rows = {row["submission"]: row for row in grade(code=1)}
    assert list(rows) == ["Moodle", "crash", "fault", "fine", "garbage", "incomplete", "notes.txt", "zipped.ZIP"]
    assert list(rows["fine"]) == ["student", "submission", "assignment", "d", "g", "points", "of", "why points are lost",
                                  "similar to", "seconds"]  # fmt: skip
    assert list(rows["fine"].values()) == ["fine", "fine", "4", "5", "8", "13", "13", "", "", "1.25"]
    assert (rows["fault"]["g"], rows["fault"]["points"]) == ("6.5", "11.5")
    assert rows["fault"]["why points are lost"] == "(g) -1.5: =HYPERLINK(1) , your angles start at t = 1"
    for name in ("crash", "garbage", "incomplete"):
        assert rows[name]["why points are lost"].startswith("the grader ended with exit code "), name
        assert rows[name]["points"] == rows[name]["d"] == ""
    assert rows["crash"]["why points are lost"].startswith("the grader ended with exit code 3: Traceback: the grader")
    log = rows["crash"]["why points are lost"].rpartition(" (")[2].removesuffix(" has the rest)")
    assert "the grader has a fault" in Path(log).read_text()
    assert rows["notes.txt"]["why points are lost"] == "is neither a zip nor a folder"
    assert rows["zipped.ZIP"]["points"] == rows["Moodle"]["points"] == "13"
    assert calls() == ["assignment4.zip", "crash", "fault", "fine", "garbage", "incomplete", "zipped.ZIP"]
    out, err = capsys.readouterr()
    assert out == f"4 of 8 submissions are graded: {room / 'grades.csv'}\n"
    assert err.count("warning: ") == 4 and "warning: crash: the grader" in err


def test_going_on_grades_what_is_new_or_has_changed(room):
    for name in ("one", "two", "crash"):
        hand_in(name, name)
    before = grade(code=1)
    Path("calls").unlink()
    assert grade(code=1) == before and calls() == ["crash"]  # which was not graded
    hand_in("two", "fault")
    hand_in("crash", "fine")
    hand_in("three")
    Path("calls").unlink()
    rows = grade()
    assert calls() == ["crash", "three", "two"] and [row["points"] for row in rows] == ["13", "13", "13", "11.5"]
    Path("calls").unlink()
    assert grade("--handout", "5") != rows and len(calls()) == 4  # another question
    with open("data/birth_test.tsv", "a") as file:
        file.write("Where was Ada Kern born?\tRome\n")
    Path("calls").unlink()
    grade()
    assert len(calls()) == 4  # other answers
    Path("calls").unlink()
    grade("--edition", "3/4")
    grade()
    assert len(calls()) == 8  # other rules
    for damaged in Path("grades.files").glob("*.json"):
        damaged.write_text("{")
    Path("calls").unlink()
    grade()
    assert len(calls()) == 4


def test_a_teachers_notes_are_kept(room):
    hand_in("one")
    grade()
    Path("grades.csv").write_text("student,note\none,spoke to him\n")
    grade()
    assert Path("grades.csv.previous").read_text() == "student,note\none,spoke to him\n"
    assert table("grades.csv")[0]["points"] == "13"
    grade()
    assert "spoke" in Path("grades.csv.previous").read_text()  # an unchanged table is not written


def test_a_teacher_is_told_that_code_was_not_locked_in(room, capsys):
    hand_in("one")
    grade()
    assert "docs/teaching.md" not in capsys.readouterr().err
    hand_in("two", "not locked in")
    grade()
    grade()  # also when nothing is graded anew
    assert capsys.readouterr().err.count("this machine's files or use its network") == 2


def test_no_cell_is_a_formula(room):
    names = ["=1+1", "+x", "-2", "@SUM(A1)", "a\tb\nc", "plain"]
    for name in names:
        hand_in(name, "fault")
    rows = grade()
    assert sorted(row["submission"] for row in rows) == sorted(["'=1+1", "'+x", "'-2", "'@SUM(A1)", "a b c", "plain"])
    assert Path("grades.csv").read_bytes().startswith(b"\xef\xbb\xbf")


@given(st.text() | st.floats(allow_nan=False) | st.integers())
def test_cells(value):
    shown = cell(value)
    if isinstance(value, str):
        assert shown.isprintable() and not shown.startswith(("=", "+", "-", "@", "\t", "\r"))
        assert "".join(shown.removeprefix("'").split()) == "".join(
            c for c in value if c.isprintable() and c != " "
        ) or (value.strip().startswith("'"))
    else:
        assert shown == value


# ---------------------------------------------------------------------------------------------------------------------
# Students and their worlds


@pytest.mark.parametrize(
    ("name", "student"),
    [
        ("ada", "Ada"),
        ("Ada Kern_123_assignsubmission_file_", "Ada Kern"),
        ("assignment4_ADA-KERN", "Ada Kern"),
        ("zoe_lund.a5", "Zoë Lund"),
        ("李明-4", "李明"),
        ("s007", "s007"),
        ("s0071", None),
        ("adamant", None),
        ("bob", None),  # two of them
        ("Bob Kern and Bob Lund", None),
    ],
)
def test_whose_it_is(name, student):
    students = ["Ada", "Ada Kern", "Zoë Lund", "李明", "s007", "Bob Kern", "Bob Lund", "bob", "BOB", "---"]
    assert match_student(name, students)[0] == (student or name)
    assert bool(match_student(name, students)[1]) == (student is None)


def test_a_students_folder_names_them(room):
    sys.path.insert(0, str(ROOT / "data"))
    from world_class import folder_name

    students = ["Bob", "bob", "---", "李明", "Ann Lee"]
    for student in students:
        assert match_student(folder_name(student), students) == (student, "")
        assert match_student(folder_name(student) + "_assignment4", students) == (student, "")


def test_each_is_graded_on_their_own_world(room):
    faker = pytest.importorskip("faker", reason="only the generator needs Faker")
    assert faker
    Path("names.csv").write_text("Ada Kern\nZoë Lund\nBob\nCy\n", "utf-8")
    Path("secret.txt").write_text("correct horse battery staple")
    flags = ["--class", "names.csv", "--secret_file", "secret.txt", "--people", "200"]
    command = [sys.executable, ROOT / "data" / "make_world.py", *flags, "--out", "worlds"]
    made = subprocess.run([*map(str, command)], capture_output=True, encoding="utf-8", check=True, timeout=60).stdout
    worlds = {student: Path(folder) for folder, student in (line.split("\t") for line in made.splitlines())}
    for name in ("ada_kern", worlds["Zoë Lund"].name, "Cy", "nobody"):
        hand_in(name)
    rows = grade(*flags, code=1)
    assert [(row["student"], row["points"]) for row in rows] == [
        ("Cy", "13"), ("Ada Kern", "13"), ("nobody", ""), ("Zoë Lund", "13"), ("Bob", "")]  # fmt: skip
    assert "no student" in rows[2]["why points are lost"] and rows[4]["why points are lost"] == "nothing was handed in"
    grades = [json.loads(path.read_text()) for path in Path("grades.files").glob("*.json")]
    assert len(grades) == 3 and all(each["answers_match"] for each in grades)
    given = [{path.name: each["data"][path.name] for path in worlds["Cy"].iterdir()} for each in grades]
    wanted = [{path.name: content_digest(path) for path in world.iterdir()} for world in worlds.values()]
    assert all(world in wanted for world in given) and len({world["wiki.txt"] for world in given}) == 3
    assert not any(
        "birth_test.tsv" in each["data"] for each in grades
    )  # answers lie elsewhere than what is known to all
    secrets = b"".join(path.read_bytes() for path in Path("grades.files").iterdir())
    assert b"correct horse" not in secrets
    Path("calls").unlink()
    grade(*flags, code=1)
    assert not calls()
    Path("secret.txt").write_text("another secret of the same teacher")
    grade(*flags, code=1)
    assert len(calls()) == 3


# ---------------------------------------------------------------------------------------------------------------------
# Misuse and interruption


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["none", "--out", "g.csv"], "none: cannot be read"),
        (["empty", "--out", "g.csv"], "empty: is empty"),
        (["submissions", "--out", "submissions"], "is a folder"),
        (["submissions", "--out", "none/g.csv"], "none/g.csv"),
        (["submissions", "--out", "g.csv", "--data", "none"], "none/wiki.txt: no such file"),
        (["submissions", "--out", "g.csv", "--answers", "none"], "none: no such file"),
        (["submissions", "--out", "g.csv", "--handout", "6"], "--handout: invalid choice"),
        (["submissions", "--out", "g.csv", "--class", "n.csv"], "need each other"),
        (["submissions", "--out", "g.csv", "--people", "300"], "--people is for a class"),
        (
            ["submissions", "--out", "g.csv", "--class", "n.csv", "--secret_file", "s", "--data", "data"],
            "--data and --answers",
        ),
        (["submissions", "--out", "g.csv", "--class", "none", "--secret_file", "s"], "none: cannot be read"),
        (["submissions", "--out", "g.csv", "--class", "n.csv", "--secret_file", "s"], "s: a secret has at least"),
        (["submissions"], "--out"),
    ],
)
def test_misuse_is_a_one_line_error(flags, message, room, capsys):
    hand_in("one")
    Path("empty").mkdir()
    Path("n.csv").write_text("one\n")
    Path("s").write_text("short")
    before = sorted(room.rglob("*"))
    with pytest.raises((SystemExit, InputError)) as error:
        grade_all(parse_args(flags), STAND_IN)
    said = capsys.readouterr().err or str(error.value)
    assert message in said and len(said.strip().splitlines()) == 1
    assert sorted(room.rglob("*")) == before and not calls()


def test_an_interruption_ends_the_graders_and_loses_nothing(room):
    """As a program, in which Ctrl-C ends everything at once."""
    hand_in("a_fine")
    for name in ("hang1", "hang2", "hang3"):
        hand_in(name, "hang")
    program = f"""
import sys
sys.path[:0] = [{str(ROOT / "tests")!r}, {str(ROOT / "src")!r}]
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell turns it off for what runs in the background
from autograder import grade
from engine.cli import run_main
grade.GRADER = {STAND_IN!r}
run_main(lambda: grade.grade_all(grade.parse_args(), grade.GRADER))
"""
    Path("program.py").write_text(program)
    command = [sys.executable, "program.py", "submissions", "--out", "grades.csv", "--data", "data"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while calls() != ["a_fine", "hang1", "hang2"]:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)  # which also waits until the graders have closed stderr
    assert process.returncode == 130 and "interrupted" in err
    rows = table("grades.csv")
    assert [row["points"] for row in rows] == ["13", "", "", ""]
    assert rows[3]["why points are lost"] == "not graded yet: start grade.py again"
    assert calls() == ["a_fine", "hang1", "hang2"]
    assert not still_running("stand_in_grader")


def still_running(word):
    if not Path("/proc/self/cmdline").exists():
        return False
    own = str(Path.cwd()).encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes()
        except OSError:
            continue
        if word.encode() in line and own in line:
            found.append(line)
    return found


def test_a_grader_that_hangs_is_stopped(room, monkeypatch):
    assert MINUTES >= 10
    hand_in("a")
    hand_in("hang", "hang")
    monkeypatch.setattr("autograder.grade.MINUTES", 2 / 60)
    rows = grade(code=1)
    assert rows[0]["points"] == "13" and rows[1]["why points are lost"].startswith("the grader was stopped after ")


def test_links_in_a_submission_are_not_followed(room):
    folder = hand_in("one")
    before = content_digest(folder)
    (folder / "link").symlink_to("/etc/passwd")
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe")
    assert content_digest(folder) != before  # without waiting for the pipe
    assert gather(folder, []).digests == {}
    assert find_submissions(Path("submissions"), None)[0].student == "one"


# ---------------------------------------------------------------------------------------------------------------------
# Copies

PLACES = ["London", "Paris", "Rome", "Oslo", "Lima", "Cairo", "Quito", "Delhi", "Bonn", "Bern"]


def slow_kappa(one, other, right):
    pairs = [(a, b) for a, b, c in zip(one, other, right) if a != c and b != c]
    if not pairs:
        return 0.0
    agree = sum(a == b for a, b in pairs) / len(pairs)
    chance = sum(
        (sum(a == place for a, _ in pairs) / len(pairs)) * (sum(b == place for _, b in pairs) / len(pairs))
        for place in {place for pair in pairs for place in pair}
    )
    return 0.0 if chance > 1 - 1e-12 else (agree - chance) / (1 - chance)


answers_lists = st.lists(st.tuples(*[st.sampled_from(PLACES[:4])] * 3), min_size=1, max_size=30)


@given(answers_lists)
def test_kappa(rows):
    one, other, right = (list(column) for column in zip(*rows))
    n, _, value = kappa(one, other, [right, right])
    assert value == pytest.approx(slow_kappa(one, other, right))
    assert kappa(other, one, [right, right])[2] == pytest.approx(value) and value <= 1 + 1e-9
    assert n == sum(a != c and b != c for a, b, c in rows)
    unknown = ["?"] * len(one)  # of questions whose answers differ, as in two worlds, all are compared
    assert (
        kappa(one, other, [right, [c + "!" for c in right]])
        == kappa(one, other, [unknown, unknown])
        == kappa(one, other)
    )


def predictions(rng, right, share_right):
    """Of a student who has `share_right` right, and otherwise guesses frequent places more often."""
    weights = [2.0**-i for i in range(len(PLACES))]
    return [a if rng.random() < share_right else rng.choices(PLACES, weights)[0] for a in right]


@pytest.fixture
def honest():
    """Thirty students who share the questions, some good and some not, and the right answers."""
    rng = random.Random(0)
    right = rng.choices(PLACES, k=437)
    lines = {f"student {i}": predictions(rng, right, rng.choice([0.01, 0.3, 0.9])) for i in range(30)}
    lines["always London 1"] = lines["always London 2"] = ["London"] * 437  # which by chance are equal
    return rng, right, lines


def evidence(lines, right, name="rope.pretrain.test.predictions"):
    digest = str(hash(tuple(lines)))
    return Evidence(predictions={name: lines}, digests={name: digest}, answers={"test": right} if right else {})


@pytest.mark.parametrize("known", [True, False])
def test_copied_predictions_are_found_and_honest_ones_are_not(honest, known):
    rng, right, lines = honest
    if not known:  # then good students agree, and cannot be told from copies
        lines = {name: line for name, line in lines.items() if sum(map(str.__eq__, line, right)) < 300}
    group = {name: evidence(line, right if known else None) for name, line in lines.items()}
    assert find_pairs(group) == []
    for name in [*lines][:5]:
        copy = [rng.choice(PLACES) if rng.random() < 0.05 else line for line in lines[name]]
        pairs = find_pairs(group | {"copy": evidence(copy, right if known else None)})
        assert [(pair.one, pair.other) for pair in pairs] == [(name, "copy")]
        assert "equal predictions (kappa 0." in pairs[0].finding


def test_copies_are_found_although_the_questions_differ(honest):
    """As in a class with worlds: somebody hands in another's predictions, which answer other questions."""
    rng, _, lines = honest
    own = {name: rng.choices(PLACES, k=437) for name in lines}
    group = {name: evidence(predictions(rng, own[name], 0.9), own[name]) for name in lines if "London" not in name}
    assert find_pairs(group) == []
    stolen = group["student 3"].predictions["rope.pretrain.test.predictions"]
    pairs = find_pairs(group | {"thief": evidence(stolen, rng.choices(PLACES, k=437))})
    assert [(pair.one, pair.other) for pair in pairs] == [("student 3", "thief")]


def params(seed, change=0.0, bias=0.0):
    generator = torch.Generator().manual_seed(seed)
    state = {f"blocks.{i}.attn.key.weight": torch.randn(64, 64, generator=generator) * 0.05 for i in range(4)}
    state["blocks.0.ln1.weight"] = torch.ones(64)
    state["blocks.0.attn.mask"] = torch.ones(1, 1, 128, 128).tril()
    if change:
        state = {name: t + change * 0.05 * torch.randn_like(t) if "key" in name else t for name, t in state.items()}
    return state


def saved(state):
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def test_copied_parameters_are_found(room):
    states = {"one": params(0), "two": params(1), "noisy": params(0, 0.05), "three": params(2), "again": params(0),
              "wrapped": {f"module._orig_mod.{name}": t for name, t in params(2).items()},
              "half": {name: t.half() for name, t in params(1).items()}}  # fmt: skip
    for name, state in states.items():
        hand_in(name, vanilla__finetune__params=saved(state))
    found = find_pairs({name: gather(Path("submissions", name), []) for name in states})
    pairs = {frozenset((pair.one, pair.other)): pair.finding for pair in found}
    assert {*pairs} == {frozenset(pair) for pair in (
        ("again", "one"), ("again", "noisy"), ("noisy", "one"), ("half", "two"), ("three", "wrapped"))}  # fmt: skip
    assert pairs[frozenset(("again", "one"))] == "equal files"
    apart = pairs[frozenset(("noisy", "one"))]
    full = distance(*(torch.cat([t.flatten() for n, t in states[name].items() if "key" in n]).numpy()
                      for name in ("one", "noisy")))  # fmt: skip
    assert "relative distance of" in apart and abs(float(apart.split()[-1]) - full) < 0.005  # a sample suffices


def test_pairs_are_in_the_tables(room):
    lines = "".join(f"{place}\n" for place in random.Random(0).choices(PLACES, k=437))
    for name in ("one", "two"):
        hand_in(name, rope__pretrain__test__predictions=lines, rope__finetune__params=saved(params(0)))
    hand_in("three", "crash", rope__pretrain__test__predictions=lines)
    rows = grade(code=1)
    assert [row["similar to"] for row in rows] == ["two", "", "one"]
    assert [tuple(row.values()) for row in table("grades.pairs.csv")] == [
        ("one", "two", "rope.finetune.params", "equal files"),
        ("one", "two", "rope.pretrain.test.predictions",
         f"100 % of the {kappa(*[lines.split()] * 2, [right_answers()] * 2)[0]} that not both have right are equal predictions (kappa 1.00)"),
    ]  # fmt: skip


def right_answers():
    return [line.split("\t")[1] for line in Path("data/birth_test.tsv").read_text("utf-8").splitlines()]


class Evil:
    def __reduce__(self):
        return (os.mkdir, ("was_run",))


@pytest.mark.parametrize("content", [
    pickle.dumps({"a": Evil()}), saved({"a.weight": torch.zeros(1).expand(10**12)[None]}), b"hello", b"", saved([1, 2]),
    saved({1: torch.ones(2, 2)}), saved({"a": torch.full((9, 9), 3 + 1j)}), saved({"a": torch.empty(0, 3)}),
])  # fmt: skip
def test_hostile_parameters_are_not_run_and_cost_nothing_else(content, room):
    folder = hand_in("x", rope__finetune__params=content, rope__pretrain__dev__predictions=b"\xff\xfe\0\nLondon\n")
    found = gather(folder, [])
    assert found.predictions["rope.pretrain.dev.predictions"][1] == "London"
    assert not found.matrices and not list(room.rglob("was_run"))


def test_a_file_that_is_too_large_is_left_out(room):
    with zipfile.ZipFile("submissions/large.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("deep/er/rope.pretrain.dev.predictions", bytes(5 * 2**20))
        archive.writestr("deep/er/vanilla.pretrain.dev.predictions", "Oslo\nRome\r\n")
        archive.writestr("deep/er/src/dataset.py", "")
    found = gather(Path("submissions/large.zip"), [])
    assert found.predictions == {"vanilla.pretrain.dev.predictions": ["Oslo", "Rome"]} and len(found.digests) == 1


def test_evidence_is_kept(tmp_path):
    one = Evidence({"a.predictions": ["Oslo", "Zoë", ""]}, {"dev": ["Rome"]}, {"a.predictions": "ff"},
                   {"b.params/1": np.arange(3, dtype=np.float32)})  # fmt: skip
    one.save(tmp_path / "e.npz")
    other = Evidence.load(tmp_path / "e.npz")
    assert (one.predictions, one.answers, one.digests) == (other.predictions, other.answers, other.digests)
    assert np.array_equal(one.matrices["b.params/1"], other.matrices["b.params/1"])


def test_the_real_program_says_what_it_does():
    done = subprocess.run(
        [sys.executable, str(GRADE), "--help"], capture_output=True, text=True, timeout=60, check=True, cwd="/"
    )
    assert "--class" in done.stdout and "--secret_file" in done.stdout


@pytest.mark.slow
def test_the_real_grader_is_used(room):
    """As a program: code without any outputs, and an archive that is refused."""
    for path in [*(ROOT / "src").rglob("*.py"), ROOT / "london_baseline.py"]:
        copy = room / "submissions" / "a4_ada" / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    with zipfile.ZipFile("submissions/bob.zip", "w") as archive:
        archive.writestr("../bob.py", "")
    command = [sys.executable, str(GRADE), "submissions", "--out", "grades.csv", "--data", "data"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    ada, bob = table("grades.csv")
    assert (ada["assignment"], ada["e"], ada["of"]) == ("4", "10", bob["of"])
    assert 15 < float(ada["points"]) < 30 and "not there: vanilla.model.params" in ada["why points are lost"]
    assert (bob["points"], bob["d"]) == ("0", "0") and "leads out of the zip" in bob["why points are lost"]
    assert table("grades.pairs.csv") == []
