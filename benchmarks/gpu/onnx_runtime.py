"""The exported generator in ONNX Runtime: difference from PyTorch, and images a second."""

from importlib.util import find_spec

import numpy as np
import torch

from benchmarks.gpu.machine import Machine, NotMeasured, Values
from benchmarks.gpu.models import build_model

NAME = "dcgan-64"
BATCH = 64
OPSET = 20
TOLERANCE = 1e-3


def measure_provider(machine: Machine, provider: str) -> Values:
    """Return parity and speed of a generator with an execution provider."""
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise NotMeasured(f"not installed: {', '.join(missing)}")
    import onnxruntime

    from pipeline.serving.onnx.graph_export import export

    if provider not in onnxruntime.get_available_providers():
        raise NotMeasured(f"this onnxruntime has only {', '.join(onnxruntime.get_available_providers())}")
    gan = build_model(machine, NAME).eval()
    spec, path = gan.export()[0], machine.folder / f"{provider}.onnx"
    export(spec, path, {}, OPSET)
    session = onnxruntime.InferenceSession(path, providers=[provider])
    if session.get_providers()[0] != provider:
        raise NotMeasured(f"its libraries are missing; ONNX Runtime fell back to {session.get_providers()[0]}")
    z = torch.randn(4 if machine.small else BATCH, gan.latent, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = spec.module(z).numpy()
    (name,) = spec.inputs
    found = session.run(None, {name: z.numpy()})[0]
    worst = float(np.abs(found - expected).max())
    rate = machine.rate(lambda: session.run(None, {name: z.numpy()}))
    return {"largest_difference": worst, "parity": worst <= TOLERANCE, "images_per_second": rate * len(z)}
