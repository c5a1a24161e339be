"""The command `devices`: what the devices here can do, and what that means for a plan."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from ovquant.cli import options
from ovquant.cli.errors import guarded
from ovquant.cli.text import details, print_json, show
from ovquant.domain.layer import INT4_WEIGHTS, INT8_WEIGHTS
from ovquant.domain.recipe import FLOATS

if TYPE_CHECKING:
    from ovquant.runtime import Capabilities


def devices(as_json: options.AsJson = False) -> None:
    """List the devices, what they can compute fast, and what that means for a plan."""
    with guarded(as_json=as_json):
        from ovquant import runtime

        found = runtime.devices()
    if as_json:
        told = [{**asdict(device), "levels": levels(device), "meanings": meanings(device)} for device in found]
        print_json("devices", {"devices": told})
        return
    for device in found:
        rows = {
            "computes fast": ", ".join(device.capabilities),
            "instructions": ", ".join(device.instructions),
            "precision by default": device.default_precision,
            "int8 products": device.int8,
            "levels of a layer": "; ".join(f"{level} ({why})" for level, why in levels(device).items()),
        }
        show(f"{device.device}: {device.full_name}", details(rows), *(f"  • {line}" for line in meanings(device)), "")


def levels(device: "Capabilities") -> dict[str, str]:
    """Return the levels that a layer of a plan can have on a device, and how that is known."""
    found = {"int8": "openvino names INT8"} if "INT8" in device.capabilities else {}
    found |= dict.fromkeys((INT8_WEIGHTS, INT4_WEIGHTS), "computed as float")
    if device.default_precision in FLOATS:
        found[device.default_precision] = "its default"
    return {
        **found,
        "f32": "by a property, or for single layers" if device.default_precision in FLOATS else "its default",
    }


def meanings(device: "Capabilities") -> list[str]:
    """Say what a device's capabilities mean for a plan, one line each."""
    return [*_int8(device), *_default(device)]


def _int8(device: "Capabilities") -> list[str]:
    if "INT8" not in device.capabilities:
        return ["No INT8: quantized layers run as float here, so quantizing saves size at most."]
    if device.int8 == "saturating":
        return [
            "Sums of int8 products saturate at 16 bits, as on processors without VNNI: an int8 model answers otherwise here "
            "than where they are exact, so a result that was measured there is not served before `ovquant check` has passed."
        ]
    if not device.instructions:
        return []
    if "amx_int8" in device.instructions:
        return ["AMX int8: matrix products and convolutions in INT8 gain much; depthwise ones gain less."]
    if {"avx512_vnni", "avx_vnni"} & set(device.instructions):
        return [
            "VNNI without AMX: INT8 products pay, about two to four times as fast as f32 in full convolutions; depthwise "
            "convolutions run in f32 anyway, so keeping them in float often costs nothing."
        ]
    return []


def _default(device: "Capabilities") -> list[str]:
    kind = device.default_precision
    if kind in ("bf16", "f16"):
        return [
            f"Float models run in {kind} by default: that is the float speed a plan has to beat; drops are judged "
            "against f32."
        ]
    if kind == "f32":
        return ["Float models run in f32 by default."]
    return []
