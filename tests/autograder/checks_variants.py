"""Checks of part g: RoPE (handout 4) and the synthesizer (handout 5), as functions and as run.py builds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from autograder.checks_code import inputs, past_only, training, whole_block
from autograder.checks_spans import BLOCK, examples
from autograder.grading import Fault, Grading, check
from autograder.reference import rope_attention, rope_tables, rotate, rotations, synthesized
from autograder.sandbox import Outcome

SMALL = {"n_embd": 6, "n_head": 3, "block_size": 8}  # the synthesizer that public graders compare, to 1e-8
STARTS = "finetuning_without_pretraining_starts"


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def tensor(value: Any) -> torch.Tensor:
    """A tensor that a probe has written; empty if it is none."""
    if not isinstance(value, dict) or "numbers" not in value:
        return torch.zeros(0)
    return torch.tensor(value["numbers"], dtype=torch.float64).view(
        value["shape"] if "complex" not in value["dtype"] else -1
    )


def explain(found: torch.Tensor, candidates: Mapping[str, torch.Tensor], tolerance: float) -> str | None:
    """What is to be said of a result: "" if it is the first candidate, the right one; the name of a misreading that gives
    it; None if nothing known does."""
    for name, candidate in candidates.items():
        if candidate.shape == found.shape and torch.allclose(found, candidate, rtol=0, atol=tolerance):
            return name
    return None


# ---------------------------------------------------------------------------------------------------------------------
# RoPE as two functions

CASES = [(8, 16, 16), (32, 24, 24), (8, 16, 5), (8, 16, 1)]  # dim, positions of the table, length of the sequence


def x_of(case: int) -> torch.Tensor:
    dim, _, T = CASES[case]
    return normal(2, 3, T, dim, seed=case).float().double()


def rope(g: Grading) -> Outcome:
    cases = [{"dim": dim, "positions": positions, "x": x_of(i).flatten().tolist(), "shape": [2, 3, T, dim]}
             for i, (dim, positions, T) in enumerate(CASES)]  # fmt: skip
    return g.probe("rope", cases=cases)


@check("attention_can_be_imported")
def rope_table_has_cos_and_sin_of_each_position(g: Grading) -> Fault | None:
    outcome = rope(g)
    for case, (dim, positions, _) in enumerate(CASES[:2]):
        if problem := outcome.problem(f"{case} table"):
            return Fault(f"precompute_rotary_emb({dim}, {positions}) fails: {problem}", fatal=True)
        value = outcome.values[f"{case} table"]
        if not isinstance(value, dict) or value["shape"] != [positions, dim // 2, 2] or "complex" in value["dtype"]:
            found = f"{value['dtype']} {tuple(value['shape'])}" if isinstance(value, dict) else type(value).__name__
            return Fault(f"precompute_rotary_emb({dim}, {positions}) should be a table of shape {(positions, dim // 2, 2)}, cos "
                         f"and sin of each position and pair; it is {found}")  # fmt: skip
    return None


@check("rope_table_has_cos_and_sin_of_each_position")
def rope_keeps_the_norm(g: Grading) -> Fault | None:
    outcome = rope(g)
    for case in range(2):
        if problem := outcome.problem(f"{case} rotated"):
            return Fault(f"apply_rotary_emb fails on x of shape {tuple(x_of(case).shape)}: {problem}", fatal=True)
        found, x = tensor(outcome.values[f"{case} rotated"]), x_of(case)
        if found.shape != x.shape:
            return Fault(
                f"apply_rotary_emb turns x of shape {tuple(x.shape)} into {tuple(found.shape)}; it should keep the shape"
            )
        if not torch.allclose(found.norm(dim=-1), x.norm(dim=-1), rtol=1e-3):
            return Fault(
                "apply_rotary_emb changes the length of vectors; a rotation (x1 cos - x2 sin, x1 sin + x2 cos) keeps it"
            )
    return None


@check("rope_keeps_the_norm")
def rope_leaves_position_0_as_it_is(g: Grading) -> Fault | None:
    dim, positions, _ = CASES[0]
    found, x = tensor(rope(g).values["0 rotated"]), x_of(0)
    if torch.allclose(found[..., 0, :], x[..., 0, :], atol=1e-4):
        return None
    table = rope_tables(dim, positions)[""]
    if any(
        torch.allclose(found[..., :-1, :], way[..., :-1, :], atol=1e-3)
        for way in rotations(x, table.roll(-1, 0)).values()
    ):
        return Fault("RoPE: position 0 is rotated by \u03b8, it should be left as it is; your angles start at t = 1")
    if torch.allclose(tensor(rope(g).values["0 table"])[0, :, 0], torch.zeros(dim // 2).double(), atol=1e-6):
        return Fault(
            "RoPE: position 0 is turned by a right angle, it should be left as it is; sin stands before cos in the table"
        )
    return Fault("RoPE: position 0 is rotated, it should be left as it is, since its angle is 0")


@check("rope_leaves_position_0_as_it_is")
def rope_angles_are_those_of_the_handout(g: Grading) -> Fault | None:
    for case, (dim, positions, _) in enumerate(CASES[:2]):
        found, near = tensor(rope(g).values[f"{case} table"]), 4
        tables = rope_tables(dim, positions)
        if explain(found, {"": tables[""]}, 1e-3) == "":
            continue
        # only the first positions, because misreadings have angles too large for float32
        said = explain(found[:near], {name: table[:near] for name, table in tables.items()}, 1e-2)
        if said:
            return Fault(f"RoPE's angles: {said}")
        t, i, _ = ((found - tables[""]).abs() > 1e-3).nonzero()[0].tolist()
        return Fault(f"RoPE's angles: at t = {t}, pair {i + 1} of {dim // 2} has cos {found[t, i, 0]:.4f} and sin "
                     f"{found[t, i, 1]:.4f}, it should have {tables[''][t, i, 0]:.4f} and {tables[''][t, i, 1]:.4f}")  # fmt: skip
    return None


@check("rope_angles_are_those_of_the_handout")
def rope_rotates_neighbouring_pairs(g: Grading) -> Fault | None:
    for case, (dim, positions, _) in enumerate(CASES[:2]):
        found, x, table = tensor(rope(g).values[f"{case} rotated"]), x_of(case), rope_tables(dim, positions)[""]
        said = explain(found, rotations(x, table), 1e-3)
        if said is None:
            return Fault("apply_rotary_emb is not equation 3: the pair (x1, x2) becomes (x1 cos - x2 sin, x1 sin + x2 cos) of its "
                         "position's angles; yours is something else")  # fmt: skip
        if said:
            return Fault(f"apply_rotary_emb: {said}")
    return None


@check("rope_rotates_neighbouring_pairs")
def rope_takes_sequences_shorter_than_its_table(g: Grading) -> Fault | None:
    for case in range(2, len(CASES)):
        dim, positions, T = CASES[case]
        x, table = x_of(case), rope_tables(dim, positions)[""]
        if problem := rope(g).problem(f"{case} rotated"):
            return Fault(f"RoPE fails on prompts shorter than its table: {T} positions, a table of {positions}: {problem}; use the "
                         "table's first T rows")  # fmt: skip
        found = tensor(rope(g).values[f"{case} rotated"])
        ways = {"": rotate(x, table[:T]), "the table's last": rotate(x, table[-T:])}
        said = explain(found, ways, 1e-3)
        if said != "":
            rows = said or "other"
            return Fault(f"RoPE answers garbage on prompts shorter than its table: of {T} positions with a table of {positions}, it "
                         f"uses {rows} rows, it should use the first {T}")  # fmt: skip
    return None


# ---------------------------------------------------------------------------------------------------------------------
# The variants as run.py builds them


def kind_of(state: Mapping[str, Any]) -> str:
    """What a model is, by the names of its parameters, in words."""
    names = {name.split(".")[-2] if name.endswith((".weight", ".bias")) else name.split(".")[-1] for name in state}
    synthesizes, attends = {"w1", "w2"} <= names, {"query", "key"} & names
    if synthesizes and attends:
        return "a model with w1 and w2, but also query and key"
    if synthesizes:
        return "a synthesizer"
    return (
        "a vanilla model (query, key and pos_emb)" if "pos_emb" in names else "a rope model (query and key, no pos_emb)"
    )


def wired(g: Grading, variant: str, wanted: str) -> Fault | None:
    outcome = training(g, variant)
    if problem := outcome.problem("pretrain"):
        return Fault(f"`run.py pretrain {variant}` does not get as far as training: {problem}", fatal=True)
    state = outcome.values["pretrain"]["state"]
    if variant == "rope" and "pos_emb" in state and attention_fault(g) == "":
        return Fault(
            "the rope model rotates queries and keys, but it also adds learned positions (pos_emb), which RoPE replaces"
        )
    if kind_of(state) != wanted:
        return Fault(f"the variant is not read: `run.py pretrain {variant}` builds {kind_of(state)}, not {wanted}")
    return None


@check(STARTS, "rope_takes_sequences_shorter_than_its_table")
def rope_is_what_run_py_builds(g: Grading) -> Fault | None:
    return wired(g, "rope", "a rope model (query and key, no pos_emb)")


def attention_fault(g: Grading) -> str | None:
    """What is wrong with the attention weights of the rope model's first layer; "" if nothing is."""
    found = tensor(training(g, "rope").values.get("pretrain attention"))
    biases = torch.tensor(inputs(g, True)["biases"], dtype=torch.float64)
    return explain(found, rope_attention(biases, g.edition.n_head, found.size(-1)), 1e-3)


@check("rope_is_what_run_py_builds", "vanilla_looks_at_the_past_only")
def rope_scores_depend_on_the_distance_only(g: Grading) -> Fault | None:
    if problem := training(g, "rope").problem("pretrain attention"):
        return Fault(f"the first attention layer of the rope model cannot be called: {problem}")
    said = attention_fault(g)
    if said is None:
        said = "the scores are not those of queries and keys that are rotated as in equation 3"
    return Fault(f"scores do not depend on the distance only: {said}") if said else None


@check("rope_scores_depend_on_the_distance_only")
def rope_looks_at_the_past_only(g: Grading) -> Fault | None:
    return past_only(training(g, "rope"), "pretrain", "rope")


@check("rope_looks_at_the_past_only", "vanilla_takes_a_whole_block")
def rope_takes_a_whole_block(g: Grading) -> Fault | None:
    return whole_block(training(g, "rope"), "pretrain", "rope", g.edition.block_size)


def small_weights() -> dict[str, torch.Tensor]:
    C, H, block = SMALL["n_embd"], SMALL["n_head"], SMALL["block_size"]
    shapes = {"w1.weight": (C, C), "w1.bias": (C,), "w2": (C // H, block - 1), "b2": (block - 1,), "value.weight": (C, C),
              "value.bias": (C,), "proj.weight": (C, C), "proj.bias": (C,)}  # fmt: skip
    return {name: normal(*shape, seed=i) for i, (name, shape) in enumerate(shapes.items())}


@check("attention_can_be_imported", unless_failed=["vanilla_looks_at_the_past_only"])
def synthesizer_computes_equation_5(g: Grading) -> Fault | None:
    weights, x = small_weights(), normal(11, 7, 6, seed=99)
    plain: Callable[[torch.Tensor], list] = torch.Tensor.tolist
    outcome = g.probe("synthesizer", shape=SMALL, x=plain(x), weights={name: plain(w) for name, w in weights.items()})
    if outcome.problem("names"):
        return Fault(f"SynthesizerAttention(config) cannot be made: {outcome.problem('names')}", fatal=True)
    if sorted(outcome.values["names"]) != sorted(weights) or outcome.problem("loaded"):
        found = ", ".join(outcome.values["names"])
        return Fault(f"SynthesizerAttention should have the parameters {', '.join(weights)} with w2 {tuple(weights['w2'].shape)} and "
                     f"b2 {tuple(weights['b2'].shape)} at {SMALL}; it has {found}")  # fmt: skip
    if problem := outcome.problem("y"):
        return Fault(f"SynthesizerAttention fails on x of shape (11, 7, 6): {problem}", fatal=True)
    found = tensor(outcome.values["y"])
    candidates = synthesized(x, weights, SMALL["n_head"])
    if torch.allclose(found, candidates[""], rtol=0, atol=1e-8) if found.shape == x.shape else False:
        return None
    said = explain(found, candidates, 1e-6) or f"the result of shape {tuple(found.shape)} is something else"
    return Fault(f"SynthesizerAttention is not equation 5: {said}")


@check(STARTS, "synthesizer_computes_equation_5")
def synthesizer_is_what_run_py_builds(g: Grading) -> Fault | None:
    return wired(g, "synthesizer", "a synthesizer")


@check("synthesizer_is_what_run_py_builds", "vanilla_looks_at_the_past_only")
def synthesizer_looks_at_the_past_only(g: Grading) -> Fault | None:
    return past_only(training(g, "synthesizer"), "pretrain", "synthesizer")


@check("synthesizer_looks_at_the_past_only", "vanilla_takes_a_whole_block")
def synthesizer_takes_a_whole_block(g: Grading) -> Fault | None:
    # The starter's w2 has one column less than a block: enough where examples are one shorter than a block, too.
    found = examples(g)
    one_less = not isinstance(found, Fault) and len(found[0].x) == BLOCK - 1
    return whole_block(training(g, "synthesizer"), "pretrain", "synthesizer", g.edition.block_size - one_less)
