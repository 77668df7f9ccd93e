"""The pictures of the report, as PNG."""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from pipeline.arrays import Float64Array, Int64Array, Items
from pipeline.data.store import ItemSet
from pipeline.gans.base import GAN
from pipeline.items import ItemSpec
from pipeline.media.registry import find_medium, tensors_of
from pipeline.serving.runtime.interpolation import strips
from pipeline.tasks.generate.sample_set import SampleSet

SHEET = 64
PLAYERS = 6  # samples and real items that are shown one by one
ROW = 12
WIDEST = 1240  # pixels of a sheet; sheets of large items are reduced to little more than the width of the page
PATHS, STEPS = 6, 12  # of the latent interpolations
CELL = 48
LARGE = 96
WORST_CLASSES = 3  # whose maps are shown
RANKED = 24  # of the most and of the least typical samples
SHADES = 64  # of a map: a quarter of the file's size
LAYERS = 8  # in which the points of a map are drawn
GENERATED: dict[str, Any] = {"color": "#1f6fd6", "linewidths": 0}
REAL: dict[str, Any] = {"facecolors": "none", "edgecolors": "#cc7710", "linewidths": 0.9}
"""Points of a map; style.css has the same colours."""


@dataclass(frozen=True)
class Strip:
    """A row of pictures as PNG; `caption` says what it shows."""

    name: str
    picture: bytes
    caption: str


@dataclass(frozen=True)
class ReportPictures:
    """Draws items of one spec as their medium shows them."""

    item: ItemSpec

    def sheet(self, items: Items, columns: int | None = None, cell: int = 64) -> bytes:
        """Draw items [n, H, W, C] on one sheet."""
        sheet = find_medium(self.item.medium).preview(items, self.item, columns, cell)
        sheet.thumbnail((WIDEST, 4 * WIDEST))
        return png(sheet)

    def real_sheet(self, test: ItemSet) -> bytes:
        """Draw real items, evenly spread over the split, which is ordered by class."""
        count = min(SHEET, len(test))
        return self.sheet(test.images(np.linspace(0, len(test) - 1, count).astype(np.int64)))

    def fake_sheet(self, samples: Items) -> bytes | None:
        """Draw the first samples; None if there are none."""
        return self.sheet(samples[:SHEET]) if len(samples) else None

    def players(self, samples: Items, test: ItemSet) -> list[tuple[str, list[str]]]:
        """Return elements of the first samples and of real items; empty for media that pictures show."""
        medium = find_medium(self.item.medium)
        if medium.has_pictures and not medium.moves:
            return []
        real = test.images(np.linspace(0, len(test) - 1, min(PLAYERS, len(test))).astype(np.int64))
        both = (("Generated, one by one", samples[:PLAYERS]), ("Real, one by one", real))
        return [(words, [medium.html(values, self.item) for values in items]) for words, items in both if len(items)]

    def above(self, samples: Items, real: Items) -> bytes:
        """Draw a row of samples above a row of real items; if only one of both has items, in as many rows as needed."""
        columns = min(ROW, max(len(samples), len(real)))
        if not (len(samples) and len(real)):
            return self.sheet(samples if len(samples) else real, columns, CELL)
        both = [samples[:columns], real[:columns]]
        columns = min(map(len, both))
        return self.sheet(np.concatenate([side[:columns] for side in both]), columns, CELL)

    def neighbour_sheet(self, samples: Items, train: ItemSet, neighbours: Int64Array) -> bytes | None:
        """Draw a row for each sample: the sample, then its nearest training items, nearest first."""
        if not len(neighbours):
            return None
        rows = [np.concatenate([samples[k : k + 1], train.images(near)]) for k, near in enumerate(neighbours)]
        return self.sheet(np.concatenate(rows), len(rows[0]), CELL)

    def ranked_sheet(self, samples: Items, order: Int64Array) -> bytes | None:
        """Draw the first samples of an order; None if there are none."""
        return self.sheet(samples[order[:RANKED]], ROW // 2, CELL) if len(order) else None

    def profile_strips(self, data: SampleSet) -> list[Strip]:
        """Draw the profiles that have a picture: of all samples, then of the classes that differ most."""
        strips = []
        for profile in find_medium(self.item.medium).profiles(self.item):
            if profile.draw is None or profile.name not in data.profiles:
                continue
            by_class = {name: found[profile.name] for name, found in data.class_profiles.items() if profile.by_class}
            worst = sorted(by_class, key=lambda name: -by_class[name].excess)[:WORST_CLASSES]
            shown = {"all": data.profiles[profile.name], **{name: by_class[name] for name in worst}}
            for name, found in shown.items():
                maps = profile.draw(found.fake, found.real)
                strips.append(Strip(name, self.sheet(maps, len(maps), LARGE), profile.caption))
        return strips

    @torch.inference_mode()
    def interpolation_sheet(self, gan: GAN, seed: int) -> bytes | None:
        """Draw rows from one latent to the next, with one condition a row; None for a variant without a latent."""
        if not gan.latent:
            return None
        rng = torch.Generator().manual_seed(seed)
        ends = torch.randn(PATHS + 1, gan.latent, generator=rng).numpy()
        z = torch.from_numpy(strips(ends, STEPS).reshape(-1, gan.latent))
        conditions = {
            name: rows.repeat_interleave(STEPS, dim=0) for name, rows in gan.example_conditions(PATHS).items()
        }
        values = gan.sample(PATHS * STEPS, rng, z=z, **conditions)
        return self.sheet(tensors_of(self.item).from_network(values), STEPS, CELL)


def plane_chart(points: tuple[Float64Array, Float64Array] | None) -> bytes | None:
    """Plot samples as blue dots and real items as orange rings; the axes fit the real ones, with a margin.

    Shape and colour tell them apart, also for colour-blind readers. Both colours stand out from white and from black;
    the background is transparent. Points are drawn in mixed order, so that neither set hides the other.
    """
    if points is None:
        return None
    from matplotlib.figure import Figure

    fake, real = points
    figure = Figure(figsize=(6, 6), layout="constrained")
    axes = figure.subplots()
    for part in range(LAYERS):
        for dots, style in ((fake, GENERATED), (real, REAL)):
            axes.scatter(dots[part::LAYERS, 0], dots[part::LAYERS, 1], s=9, **style)
    low, high = real.min(axis=0), real.max(axis=0)
    room = np.maximum((high - low) * 0.25, 1e-6)
    axes.set(
        xlim=(low[0] - room[0], high[0] + room[0]), ylim=(low[1] - room[1], high[1] + room[1]), xticks=[], yticks=[]
    )
    axes.patch.set_visible(False)
    axes.spines[:].set_visible(False)
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=110, transparent=True, metadata={"Software": None})
    return png(Image.open(out).quantize(SHADES, Image.Quantize.FASTOCTREE))


def png(image: Image.Image) -> bytes:
    """Encode a picture as PNG."""
    out = io.BytesIO()
    image.save(out, format="PNG")
    return out.getvalue()
