"""Which run a command means: a new one, an unfinished one, or a finished one that is trained further."""

import contextlib
import functools
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from commands import contents, execute, sizes, stopping
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from engine import checkpoint, training
from engine.files import InputError
from engine.inputs import find_sizes, load_corpus, load_finetuning, make_model
from recipe import choose_phase
from run import parse_args
from trainer import Trainer

CPU = ("--batch_size", "5", "--device", "cpu", "--dtype", "float32")
PRETRAIN = ("pretrain", "rope", "wiki.txt", "--writing_params_path", "x.params", *CPU)
FINETUNE = ("finetune", "rope", "wiki.txt", "--finetune_corpus_path", "birth_places_train.tsv", *CPU)
STEPS = 3  # of an epoch: 13 documents


@pytest.fixture
def small(folder, monkeypatch):
    """A function that runs a command line with a small model; its exit code."""
    monkeypatch.setattr("engine.sizes.Sizes", sizes(n_layer=1, n_head=2, n_embd=16))
    return functools.partial(execute, monkeypatch)


def epochs(n, *more):
    return ("--max_epochs", n, *more)


def in_memory(command, *each):
    """The parameters after training for each of these numbers of epochs in turn. Nothing is saved or resumed: a longer
    trainer takes over the model, the optimizers and the counters of the one before."""
    args = parse_args([*command, "--max_epochs", "1"])
    shape = find_sizes(args)
    corpus = load_corpus(args.pretrain_corpus_path, shape.block_size)
    names = load_finetuning(args.finetune_corpus_path, corpus)[0] if args.finetune_corpus_path else None
    before = None
    for args.max_epochs in each:
        phase = choose_phase(args, shape)
        model = before.model if before else make_model(args, corpus, shape, phase.dropout)
        config = training.trainer_config(args, phase, corpus, {})
        config = replace(config, state_path=None, ckpt_path=None)
        trainer = Trainer(model, training.build_dataset(phase, corpus, names), None, config)
        if before:
            for name in ("optimizers", "steps", "tokens", "seconds", "losses"):
                setattr(trainer, name, getattr(before, name))
        trainer.train()
        before = trainer
    return before.model.state_dict()


def same(one, other):
    """Whether parameters are equal, bit for bit; each a file or a state_dict."""
    one, other = (torch.load(x, weights_only=True) if isinstance(x, str) else x for x in (one, other))
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def rates(folder):
    return [event.value for event in EventAccumulator(str(folder)).Reload().Scalars("train/lr")]


@pytest.mark.parametrize("recipe", ["fast", "handout"])
def test_an_extended_run_is_the_finished_one_and_then_the_longer_one(small, recipe, capsys):
    recipe = ("--recipe", recipe)
    assert small(*PRETRAIN, *recipe, *epochs(2)) == 0
    short = torch.load("x.params", weights_only=True)
    capsys.readouterr()
    assert small(*PRETRAIN, *recipe, *epochs(4, "--resume")) == 0
    assert f"Resumed after step {2 * STEPS} of {4 * STEPS}" in capsys.readouterr().out
    assert same(short, in_memory((*PRETRAIN, *recipe), 2)) and same("x.params", in_memory((*PRETRAIN, *recipe), 2, 4))
    record = json.loads(Path("x.params.json").read_text())
    assert (record["extended_from"], record["recipe"]["epochs"], record["steps"]) == ([2], 4, 4 * STEPS)

    assert small(*PRETRAIN, *recipe, *epochs(5, "--resume")) == 0
    assert same("x.params", in_memory((*PRETRAIN, *recipe), 2, 4, 5))
    assert json.loads(Path("x.params.json").read_text())["extended_from"] == [2, 4]
    for n in (2, 4, 5):
        assert small(*PRETRAIN[:4], f"{n}.params", *PRETRAIN[5:], *recipe, *epochs(n), "--tb_expt_name", n) == 0
    one, two, three = (rates(next(Path("expt/pretrain").glob(f"{n}_*"))) for n in (2, 4, 5))
    found = rates(next(Path("expt/pretrain").glob("run_*")))
    assert found == one + two[2 * STEPS :] + three[4 * STEPS :] != three
    assert not same("x.params", "5.params")


def test_an_extension_that_is_stopped_goes_on(small, monkeypatch, capsys):
    """Until it is done, what was finished stays as it was. It is gone on with as a run of that length, and nothing else."""
    for name in ("x.params", "whole.params"):
        assert small(*PRETRAIN[:4], name, *PRETRAIN[5:], *epochs(2)) == 0
    assert small(*PRETRAIN[:4], "whole.params", *PRETRAIN[5:], *epochs(4), "--resume") == 0
    kept = {name: Path(name).read_bytes() for name in ("x.params", "x.params.json", "x.params.final")}
    stops = 0
    while True:
        with stopping(monkeypatch):
            if (code := small(*PRETRAIN, *epochs(4, "--resume"))) == 0:
                break
        stops += 1
        assert code == 143 and kept == {name: Path(name).read_bytes() for name in kept}
        for n, refusal in ((2, "epochs is not what it was"), (3, "epochs is not what it was"), (5, "epochs is not")):
            capsys.readouterr()
            assert small(*PRETRAIN, *epochs(n, "--resume")) == 2
            assert refusal in capsys.readouterr().err
        assert small(*PRETRAIN, *epochs(4)) == small(*PRETRAIN, *epochs(4), "--overwrite") == 2
        out, err = capsys.readouterr()
        assert err.count("an unfinished run is here") == 2 and "Corpus: " not in out
    assert stops >= 3 and same("x.params", "whole.params")
    assert json.loads(Path("x.params.json").read_text())["extended_from"] == [2]
    assert sorted(path.name for path in Path().glob("*x.params*")) == [*kept][:1] + ["x.params.final", "x.params.json"]


def test_a_run_begun_by_an_older_version_goes_on(small, monkeypatch):
    """Its checkpoint does not know of TensorBoard's folder, and its parameters have no last state."""
    for name in ("whole.params", "x.params"):
        with stopping(monkeypatch) if name == "x.params" else contextlib.nullcontext():
            assert small(*PRETRAIN[:4], name, *PRETRAIN[5:], *epochs(2)) == (143 if name == "x.params" else 0)
    state = checkpoint.load_checkpoint("x.params.state")
    del state["run"]["tensorboard"]
    checkpoint.save_checkpoint(state, "x.params.state")
    assert small(*PRETRAIN, *epochs(2, "--resume")) == 0
    assert same("x.params", "whole.params")
    found = sorted(path.name for path in Path("expt/pretrain").iterdir())
    assert found == ["run_rope-fast-s0", "run_rope-fast-s0-2", "run_rope-fast-s0-3"]


def test_finetuning_is_extended_from_the_same_start_only(small, capsys):
    start = ("--reading_params_path", "x.params", "--writing_params_path", "y.params")
    assert small(*PRETRAIN, *epochs(1)) == 0
    assert small(*FINETUNE, *start, *epochs(1)) == small(*FINETUNE, *start, *epochs(2, "--resume")) == 0
    assert same("y.params", in_memory((*FINETUNE, *start), 1, 2))
    assert small(*PRETRAIN, *epochs(2, "--resume")) == 0
    capsys.readouterr()
    assert small(*FINETUNE, *start, *epochs(3, "--resume")) == 2
    assert "--resume: parent is not what it was when y.params.final was saved" in capsys.readouterr().err


@pytest.fixture
def finished(small, capsys):
    """A finished run of two epochs; and a function that checks that a command is refused in one line, and changes
    nothing."""
    assert small(*PRETRAIN, *epochs(2)) == 0
    capsys.readouterr()

    def refused(command, message, before_the_corpus=False):
        before = contents(".")
        capsys.readouterr()
        assert small(*command) == 2
        out, err = capsys.readouterr()
        assert err.count("\n") == 1 and message in err and ("Corpus: " not in out or not before_the_corpus)
        assert contents(".") == before

    return refused


def test_what_is_finished_is_not_overwritten(finished, small):
    there = (
        "x.params: is there already; name another file (--overwrite replaces it, --resume with a higher --max_epochs"
    )
    finished((*PRETRAIN, *epochs(2)), there, True)
    finished((*PRETRAIN, *epochs(3), "--seed", "1"), there, True)
    finished((*FINETUNE, "--writing_params_path", "x.params", "--reading_params_path", "x.params"), there, True)
    Path("y").write_text("a letter")
    finished((*PRETRAIN, "--writing_params_path", "y"), "y: is there already", True)
    before = torch.load("x.params", weights_only=True)
    assert small(*PRETRAIN, *epochs(2), "--seed", "1", "--overwrite") == 0
    assert not same("x.params", before)
    assert small(*PRETRAIN, *epochs(2), "--overwrite") == 0
    assert same("x.params", before)
    assert small(*PRETRAIN, *epochs(3), "--resume", "--overwrite") == 0
    assert json.loads(Path("x.params.json").read_text())["extended_from"] == [2]


def test_resuming_what_is_finished(finished, small, capsys):
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in Path().rglob("*") if path.is_file()}
    assert small(*PRETRAIN, *epochs(2), "--resume") == 0
    out, err = capsys.readouterr()
    assert out.endswith("\nx.params is finished: nothing to do; a higher --max_epochs trains it further\n") and not err
    assert before == {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in before}

    finished(
        (*PRETRAIN, *epochs(1), "--resume"), "x.params: has been trained for 2 epochs already; --max_epochs above that"
    )
    for n in (2, 3):
        finished(
            (*PRETRAIN, *epochs(n), "--resume", "--seed", "1"), "--resume: seed is not what it was when x.params.final"
        )
        finished((*PRETRAIN, *epochs(n), "--resume", "--batch_size", "6"), "--resume: batch_size is not what it was")
    parameters = Path("x.params").rename("away")
    assert small(*PRETRAIN, *epochs(2), "--resume") == 0  # writes them again
    assert same("x.params", str(parameters))
    Path("x.params.json").unlink()
    assert small(*PRETRAIN, *epochs(2), "--resume") == 0
    assert json.loads(Path("x.params.json").read_text())["steps"] == 2 * STEPS


def test_what_cannot_be_extended(finished, small):
    final, params = Path("x.params.final").read_bytes(), Path("x.params").read_bytes()
    more = (*PRETRAIN, *epochs(3), "--resume")
    Path("x.params.final").write_bytes(final[:-1])
    finished(more, "x.params.final: is not a state file, or is damaged")
    Path("x.params.final").unlink()
    finished(more, "x.params: is finished, and cannot be trained further, because there is no x.params.final")
    finished((*PRETRAIN, *epochs(2), "--resume"), "x.params: is finished, and cannot be trained further")
    Path("x.params.final").write_bytes(final)
    file = io.BytesIO()
    torch.save({name: tensor + 1 for name, tensor in torch.load("x.params", weights_only=True).items()}, file)
    Path("x.params").write_bytes(file.getvalue())
    finished(more, "x.params: is not what the run of x.params.final has written")
    Path("x.params").write_bytes(params)
    assert small(*more) == 0


def test_a_disk_without_room_for_the_last_state(small, monkeypatch, capsys):
    """The run is finished nevertheless, and its checkpoint is not kept for one that never was finished."""
    assert small(*PRETRAIN, *epochs(2)) == 0
    write = checkpoint.write_atomically

    def write_unless_final(path, *arguments, **named):
        if path.endswith(".final"):
            raise InputError(f"{path}: no room")
        write(path, *arguments, **named)

    monkeypatch.setattr(checkpoint, "write_atomically", write_unless_final)
    capsys.readouterr()
    assert small(*PRETRAIN, *epochs(3), "--seed", "1", "--overwrite") == 0
    assert (
        "warning: x.params.final: no room; the run is finished, but --resume cannot extend it\n"
        in capsys.readouterr().err
    )
    assert sorted(path.name for path in Path().glob("x.params*")) == ["x.params", "x.params.json"]
