"""data.depth: 16: gray images keep their levels from the file to the generated image."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.data.ingestion import ingest
from pipeline.data.store import open_shard
from pipeline.errors import InputError
from pipeline.items import ItemSpec
from pipeline.media.image.image import Target, decode
from pipeline.media.image.settings import ImageSettings
from pipeline.media.registry import MEDIA
from pipeline.params import parse_values

IMAGES = MEDIA["image"]
RAMP = np.linspace(0, 1, 64).reshape(8, 8)
DEEP = ItemSpec(height=8, width=8, channels=1, dtype="uint16")


def saved(values: Any, dtype: Any, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.asarray(values).astype(dtype)).save(out, kind)
    return out.getvalue()


def test_stored_levels_are_those_of_the_files(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    twelve = np.rint(RAMP * 4095)
    files = {"full.png": saved(twelve, np.uint16), "eight.png": saved(RAMP * 255, np.uint8)}
    files["float.tif"] = saved(RAMP, np.float32, "TIFF")
    for name, data in files.items():
        (source / name).write_bytes(data)
    np.save(tmp_path / "arrays.npy", (np.stack([twelve, twelve / 2])).astype(np.uint16))
    settings = {"channels": "gray", "depth": 16, "test_fraction": 0}
    stored = {}
    for name in ("source", "arrays.npy"):
        parsed = ImageSettings.model_validate({"source": str(tmp_path / name), **settings})
        info = ingest(parsed, tmp_path, tmp_path / "cache", tmp_path / "dataset")
        assert info.item.dtype == "uint16"
        shard = open_shard(tmp_path / "dataset", info, info.shards[0], verify=True)
        stored[name] = [shard[row][:, :, 0] for row in range(len(shard))]
    levels = np.rint(twelve * (65535 / 4095))
    assert any((image == levels).all() for image in stored["source"])
    assert any((image == (RAMP * 255).astype(np.uint8).astype(int) * 257).all() for image in stored["source"])
    assert any(np.abs(image - RAMP * 65535).max() <= 0.51 for image in stored["source"])
    assert (stored["arrays.npy"][0] == levels).all()


def test_resizing_does_not_overflow_and_the_background_is_scaled() -> None:
    edges = np.where(np.indices((32, 32))[1] % 16 < 8, 0, 65535)
    target = Target(16, "gray", depth=16, background="#808080", fit="pad")
    pixels = decode(saved(edges, np.uint16), target).pixels
    eight = decode(saved(edges // 257, np.uint8), Target(16, "gray", fit="pad")).pixels
    assert pixels.dtype == np.uint16
    assert np.abs(pixels / 257 - eight).max() < 1.01
    padded = decode(saved(np.zeros((8, 16)), np.uint16), target).pixels
    assert (padded[0] == 0x80 * 257).all()
    assert (padded[8] == 0).all()
    layered = io.BytesIO()
    Image.new("LA", (8, 8), (0, 0)).save(layered, "PNG")
    assert (decode(layered.getvalue(), Target(8, "gray", depth=16)).pixels == 65535).all()


def test_files_hold_all_levels_or_say_that_they_do_not() -> None:
    values = np.rint(RAMP * 65535).astype(np.uint16)[:, :, None]
    for suffix in (".png", ".tif"):
        file = IMAGES.encode(values, DEEP, suffix)
        assert (decode(file.data, Target(8, "gray", depth=16)).pixels == values).all()
        assert file.losses == ()
    file = IMAGES.encode(values, DEEP, ".webp")
    assert (decode(file.data, Target(8, "gray")).pixels == values >> 8).all()
    assert file.losses == ("16 bits per value became 8 (.webp has no more)",)
    assert IMAGES.preview(values[None], DEEP).mode == "L"
    assert IMAGES.statistics(values[None], DEEP)["brightness"] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"data": {"depth": 16, "channels": "rgb"}}, "only gray images keep 16 bits"),
        ({"data": {"depth": 16, "fit": "keep"}, "model": {"variant": "srgan"}}, "set data.depth: 8"),
        ({"data": {"depth": 12}}, "depth"),
    ],
)
def test_what_16_bits_are_not_for_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_values(values)


def test_dicom_windows_keep_their_levels() -> None:
    pydicom = pytest.importorskip("pydicom")
    from tests.media.image.test_file_types import dicom

    assert pydicom is not None
    values = np.arange(64, dtype=np.uint16).reshape(8, 8) * 50
    data = dicom(values, WindowCenter=1575.5, WindowWidth=3151)
    wide, narrow = decode(data, Target(8, "gray", depth=16)).pixels, decode(data, Target(8, "gray")).pixels
    assert np.abs(wide[:, :, 0] - values / 3150 * 65535).max() <= 0.5
    assert np.abs(wide / 257 - narrow).max() <= 1
