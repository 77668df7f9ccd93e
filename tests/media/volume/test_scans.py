"""NIfTI scans and DICOM series: axes of the patient, spacing, the order of slices, and what is refused."""

import gzip
import itertools
from typing import Any

import numpy as np
import pytest

from pipeline.media.codec import BadItem
from pipeline.media.registry import MEDIA
from pipeline.media.volume.scan_axes import make_isotropic, orient
from pipeline.media.volume.settings import VolumeLimits
from tests.media.volume.broken_scans import broken_nifti, broken_series
from tests.media.volume.scan_files import SCAN, archive, dicom, nifti, slices
from tests.media.volume.voxel_files import corner_shape

VOLUME: Any = MEDIA["volume"]
SETTINGS: Any = VOLUME.Settings(
    source="x", values="gray", range=(0, 1), resolution=4, resize="nearest", limits=VolumeLimits(voxels=5000)
)


def decode(data: bytes, **settings: Any) -> Any:
    (item,) = VOLUME.decode(data, SETTINGS.model_copy(update=settings))
    return item


# --- axes ---


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_every_orientation_is_brought_to_that_of_the_patient(order: tuple[int, ...]) -> None:
    solid = corner_shape()
    for signs in itertools.product((1, -1), repeat=3):
        affine = np.zeros((4, 4))
        for axis, sign in zip(range(3), signs, strict=True):
            affine[order[axis], axis] = 2.0 * sign
        stored = solid.transpose(order)[tuple(slice(None, None, sign) for sign in signs)]
        found = orient(stored, affine)
        assert (found.values == solid).all()
        again = orient(found.values, np.eye(4))
        assert (again.values == solid).all(), "orienting twice changes nothing"
        assert again.axes == "RAS"


@pytest.mark.parametrize(
    ("affine", "words"),
    [
        ([[1, 0.2, 0], [0, 1, 0], [0, 0, 1]], "not at right angles"),
        ([[0.71, -0.71, 0], [0.71, 0.71, 0], [0, 0, 1]], "oblique"),
        ([[0, 0, 0], [0, 1, 0], [0, 0, 1]], "no spacing"),
        ([[np.nan, 0, 0], [0, 1, 0], [0, 0, 1]], "no spacing"),
    ],
)
def test_axes_that_are_not_clear_are_refused(affine: Any, words: str) -> None:
    with pytest.raises(BadItem, match=words):
        orient(np.zeros((2, 2, 2)), np.array(affine, dtype=float))


def test_a_tilt_of_ten_degrees_is_no_other_axis() -> None:
    c, s = np.cos(0.17), np.sin(0.17)
    found = orient(corner_shape(), np.array([[c, -s, 0], [s, c, 0], [0, 0, 3]]))
    assert found.spacing == pytest.approx((1, 1, 3))
    assert (found.values == corner_shape()).all()


def test_voxels_become_cubes() -> None:
    scan = orient(corner_shape()[..., ::2], np.diag([1.0, 1, 2]))
    assert make_isotropic(scan, 100).shape == (4, 4, 4)
    with pytest.raises(BadItem, match=r"64 voxels of 1 mm, over data\.limits\.voxels 63"):
        make_isotropic(scan, 63)


# --- NIfTI ---


@pytest.mark.parametrize("kind", ["Nifti1Image", "Nifti2Image"])
@pytest.mark.parametrize("packed", [False, True])
def test_nifti_files_are_read(kind: str, packed: bool) -> None:
    data = nifti(corner_shape().astype(np.int16), kind=kind)
    item = decode(gzip.compress(data) if packed else data)
    assert (item.values == corner_shape() * np.uint8(255)).all()
    assert item.facts["shape"] == "4 x 4 x 4 of 1 x 1 x 1 mm, RAS"


def test_nifti_scans_are_not_mirrored() -> None:
    data = nifti(corner_shape()[::-1].astype(np.float32), np.diag([-1.0, 1, 1, 1]))
    assert (decode(data).values == corner_shape() * np.uint8(255)).all()
    assert decode(data).facts["shape"].endswith("LAS")


def test_spacing_is_respected() -> None:
    data = nifti(np.ones((4, 4, 2), np.uint8), np.diag([1.0, 1, 2, 1]))
    assert (decode(data).values == 255).all(), "two slices of 2 mm are as high as four of 1 mm"


def test_several_scans_of_one_file_are_items() -> None:
    data = nifti(np.stack([corner_shape()] * 3, axis=3).astype(np.uint8))
    assert len(list(VOLUME.decode(data, SETTINGS))) == 3


def test_broken_nifti_files_are_refused_with_the_reason() -> None:
    for data, words in broken_nifti().values():
        with pytest.raises(BadItem, match=words):
            decode(data)


def test_integers_stay_integers_and_scaled_ones_come_back() -> None:
    """Labels 0 to 3: as they are, and as bytes with a slope."""
    labels = np.arange(64).reshape(4, 4, 4) % 4
    for data in (nifti(labels.astype(np.int16)), nifti(labels.astype(np.uint8) / 3, dtype=np.uint8)):
        item = decode(data, range=(0, 3) if data[70] == 4 else (0, 1))
        assert (item.values == labels * 85).all()
    (whole,) = VOLUME.decode(nifti(labels.astype(np.int16)), SETTINGS.model_copy(update={"range": None}))
    assert whole.bounds.whole


# --- DICOM ---

WHOLE = {"resolution": 5, "range": (0, 6)}


def expected(scan: Any = SCAN) -> Any:
    """Return a scan [rows, columns, slices] in LPS, as gray levels [x, y, z] in RAS, padded to a cube."""
    from pipeline.media.volume.voxel_grid import fit

    return np.rint(fit(scan.transpose(1, 0, 2)[::-1, ::-1].astype(float), 5, "nearest") * 255 / 6).astype(np.uint8)


def test_slices_are_sorted_by_their_place() -> None:
    shuffled = [slices()[k] for k in (3, 0, 4, 1, 2)]
    item = decode(archive(*shuffled, notes=b"no slice"), **WHOLE)
    assert (item.values == expected()).all()
    assert item.facts["shape"] == "4 x 3 x 5 of 1 x 1 x 1 mm, PLS"


def test_slope_intercept_and_inversion_are_applied_to_each_slice() -> None:
    scaled = [dicom(SCAN[..., k] * 2 + k, [0, 0, k], RescaleSlope=0.5, RescaleIntercept=-k / 2) for k in range(5)]
    assert (decode(archive(*scaled), **WHOLE).values == expected()).all()
    inverted = slices(-SCAN, PhotometricInterpretation="MONOCHROME1")
    assert (decode(archive(*inverted), **WHOLE).values == expected()).all()


def test_sagittal_series_are_turned() -> None:
    """Rows run to the back and columns to the feet, and slices are 2 mm apart."""
    scan = np.zeros((4, 4, 2))
    scan[0, :2] = 1
    files = [dicom(scan[..., k], [2 * k, 0, 0], ImageOrientationPatient=[0, 1, 0, 0, 0, -1]) for k in range(2)]
    values = decode(archive(*files)).values > 0
    assert values[:, 2:, 3].all()
    assert values.sum() == 8


def test_a_series_that_is_not_whole_is_refused() -> None:
    for data, words in broken_series().values():
        with pytest.raises(BadItem, match=words):
            decode(data, **WHOLE)


def test_limits_and_single_slices() -> None:
    with pytest.raises(BadItem, match=r"60 voxels, over data\.limits\.voxels 20"):
        decode(archive(*slices()), limits=VolumeLimits(voxels=20, bytes=10**6), **WHOLE)
    with pytest.raises(BadItem, match=r"put the files of each series into one \.zip"):
        decode(slices()[0])


def test_without_their_packages_the_message_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    head = (348).to_bytes(4, "little") + b"\0" * 340 + b"n+1\0" + b"\0" * 100
    series = archive(b"\0" * 128 + b"DICM" + b"\0" * 50)
    mesh = b"OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n"
    for name, data, extra in (("nibabel", head, "scans"), ("pydicom", series, "scans"), ("trimesh", mesh, "solids")):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(BadItem, match=rf"needs {name}: pip install 'ganline\[{extra}\]'"):
            decode(data, values="occupancy")
