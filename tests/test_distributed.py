"""Several processes, started by torchrun, do what one does."""

import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
import torch
from test_survival import FLAGS, STEPS, logged_steps, same

from engine import distributed
from engine.files import ROOT, InputError

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


def torchrun(processes, *command, restarts=0):
    options = ("--standalone", f"--nproc_per_node={processes}", f"--max_restarts={restarts}")
    return [sys.executable, "-m", "torch.distributed.run", *options, *command]


def train(variant, processes, out):
    """What distributed_worker.py has learned. Should a process die, for want of a connection for instance, all begin
    again, as they do under the README's command; a warning says of what it died."""
    command = torchrun(processes, str(ROOT / "tests" / "distributed_worker.py"), variant, str(out), restarts=1)
    result = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120, env=ENVIRONMENT)
    assert result.returncode == 0, result.stderr
    if "exitcode" in result.stderr:
        warnings.warn(result.stderr, stacklevel=2)
    return torch.load(out, weights_only=True)


@pytest.mark.parametrize(
    ("variant", "processes"),
    [
        ("rope", 2),
        pytest.param("rope", 3, marks=pytest.mark.slow),  # five examples make two or three rows: some have none
        pytest.param("vanilla", 2, marks=pytest.mark.slow),
        pytest.param("vanilla", 3, marks=pytest.mark.slow),
        pytest.param("synthesizer", 2, marks=pytest.mark.slow),
        pytest.param("synthesizer", 3, marks=pytest.mark.slow),
    ],
)
def test_the_number_of_processes_makes_no_difference(variant, processes, tmp_path):
    one, several = train(variant, 1, tmp_path / "1"), train(variant, processes, tmp_path / str(processes))
    assert (one["processes"], several["processes"]) == (1, processes)
    assert len(one["losses"]) == 8 and several["losses"] == pytest.approx(one["losses"], rel=1e-4)
    assert several["norms"] == pytest.approx(one["norms"], rel=1e-3) and several["tokens"] == one["tokens"]
    for name, tensor in one["model"].items():
        assert torch.allclose(several["model"][name], tensor, atol=1e-4), name


@pytest.mark.parametrize("late", [0, 1])
def test_restarted_processes_meet_each_other_and_not_the_dead(late, tmp_path):
    """One of two is killed, both are started again, and one comes two seconds late. torchrun's store, which it keeps,
    tells the other one the address of a process that is gone."""
    script = tmp_path / "worker.py"
    script.write_text(f"""
import os, signal, sys, time
sys.path.insert(0, {str(ROOT / "src")!r})
import torch
from engine import distributed
again, rank = os.environ["TORCHELASTIC_RESTART_COUNT"] == "1", int(os.environ["RANK"])
time.sleep(2 * (again and rank == {late}))
distributed.start(torch.device("cpu"))
assert distributed.broadcast([rank]) == [0]
if not again and rank == 1 - {late}:
    os.kill(os.getpid(), signal.SIGKILL)
print(distributed.all_reduce([], torch.ones(1)).item())
distributed.finish()
""")
    command = torchrun(2, str(script), restarts=1)
    result = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120, env=ENVIRONMENT)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("2.0") == 2


def test_with_one_process_nothing_happens():
    parameter = torch.nn.Parameter(torch.ones(2))
    assert distributed.all_reduce([parameter], torch.tensor([2.5, 0.0])).tolist() == [2.5, 0.0]
    assert parameter.grad is None
    assert distributed.broadcast("x") == "x" and (distributed.rank(), distributed.world_size()) == (0, 1)
    distributed.start(torch.device("cpu"))
    assert not torch.distributed.is_initialized()
    assert [distributed.local_device(name) for name in ("cpu", "mps", "cuda:1")] == ["cpu", "mps", "cuda:1"]


def test_each_of_several_processes_has_a_gpu_of_its_own(monkeypatch):
    """Where torch lets processes share no gradients, as on Apple's GPU, they compute on the CPU."""
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [distributed.local_device(name) for name in ("cuda", "cpu", "mps")] == ["cuda:1", "cpu", "cpu"]
    with pytest.raises(InputError, match="--device cuda:1: each of several processes has a GPU of its own"):
        distributed.local_device("cuda:1")
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(InputError, match="there is no GPU for process 3: --nproc_per_node=2"):
        distributed.local_device("cuda")


def children(pid):
    """The processes that run.py runs in, below torchrun."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((process / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if parent == pid and b"run.py" in (process / "cmdline").read_bytes():
                found.append(int(process.name))
        except OSError:  # it has ended
            continue
    return sorted(found)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the processes by /proc")
@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_process_is_restarted_and_the_run_goes_on(victim, folder):
    """The same bits as without the kill; one log without gaps; only the first process writes."""

    def start(name):
        script = [str(ROOT / "src" / "run.py"), "pretrain", "rope", "wiki.txt", "--writing_params_path", name]
        command = torchrun(2, *script, *FLAGS, "--tb_expt_name", Path(name).stem, restarts=3)
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, env=ENVIRONMENT, **pipes)

    whole = start("whole.params")
    out, err = whole.communicate(timeout=120)
    assert whole.returncode == 0, err
    assert out.count("Model: ") == 1 and err.count(f"step {STEPS}/{STEPS}") == 1
    process = start("x.params")
    deadline = time.monotonic() + 60
    while not Path("x.params.state.previous").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(children(process.pid)[victim], signal.SIGKILL)
    out, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    assert out.count("Resumed after step") == 1
    assert same("x.params", "whole.params")
    assert logged_steps("x") == list(range(1, STEPS + 1))
    assert not list(folder.glob("*.state*")) and len(list(Path("expt/pretrain").iterdir())) == 2
