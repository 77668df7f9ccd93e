"""What can be set about a variant. Pydantic only, so that reading parameters never imports torch."""

from typing import Literal

from pydantic import Field

from pipeline.settings import Settings

Objective = Literal["nonsaturating", "minimax", "lsgan", "hinge", "relativistic"]


class Penalties(Settings):
    """Gradient penalties on the discriminator; 0 switches one off."""

    r1: float = Field(0.0, ge=0, description="weight of |dD/dx|^2 on real images (Mescheder 2018); gamma/2 is applied")
    r2: float = Field(0.0, ge=0, description="weight of |dD/dy|^2 on generated images; gamma/2 is applied")
    every: int = Field(1, ge=1, le=64, description="apply every so many steps, scaled up to keep the mean (lazy regularisation)")


class DCGANSettings(Settings):
    """DCGAN (Radford 2015)."""

    variant: Literal["dcgan"] = "dcgan"
    latent: int = Field(100, ge=1, le=4096, description="length of z")
    generator_channels: int = Field(64, ge=4, le=2048, description="channels of the last hidden layer; doubled towards 4x4")
    discriminator_channels: int = Field(64, ge=4, le=2048, description="channels of the first layer; doubled towards 4x4")
    max_channels: int = Field(512, ge=4, le=4096, description="where the doubling stops")
    discriminator_norm: Literal["batch", "none"] = "batch"
    objective: Objective = "nonsaturating"
    penalties: Penalties = Penalties()


ModelSettings = DCGANSettings
