"""Settings of CycleGAN."""

from typing import ClassVar, Literal

from pydantic import Field

from pipeline.gans.game.translation_settings import TranslationSettings
from pipeline.gans.variants.settings import Sides
from pipeline.settings import Settings


class CycleGANWeights(Settings):
    """Weights of the generators' loss, in Zhu's units."""

    adversarial: float = Field(
        2.0, ge=0, description="weight of the adversarial loss; 2 because objective lsgan halves the squares (Mao 2017)"
    )
    cycle: float = Field(10.0, ge=0, description="weight of the cycle consistency loss")
    identity: float = Field(5.0, ge=0, description="weight of the identity loss; 0 disables it")


class CycleGANSettings(TranslationSettings):
    """CycleGAN (Zhu 2017): both directions between two domains, without pairs."""

    variant: Literal["cyclegan"] = "cyclegan"
    sides: ClassVar[Sides] = "domains"
    blocks: int = Field(6, ge=1, le=18, description="residual blocks of a generator: 6 for 128 pixels, 9 for 256")
    pool: int = Field(
        50, ge=0, le=10_000, description="pool of earlier translations for the discriminators; 0 disables it"
    )
    weights: CycleGANWeights = Field(CycleGANWeights(), description="weights of the generators' loss")
