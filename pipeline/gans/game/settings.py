"""Settings of the adversarial game: gradient penalties, stabilisers and augmentation."""

import math
from functools import partial
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from pipeline.settings import Ramp, Settings, bounded, ramp

NonNegative = Annotated[Ramp, AfterValidator(partial(bounded, least=0.0, most=math.inf))]
Probability = Annotated[Ramp, AfterValidator(partial(bounded, least=0.0, most=1.0))]
Share = Annotated[Ramp, AfterValidator(partial(bounded, least=0.05, most=1.0))]


class Penalties(Settings):
    """Gradient penalties and weight clipping of the discriminator; 0 disables each.

    WGAN-GP is objective wgan with gp 10 and critic_steps 5.
    """

    r1: NonNegative = Field(
        ramp(0), description="gamma of |dD/dx|^2 on real images (Mescheder 2018); gamma/2 is applied"
    )
    r2: NonNegative = Field(ramp(0), description="gamma of |dD/dx|^2 on generated images; gamma/2 is applied")
    gp: float = Field(
        0.0, ge=0, description="weight of (|dD/dx| - 1)^2 between real and generated images (Gulrajani 2017; 10)"
    )
    dragan: float = Field(0.0, ge=0, description="weight of (|dD/dx| - 1)^2 around real images (Kodali 2017; 10)")
    clip: float = Field(0.0, ge=0, description="weights are clipped to [-clip, clip] (WGAN, Arjovsky 2017; 0.01)")
    every: int = Field(
        1,
        ge=1,
        le=64,
        description="lazy regularisation (Karras 2020): penalties in an update of their own every n steps; 1 disables",
    )

    @property
    def any(self) -> bool:
        """Whether a gradient penalty applies at any time."""
        return self.r1.ever or self.r2.ever or self.gp > 0 or self.dragan > 0


class AugmentSettings(Settings):
    """Differentiable augmentation of all images that the discriminator sees, real and generated."""

    policy: Literal["none", "diffaugment", "ada", "turns"] = Field(
        "none",
        description="diffaugment: Zhao 2020; ada: the bgc pipeline of Karras 2020; turns: quarter turns around the "
        "last axis of volumes, and mirror images",
    )
    probability: Probability = Field(
        ramp(1), description="probability of each transformation; with a target, the initial probability"
    )
    target: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="adaptive probability: target of E[sign D(real)] (Karras 2020; 0.6); null disables adaptation",
    )
    adapt_images: int = Field(500_000, ge=1000, description="ADA adjustment speed: images for p to go from 0 to 1")


class Stabilisers(Settings):
    """Stabilisers that work with any pair of networks."""

    spectral_norm: bool = Field(False, description="spectral normalisation of every discriminator layer (Miyato 2018)")
    label_smoothing: float = Field(
        0.0, ge=0, lt=0.5, description="one-sided label smoothing: real targets are 1 minus this (Salimans 2016)"
    )
    instance_noise: NonNegative = Field(
        ramp(0), description="standard deviation of the noise on all discriminator inputs (Sonderby 2017)"
    )
    minibatch_std: int = Field(
        0, ge=0, le=64, description="group size of the minibatch standard deviation layer (Karras 2018; 4); 0 disables"
    )
    packing: int = Field(1, ge=1, le=8, description="images per discriminator input (PacGAN, Lin 2018); 1 disables")
    lecam: float = Field(0.0, ge=0, description="weight of the LeCam regularisation (Tseng 2021); 0 disables")
    top_k: Share = Field(
        ramp(1),
        description="top-k training (Sinha 2020; 1 to 0.5): fraction of the batch with the highest logits used for "
        "the generator update",
    )
    augment: AugmentSettings = Field(AugmentSettings(), description="augmentation of the discriminator's inputs")
