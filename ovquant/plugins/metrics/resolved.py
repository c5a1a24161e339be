"""A metric as it is used in a run: the plugin, and all that is asked about it, made once."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ovquant.plugins.identity import identity
from ovquant.plugins.metrics.checks import metric_name


@dataclass(frozen=True)
class ResolvedMetric:
    """A metric and what measuring asks about it.

    `name` is what it is called, in budgets too, and `given` the text that it was given as, "" for an object. `bounds` are
    the least and the largest score of a sample, or None. `useful` is what scores of any use lie between, where that is
    less. `guesses` is how many classes may be named for each sample.
    """

    plugin: Any
    name: str
    given: str
    higher_is_better: bool
    is_mean: bool
    compares_with_float: bool
    is_whole_set: bool
    bounds: tuple[float, float] | None
    useful: tuple[float, float] | None
    guesses: int = 1

    @classmethod
    def of(cls, plugin: Any, *, name: str = "", given: str = "") -> "ResolvedMetric":
        """Ask a metric that fits a protocol; name: what it is called unless its own name is to be taken."""
        bounds = getattr(plugin, "bounds", None)
        return cls(
            plugin=plugin,
            name=name or metric_name(plugin),
            given=given,
            higher_is_better=bool(plugin.higher_is_better),
            is_mean=bool(getattr(plugin, "is_mean", False)),
            compares_with_float=plugin.against == "float",
            is_whole_set=hasattr(plugin, "score_all"),
            bounds=bounds,
            useful=getattr(plugin, "useful", None),
            guesses=int(getattr(plugin, "guesses", 1)),
        )

    @property
    def reads_texts(self) -> bool:
        """Tell whether a text that comes without a target is its own."""
        return bool(getattr(self.plugin, "reads_texts", False))

    @property
    def reads_generated(self) -> bool:
        """Tell whether it reads what the model writes itself, where the data ask for that."""
        return bool(getattr(self.plugin, "reads_generated", False))

    def read(self, outputs: Any) -> Any:
        """Return what the metric reads of the float model's outputs of a sample: all, unless its plugin takes an excerpt."""
        excerpt = getattr(self.plugin, "excerpt", None)
        return outputs if excerpt is None else excerpt(outputs)

    @property
    def sign(self) -> float:
        """Return the factor that turns a difference into a drop: 1 where higher is better, else -1."""
        return 1.0 if self.higher_is_better else -1.0

    @property
    def by_sample(self) -> bool:
        """Tell whether the score is a mean that is measured block by block, so that scoring can stop early."""
        return self.is_mean and not self.is_whole_set

    @cached_property
    def key(self) -> Any:
        """Return what tells the metric from others, its options, state and code, as it was when first asked."""
        return identity(self.plugin)
