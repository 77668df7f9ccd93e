"""Settings of the vanilla GAN."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from pipeline.gans.game.adversarial_settings import AdversarialSettings


class VanillaSettings(AdversarialSettings):
    """Multilayer perceptrons (Goodfellow 2014)."""

    categorical: ClassVar[bool] = True

    variant: Literal["vanilla"] = "vanilla"
    hidden: tuple[Annotated[int, Field(ge=4, le=8192)], ...] = Field(
        (256, 512, 1024),
        min_length=1,
        description="widths of the generator's hidden layers; the discriminator has them in reverse order",
    )
    dropout: float = Field(0.3, ge=0, lt=1, description="dropout probability in the discriminator")

    def check_shape(self, height: int, width: int, keys: str = "data.resolution") -> None:
        """Accept any shape: the networks are fully connected."""
