"""Know a PyTorch model by the weights that it uses, whichever tracer read it."""

from collections.abc import Iterable
from hashlib import sha256
from typing import Any

KEY = ["ovquant", "torch_weights"]
"""Where a converted model holds the digest, in its rt_info."""


def weights_digest(tensors: Iterable[Any]) -> str:
    """Return a hash of a set of tensors, whatever their order, names and device; "" for none."""
    import torch

    found = set()
    for tensor in tensors:
        values = tensor.detach().cpu().contiguous()
        content = values.reshape(-1).view(torch.uint8).numpy().tobytes() if values.numel() else b""
        found.add(sha256(f"{values.dtype}{tuple(values.shape)}".encode() + content).digest())
    return sha256(b"".join(sorted(found))).hexdigest()[:16] if found else ""


def module_digest(module: Any, example: Any) -> str:
    """Return the digest of the weights that a module's forward uses, or "" where torch.export cannot trace it."""
    import torch

    keywords = dict(example) if isinstance(example, dict) else {}
    positional = () if keywords else example if isinstance(example, tuple) else (example,)
    try:
        with torch.no_grad():
            return program_digest(torch.export.export(module, positional, keywords, strict=False))
    except Exception:  # torch's tracers raise anything; what has no digest is only not found by it
        return ""


def program_digest(program: Any) -> str:
    """Return the digest of the parameters and buffers that an exported program computes with."""
    signature = program.graph_signature
    names = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    state = {**dict(program.named_parameters()), **dict(program.named_buffers())}
    nodes = (node for node in program.graph.nodes if node.op == "placeholder" and node.users)
    return weights_digest(state[names[node.name]] for node in nodes if names.get(node.name) in state)


def with_digest(model: Any, digest: str) -> Any:
    """Put a digest into a converted model, where there is one."""
    if digest:
        model.set_rt_info(digest, KEY)
    return model


def digest_in(model: Any) -> str:
    """Return the digest in a converted model, or "" where there is none."""
    return str(model.get_rt_info(KEY).astype(str)) if model.has_rt_info(KEY) else ""
