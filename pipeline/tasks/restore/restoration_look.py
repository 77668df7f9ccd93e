"""The look of the task "restore": restorations of the same held-out images against their originals."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from pipeline.arrays import Items, UInt8Array
from pipeline.data.batch_sampling import UncroppedItems
from pipeline.data.views import Degraded
from pipeline.evaluation.extractors.base import ArrayItems
from pipeline.evaluation.measures.image_similarity import sharpness
from pipeline.evaluation.quick_look import QuickLook
from pipeline.gans.base import GAN, Batch
from pipeline.items import ItemSpec
from pipeline.media.registry import find_medium, tensors_of
from pipeline.media.scale import BYTES
from pipeline.tasks.training_case import TrainingCase

RESTORED = 512
"""Most held-out images that one look restores."""

CROPS = 128
"""Most crops of one photograph."""


@dataclass(frozen=True)
class RestorationLook:
    """Measures restorations of the same images at every look.

    Attributes:
        measure: Takes restored and original items as they are stored, [n, H, W, C].
        item: What one restored item is.
        held_out: A batch with "input" and "target" on the device.
    """

    goals: ClassVar[Mapping[str, str]] = {"fid": "Fréchet distance", "rmse": "error of the restored images"}

    measure: Callable[[Items, Items], Mapping[str, float]]
    item: ItemSpec
    held_out: Batch

    @torch.no_grad()
    def look(self, gan: GAN, samples: int, seed: int, batch_size: int) -> dict[str, float]:
        """Restore at most `samples` images; `rmse` and `fid` are NaN if one is not finite."""
        rng = torch.Generator().manual_seed(seed + 1)
        n = min(samples, len(self.held_out["input"]))
        parts = torch.split(self.held_out["input"][:n], batch_size)
        restored = [gan.sample(len(part), rng, item=part) for part in parts]
        if not all(bool(torch.isfinite(images).all()) for images in restored):
            return {"fid": float("nan"), "rmse": float("nan")}
        to_items = tensors_of(self.item).from_network
        items = np.concatenate([to_items(images) for images in restored])
        return dict(self.measure(items, to_items(self.held_out["target"][:n])))


def build_look(case: TrainingCase) -> RestorationLook:
    """Build the look: degrade held-out images once, and keep them with their originals."""
    images = case.held_out if len(case.held_out) else case.train
    trial = next(iter(case.gan.evaluation_views().values()))
    # The noise and the crops are drawn once, so every look sees the same inputs.
    view = Degraded(images, case.device, case.settings.seed, **trial.options)
    crops = CROPS if isinstance(images, UncroppedItems) else 1
    held_out = view.next(min(RESTORED, case.settings.health.samples, crops * len(images)))
    originals = ArrayItems(tensors_of(case.item).from_network(held_out["target"]))
    texture = QuickLook(originals, case.item, samples=len(originals), seed=case.settings.seed, device=case.device)

    similarities = find_medium(case.item.medium).similarities

    def measure(restored: Items, target: Items) -> dict[str, float]:
        distances = texture(restored)
        compared = compare_items(restored, target, case.item) if similarities else compare_pixels(restored, target)
        return {"fid": distances["fid"], "fid_error": distances["fid_error"], **compared}

    return RestorationLook(measure, case.item, held_out)


def compare_items(restored: Items, target: Items, item: ItemSpec) -> dict[str, float]:
    """Return the error of restored items [n, H, W, C] in levels of 8 bits, and the mean of each similarity."""
    to_network = find_medium(item.medium).to_network
    error = float(np.mean((to_network(restored, item) - to_network(target, item)) ** 2))
    found = {one.name: one.compare(restored, target, item) for one in find_medium(item.medium).similarities}
    return {"rmse": BYTES.half * error**0.5, **{name: float(values.mean()) for name, values in found.items()}}


def compare_pixels(restored: UInt8Array, target: UInt8Array) -> dict[str, float]:
    """Return the error of restored images [n, H, W, C] and their sharpness relative to the originals."""
    error = float(np.mean((restored.astype(np.float64) - target.astype(np.float64)) ** 2))
    sharp, original = (float(np.mean([sharpness(image) for image in images])) for images in (restored, target))
    return {
        "rmse": error**0.5,
        "psnr": 10 * float(np.log10(255**2 / max(error, 1e-9))),
        "sharpness": sharp / max(original, 1e-9),
    }
