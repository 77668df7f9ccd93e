"""Settings that every restoration variant shares."""

from typing import ClassVar, Literal

from pydantic import Field

from pipeline.gans.variants.settings import Objective, VariantSettings
from pipeline.settings import Settings


class RestorationWeights(Settings):
    """What the generator's loss is made of once the adversarial part has begun; before it, the pixel loss alone."""

    pixel: float = Field(1.0, ge=0, description="distance of the pixels, both in [-1, 1]")
    perceptual: float = Field(
        1.0, ge=0, description="distance of features: VGG19's where `vgg` names its weights, else the discriminator's"
    )
    adversarial: float = Field(0.01, ge=0, description="adversarial loss")


class RestorationSettings(VariantSettings):
    """SRResNet and its discriminator (Ledig 2017)."""

    task: ClassVar[str] = "restore"
    any_size: ClassVar[bool] = True
    generator_channels: int = Field(64, ge=4, le=1024, description="of every hidden layer")
    blocks: int = Field(16, ge=1, le=64, description="residual blocks")
    kernel: Literal[3, 9] = Field(
        9,
        description="side of the first and last convolutions: Ledig 2017; 3 is later practice, and three times as quick on a CPU",
    )
    generator_norm: Literal["batch", "none"] = Field(
        "none", description="batch: Ledig 2017; none: later practice, sharper and steadier (Wang 2018)"
    )
    discriminator_channels: int = Field(
        64, ge=4, le=1024, description="of the first layer; eight times as many in the last"
    )
    pixel: Literal["l1", "l2"] = "l1"
    pretraining: float = Field(
        0.5, ge=0, le=1, description="share of the schedule with the pixel loss alone; 1: no discriminator at all"
    )
    weights: RestorationWeights = RestorationWeights()
    objective: Objective = "nonsaturating"
    r1: float = Field(0.0, ge=0, description="gamma of the discriminator's gradient penalty on real images")
    vgg: str | None = Field(
        None,
        min_length=1,
        description="torchvision's VGG19 weights (.pth), for the perceptual loss; null: the discriminator's features",
    )
