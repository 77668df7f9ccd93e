"""Settings of SEGAN."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from pipeline.gans.variants.settings import Objective, VariantSettings
from pipeline.settings import Settings


def check_range(value: tuple[float, float]) -> tuple[float, float]:
    """Return `value` if it is an ascending range. Raise ValueError otherwise."""
    if value[0] > value[1]:
        raise ValueError(f"{list(value)} must be [minimum, maximum]")
    return value


OVERLAP = 4
"""Windows of a Fourier transform that each sample lies in."""

Range = Annotated[tuple[float, float], AfterValidator(check_range)]


class DegradationSettings(Settings):
    """Kinds of degradation and the range of their strength; each wave gets one of the kinds that are not null."""

    snr: Range | None = Field((0.0, 15.0), description="white noise: signal-to-noise ratio in decibels; less is worse")
    clipping: Range | None = Field(
        None, description="clipping: level at which a wave is cut, as a share of its peak ([0.1, 0.5])"
    )
    band: Range | None = Field(
        None, description="missing treble: frequency in hertz above which nothing is left ([1000, 3000])"
    )

    @model_validator(mode="after")
    def check_degradation(self) -> "DegradationSettings":
        """Raise ValueError if there is no degradation, or a range is impossible."""
        if self.snr is None and self.clipping is None and self.band is None:
            raise ValueError("every kind of degradation is null. Give one a range, such as snr: [0, 15]")
        if self.clipping is not None and not 0 < self.clipping[0] <= self.clipping[1] <= 1:
            raise ValueError(f"clipping {list(self.clipping)}: levels are shares of the peak, above 0 and at most 1")
        if self.band is not None and self.band[0] <= 0:
            raise ValueError(f"band {list(self.band)}: frequencies are above 0")
        return self


class SEGANWeights(Settings):
    """Weights of the generator's loss."""

    l1: float = Field(100.0, ge=0, description="weight of the mean absolute error")
    adversarial: float = Field(1.0, ge=0, description="weight of the adversarial loss")
    spectrum: float = Field(
        0.0, ge=0, description="weight of the error of the logarithm of the Fourier transform, in nepers"
    )
    si_sdr: float = Field(
        0.0, ge=0, description="weight of the scale-invariant signal-to-distortion ratio, each decibel below 0"
    )


class SEGANSettings(VariantSettings):
    """SEGAN (Pascual 2017): an encoder and a decoder along time, with skip connections."""

    task: ClassVar[str] = "restore"

    variant: Literal["segan"] = "segan"
    degradation: DegradationSettings = Field(DegradationSettings(), description="how clean waves are degraded")
    networks: Literal["wave", "spectrum"] = Field(
        "wave",
        description="generator; wave: strided convolutions along the samples, as in the paper; spectrum: a mask over "
        "the Fourier transform, from convolutions along its columns",
    )
    window: int = Field(256, ge=16, le=4096, description="samples of a Fourier transform, of networks or weights")
    generator_channels: int = Field(
        16, ge=1, le=512, description="channels of the generator's first layer; networks spectrum: of all its layers"
    )
    discriminator_channels: int = Field(16, ge=1, le=512, description="channels of the discriminator's first layer")
    max_channels: int = Field(1024, ge=4, le=8192, description="maximum channels of a layer")
    layers: int = Field(11, ge=1, le=16, description="layers of encoder, decoder and discriminator; Pascual 2017: 11")
    stride: Literal[2, 4] = Field(2, description="factor by which each layer shortens or lengthens; Pascual 2017: 2")
    kernel: int = Field(31, ge=5, le=99, description="length of the filters, an odd number; Pascual 2017: 31")
    objective: Objective = Field("lsgan", description="adversarial loss")
    weights: SEGANWeights = Field(SEGANWeights(), description="weights of the generator's loss")

    @model_validator(mode="after")
    def check_kernel(self) -> "SEGANSettings":
        """Raise ValueError for filters without a middle."""
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel {self.kernel}: filters need a middle. Set kernel: {self.kernel + 1}")
        return self

    @model_validator(mode="after")
    def check_window(self) -> "SEGANSettings":
        """Raise ValueError for windows that cannot overlap."""
        if self.window % OVERLAP:
            raise ValueError(f"window {self.window}: set a multiple of {OVERLAP}, such as 256")
        return self

    def check_shape(self, height: int, width: int, keys: str = "data.resolution") -> None:
        """Raise ValueError unless items are waves whose length the strides divide."""
        if height != 1:
            raise ValueError(
                f"{keys} {height} x {width}: variant {self.variant} needs waves; set data.medium: audio and "
                "data.representation: wave, or choose another model.variant"
            )
        step = self.stride**self.layers
        if width % step:
            raise ValueError(
                f"{keys} {width}: variant {self.variant} with {self.layers} layers of stride {self.stride} needs a "
                f"multiple of {step} samples; the nearest is {max(1, round(width / step)) * step}, or set fewer "
                "model.layers"
            )
        hop = self.window // OVERLAP
        if self.networks == "spectrum" and width % hop:
            raise ValueError(
                f"{keys} {width}: variant {self.variant} with networks spectrum needs a multiple of {hop} samples; the "
                f"nearest is {max(1, round(width / hop)) * hop}, or set another model.window"
            )
