"""An exporter for ovquant: quantized models as ONNX with QuantizeLinear and DequantizeLinear."""
