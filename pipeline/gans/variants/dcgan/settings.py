"""Settings of DCGAN."""

from typing import Literal

from pipeline.gans.game.adversarial_settings import ConvolutionalSettings


class DCGANSettings(ConvolutionalSettings):
    """DCGAN (Radford 2015) and its residual form."""

    variant: Literal["dcgan"] = "dcgan"
