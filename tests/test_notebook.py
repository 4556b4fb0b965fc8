"""``examples/whole_way.ipynb``: it runs from its first cell to its last, and is kept without outputs."""

import nbformat
import pytest
from nbclient import NotebookClient
from places import ROOT

FILE = ROOT / "examples" / "whole_way.ipynb"


@pytest.mark.slow
def test_the_notebook_runs_and_shows_what_it_says(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebook = nbformat.read(FILE, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = str([cell.get("outputs") for cell in notebook.cells])
    assert "The best of 5 networks is trial" in shown
    assert "text/html" in shown
    assert (tmp_path / "search" / "report.html").exists()
    assert (tmp_path / "trained" / "weights.safetensors").exists()
    assert any((tmp_path / "exported").iterdir())


def test_it_is_kept_without_outputs():
    cells = nbformat.read(FILE, as_version=4).cells
    assert [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")] == []
