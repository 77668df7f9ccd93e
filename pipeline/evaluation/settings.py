"""What can be set about the judgement of a generator."""

from typing import Annotated, Any, ClassVar

from pydantic import Discriminator, Field, Tag, model_validator

from pipeline.settings import Settings


class TaskGate(Settings):
    """The tests of one task. Which gate a mapping is cannot be told by its keys: it carries the task of the variant, which is taken out here."""

    task: ClassVar[str]

    @model_validator(mode="before")
    @classmethod
    def untagged(cls, values: Any) -> Any:
        return {key: value for key, value in values.items() if key != "task"} if isinstance(values, dict) else values


class GateSettings(TaskGate):
    """Thresholds of the verdict; null switches a test off.

    A generator fails a test when it lies beyond the threshold and, where there is a null, more than `significance` standard
    deviations from what real images show at the same size. Coverage, recall, precision and density are relative to real images.
    """

    task: ClassVar[str] = "generate"
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


class RestorationGate(TaskGate):
    """The tests of restored images, each in every trial, on held-out images; null switches one off."""

    task: ClassVar[str] = "restore"
    gain: float | None = Field(
        0.0, description="dB of PSNR (RGB) over the input, at least; of super-resolution over bicubic enlargement"
    )
    ssim_gain: float | None = Field(0.0, description="SSIM (RGB) over that of the input, at least")
    worst_gain: float | None = Field(-1.0, description="dB of the image that gains least, at least")
    texture: float | None = Field(
        1.0,
        gt=0,
        description="Fréchet distance of its texture to that of the originals over that of the inputs, at most",
    )
    sharpness: float | None = Field(
        1.2, gt=0, description="over that of the originals, at most: what lies beyond is noise"
    )
    shift: float | None = Field(2.0, gt=0, description="8-bit levels by which the mean colour may move")


class TranslationGate(TaskGate):
    """The tests of translated images, each in every direction, on held-out images; null switches one off."""

    task: ClassVar[str] = "translate"
    fid_excess: float | None = Field(
        0.8,
        description="Fréchet distance to the target side over that of the untranslated inputs, both less what real images show, at most; 0 is perfect, "
        "1 has gained nothing",
    )
    dependence: float | None = Field(
        0.25,
        ge=0,
        description="how much translations of different inputs differ over how much real images do, at least",
    )
    repeats: float | None = Field(
        0.1,
        ge=0,
        le=1,
        description="share of translations that all but repeat another, at most, over that of real images and inputs",
    )
    cycle_ratio: float | None = Field(
        0.6, gt=0, description="error after the way there and back over the difference between two inputs, at most"
    )
    psnr_gain: float | None = Field(
        0.0, description="of pairs: dB of PSNR to the partner over that of the untranslated input, at least"
    )
    diversity_ratio: float | None = Field(
        0.05,
        ge=0,
        description="of styles: how much translations of one input differ over how much real images do, at least",
    )


GATES: dict[str, type[TaskGate]] = {gate.task: gate for gate in (GateSettings, RestorationGate, TranslationGate)}


def task_of(gate: Any) -> str:
    """Which task's gate this is: what it says, else the first."""
    return str(gate.get("task", "generate") if isinstance(gate, dict) else getattr(gate, "task", "generate"))


Gate = Annotated[
    Annotated[GateSettings, Tag("generate")]
    | Annotated[RestorationGate, Tag("restore")]
    | Annotated[TranslationGate, Tag("translate")],
    Discriminator(task_of),
]


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
    gate: Gate = Field(GateSettings(), description="the tests of the variant's task")
