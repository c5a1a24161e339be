"""Compile, infer and time; the only room that talks to a device."""

from ovquant.runtime.arithmetic import Arithmetic, int8_arithmetic
from ovquant.runtime.compiling import REFERENCE, Deployment, check_device, compile_model, core, first_line
from ovquant.runtime.devices import SERVED, Capabilities, Executed, capabilities, devices, executed, properties_of
from ovquant.runtime.fitting import fit, names_of, random_samples, request, requests_of, static_batch, with_batch
from ovquant.runtime.inferring import Block, infer, stack
from ovquant.runtime.requests import Requests
from ovquant.runtime.timing import interleave, interleave_throughput

__all__ = [
    "REFERENCE",
    "SERVED",
    "Arithmetic",
    "Block",
    "Capabilities",
    "Deployment",
    "Executed",
    "Requests",
    "capabilities",
    "check_device",
    "compile_model",
    "core",
    "devices",
    "executed",
    "first_line",
    "fit",
    "infer",
    "int8_arithmetic",
    "interleave",
    "interleave_throughput",
    "names_of",
    "properties_of",
    "random_samples",
    "request",
    "requests_of",
    "stack",
    "static_batch",
    "with_batch",
]
