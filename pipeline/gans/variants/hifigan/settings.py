"""Settings of HiFi-GAN."""

from math import prod
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from pipeline.gans.variants.settings import Objective, VariantSettings
from pipeline.settings import Settings

Rate = Annotated[int, Field(ge=2, le=16)]
Kernel = Annotated[int, Field(ge=3, le=31)]
Dilation = Annotated[int, Field(ge=1, le=64)]
Period = Annotated[int, Field(ge=2, le=64)]


class HiFiGANWeights(Settings):
    """Weights of the generator's loss."""

    mel: float = Field(45.0, ge=0, description="weight of the error of the log-mel spectrogram, in nepers")
    spectrum: float = Field(
        0.0,
        ge=0,
        description="weight of the error of the Fourier transform, in nepers, at a quarter and at twice of data.window",
    )
    features: float = Field(2.0, ge=0, description="weight of feature matching")
    adversarial: float = Field(1.0, ge=0, description="weight of the adversarial loss")


class HiFiGANSettings(VariantSettings):
    """HiFi-GAN (Kong 2020): waves from log-mel spectrograms. The defaults are those of the paper's V3."""

    task: ClassVar[str] = "restore"

    variant: Literal["hifigan"] = "hifigan"
    generator_channels: int = Field(
        256, ge=2, le=2048, description="generator channels before the first upsampling; halved by each; V1: 512"
    )
    rates: tuple[Rate, ...] = Field(
        (8, 8, 4),
        description="factors of the upsampling layers; their product is data.hop, or divides it: then an inverse "
        "Fourier transform makes the wave (iSTFTNet); []: no such layers",
    )
    column_blocks: int = Field(
        0,
        ge=0,
        le=32,
        description="residual blocks before the upsampling, along the columns of the spectrogram (Vocos: 8)",
    )
    kernels: tuple[Kernel, ...] = Field(
        (3, 5, 7), min_length=1, description="filter lengths of the residual blocks whose results are added, odd"
    )
    dilations: tuple[tuple[Dilation, ...], ...] = Field(
        ((1, 2), (2, 6), (3, 12)), description="dilations of the layers of each residual block"
    )
    discriminator_channels: int = Field(
        32,
        ge=2,
        le=128,
        description="channels of the first layers of the discriminators; inside up to 32 times as many",
    )
    periods: tuple[Period, ...] = Field(
        (2, 3, 5, 7, 11), description="periods, in samples, of which each has a discriminator"
    )
    scales: int = Field(3, ge=0, le=5, description="discriminators of the wave: of all samples, of half as many, ...")
    objective: Objective = Field("lsgan", description="adversarial loss")
    weights: HiFiGANWeights = Field(HiFiGANWeights(), description="weights of the generator's loss")
    adversarial_start: float = Field(
        0.0, ge=0, le=1, description="fraction of the training before which there is only the error of the spectrogram"
    )

    @model_validator(mode="after")
    def check_networks(self) -> "HiFiGANSettings":
        """Raise ValueError for filters without a middle, channels that cannot be halved, or no discriminator."""
        even = [kernel for kernel in self.kernels if kernel % 2 == 0]
        if even:
            raise ValueError(f"kernels {list(self.kernels)}: filters need a middle; set odd lengths in place of {even}")
        if len(self.dilations) != len(self.kernels):
            raise ValueError(
                f"dilations of {len(self.dilations)} blocks and {len(self.kernels)} kernels: each kernel has a block"
            )
        if self.generator_channels % 2 ** len(self.rates):
            raise ValueError(
                f"generator_channels {self.generator_channels}: {len(self.rates)} layers halve them; set a multiple of "
                f"{2 ** len(self.rates)}"
            )
        if not self.rates and not self.column_blocks:
            raise ValueError(
                "rates [] and column_blocks 0: nothing lies between the first and the last layer. Set column_blocks: 8"
            )
        if not self.periods and not self.scales:
            raise ValueError("periods [] and scales 0: there is no discriminator. Set scales: 3")
        return self

    @property
    def length(self) -> int:
        """Columns of the last layer for each of the spectrogram."""
        return prod(self.rates)

    def check_shape(self, height: int, width: int, keys: str = "data.resolution") -> None:
        """Raise ValueError unless items are waves of whole columns."""
        if height != 1:
            raise ValueError(
                f"{keys} {height} x {width}: variant {self.variant} learns from waves; set data.medium: audio and "
                "data.representation: wave, or choose another model.variant"
            )
        if width % self.length:
            raise ValueError(
                f"{keys} {width}: model.rates {list(self.rates)} lengthen a column to {self.length}; their "
                "product must be data.hop or divide it"
            )
