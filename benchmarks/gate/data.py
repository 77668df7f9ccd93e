"""The real images that are corrupted: the embedded digits, or any source that `ganline ingest` reads."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from sklearn import datasets

from benchmarks.gate.failure import Int64, Real, UInt8
from pipeline.items import ItemSpec

FOREIGN = 500
"""Images of another kind."""


class Images:
    """Images with labels in memory, as a split of a dataset."""

    def __init__(self, array: UInt8, labels: Int64, fingerprint: str) -> None:
        self.array, self.labels, self.fingerprint = array, labels, fingerprint
        height, width, channels = array.shape[1:]
        self.item = ItemSpec(height=height, width=width, channels=channels)

    def __len__(self) -> int:
        return len(self.array)

    def images(self, indices: npt.ArrayLike | None = None, /) -> UInt8:
        """Return the images at these positions, [n, H, W, C]; None returns all."""
        selected: UInt8 = self.array if indices is None else self.array[np.asarray(indices, dtype=np.int64)]
        return selected

    def without_labels(self) -> "Images":
        """Return the same images without their labels."""
        return Images(self.array, np.full_like(self.labels, -1), self.fingerprint)


@dataclass(frozen=True)
class Data:
    """Training images, and `rest`: images that nothing is trained on, which give references and fresh samples.

    Attributes:
        labelled: Whether the gate sees the labels; the corruptions always do.
        reference: Largest number of images in the reference; None for half of the rest.
    """

    name: str
    train: Images
    rest: Images
    item: ItemSpec
    labelled: bool = True
    reference: int | None = None

    def split(self, seed: int, samples: int) -> tuple[Images, Real]:
        """Shuffle the rest; return one part as reference, and up to `samples` images of the other as fresh images."""
        order = np.random.default_rng(seed).permutation(len(self.rest))
        half = min(len(order) // 2, self.reference or len(order))
        test, fresh = order[:half], order[half:][:samples]
        images = Images(self.rest.array[test], self.rest.labels[test], f"{self.rest.fingerprint} {seed} {half}")
        real = Real(
            self.rest.array[fresh], self.rest.labels[fresh], self.train.array, load_foreign(self.rest.array.shape[1:])
        )
        return images if self.labelled else images.without_labels(), real

    def restrict(self, labelled: bool, train: int | None, reference: int | None) -> "Data":
        """Hide the labels, and limit the numbers of images, as in a small dataset."""
        images = self.train
        if train is not None and train < len(images):
            images = Images(images.array[:train], images.labels[:train], f"{images.fingerprint} {train}")
        if labelled:
            return replace(self, train=images, reference=reference)
        item = self.item.model_copy(update={"classes": ()})
        return replace(self, train=images.without_labels(), item=item, labelled=False, reference=reference)


def digits() -> tuple[UInt8, Int64]:
    """Return scikit-learn's digits, 8 x 8, in random order, with their labels."""
    data = datasets.load_digits()
    images = np.minimum(np.round(data.images * (255 / 16)), 255).astype(np.uint8)[..., None]
    order = np.random.default_rng(0).permutation(len(images))
    return images[order], data.target.astype(np.int64)[order]


def load_digits() -> Data:
    """Load scikit-learn's digits, 900 of which are for training."""
    images, labels = digits()
    return Data(
        "digits",
        Images(images[:900], labels[:900], "digits train"),
        Images(images[900:], labels[900:], "digits rest"),
        ItemSpec(height=8, width=8, channels=1, classes=tuple(str(k) for k in range(10))),
    )


def load_foreign(shape: tuple[int, ...]) -> UInt8:
    """Return images of another kind: pieces of a photograph for gray images, enlarged digits for colour images."""
    height, width, channels = shape
    if channels == 3:
        pictures = [Image.fromarray(image[:, :, 0]).resize((width, height)) for image in digits()[0][:FOREIGN]]
        return np.stack([np.asarray(picture.convert("RGB"), dtype=np.uint8) for picture in pictures])
    rng, photograph = np.random.default_rng(0), datasets.load_sample_image("flower.jpg").mean(axis=2)
    rows, columns = (
        rng.integers(0, most - side, FOREIGN) for most, side in zip(photograph.shape, (height, width), strict=True)
    )
    pieces = [photograph[y : y + height, x : x + width] for y, x in zip(rows, columns, strict=True)]
    gray: UInt8 = np.rint(np.stack(pieces)).astype(np.uint8)[..., None]
    return gray


def ingest_source(path: Path, resolution: int, cache: Path, limit: int | None = None) -> Data:
    """Ingest and validate a labelled source; a second run reads it from the cache.

    Args:
        path: Folder or archive.
        resolution: Side of the images.
        cache: Folder that keeps the dataset.
        limit: Images of each class in either split, at most; None for all.
    """
    from pipeline.data.store import DatasetInfo, open_split
    from pipeline.stages import ingest, validate

    root = (cache / f"{path.stem}-{resolution}-{limit or 'all'}-{path.stat().st_mtime_ns}").resolve()
    dataset, validated = root / "data/dataset", root / "data/validated"
    if not (validated / "index.parquet").is_file():
        root.mkdir(parents=True, exist_ok=True)
        (root / "params.yaml").write_text(
            f"data: {{source: {path.resolve()}, resolution: {resolution}, limit: {limit or 'null'}}}\n"
            "model: {variant: dcgan}\n"
        )
        ingest.run(root)
        validate.run(root)
    splits = [open_split(dataset, validated, name) for name in ("train", "test")]
    train, rest = (Images(split.images(), split.labels, split.fingerprint) for split in splits)
    return Data(path.stem, train, rest, DatasetInfo.read(dataset).item)
