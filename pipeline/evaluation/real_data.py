"""The real data that samples are compared with: splits, feature extractor, classifier and reference features."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from pipeline.arrays import Float32Array, Int64Array
from pipeline.errors import InputError
from pipeline.evaluation.extractors.base import (
    Compute,
    Extractor,
    Images,
    Joined,
    Progress,
    Subset,
    compute_here,
    quiet,
)
from pipeline.evaluation.extractors.caption_matcher import CaptionMatcher, train_matcher
from pipeline.evaluation.extractors.classifier import Classifier, Labelled, train_classifier
from pipeline.evaluation.extractors.contrastive import Contrastive, train_contrastive
from pipeline.evaluation.extractors.random_network import RANDOM, open_random_network
from pipeline.evaluation.extractors.selection import open_extractor
from pipeline.evaluation.measures.fid import Side
from pipeline.evaluation.measures.kept_classes import Kept, find_kept
from pipeline.evaluation.named_reference import NamedReference
from pipeline.evaluation.reference import (
    Reference,
    extract_reference,
    load_or_extract,
    require_reference,
    select_calibration,
)
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.items import ItemSpec
from pipeline.media.base import Medium
from pipeline.media.registry import MEDIA

TRAINING_MOST = 20_000
"""Training items among which nearest neighbours and copies are searched."""


@dataclass(frozen=True, eq=False)
class RealData:
    """Training and test split, and what is derived from them alone. Every part is computed on first use.

    Attributes:
        item: Shape and class names of the items.
        cache: Folder of features and trained classifiers; None keeps nothing.
        root: Folder that a relative path in `evaluate.features` starts from.
        compute: Computes features, of samples too.
    """

    train: Labelled
    test: Labelled
    item: ItemSpec
    settings: EvaluateSettings
    device: torch.device
    cache: Path | None = None
    root: Path = Path()
    progress: Progress = quiet
    compute: Compute = compute_here

    @property
    def classes(self) -> Sequence[str]:
        """Names of the labels."""
        return self.item.classes

    @property
    def medium(self) -> Medium:
        """What the items are."""
        return MEDIA[self.item.medium]

    @cached_property
    def calibration_positions(self) -> Int64Array:
        """Positions in `train` of the calibration items, which the classifier does not train on."""
        require_reference(self.test)
        return select_calibration(self.train, self.test)

    @cached_property
    def classifier(self) -> Classifier | None:
        """The classifier of the training split; None with fewer than two classes.

        Raises:
            InputError: `evaluate.features` is "classifier" and there are fewer than two classes.
        """
        labels = np.delete(self.train.labels, self.calibration_positions)
        if len(np.unique(labels[labels >= 0])) < 2:
            if self.settings.features == "classifier":
                raise InputError(
                    "evaluate.features is classifier, but the data has fewer than two classes; "
                    "set it to auto, contrastive, random or inception"
                )
            return None
        return train_classifier(
            self.train,
            self.calibration_positions,
            self.item,
            self.device,
            folder=self.cache,
            progress=self.progress,
        )

    @cached_property
    def matcher(self) -> CaptionMatcher | None:
        """The network that tells which caption describes an item; None for data without captions."""
        if self.item.vocabulary is None:
            return None
        return train_matcher(
            self.train,
            self.calibration_positions,
            self.item,
            self.device,
            folder=self.cache,
            progress=self.progress,
        )

    @cached_property
    def extractor(self) -> Extractor:
        """The feature extractor that `evaluate.features` names.

        Raises:
            InputError: Its weights are missing.
        """
        features = self.settings.features
        if features in ("auto", "classifier") and self.classifier is not None:
            return self.classifier
        if features in ("auto", "contrastive"):
            return train_contrastive(
                self.train,
                self.calibration_positions,
                self.item,
                self.device,
                folder=self.cache,
                progress=self.progress,
            )
        cache = self.cache if self.cache is not None else self.root
        return open_extractor(self.settings, self.item, self.device, cache, self.root)

    @property
    def recognition(self) -> float | None:
        """Share of held-out items that self-supervised features recognise in a distorted view; None for others."""
        return self.extractor.accuracy if isinstance(self.extractor, Contrastive) else None

    @cached_property
    def named_reference(self) -> NamedReference | None:
        """The reference statistics that `evaluate.reference` names; None without.

        Raises:
            InputError: The file is missing, or was computed with another encoder or preprocessing.
        """
        if self.settings.reference is None:
            return None
        named = NamedReference.load(self.root / self.settings.reference)
        named.require_same_features(self.extractor.spec, "this evaluation")
        return named

    @cached_property
    def reference(self) -> Reference:
        """Features of the test split and of the calibration items."""
        return self.reference_by(self.extractor)

    @cached_property
    def classifier_reference(self) -> Reference | None:
        """The same in the features of the classifier; None without one."""
        if self.classifier is None or self.classifier is self.extractor:
            return None if self.classifier is None else self.reference
        return self.reference_by(self.classifier)

    @cached_property
    def reference_side(self) -> Side:
        """Features of the test split, with their moments computed once."""
        return Side(self.reference.real)

    @cached_property
    def pool(self) -> Float32Array:
        """Features of all real items that nothing was trained on: test split and calibration items."""
        return np.concatenate([self.reference.real, self.reference.calibration])

    @property
    def pool_items(self) -> Images:
        """The items whose features `pool` holds."""
        return Joined(self.test, Subset(self.train, self.calibration_positions))

    @cached_property
    def pool_labels(self) -> Int64Array:
        """Labels of `pool`; -1 where unknown."""
        return np.concatenate([self.test.labels, self.train.labels[self.calibration_positions]])

    @cached_property
    def pool_probabilities(self) -> Float32Array | None:
        """Class probabilities of `pool` by the classifier; None without one."""
        known = self.classifier_reference
        if self.classifier is None or known is None:
            return None
        return self.classifier.predict(np.concatenate([known.real, known.calibration]))

    @cached_property
    def classifier_accuracy(self) -> float | None:
        """Share of the labelled test items that the classifier gets right; None without classifier or labels."""
        known = self.classifier_reference
        if self.classifier is None or known is None:
            return None
        return self.accuracy(self.classifier.predict(known.real))

    @cached_property
    def kept_classes(self) -> Kept | None:
        """Which items of the pool have the same class after they were written and read; None without a classifier.

        None also for a medium whose files hold its items unchanged.
        """
        judge = self.classifier
        return None if judge is None or not len(self.pool_items) else find_kept(self.pool_items, judge, self.item)

    @cached_property
    def training_positions(self) -> Int64Array:
        """Positions in `train` of at most 20,000 items, evenly spaced."""
        return np.linspace(0, len(self.train) - 1, min(len(self.train), TRAINING_MOST)).astype(np.int64)

    @cached_property
    def training_sample(self) -> Subset:
        """The training items at `training_positions`."""
        return Subset(self.train, self.training_positions)

    @cached_property
    def training_features(self) -> Float32Array:
        """Features of `training_sample`."""
        return self.training_features_by(self.extractor)

    @cached_property
    def untrained_extractor(self) -> Extractor:
        """The network of random weights, which sees more of an item than its class."""
        is_it = self.extractor.spec.name == RANDOM
        return self.extractor if is_it else open_random_network(self.item, self.device)

    @property
    def key(self) -> str:
        """What the null of a measure depends on: features and splits."""
        spec = self.extractor.spec.model_dump_json()
        return f"{spec} {self.train.fingerprint} {self.test.fingerprint} {len(self.training_positions)}"

    def reference_by(self, extractor: Extractor) -> Reference:
        """Return the features of the test split and the calibration items by one extractor."""
        return extract_reference(
            extractor,
            self.train,
            self.test,
            self.calibration_positions,
            batch_size=self.settings.batch_size,
            cache=self.cache,
            progress=self.progress,
            compute=self.compute,
        )

    def training_features_by(self, extractor: Extractor) -> Float32Array:
        """Return the features of `training_sample` by one extractor."""
        key = f"{self.train.fingerprint} {len(self.training_positions)}"
        return self.load_features(extractor, self.training_sample, key, f"training {self.medium.noun}s")

    def test_features_by(self, extractor: Extractor) -> Float32Array:
        """Return the features of the test split by one extractor."""
        return self.load_features(extractor, self.test, self.test.fingerprint, "reference")

    def load_features(self, extractor: Extractor, items: Images, key: str, label: str) -> Float32Array:
        """Return the features of real items, from the cache if they were computed before."""
        return load_or_extract(
            extractor,
            items,
            key,
            batch_size=self.settings.batch_size,
            cache=self.cache,
            progress=self.progress,
            label=label,
            compute=self.compute,
        )

    def accuracy(self, probabilities: Float32Array) -> float | None:
        """Return the share of the labelled test items whose class is the most probable; None without labels."""
        labelled = self.test.labels >= 0
        right = probabilities.argmax(axis=1) == self.test.labels
        return float(right[labelled].mean()) if labelled.any() else None
