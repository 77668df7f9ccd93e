"""Settings of the conditional GAN."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from pipeline.gans.game.adversarial_settings import ConvolutionalSettings


class CGANSettings(ConvolutionalSettings):
    """Conditional GAN (Mirza 2014)."""

    categorical: ClassVar[bool] = True

    variant: Literal["cgan"] = "cgan"
    conditioning: Literal["concat", "projection"] = Field(
        "projection", description="label input of the discriminator: concat (Mirza 2014) or projection (Miyato 2018)"
    )
    label_width: int = Field(32, ge=1, le=1024, description="length of the generator's label embedding")

    @model_validator(mode="after")
    def check_packing(self) -> "CGANSettings":
        """Raise ValueError for packing, which has no label per pack."""
        if self.stabilisers.packing > 1:
            raise ValueError(
                "stabilisers.packing with variant cgan: a pack of images has no single label. "
                "Set packing: 1 or choose another variant"
            )
        return self
