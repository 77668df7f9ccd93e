"""Settings of the task's gate."""

from pydantic import Field, model_validator

from pipeline.evaluation.settings import Gate


class GateSettings(Gate):
    """Thresholds of the verdict; null switches a test off.

    A generator fails a test when it lies beyond the threshold and, where there is a null, more than `significance` standard
    deviations from what real images show at the same size. Coverage, recall, precision and density are relative to real images.
    """

    fid_ratio: float | None = Field(
        3.0, gt=0, description="FID over the FID between two sets of held-out real images, all of one size, at most"
    )
    fid: float | None = Field(None, gt=0, description="absolute FID of all samples to the test split, at most")
    duplicate_rate: float | None = Field(
        0.005, ge=0, le=1, description="share of generated images that repeat another exactly, at most"
    )
    near_duplicates: float | None = Field(
        0.05,
        ge=0,
        le=1,
        description="share nearer to another sample than 99 % of real images are to each other, at most",
    )
    modes_covered: float | None = Field(
        1.0, ge=0, le=1, description="share of the classes that must appear, with a quarter of their share at least"
    )
    smallest_class_share: float | None = Field(
        0.6, ge=0, le=1, description="least share of a class over the share it should have"
    )
    mode_kl: float | None = Field(
        0.05,
        ge=0,
        description="KL of the generated class histogram from the real one (nats), at most, over what chance alone gives",
    )
    precision: float | None = Field(
        0.8, ge=0, description="share of samples that look real, over that of real images, at least"
    )
    recall: float | None = Field(
        0.5, ge=0, description="share of real images that samples surround, over that of real images, at least"
    )
    coverage: float | None = Field(
        0.8, ge=0, description="share of real images with a sample nearby, over that of real images, at least"
    )
    density: tuple[float, float] | None = Field(
        (0.6, 1.3), description="how crowded samples lie where real images do, over that of real images"
    )
    vendi_ratio: float | None = Field(
        0.9, ge=0, description="effective number of different samples over that of real images, at least"
    )
    jsd: float | None = Field(
        0.05,
        ge=0,
        description="Jensen-Shannon divergence of the shares in bins of feature space (nats), at most, over chance",
    )
    appearance: float | None = Field(
        0.25,
        gt=0,
        lt=1,
        description="brightness, contrast, sharpness and colour may differ from real ones by this part",
    )
    checkerboard: float | None = Field(
        1.5, gt=1, description="strength of a two-pixel pattern over that of real images, at most"
    )
    copies: float | None = Field(
        0.03, ge=0, le=1, description="share nearer to a training image than 99 % of held-out images are, at most"
    )
    copying: float | None = Field(-5.0, lt=0, description="C_T (Meehan 2020), at least")
    authenticity: float | None = Field(
        0.05, ge=0, le=1, description="how far AuthPct (Alaa 2022) may lie under that of held-out images"
    )
    significance: float = Field(5.0, ge=1, description="standard deviations of the null that a failure must exceed")

    @model_validator(mode="after")
    def ordered(self) -> "GateSettings":
        if self.density is not None and not 0 <= self.density[0] < self.density[1]:
            raise ValueError(f"density {list(self.density)}: must be [least, most]")
        return self
