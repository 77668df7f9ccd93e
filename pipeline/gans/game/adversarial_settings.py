"""Settings that every adversarial pair of generator and discriminator shares. Pydantic only."""

from typing import Literal

from pydantic import Field, model_validator

from pipeline.gans.game.compatibility import refuse
from pipeline.gans.game.settings import Penalties, Stabilisers
from pipeline.gans.variants.settings import Objective, VariantSettings


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
