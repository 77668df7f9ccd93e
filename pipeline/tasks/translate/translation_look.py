"""The look of the task "translate": translations of held-out images against training images of the target domain."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from pipeline.arrays import Items
from pipeline.data.domain_views import EachDomain
from pipeline.data.domains import split_domains
from pipeline.evaluation.quick_look import QuickLook
from pipeline.gans.base import GAN, Batch
from pipeline.items import ItemSpec
from pipeline.media.registry import tensors_of
from pipeline.tasks.training_case import TrainingCase

TRANSLATED = 512
"""Most held-out images of each domain that one look translates."""


@dataclass(frozen=True)
class TranslationLook:
    """Measures translations of the same images at every look.

    Attributes:
        measures: By domain ("a", "b" ...): takes stored items [n, H, W, C] that should belong to it.
        item: What one item is.
        held_out: Items of every domain on the device.
    """

    goals: ClassVar[Mapping[str, str]] = {"fid": "Fréchet distance"}

    measures: Mapping[str, Callable[[Items], Mapping[str, float]]]
    item: ItemSpec
    held_out: Batch

    @torch.no_grad()
    def look(self, gan: GAN, samples: int, seed: int, batch_size: int) -> dict[str, float]:
        """Measure at most `samples` translations of each direction; `fid` is NaN if an image is not finite.

        `fid` is the mean over the directions, measures of variety are those of the worst direction. `cycle` is the
        mean difference in stored levels between an image and its translation there and back.
        """
        rng = torch.Generator().manual_seed(seed + 1)
        measured: list[Mapping[str, float]] = []
        cycles, tensors = [], tensors_of(self.item)
        for name, direction in gan.directions().items():
            sources = torch.split(self.held_out[direction.source][:samples], batch_size)
            parts = [gan.translate(part, name, rng) for part in sources]
            translated = torch.cat(parts)
            if not torch.isfinite(translated).all():
                return {"fid": float("nan")}
            measured.append(self.measures[direction.target](tensors.from_network(translated)))
            if direction.inverse is not None:
                returned = torch.cat(
                    [gan.reconstruct(there, part, name, rng) for there, part in zip(parts, sources, strict=True)]
                )
                difference = (returned - self.held_out[direction.source][:samples]).abs()
                cycles.append(float(difference.mean()) * tensors.scale.half)
        numbers = {
            "fid": float(np.mean([one["fid"] for one in measured])),
            "fid_error": float(np.linalg.norm([one["fid_error"] for one in measured])) / len(measured),
            "diversity": min(one["diversity"] for one in measured),
            "distance": min(one["distance"] for one in measured),
            "near_duplicates": max(one["near_duplicates"] for one in measured),
        }
        return numbers | ({"cycle": float(np.mean(cycles))} if cycles else {})


def build_look(case: TrainingCase) -> TranslationLook:
    """Build the look: held-out images to translate, and training images of every target domain to compare with."""
    images = case.held_out if len(case.held_out) else case.train
    settings, gan = case.settings, case.gan
    domains = split_domains(images)
    first, paired = settings.seed, gan.view.name == "paired"
    # With the same seed, partners stay together.
    seeds = [first if paired else first + number for number in range(len(domains))]
    view = EachDomain(domains, case.device, seeds)
    held_out = view.next(min(TRANSLATED, settings.health.samples, *map(len, domains.values())))
    number = len(held_out["a"])
    targets = {direction.target for direction in gan.directions().values()}
    measures: dict[str, QuickLook] = {
        name: QuickLook(side, case.item, samples=number, seed=settings.seed, device=case.device)
        for name, side in split_domains(case.train).items()
        if name in targets
    }
    return TranslationLook(measures, case.item, held_out)
