"""Settings that every translation variant shares."""

from typing import ClassVar

from pydantic import Field

from pipeline.gans.variants.settings import Objective, VariantSettings


class TranslationSettings(VariantSettings):
    """Generators and PatchGAN discriminators (Isola 2017)."""

    task: ClassVar[str] = "translate"
    generator_channels: int = Field(
        64, ge=4, le=1024, description="generator channels at the highest resolution; doubled at each downsampling"
    )
    discriminator_channels: int = Field(
        64, ge=4, le=1024, description="discriminator channels at the highest resolution; doubled at each downsampling"
    )
    discriminator_layers: int = Field(
        3, ge=1, le=6, description="PatchGAN depth: 3 has a receptive field of 70 pixels, 2 of 34, 1 of 16"
    )
    objective: Objective = Field("lsgan", description="adversarial loss")

    @property
    def smallest(self) -> int:
        """The smallest height and width the variant can be trained at."""
        return max(16, 4 << self.discriminator_layers)
