"""What can be set about training."""

from typing import Literal

from pydantic import Field

from pipeline.settings import Settings


class LearningRates(Settings):
    """Adam's rates; a variant's further networks scale one of the two."""

    generator: float = Field(2e-4, gt=0, lt=1)
    discriminator: float = Field(2e-4, gt=0, lt=1)


class TrainSettings(Settings):
    """The loop's knobs. Lengths are counted in images shown to the discriminator, so they survive a change of batch size."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = Field("auto", description="auto: bfloat16 autocast on CUDA where supported, float32 on the CPU")
    seed: int = Field(0, ge=0)
    batch_size: int = Field(64, ge=2, le=65536)
    total_images: int = Field(1_000_000, ge=1)
    learning_rate: LearningRates = LearningRates()
    beta1: float = Field(0.5, ge=0, lt=1)
    beta2: float = Field(0.999, ge=0, lt=1)
    schedule: Literal["constant", "cosine"] = Field("constant", description="cosine falls to a tenth of the rate over total_images")
    ema_half_life: int = Field(10_000, ge=0, description="images after which an old weight counts half in the average; 0 delivers the last weights")
    flips: bool = Field(False, description="mirror images left to right at random; not for text, digits or logos")
    snapshot_images: int = Field(100_000, ge=1, description="a grid of samples every so many images")
    checkpoint_images: int = Field(100_000, ge=1, description="a checkpoint every so many images")
    log_images: int = Field(5_000, ge=1, description="a row of reports/training.csv every so many images")
