"""How the game of two players is held in balance: the settings that every adversarial variant shares."""

import math
from functools import partial
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from pipeline.settings import Ramp, Settings, bounded, ramp

NonNegative = Annotated[Ramp, AfterValidator(partial(bounded, least=0.0, most=math.inf))]
Probability = Annotated[Ramp, AfterValidator(partial(bounded, least=0.0, most=1.0))]
Share = Annotated[Ramp, AfterValidator(partial(bounded, least=0.05, most=1.0))]


class Penalties(Settings):
    """What holds a discriminator's gradient; 0 switches one off. WGAN-GP is objective wgan with gp 10 and 5 critic steps."""

    r1: NonNegative = Field(
        ramp(0), description="gamma of |dD/dx|^2 on real images (Mescheder 2018); gamma/2 is applied"
    )
    r2: NonNegative = Field(ramp(0), description="gamma of |dD/dy|^2 on generated images; gamma/2 is applied")
    gp: float = Field(
        0.0, ge=0, description="weight of (|dD/dx| - 1)^2 between real and generated images (Gulrajani 2017; 10)"
    )
    dragan: float = Field(0.0, ge=0, description="weight of (|dD/dx| - 1)^2 around real images (Kodali 2017; 10)")
    clip: float = Field(
        0.0, ge=0, description="weights are clipped to [-clip, clip] after each update (Arjovsky 2017; 0.01)"
    )
    every: int = Field(
        1,
        ge=1,
        le=64,
        description="above 1 the penalties have an update of their own every so many steps (lazily, Karras 2020)",
    )

    @property
    def any(self) -> bool:
        return self.r1.ever or self.r2.ever or self.gp > 0 or self.dragan > 0


class AugmentSettings(Settings):
    """What both players' images go through before the discriminator sees them."""

    policy: Literal["none", "diffaugment", "ada"] = Field(
        "none", description="diffaugment: Zhao 2020; ada: the bgc pipeline of Karras 2020"
    )
    probability: Probability = Field(
        ramp(1), description="of each transformation; where adaptation starts if there is a target"
    )
    target: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="E[sign D(real)] that the probability is adapted to (Karras 2020; 0.6); null does not adapt",
    )
    adapt_images: int = Field(500_000, ge=1000, description="images in which the probability could go from 0 to 1")


class Stabilisers(Settings):
    """Switches that any pair of networks can train with. TTUR is train.learning_rate, the average train.ema_half_life."""

    spectral_norm: bool = Field(False, description="on every layer of the discriminator (Miyato 2018)")
    label_smoothing: float = Field(
        0.0, ge=0, lt=0.5, description="real images aim at 1 minus this (Salimans 2016, one-sided)"
    )
    instance_noise: NonNegative = Field(
        ramp(0), description="standard deviation of the noise on all images the discriminator sees (Sonderby 2017)"
    )
    minibatch_std: int = Field(
        0,
        ge=0,
        le=64,
        description="group size of the layer that shows the discriminator how alike samples are (Karras 2018; 4); 0: none",
    )
    packing: int = Field(1, ge=1, le=8, description="images the discriminator judges together (PacGAN, Lin 2018)")
    lecam: float = Field(
        0.0, ge=0, description="weight of the regulariser towards the other side's average logit (Tseng 2021)"
    )
    top_k: Share = Field(
        ramp(1),
        description="share of a batch, the most real-looking, that the generator learns from (Sinha 2020; 1 to 0.5)",
    )
    augment: AugmentSettings = AugmentSettings()
