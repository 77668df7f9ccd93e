"""Settings of SRGAN."""

from typing import Literal

from pipeline.gans.game.restoration_settings import RestorationSettings


class SRGANSettings(RestorationSettings):
    """Super-resolution."""

    variant: Literal["srgan"] = "srgan"
    scale: Literal[2, 4, 8] = 4

    @property
    def smallest(self) -> int:
        return 8 * self.scale
