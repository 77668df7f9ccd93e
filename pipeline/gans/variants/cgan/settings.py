"""Settings of the conditional GAN."""

from typing import Literal

from pydantic import Field, model_validator

from pipeline.gans.game.adversarial_settings import ConvolutionalSettings


class CGANSettings(ConvolutionalSettings):
    """Conditional GAN (Mirza 2014)."""

    variant: Literal["cgan"] = "cgan"
    conditioning: Literal["concat", "projection"] = Field(
        "projection", description="how the discriminator sees the label: Mirza 2014, or Miyato 2018"
    )
    label_width: int = Field(32, ge=1, le=1024, description="length of the label's embedding beside z")

    @model_validator(mode="after")
    def unpacked(self) -> "CGANSettings":
        if self.stabilisers.packing > 1:
            raise ValueError(
                "stabilisers.packing with variant cgan: a pack of images has no single label; set packing: 1 or take another variant"
            )
        return self
