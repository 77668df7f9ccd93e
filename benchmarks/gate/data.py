"""The real images that are corrupted: the embedded digits, or any source that `ganline ingest` reads."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.gate.corruptions import Int64, Real, UInt8
from pipeline.items import ItemSpec


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


@dataclass(frozen=True)
class Data:
    """Training images, and `rest`: images that nothing is trained on, which give references and fresh samples."""

    train: Images
    rest: Images
    item: ItemSpec

    def split(self, seed: int, samples: int) -> tuple[Images, Real]:
        """Shuffle the rest; return one half as reference, and up to `samples` images of the other as fresh images."""
        order = np.random.default_rng(seed).permutation(len(self.rest))
        half = len(order) // 2
        test, fresh = order[:half], order[half:][:samples]
        return (
            Images(self.rest.array[test], self.rest.labels[test], f"{self.rest.fingerprint} {seed}"),
            Real(self.rest.array[fresh], self.rest.labels[fresh], self.train.array),
        )


def load_digits() -> Data:
    """Load scikit-learn's digits, 900 of which are for training."""
    from sklearn import datasets

    data = datasets.load_digits()
    images = np.minimum(np.round(data.images * (255 / 16)), 255).astype(np.uint8)[..., None]
    order = np.random.default_rng(0).permutation(len(images))
    train, rest = order[:900], order[900:]
    labels = data.target.astype(np.int64)
    return Data(
        Images(images[train], labels[train], "digits train"),
        Images(images[rest], labels[rest], "digits rest"),
        ItemSpec(height=8, width=8, channels=1, classes=tuple(str(k) for k in range(10))),
    )


def ingest_source(path: Path, resolution: int) -> Data:
    """Ingest and validate a labelled source with a test split."""
    from pipeline.data.store import DatasetInfo, open_split
    from pipeline.stages import ingest, validate

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "params.yaml").write_text(
            f"data: {{source: {path.resolve()}, resolution: {resolution}}}\nmodel: {{variant: dcgan}}\n"
        )
        ingest.run(root)
        validate.run(root)
        splits = [open_split(root / "data/dataset", root / "data/validated", name) for name in ("train", "test")]
        train, rest = (Images(split.images(), split.labels, split.fingerprint) for split in splits)
        return Data(train, rest, DatasetInfo.read(root / "data/dataset").item)
