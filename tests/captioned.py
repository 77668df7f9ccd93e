"""Small sets of images with captions that say their colour."""

from typing import Any

import numpy as np
import torch

from pipeline.captions import Vocabulary
from pipeline.data.store import ItemSet
from pipeline.gans.base import GAN
from tests.specs import image_spec

COLOURS = {"red": (230, 20, 20), "green": (20, 230, 20), "blue": (20, 20, 230), "white": (240, 240, 240)}
SENTENCES = ("a {} square", "the square is {}", "{}, plain")


def captioned_items(n: int = 60, seed: int = 0, **changes: Any) -> ItemSet:
    """Return noisy images of one colour each, 8 x 8, with captions that name it."""
    rng, names = np.random.default_rng(seed), list(COLOURS)
    chosen = [names[k] for k in rng.integers(len(names), size=n)]
    captions = [SENTENCES[k].format(name) for k, name in zip(rng.integers(3, size=n), chosen, strict=True)]
    levels = np.array([COLOURS[name] for name in chosen])[:, None, None] + rng.integers(-15, 16, (n, 8, 8, 3))
    values: dict[str, Any] = {
        "shards": [np.clip(levels, 0, 255).astype(np.uint8)],
        "shard": np.zeros(n, dtype=np.int64),
        "row": np.arange(n),
        "labels": np.full(n, -1),
        "names": [str(number) for number in range(n)],
        "item": image_spec(8, 3).model_copy(update={"vocabulary": Vocabulary.of(captions)}),
        "fingerprint": f"captioned {n} {seed}",
        "captions": captions,
    }
    return ItemSet(**values | changes)


def let_texts_matter(gan: GAN) -> None:
    """Draw the weights by which an untrained DF-GAN depends on its texts; they start near zero."""
    with torch.no_grad():
        for name, value in gan.named_parameters():
            if "affines" in name and name.endswith("weight"):
                value.normal_(0, 0.5)
