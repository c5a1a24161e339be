"""Turn a plan into a quantized openvino.Model; the only room that imports nncf."""

from ovquant.quantization.build import Quantized, Validation, quantize, with_unique_names
from ovquant.quantization.quantized import is_quantized, precisions
from ovquant.quantization.revert import Layer, revert

__all__ = ["Layer", "Quantized", "Validation", "is_quantized", "precisions", "quantize", "revert", "with_unique_names"]
