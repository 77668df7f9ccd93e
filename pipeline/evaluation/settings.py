"""Settings of the evaluate stage."""

from pydantic import Field, SerializeAsAny, model_validator

from pipeline.settings import Settings


class Gate(Settings):
    """Bounds of the tests of one task; each task has a subclass. A bound of null switches its test off."""


class EncoderSettings(Settings):
    """How images are prepared for an ONNX encoder named in `features`: resized, then (x / 255 - mean) / std."""

    side: int | None = Field(
        None, ge=8, le=2048, description="height and width it takes; null leaves images as they are"
    )
    mean: tuple[float, ...] = Field((0.5,), min_length=1, max_length=3, description="one number, or one a channel")
    std: tuple[float, ...] = Field((0.5,), min_length=1, max_length=3)

    @model_validator(mode="after")
    def positive(self) -> "EncoderSettings":
        if min(self.std) <= 0:
            raise ValueError("std must be above 0")
        return self


class EvaluateSettings(Settings):
    """How many samples, which features, and the gate."""

    samples: int = Field(5_000, ge=50, le=1_000_000)
    features: str = Field(
        "auto",
        min_length=1,
        description="auto | classifier | random | inception | path of an Inception weights file or an .onnx encoder",
    )
    encoder: EncoderSettings = EncoderSettings()
    seed: int = Field(0, ge=0)
    batch_size: int = Field(256, ge=1, le=65536)
    gate: SerializeAsAny[Gate] = Field(
        Gate(), description="bounds of the tests; which there are depends on the variant's task"
    )
