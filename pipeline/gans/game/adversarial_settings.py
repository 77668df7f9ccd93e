"""Settings that every adversarial pair of generator and discriminator shares. Pydantic only."""

from typing import Literal

from pydantic import Field, model_validator

from pipeline.gans.game.compatibility import check_compatibility
from pipeline.gans.game.settings import Penalties, Stabilisers
from pipeline.gans.variants.settings import Objective, VariantSettings


class AdversarialSettings(VariantSettings):
    """One generator and one discriminator."""

    latent: int = Field(100, ge=1, le=4096, description="length of z")
    objective: Objective = Field("nonsaturating", description="adversarial loss")
    critic_steps: int = Field(1, ge=1, le=20, description="discriminator updates per generator update")
    penalties: Penalties = Field(Penalties(), description="gradient penalties of the discriminator")
    stabilisers: Stabilisers = Field(Stabilisers(), description="stabilisers that work with any pair of networks")

    @model_validator(mode="after")
    def check_game(self) -> "AdversarialSettings":
        """Raise ValueError for settings that contradict each other."""
        check_compatibility(self.penalties, self.stabilisers, self.objective)
        return self

    @property
    def group(self) -> int:
        """Items of a batch that are scored together and cannot be separated (PacGAN)."""
        return self.stabilisers.packing

    @property
    def augmentation(self) -> str:
        """The policy that augments what the discriminator sees."""
        return self.stabilisers.augment.policy


class PyramidSettings(AdversarialSettings):
    """Networks whose resolution doubles or halves from stage to stage, as in DCGAN."""

    architecture: Literal["strided", "residual"] = Field(
        "strided", description="strided: Radford 2015; residual: the up- and down-sampling blocks of Miyato 2018"
    )
    generator_channels: int = Field(
        64, ge=4, le=2048, description="generator channels at the highest resolution; doubled towards 4x4"
    )
    discriminator_channels: int = Field(
        64, ge=4, le=2048, description="discriminator channels at the highest resolution; doubled towards 4x4"
    )
    max_channels: int = Field(512, ge=4, le=4096, description="maximum channels of a layer")


class ConvolutionalSettings(PyramidSettings):
    """DCGAN's networks."""

    discriminator_norm: Literal["batch", "none"] = Field(
        "batch", description="normalisation of the strided discriminator; the residual one has none"
    )

    @model_validator(mode="after")
    def check_discriminator_norm(self) -> "ConvolutionalSettings":
        """Raise ValueError if batch normalisation would break a per-image penalty."""
        if self.discriminator_norm == "batch" and self.architecture == "strided":
            for name, enabled in (
                ("stabilisers.spectral_norm", self.stabilisers.spectral_norm),
                ("penalties.gp", self.penalties.gp > 0),
                ("penalties.dragan", self.penalties.dragan > 0),
            ):
                if enabled:
                    raise ValueError(
                        f"{name} with discriminator_norm batch: batch normalisation mixes the images of a batch. "
                        "Set discriminator_norm: none"
                    )
        return self
