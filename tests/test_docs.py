"""What the documents say of the rest of the repository."""

import importlib
import json
import re
from pathlib import Path

import pytest

from engine.files import ROOT
from studies import results
from studies.catalogue import STUDIES

MEASURED = ROOT / "docs" / "measured"
DOCUMENTS = [ROOT / "README.md", ROOT / "data" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_tests_that_are_named_exist(path):
    tests = {file.name: file.read_text("utf-8") for file in (ROOT / "tests").glob("*.py")}
    everything = "\n".join(tests.values())
    for name in re.findall(r"`(test_\w+(?:\.py)?(?:::test_\w+)?)`", path.read_text("utf-8")):
        file, _, function = name.rpartition("::")
        if name.endswith(".py"):
            assert name in tests, name
        else:
            assert f"def {function}(" in (tests[file] if file else everything), name


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text("utf-8")):
        assert Path(path.parent, target).exists(), target


def numbers_in(value):
    if isinstance(value, dict | list):
        return set().union(*map(numbers_in, value.values() if isinstance(value, dict) else value))
    if isinstance(value, str):
        return {float(found) for found in re.findall(r"\d+(?:\.\d+)?", value)}
    return {float(value)}


def test_the_numbers_of_the_findings_are_those_of_its_json_file():
    """All decimals, percentages and counts "N of M" of findings.md. A description of a figure may round."""
    text = (ROOT / "docs" / "findings.md").read_text("utf-8").partition("## Related work")[0]
    for section in study_sections().values():
        text = text.replace(section, "")
    measured = numbers_in(json.loads((ROOT / "docs" / "findings.json").read_text("utf-8")))
    measured |= {90.0}  # the precision that was asked for
    rounded = {float(f"{number:.0f}") for number in measured}
    for alt in re.findall(r'alt="([^"]*)"', text):
        found = {float(number) for number in re.findall(r"\d+(?:\.\d+)?", alt)}
        assert found <= measured | rounded, found - measured - rounded
    body = re.sub(r'alt="[^"]*"', "", text)
    found = {float(number) for number in re.findall(r"\d+\.\d+|\d+(?= %)|\d+(?= of)|(?<=of )\d+", body)}
    found -= {3.3}  # million parameters
    assert len(found) > 25 and found <= measured, found - measured


def study_sections():
    """The sections of findings.md about studies, by the name of the study, whose figure they have."""
    text = (ROOT / "docs" / "findings.md").read_text("utf-8")
    sections = {re.search(r"figures/study_(\w+)\.light\.svg", part): part for part in re.split(r"(?m)^(?=## )", text)}
    return {match[1]: part for match, part in sections.items() if match}


NOT_MEASURED = {3.1, 3.2, 3.3, 95.0}  # the parts of Physics of Language Models, and the level of intervals


def test_the_numbers_of_the_studies_are_those_that_were_measured(monkeypatch):
    """Each study with results has a section, and each decimal, percentage and count "N of M" in it is in the study's file, or
    rounded to it."""
    monkeypatch.syspath_prepend(ROOT / "docs")
    measured = importlib.import_module("findings_figures").measured()
    sections = study_sections()
    assert sections.keys() == measured.keys()
    for name, path in measured.items():
        known = json.loads(path.read_text("utf-8"))
        assert known["runs"] == known["of"], f"{path}: half a study"
        numbers = numbers_in({key: known[key] for key in ("points", "effects", "runs")})
        numbers |= {float(f"{number:.0f}") for number in numbers} | {-number for number in numbers}
        for text in (*re.findall(r'alt="([^"]*)"', sections[name]), re.sub(r'alt="[^"]*"', "", sections[name])):
            text = re.sub(r"(?<=\d),(?=\d{3})", "", text)
            found = {float(n) for n in re.findall(r"\d+\.\d+|\d+(?= (?:%|of|bits))|(?<=of )\d+", text)} - NOT_MEASURED
            assert found <= numbers, (name, found - numbers)


@pytest.mark.parametrize("path", sorted(MEASURED.glob("*.full.json")), ids=lambda path: path.stem)
def test_the_numbers_of_full_studies_are_those_of_their_results(path):
    study = STUDIES[path.name.partition(".")[0]]("full")
    found = results.read_results(study, [MEASURED])
    assert len(found) == len(study.runs())
    assert results.document(study, found) == json.loads(path.read_text("utf-8"))


def test_the_results_are_the_same_everywhere(monkeypatch):
    """The README's table, what it says to those who cannot see the figure, the figure, and docs/results.md."""
    monkeypatch.syspath_prepend(ROOT / "docs")
    figures = importlib.import_module("figures")
    readme, results = (path.read_text("utf-8") for path in (ROOT / "README.md", ROOT / "docs" / "results.md"))
    rows = {
        row.split("|")[1].strip(): re.findall(r"\d+\.\d", row) for row in readme.splitlines() if row.startswith("| ")
    }
    public = {
        row.split("|")[1].strip(): row
        for row in results.split("\n## Public results")[1].split("\n## ")[0].splitlines()
        if "|" in row
    }
    for variant, (best, handout, fast) in figures.ACCURACIES.items():
        numbers = rows[variant]
        assert [float(numbers[0]), float(numbers[-3]), float(numbers[-2])] == [fast, handout, best], variant
        assert f"{variant} {best}, {handout} and {fast} %" in readme
        assert f", {best} % | {numbers[-1]} % |" in public[variant]


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text("utf-8").split()) < 1500
