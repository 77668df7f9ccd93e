"""Blind denoising: SRGAN's networks at scale 1, for noise of unknown strength.

The output is added to the input, so the network predicts the noise alone (residual learning: Zhang et al., "Beyond a
Gaussian Denoiser", 2017). With `pretraining: 1` it minimises the pixel error, which averages over plausible textures;
adversarial training brings texture back.
"""

from collections.abc import Mapping

from pipeline.gans.base import View
from pipeline.gans.game.image_restoration import Restoration
from pipeline.gans.networks.srresnet import Discriminator, Generator
from pipeline.gans.variants.denoise.settings import DenoiseSettings
from pipeline.items import ItemSpec


class Denoise(Restoration):
    """Removes Gaussian noise, Poisson noise or JPEG artefacts."""

    def __init__(self, settings: DenoiseSettings, item: ItemSpec) -> None:
        channels = item.network_channels
        generator = Generator(settings, channels, scale=1)
        discriminator = Discriminator(settings, channels, item.height) if settings.pretraining < 1 else None
        noise = {kind: tuple(limits) for kind, limits in settings.noise.model_dump().items() if limits is not None}
        super().__init__(settings, View("degraded", noise), (channels, item.height), generator, discriminator)

    def evaluation_views(self) -> Mapping[str, View]:
        """Return each kind of noise at the middle of its range and at its worst, as in "gaussian 25"."""
        views = {}
        for kind, (low, high) in self.view.options.items():
            worst = high if kind == "gaussian" else low  # of photons and JPEG quality, less is worse
            for strength in dict.fromkeys(((low + high) / 2, worst)):
                views[f"{kind} {strength:g}"] = View("degraded", {kind: (strength, strength)})
        return views
