"""The small models of the tests of loaders and of quantization."""

from tests.plugins.loaders.conftest import small_model, two_inputs
from tests.quantization.conftest import language

__all__ = ["language", "small_model", "two_inputs"]
