"""What happens to a run when things happen to it. The commands run in processes of their own, as users run them."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from commands import execute, stopping, write_corpus
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from engine.checkpoint import load_checkpoint
from engine.files import ROOT, digest
from engine.inputs import load_corpus
from engine.parameters import save_params
from engine.stopping import graceful_shutdown
from model import GPT, GPTConfig

resource = pytest.importorskip("resource")  # not on Windows

STEPS = 30  # of a run with these flags: 13 documents. So many that a signal comes before the last
SIZE = {"n_layer": 2, "n_head": 4, "n_embd": 128}
FLAGS = ["--max_epochs", "10", "--batch_size", "5", "--device", "cpu", "--save_minutes", "0", "--pretrain_lr", "1e-3",
         *(word for name, value in SIZE.items() for word in (f"--{name}", str(value)))]  # fmt: skip


def command(name, *more):
    return [sys.executable, str(ROOT / "src" / "run.py"), "pretrain", "rope", "wiki.txt", "--writing_params_path", name,
            "--tb_expt_name", Path(name).stem, *FLAGS, *more]  # fmt: skip


def start(name, *more, **settings):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command(name, *more), env=environment, **pipes, **settings)


def finish(process, code=0):
    out, err = process.communicate(timeout=120)
    assert process.returncode == code, err
    assert "Traceback" not in err
    return out, err


def wait_for(condition, process, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.005)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The parameters of a run that nothing happened to, in the same corpus as `folder`'s."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("whole"))
        write_corpus()
        finish(start("whole.params", "--save_minutes", "9"))
        assert logged_steps("whole") == list(range(1, STEPS + 1))
        return Path("whole.params").resolve()


def same(a, b):
    a, b = (torch.load(path, weights_only=True) for path in (a, b))
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def logged_steps(name):
    folders = sorted(Path("expt/pretrain").glob(f"{name}_rope-fast-s0*"), key=lambda path: path.stat().st_ctime)
    return [event.step for event in EventAccumulator(str(folders[-1])).Reload().Scalars("train/loss")]


def begun(name):
    """Whether some steps are done and saved."""
    return lambda: Path(name + ".state.previous").exists()


@pytest.fixture
def here(monkeypatch, capsys):
    """Does in this process what `start` and `finish` do in one of its own, which takes seconds to begin."""

    def run(name, *more, code=0):
        capsys.readouterr()
        assert execute(monkeypatch, *command(name, *more)[2:]) == code
        return capsys.readouterr()

    return run


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_save_and_say_how_to_go_on(number, code, folder, whole, here):
    process = start("x.params")
    wait_for(begun("x.params"), process)
    process.send_signal(number)
    out, err = finish(process, code)
    assert f"of {STEPS}; go on with the same command and --resume" in err.splitlines()[-1]
    assert not Path("x.params").exists()
    _, err = here("x.params", code=2)
    assert err.count("\n") == 1 and "--resume" in err
    remains = err.strip().split("after deleting ")[1].split(" and ")
    kept = {path: Path(path).read_bytes() for path in remains}
    assert remains == ["x.params.state", "x.params.state.previous"] == sorted(map(str, Path().glob("x.params*")))
    for path in remains:
        os.unlink(path)
    out, _ = here("x.params", "--save_minutes", "9", "--tb_expt_name", "anew")
    assert "Resumed" not in out
    assert same("x.params", whole)
    os.unlink("x.params")
    for path, content in kept.items():
        Path(path).write_bytes(content)
    out, _ = finish(start("x.params", "--resume"))
    assert "Resumed after step " in out
    assert same("x.params", whole)
    assert logged_steps("x") == list(range(1, STEPS + 1))
    assert not list(folder.glob("*.state*")) and not list(folder.glob(".*"))
    out, err = here("x.params", "--resume")
    assert out.endswith("x.params is finished: nothing to do; a higher --max_epochs trains it further\n") and not err
    _, err = here("y.params", "--resume", code=2)
    assert err.count("\n") == 1 and "y.params.state: no such file, so there is no run to resume" in err


@pytest.mark.skipif(os.name == "nt", reason="there are no such locks")
def test_of_two_starts_at_the_same_instant_one_trains(folder, whole):
    processes = [start("x.params", "--save_minutes", "9") for _ in range(3)]
    ended = sorted((process.wait(timeout=120), *process.communicate()) for process in processes)
    assert [code for code, *_ in ended] == [0, 2, 2]
    for _, _, err in ended[1:]:
        assert err.startswith("run.py: error: x.params: ") and "; name another file" in err and err.count("\n") == 1
    assert same("x.params", whole) and not list(folder.glob("*.lock"))


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="there are no process groups here")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_processes_of_a_run_is_for_the_trainer(number, folder):
    """A terminal, torchrun or a cluster signals the workers that make batches as well."""
    process = start("x.params", "--num_workers", "1", "--max_epochs", "1000", start_new_session=True)
    wait_for(begun("x.params"), process)
    os.killpg(process.pid, number)
    _, err = finish(process, 128 + number)
    assert err.count("\n") == 1 and "of 3000; go on with the same command and --resume" in err


@pytest.mark.slow
def test_killed_again_and_again(folder, whole):
    """At least 20 times, at random moments from the start of the process on; in the end nobody can tell."""
    rng, kills, resumed = random.Random(0), 0, 0
    while True:
        has_state = any(Path(f"x.params{end}").exists() for end in (".state", ".state.previous", ".final"))
        process = start("x.params", *(["--resume"] if has_state else []))
        resumed += has_state
        if kills < 20 or resumed < 8:
            wait_for(lambda: Path("expt/pretrain/x_rope-fast-s0").exists(), process)
            try:
                process.wait(timeout=rng.uniform(0.5, 2) if kills % 4 else rng.uniform(0, 0.5))
            except subprocess.TimeoutExpired:
                process.kill()
                kills += 1
        out, err = process.communicate(timeout=120)
        assert "Traceback" not in err
        assert not has_state or process.returncode or "Resumed after step" in out or "is finished: nothing to do" in out
        if process.returncode == 0:
            if kills >= 20 and resumed >= 8:
                break
            assert same("x.params", whole)
            for path in Path().glob("x.params*"):  # done before it was killed often enough: again from the start
                path.unlink()
        else:
            assert process.returncode == -signal.SIGKILL
    assert same("x.params", whole)
    assert logged_steps("x") == list(range(1, STEPS + 1))
    assert not list(folder.glob("*.state*")) and not list(folder.glob(".*"))
    print(f"{kills} kills survived, {resumed} times resumed")


def test_a_second_interrupt_stops_at_once():
    class Nobody:
        stop = False

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), graceful_shutdown(Nobody):
        os.kill(os.getpid(), signal.SIGINT)
        assert Nobody.stop == signal.SIGINT
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def limit_files(pid, size):
    """No file may grow beyond `size` bytes: to the process, that is a full disk."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux lets one process limit another")
def test_a_full_disk(folder, whole, here):
    """While it lasts, the run goes on without saving, or being seen by TensorBoard. If it lasts to the end, the last
    state is still there."""
    process = start("x.params")
    wait_for(begun("x.params"), process)
    limit_files(process.pid, 2**10)
    _, err = finish(process, 2)
    assert "Traceback" not in err
    assert err.count("File too large; the run goes on, but TensorBoard no longer sees it") == 1
    assert "File too large; the run goes on, but has not been saved" in err
    assert "x.params: cannot be written" in err.splitlines()[-1] and "--resume" in err.splitlines()[-1]
    assert load_checkpoint("x.params.state")["progress"]["steps"] < STEPS
    here("x.params", "--resume")
    assert same("x.params", whole) and not list(folder.glob(".*"))


def test_the_output_folder_disappears(folder):
    Path("out").mkdir()
    process = start("out/x.params")
    wait_for(begun("out/x.params"), process)
    shutil.rmtree("out")
    _, err = finish(process, 2)
    assert "No such file or directory; the run goes on" in err
    rescued = Path(err.splitlines()[-1].split("the parameters are in ")[1].split(",")[0])
    assert torch.load(rescued, weights_only=True)["head.weight"].isfinite().all()
    rescued.unlink()


def short(name="x.params", *more):
    return ("pretrain", "vanilla", "wiki.txt", "--writing_params_path", name, "--batch_size", "5", "--max_epochs", "2",
            "--save_minutes", "0", "--dtype", "float32", *FLAGS[-6:], *more)  # fmt: skip


def interrupted(monkeypatch):
    """A run of `short` that was stopped after its first steps."""
    with stopping(monkeypatch):
        assert execute(monkeypatch, *short()) == 143


def test_another_run_is_not_gone_on_with(folder, monkeypatch, capsys):
    """Not with other data or settings, whose digests are in the state."""
    interrupted(monkeypatch)
    before = Path("x.params.state").read_bytes()
    text = Path("wiki.txt").read_text(encoding="utf-8")
    changes = {
        "batch_size": (short("x.params", "--batch_size", "6", "--resume"), text),
        "lr": (short("x.params", "--pretrain_lr", "1", "--resume"), text),
        "seed": (short("x.params", "--seed", "1", "--resume"), text),
        "dtype": (short("x.params", "--dtype", "bfloat16", "--resume"), text),
        "variant": (("pretrain", "rope", *short()[2:], "--resume"), text),
        "pretrain_corpus_path": (short("x.params", "--resume"), text.replace("Rome", "emoR")),
    }
    for name, (arguments, corpus) in changes.items():
        Path("wiki.txt").write_text(corpus, encoding="utf-8")
        capsys.readouterr()
        assert execute(monkeypatch, *arguments) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1 and f"--resume: {name} is not what it was" in err
        assert Path("x.params.state").read_bytes() == before
    Path("wiki.txt").write_text(text, encoding="utf-8")
    assert execute(monkeypatch, *short("x.params", "--resume")) == 0


def test_the_state_before_is_used_when_the_last_is_damaged(folder, monkeypatch, capsys):
    assert execute(monkeypatch, *short("whole.params")) == 0
    interrupted(monkeypatch)
    Path("x.params.state").write_bytes(Path("x.params.state").read_bytes()[:-1000])
    assert execute(monkeypatch, *short("x.params", "--resume")) == 0
    assert "going on from x.params.state.previous" in capsys.readouterr().err
    assert same("x.params", "whole.params")


def test_no_place_for_the_parameters(folder, monkeypatch, capsys):
    if not Path("/proc/self").exists():
        pytest.skip("there is no folder here in which not even an administrator may write")
    assert execute(monkeypatch, *short("/proc/x.params")) == 2
    assert "/proc/x.params: cannot be written" in capsys.readouterr().err


def test_out_of_memory_names_the_knobs(folder, monkeypatch, capsys):
    from trainer import Trainer

    for exhausting in (lambda *_: torch.empty(2**60), lambda *_: bytearray(2**60)):
        monkeypatch.setattr(Trainer, "forward", exhausting)
        capsys.readouterr()
        assert execute(monkeypatch, *short("y.params")) == 1
        err = capsys.readouterr().err
        assert err.splitlines()[-1].startswith("run.py: error: out of memory") and "--batch_size" in err
        for state in Path().glob("y.params.state*"):
            state.unlink()


def test_the_record_says_how_the_parameters_were_made(folder, monkeypatch, capsys):
    save_params(GPT(GPTConfig(load_corpus("wiki.txt").vocab_size, 128, **SIZE)), "start.params")
    assert execute(monkeypatch, *short("x.params", "--reading_params_path", "start.params", "--seed", "7")) == 0
    record = json.loads(Path("x.params.json").read_text())
    assert (record["function"], record["variant"], record["seed"], record["steps"]) == ("pretrain", "vanilla", 7, 6)
    assert record["data"] == {"pretrain_corpus_path": digest("wiki.txt")}
    assert record["parent"] == digest("start.params") and record["params"] == digest("x.params")
    assert record["flags"]["batch_size"] == 5 and record["recipe"]["lr"] == 4e-3  # 2e-3 at width 256
    assert record["versions"]["torch"] == torch.__version__
    assert record["tokens"] > 0 and record["seconds"] > 0 and 0 < record["loss"] < 10

    text = Path("wiki.txt").read_text(encoding="utf-8").replace("?", "!")  # a vocabulary of the same size
    Path("other.txt").write_text(text, encoding="utf-8")
    arguments = ("--reading_params_path", "x.params", "--eval_corpus_path", "birth_dev.tsv", "--outputs_path", "out")
    Path("birth_dev.tsv").write_text("Where was Ada Kern born\n")
    capsys.readouterr()
    assert execute(monkeypatch, "evaluate", "vanilla", "other.txt", *arguments) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "x.params: was made with another vocabulary" in err
    Path("x.params.json").unlink()
    capsys.readouterr()
    assert execute(monkeypatch, "evaluate", "vanilla", "other.txt", *arguments) == 2
    assert capsys.readouterr().err == err  # the parameters name their vocabulary themselves
    assert execute(monkeypatch, "evaluate", "vanilla", "wiki.txt", *arguments) == 0
    assert "vocabulary" not in capsys.readouterr().err
    torch.save(dict(torch.load("x.params", weights_only=True)), "x.params")  # as other code would
    assert execute(monkeypatch, "evaluate", "vanilla", "other.txt", *arguments) == 0
    assert capsys.readouterr().err.count("warning: x.params: does not say with which vocabulary it was made") == 1


def test_the_same_command_gives_the_same_bits(folder, here):
    """In another process, too; and another seed does not."""
    more = ("--max_epochs", "2", "--save_minutes", "9")
    finish(start("a.params", "--seed", "3", *more))
    for name, seed in {"b.params": "3", "c.params": "4"}.items():
        here(name, "--seed", seed, *more)
    assert same("a.params", "b.params") and not same("a.params", "c.params")
