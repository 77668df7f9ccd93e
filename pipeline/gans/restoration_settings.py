"""What can be set about super-resolution and denoising."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from pipeline.gans.variant_settings import Objective, Task, VariantSettings
from pipeline.settings import Settings


class RestorationWeights(Settings):
    """What the generator's loss is made of once the adversarial part has begun; before it, the pixel loss alone."""

    pixel: float = Field(1.0, ge=0, description="distance of the pixels, both in [-1, 1]")
    perceptual: float = Field(
        1.0, ge=0, description="distance of features: VGG19's where `vgg` names its weights, else the discriminator's"
    )
    adversarial: float = Field(0.01, ge=0)


class RestorationSettings(VariantSettings):
    """SRResNet and its discriminator (Ledig 2017)."""

    task: ClassVar[Task] = "restore"
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


class SRGANSettings(RestorationSettings):
    """Super-resolution."""

    variant: Literal["srgan"] = "srgan"
    scale: Literal[2, 4, 8] = 4

    @property
    def smallest(self) -> int:
        return 8 * self.scale


def strengths(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        raise ValueError(f"{list(value)} must be [least, most]")
    return value


Strengths = Annotated[tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)]], AfterValidator(strengths)]


class NoiseSettings(Settings):
    """Which noise is made, each between two strengths; of the kinds that are not null every image gets one."""

    gaussian: Strengths | None = Field((0.0, 50.0), description="standard deviation in 8-bit levels")
    poisson: Strengths | None = Field(None, description="photons that make white; fewer are noisier ([10, 200])")
    jpeg: Strengths | None = Field(None, description="quality, 1 to 95 ([20, 80])")

    @model_validator(mode="after")
    def possible(self) -> "NoiseSettings":
        if self.gaussian is None and self.poisson is None and self.jpeg is None:
            raise ValueError("every kind of noise is null; give one a range, such as gaussian: [0, 50]")
        if self.poisson is not None and self.poisson[0] < 1:
            raise ValueError(
                f"poisson {list(self.poisson)}: an image of less than one photon shows nothing; begin at 1 or more"
            )
        if self.jpeg is not None and not 1 <= self.jpeg[0] <= self.jpeg[1] <= 95:
            raise ValueError(f"jpeg {list(self.jpeg)}: qualities lie in 1 .. 95")
        return self


class DenoiseSettings(RestorationSettings):
    """Restoration at scale 1, of noise whose strength the network is not told."""

    variant: Literal["denoise"] = "denoise"
    noise: NoiseSettings = NoiseSettings()
