"""Settings of the denoising variant."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from pipeline.gans.game.restoration_settings import RestorationSettings
from pipeline.settings import Settings


def strengths(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        raise ValueError(f"{list(value)} must be [least, most]")
    return value


Strengths = Annotated[tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)]], AfterValidator(strengths)]


class NoiseSettings(Settings):
    """Which noise is made, each between two strengths; of the kinds that are not null every image gets one."""

    gaussian: Strengths | None = Field((0.0, 50.0), description="standard deviation in 8-bit levels")
    poisson: Strengths | None = Field(None, description="photons that make white; fewer are noisier ([10, 200])")
    jpeg: Strengths | None = Field(None, description="quality, 1 to 95 ([20, 80])")

    @model_validator(mode="after")
    def possible(self) -> "NoiseSettings":
        if self.gaussian is None and self.poisson is None and self.jpeg is None:
            raise ValueError("every kind of noise is null; give one a range, such as gaussian: [0, 50]")
        if self.poisson is not None and self.poisson[0] < 1:
            raise ValueError(
                f"poisson {list(self.poisson)}: an image of less than one photon shows nothing; begin at 1 or more"
            )
        if self.jpeg is not None and not 1 <= self.jpeg[0] <= self.jpeg[1] <= 95:
            raise ValueError(f"jpeg {list(self.jpeg)}: qualities lie in 1 .. 95")
        return self


class DenoiseSettings(RestorationSettings):
    """Restoration at scale 1, of noise whose strength the network is not told."""

    variant: Literal["denoise"] = "denoise"
    noise: NoiseSettings = NoiseSettings()
