"""Captions from the source to the batch."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.data.index_columns import fingerprint
from pipeline.data.store import DatasetInfo
from pipeline.data.store_writer import StoreWriter
from pipeline.data.views import Captioned
from pipeline.errors import InputError
from tests.captioned import captioned_items
from tests.data.ingesting import run_ingestion
from tests.specs import image_spec

CPU = torch.device("cpu")


def write(folder: Path, captions: dict[str, str | None]) -> DatasetInfo:
    """Store one image for each name, those that begin with "test" in the test split."""
    with StoreWriter(folder, image_spec(8, 1)) as store:
        for name, caption in captions.items():
            split = "test" if name.startswith("test") else "train"
            record = {"path": name, "split": split, "pixels_sha256": name, "caption": caption}
            store.add(record, np.zeros((8, 8, 1), dtype=np.uint8))
        return store.finish("source")


def test_the_vocabulary_is_that_of_the_training_captions(tmp_path: Path) -> None:
    info = write(tmp_path / "store", {"a": "a dog", "b": None, "test c": "an unheard word"})
    assert info.item.vocabulary is not None
    assert info.item.vocabulary.words == ("a", "dog")
    assert DatasetInfo.read(tmp_path / "store") == info
    other = write(tmp_path / "other", {"a": "a cat", "b": None, "test c": "an unheard word"})
    assert other.fingerprint != info.fingerprint, "other captions are other data"
    without = write(tmp_path / "without", {"a": None, "b": None, "test c": "an unheard word"})
    assert without.item.vocabulary is None


def test_captions_of_folders_become_a_vocabulary_and_long_ones_are_reported(tmp_path: Path) -> None:
    from PIL import Image

    source = tmp_path / "source"
    source.mkdir()
    rows = ["file_name,caption"]
    for number, caption in enumerate(["a red dot", "a dot " * 20, "blue"]):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(source / f"{number}.png")
        rows.append(f"{number}.png,{caption}")
    (source / "metadata.csv").write_text("\n".join(rows))
    lines: list[str] = []
    info, _ = run_ingestion(source, tmp_path, test_fraction=0, report=lines.append)
    assert info.item.vocabulary is not None
    assert info.item.vocabulary.words == ("a", "blue", "dot", "red")
    assert lines == ["warning: 1 of 3 captions have more than 32 words, and the rest of them is not read"]


def test_batches_hold_items_with_the_tokens_of_their_captions() -> None:
    data = captioned_items()
    assert data.item.vocabulary is not None
    batches = Captioned(data, CPU, 0)
    state = batches.state()
    batch = batches.next(70)
    assert batch["tokens"].shape == (70, data.item.vocabulary.length)
    for image, row in zip(batch["item"], batch["tokens"].tolist(), strict=True):
        words = {data.item.vocabulary.words[token - 1] for token in row if token}
        red, green, blue = image.mean(dim=(1, 2)).tolist()
        seen = "white" if min(red, green, blue) > 0.5 else ("red", "green", "blue")[int(np.argmax([red, green, blue]))]
        assert seen in words
    batches.restore(state)
    assert torch.equal(batches.next(70)["tokens"], batch["tokens"])


def test_items_without_a_caption_are_not_drawn() -> None:
    data = captioned_items()
    some = captioned_items(captions=[*data.captions[:2], *[""] * 58])
    batch = Captioned(some, CPU, 0).next(20)
    drawn = {tuple(image.flatten().tolist()) for image in batch["item"]}
    assert len(drawn) == 2
    assert (batch["tokens"] > 0).any(dim=1).all()
    with pytest.raises(InputError, match=r"and none has one: give the source a metadata\.csv"):
        Captioned(captioned_items(captions=[""] * 60), CPU, 0)
    with pytest.raises(InputError, match="and none has"):
        Captioned(captioned_items(captions=(), item=image_spec(8, 3)), CPU, 0)


def test_captions_count_for_the_fingerprint_of_a_split() -> None:
    import pyarrow as pa

    labels = np.zeros(1, dtype=np.int64)
    digests = {
        fingerprint([pa.table({"pixels_sha256": ["x"], "caption": [text]})], labels, captioned=captioned)
        for text, captioned in (("a", True), ("b", True), ("a", False), ("b", False))
    }
    assert len(digests) == 3
