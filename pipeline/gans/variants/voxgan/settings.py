"""Settings of 3D-GAN."""

from typing import Literal

from pydantic import Field, model_validator

from pipeline.gans.game.adversarial_settings import AdversarialSettings
from pipeline.gans.game.settings import Penalties
from pipeline.gans.variants.settings import Objective
from pipeline.items import DataLayout
from pipeline.settings import ramp

FIRST = 4
"""Side of the generator's first feature map and of the discriminator's last one."""


class VoxGANSettings(AdversarialSettings):
    """3D-GAN (Wu 2016): DCGAN's networks in three dimensions, in a game that does not stop learning."""

    variant: Literal["voxgan"] = "voxgan"
    conditional: bool = Field(True, description="condition both networks on the classes of the data, if there are any")
    generator_channels: int = Field(
        32, ge=1, le=2048, description="generator channels at half the resolution; doubled towards 4x4x4"
    )
    discriminator_channels: int = Field(
        32, ge=1, le=2048, description="discriminator channels at half the resolution; doubled towards 4x4x4"
    )
    max_channels: int = Field(512, ge=4, le=4096, description="maximum channels of a layer")
    occupancy: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="share of occupied voxels that the untrained generator makes: about that of the data",
    )
    label_width: int = Field(32, ge=1, le=1024, description="length of the generator's label embedding")
    objective: Objective = Field("relativistic", description="adversarial loss")
    penalties: Penalties = Field(
        Penalties(r1=ramp(0.5), r2=ramp(0.5), every=2),
        description="gradient penalties of the discriminator",
    )

    @model_validator(mode="after")
    def check_packs(self) -> "VoxGANSettings":
        """Raise ValueError for packs, which have no label."""
        if self.conditional and self.stabilisers.packing > 1:
            raise ValueError(
                "stabilisers.packing with conditional true: a pack of volumes has no single label. Set packing: 1, or "
                "conditional: false"
            )
        return self

    def check_data(self, data: DataLayout) -> None:
        """Raise ValueError unless items are cubes of voxels whose side is a power of two."""
        super().check_data(data)
        if data.depth != data.height:
            raise ValueError(
                f"variant {self.variant} needs cubes of voxels; set data.medium: volume, or choose another "
                "model.variant"
            )
