"""Small translation variants, and batches for them."""

from typing import Any

import torch
from pydantic import TypeAdapter
from torch import Tensor

from pipeline.gans.game.image_translation import Translation
from pipeline.gans.registry import ModelSettings, build
from tests.specs import image_spec


def small(variant: str, channels: int = 3, resolution: int = 16, **settings: Any) -> Any:
    """Build a variant with 4 channels from a fixed seed."""
    torch.manual_seed(0)
    values = {
        "variant": variant,
        "generator_channels": 4,
        "discriminator_channels": 4,
        "discriminator_layers": 1,
    } | settings
    parsed: ModelSettings = TypeAdapter(ModelSettings).validate_python(values)
    gan = build(parsed, image_spec(resolution, channels))
    assert isinstance(gan, Translation)
    return gan


def random_pairs(n: int = 4, resolution: int = 16, channels: int = 3) -> dict[str, Tensor]:
    """Return noise in [-1, 1] for both domains, from a fixed seed."""
    rng = torch.Generator().manual_seed(1)
    return {domain: torch.rand(n, channels, resolution, resolution, generator=rng) * 2 - 1 for domain in "ab"}
