"""Blind denoising by the family of SRGAN at scale 1: one network for every strength, which it has to see for itself.

What is learnt is added to the input, so the network learns the noise alone (residual learning: Zhang et al., "Beyond a Gaussian
Denoiser", 2017). With `pretraining: 1` it is the nearest image in the mean; with less, textures come back that the mean wipes out.
"""

from collections.abc import Mapping

from pipeline.gans.base import View
from pipeline.gans.game.image_restoration import Restoration
from pipeline.gans.networks.srresnet import Discriminator, Generator
from pipeline.gans.variants.denoise.settings import DenoiseSettings
from pipeline.items import ItemSpec


class Denoise(Restoration):
    """Takes off Gaussian, Poisson or JPEG noise."""

    def __init__(self, settings: DenoiseSettings, item: ItemSpec) -> None:
        generator = Generator(settings, item.network_channels, scale=1)
        discriminator = (
            Discriminator(settings, item.network_channels, item.height) if settings.pretraining < 1 else None
        )
        noise = {kind: tuple(limits) for kind, limits in settings.noise.model_dump().items() if limits is not None}
        super().__init__(
            settings, View("degraded", noise), (item.network_channels, item.height), generator, discriminator
        )

    def evaluation_views(self) -> Mapping[str, View]:
        """Each kind of noise at the middle of its range, and at its strongest."""
        found = {}
        for kind, (low, high) in self.view.options.items():
            worst = high if kind == "gaussian" else low
            for strength in dict.fromkeys(((low + high) / 2, worst)):
                found[f"{kind} {strength:g}"] = View("degraded", {kind: (strength, strength)})
        return found
