"""Settings of the train stage."""

import math
from functools import partial
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from pipeline.settings import MAX_SEED, Ramp, Settings, bounded, ramp

Rate = Annotated[Ramp, AfterValidator(partial(bounded, least=1e-9, most=1.0))]
Decay = Annotated[Ramp, AfterValidator(partial(bounded, least=0.0, most=0.999999))]
Images = Annotated[Ramp, AfterValidator(partial(bounded, least=0.0, most=math.inf))]


def check_micro_batch(value: object) -> object:
    """Return `value` if it is a valid `micro_batch`. Raise ValueError otherwise."""
    if value is None or value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and value >= 2):
        return value
    raise ValueError("must be auto, null, or a number of images from 2")


MicroBatch = Annotated[int | Literal["auto"] | None, BeforeValidator(check_micro_batch)]


def check_interval(value: object, *, optional: bool = False) -> object:
    """Return `value` if it is a valid interval. Raise ValueError otherwise."""
    if value == "auto" or (optional and value is None):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise ValueError(f"must be auto, {'null, ' if optional else ''}or a number of images from 1")


Interval = Annotated[int | Literal["auto"], BeforeValidator(check_interval)]
OptionalInterval = Annotated[int | Literal["auto"] | None, BeforeValidator(partial(check_interval, optional=True))]


def is_due(interval: int, before: int, now: int) -> bool:
    """Return whether a multiple of `interval` lies in (before, now]."""
    return now // interval > before // interval


class Intervals(NamedTuple):
    """Intervals of a training in images; `health` is None without health checks."""

    health: int | None
    snapshots: int
    checkpoints: int
    log: int


class LearningRates(Settings):
    """Adam's learning rates; two different ones are TTUR (Heusel 2017). A variant's other networks scale one."""

    generator: Rate = Field(ramp(2e-4), description="of the generator")
    discriminator: Rate = Field(ramp(2e-4), description="of the discriminator")


class HealthLimits(Settings):
    """Thresholds of the symptoms; pipeline/training/health.py defines the numbers."""

    distance: float = Field(
        0.1,
        ge=0,
        le=1,
        description="complete collapse: mean distance between samples over that between real images, at least",
    )
    near_duplicates: float = Field(
        0.3, ge=0, le=1, description="partial collapse: fraction of near-duplicate samples, at most"
    )
    diversity: float = Field(
        0.5, ge=0, le=1, description="partial collapse: Vendi score of the samples over that of real images, at least"
    )
    diversity_drop: float = Field(
        0.75, ge=0, le=1, description="partial collapse: diversity over the highest diversity so far, at least"
    )
    classes: float = Field(0.8, ge=0, le=1, description="partial collapse: fraction of the classes covered, at least")
    divergence: float = Field(
        3.0, ge=1, description="divergence: Fréchet distance over the lowest Fréchet distance so far, at most"
    )
    oscillation: float = Field(
        0.35, gt=0, description="oscillation: swing of the Fréchet distance over its mean, at most; reported only"
    )
    saturation: float = Field(
        0.99, gt=0.5, le=1, description="vanishing gradients: pairwise accuracy of the discriminator, at most, and ..."
    )
    gradient: float = Field(
        0.1, ge=0, le=1, description="... the generator's gradient norm over its median so far, at least"
    )
    overfitting: float = Field(
        0.8, ge=0, description="discriminator overfitting: r_v of Karras 2020 (train logits against held-out), at most"
    )


class HealthSettings(Settings):
    """When the health of the training is measured, and the response to a symptom."""

    images: OptionalInterval = Field(
        "auto",
        description="interval of the health checks in images; auto: a twentieth of the training, at most 20,000; "
        "null disables them and model selection",
    )
    samples: int = Field(1024, ge=64, le=10_000, description="samples generated for a health check")
    patience: int = Field(
        3, ge=1, le=100, description="consecutive health checks that must show a symptom before the response"
    )
    grace: float = Field(
        0.25, ge=0, le=1, description="fraction of total_images without a response if no check was healthy yet"
    )
    response: Literal["warn", "stop", "rollback"] = Field(
        "rollback", description="response to a symptom; the best healthy checkpoint is selected in any case"
    )
    rollbacks: int = Field(
        2, ge=0, le=20, description="rollbacks to the last healthy checkpoint, at most; then training stops"
    )
    learning_rate_factor: float = Field(
        0.5, gt=0, le=1, description="factor applied to both learning rates on each rollback"
    )
    early_stopping_images: int | None = Field(
        None,
        ge=1,
        description="early stopping: images without a lower Fréchet distance after which training ends; null disables",
    )
    limits: HealthLimits = Field(HealthLimits(), description="thresholds of the symptoms")


def disable_if_null(value: object) -> object:
    """Return the settings without health checks for None, and any other value as it is."""
    return HealthSettings(images=None) if value is None else value


class TrainSettings(Settings):
    """Training loop. Lengths are in images (steps x batch_size), so they do not depend on the batch size."""

    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", description="auto: cuda, else mps (Apple GPUs), else cpu"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="mixed precision; auto: bfloat16 autocast on CUDA if supported, float32 on the CPU"
    )
    deterministic: bool = Field(
        False,
        description="only algorithms that give the same bits in every run on the same GPU; slower. A CPU needs no such "
        "choice",
    )
    graphs: Literal["auto", "on", "off"] = Field(
        "auto",
        description="CUDA graphs: replay the operations of a phase with one launch. auto: phases that can be captured; "
        "on: fail if there are none. Changes no result",
    )
    seed: int = Field(0, ge=0, le=MAX_SEED, description="seed of weights, noise and batch order")
    start_from: str | None = Field(
        None,
        min_length=1,
        description="warm start from a finished model of the same variant and shape: models:/NAME@champion, "
        "models:/NAME/VERSION, runs:/ID, or a folder with its files; null: new weights",
    )
    freeze_discriminator: int = Field(
        0,
        ge=0,
        le=100,
        description="FreezeD, for warm starts on little data: layers of the discriminator, from the image side, that "
        "stay as they are in the parent",
    )
    batch_size: int = Field(64, ge=2, le=65536, description="images per step")
    micro_batch: MicroBatch = Field(
        "auto",
        description="gradient accumulation: images per forward pass, a divisor of batch_size; "
        "auto: halved on CUDA out of memory; null: disabled. Batch statistics are taken per micro-batch",
    )
    total_images: int = Field(1_000_000, ge=1, description="length of the training in images")
    schedule_images: int | None = Field(
        None, ge=1, description="length of all {start, end} schedules in images; null: total_images"
    )
    learning_rate: LearningRates = Field(
        LearningRates(), description="Adam; a number, or {start, end} with cosine decay"
    )
    beta1: float = Field(0.5, ge=0, lt=1, description="Adam: decay rate of the first moment")
    beta2: Decay = Field(ramp(0.999), description="Adam: decay rate of the second moment")
    ema_half_life: Images = Field(
        ramp(10_000), description="half-life of the EMA of the weights in images; 0 disables the EMA"
    )
    flips: bool = Field(False, description="random horizontal flips; not for text, digits or logos")
    snapshot_images: Interval = Field(
        "auto",
        description="interval of the sample grids in images; auto: an eighth of the training, at most 100,000",
    )
    checkpoint_images: Interval = Field(
        "auto", description="interval of the checkpoints in images; auto: an eighth of the training, at most 100,000"
    )
    log_images: Interval = Field(
        "auto",
        description="interval of the rows of reports/training.csv in images; auto: an 80th of the training, at most "
        "5,000",
    )
    health: Annotated[HealthSettings, BeforeValidator(disable_if_null)] = Field(
        HealthSettings(), description="health checks, model selection and rollbacks; null disables them"
    )

    @model_validator(mode="after")
    def check_divisible(self) -> "TrainSettings":
        """Raise ValueError if `micro_batch` does not divide `batch_size`."""
        if isinstance(self.micro_batch, int) and self.batch_size % self.micro_batch:
            raise ValueError(f"micro_batch {self.micro_batch} does not divide batch_size {self.batch_size}")
        return self

    @model_validator(mode="after")
    def check_parent(self) -> "TrainSettings":
        """Raise ValueError if new weights would be frozen."""
        if self.freeze_discriminator and self.start_from is None:
            raise ValueError(
                f"freeze_discriminator {self.freeze_discriminator} would freeze new weights; set start_from to a "
                "parent, or freeze_discriminator to 0"
            )
        return self

    @property
    def intervals(self) -> Intervals:
        """The intervals; those that are auto follow `schedule_images`, by default `total_images`."""
        length = self.schedule_images or self.total_images

        def choose(setting: int | Literal["auto"], parts: int, most: int) -> int:
            return max(1, min(length // parts, most)) if setting == "auto" else setting

        return Intervals(
            health=None if self.health.images is None else choose(self.health.images, 20, 20_000),
            snapshots=choose(self.snapshot_images, 8, 100_000),
            checkpoints=choose(self.checkpoint_images, 8, 100_000),
            log=choose(self.log_images, 80, 5_000),
        )
