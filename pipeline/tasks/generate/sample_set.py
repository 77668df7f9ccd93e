"""Generated samples next to the real data: what the measures of the task read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from pipeline.arrays import Float32Array, Float64Array, Int64Array, Items
from pipeline.evaluation.extractors.base import ArrayItems, Extractor, Subset, exact, extract
from pipeline.evaluation.extractors.classifier import train_classifier
from pipeline.evaluation.likeness import Compared, Likeness
from pipeline.evaluation.measures.agreement import Agreement
from pipeline.evaluation.measures.augmented_copies import ItemSets, measure_augmented_copies
from pipeline.evaluation.measures.bins import assign, k_means
from pipeline.evaluation.measures.blends import Blends, find_blends
from pipeline.evaluation.measures.calibration import comparison_size, measure_with_nulls
from pipeline.evaluation.measures.class_diversity import class_diversity
from pipeline.evaluation.measures.class_fid import ClassResult, measure_classes
from pipeline.evaluation.measures.class_repeats import class_repeats
from pipeline.evaluation.measures.class_spread import class_spread, reduce
from pipeline.evaluation.measures.copies import ImageSets, measure_copies, thumbnails
from pipeline.evaluation.measures.distances import nearest
from pipeline.evaluation.measures.feature_likelihood import Likelihood, feature_likelihood
from pipeline.evaluation.measures.fid import Moments, fid
from pipeline.evaluation.measures.kept_classes import compare_kept, find_kept
from pipeline.evaluation.measures.modes import Modes, count_distinct, kl_null
from pipeline.evaluation.measures.outliers import Outliers, find_outliers, standardise
from pipeline.evaluation.measures.path_length import path_length
from pipeline.evaluation.measures.profile_comparison import ProfileComparison, RealItems, compare_profiles
from pipeline.evaluation.measures.supervised_baseline import SemiSupervised
from pipeline.evaluation.measures.turned import RealSets, Turned, find_turned
from pipeline.evaluation.projection import project_to_plane, rank_by_typicality
from pipeline.evaluation.real_data import RealData
from pipeline.evaluation.reference import Ratio, ratio
from pipeline.evaluation.reliability import blind_features, near_chance
from pipeline.evaluation.wording import percent
from pipeline.items import ItemSpec
from pipeline.measure import Measurement

ALIKE = 0.02
"""KL of class histograms, beyond chance, up to which the classes of samples have the shares of real items."""
CLUSTERS = 8
"""Clusters of feature space that take the place of classes."""
NEIGHBOURS_OF, NEIGHBOURS = 12, 7
"""Samples whose nearest training items the report shows, and how many of them."""


class LabelledSamples(ArrayItems):
    """Samples with the classes they were conditioned on, as a split to train on; without a fingerprint, not cached."""

    fingerprint = ""

    def __init__(self, array: Items, labels: Int64Array) -> None:
        super().__init__(array)
        self.labels = labels


@dataclass(frozen=True, eq=False)
class SampleSet(Likeness):
    """Samples of a generator, and what is derived from them and the real data. Parts are computed on first use.

    Attributes:
        images: Finite samples, stored items [n, H, W, C].
        nonfinite: Number of samples that were dropped because they held NaN or Inf.
        labels: int64 [n], the classes that samples were conditioned on; None for unconditional models.
        compare_classifier: Compares the classifier of a semi-supervised model with a supervised one; None without.
        draw_values: Draws network values [n, C, H, W] from latents [n, latent] of some of the paths between latents;
            None for samples of an exported model, and for models without a latent.
        latent: Length of a latent; 0 without `draw_values`.
        looks: Fréchet distances of the training's health checks, oldest first.
    """

    real: RealData
    images: Items
    nonfinite: int = 0
    labels: Int64Array | None = None
    compare_classifier: Callable[[], SemiSupervised] | None = None
    looks: Sequence[float] = ()
    draw_values: Callable[[Tensor, slice], Tensor] | None = None
    latent: int = 0

    def __len__(self) -> int:
        return len(self.images)

    @property
    def total(self) -> int:
        """Samples that were drawn, non-finite ones included."""
        return len(self.images) + self.nonfinite

    @property
    def seed(self) -> int:
        return self.real.settings.seed

    def select(self, positions: Int64Array) -> "SampleSet":
        """Return some of the samples as a set of their own."""
        labels = None if self.labels is None else self.labels[positions]
        return replace(self, images=self.images[positions], labels=labels)

    def concerns(self, need: str) -> bool:
        """Return whether model and data are of the kind that a measure with this need is about."""
        lacks = {
            "conditions": self.labels is None,
            "semi-supervised": self.compare_classifier is None,
            "symmetries": not self.real.medium.symmetries(self.real.item),
        }
        return not lacks.get(need, False) and need not in self.real.medium.lacks(self.real.item)

    def unmet(self, need: str) -> str:
        """Return why a measure with this need does not exist for these samples; empty if it does."""
        if need in ("classes", "conditions") and self.real.classifier is None:
            return "the data has no classes"
        if need == "conditions" and self.labels is None:
            return "the model is not conditional"
        if need == "semi-supervised" and self.compare_classifier is None:
            return "the model is not semi-supervised"
        return ""

    # --- features ---

    @cached_property
    def features(self) -> Float32Array:
        """[n, d] by the extractor."""
        return self.features_by(self.real.extractor)

    def features_by(self, extractor: Extractor) -> Float32Array:
        return extract(
            extractor, ArrayItems(self.images), self.real.settings.batch_size, self.real.progress, "features"
        )

    @cached_property
    def frechet_distance(self) -> float | None:
        """Fréchet distance of all samples to the test split; None for fewer than 2."""
        return fid(self.features, self.real.reference_side) if len(self) >= 2 else None

    @property
    def named_distance(self) -> float | None:
        """Fréchet distance to the reference of `evaluate.reference`; None without one, or for fewer than 2 samples."""
        named, spec = self.real.named_reference, self.real.extractor.spec
        return named.distance(Moments.of(self.features), spec, "the samples") if named and len(self) >= 2 else None

    @cached_property
    def equal_size(self) -> Ratio | None:
        """Fréchet distances at one size, of samples and between real items; None for fewer than 2."""
        return ratio(self.features, self.real.reference, self.seed) if len(self) >= 2 else None

    @cached_property
    def manifold(self) -> dict[str, Measurement]:
        """Measures of feature space with their nulls; empty if there are too few items."""
        return measure_with_nulls(self.features, self.real.pool, self.seed, self.real.cache, self.real.key)

    @cached_property
    def likelihood(self) -> Likelihood | None:
        """Likelihood of held-out items around samples; the calibration items stand for the training items."""
        reference = self.real.reference
        return feature_likelihood(self.features, reference.calibration, reference.real, self.seed)

    @cached_property
    def path_length(self) -> float | None:
        """Smoothness of paths between latents; None without latents, or with features of an ONNX encoder."""
        extractor, draw = self.real.extractor, self.draw_values
        network = getattr(extractor, "network", None)
        if draw is None or network is None or not len(self):
            return None

        def features_of(latents: Tensor, rows: slice) -> Float64Array:
            with torch.inference_mode(), exact(extractor.device):
                values = extractor.tensors.network_to_features(draw(latents, rows).float().to(extractor.device))
                features: Float64Array = network(values).double().cpu().numpy()
            return features

        scale = 2 * self.real.reference_side.moments.trace
        return path_length(features_of, self.latent, self.seed, scale) if scale > 0 else None

    @property
    def blind_features(self) -> str:
        """Why no test of diversity may use the features; empty if tests may."""
        return blind_features(self.real.recognition)

    @property
    def calibrated_size(self) -> int:
        """Items on either side of a calibrated measure; 0 if there are too few."""
        return comparison_size(len(self), len(self.real.pool))

    # --- classes ---

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
        real, labels = self.real, (self.real.test.labels, self.real.train.labels[self.real.calibration_positions])
        return measure_classes(
            self.features, self.labels, self.predicted, real.reference, labels, classes=real.classes, seed=self.seed
        )

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

    # --- pixels ---

    @cached_property
    def distinct(self) -> int | None:
        """Number of samples that differ from each other; None without samples."""
        return count_distinct(self.images) if len(self) else None

    @property
    def item(self) -> ItemSpec:
        return self.real.item

    @property
    def compared(self) -> Compared:
        """The samples, and all real items that nothing was trained on."""
        real = self.real
        side = RealItems(real.pool_items, None, real.cache, real.key, real.medium)
        return Compared(ArrayItems(self.images), side, self.seed)

    def with_items(self, items: Items) -> "SampleSet":
        return replace(self, images=items)

    def undo_change(self) -> "SampleSet":
        """Return the samples as they were before `change`."""
        return replace(self, images=self.change.undo(self.images)) if self.change else self

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

    @cached_property
    def outliers(self) -> Outliers | None:
        """How unlike real items each sample is; None if there are too few items."""
        real = self.real
        network = real.untrained_extractor
        features = self.features if network is real.extractor else self.features_by(network)
        sets = ImageSets(features, real.test_features_by(network), real.training_features_by(network))
        return find_outliers([standardise(sets), self.thumbnails], real.cache, real.key)

    @cached_property
    def turned(self) -> Turned | None:
        """Which samples are mirrored or turned; None if there are too few items."""
        real = self.real
        sets = RealSets(real.test, real.training_sample, real.item, real.settings.batch_size)
        return find_turned(self.images, sets, real.medium.symmetries(real.item), real.cache, real.key)

    @cached_property
    def blends(self) -> Blends | None:
        """Samples that look like blends of two items; None if there are too few items."""
        return find_blends(self.thumbnails, self.real.cache, self.real.key)

    @cached_property
    def thumbnails(self) -> ImageSets:
        """Small pictures of samples, test and training items."""
        real, batch_size = self.real, self.real.settings.batch_size
        sets = (ArrayItems(self.images), real.test, real.training_sample)
        return ImageSets(*(thumbnails(items, real.item, batch_size) for items in sets))

    @cached_property
    def copies(self) -> dict[str, Measurement]:
        """Measures of memorisation with their nulls; empty if there are too few items."""
        real = self.real
        features = ImageSets(self.features, real.reference.real, real.training_features)
        sets = (ArrayItems(self.images), real.test, real.training_sample)
        augmented = ItemSets(*sets, real.item, real.settings.batch_size)
        return {
            **measure_copies(features, self.thumbnails, self.seed, real.cache, real.key),
            "copies_augmented": measure_augmented_copies(augmented, real.cache, real.key),
        }

    # --- what a person looks at ---

    @cached_property
    def neighbours(self) -> Int64Array:
        """Positions in the training split of the items nearest to the first samples, [m, k]."""
        real = self.real
        k = min(NEIGHBOURS, len(real.training_positions))
        return real.training_positions[nearest(self.features[:NEIGHBOURS_OF], real.training_features, k)[1]]

    @cached_property
    def most_typical(self) -> Int64Array:
        """Positions of samples, the most like a real item first."""
        return rank_by_typicality(self.features, self.real.training_features)

    @cached_property
    def least_typical(self) -> Int64Array:
        """Positions of samples, the least like any real item first."""
        return self.outliers.order if self.outliers else self.most_typical[::-1]

    @cached_property
    def plane(self) -> tuple[Float64Array, Float64Array] | None:
        """Samples and real items as points of a plane, [n, 2] each; None without samples."""
        return project_to_plane(self.features, self.real.reference.real, self.seed) if len(self) else None
