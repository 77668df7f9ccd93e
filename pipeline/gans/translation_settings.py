"""What can be set about translating pictures of one side of the data into such as those of the other."""

from typing import ClassVar, Literal

from pydantic import Field

from pipeline.gans.variant_settings import Objective, Task, VariantSettings
from pipeline.settings import Settings


class TranslationSettings(VariantSettings):
    """Generators and PatchGAN discriminators (Isola 2017)."""

    task: ClassVar[Task] = "translate"
    generator_channels: int = Field(
        64, ge=4, le=1024, description="channels at the highest resolution; doubled downwards"
    )
    discriminator_channels: int = Field(
        64, ge=4, le=1024, description="channels at the highest resolution; doubled downwards"
    )
    discriminator_layers: int = Field(
        3, ge=1, le=6, description="halvings before a patch is judged: 3 see 70 pixels, 2 see 34, 1 sees 16"
    )
    objective: Objective = "lsgan"

    @property
    def smallest(self) -> int:
        return max(16, 4 << self.discriminator_layers)


class Pix2PixWeights(Settings):
    """What the generator's loss is made of."""

    adversarial: float = Field(1.0, ge=0)
    l1: float = Field(100.0, ge=0, description="distance of the pixels from the partner's, both in [-1, 1]")


class Pix2PixSettings(TranslationSettings):
    """pix2pix (Isola 2017): a U-Net learns from pairs, and the discriminator sees both."""

    variant: Literal["pix2pix"] = "pix2pix"
    sides: ClassVar[Literal["", "paired", "domains"]] = "paired"
    direction: Literal["a_to_b", "b_to_a"] = "a_to_b"
    objective: Objective = "nonsaturating"
    dropout: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="in the three innermost decoder blocks, while training alone: what is delivered gives one picture one answer",
    )
    weights: Pix2PixWeights = Pix2PixWeights()


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
    sides: ClassVar[Literal["", "paired", "domains"]] = "domains"
    blocks: int = Field(6, ge=1, le=18, description="residual blocks of a generator: 6 at 128 pixels, 9 at 256")
    pool: int = Field(
        50, ge=0, le=10_000, description="earlier translations that the discriminators are reminded of; 0: none"
    )
    weights: CycleGANWeights = CycleGANWeights()


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
    sides: ClassVar[Literal["", "paired", "domains"]] = "domains"
    objective: Objective = "nonsaturating"
    style: int = Field(8, ge=1, le=256, description="length of a style")
    blocks: int = Field(3, ge=1, le=9, description="residual blocks of a content encoder, and of a generator")
    content_steps: int = Field(3, ge=1, le=10, description="updates of the content's discriminator a step")
    weights: DRITWeights = DRITWeights()
