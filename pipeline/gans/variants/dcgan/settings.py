"""Settings of DCGAN."""

from typing import ClassVar, Literal

from pipeline.gans.game.adversarial_settings import ConvolutionalSettings


class DCGANSettings(ConvolutionalSettings):
    """DCGAN (Radford 2015) and its residual form."""

    categorical: ClassVar[bool] = True

    variant: Literal["dcgan"] = "dcgan"
