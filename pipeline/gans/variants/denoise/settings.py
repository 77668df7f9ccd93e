"""Settings of the denoising variant."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from pipeline.gans.game.restoration_settings import RestorationSettings
from pipeline.settings import Settings


def check_range(value: tuple[float, float]) -> tuple[float, float]:
    """Return `value` if it is an ascending range. Raise ValueError otherwise."""
    if value[0] > value[1]:
        raise ValueError(f"{list(value)} must be [minimum, maximum]")
    return value


Range = Annotated[tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)]], AfterValidator(check_range)]


class NoiseSettings(Settings):
    """Kinds of synthetic noise and the range of their strength; each image gets one of the kinds that are not null."""

    gaussian: Range | None = Field((0.0, 50.0), description="Gaussian noise: standard deviation in 8-bit levels")
    poisson: Range | None = Field(
        None, description="Poisson noise: photons of a white pixel; fewer are noisier ([10, 200])"
    )
    jpeg: Range | None = Field(None, description="JPEG artefacts: quality, 1 to 95 ([20, 80])")

    @model_validator(mode="after")
    def check_noise(self) -> "NoiseSettings":
        """Raise ValueError if no noise is chosen, or a range is impossible."""
        if self.gaussian is None and self.poisson is None and self.jpeg is None:
            raise ValueError("every kind of noise is null. Give one a range, such as gaussian: [0, 50]")
        if self.poisson is not None and self.poisson[0] < 1:
            raise ValueError(f"poisson {list(self.poisson)}: needs at least 1 photon. Raise the minimum to 1 or more")
        if self.jpeg is not None and not 1 <= self.jpeg[0] <= self.jpeg[1] <= 95:
            raise ValueError(f"jpeg {list(self.jpeg)}: qualities range from 1 to 95")
        return self


class DenoiseSettings(RestorationSettings):
    """Blind denoising: restoration at scale 1 without knowledge of the noise strength."""

    variant: Literal["denoise"] = "denoise"
    noise: NoiseSettings = Field(NoiseSettings(), description="synthetic noise")
