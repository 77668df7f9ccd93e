"""Feature extraction in batches, subsets, and the digest of weights."""

import numpy as np
import pytest
import torch

from pipeline.errors import InputError
from pipeline.evaluation.extractors.base import (
    ArrayItems,
    Extractor,
    FeatureSpec,
    Subset,
    digest,
    extract,
    feature_values,
)
from pipeline.items import ItemSpec
from pipeline.media.registry import tensors_of
from tests.specs import image_spec


class Mean(torch.nn.Module):
    """The mean of each channel, from 0 to 255."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean(dim=(2, 3))


MEAN = Extractor(
    FeatureSpec(name="mean", sha256="0" * 64, dims=3, resize="none", value_range="0..255"),
    Mean(),
    tensors_of(image_spec(8, 3)),
    torch.device("cpu"),
)
IMAGES = np.random.default_rng(0).integers(0, 256, (23, 8, 8, 3), dtype=np.uint8)


@pytest.mark.parametrize("batch_size", [1, 5, 23, 1000])
def test_batches_cover_the_set_in_order(batch_size: int) -> None:
    seen: list[tuple[int, str]] = []

    def progress(steps: range, label: str) -> range:
        seen.append((len(steps), label))
        return steps

    found = extract(MEAN, ArrayItems(IMAGES), batch_size, progress, "reading")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, IMAGES.mean(axis=(1, 2)), rtol=1e-6)
    assert seen == [(-(-23 // batch_size), "reading")]


def test_a_subset_is_read_in_its_own_order() -> None:
    subset = Subset(ArrayItems(IMAGES), np.array([20, 3, 3, 7]))
    assert len(subset) == 4
    assert np.array_equal(subset.images([1, 3]), IMAGES[[3, 7]])
    np.testing.assert_allclose(extract(MEAN, subset, 3), IMAGES[[20, 3, 3, 7]].mean(axis=(1, 2)), rtol=1e-6)


def test_other_arrays_than_uint8_images_are_rejected() -> None:
    for wrong in (IMAGES.astype(np.float32), IMAGES[0]):
        with pytest.raises(InputError, match="items must be integers"):
            ArrayItems(wrong)


def test_the_digest_depends_on_names_shapes_and_values_only() -> None:
    base = {"a": torch.arange(4.0), "b": torch.zeros(2)}
    others = [
        {"a": torch.arange(4.0).reshape(2, 2), "b": torch.zeros(2)},
        {"c": torch.arange(4.0), "b": torch.zeros(2)},
        {"a": torch.ones(4), "b": torch.zeros(2)},
    ]
    assert digest(base) == digest(dict(reversed(base.items())))
    assert len({digest(state) for state in [base, *others]}) == 4


def test_items_of_any_dtype_reach_the_network_in_one_range() -> None:
    """8-bit values as they are; 16-bit values and categories on the same scale of 0 to 255."""
    device = torch.device("cpu")
    wide = IMAGES.astype(np.uint16) * 257
    item = ItemSpec(height=8, width=8, channels=3, dtype="uint16")
    assert torch.allclose(
        feature_values(wide, tensors_of(item), device),
        feature_values(IMAGES, tensors_of(image_spec(8, 3)), device),
        atol=1e-3,
    )
    waves = np.array([-32767, 0, 32767], dtype=np.int16).reshape(1, 1, 3, 1)
    item = ItemSpec(height=1, width=3, channels=1, dtype="int16")
    assert feature_values(waves, tensors_of(item), device).flatten().tolist() == [0.0, 127.5, 255.0]
    item = ItemSpec(height=8, width=8, channels=1, symbols=3)
    maps = feature_values(IMAGES[..., :1] % 3, tensors_of(item), device)
    assert maps.shape == (23, 3, 8, 8)
    assert torch.equal(maps.sum(dim=1), torch.full((23, 8, 8), 255.0))
