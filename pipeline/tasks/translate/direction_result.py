"""The result of one direction of a translation: what its measures are computed from."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch

from pipeline.arrays import Float32Array, Int64Array, Items, UInt8Array
from pipeline.evaluation.comparison import Material
from pipeline.evaluation.extractors.base import ArrayItems, Extractor, Subset
from pipeline.evaluation.likeness import Compared, Likeness
from pipeline.evaluation.measures.copies import ImageSets, thumbnails
from pipeline.evaluation.measures.kid import kid
from pipeline.evaluation.measures.outliers import Outliers, find_outliers, standardise
from pipeline.gans.base import GAN
from pipeline.items import ItemSpec
from pipeline.measure import Measurement
from pipeline.tasks.base import EvaluationCase
from pipeline.tasks.translate.feature_statistics import (
    FEWEST,
    Distances,
    compare_distances,
    count_repeats,
    input_dependence,
    mean_distance,
    style_diversity,
)
from pipeline.tasks.translate.translations import (
    MOST_PIXELS,
    Route,
    Translations,
    batch_size,
    is_finite,
    pixel_difference,
    shrink,
    to_network,
    translate_images,
)

PROBED = 128
"""Inputs that are translated twice, and images whose differences are measured."""

STYLES = 8
"""Styles in which one input is translated."""

STYLED_ROWS = 4
"""Inputs that the report shows in several styles."""


@dataclass(frozen=True)
class Probe:
    """How translations depend on the input and on the style.

    Attributes:
        first, second: Features [m, d] of translations of two different inputs under the same style.
        styles: Features [m, k, d] of one input in k styles; None without styles, or if none is finite.
        pictures: [1 + k, H, W, C] of some inputs: the input and its styles.
    """

    first: Float32Array
    second: Float32Array
    styles: Float32Array | None = None
    pictures: Sequence[UInt8Array] = ()


@dataclass(frozen=True)
class Identity:
    """Images that already belong to the target domain, translated.

    Attributes:
        error: Mean change in 8-bit levels; None if the direction cannot take such images.
        nonfinite: How many results are not finite.
    """

    error: float | None = None
    nonfinite: int = 0


@dataclass(frozen=True)
class DirectionResult(Likeness):
    """One direction over all held-out images of its source.

    Attributes:
        batch_size: Images that are reduced to thumbnails at a time.
    """

    transforms: ClassVar[bool] = True

    route: Route
    translations: Translations
    probe: Probe
    seed: int
    identity: Identity = field(default_factory=Identity)
    batch_size: int = 256

    @property
    def title(self) -> str:
        """The direction by the names of its domains."""
        return self.route.title

    @property
    def total(self) -> int:
        """Number of images that were translated."""
        return len(self.translations.finite)

    @property
    def nonfinite(self) -> int:
        """Images with NaN or Inf, there or on the way back, and such images of the identity test."""
        return min(self.total - int(sum(self.translations.finite)) + self.identity.nonfinite, self.total)

    @property
    def provides(self) -> frozenset[str]:
        """What the direction has: "inverse", "styles", "pairs"."""
        direction = self.route.direction
        parts = {"inverse": direction.inverse is not None, "styles": direction.multimodal, "pairs": self.route.paired}
        return frozenset(name for name, present in parts.items() if present) | self.properties

    @property
    def item(self) -> ItemSpec:
        return self.route.target.held_out.item

    @property
    def compared(self) -> Compared:
        """The finite translations, and real images of the target domain."""
        return Compared(self.finite_images, self.route.target.real_items, self.seed)

    @property
    def finite_images(self) -> Subset:
        """The finite translations."""
        return Subset(ArrayItems(self.translations.images), np.flatnonzero(self.translations.finite))

    @property
    def names(self) -> list[str]:
        """Files of the inputs of the finite translations."""
        source = self.route.source
        return [source.held_out.names[k] for k in source.order[self.translations.finite]]

    def select(self, positions: Int64Array) -> "DirectionResult":
        """Return the result with some of the finite translations alone."""
        return replace(self, translations=self.translations.select(positions))

    def with_items(self, items: Items) -> "DirectionResult":
        """Return the result with other finite translations; their features are not computed again."""
        images = np.array(self.translations.images)
        images[self.translations.finite] = items
        return replace(self, translations=replace(self.translations, images=images))

    @cached_property
    def outliers(self) -> Outliers | None:
        """How unlike real images of the target domain each finite translation is; None if there are too few."""
        target = self.route.target
        small = (self.finite_images, target.evaluated, target.train)
        spaces = (
            standardise(ImageSets(self.features, target.features, target.train_features)),
            ImageSets(*(thumbnails(items, self.item, self.batch_size) for items in small)),
        )
        return find_outliers(spaces)

    @cached_property
    def all_features(self) -> Float32Array:
        """Features of all translations."""
        return np.concatenate(self.translations.features)

    @cached_property
    def features(self) -> Float32Array:
        """Features of the finite translations."""
        return self.all_features[self.translations.finite]

    @property
    def input_features(self) -> Float32Array:
        """Features of the inputs of the finite translations."""
        return self.route.source.features[self.translations.finite]

    @property
    def target_features(self) -> Float32Array:
        """Features of held-out images of the target domain."""
        return self.route.target.features

    def mean(self, name: str) -> float | None:
        """Return the mean of a per-image value, such as "psnr"."""
        return self.translations.mean(name)

    @property
    def psnr_gains(self) -> list[float]:
        """PSNR to the partner minus that of the input, of each image; empty without pairs."""
        ours, theirs = (self.translations.values.get(name, []) for name in ("psnr", "input_psnr"))
        return [value - before for value, before in zip(ours, theirs, strict=True)]

    @cached_property
    def distances(self) -> Distances | None:
        """Fréchet distances to the target domain; None if there are too few images."""
        train = self.route.target.train_features
        return compare_distances(self.features, self.input_features, self.target_features, train, self.seed)

    @cached_property
    def kid(self) -> float | None:
        """Kernel distance to the target domain."""
        return kid(self.features, self.target_features, self.seed) if self.distances else None

    @cached_property
    def input_kid(self) -> float | None:
        """Kernel distance of the untranslated inputs."""
        return kid(self.input_features, self.target_features, self.seed) if self.distances else None

    @cached_property
    def repeats(self) -> Measurement:
        """Share of translations that repeat another."""
        finite = self.total - self.nonfinite
        return count_repeats(self.features, self.input_features, self.target_features, finite)

    @cached_property
    def dependence(self) -> float | None:
        """How much translations depend on their input, relative to the target domain."""
        return input_dependence(self.probe.first, self.probe.second, self.target_features)

    @cached_property
    def unrelated(self) -> float:
        """Mean difference of two inputs, in 8-bit levels."""
        images = self.route.source.images(slice(PROBED))
        return float(pixel_difference(images, np.roll(images, 1, axis=0)).mean())

    @cached_property
    def diversity(self) -> float | None:
        """Mean distance between translations of one input in several styles."""
        return None if self.probe.styles is None else style_diversity(self.probe.styles)

    @cached_property
    def real_distance(self) -> float:
        """Mean distance between two images of the target domain."""
        return mean_distance(self.target_features)

    @property
    def material(self) -> Material:
        """What models are compared by: PSNR of each image with pairs, else features, if there are enough."""
        name = self.route.name
        if self.route.paired:
            return Material(item_scores={f"psnr_{name}": np.array(self.translations.partner_psnr)})
        if min(len(self.all_features), len(self.target_features)) < FEWEST:
            return Material()
        return Material(features={f"_{name}": (self.all_features, self.target_features)})


@torch.inference_mode()
def evaluate_direction(case: EvaluationCase, route: Route, extractor: Extractor) -> DirectionResult:
    """Translate the held-out images of a direction, and what its measures need besides."""
    rng = torch.Generator().manual_seed(case.settings.seed)
    translations = translate_images(case, route, extractor, rng)
    probe = probe_direction(case, route, extractor)
    identity = translate_identity(case, route, rng) if route.direction.inverse else Identity()
    return DirectionResult(route, translations, probe, case.settings.seed, identity, case.settings.batch_size)


def probe_direction(case: EvaluationCase, route: Route, extractor: Extractor) -> Probe:
    """Translate some inputs under the style of another input, and in several styles."""
    gan, seed, item = case.gan, case.settings.seed, case.info.item
    inputs = route.source.images(slice(min(PROBED, max(2, MOST_PIXELS // (item.height * item.width)))))
    images = to_network(inputs, item, case.device)
    pair = [
        gan.translate(one, route.name, torch.Generator().manual_seed(seed)) for one in (images, images.roll(1, dims=0))
    ]
    finite = is_finite(pair[0]) & is_finite(pair[1])
    nothing = np.empty((0, 1), dtype=np.float32)
    first, second = (
        extractor.features(case.tensors.from_network(one)[finite]) if finite.any() else nothing for one in pair
    )
    if not route.direction.multimodal:
        return Probe(first, second)
    rng = torch.Generator().manual_seed(seed + 1)
    styled = [gan.translate(images, route.name, rng) for _ in range(STYLES)]
    finite = np.logical_and.reduce([is_finite(one) for one in styled])
    if not finite.any():
        return Probe(first, second)
    pixels = [case.tensors.from_network(one)[finite] for one in styled]
    pictures = list(np.stack([shrink(one[:STYLED_ROWS]) for one in (inputs[finite], *pixels)], axis=1))
    return Probe(first, second, np.stack([extractor.features(one) for one in pixels], axis=1), pictures)


def translate_identity(case: EvaluationCase, route: Route, rng: torch.Generator) -> Identity:
    """Translate held-out images that already belong to the target domain."""
    gan: GAN = case.gan
    errors: list[float] = []
    nonfinite, size = 0, batch_size(case)
    for start in range(0, len(route.target.order), size):
        images = route.target.images(slice(start, start + size))
        output = gan.map_identity(to_network(images, case.info.item, case.device), route.name, rng)
        if output is None:
            return Identity()
        finite = is_finite(output)
        errors += pixel_difference(case.tensors.from_network(output), images)[finite].tolist()
        nonfinite += int((~finite).sum())
    return Identity(float(np.mean(errors)) if errors else None, nonfinite)
