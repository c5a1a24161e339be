"""Results made by hand, as a run would leave them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ovquant.api.result import Result
from ovquant.domain.budget import Budget, Drop
from ovquant.domain.lost import LostSample
from ovquant.domain.plan import FLOAT, Plan
from ovquant.domain.recipe import Recipe
from ovquant.domain.result import Data, Provenance
from ovquant.domain.trial import Score, Scores, Timing, Trial

FLOAT_SCORE = 0.85


def score(split: Any, drop: float, *, allowed: float = 0.0085, corpus: bool = False) -> Scores:
    width = None if corpus else 0.004
    low, high = (None, None) if width is None else (drop - width, drop + width)
    method = "" if corpus else "t"
    one = Score(split, FLOAT_SCORE - drop, FLOAT_SCORE, drop, drop - allowed, 3000, low, high, method, "exact")
    return Scores((one,))


def timing(ratio: float, *, noise: float = 0.02) -> Timing:
    return Timing(8.0 * ratio, 9.0 * ratio, 8.0, 9.0, ratio, ratio - noise, ratio + noise, 200)


def trial(name: str, *, drop: float, ratio: float, layers: dict[str, str] | None = None) -> Trial:
    plan = Plan(name, Recipe(keep_float_types=(name,)), layers or {}, {"INFERENCE_NUM_THREADS": "2"})
    every = dict.fromkeys(("conv1", "conv2", "head"), "int8") | (layers or {})
    return Trial(plan, score("search", drop), None, timing(ratio), 3_500_000, 0.0123, every, seconds=4.0)


def result_of(**changes: Any) -> Result:
    """Return a result that met its budget, with some fields changed."""
    chosen = trial("keep-float, 1 layers in float", drop=0.004, ratio=0.64, layers={"conv1": "float"})
    chosen = replace(chosen, holdout=score("holdout", 0.006))
    aggressive = replace(trial("mixed", drop=0.008, ratio=0.6), holdout=score("holdout", 0.011))
    broken = Trial(Plan("bias", Recipe(bias_correction="accurate")), problem="It cannot be built: no bias.")
    outside = trial("default", drop=0.12, ratio=0.8)
    made = Result(
        verdict="met",
        trial=chosen,
        baseline=Trial(Plan(FLOAT), score("search", 0.0), None, timing(1.0), 10_900_000, 0.0, {}),
        trials=(outside, broken, chosen, aggressive),
        walked=(chosen, aggressive),
        budget=Budget(Drop.parse("1%")),
        metric="exact",
        higher_is_better=True,
        provenance=Provenance(
            objective="latency",
            device={"device": "CPU", "full_name": "A processor", "instructions": ("avx2", "avx512_vnni")},
            data={"search": Data(3000, "abc123"), "holdout": Data(3000, "def456"), "calibration": Data(3000, "abc123")},
            model_name="recogniser",
            model_fingerprint="0123456789abcdef",
            batch=1,
            seed=7,
            seconds=321.0,
            command="ovquant quantize recogniser.onnx",
            versions={"ovquant": "0.1.0", "openvino": "2026.4.1"},
        ),
        folder=Path("out"),
        notes=("Something to know.",),
    )
    return changed(made, **changes)


def changed(made: Result, **changes: Any) -> Result:
    """Return a result with some fields changed, its provenance's among them."""
    origin = {name: changes.pop(name) for name in list(changes) if name in Provenance.__dataclass_fields__}
    return replace(made, provenance=replace(made.provenance, **origin), **changes)


def float_result(verdict: Any = "float") -> Result:
    made = result_of()
    kept = replace(made.baseline, holdout=score("holdout", 0.0))
    return replace(made, verdict=verdict, trial=kept, walked=())


def corpus_result() -> Result:
    """Return the result of a metric that is no mean over samples, lower is better."""
    made = result_of(metric="wer", higher_is_better=False)
    chosen = replace(
        made.trial, holdout=score("holdout", 0.006, corpus=True), search=score("search", 0.004, corpus=True)
    )
    return replace(made, trial=chosen, trials=(chosen,), walked=(chosen,))


def applied_result() -> Result:
    """Return what `apply` makes: no search, no timing of float, no trial but the one."""
    made = result_of()
    chosen = replace(made.trial, search=None)
    baseline = Trial(made.baseline.plan, holdout=score("holdout", 0.0))
    return replace(made, verdict="missed", trial=chosen, baseline=baseline, trials=(chosen,), walked=(chosen,))


def empty_result() -> Result:
    """Return a result with no trial tried and nothing to tell."""
    made = float_result()
    return changed(made, trials=(), notes=(), data={}, device={}, versions={}, command="")


HOSTILE = "<script>alert('x')</script> | `a` & *b*\n\n# c \x00\ud800"


def hostile_result() -> Result:
    """Return a result in which every name is chosen to break a page or a table."""
    plan = Plan(HOSTILE, Recipe(keep_float_names=(HOSTILE,)), {HOSTILE: "float"}, {HOSTILE: HOSTILE})
    chosen = replace(result_of().trial, plan=plan)
    return result_of(
        trial=chosen,
        trials=(chosen, Trial(Plan(HOSTILE, Recipe()), problem=HOSTILE)),
        walked=(chosen,),
        metric=HOSTILE,
        model_name=HOSTILE,
        lost=(LostSample(3, HOSTILE, HOSTILE, HOSTILE, 1.0, 0.0, values=HOSTILE),),
        notes=(HOSTILE,),
        command=HOSTILE,
        device={HOSTILE: HOSTILE},
        versions={HOSTILE: HOSTILE},
        data={HOSTILE: Data(3, HOSTILE)},
    )


RESULTS: dict[str, Callable[[], Result]] = {
    "met": result_of,
    "float": float_result,
    "infeasible": lambda: float_result("infeasible"),
    "inconclusive": lambda: result_of(verdict="inconclusive"),
    "applied": applied_result,
    "corpus metric": corpus_result,
    "nothing tried": empty_result,
    "size": lambda: result_of(objective="size"),
    "throughput": lambda: result_of(objective="throughput"),
    "floor": lambda: result_of(budget=Budget(Drop(0.02), floor=0.8)),
    "float scores zero": lambda: result_of(
        trial=replace(result_of().trial, holdout=Scores((Score("holdout", 0, 0, 0, -1, 9),)))
    ),
    "hostile": hostile_result,
}


@pytest.fixture(params=list(RESULTS))
def any_result(request: pytest.FixtureRequest) -> Result:
    """Return each kind of result in turn."""
    return RESULTS[request.param]()


@pytest.fixture
def results() -> dict[str, Callable[[], Result]]:
    """Return how to make a result of each kind."""
    return RESULTS
