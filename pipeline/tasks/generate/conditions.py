"""What generated samples are asked for: labels in the shares of the training items, or captions of held-out items."""

from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from pipeline.arrays import BoolArray, Int64Array
from pipeline.captions import Vocabulary, captions_of
from pipeline.data.batch_sampling import TrainingItems
from pipeline.gans.base import GAN
from pipeline.tokenizer import Tokenizer


@dataclass(frozen=True)
class Conditions:
    """The conditions of `n` samples.

    Attributes:
        inputs: Conditions as `GAN.sample` takes them, [n, ...] by name; empty if unconditional.
        labels: Classes that the samples shall show, int64 [n]; None if none are asked for.
        captions: Texts that shall describe the samples, [n]; None if none are asked for.
    """

    inputs: dict[str, Tensor] = field(default_factory=dict)
    labels: Int64Array | None = None
    captions: list[str] | None = None

    def batch(self, start: int, size: int) -> dict[str, Tensor]:
        """Return the inputs of some samples that follow each other."""
        return {name: rows[start : start + size] for name, rows in self.inputs.items()}

    def select(self, chosen: BoolArray) -> Self:
        """Return the labels and captions of some samples."""
        labels = None if self.labels is None else self.labels[chosen]
        captions = None if self.captions is None else [self.captions[k] for k in np.flatnonzero(chosen)]
        return replace(self, inputs={}, labels=labels, captions=captions)


def draw_conditions(gan: GAN, items: TrainingItems, n: int, seed: int | list[int]) -> Conditions:
    """Draw the conditions of `n` samples of a variant from those of items, in their shares."""
    if gan.condition == "tokens":
        assert gan.vocabulary is not None  # the training refused data without captions
        return draw_captions(gan.vocabulary, items, n, seed)
    if gan.condition == "label":
        labels = np.random.default_rng(seed).choice(items.labels, n)
        return Conditions({"label": torch.from_numpy(labels)}, labels)
    return Conditions()


def draw_captions(
    vocabulary: Vocabulary | Tokenizer, items: TrainingItems, n: int, seed: int | list[int]
) -> Conditions:
    """Draw captions of items as the tokens of a model's vocabulary, with the classes of those items."""
    texts = captions_of(items)
    chosen = np.random.default_rng(seed).choice([position for position, text in enumerate(texts) if text], n)
    captions = [texts[position] for position in chosen]
    labels = items.labels[chosen]
    return Conditions(
        {"tokens": torch.from_numpy(vocabulary.tokens(captions))}, labels if (labels >= 0).all() else None, captions
    )
