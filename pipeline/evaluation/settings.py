"""What can be set about the judgement of a generator."""

from pydantic import Field

from pipeline.settings import Settings


class GateSettings(Settings):
    """Thresholds of the verdict; null switches a test off."""

    fid_ratio: float | None = Field(3.0, gt=0, description="FID over the FID between two sets of held-out real images, all of one size, at most")
    fid: float | None = Field(None, gt=0, description="absolute FID of all samples to the test split, at most")
    duplicate_rate: float | None = Field(0.005, ge=0, le=1, description="share of generated images that repeat another exactly, at most")
    modes_covered: float | None = Field(1.0, ge=0, le=1, description="share of the classes that must appear, with a quarter of their share at least")
    mode_kl: float | None = Field(0.05, ge=0, description="KL of the generated class histogram from the real one (nats), at most, over what chance alone gives")


class EvaluateSettings(Settings):
    """How many samples, which features, and the gate."""

    samples: int = Field(5_000, ge=50, le=1_000_000)
    features: str = Field("auto", min_length=1, description="auto | classifier | random | inception | path of an Inception weights file")
    seed: int = Field(0, ge=0)
    batch_size: int = Field(256, ge=1, le=65536)
    gate: GateSettings = GateSettings()
