"""One clip for a model that predicts frames, and its result as a file."""

from dataclasses import dataclass, replace

import numpy as np

from pipeline.arrays import UInt8Array
from pipeline.items import ItemSpec
from pipeline.media.bundle import is_bundle
from pipeline.media.codec import BadItem, TransformInput
from pipeline.media.image.image import decoding_errors
from pipeline.media.video.animation import (
    frame_numbers,
    open_picture,
    read_folder,
    read_pictures,
    strip_boxes,
    target_of,
)
from pipeline.media.video.av_file import read_video
from pipeline.media.video.clip import Clip, at_rate, fold, own_rate
from pipeline.media.video.file_types import name_video
from pipeline.media.video.settings import VideoSettings


@dataclass(frozen=True)
class ClipProperties:
    """Frames a second of a file; None if it does not say."""

    rate: float | None


def read_clip(data: bytes, settings: VideoSettings, *, own_size: bool = False) -> Clip:
    """Return the clip of a file, with frames of their own size or as the settings say. Raises BadItem."""
    if not data:
        raise BadItem("empty file (zero bytes)")
    target = target_of(settings)
    if own_size:
        target = replace(target, resolution=(1, 1), fit="keep")
    if is_bundle(data):
        return read_folder(data, settings, target)
    kind = name_video(data)
    return read_pictures(data, settings, target) if kind is None else read_video(data, kind, settings, target)


def frame_size(data: bytes, settings: VideoSettings) -> tuple[int, int]:
    """Return height and width of all frames below each other; from the header if that says so. Raises BadItem."""
    if name_video(data) is not None:
        clip = read_clip(data, settings)
        return clip.height * len(clip.frames), clip.width
    with decoding_errors():
        image = open_picture(data)
        frames = len(frame_numbers(image))
        if frames > 1:
            return image.height * frames, image.width
        left, _, right, _ = strip_boxes(image.width, image.height, None)[0]
        return image.width * image.height // (right - left), right - left


def read_input(data: bytes, spec: ItemSpec, settings: VideoSettings, *, own_size: bool, largest: int) -> TransformInput:
    """Return a clip of any length, [H, W, T * C]. Raises BadItem."""
    clip = read_clip(data, settings, own_size=own_size)
    frames: UInt8Array = clip.frames[at_rate(clip, None, settings.limits.frames)]
    if frames.size // frames.shape[-1] > largest:
        raise BadItem(f"{len(frames)} frames of {clip.width} x {clip.height} pixels, more than {largest:,} in all")
    values = np.ascontiguousarray(fold(frames[None])[0])
    return TransformInput(values, ClipProperties(own_rate(clip)))
