"""The average of weights against a plain loop over numbers."""

import pytest
import torch
from torch import nn

from pipeline.gans.registry import build
from pipeline.gans.variants.dcgan.settings import DCGANSettings
from pipeline.training.ema import Average
from tests.specs import image_spec

SETTINGS = DCGANSettings(latent=4, generator_channels=4, discriminator_channels=4)


def test_average_equals_a_loop() -> None:
    torch.manual_seed(0)
    gan = build(SETTINGS, image_spec(8, 1))
    average = Average(gan)
    parameter = next(gan.get_submodule("generator").parameters())
    expected = parameter.detach().double().clone()
    for step in range(1, 60):
        with torch.no_grad():
            parameter.add_(torch.randn_like(parameter))
        average.update(1000, images_seen=step * 64, batch_size=64)
        decay = 0.5 ** (64 / min(1000, step * 64 / 20))
        expected = decay * expected + (1 - decay) * parameter.detach().double()
    held = next(average.networks["generator"].parameters())
    torch.testing.assert_close(held.double(), expected, rtol=1e-4, atol=1e-5)


def test_zero_half_life_is_the_last_weights() -> None:
    torch.manual_seed(0)
    gan = build(SETTINGS, image_spec(8, 1))
    average = Average(gan)
    for p in gan.parameters():
        nn.init.constant_(p, 3.0)
    average.update(0, 64, 64)
    assert all((p == 3.0).all() for p in average.networks["generator"].parameters())


def test_counters_are_copied_and_statistics_averaged() -> None:
    torch.manual_seed(0)
    gan = build(SETTINGS, image_spec(8, 1)).train()
    average = Average(gan)
    gan.sample(16, torch.Generator().manual_seed(0))
    live, held = (
        dict(gan.get_submodule("generator").named_buffers()),
        dict(average.networks["generator"].named_buffers()),
    )
    average.update(10_000, 64, 64)
    counter = next(name for name in live if name.endswith("num_batches_tracked"))
    mean = next(name for name in live if name.endswith("running_var"))
    assert held[counter].item() == live[counter].item() == 1
    assert not torch.equal(held[mean], live[mean])


def test_applied_gives_the_live_networks_back() -> None:
    torch.manual_seed(0)
    gan = build(SETTINGS, image_spec(8, 1)).train()
    average = Average(gan)
    live = gan.get_submodule("generator")
    with average.applied(gan) as applied:
        assert applied.get_submodule("generator") is average.networks["generator"]
        assert not applied.get_submodule("generator").training
    with pytest.raises(ZeroDivisionError), average.applied(gan):
        1 / 0  # noqa: B018
    assert gan.get_submodule("generator") is live
    assert live.training
