"""An exported image-to-image generator over files and folders."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.arrays import Float32Array, UInt8Array
from pipeline.errors import InputError
from pipeline.media.image.image import SUFFIXES, BadImage, decode, measure
from pipeline.serving.runtime.image_to_image import LARGEST, ImageToImage, Styles
from pipeline.serving.runtime.tiling import OVERLAP, TILE


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
        raise InputError(
            f"{', '.join(map(str, inputs))}: no pictures in there; looked for {', '.join(sorted(SUFFIXES))}"
        )
    taken: dict[Path, Path] = {}
    for job in found:
        other = taken.setdefault(job.target.absolute(), job.source)
        if other is not job.source:
            raise InputError(
                f"{other} and {job.source} would both be written to {job.target}; rename one, or do them one after the other"
            )
        if job.target.exists() and job.target.resolve() == job.source.resolve():
            raise InputError(f"{job.target}: would be written over its source; give -o another folder")
    return found


@dataclass(frozen=True)
class How:
    """Tiles (see `tiling`), and the style where the model has styles: that of a seed, or of an example picture."""

    tile: int = TILE
    overlap: int = OVERLAP
    seed: int | None = None
    example: Path | None = None


def apply(
    model: Path,
    inputs: Sequence[Path],
    output: Path,
    how: How | None = None,
    progress: Callable[[Sequence[Job]], Iterable[Job]] = iter,
) -> tuple[int, list[str]]:
    """Transforms pictures with an exported generator; returns how many were written, and what was wrong with the others.

    Raises InputError for a model that cannot be used, impossible tiles, a style that cannot be had, nothing to do, or a result that cannot be written.
    """
    wanted, how = jobs(inputs, output), how or How()
    transformer = ImageToImage(model)
    style = style_of(transformer, model, how)
    done, problems = 0, []
    for job in progress(wanted):
        try:
            picture = read(job.source, transformer)
        except BadImage as error:
            problems.append(f"{job.source}: {error}")
            continue
        write(job.target, transformer(picture, how.tile, how.overlap, style))
        done += 1
    return done, problems


def style_of(transformer: ImageToImage, model: Path, how: How) -> Float32Array | None:
    """The style [1, d] that all pictures get; None where the model has no styles. The generator's styles are those of side b, the reverse's those of a."""
    if how.example is None:
        return transformer.style(how.seed) if transformer.styles or how.seed is not None else None
    if how.seed is not None:
        raise InputError("--seed and --example: the style comes from one of them; leave the other out")
    if not transformer.styles:
        raise InputError(
            f"{model}: this model ({transformer.metadata.variant}) has no styles: one picture has one result; leave --example out"
        )
    beside = model.with_name("style_a.onnx" if model.stem == "reverse" else "style_b.onnx")
    if not beside.is_file():
        raise InputError(
            f"{beside}: no such file; --example needs it beside the model, where `dvc repro` puts it. --seed needs nothing"
        )
    return Styles(beside).of(how.example)


def read(path: Path, transformer: ImageToImage) -> UInt8Array:
    """A picture as the model takes it, uint8 [H, W, C]; one of fixed size is fitted to it. Raises BadImage."""
    target = transformer.target(LARGEST)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadImage(f"cannot be read: {error.strerror}") from None
    width, height = measure(content)
    if width * height > target.max_pixels:
        raise BadImage(f"{width} x {height} pixels: the result may have {LARGEST:,}")
    return decode(content, target).pixels


def write(path: Path, picture: UInt8Array) -> None:
    from PIL import Image

    image = Image.fromarray(picture if picture.shape[2] == 3 else picture[:, :, 0])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be written: {error}") from None
