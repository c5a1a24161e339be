"""Hold an exporter to its protocol."""

from pathlib import Path
from typing import Any

import pytest

from ovquant.plugins.protocols import Exporter
from ovquant.testing.plugins import PluginContract


class ExporterContract(PluginContract):
    """Check an exporter. Give the fixtures `exporter` and `folder`, a saved result."""

    @pytest.fixture
    def exporter(self) -> Exporter:
        """Return the exporter."""
        raise NotImplementedError("Override the fixture 'exporter'.")

    @pytest.fixture
    def folder(self) -> Path:
        """Return the folder of a saved result."""
        raise NotImplementedError("Override the fixture 'folder'.")

    @pytest.fixture
    def plugin(self, exporter: Exporter) -> Any:
        """Return the exporter."""
        return exporter

    def test_fits_the_protocol(self, exporter: Exporter) -> None:
        assert isinstance(exporter, Exporter)

    def test_writes_the_target_and_nothing_beside_it(self, exporter: Exporter, folder: Path, tmp_path: Path) -> None:
        exporter.export(folder, tmp_path / "new" / "target")
        assert [path.name for path in (tmp_path / "new").iterdir()] == ["target"]

    def test_replaces_what_is_there(self, exporter: Exporter, folder: Path, tmp_path: Path) -> None:
        target = tmp_path / "target"
        exporter.export(folder, target)
        first = _content(target)
        exporter.export(folder, target)
        assert _content(target).keys() == first.keys()

    def test_leaves_the_result_as_it_is(self, exporter: Exporter, folder: Path, tmp_path: Path) -> None:
        before = _content(folder)
        exporter.export(folder, tmp_path / "target")
        assert _content(folder) == before


def _content(place: Path) -> dict[str, bytes]:
    files = [place] if place.is_file() else [path for path in sorted(place.rglob("*")) if path.is_file()]
    return {str(path.relative_to(place)): path.read_bytes() for path in files}
