"""Settings of the task's gate."""

from pydantic import Field

from pipeline.evaluation.settings import Gate


class TranslationGate(Gate):
    """The tests of translated images, each in every direction, on held-out images; null switches one off."""

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
