"""Training and plain evaluation do without the packages of reports."""

import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[2] / "src"


@pytest.mark.parametrize(
    "modules", ["run", "engine.monitor, evaluation.probes, evaluation.scoring", "evaluation.evaluate"]
)
def test_packages_of_reports_are_imported_when_they_are_used(modules):
    code = f"""if True:
        import importlib.abc, sys

        class Refuse(importlib.abc.MetaPathFinder):
            def find_spec(self, name, path=None, target=None):
                if name in ("scipy", "rapidfuzz", "jinja2", "matplotlib"):
                    asked.append(name)
                    raise ImportError(name)

        asked = []
        sys.meta_path.insert(0, Refuse())
        import {modules}
        print(asked)"""
    found = subprocess.run([sys.executable, "-c", code], cwd=SRC, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    if "monitor" not in modules:  # TensorBoard asks for matplotlib, and does without it
        assert found.stdout == "[]\n"
