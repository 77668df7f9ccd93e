"""Denoising: training view, evaluation views, and that it removes noise."""

import torch

from pipeline.gans.base import Progress
from pipeline.gans.variants.denoise.denoise import Denoise
from pipeline.gans.variants.denoise.settings import DenoiseSettings
from pipeline.media.image.degradations import Degradation
from tests.specs import image_spec


def small(**settings: object) -> Denoise:
    torch.manual_seed(0)
    values = {"generator_channels": 8, "blocks": 1, "kernel": 3, "discriminator_channels": 4} | settings
    return Denoise(DenoiseSettings.model_validate(values), image_spec(16, 1))


def test_evaluation_views_are_the_middle_and_the_worst_of_each_range() -> None:
    gan = small(noise={"gaussian": [0, 50], "jpeg": [20, 80], "poisson": [30, 30]})
    assert list(gan.evaluation_views()) == ["gaussian 25", "gaussian 50", "poisson 30", "jpeg 50", "jpeg 20"]
    assert gan.evaluation_views()["jpeg 20"].options == {"jpeg": (20.0, 20.0)}
    assert gan.view.options == {"gaussian": (0.0, 50.0), "poisson": (30.0, 30.0), "jpeg": (20.0, 80.0)}


def test_it_removes_noise() -> None:
    """A short training on constant images, where noise is the only signal."""
    gan = small(pretraining=1, noise={"gaussian": [40, 40]})
    degradation, rng = Degradation(**gan.view.options), torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(gan.parameters(), 5e-3)

    def batch() -> dict[str, torch.Tensor]:
        clean = (torch.rand(16, 1, 1, 1, generator=rng) * 1.6 - 0.8).expand(-1, 1, 16, 16).contiguous()
        return {"input": degradation(clean, rng), "target": clean}

    for step in range(60):
        optimizer.zero_grad()
        gan.generator_loss(batch(), Progress(step, 0.0), rng).total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    test = batch()
    restored = gan.sample(16, rng, item=test["input"])
    before, after = (float((x - test["target"]).square().mean()) for x in (test["input"], restored))
    assert after < before / 4, "6 dB"
