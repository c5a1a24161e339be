"""Turn a file, folder or object into an `openvino.Model`, through the registered loaders."""

from ovquant.graph.shapes import parse_shapes, set_shapes
from ovquant.plugins.loaders.load import load_model
from ovquant.plugins.loaders.torch import Torch, lacks_example
from ovquant.plugins.loaders.weights import digest_in, weights_digest

__all__ = ["Torch", "digest_in", "lacks_example", "load_model", "parse_shapes", "set_shapes", "weights_digest"]
