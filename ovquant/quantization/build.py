"""Recipe and calibration data to a quantized model whose layers can be switched."""

import contextlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial

import nncf
import openvino
from nncf.common.logging import nncf_logger

from ovquant.domain.recipe import Recipe
from ovquant.errors import ModelError, UsageError
from ovquant.graph.fingerprint import operation_types
from ovquant.graph.names import with_unique_names
from ovquant.quantization.compressed import Compressed
from ovquant.quantization.float32 import holds_bfloats, in_float32, widened_requests
from ovquant.quantization.layers import layers_of
from ovquant.quantization.pipeline import PostTraining
from ovquant.quantization.quantized import Calibration, Quantized, Validation
from ovquant.quantization.settings import quantize_arguments
from ovquant.quantization.weights import in_int4, in_int8, with_scaled_channels


class Quantizer:
    """Quantizes one model by ever other recipes; what these have in common is done once."""

    def __init__(self, model: openvino.Model, *, large: bool = False) -> None:
        """Take a float model. large: keep no copy of weights from one recipe to the next."""
        self.given = with_unique_names(model)
        self.original = in_float32(self.given) if holds_bfloats(self.given) else self.given
        self._post_training = PostTraining(self.original, large)

    def quantize(
        self, recipe: Recipe, *, calibration: Calibration, validation: Validation | None = None
    ) -> Quantized | Compressed:
        """Do what `ovquant.quantization.quantize` says; recipes of one `calibration_size` come with the same calibration."""
        with quiet_nncf():
            try:
                if recipe.algorithm == "weights":
                    return self._compress(recipe, calibration)
                quantized = self._run(recipe, calibration, validation)
                layers = layers_of(quantized)
            except nncf.ValidationError as error:
                if "dataset must not be empty" in str(error) and self._branches:
                    raise ModelError(
                        "NNCF cannot quantize this model: a body of one of its If operations is entered by no calibration "
                        "sample. Give data that enter both."
                    ) from error
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
        return Quantized(self.original, quantized, layers, self.given)

    @property
    def _branches(self) -> bool:
        return "If" in operation_types(self.original)

    def _dataset(self, calibration: Calibration) -> nncf.Dataset:
        # Requests are of the model as it was given, whose bfloat16 is f32 here.
        return nncf.Dataset(calibration, partial(widened_requests, original=self.given))

    def _compress(self, recipe: Recipe, calibration: Calibration) -> Compressed:
        dataset, samples, source = self._dataset(calibration), len(calibration), self.original
        if recipe.awq:
            source = with_scaled_channels(source, recipe, dataset, samples=samples)

        @cache
        def wider() -> openvino.Model:
            # It may be asked for later, and then nothing else keeps NNCF quiet.
            with quiet_nncf():
                return in_int8(source, recipe)

        model = wider() if recipe.weight_bits == 8 else in_int4(source, recipe, dataset, samples=samples)
        return Compressed(source, model, wider, self.given)

    def _run(self, recipe: Recipe, calibration: Calibration, validation: Validation | None) -> openvino.Model:
        dataset = self._dataset(calibration)
        arguments = quantize_arguments(self.original, recipe, samples=len(calibration))
        if recipe.algorithm == "accuracy-control":
            if validation is None:
                raise ModelError("Accuracy control needs a metric that is a mean over samples; this metric is not.")
            return _accuracy_control(self.original, dataset, arguments, validation)
        if self._branches:
            # Each body is a model of its own there.
            return nncf.quantize(self.original, dataset, **arguments)
        return self._post_training.quantize(recipe, arguments, dataset)


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

    def __call__(self, compiled: openvino.CompiledModel, places: Iterable[int]) -> tuple[float, list[float]]:
        # All of them at first, later the few by which layers are ranked.
        picks = list(places)
        try:
            score, items = self.validation.score(compiled, picks)
        except Exception as error:
            self.problem = self.problem or error
            return 0.0, [0.0] * len(picks)
        if self.shift is None:
            self.shift = 1.0 - score
        return score + self.shift, [item + self.shift for item in items]


@contextlib.contextmanager
def quiet_nncf() -> Iterator[None]:
    """Keep NNCF's log lines and progress bars off the user's terminal: standard output holds results alone."""
    level = nncf_logger.level
    nncf_logger.setLevel("ERROR")
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        nncf_logger.setLevel(level)
