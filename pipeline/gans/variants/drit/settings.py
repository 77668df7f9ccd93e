"""Settings of DRIT."""

from typing import ClassVar, Literal

from pydantic import Field

from pipeline.gans.game.translation_settings import TranslationSettings
from pipeline.gans.variants.settings import Objective, Sides
from pipeline.settings import Settings


class DRITWeights(Settings):
    """What the encoders' and generators' losses are made of."""

    content: float = Field(1.0, ge=0, description="that the side cannot be told from the content")
    adversarial: float = Field(
        1.0, ge=0, description="that pictures look like their side's, with an example's style and with a random one"
    )
    cross_cycle: float = Field(
        10.0, ge=0, description="distance of a picture from what two exchanges of content make of it"
    )
    reconstruction: float = Field(10.0, ge=0, description="distance of a picture from its own content in its own style")
    latent: float = Field(
        10.0, ge=0, description="distance of a random style from the one that is read off the picture painted in it"
    )
    kl: float = Field(0.01, ge=0, description="of styles from the standard normal")
    l2: float = Field(0.01, ge=0, description="size of the content")
    mode_seeking: float = Field(1.0, ge=0, description="that different styles make different pictures (Mao 2019)")


class DRITSettings(TranslationSettings):
    """DRIT (Lee 2018; DRIT++, 2020): what a picture shows is parted from its style, so that one picture has many translations."""

    variant: Literal["drit"] = "drit"
    sides: ClassVar[Sides] = "domains"
    objective: Objective = "nonsaturating"
    style: int = Field(8, ge=1, le=256, description="length of a style")
    blocks: int = Field(3, ge=1, le=9, description="residual blocks of a content encoder, and of a generator")
    content_steps: int = Field(3, ge=1, le=10, description="updates of the content's discriminator a step")
    weights: DRITWeights = DRITWeights()
