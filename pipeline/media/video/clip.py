"""A decoded clip, and how it becomes items: its frames are brought to one rate and cut."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.arrays import Float64Array, Int64Array, UInt8Array
from pipeline.media.codec import BadItem, Item
from pipeline.media.video.settings import VideoSettings

SHORTEST = 0.011
"""Seconds. Viewers show a frame with a shorter delay, most often 0, for a tenth of a second."""
USUAL = 0.1
SLACK = 1e-4
"""Seconds by which rounded times may miss the start of a frame."""


@dataclass(frozen=True)
class Clip:
    """Frames of one size in the order of time.

    Attributes:
        frames: [n, H, W, 1 or 3].
        seconds: How long each frame is shown, [n]; None if the file does not say.
        kind: Format of the file.
        width, height: Size of a frame of the file.
    """

    frames: UInt8Array
    seconds: Float64Array | None
    kind: str
    width: int
    height: int


def shown_delays(seconds: Float64Array) -> Float64Array:
    """Return delays as viewers apply them: those near 0 become a tenth of a second."""
    return np.where(seconds < SHORTEST, USUAL, seconds)


def own_rate(clip: Clip) -> float | None:
    """Return frames a second by the shortest delay; None if the clip states no delays."""
    return None if clip.seconds is None else float(1 / clip.seconds.min())


def at_rate(clip: Clip, rate: float | None, most: int) -> Int64Array:
    """Return the numbers of the frames that are seen at a constant rate.

    A frame that is shown for longer is repeated: writers merge equal frames and add their delays.

    Args:
        rate: Frames a second; None: that of the shortest delay.
        most: Raise BadItem for more frames.
    """
    if clip.seconds is None:
        return np.arange(len(clip.frames))
    rate = rate or 1 / float(clip.seconds.min())
    starts = np.concatenate([[0], np.cumsum(clip.seconds)])
    count = max(1, round(starts[-1] * rate))
    if count > most:
        raise BadItem(
            f"{count:,} frames at {rate:g} frames a second, over data.limits.frames ({most:,}): set data.frame_rate, "
            "or cut the clip"
        )
    numbers = np.searchsorted(starts[:-1], np.arange(count) / rate + SLACK, side="right") - 1
    return np.clip(numbers, 0, len(clip.frames) - 1)


def cut_items(clip: Clip, settings: VideoSettings) -> Iterator[Item]:
    """Yield the items of a clip with their facts. Raise BadItem for a clip that is too short for one."""
    numbers = at_rate(clip, settings.frame_rate, settings.limits.frames)
    used = numbers[:: settings.every]
    if len(used) < settings.frames:
        every = f" (every {settings.every})" if settings.every > 1 else ""
        raise BadItem(f"{len(used)} frames{every}, fewer than data.frames {settings.frames}")
    rate = own_rate(clip)
    wanted = settings.frame_rate or rate
    facts: dict[str, Any] = {
        "width": clip.width,
        "height": clip.height,
        "kind": clip.kind,
        "clip_frames": len(numbers),
        "enlarged": max(clip.frames.shape[1] / clip.height, clip.frames.shape[2] / clip.width),
    }
    if rate is not None and wanted is not None:
        facts |= {"rate": rate, "rate_share": rate / wanted}
    for start in range(0, len(used) - settings.frames + 1, settings.hop or settings.frames):
        part = clip.frames[used[start : start + settings.frames]]
        yield Item(fold(part[None])[0], facts | {"start": start * settings.every} | measure_frames(part))


def measure_frames(frames: UInt8Array) -> dict[str, float]:
    """Return facts about the frames [T, H, W, C] of an item: brightness, contrast and motion, each 0..1."""
    values = frames.astype(np.float32) / 255
    change = np.abs(np.diff(values, axis=0)).reshape(len(frames) - 1, -1)
    return {
        "mean": float(values.mean()),
        "std": float(values.std()),
        "motion": float(change.mean()),
        "repeated_share": float((change.max(axis=1) < 1 / 255).mean()),
    }


def fold(clips: UInt8Array) -> UInt8Array:
    """Return clips [n, T, H, W, C] as items [n, H, W, T * C]."""
    n, frames, height, width, colours = clips.shape
    folded = clips.transpose(0, 2, 3, 1, 4).reshape(n, height, width, frames * colours)
    return np.ascontiguousarray(folded)


def unfold(items: UInt8Array, colours: int) -> UInt8Array:
    """Return items [n, H, W, T * C] as clips [n, T, H, W, C]."""
    n, height, width, channels = items.shape
    clips = items.reshape(n, height, width, channels // colours, colours).transpose(0, 3, 1, 2, 4)
    return np.ascontiguousarray(clips)
