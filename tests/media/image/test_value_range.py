"""Images of more than 8 bits: the range of a data set, found from all files or set, and what lies outside of it."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd  # type: ignore[import-untyped]
import pytest
from PIL import Image
from pydantic import ValidationError

from pipeline.data.ingestion import ingest
from pipeline.data.store import DatasetInfo, open_shard
from pipeline.items import ItemSpec
from pipeline.media.codec import Bounds
from pipeline.media.image.settings import ImageSettings
from pipeline.media.image.validation import ImageValidation, expectations
from pipeline.media.image.value_range import find_range
from pipeline.media.registry import MEDIA

IMAGES = MEDIA["image"]
RAMP = np.linspace(0, 1, 64).reshape(8, 8)


def tiff(values: npt.ArrayLike, dtype: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.asarray(values).astype(dtype)).save(out, "TIFF")
    return out.getvalue()


def run(folder: Path, files: dict[str, bytes], **settings: Any) -> tuple[DatasetInfo, pd.DataFrame, dict[str, Any]]:
    """Ingest files; return the description, the manifest, and the pixels of each file."""
    source = folder / "source"
    source.mkdir(parents=True)
    for name, data in files.items():
        (source / name).write_bytes(data)
    parsed = ImageSettings.model_validate({"source": str(source), "channels": "gray", "test_fraction": 0, **settings})
    info = ingest(parsed, folder, folder / "cache", folder / "dataset")
    manifest = pd.read_parquet(folder / "dataset" / "manifest.parquet")
    shard = open_shard(folder / "dataset", info, info.shards[0], verify=True)
    stored = manifest[manifest["error"].isna()]
    return info, manifest, {path: shard[row][:, :, 0] for path, row in zip(stored["path"], stored["row"], strict=True)}


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        (Bounds(0, 200, whole=True), (0, 255)),
        (Bounds(3, 900, whole=True), (0, 1023)),
        (Bounds(0, 4095, whole=True), (0, 4095)),
        (Bounds(0, 4096, whole=True), (0, 16383)),
        (Bounds(0, 65535, whole=True), (0, 65535)),
        (Bounds(0, 1_000_000, whole=True), (0, 1_000_000)),
        (Bounds(-1024, 3071, whole=True), (-1024, 3071)),
        (Bounds(0, 0.9, whole=False), (0, 1)),
        (Bounds(0, 1.01, whole=False), (0, 1.01)),
        (Bounds(0, 254.3, whole=False), (0, 255)),
        (Bounds(-1, 1, whole=False), (-1, 1)),
        (Bounds(-1, -1, whole=False), (-1, 0)),
    ],
)
def test_the_range_is_the_smallest_number_of_bits_or_that_of_the_values(
    bounds: Bounds, expected: tuple[float, float]
) -> None:
    assert find_range(bounds) == expected


def test_one_range_is_found_from_all_files(tmp_path: Path) -> None:
    """12 bits in 16, of which one file is dark: it stays dark, and the others use all gray levels."""
    files = {"full.tif": tiff(RAMP * 4095, np.uint16), "dark.tif": tiff(RAMP * 400, np.uint16)}
    info, manifest, pixels = run(tmp_path, files | {"eight.tif": tiff(RAMP * 255, np.uint8)})
    assert info.item.details == {"range": {"integer": [0, 4095]}}
    assert DatasetInfo.read(tmp_path / "dataset") == info
    full = np.rint((RAMP * 4095).astype(np.uint16) * (255 / 4095))
    assert (pixels["full.tif"] == full).all()
    assert pixels["dark.tif"].max() == round(400 / 4095 * 255)
    assert (pixels["eight.tif"] == (RAMP * 255).astype(np.uint8)).all()
    facts = manifest.set_index("path")
    assert facts.loc["dark.tif", ["lowest", "highest"]].tolist() == [0, 400]
    assert facts.loc["dark.tif", "range_share"] == pytest.approx(400 / 4095)
    assert facts.loc["eight.tif", ["lowest", "range_share", "outside_share"]].isna().all()


def test_one_bright_pixel_does_not_make_a_float_image_black(tmp_path: Path) -> None:
    hot = RAMP * 0.9
    hot[0, 0] = 1.01
    files = {"hot.tif": tiff(hot, np.float32), "plain.tif": tiff(RAMP * 0.9, np.float32)}
    info, _, pixels = run(tmp_path, files)
    stored: Any = info.item.details["range"]
    assert stored == {"float": pytest.approx([0, 1.01])}
    assert (pixels["hot.tif"].ravel()[1:] == pixels["plain.tif"].ravel()[1:]).all()
    assert pixels["plain.tif"].max() == round(0.9 / 1.01 * 255)


def test_integers_and_floats_have_ranges_of_their_own(tmp_path: Path) -> None:
    files = {"float.tif": tiff(RAMP, np.float32), "integer.tif": tiff(RAMP * 1023, np.uint16)}
    info, _, pixels = run(tmp_path, files)
    assert info.item.details == {"range": {"integer": [0, 1023], "float": [0, 1]}}
    assert {int(values.max()) for values in pixels.values()} == {255}


def test_eight_bit_data_has_no_range_and_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []
    decode = type(IMAGES).decode

    def counted(self: Any, data: bytes, settings: Any) -> Any:
        reads.append(len(data))
        return decode(self, data, settings)

    monkeypatch.setattr(type(IMAGES), "decode", counted)
    info, _, _ = run(tmp_path, {"a.tif": tiff(RAMP * 255, np.uint8), "b.tif": tiff(RAMP * 100, np.uint8)})
    assert info.item.details == {}
    assert len(reads) == 2


def test_a_range_that_is_set_clips_and_counts(tmp_path: Path) -> None:
    files = {"in.tif": tiff(RAMP * 1400 - 1000, np.int16), "out.tif": tiff(RAMP * 4000 - 1000, np.int16)}
    info, manifest, pixels = run(tmp_path, files, range=[-1000, 400])
    assert info.item.details == {"range": [-1000, 400]}
    assert (pixels["in.tif"].min(), pixels["in.tif"].max()) == (0, 255)
    share = manifest.set_index("path")["outside_share"]
    assert (share["in.tif"], share["out.tif"]) == (0, pytest.approx(np.mean(RAMP * 4000 - 1000 > 400), abs=0.02))
    images = manifest[manifest["error"].isna()]
    found = {each.key: each for each in expectations(images, images, ImageValidation())}
    assert found["max_outside_share"].arguments == {"column": "outside_share", "max_value": 0.001}
    assert "were clipped" in found["max_outside_share"].message
    for value in ([3, 3], [5, 1], {"integer": [1, 0]}):
        with pytest.raises(ValidationError, match="must be two numbers, the smaller first"):
            ImageSettings.model_validate({"range": value})


def test_values_that_use_a_small_part_of_the_range_are_a_warning(tmp_path: Path) -> None:
    files = {f"{number}.tif": tiff(RAMP * (1000 + number), np.uint16) for number in range(8)}
    files["stuck.tif"] = tiff(np.where(RAMP == 1, 65535, RAMP * 1000), np.uint16)
    _, manifest, _ = run(tmp_path, files)
    found = {each.key: each for each in expectations(manifest, manifest, ImageValidation())}["min_range_share"]
    assert found.arguments["min_value"] > manifest["range_share"].median()
    assert "uses 1.5% of the range of values (data.range)" in found.message
    assert "with a typical maximum of 1004" in found.message


def test_new_files_are_decoded_with_the_range_of_the_data_set() -> None:
    spec = ItemSpec(height=8, width=8, channels=1, details={"range": {"integer": [0, 4095]}})
    source = IMAGES.decode_one(tiff(RAMP * 400, np.uint16), spec, own_size=True, largest=100)
    assert source.values.max() == round(400 / 4095 * 255)
    assert source.losses == ("more than 8 bits per value became 8",)
    source = IMAGES.decode_one(tiff(RAMP * 9000, np.uint16), spec, own_size=True, largest=100)
    assert source.losses[0] == "values outside 0 .. 4095 were clipped"
    settings = IMAGES.with_details(ImageSettings(), spec)
    (item,) = IMAGES.decode(tiff(RAMP * 9000, np.uint16), settings)
    assert float(item.facts["outside_share"]) > 0
    frame = pd.DataFrame({"outside_share": [0.0, 0.5], "lowest": [0.0, 0.0], "highest": [4000.0, 9000.0]})
    assert IMAGES.remarks(frame) == [
        "1 of 2 images have values outside the range of data/dataset, which were clipped: from 0 to 9000. Set "
        "data.range to include them, and run `dvc repro`"
    ]
