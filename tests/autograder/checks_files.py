"""Checks of what was handed in beside the code: parameters, predictions, the London baseline, and how many are right."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from autograder.archive import sha256
from autograder.checks_code import about_cuda, training
from autograder.checks_variants import explain, kind_of
from autograder.edition import AGREEMENT, OWN_SECONDS
from autograder.grading import Fault, Grading, Skip, check
from autograder.reference import FILES, blank_model, given_again, rope_tables
from autograder.sandbox import Outcome
from model import GPT
from questions import score


@dataclass(frozen=True)
class Trained:
    """A model that the handouts want: its variant and the beginnings of its files' names."""

    variant: str
    parameters: str
    predictions: str

    def predicted(self, split: str) -> str:
        return f"{self.predictions}.{split}.predictions"


SCRATCH = Trained("vanilla", "vanilla.model.params", "vanilla.nopretrain")
FINETUNED = Trained("vanilla", "vanilla.finetune.params", "vanilla.pretrain")
ROPE = Trained("rope", "rope.finetune.params", "rope.pretrain")
SYNTHESIZER = Trained("synthesizer", "synthesizer.finetune.params", "synthesizer.pretrain")
WANTED = {"vanilla": "a vanilla model (query, key and pos_emb)", "rope": "a rope model (query and key, no pos_emb)",
          "synthesizer": "a synthesizer"}  # fmt: skip

# ---------------------------------------------------------------------------------------------------------------------
# Parameters


def tensors_of(g: Grading, name: str) -> dict[str, torch.Tensor] | str:
    """The tensors in a parameter file, read in the jail; or why there are none."""
    path = g.submission.found[name]

    def read() -> dict[str, torch.Tensor] | str:
        outcome = g.sandbox.run(
            "parameters", ".", {"file.params": path}, g.limits, file="file.params", target="numbers"
        )
        if problem := outcome.problem("shapes"):
            return problem
        shapes, content = outcome.values["shapes"], outcome.values["target"]
        counts = {name: math.prod(shape) for name, shape in shapes.items()}
        if content is None or len(content) != 4 * sum(counts.values()):
            return "its numbers cannot be read"
        numbers = torch.from_numpy(np.frombuffer(content, np.float32).copy())
        pieces = numbers.split([*counts.values()])
        return {name: piece.view(shape) for (name, shape), piece in zip(shapes.items(), pieces)}

    return g.once(["tensors", sha256(path)], read)


def missing(g: Grading, *names: str) -> Fault | Skip | None:
    """What to say of files that are not there."""
    gone = [name for name in names if name not in g.submission.found]
    if not gone:
        return None
    if not g.whole:
        return Skip(f"not handed in: {', '.join(gone)}")
    return Fault(f"not there: {', '.join(gone)}", fatal=True)


def is_buffer(name: str) -> bool:
    return name.endswith((".mask", ".rope_cache"))


def different_shapes(state: Mapping[str, torch.Tensor], model: GPT) -> str | None:
    """How the names or shapes of parameters differ from those of a model; w2 and b2 may have one more column."""
    expected = {name: tensor.shape for name, tensor in model.state_dict().items()}
    for name, shape in expected.items():
        if name not in state:
            if is_buffer(name):
                continue
            return f"it has no {name}"
        found = state[name].shape
        one_more = name.endswith((".w2", ".b2")) and found == (*shape[:-1], shape[-1] + 1)
        if found != shape and not one_more and not (is_buffer(name) and found.numel() == shape.numel()):
            where = ", of another wiki.txt" if name == "tok_emb.weight" else ""
            return f"{name} is {tuple(found)}, it should be {tuple(shape)}{where}"
    extra = [name for name in state if name not in expected and not is_buffer(name)]
    return f"it also has {extra[0]}" if extra else None


def buffer_fault(state: Mapping[str, torch.Tensor], head_size: int) -> str | None:
    """What is wrong with the masks and tables of angles that are saved with the parameters."""
    for name, tensor in state.items():
        if name.endswith(".mask"):
            square = tensor.reshape(tensor.shape[-2:])
            if not torch.equal(square != 0, torch.ones_like(square).tril() != 0):
                return f"{name} is not a triangle of ones, so that positions see the future or not the past"
        if name.endswith(".rope_cache"):
            if tensor.dim() != 3 or tensor.shape[1:] != (head_size // 2, 2):
                return f"{name} is {tuple(tensor.shape)}, it should be (positions, {head_size // 2}, 2)"
            tables, near = rope_tables(head_size, len(tensor)), min(4, len(tensor))
            if explain(tensor.double(), {"": tables[""]}, 1e-3) != "":
                said = explain(tensor[:near].double(), {text: table[:near] for text, table in tables.items()}, 1e-2)
                return f"{name} is not the table of the handout's angles" + (f": {said}" if said else "")
    return None


def check_parameters(g: Grading, model: Trained, code: Sequence[str]) -> Fault | Skip | None:
    if gone := missing(g, model.parameters):
        return gone
    state = tensors_of(g, model.parameters)
    if isinstance(state, str):
        more = "Weights only" in state
        said = "it holds more than tensors, a whole pickled model perhaps" if more else state
        return Fault(f"{model.parameters} cannot be read without running code in it: {said}; write it with "
                     "torch.save(model.state_dict(), path)", fatal=True)  # fmt: skip
    for name in code:  # a fault of the code shows in the parameters that it has made; it is told, and counts, there
        found = g.result(name)
        if isinstance(found, Skip) and found.cause or g.failed(name):
            return Skip(f"not checked because of {name}", name if g.failed(name) else found.cause)
    found = kind_of(state)
    if found != WANTED[model.variant]:
        return Fault(f"{model.parameters} holds {found}, not {WANTED[model.variant]}", fatal=True)
    reference = blank_model(g.edition, g.data.corpus.vocab_size, model.variant)
    if problem := different_shapes(state, reference):
        return Fault(f"{model.parameters} is of another model: {problem}", fatal=True)
    broken = next((name for name, tensor in state.items() if not tensor.isfinite().all()), None)
    if broken:
        return Fault(f"{model.parameters}: {broken} holds NaN or infinite numbers", fatal=True)
    problem = buffer_fault(state, g.edition.n_embd // g.edition.n_head)
    return Fault(f"{model.parameters}: {problem}") if problem else None


# ---------------------------------------------------------------------------------------------------------------------
# Predictions


def lines_of(g: Grading, name: str) -> list[str] | str:
    """The lines of a prediction file; or why there are none."""
    content = g.submission.found[name].read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return "is not UTF-8"
    return text.replace("\r\n", "\n").removesuffix("\n").split("\n")


def check_lines(g: Grading, model: Trained) -> Fault | Skip | None:
    if gone := missing(g, *map(model.predicted, g.data.questions)):
        return gone
    for split, questions in g.data.questions.items():
        name = model.predicted(split)
        lines = lines_of(g, name)
        if isinstance(lines, str):
            return Fault(f"{name} {lines}")
        if len(lines) != len(questions):
            return Fault(f"{name} has {len(lines)} lines, it should have {len(questions)}, one for each question")
    return None


def given_by_reference(g: Grading, model: Trained, split: str) -> tuple[list[bool], list[str]]:
    """Whether this repository's code gives the predictions with the student's parameters, and what it gives."""
    lines = lines_of(g, model.predicted(split))

    def make() -> tuple[list[bool], list[str]]:
        own = blank_model(g.edition, g.data.corpus.vocab_size, model.variant)
        state = tensors_of(g, model.parameters)
        with torch.no_grad():
            for name, parameter in own.named_parameters():
                parameter.copy_(state[name][..., : parameter.size(-1)])
        return given_again(own, g.data.corpus, g.data.questions[split], lines)

    key = ["given", sha256(g.submission.found[model.parameters]), model.variant, str(g.data.folder), split, lines]
    return g.once(key, make)


def share(flags: Sequence[bool]) -> float:
    return sum(flags) / len(flags)


def check_reproduced(g: Grading, model: Trained) -> Fault | None:
    for split in g.data.questions:
        same, answers = given_by_reference(g, model, split)
        if share(same) >= AGREEMENT:
            continue
        i, given = same.index(False), lines_of(g, model.predicted(split))
        wrong = (f"{model.predicted(split)}: {share(same):.0%} of its lines are what {model.parameters} answers (line {i + 1} "
                 f"says {given[i][:40]!r}, the parameters {answers[i][:40]!r})")  # fmt: skip
        own = own_answers(g, model)
        if isinstance(own, dict) and share(own[split]) >= AGREEMENT:
            return Fault(f"{wrong}, but your own code gives them: it computes something else than the handout's model")
        return Fault(f"{wrong}: they are the predictions of another model")
    return None


# ---------------------------------------------------------------------------------------------------------------------
# The student's own evaluation


def own_evaluation(g: Grading, model: Trained) -> Outcome:
    """The student's `run.py evaluate` for some questions of dev and of test."""
    asked = {FILES[split]: "".join(g.data.sampled(split).values()) for split in FILES}
    files = {"wiki.txt": g.data.folder / "wiki.txt", model.parameters: g.submission.found[model.parameters], **asked}
    runs = [{"name": split, "outputs": f"{split}.predictions",
             "words": ["evaluate", model.variant, "wiki.txt", "--reading_params_path", model.parameters, "--eval_corpus_path",
                       FILES[split], "--outputs_path", f"{split}.predictions"]} for split in FILES]  # fmt: skip
    return g.probe("evaluate", files, min(OWN_SECONDS, 5 * g.limits.seconds), runs=runs)


def own_answers(g: Grading, model: Trained) -> dict[str, list[bool]] | str:
    """Whether the student's code gives their predictions again, for some questions of each split; or why it gives none."""
    outcome, same = own_evaluation(g, model), {}
    for split in FILES:
        if problem := outcome.problem(split):
            return problem
        again, numbers, given = outcome.values[split], [*g.data.sampled(split)], lines_of(g, model.predicted(split))
        if len(again) != len(numbers):
            return f"it wrote {len(again)} lines for {len(numbers)} questions"
        same[split] = [line.strip() == given[i].strip() for i, line in zip(numbers, again)]
    return same


def check_own_code(g: Grading, model: Trained) -> Fault | Skip | None:
    own = own_answers(g, model)
    if isinstance(own, str):
        if about_cuda(own):
            return Skip("not checked because run.py evaluate asks for a GPU", "it_runs_without_a_gpu")
        return Fault(f"`run.py evaluate {model.variant}` with {model.parameters} fails: {own}")
    for split, same in own.items():
        if share(same) < AGREEMENT:
            return Fault(f"your own code gives other predictions than {model.predicted(split)}: {share(same):.0%} of {len(same)} are "
                         "the same; the code handed in is not what made them")  # fmt: skip
    return None


# ---------------------------------------------------------------------------------------------------------------------
# How many are right


def check_threshold(
    g: Grading, model: Trained, split: str, doubts: Sequence[str], least: float | None = None
) -> Fault | Skip | None:
    """Whether enough answers are right, unless one of the checks `doubts` says that they are not the model's."""
    if skip := g.failed(*doubts):
        return skip
    answers = g.data.answers[split]
    if answers is None:
        return Skip("the answers of the test set are not known: name them with --answers")
    total, right = score(answers, [line.strip() for line in lines_of(g, model.predicted(split))])
    needed = 1 if least is None else math.ceil(least * total - 1e-9)
    if right >= needed:
        return None
    return Fault(f"{right:.0f} of {total:.0f} answers of {split} are right ({right / total:.1%}), at least {needed} "
                 f"({needed / total:.1%}) are needed")  # fmt: skip


def needed_share(g: Grading, model: Trained, split: str) -> float:
    handout = 5 if model is SYNTHESIZER else g.handout or 4
    return g.edition.threshold(handout, f"{model.variant} {split}")


def register(name: str, judge: Callable, *needs: str, unless_failed: Sequence[str] = ()) -> None:
    """Makes a function a check of that name."""
    judge.__name__ = name
    check(*needs, unless_failed=unless_failed)(judge)


def register_model(model: Trained, kind: str, beginning: str, lines: str, match: str, before: Sequence[str]) -> None:
    """The checks of a model's files: the same ones for each, with other names. `before` are the checks of other models that
    run the same evaluation code."""
    code = {"rope": ["rope_is_what_run_py_builds"], "synthesizer": ["synthesizer_is_what_run_py_builds"]}.get(
        model.variant, []
    )
    whole = f"{model.variant}_takes_a_whole_block"
    own, doubts = (
        f"{beginning}_the_own_code_gives_the_predictions",
        (kind, match, f"{beginning}_the_own_code_gives_the_predictions"),
    )
    its_own = ["the_finetuned_parameters_are_parameters_of_their_own"] if model is FINETUNED else []
    register(kind, lambda g: check_parameters(g, model, code))
    register(lines, lambda g: check_lines(g, model))
    register(match, lambda g: check_reproduced(g, model), kind, lines, *its_own)
    vocabulary = "vocabulary_is_pad_mask_and_the_sorted_characters"
    register(own, lambda g: check_own_code(g, model), match, whole, unless_failed=[vocabulary, *before])
    if model is SCRATCH:
        one = "without_pretraining_at_least_one_is_right"
        register(one, lambda g: check_threshold(g, model, "dev", doubts), lines)
        return
    for split in ("test",) if model is ROPE else ("dev", "test"):
        judge = lambda g, split=split: check_threshold(g, model, split, doubts, needed_share(g, model, split))
        register(f"{beginning}_enough_of_{split}_is_right", judge, lines)


OWN = [f"{beginning}_the_own_code_gives_the_predictions" for beginning in ("without_pretraining", "finetuned")]
register_model(SCRATCH, "without_pretraining_the_parameters_are_a_vanilla_model", "without_pretraining",
               "without_pretraining_there_is_one_prediction_a_question",
               "without_pretraining_the_predictions_are_those_of_the_parameters", [])  # fmt: skip
register_model(FINETUNED, "the_finetuned_parameters_are_a_vanilla_model", "finetuned",
               "finetuned_there_is_one_prediction_a_question", "the_finetuned_predictions_are_those_of_the_parameters",
               OWN[:1])  # fmt: skip
register_model(ROPE, "the_rope_parameters_are_a_rope_model", "rope", "rope_gives_one_prediction_a_question",
               "the_rope_predictions_are_those_of_the_parameters", OWN)  # fmt: skip
register_model(SYNTHESIZER, "the_synthesizer_parameters_are_a_synthesizer", "synthesizer",
               "synthesizer_gives_one_prediction_a_question", "the_synthesizer_predictions_are_those_of_the_parameters",
               OWN)  # fmt: skip


@check("the_finetuned_parameters_are_a_vanilla_model")
def the_finetuned_parameters_are_parameters_of_their_own(g: Grading) -> Fault | None:
    finetuned = tensors_of(g, FINETUNED.parameters)
    for name, what in ((SCRATCH.parameters, "were not pretrained"), ("vanilla.pretrain.params", "were not finetuned")):
        other = tensors_of(g, name) if name in g.submission.found else ""
        if isinstance(other, str):
            continue
        names = [n for n in finetuned if n in other and not is_buffer(n) and finetuned[n].shape == other[n].shape]
        if names and all(torch.allclose(finetuned[n], other[n], rtol=0, atol=1e-6) for n in names):
            return Fault(f"{FINETUNED.parameters} equals {name}: these parameters {what}")
    return None


@check("the_modules_can_be_imported")
def it_runs_without_a_gpu(g: Grading) -> Fault | None:
    outcomes = {"scratch": training(g), "pretrain": training(g, "vanilla")}
    if SCRATCH.parameters in g.submission.found:
        outcomes["dev"] = own_evaluation(g, SCRATCH)
    places = sorted({place for outcome in outcomes.values() for place in outcome.cuda})
    if places:
        return Fault(f'the GPU is written down, as in .to("cuda") ({places[0]}), so that the code fails on a machine without '
                     'one: take "cuda" only if torch.cuda.is_available()')  # fmt: skip
    problems = [outcome.problem(name) for name, outcome in outcomes.items()]
    if needs := [problem for problem in problems if about_cuda(problem)]:
        return Fault(f"the code asks for a GPU and fails without one: {needs[0]}", fatal=True)
    return None


# ---------------------------------------------------------------------------------------------------------------------
# London


@check(unless_failed=["the_modules_can_be_imported"])
def always_london_is_computed(g: Grading) -> Fault | None:
    london = g.data.london

    def is_right(text: str) -> bool:
        return any(abs(float(text) - value) < close for value, close in ((london, 0.06), (london / 100, 0.0006)))

    name = "london_baseline_accuracy.txt"
    if g.handout == 4 and g.whole:
        if gone := missing(g, name):
            return Fault(gone.reason)
        content = g.submission.found[name].read_text(encoding="utf-8", errors="replace").strip()
        if not re.fullmatch(r"\d+(\.\d+)?\s*%?", content):
            return Fault(f"{name} should hold a number and nothing else ({london:.1f}), it holds {content[:60]!r}")
        if not is_right(content.rstrip(" %")):
            return Fault(f"{name} holds {content}, always answering London is right in {london:.1f} % of dev")
    places = [place for place in g.submission.tree if place.split("/")[-1] == "london_baseline.py"]
    if not places:
        return Fault("london_baseline.py is not there")
    dev = g.data.folder / "birth_dev.tsv"
    outcome = g.probe("london", {"birth_dev.tsv": dev, "data/birth_dev.tsv": dev}, script=places[0])
    if problem := outcome.problem("run"):
        return Fault(f"london_baseline.py fails: {problem}")
    numbers = [*re.findall(r"\d+\.?\d*", outcome.stdout[-2000:]), *(outcome.values.get("file") or ())]
    if not any(map(is_right, numbers)):
        found = ", ".join(numbers[:5]) or "no number"
        return Fault(
            f"london_baseline.py does not compute {london:.1f} %, the accuracy on dev of always answering London: it says {found}"
        )
    return None
