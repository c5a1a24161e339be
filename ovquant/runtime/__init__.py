"""Compile, infer and time; the only room that talks to a device."""

from ovquant.graph.causes import first_line
from ovquant.graph.names import names_of
from ovquant.graph.shapes import static_batch, with_batch
from ovquant.runtime.again import Again, Repeats
from ovquant.runtime.arithmetic import Arithmetic, Simulation, int8_arithmetic, mark, marked, simulation
from ovquant.runtime.batches import Compiled, Filling, batched_of, batched_outputs, known, lengths_of, samples_in
from ovquant.runtime.compile import (
    PRECISION,
    REFERENCE,
    Deployment,
    check_device,
    compile_model,
    core,
    reference_properties,
)
from ovquant.runtime.decoder import check_generates, feeder_of, interleave_tokens, prompts_of
from ovquant.runtime.devices import (
    SERVED,
    Capabilities,
    Executed,
    How,
    capabilities,
    devices,
    executed,
    operations_run,
    properties_of,
)
from ovquant.runtime.fit import fit, random_samples
from ovquant.runtime.infer import Block, batched_names, infer, stack, stackable
from ovquant.runtime.load import Load
from ovquant.runtime.requests import Requests, filling_of, request, requests_of
from ovquant.runtime.room import free_bytes, let_go_of_pages
from ovquant.runtime.states import clean, has_state, run
from ovquant.runtime.supplied import completed
from ovquant.runtime.timing import Fitted, Interleave, Maker, heat, interleave, interleave_throughput
from ovquant.runtime.values import cast, outputs_of, values_of

__all__ = [
    "PRECISION",
    "REFERENCE",
    "SERVED",
    "Again",
    "Arithmetic",
    "Block",
    "Capabilities",
    "Compiled",
    "Deployment",
    "Executed",
    "Filling",
    "Fitted",
    "How",
    "Interleave",
    "Load",
    "Maker",
    "Repeats",
    "Requests",
    "Simulation",
    "batched_names",
    "batched_of",
    "batched_outputs",
    "capabilities",
    "cast",
    "check_device",
    "check_generates",
    "clean",
    "compile_model",
    "completed",
    "core",
    "devices",
    "executed",
    "feeder_of",
    "filling_of",
    "first_line",
    "fit",
    "free_bytes",
    "has_state",
    "heat",
    "infer",
    "int8_arithmetic",
    "interleave",
    "interleave_throughput",
    "interleave_tokens",
    "known",
    "lengths_of",
    "let_go_of_pages",
    "mark",
    "marked",
    "names_of",
    "operations_run",
    "outputs_of",
    "prompts_of",
    "properties_of",
    "random_samples",
    "reference_properties",
    "request",
    "requests_of",
    "run",
    "samples_in",
    "simulation",
    "stack",
    "stackable",
    "static_batch",
    "values_of",
    "with_batch",
]
