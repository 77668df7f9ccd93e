"""A user's own encoder: any ONNX graph that turns images into features, with the preprocessing it was trained with declared."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.arrays import Float32Array, UInt8Array
from pipeline.errors import InputError
from pipeline.evaluation.extractors.base import Extractor, FeatureSpec, to_tensor
from pipeline.evaluation.settings import EncoderSettings


class Encoder(Extractor):
    """An opened ONNX graph: float32 [n, C, H, W] in, [n, d] (or anything that flattens to it) out, run by ONNX Runtime."""

    def __init__(self, session: Any, spec: FeatureSpec, settings: EncoderSettings, channels: int) -> None:
        self.session, self.spec, self.settings, self.channels = session, spec, settings, channels
        self.device = torch.device("cpu")

    def features(self, images: UInt8Array) -> Float32Array:
        output = self.session.run(
            None, {self.session.get_inputs()[0].name: prepared(images, self.settings, self.channels)}
        )[0]
        flat: Float32Array = np.asarray(output, dtype=np.float32).reshape(len(images), -1)
        return flat


def prepared(images: UInt8Array, settings: EncoderSettings, channels: int) -> Float32Array:
    """uint8 [n, H, W, C] as the encoder wants it: resized with antialiasing, gray repeated, (x / 255 - mean) / std."""
    x = to_tensor(images, torch.device("cpu")) / 255
    if settings.side is not None and tuple(x.shape[2:]) != (settings.side, settings.side):
        x = torch.nn.functional.interpolate(x, size=(settings.side, settings.side), mode="bilinear", antialias=True)
    if x.shape[1] == 1 and channels == 3:
        x = x.expand(-1, 3, -1, -1)
    mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (settings.mean, settings.std))
    result: Float32Array = ((x - mean) / std).contiguous().numpy()
    return result


def encoder(path: Path, settings: EncoderSettings, shape: tuple[int, ...]) -> Extractor:
    """Opens `path` for images of `shape` [H, W, C].

    Raises InputError naming the file when it is missing, is no ONNX model, or does not take such images; the key when the preprocessing does not fit.
    """
    import onnxruntime

    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); evaluate.features takes auto, classifier, random, inception, or a file"
        ) from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - ONNX Runtime's exception classes derive from Exception alone
        raise InputError(
            f"{path}: not a model that ONNX Runtime can run ({' '.join(str(error).split())[:160]})"
        ) from None
    inputs = session.get_inputs()
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type != "tensor(float)":
        raise InputError(
            f"{path}: evaluate.features needs an encoder with one input, float images [n, channels, height, width]"
        )
    wanted = inputs[0].shape[1]
    channels = wanted if isinstance(wanted, int) else shape[2]
    for name, values in (("mean", settings.mean), ("std", settings.std)):
        if len(values) not in (1, channels):
            raise InputError(
                f"evaluate.encoder.{name} has {len(values)} values, and {path.name} takes {channels} channels"
            )
    spec = FeatureSpec(
        name="encoder",
        sha256=hashlib.sha256(content).hexdigest(),
        dims=1,
        resize="none" if settings.side is None else f"bilinear-antialias-{settings.side}",
        value_range=f"mean={','.join(f'{v:g}' for v in settings.mean)},std={','.join(f'{v:g}' for v in settings.std)}",
    )
    made = Encoder(session, spec, settings, channels)
    try:
        dims = made.features(np.zeros((2, *shape), dtype=np.uint8)).shape[1]
    except Exception as error:  # noqa: BLE001 - as above
        raise InputError(
            f"{path}: does not take images of {shape[0]} px and {shape[2]} channels ({' '.join(str(error).split())[:160]}); set evaluate.encoder.side"
        ) from None
    made.spec = spec.model_copy(update={"dims": dims})
    return made
