"""Scores the plans of an ovquant search on the workers of a Dask cluster."""

from ovquant_dask.executor import Dask

__all__ = ["Dask"]
