"""What the documents say of the rest of the repository."""

import re
from pathlib import Path

import pytest

from engine.files import ROOT

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
