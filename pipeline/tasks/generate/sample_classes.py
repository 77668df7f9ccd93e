"""The classes that generated samples show, next to those of real items."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from pipeline.arrays import Float32Array, Float64Array, Int64Array, Items
from pipeline.evaluation.extractors.base import ArrayItems, Subset, extract
from pipeline.evaluation.extractors.classifier import train_classifier
from pipeline.evaluation.measures.agreement import Agreement
from pipeline.evaluation.measures.bins import assign, k_means
from pipeline.evaluation.measures.class_diversity import class_diversity
from pipeline.evaluation.measures.class_fid import ClassResult, chance_of_ratio, measure_classes, select_class
from pipeline.evaluation.measures.class_repeats import class_repeats
from pipeline.evaluation.measures.class_spread import class_spread, reduce
from pipeline.evaluation.measures.kept_classes import compare_kept, find_kept
from pipeline.evaluation.measures.modes import Modes, kl_null
from pipeline.evaluation.measures.profile_comparison import ProfileComparison, RealItems, compare_profiles
from pipeline.evaluation.measures.supervised_baseline import SemiSupervised
from pipeline.evaluation.reliability import near_chance
from pipeline.evaluation.wording import percent
from pipeline.measure import Measurement
from pipeline.tasks.generate.sample_features import SampleFeatures

ALIKE = 0.02
"""KL of class histograms, beyond chance, up to which the classes of samples have the shares of real items."""
CLUSTERS = 8
"""Clusters of feature space that take the place of classes."""


class LabelledSamples(ArrayItems):
    """Samples with the classes they were conditioned on, as a split to train on; without a fingerprint, not cached."""

    fingerprint = ""

    def __init__(self, array: Items, labels: Int64Array) -> None:
        super().__init__(array)
        self.labels = labels


@dataclass(frozen=True, eq=False)
class SampleClasses(SampleFeatures):
    """Samples and their classes; everything is None or empty without a classifier. Parts are computed on first use."""

    @cached_property
    def probabilities(self) -> Float32Array | None:
        """Class probabilities [n, K]; None without a classifier."""
        judge = self.real.classifier
        if judge is None:
            return None
        return judge.predict(self.features if judge is self.real.extractor else self.features_by(judge))

    @cached_property
    def predicted(self) -> Int64Array | None:
        """Most probable class [n]; None without a classifier."""
        return None if self.probabilities is None else np.argmax(self.probabilities, axis=1).astype(np.int64)

    @cached_property
    def modes(self) -> Modes | None:
        """Class histograms of samples and real items; None without a classifier or samples."""
        real = self.real.pool_probabilities
        if self.probabilities is None or real is None or not len(self):
            return None
        return Modes.of(self.probabilities, real, self.real.pool_labels)

    @cached_property
    def modes_null(self) -> tuple[float, float]:
        """Mean and standard deviation of the KL of class histograms that differ by chance alone."""
        return kl_null(self.modes, self.seed) if self.modes else (0.0, 0.0)

    @property
    def unreliable_classes(self) -> str:
        """Why no test may read classes; empty if tests may."""
        accuracy = self.real.classifier_accuracy
        if not near_chance(accuracy, len(self.real.classes)):
            return ""
        return (
            f"the accuracy of the classifier on real test images is only {percent(accuracy or 0.0)}, "
            "too close to chance"
        )

    @cached_property
    def agreement(self) -> Agreement | None:
        """Classes asked for and seen; None for unconditional models, or without a classifier or samples."""
        known = self.real.pool_probabilities
        if self.labels is None or self.predicted is None or known is None or not len(self):
            return None
        seen = known.argmax(axis=1).astype(np.int64)
        return Agreement.of((self.labels, self.predicted), (self.real.pool_labels, seen), len(self.real.classes))

    @cached_property
    def class_distances(self) -> list[ClassResult]:
        """Figures of each class that samples were conditioned on; empty for unconditional models."""
        if self.labels is None or self.predicted is None or not len(self):
            return []
        real = self.real
        return measure_classes(
            self.features,
            self.labels,
            self.predicted,
            real.reference,
            self.reference_labels,
            classes=real.classes,
            seed=self.seed,
        )

    @property
    def reference_labels(self) -> tuple[Int64Array, Int64Array]:
        """Labels of the test items and of the calibration items."""
        return self.real.test.labels, self.real.train.labels[self.real.calibration_positions]

    def chance_of_class(self, name: str) -> float:
        """Return the standard deviation of the logarithm of a class's fid_ratio if its samples were real."""
        real, number = self.real, list(self.real.classes).index(name)
        own_real = select_class(real.reference, self.reference_labels, number)
        return chance_of_ratio(self.features[self.labels == number], own_real, self.seed)

    @cached_property
    def class_diversity(self) -> list[tuple[str, float]]:
        """Diversity within each class relative to real items; empty without a classifier."""
        if self.predicted is None:
            return []
        real = self.real
        return class_diversity(
            self.features, self.predicted, real.pool, real.pool_labels, classes=real.classes, seed=self.seed
        )

    @cached_property
    def class_spread(self) -> Measurement:
        """Variance within classes, in pixels, relative to real items; no value without a classifier."""
        if self.predicted is None or not len(self):
            return Measurement(None)
        real = self.real
        samples, pool = (reduce(items, real.item) for items in (ArrayItems(self.images), real.pool_items))
        return class_spread(samples, self.predicted, pool, real.pool_labels, seed=self.seed)

    @cached_property
    def class_repeats(self) -> tuple[int, Measurement] | None:
        """The class, or the cluster of items without labels, in which most samples are near-duplicates; None if few."""
        real = self.real
        if not len(self) or len(real.pool) < CLUSTERS:
            return None
        if self.predicted is not None and not self.unreliable_classes:
            return class_repeats(self.features, self.predicted, real.pool, real.pool_labels, seed=self.seed)
        centres = k_means(real.pool, CLUSTERS, self.seed)
        ours, theirs = (assign(features, centres) for features in (self.features, real.pool))
        return class_repeats(self.features, ours, real.pool, theirs, seed=self.seed)

    @cached_property
    def classification_accuracy_score(self) -> float | None:
        """Accuracy on real test items of a classifier trained on samples (Ravuri & Vinyals 2019)."""
        if self.labels is None or not len(self) or len(np.unique(self.labels)) < 2:
            return None
        real, nothing = self.real, np.empty(0, dtype=np.int64)
        samples = LabelledSamples(self.images, self.labels)
        student = train_classifier(samples, nothing, real.item, real.device, progress=real.progress)
        features = extract(student, real.test, real.settings.batch_size, real.progress, "features")
        return real.accuracy(student.predict(features))

    @cached_property
    def semi_supervised(self) -> SemiSupervised | None:
        """The classifier of a semi-supervised model next to a supervised one."""
        return self.compare_classifier() if self.compare_classifier else None

    @cached_property
    def class_profiles(self) -> dict[str, dict[str, ProfileComparison]]:
        """The profiles of each class that samples show, whatever was asked for; empty without a classifier."""
        real, labels = self.real, self.predicted
        profiles = [one for one in real.medium.profiles(real.item) if one.by_class]
        if labels is None or self.unreliable_classes or not profiles:
            return {}
        found = {}
        for c, name in enumerate(real.classes):
            mine, theirs = np.flatnonzero(labels == c), np.flatnonzero(real.pool_labels == c)
            side = RealItems(Subset(real.pool_items, theirs), None, real.cache, f"{real.key} class {c}", real.medium)
            found[name] = compare_profiles(profiles, Subset(ArrayItems(self.images), mine), side, self.seed)
        return {name: one for name, one in found.items() if one}

    @cached_property
    def kept_classes(self) -> Measurement:
        """Share of samples that have the same class after they were written and read."""
        judge, expected = self.real.classifier, self.real.kept_classes
        if judge is None or expected is None or not len(self):
            return Measurement(None)
        kept = find_kept(ArrayItems(self.images), judge, self.real.item)
        return (
            Measurement(None) if kept is None else replace(compare_kept(kept, expected), skip=self.unreliable_classes)
        )

    @cached_property
    def class_weights(self) -> Float64Array | None:
        """Weights that give real items the class shares of samples; None if the shares are alike or unknown."""
        modes, known = self.modes, self.real.pool_probabilities
        if modes is None or known is None or self.unreliable_classes or modes.kl - self.modes_null[0] < ALIKE:
            return None
        weights: Float64Array = (modes.fake / np.maximum(modes.real, 1))[known.argmax(axis=1)]
        return weights if np.count_nonzero(weights) > 2 * len(modes.real) else None
