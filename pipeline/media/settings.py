"""Settings of `data:` that every medium shares; a medium adds its own in a subclass."""

from typing import Annotated

from pydantic import Field, StringConstraints, field_validator

from pipeline.items import DataLayout
from pipeline.settings import Settings

ClassName = Annotated[str, StringConstraints(min_length=1), Field(coerce_numbers_to_str=True)]


class Limits(Settings):
    """Largest input accepted; anything larger goes to quarantine without being decoded."""

    pixels: int = Field(
        50_000_000, ge=1, description="width x height; larger images are treated as decompression bombs"
    )
    bytes: int = Field(256 * 2**20, ge=1, description="size of one encoded file")


class DataSettings(Settings):
    """Where items come from, which are taken, and how they are split."""

    medium: str = Field("image", min_length=1, description="what one item is: image")
    source: str = Field(
        "digits", min_length=1, description="digits | a folder | a .zip or .tar(.gz) | torchvision:NAME"
    )
    watch: str = Field(
        "data/raw",
        min_length=1,
        description="path that DVC hashes to detect new data; set it to `source` if that is elsewhere",
    )
    test_fraction: float = Field(
        0.2,
        ge=0,
        lt=1,
        description="share held out if the source has no test split; decided by content, so copies never straddle it",
    )
    classes: tuple[ClassName, ...] | None = Field(
        None,
        min_length=1,
        description="only these classes, in this order (the first has label 0, or is side A); null takes all",
    )
    limit: int | None = Field(
        None,
        ge=1,
        description="maximum items per split (and class, if there are classes), or pairs of folders; null takes all",
    )
    limits: Limits = Limits()
    seed: int = Field(0, ge=0, description="decides which items are held out")

    @field_validator("classes")
    @classmethod
    def each_once(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        twice = next((name for name in value or () if (value or ()).count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"{twice!r} is named twice")
        return value

    def layout(self) -> DataLayout:
        """Return what a variant must know of the data. Every medium says its own."""
        raise NotImplementedError
