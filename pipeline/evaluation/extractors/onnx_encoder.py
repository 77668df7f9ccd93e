"""An encoder of the user's: any ONNX graph that maps items to features, with its preprocessing in the settings."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.arrays import Float32Array, Items
from pipeline.errors import InputError
from pipeline.evaluation.extractors.base import Extractor, FeatureSpec, feature_values
from pipeline.evaluation.settings import EncoderSettings
from pipeline.items import ItemSpec
from pipeline.media.registry import tensors_of

CPU = torch.device("cpu")
ON_CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


class Encoder(Extractor):
    """An ONNX graph that ONNX Runtime runs: float32 [n, C, H, W] in, [n, ...] out, flattened to [n, d].

    Items are prepared on the CPU: ONNX Runtime takes arrays of the host on any device. A copy in another process runs
    on the CPU.
    """

    def __init__(
        self,
        content: bytes,
        session: Any,
        spec: FeatureSpec,
        settings: EncoderSettings,
        channels: int,
        item: ItemSpec,
    ) -> None:
        self.content, self.session = content, session
        self.spec, self.settings, self.channels = spec, settings, channels
        self.tensors, self.device = tensors_of(item), CPU

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "session"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, session=start_session(state["content"], CPU))

    @property
    def code(self) -> tuple[object, ...]:
        """Objects whose code decides the features; the network is a graph."""
        return self, self.tensors

    def features(self, items: Items) -> Float32Array:
        """Return the features of one batch of stored items [n, H, W, C], float32 [n, d]."""
        output = self.session.run(None, {self.session.get_inputs()[0].name: self.prepare(items)})[0]
        flat: Float32Array = np.asarray(output, dtype=np.float32).reshape(len(items), -1)
        return flat

    def prepare(self, items: Items) -> Float32Array:
        """Return items as the graph takes them: resized with antialiasing, gray repeated, (x / 255 - mean) / std."""
        x, side = feature_values(items, self.tensors, CPU) / 255, self.settings.side
        if side is not None and tuple(x.shape[2:]) != (side, side):
            x = torch.nn.functional.interpolate(x, size=(side, side), mode="bilinear", antialias=True)
        if x.shape[1] == 1 and self.channels == 3:
            x = x.expand(-1, 3, -1, -1)
        mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (self.settings.mean, self.settings.std))
        result: Float32Array = ((x - mean) / std).contiguous().numpy()
        return result


def providers_for(device: torch.device) -> list[Any]:
    """Return the execution providers: CUDA's for a CUDA device, if this ONNX Runtime has it, and the CPU's."""
    import onnxruntime

    if device.type != "cuda" or CUDA not in onnxruntime.get_available_providers():
        return [ON_CPU]
    onnxruntime.preload_dlls()
    # As in serving: the same features in every run, and float32 without TF32.
    return [(CUDA, {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"}), ON_CPU]


def start_session(content: bytes, device: torch.device) -> Any:
    """Return a session that runs a graph, with as many threads as torch. Raise what ONNX Runtime raises."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(content, options, providers=providers_for(device))


def open_encoder(path: Path, settings: EncoderSettings, item: ItemSpec, device: torch.device = CPU) -> Extractor:
    """Open an encoder for these items; it runs on `device` if ONNX Runtime can.

    Raises:
        InputError: The file is missing, is no ONNX model, or does not take such items; or the preprocessing does not
            fit its channels.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); "
            "evaluate.features takes auto, classifier, contrastive, random, inception, or a file"
        ) from None
    try:
        session = start_session(content, device)
    except Exception as error:  # noqa: BLE001 - ONNX Runtime's exception classes derive from Exception alone
        if "external data" in str(error).lower():  # the hash of one file would not identify such weights
            raise InputError(
                f"{path}: its weights are in another file. Export one file: torch.onnx.export(..., external_data=False)"
            ) from None
        raise InputError(
            f"{path}: not a model that ONNX Runtime can run ({' '.join(str(error).split())[:160]})"
        ) from None
    inputs = session.get_inputs()
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type != "tensor(float)":
        raise InputError(
            f"{path}: evaluate.features needs an encoder with one input, float32 [n, channels, height, width]"
        )
    wanted = inputs[0].shape[1]
    channels = wanted if isinstance(wanted, int) else item.network_channels
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
    encoder = Encoder(content, session, spec, settings, channels, item)
    try:
        dims = encoder.features(np.zeros((2, *item.shape), dtype=item.dtype)).shape[1]
    except Exception as error:  # noqa: BLE001 - as above
        raise InputError(
            f"{path}: does not take items of {item.size} ({' '.join(str(error).split())[:160]}); "
            "set evaluate.encoder.side"
        ) from None
    encoder.spec = spec.model_copy(update={"dims": dims})
    return encoder
