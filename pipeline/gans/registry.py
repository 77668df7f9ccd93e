"""Which class answers to which `model.variant`."""

from typing import Any

from pipeline.gans.base import GAN, ImageSpec
from pipeline.gans.cgan import CGAN
from pipeline.gans.cyclegan import CycleGAN
from pipeline.gans.dcgan import DCGAN
from pipeline.gans.denoise import Denoise
from pipeline.gans.drit import DRIT
from pipeline.gans.pix2pix import Pix2Pix
from pipeline.gans.r3gan import R3GAN
from pipeline.gans.settings import ModelSettings
from pipeline.gans.sgan import SGAN
from pipeline.gans.srgan import SRGAN
from pipeline.gans.stylegan2 import StyleGAN2
from pipeline.gans.vanilla import Vanilla

VARIANTS: dict[str, Any] = {
    "vanilla": Vanilla,
    "dcgan": DCGAN,
    "cgan": CGAN,
    "sgan": SGAN,
    "r3gan": R3GAN,
    "stylegan2": StyleGAN2,
    "srgan": SRGAN,
    "denoise": Denoise,
    "pix2pix": Pix2Pix,
    "cyclegan": CycleGAN,
    "drit": DRIT,
}


def build(settings: ModelSettings, image: ImageSpec) -> GAN:
    """A freshly initialised variant on the CPU; initial weights come from torch's global generator, which the caller seeds."""
    gan: GAN = VARIANTS[settings.variant](settings, image)
    return gan
