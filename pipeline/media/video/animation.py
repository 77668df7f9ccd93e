"""Read animations, strips of frames, and folders of frames with Pillow.

Frames are composited in order, from the first one: a frame of a GIF may hold only the pixels that change.
"""

import io
import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image, UnidentifiedImageError

from pipeline.arrays import UInt8Array
from pipeline.media.bundle import unpack
from pipeline.media.codec import BadItem
from pipeline.media.image.file_types import explain_unknown
from pipeline.media.image.formats import readable_formats
from pipeline.media.image.image import Target, decode, decoding_errors, fit, flatten, open_checked, read_shown
from pipeline.media.video.clip import Clip, shown_delays
from pipeline.media.video.settings import VideoLimits, VideoSettings
from pipeline.media.wording import say

STRIP = "set data.strip if it is a strip of frames, or data.clips: folders if the pictures of a folder are one clip"


def target_of(settings: VideoSettings) -> Target:
    """Return what each frame is converted to."""
    return Target(
        settings.resolution,
        settings.channels,
        settings.background,
        settings.fit,
        settings.resize,
        settings.limits.picture,
    )


def check_limits(limits: VideoLimits, frames: int, width: int, height: int) -> None:
    """Raise BadItem for more frames or pixels than `data.limits` allows."""
    if width * height > limits.picture:
        raise BadItem(
            f"frames of {width} x {height} pixels, over data.limits.picture ({limits.picture}): treated as a "
            "decompression bomb"
        )
    if frames > limits.frames:
        raise BadItem(f"{frames:,} frames, over data.limits.frames ({limits.frames}): cut the clip")
    if frames * width * height > limits.pixels:
        raise BadItem(
            f"{frames:,} frames of {width} x {height} pixels, over data.limits.pixels ({limits.pixels}): make the "
            "clip smaller, or cut it"
        )


def read_pictures(data: bytes, settings: VideoSettings, target: Target) -> Clip:
    """Return the clip of one file: an animation, or a strip of frames. Raise BadItem."""
    with decoding_errors():
        image = open_picture(data)
        numbers = frame_numbers(image)
        if len(numbers) > 1:
            return read_animation(image, numbers, settings, target)
        return read_strip(data, settings, target)


def open_picture(data: bytes) -> Image.Image:
    """Open an animation or a strip; no pixel is decoded yet. Raise BadItem for another file."""
    try:
        return Image.open(io.BytesIO(data), formats=readable_formats())
    except UnidentifiedImageError:
        raise BadItem(say(explain_unknown(data), "clip")) from None


def frame_numbers(image: Image.Image) -> range:
    """Return the numbers of the frames of an animation; the still of an APNG for viewers that play none is no frame."""
    first = 1 if getattr(image, "default_image", False) else 0
    return range(first, getattr(image, "n_frames", 1))


def read_animation(image: Image.Image, numbers: Sequence[int], settings: VideoSettings, target: Target) -> Clip:
    """Return the clip of an opened animation; use it within `decoding_errors`."""
    width, height = image.size
    check_limits(settings.limits, len(numbers), width, height)
    kind = str(image.format)
    frames, delays = [], []
    for number in range(numbers[0] + len(numbers)):
        image.seek(number)
        image.load()
        if number < numbers[0]:
            continue
        # Frames may be in modes of their own: a first one with a palette, and later ones in RGB.
        layer = image.convert("RGBA")
        if layer.size != (width, height):
            raise BadItem(f"frame {number} has {layer.width} x {layer.height} pixels, the first {width} x {height}")
        frames.append(fit(flatten(layer, target), target))
        delays.append(float(image.info.get("duration") or 0) / 1000)
    return Clip(np.stack(frames), shown_delays(np.array(delays)), kind, width, height)


def read_strip(data: bytes, settings: VideoSettings, target: Target) -> Clip:
    """Return the clip of a picture of frames next to each other, or below each other."""
    # Strips are cut at a pixel: they are read at their full size.
    opened = open_checked(data, target)
    boxes = strip_boxes(opened.width, opened.height, settings.strip)
    width, height = boxes[0][2] - boxes[0][0], boxes[0][3] - boxes[0][1]
    check_limits(settings.limits, len(boxes), width, height)
    image = read_shown(data, replace(target, fit="keep")).image
    if image.size != opened.size:
        raise BadItem("a strip of frames with an EXIF orientation: save it upright")
    frames = [fit(flatten(image.crop(box), target), target) for box in boxes]
    return Clip(np.stack(frames), None, "strip", width, height)


def strip_boxes(width: int, height: int, frames: int | None) -> list[tuple[int, int, int, int]]:
    """Return the boxes of the frames of a strip. Raise BadItem for a picture that is no strip."""
    long, short = max(width, height), min(width, height)
    count = frames or (long // short if short and long % short == 0 else 1)
    if count < 2:
        raise BadItem(f"one picture of {width} x {height} pixels, not several frames: {STRIP}")
    if long % count:
        raise BadItem(f"{width} x {height} pixels do not divide into data.strip {count} frames")
    side = long // count
    if width >= height:
        return [(number * side, 0, (number + 1) * side, height) for number in range(count)]
    return [(0, number * side, width, (number + 1) * side) for number in range(count)]


def read_folder(data: bytes, settings: VideoSettings, target: Target) -> Clip:
    """Return the clip of the numbered pictures of a folder, given as a bundle. Raise BadItem."""
    files = unpack(data)
    check_numbers([name for name, _ in files])
    limits = settings.limits
    check_limits(limits, len(files), 1, 1)
    frames: list[UInt8Array] = []
    sizes: Counter[tuple[int, int]] = Counter()
    for name, picture in files:
        try:
            decoded = decode(picture, target)
        except BadItem as error:
            raise BadItem(f"{name}: {error}") from None
        sizes[decoded.width, decoded.height] += 1
        if len(sizes) > 1:
            (wide, high), _ = sizes.most_common(1)[0]
            raise BadItem(
                f"{name} has {decoded.width} x {decoded.height} pixels, other frames have {wide} x {high}: frames "
                "need one size"
            )
        check_limits(limits, len(files), decoded.width, decoded.height)
        frames.append(decoded.pixels.astype(np.uint8))
    (width, height) = next(iter(sizes))
    return Clip(np.stack(frames), None, "folder", width, height)


def check_numbers(names: Sequence[str]) -> None:
    """Raise BadItem if the numbers of frames repeat, or if some are missing. Names without numbers are accepted."""
    found = [re.findall(r"\d+", name.rpartition(".")[0] or name) for name in names]
    if not all(found):
        return
    numbers = [int(parts[-1]) for parts in found]
    twice = next((number for number, count in Counter(numbers).items() if count > 1), None)
    if twice is not None:
        first, second, *_ = (name for name, number in zip(names, numbers, strict=True) if number == twice)
        raise BadItem(f"two frames have the number {twice}: {first} and {second}")
    ordered = sorted(numbers)
    steps = Counter(np.diff(ordered).tolist())
    if len(steps) > 1:
        usual = min(steps)
        before, after = next(pair for pair in itertools.pairwise(ordered) if pair[1] - pair[0] != usual)
        raise BadItem(f"frames are missing between number {before} and number {after}")
