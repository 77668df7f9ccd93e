"""Settings of the variant that predicts frames."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from pipeline.gans.variants.settings import VariantSettings
from pipeline.items import DataLayout
from pipeline.settings import Settings

STEP = 4
"""Height and width are multiples of it: the networks halve them twice."""


class FrameWeights(Settings):
    """Weights of the generator's loss, on values in [-1, 1]."""

    l2: float = Field(50.0, ge=0, description="weight of the mean squared error")
    l1: float = Field(5.0, ge=0, description="weight of the mean absolute error")
    adversarial: float = Field(0.5, ge=0, description="weight of the adversarial loss")


class NextFrameSettings(VariantSettings):
    """Prediction of the next frame from past ones, or of the frame between two."""

    task: ClassVar[str] = "predict"

    variant: Literal["nextframe"] = "nextframe"
    between: bool = Field(False, description="predict the frame between two instead of the next one")
    past: int = Field(4, ge=1, le=32, description="frames that the next one is predicted from; with `between` always 2")
    ahead: int = Field(
        3,
        ge=1,
        le=32,
        description="frames that are predicted in training, each from those before it, predicted ones included; with "
        "`between` always 1",
    )
    generator_channels: int = Field(
        32, ge=4, le=1024, description="generator channels at half of the resolution; twice as many at a quarter"
    )
    blocks: int = Field(2, ge=1, le=32, description="residual blocks of the generator at each of the two sizes")
    discriminator_channels: int = Field(32, ge=4, le=1024, description="discriminator channels of the first layer")
    discriminator_layers: int = Field(1, ge=1, le=6, description="discriminator layers between the first and the last")
    clips: bool = Field(
        False,
        description="the discriminator sees all predicted frames of a clip at once, instead of the first and the last "
        "one; sharper",
    )
    weights: FrameWeights = Field(FrameWeights(), description="weights of the generator's loss")
    pretraining: float = Field(
        0.65, ge=0, le=1, description="fraction of the schedule without a discriminator; 1: no adversarial training"
    )
    r1: float = Field(4.0, ge=0, description="gamma of the R1 penalty on real frames, every fourth step")

    @property
    def given(self) -> int:
        """Frames that the generator takes."""
        return 2 if self.between else self.past

    @property
    def steps(self) -> int:
        """Frames that are predicted in training."""
        return 1 if self.between else self.ahead

    @model_validator(mode="after")
    def check_loss(self) -> "NextFrameSettings":
        """Raise ValueError if nothing is learned before adversarial training."""
        if self.pretraining > 0 and self.weights.l1 == self.weights.l2 == 0:
            raise ValueError("weights l1 and l2 are 0 and pretraining is not: raise one, or set pretraining: 0")
        return self

    def check_shape(self, height: int, width: int, keys: str = "data.resolution") -> None:
        """Raise ValueError unless the networks can halve height and width twice."""
        if height % STEP or width % STEP or min(height, width) < 2 * STEP:
            raise ValueError(
                f"{keys} {height} x {width}: variant {self.variant} needs multiples of {STEP} from {2 * STEP} on"
            )

    def check_data(self, data: DataLayout) -> None:
        """Raise ValueError unless items are clips with enough frames."""
        if data.frames < 2:
            raise ValueError(f"model.variant {self.variant}: predicts frames of clips; set data.medium: video")
        needed = self.given + self.steps
        if data.frames < needed:
            why = "the two neighbours and the frame between them" if self.between else "model.past and model.ahead"
            raise ValueError(
                f"data.frames {data.frames}: variant {self.variant} needs {needed}, for {why}; set data.frames: "
                f"{needed} or more"
            )
        super().check_data(data)
