"""WaveGAN's discriminator of spectrograms: what it sees, its gradients near silence, updates, and what it refuses."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.errors import InputError
from pipeline.gans.base import GAN
from pipeline.gans.registry import build, parse_settings
from pipeline.gans.variants.hifigan.log_mel import LogMel
from pipeline.gans.variants.wavegan.spectrogram_discriminator import SpectrogramDiscriminator
from pipeline.gans.variants.wavegan.wavegan import WaveGAN
from pipeline.items import ItemSpec
from pipeline.media.audio.medium import AudioMedium
from pipeline.media.audio.settings import AudioSettings

ITEM = AudioMedium().spec(
    AudioSettings(representation="wave", seconds=0.128, hop=64, window=128, mels=8), ("low", "high")
)


def small(item: ItemSpec = ITEM, **settings: Any) -> WaveGAN:
    torch.manual_seed(0)
    sizes = {"variant": "wavegan", "latent": 6, "generator_channels": 2, "discriminator_channels": 2, "kernel": 9}
    gan = build(parse_settings(sizes | {"spectrogram_channels": 4} | settings), item)
    assert isinstance(gan, WaveGAN)
    return gan


def spectrograms(gan: WaveGAN) -> SpectrogramDiscriminator:
    network = gan.discriminator.spectrograms
    assert isinstance(network, SpectrogramDiscriminator)
    return network


def tone(hertz: float, amplitude: float) -> Tensor:
    """Return a sine, [1, 1, 1, 1024]."""
    return amplitude * torch.sin(2 * torch.pi * hertz * torch.arange(1024.0) / 8000)[None, None, None]


def test_bands_are_what_the_pictures_show() -> None:
    log_mel, wave = LogMel(ITEM), tone(1000, 0.5)
    shown = 10 ** (log_mel.floor * (1 - log_mel(wave)) / 2 / 20)
    assert torch.allclose(log_mel.bands(wave)[:, None].clamp(10 ** (log_mel.floor / 20)), shown, rtol=1e-4)


def test_loudness_rises_from_silence_to_full_scale() -> None:
    network = spectrograms(small())
    loudness = [float(network.compress(tone(1000, amplitude)).amax()) for amplitude in (0, 0.001, 0.01, 0.1, 1)]
    assert loudness == sorted(loudness)
    assert loudness[0] == pytest.approx(0, abs=1e-6)
    assert 0.7 < loudness[-1] < 1


@pytest.mark.parametrize("amplitude", [0, 1e-6, 1e-3, 1])
def test_gradients_stay_small_near_silence(amplitude: float) -> None:
    network = spectrograms(small())
    wave = tone(1000, amplitude).requires_grad_()
    (slope,) = torch.autograd.grad(network.compress(wave).sum(), wave)
    # The slope of log(1 + x / QUIET) is steepest at 0; a wave changes a band by at most as much as itself.
    assert torch.isfinite(slope).all()
    assert float(slope.abs().max()) < 2 / 0.01


def test_each_phase_updates_its_networks_only(check_updates: Callable[[GAN, dict[str, Tensor]], None]) -> None:
    rng = torch.Generator().manual_seed(0)
    batch = {"item": torch.rand(8, 1, 1, 1024, generator=rng) * 2 - 1, "label": torch.arange(8) % 2}
    check_updates(small(critic_steps=1, penalties={"r1": 0.1, "r2": 0.1, "gp": 0}, objective="relativistic"), batch)


def test_a_band_and_the_label_decide_the_logit() -> None:
    gan = small().eval()
    low, high = tone(500, 0.5), tone(2000, 0.5)
    network = spectrograms(gan)
    label = torch.tensor([0])
    with torch.no_grad():
        assert network.embedding is not None
        network.embedding.weight.mul_(50)
        logits = [float(network(wave, label + k)) for wave in (low, high) for k in (0, 1)]
        same = network(tone(500, 0.5).roll(16, dims=3), label)  # a whole period later
    assert len({round(logit, 3) for logit in logits}) == 4
    assert float(same) == pytest.approx(logits[0], abs=0.5 * min(abs(logits[0] - other) for other in logits[1:]))


def test_what_it_refuses() -> None:
    coarse = AudioMedium().spec(AudioSettings(representation="wave", seconds=0.064, hop=128, window=256, mels=8), ())
    with pytest.raises(InputError, match=r"8 bands and 4 frames, and needs at least 8 of each; raise data.mels"):
        small(coarse, conditional=False)
    with pytest.raises(ValueError, match=r"a spectrogram is that of one wave. Set packing: 1"):
        parse_settings({"variant": "wavegan", "spectrogram_channels": 4, "stabilisers": {"packing": 2}})
