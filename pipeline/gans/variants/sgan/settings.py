"""Settings of the semi-supervised GAN."""

from typing import Literal

from pydantic import Field, model_validator

from pipeline.gans.game.adversarial_settings import PyramidSettings
from pipeline.settings import ramp


class SGANSettings(PyramidSettings):
    """Semi-supervised learning (Salimans 2016); `architecture` is the generator's."""

    variant: Literal["sgan"] = "sgan"
    labelled_per_class: int = Field(
        10, ge=1, le=1_000_000, description="images of each class whose label is used (all, where there are fewer)"
    )
    dropout: float = Field(0.3, ge=0, lt=1, description="in the discriminator")

    @model_validator(mode="after")
    def semi_supervised(self) -> "SGANSettings":
        stabilisers = self.stabilisers
        refused = {
            f"objective {self.objective}": (
                self.objective != "nonsaturating",
                "its loss is the likelihood of the classes; set objective: nonsaturating",
            ),
            "stabilisers.packing": (stabilisers.packing > 1, "a pack of images has no single class; set packing: 1"),
            "stabilisers.minibatch_std": (
                stabilisers.minibatch_std > 0,
                "a class must not depend on the other images of a batch; set minibatch_std: 0",
            ),
            "stabilisers.spectral_norm": (
                stabilisers.spectral_norm,
                "its discriminator's weights are normalised in another way; set spectral_norm: false",
            ),
            "stabilisers.label_smoothing": (
                stabilisers.label_smoothing > 0,
                "its generator matches features and meets no target; set label_smoothing: 0",
            ),
            "stabilisers.lecam": (
                stabilisers.lecam > 0,
                "its generator matches features and moves no logit; set lecam: 0",
            ),
            "stabilisers.top_k": (
                stabilisers.top_k != ramp(1),
                "its generator matches the mean of a whole batch; set top_k: 1",
            ),
        }
        for name, (broken, why) in refused.items():
            if broken:
                raise ValueError(f"{name} with variant sgan: {why}, or take another variant")
        return self
