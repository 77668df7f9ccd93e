"""The untrained network: equal weights on every machine, features of any image, sensitivity to failures."""

from typing import Any

import numpy as np
import pytest
import torch

from pipeline.evaluation.extractors.random_network import open_random_network
from pipeline.evaluation.measures.fid import fid
from pipeline.items import ItemSpec
from tests.specs import image_spec

CPU = torch.device("cpu")


@pytest.mark.parametrize(("channels", "sha8"), [(1, "50d2c6a9"), (3, "94274ee0")])
def test_weights_do_not_depend_on_machine_or_seed(channels: int, sha8: str) -> None:
    torch.manual_seed(channels)
    assert open_random_network(image_spec(8, channels), CPU).spec.sha8 == sha8


@pytest.mark.parametrize(
    "shape", [(4, 4, 1), (6, 10, 3), (8, 8, 1), (8, 8, 3), (16, 16, 1), (64, 64, 3), (256, 256, 3), (1, 3000, 2)]
)
def test_features_of_any_image_are_finite(shape: tuple[int, int, int]) -> None:
    extractor = open_random_network(ItemSpec(height=shape[0], width=shape[1], channels=shape[2]), CPU)
    images = np.random.default_rng(0).integers(0, 256, (3, *shape), dtype=np.uint8)
    images[0] = 7
    features = extractor.features(images)
    assert features.shape == (3, extractor.spec.dims)
    assert np.isfinite(features).all()
    np.testing.assert_allclose(extractor.features(images[1:2]), features[1:2], atol=1e-5)


def test_noise_blur_and_collapse_increase_the_distance(digits: Any) -> None:
    extractor = open_random_network(image_spec(8, 1), CPU)
    real, fresh = extractor.features(digits.test.array), extractor.features(digits.fresh)
    null = fid(fresh, real)
    noisy = np.clip(digits.fresh + np.random.default_rng(0).normal(0, 60, digits.fresh.shape), 0, 255).astype(np.uint8)
    blurred = ((digits.fresh.astype(int) + np.roll(digits.fresh, 1, axis=1)) // 2).astype(np.uint8)
    for broken in (noisy, blurred, np.repeat(digits.fresh[:1], 360, axis=0)):
        assert fid(extractor.features(broken), real) > 3 * null
