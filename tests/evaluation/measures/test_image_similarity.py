"""PSNR, SSIM and luma against scikit-image and closed forms."""

from typing import Any

import numpy as np
import pytest

from pipeline.evaluation.measures.image_similarity import PERFECT, compare_images, luma, psnr, sharpness, ssim


def pair(channels: int, seed: int = 0, noise: float = 12.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:70, :90]
    waves = np.stack([128 + 100 * np.sin(x / (5 + k)) * np.cos(y / 7) for k in range(channels)], axis=2)
    image, original = (np.rint(waves + rng.normal(0, sigma, waves.shape)).clip(0, 255) for sigma in (noise, 3))
    return image.astype(np.uint8), original.astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("border", [0, 4])
@pytest.mark.parametrize("noise", [2.0, 12.0, 60.0])
def test_psnr_and_ssim_equal_scikit_image(channels: int, border: int, noise: float) -> None:
    from skimage import metrics

    peak_signal_noise_ratio: Any = metrics.peak_signal_noise_ratio
    structural_similarity: Any = metrics.structural_similarity

    image, original = pair(channels, noise=noise)
    found = compare_images(image, original, border)
    a, b = (one[border : 70 - border, border : 90 - border] for one in (image, original))
    assert found.psnr == pytest.approx(peak_signal_noise_ratio(b, a), abs=1e-9)
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    assert found.ssim == pytest.approx(structural_similarity(a, b, channel_axis=2, **settings), abs=1e-4)
    if channels == 3:
        y, z = (luma(one.astype(np.float64))[:, :, 0] for one in (a, b))
        assert found.psnr_y == pytest.approx(peak_signal_noise_ratio(z, y, data_range=255), abs=1e-9)
        assert found.ssim_y == pytest.approx(structural_similarity(y, z, **settings), abs=1e-4)
    else:
        assert (found.psnr_y, found.ssim_y) == (found.psnr, found.ssim)


def test_luma_is_that_of_bt_601() -> None:
    from skimage.color import rgb2ycbcr

    image, _ = pair(3)
    np.testing.assert_allclose(luma(image.astype(np.float64))[:, :, 0], rgb2ycbcr(image)[:, :, 0], atol=1e-9)
    ends = np.array([[[0, 0, 0], [255, 255, 255]]], dtype=np.float64)
    np.testing.assert_allclose(luma(ends).ravel(), [16, 235], atol=1e-9)


def test_constant_images_against_closed_forms() -> None:
    flat = np.full((20, 20, 1), 100.0)
    assert psnr(flat + 10, flat) == pytest.approx(10 * np.log10(255**2 / 100))
    assert psnr(flat, flat) == PERFECT
    assert ssim(flat, flat) == pytest.approx(1)
    c1 = (0.01 * 255) ** 2
    # Constant images differ in their means only.
    assert ssim(flat, flat + 10) == pytest.approx((2 * 100 * 110 + c1) / (100**2 + 110**2 + c1))


def test_sharpness_falls_with_blur_and_rises_with_noise() -> None:
    image, _ = pair(3, noise=5)
    blurred = ((image[:-1].astype(int) + image[1:]) // 2).astype(np.uint8)
    noisy, _ = pair(3, noise=30)
    assert sharpness(blurred) < sharpness(image) < sharpness(noisy)
    assert sharpness(np.full((8, 8, 1), 7, dtype=np.uint8)) == 0
