"""Settings of the evaluate stage."""

from pydantic import Field, SerializeAsAny, model_validator

from pipeline.settings import MAX_SEED, Settings


class Gate(Settings):
    """Bounds of the tests of one task; each task has a subclass. A bound of null disables its test."""


class EncoderSettings(Settings):
    """Preprocessing for an ONNX encoder named in `features`: resize, then (x / 255 - mean) / std."""

    side: int | None = Field(
        None, ge=8, le=2048, description="input height and width of the encoder; null: images are not resized"
    )
    mean: tuple[float, ...] = Field(
        (0.5,), min_length=1, max_length=3, description="mean of the normalisation: one number, or one per channel"
    )
    std: tuple[float, ...] = Field(
        (0.5,), min_length=1, max_length=3, description="scale of the normalisation: one number, or one per channel"
    )

    @model_validator(mode="after")
    def check_std(self) -> "EncoderSettings":
        """Raise ValueError unless every scale is positive."""
        if min(self.std) <= 0:
            raise ValueError("std must be above 0")
        return self


class EvaluateSettings(Settings):
    """Sample size, features and the gate."""

    samples: int = Field(5_000, ge=50, le=1_000_000, description="samples that the measures are computed on")
    features: str = Field(
        "auto",
        min_length=1,
        description="auto | classifier | contrastive | random | inception | path of Inception weights or an encoder",
    )
    encoder: EncoderSettings = Field(
        EncoderSettings(), description="preprocessing for an .onnx encoder: resize, then (x / 255 - mean) / std"
    )
    reference: str | None = Field(
        None,
        min_length=1,
        description="file of `ganline reference` whose Fréchet distance to the samples is fd_reference; null: none",
    )
    seed: int = Field(0, ge=0, le=MAX_SEED, description="seed of the latents and of the random subsets of the measures")
    batch_size: int = Field(256, ge=1, le=65536, description="samples generated at a time")
    gate: SerializeAsAny[Gate] = Field(Gate(), description="bounds of the tests; null disables a test")
