"""How well the divergence from float orders recipes of the same operations by what they lose on other data.

    python examples/benchmark/divergence.py [--case NAME]... [--samples 64] [--fresh 1000]

All combinations of ranges, bits of weights and corrections of biases are built on the normal form of a model, with and without the
transformer type. Of each the divergence on samples of the search data is printed beside the drop on fresh samples, and at the end of a
case Spearman's rank correlation of the two.
This reads ovquant's internals: a search never scores all of these.
"""

import argparse
from itertools import product

import numpy as np
import openvino
from cases import ALL, Case
from contenders import load
from data import Slice, opened
from scipy.stats import spearmanr

from ovquant import runtime
from ovquant.domain.recipe import Recipe
from ovquant.graph.normalise import normalised
from ovquant.measure.divergence import divergence, outputs_of
from ovquant.measure.evaluate import evaluate
from ovquant.plugins.metrics import resolve_metrics
from ovquant.quantization import quantizer

CALIBRATION = 100
DEPLOYMENT = runtime.Deployment("CPU", {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"})
CHOICES = tuple(
    Recipe(model_type=kind, activation_range=ranges, seven_bits=bits, bias_correction=bias)
    for kind, ranges, bits, bias in product(
        ("any", "transformer"), ("default", "minmax", "histogram"), ("first", "all"), ("fast", "accurate")
    )
)


def order(case: Case, samples: int, fresh: int) -> None:
    """Print how far each recipe is from float, what it loses, and how the two orders agree."""
    data, metric = opened(case.search), resolve_metrics(case.metric)[0]
    near, unseen = Slice(data, CALIBRATION, samples), opened(case.fresh, fresh)
    model = normalised(load(case)).model
    first = [data[place] for place in range(CALIBRATION)]
    calibration = runtime.Requests(model.inputs, first, lambda done, total: None)
    make = quantizer(model)

    def compiled(built: openvino.Model) -> openvino.CompiledModel:
        return runtime.compile_model(built, DEPLOYMENT)

    whole = compiled(model)
    truth = outputs_of(whole, near, count=samples)
    score = evaluate(whole, unseen, metric=metric).score
    found = []
    for recipe in CHOICES:
        plan = compiled(make.quantize(recipe, calibration=calibration).build())
        distance = divergence(outputs_of(plan, near, count=samples), truth)
        found.append((distance, metric.sign * (score - evaluate(plan, unseen, metric=metric).score)))
        settings = (recipe.model_type, recipe.activation_range, recipe.seven_bits, recipe.bias_correction)
        print(f"{case.name}: {', '.join(settings)}: divergence {distance:.4g}, drop {found[-1][1]:.4g}", flush=True)
    correlation = spearmanr(*np.array(found).T).statistic
    print(f"{case.name}: rank correlation {correlation:.2f} over {len(found)} recipes, {samples} samples")


def main() -> None:
    """Order the recipes of each case that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=list(ALL))
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--fresh", type=int, default=1000)
    arguments = parser.parse_args()
    for name in arguments.case or ["recogniser-2pt"]:
        order(ALL[name], arguments.samples, arguments.fresh)


if __name__ == "__main__":
    main()
