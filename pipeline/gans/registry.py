"""The registry of variants, one line each. The networks of a variant are imported only when it is built."""

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, SerializeAsAny

from pipeline.gans.variants.accompaniment.settings import AccompanimentSettings
from pipeline.gans.variants.cgan.settings import CGANSettings
from pipeline.gans.variants.cyclegan.settings import CycleGANSettings
from pipeline.gans.variants.dcgan.settings import DCGANSettings
from pipeline.gans.variants.denoise.settings import DenoiseSettings
from pipeline.gans.variants.dfgan.settings import DFGANSettings
from pipeline.gans.variants.drit.settings import DRITSettings
from pipeline.gans.variants.hifigan.settings import HiFiGANSettings
from pipeline.gans.variants.mdgan.settings import MDGANSettings
from pipeline.gans.variants.mocogan.settings import MoCoGANSettings
from pipeline.gans.variants.musegan.settings import MuseGANSettings
from pipeline.gans.variants.nextframe.settings import NextFrameSettings
from pipeline.gans.variants.pix2pix.settings import Pix2PixSettings
from pipeline.gans.variants.r3gan.settings import R3GANSettings
from pipeline.gans.variants.segan.settings import SEGANSettings
from pipeline.gans.variants.settings import VariantSettings
from pipeline.gans.variants.sgan.settings import SGANSettings
from pipeline.gans.variants.srgan.settings import SRGANSettings
from pipeline.gans.variants.stargan.settings import StarGANSettings
from pipeline.gans.variants.stylegan2.settings import StyleGAN2Settings
from pipeline.gans.variants.vanilla.settings import VanillaSettings
from pipeline.gans.variants.voxgan.settings import VoxGANSettings
from pipeline.gans.variants.wavegan.settings import WaveGANSettings
from pipeline.items import ItemSpec

if TYPE_CHECKING:
    from pipeline.gans.base import GAN


@dataclass(frozen=True)
class Variant:
    """An entry of the registry.

    Attributes:
        settings: Class of the settings.
        network: Location of the networks, "module:class".
    """

    settings: type[VariantSettings]
    network: str


VARIANTS: dict[str, Variant] = {
    "vanilla": Variant(VanillaSettings, "pipeline.gans.variants.vanilla.vanilla:Vanilla"),
    "dcgan": Variant(DCGANSettings, "pipeline.gans.variants.dcgan.dcgan:DCGAN"),
    "cgan": Variant(CGANSettings, "pipeline.gans.variants.cgan.cgan:CGAN"),
    "sgan": Variant(SGANSettings, "pipeline.gans.variants.sgan.sgan:SGAN"),
    "r3gan": Variant(R3GANSettings, "pipeline.gans.variants.r3gan.r3gan:R3GAN"),
    "stylegan2": Variant(StyleGAN2Settings, "pipeline.gans.variants.stylegan2.stylegan2:StyleGAN2"),
    "mdgan": Variant(MDGANSettings, "pipeline.gans.variants.mdgan.mdgan:MDGAN"),
    "dfgan": Variant(DFGANSettings, "pipeline.gans.variants.dfgan.dfgan:DFGAN"),
    "srgan": Variant(SRGANSettings, "pipeline.gans.variants.srgan.srgan:SRGAN"),
    "denoise": Variant(DenoiseSettings, "pipeline.gans.variants.denoise.denoise:Denoise"),
    "musegan": Variant(MuseGANSettings, "pipeline.gans.variants.musegan.musegan:MuseGAN"),
    "accompaniment": Variant(AccompanimentSettings, "pipeline.gans.variants.accompaniment.accompaniment:Accompaniment"),
    "wavegan": Variant(WaveGANSettings, "pipeline.gans.variants.wavegan.wavegan:WaveGAN"),
    "voxgan": Variant(VoxGANSettings, "pipeline.gans.variants.voxgan.voxgan:VoxGAN"),
    "mocogan": Variant(MoCoGANSettings, "pipeline.gans.variants.mocogan.mocogan:MoCoGAN"),
    "segan": Variant(SEGANSettings, "pipeline.gans.variants.segan.segan:SEGAN"),
    "hifigan": Variant(HiFiGANSettings, "pipeline.gans.variants.hifigan.hifigan:HiFiGAN"),
    "nextframe": Variant(NextFrameSettings, "pipeline.gans.variants.nextframe.nextframe:NextFrame"),
    "pix2pix": Variant(Pix2PixSettings, "pipeline.gans.variants.pix2pix.pix2pix:Pix2Pix"),
    "cyclegan": Variant(CycleGANSettings, "pipeline.gans.variants.cyclegan.cyclegan:CycleGAN"),
    "drit": Variant(DRITSettings, "pipeline.gans.variants.drit.drit:DRIT"),
    "stargan": Variant(StarGANSettings, "pipeline.gans.variants.stargan.stargan:StarGAN"),
}


def parse_settings(values: Any) -> VariantSettings:
    """Validate the settings of the variant that `values["variant"]` names.

    Raises:
        ValueError: There is no such variant, or its settings are not valid (pydantic's ValidationError).
    """
    if isinstance(values, VariantSettings):
        return values
    name = values.get("variant") if isinstance(values, dict) else None
    if name not in VARIANTS:
        raise ValueError(f"unknown variant {name!r}; known variants: {', '.join(VARIANTS)}")
    return VARIANTS[name].settings.model_validate(values)


ModelSettings = Annotated[SerializeAsAny[VariantSettings], BeforeValidator(parse_settings)]
"""A field with the settings of any registered variant."""


def network_class(name: str) -> type["GAN"]:
    """Import the networks of a variant."""
    module, _, attribute = VARIANTS[name].network.partition(":")
    network: type[GAN] = getattr(importlib.import_module(module), attribute)
    return network


def build(settings: VariantSettings, item: ItemSpec) -> "GAN":
    """Build a freshly initialised variant on the CPU.

    Initial weights come from torch's global generator; the caller seeds it.
    """
    network: Any = network_class(settings.variant)
    gan: GAN = network(settings, item)
    return gan
