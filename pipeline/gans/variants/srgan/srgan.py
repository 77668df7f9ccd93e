"""SRGAN: Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network" (2017).

Inputs are bicubically downsampled images. SRResNet upsamples them. Pretraining minimises the pixel error, which blurs
what the input does not determine. Adversarial training with a perceptual loss then restores plausible texture.
"""

from collections.abc import Mapping

from pipeline.gans.base import View
from pipeline.gans.game.image_restoration import Restoration
from pipeline.gans.networks.srresnet import Discriminator, Generator
from pipeline.gans.variants.srgan.settings import SRGANSettings
from pipeline.items import ItemSpec


class SRGAN(Restoration):
    """Upsamples by a factor of 2, 4 or 8."""

    def __init__(self, settings: SRGANSettings, item: ItemSpec) -> None:
        channels = item.network_channels
        generator = Generator(settings, channels, settings.scale)
        discriminator = Discriminator(settings, channels, item.height) if settings.pretraining < 1 else None
        view = View("degraded", {"scale": settings.scale})
        super().__init__(settings, view, (channels, item.height // settings.scale), generator, discriminator)
        self.scale = settings.scale

    def evaluation_views(self) -> Mapping[str, View]:
        """Return the training view under the name of its scale, such as "x4"."""
        return {f"x{self.scale}": self.view}
