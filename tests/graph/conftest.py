"""The small models of the loaders' tests."""

from tests.plugins.loaders.conftest import small_model, two_inputs

__all__ = ["small_model", "two_inputs"]
