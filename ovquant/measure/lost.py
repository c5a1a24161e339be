"""The samples on which a plan loses most beside float, in a form that a report can show."""

import base64
import io
from collections.abc import Mapping

import numpy as np

from ovquant.domain.lost import LostSample
from ovquant.domain.plan import Plan
from ovquant.domain.sample import Array, Inputs, Sample
from ovquant.measure.divergence import outputs_of
from ovquant.measure.score import Scorer

MOST = 50
"""Samples that are shown at most, those that lose most."""
SIDES, EDGE = (8, 2048), 160
"""The sides of what may be a picture, and the longest side of one that is shown, in pixels."""
SHOWN_VALUES, SHOWN_CHARACTERS = 8, 80


def lost_samples(scorer: Scorer, plan: Plan) -> tuple[LostSample, ...]:
    """Return the samples of the holdout that score less with a plan than with float in f32, by the primary metric, worst first.

    None are returned for float, and for a metric that is no mean over samples.
    """
    models = scorer.models
    if plan.is_float:
        return ()
    mine, truth = (scorer.evaluation(one, "holdout")[0].items for one in (plan, models.reference_plan))
    if mine is None or truth is None:
        return ()
    loss = scorer.metrics[0].sign * np.subtract(truth, mine)
    places = [int(place) for place in np.argsort(-loss, kind="stable")[:MOST] if loss[place] > 0]
    if not places:
        return ()
    data = models.splits.holdout.only(places)
    answers = [
        [_answer(outputs) for outputs in outputs_of(models.compiled(one), data, count=len(places))]
        for one in (models.reference_plan, plan)
    ]
    return tuple(
        _shown(
            data[number], data.indices[number], (answers[0][number], answers[1][number]), (truth[place], mine[place])
        )
        for number, place in enumerate(places)
    )


def _shown(sample: Sample, index: int, answers: tuple[str, str], scores: tuple[float, float]) -> LostSample:
    first = _first(sample.inputs)
    picture = _picture(first)
    values = "" if picture else _values(first)
    target = "" if sample.target is None else _cut(str(sample.target))
    return LostSample(index, target, *answers, *scores, picture, values)


def _first(inputs: Inputs) -> Array:
    """Return the first array of a sample's inputs."""
    if isinstance(inputs, Mapping):
        return np.asarray(next(iter(inputs.values())))
    return np.asarray(inputs[0] if isinstance(inputs, list | tuple) else inputs)


def _answer(outputs: Mapping[str, Array]) -> str:
    """Return the class of the highest output, or nothing where outputs are no scores of classes."""
    (first, *others) = outputs.values()
    scores = np.asarray(first).reshape(-1) if np.asarray(first).ndim < 3 else np.empty(0)
    alike = not others and scores.size > 1 and max(np.asarray(first).shape) == scores.size
    return str(int(scores.argmax())) if alike else ""


def _values(array: Array) -> str:
    """Return the first numbers of an array, and its shape."""
    shown = ", ".join(f"{value:.4g}" for value in array.reshape(-1)[:SHOWN_VALUES].astype(np.float64))
    return f"{shown}{', …' if array.size > SHOWN_VALUES else ''} {list(array.shape)}"


def _picture(array: Array) -> str:
    """Return a PNG of an array that has the shape of a picture, scaled from its least to its largest value; else nothing."""
    pixels = _pixels(array)
    if pixels is None:
        return ""
    try:
        from PIL import Image
    except ImportError:
        # Pictures come with the extra [vision]; the numbers are shown in their place.
        return ""
    least, most = float(pixels.min()), float(pixels.max())
    grey = np.round(255 * (pixels - least) / (most - least or 1.0)).astype(np.uint8)
    image = Image.fromarray(grey)
    image.thumbnail((EDGE, EDGE))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _pixels(array: Array) -> Array | None:
    """Return the pixels of a picture, [height, width] or [height, width, 3], or None for what has another shape."""
    shape = array.shape
    while len(shape) > 2 and shape[0] == 1:
        array, shape = array[0], shape[1:]
    if len(shape) == 3 and shape[0] == 3:
        array = np.moveaxis(array, 0, -1)
    elif len(shape) == 3 and shape[2] == 1:
        array = array[..., 0]
    shape = array.shape
    pictorial = len(shape) == 2 or (len(shape) == 3 and shape[2] == 3)
    sized = pictorial and all(SIDES[0] <= side <= SIDES[1] for side in shape[:2])
    finite = sized and np.issubdtype(array.dtype, np.number) and bool(np.isfinite(array).all())
    return array.astype(np.float64) if finite else None


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
