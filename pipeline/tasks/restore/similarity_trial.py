"""One trial of a restoration of a medium with similarities: held-out items, their inputs, results and baselines."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from pipeline.arrays import BoolArray, Float64Array, Int64Array, Items
from pipeline.evaluation.extractors.base import ArrayItems
from pipeline.evaluation.likeness import Compared, Likeness
from pipeline.evaluation.measures.profile_comparison import RealItems
from pipeline.items import ItemSpec
from pipeline.media.registry import find_medium
from pipeline.media.restoration import INPUT, RECOGNISED, Similarity


@dataclass(frozen=True)
class Scores:
    """A similarity to the originals, [n] each: of restored items, of the inputs, and of the baseline."""

    restored: Float64Array
    given: Float64Array
    baseline: Float64Array


@dataclass
class SimilarityTrial(Likeness):
    """Held-out items after one kind of degradation; arrays hold the finite ones, [n, H, W, C] each.

    Attributes:
        title: Name of the degradation.
        spec: Shape and medium of the items.
        original, given, restored: Clean items, degraded ones, and what the model makes of those.
        nonfinite: Number of results that hold NaN or Inf.
        seed: Seed of the draws.
        cache, key: Where nulls are kept, and what identifies the originals there.
        recognised: Whether a classifier names the class of each original and of each result, [n, 2]; None without one.
        stand_ins: `given` holds what was made of the inputs without learning, see `Tensors.stand_in`.
    """

    transforms: ClassVar[bool] = True

    title: str
    spec: ItemSpec
    original: Items
    given: Items
    restored: Items
    nonfinite: int = 0
    seed: int = 0
    cache: Path | None = None
    key: str = ""
    stand_ins: bool = False
    recognised: BoolArray | None = None

    @property
    def total(self) -> int:
        """Number of items, finite or not."""
        return len(self.original) + self.nonfinite

    @property
    def suffix(self) -> str:
        """The title as the end of a metric's name."""
        return "_" + self.title.replace(" ", "_").replace(".", "p").replace("-", "minus")

    @property
    def provides(self) -> frozenset[str]:
        """What the items have of what measures of the medium need."""
        more = {INPUT: not self.stand_ins, RECOGNISED: self.recognised is not None}
        return self.properties | {name for name, has in more.items() if has}

    @property
    def item(self) -> ItemSpec:
        return self.spec

    @property
    def compared(self) -> Compared:
        """The restored items, and the originals."""
        real = RealItems(ArrayItems(self.original), None, self.cache, self.key, find_medium(self.spec.medium))
        return Compared(ArrayItems(self.restored), real, self.seed)

    def select(self, positions: Int64Array) -> "SimilarityTrial":
        """Return the trial with some of the finite items alone."""
        original, given, restored = (items[positions] for items in (self.original, self.given, self.restored))
        recognised = None if self.recognised is None else self.recognised[positions]
        return replace(self, original=original, given=given, restored=restored, recognised=recognised, cache=None)

    def with_items(self, items: Items) -> "SimilarityTrial":
        return replace(self, restored=items)

    @cached_property
    def baseline(self) -> Items:
        """The inputs, restored without learning."""
        if self.stand_ins:
            return self.given
        return find_medium(self.spec.medium).baseline(self.given, self.original, self.spec)

    @cached_property
    def similarities(self) -> Mapping[str, Similarity]:
        """The similarities of the medium that mean something for these inputs, by name."""
        found = find_medium(self.spec.medium).similarities
        return {one.name: one for one in found if not one.needs or one.needs in self.provides}

    @cached_property
    def scores(self) -> Mapping[str, Scores]:
        """The similarities by name."""
        return {
            one.name: Scores(
                *(one.compare(items, self.original, self.spec) for items in (self.restored, self.given, self.baseline))
            )
            for one in self.similarities.values()
        }
