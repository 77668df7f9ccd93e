"""Settings of the semi-supervised GAN."""

from typing import Literal

from pydantic import Field, model_validator

from pipeline.gans.game.adversarial_settings import PyramidSettings
from pipeline.settings import ramp


class SGANSettings(PyramidSettings):
    """Semi-supervised learning (Salimans 2016); `architecture` is that of the generator."""

    variant: Literal["sgan"] = "sgan"
    labelled_per_class: int = Field(
        10, ge=1, le=1_000_000, description="images of each class whose label is used; all if there are fewer"
    )
    dropout: float = Field(0.3, ge=0, lt=1, description="dropout probability in the discriminator")

    @model_validator(mode="after")
    def check_semi_supervised(self) -> "SGANSettings":
        """Raise ValueError for settings that do not apply to this game."""
        stabilisers = self.stabilisers
        rules = {
            f"objective {self.objective}": (
                self.objective != "nonsaturating",
                "its loss is the likelihood of the classes. Set objective: nonsaturating",
            ),
            "stabilisers.packing": (stabilisers.packing > 1, "a pack of images has no single class. Set packing: 1"),
            "stabilisers.minibatch_std": (
                stabilisers.minibatch_std > 0,
                "a class must not depend on the other images of a batch. Set minibatch_std: 0",
            ),
            "stabilisers.spectral_norm": (
                stabilisers.spectral_norm,
                "its discriminator uses weight normalisation. Set spectral_norm: false",
            ),
            "stabilisers.label_smoothing": (
                stabilisers.label_smoothing > 0,
                "its loss has no target for real images. Set label_smoothing: 0",
            ),
            "stabilisers.lecam": (
                stabilisers.lecam > 0,
                "its generator matches features and does not change a logit. Set lecam: 0",
            ),
            "stabilisers.top_k": (
                stabilisers.top_k != ramp(1),
                "its generator matches the mean of a whole batch. Set top_k: 1",
            ),
        }
        for name, (broken, reason) in rules.items():
            if broken:
                raise ValueError(f"{name} with variant sgan: {reason}, or choose another variant")
        return self
