"""The notebook runs from beginning to end, and what it shows is an answer."""

from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).resolve().parents[2] / "examples/notebooks/quantize.ipynb"


def test_the_notebook_quantizes_looks_and_serves(tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [text for cell in notebook.cells for text in outputs(cell)]
    assert any("<Result met: int8" in text for text in shown)
    assert any("('Outer', 'Outer')" in text for text in shown)
    assert (tmp_path / "out/recogniser/report.html").exists()


def outputs(cell: Any) -> list[str]:
    """Return what a cell shows as texts; the card of a result is HTML too."""
    found = [output.get("data", {}) for output in cell.get("outputs", [])]
    return [text for data in found for text in (data.get("text/plain", ""), data.get("text/html", ""))]
