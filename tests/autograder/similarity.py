"""Which submissions of a class have predictions or parameters that are equal, or nearly so.

    python tests/autograder/similarity.py SUBMISSION EVIDENCE.npz birth_dev.tsv [birth_test.tsv]

writes what is compared of a submission: its predictions, and a sample of its parameters. It is run in a process of its own,
because the submission may be anything. Then `find_pairs` compares the evidence of all.

*Predictions* of two honest students agree where both are right. They agree elsewhere, too, because frequent places are
given more often. So only the questions that not both answer correctly are compared, and Cohen's kappa (1960) relates the
share of equal predictions among these, p, to the share that is expected by chance, e, from how often each of the two gives
each answer: kappa = (p - e) / (1 - e). It is 0 if they agree as often as by chance, and 1 if always.

*Parameters* are compared by the relative distance |a - b| / |a| of their matrices, estimated from a sample of the numbers.
Models that began from different random numbers are about 1.4 apart.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np

if __name__ == "__main__":
    ROOT = Path(__file__).resolve().parent.parent.parent
    sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from autograder.archive import Refused, open_submission

NEARLY_EQUAL_KAPPA = 0.8  # of predictions
LEAST_COMPARED = 10  # questions; fewer say nothing
NEARLY_EQUAL_DISTANCE = 0.2  # of parameters
SAMPLE = 1000  # numbers of each matrix
MOST_PARAMETERS, MOST_PREDICTIONS = 200 * 2**20, 2**20  # bytes of a file
MOST_NUMBERS = 50_000_000  # of a file of parameters


@dataclass
class Evidence:
    """What is compared of one submission, by the names of its files."""

    predictions: dict[str, list[str]] = field(default_factory=dict)
    answers: dict[str, list[str]] = field(default_factory=dict)  # the right ones, by "dev" and "test"
    digests: dict[str, str] = field(default_factory=dict)  # SHA-256 of the files
    matrices: dict[str, np.ndarray] = field(default_factory=dict)  # a sample of their numbers, by file and shape

    def save(self, path: Path) -> None:
        arrays = {f"predictions/{name}": np.array(lines) for name, lines in self.predictions.items()}
        arrays |= {f"answers/{name}": np.array(lines) for name, lines in self.answers.items()}
        arrays |= {f"digests/{name}": np.array(digest) for name, digest in self.digests.items()}
        arrays |= {f"matrices/{name}": numbers for name, numbers in self.matrices.items()}
        with open(path, "wb") as file:
            np.savez(file, **arrays)

    @classmethod
    def load(cls, path: Path) -> Evidence:
        evidence = cls()
        with np.load(path, allow_pickle=False) as arrays:
            for key in arrays:
                kind, _, name = key.partition("/")
                value = arrays[key]
                getattr(evidence, kind)[name] = value if kind == "matrices" else value.tolist()
        return evidence


@dataclass(frozen=True)
class Pair:
    """Two submissions with something in common."""

    one: str
    other: str
    file: str
    finding: str  # a sentence


# ---------------------------------------------------------------------------------------------------------------------
# Comparing


def kappa(one: Sequence[str], other: Sequence[str], answers: Sequence[Sequence[str]] = ()) -> tuple[int, float, float]:
    """How many predictions are compared, the share of them that is equal, and Cohen's kappa (0 where chance alone makes
    all equal). `answers` are the right ones of both; without them all predictions are compared."""
    right = [{*pair} if len({*pair}) == 1 else set() for pair in zip(*answers)] or [set()] * len(one)
    compared = [(a, b) for a, b, correct in zip(one, other, right) if a not in correct and b not in correct]
    n = len(compared)
    if not n:
        return 0, 0.0, 0.0
    equal = sum(a == b for a, b in compared) / n
    of_one, of_other = Counter(a for a, _ in compared), Counter(b for _, b in compared)
    expected = sum(count * of_other[answer] for answer, count in of_one.items()) / n**2
    return n, equal, (equal - expected) / (1 - expected) if expected < 1 else 0.0


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """|a - b| relative to the mean of |a| and |b|."""
    scale = (np.linalg.norm(one) + np.linalg.norm(other)) / 2
    return float(np.linalg.norm(one - other) / scale) if scale else 0.0


def compare(name: str, a: Evidence, b: Evidence) -> str:
    """What to say of a file that both have; empty if they are different enough."""
    if name.endswith(".predictions"):
        one, other = a.predictions[name], b.predictions[name]
        split = name.split(".")[-2]
        answers = [evidence.answers[split] for evidence in (a, b) if len(evidence.answers.get(split, ())) == len(one)]
        n, equal, agreement = kappa(one, other, answers if len(answers) == 2 else ())
        if len(one) != len(other) or agreement < NEARLY_EQUAL_KAPPA or n < LEAST_COMPARED:
            return ""
        compared = f"the {n} that not both have right" if len(answers) == 2 else f"all {n}"
        return f"{100 * equal:.0f} % of {compared} are equal predictions (kappa {agreement:.2f})"
    if a.digests[name] == b.digests[name]:
        return "equal files"
    shared = [key for key in a.matrices if key.startswith(f"{name}/") and key in b.matrices]  # of the same shapes
    distances = [distance(a.matrices[key], b.matrices[key]) for key in shared]
    if not distances or distances[0] >= NEARLY_EQUAL_DISTANCE:
        return ""
    return f"parameters at a relative distance of {distances[0]:.3f}"


def find_pairs(class_evidence: Mapping[str, Evidence]) -> list[Pair]:
    """All pairs of submissions, given by name, with something equal or nearly so."""
    pairs = []
    for (one, a), (other, b) in combinations(class_evidence.items(), 2):
        for name in a.digests:
            if name in b.digests and (finding := compare(name, a, b)):
                pairs.append(Pair(one, other, name, finding))
    return pairs


# ---------------------------------------------------------------------------------------------------------------------
# Reading a submission


def sample_matrices(content: bytes) -> tuple[str, np.ndarray] | None:
    """A digest of the names and shapes of the matrices in a parameter file, and a sample of their numbers, evenly spaced;
    None if it cannot be read. No code in it is run."""
    import torch

    from engine.files import InputError
    from engine.parameters import is_named_tensor, load_tensors

    try:
        state = load_tensors(content, "")
    except InputError:
        return None
    matrices = {
        name.replace("_orig_mod.", "").removeprefix("module."): tensor
        for name, tensor in (
            sorted(state.items())
            if isinstance(state, dict) and all(map(is_named_tensor, state, state.values()))
            else ()
        )
        if tensor.dim() > 1 and tensor.numel() > 1 and not name.endswith((".mask", ".rope_cache"))
    }
    if not matrices or sum(tensor.numel() for tensor in matrices.values()) > MOST_NUMBERS:
        return None
    layout = repr([(name, tuple(tensor.shape)) for name, tensor in matrices.items()])
    parts = [tensor.flatten()[:: max(1, tensor.numel() // SAMPLE)].float() for tensor in matrices.values()]
    numbers = np.nan_to_num(torch.cat(parts).numpy(), posinf=0, neginf=0)
    return hashlib.sha256(layout.encode()).hexdigest()[:16], numbers


def gather(submission: Path, answers: Sequence[Path]) -> Evidence:
    """The evidence of a submission: none if the archive is refused. `answers` are the files of the dev and, if they are known,
    the test questions."""
    evidence = Evidence()
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = open_submission(submission, Path(folder, "files")).found
        except Refused:
            found = {}
        for name, path in sorted(found.items()):
            predicted = name.endswith(".predictions")
            if path.stat().st_size > (MOST_PREDICTIONS if predicted else MOST_PARAMETERS):
                continue
            content = path.read_bytes()
            if predicted:
                lines = content.decode("utf-8-sig", "replace").replace("\0", "").splitlines()
                evidence.predictions[name] = [line.strip()[:200] for line in lines]
            elif name.endswith(".params") and (sampled := sample_matrices(content)):
                evidence.matrices[f"{name}/{sampled[0]}"] = sampled[1]
            else:
                continue
            evidence.digests[name] = hashlib.sha256(content).hexdigest()
    for split, path in zip(("dev", "test"), answers):
        rows = [line.split("\t") for line in path.read_text("utf-8").splitlines()]
        evidence.answers[split] = [row[1].strip() for row in rows if len(row) == 2]
    return evidence


def limit_memory() -> None:
    """No submission needs more; where limits exist."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (4 * 2**30, 4 * 2**30))
    except (ImportError, ValueError, OSError):
        pass


if __name__ == "__main__":
    limit_memory()
    submission, evidence, *answers = map(Path, sys.argv[1:])
    gather(submission, answers).save(evidence)
