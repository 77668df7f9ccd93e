"""The report's pictures, as PNG."""

import io
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

from pipeline.data.store import ImageSet, UInt8Array
from pipeline.evaluation.diversity import Int64Array
from pipeline.evaluation.report import Strip
from pipeline.gans.base import GAN, to_uint8
from pipeline.media.preview import grid
from pipeline.serving.interpolation import strips

SHEET = 64
ROW = 12
CLASSES = 40  # rows of a sheet by class; of more classes the first are shown
PATHS, STEPS = 6, 12  # of the latent interpolations
CELL = 48


def real_sheet(test: ImageSet) -> bytes:
    """Real images spread evenly over the split, which is ordered by class."""
    count = min(SHEET, len(test))
    return png(grid(test.images(np.linspace(0, len(test) - 1, count).astype(np.int64))))


def fake_sheet(samples: UInt8Array) -> bytes | None:
    return png(grid(samples[:SHEET])) if len(samples) else None


def class_strips(samples: UInt8Array, shown: Int64Array | None, classes: Sequence[str]) -> list[Strip]:
    """A row of samples for each class, in the order they were drawn; `shown` [n] says which class each sample is in, None where there are none."""
    if shown is None:
        return []
    rows = []
    for number, name in enumerate(classes[:CLASSES]):
        members = np.flatnonzero(shown == number)
        rows.append(Strip(name, len(members), png(grid(samples[members[:ROW]], columns=ROW, cell=CELL)) if len(members) else None))
    return rows


def neighbour_sheet(samples: UInt8Array, train: ImageSet, neighbours: Int64Array) -> bytes | None:
    """A row for each sample: the sample itself, then its nearest training images, nearest first."""
    if not len(neighbours):
        return None
    rows = [np.concatenate([samples[k : k + 1], train.images(near)]) for k, near in enumerate(neighbours)]
    return png(grid(np.concatenate(rows), columns=len(rows[0]), cell=CELL))


@torch.inference_mode()
def interpolation_sheet(gan: GAN, seed: int) -> bytes | None:
    """Rows that go from one latent to the next, of one class each where there are classes; None for variants without a latent."""
    if not gan.latent:
        return None
    rng = torch.Generator().manual_seed(seed)
    z = torch.from_numpy(strips(torch.randn(PATHS + 1, gan.latent, generator=rng).numpy(), STEPS).reshape(-1, gan.latent))
    conditions = {"label": torch.arange(PATHS).repeat_interleave(STEPS) % gan.classes} if gan.classes else {}
    images = gan.sample(PATHS * STEPS, rng, z=z, **conditions)
    return png(grid(to_uint8(images), columns=STEPS, cell=CELL))


def png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, format="PNG", optimize=True)
    return out.getvalue()
