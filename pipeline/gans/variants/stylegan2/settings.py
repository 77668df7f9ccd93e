"""Settings of StyleGAN2."""

from typing import Literal

from pydantic import Field, model_validator

from pipeline.gans.game.adversarial_settings import AdversarialSettings
from pipeline.gans.game.settings import Penalties, Stabilisers
from pipeline.settings import Settings, ramp


class PathLength(Settings):
    """Path length regularisation: equal steps in w change the image by equal amounts."""

    weight: float = Field(2.0, ge=0, description="weight of path length regularisation; 0 disables it")
    every: int = Field(4, ge=1, le=64, description="lazy regularisation: an update of its own every n steps")


class StyleGAN2Settings(AdversarialSettings):
    """StyleGAN2 (Karras 2020).

    Its authors' R1 gamma is 0.0002 resolution^2 / batch size. The default suits 64 to 128 pixels in batches of 16.
    """

    variant: Literal["stylegan2"] = "stylegan2"
    latent: int = Field(512, ge=1, le=4096, description="length of z")
    conditional: bool = Field(False, description="condition on class labels")
    style_width: int = Field(512, ge=1, le=4096, description="length of the style w")
    mapping_layers: int = Field(8, ge=1, le=16, description="layers of the mapping network; 2 suit up to 32 pixels")
    generator_channels: int = Field(
        64, ge=4, le=2048, description="generator channels at the highest resolution; doubled towards 4x4"
    )
    discriminator_channels: int = Field(
        64, ge=4, le=2048, description="discriminator channels at the highest resolution; doubled towards 4x4"
    )
    max_channels: int = Field(512, ge=4, le=4096, description="maximum channels of a layer")
    style_mixing: float = Field(0.9, ge=0, le=1, description="probability of style mixing in training")
    path_length: PathLength = Field(PathLength(), description="path length regularisation")
    penalties: Penalties = Field(
        Penalties(r1=ramp(0.1), every=16), description="gradient penalties of the discriminator"
    )
    stabilisers: Stabilisers = Field(
        Stabilisers(minibatch_std=4), description="stabilisers that work with any pair of networks"
    )

    @model_validator(mode="after")
    def check_packing(self) -> "StyleGAN2Settings":
        """Raise ValueError for packing of a conditional pair, which has no label per pack."""
        if self.conditional and self.stabilisers.packing > 1:
            raise ValueError(
                "stabilisers.packing with conditional: a pack of images has no single label. "
                "Set packing: 1 or conditional: false"
            )
        return self
