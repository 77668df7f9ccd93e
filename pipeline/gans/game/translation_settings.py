"""Settings that every translation variant shares."""

from typing import ClassVar

from pydantic import Field

from pipeline.gans.variants.settings import Objective, VariantSettings


class TranslationSettings(VariantSettings):
    """Generators and PatchGAN discriminators (Isola 2017)."""

    task: ClassVar[str] = "translate"
    generator_channels: int = Field(
        64, ge=4, le=1024, description="channels at the highest resolution; doubled downwards"
    )
    discriminator_channels: int = Field(
        64, ge=4, le=1024, description="channels at the highest resolution; doubled downwards"
    )
    discriminator_layers: int = Field(
        3, ge=1, le=6, description="halvings before a patch is judged: 3 see 70 pixels, 2 see 34, 1 sees 16"
    )
    objective: Objective = "lsgan"

    @property
    def smallest(self) -> int:
        return max(16, 4 << self.discriminator_layers)
