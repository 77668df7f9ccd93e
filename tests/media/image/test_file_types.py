"""Files that Pillow cannot read: each is recognised, and its message says what to do. Optional formats are read."""

import io
import struct
import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from pipeline.media.image import formats
from pipeline.media.image.bad_image import BadImage
from pipeline.media.image.image import Target, decode, measure
from pipeline.media.registry import MEDIA
from tests.specs import image_spec

KEEP = Target((1, 1), "gray", fit="keep")
FILES = {
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(50), "an HEIC image.*pip install 'ganline\\[formats\\]'"),
    "jxl": (b"\xff\x0a" + bytes(20), "a JPEG XL image.*pip install 'ganline\\[formats\\]'"),
    "dicom": (bytes(128) + b"DICM" + bytes(90), "a DICOM file.*pip install 'ganline\\[dicom\\]'"),
    "psd": (b"8BPS\0\1" + bytes(90), "a Photoshop file: export"),
    "cr2": (b"II*\0\x10\0\0\0CR\2\0" + bytes(90), "a camera's raw file"),
    "cr3": (b"\0\0\0\x18ftypcrx " + bytes(50), "a camera's raw file"),
    "raf": (b"FUJIFILMCCD-RAW 0201" + bytes(50), "a camera's raw file"),
    "mp4": (b"\0\0\0\x18ftypisom" + bytes(50), "a video"),
    "zip": (b"PK\3\4" + bytes(50), "a zip archive: unpack it, or name it as data.source"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "a Git LFS pointer.*git lfs pull"),
    "annex": (b"/annex/objects/SHA256E-s9--00.png\n", "a git-annex pointer.*git annex get"),
    "dvc": (b"outs:\n- md5: 00.dir\n  size: 9\n  hash: md5\n  path: cats\n", "a .dvc file.*dvc pull"),
    "html": (b"\n<!DOCTYPE html><html>404</html>", "not an image but a web page"),
    "svg": (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "not an image but a drawing"),
    "text": (b"this is no picture", "not an image"),
}


@pytest.fixture
def without_plugins(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make the optional packages unimportable."""
    for name in ("pillow_heif", "pillow_jxl", "pydicom"):
        monkeypatch.setitem(sys.modules, name, None)
    formats.readable_formats.cache_clear()
    yield
    formats.readable_formats.cache_clear()


@pytest.mark.usefixtures("without_plugins")
@pytest.mark.parametrize("name", FILES)
def test_each_kind_of_file_is_recognised(name: str) -> None:
    data, words = FILES[name]
    for read in (lambda: decode(data, KEEP), lambda: measure(data)):
        with pytest.raises(BadImage, match=words):
            read()


def test_the_preview_of_a_raw_file_is_not_used() -> None:
    """Pillow opens DNG and NEF as the small preview that their first directory holds."""
    image = Image.new("RGB", (16, 12), "red")
    kinds: tuple[dict[int, Any], ...] = ({50706: b"\1\4\0\0"}, {254: 1, 330: 8})
    for tags in kinds:
        directory = TiffImagePlugin.ImageFileDirectory_v2()
        for tag, value in tags.items():
            directory.tagtype[tag] = 1 if isinstance(value, bytes) else 4
            directory[tag] = value
        out = io.BytesIO()
        image.save(out, "TIFF", tiffinfo=directory)
        with pytest.raises(BadImage, match="a camera's raw file"):
            decode(out.getvalue(), KEEP)


@pytest.mark.parametrize(("package", "kind"), [("pillow_heif", "HEIF"), ("pillow_jxl", "JXL")])
def test_optional_formats_are_read_upright(package: str, kind: str) -> None:
    pytest.importorskip(package)
    assert kind in formats.readable_formats()
    image = Image.new("RGB", (48, 32), (200, 30, 30))
    exif = Image.Exif()
    exif[0x0112] = 6
    out = io.BytesIO()
    image.save(out, kind, exif=exif.tobytes(), quality=95)
    found = decode(out.getvalue(), Target((1, 1), "rgb", fit="keep"))
    assert (found.width, found.height) == (32, 48) == measure(out.getvalue())
    assert np.abs(found.pixels.astype(int) - (200, 30, 30)).max() <= 4


def dicom(values: Any, **tags: Any) -> bytes:
    """Return a DICOM file, with a patient's name that must not appear anywhere."""
    pydicom = pytest.importorskip("pydicom")
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = "1.2.3"
    dataset.PatientName = "Doe^Jane"
    dataset.Rows, dataset.Columns = values.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, int(values.dtype.kind == "i")
    dataset.PixelData = values.astype("<i2" if values.dtype.kind == "i" else "<u2").tobytes()
    for name, value in tags.items():
        setattr(dataset, name, value)
    out = io.BytesIO()
    pydicom.dcmwrite(out, dataset, enforce_file_format=True)
    return out.getvalue()


def test_dicom_files_show_their_window() -> None:
    hounsfield = np.linspace(-1000, 1000, 64).astype(np.int16).reshape(8, 8)
    data = dicom(hounsfield + 1024, RescaleSlope=1, RescaleIntercept=-1024, WindowCenter=50, WindowWidth=400)
    shown = np.clip((hounsfield - (50 - 0.5 - 399 / 2)) / 399 * 255, 0, 255)
    found = decode(data, KEEP)
    assert measure(data) == (8, 8) == (found.width, found.height)
    assert np.abs(found.pixels[:, :, 0] - shown).max() <= 0.5
    assert found.levels is None
    inverse = dicom(
        hounsfield + 1024,
        RescaleIntercept=-1024,
        WindowCenter=[50, 9],
        WindowWidth=[400, 9],
        PhotometricInterpretation="MONOCHROME1",
    )
    assert (decode(inverse, KEEP).pixels == 255 - found.pixels).all()
    stated = decode(data, Target((1, 1), "gray", fit="keep", ranges=(-1000.0, 1000.0)))
    assert np.abs(stated.pixels[:, :, 0] - (hounsfield + 1000) / 2000 * 255).max() <= 0.5


def test_dicom_files_without_a_window_share_the_range_of_the_data_set() -> None:
    values = np.linspace(0, 4095, 64).astype(np.uint16).reshape(8, 8)
    found = decode(dicom(values), KEEP)
    assert found.levels is not None
    assert (found.levels.bounds.low, found.levels.bounds.high, found.levels.range) == (0, 4095, (0, 4095))
    assert found.pixels.max() == 255
    fractions = decode(dicom(values, RescaleSlope=0.5), KEEP)
    assert fractions.levels is not None
    assert not fractions.levels.bounds.whole


def test_nothing_about_a_patient_is_kept() -> None:
    medium = MEDIA["image"]
    spec = image_spec(8, 1)
    source = medium.decode_one(dicom(np.full((8, 8), 900, dtype=np.uint16)), spec, own_size=True, largest=100)
    result = medium.encode_result(source.values, spec, source, ".png")
    assert b"Doe" not in result.data
    assert "Doe" not in str(source.properties)


def test_damaged_dicom_files_are_bad_images() -> None:
    data = dicom(np.zeros((8, 8), dtype=np.uint16))
    for broken in (data[:-60], data[:200], data[:150] + struct.pack("<I", 2**31) + data[154:]):
        with pytest.raises(BadImage):
            decode(broken, KEEP)
    with pytest.raises(BadImage, match=r"8 x 8 pixels, over data\.limits\.pixels"):
        decode(data, Target((1, 1), "gray", fit="keep", max_pixels=63))
