"""Settings of WaveGAN."""

from typing import Literal

from pydantic import Field, model_validator

from pipeline.gans.game.adversarial_settings import AdversarialSettings
from pipeline.gans.game.settings import Penalties
from pipeline.gans.variants.settings import Objective

STRIDE = 4
"""Factor by which each layer lengthens or shortens a wave."""
FIRST = 16
"""Smallest length of the first feature map."""


class WaveGANSettings(AdversarialSettings):
    """WaveGAN (Donahue 2019): DCGAN's networks along time, for raw waves."""

    variant: Literal["wavegan"] = "wavegan"
    conditional: bool = Field(True, description="condition both networks on the classes of the data")
    generator_channels: int = Field(
        64, ge=1, le=2048, description="generator channels of the last hidden layer; doubled towards its input"
    )
    discriminator_channels: int = Field(
        64, ge=1, le=2048, description="discriminator channels of the first layer; doubled towards its head"
    )
    max_channels: int = Field(1024, ge=4, le=8192, description="maximum channels of a layer")
    kernel: int = Field(25, ge=5, le=99, description="length of the filters, an odd number; Donahue 2019: 25")
    phase_shuffle: int = Field(
        2, ge=0, le=16, description="samples by which the discriminator's feature maps are shifted at random at most"
    )
    spectrogram_channels: int = Field(
        0,
        ge=0,
        le=1024,
        description="channels of the first layer of a second discriminator, which sees the mel spectrogram; 0: none",
    )
    label_width: int = Field(32, ge=1, le=1024, description="length of the generator's label embedding")
    objective: Objective = Field("wgan", description="adversarial loss")
    critic_steps: int = Field(5, ge=1, le=20, description="discriminator updates per generator update")
    penalties: Penalties = Field(Penalties(gp=10), description="gradient penalties of the discriminator")

    @model_validator(mode="after")
    def check_networks(self) -> "WaveGANSettings":
        """Raise ValueError for filters without a middle, and for packs, which have no label."""
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel {self.kernel}: filters need a middle. Set kernel: {self.kernel + 1}")
        if self.spectrogram_channels and self.stabilisers.packing > 1:
            raise ValueError(
                "stabilisers.packing with spectrogram_channels: a spectrogram is that of one wave. Set packing: 1, or "
                "spectrogram_channels: 0"
            )
        if self.conditional and self.stabilisers.packing > 1:
            raise ValueError(
                "stabilisers.packing with conditional true: a pack of waves has no single label. Set packing: 1, or "
                "conditional: false"
            )
        return self

    def check_shape(self, height: int, width: int, keys: str = "data.resolution") -> None:
        """Raise ValueError unless items are waves whose length the strides divide."""
        if height != 1:
            raise ValueError(
                f"{keys} {height} x {width}: variant {self.variant} needs waves; set data.medium: audio and "
                "data.representation: wave, or choose another model.variant"
            )
        step = STRIDE ** count_layers(width)
        if width < STRIDE * FIRST or width % step:
            near = max(STRIDE * FIRST, round(width / step) * step)
            raise ValueError(
                f"{keys} {width}: variant {self.variant} needs a multiple of {step} samples, at least "
                f"{STRIDE * FIRST}; the nearest is {near}"
            )


def count_layers(samples: int) -> int:
    """Return how often a wave is shortened, down to at least 16 values."""
    layers = 1
    while samples // STRIDE ** (layers + 1) >= FIRST:
        layers += 1
    return layers
