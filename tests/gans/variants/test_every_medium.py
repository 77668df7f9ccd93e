"""Variants that draw from z train on spectrograms, and on folded clips and volumes, by `data.medium` alone."""

import pytest
import torch

from pipeline.gans.base import Progress
from pipeline.gans.registry import VARIANTS, build, parse_settings
from pipeline.media.registry import MEDIA, tensors_of
from pipeline.params import parse_values

DRAWN = ("vanilla", "dcgan", "cgan", "sgan", "r3gan", "stylegan2", "mdgan")
SMALL = {
    "hidden": [8],
    "generator_channels": 8,
    "discriminator_channels": 8,
    "channels": 4,
    "max_channels": 8,
    "latent": 4,
    "mapping_width": 8,
    "workers": 2,
}
"""Sizes for a test; each variant takes those that it has."""


@pytest.mark.parametrize("medium", ["audio", "video", "volume"])
@pytest.mark.parametrize("variant", DRAWN)
def test_a_variant_trains_on_items_of_a_medium_unchanged(variant: str, medium: str) -> None:
    loaded = parse_values({"data": {"medium": medium}, "model": {"variant": variant}})
    item = MEDIA[medium].spec(loaded.data, ("a", "b"))
    sizes = {name: value for name, value in SMALL.items() if name in VARIANTS[variant].settings.model_fields}
    torch.manual_seed(0)
    gan = build(parse_settings({"variant": variant} | sizes), item)
    rng = torch.Generator().manual_seed(0)
    tensors = tensors_of(item)
    values = tensors.to_network(torch.randint(0, 2, (4, *item.shape), dtype=torch.uint8, generator=rng) * 255)
    batch = {"item": values, "labelled_item": values.flip(0), "label": torch.tensor([0, 1, 0, 1])}
    for phase in gan.phases():
        loss = phase.loss({name: each.clone() for name, each in batch.items()}, Progress(step=0, fraction=0.0), rng)
        torch.autograd.backward(loss.total)
        assert torch.isfinite(loss.total)
        for name in phase.networks:
            gradients = [each.grad for each in gan.get_submodule(name).parameters() if each.grad is not None]
            assert any(bool(each.any()) for each in gradients), f"{phase.name} does not train {name}"
    samples = tensors.from_network(gan.eval().sample(3, rng).detach())
    item.check(samples)
    assert samples.shape == (3, *item.shape)
