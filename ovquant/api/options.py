"""How to search, and how to serve."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from inspect import signature
from typing import Any, Literal, TypedDict, get_args

from ovquant.domain.budget import Budget
from ovquant.domain.objective import Generation, Objective
from ovquant.domain.split import By
from ovquant.domain.units import seconds
from ovquant.errors import UsageError
from ovquant.runtime import Deployment

DEFAULT_STRATEGY = "integer-program"
Processors = Literal["this", "any"]
TIMES = ("time_budget", "trial_timeout", "train")
"""Options that are seconds, or text such as 30m."""


class ServeOptions(TypedDict, total=False):
    """How a model is loaded, compiled and served; see Options."""

    device: str
    optimize: Objective
    batch: int | None
    threads: int | None
    properties: Mapping[str, str] | None
    input_shape: str | None
    prompt_tokens: int
    new_tokens: int


class MeasureOptions(ServeOptions, total=False):
    """How a model is measured on data that are not split; see Options."""

    seed: int


class ApplyOptions(MeasureOptions, total=False):
    """How a given plan is verified; see Options."""

    slice_by: By | None
    group_by: By | None
    isolate: bool | None
    trial_timeout: str | float | None
    show_samples: bool


class CheckOptions(TypedDict, total=False):
    """How a result is verified again where that is not as it was made; see Options."""

    device: str | None
    seed: int
    slice_by: By | None
    group_by: By | None


class ProfileOptions(MeasureOptions, total=False):
    """How a search is made; see Options."""

    recipes: Sequence[str]
    strategy: Any
    time_budget: str | float | None
    max_trials: int | None
    keep_float: Sequence[str]
    group_by: By | None
    isolate: bool | None
    trial_timeout: str | float | None
    executor: Any


class QuantizeOptions(ProfileOptions, total=False):
    """How a search is made and its plans are proven; see Options."""

    pareto: bool
    processors: Processors
    train: str | float | None
    trainer: str
    slice_by: By | None
    show_samples: bool


@dataclass(frozen=True)
class Options:
    """How to search and where to serve; the defaults are for low latency on the CPU.

    `recipes` are texts such as "transformer+bias"; the search tries these alone, else all that suit the model.
    `keep_float` are operation names, operation types or regular expressions of names. `time_budget` is in seconds,
    or text such as "30m"; without one `quantize` ends once nothing has been gained for a while, unless recipes, a strategy, `pareto` or
    `max_trials` say what it is to try. `max_trials` counts plans. With `pareto` the result also holds every plan on the front of accuracy and speed.
    With `processors` "any" budgets must hold whichever way a processor adds int8 products, of which one way is simulated.
    `input_shape` is as on the command line, such as "[1,3,48,320]" or "ids[1,16],mask[1,16]". `slice_by` and `group_by`
    are a column of the data, "target", or a function of a sample: each slice has a drop of its own, and what is in one
    group stays on one side of the split and counts as one where it is asked how sure a drop is. With `isolate`, the default
    unless the environment variable OVQUANT_ISOLATE is 0, plans are measured in a process that can be lost; `trial_timeout`
    limits each measurement of a plan there, in seconds, where it else follows from what float took. Where `optimize` is
    "first-token" or "next-token", a decoder is timed while it takes a prompt of `prompt_tokens` and `new_tokens` after it. Without
    `show_samples` nothing that the samples hold is written into the result and its reports, only their places and scores. `executor`
    decides where plans are scored: "local", "dask:ADDRESS" or a `distributed.Client` with ovquant-dask installed. With `train`, in seconds or
    text such as "10m", the numbers of weights in four bits are trained for so long where that may win; `trainer` is the way.
    """

    device: str = "CPU"
    optimize: Objective = "latency"
    recipes: Sequence[str] = ()
    strategy: Any = DEFAULT_STRATEGY
    time_budget: float | None = None
    max_trials: int | None = None
    pareto: bool = False
    processors: Processors = "this"
    keep_float: Sequence[str] = ()
    batch: int | None = None
    threads: int | None = None
    properties: Mapping[str, str] | None = None
    input_shape: str | None = None
    prompt_tokens: int = Generation.prompt_tokens
    new_tokens: int = Generation.new_tokens
    seed: int = 0
    slice_by: By | None = None
    group_by: By | None = None
    isolate: bool | None = None
    trial_timeout: float | None = None
    show_samples: bool = True
    executor: Any = "local"
    train: float | None = None
    trainer: str = "end-to-end"

    @property
    def says_how_long(self) -> bool:
        """Tell whether the user said what is to be tried, or for how long."""
        limited = self.time_budget is not None or self.max_trials is not None
        return limited or self.pareto or bool(self.recipes) or self.strategy != DEFAULT_STRATEGY

    def own_properties(self) -> dict[str, str]:
        """Return the compile properties that the user asked for."""
        threads = {} if self.threads is None else {"INFERENCE_NUM_THREADS": str(self.threads)}
        return {**threads, **{name: str(value) for name, value in (self.properties or {}).items()}}

    def generation(self) -> Generation:
        """Return how a decoder is timed."""
        return Generation(self.prompt_tokens, self.new_tokens)

    def deployment(self) -> Deployment:
        """Return where and how the model will serve; the hint is written out, so that plans hold all that was measured."""
        hint = "THROUGHPUT" if self.optimize == "throughput" else "LATENCY"
        return Deployment(self.device, {"PERFORMANCE_HINT": hint, **self.own_properties()}, self.batch or 1)


def read_options(options: Mapping[str, Any], taken: type, *, of: Callable[..., Any] | None = None) -> Options:
    """Return the options of a public function; raises UsageError for one that it does not take.

    taken: the TypedDict of those that it takes. of: the function, whose other parameters are suggested too.
    """
    known = [name for name in Options.__dataclass_fields__ if name in taken.__optional_keys__]  # type: ignore[attr-defined]
    unknown = [name for name in options if name not in known]
    if unknown:
        close = get_close_matches(unknown[0], [*known, *(signature(of).parameters if of is not None else ())], 1)
        hint = f"Did you mean '{close[0]}'?" if close else f"The options: {', '.join(known)}."
        raise UsageError(f"The option '{unknown[0]}' is not taken here. {hint}")
    times = {name: seconds(options[name], f"--{name.replace('_', '-')}") for name in TIMES if name in options}
    settings = Options(**{**options, **times})
    if settings.batch is not None and settings.batch < 1:
        raise UsageError(f"--batch is {settings.batch}; it is at least 1.")
    if settings.max_trials is not None and settings.max_trials < 1:
        raise UsageError(f"--max-trials is {settings.max_trials}; it is at least 1.")
    if settings.trial_timeout is not None and not settings.trial_timeout > 0:
        raise UsageError(f"--trial-timeout is {settings.trial_timeout:g} s; give a time above zero.")
    if settings.train is not None and settings.train < 1:
        raise UsageError(f"--train is {settings.train:g} s; it is at least 1 s.")
    if settings.processors not in ("this", "any"):
        raise UsageError(f"--processors is '{settings.processors}'; choose this or any.")
    if settings.optimize not in (objectives := get_args(Objective)):
        raise UsageError(
            f"--optimize is '{settings.optimize}'; choose {', '.join(objectives[:-1])} or {objectives[-1]}."
        )
    for name in ("prompt_tokens", "new_tokens"):
        if getattr(settings, name) < 1:
            raise UsageError(f"--{name.replace('_', '-')} is {getattr(settings, name)}; it is at least 1.")
    return settings


def check_slices(budget: Budget, settings: Options) -> None:
    """Raise UsageError when the drop that no slice may exceed, and what to slice by, are not both given."""
    if (budget.worst_slice is None) != (settings.slice_by is None):
        raise UsageError(
            "--slice-by and --worst-slice go together: give the column, and what no slice may lose more of."
        )
