"""Faulty submissions: each is the perfect one (perfect.py) with one small change, and the check that has to find it."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from autograder.checks_files import FINETUNED, ROPE, SCRATCH, SYNTHESIZER
from autograder.perfect import Workshop, write_lines
from autograder.reference import rope_tables

Change = Callable[[Path, Workshop], None]


@dataclass(frozen=True)
class Mutant:
    """A fault, as (file, old text, new text) or as a function of the folder; `words` are in what the student is told.
    Without a check it is no fault: nothing may be lost."""

    name: str
    check: str | None
    words: str = ""
    code: tuple[tuple[str, str, str], ...] = ()
    change: Change | None = None
    handout: int = 4
    fatal: bool = False  # whether it costs also what depends on the check, in the same part
    quick: bool = False  # whether the default run has it
    edition: str = "7/8"


def edit(file: str, old: str, new: str) -> tuple[tuple[str, str, str], ...]:
    return ((f"src/{file}", old, new),)


def edit_tensors(name: str, edit: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Change:
    def change(folder: Path, _: Workshop) -> None:
        torch.save(edit(torch.load(folder / name, weights_only=True)), folder / name)

    return change


def edit_lines(name: str, edit: Callable[[list[str]], list[str]]) -> Change:
    def change(folder: Path, _: Workshop) -> None:
        write_lines(folder / name, edit((folder / name).read_text(encoding="utf-8").splitlines()))

    return change


def smaller_queries(folder: Path, _: Workshop) -> None:
    """What an attention learns whose scores are multiplied by 8."""
    for name in (SCRATCH.parameters, FINETUNED.parameters):
        state = torch.load(folder / name, weights_only=True)
        torch.save({key: t / 8 if "query" in key else t for key, t in state.items()}, folder / name)


def write(name: str, content: str | bytes) -> Change:
    return lambda folder, _: (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def copy(name: str, to: str) -> Change:
    return lambda folder, _: (folder / to).write_bytes((folder / name).read_bytes())


def remove(name: str) -> Change:
    return lambda folder, _: (folder / name).unlink()


def retrained(wanted, **training) -> Change:
    """Another model in the place of one, with its own predictions."""
    return lambda folder, workshop: workshop.add(folder, wanted, **training)


class Bomb:
    """A parameter file that would run a command when it is unpickled carelessly."""

    def __reduce__(self):
        return os.system, ("touch /tmp/the_bomb_went_off",)


def pickled(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


# ---------------------------------------------------------------------------------------------------------------------
# Part e

LENGTHS = "rng.integers(4, most, column, endpoint=True)"
MASKED = "np.floor(rng.uniform(1, np.maximum(length / 2 - 1, 1)) + rng.random(column)).astype(np.int64)"
GETITEM = "        x, y = shift(self.corrupt(np.array([i]), rng))\n        return x[0], y[0]\n"
WITHOUT_MASK = """\
        row = self.corrupt(np.array([i]), rng)[0]
        row = np.append(np.delete(row, np.nonzero(row == MASK)[0][WHICH]), PAD)
        x, y = shift(row[None])
        return x[0], y[0]
"""
PADDED_IN_FRONT = WITHOUT_MASK.replace("np.append(np.delete(row, np.nonzero(row == MASK)[0][WHICH]), PAD)",
                                       "np.concatenate((row[row == PAD], row[row != PAD]))")  # fmt: skip
EXCHANGED = (
    ("src/dataset.py", "second = length - masked + 1", "second = start + masked + 1"),
    ("src/dataset.py", "prefix, suffix, content = t, t - 1 + masked, t - 1 - second + start", "prefix, suffix, content = t, t - 1, t - 2"),
)  # fmt: skip
IN_E = [
    Mutant("truncation never shorter than the document", "truncated_length_varies", "never truncated",
           edit("dataset.py", LENGTHS, "np.full(column, self.max_chars)")),
    Mutant("truncation hardly varies", "truncated_length_varies", "hardly varies",
           edit("dataset.py", LENGTHS, "np.clip(self.lengths[indices, None] - 1, 4, self.max_chars)")),
    Mutant("truncation to a whole block", "documents_are_truncated_to_between_4_and_the_limit", "7/8 of the block, 43 of 50",
           edit("dataset.py", "self.max_chars = block_size * 7 // 8", "self.max_chars = block_size - 2")),
    Mutant("truncation to one letter", "documents_are_truncated_to_between_4_and_the_limit", "truncated to 1 of its letters",
           edit("dataset.py", LENGTHS, LENGTHS.replace("4", "1"))),
    Mutant("7/8 of the block in the edition of 3/4", "documents_are_truncated_to_between_4_and_the_limit", "3/4 of the block, 37",
           edition="3/4"),
    Mutant("3/4 of the block in the edition of 3/4", None, code=edit("dataset.py", "block_size * 7 // 8", "block_size * 3 // 4"),
           edition="3/4"),
    Mutant("masked content always a quarter", "masked_length_varies", "always the same share",
           edit("dataset.py", MASKED, "length // 4")),
    Mutant("masked content half of the document", "masked_content_is_a_quarter_on_average", "a quarter of the truncated document is",
           edit("dataset.py", "length / 2 - 1", "length - 1")),
    Mutant("suffix and masked content exchanged", "prefix_suffix_and_masked_content_are_in_this_order",
           "suffix and masked content are exchanged", EXCHANGED),
    Mutant("no MASK at the end of the prefix", "two_masks_make_three_parts", "MASK at the end of the prefix is missing",
           edit("dataset.py", GETITEM, WITHOUT_MASK.replace("WHICH", "0")), quick=True),
    Mutant("no MASK before the masked content", "two_masks_make_three_parts", "MASK between suffix and masked content is missing",
           edit("dataset.py", GETITEM, WITHOUT_MASK.replace("WHICH", "1"))),
    Mutant("padding in front", "padding_is_only_at_the_end", "padding in front",
           edit("dataset.py", GETITEM, PADDED_IN_FRONT)),
    Mutant("y not shifted", "y_is_x_one_character_later", "y equals x", edit("dataset.py", GETITEM, GETITEM.replace("y[0]", "x[0]"))),
    Mutant("tensors of floats", "span_corruption_gives_pairs_of_long_tensors", "torch.long",
           edit("dataset.py", GETITEM, GETITEM.replace("y[0]", "y[0].float()"))),
    Mutant("vocabulary not sorted", "vocabulary_is_pad_mask_and_the_sorted_characters", "another order",
           edit("dataset.py", "*sorted(set(data).union(added))]", "*sorted(set(data), reverse=True)]")),
    Mutant("no newline in the vocabulary", "vocabulary_is_pad_mask_and_the_sorted_characters", "symbols instead of",
           edit("dataset.py", "*sorted(set(data).union(added))]", "*sorted({*data} - {chr(10)})]")),
    Mutant("fails on short documents", "span_corruption_gives_pairs_of_long_tensors", "document of 7 letters",
           edit("dataset.py", GETITEM, "        assert self.lengths[i] > 10\n" + GETITEM), fatal=True),
]  # fmt: skip

# ---------------------------------------------------------------------------------------------------------------------
# Parts d and f

EXAMPLES = "        return x, y.masked_fill(torch.from_numpy(is_question), PAD)\n"
MAIN = 'if __name__ == "__main__":\n    run_main(main)'
IN_D_AND_F = [
    Mutant("10 epochs from scratch", "finetuning_without_pretraining_is_configured_as_published", "max_epochs is 10, it should be 75",
           edit("recipe.py", "epochs=75", "epochs=10")),
    Mutant("another beta", "finetuning_without_pretraining_is_configured_as_published", "betas is [0.9, 0.999], it should be [0.9, 0.95]",
           edit("trainer.py", "(0.9, 0.95)", "(0.9, 0.999)")),
    Mutant("200 epochs of pretraining", "pretraining_is_configured_as_published", "max_epochs is 200, it should be 650",
           edit("recipe.py", "epochs=650, batch_size=128, lr=6e-3, horizon_epochs=650", "epochs=200, batch_size=128, lr=6e-3, horizon_epochs=650")),
    Mutant("a tenth of the learning rate", "pretraining_is_configured_as_published", "learning_rate is 0.0006, it should be 0.006",
           edit("recipe.py", "lr=6e-3", "lr=6e-4")),
    Mutant("finetuning as long as from scratch", "finetuning_after_pretraining_is_configured_as_published", "max_epochs is 75, it should be 10",
           edit("recipe.py", "finetune=Phase(epochs=10,", "finetune=Phase(epochs=75,")),
    Mutant("finetuning from new parameters", "finetuning_begins_with_the_pretrained_parameters", "ignores --reading_params_path",
           edit("engine/inputs.py", "    if args.reading_params_path:\n", '    if args.reading_params_path and args.function != "finetune":\n')),
    Mutant('.to("cuda") written down', "it_runs_without_a_gpu", '.to("cuda") (src/trainer.py, line',
           edit("trainer.py", "self.model = model.to(self.device)", 'self.model = model.to("cuda")')),
    Mutant('.to("cuda") in the evaluation', "it_runs_without_a_gpu", "src/evaluation/evaluate.py, line",
           edit("evaluation/evaluate.py", ".to(choose_device(args.device))", '.to("cuda")')),
    Mutant("a GPU asked for by torch.cuda", "it_runs_without_a_gpu", "fails without one",
           edit("trainer.py", "        self.config = config\n", "        self.config = config\n        torch.cuda.set_device(0)\n"), fatal=True),
    Mutant("loss on the question", "questions_and_answers_are_laid_out_as_given", "question itself as targets",
           edit("dataset.py", EXAMPLES, "        return x, y\n")),
    Mutant("no MASK after the answer", "questions_and_answers_are_laid_out_as_given", "question, MASK, answer, MASK",
           edit("questions.py", "target = encode(answer, stoi, where) + [MASK]", "target = encode(answer, stoi, where)")),
    Mutant("London as a sentence", "always_london_is_computed", "a number and nothing else",
           change=write("london_baseline_accuracy.txt", "Correct: 25.0 out of 500.0: 5.0%\n"), quick=True),
    Mutant("another number for London", "always_london_is_computed", "holds 12.0", change=write("london_baseline_accuracy.txt", "12.0")),
    Mutant("always Paris", "always_london_is_computed", "does not compute", (("london_baseline.py", '["London"]', '["Oslo"]'),)),
    Mutant("no London baseline", "always_london_is_computed", "london_baseline.py is not there", change=remove("london_baseline.py"), handout=5),
    Mutant("London file missing", "always_london_is_computed", "not there: london_baseline_accuracy.txt",
           change=remove("london_baseline_accuracy.txt")),
    Mutant("parameters missing", "without_pretraining_the_parameters_are_a_vanilla_model", "not there: vanilla.model.params",
           change=remove("vanilla.model.params"), fatal=True, quick=True),
    Mutant("predictions missing", "finetuned_there_is_one_prediction_a_question", "not there: vanilla.pretrain.test.predictions",
           change=remove("vanilla.pretrain.test.predictions"), fatal=True),
    Mutant("a line too few", "without_pretraining_there_is_one_prediction_a_question", "33 lines, it should have 34",
           change=edit_lines("vanilla.nopretrain.dev.predictions", lambda lines: lines[:-1]), quick=True),
    Mutant("predictions not UTF-8", "finetuned_there_is_one_prediction_a_question", "is not UTF-8",
           change=write("vanilla.pretrain.dev.predictions", "Orl\u00e9ans\n".encode("latin-1") * 34)),
    Mutant("nothing right without pretraining", "without_pretraining_at_least_one_is_right", "at least 1",
           change=retrained(SCRATCH, steps=0)),
    Mutant("a pickled model", "the_finetuned_parameters_are_a_vanilla_model", "a whole pickled model",
           change=lambda folder, w: (folder / FINETUNED.parameters).write_bytes(pickled(torch.nn.Linear(2, 2))), fatal=True),
    Mutant("parameters that run a command", "the_finetuned_parameters_are_a_vanilla_model", "without running code in it: it holds more than tensors",
           change=lambda folder, w: (folder / FINETUNED.parameters).write_bytes(pickled({"x": Bomb()})), fatal=True, quick=True),
    Mutant("parameters with NaN", "the_finetuned_parameters_are_a_vanilla_model", "NaN or infinite",
           change=edit_tensors(FINETUNED.parameters, lambda s: s | {"ln_f.bias": s["ln_f.bias"] * float("nan")}), fatal=True),
    Mutant("parameters of another vocabulary", "the_finetuned_parameters_are_a_vanilla_model", "of another wiki.txt",
           change=edit_tensors(FINETUNED.parameters, lambda s: s | {"tok_emb.weight": s["tok_emb.weight"][:-3].clone()}), fatal=True),
    Mutant("a mask of ones", "the_finetuned_parameters_are_a_vanilla_model", "not a triangle of ones",
           change=edit_tensors(FINETUNED.parameters, lambda s: s | {"blocks.0.attn.mask": torch.ones(1, 1, 128, 128)}), quick=True),
    Mutant("names with module.", None, change=edit_tensors(FINETUNED.parameters, lambda s: {f"module.{n}": t for n, t in s.items()}), quick=True),
    Mutant("names with _orig_mod.", None, change=edit_tensors(SCRATCH.parameters, lambda s: {f"_orig_mod.{n}": t for n, t in s.items()})),
    Mutant("finetuned parameters that were not pretrained", "the_finetuned_parameters_are_parameters_of_their_own", "were not pretrained",
           change=copy(SCRATCH.parameters, FINETUNED.parameters)),
    Mutant("finetuned parameters that were not finetuned", "the_finetuned_parameters_are_parameters_of_their_own", "were not finetuned",
           change=copy(FINETUNED.parameters, "vanilla.pretrain.params")),
    Mutant("scores 8 times as large", "without_pretraining_the_predictions_are_those_of_the_parameters",
           "computes something else than the handout's model", edit("attention.py", "1 / math.sqrt(q", "8 / math.sqrt(q"),
           change=smaller_queries, handout=5),
    Mutant("parameters that are no model", "the_finetuned_parameters_are_a_vanilla_model", "holds no GPT",
           change=edit_tensors(FINETUNED.parameters, lambda s: {"x": s["ln_f.bias"]}), fatal=True),
    Mutant("predictions of another model", "the_finetuned_predictions_are_those_of_the_parameters", "predictions of another model",
           change=copy(SCRATCH.predicted("dev"), FINETUNED.predicted("dev")), quick=True),
    Mutant("predictions in another order", "without_pretraining_the_predictions_are_those_of_the_parameters", "of another model",
           change=edit_lines(SCRATCH.predicted("test"), lambda lines: lines[::-1])),
    Mutant("dev too often wrong", "finetuned_enough_of_dev_is_right", "are needed", change=retrained(FINETUNED, splits=("test",))),
    Mutant("test too often wrong", "finetuned_enough_of_test_is_right", "are needed", change=retrained(FINETUNED, splits=("dev",))),
    Mutant("evaluation cuts the answers", "without_pretraining_the_own_code_gives_the_predictions", "your own code gives other predictions",
           edit("questions.py", "MAX_ANSWER = 32", "MAX_ANSWER = 2")),
    Mutant("evaluation fails", "without_pretraining_the_own_code_gives_the_predictions", "fails: ZeroDivisionError",
           edit("evaluation/evaluate.py", "    check_prediction_outputs(args)\n", "    1 / 0\n")),
    Mutant("looks into the future", "vanilla_looks_at_the_past_only", "looks into the future", edit("attention.py", ".tril(S - T)", ".tril(S - T + 1)")),
    Mutant("padding counts in the loss", "padding_does_not_count_in_the_loss", "ignore_index=0",
           edit("model.py", ", ignore_index=PAD)", ")")),
    Mutant("a whole block crashes", "vanilla_takes_a_whole_block", "fails on 128 tokens, a whole block",
           edit("model.py", "if T > self.config.block_size", "if T >= self.config.block_size")),
    Mutant("workers without a main guard", "workers_that_are_spawned_do_not_train", "each worker begins to train",
           edit("run.py", MAIN, "run_main(main)") + edit("engine/training.py", "choose_workers(args.num_workers, ", "choose_workers(4, ")),
    Mutant("no main guard, and no workers", None, code=edit("run.py", MAIN, "run_main(main)")),
]  # fmt: skip

# ---------------------------------------------------------------------------------------------------------------------
# Part g, RoPE

ARANGE = "torch.arange(max_positions, dtype=torch.float64)"
THETA = "-torch.arange(0, dim, 2, dtype=torch.float64) / dim"
ROTATED = """\
        rotated = torch.view_as_real(torch.view_as_complex(pairs) * torch.view_as_complex(rope_cache))
    return rotated.flatten(-2).to(x.dtype)
"""
BOTH = "q, k = apply_rotary_emb(q, rope_cache), apply_rotary_emb(k, rope_cache)"
MODEL_OF = "GPTConfig(corpus.vocab_size, variant=args.variant, **asdict(sizes), **probabilities)"
HALVES = ("        cos, sin = rope_cache.unbind(-1)\n        one, two = x.float().chunk(2, -1)\n"
          "        rotated = torch.cat((one * cos - two * sin, one * sin + two * cos), -1)[..., None]\n"
          "    return rotated.flatten(-2).to(x.dtype)\n")  # fmt: skip
SLICE = "    rope_cache = rope_cache[..., : x.size(-2), :, :]\n"
EMPTY = "\n\nclass DownProjectBlock(nn.Module):\n    def forward(self, x):\n        pass\n\n\n"
IN_ROPE = [
    Mutant("\u03b8 off by one position", "rope_leaves_position_0_as_it_is",
           "position 0 is rotated by \u03b8, it should be left as it is; your angles start at t = 1",
           edit("attention.py", ARANGE, "torch.arange(1, max_positions + 1, dtype=torch.float64)"), quick=True),
    Mutant("sin before cos", "rope_leaves_position_0_as_it_is", "sin stands before cos",
           edit("attention.py", "(angles.cos(), angles.sin())", "(angles.sin(), angles.cos())")),
    Mutant("exponent with the wrong sign", "rope_angles_are_those_of_the_handout", "the exponent has the wrong sign",
           edit("attention.py", THETA, THETA[1:])),
    Mutant("exponent -2i/d", "rope_angles_are_those_of_the_handout", "without the -1",
           edit("attention.py", THETA, "-torch.arange(2, dim + 2, 2, dtype=torch.float64) / dim")),
    Mutant("base 1000", "rope_angles_are_those_of_the_handout", "base is 1000", edit("attention.py", "10000.0 **", "1000.0 **")),
    Mutant("halves instead of neighbouring pairs", "rope_rotates_neighbouring_pairs", "splits the vector in halves",
           edit("attention.py", ROTATED, HALVES)),
    Mutant("the wrong direction", "rope_rotates_neighbouring_pairs", "wrong direction",
           edit("attention.py", "torch.view_as_complex(rope_cache))", "torch.view_as_complex(rope_cache).conj())")),
    Mutant("vectors grow", "rope_keeps_the_norm", "changes the length",
           edit("attention.py", "rotated.flatten(-2).to(x.dtype)", "1.1 * rotated.flatten(-2).to(x.dtype)")),
    Mutant("fails on short prompts", "rope_takes_sequences_shorter_than_its_table", "fails on prompts shorter",
           edit("attention.py", SLICE, "")),
    Mutant("garbage on short prompts", "rope_takes_sequences_shorter_than_its_table", "uses the table's last rows",
           edit("attention.py", SLICE, SLICE.replace(": x.size(-2)", "-x.size(-2) :"))),
    Mutant("a table of another shape", "rope_table_has_cos_and_sin_of_each_position", "(16, 4, 2)",
           edit("attention.py", "dim=-1).float()", "dim=0).float()")),
    Mutant("no rotation at all", "rope_keeps_the_norm", "apply_rotary_emb fails on x of shape (2, 3, 16, 8): NotImplementedError",
           edit("attention.py", SLICE, "    raise NotImplementedError\n"), fatal=True),
    Mutant("only queries rotated", "rope_scores_depend_on_the_distance_only", "only the queries are rotated",
           edit("attention.py", BOTH, "q = apply_rotary_emb(q, rope_cache)")),
    Mutant("rope flag never read", "rope_is_what_run_py_builds", "builds a vanilla model",
           edit("engine/inputs.py", MODEL_OF, MODEL_OF.replace("args.variant", "args.variant.replace('rope', 'vanilla')"))),
    Mutant("learned positions beside RoPE", "rope_is_what_run_py_builds", "also adds learned positions",
           edit("variants.py", '"rope": Variant("attention:CausalSelfAttention", learned_positions=False)',
                '"rope": Variant("attention:CausalSelfAttention", learned_positions=True)')),
    Mutant("rope looks into the future", "rope_looks_at_the_past_only", "the rope model looks into the future",
           edit("attention.py", "self.score_bias(mask), 1 /", "self.score_bias(mask) * (not self.rope or x.size(1) < 20), 1 /")
           + edit("attention.py", "-torch.inf)\n\n    @classmethod", "-1e9)\n\n    @classmethod")),
    Mutant("rope crashes on a whole block", "rope_takes_a_whole_block", "rope model fails on 128 tokens",
           edit("attention.py", "n_head, config.block_size)\n            self.reg", "n_head, config.block_size - 1)\n            self.reg")),
    Mutant("an empty perceiver block", "no_block_is_left_empty", "DownProjectBlock.forward is left empty",
           edit("model.py", "class Block(nn.Module)", EMPTY.strip() + "\n\n\nclass Block(nn.Module)")),
    Mutant("vanilla parameters for rope", "the_rope_parameters_are_a_rope_model", "holds a vanilla model",
           change=copy(FINETUNED.parameters, ROPE.parameters), fatal=True),
    Mutant("rope_cache off by one", "the_rope_parameters_are_a_rope_model", "the angles start at t = 1",
           change=edit_tensors(ROPE.parameters, lambda s: s | {"blocks.1.attn.rope_cache": rope_tables(16, 129)[""][1:].float()}), quick=True),
    Mutant("rope predictions missing", "rope_gives_one_prediction_a_question", "not there: rope.pretrain.test.predictions",
           change=remove("rope.pretrain.test.predictions"), fatal=True),
    Mutant("rope predictions of vanilla without pretraining", "the_rope_predictions_are_those_of_the_parameters", "rope.pretrain.test",
           change=copy(SCRATCH.predicted("test"), ROPE.predicted("test"))),
    Mutant("rope too often wrong", "rope_enough_of_test_is_right", "at least 9", change=retrained(ROPE, splits=("dev",))),
]  # fmt: skip

# ---------------------------------------------------------------------------------------------------------------------
# Part g, the synthesizer

ATTEND = "self.attend(F.relu(q), k, v, bias, 1.0)"
BIAS = "        bias = bias[mask.key_positions][:, None, None] + mask.bias\n"
EQUATION_5 = "synthesizer_computes_equation_5"


def synthesizer(name: str, check: str, words: str, *arguments, **named) -> Mutant:
    return Mutant(name, check, words, *arguments, handout=5, **named)


IN_SYNTHESIZER = [
    synthesizer("no ReLU", EQUATION_5, "no ReLU", edit("attention.py", ATTEND, ATTEND.replace("F.relu(q)", "q"))),
    synthesizer("b2 left out", EQUATION_5, "b2 is not added", edit("attention.py", BIAS, "        bias = mask.bias\n")),
    synthesizer("scores divided", EQUATION_5, "equation 5 does not divide", edit("attention.py", ATTEND, ATTEND.replace("1.0", "q.size(-1) ** -0.5"))),
    synthesizer("synthesizer looks into the future", EQUATION_5, "later positions are not masked",
                edit("attention.py", BIAS, BIAS.replace(" + mask.bias", ""))),
    synthesizer("attention with query and key instead", EQUATION_5, "it has",
                edit("attention.py", "class SynthesizerAttention(Attention)", "class SynthesizerAttention(CausalSelfAttention):\n    pass\n\n\nclass Unused(Attention)")),
    synthesizer("synthesizer flag never read", "synthesizer_is_what_run_py_builds", "builds a vanilla model",
                edit("engine/inputs.py", MODEL_OF, MODEL_OF.replace("args.variant", "args.variant.replace('synthesizer', 'vanilla')"))),
    synthesizer("vanilla parameters for the synthesizer", "the_synthesizer_parameters_are_a_synthesizer", "holds a vanilla model (query, key",
                change=copy(FINETUNED.parameters, SYNTHESIZER.parameters), fatal=True, quick=True),
    synthesizer("synthesizer looks ahead in long texts", "synthesizer_looks_at_the_past_only", "the synthesizer model looks into the future",
                edit("attention.py", BIAS, BIAS.replace("+ mask.bias", "+ (mask.bias if x.size(1) < 20 else 0)"))),
    synthesizer("synthesizer crashes on a whole block", "synthesizer_takes_a_whole_block", "synthesizer model fails on 128 tokens",
                edit("attention.py", "F.pad(self.w2.t(), (0, 0, 0, 1))", "self.w2.t()")),
    synthesizer("synthesizer predictions of another model", "the_synthesizer_predictions_are_those_of_the_parameters", "of another model",
                change=copy(SCRATCH.predicted("dev"), SYNTHESIZER.predicted("dev"))),
    synthesizer("synthesizer too often wrong, dev", "synthesizer_enough_of_dev_is_right", "of dev are right",
                change=retrained(SYNTHESIZER, splits=("test",))),
    synthesizer("synthesizer too often wrong, test", "synthesizer_enough_of_test_is_right", "of test are right",
                change=retrained(SYNTHESIZER, splits=("dev",))),
    synthesizer("dev predictions one line too long", "synthesizer_gives_one_prediction_a_question", "35 lines",
                change=edit_lines(SYNTHESIZER.predicted("dev"), lambda lines: [*lines, ""])),
]  # fmt: skip

# ---------------------------------------------------------------------------------------------------------------------
# Attacks

HERE = str(Path(__file__).resolve().parent)
BEGIN = "from __future__ import annotations\n"
FIRST = "span_corruption_gives_pairs_of_long_tensors"


# Writes to the file of results, as if it were the sandbox.
MADE_UP = """\
import os
for line in ('{"name": ":broken", "error": "x"}', '{"name": ":missing", "value": 7}', '{"name": 7, "value": []}', "[" * 9999, '{"name"'):
    os.write(3, line.encode() + b"\\n")
"""


NO_RESULT = """\
    import os
    for name, shape in (("0 rotated", [2, 3, 16, 8]), ("1 table", [24, 16, 2])):
        value = f'{{"shape": {shape}, "dtype": "float32", "numbers": "x"}}'
        os.write(3, f'{{"name": "{name}", "value": {value}}}\\n'.encode())
    os._exit(0)
"""


def attack(name: str, file: str, line: str, check: str | None, words: str = "", **named) -> Mutant:
    """Runs something when a module is imported."""
    return Mutant(name, check, words, edit(file, BEGIN, f"{BEGIN}\n{line}\n"), fatal=check is not None, **named)


ATTACKS = [
    attack("an endless loop", "dataset.py", "while True:\n    pass", FIRST, "did not end within", quick=True),
    attack("os._exit", "attention.py", "import os\nos._exit(0)", "attention_can_be_imported", "ended itself"),
    attack("sys.exit", "utils.py", "import sys\nsys.exit(0)", "the_modules_can_be_imported", "SystemExit"),
    attack("a gigabyte of output", "trainer.py", "import os\nfor _ in range(16384):\n    os.write(1, b'x' * 65536)", "the_modules_can_be_imported",
           "printed more than 16 MB"),
    attack("a fork bomb", "dataset.py", "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass", FIRST, ""),
    attack("all the memory", "attention.py", "hog = []\nwhile True:\n    hog.append(bytearray(b'x') * (64 << 20))", "attention_can_be_imported", ""),
    attack("a module that prints", "dataset.py", "print('hello', flush=True)", None),
    attack("a module that overwrites the grader", "utils.py", f"open({HERE + '/checks_code.py'!r}, 'w').write('')",
           "the_modules_can_be_imported", "checks_code.py"),
    attack("a module that quietly overwrites the grader", "utils.py",
           f"import pathlib\nfor path in pathlib.Path({HERE!r}).rglob('*.py'):\n    path.write_text('')", None),
    attack("a module that makes pytest pass", "dataset.py", "import atexit, os, sys\nimport pytest\npytest.fail = print\natexit.register(os._exit, 0)", None),
    attack("a module that uses the network", "model.py", "import urllib.request\nurllib.request.urlopen('http://1.1.1.1', timeout=5)",
           "the_modules_can_be_imported", "unreachable"),
    attack("made-up results", "dataset.py", MADE_UP, None),
    Mutant("made-up results that are none", "rope_keeps_the_norm", "cannot be judged", edit("attention.py", SLICE, NO_RESULT)),
    Mutant("an endless loop in an example", FIRST, "did not end within",
           edit("dataset.py", GETITEM, "        while True:\n            pass\n" + GETITEM), fatal=True),
    Mutant("os._exit in a command", "finetuning_without_pretraining_starts", "exit code 7",
           edit("engine/training.py", "    config = trainer_config(args, phase, corpus, run)\n", "    os._exit(7)\n"), fatal=True),
]  # fmt: skip

MUTANTS = [*IN_D_AND_F, *IN_E, *IN_ROPE, *IN_SYNTHESIZER, *ATTACKS]
