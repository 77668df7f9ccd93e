"""Read and write videos with PyAV, which is optional: its packages hold encoders under the GPL."""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from pipeline.arrays import Float64Array, UInt8Array
from pipeline.media.codec import BadItem
from pipeline.media.image.image import Target, fit, flatten
from pipeline.media.video.animation import check_limits
from pipeline.media.video.clip import USUAL, Clip
from pipeline.media.video.file_types import INSTALL
from pipeline.media.video.settings import VideoSettings

WRITING = "PyAV writes .mp4: install it with `pip install 'ganline[video]'`, or use .gif or .webp"


def read_video(data: bytes, kind: str, settings: VideoSettings, target: Target) -> Clip:
    """Return the clip of a video, upright, with its frames in the order of their times.

    Args:
        kind: What the file is, in words.

    Raises:
        BadItem: PyAV is not installed, or the file cannot be used.
    """
    try:
        import av
    except ImportError:
        raise BadItem(INSTALL.format(kind)) from None
    try:
        with av.open(io.BytesIO(data)) as container:
            if not container.streams.video:
                raise BadItem(f"{kind} without pictures: it holds sound only")
            return read_stream(container, kind, settings, target)
    except av.error.FFmpegError as error:
        raise BadItem(f"{kind} that cannot be decoded: {error.strerror or error}") from None


def read_stream(container: Any, kind: str, settings: VideoSettings, target: Target) -> Clip:
    """Return the clip of the first track of pictures."""
    stream = container.streams.video[0]
    context = stream.codec_context
    check_limits(settings.limits, max(1, stream.frames), context.width, context.height)
    frames: list[UInt8Array] = []
    times: list[float] = []
    width = height = 0
    for frame in container.decode(stream):
        check_limits(settings.limits, len(frames) + 1, frame.width, frame.height)
        # 8-bit RGB by the range and matrix that the file states. The angle is counterclockwise.
        pixels = np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90))
        height, width = pixels.shape[:2]
        frames.append(fit(flatten(Image.fromarray(np.ascontiguousarray(pixels)), target), target))
        times.append(np.nan if frame.time is None else frame.time)
    if not frames:
        raise BadItem(f"{kind} without a frame that can be decoded")
    stated = np.array(times)
    if np.isnan(stated).any():
        return Clip(np.stack(frames), None, kind, width, height)
    order = np.argsort(stated, kind="stable")
    return Clip(np.stack(frames)[order], delays_of(stated[order]), kind, width, height)


def delays_of(times: Float64Array) -> Float64Array:
    """Return how long frames with these times are shown; the last one stays as long as a typical one."""
    steps = np.diff(times)
    usual = float(np.median(steps[steps > 0])) if (steps > 0).any() else USUAL
    # Equal times are two frames of one moment: both are kept, as if one of them were late.
    return np.append(np.where(steps > 0, steps, usual), usual)


def write_video(frames: UInt8Array, rate: float) -> bytes:
    """Return frames [T, H, W, 1 or 3] as an MP4 file (H.264). Raise ValueError if PyAV is not installed.

    H.264 needs even sides: odd ones are extended by repeating the last row and column.
    """
    try:
        import av
    except ImportError:
        raise ValueError(WRITING) from None
    from fractions import Fraction

    padded = np.pad(frames, ((0, 0), (0, frames.shape[1] % 2), (0, frames.shape[2] % 2), (0, 0)), mode="edge")
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(rate).limit_denominator(1000))
        stream.height, stream.width, stream.pix_fmt = padded.shape[1], padded.shape[2], "yuv420p"
        stream.options = {"crf": "17"}
        for packet in packets(stream, padded, av):
            container.mux(packet)
    return out.getvalue()


def packets(stream: Any, frames: UInt8Array, av: Any) -> Iterator[Any]:
    """Yield the encoded packets of frames, also those that the encoder holds back."""
    for values in frames:
        rgb = np.ascontiguousarray(np.repeat(values, 3 // values.shape[2], axis=2))
        yield from stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24"))
    yield from stream.encode()
