"""A drop-in for openvino.Core that serves the quantized model where a store has one."""

import inspect
import os
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import openvino

from ovquant.errors import ModelError, UsageError
from ovquant.graph.body import Body, bodies
from ovquant.graph.causes import first_line
from ovquant.graph.first_scheme import likenesses
from ovquant.graph.normalise import normal_structure, weighted_types
from ovquant.live.store import Stored, read_store
from ovquant.runtime import Compiled, batched_outputs

VARIABLE = "OVQUANT_STORE"
"""The environment variable that names the store."""


CHOOSERS = ("AUTO", "MULTI", "HETERO", "BATCH")
"""Devices of openvino's that run a model on others, which are named behind a colon."""


MOST_NORMAL_FORMS = 16
"""Normal forms that are made at most to know a model again."""


class NotServedWarning(UserWarning):
    """The float model is served where a quantized one was expected; the message says why."""


class Core(openvino.Core):  # type: ignore[misc]  # openvino has no types
    """openvino's Core, whose `compile_model` serves the quantized model that a store holds for a model and a device.

    store: a folder of results, each in a folder of its own, as `ovquant quantize -o STORE/NAME` writes them; by default
    that of the environment variable OVQUANT_STORE. A model is known by what it computes, not by its name or its path; one
    that was reshaped since is served at its new shapes, and the steps that a PrePostProcessor put around it are put around
    the quantized model. For a model that is not in the store, openvino's own
    `compile_model` is called and one NotServedWarning says why. Everything else is openvino's.
    """

    def __init__(self, *arguments: Any, store: str | Path | None = None) -> None:
        """Read the store. Raises UsageError when there is no such folder."""
        super().__init__(*arguments)
        named = store if store is not None else os.environ.get(VARIABLE)
        self._stored = [] if named is None else read_store(Path(named))
        self._where = named
        self._warned: set[str] = set()

    def compile_model(
        self,
        model: Any,
        device_name: str | None = None,
        config: Mapping[str, Any] | None = None,
        **others: Any,
    ) -> openvino.CompiledModel:
        """Compile the quantized model at the properties that it was measured with, or else the model that was given.

        Properties in `config` win over those that were measured. Takes and raises what openvino's does.
        """
        given = dict(config or {})
        if others.get("weights") is None and self._where is not None:
            served = self._served(model, device_name)
            if served is not None:
                stored, quantized = served
                compiled = super().compile_model(quantized, stored.device, {**stored.properties, **given})
                return Compiled(compiled, batched_outputs(quantized))
        return super().compile_model(model, device_name, given, **others)

    def _served(self, model: Any, device_name: str | None) -> tuple[Stored, openvino.Model] | None:
        """Return what to serve in place of a model, at its shapes, or None after a warning."""
        loaded = model if isinstance(model, openvino.Model) else self.read_model(model)
        body, known = None, self._known(loaded)
        if not known:
            body, known = self._within(loaded)
        if not known:
            body, known = self._in_normal_form(loaded)
        if not known:
            self._warn(loaded, f"the store '{self._where}' has no result for it{self._namesake(loaded)}")
            return None
        device = self._device(device_name)
        here = [stored for stored in known if stored.device == device]
        if not here:
            devices = ", ".join(sorted({stored.device for stored in known}))
            self._warn(loaded, f"its results are for {devices} and it is compiled for {device_name or 'AUTO'}")
            return None
        whole = self._whole(loaded, here)
        if not whole:
            return None
        part = loaded if body is None else body.of(loaded)
        shapes = [port.get_partial_shape() for port in part.inputs]
        try:
            # Of several the one that was made for these shapes, then the last that was made.
            best = max(whole, key=lambda stored: (stored.fits(shapes), stored.made))
            quantized = best.read(self, part)
            return best, quantized if body is None else body.replaced(loaded, quantized)
        except (RuntimeError, ModelError) as error:
            folders = ", ".join(f"'{stored.folder}'" for stored in whole)
            self._warn(loaded, f"{folders} cannot be served at its shapes: {first_line(error)}")
            return None

    def _known(self, model: openvino.Model) -> list[Stored]:
        """Return the results that were made from a model, after a warning of those that cannot tell it from others."""
        stored = [item.fresh() for item in self._stored]
        alike = likenesses(model, (item.structure for item in stored))
        for item in stored:
            if alike[item.structure] == "alike":
                self._say(
                    f"The result '{item.folder}' is left out: the version that wrote it did not look into If, Loop and "
                    "TensorIterator, so it cannot be told whether it was made from this model. Make it again with `ovquant "
                    f"apply {item.folder / 'plan.json'} MODEL --data DATA --metric METRIC --max-drop DROP`."
                )
        return [item for item in stored if alike[item.structure] == "same"]

    def _within(self, model: openvino.Model) -> tuple[Body | None, list[Stored]]:
        """Return the part of a model that results were made from, where it has steps around it, and these results."""
        tried = set[Body]()
        for stored in self._stored:
            if not (stored.folder / "model.xml").exists() or stored.fault():
                continue
            like = self.read_model(stored.folder / "model.xml")
            for body in bodies(model, like):
                if body not in tried and (known := self._known(body.of(model))):
                    return body, known
                tried.add(body)
        return None, []

    def _in_normal_form(self, model: openvino.Model) -> tuple[Body | None, list[Stored]]:
        """Return the results of a model, or of a part of it, that has the same normal form, as the same file read in another way.

        To make it takes a while: only parts with at least as many operations that hold weights are tried.
        """
        stored, tried = [item.fresh() for item in self._stored], set[Body | None]()
        for like in (self.read_model(item.folder / "model.xml") for item in stored if item.normal and not item.fault()):
            for body, part in _candidates(model, like):
                if body in tried:
                    continue
                tried.add(body)
                own = _normal_structure(part)
                known = [item for item in stored if item.normal == own]
                if known or len(tried) == MOST_NORMAL_FORMS:
                    return body, known
        return None, []

    def _whole(self, model: openvino.Model, here: Sequence[Stored]) -> list[Stored]:
        """Return the results whose model is to be served here, after a warning of each that is not, and why."""
        found = [stored.checked() for stored in here]
        whole = [stored for stored, fault in found if not fault]
        for stored, fault in found:
            if fault and whole:
                self._say(f"'{whole[0].folder}' is served, and not the result '{stored.folder}', which {fault}.")
            elif fault:
                self._warn(model, f"the result '{stored.folder}' {fault}")
        return whole

    def _device(self, device_name: str | None) -> str:
        """Return the device that is meant: of AUTO and its like the only one that they can choose, else what was given."""
        name = device_name or "AUTO"
        chooser, _, listed = name.partition(":")
        if chooser not in CHOOSERS:
            return name
        # Such as AUTO:CPU, MULTI:CPU(2) or AUTO:-GPU.
        parts = [part.partition("(")[0].strip() for part in listed.split(",") if part.strip()]
        excluded = {part[1:] for part in parts if part.startswith("-")}
        named = {part for part in parts if not part.startswith("-")}
        devices = named or {device for device in self.available_devices if device not in excluded}
        return str(devices.pop()) if len(devices) == 1 else name

    def _namesake(self, model: openvino.Model) -> str:
        """Say what differs from the result that was made from a model of the same name, and how to have one for this model."""
        name = model.get_friendly_name()
        near = next((stored for stored in self._stored if name and stored.friendly_name == name), None)
        if near is None:
            return ""
        try:
            saved = self.read_model(near.folder / "model.xml")
        except RuntimeError:
            return ""
        differs = "weights or operations are others"
        for what in ("inputs", "outputs"):
            mine, theirs = len(getattr(model, what)), len(getattr(saved, what))
            if mine != theirs:
                differs = f"it has {mine} {what} where that has {theirs}"
        return (
            f"; '{near.folder}' was made from one of the same name, and {differs}. For one of this model, save it with "
            "openvino.save_model and run `ovquant quantize` on the file, with an output in the store"
        )

    def _warn(self, model: openvino.Model, reason: str) -> None:
        self._say(f"The model '{model.get_friendly_name()}' is served in float: {reason}.")

    def _say(self, message: str) -> None:
        """Warn once, in the name of whoever compiles."""
        if message not in self._warned:
            self._warned.add(message)
            depth = next(
                depth for depth, frame in enumerate(inspect.stack(0)) if Path(frame.filename) != Path(__file__)
            )
            warnings.warn(message, NotServedWarning, stacklevel=depth + 1)


def compile_model(
    model: Any,
    device_name: str | None = None,
    config: Mapping[str, Any] | None = None,
    *,
    store: str | Path | None = None,
) -> openvino.CompiledModel:
    """Compile a model as `Core(store=store).compile_model` does; raises UsageError when no store is named."""
    named = store if store is not None else os.environ.get(VARIABLE)
    if named is None:
        raise UsageError(f"There is no store. Give store=FOLDER, or set {VARIABLE}.")
    return _core(Path(named)).compile_model(model, device_name, config)


def _candidates(model: openvino.Model, like: openvino.Model) -> list[tuple[Body | None, openvino.Model]]:
    """Return the parts of a model, and itself, that can be what another was quantized from, those of fitting shapes first."""
    alike = len(model.inputs) == len(like.inputs) and len(model.outputs) == len(like.outputs)
    found: list[tuple[Body | None, openvino.Model]] = [(None, model)] if alike else []
    found += [(body, body.of(model)) for body in bodies(model, like)]
    least = weighted_types(like)
    held = [(body, part, weighted_types(part)) for body, part in found]
    fit = [(body, part) for body, part, has in held if all(has.get(kind, 0) >= least[kind] for kind in least)]
    return sorted(fit, key=lambda item: item[0] is not None and not _compatible(item[1], like))


def _compatible(model: openvino.Model, like: openvino.Model) -> bool:
    ports = zip((*model.inputs, *model.outputs), (*like.inputs, *like.outputs), strict=True)
    return all(port.get_partial_shape().compatible(other.get_partial_shape()) for port, other in ports)


def _normal_structure(model: openvino.Model) -> str | None:
    try:
        return normal_structure(model)
    except ModelError:
        return None


@cache
def _core(store: Path) -> Core:
    return Core(store=store)
