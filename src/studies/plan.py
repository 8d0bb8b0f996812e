"""What a study is: points, each a world, a size and an amount of reading, and seeds. A run is one point with one seed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from recipe import RECIPES

FORMS = ("small", "full")
LARGE = "large"  # a third form, of capacity: for clusters
VIEWS = RECIPES["fast"].finetune.views  # documents read beside a question; `spans` has as many
TRAIN_SHARE = 2000 / 2937  # of the questions about people with documents
HEAD_SIZE = 32  # features of a head, as in the handouts' models
# Seconds of one core a run takes: for its start, for a thousand tokens, and more for those of a larger model. Measured on
# an otherwise idle AMD EPYC (Zen 4) in bfloat16; other machines differ by a factor of two or three.
SECONDS_A_RUN, SECONDS_A_KILOTOKEN, SECONDS_A_MEGAPARAMETER = 15.0, 0.01, 0.05
TOKENS_A_READING = {"fast": 45, "spans": 59}  # about


@dataclass(frozen=True)
class World:
    """A world of data/make_study_world.py. Its seed is that of the run."""

    people: int = 200
    documents: int = 1  # about each of `several_share` of the people; about the others, one
    several_share: float = 1.0
    name_culture_strength: float = 0.8
    relations: str = "birthplace"
    unseen: int = 500
    reversed_documents: int = 0
    reversal: bool = False  # whether "Who was born in X in YEAR?" is asked too

    def contents(self, seed: int) -> dict[str, Any]:
        """All that the files of the world depend on."""
        return {name: value for name, value in asdict(self).items() if name != "reversal"} | {"seed": seed}

    def flags(self, seed: int) -> list[str]:
        """The flags of make_study_world.py, without --out."""
        return [word for name, value in self.contents(seed).items() for word in (f"--{name}", str(value))]

    def folder(self, seed: int) -> str:
        """A name for the folder of the world's files; worlds with the same files have the same."""
        return "-".join(str(value).replace(",", "+") for value in self.contents(seed).values())

    @property
    def documents_a_person(self) -> float:
        """Mean number of documents about a person."""
        return 1 + (self.documents - 1) * self.several_share


@dataclass(frozen=True)
class Size:
    """The size of a model."""

    n_layer: int = 4
    n_embd: int = 128

    @property
    def n_head(self) -> int:
        return max(2, self.n_embd // HEAD_SIZE)

    @property
    def parameters(self) -> int:
        """About how many parameters the model has; 100 symbols are assumed."""
        return 12 * self.n_layer * self.n_embd**2 + 200 * self.n_embd


@dataclass(frozen=True)
class Reading:
    """How a model reads and is asked. `readings` is how often it reads about each person, in pretraining and beside the
    questions of finetuning, by the recipe `fast` or `spans`."""

    readings: int = 100
    recipe: str = "fast"
    finetune_epochs: int = 3
    pretrain_batch: int = 16
    finetune_batch: int = 2
    views: int = VIEWS  # documents read beside each question

    def larger(self, factor: int) -> Reading:
        """The same with batches so many times as large: as many steps for a world that is as much larger."""
        return replace(self, pretrain_batch=self.pretrain_batch * factor, finetune_batch=self.finetune_batch * factor)

    def finetune_readings(self, world: World) -> float:
        """How often a person is read about in finetuning, on average."""
        relations = world.relations.count(",") + 1 + world.reversal
        return self.views * self.finetune_epochs * TRAIN_SHARE * relations

    def pretrain_epochs(self, world: World) -> int:
        """Passes through the corpus in pretraining, such that the readings of a person add up. At least 1."""
        rest = self.readings - self.finetune_readings(world)
        return max(1, round(rest / (world.documents_a_person + world.reversed_documents)))


@dataclass(frozen=True)
class Point:
    """What one run of a study does, apart from the seed."""

    name: str  # unique in the study
    world: World = World()
    size: Size = Size()
    reading: Reading = Reading()
    # With a replay (0 to 1), a second world is read after the first, together with this share of the first's documents.
    replay: float | None = None

    @property
    def minutes(self) -> float:
        """About how long a run takes, on one core."""
        readings = max(self.reading.readings, self.reading.finetune_readings(self.world) + 1)
        kilotokens = self.world.people * readings * TOKENS_A_READING[self.reading.recipe] / 1000
        seconds = SECONDS_A_KILOTOKEN + SECONDS_A_MEGAPARAMETER * self.size.parameters / 1e6
        worlds = 1 if self.replay is None else 2 + self.replay
        return (SECONDS_A_RUN + kilotokens * seconds * worlds) / 60


@dataclass(frozen=True)
class Effect:
    """What the study expects to see: a greater share in one place than in another. Each is a measure of results.py, and the
    name of a point."""

    more: tuple[str, str]
    less: tuple[str, str]


@dataclass(frozen=True)
class Run:
    """One training, and what is asked after it."""

    study: str
    form: str
    point: Point
    seed: int

    @property
    def key(self) -> str:
        """Its name on command lines and in tables."""
        return f"{self.study}.{self.form}.{self.point.name}.s{self.seed}"

    def settings(self) -> dict[str, Any]:
        """All that its result depends on, as it is saved."""
        settings = asdict(self.point) | {"seed": self.seed}
        del settings["name"]
        if self.point.reading.views == VIEWS:  # results were saved before this could differ
            del settings["reading"]["views"]
        return settings

    @property
    def file(self) -> str:
        """The name of its result. Runs of different studies with the same settings have the same result."""
        return f"{hashlib.sha256(json.dumps(self.settings()).encode()).hexdigest()[:16]}.json"


@dataclass(frozen=True)
class Study:
    """A question, and the runs that answer it."""

    name: str
    form: str
    question: str
    points: tuple[Point, ...]
    seeds: tuple[int, ...]
    effects: tuple[Effect, ...]

    def runs(self) -> list[Run]:
        """All runs, seed by seed, so that half a study has all points."""
        return [Run(self.name, self.form, point, seed) for seed in self.seeds for point in self.points]

    @property
    def minutes(self) -> float:
        """About how long all runs take on one core."""
        return sum(run.point.minutes for run in self.runs())


def vary(base: Point, **worlds_sizes_or_readings: object) -> Point:
    """The point with other values, each where it belongs: `vary(base, name="small", people=100, n_embd=32)`."""
    values, changed = dict(worlds_sizes_or_readings), {}
    for part in ("world", "size", "reading"):
        old = getattr(base, part)
        own = {name: values.pop(name) for name in list(values) if name in asdict(old)}
        changed[part] = replace(old, **own)
    return replace(base, **changed, **values)
