"""An openvino.Model, read or rewritten; no device and no nncf."""
