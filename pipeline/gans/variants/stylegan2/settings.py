"""Settings of StyleGAN2."""

from typing import Literal

from pydantic import Field

from pipeline.gans.game.adversarial_settings import AdversarialSettings
from pipeline.gans.game.settings import Penalties, Stabilisers
from pipeline.settings import Settings, ramp


class PathLength(Settings):
    """Path length regularisation: that a step in the style moves the image equally far, wherever it is taken."""

    weight: float = Field(2.0, ge=0, description="0 switches it off")
    every: int = Field(4, ge=1, le=64, description="in an update of its own every so many steps")


class StyleGAN2Settings(AdversarialSettings):
    """StyleGAN2 (Karras 2020). Its authors' r1 is 0.0002 resolution^2 / batch size; the default suits 64 to 128 pixels in batches of 16."""

    variant: Literal["stylegan2"] = "stylegan2"
    latent: int = Field(512, ge=1, le=4096, description="length of z")
    style_width: int = Field(512, ge=1, le=4096, description="length of w")
    mapping_layers: int = Field(8, ge=1, le=16, description="from z to w; 2 suit images of 32 pixels and less")
    generator_channels: int = Field(
        64, ge=4, le=2048, description="channels at the highest resolution; doubled towards 4x4"
    )
    discriminator_channels: int = Field(
        64, ge=4, le=2048, description="channels at the highest resolution; doubled towards 4x4"
    )
    max_channels: int = Field(512, ge=4, le=4096, description="where the doubling stops")
    style_mixing: float = Field(
        0.9, ge=0, le=1, description="share of the images in training whose style is of two latents"
    )
    path_length: PathLength = PathLength()
    penalties: Penalties = Penalties(r1=ramp(0.1), every=16)
    stabilisers: Stabilisers = Stabilisers(minibatch_std=4)
