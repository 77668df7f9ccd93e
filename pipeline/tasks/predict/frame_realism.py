"""How far predicted frames are from real ones, in features that a network learns from real frames.

Errors and edges do not say whether a frame shows anything: a digit that smears into a sharp blot has both right. The
Fréchet distance between predicted and real frames does, once the features know what frames show.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from pipeline.arrays import Int64Array, UInt8Array
from pipeline.evaluation.extractors.base import ArrayItems, Images, extract
from pipeline.evaluation.extractors.contrastive import train_contrastive
from pipeline.evaluation.measures.copies import choose
from pipeline.evaluation.reference import Ratio, Reference, ratio
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.items import ItemSpec
from pipeline.tasks.base import progress_bar

LEARNED = 2000
"""Training clips of which one frame each teaches the features, at most."""

COMPARED = 1000
"""Predicted frames that are compared, at most; and the frames of other training clips in the null."""

FEWEST = 50
"""Frames below which no distance means anything."""


class Clips(Images, Protocol):
    """Clips and their description."""

    @property
    def item(self) -> ItemSpec:
        """Shape and frames of a clip."""
        ...


class FrameItems(ArrayItems):
    """Frames as items of their own, [n, H, W, C]."""

    def __init__(self, frames: UInt8Array) -> None:
        super().__init__(frames)
        self.labels: Int64Array = np.full(len(frames), -1, dtype=np.int64)
        self.fingerprint = hashlib.sha256(frames.tobytes()).hexdigest()


@dataclass(frozen=True)
class TrainingFrames:
    """One random frame each of training clips: `learned` teach the features, `others` are new to them."""

    learned: FrameItems
    others: FrameItems


def frame_item(item: ItemSpec) -> ItemSpec:
    """Return the description of one frame of a clip."""
    details = item.details | {"frames": 1}
    return item.model_copy(update={"channels": item.channels // item.frames, "details": details, "classes": ()})


def draw_frames(train: Clips, seed: int) -> TrainingFrames:
    """Return one random frame each of at most LEARNED training clips, and of at most COMPARED others."""
    item, rng = train.item, np.random.default_rng(seed)
    positions = rng.permutation(len(train))[: LEARNED + COMPARED]
    clips = train.images(positions).reshape(len(positions), item.height, item.width, item.frames, -1)
    frames = clips[np.arange(len(clips)), :, :, rng.integers(item.frames, size=len(clips))].astype(np.uint8)
    learned = min(LEARNED, round(len(frames) * LEARNED / (LEARNED + COMPARED)))
    return TrainingFrames(FrameItems(frames[:learned]), FrameItems(frames[learned:]))


def compare_frames(
    train: Clips,
    predicted: UInt8Array,
    wanted: UInt8Array,
    settings: EvaluateSettings,
    device: torch.device,
    cache: Path,
) -> Ratio | None:
    """Return the Fréchet distance of predicted frames to real ones, over that between real frames.

    Args:
        train: Training clips, which teach the features and are compared with real frames.
        predicted, wanted: Predicted and real frames, [n, H, W, C].
        cache: Folder that keeps the features' network.

    Returns:
        The distances; None with fewer than FEWEST frames.
    """
    frames = draw_frames(train, settings.seed)
    if min(len(predicted), len(frames.learned), len(frames.others)) < FEWEST:
        return None
    leave_out: Int64Array = np.zeros(0, dtype=np.int64)
    extractor = train_contrastive(
        frames.learned, leave_out, frame_item(train.item), device, folder=cache, progress=progress_bar
    )
    chosen = choose(len(predicted), COMPARED)
    ours, real, others = (
        extract(extractor, ArrayItems(values), settings.batch_size, progress_bar, "features")
        for values in (predicted[chosen], wanted[chosen], frames.others.array)
    )
    return ratio(ours, Reference(real, others), settings.seed)
