"""Each small study as `make study` runs it: the effects that it expects are there, and not by chance of the questions."""

import json

import commands
import pytest

import study
from studies.catalogue import STUDIES


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_a_small_study_shows_its_effects(tmp_path, monkeypatch, name):
    """Two to ten minutes on two cores. The 95 % interval of each difference is above 0."""
    pytest.importorskip("faker", reason="only the generator needs Faker")
    assert commands.execute(monkeypatch, name, "--small", "--out", tmp_path, program=study) == 0
    effects = json.loads((tmp_path / f"{name}.small.json").read_text())["effects"]
    assert len(effects) == len(STUDIES[name]("small").effects)
    for text, values in effects.items():
        assert values["low"] > 0, f"{text}: {values}"
