"""The real images: the embedded digits, or any labelled source that `ganline ingest` reads."""

from pathlib import Path

import numpy as np
from PIL import Image
from sklearn import datasets

from benchmarks.gate.data import Data, Items, ingest
from benchmarks.gate.failure import Int64, UInt8
from pipeline.items import ItemSpec

FOREIGN = 500
"""Images of another kind."""


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
        Items(images[:900], labels[:900], "digits train"),
        Items(images[900:], labels[900:], "digits rest"),
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


def load_source(path: Path, resolution: int, channels: str, cache: Path, limit: int | None = None) -> Data:
    """Load a labelled source.

    Args:
        path: Folder or archive.
        resolution: Side of the images.
        channels: `gray` or `rgb`.
        cache: Folder that keeps the dataset.
        limit: Images of each class in either split, at most; None for all.
    """
    root = cache / f"{path.stem}-{resolution}-{channels}-{limit or 'all'}-{path.stat().st_mtime_ns}"
    source = f"source: {path.resolve()}, resolution: {resolution}, channels: {channels}, limit: {limit or 'null'}"
    train, rest = map(Items.read, ingest(root, f"data: {{{source}}}\nmodel: {{variant: dcgan}}\n"))
    return Data(path.stem, train, rest, train.item)
