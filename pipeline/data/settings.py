"""What can be set about the data and its validation."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from pipeline.settings import Settings

Severity = Literal["critical", "warning", "off"]
Pairing = Literal["none", "halves", "folders", "outline"]
ClassName = Annotated[str, StringConstraints(min_length=1), Field(coerce_numbers_to_str=True)]
HexColour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")]


class Limits(Settings):
    """What one file may cost before it is set aside instead of decoded."""

    pixels: int = Field(
        default=50_000_000, ge=1, description="width x height; larger pictures are treated as decompression bombs"
    )
    bytes: int = Field(default=256 * 2**20, ge=1, description="size of one encoded file")


class DataSettings(Settings):
    """Where images come from and how they are made equal."""

    source: str = Field(
        default="digits", min_length=1, description="digits | a folder | a .zip or .tar(.gz) | torchvision:NAME"
    )
    watch: str = Field(
        default="data/raw",
        min_length=1,
        description="the path DVC hashes to notice new data; set it to `source` where that lies elsewhere",
    )
    resolution: int = Field(
        default=8, ge=8, le=1024, description="side of the square the images become; a power of two"
    )
    channels: Literal["gray", "rgb"] = "gray"
    background: HexColour = Field(default="#ffffff", description="colour laid under transparent pixels")
    fit: Literal["crop", "pad", "stretch", "keep"] = Field(
        default="crop",
        description="how other aspect ratios become square: centre crop, pad with the background, or stretch; keep: photographs keep their sizes, and "
        "training takes random crops of side `resolution` (restoration)",
    )
    resize: Literal["lanczos", "bicubic", "bilinear", "box", "nearest"] = "lanczos"
    test_fraction: float = Field(
        default=0.2,
        ge=0,
        lt=1,
        description="held out for evaluation when the source has no test split; decided by content, so it never leaks",
    )
    pairs: Pairing = Field(
        default="none",
        description="what an image belongs with, for variants that learn from pairs A and B: halves: each file shows A on its left half and B on its right; "
        "folders: A in one folder and B in another, matched by name without suffix; outline: A is drawn from the image itself, its outline; none: nothing",
    )
    classes: tuple[ClassName, ...] | None = Field(
        default=None,
        min_length=1,
        description="only these classes of the source, in this order (the first has label 0, or is side A); null takes all",
    )
    limit: int | None = Field(
        default=None,
        ge=1,
        description="at most so many images a split (and a class where there are classes), or pairs of folders; null takes all",
    )
    limits: Limits = Limits()
    seed: int = Field(default=0, ge=0, description="decides which images are held out")

    @field_validator("resolution")
    @classmethod
    def power_of_two(cls, value: int) -> int:
        if value & (value - 1):
            raise ValueError(f"{value} is not a power of two (8, 16, 32, 64, ...)")
        return value

    @field_validator("classes")
    @classmethod
    def each_once(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        twice = next((name for name in value or () if (value or ()).count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"{twice!r} is named twice")
        return value

    @model_validator(mode="after")
    def possible_pairs(self) -> "DataSettings":
        if self.pairs != "none" and self.fit == "keep":
            raise ValueError(
                f"pairs {self.pairs} with fit keep: pairs are made of one size; set fit: crop, pad or stretch"
            )
        if self.pairs == "folders" and self.classes is not None and len(self.classes) != 2:
            raise ValueError(
                f"pairs folders with {len(self.classes)} names in classes: name the two folders, that of A first, or leave classes out"
            )
        return self


class Bound(Settings):
    """One expectation's threshold and what breaking it means."""

    limit: float = Field(ge=0)
    severity: Severity


class AllowedModes(Settings):
    """The Pillow modes a source's files are expected to be stored in; others decode too, but through a conversion a person should know of."""

    allowed: tuple[str, ...] = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")
    severity: Severity = "warning"


class ValidateSettings(Settings):
    """Thresholds of the expectations. `critical` stops the line (exit 3), `warning` is reported, `off` is not checked and sets nothing aside.

    Files that could not be decoded are set aside always. Shares lie between 0 and 1.
    """

    min_images: Bound = Field(default=Bound(limit=64, severity="critical"), description="accepted training images")
    min_per_class: Bound = Field(
        default=Bound(limit=10, severity="critical"), description="accepted training images of the smallest class"
    )
    max_imbalance: Bound = Field(
        default=Bound(limit=10, severity="warning"), description="largest class over smallest class"
    )
    max_error_share: Bound = Field(
        default=Bound(limit=0.05, severity="critical"), description="share of files that could not be decoded"
    )
    max_duplicate_share: Bound = Field(
        default=Bound(limit=0.05, severity="warning"),
        description="share of exact duplicates within a split; the copies are set aside",
    )
    max_leakage_share: Bound = Field(
        default=Bound(limit=0.01, severity="warning"),
        description="share of test images that are also in train; they are set aside from test",
    )
    max_constant_share: Bound = Field(
        default=Bound(limit=0.01, severity="warning"), description="share of near-constant images; they are set aside"
    )
    max_unpaired_share: Bound = Field(
        default=Bound(limit=0.05, severity="critical"),
        description="share of images without a partner of the same size (data.pairs: folders); they are set aside, and where this is off those without any",
    )
    min_side: Bound = Field(
        default=Bound(limit=1, severity="warning"),
        description="pixels of an image's shorter side; smaller images are set aside",
    )
    modes: AllowedModes = Field(
        default=AllowedModes(),
        description="modes in which files are stored (CMYK, 16-bit and float pictures are reported)",
    )
    constant_std: float = Field(
        default=0.005,
        ge=0,
        le=1,
        description="an image whose pixels' standard deviation (0..1) is below this is near-constant",
    )
    mean_range: tuple[float, float] = Field(
        default=(0.02, 0.98), description="where the mean of the accepted pixels (0..1) must lie; outside is a warning"
    )

    @field_validator("mean_range")
    @classmethod
    def ordered(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= value[0] <= value[1] <= 1:
            raise ValueError(f"{list(value)} must be two numbers between 0 and 1, the smaller first")
        return value
