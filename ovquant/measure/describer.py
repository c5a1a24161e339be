"""What a plan is beside its score and its speed: size, divergence from float, precisions, and what it is served on."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ovquant import runtime
from ovquant.domain.digest import MODEL
from ovquant.domain.plan import Plan
from ovquant.domain.sample import Array
from ovquant.domain.typed import number, typed
from ovquant.measure.divergence import DIVERGENCE_BYTES, DIVERGENCE_SAMPLES, divergence, outputs_of
from ovquant.measure.evaluate import FIRST_CHECKPOINT, checkpoints
from ovquant.measure.footprint import FOOTPRINT_REQUESTS, footprint
from ovquant.measure.models import Models
from ovquant.measure.score import Scorer


@dataclass(frozen=True)
class Traits:
    """What is recorded of a plan beside score and speed."""

    size_bytes: int
    divergence: float
    layers: dict[str, str]


def _number(value: Any) -> float:
    return number(value, "divergence")


@dataclass
class Describer:
    """Describes plans; what the profile holds is not measured again."""

    models: Models
    scorer: Scorer
    _expected: list[dict[str, Array]] = field(default_factory=list)

    def compare_first(self, plan: Plan) -> None:
        """Score a plan's first samples and compare the same outputs with float's, which else takes a pass of its own."""
        key, outputs = self._divergence_key(plan), list[dict[str, Array]]()
        if self.models.profile.recall("divergence", key) is not None or not self.scorer.by_sample:
            return
        if next(checkpoints(len(self.models.splits.search))) == len(self.float_outputs()) == FIRST_CHECKPOINT:
            self.scorer.part(plan, 0, FIRST_CHECKPOINT, lambda block: outputs.extend(block.outputs))
        if outputs:
            self.models.profile.record("divergence", key, divergence(outputs, self.float_outputs()))

    def traits(self, plan: Plan) -> dict[str, Any]:
        """Return size, divergence from float, and the precision of every layer of a plan."""
        key = self._divergence_key(plan)

        def measure() -> dict[str, Any]:
            path = self.models.build(plan)
            here = self.models.profile.measured("divergence", key, lambda: self._divergence(plan), _number)
            return {
                "size_bytes": sum((path.parent / name).stat().st_size for name in MODEL),
                "divergence": max(here, self._divergence_elsewhere(plan, key)) if anywhere else here,
                "layers": self._precisions(plan),
            }

        anywhere = self.scorer.anywhere and plan.runs_int8
        named = {**self.models.key(plan), "data": self.models.splits.search.inputs}
        found = self.models.profile.measured("facts", named, measure, lambda value: typed(Traits, value))
        return asdict(found)

    def served(self, plan: Plan) -> dict[str, str]:
        """Return what a plan is scored and served on, as its compiled model reports it."""
        # The reference is scored otherwise than it is served.
        compiled = self.models.compile(plan) if plan.is_float else self.models.compiled(plan)
        known = runtime.properties_of(compiled, runtime.SERVED)
        return {"device": self.models.deployment.device, "batch": str(self.models.deployment.batch), **known}

    def footprint(self, plan: Plan) -> int | None:
        """Return the bytes of memory that serving a plan takes, by a process that does nothing else; None where it failed."""
        path, splits = self.models.build(plan), self.models.splits
        requests = runtime.requests_of(self.models.compiled(plan), splits.search, FOOTPRINT_REQUESTS)
        self.models.release()
        return footprint(path, replace(self.models.deployment, properties=plan.properties), requests)

    def float_outputs(self) -> list[dict[str, Array]]:
        """Return the float reference's outputs for the first samples of the search split."""
        if not self._expected:
            reference = self.models.compiled(self.models.reference_plan)
            self._expected = outputs_of(
                reference, self.models.splits.search, count=DIVERGENCE_SAMPLES, most_bytes=DIVERGENCE_BYTES
            )
        return self._expected

    def _divergence_key(self, plan: Plan) -> dict[str, Any]:
        return {**self.models.built_key(plan, values=True), "data": self.models.splits.search.inputs}

    def _divergence(self, plan: Plan) -> float:
        expected = self.float_outputs()
        compiled = self.models.compiled(plan)
        return divergence(outputs_of(compiled, self.models.splits.search, count=len(expected)), expected)

    def _divergence_elsewhere(self, plan: Plan, key: dict[str, Any]) -> float:
        elsewhere = self.scorer.elsewhere
        assert elsewhere is not None
        there = {**key, "simulated": elsewhere.arithmetic}
        return self.models.profile.measured(
            "divergence", there, lambda: elsewhere.divergence(self.models, plan), _number
        )

    def _precisions(self, plan: Plan) -> dict[str, str]:
        if plan.recipe is None:
            return {}
        return self.models.quantized(plan.recipe).precisions(runtime.core().read_model(self.models.build(plan)))
