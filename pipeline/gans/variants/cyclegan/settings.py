"""Settings of CycleGAN."""

from typing import ClassVar, Literal

from pydantic import Field

from pipeline.gans.game.translation_settings import TranslationSettings
from pipeline.gans.variants.settings import Sides
from pipeline.settings import Settings


class CycleGANWeights(Settings):
    """What the generators' loss is made of, in Zhu's units: the least squares without their halves."""

    adversarial: float = Field(2.0, ge=0, description="2: of the halved squares of Mao 2017")
    cycle: float = Field(10.0, ge=0, description="distance of a picture from what there and back makes of it")
    identity: float = Field(
        5.0, ge=0, description="distance of a picture that already is of the target's side from what becomes of it"
    )


class CycleGANSettings(TranslationSettings):
    """CycleGAN (Zhu 2017): both ways at once, without pairs."""

    variant: Literal["cyclegan"] = "cyclegan"
    sides: ClassVar[Sides] = "domains"
    blocks: int = Field(6, ge=1, le=18, description="residual blocks of a generator: 6 at 128 pixels, 9 at 256")
    pool: int = Field(
        50, ge=0, le=10_000, description="earlier translations that the discriminators are reminded of; 0: none"
    )
    weights: CycleGANWeights = CycleGANWeights()
