"""Hold a loader to its protocol."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ovquant.plugins.protocols import Loader
from ovquant.testing.plugins import PluginContract

if TYPE_CHECKING:
    import openvino


class LoaderContract(PluginContract):
    """Check a loader. Give the fixtures `loader` and `source`, something small that it loads."""

    @pytest.fixture
    def loader(self) -> Loader:
        """Return the loader."""
        raise NotImplementedError("Override the fixture 'loader'.")

    @pytest.fixture
    def source(self) -> Any:
        """Return what the loader loads."""
        raise NotImplementedError("Override the fixture 'source'.")

    @pytest.fixture
    def plugin(self, loader: Loader) -> Any:
        """Return the loader."""
        return loader

    def test_fits_the_protocol(self, loader: Loader) -> None:
        assert isinstance(loader, Loader)

    def test_accepts_its_own_source(self, loader: Loader, source: Any) -> None:
        assert loader.accepts(source) is True

    def test_accepts_nothing_else(self, loader: Loader, tmp_path: Path) -> None:
        foreign = tmp_path / "notes.unknown-kind"
        foreign.write_text("hello")
        for other in (foreign, str(foreign), tmp_path / "missing", None, 3, object()):
            assert loader.accepts(other) is False, other

    def test_loads_a_model(self, loader: Loader, source: Any) -> None:
        model = loader.load(source)
        assert _is_model(model), f"load returned {type(model).__name__}"
        assert model.outputs

    def test_loads_the_same_again(self, loader: Loader, source: Any) -> None:
        assert _ports(loader.load(source)) == _ports(loader.load(source))


def _is_model(model: Any) -> bool:
    import openvino

    return isinstance(model, openvino.Model)


def _ports(model: "openvino.Model") -> list[tuple[str, str]]:
    return [(str(port.get_partial_shape()), str(port.get_element_type())) for port in [*model.inputs, *model.outputs]]
