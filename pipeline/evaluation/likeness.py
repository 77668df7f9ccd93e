"""Compare how items look with how real items look, by the statistics and profiles of their medium. All tasks use it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import ClassVar

import numpy as np

from pipeline.arrays import Float64Array, Int64Array, Items
from pipeline.evaluation.extractors.base import Images
from pipeline.evaluation.measures.profile_comparison import ProfileComparison, RealItems, compare_profiles
from pipeline.evaluation.measures.set_distances import compare_sets
from pipeline.evaluation.measures.statistics import compare_means, statistics
from pipeline.items import ItemSpec
from pipeline.measure import Measurement
from pipeline.media.profiles import Change, Profile
from pipeline.media.registry import find_medium

RARE = 0.01
"""Share of the real items that lie below what an item must reach."""

CERTAIN = 5.0
"""Standard deviations from which items were certainly changed."""


@dataclass(frozen=True)
class Compared:
    """Items that a model made, the real items they are compared with, and the seed of the draws."""

    fake: Images
    real: RealItems
    seed: int


class Likeness(ABC):
    """What the measures of a medium read: how items look next to real items. Parts are computed on first use.

    Attributes:
        transforms: The items are results of a transformation, whose texture is compared, too.
    """

    transforms: ClassVar[bool] = False

    @property
    @abstractmethod
    def item(self) -> ItemSpec:
        """Shape and medium of the items."""

    @property
    @abstractmethod
    def compared(self) -> Compared:
        """The items, and the real items that they are compared with."""

    @abstractmethod
    def with_items(self, items: Items) -> "Likeness":
        """Return the same with other items in the places of `compared.fake`, to measure them without a fault."""

    @cached_property
    def class_weights(self) -> Float64Array | None:
        """Weights that give real items the class shares of the items; None if they need none."""
        return None

    @cached_property
    def class_profiles(self) -> Mapping[str, Mapping[str, ProfileComparison]]:
        """The profiles of each class; empty without classes."""
        return {}

    @cached_property
    def kept_classes(self) -> Measurement:
        """Share of the items whose class their files keep, next to that of real items; no value without classes."""
        return Measurement(None)

    @property
    def properties(self) -> frozenset[str]:
        """What the items have of what measures of the medium need, such as colours."""
        medium = find_medium(self.item.medium)
        return frozenset(one.needs for one in medium.appearance()) - medium.lacks(self.item) - {"", "classes"}

    @property
    def profiles_of_medium(self) -> list[Profile]:
        """The profiles that are compared."""
        medium = find_medium(self.item.medium)
        profiles = medium.profiles(self.item)
        # Results of a transformation keep the layout of their inputs, which that of the target may well mirror.
        return [one for one in profiles if (one.change is None if self.transforms else not one.transformed)]

    @cached_property
    def appearance(self) -> dict[str, Measurement]:
        """Statistics of the medium, relative to real items; empty if there are too few items."""
        compared = self.compared
        if not len(compared.fake):
            return {}
        fake, real = (statistics(self.item, items) for items in (compared.fake, compared.real.items))
        return compare_means(fake, real, compared.seed)

    def not_below(self, name: str) -> Int64Array:
        """Return the positions of the items whose statistic is as large as in all but 1 % of the real items."""
        fake, real = (statistics(self.item, items)[name] for items in (self.compared.fake, self.compared.real.items))
        return np.flatnonzero(fake >= np.quantile(real, RARE))

    @cached_property
    def profiles(self) -> dict[str, ProfileComparison]:
        """Profiles of the medium, compared with real items in the same shares of classes; empty if there are few."""
        compared = self.compared
        if not len(compared.fake):
            return {}
        found: dict[str, ProfileComparison] = {}
        for weights, weighted in ((self.class_weights, True), (None, False)):
            profiles = [one for one in self.profiles_of_medium if one.weighted == weighted]
            side = replace(compared.real, weights=weights, key=f"{compared.real.key} {weighted}")
            found |= compare_profiles(profiles, compared.fake, side, compared.seed)
        return found

    @cached_property
    def set_distances(self) -> dict[str, Measurement]:
        """Measures of the medium's own distance between items; empty if it has none, or for too few items."""
        compared, medium = self.compared, find_medium(self.item.medium)
        if not len(compared.fake):
            return {}
        distance = partial(medium.distances, spec=self.item)
        return compare_sets(compared.fake, compared.real.items, distance, compared.seed)

    @cached_property
    def change(self) -> Change | None:
        """What was done to all items alike, such as a shift; None if nothing was, or if it cannot be found."""
        for profile in self.profiles_of_medium:
            if profile.change is not None and profile.name in self.profiles:
                found = self.profiles[profile.name]
                z = found.measurement.z
                if found.excess > 0 and (z is None or z > CERTAIN):
                    return profile.change(found.fake, found.real)
        return None
