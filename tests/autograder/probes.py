"""What runs beside the student's code, in the jail: it calls their functions and writes down what came out. Nothing is
judged here, because whatever runs in this process can be changed by the code under test.

A probe gets `attempt(name, function, *arguments)`, which writes the value of the function as one line of JSON, or its
error. So what was found before a crash or an endless loop is not lost.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import os
import random
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy
import torch
from torch.overrides import TorchFunctionMode

Attempt = Callable[..., Any]
MOST_NUMBERS = 4_000_000


def run(probe: Callable[..., None], arguments: dict[str, Any], emit: Callable[..., None]) -> None:
    """Runs a probe. `arguments["code"]` is the folder of the student's modules, below the current one."""
    code = os.path.abspath(arguments.pop("code"))
    sys.path.insert(0, code)
    emit(":ready")

    def attempt(name: str, function: Callable[..., object], *given: object) -> object:
        try:
            value = function(*given)
            emit(name, value=plain(value))
            return value
        except BaseException as error:  # noqa: BLE001 - other people's code raises anything, SystemExit for one
            emit(name, error=describe(error))
            return None

    with without_cuda(lambda where: emit(":cuda", value=where)):
        attempt(":end", lambda: probe(attempt, **arguments))


def describe(error: BaseException) -> str:
    """An error in one line, with the last place in the student's code that it passed."""
    here = os.getcwd() + os.sep
    frames = [f for f in traceback.extract_tb(error.__traceback__) if os.path.abspath(f.filename).startswith(here)]
    where = f" ({os.path.abspath(frames[-1].filename).removeprefix(here)}, line {frames[-1].lineno})" if frames else ""
    said = "".join(char if char.isprintable() else " " for char in str(error)[:2000])
    text = f"{type(error).__name__}: {' '.join(said.split())[:300]}".removesuffix(": ")
    return text + where


def plain(value: object) -> object:
    """Tensors as shape, dtype and numbers; the rest has to be plain already."""
    if isinstance(value, torch.Tensor):
        value = value.detach()
        if value.numel() > MOST_NUMBERS:
            raise ValueError(f"a tensor of {tuple(value.shape)}")
        numbers = torch.view_as_real(value) if value.is_complex() else value
        return {"shape": list(value.shape), "dtype": str(value.dtype).removeprefix("torch."),
                "numbers": numbers.double().flatten().tolist()}  # fmt: skip
    if isinstance(value, dict):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)[:200]


@contextlib.contextmanager
def without_cuda(report: Callable[[str], None]) -> Iterator[None]:
    """On a machine without a GPU, code that asks for one gets the CPU; each place in it is reported."""
    reported: set[str] = set()

    def cpu(device: object) -> object:
        name = device.type if isinstance(device, torch.device) else device
        if isinstance(name, str) and name.startswith("cuda"):
            places = [f for f in traceback.extract_stack() if f.filename.startswith(os.getcwd())]
            where = f"{os.path.relpath(places[-1].filename)}, line {places[-1].lineno}" if places else "somewhere"
            if where not in reported:
                reported.add(where)
                report(where)
            return "cpu"
        return device

    class ToCpu(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            if function is torch.Tensor.cuda:
                cpu("cuda")
                return args[0]
            kwargs = {name: cpu(value) if name == "device" else value for name, value in (kwargs or {}).items()}
            if function is torch.Tensor.to:
                args = (args[0], *map(cpu, args[1:]))
            return function(*args, **kwargs)

    load = torch.load

    def load_on_cpu(*arguments, map_location=None, **named):
        where = cpu(map_location) if isinstance(map_location, (str, torch.device)) else map_location
        return load(*arguments, map_location="cpu" if where is None else where, **named)

    if torch.cuda.is_available():
        yield
        return
    torch.load = load_on_cpu
    with ToCpu():
        yield


def seed() -> None:
    """The same random numbers in every grading."""
    random.seed(0)
    numpy.random.seed(0)
    torch.manual_seed(0)


# ---------------------------------------------------------------------------------------------------------------------
# Modules, one at a time


def import_modules(attempt: Attempt, names: Sequence[Sequence[str]]) -> None:
    """Imports modules, of each group the first that exists; what is found goes by the first name of its group."""
    for group in names:
        found = [name for name in group if os.path.exists(os.path.join(sys.path[0], name + ".py"))] or group
        attempt(group[0], lambda name: importlib.import_module(name) and name, found[0])


def span_corruption(attempt: Attempt, corpora: Sequence[str], block_size: int, samples: int) -> None:
    """Examples of CharCorruptionDataset: `samples` of each corpus, in turns of its documents."""
    module = importlib.import_module("dataset")
    seed()
    attributes = ("stoi", "itos", "vocab_size", "block_size", "MASK_CHAR", "PAD_CHAR")
    for number, corpus in enumerate(corpora):
        dataset, count = module.CharCorruptionDataset(corpus, block_size), len(corpus.split("\n"))
        attempt(f"{number} dataset", lambda made: {name: getattr(made, name) for name in attributes}, dataset)
        for sample in range(samples):
            attempt(f"{number} {sample}", lambda made, i: [*made[i]], dataset, sample % count)


def name_dataset(attempt: Attempt, corpus: str, block_size: int, questions: str) -> None:
    module = importlib.import_module("dataset")
    names = module.NameDataset(module.CharCorruptionDataset(corpus, block_size), questions)
    for i in range(len(questions.splitlines())):
        attempt(str(i), lambda i: [*names[i]], i)


def rope(attempt: Attempt, cases: Sequence[dict[str, Any]]) -> None:
    """The table of angles, and vectors rotated by it: {"dim", "positions", "x", "shape"} each."""
    module = importlib.import_module("attention")
    for number, case in enumerate(cases):
        table = attempt(f"{number} table", module.precompute_rotary_emb, case["dim"], case["positions"])
        x = torch.tensor(case["x"], dtype=torch.float32).view(case["shape"])
        if table is not None:
            attempt(f"{number} rotated", module.apply_rotary_emb, x, table)


def synthesizer(attempt: Attempt, shape: dict[str, int], x: Sequence, weights: dict[str, Sequence]) -> None:
    """SynthesizerAttention of a small shape, with given weights."""
    module = importlib.import_module("attention")
    config = SimpleNamespace(vocab_size=10, n_layer=1, embd_pdrop=0.0, resid_pdrop=0.0, attn_pdrop=0.0, rope=False,
                             synthesizer=True, variant="synthesizer", **shape)  # fmt: skip
    layer = module.SynthesizerAttention(config).double().eval()
    attempt("names", lambda: [name for name, _ in layer.named_parameters()])
    attempt("loaded", fill, layer, weights)
    attempt("y", lambda: layer(torch.tensor(x, dtype=torch.float64)))


def fill(module: Any, weights: dict[str, Sequence]) -> None:
    """Sets parameters of a module, by name. One that has a column more than is given gets 0 there."""
    parameters = dict(module.named_parameters())
    with torch.no_grad():
        for name, value in weights.items():
            given = torch.tensor(value, dtype=torch.float64)
            missing = parameters[name].size(-1) - given.size(-1)
            parameters[name].copy_(torch.nn.functional.pad(given, (0, int(missing == 1))))


def unfinished(attempt: Attempt, names: Sequence[str]) -> None:
    """The functions in which nothing is done: "models.py: DownProjectBlock.forward"."""

    def is_empty(function: ast.FunctionDef) -> bool:
        for line in function.body:
            constant = isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)
            unwritten = isinstance(line, ast.Raise) and "NotImplementedError" in ast.dump(line)
            if not (constant or unwritten or isinstance(line, ast.Pass)):
                return False
        return True

    def find(file: str) -> list[str]:
        with open(os.path.join(sys.path[0], file), encoding="utf-8") as source:
            tree = ast.parse(source.read())
        classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        methods = {f"{c.name}.{f.name}": f for c in classes for f in c.body if isinstance(f, ast.FunctionDef)}
        functions = {f.name: f for f in tree.body if isinstance(f, ast.FunctionDef)}
        return [f"{file}: {name}" for name, f in (methods | functions).items() if is_empty(f)]

    for name in names:
        attempt(name, find, name)


# ---------------------------------------------------------------------------------------------------------------------
# Parameters: no student's code runs here, but their file is read


def parameters(attempt: Attempt, file: str, target: str) -> None:
    """Reads a parameter file without running code in it. Names and shapes of its tensors; their numbers go to the file
    `target` as float32, one tensor after the other."""

    def read() -> dict[str, list[int]]:
        saved = torch.load(file, map_location="cpu", weights_only=True)
        if not isinstance(saved, dict) or not saved:
            raise TypeError(f"it holds a {type(saved).__name__}, not a state_dict")
        for name, tensor in saved.items():
            if not isinstance(name, str) or not isinstance(tensor, torch.Tensor) or tensor.layout != torch.strided:
                raise TypeError(f"it holds {str(name)[:50]!r}, which is no tensor of a state_dict")
        for prefix in ("module.", "_orig_mod.", "module."):
            if all(name.startswith(prefix) for name in saved):
                saved = {name.removeprefix(prefix): tensor for name, tensor in saved.items()}
        if sum(tensor.numel() for tensor in saved.values()) > 50_000_000:
            raise ValueError("it holds more than 50 million numbers")
        with open(target, "wb") as out:
            for tensor in saved.values():
                out.write(tensor.to(torch.float32).contiguous().numpy().tobytes())
        return {name: list(tensor.shape) for name, tensor in saved.items()}

    attempt("shapes", read)
