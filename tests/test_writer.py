"""Each run has a TensorBoard folder of its own, in which only the run itself, when it is resumed, hides anything."""

import functools
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from commands import execute, sizes, stopping
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator as PluginAccumulator
from tensorboard.plugins.hparams import metadata

from engine.writer import RobustWriter, is_own, new_folder

PRETRAIN = ("pretrain", "rope", "wiki.txt", "--batch_size", "5", "--device", "cpu", "--max_epochs")
STEPS = 3  # of an epoch: 13 documents


@pytest.fixture
def small(folder, monkeypatch):
    """A function that runs a command line with a small model; its exit code."""
    monkeypatch.setattr("engine.sizes.Sizes", sizes(n_layer=1, n_head=2, n_embd=16))
    return functools.partial(execute, monkeypatch)


def folders(function="pretrain"):
    return sorted(path.name for path in Path("expt", function).iterdir())


def steps(name):
    """Of the losses that TensorBoard shows."""
    log = EventAccumulator(str(Path("expt/pretrain", name))).Reload()
    return [event.step for event in log.Scalars("train/loss")] if "train/loss" in log.Tags()["scalars"] else []


def test_the_folders_of_runs(small, capsys):
    for n in ("1", "2", "3"):
        assert small(*PRETRAIN, n, "--writing_params_path", "x", "--overwrite") == 0
    assert "TensorBoard: expt/pretrain/run_rope-fast-s0-3\n" in capsys.readouterr().out
    assert small(*PRETRAIN, "1", "--writing_params_path", "y", "--seed", "7", "--recipe", "handout") == 0
    assert small(*PRETRAIN, "1", "--writing_params_path", "z", "--tb_expt_name", "run_rope-fast-s0-2") == 0
    mine = "run_rope-fast-s0-2_rope-fast-s0"
    assert folders() == ["run_rope-fast-s0", "run_rope-fast-s0-2", mine, "run_rope-fast-s0-3", "run_rope-handout-s7"]
    assert [len(steps(name)) for name in folders()] == [STEPS, 2 * STEPS, STEPS, 3 * STEPS, STEPS]
    finetune = ("finetune", *PRETRAIN[1:], "1", "--finetune_corpus_path", "birth_places_train.tsv")
    assert small(*finetune, "--writing_params_path", "a") == 0
    assert small(*finetune, "--writing_params_path", "b", "--reading_params_path", "x") == 0
    assert folders("finetune") == ["run_rope-fast-s0", "run_rope-fast-scratch-s0"]


def test_many_starts_at_once(tmp_path):
    with ThreadPoolExecutor(16) as pool:
        names = list(pool.map(lambda _: new_folder(str(tmp_path / "expt"), "run"), range(32)))
    assert len(set(names)) == 32 and {path.name for path in (tmp_path / "expt").iterdir()} == set(names)
    assert set(names) == {"run", *(f"run-{n}" for n in range(2, 33))}


def test_only_the_run_itself_hides_entries_when_it_is_resumed(small, monkeypatch):
    """It has logged a step more than it has saved."""
    command = (*PRETRAIN, "2", "--writing_params_path", "x")
    with stopping(monkeypatch):
        assert small(*command) == 143
    with RobustWriter("expt/pretrain/run_rope-fast-s0") as writer:
        writer.add_scalar("train/loss", 77.0, 2)
    assert small(*PRETRAIN, "1", "--writing_params_path", "other") == 0
    assert small(*command, "--resume") == 0
    assert folders() == ["run_rope-fast-s0", "run_rope-fast-s0-2"]
    assert steps("run_rope-fast-s0") == list(range(1, 2 * STEPS + 1)) and len(steps("run_rope-fast-s0-2")) == STEPS
    log = EventAccumulator("expt/pretrain/run_rope-fast-s0").Reload()
    assert all(event.value < 10 for event in log.Scalars("train/loss"))
    assert small(*PRETRAIN, "3", "--writing_params_path", "x", "--resume") == 0  # extended
    assert steps("run_rope-fast-s0") == list(range(1, 3 * STEPS + 1)) and len(folders()) == 2


def test_a_copied_checkpoint_has_a_folder_of_its_own(small, monkeypatch):
    """And so has a run whose folder was removed and then taken by another; or that is resumed from elsewhere."""
    command = (*PRETRAIN, "2", "--writing_params_path")
    with stopping(monkeypatch):
        assert small(*command, "x") == 143
    for name in ("x.state", "x.state.previous"):
        for copy in ("y", "z"):
            if Path(name).exists():
                shutil.copy(name, copy + name[1:])
    assert small(*command, "y", "--resume") == 0
    assert folders() == ["run_rope-fast-s0", "run_rope-fast-s0-2"]
    assert steps("run_rope-fast-s0") == [1] and steps("run_rope-fast-s0-2") == list(range(2, 2 * STEPS + 1))
    shutil.rmtree("expt")
    assert small(*command, "new") == 0
    assert small(*command, "x", "--resume") == 0
    assert steps("run_rope-fast-s0") == list(range(1, 2 * STEPS + 1)) and steps("run_rope-fast-s0-2")[0] == 2
    Path("sub").mkdir()
    monkeypatch.chdir("sub")
    words = ["../wiki.txt" if word == "wiki.txt" else word for word in command]
    assert small(*words, "../z", "--resume") == 0
    assert steps("run_rope-fast-s0") == list(range(2, 2 * STEPS + 1))


@pytest.mark.parametrize(
    "own",
    [None, 5, [], {}, {"folder": "run"}, {"folder": 5, "owner": "it writes x"}, {"folder": "run", "owner": 5},
     {"folder": "../run", "owner": "it writes x"}, {"folder": "/", "owner": "it writes x"},
     {"folder": "a\0b", "owner": "it writes x"}, {"folder": "\udcff", "owner": "it writes x"},
     {"folder": "run", "owner": "another writes x"}, {"folder": "run", "owner": "it writes y"},
     {"folder": "", "owner": "it writes x"}, {"folder": "none", "owner": "it writes x"}],
    ids=ascii,
)  # fmt: skip
def test_what_a_hostile_checkpoint_may_say(own, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.txt").write_text("it writes x")
    assert is_own(str(tmp_path), {"folder": "run", "owner": "it writes x"}, "x")
    assert not is_own(str(tmp_path), own, "x")


def test_a_row_of_the_table_is_replaced(tmp_path):
    with RobustWriter(str(tmp_path)) as writer:
        writer.add_table_row({"epochs": 2, "horizon": None}, {"final/loss": 2.0, "final/dev_accuracy": None}, 6)
    with RobustWriter(str(tmp_path)) as writer:
        writer.add_table_row({"epochs": 4, "horizon": None}, {"final/loss": 1.0, "final/dev_accuracy": 0.5}, 12)
    log = PluginAccumulator(str(tmp_path)).Reload()
    content = log.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    row = metadata.parse_session_start_info_plugin_data(content).hparams
    assert (row["epochs"].number_value, row["horizon"].string_value) == (4, "None")
    columns = metadata.parse_experiment_plugin_data(log.SummaryMetadata(metadata.EXPERIMENT_TAG).plugin_data.content)
    assert [info.name.tag for info in columns.metric_infos] == ["final/loss", "final/dev_accuracy"]
    log = EventAccumulator(str(tmp_path)).Reload()
    assert [(event.step, event.value) for event in log.Scalars("final/loss")] == [(12, 1.0)]


def test_a_folder_that_cannot_be_made(small, capsys):
    Path("expt").write_text("")
    assert small(*PRETRAIN, "1", "--writing_params_path", "x") == 2
    assert capsys.readouterr().err.startswith("run.py: error: expt: the TensorBoard log cannot be written there: ")
    os.unlink("expt")
    assert small(*PRETRAIN, "1", "--writing_params_path", "x", "--tb_expt_name", "x" * 300) == 2
