"""Which rows of a model's outputs belong to which sample; known of the model, never guessed from rows that happen to fit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import openvino
from openvino import layout_helpers

from ovquant.domain.sample import Array
from ovquant.errors import ModelError
from ovquant.graph.names import names_of
from ovquant.graph.shapes import first_axis, static_batch

Shapes = tuple[tuple[int, ...], ...]
"""The shapes of a sample's inputs, batch axis included."""
ByShapes = Callable[[Shapes], tuple[bool, ...]]
Lengths = Callable[[Shapes], tuple[int | None, ...]]
"""Tells how long axis 0 of each output is for inputs of some shapes; None where it depends on values."""
Parts = Callable[[], tuple[openvino.CompiledModel, openvino.CompiledModel]]
"""Compiles the encoder and the decoder of a model that was made of two."""
Ask = Callable[[Sequence[Array]], list[Array]]
"""Runs a model on the inputs of one request, from a clean state, and returns its outputs."""
SAME, NOISE = 0.05, 1e-4
"""How far what must be the same may differ: of an output's spread, and of its size, by column."""


def batched_outputs(model: openvino.Model, shapes: Shapes | None = None) -> tuple[bool, ...]:
    """Tell of each output whether its axis 0 is the batch: by its layout, its shape, or by shapes at two batches.

    An axis of length one that is fixed is taken for the batch, since every sample has it. shapes: those of a sample's
    inputs, by which other open axes are closed; where an output has a row per window of a sound, say, that decides.
    """
    known = [_by_port(port) for port in model.outputs]
    if None in known:
        scaling = _scaling(model, shapes)
        known = [scales if found is None else found for found, scales in zip(known, scaling, strict=True)]
    return tuple(bool(found) for found in known)


def lengths_of(model: openvino.Model, shapes: Shapes) -> tuple[int | None, ...]:
    """Return how long axis 0 of each output is for inputs of these shapes; None where it depends on their values."""
    copy = model.clone()
    try:
        copy.reshape(
            {port: openvino.PartialShape(list(shape)) for port, shape in zip(copy.inputs, shapes, strict=True)}
        )
    except RuntimeError:
        return (None,) * len(model.outputs)
    return tuple(map(first_axis, copy.outputs))


def open_beyond_batch(model: openvino.Model) -> bool:
    """Tell whether an input has an open axis beside its first, so that shapes of samples can decide what is a batch."""
    shapes = [port.get_partial_shape() for port in model.inputs]
    return any(not shape.rank.is_dynamic and any(size.is_dynamic for size in list(shape)[1:]) for shape in shapes)


def _by_port(port: Any) -> bool | None:
    layout, shape = port.get_node().layout, port.get_partial_shape()
    if layout_helpers.has_batch(layout):
        return bool(layout_helpers.batch_idx(layout) == 0)
    if shape.rank.is_dynamic:
        return None
    if shape.rank.get_length() == 0:
        return False
    return None if shape[0].is_dynamic else bool(shape[0].get_length() == 1)


def _scaling(model: openvino.Model, shapes: Shapes | None) -> list[bool]:
    """Tell of each output whether its axis 0 is as long as that of the inputs, at a batch of two and of three."""
    copy, axes = model.clone(), []
    open_inputs = [place for place, port in enumerate(model.inputs) if _is_open(port)]
    for batch in (2, 3):
        try:
            sizes = {place: None if shapes is None else shapes[place] for place in open_inputs}
            copy.reshape(
                {copy.inputs[place]: _resized(copy.inputs[place], batch, sizes[place]) for place in open_inputs}
            )
        except RuntimeError:
            return [False] * len(model.outputs)
        axes.append([first_axis(port) == batch for port in copy.outputs])
    return [bool(open_inputs) and all(found) for found in zip(*axes, strict=True)]


def _is_open(port: Any) -> bool:
    shape = port.get_partial_shape()
    return not shape.rank.is_dynamic and shape.rank.get_length() > 0 and bool(shape[0].is_dynamic)


def _resized(port: Any, batch: int, sizes: tuple[int, ...] | None) -> Any:
    shape = port.get_partial_shape()
    for axis in range(1, len(shape)) if sizes is not None and len(sizes) == len(shape) else ():
        shape[axis] = sizes[axis]  # type: ignore[index]
    shape[0] = batch
    return shape


class Compiled(openvino.CompiledModel):  # type: ignore[misc]  # openvino has no types
    """A compiled model, and for each of its outputs whether axis 0 is the batch.

    `doubt` says why its accuracy is not known on this machine, where it is a result's that was measured on another. `parts` compiles the
    encoder and the decoder that it was made of, where it was made of two.
    """

    def __init__(
        self,
        compiled: openvino.CompiledModel,
        batched: Sequence[bool],
        by_shapes: ByShapes | None = None,
        lengths: Lengths | None = None,
    ) -> None:
        """Wrap a compiled model; batched: of each output, whether axis 0 is the batch, where that is not fixed.

        by_shapes: tells the same for samples of given shapes, where these decide. lengths: of outputs that shapes decide.
        """
        super().__init__(compiled)
        self.doubt = ""
        self.parts: Parts | None = None
        self._by_shapes, self._lengths = by_shapes, lengths
        self.batched = tuple(batched)
        self.cuts = Cuts(compiled, lengths)

    def described(self, other: openvino.CompiledModel) -> "Compiled":
        """Return another compilation of the same model, of which the same is known."""
        found = Compiled(other, self.batched, self._by_shapes, self._lengths)
        found.parts = self.parts
        return found

    def batched_at(self, shapes: Shapes) -> tuple[bool, ...]:
        """Tell of each output whether its axis 0 is the batch for samples of these shapes, batch axis included."""
        return self.batched if self._by_shapes is None else self._by_shapes(shapes)


@dataclass(frozen=True)
class Filling:
    """How samples fill a request: so many, one after the other in the inputs that are `joined`; the others they share."""

    size: int
    joined: tuple[bool, ...]


def batched_of(compiled: openvino.CompiledModel, shapes: Shapes | None = None, *, size: int = 1) -> tuple[bool, ...]:
    """Tell of each output whether a sample of its own has one row of it; of a model of openvino's, by its shapes alone.

    shapes: those of a request's inputs. size: how many samples fill it.
    """
    if size > 1:
        return tuple(first_axis(port) == size for port in compiled.outputs)
    return known(compiled).batched if shapes is None else known(compiled).batched_at(shapes)


def known(compiled: openvino.CompiledModel) -> Compiled:
    """Return a compiled model with what is known of its outputs' first axes; for one of openvino's own, from its shapes alone."""
    if isinstance(compiled, Compiled):
        return compiled
    return Compiled(compiled, [bool(_by_port(port)) for port in compiled.outputs])


def samples_in(compiled: Compiled, ask: Ask, inputs: Sequence[Array], outputs: Sequence[Array]) -> int:
    """Return how many samples a request holds that its outputs are known to be cut into; 1 where that is not known.

    ask: runs the model. inputs, outputs: of the request in question.
    """
    lengths = {array.shape[0] if array.ndim else 1 for array in inputs}
    count = int(lengths.pop()) if len(lengths) == 1 else 1
    if count > 1 and static_batch(compiled.inputs) == count:
        filling = Filling(count, (True,) * len(inputs))
        return count if compiled.cuts.holds(ask, inputs, outputs, filling) else 1
    each = all(batched and len(array) == count for batched, array in zip(compiled.batched, outputs, strict=True))
    return count if count > 1 and each else 1


class Cuts:
    """How the outputs of a fixed batch of several samples are cut into those of each.

    An output whose axis 0 is a multiple of the batch is cut into that many parts, once it is proven that they belong to
    the samples: where the samples of a request are moved by one, so must be the parts. Until outputs differ enough to
    show it, every request is run twice.
    """

    def __init__(self, compiled: openvino.CompiledModel, lengths: Lengths | None = None) -> None:
        self._by_shapes = lengths
        self._names, self._shapes = names_of(compiled.outputs), [port.get_partial_shape() for port in compiled.outputs]
        self._lengths = [first_axis(port) for port in compiled.outputs]
        self._unproven = set(range(len(self._names)))
        self._wrong: int | None = None
        self._alone = False

    def check(self, inputs: Sequence[Array], batch: int) -> None:
        """Raise ModelError for an output that cannot be cut into so many samples; inputs: of a whole request."""
        lengths: Sequence[int | None] = self._lengths
        if None in lengths and self._by_shapes is not None:
            lengths = self._by_shapes(tuple(array.shape for array in inputs))
        for place, length in enumerate(lengths):
            if length is None or length % batch:
                raise self._refusal(place, batch)

    def cut(self, ask: Ask, inputs: Sequence[Array], outputs: Sequence[Array], filling: Filling) -> list[list[Array]]:
        """Return the outputs of each sample of a request; raises ModelError where its parts are not the samples'.

        ask: runs the model, since the samples are run again. inputs, outputs: of the request to cut.
        """
        batch = filling.size
        self.check(inputs, batch)
        if self._unproven and self._wrong is None:
            self._prove(ask, inputs, outputs, filling)
        if self._wrong is not None:
            raise self._refusal(self._wrong, batch)
        parts = [np.split(array, batch) for array in outputs]
        return [[part[sample] for part in parts] for sample in range(batch)]

    def check_rows(self, batched: Sequence[bool]) -> None:
        """Raise ModelError for an output of which a sample of its own has no single row."""
        for place, one in enumerate(batched):
            if not one:
                raise ModelError(
                    f"The model's output '{self._names[place]}' has the shape {self._shapes[place]}, of which a sample is not "
                    "known to have one row. Give one sample at a time."
                )

    def check_alone(self, ask: Ask, inputs: Sequence[Array], outputs: Sequence[Array], filling: Filling) -> None:
        """Raise ModelError where the outputs of the first sample are others beside other samples; tried until it passes.

        A cloud's points have a row of output each, and yet are no samples where the model subtracts their mean.
        """
        if self._alone:
            return
        others = [_changed(array) if joined else array for array, joined in zip(inputs, filling.joined, strict=True)]
        for place, (before, after) in enumerate(zip(outputs, ask(others), strict=True)):
            rows = len(before) // filling.size
            if not _alike(after[:rows], before[:rows]):
                raise self._refusal(place, filling.size)
        self._alone = True

    def holds(self, ask: Ask, inputs: Sequence[Array], outputs: Sequence[Array], filling: Filling) -> bool:
        """Tell whether a request can be cut; see `cut`."""
        try:
            self.cut(ask, inputs, outputs, filling)
        except ModelError:
            return False
        return True

    def _prove(self, ask: Ask, inputs: Sequence[Array], outputs: Sequence[Array], filling: Filling) -> None:
        pairs = zip(inputs, filling.joined, strict=True)
        moved = ask([np.roll(array, 1, axis=0) if joined else array for array, joined in pairs])
        for place in sorted(self._unproven):
            before, after = outputs[place], moved[place]
            expected = np.roll(before, len(before) // filling.size, axis=0)
            if not _alike(after, expected):
                self._wrong = place
                return
            if not _alike(after, before):
                self._unproven.discard(place)

    def _refusal(self, place: int, batch: int) -> ModelError:
        shape = str(self._shapes[place]).replace("..", "-")
        return ModelError(
            f"The model's output '{self._names[place]}' has the shape {shape}, and its first axis does not hold the {batch} "
            "samples of a batch one after the other, so that it cannot be told which rows belong to which sample. Export "
            "the model with a dynamic batch or a batch of 1, or fix it with --batch 1 or --input-shape."
        )


def _changed(array: Array) -> Array:
    """Return samples of which all but the first are others, with values that an input of this type may have."""
    changed = array.copy()
    changed[1:] = np.flip(-1 - array[1:], axis=-1) if array.dtype.kind == "f" else 0
    return changed


def _alike(found: Array, expected: Array) -> bool:
    """Tell whether two outputs are the same but for noise, in every column of the last axis; NaN is like NaN."""
    if found.shape != expected.shape:
        return False
    if found.size == 0:
        return True
    width = found.shape[-1] if found.ndim > 1 else 1
    rows, truth = (np.nan_to_num(array.astype(np.float64)).reshape(-1, width) for array in (found, expected))
    if not np.array_equal(np.isnan(found), np.isnan(expected)):
        return False

    def size(values: Array) -> Array:
        return np.asarray(np.sqrt(np.square(values).mean(axis=0)))

    return bool(np.all(size(rows - truth) <= SAME * size(truth - truth.mean(axis=0)) + NOISE * size(truth)))
