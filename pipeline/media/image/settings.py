"""Settings of `data:` for images."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from pipeline.items import DataLayout
from pipeline.media.settings import DataSettings, Limits

Pairing = Literal["none", "halves", "folders", "outline"]
HexColour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")]
SMALLEST, LARGEST = 4, 1024
"""Bounds of a stored image's sides, in pixels."""


class ImageLimits(Limits):
    """The largest image that is accepted."""

    pixels: int = Field(
        50_000_000, ge=1, description="width x height; larger images are treated as decompression bombs"
    )


class ImageSettings(DataSettings):
    """How images are brought to one size and colour space, and how pairs are formed."""

    medium: Literal["image"] = Field("image", description="what one item is")
    source: str = Field(
        "digits",
        min_length=1,
        description="digits | captioned-digits | styled-digits | a folder | a .zip, .tar(.gz), .parquet, .npz, .npy or "
        ".csv | s3://... | torchvision:NAME",
    )
    resolution: int | tuple[int, int] = Field(
        8, description="side of square images, or [height, width]; most variants need a power of two"
    )
    channels: Literal["gray", "rgb"] = Field("gray", description="files in other colour spaces are converted")
    background: HexColour = Field("#ffffff", description="colour under transparent pixels")
    range: tuple[float, float] | dict[Literal["integer", "float"], tuple[float, float]] | None = Field(
        None,
        description="values of 16-bit, 32-bit and float files that are black and white, such as [0, 4095]; "
        "null: one range, found from all files",
    )
    depth: Literal[8, 16] = Field(
        8,
        description="bits of a stored value; 16 keeps the levels of gray images of more than 8 bits (generation only)",
    )
    fit: Literal["crop", "pad", "stretch", "keep"] = Field(
        "crop",
        description="how other aspect ratios are fitted: centre crop, pad with the background, or stretch; "
        "keep: images keep their sizes, and training takes random crops of `resolution` (restoration)",
    )
    resize: Literal["lanczos", "bicubic", "bilinear", "box", "nearest"] = Field(
        "lanczos", description="resampling filter"
    )
    pairs: Pairing = Field(
        "none",
        description="how pairs A and B are formed: halves: each file shows A on its left half and B on its right; "
        "folders: A and B in two folders, matched by name without suffix; outline: A is the outline of B; none",
    )
    limits: ImageLimits = Field(ImageLimits(), description="largest image that is accepted")

    @field_validator("resolution", mode="before")
    @classmethod
    def check_resolution(cls, value: Any) -> Any:
        sides = value if isinstance(value, list | tuple) and len(value) == 2 else [value]
        if not all(type(side) is int and SMALLEST <= side <= LARGEST for side in sides):
            raise ValueError(f"must be a number from {SMALLEST} to {LARGEST}, or two of them: [height, width]")
        return tuple(sides) if len(sides) == 2 else value

    @field_validator("range")
    @classmethod
    def check_range(cls, value: Any) -> Any:
        for low, high in value.values() if isinstance(value, dict) else [value] if value else []:
            if not low < high:
                raise ValueError(f"[{low:g}, {high:g}] must be two numbers, the smaller first")
        return value

    @model_validator(mode="after")
    def possible_depth(self) -> "ImageSettings":
        if self.depth == 16 and self.channels != "gray":
            raise ValueError("depth 16 with channels rgb: only gray images keep 16 bits; set channels: gray")
        return self

    @model_validator(mode="after")
    def possible_pairs(self) -> "ImageSettings":
        if self.pairs != "none" and self.fit == "keep":
            raise ValueError(
                f"pairs {self.pairs} with fit keep: pairs are made of one size; set fit: crop, pad or stretch"
            )
        if self.pairs == "folders" and self.folders == "ignore":
            raise ValueError("pairs folders with folders ignore: the two folders are the sides; set folders: classes")
        if self.pairs == "folders" and self.classes is not None and len(self.classes) != 2:
            raise ValueError(
                f"pairs folders with {len(self.classes)} names in classes: "
                "name the two folders, that of A first, or leave classes out"
            )
        return self

    def layout(self) -> DataLayout:
        height, width = self.resolution if isinstance(self.resolution, tuple) else (self.resolution, self.resolution)
        return DataLayout(
            height=height,
            width=width,
            own_sizes=self.fit == "keep",
            paired=self.pairs != "none",
            classes=self.classes,
            dtype="uint8" if self.depth == 8 else "uint16",
        )
