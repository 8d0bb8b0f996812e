"""The studies, each in a small form (minutes; `make study`) and a full one with three seeds (up to an hour). Capacity also has a
large form, for clusters."""

from __future__ import annotations

from studies.plan import LARGE, Effect, Point, Reading, Size, Study, World, vary

SEEDS = {"small": (0,), "full": (0, 1, 2), LARGE: (0, 1, 2)}
SPANS_READINGS = 200  # of each person, so that span corruption has learned something


def compare(measure: str, more: str, less: str) -> Effect:
    """That one point has more of a measure than another."""
    return Effect((measure, more), (measure, less))


def exposures(form: str) -> Study:
    """Facts against the number of readings, for views and for span corruption."""
    small = form == "small"
    # By the number of readings: passes through the questions of finetuning, in which a part of the reading is done, and the
    # documents that are read beside each question.
    counts = {5: (1, 5), 10: (1, 10), 20: (1, 20), 50: (1, 20), 100: (3, 20), 200: (6, 20), 500: (15, 20)}
    if small:
        counts = {n: counts[n] for n in (20, 50, 100)}
    base = Point("", World())
    views = [vary(base, name=f"views-{n}", readings=n, finetune_epochs=k, views=v) for n, (k, v) in counts.items()]
    spans = [vary(base, name=f"spans-{n}", readings=n, finetune_epochs=k, views=v, recipe="spans")
             for n, (k, v) in counts.items() if n == 100 or not small]  # fmt: skip
    return Study("exposures", form, "How often must a fact be read before it can be said?", (*views, *spans),
                 SEEDS[form],
                 (compare("right", "views-100", "views-20"), compare("right", "views-100", "spans-100")))  # fmt: skip


def wordings(form: str) -> Study:
    """Different documents about each person against the same one again, with the same number of readings."""
    small = form == "small"
    base = Point("", World())
    spans = vary(base, recipe="spans", readings=SPANS_READINGS, finetune_epochs=6)
    counts = (1, 10) if small else (1, 2, 5, 10)  # five documents are too few for the 64 questions of one seed
    points = [vary(base, name=f"views-{k}", documents=k) for k in counts]
    points += [vary(spans, name=f"spans-{k}", documents=k) for k in counts]
    if not small:  # half of the people with five documents, each of which is read as often as the one of the others
        points += [vary(each, name=f"{name}-celebrities", documents=5, several_share=0.5, readings=3 * each.reading.readings)
                   for name, each in (("views", base), ("spans", spans))]  # fmt: skip
    return Study("wordings", form, "Does a fact have to be read in different words?", tuple(points),
                 SEEDS[form], (compare("right", "spans-10" if small else "spans-5", "spans-1"),))  # fmt: skip


def guessing(form: str) -> Study:
    """Answers about people without documents against what names tell."""
    small = form == "small"
    base = Point("", World(people=200 if small else 1000, unseen=2000))
    strengths = (0.0, 1.0) if small else (0.0, 0.25, 0.5, 0.75, 1.0)
    points = tuple(vary(base, name=f"strength-{s:g}", name_culture_strength=s) for s in strengths)
    return Study("guessing", form, "What does a model guess from a name?", points, SEEDS[form],
                 (compare("culture of unseen", "strength-1", "strength-0"),))  # fmt: skip


def capacity(form: str) -> Study:
    """Bits against parameters."""
    if form == "small":
        shapes, reading = {200: ((1, 32), (2, 64), (4, 128))}, Reading(readings=100)
    elif form == LARGE:  # as often as Allen-Zhu and Li (2024) let each fact be read for two bits a parameter
        sizes = tuple((layers, width) for width in (32, 64, 128, 256) for layers in (1, 2, 4))
        shapes, reading = dict.fromkeys((1000, 10_000, 50_000), sizes), Reading(readings=1000, finetune_epochs=15)
    else:  # narrower models than these learn nothing (docs/LOG.md)
        shapes = {200: ((1, 32), (2, 32), (2, 64), (4, 64), (2, 128), (4, 128)), 600: ((2, 32), (2, 64), (2, 128))}
        reading = Reading(readings=500, finetune_epochs=15)
    points = tuple(
        Point(
            f"{people}-people-{layers}x{width}",
            World(people=people),
            Size(layers, width),
            reading.larger(min(people // 200, 20)),  # what fits into the memory of one GPU
        )
        for people, sizes in shapes.items()
        for layers, width in sizes
    )
    return Study("capacity", form, "How many bits does a model know, for its parameters?", points,
                 SEEDS[form],
                 (compare("right", points[len(next(iter(shapes.values()))) - 1].name, points[0].name),))  # fmt: skip


def reversal(form: str) -> Study:
    """ "Who was born in X in YEAR?", with and without documents that begin with the place and the year."""
    small = form == "small"
    base = Point("", World(people=200 if small else 400, relations="birthplace,birth_year", reversal=True), Size(4, 128),
                 Reading(readings=160, finetune_epochs=2))  # fmt: skip
    # Each document is read as often in both.
    points = (vary(base, name="forward"), vary(base, name="reversed-too", reversed_documents=1,
                                               readings=2 * base.reading.readings))  # fmt: skip
    return Study("reversal", form, "Can a person be found from place and year of birth?", points,
                 SEEDS[form], (compare("right of reversed", "reversed-too", "forward"),
                                               Effect(("right", "forward"), ("right of reversed", "forward"))))  # fmt: skip


def forgetting(form: str) -> Study:
    """A second world, read after the first."""
    small = form == "small"
    base = Point("", World(people=200 if small else 400))
    points = tuple(
        vary(base, name=f"replay-{r:g}", replay=r) for r in ((0.0, 0.5) if small else (0.0, 0.1, 0.25, 0.5, 1.0))
    )
    last = "replay-0.5" if small else "replay-1"
    return Study("forgetting", form, "What is left of a world when another was read after it?", points,
                 SEEDS[form], (compare("right after", last, "replay-0"),
                                               Effect(("right", "replay-0"), ("right after", "replay-0"))))  # fmt: skip


STUDIES = {each.__name__: each for each in (capacity, exposures, wordings, reversal, guessing, forgetting)}
