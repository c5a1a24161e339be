"""Recipe and calibration data to a quantized model whose layers can be switched; a plan's layers to the final model."""

import contextlib
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import nncf
import openvino
from nncf.common.logging import nncf_logger

from ovquant.errors import ModelError, UsageError
from ovquant.plans import Recipe
from ovquant.protocols import Array
from ovquant.quantization.compress import compress_quantized_weights, compress_weights
from ovquant.quantization.groups import layers_of
from ovquant.quantization.revert import Layer, chosen, revert
from ovquant.quantization.settings import quantize_arguments

Calibration = Sequence[Sequence[Array]]
"""Whole requests: for each, one array per model input in order, batch axis included."""


@dataclass(frozen=True)
class Validation:
    """What accuracy control needs: how to score a model, and the drop that is allowed.

    `score` returns the score, and one number per sample, both turned so that higher is better.
    """

    score: Callable[[openvino.CompiledModel], tuple[float, list[float]]]
    samples: int
    allowed_drop: float


@dataclass(frozen=True)
class Quantized:
    """A model quantized by a recipe, its weights not yet compressed, so that layers can still be put back."""

    original: openvino.Model
    model: openvino.Model
    layers: tuple[Layer, ...]

    def build(self, float_layers: Sequence[str] = ()) -> openvino.Model:
        """Return the final model with the named layers in float; raises UsageError for an unknown name."""
        picked = chosen(self.layers, float_layers)
        reverted = revert(self.model, picked, original=self.original) if picked else self.model.clone()
        return compress_quantized_weights(reverted)


def quantize(
    model: openvino.Model, recipe: Recipe, *, calibration: Calibration, validation: Validation | None = None
) -> Quantized:
    """Quantize a copy of a model by a recipe.

    calibration: requests to draw statistics from, the recipe's `calibration_size` aside (the caller draws them).
    Raises ModelError with NNCF's cause, and UsageError for names to keep in float that the model does not have.
    """
    original = with_unique_names(model)
    with _quiet_nncf():
        try:
            quantized = _run(original, recipe, calibration, validation)
            layers = () if recipe.algorithm == "weights" else layers_of(quantized)
        except nncf.ValidationError as error:
            raise UsageError(f"NNCF refuses the settings: {error}") from error
        except (
            RuntimeError,
            ValueError,
            IndexError,
            KeyError,
            TypeError,
            NotImplementedError,
            ZeroDivisionError,
        ) as error:
            cause = str(error).strip().partition("\n")[0]
            raise ModelError(f"NNCF cannot quantize this model: {type(error).__name__}: {cause}") from error
    return Quantized(original, quantized, layers)


def _run(
    original: openvino.Model, recipe: Recipe, calibration: Calibration, validation: Validation | None
) -> openvino.Model:
    if recipe.algorithm == "weights":
        return compress_weights(original, recipe)
    dataset = nncf.Dataset(calibration, list)
    arguments = quantize_arguments(original, recipe, samples=len(calibration))
    if recipe.algorithm == "post-training":
        return nncf.quantize(original, dataset, **arguments)
    if validation is None:
        raise ModelError("Accuracy control needs a metric that is a mean over samples; this metric is not.")
    return _accuracy_control(original, dataset, arguments, validation)


def _accuracy_control(
    original: openvino.Model, dataset: nncf.Dataset, arguments: dict[str, object], validation: Validation
) -> openvino.Model:
    advanced = arguments.pop("advanced_parameters")

    scorer = _Scorer(validation)
    model = nncf.quantize_with_accuracy_control(
        original,
        calibration_dataset=dataset,
        validation_dataset=nncf.Dataset(range(validation.samples)),
        validation_fn=scorer,
        max_drop=validation.allowed_drop,
        advanced_quantization_parameters=advanced,
        **arguments,
    )
    if scorer.problem is not None:
        raise scorer.problem
    return model


@dataclass
class _Scorer:
    """The validation function as accuracy control can bear it.

    NNCF takes one that raises for one that returns outputs, and divides by the float score when it logs; so nothing
    is raised before the end, and scores are shifted to make float's 1.
    """

    validation: Validation
    problem: Exception | None = None
    shift: float | None = None

    def __call__(self, compiled: openvino.CompiledModel, _items: object) -> tuple[float, list[float]]:
        try:
            score, items = self.validation.score(compiled)
        except Exception as error:
            self.problem = self.problem or error
            return 0.0, [0.0] * self.validation.samples
        if self.shift is None:
            self.shift = 1.0 - score
        return score + self.shift, [item + self.shift for item in items]


def with_unique_names(model: openvino.Model) -> openvino.Model:
    """Return a copy in which every operation has a friendly name of its own, and every input and output a tensor name.

    Layers are known by name, and so are the outputs that are compared between models.
    """
    copy = model.clone()
    seen: set[str] = set()
    for operation in copy.get_ordered_ops():
        name, number = operation.get_friendly_name(), 0
        while operation.get_friendly_name() in seen:
            number += 1
            operation.set_friendly_name(f"{name}_{number}")
        seen.add(operation.get_friendly_name())
        if operation.get_type_name() == "If":
            bodies = (operation.get_function(0), operation.get_function(1))
            ports = [port for body in bodies for port in (*body.inputs, *body.outputs)]
            # NNCF looks for the names of the tensors around and in an If operation.
            _name([*operation.input_values(), *operation.outputs(), *ports], operation.get_friendly_name())
    _name(copy.inputs, "input")
    _name(copy.outputs, "output")
    return copy


def _name(ports: Sequence[openvino.Output], prefix: str) -> None:
    """Give tensors that have no name one of their own."""
    for index, port in enumerate(ports):
        if not port.get_names():
            port.get_tensor().set_names({f"{prefix}:{index}"})


@contextlib.contextmanager
def _quiet_nncf() -> Iterator[None]:
    """Keep NNCF's log lines and progress bars off the user's terminal: standard output holds results alone."""
    level = nncf_logger.level
    nncf_logger.setLevel("ERROR")
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        nncf_logger.setLevel(level)
