"""Compile, infer and time; the only room that talks to a device."""

from ovquant.runtime.batches import Cuts, batched_of, cuts_of
from ovquant.runtime.causes import first_line
from ovquant.runtime.compiling import REFERENCE, Deployment, check_device, compile_model, core
from ovquant.runtime.devices import SERVED, Capabilities, Executed, capabilities, devices, executed, properties_of
from ovquant.runtime.fitting import fit, names_of, random_samples, request, requests_of, static_batch, with_batch
from ovquant.runtime.inferring import Block, batched_names, infer, stack, stackable
from ovquant.runtime.requests import Requests
from ovquant.runtime.states import clean, has_state, run
from ovquant.runtime.timing import interleave, interleave_throughput
from ovquant.runtime.values import cast, outputs_of, values_of

__all__ = [
    "REFERENCE",
    "SERVED",
    "Block",
    "Capabilities",
    "Cuts",
    "Deployment",
    "Executed",
    "Requests",
    "batched_names",
    "batched_of",
    "capabilities",
    "cast",
    "check_device",
    "clean",
    "compile_model",
    "core",
    "cuts_of",
    "devices",
    "executed",
    "first_line",
    "fit",
    "has_state",
    "infer",
    "interleave",
    "interleave_throughput",
    "names_of",
    "outputs_of",
    "properties_of",
    "random_samples",
    "request",
    "requests_of",
    "run",
    "stack",
    "stackable",
    "static_batch",
    "values_of",
    "with_batch",
]
