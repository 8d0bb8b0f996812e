import io
import json
import os
import shlex
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from commands import contents, execute
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cloze import ClozeDataset
from dataset import NameDataset
from engine.files import find_corpus
from engine.inputs import load_corpus
from engine.parameters import save_params
from engine.training import build_dataset
from model import GPT, GPTConfig
from recipe import RECIPES
from salience import Salience

ROOT = Path(__file__).parent.parent
# The commands of the handouts as they stand there, line ends included: 000 (d), (f), (g) and 001 (d), (f), (g).
HANDOUT_000 = r"""
python src/run.py finetune vanilla wiki.txt \
    --writing_params_path vanilla.model.params \
    --finetune_corpus_path birth_places_train.tsv
python src/run.py evaluate vanilla wiki.txt \
    --reading_params_path vanilla.model.params \
    --eval_corpus_path birth_dev.tsv \
    --outputs_path vanilla.nopretrain.dev.predictions
python src/run.py evaluate vanilla wiki.txt \
    --reading_params_path vanilla.model.params \
    --eval_corpus_path birth_test_inputs.tsv \
    --outputs_path vanilla.nopretrain.test.predictions
python src/run.py pretrain vanilla wiki.txt \
    --writing_params_path vanilla.pretrain.params
python src/run.py finetune vanilla wiki.txt \
    --reading_params_path vanilla.pretrain.params \
    --writing_params_path vanilla.finetune.params \
    --finetune_corpus_path birth_places_train.tsv
python src/run.py evaluate vanilla wiki.txt \
    --reading_params_path vanilla.finetune.params \
    --eval_corpus_path birth_dev.tsv \
    --outputs_path vanilla.pretrain.dev.predictions
python src/run.py evaluate vanilla wiki.txt \
    --reading_params_path vanilla.finetune.params \
    --eval_corpus_path birth_test_inputs.tsv \
    --outputs_path vanilla.pretrain.test.predictions
python src/run.py pretrain rope wiki.txt \
    --writing_params_path rope.pretrain.params
python src/run.py finetune rope wiki.txt \
    --reading_params_path rope.pretrain.params \
    --writing_params_path rope.finetune.params \
    --finetune_corpus_path birth_places_train.tsv
python src/run.py evaluate rope wiki.txt \
    --reading_params_path rope.finetune.params \
    --eval_corpus_path birth_dev.tsv \
    --outputs_path rope.pretrain.dev.predictions
python src/run.py evaluate rope wiki.txt \
    --reading_params_path rope.finetune.params \
    --reading_params_path rope.finetune.params \
    --eval_corpus_path birth_test_inputs.tsv \
    --outputs_path rope.pretrain.test.predictions
"""
# assignment 5 has the same commands with the synthesizer in place of rope, but once misspells a file's name.
HANDOUT_001 = HANDOUT_000.replace("rope", "synthesizer").replace("birth_places_train", "birthplaces_train")


def commands(handout):
    lines = handout.replace("\\\n", " ").strip().splitlines()
    return [shlex.split(line.removeprefix("python src/run.py")) for line in lines]


@pytest.mark.parametrize("handout", [HANDOUT_000, HANDOUT_001], ids=["000", "001"])
def test_the_handouts_commands(handout, folder, monkeypatch, capsys):
    """All eleven, on twelve people; training is cut short after one epoch, nothing else is changed."""
    assert len(commands(handout)) == 11
    for arguments in commands(handout):
        short = [] if arguments[0] == "evaluate" else ["--max_epochs", "1"]
        assert execute(monkeypatch, *arguments, *short) == 0
        out = capsys.readouterr().out
        written = (
            arguments[-1] if arguments[0] == "evaluate" else arguments[arguments.index("--writing_params_path") + 1]
        )
        assert written in out or "Correct: " in out
        if arguments[0] == "evaluate":
            dev = "birth_dev.tsv" in arguments
            assert len(Path(written).read_text().splitlines()) == (4 if dev else 8)
            assert ("Correct: " in out and " out of 4.0: " in out) if dev else "no targets provided" in out
    kind = "rope" if "rope" in handout else "synthesizer"
    pretrained = {f"run_{name}-fast-s0" for name in ("vanilla", kind)}
    assert {path.name for path in Path("expt/pretrain").iterdir()} == pretrained
    assert {path.name for path in Path("expt/finetune").iterdir()} == pretrained | {"run_vanilla-fast-scratch-s0"}
    assert not list(folder.glob("*.state*")) and not list(folder.glob(".*"))


def test_hyperparameters_are_the_handouts(handout_size, monkeypatch):
    """With `--recipe handout`."""
    from trainer import Trainer

    seen, used = [], []

    def look(self):
        seen.append((self.model.config, self.config))
        used.append([type(self.train_dataset).__name__, *(type(optimizer).__name__ for optimizer in self.optimizers)])

    monkeypatch.setattr(Trainer, "train", look)
    monkeypatch.setattr("engine.checkpoint.write_metadata", lambda *_: None)
    pretraining = ["--writing_params_path", "b", "--recipe", "handout"]
    finetuning = [*pretraining, "--finetune_corpus_path", "birth_places_train.tsv"]
    save_params(GPT(GPTConfig(load_corpus("wiki.txt").vocab_size, 128)), "a")
    assert execute(monkeypatch, "pretrain", "vanilla", "wiki.txt", *pretraining) == 0
    assert execute(monkeypatch, "finetune", "vanilla", "wiki.txt", *finetuning) == 0
    assert execute(monkeypatch, "finetune", "vanilla", "wiki.txt", "--reading_params_path", "a", *finetuning) == 0
    names = ("max_epochs", "batch_size", "learning_rate", "lr_decay", "warmup_tokens", "final_tokens")
    assert [tuple(getattr(config, name) for name in names) for _, config in seen] == [
        (650, 128, 6e-3, True, 65 * 13 * 128, 650 * 13 * 128),  # a long warm-up, but at most a tenth of the horizon
        (75, 256, 6e-4, True, 10240, 200 * 13 * 128),
        (10, 256, 6e-4, True, 10240, 200 * 13 * 128),
    ]
    assert RECIPES["handout"].pretrain.warmup_tokens == 512 * 20 * 128
    for shape, config in seen:
        assert (shape.n_layer, shape.n_head, shape.n_embd, shape.block_size) == (4, 8, 256, 128)
        assert (shape.embd_pdrop, shape.resid_pdrop, shape.attn_pdrop) == (0.1, 0.1, 0.1)
        assert (config.betas, config.weight_decay, config.grad_norm_clip) == ((0.9, 0.95), 0.1, 1.0)
        assert (config.muon_lr, config.min_lr_ratio, config.linear_decay) == (0.0, 0.1, False)
    assert used == [["CharCorruptionDataset", "AdamW"], ["NameDataset", "AdamW"], ["NameDataset", "AdamW"]]

    used.clear()  # and without it:
    assert execute(monkeypatch, "pretrain", "vanilla", "wiki.txt", *pretraining[:2]) == 0
    finetuning = [*pretraining[:2], "--reading_params_path", "a", *finetuning[-2:]]
    assert execute(monkeypatch, "finetune", "vanilla", "wiki.txt", *finetuning) == 0
    assert used == [["ClozeDataset", "AdamW", "Muon"], ["MixedDataset", "AdamW", "Muon"]]


@pytest.mark.parametrize("variant", ["vanilla", "rope", "synthesizer"])
def test_the_fast_recipe(variant, handout_size, monkeypatch, capsys):
    """The default. Runs, in few epochs; flags override it; what it was is printed and saved; its rate ends where the run
    ends."""
    short = ("--max_epochs", "2", "--tb_expt_name", "fast")
    arguments = ("pretrain", variant, "wiki.txt", "--writing_params_path", "a.params", "--pretrain_lr", "4e-3")
    assert execute(monkeypatch, *arguments, *short) == 0
    assert "muon_lr 0.04," in capsys.readouterr().out  # moves with the other rate
    arguments = (
        "finetune",
        variant,
        "wiki.txt",
        "--reading_params_path",
        "a.params",
        "--writing_params_path",
        "b.params",
    )
    assert execute(monkeypatch, *arguments, "--finetune_corpus_path", "birth_places_train.tsv", *short) == 0
    record = json.loads(Path("b.params.json").read_text())
    assert record["recipe"] == RECIPES["fast"].finetune.record() | {"epochs": 2}
    log = EventAccumulator(f"expt/pretrain/fast_{variant}-fast-s0").Reload()
    assert log.Scalars("train/lr")[-1].value == pytest.approx(0.4 * 4e-3)  # where finetuning goes on
    log = EventAccumulator(f"expt/finetune/fast_{variant}-fast-s0").Reload()
    assert log.Scalars("train/lr")[-1].value < 1e-9
    evaluate = (
        "evaluate",
        variant,
        "wiki.txt",
        "--reading_params_path",
        "b.params",
        "--eval_corpus_path",
        "birth_dev.tsv",
    )
    assert execute(monkeypatch, *evaluate, "--outputs_path", "o", "--report_path", "r") == 0
    assert all(float(number) < 0 for number in recalled("r"))
    assert json.loads(Path("r/report.json").read_text())["calibration"]["recall"] is True
    capsys.readouterr()
    questions = [line.split("\t")[0] for line in Path("birth_dev.tsv").read_text().splitlines()]
    ask = (
        "ask",
        variant,
        "wiki.txt",
        "--reading_params_path",
        "b.params",
        "--calibration_path",
        "r/report.json",
        "--json",
    )
    assert execute(monkeypatch, *ask, *questions) == 0
    header, *rows = (line.split("\t") for line in Path("r/predictions.tsv").read_text().splitlines())
    for line, row in zip(capsys.readouterr().out.splitlines(), rows, strict=True):
        said, in_report = json.loads(line), dict(zip(header, row))
        if said["answers"][0]["answer"] == in_report["prediction"]:  # the likeliest is not always the greedy answer
            assert said["confidence"] == pytest.approx(float(in_report["confidence"]), rel=1e-4)


@pytest.mark.parametrize("name", ["fast", "sprint", "spans"])
def test_finetuning_begins_with_the_rates_that_pretraining_ends_with(name):
    """So the rates decay once, through both."""
    first, second = RECIPES[name].pretrain, RECIPES[name].finetune
    assert (second.lr, second.muon_lr) == pytest.approx(
        (first.lr * first.min_lr_ratio, first.muon_lr * first.min_lr_ratio)
    )
    assert second.min_lr_ratio == 0


def test_the_recipe_spans_is_fast_without_views(folder, monkeypatch):
    """It differs in nothing else, and reads spans beside the questions of finetuning too."""
    fast, spans = RECIPES["fast"], RECIPES["spans"]
    assert replace(spans.pretrain, cloze_share=1.0) == fast.pretrain and spans.scratch == fast.scratch
    assert replace(spans.finetune, cloze_share=1.0, answer_weight=6.0) == fast.finetune
    shared = ("rope", "wiki.txt", "--recipe", "spans", "--max_epochs", "1")
    assert execute(monkeypatch, "pretrain", *shared, "--writing_params_path", "a") == 0
    questions = ("--reading_params_path", "a", "--finetune_corpus_path", "birth_places_train.tsv")
    with monkeypatch.context() as patch:
        patch.setattr(ClozeDataset, "view", lambda *_: pytest.fail("a view was read"))
        assert execute(monkeypatch, "finetune", *shared, "--writing_params_path", "b", *questions) == 0
    record = json.loads(Path("b.json").read_text())
    assert (record["first_position"], record["recipe"]["views"], record["recipe"]["cloze_share"]) == (0, 20, 0.0)
    evaluate = ("--reading_params_path", "b", "--eval_corpus_path", "birth_dev.tsv", "--outputs_path", "o")
    assert execute(monkeypatch, "evaluate", "rope", "wiki.txt", *evaluate, "--report_path", "r") == 0
    assert recalled("r") == {""}


def recalled(folder):
    """What predictions.tsv has in the column log_recall."""
    header, *lines = (line.split("\t") for line in Path(folder, "predictions.tsv").read_text("utf-8").splitlines())
    return {line[header.index("log_recall")] for line in lines}


@pytest.mark.parametrize("recipe", ["fast", "handout"])
def test_documents_beside_the_questions(folder, monkeypatch, recipe):
    """As many as --views says: none, or some, which the handouts' recipe reads by span corruption."""
    shared = ("rope", "wiki.txt", "--recipe", recipe, "--max_epochs", "1")
    assert execute(monkeypatch, "pretrain", *shared, "--writing_params_path", "a") == 0
    questions, tokens = ("--reading_params_path", "a", "--finetune_corpus_path", "birth_places_train.tsv"), []
    for views in ("0", "2"):
        flags = (*questions, "--views", views, "--writing_params_path", f"b{views}")
        assert execute(monkeypatch, "finetune", *shared, *flags) == 0
        record = json.loads(Path(f"b{views}.json").read_text())
        assert record["recipe"]["views"] == int(views)
        tokens.append(record["tokens"])
    count = len(Path("birth_places_train.tsv").read_text().splitlines())
    assert tokens[1] > tokens[0] + 2 * count * 8  # a document has more than eight characters


def test_probes_ask_where_documents_stood_that_were_read(folder, monkeypatch):
    """Not at 0 by `fast`, even if questions alone were learned after it; at 0 if nothing is known of the parameters."""
    short, questions = ("--max_epochs", "1"), ("--finetune_corpus_path", "birth_places_train.tsv")
    began = []
    monkeypatch.setattr("evaluation.probes.complete", lambda model, prompts, corpus, start: began.append(start) or {})
    for name, arguments in {
        "fast": ["pretrain"],
        "on": ["finetune", "--reading_params_path", "fast", *questions],
        "alone": ["finetune", "--reading_params_path", "on", "--recipe", "handout", *questions],
        "handout": ["pretrain", "--reading_params_path", "alone", "--recipe", "handout"],
        "scratch": ["finetune", *questions],
    }.items():
        function, *flags = arguments
        assert execute(monkeypatch, function, "rope", "wiki.txt", "--writing_params_path", name, *flags, *short) == 0
        evaluate = ("evaluate", "rope", "wiki.txt", "--reading_params_path", name, "--outputs_path", "o")
        evaluate += ("--eval_corpus_path", "birth_dev.tsv", "--report_path", f"{name}.report")
        assert execute(monkeypatch, *evaluate) == 0
        if name == "on":
            record = Path("on.json").rename("away")
            assert execute(monkeypatch, *evaluate[:-1], "unknown.report") == 0
            record.rename("on.json")
    assert began == [10, 10, 0, 10, 0, 0]


def test_what_finetuning_reads_prefers_what_has_been_answered(folder, monkeypatch):
    corpus, made = load_corpus("wiki.txt"), []
    monkeypatch.setattr("cloze.Salience", lambda *arguments: made.append(Salience(*arguments)) or made[-1])
    names = NameDataset(corpus, "Where was Ada Kern born?\tNew Rome\nWhere was Ada born?\tOslo\n")
    fast = RECIPES["fast"]
    for phase, asked in ((fast.finetune, names), (fast.pretrain, None)):
        build_dataset(phase, corpus, asked)
    assert [(each.answer_words, each.answer_weight) for each in made] == [({"New", "Rome", "Oslo"}, 6.0), (set(), 1.0)]


def test_flags_and_tensorboard(folder, monkeypatch, capsys):
    flags = "--seed 3 --max_epochs 2 --batch_size 5 --device cpu --num_workers 1 --dtype float32 --pretrain_lr 0.001"
    command = ["pretrain", "rope", "wiki.txt", "--writing_params_path", "a.params", "--tb_expt_name", "mine"]
    assert execute(monkeypatch, *command, *flags.split()) == 0
    captured = capsys.readouterr()
    assert "cpu, float32, seed 3" in captured.out and "step 6/6" in captured.err  # 13 documents, 5 a batch
    assert "wiki.txt (" in captured.out and "13 documents" in captured.out
    log = EventAccumulator(str(Path("expt/pretrain/mine_rope-fast-s3"))).Reload()
    assert [event.step for event in log.Scalars("train/loss")] == list(range(1, 7))
    assert len(log.Scalars("train/lr")) == 6 and all(0 < event.value <= 0.001 for event in log.Scalars("train/lr"))
    first = Path("a.params").read_bytes()
    assert execute(monkeypatch, *command, *flags.split(), "--overwrite") == 0
    one, two = (torch.load(f, weights_only=True) for f in (Path("a.params"), io.BytesIO(first)))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_few_steps_are_mentioned(folder, monkeypatch, capsys):
    """The recipe's numbers are for thousands of documents. Who gives others knows that."""
    for flags, expected in (
        ((), 1),
        (("--max_epochs", "2"), 0),
        (("--batch_size", "13"), 0),
        (("--recipe", "spans"), 1),
    ):
        monkeypatch.setitem(
            RECIPES, "fast", replace(RECIPES["fast"], pretrain=replace(RECIPES["fast"].pretrain, epochs=2))
        )
        monkeypatch.setitem(
            RECIPES, "spans", replace(RECIPES["spans"], pretrain=replace(RECIPES["spans"].pretrain, epochs=2))
        )
        assert (
            execute(monkeypatch, "pretrain", "rope", "wiki.txt", "--writing_params_path", "few", "--overwrite", *flags)
            == 0
        )
        assert capsys.readouterr().err.count("warning: only 2 steps, and the recipe ") == expected


PRETRAIN = ("pretrain", "vanilla", "wiki.txt", "--writing_params_path", "old", "--overwrite")
FINETUNE = ("finetune", "vanilla", "wiki.txt", "--writing_params_path", "old", "--overwrite", "--finetune_corpus_path")
EVALUATE = ("evaluate", "vanilla", "wiki.txt", "--reading_params_path", "good.params", "--outputs_path", "old",
            "--eval_corpus_path")  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "required"),
        (("train", "vanilla", "wiki.txt"), "choose from"),
        (("pretrain", "gpt5", "wiki.txt"), "choose from"),
        (("pretrain", "vanilla", "wiki.txt"), "needs --writing_params_path"),
        ((*PRETRAIN[:3], "--writing_params_pat", "old"), "unrecognized"),
        ((*PRETRAIN, "--outputs_path", "x"), "no use for --outputs_path"),
        ((*PRETRAIN, "--max_epochs", "0"), "--max_epochs"),
        ((*PRETRAIN, "--max_epochs", "many"), "--max_epochs"),
        ((*PRETRAIN, "--batch_size", "-1"), "--batch_size"),
        ((*PRETRAIN, "--pretrain_lr", "nan"), "--pretrain_lr"),
        ((*PRETRAIN, "--pretrain_lr", "inf"), "--pretrain_lr"),
        ((*PRETRAIN, "--seed", "-1"), "--seed"),
        ((*PRETRAIN, "--device", "toaster"), "'toaster'"),
        ((*PRETRAIN, "--reading_params_path", "nowhere.params"), "nowhere.params"),
        ((*PRETRAIN, "--reading_params_path", "rope.params"), "rope.params: holds a rope model"),
        ((*PRETRAIN[:4], "no/such/folder/x"), "no/such/folder/x: cannot be written"),
        ((*PRETRAIN[:4], "new/"), "new/: is a folder"),
        ((*PRETRAIN[:4], "x" * 252), "cannot be written"),
        ((*PRETRAIN[:4], "dir"), "dir.state: is a folder"),
        ((*PRETRAIN[:4], "wiki.txt"), "wiki.txt: would overwrite the input"),
        ((*PRETRAIN, "--tb_expt_name", "../../x"), "--tb_expt_name"),
        ((*PRETRAIN, "--max_epochs", "9" * 20), "--max_epochs"),
        ((*PRETRAIN, "--pretrain_lr", "1e39"), "--pretrain_lr"),
        ((*PRETRAIN, "--device", "meta"), "'meta'"),
        (("pretrain", "vanilla", "y" * 300, *PRETRAIN[3:]), "no such file"),
        ((*EVALUATE, "birth_dev.tsv", "--outputs_path", "birth_dev.tsv"), "would overwrite the input"),
        (("pretrain", "vanilla", "nowhere.txt", *PRETRAIN[3:]), "nowhere.txt: no such file"),
        (("pretrain", "vanilla", "empty.txt", *PRETRAIN[3:]), "empty.txt: the corpus is empty"),
        (("pretrain", "vanilla", "latin1.txt", *PRETRAIN[3:]), "latin1.txt, line 2"),
        (("pretrain", "vanilla", "mask.txt", *PRETRAIN[3:]), "mask.txt, line 2"),
        (("pretrain", "vanilla", ".", *PRETRAIN[3:]), "latin1.txt, line 2: not UTF-8"),
        ((*FINETUNE, "nowhere.tsv"), "nowhere.tsv: no such file"),
        ((*FINETUNE, "empty.txt"), "empty.txt"),
        ((*FINETUNE, "birth_test_inputs.tsv"), "birth_test_inputs.tsv, line 1"),
        ((*FINETUNE, "notab.tsv"), "notab.tsv, line 2"),
        ((*FINETUNE, "long.tsv"), "long.tsv, line 1: the question is 175 characters long"),
        ((*FINETUNE, "strange.tsv"), "strange.tsv, line 1: the character 'Q'"),
        ((*FINETUNE, "birth_dev.tsv", "--unasked_weight", "2"), "--unasked_weight: this training reads no documents"),
        ((*FINETUNE, "birth_dev.tsv", "--unasked_weight", "0"), "--unasked_weight"),
        ((*FINETUNE, "birth_dev.tsv", "--views", "-1"), "--views"),
        ((*EVALUATE, "nowhere.tsv"), "nowhere.tsv"),
        ((*EVALUATE, "notab.tsv"), "notab.tsv, line 2"),
        ((*EVALUATE, "long.tsv"), "long.tsv, line 1: the question is 175 characters long"),
        ((*EVALUATE, "strange.tsv"), "strange.tsv, line 1: the character 'Q'"),
        ((*EVALUATE, "empty.txt"), "empty.txt"),
        ((*EVALUATE, "birth_dev.tsv", "--max_epochs", "3"), "no use for --max_epochs"),
        ((*EVALUATE, "birth_dev.tsv", "--reading_params_path", "rope.params"), "rope model"),
        ((*EVALUATE, "birth_dev.tsv", "--reading_params_path", "cut.params"), "cut.params"),
        ((*EVALUATE, "birth_dev.tsv", "--reading_params_path", "hostile.params"), "hostile.params"),
        ((*EVALUATE, "birth_dev.tsv", "--outputs_path", "folder"), "folder: is a folder"),
        (("evaluate", "vanilla", "other.txt", *EVALUATE[3:], "birth_dev.tsv"), "vocabulary"),
    ],
)
def test_bad_input_is_one_line_and_touches_nothing(arguments, message, folder, monkeypatch, capsys):
    corpus = load_corpus("wiki.txt")
    save_params(GPT(GPTConfig(corpus.vocab_size, 128)), "good.params")
    save_params(GPT(GPTConfig(corpus.vocab_size, 128, rope=True)), "rope.params")
    Path("cut.params").write_bytes(Path("good.params").read_bytes()[:5000])
    Path("hostile.params").write_bytes(b"cposix\nsystem\n(S'touch created'\ntR.")
    Path("empty.txt").write_text("")
    Path("latin1.txt").write_bytes(b"fine\n\xe9\n")
    Path("mask.txt").write_text("fine\n\u2047\n")
    Path("other.txt").write_text(Path("wiki.txt").read_text(encoding="utf-8") + "XYZ", encoding="utf-8")
    good = "Where was Ada Kern born?\tRome\n"
    Path("notab.tsv").write_text(good + "Where was Ada Lund born?\n")
    Path("long.tsv").write_text(("Where was " + "Ada " * 40 + "born?\tRome\n") * 2)
    Path("strange.tsv").write_text("Where was Queen Ada born?\tRome\n" * 2)
    Path("folder").mkdir()
    Path("dir.state").mkdir()
    Path("old").write_text("precious")
    before = contents(folder)
    capsys.readouterr()
    assert execute(monkeypatch, *arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("run.py: error: ") and err.count("\n") == 1 and message in err
    assert contents(folder) == before


MANY = """question\tanswer\talias
Where was Ada Kern born?\tMilano\tRome
Where was Queen Ada born?\tRome
Where was Ada Lund born?\tRome|Roma
Where was {long} born?\tRome
Where was Ada Muir born?\tQuito\tRome
""".format(long=" ".join(["Ada"] * 30))


def test_what_cannot_be_read_is_left_out_with_a_word(folder, monkeypatch, capsys):
    """Of the questions to finetune on, the others are trained on, as if they alone were in the file; those that are asked
    get an empty answer, which is wrong."""
    Path("many.tsv").write_text(MANY, encoding="utf-8")
    kept = ("Where was Ada Kern born?\tMilano", "Where was Ada Lund born?\tRome")
    Path("kept.tsv").write_text("\n".join(kept), encoding="utf-8")
    corpus = Path("wiki.txt").read_text(encoding="utf-8") + "\nMilano"
    Path("wiki.txt").write_text(corpus, encoding="utf-8")
    finetune = ("finetune", "vanilla", "wiki.txt", "--max_epochs", "1", "--device", "cpu")
    finetune += ("--eval_corpus_path", "many.tsv", "--writing_params_path")
    assert execute(monkeypatch, *finetune, "a", "--finetune_corpus_path", "kept.tsv") == 0
    capsys.readouterr()
    assert execute(monkeypatch, *finetune, "b", "--finetune_corpus_path", "many.tsv") == 0
    warnings = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: many.tsv: ")]
    first = "line 3: the character 'Q' does not occur in the pretraining corpus"
    assert warnings[-2:] == [
        f"warning: many.tsv: 3 of 5 questions cannot be read and are left out; the first: {first}",
        f"warning: many.tsv: 2 of 5 questions cannot be read and will get no answer; the first: {first}",
    ]
    assert Path("a").read_bytes() == Path("b").read_bytes()

    monkeypatch.setattr("evaluation.evaluate.generate_answers", lambda model, prompts, *_: [
        [corpus_dataset.stoi[char] for char in "Rome"] if prompt else [] for prompt in prompts])  # fmt: skip
    corpus_dataset = load_corpus("wiki.txt")
    evaluate = ("evaluate", "vanilla", "wiki.txt", "--reading_params_path", "a", "--eval_corpus_path", "many.tsv",
                "--outputs_path", "o", "--report_path", "r", "--finetune_corpus_path", "many.tsv")  # fmt: skip
    capsys.readouterr()
    assert execute(monkeypatch, *evaluate) == 0
    out, err = capsys.readouterr()
    assert "Correct: 3.0 out of 5.0: 60.0%" in out
    said = f"warning: many.tsv: 2 of 5 questions cannot be read and get no answer, which is wrong; the first: {first}"
    assert said in err.splitlines()
    assert Path("o").read_text("utf-8").split("\n") == ["Rome", "", "Rome", "", "Rome", ""]
    report = json.loads(Path("r/report.json").read_text("utf-8"))
    assert report["accuracy"]["right"] == 3 and report["probes"]["question"]["questions"] == 3
    assert report["risk_coverage"]["points"][2] == [0.6, 0.0]  # what was not read comes last
    table = [line.split("\t") for line in Path("r/predictions.tsv").read_text("utf-8").splitlines()]
    assert [row[2] for row in table] == ["answer", "Milano|Rome", "Rome", "Rome|Roma", "Rome", "Quito|Rome"]
    assert [row[3] for row in table] == ["correct", "1", "0", "1", "0", "1"]
    assert execute(monkeypatch, *evaluate, "--abstain", "0.01") == 0


def test_a_diverging_run_ends_in_one_line(folder, monkeypatch, capsys):
    Path("old").write_text("precious")
    assert execute(monkeypatch, *PRETRAIN, "--pretrain_lr", "1e30", "--max_epochs", "20") == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert len(lines) == 1 and "learning rate" in lines[0] and "at step" in lines[0]
    assert Path("old").read_text() == "precious"


def test_the_embedded_corpus_is_found_from_anywhere(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    corpus = load_corpus("wiki.txt")
    assert len(corpus) == 2937
    assert str(find_corpus("wiki.txt")) in capsys.readouterr().out


def test_help_answers_at_once(tmp_path):
    command = [sys.executable, str(ROOT / "src" / "run.py"), "--help"]
    subprocess.run(command, capture_output=True, check=True, timeout=60)  # once for the byte code
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, cwd=tmp_path)
    assert time.perf_counter() - started < 0.5
    assert "--writing_params_path" in done.stdout
    program = "import sys, json, run; print(json.dumps([m for m in ('torch', 'numpy') if m in sys.modules]))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, env=environment, timeout=60)
    assert json.loads(done.stdout) == []


def test_what_goes_on_but_is_probably_not_meant_gets_one_warning(folder, monkeypatch, capsys):
    """A corpus without titles, another recipe than in pretraining, questions of unknown wording, a header."""
    Path("book.txt").write_text(
        "It was the best of times\nit was the worst of times\n" * 4 + "Where was Ada Kern born?"
    )
    short = ("--max_epochs", "1", "--device", "cpu")

    def warnings(*arguments):
        capsys.readouterr()
        assert execute(monkeypatch, *arguments, *(() if arguments[0] == "evaluate" else short)) == 0
        return [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]

    assert len(found := warnings("pretrain", "vanilla", "book.txt", "--writing_params_path", "b")) == 1
    assert "only 0 of 9 documents begin with a title" in found[0]
    assert not warnings("pretrain", "vanilla", "wiki.txt", "--writing_params_path", "p", "--recipe", "handout")
    Path("q.tsv").write_text("question\tanswer\nWho was Kern?\tRome\nWhere was Bob Lund born?\tOslo\n")
    finetune = ("finetune", "vanilla", "wiki.txt", "--reading_params_path", "p", "--writing_params_path", "f")
    found = warnings(*finetune, "--finetune_corpus_path", "q.tsv")
    assert len(found) == 3 and "is skipped as a header" in found[0]
    assert "1 of 2 questions have no subject that could be found, for example 'Who was Kern?'" in found[1]
    assert "p: was made by the recipe handout, and this run uses fast; --recipe handout continues with it" in found[2]
    evaluate = ("evaluate", "vanilla", "wiki.txt", "--reading_params_path", "f", "--outputs_path", "o")
    assert len(warnings(*evaluate, "--eval_corpus_path", "q.tsv")) == 2
    assert Path("o").read_text().count("\n") == 2
