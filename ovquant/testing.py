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

import copy
import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

from ovquant.errors import UsageError
from ovquant.metrics import checked
from ovquant.plans import Recipe
from ovquant.protocols import (
    Dataset,
    DatasetReader,
    Inputs,
    Loader,
    Metric,
    Outputs,
    RecipePart,
    Report,
    Sample,
    Strategy,
)
from ovquant.registry import create, parse_options
from ovquant.tables import Candidate, LayerRow, PartNames, Probe, Proposal, Table, TrialRow

if TYPE_CHECKING:
    import openvino

HEAVY = (
    "cv2",
    "jiwer",
    "matplotlib",
    "nncf",
    "openvino",
    "pandas",
    "PIL",
    "pyarrow",
    "pycocotools",
    "scipy",
    "skimage",
    "sklearn",
    "soundfile",
    "tensorflow",
    "tokenizers",
    "torch",
    "transformers",
)
"""Modules that a plugin may import in its functions, never when it is itself imported."""


class PluginContract:
    """Check what every kind of plugin has in common. Give the fixture `plugin`, an instance.

    Set `heavy` to the modules that the plugin's own module must not import, if they are others.
    """

    heavy: tuple[str, ...] = HEAVY

    @pytest.fixture
    def plugin(self) -> Any:
        """Return an instance of the plugin."""
        raise NotImplementedError("Override the fixture 'plugin' with an instance.")

    def test_is_a_frozen_dataclass(self, plugin: Any) -> None:
        assert dataclasses.is_dataclass(plugin), "a plugin is a dataclass whose fields are its options"
        parameters = getattr(type(plugin), "__dataclass_params__", None)
        assert getattr(parameters, "frozen", False), "a plugin is frozen: @dataclass(frozen=True)"

    def test_has_a_summary(self, plugin: Any) -> None:
        summary = (type(plugin).__doc__ or "").strip().partition("\n")[0]
        assert summary, "the docstring's first line is listed"
        assert not summary.startswith(type(plugin).__name__ + "("), "the docstring's first line is listed"

    def test_options_round_trip_as_text(self, plugin: Any) -> None:
        made = create(type(plugin), option_values(plugin), what=type(plugin).__name__)
        assert made == plugin

    def test_unknown_option_is_an_error(self, plugin: Any) -> None:
        with pytest.raises(UsageError, match="no option 'no_such_option'"):
            create(type(plugin), {**option_values(plugin), "no_such_option": "1"}, what="plugin")

    def test_imports_nothing_heavy(self, plugin: Any) -> None:
        module = type(plugin).__module__
        found = _heavy_imports(module, self.heavy)
        assert not found, f"importing {module} imports {found}; import them in the functions that need them"


class MetricCase(NamedTuple):
    """A batch of at least three samples: outputs that fit the targets perfectly, and worse ones."""

    outputs: Outputs
    targets: Sequence[Any]
    worse: Outputs


class MetricContract(PluginContract):
    """Check a metric. Give the fixtures `metric`, an instance, and `case`, a MetricCase for it."""

    @pytest.fixture
    def metric(self) -> Metric:
        """Return the metric."""
        raise NotImplementedError("Override the fixture 'metric'.")

    @pytest.fixture
    def case(self) -> MetricCase:
        """Return outputs and targets for the metric."""
        raise NotImplementedError("Override the fixture 'case'.")

    @pytest.fixture
    def plugin(self, metric: Metric) -> Any:
        """Return the metric."""
        return metric

    def test_fits_the_protocol(self, metric: Metric) -> None:
        assert isinstance(metric, Metric)
        assert isinstance(metric.higher_is_better, bool)
        assert isinstance(metric.is_mean, bool)
        assert metric.against in ("targets", "float")

    def test_measures_one_item_per_sample(self, metric: Metric, case: MetricCase) -> None:
        assert len(case.targets) >= 3, "the case must hold at least three samples"
        checked(metric, metric.measure(case.outputs, case.targets), samples=len(case.targets))

    def test_order_changes_nothing(self, metric: Metric, case: MetricCase) -> None:
        items = list(metric.measure(case.worse, case.targets))
        assert metric.aggregate(items[::-1]) == pytest.approx(metric.aggregate(items))

    @pytest.mark.parametrize("batch", [1, 2])
    def test_batch_boundaries_change_nothing(self, metric: Metric, case: MetricCase, batch: int) -> None:
        whole = metric.measure(case.worse, case.targets)
        assert metric.aggregate(_measure_by(metric, case, batch)) == pytest.approx(metric.aggregate(whole))

    def test_a_mean_is_the_mean_of_its_items(self, metric: Metric, case: MetricCase) -> None:
        items = metric.measure(case.worse, case.targets)
        if metric.is_mean:
            assert metric.aggregate(items) == pytest.approx(float(np.mean(items)))

    def test_score_is_a_finite_float(self, metric: Metric, case: MetricCase) -> None:
        score = metric.aggregate(metric.measure(case.worse, case.targets))
        assert isinstance(score, float)
        checked(metric, score)

    def test_perfect_outputs_beat_worse_ones(self, metric: Metric, case: MetricCase) -> None:
        perfect = metric.aggregate(metric.measure(case.outputs, case.targets))
        worse = metric.aggregate(metric.measure(case.worse, case.targets))
        assert (perfect > worse) if metric.higher_is_better else (perfect < worse), (perfect, worse)

    def test_outputs_and_targets_stay_as_they_are(self, metric: Metric, case: MetricCase) -> None:
        before = copy.deepcopy(case)
        metric.aggregate(metric.measure(case.outputs, case.targets))
        assert same(before.outputs, case.outputs), "measure changed the outputs"
        assert same(before.targets, case.targets), "measure changed the targets"

    def test_items_outlive_the_batch(self, metric: Metric, case: MetricCase) -> None:
        outputs = copy.deepcopy(case.worse)
        items = metric.measure(outputs, case.targets)
        before = metric.aggregate(items)
        _overwrite(outputs)
        assert metric.aggregate(items) == pytest.approx(before), "items must not be views of the outputs"

    def test_aggregating_twice_gives_the_same(self, metric: Metric, case: MetricCase) -> None:
        items = metric.measure(case.worse, case.targets)
        assert metric.aggregate(items) == metric.aggregate(items)


class DatasetContract:
    """Check a dataset. Give the fixture `dataset`, with at least one sample."""

    @pytest.fixture
    def dataset(self) -> Dataset:
        """Return the dataset."""
        raise NotImplementedError("Override the fixture 'dataset'.")

    def test_fits_the_protocol(self, dataset: Dataset) -> None:
        assert isinstance(dataset, Dataset)

    def test_is_sized(self, dataset: Dataset) -> None:
        assert isinstance(len(dataset), int)
        assert len(dataset) > 0

    def test_gives_samples(self, dataset: Dataset) -> None:
        for index in {0, len(dataset) - 1}:
            sample = dataset[index]
            assert isinstance(sample, Sample)
            assert _arrays(sample.inputs), "a sample holds at least one array"
            assert all(isinstance(array, np.ndarray) for array in _arrays(sample.inputs))

    def test_same_index_gives_same_content(self, dataset: Dataset) -> None:
        first = copy.deepcopy(dataset[0])
        dataset[len(dataset) - 1]
        assert same(first, dataset[0])

    def test_a_changed_sample_leaves_the_dataset_alone(self, dataset: Dataset) -> None:
        first = copy.deepcopy(dataset[0])
        for array in _arrays(dataset[0].inputs):
            if array.flags.writeable:
                array[...] = np.zeros((), dtype=array.dtype)
        assert same(first, dataset[0])

    def test_index_out_of_range(self, dataset: Dataset) -> None:
        for index in (len(dataset), len(dataset) + 10):
            with pytest.raises(IndexError):
                dataset[index]


class DatasetReaderContract(DatasetContract, PluginContract):
    """Check a kind of dataset that is read from a path. Give the fixture `dataset`, read from a path that exists."""

    @pytest.fixture
    def plugin(self, dataset: Dataset) -> Any:
        """Return the dataset."""
        return dataset

    def test_reads_a_path(self, dataset: Any) -> None:
        assert isinstance(dataset, DatasetReader)
        assert dataclasses.fields(dataset)[0].name == "path", "the first field is the path"  # type: ignore[arg-type]

    def test_accepts_its_own_path(self, dataset: Any) -> None:
        assert dataset.accepts(dataset.path) is True

    def test_accepts_no_missing_path(self, dataset: Any, tmp_path: Path) -> None:
        assert dataset.accepts(tmp_path / f"missing{dataset.path.suffix}") is False

    def test_accepts_no_foreign_path(self, dataset: Any, tmp_path: Path) -> None:
        foreign = tmp_path / "notes.unknown-kind"
        foreign.write_text("hello")
        assert dataset.accepts(foreign) is False


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


class RecipePartContract(PluginContract):
    """Check a recipe part. Give the fixture `part`; set `operation_types` to counts of a model that it is for."""

    operation_types: Mapping[str, int] = {"Convolution": 8, "MatMul": 4, "Add": 12}

    @pytest.fixture
    def part(self) -> RecipePart:
        """Return the part."""
        raise NotImplementedError("Override the fixture 'part'.")

    @pytest.fixture
    def plugin(self, part: RecipePart) -> Any:
        """Return the part."""
        return part

    def test_fits_the_protocol(self, part: RecipePart) -> None:
        assert isinstance(part, RecipePart)

    def test_extends_a_recipe(self, part: RecipePart) -> None:
        extended = part.extend(Recipe())
        assert isinstance(extended, Recipe)
        assert Recipe.from_json(extended.to_json()) == extended

    def test_leaves_the_given_recipe_alone(self, part: RecipePart) -> None:
        given = Recipe(keep_float_types=("Softmax",), calibration_size=77)
        part.extend(given)
        assert given == Recipe(keep_float_types=("Softmax",), calibration_size=77)

    def test_keeps_what_others_keep_in_float(self, part: RecipePart) -> None:
        extended = part.extend(Recipe(keep_float_types=("Softmax",), keep_float_names=("head",)))
        assert "Softmax" in extended.keep_float_types
        assert "head" in extended.keep_float_names

    def test_twice_is_once(self, part: RecipePart) -> None:
        once = part.extend(Recipe())
        assert part.extend(once) == once

    def test_offers_are_options_of_the_part(self, part: RecipePart) -> None:
        offers = part.offers(dict(self.operation_types))
        assert not isinstance(offers, str), "offers returns a sequence of option texts"
        for text in offers:
            options = parse_options(text, text) if text else {}
            made = create(type(part), options, what=type(part).__name__)
            assert isinstance(made.extend(Recipe()), Recipe)

    def test_offers_are_pure(self, part: RecipePart) -> None:
        counts = dict(self.operation_types)
        assert list(part.offers(counts)) == list(part.offers(counts))
        assert counts == self.operation_types
        part.offers({})


@dataclasses.dataclass(frozen=True)
class HiddenTruth:
    """What a search would measure, were it real: small tables in which every figure follows from a rule.

    `parts` maps each recipe part on offer to what it takes off the excess, `layers` each layer to what putting it back
    to float takes off; `start` is the excess of a recipe that takes nothing off. The first part on offer alone has
    `start`, each layer in float costs `layer_cost`. With `failing`, no candidate can be built. The layers of each recipe
    have names of their own, so that a layer of another recipe is noticed.
    """

    parts: Mapping[str, float] = dataclasses.field(
        default_factory=lambda: {"plain": 0.0, "good": 0.02, "bad": -0.01, "good:size=3": 0.005}
    )
    layers: Mapping[str, float] = dataclasses.field(
        default_factory=lambda: {"first": 0.008, "middle": 0.001, "head": 0.012, "tail": 0.0, "side": 0.004}
    )
    start: float = 0.04
    allowed: float = 0.01
    layer_cost: float = 0.03
    failing: bool = False
    failed_figure: float = float("inf")
    seed: int = 0

    def row(self, candidate: Candidate) -> TrialRow:
        """Return a candidate as it would be measured."""
        if self.failing:
            figure = self.failed_figure
            return TrialRow(candidate, figure, figure, figure, figure, failed=True)
        names = {self._layer(candidate.parts, layer): gain for layer, gain in self.layers.items()}
        gained = sum(self.parts[part] for part in candidate.parts)
        gained += sum(names[layer] for layer in sorted(candidate.float_layers))
        excess = self.start - gained - self.allowed
        cost = 0.5 + self.layer_cost * len(candidate.float_layers) + 0.02 * len(candidate.parts)
        return TrialRow(candidate, excess, cost, cost + 0.01, max(0.0, self.start - gained))

    def ranking(self, parts: PartNames) -> tuple[LayerRow, ...]:
        """Return the layers of a recipe as they would be probed."""
        return tuple(LayerRow(self._layer(parts, layer), gain) for layer, gain in self.layers.items())

    def table(self) -> Table:
        """Return the table before anything is tried."""
        return Table(tuple(self.parts), self.allowed, seed=self.seed)

    def answered(self, table: Table, proposal: Proposal) -> Table:
        """Return the table with a proposal's answer in it."""
        if isinstance(proposal, Probe):
            layers = {**table.layers, proposal.parts: self.ranking(proposal.parts)}
            return dataclasses.replace(table, layers=layers)
        return dataclasses.replace(table, trials=(*table.trials, self.row(proposal)))

    def play(self, strategy: Strategy, most_steps: int = 1000) -> Iterator[tuple[Table, Proposal | None]]:
        """Yield every table and what the strategy says to it, None last; fail when it does not end."""
        table = self.table()
        for _ in range(most_steps):
            proposal = strategy.propose(table)
            yield table, proposal
            if proposal is None:
                return
            table = self.answered(table, proposal)
        pytest.fail(f"the strategy did not end within {most_steps} steps")

    @staticmethod
    def _layer(parts: PartNames, layer: str) -> str:
        return f"{'+'.join(parts)}/{layer}"


HIDDEN_TRUTHS = {
    "plain": HiddenTruth(),
    "nothing on offer": HiddenTruth(parts={}),
    "one part": HiddenTruth(parts={"plain": 0.0}),
    "one layer": HiddenTruth(layers={"only": 0.05}),
    "no layers": HiddenTruth(layers={}),
    "many layers": HiddenTruth(layers={f"layer{place}": 0.03 / (1 + place) for place in range(60)}),
    "all inside": HiddenTruth(start=0.0),
    "infeasible": HiddenTruth(start=1.0),
    "slower than float": HiddenTruth(layer_cost=1.0),
    "nothing allowed": HiddenTruth(allowed=0.0),
    "all fail": HiddenTruth(failing=True),
    "no gain anywhere": HiddenTruth(layers=dict.fromkeys(("a", "b", "c"), 0.0)),
    "layers that harm": HiddenTruth(layers={"a": -0.01, "b": -0.02, "c": -0.0}),
}
"""The tables that every strategy is played against, by what is special about them."""


class StrategyContract(PluginContract):
    """Check a strategy. Give the fixture `strategy`; it is played to its end against each of HIDDEN_TRUTHS.

    Set `most_steps` when it takes more than a thousand.
    """

    most_steps: int = 1000

    @pytest.fixture
    def strategy(self) -> Strategy:
        """Return the strategy."""
        raise NotImplementedError("Override the fixture 'strategy'.")

    @pytest.fixture
    def plugin(self, strategy: Strategy) -> Any:
        """Return the strategy."""
        return strategy

    @pytest.fixture(params=list(HIDDEN_TRUTHS))
    def truth(self, request: pytest.FixtureRequest) -> HiddenTruth:
        """Return each hidden truth in turn."""
        return HIDDEN_TRUTHS[request.param]

    def test_fits_the_protocol(self, strategy: Strategy) -> None:
        assert isinstance(strategy, Strategy)

    def test_proposes_only_what_is_known_and_new(self, strategy: Strategy, truth: HiddenTruth) -> None:
        for table, proposal in truth.play(strategy, self.most_steps):
            if proposal is not None:
                _check_proposal(table, proposal)

    def test_ends_for_good(self, strategy: Strategy, truth: HiddenTruth) -> None:
        table, last = list(truth.play(strategy, self.most_steps))[-1]
        assert last is None
        assert strategy.propose(table) is None

    def test_tries_something_when_there_is_something(self, strategy: Strategy, truth: HiddenTruth) -> None:
        proposals = [proposal for _, proposal in truth.play(strategy, self.most_steps)]
        tried = any(isinstance(proposal, Candidate) for proposal in proposals)
        assert tried == bool(truth.parts), "with parts on offer at least one is tried, without any nothing is"

    def test_same_table_same_proposal(self, strategy: Strategy, truth: HiddenTruth) -> None:
        for table, proposal in truth.play(strategy, self.most_steps):
            fresh, again = copy.deepcopy(strategy), copy.deepcopy(table)
            assert fresh.propose(again) == proposal, "a strategy keeps no state: what it says follows from the table"

    def test_leaves_the_table_alone(self, strategy: Strategy, truth: HiddenTruth) -> None:
        table = truth.table()
        for _ in range(self.most_steps):
            before = copy.deepcopy(table)
            proposal = strategy.propose(table)
            assert table == before, "propose changed the table"
            if proposal is None:
                return
            table = truth.answered(table, proposal)

    def test_figures_of_failed_rows_mean_nothing(self, strategy: Strategy) -> None:
        said = [
            [
                proposal
                for _, proposal in HiddenTruth(failing=True, failed_figure=figure).play(strategy, self.most_steps)
            ]
            for figure in (float("inf"), float("nan"), -1.0)
        ]
        assert said[0] == said[1] == said[2]


def _check_proposal(table: Table, proposal: Proposal) -> None:
    """Fail when a proposal names something unknown or asks for what the table answers already."""
    assert isinstance(proposal, (Candidate, Probe)), f"{proposal!r} is neither a Candidate nor a Probe"
    assert proposal.parts, "float is not proposed: it is measured anyway"
    unknown = set(proposal.parts) - set(table.parts)
    assert not unknown, f"{unknown} are no parts on offer"
    assert len(set(proposal.parts)) == len(proposal.parts), f"{proposal} names a part twice"
    if isinstance(proposal, Probe):
        assert proposal.parts not in table.layers, f"the layers of {proposal.parts} are ranked already"
        return
    assert table.row(proposal) is None, f"{proposal} is measured already"
    if proposal.float_layers:
        assert proposal.parts in table.layers, f"the layers of {proposal.parts} are not known before a Probe"
        known = {row.name for row in table.layers[proposal.parts]}
        assert proposal.float_layers <= known, f"{set(proposal.float_layers) - known} are no layers of that recipe"


class ReportContract(PluginContract):
    """Check a report. Give the fixtures `report` and `result`, an `ovquant` result to render."""

    @pytest.fixture
    def report(self) -> Report:
        """Return the report."""
        raise NotImplementedError("Override the fixture 'report'.")

    @pytest.fixture
    def result(self) -> Any:
        """Return a result."""
        raise NotImplementedError("Override the fixture 'result'.")

    @pytest.fixture
    def plugin(self, report: Report) -> Any:
        """Return the report."""
        return report

    def test_fits_the_protocol(self, report: Report) -> None:
        assert isinstance(report, Report)

    def test_filename_is_a_plain_name(self, report: Report) -> None:
        assert report.filename == Path(report.filename).name
        assert Path(report.filename).suffix

    def test_renders_text(self, report: Report, result: Any) -> None:
        text = report.render(result)
        assert isinstance(text, str)
        assert text.strip()
        text.encode("utf-8")

    def test_renders_the_same_again(self, report: Report, result: Any) -> None:
        assert report.render(result) == report.render(result)


def option_values(plugin: Any) -> dict[str, Any]:
    """Return the options of an instance as a user would write them; objects that have no text stay objects."""
    return {field.name: _option_text(getattr(plugin, field.name)) for field in dataclasses.fields(plugin) if field.init}


def same(left: Any, right: Any) -> bool:
    """Tell whether two values are equal, arrays within mappings and sequences by their content and dtype."""
    if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
        return _same_arrays(np.asarray(left), np.asarray(right))
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(same(*pair) for pair in zip(left, right, strict=True))
    return bool(left == right)


def _same_arrays(left: np.ndarray[Any, Any], right: np.ndarray[Any, Any]) -> bool:
    if left.dtype != right.dtype:
        return False
    return np.array_equal(left, right, equal_nan=left.dtype.kind in "fc")


def _option_text(value: Any) -> Any:
    if isinstance(value, tuple):
        return ";".join(str(_option_text(part)) for part in value)
    if isinstance(value, (bool, int, float, str, Path)):
        return str(value)
    return value


def _heavy_imports(module: str, heavy: tuple[str, ...]) -> list[str]:
    """Import a module in a fresh interpreter and return what it pulled in."""
    code = f"import sys, {module}; print(*(set({heavy!r}) & set(sys.modules)))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"importing {module} on its own fails:\n{done.stderr}"
    return sorted(done.stdout.split())


def _measure_by(metric: Metric, case: MetricCase, batch: int) -> list[Any]:
    items: list[Any] = []
    for begin in range(0, len(case.targets), batch):
        stop = begin + batch
        items.extend(metric.measure(_slice(case.worse, begin, stop), case.targets[begin:stop]))
    return items


def _slice(outputs: Outputs, begin: int, stop: int) -> Outputs:
    if isinstance(outputs, Mapping):
        return {name: values[begin:stop] for name, values in outputs.items()}
    return outputs[begin:stop]


def _overwrite(outputs: Outputs) -> None:
    columns = list(outputs.values()) if isinstance(outputs, Mapping) else [outputs]
    for column in columns:
        for array in [column] if isinstance(column, np.ndarray) else column:
            array[...] = np.zeros((), dtype=array.dtype)


def _arrays(inputs: Inputs) -> list[Any]:
    if isinstance(inputs, Mapping):
        return list(inputs.values())
    return list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]


def _is_model(model: Any) -> bool:
    import openvino

    return isinstance(model, openvino.Model)


def _ports(model: "openvino.Model") -> list[tuple[str, str]]:
    return [(str(port.get_partial_shape()), str(port.get_element_type())) for port in [*model.inputs, *model.outputs]]
