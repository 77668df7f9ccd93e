"""Settings of DRIT."""

from typing import ClassVar, Literal

from pydantic import Field

from pipeline.gans.game.translation_settings import TranslationSettings
from pipeline.gans.variants.settings import Objective, Sides
from pipeline.settings import Settings


class DRITWeights(Settings):
    """Weights of the encoders' and generators' losses."""

    content: float = Field(1.0, ge=0, description="weight of the content adversarial loss")
    adversarial: float = Field(
        1.0, ge=0, description="weight of the domain adversarial losses, with encoded and with random styles"
    )
    cross_cycle: float = Field(10.0, ge=0, description="weight of the cross-cycle consistency loss")
    reconstruction: float = Field(10.0, ge=0, description="weight of the self-reconstruction loss")
    latent: float = Field(10.0, ge=0, description="weight of the latent regression loss")
    kl: float = Field(0.01, ge=0, description="weight of the KL divergence of styles from N(0, I)")
    l2: float = Field(0.01, ge=0, description="weight of the L2 penalty on contents")
    mode_seeking: float = Field(1.0, ge=0, description="weight of the mode-seeking loss (Mao 2019)")


class DRITSettings(TranslationSettings):
    """DRIT (Lee 2018; DRIT++, 2020): disentangled content and style, so that one image has many translations."""

    variant: Literal["drit"] = "drit"
    sides: ClassVar[Sides] = "domains"
    objective: Objective = Field("nonsaturating", description="adversarial loss")
    style: int = Field(8, ge=1, le=256, description="length of the style vector")
    blocks: int = Field(3, ge=1, le=9, description="residual blocks of the content encoder and of the generators")
    content_steps: int = Field(3, ge=1, le=10, description="content discriminator updates per step")
    weights: DRITWeights = Field(DRITWeights(), description="weights of the encoders' and generators' losses")
