"""Settings that every restoration variant shares."""

from typing import ClassVar, Literal

from pydantic import Field

from pipeline.gans.variants.settings import Objective, VariantSettings
from pipeline.settings import Settings


class RestorationWeights(Settings):
    """Weights of the generator's loss in adversarial training; pretraining uses the pixel loss alone."""

    pixel: float = Field(1.0, ge=0, description="weight of the pixel loss, on values in [-1, 1]")
    perceptual: float = Field(
        1.0, ge=0, description="weight of the feature loss: on VGG19 if `vgg` is set, else on the discriminator"
    )
    adversarial: float = Field(0.01, ge=0, description="weight of the adversarial loss")


class RestorationSettings(VariantSettings):
    """SRResNet and its discriminator (Ledig 2017)."""

    task: ClassVar[str] = "restore"
    any_size: ClassVar[bool] = True
    generator_channels: int = Field(64, ge=4, le=1024, description="generator channels of every hidden layer")
    blocks: int = Field(16, ge=1, le=64, description="residual blocks of the generator")
    kernel: Literal[3, 9] = Field(
        9, description="kernel size of the first and last convolution: 9 in Ledig 2017; 3 is three times faster on CPU"
    )
    generator_norm: Literal["batch", "none"] = Field(
        "none", description="batch: Ledig 2017; none: sharper and more stable (Wang 2018)"
    )
    discriminator_channels: int = Field(
        64, ge=4, le=1024, description="discriminator channels of the first layer; the last has eight times as many"
    )
    pixel: Literal["l1", "l2"] = Field("l1", description="pixel loss")
    pretraining: float = Field(
        0.5, ge=0, le=1, description="fraction of the schedule with the pixel loss alone; 1: no adversarial training"
    )
    weights: RestorationWeights = Field(RestorationWeights(), description="weights of the generator's loss")
    objective: Objective = Field("nonsaturating", description="adversarial loss")
    r1: float = Field(0.0, ge=0, description="gamma of the R1 penalty on real images (Mescheder 2018)")
    vgg: str | None = Field(
        None,
        min_length=1,
        description="path of torchvision's VGG19 weights (.pth) for the perceptual loss; null: discriminator features",
    )
