"""ONNX export and parity, and the ONNX Runtime generator."""
