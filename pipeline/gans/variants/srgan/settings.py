"""Settings of SRGAN."""

from typing import Literal

from pydantic import Field

from pipeline.gans.game.restoration_settings import RestorationSettings


class SRGANSettings(RestorationSettings):
    """Super-resolution."""

    variant: Literal["srgan"] = "srgan"
    scale: Literal[2, 4, 8] = Field(4, description="upsampling factor")

    @property
    def smallest(self) -> int:
        """The smallest height and width the variant can be trained at."""
        return 8 * self.scale
