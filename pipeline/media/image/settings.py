"""Settings of `data:` for images."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from pipeline.items import DataLayout
from pipeline.media.settings import DataSettings

Pairing = Literal["none", "halves", "folders", "outline"]
HexColour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")]


class ImageSettings(DataSettings):
    """How images are brought to one size and colour space, and how pairs are formed."""

    medium: Literal["image"] = "image"
    resolution: int = Field(8, ge=8, le=1024, description="side of the square images; a power of two")
    channels: Literal["gray", "rgb"] = "gray"
    background: HexColour = Field("#ffffff", description="colour under transparent pixels")
    fit: Literal["crop", "pad", "stretch", "keep"] = Field(
        "crop",
        description="how other aspect ratios become square: centre crop, pad with the background, or stretch; "
        "keep: images keep their sizes, and training takes random crops of side `resolution` (restoration)",
    )
    resize: Literal["lanczos", "bicubic", "bilinear", "box", "nearest"] = "lanczos"
    pairs: Pairing = Field(
        "none",
        description="how pairs A and B are formed: halves: each file shows A on its left half and B on its right; "
        "folders: A and B in two folders, matched by name without suffix; outline: A is the outline of B; none",
    )

    @field_validator("resolution")
    @classmethod
    def power_of_two(cls, value: int) -> int:
        if value & (value - 1):
            raise ValueError(f"{value} is not a power of two (8, 16, 32, 64, ...)")
        return value

    @model_validator(mode="after")
    def possible_pairs(self) -> "ImageSettings":
        if self.pairs != "none" and self.fit == "keep":
            raise ValueError(
                f"pairs {self.pairs} with fit keep: pairs are made of one size; set fit: crop, pad or stretch"
            )
        if self.pairs == "folders" and self.classes is not None and len(self.classes) != 2:
            raise ValueError(
                f"pairs folders with {len(self.classes)} names in classes: "
                "name the two folders, that of A first, or leave classes out"
            )
        return self

    def layout(self) -> DataLayout:
        return DataLayout(
            height=self.resolution,
            width=self.resolution,
            own_sizes=self.fit == "keep",
            paired=self.pairs != "none",
            classes=self.classes,
        )
