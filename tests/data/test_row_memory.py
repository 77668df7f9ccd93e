"""Rows are columns: reading, validating and opening many items leaves few Python objects behind."""

import gc
import io
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.data.file_reader import FileReader
from pipeline.data.index_columns import StringColumn
from pipeline.data.sources import open_source
from pipeline.data.sources.labelled import LabelledSource
from pipeline.data.store import open_split
from pipeline.data.store_writer import StoreWriter
from pipeline.data.survey import Survey
from pipeline.data.validation_findings import examine, find_copies
from pipeline.media.image.settings import ImageSettings
from pipeline.media.image.validation import ImageValidation
from pipeline.media.registry import MEDIA
from pipeline.stages.validate import read_examined, write_index

IMAGE = MEDIA["image"]
ROWS = 20_000


def new_objects(action: Callable[[], object]) -> tuple[int, object]:
    """Return by how many small Python objects memory has grown after an action, and its result."""
    gc.collect()
    before = sys.getallocatedblocks()
    result = action()
    gc.collect()
    return sys.getallocatedblocks() - before, result


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a dataset of many one-pixel items, a tenth of them copies."""
    folder = tmp_path_factory.mktemp("rows")
    spec = IMAGE.spec(ImageSettings(resolution=8, channels="gray"), ("a", "b"))
    item = spec.model_copy(update={"height": 1, "width": 1})
    facts = {"width": 9, "height": 9, "side": 9.0, "mode": "L", "mean": 0.5, "std": 0.2}
    with StoreWriter(folder / "dataset", item, IMAGE.facts) as writer:
        for number in range(ROWS):
            digest = f"{number - number % 10 // 9:064x}"
            place = {"path": f"{number:06d}.png", "class": "ab"[number % 2], "label": number % 2}
            row = {
                **facts,
                **place,
                "sha256": digest,
                "pixels_sha256": digest,
                "split": ("train", "test")[number % 7 == 0],
            }
            writer.add(row, np.full((1, 1, 1), number % 256, dtype=np.uint8))
        writer.finish("rows")
    return folder


def test_validation_and_splits_hold_no_row_in_python_objects(store: Path) -> None:
    manifest = pq.ParquetFile(store / "dataset/manifest.parquet")
    examine(read_examined(manifest).head(100), ["a", "b"], IMAGE, ImageValidation())  # imports
    grown, findings = new_objects(lambda: examine(read_examined(manifest), ["a", "b"], IMAGE, ImageValidation()))
    assert grown < ROWS / 4, "only rows that are set aside may have objects"
    accepted = findings.files["reason"].isna().to_numpy()  # type: ignore[attr-defined]
    assert 0.85 * ROWS < accepted.sum() < 0.95 * ROWS
    (store / "validated").mkdir(exist_ok=True)
    write_index(manifest, accepted, store / "validated/index.parquet")
    index = pq.read_table(store / "validated/index.parquet")
    assert index.equals(manifest.read(index.column_names).filter(pa.array(accepted)))
    open_split(store / "dataset", store / "validated", "test")
    grown, train = new_objects(lambda: open_split(store / "dataset", store / "validated", "train"))
    assert len(train) > ROWS / 2  # type: ignore[arg-type]
    assert grown < ROWS / 50


def test_tars_with_labels_are_listed_without_an_object_for_each_file(tmp_path: Path) -> None:
    count = 3000
    for shard in range(2):
        with tarfile.open(tmp_path / f"{shard}.tar", "w") as tar:
            for number in range(count if shard else 10):
                member = tarfile.TarInfo(f"{number:06d}.png")
                tar.addfile(member)
    values = ImageSettings(source=str(tmp_path))

    def survey() -> object:
        source = LabelledSource.of(open_source(IMAGE, values, tmp_path, tmp_path), values)
        found = Survey.of(source, IMAGE, values)
        assert found.files == count + 10
        return source, FileReader(IMAGE, values, found, source)

    survey()
    grown, _ = new_objects(survey)
    assert grown < count / 10


def test_samples_with_equal_labels_share_their_notes(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "0.tar", "w") as tar:
        for number in range(500):
            for suffix, data in (("png", b"x"), ("cls", b"%d" % (number % 12))):
                member = tarfile.TarInfo(f"{number:06d}.{suffix}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    values = ImageSettings(source=str(tmp_path))
    source = LabelledSource.of(open_source(IMAGE, values, tmp_path, tmp_path), values)
    assert len({id(note) for note in source.metadata.samples.values()}) == 12
    files = list(source.stream())
    assert len(files) == 500
    assert [file.meaning for file in files[:3]] == [("00",), ("01",), ("02",)]


def test_a_string_column_is_a_sequence() -> None:
    column = StringColumn(pa.chunked_array([["a", None], [], ["c", "d", "e"]], pa.string()))
    values = ["a", "", "c", "d", "e"]
    assert [*column] == values
    assert [column[k] for k in range(-5, 5)] == [values[k] for k in range(-5, 5)]
    assert column[1:4] == values[1:4]
    assert column[::-2] == values[::-2]
    assert column[np.int64(2)] == "c"  # type: ignore[call-overload]
    assert "d" in column
    assert len(column) == 5
    with pytest.raises(IndexError):
        column[5]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["train", "test", None]),
            st.sampled_from(["p", "q", "r", None]),
            st.sampled_from([None, "bad"]),
        ),
        max_size=14,
    )
)
def test_copies_are_those_of_a_plain_search(rows: list[tuple[str | None, str | None, str | None]]) -> None:
    """The reference looks at each row and all rows before it."""
    frame = pd.DataFrame(rows, columns=["split", "identity", "error"], dtype=object)
    frame["path"] = [f"file {number}" for number in range(len(rows))]
    find_copies(frame, frame["identity"])
    for number, (split, identity, error) in enumerate(rows):
        usable = error is None and identity is not None and split is not None
        same = [k for k, row in enumerate(rows) if row[1] == identity and row[2] is None] if usable else []
        earlier = [k for k in same if rows[k][0] == split and k < number]
        training = [k for k in same if rows[k][0] == "train"] if split == "test" else []
        for column, found in (("duplicate_of", earlier), ("leaked_from", training)):
            value = frame[column].iloc[number]
            assert (value == f"file {found[0]}") if found else pd.isna(value)
