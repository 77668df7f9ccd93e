"""Apply an exported image-to-image generator to files and folders."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.arrays import Items
from pipeline.errors import InputError
from pipeline.files import walk_files
from pipeline.media.base import BadItem, Medium
from pipeline.serving.graph_tensors import Arrays
from pipeline.serving.runtime.image_to_image import LARGEST_RESULT, ImageToImage, StyleEncoder, TileSize


@dataclass(frozen=True)
class FilePair:
    """An image to read, and the file that its result is written to."""

    source: Path
    target: Path


@dataclass(frozen=True)
class ApplyOptions:
    """How images are transformed.

    Attributes:
        size: Tiles of large images.
        seed, example: Style of a model with styles: that of a seed, or of an example image.
    """

    size: TileSize | None = None
    seed: int | None = None
    example: Path | None = None


def apply_to_files(
    model: Path,
    inputs: Sequence[Path],
    output: Path,
    options: ApplyOptions | None = None,
    progress: Callable[[Sequence[FilePair]], Iterable[FilePair]] = iter,
) -> tuple[int, list[str]]:
    """Transform images; return how many were written, and what is wrong with those that could not be read.

    Raises InputError for a model that cannot be used, tiles that overlap entirely, a style that does not exist, no
    input, or a result that cannot be written.
    """
    options, transform = options or ApplyOptions(), ImageToImage(model)
    pairs = plan_files(inputs, output, transform.graph.medium)
    conditions = style_conditions(transform, model, options)
    count, problems = 0, [problem for path in inputs for problem in list_refused(path)]
    for pair in progress(pairs):
        try:
            item = read_item(pair.source, transform)
        except BadItem as error:
            problems.append(f"{pair.source}: {error}")
            continue
        write_item(pair.target, transform(item, options.size, conditions), transform)
        count += 1
    return count, problems


def plan_files(inputs: Sequence[Path], output: Path, medium: Medium) -> list[FilePair]:
    """Return the files to process, in order. Folders are searched recursively and keep their structure in `output`.

    Hidden files, those that operating systems create, links that ingest would not follow, and results below `output`
    are not processed.

    If there is one input file, `output` may name its result; otherwise `output` is a folder. Raises InputError for
    missing files, for no image at all, if two results would have the same name, and if a result would overwrite its
    source.
    """
    if len(inputs) == 1 and inputs[0].is_file() and output.suffix.casefold() in medium.suffixes and not output.is_dir():
        pairs = [FilePair(inputs[0], output)]
    else:
        if output.is_file():
            raise InputError(f"{output}: this is a file, but several results need a folder. Choose a folder with -o.")
        pairs = [pair for path in inputs for pair in plan_input(path, output, medium)]
    if not pairs:
        looked_for = ", ".join(sorted(medium.suffixes))
        refused = "".join(f"\n  {problem}" for path in inputs for problem in list_refused(path))
        raise InputError(f"{', '.join(map(str, inputs))}: no {medium.noun}s found. Looked for {looked_for}.{refused}")
    check_targets(pairs)
    return pairs


def plan_input(path: Path, output: Path, medium: Medium) -> list[FilePair]:
    """Return the files of one input, a file or a folder."""
    suffix = next(iter(medium.formats))
    if path.is_dir():
        names = (Path(name) for name, problem in walk_files(path) if problem is None)
        results, source = output.absolute(), path.absolute()
        inside = results != source and results.is_relative_to(source)
        return [
            FilePair(path / name, output / name.with_suffix(suffix))
            for name in names
            if name.suffix.casefold() in medium.suffixes and not (inside and (source / name).is_relative_to(results))
        ]
    if path.is_file():
        return [FilePair(path, output / f"{path.stem}{suffix}")]
    raise InputError(f"{path}: no such file or folder.")


def list_refused(path: Path) -> list[str]:
    """Return what is not read in a folder, such as linked folders, each with the reason."""
    if not path.is_dir():
        return []
    return [f"{path / name}: {problem}" for name, problem in walk_files(path) if problem is not None]


def check_targets(pairs: Sequence[FilePair]) -> None:
    """Raise InputError if two results would have the same name or a result would overwrite its source."""
    sources: dict[Path, Path] = {}
    for pair in pairs:
        other = sources.setdefault(pair.target.absolute(), pair.source)
        if other is not pair.source:
            raise InputError(
                f"{other} and {pair.source} would both be written to {pair.target}. Rename one, or process them one "
                "after the other."
            )
        if pair.target.exists() and pair.target.resolve() == pair.source.resolve():
            raise InputError(f"{pair.target}: the result would overwrite its source. Choose another folder with -o.")


def style_conditions(transform: ImageToImage, model: Path, options: ApplyOptions) -> Arrays:
    """Return the inputs besides the image. Raises InputError for a style that the model does not have.

    The generator paints in styles of side b, the reverse graph in those of side a.
    """
    if options.example is None:
        return transform.conditions(options.seed)
    if options.seed is not None:
        raise InputError("--seed and --example both choose the style. Omit one of them.")
    if not transform.styles:
        raise InputError(
            f"{model}: this model ({transform.metadata.variant}) has no styles: an image has one result. "
            "Omit --example."
        )
    encoder = model.with_name("style_a.onnx" if model.stem == "reverse" else "style_b.onnx")
    if not encoder.is_file():
        raise InputError(
            f"{encoder}: no such file. --example needs it in the model's folder, where `dvc repro` writes it. "
            "--seed works without it."
        )
    return {"z": StyleEncoder(encoder).encode(options.example)}


def read_item(path: Path, transform: ImageToImage) -> Items:
    """Return an item as the model takes it, fitted to the model's size if there is only one.

    Raises BadItem if it cannot be read or is too large.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadItem(f"cannot be read: {error.strerror}") from None
    height, width = transform.result_size(content)
    if height * width > LARGEST_RESULT:
        raise BadItem(f"the result of {width} x {height} pixels would exceed {LARGEST_RESULT:,} pixels")
    return transform.decode(content)


def write_item(path: Path, item: Items, transform: ImageToImage) -> None:
    """Write an item in the format of the suffix. Raises InputError if that is not possible."""
    medium, suffix = transform.graph.medium, path.suffix.casefold()
    if suffix not in medium.formats:
        raise InputError(f"{path}: {medium.noun}s cannot be written as {suffix!r}. Use {', '.join(medium.formats)}.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(medium.encode(item, transform.metadata.item, suffix).data)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be written: {error}") from None
