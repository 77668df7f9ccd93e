"""Settings of R3GAN."""

from typing import Literal

from pydantic import Field, model_validator

from pipeline.gans.game.adversarial_settings import AdversarialSettings
from pipeline.gans.game.settings import Penalties
from pipeline.gans.variants.settings import Objective
from pipeline.settings import ramp


class R3GANSettings(AdversarialSettings):
    """R3GAN (Huang 2024). Widths are multiples of 8, because a group of its 3x3 convolutions has 16 channels."""

    variant: Literal["r3gan"] = "r3gan"
    latent: int = Field(64, ge=1, le=4096, description="length of z")
    conditional: bool = Field(False, description="condition on class labels")
    generator_channels: int = Field(
        128,
        ge=8,
        le=2048,
        multiple_of=8,
        description="generator channels at the highest resolution; doubled towards 4x4",
    )
    discriminator_channels: int = Field(
        128,
        ge=8,
        le=2048,
        multiple_of=8,
        description="discriminator channels at the highest resolution; doubled towards 4x4",
    )
    max_channels: int = Field(768, ge=8, le=4096, multiple_of=8, description="maximum channels of a layer")
    blocks: int = Field(2, ge=1, le=8, description="residual blocks per resolution")
    objective: Objective = Field("relativistic", description="adversarial loss")
    penalties: Penalties = Field(
        Penalties(r1=ramp(0.05), r2=ramp(0.05)), description="gradient penalties of the discriminator"
    )

    @model_validator(mode="after")
    def check_networks(self) -> "R3GANSettings":
        """Raise ValueError for stabilisers that its networks do not support."""
        if self.stabilisers.spectral_norm:
            raise ValueError(
                "stabilisers.spectral_norm with variant r3gan: its blocks start with zero weights, whose norm is "
                "zero. Set spectral_norm: false"
            )
        if self.conditional and self.stabilisers.packing > 1:
            raise ValueError(
                "stabilisers.packing with conditional: a pack of images has no single label. "
                "Set packing: 1 or conditional: false"
            )
        return self
