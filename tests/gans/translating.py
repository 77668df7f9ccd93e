"""Small translating variants, and batches for them."""

from typing import Any

import torch
from pydantic import TypeAdapter
from torch import Tensor

from pipeline.gans.game.image_translation import Translation
from pipeline.gans.registry import ModelSettings, build
from tests.specs import image_spec


def small(variant: str, channels: int = 3, resolution: int = 16, **settings: Any) -> Any:
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


def sides(n: int = 4, resolution: int = 16, channels: int = 3) -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(1)
    return {side: torch.rand(n, channels, resolution, resolution, generator=rng) * 2 - 1 for side in "ab"}
