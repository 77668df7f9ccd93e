"""Scans that cannot be used, each with the reason for which it is set aside. Need nibabel and pydicom."""

import gzip

import numpy as np

from tests.media.volume.scan_files import SCAN, archive, dicom, nifti, slices
from tests.media.volume.voxel_files import corner_shape

Bad = dict[str, tuple[bytes, str]]


def broken_nifti() -> Bad:
    """Return NIfTI files."""
    good = nifti(corner_shape().astype(np.float32))
    nan = nifti(np.where(corner_shape(), np.nan, 0).astype(np.float32))
    huge = bytearray(good)
    huge[42:48] = (30_000).to_bytes(2, "little") * 3
    flat = nifti(np.ones((4, 4), np.uint8))
    sheared = np.eye(4)
    sheared[0, 1] = 0.3
    return {
        "truncated": (good[:-20], "truncated or damaged"),
        "truncated gzip": (gzip.compress(good)[:-12], "truncated or damaged"),
        "NaN": (nan, "voxels that are NaN or infinite"),
        "bomb": (bytes(huge), r"27,000,000,000,000 voxels, over data\.limits\.voxels"),
        "gzip bomb": (
            gzip.compress(nifti(np.zeros((50, 50, 50), np.uint8))),
            r"125,000 voxels, over data\.limits\.voxels",
        ),
        "two axes": (flat, "has no three axes"),
        "shear": (nifti(corner_shape().astype(np.uint8), sheared), "shear"),
        "complex numbers": (nifti(np.ones((2, 2, 2), np.complex64)), "not numbers"),
        "negative axes": (good[:40] + bytes([9]) * 4 + good[44:], "no three axes|damaged|voxels"),
    }


def broken_series() -> Bad:
    """Return DICOM series."""
    good = slices()
    return {
        "missing slice": (archive(*good[:2], *good[3:]), "1 slices are missing: the gaps are up to 2 mm, not 1 mm"),
        "repeated slice": (archive(*good, dicom(SCAN[..., 0], [0, 0, 0])), "two slices have the same place"),
        "uneven slices": (archive(*good[:4], dicom(SCAN[..., 4], [0, 0, 4.3])), "uneven distances between slices"),
        "mixed series": (archive(*good, *slices(series="1.2.9")), "slices of 2 series in one archive"),
        "slices of two sizes": (
            archive(*good[:4], dicom(SCAN[:2, :, 4], [0, 0, 4])),
            "different sizes: 2 x 4, 3 x 4",
        ),
        "slices of two spacings": (
            archive(*good[:4], dicom(SCAN[..., 4], [0, 0, 4], PixelSpacing=[1, 2])),
            "different directions or spacings",
        ),
        "one slice": (archive(*good[:1]), "only one slice"),
        "no position": (
            archive(*[dicom(one, [0, 0, k], ImagePositionPatient=None) for k, one in enumerate(SCAN.T)]),
            "ImagePositionPatient",
        ),
        "spacing of 0": (
            archive(*[dicom(one, [0, 0, k], PixelSpacing=[0, 1]) for k, one in enumerate(SCAN.T)]),
            "PixelSpacing is not positive",
        ),
        "palette": (
            archive(*slices(PhotometricInterpretation="PALETTE COLOR")),
            "slices of the kind PALETTE COLOR, not gray",
        ),
        "several frames": (archive(*slices(NumberOfFrames=3)), "several frames"),
        "cut pixels": (archive(*slices(PixelData=b"\0\0")), "the pixels of a slice cannot be read"),
        "cut slice": (archive(good[0], good[1][:200]), "damaged DICOM file|cannot be read"),
    }
