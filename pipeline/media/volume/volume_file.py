"""Read the volumes of a file of any supported type, which its first bytes tell."""

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.media.codec import BadItem
from pipeline.media.volume import array_file, binvox, dicom_series, mesh_file, nifti_file
from pipeline.media.volume.array_file import Voxels
from pipeline.media.volume.scan_axes import Scan, describe_scan, make_isotropic
from pipeline.media.volume.settings import VolumeSettings


@dataclass(frozen=True)
class Grid:
    """One volume of a file.

    Attributes:
        values: [x, y, z].
        shape: Its size in words, as the file states it.
        open: It comes from a mesh whose surface has holes.
        inside: Share of its occupied cells that are not on its surface; 1 if it is not known.
    """

    values: Voxels
    shape: str
    open: bool = False
    inside: float = 1.0


def read_volumes(data: bytes, settings: VolumeSettings) -> Iterator[Grid]:
    """Yield the volumes of a file. Raise BadItem."""
    most = settings.limits.voxels
    if not data:
        raise BadItem("is empty")
    if data.startswith(array_file.NPY):
        yield from map(of_array, array_file.read_npy(data, most))
    elif data.startswith(array_file.ZIP):
        scan = dicom_series.read_archive(data, most)
        yield from map(of_array, array_file.read_npz(data, most)) if scan is None else [of_scan(scan, most)]
    elif data.startswith(binvox.MAGIC):
        yield of_array(binvox.read_binvox(data, most))
    elif nifti_file.is_nifti(data):
        yield from (of_scan(scan, most) for scan in nifti_file.read_nifti(data, most))
    elif dicom_series.is_dicom(data):
        raise BadItem("one slice of a DICOM series: put the files of each series into one .zip")
    elif kind := mesh_file.find_type(data):
        yield of_mesh(data, kind, settings)
    else:
        raise BadItem("no volume: neither voxels (.npy, .npz, .binvox), a mesh (.off, .stl, .obj, .ply) nor a scan")


def of_array(values: Voxels) -> Grid:
    """Return an array as a volume."""
    return Grid(values, " x ".join(map(str, values.shape)))


def of_scan(scan: Scan, most: int) -> Grid:
    """Return a scan as a volume of voxels that are cubes."""
    return Grid(make_isotropic(scan, most), describe_scan(scan))


def of_mesh(data: bytes, kind: str, settings: VolumeSettings) -> Grid:
    """Return a mesh as a volume. Raise BadItem."""
    if settings.values != "occupancy":
        raise BadItem("a triangle mesh, which has no gray values: set data.values: occupancy")
    mesh = mesh_file.read_mesh(data, kind, settings.limits.triangles)
    solid, inside = mesh_file.to_voxels(mesh, settings.resolution)
    return Grid(solid, mesh_file.describe_size(mesh), not mesh.closed, inside)
