"""Score detected boxes: COCO mean average precision."""

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ovquant.domain.sample import Array, Outputs
from ovquant.errors import MetricError, UsageError
from ovquant.plugins.extras import library
from ovquant.plugins.metrics.outputs import Decode, SampleOutputs, find_decode, split_outputs, without_batch

BOX_SHAPES = "boxes [n, 4], or one array [n, 6] or [n, 7]"


class Boxes(NamedTuple):
    """Boxes of one image: corners x1, y1, x2, y2 `[n, 4]`, labels `[n]`, and a score or a crowd flag each `[n]`."""

    corners: Array
    labels: Array
    weights: Array


class Found(NamedTuple):
    """The detected and the true boxes of one image."""

    detected: Boxes
    true: Boxes


@dataclass(frozen=True)
class MeanAveragePrecision:
    """Average COCO's precision of detected boxes over classes and overlaps 0.50 to 0.95, or over `iou` alone.

    What one image's output may be (a batch axis of one is dropped everywhere):

    - several outputs: boxes `[n, 4]` (x1, y1, x2, y2), scores `[n]` and labels `[n]`, named by the options `boxes`,
      `scores` and `labels`; boxes `[n, 5]` carry the score in the fifth column and need no scores;
    - one output `[n, 6]`: x1, y1, x2, y2, score, label;
    - one output `[n, 7]`, OpenVINO's DetectionOutput: image, label, score, x1, y1, x2, y2, ended by an image of -1.
      Its rows of a batch cannot be told apart, so run such a model with a batch of one;
    - anything else, with `decode`: a function, or `FILE.py:NAME`, from the outputs of one image, batch axis kept, to a
      mapping with "boxes" `[n, 4]`, "scores" and "labels".

    A target is a mapping with "boxes" `[m, 4]` and "labels" `[m]`, and "crowd" `[m]` if some boxes are crowds, in the unit
    of the output's boxes. `label_offset` is added to the model's labels; boxes scored `min_score` or less are dropped.
    Only classes that occur in targets count. The score is between 0 and 1. Source: `pycocotools.cocoeval.COCOeval`,
    all areas, at most 100 boxes per image and class.
    """

    iou: float | None = None
    min_score: float = 0.0
    label_offset: int = 0
    boxes: str = "boxes"
    scores: str = "scores"
    labels: str = "labels"
    decode: Decode = ""
    output: str = ""

    higher_is_better: ClassVar[bool] = True
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    is_mean: ClassVar[bool] = False
    against: ClassVar[str] = "targets"

    def __post_init__(self) -> None:
        if self.iou is not None and not 0 < self.iou <= 1:
            raise UsageError(f"Metric 'map': iou={self.iou} must be above 0 and at most 1.")

    def measure(self, outputs: Outputs, targets: Sequence[Any], /) -> list[Found]:
        """Return the detected and the true boxes per image."""
        samples = split_outputs(outputs, targets, output=self.output, metric="map")
        return [
            Found(self._detected(sample), _true_boxes(target)) for sample, target in zip(samples, targets, strict=True)
        ]

    def aggregate(self, items: Sequence[Found], /) -> float:
        """Return the mean average precision over all images."""
        if not sum(len(item.true.labels) for item in items):
            raise MetricError("Metric 'map': no target has a box. Give images with objects.")
        if not sum(len(item.detected.labels) for item in items):
            return 0.0
        return _coco_precision(items, self.iou)

    def _detected(self, sample: SampleOutputs) -> Boxes:
        if self.decode:
            decoded = find_decode(self.decode)(sample)
            if not isinstance(decoded, Mapping):
                raise MetricError("Metric 'map': the decode function must return a mapping of boxes, scores, labels.")
            found = _from_mapping(decoded, "boxes", "scores", "labels")
        elif isinstance(sample, dict):
            found = _from_mapping(sample, self.boxes, self.scores, self.labels)
        else:
            found = _from_array(sample)
        kept = found.weights > self.min_score
        return Boxes(found.corners[kept], found.labels[kept] + self.label_offset, found.weights[kept])


def _from_mapping(outputs: Mapping[str, Any], boxes: str, scores: str, labels: str) -> Boxes:
    missing = [name for name in (boxes, labels) if name not in outputs]
    if missing:
        raise MetricError(
            f"Metric 'map' reads output '{missing[0]}'; there are {', '.join(outputs)}. Name them with boxes=, scores= and "
            "labels=, choose one array with output=NAME, or give decode=FILE.py:NAME."
        )
    rows = _rows(outputs[boxes])
    if rows.shape[1] == 5 and scores not in outputs:
        rows, weights = rows[:, :4], rows[:, 4]
    elif scores in outputs:
        weights = np.asarray(outputs[scores]).ravel()
    else:
        raise MetricError(
            f"Metric 'map' reads output '{scores}'; there are {', '.join(outputs)}. Name it with scores=."
        )
    return _boxes(rows, np.asarray(outputs[labels]).ravel(), weights)


def _from_array(sample: Array) -> Boxes:
    rows = _rows(sample)
    if rows.shape[1] == 6:
        return _boxes(rows[:, :4], rows[:, 5], rows[:, 4])
    if rows.shape[1] == 7:
        ends = np.flatnonzero(rows[:, 0] < 0)
        rows = rows[: ends[0]] if len(ends) else rows
        return _boxes(rows[:, 3:], rows[:, 1], rows[:, 2])
    raise MetricError(
        f"Metric 'map' reads {BOX_SHAPES} per image; the output is {list(sample.shape)}. Give decode=FILE.py:NAME with a "
        "function that returns boxes, scores and labels."
    )


def _true_boxes(target: Any) -> Boxes:
    if not isinstance(target, Mapping) or not {"boxes", "labels"} <= set(target):
        raise MetricError(
            f"Metric 'map' needs targets {{boxes: [m, 4], labels: [m]}}; got {type(target).__name__} {target!r:.80}."
        )
    labels = np.asarray(target["labels"]).ravel()
    crowd = np.asarray(target.get("crowd", np.zeros(len(labels)))).ravel()
    return _boxes(_rows(target["boxes"]), labels, crowd)


def _rows(values: Any) -> Array:
    array = np.asarray(values)
    if not array.size:
        return np.zeros((0, array.shape[-1] if array.ndim > 1 else 4))
    while array.ndim > 2 and array.shape[0] == 1:
        array = without_batch(array)
    if array.ndim != 2:
        raise MetricError(f"Metric 'map' reads {BOX_SHAPES} per image; got {list(np.shape(values))}.")
    return array


def _boxes(corners: Array, labels: Array, weights: Array) -> Boxes:
    if corners.shape != (len(labels), 4) or len(weights) != len(labels):
        raise MetricError(
            f"Metric 'map': boxes {list(corners.shape)} do not fit {len(labels)} labels and {len(weights)} scores."
        )
    if any(np.isnan(values).any() for values in (corners, labels, weights)):
        raise MetricError("Metric 'map': boxes, labels or scores are NaN. Check the model, or keep more in float.")
    return Boxes(corners.astype(np.float64), labels.astype(np.int64), weights.astype(np.float64))


def _coco_precision(items: Sequence[Found], iou: float | None) -> float:
    coco = library("pycocotools.coco", metric="map", extra="vision").COCO
    evaluation = library("pycocotools.cocoeval", metric="map", extra="vision").COCOeval
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
        truth = coco()
        truth.dataset = _coco_truth(items)
        truth.createIndex()
        run = evaluation(truth, truth.loadRes(_coco_detections(items)), "bbox")
        run.params.iouThrs = run.params.iouThrs if iou is None else np.array([iou])
        run.evaluate()
        run.accumulate()
    # [overlaps, recalls, classes, areas, most boxes]: all areas, 100 boxes; -1 marks classes with only crowds.
    precision = run.eval["precision"][:, :, :, 0, -1]
    known = precision[precision > -1]
    return float(known.mean()) if known.size else float("nan")


def _coco_truth(items: Sequence[Found]) -> dict[str, Any]:
    annotations = [
        {**_coco_box(image, item.true, index), "iscrowd": int(item.true.weights[index] > 0)}
        for image, item in enumerate(items, start=1)
        for index in range(len(item.true.labels))
    ]
    for number, annotation in enumerate(annotations, start=1):
        annotation["id"] = number
    classes = sorted({annotation["category_id"] for annotation in annotations})
    return {
        "info": {},
        "images": [{"id": image} for image in range(1, len(items) + 1)],
        "annotations": annotations,
        "categories": [{"id": label} for label in classes],
    }


def _coco_detections(items: Sequence[Found]) -> list[dict[str, Any]]:
    return [
        {**_coco_box(image, item.detected, index), "score": float(item.detected.weights[index])}
        for image, item in enumerate(items, start=1)
        for index in range(len(item.detected.labels))
    ]


def _coco_box(image: int, boxes: Boxes, index: int) -> dict[str, Any]:
    x1, y1, x2, y2 = (float(value) for value in boxes.corners[index])
    width, height = x2 - x1, y2 - y1
    return {
        "image_id": image,
        "category_id": int(boxes.labels[index]),
        "bbox": [x1, y1, width, height],
        "area": width * height,
    }
