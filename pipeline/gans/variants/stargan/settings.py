"""Settings of StarGAN v2."""

from typing import ClassVar, Literal

from pydantic import Field

from pipeline.gans.game.settings import NonNegative
from pipeline.gans.variants.settings import Sides, VariantSettings
from pipeline.items import MOST_DOMAINS, DataLayout
from pipeline.settings import Ramp, Settings, ramp

Bypass = Literal["none", "shortcuts", "image"]
"""What reaches the generator's result past the style."""


class StarGANWeights(Settings):
    """Weights of the generator's losses."""

    adversarial: float = Field(1.0, ge=0, description="weight of the adversarial loss")
    style: float = Field(1.0, ge=0, description="weight of the style reconstruction loss")
    diversity: NonNegative = Field(
        Ramp(start=1.0, end=0.0), description="weight of the style diversification loss; falls to 0 during training"
    )
    cycle: float = Field(1.0, ge=0, description="weight of the cycle consistency loss")
    structure: NonNegative = Field(
        ramp(0), description="weight of the self-similarity loss: edges stay where they are, dark or bright"
    )


class StarGANSettings(VariantSettings):
    """StarGAN v2 (Choi 2020): one generator for all directions between the classes, in many styles."""

    variant: Literal["stargan"] = "stargan"
    task: ClassVar[str] = "translate"
    sides: ClassVar[Sides] = "classes"
    latent: int = Field(16, ge=1, le=4096, description="length of z")
    style: int = Field(64, ge=1, le=4096, description="length of the style; a short one leaves the content alone")
    generator_channels: int = Field(
        64, ge=4, le=1024, description="generator channels at the highest resolution; doubled at each downsampling"
    )
    downsamplings: int = Field(
        2, ge=1, le=5, description="how often the generator halves the resolution; fewer keep more of the input"
    )
    blocks: int = Field(2, ge=1, le=8, description="residual blocks before and after the style enters")
    bypass: Bypass = Field(
        "shortcuts",
        description="what reaches the result past the style. none: styles may even invert images; shortcuts: as in the "
        "paper; image: the result is the image plus a change, for classes that have most in common",
    )
    discriminator_channels: int = Field(
        64, ge=4, le=1024, description="discriminator channels at the highest resolution; doubled towards 4x4"
    )
    style_channels: int = Field(
        64, ge=4, le=1024, description="style encoder channels at the highest resolution; doubled towards 4x4"
    )
    mapping_width: int = Field(512, ge=4, le=4096, description="units of a layer of the mapping network")
    max_channels: int = Field(512, ge=4, le=4096, description="maximum channels of a layer")
    r1: NonNegative = Field(ramp(1.0), description="weight of the R1 penalty on real images, halved as in the paper")
    weights: StarGANWeights = Field(StarGANWeights(), description="weights of the generator's losses")

    def check_data(self, data: DataLayout) -> None:
        """Raise ValueError if the data is paired, or has fewer than two or more than 26 classes."""
        super().check_data(data)
        if data.classes is not None and not 2 <= len(data.classes) <= MOST_DOMAINS:
            raise ValueError(
                f"data.classes: variant {self.variant} translates between 2 to {MOST_DOMAINS} classes, but "
                f"{len(data.classes)} {'is' if len(data.classes) == 1 else 'are'} named"
            )

    @property
    def smallest(self) -> int:
        """The smallest height and width the variant can be trained at."""
        return max(8, 4 << self.downsamplings)
