"""Settings of `data:` that every medium shares; a medium adds its own in a subclass."""

import re
import unicodedata
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from pipeline.items import DataLayout
from pipeline.settings import MAX_SEED, Settings

ClassName = Annotated[str, StringConstraints(min_length=1), Field(coerce_numbers_to_str=True)]


class Limits(Settings):
    """The largest input that is accepted. Larger files are set aside without being decoded."""

    bytes: int = Field(256 * 2**20, ge=1, description="size of one encoded file")


class DataSettings(Settings):
    """Where items come from, which are taken, and how they are split. A medium gives `source` a default."""

    FILE: ClassVar[str] = "file"
    FOLDER: ClassVar[str] = "folder"

    medium: str = Field(min_length=1, description="what one item is")
    source: str = Field(
        min_length=1,
        description="a folder | a .zip, .tar(.gz), .parquet, .npz, .npy or .csv | a remote address | a built-in source",
    )
    watch: str = Field(
        "data/raw",
        min_length=1,
        description="path that DVC hashes to detect new data; set it to `source` if that is elsewhere; for a remote "
        "source, `ganline etags` writes the ETags there",
    )
    folders: Literal["classes", "ignore"] = Field(
        "classes",
        description="what folders mean: splits and classes, or nothing (chunks of files); labels in metadata.csv, "
        "metadata.jsonl or dataset.json replace the classes of folders",
    )
    pairs: str = Field("none", description="how pairs A and B are formed: none | folders, matched by name")
    links: tuple[str, ...] = Field(
        (),
        description="folders outside a source folder that its symbolic links may lead to; links within it are followed",
    )
    test_fraction: float = Field(
        0.2,
        ge=0,
        lt=1,
        description="share held out if the source has no test split; decided by content, so copies never straddle it",
    )
    group: str = Field(
        FILE,
        min_length=1,
        description="what stays on one side of that split: file | folder | a regular expression that finds the name of "
        "the group, such as the speaker, in a file's path",
    )
    held_out: tuple[ClassName, ...] | None = Field(
        None,
        min_length=1,
        description="names of groups, such as speakers, whose items are held out; all others are trained on; null: "
        "test_fraction decides, or the test split of the source",
    )
    classes: tuple[ClassName, ...] | None = Field(
        None,
        min_length=1,
        description="only these classes, in this order (the first has label 0, or is side A); null takes all",
    )
    limit: int | None = Field(
        None,
        ge=1,
        description="maximum training items (per class, if there are classes), or pairs of folders; the held-out side "
        "is scaled by test_fraction, and has the same maximum if the source has a test split; null takes all",
    )
    limits: Limits = Field(Limits(), description="largest input that is accepted")
    seed: int = Field(0, ge=0, le=MAX_SEED, description="decides which items are held out")

    @field_validator("group")
    @classmethod
    def check_group(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"is neither {cls.FILE}, {cls.FOLDER} nor a regular expression: {error}") from None
        return value

    @model_validator(mode="after")
    def possible_group(self) -> "DataSettings":
        if self.pairs == "folders" and self.group != self.FILE:
            raise ValueError(f"group {self.group!r} with pairs folders: partners share a name; set group: {self.FILE}")
        if self.held_out is not None and self.group == self.FILE:
            raise ValueError(
                f"held_out with group {self.FILE}: files have no group names; set group: {self.FOLDER}, or a regular "
                "expression that finds the name in a path"
            )
        return self

    @field_validator("classes")
    @classmethod
    def each_once(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        value = None if value is None else tuple(unicodedata.normalize("NFC", name) for name in value)
        twice = next((name for name in value or () if (value or ()).count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"{twice!r} is named twice")
        return value

    @property
    def side_by_side(self) -> bool:
        """Whether one file holds both partners of a pair, stored side by side in one row."""
        return self.pairs not in ("none", "folders")

    def layout(self) -> DataLayout:
        """Return what a variant must know of the data. Every medium says its own."""
        raise NotImplementedError
