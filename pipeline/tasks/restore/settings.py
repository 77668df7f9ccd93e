"""Settings of the task's gate."""

from pydantic import Field

from pipeline.evaluation.settings import Gate


class RestorationGate(Gate):
    """The tests of restored images, each in every trial, on held-out images; null switches one off."""

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
