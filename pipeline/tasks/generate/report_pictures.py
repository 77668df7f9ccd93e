"""The report's pictures, as PNG."""

import io
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

from pipeline.arrays import Float64Array, Int64Array, UInt8Array
from pipeline.data.store import ItemSet
from pipeline.gans.base import GAN, to_uint8
from pipeline.media.image.preview import grid
from pipeline.serving.runtime.interpolation import strips
from pipeline.tasks.generate.report import Strip

SHEET = 64
ROW = 12
CLASSES = 40  # rows of a sheet by class; of more classes the first are shown
PATHS, STEPS = 6, 12  # of the latent interpolations
CELL = 48
RANKED = 24  # of the most and of the least typical samples


def real_sheet(test: ItemSet) -> bytes:
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
        rows.append(
            Strip(
                name, len(members), png(grid(samples[members[:ROW]], columns=ROW, cell=CELL)) if len(members) else None
            )
        )
    return rows


def neighbour_sheet(samples: UInt8Array, train: ItemSet, neighbours: Int64Array) -> bytes | None:
    """A row for each sample: the sample itself, then its nearest training images, nearest first."""
    if not len(neighbours):
        return None
    rows = [np.concatenate([samples[k : k + 1], train.images(near)]) for k, near in enumerate(neighbours)]
    return png(grid(np.concatenate(rows), columns=len(rows[0]), cell=CELL))


def ranked_sheet(samples: UInt8Array, order: Int64Array) -> bytes | None:
    """The first samples of an order."""
    return png(grid(samples[order[:RANKED]], columns=ROW // 2, cell=CELL)) if len(order) else None


def plane_chart(points: tuple[Float64Array, Float64Array] | None) -> bytes | None:
    """Samples over real images as points; the view is that of the real ones, with some room."""
    if points is None:
        return None
    from matplotlib.figure import Figure

    fake, real = points
    figure = Figure(figsize=(6, 6), layout="constrained")
    axes = figure.subplots()
    for dots, colour, label in ((fake, "#2f6fd0", "generated"), (real, "#5a6372", "real")):
        axes.scatter(dots[:, 0], dots[:, 1], s=6, c=colour, alpha=0.5, linewidths=0, label=label)
    low, high = real.min(axis=0), real.max(axis=0)
    room = np.maximum((high - low) * 0.25, 1e-6)
    axes.set(
        xlim=(low[0] - room[0], high[0] + room[0]), ylim=(low[1] - room[1], high[1] + room[1]), xticks=[], yticks=[]
    )
    axes.legend(loc="upper right", markerscale=3)
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=110, metadata={"Software": None})
    return out.getvalue()


@torch.inference_mode()
def interpolation_sheet(gan: GAN, seed: int) -> bytes | None:
    """Rows that go from one latent to the next, of one class each where there are classes; None for variants without a latent."""
    if not gan.latent:
        return None
    rng = torch.Generator().manual_seed(seed)
    z = torch.from_numpy(
        strips(torch.randn(PATHS + 1, gan.latent, generator=rng).numpy(), STEPS).reshape(-1, gan.latent)
    )
    conditions = {"label": torch.arange(PATHS).repeat_interleave(STEPS) % gan.classes} if gan.classes else {}
    images = gan.sample(PATHS * STEPS, rng, z=z, **conditions)
    return png(grid(to_uint8(images), columns=STEPS, cell=CELL))


def png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, format="PNG", optimize=True)
    return out.getvalue()
