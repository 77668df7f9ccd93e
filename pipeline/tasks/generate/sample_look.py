"""The look of the task "generate": samples of the averaged networks against training images, and overfitting."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from pipeline.arrays import Items
from pipeline.data.store import ItemSet
from pipeline.data.views import Captioned, Labelled, Unlabelled, tokens_of
from pipeline.evaluation.quick_look import QuickLook
from pipeline.gans.base import GAN, Batch
from pipeline.items import ItemSpec
from pipeline.media.registry import tensors_of
from pipeline.tasks.training_case import TrainingCase

SCORED = 512
"""Images on each side of the test whether the discriminator overfits."""

VIEWS: dict[str, type[Unlabelled]] = {"": Unlabelled, "label": Labelled, "tokens": Captioned}
"""The view of the data that has what a variant is asked for."""

CLEARLY_APART = 4.0
"""Standard errors between the scores of real and generated images, below which overfitting is not measured."""


@dataclass(frozen=True)
class SampleLook:
    """Measures samples, and scores images that the discriminator does and does not train on.

    Attributes:
        measure: Takes samples as stored items [n, H, W, C].
        item: What one sample is.
        train, held_out: Batches for the discriminator's scores; None if no images are held out.
        asked: Conditions of the samples by name; empty for those that the variant gives as examples.
    """

    goals: ClassVar[Mapping[str, str]] = {"fid": "Fréchet distance"}

    measure: Callable[[Items], Mapping[str, float]]
    item: ItemSpec
    train: Batch | None = None
    held_out: Batch | None = None
    asked: Batch = field(default_factory=dict)

    @torch.no_grad()
    def look(self, gan: GAN, samples: int, seed: int, batch_size: int) -> dict[str, float]:
        """Measure `samples` images from the same latents at every look; `fid` is NaN if an image is not finite."""
        rng = torch.Generator().manual_seed(seed + 1)
        items, to_items = [], tensors_of(self.item).from_network
        asked = self.asked or gan.example_conditions(samples)
        for start in range(0, samples, batch_size):
            size = min(batch_size, samples - start)
            conditions = {name: rows[start : start + size] for name, rows in asked.items()}
            images = gan.sample(size, rng, **conditions)
            if not torch.isfinite(images).all():
                return {"fid": float("nan")}
            items.append(to_items(images))
        numbers = dict(self.measure(np.concatenate(items)))
        overfitting = self.overfitting(gan, images, conditions.get(gan.condition), batch_size)
        return numbers if overfitting is None else numbers | {"overfitting": overfitting}

    def overfitting(self, gan: GAN, fake: Tensor, condition: Tensor | None, batch_size: int) -> float | None:
        """Return r_v of Karras 2020, eq. 1: 0 if held-out images score like training images, 1 if like generated ones.

        None if the variant has no discriminator, or no images are held out. 0 if the discriminator does not separate
        training images from generated ones.
        """
        if self.train is None or self.held_out is None:
            return None
        train, held_out = (
            score_in_parts(gan, batch["item"], batch.get(gan.condition), batch_size)
            for batch in (self.train, self.held_out)
        )
        generated = score_in_parts(gan, fake, None if condition is None else condition.to(fake.device), batch_size)
        if train is None or held_out is None or generated is None:
            return None
        gap = float(train.mean() - generated.mean())
        error = float((train.var() / len(train) + generated.var() / len(generated)).sqrt())
        return float(train.mean() - held_out.mean()) / gap if gap > CLEARLY_APART * error else 0.0


def score_in_parts(gan: GAN, images: Tensor, condition: Tensor | None, size: int) -> Tensor | None:
    """Return the discriminator's logits [n] of images, at most `size` in a forward pass; None without one."""
    parts = torch.split(images, size)
    conditions = [None] * len(parts) if condition is None else torch.split(condition, size)
    scores = [gan.score(part, given) for part, given in zip(parts, conditions, strict=True)]
    return None if any(score is None for score in scores) else torch.cat([s for s in scores if s is not None])


def build_look(case: TrainingCase) -> SampleLook:
    """Build the look: training images to compare samples with, and images for the discriminator to score."""
    samples, seed = case.settings.health.samples, case.settings.seed
    measure = QuickLook(case.train, case.item, samples=samples, seed=seed, device=case.device, labels=case.train.labels)
    asked = {}
    if case.gan.condition == "tokens":
        _, tokens = tokens_of(case.train)
        asked = {"tokens": torch.from_numpy(tokens[np.linspace(0, len(tokens) - 1, samples).astype(np.int64)])}
    return SampleLook(measure, case.item, score_batch(case, case.train), score_batch(case, case.held_out), asked)


def score_batch(case: TrainingCase, images: ItemSet) -> Batch | None:
    """Draw images for the discriminator to score; None if there are none."""
    if not len(images):
        return None
    view = VIEWS[case.gan.condition](images, case.device, case.settings.seed, resident_bytes=0)
    return view.next(min(SCORED, len(images)))
