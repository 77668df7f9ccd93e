"""Predicted frames against real ones: real frames are near, frames of which nothing can be read are far."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, map_coordinates

from pipeline.arrays import Items, UInt8Array
from pipeline.evaluation.extractors.base import ArrayItems
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.items import ItemSpec
from pipeline.media.video.moving_digits import draw_clip
from pipeline.tasks.predict.frame_realism import FEWEST, compare_frames, draw_frames, frame_item

FRAMES, SIDE = 4, 32


class Clips(ArrayItems):
    """Clips of two moving digits, folded: [n, H, W, T]."""

    item = ItemSpec(medium="video", height=SIDE, width=SIDE, channels=FRAMES, details={"frames": FRAMES})

    def __init__(self, split: str, count: int) -> None:
        clips = np.stack([draw_clip(split, number, 2, FRAMES, (SIDE, SIDE)) for number in range(count)])
        super().__init__(clips.transpose(0, 2, 3, 1, 4).reshape(count, SIDE, SIDE, FRAMES))

    @property
    def last(self) -> UInt8Array:
        return np.ascontiguousarray(self.array[..., -1:]).astype(np.uint8)


def compare(train: Clips, predicted: UInt8Array, wanted: UInt8Array, cache: Path) -> float | None:
    found = compare_frames(train, predicted, wanted, EvaluateSettings(), device=torch.device("cpu"), cache=cache)
    return None if found is None else found.value


def warp(frames: UInt8Array, pixels: float) -> UInt8Array:
    """Move each pixel by some pixels in a smooth random direction, so that no digit can be read."""

    def warp_one(frame: Items, rng: np.random.Generator) -> Items:
        moves = [gaussian_filter(rng.normal(size=(SIDE, SIDE)), 2) for _ in range(2)]
        places = [axis + pixels * move / move.std() for axis, move in zip(np.mgrid[:SIDE, :SIDE], moves, strict=True)]
        moved: Items = map_coordinates(frame[..., 0].astype(float), places, order=1, mode="nearest")[..., None]
        return moved

    rng = np.random.default_rng(0)
    return np.stack([warp_one(frame, rng) for frame in frames]).round().clip(0, 255).astype(np.uint8)


def test_frames_are_drawn_from_different_clips() -> None:
    train = Clips("train", 90)
    frames = draw_frames(train, 0)
    assert (len(frames.learned), len(frames.others)) == (60, 30)
    every = train.array.transpose(0, 3, 1, 2).reshape(-1, SIDE * SIDE)
    of_clip = {frame.tobytes(): position // FRAMES for position, frame in enumerate(every)}
    clips = [of_clip[frame.tobytes()] for frame in np.concatenate([frames.learned.array, frames.others.array])]
    assert sorted(clips) == list(range(90))
    item = frame_item(train.item)
    assert (item.channels, item.frames) == (1, 1)


def test_too_few_frames_are_not_compared(tmp_path: Path) -> None:
    train = Clips("train", 3)
    assert compare(train, train.last, train.last, tmp_path) is None
    assert FEWEST > 3


@pytest.mark.slow
def test_unreadable_frames_are_far_from_real_ones_and_others_are_near(tmp_path: Path) -> None:
    train, test = Clips("train", 1500), Clips("test", 500)
    wanted = test.last
    nearby = compare(train, Clips("train", 2500).last[2000:], wanted, tmp_path)
    blurred = gaussian_filter(wanted.astype(float), (0, 0.9, 0.9, 0)).round().astype(np.uint8)
    far = [compare(train, frames, wanted, tmp_path) for frames in (warp(wanted, 2), blurred)]
    assert nearby is not None
    assert nearby < 2
    assert all(one is not None and one > 3 for one in far), far
