"""How long until the first plan inside the budget is there, against plain NNCF with the evaluations it needs.

    python examples/benchmark/first_plan.py [--case NAME]...

For each case a search runs until it has a plan inside the budget. Then nncf.quantize makes the same model by the same recipe, from as
many samples of the same data, and float and that model are scored on the search data: what somebody does who knows the recipe.
"""

import argparse
import time

import nncf
from cases import ALL, Case
from data import opened

import ovquant
from ovquant.domain.recipe import Recipe
from ovquant.graph.normalise import normalised
from ovquant.plugins.loaders import load_model
from ovquant.quantization.settings import quantize_arguments
from ovquant.runtime import fit

F32 = {"INFERENCE_PRECISION_HINT": "f32"}


class FoundError(Exception):
    """Ends a search at its first plan inside the budget."""

    def __init__(self, trial: ovquant.Trial) -> None:
        super().__init__(trial.plan.full_title)
        self.trial = trial


def first(case: Case) -> tuple[float, ovquant.Trial | None]:
    """Return the seconds until a search has its first plan inside the budget, and that; None where it ends without one."""

    def note(trial: ovquant.Trial) -> None:
        if trial.search is not None and trial.search.inside and not trial.plan.is_float:
            raise FoundError(trial)

    begin = time.perf_counter()
    given = {"data": case.search, "holdout": case.holdout, "metric": case.metric, "max_drop": case.max_drop}
    try:
        ovquant.quantize(case.model(), **given, on_trial=note, properties=F32)
    except FoundError as found:
        return time.perf_counter() - begin, found.trial
    return time.perf_counter() - begin, None


def plain(case: Case, recipe: Recipe) -> float:
    """Return the seconds of nncf.quantize by a recipe, and of scoring float and what it made on the search data."""
    begin = time.perf_counter()
    model, data = load_model(case.model()), opened(case.search)
    source = model if recipe.graph == "as-read" else normalised(model).model
    arguments = quantize_arguments(source, recipe, samples=recipe.calibration_size)
    quantized = nncf.quantize(source, nncf.Dataset(range(len(data)), lambda i: fit(model.inputs, data[i])), **arguments)
    for contender in (model, quantized):
        ovquant.evaluate(contender, data=data, metric=case.metric, properties=F32)
    return time.perf_counter() - begin


def main() -> None:
    """Print the seconds of both sides for each case that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=list(ALL), help="measure this case alone; may be repeated")
    for name in parser.parse_args().case or ALL:
        load_model(ALL[name].model())
        seconds, trial = first(ALL[name])
        if trial is None or trial.plan.recipe is None:
            print(f"{name}: no plan inside the budget in {seconds:.0f} s", flush=True)
            continue
        theirs = plain(ALL[name], trial.plan.recipe)
        ratio = seconds / theirs
        print(
            f"{name}: plain {theirs:.0f} s, first plan {seconds:.0f} s, {ratio:.2f} times: {trial.plan.full_title}",
            flush=True,
        )


if __name__ == "__main__":
    main()
