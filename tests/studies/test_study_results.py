"""Results: merged from any number of folders, put into tables and figures, compared; and what is wrong with them."""

import json
import math
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from engine.files import InputError
from studies import figures, results
from studies.catalogue import STUDIES
from studies.plan import FORMS, Run

EVERY = [(name, form) for name in STUDIES for form in FORMS]


def a_result(run: Run, right: int = 5) -> dict:
    """A result of a run, as it is read from its file, with so many right answers of ten in each row."""

    def row(stage, split, relation="birthplace", several=False):
        counts = dict.fromkeys(results.COUNTS, 1) | {"facts": 20, "asked": 10, "right": right}
        sums = dict.fromkeys(results.SUMS, 3.0) | {"bits": float(right)}
        return {"stage": stage, "split": split, "relation": relation, "several": several} | counts | sums

    stages = ("first",) if run.point.replay is None else ("before", "after", "second")
    rows = [row(stage, split, several=several) for stage in stages for split in ("train", "dev", "test", "unseen")
            for several in ((False, True) if 0 < run.point.world.several_share < 1 else (False,))]  # fmt: skip
    rows += [row("first", split, "reversal") for split in ("train", "dev") if run.point.world.reversal]
    numbers = {"parameters": 1000 * (1 + run.point.size.n_embd), "tokens": 10**6, "minutes": 1.5, "wall_minutes": 2.0}
    return json.loads(json.dumps({"key": run.key, "settings": run.settings(), "rows": rows} | numbers))


def write(folder: Path, result: object, run: Run) -> Path:
    path = folder / "results" / run.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(result if isinstance(result, str) else json.dumps(result))
    return path


@pytest.mark.parametrize(("name", "form"), EVERY)
@settings(max_examples=8)
@given(st.data())
def test_results_are_merged_from_any_folders(name, form, data):
    """However they are spread, and however many are done, with some in two folders."""
    study = STUDIES[name](form)
    runs = study.runs()
    places = data.draw(st.lists(st.sets(st.integers(0, 2), max_size=2), min_size=len(runs), max_size=len(runs)))
    with tempfile.TemporaryDirectory() as folder:
        folders = [Path(folder, str(i)) for i in range(3)]
        for run, where in zip(runs, places):
            for place in where:
                write(folders[place], a_result(run, right=place), run)
        found = results.read_results(study, folders)
    assert found == {run.key: a_result(run, right=min(where)) for run, where in zip(runs, places) if where}
    lines = results.table(study, found)
    done = {run.point.name for run in runs if run.key in found}
    assert [line.split("|")[1].strip() for line in lines if line.startswith("|")][2:] == [
        point.name for point in study.points if point.name in done
    ]
    assert {*results.document(study, found)["points"]} == done


@pytest.mark.parametrize(("name", "form"), EVERY)
def test_each_study_has_a_figure_of_half_and_of_all(name, form):
    study = STUDIES[name](form)
    for runs in (study.runs(), study.runs()[: len(study.points) // 2]):
        known = results.document(study, {run.key: a_result(run) for run in runs})
        assert figures.svg(known).startswith(b"<?xml")
    assert figures.svg(known) == figures.svg(known)


def test_bits_of_a_world_are_those_of_all_its_facts():
    run = STUDIES["exposures"]("small").runs()[0]
    result = a_result(run, right=4)
    assert results.bits_of(result) == 3 * 4 * 20 / 10  # train, dev and test; half of the facts were asked
    assert results.bits_a_fact(result, "bits", ("dev", "test")) == 0.4
    assert results.share_of("right", [result]) == results.Share(8, 20)
    assert results.share_of("right after", [result]) is None


def wilson(count: int, total: int) -> tuple[float, float]:
    """The roots of |count/total - p| = z sqrt(p (1 - p) / total)."""
    z, n, share = norm.ppf(0.975), total, count / total
    centre, half = share + z * z / (2 * n), z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)


def test_the_interval_of_a_difference_is_newcombes():
    """The paper's first example, 56 of 70 and 48 of 80: from 0.0524 to 0.3339."""
    assert results.difference(results.Share(56, 70), results.Share(48, 80)) == pytest.approx(
        (0.2, 0.0524, 0.3339), abs=5e-5
    )


@given(st.integers(1, 300), st.integers(1, 300), st.data())
def test_the_interval_of_a_difference_against_the_formula(n, m, data):
    a, b = data.draw(st.integers(0, n)), data.draw(st.integers(0, m))
    (low, high), (low_2, high_2), d = wilson(a, n), wilson(b, m), a / n - b / m
    expected = (d, d - math.hypot(a / n - low, high_2 - b / m), d + math.hypot(high - a / n, b / m - low_2))
    found = results.difference(results.Share(a, n), results.Share(b, m))
    assert found == pytest.approx(expected, abs=1e-6) and -1 <= found[1] <= d <= found[2] <= 1


def change(result: dict, *path, value=None) -> dict:
    at = result
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return result


@pytest.mark.parametrize(("damage", "message"), [
    (lambda r: json.dumps(r)[:-20], "is damaged"),
    (lambda r: "", "is damaged"),
    (lambda r: [], "is not the result of a run"),
        (lambda r: "[" * 100_000, "is damaged"),
        (lambda r: r | {"tokens": 10**400}, "is damaged"),
    (lambda r: {}, "is not the result of a run"),
    (lambda r: r | {"rows": []}, "has no rows"),
    (lambda r: r | {"rows": [1]}, "has no rows"),
    (lambda r: r | {"parameters": None}, "lacks numbers"),
    (lambda r: json.dumps(r | {"tokens": math.nan}), "lacks numbers"),
    (lambda r: change(r, "rows", 0, "bits", value="many"), "lacks numbers"),
    (lambda r: change(r, "rows", 0, "split", value=3), "lacks texts"),
    (lambda r: change(r, "rows", 0, "right", value=11), "has impossible counts"),
    (lambda r: change(r, "settings", "seed", value=7), "was made with other settings"),
    (lambda r: change(r, "settings", "size", "n_embd", value=7), "was made with other settings"),
])  # fmt: skip
def test_a_damaged_result_is_named(tmp_path, damage, message):
    study = STUDIES["exposures"]("small")
    run = study.runs()[1]
    path = write(tmp_path, damage(a_result(run)), run)
    with pytest.raises(InputError, match=message) as found:
        results.read_results(study, [tmp_path])
    assert str(found.value).startswith(f"{path}: ") and "\n" not in str(found.value)
    assert "remove it" in str(found.value)


@settings(max_examples=200)
@given(st.data())
def test_a_result_with_a_few_other_bytes_is_read_or_named(data):
    """Never anything but an InputError of one line, and what is read can be put into a table."""
    study = STUDIES["exposures"]("small")
    run = study.runs()[0]
    content = bytearray(json.dumps(a_result(run)).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(
            st.sampled_from(b'0123456789-e.,:{}[]"x\n\xff')
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "results", run.file)
        path.parent.mkdir()
        path.write_bytes(content)
        try:
            found = results.read_results(study, [Path(folder)])
        except InputError as error:
            assert str(error).startswith(str(path)) and "\n" not in str(error)
            return
    assert len(results.table(study, found)) >= 3
    json.dumps(results.document(study, found))
