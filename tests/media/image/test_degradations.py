"""Degradations against Pillow, and their statistics against closed forms."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from pipeline.media.image.degradations import Degradation, round_to_bytes, upsample
from pipeline.media.image.pillow_arrays import compress_jpeg


def smooth(height: int, width: int, n: int = 1) -> torch.Tensor:
    """Return coloured waves, rounded to 8 bits."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    waves = [torch.sin(x / 3 + k) * torch.cos(y / (4 + k)) for k in range(3)]
    return round_to_bytes(torch.stack(waves)[None].repeat(n, 1, 1, 1) * 0.9)


def pixels(images: torch.Tensor) -> npt.NDArray[np.uint8]:
    return images.add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).numpy()


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_bicubic_resizing_equals_pillow_s(scale: int) -> None:
    clean = smooth(64, 96)
    low = Degradation(scale=scale)(clean, rng())
    assert low.shape == (1, 3, 64 // scale, 96 // scale)
    theirs = np.asarray(Image.fromarray(pixels(clean)[0]).resize((96 // scale, 64 // scale), Image.Resampling.BICUBIC))
    assert np.abs(pixels(low)[0].astype(int) - theirs).max() <= 1
    back = np.asarray(Image.fromarray(pixels(low)[0]).resize((96, 64), Image.Resampling.BICUBIC))
    assert np.abs(pixels(upsample(low, scale))[0].astype(int) - back).max() <= 1


def test_degraded_images_have_eight_bits() -> None:
    clean = smooth(32, 32, 6)
    for degradation in (
        Degradation(gaussian=(0.0, 80.0)),
        Degradation(poisson=(2.0, 50.0)),
        Degradation(jpeg=(5.0, 30.0)),
        Degradation(scale=2),
    ):
        low = degradation(clean, rng())
        assert torch.equal(low, round_to_bytes(low))
        assert low.abs().max() <= 1


def test_the_noise_has_the_given_strength() -> None:
    gray = torch.zeros(8, 3, 64, 64)
    noisy = Degradation(gaussian=(25.0, 25.0))(gray, rng())
    assert float(noisy.std()) * 127.5 == pytest.approx(25, rel=0.02)
    counted = Degradation(poisson=(100.0, 100.0))(gray, rng())
    # Half of 100 photons has a standard deviation of sqrt(50) / 100, in units of 255 levels.
    assert float(counted.std()) * 127.5 == pytest.approx(255 * 50**0.5 / 100, rel=0.02)
    strengths = Degradation(gaussian=(0.0, 50.0))(torch.zeros(400, 1, 32, 32), rng()).std(dim=(1, 2, 3)) * 127.5
    assert float(strengths.min()) < 3
    assert float(strengths.max()) > 47
    assert float(strengths.mean()) == pytest.approx(25, abs=2), "strengths are uniform"


def test_compression_equals_that_of_a_jpeg_file() -> None:
    clean = smooth(32, 40, 2)
    low = Degradation(jpeg=(30.0, 30.0))(clean, rng())
    assert (pixels(low)[1] == compress_jpeg(pixels(clean)[1], 30)).all()
    gray = Degradation(jpeg=(30.0, 30.0))(clean[:, :1], rng())
    assert gray.shape == (2, 1, 32, 40)


def test_each_image_gets_one_of_the_degradations() -> None:
    black = torch.full((300, 1, 16, 16), -1.0)
    # Only Gaussian noise changes black images.
    low = Degradation(gaussian=(50.0, 50.0), poisson=(5.0, 5.0), jpeg=(20.0, 20.0))(black, rng())
    share = float(((low != -1).flatten(1).any(dim=1)).float().mean())
    assert 0.25 < share < 0.42


def test_the_random_generator_determines_the_result() -> None:
    clean = smooth(16, 16, 4)
    degradation = Degradation(gaussian=(0.0, 50.0), poisson=(5.0, 50.0), jpeg=(10.0, 50.0))
    assert torch.equal(degradation(clean, rng()), degradation(clean, rng()))
    assert not torch.equal(degradation(clean, rng()), degradation(clean, torch.Generator().manual_seed(1)))
