"""How the translations of one direction depend on the input, on the style and on an example; and the identity test."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from pipeline.arrays import Float32Array, UInt8Array
from pipeline.evaluation.extractors.base import Extractor
from pipeline.items import ItemSpec
from pipeline.tasks.base import EvaluationCase
from pipeline.tasks.translate.translations import (
    MOST_PIXELS,
    BoolArray,
    Route,
    batch_size,
    is_finite,
    pixel_difference,
    shrink,
    to_network,
)

PROBED = 128
"""Inputs that are translated twice, and images whose differences are measured."""

STYLES = 8
"""Styles in which one input is translated."""

STYLED_ROWS = 4
"""Inputs that the report shows in several styles."""


@dataclass(frozen=True)
class ByExample:
    """Translations in the styles of held-out images of the target domain.

    Attributes:
        images: The finite translations, stored items [m, H, W, C].
        first, second: Features [m, d] of translations of two different inputs in the style of the same example.
        pictures: [3, H, W, C] of some inputs: the input, the example and the translation.
    """

    images: UInt8Array
    first: Float32Array
    second: Float32Array
    pictures: Sequence[UInt8Array] = ()


@dataclass(frozen=True)
class Probe:
    """How translations depend on the input and on the style.

    Attributes:
        first, second: Features [m, d] of translations of two different inputs under the same style.
        styles: Features [m, k, d] of one input in k styles; None without styles, or if none is finite.
        pictures: [1 + k, H, W, C] of some inputs: the input and its styles.
        by_example: None if the model takes no examples.
    """

    first: Float32Array
    second: Float32Array
    styles: Float32Array | None = None
    pictures: Sequence[UInt8Array] = ()
    by_example: ByExample | None = None


@dataclass(frozen=True)
class Identity:
    """Images that already belong to the target domain, translated.

    Attributes:
        error: Mean change in 8-bit levels; None if the direction cannot take such images.
        nonfinite: How many results are not finite.
    """

    error: float | None = None
    nonfinite: int = 0


def probe_direction(case: EvaluationCase, route: Route, extractor: Extractor) -> Probe:
    """Translate some inputs under the style of another input, in several styles, and in the style of an example."""
    gan, seed, item = case.gan, case.settings.seed, case.info.item
    inputs = route.source.images(slice(most_inputs(item)))
    images = to_network(inputs, item, case.device)
    pair = [
        gan.translate(one, route.name, torch.Generator().manual_seed(seed)) for one in (images, images.roll(1, dims=0))
    ]
    first, second, _ = pair_features(case, extractor, pair)
    probe = Probe(first, second, by_example=translate_by_example(case, route, extractor))
    if not route.direction.multimodal:
        return probe
    rng = torch.Generator().manual_seed(seed + 1)
    styled = [gan.translate(images, route.name, rng) for _ in range(STYLES)]
    finite = np.logical_and.reduce([is_finite(one) for one in styled])
    if not finite.any():
        return probe
    pixels = [case.tensors.from_network(one)[finite] for one in styled]
    pictures = list(np.stack([shrink(one[:STYLED_ROWS]) for one in (inputs[finite], *pixels)], axis=1))
    styles = np.stack([extractor.features(one) for one in pixels], axis=1)
    return replace(probe, styles=styles, pictures=pictures)


def translate_by_example(case: EvaluationCase, route: Route, extractor: Extractor) -> ByExample | None:
    """Translate some inputs in the styles of held-out images of the target; None if the model takes no examples."""
    item, count = case.info.item, most_inputs(case.info.item)
    inputs = route.source.images(slice(count))
    examples = route.target.images(slice(count))
    examples = examples[np.arange(len(inputs)) % len(examples)]
    images, references = (to_network(one, item, case.device) for one in (inputs, examples))
    pair = []
    for one in (images, images.roll(1, dims=0)):
        translated = case.gan.translate_like(one, references, route.name)
        if translated is None:
            return None
        pair.append(translated)
    first, second, finite = pair_features(case, extractor, pair)
    made = case.tensors.from_network(pair[0])[finite]
    columns = (inputs[finite], examples[finite], made)
    pictures = list(np.stack([shrink(one[:STYLED_ROWS]) for one in columns], axis=1)) if finite.any() else []
    return ByExample(made, first, second, pictures)


def pair_features(
    case: EvaluationCase, extractor: Extractor, pair: Sequence[Tensor]
) -> tuple[Float32Array, Float32Array, BoolArray]:
    """Return the features of two translations of each input, if both are finite, and which are."""
    finite = is_finite(pair[0]) & is_finite(pair[1])
    nothing = np.empty((0, 1), dtype=np.float32)
    first, second = (
        extractor.features(case.tensors.from_network(one)[finite]) if finite.any() else nothing for one in pair
    )
    return first, second, finite


def most_inputs(item: ItemSpec) -> int:
    """Return how many inputs are translated repeatedly."""
    return min(PROBED, max(2, MOST_PIXELS // (item.height * item.width)))


def translate_identity(case: EvaluationCase, route: Route, rng: torch.Generator) -> Identity:
    """Translate held-out images that already belong to the target domain."""
    errors: list[float] = []
    nonfinite, size = 0, batch_size(case)
    for start in range(0, len(route.target.order), size):
        images = route.target.images(slice(start, start + size))
        output = case.gan.map_identity(to_network(images, case.info.item, case.device), route.name, rng)
        if output is None:
            return Identity()
        finite = is_finite(output)
        errors += pixel_difference(case.tensors.from_network(output), images)[finite].tolist()
        nonfinite += int((~finite).sum())
    return Identity(float(np.mean(errors)) if errors else None, nonfinite)
