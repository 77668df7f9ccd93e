"""The store is written atomically: it gets its name only when it is complete."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.data.store import DatasetInfo, VariableSizeSet, open_shard, open_split
from pipeline.data.store_writer import StoreWriter
from pipeline.errors import InputError
from pipeline.items import Dtype, ItemSpec
from tests.specs import image_spec


def write(folder: Path, images: int, shape: tuple[int, int, int] = (8, 8, 1)) -> DatasetInfo:
    with StoreWriter(folder, image_spec(8, 1, 0)) as store:
        for number in range(images):
            store.add(
                {"path": f"{number}.png", "split": "train", "pixels_sha256": str(number)},
                np.full(shape, number, dtype=np.uint8),
            )
        store.add({"path": "bad.png", "error": "bad"}, None)
        return store.finish("test")


def test_a_store_reads_back_as_written(tmp_path: Path) -> None:
    info = write(tmp_path / "store", 5)
    assert (info.images, info.set_aside, info.splits) == (5, 1, {"train": 5, "test": 0})
    assert DatasetInfo.read(tmp_path / "store") == info
    shard = open_shard(tmp_path / "store", info, info.shards[0], verify=True)
    assert shard[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4]


def test_a_description_without_pairs_is_readable(tmp_path: Path) -> None:
    info = write(tmp_path / "store", 2)
    path = tmp_path / "store" / "dataset.json"
    path.write_text(path.read_text().replace(',\n  "pairs": "none"', ""))
    assert "pairs" not in path.read_text()
    assert DatasetInfo.read(tmp_path / "store") == info


def test_a_description_without_an_item_is_readable(tmp_path: Path) -> None:
    info = write(tmp_path / "store", 2)
    path = tmp_path / "store" / "dataset.json"
    values = json.loads(path.read_text())
    del values["item"]
    path.write_text(json.dumps(values | {"resolution": 8, "channels": 1, "classes": ["a", "b"]}))
    item = ItemSpec(height=8, width=8, channels=1, classes=("a", "b"))
    assert DatasetInfo.read(tmp_path / "store") == info.model_copy(update={"item": item})


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16"])
def test_items_of_any_shape_and_dtype_are_stored(tmp_path: Path, dtype: Dtype) -> None:
    limits = np.iinfo(dtype)
    items = np.random.default_rng(0).integers(limits.min, limits.max, (5, 6, 10, 2), dtype=dtype, endpoint=True)
    with StoreWriter(tmp_path / "store", ItemSpec(height=6, width=10, channels=2, dtype=dtype)) as store:
        for number, values in enumerate(items):
            store.add({"split": "train", "pixels_sha256": str(number)}, values)
        with pytest.raises(ValueError, match=f"float32 values for a store of {dtype}"):
            store.add({"split": "train"}, values.astype(np.float32))
        info = store.finish("test")
    shard = open_shard(tmp_path / "store", info, info.shards[0], verify=True)
    assert shard.dtype == dtype
    assert (shard == items).all()
    other = info.model_copy(update={"item": info.item.model_copy(update={"width": 12})})
    with pytest.raises(
        InputError, match=rf"contains {dtype} \[5, 6, 10, 2\], but dataset.json says {dtype} \[5, 6, 12, 2\]"
    ):
        open_shard(tmp_path / "store", other, info.shards[0], verify=False)


def test_images_of_different_sizes_are_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Full images and their centre crops are read back bit for bit from several flat shards."""
    monkeypatch.setattr("pipeline.data.store_writer.SHARD_BYTES", 2000)
    rng = np.random.default_rng(0)
    pictures = [
        rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in ((8, 30), (20, 8), (11, 17), (40, 40), (9, 9))
    ]
    with StoreWriter(tmp_path / "store", image_spec(8, 3, 0), own_sizes=True) as store:
        for number, pixels in enumerate(pictures):
            store.add({"path": f"{number}.png", "split": "train", "pixels_sha256": str(number)}, pixels)
        info = store.finish("test")
    assert info.own_sizes
    assert len(info.shards) > 1
    assert sum(shard.rows for shard in info.shards) == sum(one.size for one in pictures)
    (tmp_path / "validated").mkdir()
    pq.write_table(pq.read_table(tmp_path / "store" / "manifest.parquet"), tmp_path / "validated" / "index.parquet")
    found = open_split(tmp_path / "store", tmp_path / "validated", "train", verify=True)
    assert isinstance(found, VariableSizeSet)
    assert found.item.shape == (8, 8, 3)
    for number, pixels in enumerate(pictures):
        assert (found.read_uncropped(number) == pixels).all()
        top, left = (pixels.shape[0] - 8) // 2, (pixels.shape[1] - 8) // 2
        assert (found.images([number])[0] == pixels[top : top + 8, left : left + 8]).all()
    assert found.images().shape == (5, 8, 8, 3)


def test_a_failure_keeps_the_old_store_and_leaves_no_files(tmp_path: Path) -> None:
    before = write(tmp_path / "store", 3)
    with pytest.raises(ValueError, match="broadcast"):
        write(tmp_path / "store", 5, shape=(9, 9, 1))
    assert DatasetInfo.read(tmp_path / "store") == before
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_a_new_store_replaces_the_old_one_and_remains_of_a_killed_run(tmp_path: Path) -> None:
    write(tmp_path / "store", 3)
    (tmp_path / ".store.partial" / "shards").mkdir(parents=True)
    (tmp_path / ".store.partial" / "shards" / "00007.npy").write_bytes(b"torn")
    info = write(tmp_path / "store", 4)
    assert DatasetInfo.read(tmp_path / "store") == info
    assert sorted(path.name for path in (tmp_path / "store" / "shards").iterdir()) == ["00000.npy"]
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
