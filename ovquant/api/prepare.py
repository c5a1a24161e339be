"""What was given, to a prepared model, metrics, splits and instruments."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

import openvino

from ovquant import runtime
from ovquant.api.options import Options
from ovquant.domain.model_folder import PREFIX
from ovquant.domain.objective import GENERATING
from ovquant.domain.profile import Profile
from ovquant.domain.progress import Progress
from ovquant.domain.sample import Sample, arguments
from ovquant.domain.split import Splits
from ovquant.errors import ExampleError, ModelError
from ovquant.graph.decompression import decompressed, half_in_place
from ovquant.graph.fingerprint import fingerprint, operation_types, structure
from ovquant.graph.keep_float import Kept, kept_operations
from ovquant.graph.names import MadeUp, with_unique_names
from ovquant.graph.normalise import Normal, normal_structure, normalised
from ovquant.graph.precision import is_quantized, quantized_activations
from ovquant.graph.shapes import parse_shapes, set_shapes
from ovquant.measure.elsewhere import Elsewhere
from ovquant.measure.instruments import Local
from ovquant.measure.models import Models
from ovquant.measure.score import Scorer
from ovquant.measure.stopwatch import Stopwatch
from ovquant.measure.texts import check_positions
from ovquant.plugins.datasets import open_dataset
from ovquant.plugins.loaders import Torch, digest_in, lacks_example, load_model
from ovquant.plugins.loaders.torch import tensors
from ovquant.plugins.metrics import ResolvedMetric, resolve_metrics
from ovquant.quantization import Quantized

TOKENIZER = "tokenizer.json"


@dataclass(frozen=True)
class Described:
    """A float model and its metrics as plain data, and what must stay in float; the metrics need no plugins here.

    `source` is the model's path, if it was given as one. `operations` counts by type the operations of what is quantized, which
    is of the kind `graph`. `normal_structure` is that of the model's normal form, "" where it has none; `notes` are for the user.
    `trained_fingerprint` is that of the model that was trained with quantizers in it, where one was given beside its float reference.
    """

    metrics: tuple[ResolvedMetric, ...]
    name: str
    source: str
    kept: Kept
    operations: Mapping[str, int]
    structure: str
    friendly_name: str
    torch_weights: str
    graph: Literal["as-read", "normalised"]
    normal_structure: str
    notes: tuple[str, ...]
    trained_fingerprint: str = ""

    @property
    def names(self) -> list[str]:
        """Return what the metrics are called."""
        return [metric.name for metric in self.metrics]


@dataclass(frozen=True)
class Prepared(Described):
    """A float model that is ready to be quantized, and its metrics.

    `float_model` is what can be quantized: the same as `model`, but for weights that are stored there in few bits; `normal` is
    its normal form, where it has one, and `trained` the one that was trained with quantizers in it.
    """

    # What describes it may have defaults.
    model: openvino.Model = field(kw_only=True)
    float_model: openvino.Model = field(kw_only=True)
    normal: Normal | None = field(kw_only=True)
    trained: openvino.Model | None = None

    def plain(self) -> Described:
        """Return the description alone."""
        values = {item.name: getattr(self, item.name) for item in fields(Described)}
        return Described(**{**values, "metrics": tuple(replace(metric, plugin=None) for metric in self.metrics)})


def prepare(model: Any, metric: Any, settings: Options, data: Any = None, trained: Path | None = None) -> Prepared:
    """Load the model and the metric and check them against the device; the model that came in is not changed.

    data: what a PyTorch model is traced with that has no example input of its own. trained: the file of the model that was made of
    it by training with quantizers in it.
    """
    runtime.check_device(settings.device)
    given = load_named(model, data)
    loaded = shaped(given, settings)
    if settings.optimize in GENERATING:
        runtime.check_generates(loaded.inputs)
        check_positions(model_source(model), settings.generation())
    float_model = quantizable(loaded)
    known, normal, notes = normal_form(given, float_model if loaded is given else quantizable(given), settings)
    quantized = float_model if normal is None else normal.model
    taught = None if trained is None else shaped(load_trained(trained, given), settings)
    kept = kept_operations(loaded, settings.keep_float, kinds=operation_types(quantized))
    return Prepared(
        metrics=resolve_metrics(metric),
        name=model_name(model),
        source=model_source(model),
        kept=kept,
        operations=operation_types(quantized),
        structure=structure(loaded),
        graph="as-read" if normal is None else "normalised",
        normal_structure=known,
        notes=(*notes, *lost_names(kept, normal)),
        friendly_name=loaded.get_friendly_name(),
        torch_weights=digest_in(loaded),
        model=loaded,
        float_model=float_model,
        normal=normal,
        trained=taught,
        trained_fingerprint="" if taught is None else fingerprint(taught),
    )


def normal_form(
    given: openvino.Model, model: openvino.Model, settings: Options
) -> tuple[str, Normal | None, tuple[str, ...]]:
    """Return the structure of a model's normal form, the form itself at the shapes asked for, and what is to be said.

    model: the model as it can be quantized. Where there is no normal form a note says why.
    """
    try:
        # First, so that no two copies of the weights are in memory at once.
        known = normal_structure(given)
        found = normalised(model)
        return known, replace(found, model=shaped(found.model, settings)), ()
    except ModelError as error:
        return "", None, (f"The model is quantized as it was read: {error}",)


def load_trained(path: Path, reference: openvino.Model) -> openvino.Model:
    """Load a model that was trained with quantizers in it, its inputs and outputs named as those of its float reference.

    Raises ModelError for one with other inputs or outputs, or without a quantizer of activations.
    """
    model = load_model(path)
    for mine, theirs, what in (
        (model.inputs, reference.inputs, "inputs"),
        (model.outputs, reference.outputs, "outputs"),
    ):
        kinds = [[port.get_element_type() for port in ports] for ports in (mine, theirs)]
        if kinds[0] != kinds[1]:
            shown = [", ".join(kind.get_type_name() for kind in group) for group in kinds]
            raise ModelError(
                f"The trained model has the {what} {shown[0]}, and its reference {shown[1]}. Give the float model that it was made from."
            )
        for port, other in zip(mine, theirs, strict=True):
            port.get_tensor().set_names(other.get_names())
    if not quantized_activations(model):
        raise ModelError(
            "The trained model quantizes no activations. Make it with ovquant.fake_quantize, or nncf.quantize, and train that."
        )
    return with_unique_names(model, made_up="any")


def lost_names(kept: Kept, normal: Normal | None) -> list[str]:
    """Say which operations that are to stay in float are part of none in the normal form, as far as is known."""
    lost = [] if normal is None else [name for name in kept.names if not normal.renamed([name])]
    if not lost:
        return []
    named = ", ".join(f"'{name}'" for name in lost[:3]) + (f" and {len(lost) - 3} more" if len(lost) > 3 else "")
    return [
        f"--keep-float {named}: openvino folded this into constants, or does not tell what it became. The recipe part as-read "
        "quantizes the model as it was read."
    ]


def quantizable(loaded: openvino.Model) -> openvino.Model:
    """Return a model as it can be quantized: itself, or a copy where weights are stored in few bits.

    Raises ModelError for one that computes in few bits already.
    """
    if not is_quantized(loaded):
        return half_in_place(loaded) or loaded
    how = quantized_activations(loaded)
    if how:
        raise ModelError(
            f"The model's activations are quantized already, {how}. Give the float model that it was made from; evaluate, "
            "benchmark and check take this one as it is."
        )
    found = decompressed(loaded)
    if found is None:
        raise ModelError(
            "The model has weights stored in few bits that cannot be turned back to float. Give the float model that it "
            "was made from; evaluate, benchmark and check take this one as it is."
        )
    return found


def load_float(model: Any, settings: Options) -> openvino.Model:
    """Load a model as a copy with unique operation names, at the shapes and batch asked for."""
    return shaped(load_named(model), settings)


def load_named(model: Any, data: Any = None) -> openvino.Model:
    """Load a model as a copy with unique operation names; data: see `prepare`."""
    try:
        loaded = load_model(model)
    except ExampleError:
        example = example_of(model, data)
        if example is None:
            raise
        loaded = load_model(model, Torch(example=example))
    return with_unique_names(loaded, made_up=made_up_names(model))


def shaped(model: openvino.Model, settings: Options) -> openvino.Model:
    """Return a model at the shapes and batch asked for: itself, or a copy."""
    if settings.input_shape:
        model = set_shapes(model, parse_shapes(settings.input_shape))
    return runtime.with_batch(model, settings.batch) if settings.batch else model


def made_up_names(model: Any) -> MadeUp:
    """Return which operation names openvino made up for a model that was given like this. They differ each time it is made."""
    suffix = Path(model).suffix if isinstance(model, str | Path) else ""
    if suffix == ".xml":
        return "none"
    return "own" if suffix in (".onnx", ".pdmodel", ".pb") else "any"


def model_name(model: Any) -> str:
    """Return what a model is called in messages and default folder names."""
    if isinstance(model, str | Path):
        text = str(model)
        return Path(text.partition(".py:")[0]).stem if ".py:" in text else Path(text).stem
    model = model[0] if isinstance(model, tuple) and model else model
    return str(getattr(model, "friendly_name", "") or type(model).__name__)


def tokenizer_of(model: Any) -> Path | None:
    """Return the tokenizer of a model that was given as a folder, or as the file in it; None where it has none."""
    if not isinstance(model, str | Path):
        return None
    path = Path(model)
    folder = path.parent if path.name.startswith(PREFIX) else path
    return folder / TOKENIZER if (folder / TOKENIZER).is_file() else None


def with_example(model: Any, data: Any) -> Any:
    """Return a PyTorch module that has no example input beside one that is made of the first sample; others as they are."""
    example = example_of(model, data) if lacks_example(model) else None
    return model if example is None else (model, example)


def example_of(model: Any, data: Any) -> Any:
    """Return an input for a model made of the first sample; None where there are no data, or they can be read but once."""
    once = isinstance(data, Iterator) or (not isinstance(data, str | Path) and not hasattr(data, "__len__"))
    if data is None or once:
        return None
    return arguments(open_dataset(data, tokenizer=tokenizer_of(model))[0])


def tensors_of(sample: Sample) -> Any:
    """Return a sample as a PyTorch module takes it: a tensor, a tuple or a mapping of them, with the batch axis."""
    return tensors(arguments(sample))


def model_source(model: Any) -> str:
    """Return the path of a model that was given as one."""
    return str(Path(model).resolve()) if isinstance(model, str | Path) and Path(model).exists() else ""


def instruments_in(
    folder: Path,
    prepared: Prepared,
    splits: Splits,
    settings: Options,
    profile: Profile,
    progress: Progress,
    elsewhere: Elsewhere | None = None,
) -> Local:
    """Return the instruments of this process, which build in a folder and record in a profile."""
    anywhere = settings.processors == "any"
    models = Models(
        model=prepared.model,
        float_model=prepared.float_model,
        normal=prepared.normal,
        splits=splits,
        metric=prepared.metrics[0],
        deployment=settings.deployment(),
        profile=profile,
        folder=folder,
        seed=settings.seed,
        progress=progress,
        anywhere=anywhere,
    )
    if prepared.trained is not None:
        models.recent.trained = Quantized(prepared.trained, prepared.trained, (), prepared.trained)
    scorer = Scorer(models, prepared.metrics, elsewhere, anywhere)
    return Local(models, scorer, Stopwatch(models, settings.optimize, generation=settings.generation()))
