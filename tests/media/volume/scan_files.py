"""NIfTI files and DICOM series for tests. Need nibabel and pydicom."""

import io
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest


def nifti(values: Any, affine: Any = None, kind: str = "Nifti1Image", dtype: Any = None) -> bytes:
    nibabel: Any = pytest.importorskip("nibabel", reason="scans need nibabel: pip install 'ganline[scans]'")
    image = getattr(nibabel, kind)(np.asarray(values), np.eye(4) if affine is None else affine, dtype=dtype)
    return image.to_bytes()  # type: ignore[no-any-return]


SCAN = np.arange(60).reshape(3, 4, 5) % 7
"""Rows, columns, slices."""


def dicom(pixels: Any, place: Sequence[float], series: str = "1.2.3", **more: Any) -> bytes:
    pydicom: Any = pytest.importorskip("pydicom", reason="scans need pydicom: pip install 'ganline[scans]'")
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3.4"
    header = pydicom.Dataset()
    header.file_meta = meta
    values: dict[str, Any] = {
        "SOPClassUID": meta.MediaStorageSOPClassUID,
        "SOPInstanceUID": "1.2.3.4",
        "SeriesInstanceUID": series,
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 1,
        "PixelSpacing": [1, 1],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "ImagePositionPatient": list(place),
        "PatientName": "Nobody",
        "InstanceNumber": 1,
        "PixelData": np.ascontiguousarray(pixels, dtype="<i2").tobytes(),
    }
    for name, value in (values | more).items():
        if value is not None:
            setattr(header, name, value)
    file = io.BytesIO()
    pydicom.dcmwrite(file, header, enforce_file_format=True)
    return file.getvalue()


def archive(*slices: bytes, **more: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as target:
        for number, data in enumerate(slices):
            target.writestr(f"{number:03d}.dcm", data)
        for name, data in more.items():
            target.writestr(name, data)
    return file.getvalue()


def slices(scan: Any = SCAN, step: float = 1, **more: Any) -> list[bytes]:
    return [dicom(scan[..., k], [0, 0, step * k], **more) for k in range(scan.shape[2])]
