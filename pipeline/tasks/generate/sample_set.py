"""Generated samples next to the real data: what the measures of the task read."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

from pipeline.arrays import Float64Array, Int64Array, Items
from pipeline.evaluation.altered_samples import find_altered
from pipeline.evaluation.extractors.base import ArrayItems
from pipeline.evaluation.likeness import Compared
from pipeline.evaluation.measures.altered import Altered
from pipeline.evaluation.measures.augmented_copies import ItemSets, measure_augmented_copies
from pipeline.evaluation.measures.copies import ImageSets, measure_copies, thumbnails
from pipeline.evaluation.measures.distances import nearest
from pipeline.evaluation.measures.modes import count_distinct
from pipeline.evaluation.measures.outliers import Outliers, find_outliers, standardise
from pipeline.evaluation.measures.profile_comparison import RealItems
from pipeline.evaluation.projection import project_to_plane, rank_by_typicality
from pipeline.items import ItemSpec
from pipeline.measure import Measurement
from pipeline.media.alteration import Group
from pipeline.tasks.generate.sample_captions import SampleCaptions

NEIGHBOURS_OF, NEIGHBOURS = 12, 7
"""Samples whose nearest training items the report shows, and how many of them."""


@dataclass(frozen=True, eq=False)
class SampleSet(SampleCaptions):
    """Samples of a generator, and all that is derived from them and the real data. Parts are computed on first use."""

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

    def with_items(self, items: Items) -> Self:
        return replace(self, images=items)

    def undo_change(self) -> Self:
        """Return the samples as they were before `change`."""
        return replace(self, images=self.change.undo(self.images)) if self.change else self

    @cached_property
    def outliers(self) -> Outliers | None:
        """How unlike real items each sample is; None if there are too few items."""
        real = self.real
        network = real.untrained_extractor
        features = self.features if network is real.extractor else self.features_by(network)
        sets = ImageSets(features, real.test_features_by(network), real.training_features_by(network))
        return find_outliers([standardise(sets), self.thumbnails], real.cache, real.key)

    @cached_property
    def altered(self) -> Altered | None:
        """Which samples are altered in a known way; None if there are too few items."""
        return find_altered(self.images, self.real)

    def altered_names(self, group: Group) -> list[str]:
        """Return the names of the alterations of one group."""
        return [one.name for one in self.real.medium.alterations(self.real.item) if one.group == group]

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
