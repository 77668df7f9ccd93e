"""Outliers: samples that no real item is like are counted and ranked, other real items are not."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.evaluation.extractors.base import ArrayItems, extract
from pipeline.evaluation.extractors.random_network import open_random_network
from pipeline.evaluation.measures.copies import ImageSets
from pipeline.evaluation.measures.outliers import find_outliers, standardise
from pipeline.media.image.digits import load_pixels
from pipeline.media.image.styled_digits import draw
from tests.specs import image_spec


def normal(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 8)).astype(np.float32)


def test_other_real_items_are_no_outliers() -> None:
    for seed in range(10):
        found = find_outliers([ImageSets(normal(400, seed), normal(300, 100 + seed), normal(500, 200 + seed))])
        assert found is not None
        assert found.rare.z is not None
        assert found.rare.z < 5
        assert found.far == 0


def test_items_that_stand_out_in_one_of_two_spaces_are_counted_and_ranked_first(tmp_path: Path) -> None:
    fake, near = normal(400, 0), normal(400, 3)
    near[[7, 90]] += 20
    first, second = ImageSets(fake, normal(300, 1), normal(500, 2)), ImageSets(near, normal(300, 4), normal(500, 5))
    for _ in range(2):  # computed, then from the cache
        found = find_outliers([first, second], tmp_path, "key")
        assert found is not None
        assert set(found.order[:2]) == {7, 90}
        assert found.far == pytest.approx(2 / 400)
        assert not {7, 90} & set(found.typical)
    assert len(list(tmp_path.iterdir())) == 1


def test_with_few_held_out_items_nothing_is_measured() -> None:
    assert find_outliers([ImageSets(normal(400, 0), normal(99, 1), normal(500, 2))]) is None


def test_standardised_features_count_alike() -> None:
    scale = np.array([1000, *[1] * 7], dtype=np.float32)
    sets = standardise(ImageSets(normal(50, 0) * scale, normal(50, 1) * scale, normal(5000, 2) * scale))
    assert sets.fake.std(axis=0) == pytest.approx(np.ones(8), abs=0.3)


def test_a_gray_level_in_a_corner_that_is_always_black_makes_no_outliers_and_a_spot_does() -> None:
    pixels = np.stack([draw(image, "italic", number) for number, image in enumerate(load_pixels()[0][:900])])[..., None]
    train, heldout = pixels[:600], pixels[600:]
    assert not train[:, :4, :4].any(), "the slant leaves this corner empty"
    extractor = open_random_network(image_spec(16, 1, []), torch.device("cpu"))
    for level, share in ((1, 0), (200, 1)):
        changed = heldout.copy()
        changed[:, 1:3, 1:3] = level
        found = find_outliers(
            [standardise(ImageSets(*(extract(extractor, ArrayItems(part), 256) for part in (changed, heldout, train))))]
        )
        assert found is not None
        assert found.far == share
