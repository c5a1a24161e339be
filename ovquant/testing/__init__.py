"""Hold a plugin to its protocol: one suite of pytest checks per kind, to be subclassed.

    from ovquant.testing import MetricCase, MetricContract

    class TestMine(MetricContract):
        @pytest.fixture
        def metric(self):
            return Mine(option=3)

        @pytest.fixture
        def case(self):
            return MetricCase(outputs=..., targets=..., worse=...)

Each suite says in its docstring which fixtures to give. Needs pytest.
"""

from ovquant.testing.datasets import DatasetContract, DatasetReaderContract
from ovquant.testing.executors import ExecutorContract
from ovquant.testing.exporters import ExporterContract
from ovquant.testing.loaders import LoaderContract
from ovquant.testing.metrics import MetricCase, MetricContract
from ovquant.testing.plugins import HEAVY, PluginContract, option_values, same
from ovquant.testing.recipes import RecipePartContract
from ovquant.testing.reports import ReportContract
from ovquant.testing.strategies import HIDDEN_TRUTHS, HiddenTruth, StrategyContract, in_float
from ovquant.testing.trainers import TrainerContract

__all__ = [
    "HEAVY",
    "HIDDEN_TRUTHS",
    "DatasetContract",
    "DatasetReaderContract",
    "ExecutorContract",
    "ExporterContract",
    "HiddenTruth",
    "LoaderContract",
    "MetricCase",
    "MetricContract",
    "PluginContract",
    "RecipePartContract",
    "ReportContract",
    "StrategyContract",
    "TrainerContract",
    "in_float",
    "option_values",
    "same",
]
