"""Outliers: samples that no real item is like are counted and ranked, other real items are not."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial import KDTree
from scipy.stats import norm

from pipeline.evaluation.extractors.base import ArrayItems, extract
from pipeline.evaluation.extractors.random_network import open_random_network
from pipeline.evaluation.measures.copies import ImageSets
from pipeline.evaluation.measures.outliers import Outliers, find_outliers, standardise
from pipeline.evaluation.verdict import SIGNIFICANCE
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
        assert found.far.value == 0


def test_items_that_stand_out_in_one_of_two_spaces_are_counted_and_ranked_first(tmp_path: Path) -> None:
    fake, near = normal(400, 0), normal(400, 3)
    near[[7, 90]] += 20
    first, second = ImageSets(fake, normal(300, 1), normal(500, 2)), ImageSets(near, normal(300, 4), normal(500, 5))
    for _ in range(2):  # computed, then from the cache
        found = find_outliers([first, second], tmp_path, "key")
        assert found is not None
        assert set(found.order[:2]) == {7, 90}
        assert found.far.value == pytest.approx(2 / 400)
        assert not {7, 90} & set(found.typical)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("distribution", ["normal", "pareto"])
def test_the_farthest_of_other_real_items_are_no_certain_failure(distribution: str) -> None:
    rng = np.random.default_rng(0)
    size = (1000, 2, 300)
    drawn = {"normal": np.abs(rng.normal(size=size)), "pareto": rng.pareto(4, size=size) + 1}[distribution]
    scores = [Outliers(samples, real, 300).far.z or 0.0 for samples, real in drawn]
    assert max(scores) < SIGNIFICANCE
    assert np.mean(np.array(scores) > norm.isf(0.01)) < 0.02


def test_a_few_samples_far_beyond_all_real_items_are_certain() -> None:
    rng = np.random.default_rng(0)
    real, samples = rng.pareto(8, size=500) + 1, rng.pareto(8, size=400) + 1
    largest = real.max()
    index = (25 - 2 * 5) / np.log(np.sort(real)[::-1][:25] / np.sort(real)[::-1][25]).sum()
    for ratio, certain in ((1.25, False), (3, True)):
        samples[:4] = ratio * largest
        found = Outliers(samples, real, 500).far
        assert found.value == 4 / 400
        expected = 400 / 500 * ratio**-index
        assert found.z == pytest.approx(norm.isf((expected / (1 + expected)) ** 4))
        assert found.z is not None
        assert (found.z > 5) == certain


def test_one_odd_real_item_in_a_thousand_hides_no_far_samples() -> None:
    rng = np.random.default_rng(0)
    real = rng.pareto(12, size=2000) + 1
    ordinary = Outliers(np.full(100, 2.5 * real.max()), real, 2000).far
    odd = Outliers(np.full(100, 2.5 * real.max()), np.append(real, 100.0), 2001).far
    assert ordinary.value == odd.value == 1
    assert odd.z is not None
    assert odd.z > 5


def test_training_items_are_left_out_of_their_own_neighbours() -> None:
    same = normal(300, 1)
    found = find_outliers([ImageSets(normal(200, 0), same, same)])
    assert found is not None
    tree = KDTree(same)
    held, left_out = tree.query(same, 5)[0][:, -1], tree.query(same, 6)[0][:, -1]
    expected = np.append(held, left_out)
    assert found.real == pytest.approx(expected / np.quantile(expected, 0.99), rel=1e-4)


def test_two_percent_that_look_like_the_rarest_real_items_are_found() -> None:
    """Foreign images need not be farther away than every real one: here they are as far as one real item in 100."""
    near, heldout, train = normal(2000, 0), normal(2000, 1), normal(4000, 2)
    rare = train[np.argsort(KDTree(train).query(train, 6)[0][:, -1])[-40:]]
    near[:40] = rare + np.random.default_rng(3).normal(size=rare.shape) * 0.3
    found = find_outliers([ImageSets(near, heldout, train)])
    assert found is not None
    assert found.far.z is not None
    assert found.far.z < 5
    assert found.rare.z is not None
    assert found.rare.z > 5
    assert found.rare.value == pytest.approx(0.03, abs=0.01)


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
        assert found.far.value == share
        assert found.far.z is not None
        assert (found.far.z > 5) == bool(share)
