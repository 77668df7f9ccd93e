"""Waves as tensors: networks see the wave, and feature extractors see its log-mel picture."""

import functools
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.arrays import Items
from pipeline.items import ItemSpec
from pipeline.media.audio.degradations import Degradation
from pipeline.media.audio.mel_codec import MelCodec, tables_of
from pipeline.media.audio.waves import picture_spec, store_waves
from pipeline.media.scale import BYTES
from pipeline.media.tensors import Degrade, Tensors

ITERATIONS_COMPARED = 32
"""Steps of Griffin-Lim that a vocoder is compared with."""
SMALLEST = 1e-18
"""Power below which a frequency counts as silent, so that logarithms and roots have gradients: -180 dB."""


@functools.lru_cache(maxsize=8)
def filters_of(codec: MelCodec) -> tuple[Tensor, Tensor]:
    """Return the Fourier transform as filters [2 * bins, 1, window], and the mel filters [mels, bins]."""
    tables = tables_of(codec)
    forward = torch.from_numpy(tables.forward / (codec.window / 4))[:, None].float()
    return forward, torch.from_numpy(tables.filters).float()


def mel_pictures(waves: Tensor, codec: MelCodec) -> Tensor:
    """Return the log-mel pictures of waves [n, 1, samples], in 0 .. 1, [n, mels, frames].

    As `MelCodec.encode`, but differentiable, and exportable to ONNX.
    """
    forward, filters = (one.to(waves.device) for one in filters_of(codec))
    padded = F.pad(waves, (codec.margin, codec.window - codec.hop - codec.margin))
    squares = F.conv1d(padded, forward, stride=codec.hop).square()
    power = squares[:, : codec.bins] + squares[:, codec.bins :]
    bands = torch.matmul(filters, power.clamp(min=SMALLEST).sqrt())
    return (1 - 20 / codec.floor_db * torch.log10(bands)).clamp(0, 1)


class WaveTensors(Tensors):
    """Waves in [-1, 1] for networks, [n, 1, 1, samples]; pictures in 0 .. 255 for feature extractors."""

    @property
    def feature_item(self) -> ItemSpec:
        """The log-mel picture."""
        return picture_spec(self.spec)

    def degradation(self, **options: Any) -> Degrade:
        """Return a `Degradation`; with `spectrogram: True` waves stay as they are: the variant ignores their phases."""
        if options.get("spectrogram"):
            return lambda waves, rng: waves
        return Degradation(MelCodec.of(self.spec).sample_rate, **options)

    def stand_in(self, values: Tensor, **options: Any) -> Items | None:
        """Return what Griffin-Lim makes of the spectrograms of waves, if those are all that is known."""
        if not options.get("spectrogram"):
            return None
        codec = MelCodec.of(self.spec)
        pictures = mel_pictures(values.flatten(2), codec)
        return store_waves(codec.decode(pictures.cpu().numpy(), ITERATIONS_COMPARED))

    def to_features(self, items: Tensor) -> Tensor:
        """Return the pictures of stored waves, float32 [n, 1, mels, frames]."""
        return self.network_to_features(self.to_network(items))

    def network_to_features(self, values: Tensor) -> Tensor:
        """Return the pictures of waves [n, 1, 1, samples]."""
        return mel_pictures(values.flatten(2), MelCodec.of(self.spec))[:, None] * BYTES.highest
