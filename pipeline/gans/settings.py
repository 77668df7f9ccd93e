"""What can be set about a variant. Pydantic only, so that reading parameters never imports torch."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.gans.combinations import refuse
from pipeline.gans.game_settings import Penalties, Stabilisers
from pipeline.gans.restoration_settings import DenoiseSettings, SRGANSettings
from pipeline.gans.translation_settings import CycleGANSettings, DRITSettings, Pix2PixSettings
from pipeline.gans.variant_settings import Objective, VariantSettings
from pipeline.settings import Settings, ramp


class AdversarialSettings(VariantSettings):
    """What every pair of generator and discriminator shares."""

    latent: int = Field(100, ge=1, le=4096, description="length of z")
    objective: Objective = "nonsaturating"
    critic_steps: int = Field(1, ge=1, le=20, description="discriminator updates a step")
    penalties: Penalties = Penalties()
    stabilisers: Stabilisers = Stabilisers()

    @model_validator(mode="after")
    def sensible(self) -> "AdversarialSettings":
        refuse(self.penalties, self.stabilisers, self.objective)
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

    architecture: Literal["strided", "residual"] = Field(
        "strided", description="strided: Radford 2015; residual: the up/down-sampling blocks of Miyato 2018"
    )
    generator_channels: int = Field(
        64, ge=4, le=2048, description="channels at the highest resolution; doubled towards 4x4"
    )
    discriminator_channels: int = Field(
        64, ge=4, le=2048, description="channels at the highest resolution; doubled towards 4x4"
    )
    max_channels: int = Field(512, ge=4, le=4096, description="where the doubling stops")


class ConvolutionalSettings(PyramidSettings):
    """DCGAN's networks."""

    discriminator_norm: Literal["batch", "none"] = Field(
        "batch", description="residual discriminators have none in any case"
    )

    @model_validator(mode="after")
    def unnormalised(self) -> "ConvolutionalSettings":
        if self.discriminator_norm == "batch" and self.architecture == "strided":
            for name, on in (
                ("stabilisers.spectral_norm", self.stabilisers.spectral_norm),
                ("penalties.gp", self.penalties.gp > 0),
                ("penalties.dragan", self.penalties.dragan > 0),
            ):
                if on:
                    raise ValueError(
                        f"{name} with discriminator_norm batch: batch normalisation mixes the images of a batch; set discriminator_norm: none"
                    )
        return self


class DCGANSettings(ConvolutionalSettings):
    """DCGAN (Radford 2015), and its residual form."""

    variant: Literal["dcgan"] = "dcgan"


class CGANSettings(ConvolutionalSettings):
    """Conditional GAN (Mirza 2014)."""

    variant: Literal["cgan"] = "cgan"
    conditioning: Literal["concat", "projection"] = Field(
        "projection", description="how the discriminator sees the label: Mirza 2014, or Miyato 2018"
    )
    label_width: int = Field(32, ge=1, le=1024, description="length of the label's embedding beside z")

    @model_validator(mode="after")
    def unpacked(self) -> "CGANSettings":
        if self.stabilisers.packing > 1:
            raise ValueError(
                "stabilisers.packing with variant cgan: a pack of images has no single label; set packing: 1 or take another variant"
            )
        return self


class SGANSettings(PyramidSettings):
    """Semi-supervised learning (Salimans 2016); `architecture` is the generator's."""

    variant: Literal["sgan"] = "sgan"
    labelled_per_class: int = Field(
        10, ge=1, le=1_000_000, description="images of each class whose label is used (all, where there are fewer)"
    )
    dropout: float = Field(0.3, ge=0, lt=1, description="in the discriminator")

    @model_validator(mode="after")
    def semi_supervised(self) -> "SGANSettings":
        stabilisers = self.stabilisers
        refused = {
            f"objective {self.objective}": (
                self.objective != "nonsaturating",
                "its loss is the likelihood of the classes; set objective: nonsaturating",
            ),
            "stabilisers.packing": (stabilisers.packing > 1, "a pack of images has no single class; set packing: 1"),
            "stabilisers.minibatch_std": (
                stabilisers.minibatch_std > 0,
                "a class must not depend on the other images of a batch; set minibatch_std: 0",
            ),
            "stabilisers.spectral_norm": (
                stabilisers.spectral_norm,
                "its discriminator's weights are normalised in another way; set spectral_norm: false",
            ),
            "stabilisers.label_smoothing": (
                stabilisers.label_smoothing > 0,
                "its generator matches features and meets no target; set label_smoothing: 0",
            ),
            "stabilisers.lecam": (
                stabilisers.lecam > 0,
                "its generator matches features and moves no logit; set lecam: 0",
            ),
            "stabilisers.top_k": (
                stabilisers.top_k != ramp(1),
                "its generator matches the mean of a whole batch; set top_k: 1",
            ),
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
    generator_channels: int = Field(
        128, ge=8, le=2048, multiple_of=8, description="channels at the highest resolution; doubled towards 4x4"
    )
    discriminator_channels: int = Field(
        128, ge=8, le=2048, multiple_of=8, description="channels at the highest resolution; doubled towards 4x4"
    )
    max_channels: int = Field(768, ge=8, le=4096, multiple_of=8, description="where the doubling stops")
    blocks: int = Field(2, ge=1, le=8, description="residual blocks a resolution")
    objective: Objective = "relativistic"
    penalties: Penalties = Penalties(r1=ramp(0.05), r2=ramp(0.05))

    @model_validator(mode="after")
    def own(self) -> "R3GANSettings":
        if self.stabilisers.spectral_norm:
            raise ValueError(
                "stabilisers.spectral_norm with variant r3gan: its blocks start at zero, which has no norm to divide by; set spectral_norm: false"
            )
        if self.conditional and self.stabilisers.packing > 1:
            raise ValueError(
                "stabilisers.packing with conditional: a pack of images has no single label; set packing: 1 or conditional: false"
            )
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
    generator_channels: int = Field(
        64, ge=4, le=2048, description="channels at the highest resolution; doubled towards 4x4"
    )
    discriminator_channels: int = Field(
        64, ge=4, le=2048, description="channels at the highest resolution; doubled towards 4x4"
    )
    max_channels: int = Field(512, ge=4, le=4096, description="where the doubling stops")
    style_mixing: float = Field(
        0.9, ge=0, le=1, description="share of the images in training whose style is of two latents"
    )
    path_length: PathLength = PathLength()
    penalties: Penalties = Penalties(r1=ramp(0.1), every=16)
    stabilisers: Stabilisers = Stabilisers(minibatch_std=4)


ModelSettings = Annotated[
    VanillaSettings
    | DCGANSettings
    | CGANSettings
    | SGANSettings
    | R3GANSettings
    | StyleGAN2Settings
    | SRGANSettings
    | DenoiseSettings
    | Pix2PixSettings
    | CycleGANSettings
    | DRITSettings,
    Field(discriminator="variant"),
]
