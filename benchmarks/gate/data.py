"""Real items in memory, split into those for training, those for reference and fresh ones."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.gate.failure import Int64, UInt8
from pipeline.data.store import ItemSet, open_split
from pipeline.items import ItemSpec


class Items:
    """Items with labels in memory, as a split of a dataset."""

    def __init__(self, array: UInt8, labels: Int64, fingerprint: str, item: ItemSpec | None = None) -> None:
        height, width, channels = array.shape[1:]
        self.array, self.labels, self.fingerprint = array, labels, fingerprint
        self.item = item or ItemSpec(height=height, width=width, channels=channels)

    def __len__(self) -> int:
        return len(self.array)

    def images(self, indices: npt.ArrayLike | None = None, /) -> UInt8:
        """Return the items at these positions, [n, H, W, C]; None returns all."""
        selected: UInt8 = self.array if indices is None else self.array[np.asarray(indices, dtype=np.int64)]
        return selected

    @classmethod
    def read(cls, split: ItemSet) -> "Items":
        """Read a split of a dataset into memory."""
        return cls(split.images(), split.labels, split.fingerprint, split.item)

    def take(self, positions: Int64, name: str) -> "Items":
        """Return the items at these positions as a split with a fingerprint of its own."""
        return Items(self.array[positions], self.labels[positions], f"{self.fingerprint} {name}", self.item)

    def join(self, other: "Items") -> "Items":
        """Return these items, followed by others."""
        labels = np.concatenate([self.labels, other.labels])
        fingerprint = f"{self.fingerprint} and {other.fingerprint}"
        return Items(np.concatenate([self.array, other.array]), labels, fingerprint, self.item)

    def without_labels(self) -> "Items":
        """Return the same items without their labels."""
        item = self.item.model_copy(update={"classes": ()})
        return Items(self.array, np.full_like(self.labels, -1), self.fingerprint, item)


@dataclass(frozen=True)
class Data:
    """Training items, and `rest`: items that nothing is trained on, which give references and fresh samples.

    Attributes:
        labelled: Whether the gate sees the labels; the corruptions always do.
        reference: Largest number of items in the reference; None for half of the rest.
    """

    name: str
    train: Items
    rest: Items
    item: ItemSpec
    labelled: bool = True
    reference: int | None = None

    def split(self, seed: int, samples: int) -> tuple[Items, Int64]:
        """Shuffle the rest; return one part as reference, and the positions of up to `samples` fresh items."""
        order = np.random.default_rng(seed).permutation(len(self.rest))
        half = min(len(order) // 2, self.reference or len(order))
        reference = self.rest.take(order[:half], f"{seed} {half}")
        return reference if self.labelled else reference.without_labels(), order[half:][:samples]

    def restrict(self, labelled: bool, train: int | None, reference: int | None) -> "Data":
        """Hide the labels, and limit the numbers of items, as in a small dataset."""
        items = self.train
        if train is not None and train < len(items):
            rows = np.arange(train) * len(items) // train  # a source may be in the order of its classes
            items = items.take(rows, f"{train} evenly")
        if labelled:
            return replace(self, train=items, reference=reference)
        items = items.without_labels()
        return replace(
            self, train=items, item=self.item.model_copy(update={"classes": ()}), labelled=False, reference=reference
        )


def load_with_larger_rest(name: str, root: Path, params: str, moved: int) -> Data:
    """Load a source; one of `moved` training items joins its test split, which is small."""
    train, rest = map(Items.read, ingest(root, params))
    joins = np.arange(len(train)) % moved == 0
    rest = rest.join(train.take(np.flatnonzero(joins), "moved"))
    return Data(name, train.take(np.flatnonzero(~joins), "kept"), rest, train.item)


def ingest(root: Path, params: str) -> tuple[ItemSet, ItemSet]:
    """Ingest and validate the source that `params` names; return the training and the test split.

    A second call with the same `root`, which keeps the dataset, reads it from there.
    """
    from pipeline.stages import ingest, validate

    root = root.resolve()
    dataset, validated = root / "data/dataset", root / "data/validated"
    if not (validated / "index.parquet").is_file():
        root.mkdir(parents=True, exist_ok=True)
        (root / "params.yaml").write_text(params, encoding="utf-8")
        ingest.run(root)
        validate.run(root)
    train, test = (open_split(dataset, validated, name) for name in ("train", "test"))
    return train, test
