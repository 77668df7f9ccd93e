"""Settings of MoCoGAN."""

from typing import Literal

from pydantic import Field, model_validator

from pipeline.gans.game.adversarial_settings import AdversarialSettings
from pipeline.gans.game.settings import Penalties
from pipeline.gans.variants.settings import Objective
from pipeline.items import DataLayout
from pipeline.settings import ramp

FIRST = 4
"""Side of the generator's first feature map and of the discriminators' last ones."""


class MoCoGANSettings(AdversarialSettings):
    """MoCoGAN (Tulyakov 2018): content and motion are separate, and two discriminators see frames and clips."""

    variant: Literal["mocogan"] = "mocogan"
    latent: int = Field(32, ge=1, le=4096, description="length of the content in z, which all frames share")
    motion: int = Field(8, ge=1, le=1024, description="length of the noise in z that each frame has of its own")
    state: int = Field(32, ge=1, le=1024, description="length of the motion that the recurrent network makes of it")
    generator_channels: int = Field(
        32, ge=1, le=2048, description="generator channels at half the resolution; doubled towards 4x4"
    )
    image_channels: int = Field(
        32, ge=1, le=2048, description="channels of the image discriminator at half the resolution; doubled towards 4x4"
    )
    video_channels: int = Field(
        32, ge=1, le=2048, description="channels of the video discriminator at half the resolution; doubled towards 4x4"
    )
    max_channels: int = Field(512, ge=4, le=4096, description="maximum channels of a layer")
    objective: Objective = Field("relativistic", description="adversarial loss")
    penalties: Penalties = Field(
        Penalties(r1=ramp(0.5), r2=ramp(0.5), every=2), description="gradient penalties of the discriminators"
    )

    @model_validator(mode="after")
    def check_logits(self) -> "MoCoGANSettings":
        """Raise ValueError for stabilisers that need one logit a clip, or one a pack."""
        for name, used in (("packing", self.stabilisers.packing > 1), ("top_k", self.stabilisers.top_k != ramp(1))):
            if used:
                raise ValueError(
                    f"stabilisers.{name} with variant mocogan: its two discriminators score single clips and frames of "
                    f"them. Set {name}: 1"
                )
        return self

    def check_data(self, data: DataLayout) -> None:
        """Raise ValueError unless items are clips with as many frames as the video discriminator halves."""
        super().check_data(data)
        fewest = data.height // FIRST
        if data.frames < fewest:
            raise ValueError(
                f"data.frames {data.frames}: variant {self.variant} needs clips (data.medium: video) with at least "
                f"{fewest} frames at this resolution"
            )
