"""Profiles of images: each fault moves the profile that is about it, in the unit of its bound; real images do not."""

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from pipeline.arrays import Items
from pipeline.evaluation.extractors.base import ArrayItems
from pipeline.items import ItemSpec
from pipeline.media.image.block_noise import block_moments, compare_block_noise
from pipeline.media.image.corrections import match_tones, without_pattern
from pipeline.media.image.pixel_maps import constant_share
from pipeline.media.image.profile_evidence import stepping_edges
from pipeline.media.image.profiles import profiles

SPEC = ItemSpec(height=32, width=32, channels=3)


def scenes(n: int, seed: int) -> Items:
    """Return smooth pictures with blue skies above brown grounds, and a disc."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:32, :32]
    out = []
    for _ in range(n):
        ground = y > rng.integers(12, 20)
        picture = np.where(
            ground[..., None], rng.uniform([90, 60, 20], [170, 120, 70]), rng.uniform(60, [120, 160, 255])
        )
        disc = (x - rng.integers(4, 28)) ** 2 + (y - rng.integers(4, 28)) ** 2 < rng.integers(9, 60)
        picture[disc] = rng.uniform(0, 255, 3)
        soft = np.mean([np.roll(picture, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1)], axis=0)
        out.append(np.clip(soft + rng.normal(0, 2, soft.shape), 0, 255))
    return np.rint(out).astype(np.uint8)


@pytest.fixture(scope="module")
def real() -> Items:
    return scenes(200, 0)


@pytest.fixture(scope="module")
def fresh() -> Items:
    return scenes(200, 1)


def numbers(fake: Items, real: Items, spec: ItemSpec = SPEC) -> dict[str, float]:
    means = [
        {one.name: one.values(images).mean(axis=0, dtype=np.float64) for one in profiles(spec)}
        for images in (fake, real)
    ]
    return {one.name: one.compare(*(mean[one.name] for mean in means)) for one in profiles(spec)}


def test_other_real_images_are_within_all_bounds(fresh: Items, real: Items) -> None:
    found = numbers(fresh, real)
    assert found["impulses"] < 0.001
    assert 0.9 < found["gray_levels"] < 1.1
    assert 0.9 < found["grain"] < 1.1
    assert abs(found["blocking"]) < 0.5
    assert abs(found["flat_noise"]) < 0.5
    assert found["tones"] < 6
    assert found["chroma"] < 6
    assert found["hue"] < 8
    assert found["spectrum"] < 1
    assert found["pixel_maps"] < 20
    assert found["placement"] == 0


def salted(images: Items) -> Items:
    out, chance = images.copy(), np.random.default_rng(0).random(images.shape[:3])
    out[chance < 0.01], out[chance > 0.99] = 0, 255
    return out


def compressed(images: Items) -> Items:
    def compress(image: Items) -> Items:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=10)
        return np.asarray(Image.open(file))

    return np.stack([compress(image) for image in images])


def noisy(images: Items) -> Items:
    return np.clip(images + np.random.default_rng(0).normal(0, 20, images.shape), 0, 255).astype(np.uint8)


def turned(images: Items) -> Items:
    """Turn the hue by 90 degrees."""
    hsv = [np.array(Image.fromarray(image).convert("HSV")) for image in images]
    for one in hsv:
        one[..., 0] += 64
    return np.stack([np.asarray(Image.fromarray(one, "HSV").convert("RGB")) for one in hsv])


def marked(images: Items) -> Items:
    out = images.copy()
    out[:, 1:3, 29:31] = 255
    return out


@pytest.mark.parametrize(
    ("fault", "name", "low", "high"),
    [
        (salted, "impulses", 0.01, 0.03),
        (lambda x: x // 32 * 32 + 16, "gray_levels", 0.0, 0.2),
        (compressed, "blocking", 2.0, 50),
        (lambda x: np.clip(x.astype(int) + 12, 0, 255).astype(np.uint8), "tones", 8, 14),
        (turned, "hue", 20, 90),
        (lambda x: np.clip(x * [1.2, 1, 0.9], 0, 255).astype(np.uint8), "chroma", 6, 60),
        (lambda x: x[:, ::2, ::2].repeat(2, 1).repeat(2, 2), "spectrum", 3, 60),
        (marked, "pixel_maps", 60, 255),
        (noisy, "flat_noise", 3, 20),
    ],
)
def test_a_fault_of_all_images_exceeds_the_bound_of_its_profile(
    fault: Callable[[Items], Items], name: str, low: float, high: float, fresh: Items, real: Items
) -> None:
    assert low < numbers(fault(fresh), real)[name] < high


def test_an_impulse_at_the_edge_counts(fresh: Items, real: Items) -> None:
    edge = fresh.copy()
    edge[:, 0, 5] = 255 - edge[:, 0, 4]
    assert numbers(edge, real)["impulses"] > numbers(fresh, real)["impulses"]


@pytest.mark.parametrize(
    ("change", "low", "high"),
    [(marked, 0.5, 1), (lambda x: np.clip(x.astype(int) + 60, 0, 255).astype(np.uint8), 0, 0.4)],
)
def test_the_pixels_of_a_mark_are_constant(
    change: Callable[[Items], Items], low: float, high: float, fresh: Items, real: Items
) -> None:
    maps = next(one for one in profiles(SPEC) if one.name == "pixel_maps")
    fake, true = (maps.values(images).mean(axis=0, dtype=np.float64) for images in (change(fresh), real))
    assert low <= constant_share(fake, true, SPEC) <= high


@dataclass(frozen=True)
class Samples:
    """What is undone reads samples and real images."""

    images: Items
    real: Items

    @property
    def compared(self) -> SimpleNamespace:
        return SimpleNamespace(fake=ArrayItems(self.images), real=SimpleNamespace(items=ArrayItems(self.real)))

    def with_items(self, items: Items) -> "Samples":
        return replace(self, images=items)


def test_gray_levels_are_matched(fresh: Items, real: Items) -> None:
    bright = np.clip(fresh * 0.6 + 60, 0, 255).astype(np.uint8)
    matched = match_tones(Samples(bright, real)).images
    assert matched.dtype == np.uint8
    assert numbers(bright, real)["tones"] > 12
    assert numbers(matched, real)["tones"] < 6
    assert np.abs(matched.astype(int) - fresh).mean() < 6


def test_the_pattern_of_two_pixels_is_removed(fresh: Items, real: Items) -> None:
    sign = (-1) ** np.indices((32, 32)).sum(axis=0)[..., None]
    checked = np.clip(fresh.astype(int) + 12 * sign, 0, 255).astype(np.uint8)
    without = without_pattern(Samples(checked, real)).images
    assert numbers(without, real)["pattern_size"] < 2
    assert np.abs(without.astype(int) - fresh).mean() < 3
    assert np.abs(without_pattern(Samples(fresh, real)).images.astype(int) - fresh).mean() < 3


def test_a_shift_by_a_pixel_does_not_stand_out_in_the_maps(fresh: Items, real: Items) -> None:
    assert numbers(np.roll(fresh, 1, 2), real)["pixel_maps"] < 20


def test_deep_and_large_images_have_the_profiles_of_bytes() -> None:
    small = scenes(12, 2)[..., :1]
    large = small.repeat(4, axis=1).repeat(4, axis=2)
    deep = large.astype(np.uint16) * 257
    spec = ItemSpec(height=128, width=128, channels=1, dtype="uint16")
    found = numbers(deep, deep[::-1], spec)
    assert found["tones"] == found["pixel_maps"] == found["placement"] == 0
    for one in profiles(spec):
        assert one.values(deep) == pytest.approx(one.values(large), rel=1e-4, abs=1e-3)


def binary(images: Items) -> Items:
    return np.where(images > 128, 255, 0).astype(np.uint8)


def test_a_pattern_in_the_same_phase_is_measured(fresh: Items, real: Items) -> None:
    sign = (-1) ** np.indices((32, 32)).sum(axis=0)[..., None]
    checked = np.clip(fresh.astype(int) + 8 * sign, 0, 255).astype(np.uint8)
    assert numbers(fresh, real)["pattern_size"] < 0.2
    assert numbers(binary(fresh), binary(real))["pattern_size"] < 0.2
    assert 7 < numbers(checked, real)["pattern_size"] < 9


@pytest.mark.parametrize(("change", "low", "high"), [(marked, 0.9, 1), (lambda x: x + np.uint8(60), 0, 0.4)])
def test_a_mark_on_a_background_that_is_always_black_is_constant(
    change: Callable[[Items], Items], low: float, high: float, fresh: Items, real: Items
) -> None:
    def framed(images: Items) -> Items:
        out = images // 2
        out[:, :, [0, 1, 2, 3, -4, -3, -2, -1]] = 0
        out[:, [0, 1, 2, 3, -4, -3, -2, -1]] = 0
        return out

    maps = next(one for one in profiles(SPEC) if one.name == "pixel_maps")
    fake, true = (maps.values(x).mean(axis=0, dtype=np.float64) for x in (change(framed(fresh)), framed(real)))
    assert low <= constant_share(fake, true, SPEC) <= high


@pytest.fixture(scope="module")
def digits() -> Items:
    images = np.minimum(np.round(load_digits().images * (255 / 16)), 255).astype(np.uint8)[..., None]
    return np.asarray(images[np.random.default_rng(0).permutation(len(images))])


def jpeg(images: Items, quality: int) -> Items:
    out = []
    for image in images[..., 0]:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=quality)
        out.append(np.asarray(Image.open(file)))
    return np.stack(out)[..., None]


def shaken(images: Items, sigma: float) -> Items:
    noise = np.random.default_rng(0).normal(0, sigma, images.shape)
    return np.asarray(np.clip(np.rint(images + noise), 0, 255).astype(np.uint8))


@pytest.mark.parametrize(
    ("fault", "low", "high"),
    [
        (lambda x: x, -1, 3),
        (lambda x: shaken(x, 2), -1, 3),
        (lambda x: jpeg(x, 75), -1, 5),
        (lambda x: shaken(x, 25), 8, 25),
        (lambda x: jpeg(x, 30), 7, 25),
    ],
)
def test_noise_and_compression_show_without_flat_areas(
    fault: Callable[[Items], Items], low: float, high: float, digits: Items
) -> None:
    found = numbers(fault(digits[:600]), digits[600:1200], ItemSpec(height=8, width=8, channels=1))
    assert "flat_noise" in found
    assert low < found["block_noise"] < high


@pytest.mark.parametrize(("height", "width"), [(8, 8), (5, 12), (15, 9)])
def test_block_noise_is_the_spread_of_white_noise(height: int, width: int) -> None:
    rng, shape = np.random.default_rng(0), (20_000, height, width, 1)
    real = np.full(shape, 120, dtype=np.uint8)
    noisy = (real + np.rint(rng.normal(0, 10, shape))).astype(np.uint8)
    fake, none = (block_moments(images).mean(axis=0, dtype=np.float64) for images in (noisy, real))
    assert compare_block_noise(fake, none) == pytest.approx(10, rel=0.05)


def test_large_images_need_no_block_noise() -> None:
    assert "block_noise" not in {one.name for one in profiles(SPEC)}


def glued(images: Items) -> Items:
    return np.concatenate([images[:, :, :16], np.roll(images, 1, axis=0)[:, :, 16:]], axis=2)


@pytest.mark.parametrize(("change", "low", "high"), [(compressed, 0.5, 1.0), (glued, 0.0, 0.3)])
def test_compression_steps_at_most_edges_and_a_seam_at_one(
    change: Callable[[Items], Items], low: float, high: float, fresh: Items, real: Items
) -> None:
    blocking = next(one for one in profiles(SPEC) if one.name == "blocking")
    fake, true = (blocking.values(images).mean(axis=0, dtype=np.float64) for images in (change(fresh), real))
    data = SimpleNamespace(profiles={"blocking": SimpleNamespace(fake=fake, real=true)}, item=SPEC)
    assert low <= (stepping_edges(data) or 0.0) <= high
