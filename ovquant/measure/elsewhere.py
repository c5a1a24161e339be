"""How plans answer with the int8 arithmetic that this processor has not, from a process in which it is simulated."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ovquant.domain.plan import Plan
from ovquant.domain.split import Subset
from ovquant.domain.trial import WHERE, Split
from ovquant.errors import LostError, ModelError
from ovquant.measure.evaluate import Evaluation
from ovquant.measure.models import Models
from ovquant.measure.worker import Worker
from ovquant.runtime import Arithmetic


@dataclass
class Elsewhere:
    """The other arithmetic, as seen from the process that measures.

    `start` starts the one in which a Replica answers, and does not wait for it.
    """

    arithmetic: Arithmetic
    start: Callable[[], Worker]
    _worker: Worker | None = None
    _is_ready: bool = False

    def evaluation(
        self, models: Models, plan: Plan, split: Split, places: Sequence[int] | None, data: Subset
    ) -> list[Evaluation]:
        """Score a plan's saved file on these samples of a split, or on all, by every metric; `data` is what they are here."""
        return self._ask("evaluation", models, plan, split, places, data.fingerprint)  # type: ignore[no-any-return]

    def divergence(self, models: Models, plan: Plan) -> float:
        """Return how far the outputs of a plan's saved file are from float's."""
        return float(self._ask("divergence", models, plan))

    def begin(self) -> None:
        """Start the process, where it is not there, without waiting for it; what goes wrong shows once it is asked."""
        with suppress(LostError, OSError):
            self._worker = self._worker or self.start()

    def open(self) -> Worker:
        """Return the process once it is ready; raises ModelError where it cannot do what it should."""
        worker = self._worker or self.start()
        if not self._is_ready:
            # One that does not answer as it should is started anew when it is asked again.
            self._worker = None
            worker.wait()
            self._worker, self._is_ready = worker, True
        return worker

    def _ask(self, method: str, models: Models, plan: Plan, *arguments: Any) -> Any:
        paths = models.build(plan), models.build(models.reference_plan)
        try:
            properties = plan.properties, models.reference_plan.properties
            return self.open().call("measure", method, *paths, plan.title, *properties, *arguments)
        except LostError as error:
            # It is not the process that measures that was lost.
            self._worker, self._is_ready = None, False
            raise ModelError(f"{plan.full_title} could not be run as {WHERE[self.arithmetic]} do: {error}.") from error
