"""Hold every registered built-in to a contract test: one that has none fails here."""

from pathlib import Path

import pytest

from ovquant import testing
from ovquant.plugins.registry import KINDS, Registry
from ovquant.plugins.spec import import_object

HERE = Path(__file__).parent / "plugins"
COVERED = {
    "loaders": ("loaders/test_loader_contracts.py", "SOURCES", testing.LoaderContract),
    "datasets": ("datasets/test_dataset_contracts.py", "KINDS", testing.DatasetReaderContract),
    "metrics": ("metrics/test_contracts.py", "CASES", testing.MetricContract),
    "recipes": ("recipes/test_recipe_contracts.py", "PARTS", testing.RecipePartContract),
    "strategies": ("strategies/test_strategy_contracts.py", "STRATEGIES", testing.StrategyContract),
    "executors": ("executors/test_executor_contracts.py", "EXECUTORS", testing.ExecutorContract),
    "trainers": ("trainers/test_trainer_contracts.py", "TRAINERS", testing.TrainerContract),
    "exporters": ("exporters/test_exporters.py", "EXPORTERS", testing.ExporterContract),
    "reports": ("reports/test_reports.py", "REPORTS", testing.ReportContract),
}
"""Where each kind's contract tests lie, the collection whose names say what they cover, and the suite they run."""


def test_every_kind_has_contract_tests() -> None:
    assert set(COVERED) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_built_in_has_a_contract_test(kind: str) -> None:
    file, collection, contract = COVERED[kind]
    assert issubclass(import_object(f"{HERE / file}:TestBuiltIn"), contract)
    texts = import_object(f"{HERE / file}:{collection}")
    covered = {text.partition(":")[0].partition(",")[0] for text in texts}
    built_in = {listing.name for listing in Registry(kind).listings() if listing.distribution == "ovquant"}
    assert built_in, "nothing is registered: is the package installed?"
    assert built_in <= covered, f"{built_in - covered} run no {contract.__name__}: add them to {file}"
