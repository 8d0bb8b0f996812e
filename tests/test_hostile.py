"""Malformed input of every kind, thrown at the commands. Each answers with a whole result, or with one line on stderr
and a file system as it was; never with a traceback, never not at all.

Each property is tried on a few dozen inputs by default. The slow tests try it on hundreds, more than 2,000 in all.
"""

import contextlib
import functools
import hashlib
import io
import json
import os
import pickle
import re
import signal
import sys
import tempfile
import warnings
from collections import Counter, OrderedDict
from pathlib import Path

import pytest
import torch
from commands import sizes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dataset
import model
import run
from engine import checkpoint
from engine.checkpoint import checksum
from engine.cli import run_main
from engine.files import ROOT
from engine.sizes import Sizes
from model import GPTConfig
from vocabulary import without_accents

sys.path.insert(0, str(ROOT))
import london_baseline

MASK, PAD = "\u2047", "\u25a1"
WIKI = "Ada Kern. Ada Kern was born in Rome ?\nBob Lund. Bob Lund was born in Oslo ?\nWhere Zoë".encode()
TRAIN = b"Where was Ada Kern born?\tRome\nWhere was Bob Lund born?\tOslo\n"
ASKED = b"Where was Ada Kern born?\nWhere was Bob Lund born?\n"
VOCABULARY = set(WIKI.decode())
CPU = ("--device", "cpu")
ONCE = ("--max_epochs", "1", *CPU)
PRETRAIN = ("pretrain", "vanilla", "wiki.txt", "--writing_params_path", "w", *ONCE)
FINETUNE = ("finetune", "vanilla", "wiki.txt", "--writing_params_path", "w", "--finetune_corpus_path", "t.tsv", *ONCE)
EVALUATE = ("evaluate", "vanilla", "wiki.txt", "--reading_params_path", "r", "--eval_corpus_path", "t.tsv",
            "--outputs_path", "o", *CPU)  # fmt: skip
LONGEST = 60  # seconds that a command may take; most take hundredths of one

SMALL = {"n_layer": 1, "n_head": 2, "n_embd": 16}
TRIED, REFUSED, SLOW = Counter(), Counter(), Counter()  # how many inputs, by property


@pytest.fixture(autouse=True, scope="module")
def a_small_model():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.sizes.Sizes", sizes(**SMALL))
        patch.setattr("engine.monitor.MAX_ANSWER", 4)
        patch.setattr("evaluation.evaluate.MAX_ANSWER", 4)
        patch.setattr(checkpoint, "versions", dict)  # which asks git each time
        saved_states()
        saved_states("--seed", "1")
        yield


# ---------------------------------------------------------------------------------------------------------------------
# Running a command, and judging what came of it


class TooLong(BaseException):
    """Not an Exception, so that nothing in the program takes it for one of its own."""


@contextlib.contextmanager
def time_limit():
    """Ends what hangs, where the system has an alarm clock."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def ring(*_):
        raise TooLong(f"no answer within {LONGEST} seconds")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(LONGEST)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def contents():
    """All that there is in this folder, without the logs: names and bytes, or None for a folder."""
    found = {}
    for folder, folders, files in os.walk("."):
        if folder == ".":
            folders[:] = [name for name in folders if name != "expt"]
        for name in folders:
            found[os.path.relpath(os.path.join(folder, name))] = None
        for name in files:
            found[os.path.relpath(os.path.join(folder, name))] = Path(folder, name).read_bytes()
    return found


@contextlib.contextmanager
def placed(files):
    """A new folder to work in, with these files and, where the content is None, folders."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
        patch.setattr(london_baseline, "HERE", Path(folder))
        for name, content in files.items():
            if content is None:
                Path(name).mkdir()
            else:
                Path(name).write_bytes(content)
        yield


def execute(main, prog, *arguments):
    """Runs a command line in this process; its exit code and what it wrote to stderr."""
    # A real stdout and stderr, which are told their encoding, and which a terminal would show.
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(record=True) as warned, time_limit():
        for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", category)  # as Python does where there are no tests
        patch.setattr(sys, "argv", [prog, *arguments])
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        try:
            run_main(main)
            code = 0
        except SystemExit as end:
            code = end.code
    shown = "".join(warnings.formatwarning(w.message, w.category, w.filename, w.lineno) for w in warned)
    return code, shown + err.buffer.getvalue().decode()


def attempt(files, *arguments, main=run.main, prog="run.py", writes=("w", "w.json"), kind=None):
    """Runs a command in a folder with `files`, and checks that it behaves. Returns its exit code and what is there
    afterwards. `writes` names what is to be there when it succeeds."""
    with placed(files):
        before = contents()
        code, err = execute(main, prog, *arguments)
        after = contents()
    TRIED[kind] += 1
    REFUSED[kind] += code != 0
    judge(code, err, before, after, prog, writes)
    if code == 0 and "w" in writes:
        judge_params(after)
    return code, err, after


def judge(code, err, before, after, prog, writes):
    """The property: a result, or one line, and nothing else changed."""
    assert code in (0, 1, 2)
    assert "Traceback" not in err
    lines = [line for line in err.splitlines() if not re.match(r"warning: |epoch \d+/\d+, step ", line)]
    if code == 0:
        assert lines == []
        allowed = {*writes, "w.state", "w.state.previous", "w.final"} - {"r", "wiki.txt", "t.tsv"}
        assert set(writes) <= set(after)
        assert not {"w.state", "w.state.previous"} & set(after)
    else:
        assert len(lines) == 1 and lines[0].startswith(f"{prog}: error: ") and err.endswith("\n")
        allowed = set()
    if code == 1:  # the last state of the run that failed may stay
        assert prog == "run.py" and "try a lower learning rate" in lines[0]
        allowed = {"w.state", "w.state.previous"}
    different = {name for name in before.keys() | after.keys() if before.get(name, 0) != after.get(name, 0)}
    assert different <= allowed


def judge_params(after):
    """Whole, finite, and with their own record."""
    params = torch.load(io.BytesIO(after["w"]), weights_only=True)
    assert all(tensor.isfinite().all() for tensor in params.values())
    record = json.loads(after["w.json"])
    assert record["params"] == hashlib.sha256(after["w"]).hexdigest() and record["function"] in ("pretrain", "finetune")


def tried(fast, slow, **what):
    """Makes a test of a property, which is tried on `fast` inputs by default and on `slow` others in the slow tests."""

    def make(check):
        name = check.__name__
        SLOW[name] = slow

        @pytest.mark.parametrize("examples", [fast, pytest.param(slow, marks=pytest.mark.slow)])
        def test(examples):
            before = TRIED[name]
            health = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
            settings(max_examples=examples, deadline=None, suppress_health_check=health)(given(**what)(check))()
            assert TRIED[name] - before >= examples

        test.__name__, test.__doc__ = name, check.__doc__
        return test

    return make


# ---------------------------------------------------------------------------------------------------------------------
# Malformed bytes

CHUNKS = [
    *(b"", b"\0", b"\n", b"\n\n", b"\r", b"\r\n", b"\t", b"\t\t", b" ", b"  ", b"\x1a", b"\x0b", b"\x0c", b"\x1c"),
    *(b"\xff", b"\xc3", b"\x80", b"\xfe\xff", b"\xed\xa0\x80", b"\xed\xb3\xbf", b"\xc0\x80", b"\xf5\x80\x80\x80"),
    *(b"\xef\xbb\xbf", b"Q", b"\xc3\xab", b"Where", b"Rome", b"\n \n", b"\t\n", b"\n\t", b"a" * 130, b"\0" * 1000),
    *(
        text.encode()
        for text in (MASK, PAD, "\x85", "\u2028", "\u3000", "\u202e", "\ufeff", "\U0001f600", "\U0010ffff")
    ),
]
chunk = st.sampled_from(CHUNKS) | st.binary(max_size=6) | st.text(max_size=4).map(str.encode)
encodings = st.sampled_from(["utf-16", "utf-16-le", "utf-32", "latin-1", "utf-7", "utf-8-sig", "cp037"])


@st.composite
def damaged(draw, *good, most=4):
    """One of the texts `good` with a few pieces replaced, inserted or cut out."""
    content = draw(st.sampled_from(good))
    for _ in range(draw(st.integers(1, most))):
        start = draw(st.integers(0, len(content)))
        length = draw(st.sampled_from([0, 0, 1, 2, 20]))
        content = content[:start] + draw(chunk) + content[start + length :]
    return content


def texts(*good):
    """Bytes that should have been a text like `good`."""
    pieces = st.lists(chunk | st.sampled_from(TRAIN.split(b"\n")), max_size=12).map(b"".join)
    elsewhere = st.builds(lambda text, name: text.decode().encode(name), st.sampled_from(good), encodings)
    endings = st.builds(lambda text, end: text.replace(b"\n", end), st.sampled_from(good), chunk)
    tabs = st.builds(lambda text, tab: text.replace(b"\t", tab), st.sampled_from(good), chunk)
    return damaged(*good) | pieces | elsewhere | endings | tabs | chunk


def decoded(content):
    """The text as the program should see it; None when there is none."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def is_corpus(content):
    text = decoded(content)
    return text is not None and text.strip() != "" and MASK not in text and PAD not in text


def lines_of(content):
    """Of each line the question and the accepted answers; None when it is no text."""
    text = decoded(content)
    if text is None:
        return None
    lines = [line.partition("\t") for line in text.rstrip("\n").split("\n")]
    return [
        (question.strip(), [part for answer in answers.split("\t") for part in answer.split("|") if part.strip()])
        for question, _, answers in lines
    ]


def well_formed(content, answers=(True, False)):
    """Whether these are questions, all of them with answers, or all without."""
    lines = lines_of(content)
    have = lines and {bool(right) for _, right in lines}
    return lines is not None and len(have) == 1 and have <= {*answers} and all(question for question, _ in lines)


def is_question(question, answer=""):
    """Whether the model can read this, and has read its characters before. Others than ASCII ones may be missing, if they
    are less than half."""
    kept = without_accents(question)
    known = [char for char in kept if ord(char) < 128 or char in VOCABULARY]
    fits = len(known) + 1 < Sizes.block_size and len(known) + len(answer.strip()) + 2 <= Sizes.block_size
    return fits and 2 * len(known) >= len(kept) and {*known, *answer.strip()} <= VOCABULARY


def teaches(content):
    """Whether there are questions and answers to finetune on."""
    return well_formed(content, [True]) and any(
        is_question(question, answers[0]) for question, answers in lines_of(content)
    )


def asks(content):
    """Whether there are questions to be asked, with answers or without."""
    return well_formed(content) and any(is_question(question) for question, _ in lines_of(content))


@tried(40, 400, content=texts(WIKI, b"a", b"abc\n\n\nd"))
def test_pretraining_corpora(content):
    """What is accepted is exactly what can be a corpus."""
    code, *_ = attempt({"wiki.txt": content}, *PRETRAIN, kind="test_pretraining_corpora")
    assert (code == 0) == is_corpus(content)


@tried(80, 500, content=texts(TRAIN))
def test_questions_to_finetune_on(content):
    code, err, _ = attempt({"wiki.txt": WIKI, "t.tsv": content}, *FINETUNE, kind="test_questions_to_finetune_on")
    assert (code == 0) == teaches(content)
    assert code == 0 or "t.tsv" in err


@tried(80, 500, content=texts(TRAIN, ASKED))
def test_questions_to_ask(content):
    """There is a prediction for every question, or none at all."""
    files = {"wiki.txt": WIKI, "t.tsv": content, "r": good_params()}
    code, err, after = attempt(files, *EVALUATE, writes=["o"], kind="test_questions_to_ask")
    assert (code == 0) == asks(content)
    if code == 0:
        assert after["o"].decode().count("\n") == len(lines_of(content)) and after["o"].endswith(b"\n")
    else:
        assert "t.tsv" in err


@pytest.mark.parametrize("place", [0, 10, 24, 27, 29, len(TRAIN)])
def test_every_chunk(place):
    """At the beginning, in a question, before and in its answer, at the end of a line and of the file."""
    for piece in dict.fromkeys(CHUNKS):
        content = TRAIN[:place] + piece + TRAIN[place:]
        files = {"wiki.txt": WIKI, "t.tsv": content, "r": good_params()}
        assert (attempt(files, *FINETUNE)[0] == 0) == teaches(content), piece
        if place in (0, 24, 27):
            assert (attempt(files, *EVALUATE, writes=["o"])[0] == 0) == asks(content), piece


@tried(40, 200, content=texts(TRAIN, ASKED))
def test_london_baseline(content):
    writes, kind = ["london_baseline_accuracy.txt"], "test_london_baseline"
    files = {"birth_dev.tsv": content}
    code, _, after = attempt(files, main=london_baseline.main, prog="london_baseline.py", writes=writes, kind=kind)
    assert (code == 0) == well_formed(content, [True])
    if code == 0:
        assert 0 <= float(after[writes[0]]) <= 100


@tried(40, 200, corpus=st.just(WIKI) | texts(WIKI), questions=texts(TRAIN))
def test_examples_of_the_data(corpus, questions):
    """dataset.py, which finds its files by their names."""
    files, kind = {"wiki.txt": corpus, "birth_places_train.tsv": questions}, "test_examples_of_the_data"
    asked = {"main": dataset.main, "prog": "dataset.py", "writes": [], "kind": kind}
    code, *_ = attempt(files, "charcorruption", **asked)
    assert (code == 0) == is_corpus(corpus)
    code, *_ = attempt(files, "namedata", **asked)
    if not is_corpus(corpus):
        assert code == 2
    elif corpus == WIKI:
        assert (code == 0) == teaches(questions)


BIG = 10 * 2**20


@pytest.mark.slow
@pytest.mark.parametrize(
    ("piece", "accepted"),
    [(b"a", True), (b"\0", True), (b"a\n", True), (b"\xef\xbb\xbf", True),
     (b"\n", False), (b" ", False), (b"\r\n", False), (MASK.encode(), False), (b"\xff", False)],
    ids=repr,
)  # fmt: skip
def test_long_corpora(piece, accepted):
    content = piece * (BIG // len(piece))
    command = [*EVALUATE[:2], "long.txt", *EVALUATE[3:]]
    files = {"long.txt": content, "t.tsv": TRAIN, "r": b""}
    code, err, _ = attempt(files, *command, writes=["o"])  # the corpus is read first, and the questions are next
    assert code == 2 and len(err) < 1000
    assert ("t.tsv, line 1: the character 'W'" in err) == accepted
    if accepted and b"\n" not in piece:  # one document
        assert attempt({"wiki.txt": content}, *PRETRAIN)[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize("piece", [b"a", b"\0", b"\t", b"\n", b"a\t", MASK.encode(), b"\xff"], ids=repr)
@pytest.mark.parametrize("before", [b"", TRAIN], ids=["alone", "after"])
def test_long_questions(piece, before):
    """Newlines at the end are passed over, the rest is refused (nobody in the corpus has a tab in the name)."""
    content = before + piece * (BIG // len(piece))
    code, err, _ = attempt({"wiki.txt": WIKI, "t.tsv": content}, *FINETUNE)
    assert code == 2 * (not before or piece != b"\n") and len(err) < 1000
    files = {"wiki.txt": WIKI, "t.tsv": content, "r": b""}
    code, err, _ = attempt(files, *EVALUATE, writes=["o"])
    assert code == 2 and len(err) < 1000


# ---------------------------------------------------------------------------------------------------------------------
# Corpora of other forms

JSON_LINES = (
    b'{"title": "Ada Kern", "text": "Ada Kern was born in Rome ?"}\n{"text": "Where Zo\xc3\xab, Bob Lund: Oslo"}\n'
)
PARAGRAPHS = b"Ada Kern\nAda Kern was born in Rome ?\n\nBob Lund\nBob Lund was born\nin Oslo ?\n\nWhere\n"
FORMS = ["auto", "lines", "paragraphs", "files", "json"]


@tried(40, 300, content=texts(WIKI, JSON_LINES, PARAGRAPHS), form=st.sampled_from(FORMS))
def test_corpora_of_other_forms(content, form):
    """A run ends well, and says of which form the corpus is; or one line names the corpus."""
    words = [*PRETRAIN, "--documents", form]
    code, err, after = attempt({"wiki.txt": content}, *words, kind="test_corpora_of_other_forms")
    assert code == 0 or "wiki.txt" in err
    if form in ("lines", "auto"):
        assert code == 0 or not is_corpus(content) or form == "auto" and content.lstrip()[:1] == b"{"
    if code == 0:
        assert json.loads(after["w.json"])["documents"] in ([form] if form != "auto" else FORMS)


@tried(
    20, 200, pieces=st.lists(texts(WIKI, PARAGRAPHS), max_size=3), names=st.permutations(["a", "B", "\u00e9", "c d"])
)
def test_folders_as_corpora(pieces, names):
    """Of any files. What is refused names one of them, or the folder."""
    with placed({"folder": None}):
        for name, content in zip(names, pieces):
            Path("folder", f"{name}.txt").write_bytes(content)
        before = contents()
        words = [*PRETRAIN[:2], "folder", *PRETRAIN[3:]]
        code, err = execute(run.main, "run.py", *words)
        after = contents()
    TRIED["test_folders_as_corpora"] += 1
    REFUSED["test_folders_as_corpora"] += code != 0
    judge(code, err, before, after, "run.py", ("w", "w.json"))
    readable = [decoded(content) for content in pieces]
    fine = all(text is not None and MASK not in text and PAD not in text for text in readable)
    assert (code == 0) == (fine and any(text.strip() for text in readable))
    assert code == 0 or "folder" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([*PRETRAIN, "--documents", "files"], "wiki.txt: is no folder"),
        ([*PRETRAIN, "--documents", "json"], "wiki.txt, line 1: is no JSON object"),
        ([*PRETRAIN, "--documents", "pages"], "choose from"),
        ([*PRETRAIN[:2], "folder", *PRETRAIN[3:]], "folder: has no .txt file"),
        ([*PRETRAIN[:2], "full", *PRETRAIN[3:], "--writing_params_path", "full/w.txt"], "full/w.txt: would be read as"),
        ([*PRETRAIN[:2], "full", *PRETRAIN[3:], "--writing_params_path", "full/a.txt"], "full/a.txt: would be read as"),
        ([*EVALUATE[:2], "full", *EVALUATE[3:], "--outputs_path", "full/o.TXT"], "full/o.TXT: would be read as"),
        ([*EVALUATE[:2], "full", *EVALUATE[3:]], "r: holds a different vocabulary"),
        ([*FINETUNE, "--finetune_corpus_path", "full"], "full: cannot be read"),
        ([*PRETRAIN, "--add_symbols", ""], "--add_symbols"),
        ([*PRETRAIN, "--add_symbols", MASK], "--add_symbols"),
        ([*PRETRAIN, "--add_symbols", "\udcff"], "--add_symbols"),
        ([*PRETRAIN, "--add_symbols", "a\nb"], "--add_symbols"),
        ([*PRETRAIN, "--add_symbols", "Q", "--reading_params_path", "r"], "no use for --add_symbols with"),
        ([*FINETUNE, "--add_symbols", "Q", "--reading_params_path", "r"], "no use for --add_symbols with"),
        ([*EVALUATE, "--add_symbols", "Q"], "evaluate has no use for --add_symbols"),
    ],
    ids=lambda value: ascii(" ".join(value[-2:])) if isinstance(value, list) else "",
)
def test_corpora_and_symbols_that_are_refused(words, message):
    with placed({"wiki.txt": WIKI, "t.tsv": TRAIN, "r": good_params(), "folder": None, "full": None}):
        Path("full", "a.txt").write_bytes(WIKI + b" QXJ")
        before = contents()
        code, err = execute(run.main, "run.py", *words)
        assert code == 2 and err.startswith("run.py: error: ") and err.count("\n") == 1 and message in err
        assert contents() == before


# ---------------------------------------------------------------------------------------------------------------------
# Parameters


class Hostile:
    """What does something when it is unpickled: leaves a file."""

    def __init__(self, how):
        self.how = how

    def __reduce__(self):
        ways = {"open": (open, ("created", "w")), "mkdir": (os.mkdir, ("created",)), "system": (os.system, ("touch created",)),
                "eval": (eval, ("open('created', 'w')",)), "exec": (exec, ("open('created', 'w')",)),
                "load": (torch.load, ("r",)), "partial": (functools.partial, (os.mkdir, "created"))}  # fmt: skip
        return ways[self.how]


WAYS = ["open", "mkdir", "system", "eval", "exec", "load", "partial"]


def dumped(value):
    """What torch.save makes of it."""
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


@functools.cache
def tensors(**flags):
    """Parameters, by name."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return dict(model.GPT(GPTConfig(2 + len(VOCABULARY), Sizes.block_size, **SMALL, **flags)).state_dict())


@functools.cache
def good_params(**flags):
    return dumped(tensors(**flags))


class File(bytes):
    """Content that shows how it came to be, instead of itself."""

    def __new__(cls, content, how):
        self = super().__new__(cls, content)
        self.how = how
        return self

    def __repr__(self):
        return f"<{len(self)} bytes, {self.how}>"


@st.composite
def damaged_file(draw, make):
    """What `make` returns, cut short, or with some of its bits or bytes changed, put in or taken out."""
    content = make()
    # As often at the beginning and at the end, where a file tells what is in it, as anywhere.
    place = st.integers(0, len(content) - 1) | st.integers(0, 200) | st.integers(len(content) - 3000, len(content) - 1)
    i = max(0, min(draw(place), len(content) - 1))
    how = draw(st.sampled_from(["cut", "flip", "flip", "flip", "insert", "remove", "other"]))
    if how == "cut":
        return File(content[:i], f"cut at {i}")
    if how == "flip":
        flipped, flips = bytearray(content), {i: draw(st.integers(1, 255))}
        flips |= draw(st.dictionaries(place.filter(range(len(content)).count), st.integers(1, 255), max_size=7))
        for i, bits in flips.items():
            flipped[i] ^= bits
        return File(flipped, f"flipped: {flips}")
    if how == "insert":
        new = draw(st.binary(min_size=1, max_size=8))
        return File(content[:i] + new + content[i:], f"{new} put in at {i}")
    if how == "remove":
        length = draw(st.sampled_from([1, 64, 4096]))
        return File(content[:i] + content[i + length :], f"{length} taken out at {i}")
    return draw(st.sampled_from([WIKI, TRAIN, b"", b"\0" * 100, b"PK\x03\x04", b"\x80\x02.", b"N."]) | st.binary())


@st.composite
def hostile_file(draw):
    """A file with code in it, as torch.save or pickle write it, or as a person may."""
    value = Hostile(draw(st.sampled_from(WAYS)))
    value = draw(
        st.sampled_from(
            [value, [value], {"model": value}, {"run": value}, tensors() | {"head.weight": value}, (1, value)]
        )
    )
    how = draw(st.sampled_from(["torch", "old torch", "pickle", "text"]))
    file = io.BytesIO()
    if how == "torch":
        return dumped(value)
    if how == "old torch":
        torch.save(value, file, _use_new_zipfile_serialization=False)
        return file.getvalue()
    if how == "pickle":
        return pickle.dumps(value, protocol=draw(st.integers(0, pickle.HIGHEST_PROTOCOL)))
    return b"cposix\nsystem\n(S'touch created'\ntR."


def odd_tensor(how, like):
    """A tensor that is not what `like` is."""
    good = like if isinstance(like, torch.Tensor) and like.numel() else torch.ones(16)
    if how == "own method":  # an attribute of a tensor is saved with it
        good = good.clone()
        good.isfinite = good.copy_ = good.float = 5
        return good
    ways = {
        "empty": lambda: torch.zeros(0),
        "scalar": lambda: torch.tensor(1.0),
        "short": lambda: good.flatten()[1:].clone(),
        "transposed": lambda: good.mT.contiguous() if good.dim() > 1 else good[None],
        "strided": lambda: torch.stack((good, good), dim=-1)[..., 0],
        "one in place of all": lambda: torch.zeros(1).expand(good.shape),
        "endless": lambda: torch.zeros(1).as_strided((10**15,), (0,)),
        "nan": lambda: good.float() * float("nan"),
        "inf": lambda: good.float() / 0,
        "huge": lambda: good.double().abs().clamp(1, 2) * 1e300,
        "sparse": lambda: good.to_sparse(),
        "meta": lambda: good.to("meta"),
        "parameter": lambda: torch.nn.Parameter(good.float()),
    }
    return ways[how]() if how in ways else good.to(getattr(torch, how))


ODD_TENSORS = ["empty", "scalar", "short", "transposed", "strided", "one in place of all", "endless", "nan", "inf", "huge",
               "sparse", "meta", "parameter", "own method", "float64", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2",
               "complex64", "bool", "int64", "uint16"]  # fmt: skip
ODD_VALUES = [None, True, 0, 1, -1, 5, 2**31, 2**64, 10**400, -0.5, 1e308, float("nan"), float("inf"), "", "x", "\ud800", "a\nb",
              b"x", [], [5], [5, 5], {}, {5: 5}, {"": 5}, (), (1, 2, 3), 1j]  # fmt: skip


@st.composite
def others(draw, make):
    """What `make` returns, a nesting of dicts and lists, saved with something in it replaced, removed, added, or named
    otherwise."""
    trail = []

    def replaced(value):
        odd = draw(st.sampled_from(ODD_VALUES))
        if draw(st.integers(0, 9)) < (7 if isinstance(value, torch.Tensor) else 1):
            odd = draw(st.sampled_from(ODD_TENSORS))
            trail.append(f"tensor: {odd}")
            return odd_tensor(odd, value)
        trail.append(repr(odd)[:40])
        return odd

    def altered(value):
        if not (isinstance(value, (dict, list, tuple)) and value) or trail and not draw(st.integers(0, 4)):
            return replaced(value)
        how = draw(st.sampled_from([*["within"] * 12, "remove", "rename", "add"]))
        key = draw(st.sampled_from(list(value) if isinstance(value, dict) else range(len(value))))
        trail.append(f"{how} {key}" if how != "within" else str(key))
        if not isinstance(value, dict):
            items = list(value)
            items[key : key + 1] = {"remove": [], "add": [items[key]] * 2}.get(how) or [altered(items[key])]
            return type(value)(items)
        result = OrderedDict(value) if draw(st.booleans()) else dict(value)
        if how == "within":
            result[key] = altered(value[key])
        elif how == "remove":
            del result[key]
        else:
            names = ["\ud800", "a\nb", "", 5, None, (), "train", "config", "batches", "step", "params"]
            other = draw(st.sampled_from(names))
            trail.append(ascii(other))
            result[other] = result.pop(key) if how == "rename" else replaced(None)
        if isinstance(result, OrderedDict) and draw(st.booleans()):  # torch reads this
            result._metadata = draw(st.sampled_from([*ODD_VALUES, {"": {"version": "x"}}]))
            trail.append(f"metadata {result._metadata!r:.40}")
        return result

    return File(dumped(altered(make())), ", ".join(trail))


USES = [
    (EVALUATE, ["o"]),
    ((*FINETUNE, "--reading_params_path", "r"), ["w", "w.json"]),
    ((*PRETRAIN, "--reading_params_path", "r"), ["w", "w.json"]),
]


def use(content, how, kind, record=None):
    """Starts from these parameters."""
    arguments, writes = USES[how]
    files = {"wiki.txt": WIKI, "t.tsv": TRAIN, "r": content} | ({} if record is None else {"r.json": record})
    return attempt(files, *arguments, writes=writes, kind=kind)


@tried(60, 800, content=damaged_file(good_params), how=st.integers(0, 2))
def test_damaged_parameters(content, how):
    use(content, how, "test_damaged_parameters")


@tried(20, 100, content=hostile_file(), how=st.integers(0, 2))
def test_parameters_with_code_in_them(content, how):
    """The code is not run, or there would be a file."""
    code, err, after = use(content, how, "test_parameters_with_code_in_them")
    assert code == 2 and "created" not in after and err.startswith("run.py: error: r: is not a parameter file")


def test_the_code_would_leave_a_file():
    for way in WAYS[:5]:
        with placed({}):
            pickle.loads(pickle.dumps(Hostile(way)))
            assert os.path.exists("created")


@tried(60, 600, content=others(tensors), how=st.integers(0, 2))
def test_parameters_that_are_others(content, how):
    """A parameter file in good order, but not quite of such a model."""
    use(content, how, "test_parameters_that_are_others")


@pytest.mark.parametrize("how", range(3))
@pytest.mark.parametrize("odd", ["endless", "huge", "float8_e4m3fn", "complex64", "own method", "_metadata", "nan"])
def test_odd_parameters(odd, how):
    """Tensors that take more memory than there is as soon as something is asked of each element; that become infinite
    in float32; on which torch has not implemented what is asked; whose other half would be lost; that bring attributes
    in the place of methods."""
    if odd == "_metadata":
        value = OrderedDict(tensors())
        value._metadata = 5
    else:
        value = tensors() | {"ln_f.weight": odd_tensor(odd, tensors()["ln_f.weight"])}
    code, *_ = use(dumped(value), how, "test_odd_parameters")
    assert code == 2 or odd in ("float8_e4m3fn", "own method", "_metadata") and code == 0


# ---------------------------------------------------------------------------------------------------------------------
# Records and states

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def records(draw):
    """Records of `good_params`, damaged or hostile."""
    record = {"function": "pretrain", "variant": "vanilla", "params": hashlib.sha256(good_params()).hexdigest()}
    record |= {"documents": "lines", "symbols": ""}
    odd = json_values | st.sampled_from(["\ud800", "a\nb", "\x1b[2J", "x" * 100_000, "rope", [[]] * 1000])
    for _ in range(draw(st.integers(1, 2))):
        record[draw(st.sampled_from(["variant", "variant", "vocabulary", "params", "x", "documents", "symbols"]))] = (
            draw(odd)
        )
    if draw(st.integers(0, 3)):
        return json.dumps(record).encode()
    if draw(st.booleans()):
        return draw(damaged_file(json.dumps(record).encode))
    return draw(
        st.sampled_from([b"[" * 100_000, b'{"params": ' * 50_000, b"9" * 10_000, b"NaN", b"null", b"\xff\xfe", None])
    )


@tried(40, 300, record=records(), how=st.integers(0, 2))
def test_records(record, how):
    """`None` is a folder of that name."""
    files = {"wiki.txt": WIKI, "t.tsv": TRAIN, "r": good_params(), "r.json": record}
    arguments, writes = USES[how]
    code, err, after = attempt(files, *arguments, writes=writes, kind="test_records")
    assert after["r.json"] == record and len(err) < 1000
    try:
        found = json.loads(record)
        variant, own = found.get("variant", "vanilla"), found["params"] == hashlib.sha256(good_params()).hexdigest()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        own = False
    if not own:
        assert code == 0  # it is none of these parameters
    elif variant != "vanilla":
        assert code == 2
    elif "vocabulary" not in found and found.get("symbols", "") == "" and found.get("documents") in (None, "lines", 5):
        assert code == 0


LONG = ("--max_epochs", "3", "--save_minutes", "0")


@functools.cache
def saved_states(*flags):
    """What a run of three steps leaves when it is killed after the second: the state, and the one before; and the
    parameters that it would have made."""
    kept = {}

    def keep(path):
        kept.update(contents())
        remove(path)

    remove = checkpoint.remove_checkpoint
    with pytest.MonkeyPatch.context() as patch, placed({"wiki.txt": WIKI}):
        patch.setattr(checkpoint, "remove_checkpoint", keep)
        assert execute(run.main, "run.py", *PRETRAIN, *LONG, *flags)[0] == 0
    return kept["w.state"], kept["w.state.previous"], kept["w"]


def sealed(content):
    return content + checksum(content)


def opened(content):
    return torch.load(io.BytesIO(content[:-32]), weights_only=True)


@st.composite
def state_files(draw, place):
    """The file that is at x.state (place 0) or x.state.previous (1): what it is, and its content."""
    kinds = ["good", "good", "absent", "damaged", "damaged", "hostile", "folder", "other"]
    kind = draw(st.sampled_from(kinds))
    if kind == "good":
        return kind, saved_states()[place]
    if kind == "damaged":
        content = draw(damaged_file(lambda: saved_states()[place]))
        return ("good" if content == saved_states()[place] else kind), content
    if kind == "hostile":
        return kind, sealed(draw(hostile_file()))
    if kind == "other":
        return kind, saved_states("--seed", "1")[place]
    return kind, None


def tensors_of(params):
    return torch.load(io.BytesIO(params), weights_only=True)


def same(one, two):
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


@tried(60, 400, one=state_files(0), two=state_files(1), resumed=st.booleans())
def test_states(one, two, resumed):
    """A run goes on from the newest state that is whole, if that is its own, and ends where it would have ended; it
    does not begin anew where a state is, nor go on where there is none."""
    names = {"w.state": one, "w.state.previous": two}
    files = {"wiki.txt": WIKI} | {name: content for name, (kind, content) in names.items() if kind != "absent"}
    flags = ["--resume"] if resumed else []
    code, err, after = attempt(files, *PRETRAIN, *LONG, *flags, kind="test_states")
    present = {name for name, (kind, _) in names.items() if kind != "absent"}
    whole = [kind for kind, _ in (one, two) if kind in ("good", "other")]
    if not resumed:
        assert (code == 0) == (not present)
    elif "folder" in (one[0], two[0]):  # in the way of the next state
        assert code == 2
    else:
        assert (code == 0) == (whole[:1] == ["good"])
    if code == 0:
        assert same(tensors_of(after["w"]), tensors_of(saved_states()[2]))
        assert ("warning: " in err) == (resumed and present == {*names} and one[0] != "good")


@tried(40, 600, content=others(lambda: opened(saved_states()[0])))
def test_states_that_are_others(content):
    """Whole and sealed, but not what a run has saved. Nothing in it does harm."""
    attempt({"wiki.txt": WIKI, "w.state": sealed(content)}, *PRETRAIN, *LONG, "--resume",
            kind="test_states_that_are_others")  # fmt: skip


def altered_at(path, new, good=None):
    """A good state with something else at that place of it."""
    value = opened(good or saved_states()[0])
    inner = value
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = new
    return value


@pytest.mark.parametrize(
    ("path", "new"),
    [
        (("run",), 3),
        (("run", "seed"), torch.zeros(3)),
        (("run", "model", "n_layer"), torch.zeros(3)),
        (("model",), []),
        (("optimizers", 0, "param_groups", 0, "betas"), "ab"),
        (("optimizers", 0, "param_groups", 0, "eps"), None),
        (("optimizers", 0, "param_groups", 0, "amsgrad"), True),
        (("optimizers", 0, "state", 0, "exp_avg"), 5),
        (("optimizers", 0, "state", 0, "step"), torch.zeros(5)),
        (("progress", "steps"), -5),
        (("progress", "steps"), 10**9),
        (("progress", "steps"), "x"),
        (("progress", "tokens"), None),
        (("progress", "seconds"), 10**400),
        (("progress", "losses"), ()),
        (("progress", "train"), 3),
        (("progress", "batches"), []),
        (("optimizers", 0, "state", 0, "exp_avg"), torch.zeros(1)),
        (("optimizers", 0, "state", 0, "exp_avg"), torch.zeros(1).expand(1, 128, 16)),
    ],
    ids=lambda value: str(list(value.shape) if isinstance(value, torch.Tensor) else value)[:50],
)
def test_odd_states(path, new):
    """Sealed, so that they were made on purpose; the last two would make AdamW write beside its memory."""
    content = sealed(dumped(altered_at(path, new)))
    code, _, after = attempt(
        {"wiki.txt": WIKI, "w.state": content}, *PRETRAIN, *LONG, "--resume", kind="test_odd_states"
    )
    needless = "param_groups" in path or path[-1] in ("train", "batches")  # it need not even be looked at
    copied = isinstance(new, torch.Tensor) and new.numel() > 5  # has the right size, once its memory is its own
    if code == 0 and needless:
        assert same(tensors_of(after["w"]), tensors_of(saved_states()[2]))
    else:
        assert code == 2 or copied and code == 0


@functools.cache
def finished_run():
    """The files of a run of one epoch."""
    with placed({"wiki.txt": WIKI}):
        assert execute(run.main, "run.py", *PRETRAIN)[0] == 0
        return contents()


def last_state():
    return finished_run()["w.final"]


@tried(
    30,
    300,
    content=damaged_file(last_state) | hostile_file().map(sealed) | others(lambda: opened(last_state())).map(sealed),
    epochs=st.sampled_from(["1", "2"]),
)
def test_last_states_of_finished_runs(content, epochs):
    """A finished run is extended from a whole state of its own; else it stays as it is."""
    files, kind = finished_run() | {"w.final": content}, "test_last_states_of_finished_runs"
    code, *_ = attempt(files, *PRETRAIN, "--max_epochs", epochs, "--resume", kind=kind)
    if content == last_state():
        assert code == 0


@pytest.mark.parametrize(
    ("path", "new"),
    [
        (("run",), 3),
        (("run", "recipe"), None),
        (("run", "recipe"), [1]),
        (("run", "recipe", "epochs"), "1"),
        (("run", "recipe", "epochs"), 0),
        (("run", "recipe", "epochs"), -1),
        (("run", "recipe", "epochs"), 10**400),
        (("run", "recipe", "epochs"), torch.ones(3)),
        (("run", "params"), torch.ones(3)),
        (("run", "params"), None),
        (("run", "extended_from"), torch.ones(3)),
        (("run", "extended_from"), ["x", 1.5, True, [[]]]),
        (("run", "tensorboard"), torch.ones(3)),
        (("run", "tensorboard"), {"folder": "../../x", "owner": torch.ones(3)}),
        (("progress", "steps"), 0),
    ],
    ids=lambda value: str(list(value.shape) if isinstance(value, torch.Tensor) else value)[:50],
)
def test_odd_last_states(path, new):
    """Sealed, so that they were made on purpose. What does not identify the run is passed over."""
    content = sealed(dumped(altered_at(path, new, last_state())))
    for epochs in ("1", "2"):
        code, _, after = attempt(finished_run() | {"w.final": content}, *PRETRAIN, "--max_epochs", epochs, "--resume")
        assert code == (0 if path[-1] in ("extended_from", "tensorboard", "steps") else 2)
        if code == 0 and epochs == "2":
            assert json.loads(after["w.json"])["extended_from"][-1] == 1


# ---------------------------------------------------------------------------------------------------------------------
# Flags

STANDING = {"wiki.txt": WIKI, "t.tsv": TRAIN, "asked.tsv": ASKED, "folder": None, "old": b"precious", "empty": b"",
            "r.json": b"{}"}  # fmt: skip
PATHS = ["wiki.txt", "t.tsv", "asked.tsv", "r", "rope", "r.json", "folder", "old", "empty", "new", "new/", "no/such/x", "missing",
         "wiki.txt/x", "", " ", ".", "..", "/", "./wiki.txt", "folder/../t.tsv", "x" * 300, "\udcff", "a\nb", "\u2028", "-", "--",
         "-x", "~", "%s", "{}", "/dev/null", "old.state", "new.json"]  # fmt: skip
NUMBERS = ["0", "1", "2", "-1", "-0", "1e3", "nan", "-nan", "inf", "-inf", "1e400", "", " ", "x", "1_0", "\uff13", "9" * 30, "9" * 5000,
           "0x10", "None", "1\n", "-1\n", "3.5", "1e-320", "1e39", "1e100", "1e300", "\udcff", "1,5", "--seed"]  # fmt: skip
WORDS = ["", "run", "a/b", "..", "/", "x" * 300, "\u00e9", "\udcff", "a b", "a\nb", "-x", "auto", "off", "float32", "bfloat16",
         "float64", "AUTO", "%", "a\\b", "handout", "fast"]  # fmt: skip
DEVICES = [
    "",
    "cpu",
    "cpu:3",
    "CPU",
    "cpu ",
    "cpu\n",
    "cuda:77",
    "cuda:-1",
    "mps:9",
    "meta",
    "toaster",
    "xla",
    "cpu:x",
    "\udcff",
]
FLAGS = {
    **dict.fromkeys(["reading_params_path", "writing_params_path", "finetune_corpus_path", "eval_corpus_path",
                     "outputs_path", "report_path", "calibration_path"], PATHS),
    **dict.fromkeys(["pretrain_lr", "finetune_lr", "save_minutes", "seed", "batch_size", "max_epochs", "abstain", "unasked_weight", "views"], NUMBERS),
    "num_workers": [number for number in NUMBERS if number not in ("1", "2", "1_0", "\uff13", "1\n")],  # no processes
    # not of a model that takes long; 17 is the size of no model here
    **{name: [*NUMBERS, "16", "17", "128"] for name in ("n_layer", "n_head", "n_embd", "block_size")},
    **dict.fromkeys(["tb_expt_name", "dtype", "compile", "recipe"], WORDS),
    "device": DEVICES,
    "documents": [*FORMS, "", "AUTO", "\udcff"],
    "title_positions": ["course", "any", "ten", ""],
    "add_symbols": ["?", "Q\u00e9", "a a", "", MASK, "\udcff", "\n"],
}  # fmt: skip


def flags_of(function):
    """The flags that a command needs, and all that it takes."""
    (commands,) = run.make_parser()._subparsers._group_actions
    flags = [
        action for action in commands.choices[function]._actions if action.option_strings and action.dest != "help"
    ]
    return [flag.dest for flag in flags if flag.required], {flag.dest for flag in flags}


@st.composite
def command_lines(draw):
    """A command that would work, and then a few flags more, or fewer, or with other values."""
    function = draw(st.sampled_from(["pretrain", "finetune", "evaluate"]))
    paths = {"writing_params_path": "new", "finetune_corpus_path": "t.tsv", "reading_params_path": "r",
             "eval_corpus_path": "asked.tsv", "outputs_path": "new"}  # fmt: skip
    needed, taken = flags_of(function)
    flags = {name: paths[name] for name in needed} | {"device": "cpu"}
    if function != "evaluate":
        flags["max_epochs"] = "1"
    corpus = "wiki.txt" if draw(st.integers(0, 9)) else draw(st.sampled_from(PATHS))
    for _ in range(draw(st.sampled_from([0, 1, 1, 1, 2, 3]))):
        name = draw(
            st.sampled_from(sorted(taken - {"resume", "overwrite", "trust_buffers"}))
            if draw(st.integers(0, 9))
            else st.sampled_from(sorted(FLAGS))
        )
        flags[name] = draw(st.sampled_from(FLAGS[name]))
    if not draw(st.integers(0, 19)):
        flags.pop(draw(st.sampled_from(sorted(flags.keys() - {"max_epochs"}))))
    variant = draw(st.sampled_from(["vanilla"] * 12 + ["rope", "synthesizer", "", "gpt\n"]))
    words = [function, variant, corpus]
    for name, value in flags.items():
        words += [f"--{name}={value}"] if draw(st.booleans()) else [f"--{name}", value]
    if not draw(st.integers(0, 4)):
        words.append(draw(st.sampled_from(["--resume", "--overwrite"])))
    if not draw(st.integers(0, 9)):
        words.insert(
            draw(st.integers(0, len(words))), draw(st.sampled_from([*PATHS, "--colour", "--max_epoch", "--\ud800"]))
        )
    return words


def values(words, *flags):
    """What this command line gives these flags, as far as it is one."""
    for i, word in enumerate(words):
        for flag in flags:
            if word == flag and i + 1 < len(words):
                yield words[i + 1]
            elif word.startswith(flag + "="):
                yield word.removeprefix(flag + "=")


@tried(100, 1500, words=command_lines())
def test_command_lines(words):
    """Whatever was asked for, no file changes but those that the command line names as outputs, and these are whole."""
    files = STANDING | {"r": good_params(), "rope": good_params(rope=True)}
    with placed(files):
        before = contents()
        code, err = execute(run.main, "run.py", *words)
        after = contents()
    TRIED["test_command_lines"] += 1
    REFUSED["test_command_lines"] += code != 0
    assert code in (0, 1, 2) and "Traceback" not in err
    lines = [line for line in err.splitlines() if not re.match(r"epoch \d+/\d+, step |warning: ", line)]
    assert len(lines) == (code > 0)
    changed = {name for name in before.keys() | after.keys() if before.get(name, 0) != after.get(name, 0)}
    outputs = [*values(words, "--writing_params_path", "--outputs_path")]
    if code == 2:
        assert lines[0].startswith("run.py: error: ") and not changed
        return
    if code == 1:
        assert lines[0].startswith("run.py: error: ") and "try a lower learning rate" in lines[0]
        assert changed <= {f"{path}.state{end}" for path in outputs for end in ("", ".previous")}
        return
    (output,) = map(os.path.normpath, outputs)
    if words[0] == "evaluate":
        if any(word.startswith("--report_path") for word in words):  # which adds whatever it likes
            changed &= before.keys()
        (asked,) = map(os.path.normpath, values(words, "--eval_corpus_path"))
        assert changed <= {output} and after[output].decode().count("\n") == len(lines_of(before[asked]))
    else:
        assert changed <= {output, output + ".json", output + ".final"}
        assert json.loads(after[output + ".json"])["params"] == hashlib.sha256(after[output]).hexdigest()


@pytest.mark.parametrize(
    "words",
    [
        [*PRETRAIN[:2], "\udcff", *PRETRAIN[3:]],
        [*PRETRAIN, "\udcff"],
        [*PRETRAIN, "--tb_expt_name", "\udcff"],
        [*PRETRAIN, "a\nb"],
        [*PRETRAIN, "--seed", "-1\n"],
        [*PRETRAIN, "--reading_params_path", ""],
        [*PRETRAIN, "--reading_params_path=--"],
        [*EVALUATE, "--reading_params_path", ""],
    ],
    ids=lambda words: ascii(" ".join(words[-2:])),
)
def test_odd_words(words):
    """Names that are not UTF-8, which Python reads as surrogates; more than one line; an empty name, as of a variable
    of the shell that was not set, in the place of parameters; a value that some versions of argparse lose."""
    if "\udcff" in words[-1] and "--tb_expt_name" in words:
        assert attempt({"wiki.txt": WIKI}, *words)[0] == 2
    else:
        assert attempt({"wiki.txt": WIKI, "t.tsv": TRAIN}, *words)[0] == 2


def test_a_name_that_is_not_utf8():
    """It is a name like any other."""
    if os.name == "nt" or sys.platform == "darwin":
        pytest.skip("file names are Unicode here")
    words = ["\udcff" if word == "w" else word for word in PRETRAIN]
    with placed({"wiki.txt": WIKI}):
        code, _ = execute(run.main, "run.py", *words)
        assert code == 0 and set(contents()) == {"wiki.txt", "\udcff", "\udcff.json", "\udcff.final"}


@pytest.mark.parametrize(
    ("files", "words", "named"),
    [
        ({"w.json": None}, PRETRAIN, "w.json"),  # is written when hours have passed
        ({"w.json": WIKI}, [*PRETRAIN[:2], "w.json", *PRETRAIN[3:]], "w.json"),
        ({"w.json": good_params()}, [*PRETRAIN, "--reading_params_path", "w.json"], "w.json"),
        ({"w.json": TRAIN}, [*FINETUNE, "--finetune_corpus_path", "w.json"], "w.json"),
        (
            {"w.state.previous": WIKI, "w.state": "good"},
            [*PRETRAIN[:2], "w.state.previous", *PRETRAIN[3:], *LONG, "--resume"],
            "w.state.previous",
        ),
        ({"r.json": b"{}"}, [*EVALUATE, "--outputs_path", "r.json"], "r.json"),
        ({}, [*EVALUATE, "--report_path", "o"], "o"),
        ({"expt": b""}, PRETRAIN, "expt"),
        ({"w": None}, PRETRAIN, "w: "),
        ({"w.state": None}, PRETRAIN, "w.state"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_what_is_in_the_way(files, words, named):
    """Of anything that a command writes beside what it was told to write, it says so first."""
    files = {"wiki.txt": WIKI, "t.tsv": TRAIN, "r": good_params()} | files
    if files.get("w.state") == "good":  # of a run on this very text
        files["w.state"] = saved_states()[0]
    code, err, _ = attempt(files, *words, kind="test_what_is_in_the_way")
    assert code == 2 and err.startswith(f"run.py: error: {named}")


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_another_name_for_an_input(link):
    if not hasattr(os, "link"):
        pytest.skip("no links here")
    with placed({"wiki.txt": WIKI, "t.tsv": TRAIN, "r": good_params()}):
        for name, source in {"w": "wiki.txt", "o": "t.tsv", "v": "r"}.items():
            link(source, name)
        before = contents()
        replaced = ["v" if word == "o" else word for word in EVALUATE]
        for words in (PRETRAIN, FINETUNE, EVALUATE, replaced):
            code, err = execute(run.main, "run.py", *words)
            assert code == 2 and "would overwrite the input" in err and err.count("\n") == 1
        assert contents() == before


def test_a_folder_with_the_name_of_a_temporary_file():
    files = {"wiki.txt": WIKI, ".w.state.1.tmp": None}
    assert attempt(files, *PRETRAIN, kind="folder")[0] == 0


# ---------------------------------------------------------------------------------------------------------------------
# How much that was


def test_the_slow_tests_are_many():
    assert SLOW.total() >= 2000


@pytest.mark.slow
def test_much_of_it_was_malformed():
    """At least 2,000 inputs were refused."""
    if any(TRIED[name] < slow for name, slow in SLOW.items()):
        pytest.skip("not all the slow tests have run before this one")
    print("".join(f"\n{name}: {TRIED[name]} inputs, {REFUSED[name]} refused" for name in SLOW))
    assert REFUSED.total() >= 2000
