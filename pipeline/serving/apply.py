"""An exported image-to-image generator over pictures of any size: files, folders, in tiles where they are large."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import InputError
from pipeline.media.image import SUFFIXES, BadImage, Target, decode
from pipeline.serving import runtime
from pipeline.serving.metadata import Metadata
from pipeline.serving.runtime import Float32Array, UInt8Array, to_uint8
from pipeline.serving.session import open_session
from pipeline.serving.tiling import OVERLAP, TILE, tiled

LARGEST = 1_000_000_000
"""Pixels of a result, at most: what is larger hardly any program opens."""


class Transformer:
    """An opened image-to-image graph.

    Attributes:
        metadata: what the file says about itself.
        provider: the ONNX Runtime provider that really runs it.
    """

    def __init__(self, path: Path) -> None:
        """Raises InputError when the file is missing, is no ONNX model, was not made by ganline, or takes no image."""
        self.session = open_session(runtime.read(path), str(path))
        self.metadata = Metadata.read(self.session.get_modelmeta().custom_metadata_map, str(path))
        self.provider: str = self.session.get_providers()[0]
        inputs = [tensor.name for tensor in self.session.get_inputs()]
        if inputs != ["image"]:
            raise InputError(f"{path}: turns {', '.join(inputs)} into images; it draws pictures of nothing: use `ganline sample`")

    def __call__(self, picture: UInt8Array, tile: int = TILE, overlap: int = OVERLAP) -> UInt8Array:
        """uint8 [H, W, C] -> uint8 [scale H, scale W, C], in tiles of `tile` that overlap (see `tiling`). Raises InputError for impossible tiles."""
        image = (picture.astype(np.float32) / np.float32(127.5) - np.float32(1)).transpose(2, 0, 1)
        made = tiled(self.run, image, self.metadata.scale, tile, overlap, max(1, self.metadata.multiple))
        return np.ascontiguousarray(to_uint8(made[None])[0])

    def run(self, images: Float32Array) -> Float32Array:
        found: Float32Array = self.session.run(["images"], {"image": images})[0]
        return found


@dataclass(frozen=True)
class Job:
    """One picture to read and where its result goes."""

    source: Path
    target: Path


def jobs(inputs: Sequence[Path], output: Path) -> list[Job]:
    """What is to be done, in order: folders are searched at any depth and keep their structure below `output`.

    One file may name its result; of several, or of a folder, `output` is a folder. Raises InputError for what is missing, for no picture at all, and where
    two results would share one name, or one would be written over its source.
    """
    if len(inputs) == 1 and inputs[0].is_file() and output.suffix.casefold() in SUFFIXES and not output.is_dir():
        found = [Job(inputs[0], output)]
    else:
        if output.is_file():
            raise InputError(f"{output}: a file, where a folder is needed for several results; give -o a folder")
        found = []
        for path in inputs:
            if path.is_dir():
                pictures = sorted(one for one in path.rglob("*") if one.suffix.casefold() in SUFFIXES and one.is_file())
                found += [Job(one, output / one.relative_to(path).with_suffix(".png")) for one in pictures]
            elif path.is_file():
                found.append(Job(path, output / f"{path.stem}.png"))
            else:
                raise InputError(f"{path}: no such file or folder")
    if not found:
        raise InputError(f"{', '.join(map(str, inputs))}: no pictures in there; looked for {', '.join(sorted(SUFFIXES))}")
    taken: dict[Path, Path] = {}
    for job in found:
        other = taken.setdefault(job.target.absolute(), job.source)
        if other is not job.source:
            raise InputError(f"{other} and {job.source} would both be written to {job.target}; rename one, or do them one after the other")
        if job.target.exists() and job.target.resolve() == job.source.resolve():
            raise InputError(f"{job.target}: would be written over its source; give -o another folder")
    return found


def apply(
    model: Path,
    inputs: Sequence[Path],
    output: Path,
    tile: int = TILE,
    overlap: int = OVERLAP,
    progress: Callable[[Sequence[Job]], Iterable[Job]] = iter,
) -> tuple[int, list[str]]:
    """Transforms pictures with an exported generator; returns how many were written, and what was wrong with the others.

    Raises InputError for a model that cannot be used, impossible tiles, nothing to do, or a result that cannot be written.
    """
    wanted = jobs(inputs, output)
    transformer = Transformer(model)
    done, problems = 0, []
    for job in progress(wanted):
        try:
            picture = read(job.source, transformer.metadata)
        except BadImage as error:
            problems.append(f"{job.source}: {error}")
            continue
        write(job.target, transformer(picture, tile, overlap))
        done += 1
    return done, problems


def read(path: Path, metadata: Metadata) -> UInt8Array:
    """A picture as the model takes it, uint8 [H, W, C]; one of fixed size is fitted to it. Raises BadImage."""
    channels = "gray" if metadata.channels == 1 else "rgb"
    fixed = metadata.multiple == 0
    target = Target(metadata.resolution if fixed else 1, channels, fit="crop" if fixed else "keep", max_pixels=LARGEST // metadata.scale**2)  # type: ignore[arg-type]
    try:
        return decode(path.read_bytes(), target).pixels
    except OSError as error:
        raise BadImage(f"cannot be read: {error.strerror}") from None


def write(path: Path, picture: UInt8Array) -> None:
    from PIL import Image

    image = Image.fromarray(picture if picture.shape[2] == 3 else picture[:, :, 0])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be written: {error}") from None
