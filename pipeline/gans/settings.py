"""What can be set about a variant. Pydantic only, so that reading parameters never imports torch."""

import math
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from pipeline.gans.combinations import refuse
from pipeline.settings import Ramp, Settings, bounded, ramp

Task = Literal["generate", "restore", "translate"]
"""What a variant is for: its looks, its judgement, its report and its gate follow from it."""

Objective = Literal["nonsaturating", "minimax", "lsgan", "wgan", "hinge", "relativistic"]
NonNegative = Annotated[Ramp, AfterValidator(lambda value: bounded(value, 0.0, math.inf))]
Probability = Annotated[Ramp, AfterValidator(lambda value: bounded(value, 0.0, 1.0))]
Share = Annotated[Ramp, AfterValidator(lambda value: bounded(value, 0.05, 1.0))]


class Penalties(Settings):
    """What holds a discriminator's gradient; 0 switches one off. WGAN-GP is objective wgan with gp 10 and 5 critic steps."""

    r1: NonNegative = Field(ramp(0), description="gamma of |dD/dx|^2 on real images (Mescheder 2018); gamma/2 is applied")
    r2: NonNegative = Field(ramp(0), description="gamma of |dD/dy|^2 on generated images; gamma/2 is applied")
    gp: float = Field(0.0, ge=0, description="weight of (|dD/dx| - 1)^2 between real and generated images (Gulrajani 2017; 10)")
    dragan: float = Field(0.0, ge=0, description="weight of (|dD/dx| - 1)^2 around real images (Kodali 2017; 10)")
    clip: float = Field(0.0, ge=0, description="weights are clipped to [-clip, clip] after each update (Arjovsky 2017; 0.01)")
    every: int = Field(1, ge=1, le=64, description="above 1 the penalties have an update of their own every so many steps (lazily, Karras 2020)")

    @property
    def any(self) -> bool:
        return self.r1.ever or self.r2.ever or self.gp > 0 or self.dragan > 0


class AugmentSettings(Settings):
    """What both players' images go through before the discriminator sees them."""

    policy: Literal["none", "diffaugment", "ada"] = Field("none", description="diffaugment: Zhao 2020; ada: the bgc pipeline of Karras 2020")
    probability: Probability = Field(ramp(1), description="of each transformation; where adaptation starts if there is a target")
    target: float | None = Field(None, gt=0, lt=1, description="E[sign D(real)] that the probability is adapted to (Karras 2020; 0.6); null does not adapt")
    adapt_images: int = Field(500_000, ge=1000, description="images in which the probability could go from 0 to 1")


class Stabilisers(Settings):
    """Switches that any pair of networks can train with. TTUR is train.learning_rate, the average train.ema_half_life."""

    spectral_norm: bool = Field(False, description="on every layer of the discriminator (Miyato 2018)")
    label_smoothing: float = Field(0.0, ge=0, lt=0.5, description="real images aim at 1 minus this (Salimans 2016, one-sided)")
    instance_noise: NonNegative = Field(ramp(0), description="standard deviation of the noise on all images the discriminator sees (Sonderby 2017)")
    minibatch_std: int = Field(
        0, ge=0, le=64, description="group size of the layer that shows the discriminator how alike samples are (Karras 2018; 4); 0: none"
    )
    packing: int = Field(1, ge=1, le=8, description="images the discriminator judges together (PacGAN, Lin 2018)")
    lecam: float = Field(0.0, ge=0, description="weight of the regulariser towards the other side's average logit (Tseng 2021)")
    top_k: Share = Field(ramp(1), description="share of a batch, the most real-looking, that the generator learns from (Sinha 2020; 1 to 0.5)")
    augment: AugmentSettings = AugmentSettings()


class VariantSettings(Settings):
    """What holds for every variant: its task, the sides it translates between, and how many images of a batch cannot be parted.

    `sides` are "paired" (partners A and B), "domains" (two sets of images) or none.
    """

    task: ClassVar[Task] = "generate"
    sides: ClassVar[Literal["", "paired", "domains"]] = ""

    @property
    def group(self) -> int:
        return 1

    @property
    def smallest(self) -> int:
        """The least data.resolution that the variant can be trained at."""
        return 8


class AdversarialSettings(VariantSettings):
    """What every pair of generator and discriminator shares."""

    latent: int = Field(100, ge=1, le=4096, description="length of z")
    objective: Objective = "nonsaturating"
    critic_steps: int = Field(1, ge=1, le=20, description="discriminator updates a step")
    penalties: Penalties = Penalties()
    stabilisers: Stabilisers = Stabilisers()

    @model_validator(mode="after")
    def sensible(self) -> "AdversarialSettings":
        refuse(self)
        return self

    @property
    def group(self) -> int:
        return self.stabilisers.packing


class VanillaSettings(AdversarialSettings):
    """Multilayer perceptrons (Goodfellow 2014)."""

    variant: Literal["vanilla"] = "vanilla"
    hidden: tuple[Annotated[int, Field(ge=4, le=8192)], ...] = Field(
        (256, 512, 1024), min_length=1, description="the generator's; the discriminator reverses them"
    )
    dropout: float = Field(0.3, ge=0, lt=1, description="in the discriminator")


class PyramidSettings(AdversarialSettings):
    """Networks that start from DCGAN's generator: its blocks, and how wide both players are."""

    architecture: Literal["strided", "residual"] = Field("strided", description="strided: Radford 2015; residual: the up/down-sampling blocks of Miyato 2018")
    generator_channels: int = Field(64, ge=4, le=2048, description="channels at the highest resolution; doubled towards 4x4")
    discriminator_channels: int = Field(64, ge=4, le=2048, description="channels at the highest resolution; doubled towards 4x4")
    max_channels: int = Field(512, ge=4, le=4096, description="where the doubling stops")


class ConvolutionalSettings(PyramidSettings):
    """DCGAN's networks."""

    discriminator_norm: Literal["batch", "none"] = Field("batch", description="residual discriminators have none in any case")

    @model_validator(mode="after")
    def unnormalised(self) -> "ConvolutionalSettings":
        if self.discriminator_norm == "batch" and self.architecture == "strided":
            for name, on in (
                ("stabilisers.spectral_norm", self.stabilisers.spectral_norm),
                ("penalties.gp", self.penalties.gp > 0),
                ("penalties.dragan", self.penalties.dragan > 0),
            ):
                if on:
                    raise ValueError(f"{name} with discriminator_norm batch: batch normalisation mixes the images of a batch; set discriminator_norm: none")
        return self


class DCGANSettings(ConvolutionalSettings):
    """DCGAN (Radford 2015), and its residual form."""

    variant: Literal["dcgan"] = "dcgan"


class CGANSettings(ConvolutionalSettings):
    """Conditional GAN (Mirza 2014)."""

    variant: Literal["cgan"] = "cgan"
    conditioning: Literal["concat", "projection"] = Field("projection", description="how the discriminator sees the label: Mirza 2014, or Miyato 2018")
    label_width: int = Field(32, ge=1, le=1024, description="length of the label's embedding beside z")

    @model_validator(mode="after")
    def unpacked(self) -> "CGANSettings":
        if self.stabilisers.packing > 1:
            raise ValueError("stabilisers.packing with variant cgan: a pack of images has no single label; set packing: 1 or take another variant")
        return self


class SGANSettings(PyramidSettings):
    """Semi-supervised learning (Salimans 2016); `architecture` is the generator's."""

    variant: Literal["sgan"] = "sgan"
    labelled_per_class: int = Field(10, ge=1, le=1_000_000, description="images of each class whose label is used (all, where there are fewer)")
    dropout: float = Field(0.3, ge=0, lt=1, description="in the discriminator")

    @model_validator(mode="after")
    def semi_supervised(self) -> "SGANSettings":
        stabilisers = self.stabilisers
        refused = {
            f"objective {self.objective}": (self.objective != "nonsaturating", "its loss is the likelihood of the classes; set objective: nonsaturating"),
            "stabilisers.packing": (stabilisers.packing > 1, "a pack of images has no single class; set packing: 1"),
            "stabilisers.minibatch_std": (stabilisers.minibatch_std > 0, "a class must not depend on the other images of a batch; set minibatch_std: 0"),
            "stabilisers.spectral_norm": (stabilisers.spectral_norm, "its discriminator's weights are normalised in another way; set spectral_norm: false"),
            "stabilisers.label_smoothing": (stabilisers.label_smoothing > 0, "its generator matches features and meets no target; set label_smoothing: 0"),
            "stabilisers.lecam": (stabilisers.lecam > 0, "its generator matches features and moves no logit; set lecam: 0"),
            "stabilisers.top_k": (stabilisers.top_k != ramp(1), "its generator matches the mean of a whole batch; set top_k: 1"),
        }
        for name, (broken, why) in refused.items():
            if broken:
                raise ValueError(f"{name} with variant sgan: {why}, or take another variant")
        return self


class R3GANSettings(AdversarialSettings):
    """R3GAN (Huang 2024); widths are multiples of 8, because a group of its 3x3 convolutions has 16 channels."""

    variant: Literal["r3gan"] = "r3gan"
    latent: int = Field(64, ge=1, le=4096, description="length of z")
    conditional: bool = Field(False, description="learn and take class labels")
    generator_channels: int = Field(128, ge=8, le=2048, multiple_of=8, description="channels at the highest resolution; doubled towards 4x4")
    discriminator_channels: int = Field(128, ge=8, le=2048, multiple_of=8, description="channels at the highest resolution; doubled towards 4x4")
    max_channels: int = Field(768, ge=8, le=4096, multiple_of=8, description="where the doubling stops")
    blocks: int = Field(2, ge=1, le=8, description="residual blocks a resolution")
    objective: Objective = "relativistic"
    penalties: Penalties = Penalties(r1=ramp(0.05), r2=ramp(0.05))

    @model_validator(mode="after")
    def own(self) -> "R3GANSettings":
        if self.stabilisers.spectral_norm:
            raise ValueError("stabilisers.spectral_norm with variant r3gan: its blocks start at zero, which has no norm to divide by; set spectral_norm: false")
        if self.conditional and self.stabilisers.packing > 1:
            raise ValueError("stabilisers.packing with conditional: a pack of images has no single label; set packing: 1 or conditional: false")
        return self


class PathLength(Settings):
    """Path length regularisation: that a step in the style moves the image equally far, wherever it is taken."""

    weight: float = Field(2.0, ge=0, description="0 switches it off")
    every: int = Field(4, ge=1, le=64, description="in an update of its own every so many steps")


class StyleGAN2Settings(AdversarialSettings):
    """StyleGAN2 (Karras 2020). Its authors' r1 is 0.0002 resolution^2 / batch size; the default suits 64 to 128 pixels in batches of 16."""

    variant: Literal["stylegan2"] = "stylegan2"
    latent: int = Field(512, ge=1, le=4096, description="length of z")
    style_width: int = Field(512, ge=1, le=4096, description="length of w")
    mapping_layers: int = Field(8, ge=1, le=16, description="from z to w; 2 suit images of 32 pixels and less")
    generator_channels: int = Field(64, ge=4, le=2048, description="channels at the highest resolution; doubled towards 4x4")
    discriminator_channels: int = Field(64, ge=4, le=2048, description="channels at the highest resolution; doubled towards 4x4")
    max_channels: int = Field(512, ge=4, le=4096, description="where the doubling stops")
    style_mixing: float = Field(0.9, ge=0, le=1, description="share of the images in training whose style is of two latents")
    path_length: PathLength = PathLength()
    penalties: Penalties = Penalties(r1=ramp(0.1), every=16)
    stabilisers: Stabilisers = Stabilisers(minibatch_std=4)


class RestorationWeights(Settings):
    """What the generator's loss is made of once the adversarial part has begun; before it, the pixel loss alone."""

    pixel: float = Field(1.0, ge=0, description="distance of the pixels, both in [-1, 1]")
    perceptual: float = Field(1.0, ge=0, description="distance of features: VGG19's where `vgg` names its weights, else the discriminator's")
    adversarial: float = Field(0.01, ge=0)


class RestorationSettings(VariantSettings):
    """SRResNet and its discriminator (Ledig 2017)."""

    task: ClassVar[Task] = "restore"
    generator_channels: int = Field(64, ge=4, le=1024, description="of every hidden layer")
    blocks: int = Field(16, ge=1, le=64, description="residual blocks")
    kernel: Literal[3, 9] = Field(9, description="side of the first and last convolutions: Ledig 2017; 3 is later practice, and three times as quick on a CPU")
    generator_norm: Literal["batch", "none"] = Field("none", description="batch: Ledig 2017; none: later practice, sharper and steadier (Wang 2018)")
    discriminator_channels: int = Field(64, ge=4, le=1024, description="of the first layer; eight times as many in the last")
    pixel: Literal["l1", "l2"] = "l1"
    pretraining: float = Field(0.5, ge=0, le=1, description="share of the schedule with the pixel loss alone; 1: no discriminator at all")
    weights: RestorationWeights = RestorationWeights()
    objective: Objective = "nonsaturating"
    r1: float = Field(0.0, ge=0, description="gamma of the discriminator's gradient penalty on real images")
    vgg: str | None = Field(None, min_length=1, description="torchvision's VGG19 weights (.pth), for the perceptual loss; null: the discriminator's features")


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
            raise ValueError(f"poisson {list(self.poisson)}: an image of less than one photon shows nothing; begin at 1 or more")
        if self.jpeg is not None and not 1 <= self.jpeg[0] <= self.jpeg[1] <= 95:
            raise ValueError(f"jpeg {list(self.jpeg)}: qualities lie in 1 .. 95")
        return self


class DenoiseSettings(RestorationSettings):
    """Restoration at scale 1, of noise whose strength the network is not told."""

    variant: Literal["denoise"] = "denoise"
    noise: NoiseSettings = NoiseSettings()


ModelSettings = Annotated[
    VanillaSettings | DCGANSettings | CGANSettings | SGANSettings | R3GANSettings | StyleGAN2Settings | SRGANSettings | DenoiseSettings,
    Field(discriminator="variant"),
]
