"""SRGAN: Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network" (2017).

A clean image is made small by bicubic down-sampling, and SRResNet makes it large again: first as near to its pixels as it can, which
is blurred where it cannot know, then as the discriminator believes it.
"""

from collections.abc import Mapping

from pipeline.gans.base import ImageSpec, View
from pipeline.gans.restoration import Restoration
from pipeline.gans.restoration_settings import SRGANSettings
from pipeline.gans.srresnet import Discriminator, Generator


class SRGAN(Restoration):
    """Enlarges 2, 4 or 8 times."""

    def __init__(self, settings: SRGANSettings, image: ImageSpec) -> None:
        generator = Generator(settings, image.channels, settings.scale)
        discriminator = Discriminator(settings, image.channels, image.resolution) if settings.pretraining < 1 else None
        view = View("degraded", {"scale": settings.scale})
        super().__init__(settings, view, (image.channels, image.resolution // settings.scale), generator, discriminator)
        self.scale = settings.scale

    def trials(self) -> Mapping[str, View]:
        return {f"x{self.scale}": self.view}
