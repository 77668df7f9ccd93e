"""SRGAN: view and shapes for each scale."""

import pytest
import torch

from pipeline.gans.variants.srgan.settings import SRGANSettings
from pipeline.gans.variants.srgan.srgan import SRGAN
from pipeline.media.image.degradations import Degradation
from tests.specs import image_spec


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_output_has_the_size_of_the_target(scale: int) -> None:
    settings = SRGANSettings.model_validate(
        {"scale": scale, "generator_channels": 4, "blocks": 1, "kernel": 3, "discriminator_channels": 4}
    )
    gan = SRGAN(settings, image_spec(64, 3))
    assert (gan.task, gan.scale, gan.shape) == ("restore", scale, (3, 64 // scale))
    assert list(gan.evaluation_views()) == [f"x{scale}"]
    clean = torch.rand(2, 3, 64, 64) * 2 - 1
    low = Degradation(**gan.view.options)(clean, torch.Generator())
    assert low.shape == (2, *gan.shape, 64 // scale)
    assert gan.sample(2, torch.Generator(), item=low).shape == clean.shape
    assert gan.discriminator(clean).shape == (2,)
