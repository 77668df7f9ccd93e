"""The result of one direction of a translation: what its measures are computed from."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch

from pipeline.arrays import Float32Array, Int64Array, Items
from pipeline.evaluation.comparison import Material
from pipeline.evaluation.extractors.base import ArrayItems, Extractor, Subset
from pipeline.evaluation.likeness import Compared, Likeness
from pipeline.evaluation.measures.copies import ImageSets, thumbnails
from pipeline.evaluation.measures.kid import kid
from pipeline.evaluation.measures.outliers import Outliers, find_outliers, standardise
from pipeline.items import ItemSpec
from pipeline.measure import Measurement
from pipeline.tasks.base import EvaluationCase
from pipeline.tasks.translate.direction_probe import (
    PROBED,
    Identity,
    Probe,
    probe_direction,
    translate_identity,
)
from pipeline.tasks.translate.feature_statistics import (
    FEWEST,
    Distances,
    compare_distances,
    count_repeats,
    input_dependence,
    mean_distance,
    style_diversity,
)
from pipeline.tasks.translate.recognition import Recogniser, Recognition
from pipeline.tasks.translate.translations import Route, Translations, pixel_difference, translate_images


@dataclass(frozen=True)
class DirectionResult(Likeness):
    """One direction over all held-out images of its source.

    Attributes:
        batch_size: Images that are reduced to thumbnails at a time.
        recognition: How an independent classifier sees the translations; None for pairs, or if none is finite.
    """

    transforms: ClassVar[bool] = True

    route: Route
    translations: Translations
    probe: Probe
    seed: int
    identity: Identity = field(default_factory=Identity)
    batch_size: int = 256
    recognition: Recognition | None = None

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
        """What the direction has: "inverse", "styles", "pairs", "coloured pairs", "recognition", "examples"."""
        direction = self.route.direction
        parts = {
            "inverse": direction.inverse is not None,
            "styles": direction.multimodal,
            "pairs": self.route.paired,
            "coloured pairs": self.route.paired and self.item.channels == 3,
            "recognition": self.recognition is not None,
            "examples": self.probe.by_example is not None,
        }
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
    def example_dependence(self) -> float | None:
        """How much translations in the style of an example depend on their input, relative to the target domain."""
        by = self.probe.by_example
        return None if by is None else input_dependence(by.first, by.second, self.target_features)

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
def evaluate_direction(
    case: EvaluationCase, route: Route, extractor: Extractor, recogniser: Recogniser | None = None
) -> DirectionResult:
    """Translate the held-out images of a direction, and what its measures need besides."""
    rng = torch.Generator().manual_seed(case.settings.seed)
    translations = translate_images(case, route, extractor, rng)
    probe = probe_direction(case, route, extractor)
    identity = translate_identity(case, route, rng) if route.direction.inverse else Identity()
    result = DirectionResult(route, translations, probe, case.settings.seed, identity, case.settings.batch_size)
    return replace(result, recognition=recognise(result, recogniser))


def recognise(result: DirectionResult, recogniser: Recogniser | None) -> Recognition | None:
    """Return how the classifier sees the translations; None without a classifier, or if no translation is finite."""
    if recogniser is None or not len(result.finite_images):
        return None
    route, by = result.route, result.probe.by_example
    examples = ArrayItems(by.images) if by is not None and len(by.images) else None
    target = route.direction.target
    return Recognition(
        translated=recogniser.share(result.finite_images, target),
        count=len(result.finite_images),
        inputs=recogniser.share(route.source.evaluated, target),
        real=recogniser.real[target],
        by_example=recogniser.share(examples, target) if examples else None,
        examples=len(examples) if examples else 0,
        doubt=recogniser.doubt,
    )
