"""Read datasets: a path, a name or a Python object becomes a sized sequence of samples, read lazily."""

from ovquant.plugins.datasets.open import open_dataset

__all__ = ["open_dataset"]
