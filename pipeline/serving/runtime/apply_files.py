"""Apply an exported image-to-image generator to files and folders."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipeline.arrays import Items
from pipeline.errors import InputError
from pipeline.files import walk_files
from pipeline.media.base import Medium
from pipeline.media.codec import BadItem, TransformInput
from pipeline.media.pictures import write_picture
from pipeline.serving.graph_tensors import Arrays
from pipeline.serving.runtime.generator import Graph
from pipeline.serving.runtime.image_to_image import (
    LARGEST_RESULT,
    ImageToImage,
    StyleEncoder,
    TileSize,
    draw_strip,
    read_example,
)
from pipeline.serving.runtime.open_model import open_transform

if TYPE_CHECKING:
    from PIL import Image

LISTED = 3
"""Number of files that a line on losses names."""


@dataclass(frozen=True)
class FilePair:
    """An image to read, and the file that its result is written to."""

    source: Path
    target: Path


@dataclass(frozen=True)
class ApplyOptions:
    """How images are transformed.

    Attributes:
        size: Tiles of large images, and the number of frames to predict.
        seed, example: Style of a model with styles: that of a seed, or of an example image.
        label: Class to translate to, by name or index; "all" draws the item and its result for each class in one row.
        quality: Quality of lossy formats, 1 to 100; None for the default.
    """

    size: TileSize | None = None
    seed: int | None = None
    example: Path | None = None
    label: str | None = None
    quality: int | None = None


class ApplyResult(NamedTuple):
    """What was done.

    Attributes:
        written: Number of results.
        problems: Files that could not be read, each with the reason.
        losses: What results lost of their sources, each with the number of files and the first names.
    """

    written: int
    problems: list[str]
    losses: list[str]


def apply_to_files(
    model: Path,
    inputs: Sequence[Path],
    output: Path,
    options: ApplyOptions | None = None,
    progress: Callable[[Sequence[FilePair]], Iterable[FilePair]] = iter,
) -> ApplyResult:
    """Transform images.

    Raises InputError for a model that cannot be used, tiles that overlap entirely, a style that does not exist, no
    input, or a result that cannot be written.
    """
    options, transform = options or ApplyOptions(), open_transform(model)
    pairs = plan_files(inputs, output, transform.graph.medium)
    check_formats(pairs, transform.graph.medium, options.quality)
    transform, choices = choose_conditions(transform, model, options)
    strip = transform.asks_for_all(options.label)
    count, problems = 0, [problem for path in inputs for problem in list_refused(path)]
    losses: dict[str, list[str]] = {}
    for pair in progress(pairs):
        try:
            source = read_item(pair.source, transform)
        except BadItem as error:
            problems.append(f"{pair.source}: {error}")
            continue
        items = [transform(source.values, options.size, conditions) for conditions in choices]
        count += 1
        if strip:
            write_strip(pair.target, draw_strip(transform, source, items), options.quality)
            continue
        for loss in write_result(pair.target, items[0], source, transform, options.quality):
            losses.setdefault(loss, []).append(str(pair.source))
    return ApplyResult(count, problems, [describe_loss(*loss) for loss in losses.items()])


def describe_loss(loss: str, files: Sequence[str]) -> str:
    """Return one line on what files lost."""
    more = f" and {len(files) - LISTED} more" if len(files) > LISTED else ""
    return f"{loss}: {', '.join(files[:LISTED])}{more}"


def check_formats(pairs: Sequence[FilePair], medium: Medium, quality: int | None) -> None:
    """Raise InputError if results cannot be written in the formats of their names, or have no quality."""
    for name, path in {pair.target.suffix.casefold(): pair.target for pair in pairs}.items():
        if name not in medium.formats:
            raise InputError(f"{path}: {medium.noun}s cannot be written as {name!r}. Use {', '.join(medium.formats)}.")
        if quality is not None and name not in medium.lossy_formats:
            raise InputError(
                f"{path}: --quality does not apply to {name!r}, which is lossless. Use a name that ends in "
                f"{', '.join(medium.lossy_formats)}, or omit --quality."
            )


def plan_files(inputs: Sequence[Path], output: Path, medium: Medium) -> list[FilePair]:
    """Return the files to process, in order. Folders are searched recursively and keep their structure in `output`.

    Hidden files, those that operating systems create, links that ingest would not follow, and results below `output`
    are not processed.

    If there is one input file, `output` may name its result; otherwise `output` is a folder. Raises InputError for
    missing files, for no image at all, if two results would have the same name, and if a result would overwrite its
    source.
    """
    names_a_file = output.suffix.casefold() in {*medium.suffixes, *medium.formats} and not output.is_dir()
    if len(inputs) == 1 and inputs[0].is_file() and names_a_file:
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


def choose_conditions(transform: ImageToImage, model: Path, options: ApplyOptions) -> tuple[ImageToImage, list[Arrays]]:
    """Return the graph to run, and the inputs besides the image: those of each class if there are several.

    Raises InputError for a class or a style that the model does not have.
    """
    if options.example is None:
        return transform, transform.choices(options.seed, options.label)
    if options.seed is not None:
        raise InputError("--seed and --example both choose the style. Omit one of them.")
    if transform.asks_for_all(options.label):
        raise InputError("--example shows one class. Name it with --label, or omit --example.")
    if not transform.styles:
        raise InputError(
            f"{model}: this model ({transform.metadata.variant}) has no styles: an image has one result. "
            "Omit --example."
        )
    if transform.classes:
        path = find_sibling(model, "example.onnx")
        graph = Graph(path)
        if graph.metadata != transform.metadata or "reference" not in graph.inputs:
            raise InputError(f"{path}: it was not exported together with {model}. Run `dvc repro -f export`.")
        guided = ImageToImage(graph)
        return guided, [guided.label(options.label) | {"reference": read_example(graph, options.example)}]
    # The generator paints in styles of side b, the reverse graph in those of side a.
    transform.label(options.label)
    encoder = find_sibling(model, "style_a.onnx" if model.stem == "reverse" else "style_b.onnx")
    return transform, [{"z": StyleEncoder(encoder).encode(options.example)}]


def find_sibling(model: Path, name: str) -> Path:
    """Return another graph in a model's folder. Raises InputError if there is none."""
    path = model.with_name(name)
    if not path.is_file():
        raise InputError(
            f"{path}: no such file. --example needs it in the model's folder, where `dvc repro` writes it. "
            "--seed works without it."
        )
    return path


def write_strip(path: Path, picture: "Image.Image", quality: int | None) -> None:
    """Write a picture of several results. Raises InputError if that is not possible."""
    options = {} if quality is None else {"quality": quality}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_picture(picture, path, path.suffix, **options)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: cannot be written: {error}") from None


def read_item(path: Path, transform: ImageToImage) -> TransformInput:
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


def write_result(
    path: Path, item: Items, source: TransformInput, transform: ImageToImage, quality: int | None
) -> tuple[str, ...]:
    """Write a result in the format of the suffix; return what it lost. Raises InputError if that is not possible."""
    try:
        file = transform.encode(item, source, path.suffix.casefold(), quality)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.data)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be written: {error}") from None
    return file.losses
