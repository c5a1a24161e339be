"""Operations that move elements: shapes, slices, joins, look-ups, resizing."""

import numpy as np
from onnx import TensorProto

from ovquant_onnx.operation import Operation

END = np.iinfo(np.int64).max


def reshape(operation: Operation) -> None:
    """Write a new shape, in which 0 copies the old size where the attribute says so."""
    how = {"allowzero": int(not operation.attributes["special_zero"])}
    operation.emit("Reshape", operation.input(0), operation.longs(1), **how)


def squeeze(operation: Operation) -> None:
    """Write the removal of axes of size one; all of them where none are named."""
    axes = [operation.longs(1)] if len(operation.sources) > 1 else []
    operation.emit("Squeeze", operation.input(0), *axes)


def unsqueeze(operation: Operation) -> None:
    """Write new axes of size one."""
    operation.emit("Unsqueeze", operation.input(0), operation.longs(1))


def transpose(operation: Operation) -> None:
    """Write another order of the axes; no order turns it around."""
    operation.emit("Transpose", operation.input(0), perm=operation.numbers(1) or None)


def concat(operation: Operation) -> None:
    """Write the inputs joined along an axis."""
    operation.emit("Concat", *operation.inputs(), axis=int(operation.attributes["axis"]))


def split(operation: Operation) -> None:
    """Write parts of equal size along an axis."""
    parts = int(operation.attributes["num_splits"])
    names = [operation.name(place) for place in range(parts)]
    operation.writer.emit_all("Split", operation.input(0), outputs=names, axis=operation.axis(1), num_outputs=parts)
    for place, name in enumerate(names):
        operation.put(name, place)


def variadic_split(operation: Operation) -> None:
    """Write parts of given sizes along an axis, of which one may be what is left."""
    writer, axis, lengths = operation.writer, operation.axis(1), operation.longs(2)
    values = operation.array(2)
    if values is not None and (values < 0).any():
        known, place = values.reshape(-1), int(np.argmin(values.reshape(-1)))
        others = int(known.sum() - known[place])
        whole = operation.size(0, axis)
        if whole is not None:
            known[place] = whole - others
            lengths = writer.integers(known)
        else:
            size = writer.emit("Shape", operation.input(0), start=axis, end=axis + 1)
            rest = writer.emit("Sub", size, writer.integers([others]))
            parts = [writer.integers(known[:place]), rest, writer.integers(known[place + 1 :])]
            lengths = writer.emit("Concat", *parts, axis=0)
    names = [operation.name(place) for place in range(len(operation.node.outputs()))]
    writer.emit_all("Split", operation.input(0), lengths, outputs=names, axis=axis)
    for place, name in enumerate(names):
        operation.put(name, place)


def slicing(operation: Operation) -> None:
    """Write a slice with starts, ends and steps, along all axes or the ones named."""
    begin, end, step = (operation.longs(place) for place in (1, 2, 3))
    axes = operation.longs(4) if len(operation.sources) > 4 else ""
    operation.emit("Slice", operation.input(0), begin, end, axes, step)


def strided_slice(operation: Operation) -> None:
    """Write a slice whose masks leave out limits, add axes and take single elements."""
    writer, attributes = operation.writer, operation.attributes
    if any(attributes["ellipsis_mask"]):
        operation.refuse("it has an ellipsis")
    steps = operation.numbers(3) if len(operation.sources) > 3 else None
    size = operation.size(1, 0)
    if size is None:
        operation.refuse("the number of its limits is not fixed")
    masks = {name: _padded(attributes[f"{name}_mask"], size) for name in ("begin", "end", "new_axis", "shrink_axis")}
    steps = steps or [1] * size
    sliced = [place for place in range(size) if not masks["new_axis"][place]]
    axes = {place: axis for axis, place in enumerate(sliced)}
    begins, ends = _limits(operation, masks, steps, sliced)
    given = [begins, ends, writer.integers([axes[place] for place in sliced])]
    value = writer.emit("Slice", operation.input(0), *given, writer.integers([steps[place] for place in sliced]))
    single = [axes[place] for place in sliced if masks["shrink_axis"][place]]
    if single:
        value = writer.emit("Squeeze", value, writer.integers(single))
    # Axes are counted in the result, where those of single elements are gone.
    kept = [place for place in range(size) if not masks["shrink_axis"][place] or masks["new_axis"][place]]
    new = [axis for axis, place in enumerate(kept) if masks["new_axis"][place]]
    operation.emit("Unsqueeze", value, writer.integers(new)) if new else operation.emit("Identity", value)


def _limits(operation: Operation, masks: dict[str, list[bool]], steps: list[int], sliced: list[int]) -> tuple[str, str]:
    """Return where a slice begins and ends along each axis that it slices."""
    writer, places = operation.writer, operation.writer.integers(sliced)
    begin, end = (writer.emit("Gather", operation.longs(place), places) for place in (1, 2))
    single = [masks["shrink_axis"][place] for place in sliced]
    first = [0 if steps[place] > 0 else END for place in sliced]
    last = [END if steps[place] > 0 else -END for place in sliced]
    open_begin = [masks["begin"][place] and not alone for place, alone in zip(sliced, single, strict=True)]
    open_end = [masks["end"][place] and not alone for place, alone in zip(sliced, single, strict=True)]
    begins = writer.emit("Where", writer.constant(np.array(open_begin)), writer.integers(first), begin)
    ends = writer.emit("Where", writer.constant(np.array(open_end)), writer.integers(last), end)
    if any(single):
        after = writer.emit("Add", begins, writer.integers([1]))
        at_end = writer.emit("Equal", begins, writer.integers([-1]))
        after = writer.emit("Where", at_end, writer.integers([END]), after)
        ends = writer.emit("Where", writer.constant(np.array(single)), after, ends)
    return begins, ends


def _padded(mask: list[int], size: int) -> list[bool]:
    return [bool(value) for value in mask] + [False] * (size - len(mask))


def gather(operation: Operation) -> None:
    """Write a look-up of slices along an axis."""
    if int(operation.attributes.get("batch_dims", 0)):
        operation.refuse("it looks up batch by batch")
    operation.emit("Gather", operation.input(0), operation.input(1), axis=operation.axis(2))


def gather_elements(operation: Operation) -> None:
    """Write a look-up of single elements along an axis."""
    operation.emit("GatherElements", *operation.inputs(), axis=int(operation.attributes["axis"]))


def gather_nd(operation: Operation) -> None:
    """Write a look-up by coordinates."""
    how = {"batch_dims": int(operation.attributes["batch_dims"])}
    operation.emit("GatherND", operation.input(0), operation.longs_like(1), **how)


def scatter_nd(operation: Operation) -> None:
    """Write new values at coordinates."""
    if str(operation.attributes.get("reduction", "none")).lower() != "none":
        operation.refuse("it combines old values and new ones")
    operation.emit("ScatterND", operation.input(0), operation.longs_like(1), operation.input(2))


def scatter_elements(operation: Operation) -> None:
    """Write new values along an axis."""
    if str(operation.attributes.get("reduction", "none")).lower() != "none":
        operation.refuse("it combines old values and new ones")
    operation.emit("ScatterElements", *(operation.input(place) for place in range(3)), axis=operation.axis(3))


def shape_of(operation: Operation) -> None:
    """Write the sizes of an input."""
    if operation.onnx_type() == TensorProto.INT64:
        operation.emit("Shape", operation.input(0))
        return
    operation.emit("Cast", operation.writer.emit("Shape", operation.input(0)), to=operation.onnx_type())


def broadcast(operation: Operation) -> None:
    """Write an input repeated to a shape, by the rules of numpy."""
    mode = str(operation.attributes["mode"]).lower()
    if mode not in ("numpy", "bidirectional"):
        operation.refuse(f"it broadcasts by the rule '{mode}'")
    operation.emit("Expand", operation.input(0), operation.longs(1))


def tile(operation: Operation) -> None:
    """Write an input repeated along its axes; with more counts than axes it gets new ones in front."""
    value, counts, rank = operation.input(0), operation.size(1, 0), operation.rank(0)
    if counts is None:
        operation.refuse("the number of its counts is not fixed")
    repeats = operation.longs(1)
    if counts > rank:
        value = operation.writer.emit("Unsqueeze", value, operation.writer.integers(range(counts - rank)))
    if counts < rank:
        ones = operation.writer.integers([1] * (rank - counts))
        repeats = operation.writer.emit("Concat", ones, repeats, axis=0)
    operation.emit("Tile", value, repeats)


def number_range(operation: Operation) -> None:
    """Write the numbers from one to another."""
    kind = operation.onnx_type()
    limits = [operation.writer.emit("Cast", name, to=kind) for name in operation.inputs()]
    limits = [operation.writer.emit("Reshape", name, operation.writer.integers([])) for name in limits]
    operation.emit("Range", *limits)


def pad(operation: Operation) -> None:
    """Write elements added around, or taken away."""
    modes = {"constant": "constant", "edge": "edge", "reflect": "reflect"}
    mode = modes.get(str(operation.attributes["pad_mode"]).lower())
    if mode is None:
        operation.refuse(f"it pads by the rule '{operation.attributes['pad_mode']}'")
    sizes = operation.writer.emit("Concat", operation.longs(1), operation.longs(2), axis=0)
    filling = [operation.input(3)] if mode == "constant" and len(operation.sources) > 3 else []
    operation.emit("Pad", operation.input(0), sizes, *filling, mode=mode)


def depth_to_space(operation: Operation) -> None:
    """Write channels turned into places."""
    mode = {"blocks_first": "DCR", "depth_first": "CRD"}[str(operation.attributes["mode"]).lower()]
    operation.emit("DepthToSpace", operation.input(0), blocksize=int(operation.attributes["block_size"]), mode=mode)


def space_to_depth(operation: Operation) -> None:
    """Write places turned into channels."""
    if str(operation.attributes["mode"]).lower() != "blocks_first":
        operation.refuse("it orders channels by depth")
    operation.emit("SpaceToDepth", operation.input(0), blocksize=int(operation.attributes["block_size"]))


def one_hot(operation: Operation) -> None:
    """Write classes as vectors."""
    writer = operation.writer
    one = writer.integers([1])
    on, off = (writer.emit("Reshape", operation.input(place), one) for place in (2, 3))
    values = writer.emit("Concat", off, on, axis=0)
    operation.emit("OneHot", operation.input(0), operation.longs(1), values, axis=int(operation.attributes["axis"]))


def non_zero(operation: Operation) -> None:
    """Write the coordinates of what is not zero."""
    found = operation.writer.emit("NonZero", operation.input(0))
    operation.emit("Cast", found, to=operation.onnx_type())


def interpolate(operation: Operation) -> None:
    """Write an image resized to sizes or by scales."""
    attributes = operation.attributes
    mode = {"nearest": "nearest", "linear": "linear", "linear_onnx": "linear", "cubic": "cubic"}.get(
        str(attributes["mode"]).lower()
    )
    if mode is None or any(
        attributes.get(f"pads_{side}", ()) and any(attributes[f"pads_{side}"]) for side in ("begin", "end")
    ):
        operation.refuse(f"it resizes by the mode '{attributes['mode']}', or pads")
    if attributes.get("antialias"):
        operation.refuse("it smooths while it shrinks")
    places = {"sizes": 1, "scales": 1 if operation.version == 11 else 2}
    by = str(attributes["shape_calculation_mode"]).lower()
    axes_place = 2 if operation.version == 11 else 3
    given = operation.longs(places["sizes"]) if by == "sizes" else operation.input(places["scales"])
    axes = operation.numbers(axes_place) if len(operation.sources) > axes_place else None
    inputs = ["", "", given] if by == "sizes" else ["", given]
    how = {
        "mode": mode,
        "axes": axes,
        "coordinate_transformation_mode": operation.expect(
            "coordinate_transformation_mode", ("half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners")
        ),
        "nearest_mode": operation.expect("nearest_mode", ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"))
        if mode == "nearest"
        else None,
        "cubic_coeff_a": float(attributes["cube_coeff"]) if mode == "cubic" else None,
    }
    operation.emit("Resize", operation.input(0), *inputs, **how)


OPERATIONS = {
    "Broadcast": broadcast,
    "Concat": concat,
    "DepthToSpace": depth_to_space,
    "Gather": gather,
    "GatherElements": gather_elements,
    "GatherND": gather_nd,
    "Interpolate": interpolate,
    "NonZero": non_zero,
    "OneHot": one_hot,
    "Pad": pad,
    "Range": number_range,
    "Reshape": reshape,
    "ScatterElementsUpdate": scatter_elements,
    "ScatterNDUpdate": scatter_nd,
    "ShapeOf": shape_of,
    "Slice": slicing,
    "SpaceToDepth": space_to_depth,
    "Split": split,
    "Squeeze": squeeze,
    "StridedSlice": strided_slice,
    "Tile": tile,
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
    "VariadicSplit": variadic_split,
}
