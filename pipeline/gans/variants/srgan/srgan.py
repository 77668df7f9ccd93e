"""SRGAN: Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network" (2017).

A clean image is made small by bicubic down-sampling, and SRResNet makes it large again: first as near to its pixels as it can, which
is blurred where it cannot know, then as the discriminator believes it.
"""

from collections.abc import Mapping

from pipeline.gans.base import View
from pipeline.gans.game.image_restoration import Restoration
from pipeline.gans.networks.srresnet import Discriminator, Generator
from pipeline.gans.variants.srgan.settings import SRGANSettings
from pipeline.items import ItemSpec


class SRGAN(Restoration):
    """Enlarges 2, 4 or 8 times."""

    def __init__(self, settings: SRGANSettings, item: ItemSpec) -> None:
        generator = Generator(settings, item.network_channels, settings.scale)
        discriminator = (
            Discriminator(settings, item.network_channels, item.height) if settings.pretraining < 1 else None
        )
        view = View("degraded", {"scale": settings.scale})
        super().__init__(
            settings, view, (item.network_channels, item.height // settings.scale), generator, discriminator
        )
        self.scale = settings.scale

    def evaluation_views(self) -> Mapping[str, View]:
        return {f"x{self.scale}": self.view}
