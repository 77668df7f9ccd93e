"""Which class answers to which `model.variant`."""

from pipeline.gans.base import GAN, ImageSpec
from pipeline.gans.dcgan import DCGAN
from pipeline.gans.settings import ModelSettings

VARIANTS: dict[str, type[DCGAN]] = {"dcgan": DCGAN}


def build(settings: ModelSettings, image: ImageSpec) -> GAN:
    """A freshly initialised variant on the CPU; initial weights come from torch's global generator, which the caller seeds."""
    return VARIANTS[settings.variant](settings, image)
