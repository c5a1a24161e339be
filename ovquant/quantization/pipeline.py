"""NNCF's post-training quantization of one model by several recipes: what they have in common is done once.

NNCF exports no way to do so; a test compares what comes out with nncf.quantize.
"""

import ctypes
import gc
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import nncf
import openvino
from nncf.common.factory import build_graph
from nncf.common.graph.graph import NNCFGraph
from nncf.common.tensor_statistics.collectors import TensorCollector
from nncf.common.tensor_statistics.statistic_point import StatisticPoint, StatisticPointsContainer
from nncf.openvino.rt_info import dump_parameters
from nncf.quantization.advanced_parameters import convert_to_dict_recursively
from nncf.quantization.algorithms.algorithm import Algorithm
from nncf.quantization.algorithms.bias_correction.algorithm import BiasCorrection
from nncf.quantization.algorithms.pipeline import Pipeline, collect_statistics
from nncf.quantization.algorithms.post_training.pipeline import create_ptq_pipeline

from ovquant.domain.recipe import Recipe

Key = tuple[Any, ...]
PLACES = ("model_type", "smooth_convolution", "smooth_matmul", "preset", "keep_float_types", "keep_float_names")
"""The settings that decide what is quantized, and to which levels."""
SMOOTHING = ("model_type", "smooth_convolution", "smooth_matmul", "calibration_size")
"""The settings by which weights are smoothed before anything is quantized, which all statistics depend on."""


@dataclass
class PostTraining:
    """Quantizes a model by ever other recipes; those of one `calibration_size` are given the same requests.

    Kept from one recipe to the next are the smoothed model, what is quantized, and the statistics of ranges and means at each
    place, by the settings that they depend on. The activations that accurate bias correction takes are not: they can be large. Nor is the
    smoothed model where models are `large`: it has weights of its own.
    """

    model: openvino.Model
    large: bool = False
    _smoothed: dict[Key, tuple[openvino.Model, NNCFGraph]] = field(default_factory=dict)
    _places: dict[Key, tuple[Any, Any]] = field(default_factory=dict)
    _statistics: dict[Key, TensorCollector] = field(default_factory=dict)

    def quantize(self, recipe: Recipe, arguments: Mapping[str, Any], dataset: nncf.Dataset) -> openvino.Model:
        """Return a copy that is quantized by a recipe, which these arguments of nncf.quantize are another form of."""
        pipeline = create_ptq_pipeline(**arguments)
        model, graph = self._smooth(pipeline, recipe, dataset)
        last = len(pipeline.pipeline_steps) - 1
        statistics = self._collect(pipeline.pipeline_steps[last], recipe, model, graph, dataset)
        quantized = pipeline.run_step(last, statistics, model, graph)
        _document(quantized, arguments)
        self._tidy()
        return quantized

    def _smooth(self, pipeline: Pipeline, recipe: Recipe, dataset: nncf.Dataset) -> tuple[openvino.Model, NNCFGraph]:
        """Return the model after all steps but the last."""
        key = _key(recipe, SMOOTHING)
        if key in self._smoothed:
            return self._smoothed[key]
        model, graph = self.model, build_graph(self.model)
        for step in range(len(pipeline.pipeline_steps) - 1):
            points = pipeline.get_statistic_points_for_step(step, model, graph)
            model = pipeline.run_step(step, self._passed(points, model, graph, dataset), model, graph)
            graph = build_graph(model)
            self._tidy()
        if not self.large:
            self._smoothed[key] = model, graph
        return model, graph

    def _collect(
        self,
        algorithms: Iterable[Algorithm],
        recipe: Recipe,
        model: openvino.Model,
        graph: NNCFGraph,
        dataset: nncf.Dataset,
    ) -> StatisticPointsContainer:
        """Return the statistics of ranges and biases; those that are not known are collected in one pass."""
        ranges, *biases = algorithms
        wanted = [self._range_points(ranges, recipe, model, graph)]
        wanted += [bias.get_statistic_points(model, graph) for bias in biases]
        large = {bias._algorithm_key for bias in biases if isinstance(bias, BiasCorrection)}
        found, missing, smoothed = StatisticPointsContainer(), StatisticPointsContainer(), _key(recipe, SMOOTHING)
        for name, point, collector in (item for points in wanted for item in points.get_tensor_collectors()):
            key = (*smoothed, point.target_point, *_asked(collector))
            known = self._statistics.get(key)
            (missing if known is None else found).add_statistic_point(
                StatisticPoint(point.target_point, known or collector, name)
            )
        for name, point, collector in self._passed(missing, model, graph, dataset).get_tensor_collectors():
            found.add_statistic_point(StatisticPoint(point.target_point, collector, name))
            if name not in large:
                self._statistics[(*smoothed, point.target_point, *_asked(collector))] = collector
        return found

    def _passed(
        self, points: StatisticPointsContainer, model: openvino.Model, graph: NNCFGraph, dataset: nncf.Dataset
    ) -> StatisticPointsContainer:
        """Return the statistics of one pass over the data, which there is none of where nothing is asked for."""
        found = collect_statistics(points, model, graph, dataset) if points else points
        self._tidy()
        return found

    def _tidy(self) -> None:
        """Let go of the models that NNCF is done with, whose objects refer to each other, and of what their weights leave behind."""
        if self.large:
            gc.collect()
            if sys.platform == "linux":
                # What was freed piece by piece stays with the process until it is asked for; musl has no such function.
                getattr(ctypes.CDLL(None), "malloc_trim", int)(0)

    def _range_points(
        self, ranges: Algorithm, recipe: Recipe, model: openvino.Model, graph: NNCFGraph
    ) -> StatisticPointsContainer:
        """Return where ranges are asked for; where quantizers go is searched for once."""
        # With few requests smoothing can leave operations out.
        key = (*_key(recipe, PLACES), frozenset(node.node_name for node in graph.get_all_nodes()))
        if key not in self._places:
            points = ranges.get_statistic_points(model, graph)
            self._places[key] = ranges._quantization_target_points_to_qconfig, ranges._unified_scale_groups
            return points
        ranges._quantization_target_points_to_qconfig, ranges._unified_scale_groups = self._places[key]
        return ranges.get_cached_statistic_points(model, graph)


def _key(recipe: Recipe, settings: Iterable[str]) -> Key:
    return tuple(getattr(recipe, name) for name in settings)


def _asked(collector: TensorCollector) -> tuple[Any, ...]:
    """Return what a collector is to find: NNCF takes branches of one name with equal hashes for the same."""
    return collector._stat_container, frozenset(collector._stat_container_kwargs_map.items())


def _document(model: openvino.Model, arguments: Mapping[str, Any]) -> None:
    """Put into a model what NNCF writes about how it was quantized."""
    values = {**arguments, "target_device": nncf.TargetDevice.ANY.value}
    values["advanced_parameters"] = convert_to_dict_recursively(values["advanced_parameters"])
    dump_parameters(model, values)
