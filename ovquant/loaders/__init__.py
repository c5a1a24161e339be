"""Turn a file, folder or object into an `openvino.Model`, through the registered loaders."""

from ovquant.loaders.loading import load_model
from ovquant.loaders.shapes import parse_shapes, set_shapes
from ovquant.loaders.weights import digest_in, weights_digest

__all__ = ["digest_in", "load_model", "parse_shapes", "set_shapes", "weights_digest"]
