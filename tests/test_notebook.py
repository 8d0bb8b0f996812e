import ast
import importlib
import re
import sys
from pathlib import Path
from pydoc_data import topics

import nbformat
import pytest

NOTEBOOK = Path(__file__).parent.parent / "mingpt-demo" / "play_char.ipynb"


def text_of(cell):
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def test_the_committed_notebook_is_whole():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))  # from top to bottom
    assert any("image/png" in output.get("data", {}) for cell in code for output in cell.outputs)
    for cell in code:
        assert not any(output.output_type == "error" for output in cell.outputs)
        assert not any(output.get("name") == "stderr" for output in cell.outputs)  # notebooks show it in red
        assert not re.search(r"class \w*(GPT|Attention|Block|Trainer)", cell.source)  # no second copy of the model
        for node in ast.walk(ast.parse(re.sub(r"(?m)^[%!].*", "", cell.source))):
            if isinstance(node, ast.ImportFrom):  # all that it takes from src/ is there
                module = importlib.import_module(node.module)
                assert all(hasattr(module, name.name) for name in node.names), ast.unparse(node)
    assert "equal to src/attention.py: True" in "".join(map(text_of, code))
    assert not re.search(r"/(home|root|tmp|work|Users)/", nbformat.writes(notebook))


def test_its_code_runs(monkeypatch, capsys):
    """All of it, in this process, with little text and few epochs."""
    pytest.importorskip("faker", reason="only the generator needs Faker")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("Agg")
    monkeypatch.chdir(NOTEBOOK.parent)
    monkeypatch.setattr(topics, "topics", {name: text[:2000] for name, text in sorted(topics.topics.items())[:60]})
    monkeypatch.setattr(sys, "path", list(sys.path))
    variables = {}
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        if cell.cell_type == "code":
            source = re.sub(r"(?m)^%.*", "", cell.source).replace("epochs = 5", "epochs = 1")
            source = source.replace("epochs = 8, 100", "epochs = 8, 1")
            exec(compile(source, cell.id, "exec"), variables)  # noqa: S102 (it is our own)
    pyplot.close("all")
    assert "equal to src/attention.py: True" in capsys.readouterr().out
    assert len(variables["accuracies"]) == 1 and 0 <= variables["probabilities"].min() <= 1


@pytest.mark.slow
def test_it_runs_from_top_to_bottom(monkeypatch):
    nbclient = pytest.importorskip("nbclient")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # on busy cores, several threads wait for each other: ten times slower
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(notebook, timeout=3600, resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    first, last = map(
        float, re.search(r"training loss: (\S+) at the first step, (\S+) at", "".join(map(text_of, code))).groups()
    )
    assert last < 0.4 * first  # far below what the frequencies of pairs of characters give
    assert any("image/png" in output.get("data", {}) for cell in code for output in cell.outputs)
    sample = next(text_of(cell) for cell in code if "top_k=10" in cell.source)
    assert len(sample) > 600 and "the" in sample.split()
