"""Settings of DF-GAN."""

from typing import Literal

from pydantic import Field, model_validator

from pipeline.gans.game.adversarial_settings import AdversarialSettings


class DFGANSettings(AdversarialSettings):
    """DF-GAN (Tao 2022): images from a text."""

    variant: Literal["dfgan"] = "dfgan"
    generator_channels: int = Field(
        32, ge=4, le=2048, description="generator channels at the highest resolution; doubled towards 4x4"
    )
    discriminator_channels: int = Field(
        32, ge=4, le=2048, description="discriminator channels at the highest resolution; doubled towards 4x4"
    )
    max_channels: int = Field(256, ge=4, le=4096, description="maximum channels of a layer")
    text_width: int = Field(48, ge=4, le=1024, description="length of the embedding of a caption")
    text_steps: int = Field(
        400, ge=1, le=1_000_000, description="updates of the text encoder, which is trained before the game"
    )

    @model_validator(mode="after")
    def check_matching(self) -> "DFGANSettings":
        """Raise ValueError for packs, which have no single caption, and for objectives that compare pairs."""
        if self.stabilisers.packing > 1:
            raise ValueError(
                "stabilisers.packing with variant dfgan: a pack of images has no single caption. Set packing: 1"
            )
        if self.objective == "relativistic":
            raise ValueError(
                "objective relativistic with variant dfgan: it compares real with generated images, and has no place "
                "for images with the caption of another. Set objective: nonsaturating or hinge"
            )
        return self
