"""The store takes its name only when all of it is there."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.data.store import DatasetInfo, open_shard
from pipeline.data.writer import StoreWriter


def write(folder: Path, images: int, shape: tuple[int, int, int] = (8, 8, 1)) -> DatasetInfo:
    with StoreWriter(folder, 8, 1) as store:
        for number in range(images):
            store.add({"path": f"{number}.png", "split": "train", "pixels_sha256": str(number)}, np.full(shape, number, dtype=np.uint8))
        store.add({"path": "bad.png", "error": "bad"}, None)
        return store.finish("test", ())


def test_what_is_written_is_read(tmp_path: Path) -> None:
    info = write(tmp_path / "store", 5)
    assert (info.images, info.set_aside, info.splits) == (5, 1, {"train": 5, "test": 0})
    assert DatasetInfo.read(tmp_path / "store") == info
    shard = open_shard(tmp_path / "store", info.shards[0], verify=True)
    assert shard[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4]


def test_a_failure_leaves_the_old_store_and_no_trace(tmp_path: Path) -> None:
    before = write(tmp_path / "store", 3)
    with pytest.raises(ValueError, match="broadcast"):
        write(tmp_path / "store", 5, shape=(9, 9, 1))
    assert DatasetInfo.read(tmp_path / "store") == before
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_a_new_store_replaces_the_old_and_what_a_killed_run_left(tmp_path: Path) -> None:
    write(tmp_path / "store", 3)
    (tmp_path / ".store.partial" / "shards").mkdir(parents=True)
    (tmp_path / ".store.partial" / "shards" / "00007.npy").write_bytes(b"torn")
    info = write(tmp_path / "store", 4)
    assert DatasetInfo.read(tmp_path / "store") == info
    assert sorted(path.name for path in (tmp_path / "store" / "shards").iterdir()) == ["00000.npy"]
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
