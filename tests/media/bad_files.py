"""Files that cannot be used, by medium: at least 15 kinds each, with the reasons for which they are set aside."""

import gzip
import struct
import zlib
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from pipeline.arrays import UInt8Array
from pipeline.media.registry import MEDIA
from pipeline.media.settings import DataSettings
from pipeline.media.video.moving_digits import draw_clip
from tests.media.audio.broken_sounds import BAD as SOUNDS
from tests.media.audio.broken_sounds import LIMITS
from tests.media.audio.sounds import sine, sound
from tests.media.music.broken_pieces import BROKEN as PIECES
from tests.media.music.broken_pieces import SOLO
from tests.media.music.midi_files import chunk, header, melody, write
from tests.media.video.broken_clips import BAD as CLIPS
from tests.media.video.clip_files import SIDE, animation, images, numbered, strip
from tests.media.volume.broken_voxels import BROKEN as VOXELS
from tests.media.volume.voxel_files import binvox, corner_shape, npy, npz

Kinds = dict[str, tuple[bytes, str]]


@dataclass(frozen=True)
class Folder:
    """Files of one medium.

    Attributes:
        settings: How they are read, without the source.
        suffix: Of all files.
        good: Odd ones that can be used.
        bad: Those that cannot be decoded.
        empty: Those that are decoded and set aside by `validate`.
    """

    settings: DataSettings
    suffix: str
    good: dict[str, bytes]
    bad: Kinds
    empty: Kinds


def settings_of(medium: str, **values: object) -> DataSettings:
    """Return settings of a medium."""
    return MEDIA[medium].Settings.model_validate({"source": "raw"} | values)


def sounds() -> Folder:
    """Return recordings."""
    return Folder(
        settings=settings_of("audio", limits=LIMITS.model_dump()),
        suffix=".wav",
        good={
            "24 bits": sound(sine(440), subtype="PCM_24"),
            "floats": sound(sine(450), subtype="FLOAT"),
            "other rate": sound(sine(460, 11_025), 11_025),
            "stereo": sound(np.stack([sine(470), sine(480)], axis=1)),
        },
        bad={name: (make(), reason) for name, (make, reason) in SOUNDS.items()},
        empty={
            "silence": (sound(np.zeros(4096)), "silent: -160 dB"),
            "constant": (sound(np.full(4096, 0.3)), r"silent: -160 dB next to a constant offset of 0\.3"),
        },
    )


def pieces() -> Folder:
    """Return MIDI files."""
    return Folder(
        settings=SOLO,
        suffix=".mid",
        good={
            "ordinary": write(melody([(60, 0, 2), (62, 2, 4)])),
            "fine": write(melody([(64, 0, 150), (62, 150, 300)]), division=32_767),
            "note without end": header() + chunk(b"\x00\x90\x3c\x50\x8f\x00\xb0\x01\x00"),
            "zero velocity": write(melody([(67, 0, 3), (65, 3, 4)], zero_velocity=True)),
        },
        bad=PIECES,
        empty={},
    )


def clips() -> Folder:
    """Return animations and strips; folders of frames as their bundles."""
    return Folder(
        settings=settings_of("video", resolution=SIDE, frames=4, limits={"frames": 200}),
        suffix=".gif",
        good={
            "no delays": animation(images(numbered(4)), duration=0),
            "changing delays": animation(images(moving(1)), duration=[40, 80, 40, 80]),
            "strip": strip(moving(2)),
            "other size": animation([image.resize((40, 24)) for image in images(moving(3))], duration=50),
        },
        bad=CLIPS
        | {
            "strip that is a bomb": (bomb(30_000, 60_000), "bomb|data.limits"),
            "too many frames": (
                animation(images(numbered(201) + np.arange(201, dtype=np.uint8)[:, None, None, None])),
                "over data.limits.frames",
            ),
            "endless frame": (
                animation(images(numbered(5)), duration=[20, 20, 20, 60_000, 20]),
                "over data.limits.frames",
            ),
        },
        empty={
            "still": (strip(moving(4)[[0, 0, 0, 0]]), "still: strip, 4 frames"),
            "black": (strip(np.zeros((4, SIDE, SIDE, 1), np.uint8)), "near_constant: standard deviation 0"),
        },
    )


def moving(number: int) -> UInt8Array:
    """Return four frames of a moving digit."""
    return draw_clip("train", number, 1, 4, (SIDE, SIDE))


def bomb(width: int, height: int) -> bytes:
    """Return a PNG whose header states a size, with almost no data."""
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(1000))),
        (b"IEND", b""),
    )
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def volumes() -> Folder:
    """Return grids of voxels; meshes if trimesh is installed."""
    meshes: Kinds = {"OFF of ten million triangles": (b"OFF\n9 10000000 0\n", "10,000,000 triangles, over data.limits")}
    good: dict[str, bytes] = {
        "turned": npy(np.asfortranarray(corner_shape())),
        "several arrays": npz(voxels=corner_shape()[:, ::-1], scale=np.ones(3)),
        "binvox": binvox("dim 4 4 4", runs=b"\x01\x05\x00\x3b"),
        "big endian": npy(corner_shape()[::-1].astype(">f4")),
    }
    if find_spec("trimesh"):
        from tests.media.volume.broken_meshes import BOX, BROKEN, export

        meshes |= {f"mesh, {name}": kind for name, kind in BROKEN.items()}
        inverted = BOX.copy()
        inverted.invert()
        good |= {"inverted normals": export(inverted, "stl")}
    return Folder(
        settings=settings_of("volume", resolution=4, limits={"voxels": 5000, "triangles": 5000}),
        suffix=".npy",
        good=good,
        bad=VOXELS | meshes,
        empty={
            "no solid": (npy(np.zeros((4, 4, 4))), "empty"),
            "full block": (binvox("dim 4 4 4", runs=b"\x01\x40"), "full"),
        },
    )


def scans() -> Folder:
    """Return scans and DICOM series. Needs nibabel and pydicom."""
    from tests.media.volume.broken_scans import broken_nifti, broken_series
    from tests.media.volume.scan_files import SCAN, archive, nifti, slices

    return Folder(
        settings=settings_of(
            "volume", values="gray", range=(0, 6), resolution=4, limits={"voxels": 5000, "triangles": 5000}
        ),
        suffix=".nii",
        good={
            "series": archive(*slices()),
            "shuffled series": archive(*slices(SCAN[::-1])[::-1]),
            "integers": nifti(6 * corner_shape().astype(np.int16)),
            "compressed": gzip.compress(nifti(5 * corner_shape().astype(np.float32), kind="Nifti2Image")),
        },
        bad=broken_nifti() | broken_series(),
        empty={},
    )
