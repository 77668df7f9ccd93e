"""What is measured of volumes: pieces, dust, cavities, mirror images, and what was done to all of them."""

from typing import Any

import numpy as np
import pytest
import torch

from pipeline.arrays import Items
from pipeline.media.profiles import Change
from pipeline.media.registry import MEDIA
from pipeline.media.volume import statistics
from pipeline.media.volume.networks import thumbnail
from pipeline.media.volume.solids import CLASSES, draw_solid

VOLUME: Any = MEDIA["volume"]
SPEC = VOLUME.spec(VOLUME.Settings(), CLASSES)


def solids(n: int, seed: int = 0) -> Items:
    rng = np.random.default_rng(seed)
    return np.stack([draw_solid(CLASSES[k % 4], 16, rng) for k in range(n)]) * np.uint8(255)


def test_parts_that_float_and_dust_are_counted() -> None:
    items = np.zeros((5, 8, 8, 8), dtype=np.uint8)
    items[1:, :3, :3, :3] = 255
    items[2, 6:, 6:, 6] = 255  # four voxels
    items[3, 7, 7, 7] = items[3, 7, 0, 7] = items[3, 5, 5, 5] = 255
    items[4] = 0
    items[4, 0, 0, 0] = 255  # nothing but a speck
    assert statistics.is_floating(items).ravel().tolist() == [0, 0, 1, 0, 0]
    assert statistics.count_dust(items).ravel().tolist() == [0, 0, 0, 3, 0]
    assert statistics.is_blank(items).ravel().tolist() == [1, 0, 0, 0, 0]
    assert statistics.piece_counts(items).argmax(axis=1).tolist() == [0, 1, 2, 4, 1]


def test_cavities_and_faces_are_counted() -> None:
    items = np.zeros((2, 8, 8, 8), dtype=np.uint8)
    items[:, 1:4, 1:4, 1:4] = 255
    items[1, 2, 2, 2] = 0
    assert statistics.count_cavities(items).ravel().tolist() == [0, 1]
    found = statistics.statistics(items)
    assert found["occupancy"] == pytest.approx([27 / 512, 26 / 512])
    assert found["surface"] == pytest.approx([54 / 27, 60 / 26])


def test_symmetry_is_that_of_the_best_axis() -> None:
    items = np.zeros((2, 4, 4, 4), dtype=np.uint8)
    items[0, 0] = items[0, 1, 0] = 255  # as its own mirror image along y or z only
    items[1, 0, 0, 0] = 255
    assert statistics.statistics(items)["symmetry"].tolist() == [1, 0]


def test_distances_are_one_minus_intersection_over_union() -> None:
    first, second = np.zeros((2, 1, 4, 4, 4), dtype=np.uint8)
    first[0, 0] = 255
    second[0, :, 0] = 255
    assert VOLUME.distances(first, second, SPEC) == pytest.approx(1 - 4 / 28)
    assert VOLUME.distances(first, first, SPEC).item() == 0
    assert VOLUME.distances(first, second, VOLUME.spec(VOLUME.Settings(values="gray"), ())) is None


def blobs(seed: int) -> Items:
    """Return volumes whose mean has no axis that is like another one, nor like its mirror image."""
    x, y, z = np.indices((16, 16, 16)) / 15
    return np.asarray((np.random.default_rng(seed).random((200, 16, 16, 16)) < x * y**2 * z**4) * np.uint8(255))


def change_of(batch: Items, real: Items) -> Change | None:
    (profile,) = (one for one in VOLUME.profiles(SPEC) if one.change is not None)
    means = [profile.values(part).mean(axis=0).astype(np.float64) for part in (batch, real)]
    found: Change | None = profile.change(*means)
    return found


@pytest.mark.parametrize(
    ("name", "done"),
    [
        ("upside down", lambda items: items[..., ::-1]),
        ("mirrored", lambda items: items[:, ::-1]),
        ("turned", lambda items: np.rot90(items, 1, (1, 2))),
        ("turned", lambda items: items.transpose(0, 3, 1, 2)),
        ("shifted", lambda items: np.roll(items, 2, 3)),
    ],
)
def test_what_was_done_to_all_is_found_and_undone(name: str, done: Any) -> None:
    real, batch = blobs(1), blobs(0)
    changed = done(batch)
    found = change_of(np.ascontiguousarray(changed), real)
    assert found is not None
    assert found.name == name
    assert (found.undo(changed) == batch).mean() > (0.85 if name == "shifted" else 0.999)


def test_real_volumes_are_not_changed() -> None:
    assert change_of(solids(200), solids(200, 1)) is None


def test_only_solids_have_pieces_and_only_built_in_ones_have_rules() -> None:
    def names(**settings: Any) -> set[str]:
        spec = VOLUME.spec(VOLUME.Settings(**settings), ())
        return {one.name for one in VOLUME.profiles(spec)} | {f"lacks {each}" for each in VOLUME.lacks(spec)}

    common = {"placement", "pieces", "floating", "dust", "cavities", "blank"}
    assert names() == common | {"as_built"}
    assert names(source="x") == common | {"lacks solids"}
    assert names(source="x", values="gray") == {"placement", "lacks solid", "lacks solids"}


def test_the_median_number_of_pieces_is_read_from_shares() -> None:
    (profile,) = (one for one in VOLUME.profiles(SPEC) if one.name == "pieces")
    for counts, median in (([1, 1, 2], 1), ([1, 2, 2], 2), ([0, 0, 5], 0), ([9, 9, 1], 9)):
        shares = np.bincount(counts, minlength=10) / 3
        assert profile.compare(shares, shares) == median


@pytest.mark.parametrize("shape", [(8, 8, 8), (16, 16, 16), (32, 16, 7), (3, 1, 5)])
def test_a_thumbnail_is_the_adaptive_mean(shape: tuple[int, int, int]) -> None:
    volumes = torch.randn(2, 1, *shape, dtype=torch.float64)
    expected = torch.nn.functional.adaptive_avg_pool3d(volumes, 3)
    torch.testing.assert_close(thumbnail(volumes, 3), expected, rtol=0, atol=1e-12)
