"""Settings of the semi-supervised GAN."""

from typing import Literal

from pydantic import Field, model_validator

from pipeline.gans.game.adversarial_settings import ConvolutionalSettings
from pipeline.settings import ramp


class SGANSettings(ConvolutionalSettings):
    """Semi-supervised learning (Salimans 2016); `architecture` is that of the generator."""

    variant: Literal["sgan"] = "sgan"
    labelled_per_class: int = Field(
        10, ge=1, le=1_000_000, description="images of each class whose label is used; all if there are fewer"
    )
    dropout: float = Field(0.3, ge=0, lt=1, description="dropout probability in the classifier")
    critic: bool = Field(
        False,
        description="a second discriminator, DCGAN's, judges how images look, and the generator plays against it; "
        "false: the generator only matches features of the classifier",
    )
    matching: float = Field(
        1.0, ge=0, description="weight of feature matching in the generator's loss; 0 only with a critic"
    )
    discriminator_norm: Literal["batch", "none"] = Field("none", description="normalisation of the critic")

    @model_validator(mode="after")
    def check_semi_supervised(self) -> "SGANSettings":
        """Raise ValueError for settings that do not apply to this game."""
        stabilisers = self.stabilisers
        if stabilisers.packing > 1:
            raise ValueError(
                "stabilisers.packing with variant sgan: a pack of images has no single class. Set packing: 1, or "
                "choose another variant"
            )
        if self.critic:
            return self
        rules = {
            "matching 0": (self.matching == 0, "without a critic the generator has no other loss. Set matching: 1"),
            f"objective {self.objective}": (
                self.objective != "nonsaturating",
                "its loss is the likelihood of the classes. Set objective: nonsaturating",
            ),
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
                raise ValueError(f"{name} with variant sgan: {reason}, set critic: true, or choose another variant")
        return self
