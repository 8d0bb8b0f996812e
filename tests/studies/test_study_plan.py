"""Plans: what the studies consist of."""

import pytest

from studies.catalogue import STUDIES
from studies.plan import FORMS, LARGE, Point, Reading, Run, World, vary
from studies.results import COLUMNS, MEASURES

EVERY = [*(STUDIES[name](form) for name in STUDIES for form in FORMS), STUDIES["capacity"](LARGE)]


@pytest.mark.parametrize("study", EVERY, ids=lambda study: f"{study.name}.{study.form}")
def test_each_study_is_sound(study):
    names = [point.name for point in study.points]
    assert len(set(names)) == len(names) and len({run.key for run in study.runs()}) == len(names) * len(study.seeds)
    assert len({run.file for run in study.runs()}) == len(study.runs())
    assert study.effects
    for effect in study.effects:
        for measure, point in (effect.more, effect.less):
            assert point in names and measure in MEASURES
    assert all(measure in MEASURES for measure in COLUMNS[study.name])
    for point in study.points:
        assert point.size.n_embd % point.size.n_head == 0 and point.size.n_embd // point.size.n_head % 2 == 0
        epochs = point.reading.pretrain_epochs(point.world)
        per_pass = point.world.documents_a_person + point.world.reversed_documents
        read = epochs * per_pass + point.reading.finetune_readings(point.world)
        assert read == pytest.approx(point.reading.readings, abs=per_pass / 2 + 0.01)
    if study.form == "small":
        assert study.minutes / 2 < 10  # on two cores
        assert len(study.seeds) == 1
    else:
        assert len(study.seeds) == 3


def test_wordings_reads_as_much_of_each_kind():
    """The same number of readings of a person, whatever the number of documents; of celebrities, of each document."""
    for form in FORMS:
        points = {point.name: point for point in STUDIES["wordings"](form).points}
        for kind in ("views", "spans"):
            own = [p for name, p in points.items() if name.startswith(kind) and "celebrities" not in name]
            assert len({p.reading.readings for p in own}) == 1 and len(own) > 1
            if half := points.get(f"{kind}-celebrities"):
                read = half.reading.pretrain_epochs(half.world) + half.reading.finetune_readings(half.world) / 3
                assert read == pytest.approx(own[0].reading.readings, abs=1)


def test_readings_are_counted():
    reading, world = Reading(readings=100, finetune_epochs=3), World(people=2937)
    asked = 3 * 2000 * 20  # three times through 2,000 questions with 20 views each
    assert reading.finetune_readings(world) == pytest.approx(asked / 2937)
    assert reading.pretrain_epochs(world) == round(100 - asked / 2937)
    assert reading.pretrain_epochs(World(people=2937, documents=5)) == round((100 - asked / 2937) / 5)
    assert Reading(readings=1).pretrain_epochs(world) == 1
    few = Reading(readings=5, finetune_epochs=1, views=5)
    assert few.finetune_readings(world) == pytest.approx(2000 * 5 / 2937) and few.pretrain_epochs(world) == 2


def test_a_point_is_varied_where_a_value_belongs():
    point = vary(Point("a"), name="b", people=300, n_embd=64, readings=7, replay=0.5)
    assert (point.name, point.world.people, point.size.n_embd, point.reading.readings, point.replay) == (
        "b",
        300,
        64,
        7,
        0.5,
    )
    with pytest.raises(TypeError):
        vary(Point("a"), persons=300)


def test_worlds_with_other_files_have_other_folders():
    worlds = [World(), World(people=201), World(documents=2), World(relations="birthplace,field"), World(unseen=1)]
    assert len({world.folder(seed) for world in worlds for seed in (0, 1)}) == 10
    assert World(reversal=True).folder(0) == World().folder(0)


def test_saved_results_are_found_although_plans_have_more_numbers_now():
    """docs/measured has results from when all readings had 20 views beside each question."""
    few = vary(Point("few"), views=5)
    old, new = (Run("exposures", "full", point, 0) for point in (Point("usual"), few))
    assert "views" not in old.settings()["reading"] and new.settings()["reading"]["views"] == 5
    assert old.file != new.file
