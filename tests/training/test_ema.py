"""The EMA of the weights against a plain loop."""

import pytest
import torch
from torch import nn

from pipeline.gans.registry import build
from pipeline.gans.variants.dcgan.settings import DCGANSettings
from pipeline.training.ema import EMA
from tests.specs import image_spec

SETTINGS = DCGANSettings(latent=4, generator_channels=4, discriminator_channels=4)


def test_ema_equals_a_loop() -> None:
    torch.manual_seed(0)
    gan = build(SETTINGS, image_spec(8, 1))
    ema = EMA(gan)
    parameter = next(gan.get_submodule("generator").parameters())
    expected = parameter.detach().double().clone()
    for step in range(1, 60):
        with torch.no_grad():
            parameter.add_(torch.randn_like(parameter))
        ema.update(1000, images_seen=step * 64, batch_size=64)
        decay = 0.5 ** (64 / min(1000, step * 64 / 20))
        expected = decay * expected + (1 - decay) * parameter.detach().double()
    averaged = next(ema.networks["generator"].parameters())
    torch.testing.assert_close(averaged.double(), expected, rtol=1e-4, atol=1e-5)


def test_half_life_zero_copies_the_weights() -> None:
    torch.manual_seed(0)
    gan = build(SETTINGS, image_spec(8, 1))
    ema = EMA(gan)
    for p in gan.parameters():
        nn.init.constant_(p, 3.0)
    ema.update(0, 64, 64)
    assert all((p == 3.0).all() for p in ema.networks["generator"].parameters())


def test_counters_are_copied_and_batch_statistics_averaged() -> None:
    torch.manual_seed(0)
    gan = build(SETTINGS, image_spec(8, 1)).train()
    ema = EMA(gan)
    gan.sample(16, torch.Generator().manual_seed(0))
    trained, averaged = (
        dict(gan.get_submodule("generator").named_buffers()),
        dict(ema.networks["generator"].named_buffers()),
    )
    ema.update(10_000, 64, 64)
    counter = next(name for name in trained if name.endswith("num_batches_tracked"))
    mean = next(name for name in trained if name.endswith("running_var"))
    assert averaged[counter].item() == trained[counter].item() == 1
    assert not torch.equal(averaged[mean], trained[mean])


def test_apply_to_restores_the_trained_networks() -> None:
    torch.manual_seed(0)
    gan = build(SETTINGS, image_spec(8, 1)).train()
    ema = EMA(gan)
    trained = gan.get_submodule("generator")
    with ema.apply_to(gan) as averaged:
        assert averaged.get_submodule("generator") is ema.networks["generator"]
        assert not averaged.get_submodule("generator").training
    with pytest.raises(ZeroDivisionError), ema.apply_to(gan):
        1 / 0  # noqa: B018
    assert gan.get_submodule("generator") is trained
    assert trained.training
