"""Plans to models: built once, kept on disk and in memory, and known by all that they depend on."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import openvino

from ovquant import runtime
from ovquant.domain.checks import BOTH
from ovquant.domain.content import content_digest
from ovquant.domain.files import written
from ovquant.domain.plan import NormalForm, Plan
from ovquant.domain.profile import Profile
from ovquant.domain.progress import Progress, silent, told
from ovquant.domain.recipe import Recipe
from ovquant.domain.record import NUMBERS, TAUGHT
from ovquant.domain.split import Splits, draw
from ovquant.errors import ModelError, UsageError
from ovquant.graph.fingerprint import constant_bytes, fingerprint
from ovquant.graph.normalise import Normal
from ovquant.graph.pins import pinnable_layers
from ovquant.measure.conditions import Conditions, float_plan, reference_plan
from ovquant.measure.evaluate import evaluate_all
from ovquant.measure.recent import Recent
from ovquant.measure.reference import Reference
from ovquant.measure.tutor import Tutor, with_learned
from ovquant.plugins.metrics import ResolvedMetric
from ovquant.quantization import Compressed, Pinnable, Switchable, Validation, activation_bytes, needed_bytes
from ovquant.runtime import Deployment

TRUTH_SHARE, MOST_REQUESTS = 0.1, 1024
"""The share of free memory that samples may take that are scored at once by the accuracy reference, and their number at most."""
LARGE = 64 * 2**20
"""Bytes of weights from which on memory counts for more than the seconds that building or compiling anew takes."""
RUNTIME_OPTIONS = ("DYNAMIC_QUANTIZATION_GROUP_SIZE", "KV_CACHE_PRECISION")
"""The properties that openvino takes from a model's own runtime_options; it ignores all others there."""


@dataclass
class Models:
    """The models of all plans of one float model, as files and compiled; `folder` receives the files.

    The float model is read back from the file that is served, so that its weights are mapped rather than held.

    `metric` is the primary metric, which recipes that score models while they quantize go by. `float_model` is what can be
    quantized, where that is not `model`: one whose weights are stored in few bits. `normal` is its normal form, if it has one,
    which is written and read back like the float model. `anywhere` marks plans as measured with either int8 arithmetic.
    """

    model: openvino.Model
    splits: Splits
    metric: ResolvedMetric
    deployment: Deployment
    profile: Profile
    folder: Path
    seed: int = 0
    progress: Progress = silent
    float_model: openvino.Model | None = None
    normal: Normal | None = None
    anywhere: bool = False
    _compiled: dict[str, openvino.CompiledModel] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        known = runtime.reference_properties(self.model, self.deployment.device)
        self.deployment = replace(self.deployment, reference=known)
        self.float_plan, self.reference_plan = float_plan(self.deployment), reference_plan(self.deployment)
        self.large = constant_bytes(self.float_model or self.model) > LARGE
        self.recent = Recent(self.large)
        self.tutor = Tutor(self.folder, self.profile, progress=self.progress)
        mapped = runtime.core().read_model(self.build(self.float_plan))
        if fingerprint(mapped) == self.fingerprint:
            # Reading anew lets go of the pages that the fingerprint has touched.
            mapped = runtime.core().read_model(self.build(self.float_plan))
            self.float_model = mapped if self.float_model is self.model else self.float_model
            self.model = mapped
        self._normal_file: Path | None = None
        if self.normal is not None:
            self.normal, self._normal_file = read_back(self.normal, self.folder)

    # Keys ---------------------------------------------------------------------------------------------------------

    @cached_property
    def fingerprint(self) -> str:
        """Return the float model's fingerprint."""
        return fingerprint(self.model)

    @cached_property
    def conditions(self) -> Conditions:
        """Return what all measurements of these models share."""
        return Conditions(
            fingerprint=self.fingerprint,
            deployment=self.deployment,
            circumstances=circumstances(self.deployment.device, anywhere=self.anywhere),
            splits=self.splits,
            metrics=(self.metric,),
            metric_key=self.metric.key,
            primary_key=self.metric.key,
            objective="latency",
            seed=self.seed,
            compressed=self.float_model is not None and self.float_model is not self.model,
            normal=None if self.normal is None else NormalForm(version("openvino"), self.normal.names),
        )

    def key(self, plan: Plan) -> dict[str, Any]:
        """Return what a measurement of a plan depends on; see `Conditions.key`."""
        return self.conditions.key(plan)

    def built_key(self, plan: Plan, *, values: bool) -> dict[str, Any]:
        """Return the key of what a built model puts out, which plans that come to the same model share.

        Without `values` it is the key of how long the model takes, which plans that come to the same operations share.
        """

        def measure() -> str:
            return fingerprint(runtime.core().read_model(self.build(plan)), values=values)

        found = self.profile.measured("content" if values else "operations", self.key(plan), measure, str)
        return {
            **self.key(plan),
            "plan": found,
            "properties": dict(sorted(self.conditions.effective(plan).properties.items())),
        }

    # Models -------------------------------------------------------------------------------------------------------

    def quantized(self, recipe: Recipe) -> Switchable:
        """Return the model quantized by a recipe, calibrating at most once while it stays in memory."""
        if not recipe.quantizes:
            return self._pinnable(recipe)
        recipe = recipe.built
        found = self.recent.get(recipe)
        if found is None and recipe.trainer:
            found = taught(self, recipe)
        elif found is None:
            samples = draw(self.splits.calibration, recipe.calibration_size, seed=self.seed)
            model, settings = source_of(self, recipe)
            requests = runtime.Requests(model.inputs, samples, told(self.progress, "calibrating"))
            # Room is made first: a quantized model can be large.
            self.release()
            self.recent.make_room()
            check_room(model, settings, requests)
            found = self.recent.quantizer(recipe.graph, model).quantize(
                settings, calibration=requests, validation=self._validation(recipe)
            )
            self.recent.keep(recipe, found)
            self.release()
        return found

    def _pinnable(self, recipe: Recipe) -> Pinnable:
        model, _ = source_of(self, recipe)
        path = self.build(self.float_plan) if model is self.model else self._normal_file
        if path is None or (recipe.graph == "as-read" and model is not self.model):
            raise ModelError(
                "Layers of a model whose weights are stored in few bits are kept in f32 in its normal form alone."
            )
        return Pinnable(path, pinnable_layers(model), recipe.algorithm)

    def _validation(self, recipe: Recipe) -> Validation | None:
        """Return what accuracy control needs to score models while it quantizes; None for other recipes."""
        metric = self.metric
        if recipe.algorithm != "accuracy-control" or not metric.is_mean:
            return None
        batched, data = runtime.batched_outputs(self.model), self.splits.search
        reference = Reference(lambda: self.compiled(self.reference_plan))

        def score(compiled: openvino.CompiledModel, places: Sequence[int]) -> tuple[float, list[float]]:
            known = runtime.Compiled(compiled, batched, lengths=partial(runtime.lengths_of, self.model))
            found = evaluate_all(known, data.only(places), metrics=[metric], reference=reference)[0]
            return metric.sign * found.score, [metric.sign * item for item in found.items or ()]

        return Validation(score, len(data), recipe.allowed_drop or 0.0)

    def build(self, plan: Plan) -> Path:
        """Build a plan, write it as IR and return the path of its model.xml; what is there already is used."""
        path = self._place(plan) / "model.xml"
        if not path.exists():
            model = self._finished(plan)
            with written(path.parent, folder=True) as partial:
                openvino.save_model(model, partial / "model.xml", compress_to_fp16=plan.compress_to_fp16)
                if plan.recipe is not None and plan.recipe.trainer:
                    keep_learned(self, plan.recipe.built, partial)
        return path

    def _finished(self, plan: Plan) -> openvino.Model:
        """Return a plan's model as it is saved: with what travels in it."""
        model = self.model if plan.recipe is None else self.quantized(plan.recipe).build(plan.layers)
        model = with_runtime_options(model, _in_file(plan, self.reference_plan))
        measured = BOTH if self.anywhere else runtime.int8_arithmetic(self.deployment.device)
        return runtime.mark(model, measured) if plan.runs_int8 else model

    def _place(self, plan: Plan) -> Path:
        """Return the folder of a plan's model, which plans share that differ in nothing that is built."""
        recipe = None if plan.recipe is None else plan.recipe.built
        built = replace(plan, recipe=recipe, properties=_in_file(plan, self.reference_plan))
        return self.folder / content_digest(self.key(built))[:16]

    def compile(self, plan: Plan) -> openvino.CompiledModel:
        """Compile a plan's saved file anew, exactly as it will be served.

        Other streams or threads can be other kernels, with other outputs.
        """
        compiled = runtime.compile_model(self.build(plan), replace(self.deployment, properties=plan.properties))
        if self.large:
            # A device has weights in a form of its own.
            runtime.let_go_of_pages(self.folder.resolve())
        return compiled

    def compiled(self, plan: Plan) -> openvino.CompiledModel:
        """Return a plan's compiled model, compiling it only where it is not kept."""
        known = self.conditions.effective(plan).key
        if known not in self._compiled:
            kept = {self.conditions.effective(float_).key for float_ in (self.reference_plan, self.float_plan)}
            # Scoring needs float's beside that of the plan at hand.
            self._compiled = {key: compiled for key, compiled in self._compiled.items() if key in kept}
            self._compiled[known] = truth(self) if is_truth_alone(self, plan) else self.compile(plan)
        return self._compiled[known]

    def release(self) -> None:
        """Forget the compiled models, and what was read of files, where they are large, before what needs the room."""
        if self.large:
            self._compiled.clear()
            runtime.let_go_of_pages(self.folder.resolve())

    def discard(self, plan: Plan) -> None:
        """Delete the built files of a plan that is out of the running, and forget its compiled model."""
        self._compiled.pop(self.conditions.effective(plan).key, None)
        shutil.rmtree(self._place(plan), ignore_errors=True)


def is_truth_alone(models: Models, plan: Plan) -> bool:
    """Tell whether a plan is the accuracy reference, and that is not what is served anyway."""
    is_reference = models.conditions.is_reference
    return is_reference(plan) and not is_reference(models.float_plan) and not models.large


def truth(models: Models) -> openvino.CompiledModel:
    """Compile the accuracy reference for as many samples at once as there is memory for.

    It takes longest of all that is scored, and nothing is served so.
    """
    first = runtime.Requests(models.model.inputs, models.splits.search, told(silent, "")).first()
    taken = activation_bytes(models.model, first)
    most = int(TRUTH_SHARE * runtime.free_bytes() / taken) if taken else 1
    many = {"PERFORMANCE_HINT": "THROUGHPUT", "PERFORMANCE_HINT_NUM_REQUESTS": str(min(most, MOST_REQUESTS))}
    properties = {**models.reference_plan.properties, **(many if most > 1 else {})}
    return runtime.compile_model(models.build(models.reference_plan), replace(models.deployment, properties=properties))


def read_back(normal: Normal, folder: Path) -> tuple[Normal, Path]:
    """Return a normal form read back from a file in a folder, and the file: folding constants leaves them in memory, in f32."""
    known = fingerprint(normal.model)
    path = folder / content_digest({"normal": known, "openvino": version("openvino")})[:16] / "model.xml"
    if not path.exists():
        with written(path.parent, folder=True) as partial:
            openvino.save_model(normal.model, partial / "model.xml", compress_to_fp16=False)
    mapped = runtime.core().read_model(path)
    # Reading anew lets go of the pages that the fingerprint has touched.
    mapped = runtime.core().read_model(path) if fingerprint(mapped) == known else normal.model
    return replace(normal, model=mapped), path


def taught(models: Models, recipe: Recipe) -> Compressed:
    """Return a recipe's model with its numbers trained, which takes minutes where they are not known yet."""
    if recipe.weight_bits == 8 or recipe.awq or recipe.gptq:
        raise UsageError(
            "Trained are weights in 4 bits that neither awq nor gptq has made. Give the recipe weights:bits=4 without these, or leave "
            "train out."
        )
    key, start = models.key(Plan(recipe=recipe)), recipe.untrained
    known = models.tutor.known(recipe, key)
    # All numbers are replaced, so that of those that are known it need not be known how they began.
    base = models.quantized(start if known is None else replace(start, scale_estimation=False))
    assert isinstance(base, Compressed)
    if known is None:
        models.release()
        file = models.tutor.learn(recipe, key, base, models.splits.lessons, models.seed)
    else:
        file = known[1]
    found = with_learned(base, file)
    models.recent.make_room()
    models.recent.keep(recipe, found)
    return found


def keep_learned(models: Models, recipe: Recipe, folder: Path) -> None:
    """Put the numbers of a recipe into the folder of a model that has them, and how they were trained, where that was here."""
    known = models.tutor.known(recipe, models.key(Plan(recipe=recipe)))
    assert known is not None
    told, file = known
    shutil.copyfile(file, folder / NUMBERS)
    if told is not None:
        (folder / TAUGHT).write_text(json.dumps(asdict(told)) + "\n", encoding="utf-8")


def source_of(models: Models, recipe: Recipe) -> tuple[openvino.Model, Recipe]:
    """Return what a recipe quantizes, and the recipe with the names that operations have there."""
    if recipe.graph == "as-read":
        return models.float_model or models.model, recipe
    if models.normal is None:
        raise ModelError(
            f"The plan is for the normal form of its model, and openvino {version('openvino')} cannot make that of this one."
        )
    return models.normal.model, replace(recipe, keep_float_names=models.normal.renamed(recipe.keep_float_names))


def check_room(model: openvino.Model, recipe: Recipe, requests: runtime.Requests) -> None:
    """Raise ModelError for a recipe that this machine has no memory for."""
    needed, free = needed_bytes(model, recipe, requests.first(), len(requests)), runtime.free_bytes()
    if needed > free:
        raise ModelError(
            f"Quantizing needs about {needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free. What helps: fewer "
            "samples (the recipe part calibration:size=N), a smaller --batch or --input-shape, ranges and biases that need "
            "fewer values at once, or a machine with more memory."
        )


def with_runtime_options(model: openvino.Model, properties: Mapping[str, str]) -> openvino.Model:
    """Return a model, as a copy where it must be, that holds those of its properties that travel with it."""
    travelling = _travelling(properties)
    copy = model.clone() if travelling else model
    for name, value in travelling.items():
        copy.set_rt_info(value, ["runtime_options", name])
    return copy


def _in_file(plan: Plan, reference: Plan) -> dict[str, str]:
    """Return those of a plan's properties that are in its file; the reference is float's own file, which is not served."""
    return {} if plan.key == reference.key else _travelling(plan.properties)


def _travelling(properties: Mapping[str, str]) -> dict[str, str]:
    return {name: properties[name] for name in RUNTIME_OPTIONS if name in properties}


def circumstances(device: str, *, anywhere: bool = False) -> dict[str, str]:
    """Return what outputs and times depend on beside model, plan and data: versions, and how the device computes.

    anywhere: plans are measured with either int8 arithmetic.
    """
    here, versions = runtime.capabilities(device), {name: version(name) for name in ("openvino", "nncf")}
    return {
        **versions,
        "processor": here.full_name,
        "precision": here.default_precision,
        "int8": BOTH if anywhere else here.int8,
    }
