"""Video: the medium's contract, answered for clips of a fixed number of frames."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pipeline.items import ItemSpec
from pipeline.media.base import BuiltinSource, Medium
from pipeline.media.codec import Encoded, Fact, Item, TransformInput
from pipeline.media.video import validation
from pipeline.media.video.settings import WRITTEN_RATE, VideoSettings

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]
    from PIL import Image

    from pipeline.arrays import Float64Array, Items, UInt8Array
    from pipeline.measure import Measure
    from pipeline.media.profiles import Profile
    from pipeline.media.tensors import Tensors
    from pipeline.media.validation import Defect, Expectation

KEY_FRAMES = 8
"""Frames of an item that a sheet shows."""
SHOWN = 128
"""Small clips are enlarged by a whole factor to at most so many pixels where a person watches one."""


class VideoMedium(Medium):
    """Clips, uint8 [H, W, frames * colours]: channel t * colours + c is colour c of frame t."""

    name = "video"
    noun = "clip"
    file_types = "GIF, APNG, WebP, strips or folders of frames, and with PyAV MP4, WebM, MOV, MKV, AVI"
    example_file = "clip.gif"
    suffixes = frozenset(
        {".gif", ".apng", ".png", ".webp", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".pgm", ".ppm", ".avif"}
        | {".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".mpg", ".mpeg"}
    )
    formats = {".gif": "image/gif", ".webp": "image/webp", ".png": "image/png", ".mp4": "video/mp4"}  # noqa: RUF012
    Settings = VideoSettings
    Validation = validation.VideoValidation
    facts = (
        Fact("width", "int32"),
        Fact("height", "int32"),
        Fact("kind", "string"),
        Fact("clip_frames", "int32"),
        Fact("rate", "float64"),
        Fact("rate_share", "float64"),
        Fact("enlarged", "float64"),
        Fact("start", "int32"),
        Fact("mean", "float64"),
        Fact("std", "float64"),
        Fact("motion", "float64"),
        Fact("repeated_share", "float64"),
    )
    sources = ("moving-digits", "two-moving-digits")
    moves = True
    flips = True
    augmentations = frozenset({"diffaugment"})
    input = "clip"
    output = "clips"

    def spec(self, settings: VideoSettings, classes: tuple[str, ...]) -> ItemSpec:
        """Return frames of data.resolution, folded into channels."""
        layout = settings.layout()
        rate = (settings.frame_rate or WRITTEN_RATE) / (settings.every if settings.frame_rate else 1)
        details = {"frames": settings.frames, "colours": settings.colours, "rate": rate}
        return ItemSpec(
            medium=self.name,
            height=layout.height,
            width=layout.width,
            channels=settings.frames * settings.colours,
            classes=classes,
            details=details | ({"digit": True} if settings.source == self.sources[0] else {}),
        )

    def kind(self, spec: ItemSpec) -> str:
        """Return "RGB clip" or "gray clip", and the number of frames."""
        return f"{'RGB' if colours_of(spec) == 3 else 'gray'} {spec.channels // colours_of(spec)}-frame clip"

    def extent(self, height: int, width: int) -> str:
        """Return the size of a frame."""
        return f"frames of {height} x {width} pixels"

    def bundles(self, settings: VideoSettings) -> bool:
        """Return whether the pictures of a folder are one clip."""
        return settings.clips == "folders"

    def decode(self, data: bytes, settings: VideoSettings) -> Iterator[Item]:
        """Yield the items of a clip; a long one has several."""
        from pipeline.media.video.clip import cut_items
        from pipeline.media.video.transformation import read_clip

        yield from cut_items(read_clip(data, settings), settings)

    def encoded_size(self, data: bytes) -> tuple[int, int]:
        """Return the height of all frames below each other, and the width."""
        from pipeline.media.video.transformation import frame_size

        return frame_size(data, VideoSettings())

    def decode_one(self, data: bytes, spec: ItemSpec, *, own_size: bool, largest: int) -> TransformInput:
        """Decode a clip of any length at its own rate."""
        from pipeline.media.video.transformation import read_input

        channels: Literal["gray", "rgb"] = "gray" if colours_of(spec) == 1 else "rgb"
        settings = VideoSettings(resolution=(spec.height, spec.width), channels=channels)
        return read_input(data, spec, settings, own_size=own_size, largest=largest)

    def encode_result(
        self,
        values: Items,
        spec: ItemSpec,
        source: TransformInput,
        suffix: str | None = None,
        *,
        quality: int | None = None,
        keeps_colours: bool = False,
    ) -> Encoded:
        """Return a clip that plays as fast as its source."""
        factor = 2 if spec.details.get("rate_factor") == 2 else 1
        rate = factor * (source.properties.rate or rate_of(spec))
        file = self.encode(values, spec.model_copy(update={"details": {**spec.details, "rate": rate}}), suffix)
        return replace(file, losses=(*source.losses, *file.losses))

    def frames(self, values: Items, spec: ItemSpec) -> UInt8Array:
        """Return the frames of items [n, H, W, T * C] as [n, T, H, W, C]."""
        from pipeline.media.video.clip import unfold

        return unfold(values, colours_of(spec))

    def encode(self, values: Items, spec: ItemSpec, suffix: str | None = None) -> Encoded:
        """Return a GIF, a lossless WebP, a strip of frames as PNG, or an MP4."""
        suffix = suffix or next(iter(self.formats))
        data, losses = encode_frames(self.frames(values[None], spec)[0], rate_of(spec), suffix)
        return Encoded(data, self.formats[suffix], suffix, losses)

    def animate(
        self, batch: Items, spec: ItemSpec, suffix: str, columns: int | None = None, cell: int = 64
    ) -> Encoded | None:
        """Return a sheet of clips that all play at the same time; None for a strip, which does not move."""
        from pipeline.media.sheet import grid

        if suffix == ".png" or suffix not in self.formats:
            return None
        clips = self.frames(batch, spec)
        sheets = [np.asarray(grid(clips[:, number], columns, cell)) for number in range(clips.shape[1])]
        frames = np.stack(sheets).reshape(len(sheets), *sheets[0].shape[:2], -1)
        data, losses = encode_frames(frames, rate_of(spec), suffix)
        return Encoded(data, self.formats[suffix], suffix, losses)

    def preview(self, batch: Items, spec: ItemSpec, columns: int | None = None, cell: int = 64) -> Image.Image:
        """Draw the clips on one sheet, each as a row of its key frames."""
        from pipeline.media.sheet import grid
        from pipeline.media.video.writer import as_strip

        clips = self.frames(batch, spec)
        n, frames, height, width = clips.shape[:4]
        chosen = np.unique(np.linspace(0, frames - 1, min(frames, KEY_FRAMES)).round().astype(int))
        strips = np.stack([as_strip(clip[chosen]) for clip in clips])
        squarest = max(1, round((n * height / (len(chosen) * width)) ** 0.5))
        return grid(strips, columns or squarest, max(height, cell // height * height, 1) * len(chosen))

    def html(self, values: Items, spec: ItemSpec) -> str:
        """Return an <img> element that plays the clip."""
        frames = self.frames(values[None], spec)[0]
        factor = max(1, SHOWN // max(frames.shape[1:3]))
        large = frames.repeat(factor, axis=1).repeat(factor, axis=2)
        data, _ = encode_frames(large, rate_of(spec), ".gif")
        return f'<img alt="clip" src="data:image/gif;base64,{base64.b64encode(data).decode()}">'

    def appearance(self) -> Sequence[Measure[Any]]:
        """Return the measures of light, edges, motion, and of the order of frames."""
        from pipeline.media.video.measures import MEASURES

        return MEASURES

    def statistics(self, values: Items, spec: ItemSpec) -> Mapping[str, Float64Array]:
        """Return brightness, contrast, edges and motion of each clip."""
        from pipeline.media.video.statistics import statistics

        return statistics(self.frames(values, spec))

    def profiles(self, spec: ItemSpec) -> Sequence[Profile]:
        """Return equal frames, flicker, grain, order, cuts, the course over time, and of a moving digit its frames."""
        from pipeline.media.video.profiles import profiles

        return profiles(spec)

    def lacks(self, spec: ItemSpec) -> frozenset[str]:
        """Return "digit" for all clips but those of one moving digit."""
        from pipeline.media.video.profiles import lacks

        return lacks(spec)

    def open_source(self, name: str, settings: Any, cache: Path) -> BuiltinSource | None:
        """Open the moving digits."""
        if name not in self.sources:
            return None
        from pipeline.media.video.moving_digits import ONE, MovingDigits

        layout = settings.layout()
        digits = 1 if name == ONE else 2
        return MovingDigits(digits, settings.frames * settings.every, layout.height, layout.width)

    def defects(self, items: pd.DataFrame, settings: Any, pairs: str) -> list[Defect]:
        """Return the items that show nothing, and those in which nothing moves."""
        return validation.defects(items, settings)

    def expectations(self, items: pd.DataFrame, accepted: pd.DataFrame, settings: Any) -> list[Expectation]:
        """Return the expectations on motion, frame rates and sizes."""
        return validation.expectations(items, settings)

    def measurements(self, accepted: pd.DataFrame, pairs: str) -> dict[str, float | None]:
        """Return mean brightness and motion of the accepted items."""
        return validation.measurements(accepted)

    def tensors(self, spec: ItemSpec) -> Tensors:
        """Return the torch part."""
        from pipeline.media.video.tensors import VideoTensors

        return VideoTensors(spec)


def encode_frames(frames: UInt8Array, rate: float, suffix: str) -> tuple[bytes, tuple[str, ...]]:
    """Return frames [T, H, W, C] as a file, and what that loses."""
    from pipeline.media.video import writer

    if suffix == ".gif":
        written = 1000 / writer.gif_delay(rate)
        losses = ["colours became a palette of 256 (.gif has no more)"] if frames.shape[-1] == 3 else []
        if abs(written - rate) > 0.01 * rate:
            losses.append(f"{rate:g} frames a second became {written:.4g} (.gif counts hundredths of a second)")
        return writer.write_gif(frames, rate), tuple(losses)
    if suffix == ".mp4":
        from pipeline.media.video.av_file import write_video

        return write_video(frames, rate), ()
    if suffix == ".webp":
        return writer.write_webp(frames, rate), ()
    return writer.write_strip(frames), ()


def colours_of(spec: ItemSpec) -> int:
    """Return the channels of one frame."""
    colours = spec.details["colours"]
    assert isinstance(colours, int)
    return colours


def rate_of(spec: ItemSpec) -> float:
    """Return the frames a second of files that are written."""
    rate = spec.details.get("rate", WRITTEN_RATE)
    assert isinstance(rate, int | float)
    return float(rate)
