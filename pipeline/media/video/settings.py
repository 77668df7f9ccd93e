"""Settings of `data:` for video."""

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from pipeline.items import DataLayout
from pipeline.media.image.settings import LARGEST, SMALLEST, HexColour
from pipeline.media.settings import DataSettings, Limits

WRITTEN_RATE = 10.0
"""Frames a second of files that are written if `data.frame_rate` is null."""


class VideoLimits(Limits):
    """The largest clip that is accepted; checked before frames are decoded."""

    frames: int = Field(10_000, ge=1, description="frames of a clip, with those that are repeated because they stay")
    picture: int = Field(50_000_000, ge=1, description="width x height of a frame, or of a whole strip")
    pixels: int = Field(4_000_000_000, ge=1, description="width x height x frames of a clip")


class VideoSettings(DataSettings):
    """How clips are brought to one rate and size, and cut into items."""

    medium: Literal["video"] = Field("video", description="what one item is")
    source: str = Field(
        "moving-digits",
        min_length=1,
        description="moving-digits | two-moving-digits | a folder | a .zip or .tar(.gz) | s3://...",
    )
    clips: Literal["files", "folders"] = Field(
        "files",
        description="what one clip is. files: an animation, a video, or a strip of frames; folders: the numbered "
        "pictures of a folder",
    )
    strip: int | None = Field(
        None,
        ge=2,
        description="frames of a strip, a picture of frames next to each other or below each other; null: frames are "
        "squares",
    )
    frames: int = Field(8, ge=2, le=256, description="frames of an item; longer clips are cut, shorter ones set aside")
    hop: int | None = Field(
        None, ge=1, description="frames between the starts of two items of a clip; null: items do not overlap"
    )
    frame_rate: float | None = Field(
        None,
        gt=0,
        le=240,
        description="frames a second; clips of other rates are resampled by repeating or leaving out frames; null: "
        "every clip keeps its own. Strips and folders state no rate and keep their frames",
    )
    every: int = Field(1, ge=1, le=64, description="take only every so many-th frame, which makes motion faster")
    resolution: int | tuple[int, int] = Field(
        16, description="side of square frames, or [height, width]; most variants need a power of two"
    )
    channels: Literal["gray", "rgb"] = Field("gray", description="clips in other colour spaces are converted")
    background: HexColour = Field("#ffffff", description="colour under transparent pixels")
    fit: Literal["crop", "pad", "stretch"] = Field(
        "crop", description="how other aspect ratios are fitted: centre crop, pad with the background, or stretch"
    )
    resize: Literal["lanczos", "bicubic", "bilinear", "box", "nearest"] = Field(
        "lanczos", description="resampling filter"
    )
    pairs: Literal["none"] = Field("none", description="how pairs A and B are formed: none")
    limits: VideoLimits = Field(VideoLimits(), description="largest clip that is accepted")

    @field_validator("resolution", mode="before")
    @classmethod
    def check_resolution(cls, value: Any) -> Any:
        sides = value if isinstance(value, list | tuple) and len(value) == 2 else [value]
        if not all(type(side) is int and SMALLEST <= side <= LARGEST for side in sides):
            raise ValueError(f"must be a number from {SMALLEST} to {LARGEST}, or two of them: [height, width]")
        return tuple(sides) if len(sides) == 2 else value

    @model_validator(mode="after")
    def possible_clips(self) -> "VideoSettings":
        if self.clips == "folders" and self.strip is not None:
            raise ValueError("clips folders with strip: the pictures of a folder are frames; set strip: null")
        return self

    @property
    def colours(self) -> int:
        """Channels of one frame."""
        return 1 if self.channels == "gray" else 3

    def layout(self) -> DataLayout:
        height, width = self.resolution if isinstance(self.resolution, tuple) else (self.resolution, self.resolution)
        return DataLayout(height=height, width=width, classes=self.classes, frames=self.frames)
