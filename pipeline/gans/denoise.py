"""Blind denoising by the family of SRGAN at scale 1: one network for every strength, which it has to see for itself.

What is learnt is added to the input, so the network learns the noise alone (residual learning: Zhang et al., "Beyond a Gaussian
Denoiser", 2017). With `pretraining: 1` it is the nearest image in the mean; with less, textures come back that the mean wipes out.
"""

from collections.abc import Mapping

from pipeline.gans.base import ImageSpec, View
from pipeline.gans.restoration import Restoration
from pipeline.gans.restoration_settings import DenoiseSettings
from pipeline.gans.srresnet import Discriminator, Generator


class Denoise(Restoration):
    """Takes off Gaussian, Poisson or JPEG noise."""

    def __init__(self, settings: DenoiseSettings, image: ImageSpec) -> None:
        generator = Generator(settings, image.channels, scale=1)
        discriminator = Discriminator(settings, image.channels, image.resolution) if settings.pretraining < 1 else None
        noise = {kind: tuple(limits) for kind, limits in settings.noise.model_dump().items() if limits is not None}
        super().__init__(
            settings, View("degraded", noise), (image.channels, image.resolution), generator, discriminator
        )

    def trials(self) -> Mapping[str, View]:
        """Each kind of noise at the middle of its range, and at its strongest."""
        found = {}
        for kind, (low, high) in self.view.options.items():
            worst = high if kind == "gaussian" else low
            for strength in dict.fromkeys(((low + high) / 2, worst)):
                found[f"{kind} {strength:g}"] = View("degraded", {kind: (strength, strength)})
        return found
