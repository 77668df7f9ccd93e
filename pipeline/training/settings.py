"""What can be set about training."""

import math
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from pipeline.settings import Ramp, Settings, bounded, ramp

Rate = Annotated[Ramp, AfterValidator(lambda value: bounded(value, 1e-9, 1.0))]
Decay = Annotated[Ramp, AfterValidator(lambda value: bounded(value, 0.0, 0.999999))]
Images = Annotated[Ramp, AfterValidator(lambda value: bounded(value, 0.0, math.inf))]


def check_micro_batch(value: object) -> object:
    if value is None or value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and value >= 2):
        return value
    raise ValueError("must be auto, null, or a number of images from 2")


MicroBatch = Annotated[int | Literal["auto"] | None, BeforeValidator(check_micro_batch)]


class LearningRates(Settings):
    """Adam's rates; two different ones are TTUR (Heusel 2017). A variant's further networks scale one of the two."""

    generator: Rate = ramp(2e-4)
    discriminator: Rate = ramp(2e-4)


class HealthLimits(Settings):
    """What counts as a sign of trouble in one look; pipeline/training/health.py defines the numbers."""

    distance: float = Field(
        0.1,
        ge=0,
        le=1,
        description="samples less far apart than this part of real images' distance: complete mode collapse",
    )
    near_duplicates: float = Field(0.3, ge=0, le=1, description="larger shares of near-duplicates: mode collapse")
    diversity: float = Field(
        0.5, ge=0, le=1, description="a smaller part of the effective number of different real images: mode collapse"
    )
    fall: float = Field(0.75, ge=0, le=1, description="a smaller part of the highest diversity reached: mode collapse")
    classes: float = Field(0.8, ge=0, le=1, description="smaller shares of the classes: mode collapse")
    divergence: float = Field(3.0, ge=1, description="larger multiples of the least Fréchet distance: divergence")
    oscillation: float = Field(
        0.35, gt=0, description="larger swings of the Fréchet distance, as parts of its mean: oscillation (only told)"
    )
    saturation: float = Field(0.99, gt=0.5, le=1, description="pairs the discriminator orders rightly; from it on ...")
    gradient: float = Field(
        0.1,
        ge=0,
        le=1,
        description="... and the generator's gradient below this part of its median: vanishing gradients",
    )
    overfitting: float = Field(0.8, ge=0, description="larger r_v: overfitting discriminator")


class HealthSettings(Settings):
    """When training is looked at, and what is done about a symptom."""

    images: int | None = Field(
        20_000, ge=1, description="a look every so many images; null: none, and the last weights are delivered"
    )
    samples: int = Field(1024, ge=64, le=10_000, description="images in a look")
    patience: int = Field(
        3, ge=1, le=100, description="looks in a row that must show a sign; before as many have passed nothing is done"
    )
    grace: float = Field(
        0.25,
        ge=0,
        le=1,
        description="share of total_images in which a training that was never healthy yet is left alone",
    )
    response: Literal["warn", "stop", "rollback"] = Field(
        "rollback", description="to a symptom; the best healthy model is delivered in any case"
    )
    rollbacks: int = Field(
        2, ge=0, le=20, description="to the last healthy weights, each time with calmer settings; then training stops"
    )
    calmer: float = Field(0.5, gt=0, le=1, description="factor of the learning rates after a rollback")
    stop_after: int | None = Field(
        None, ge=1, description="end when the Fréchet distance has not improved for so many images; null: never"
    )
    limits: HealthLimits = HealthLimits()


class TrainSettings(Settings):
    """The loop's knobs. Lengths are counted in images (steps times batch size), so they survive a change of batch size."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="auto: bfloat16 autocast on CUDA where supported, float32 on the CPU"
    )
    seed: int = Field(0, ge=0)
    batch_size: int = Field(64, ge=2, le=65536)
    micro_batch: MicroBatch = Field(
        "auto",
        description="images that are in memory at a time, a divisor of batch_size; auto: all, and half as many when the GPU has no room; null: all. "
        "The gradient is that of the batch, but batch statistics (batch norm, minibatch_std), top_k and running means are taken in each part",
    )
    total_images: int = Field(1_000_000, ge=1)
    schedule_images: int | None = Field(
        None,
        ge=1,
        description="over how many images every {start, end} runs, model's too; null: total_images, and extending that stretches them",
    )
    learning_rate: LearningRates = LearningRates()
    beta1: float = Field(0.5, ge=0, lt=1)
    beta2: Decay = ramp(0.999)
    ema_half_life: Images = Field(
        ramp(10_000),
        description="images after which an old weight counts half in the average; 0 delivers the last weights",
    )
    flips: bool = Field(False, description="mirror images left to right at random; not for text, digits or logos")
    snapshot_images: int = Field(100_000, ge=1, description="a grid of samples every so many images")
    checkpoint_images: int = Field(100_000, ge=1, description="a checkpoint every so many images")
    log_images: int = Field(5_000, ge=1, description="a row of reports/training.csv every so many images")

    @model_validator(mode="after")
    def equal_parts(self) -> "TrainSettings":
        if isinstance(self.micro_batch, int) and self.batch_size % self.micro_batch:
            raise ValueError(f"micro_batch {self.micro_batch} does not divide batch_size {self.batch_size}")
        return self

    health: HealthSettings = HealthSettings()
