"""ganline: from a folder of images to a gated ONNX generator."""

__version__ = "0.2.0"
