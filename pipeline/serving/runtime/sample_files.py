"""Write generated items to files: a sheet, a folder, one item after another, an interpolation, an animation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.arrays import Items
from pipeline.errors import InputError
from pipeline.media.codec import Encoded
from pipeline.media.pictures import write_picture
from pipeline.media.registry import MEDIA
from pipeline.serving.graph_tensors import Arrays
from pipeline.serving.runtime.edited_generator import Edits, edit_generator
from pipeline.serving.runtime.generator import Generator, Graph
from pipeline.serving.runtime.interpolation import loop, strips
from pipeline.serving.runtime.text_interpolation import TextInterpolation

if TYPE_CHECKING:
    from PIL import Image

LARGEST_SHEET = 10_000
WIDEST = 16
"""Up to this many conditions a sheet has a column for each; with more it is as square as possible."""

DEFAULT_ITEMS, DEFAULT_LATENTS = 64, 8
"""Number of items, and of latents of an interpolation, if none is given."""

ANIMATED = (".gif", ".webp", ".apng")
FRAME_MS = 40
CELL = 64
"""Small items are enlarged to at most so many pixels."""


@dataclass(frozen=True)
class Request:
    """What to generate; None leaves the choice to the command.

    Attributes:
        n: Number of items, of rows of an interpolation, or of latents of an animation.
        conditions: Values by control, such as {"label": ["cat"], "psi": 0.7}; see `graph_tensors`.
        steps: Of an interpolation, from each latent to the next.
        columns: Of a sheet.
        frames: Of a clip.
        edits: What is done to latents before they become items.
    """

    n: int | None = None
    seed: int = 0
    conditions: Mapping[str, Any] = field(default_factory=dict)
    steps: int | None = None
    columns: int | None = None
    frames: int | None = None
    edits: Edits = field(default_factory=Edits)

    @property
    def default_items(self) -> int:
        """Number of items if none is given: one per label of a saved latent, else a sheet full."""
        return max(1, len(self.conditions.get("label") or ())) if self.edits.latent else DEFAULT_ITEMS


def sample_to_files(model: Path, output: Path, request: Request, *, folder: bool) -> str:
    """Write the items in the format of `output`'s suffix, or with `folder` one file per item.

    The suffix of a picture gives a sheet. That of a medium whose items last in time gives all items, one after another.

    A sheet of a conditional model has a column per condition. An interpolation is a sheet of `n` rows, one from each
    latent to the next. As GIF, WebP or APNG it is an animation through `n` latents and back to the first, which shows
    the conditions side by side. With several texts, a row or an animation keeps its latents and goes from text to text.

    Returns a description of the result. Raises InputError for a model that cannot be used, an output that cannot be
    written, or a request that the model cannot fulfil.
    """
    check_request(output, request, folder=folder)
    generator = open_generator(model, request)
    conditions = generator.conditions(**request.conditions)
    try:
        (output if folder else output.parent).mkdir(parents=True, exist_ok=True)
        if request.steps is None:
            write = write_singles if folder else write_sheet if is_picture(output) else write_joined
            result = write(generator, output, request, conditions)
        else:
            write_steps = write_animation if output.suffix.lower() in ANIMATED else write_interpolation
            if len(request.conditions.get("text") or ()) > 1:
                write_steps = write_texts
            result = write_steps(generator, output, request, request.steps, conditions)
    except (OSError, ValueError) as error:
        raise InputError(f"{output}: cannot be written: {error}") from None
    return f"{result}, seed {request.seed}, {generator.provider}"


def open_generator(model: Path, request: Request) -> Generator:
    """Open a generator, prepared for a request. Raises InputError."""
    generator = Generator(model)
    if request.frames is not None:
        generator.lengthen(request.frames)
    return edit_generator(generator, request.edits, request.conditions)


def check_request(output: Path, request: Request, *, folder: bool) -> None:
    """Raise InputError for a request that no model can fulfil."""
    known = {suffix for medium in MEDIA.values() for suffix in medium.formats}
    if not folder and not is_picture(output) and (output.suffix.lower() not in known or request.steps is not None):
        raise InputError(
            f"{output}: pictures cannot be written as {output.suffix!r}. "
            "Use .png, .jpg or .webp, or end the name with / for a folder."
        )
    if request.steps is None:
        if not folder and (request.n or 0) > LARGEST_SHEET:
            raise InputError(
                f"{request.n:,} items do not fit into one file (maximum {LARGEST_SHEET:,}). "
                "Use -o DIR/ to write separate files."
            )
        return
    for option, given in (("--styles", request.edits.styles), ("--latent", request.edits.latent)):
        if given:
            raise InputError(f"{option}: an interpolation goes from latent to latent of a seed. Omit one of the two.")
    if request.steps < 2:
        raise InputError(f"--interpolate takes at least 2 steps from one latent to the next, not {request.steps}.")
    if folder:
        raise InputError(
            f"{output}: an interpolation is one file: a sheet (.png, .jpg) or an animation ({', '.join(ANIMATED)})."
        )
    if request.columns is not None and output.suffix.lower() not in ANIMATED:
        raise InputError("--columns: an interpolation has one column per step. Omit it.")


def is_picture(output: Path) -> bool:
    """Return whether a file has the suffix of a picture."""
    from PIL import Image

    return Image.registered_extensions().get(output.suffix.lower()) in Image.SAVE


def check_size(items: int, advice: str) -> None:
    """Raise InputError if so many items do not fit into one file."""
    if items > LARGEST_SHEET:
        raise InputError(f"{items:,} items do not fit into one file (maximum {LARGEST_SHEET:,}). {advice}.")


def turns(conditions: Arrays) -> int:
    """Return after how many items the conditions repeat at the earliest; 1 without conditions."""
    return max((len(rows) for rows in conditions.values()), default=1)


def sheet_columns(chosen: int | None, conditions: int) -> int | None:
    """Return the chosen number of columns, else one per condition; None for the squarest sheet."""
    return chosen or (conditions if 1 < conditions <= WIDEST else None)


def repeat_rows(conditions: Arrays, times: int) -> Arrays:
    """Return conditions whose rows are each repeated in place."""
    return {name: rows.repeat(times, axis=0) for name, rows in conditions.items()}


def write_singles(generator: Generator, folder: Path, request: Request, conditions: Arrays) -> str:
    """Write one file per item in the default format of the medium, named by its index."""
    graph = generator.graph
    n = request.n or request.default_items
    digits = max(4, len(str(n - 1)))
    index = 0
    for batch in generator.stream(n, request.seed, conditions):
        for item in batch:
            file = graph.medium.encode(item, graph.result_item)
            (folder / f"{index:0{digits}d}{file.suffix}").write_bytes(file.data)
            index += 1
    return f"{n} {graph.medium.noun}s"


def write_sheet(generator: Generator, output: Path, request: Request, conditions: Arrays) -> str:
    """Write a picture of all items; items that move do so in a format that can."""
    n = request.n or request.default_items
    items = np.concatenate(list(generator.stream(n, request.seed, conditions)))
    columns = sheet_columns(request.columns, turns(conditions))
    moving = generator.graph.medium.animate(items, generator.graph.result_item, output.suffix.lower(), columns)
    if moving is None:
        write_picture(draw(generator.graph, items, columns), output, output.suffix)
    else:
        output.write_bytes(moving.data)
    return f"{n} {generator.graph.medium.noun}s"


def write_joined(generator: Generator, output: Path, request: Request, conditions: Arrays) -> str:
    """Write all items as one file of a format of the medium."""
    n = request.n or min(DEFAULT_LATENTS, request.default_items)
    items = np.concatenate(list(generator.stream(n, request.seed, conditions)))
    output.write_bytes(encode_joined(generator.graph, items, output.suffix.lower()).data)
    return f"{n} {generator.graph.medium.noun}s"


def encode_joined(graph: Graph, items: Items, suffix: str) -> Encoded:
    """Return items [n, H, W, C] as one file: one after another, or moving next to each other.

    Raises InputError if their medium has no such file.
    """
    medium, spec = graph.medium, graph.result_item
    if suffix not in medium.formats:
        raise InputError(f"{medium.noun}s cannot be written as {suffix!r}. Use {', '.join(medium.formats)}.")
    if len(items) == 1:
        return medium.encode(items[0], spec, suffix)
    moving = medium.animate(items, spec, suffix)
    if moving is not None:
        return moving
    joined = medium.join(items, spec)
    if joined is None:
        raise InputError(f"several {medium.noun}s do not fit into one {suffix}. Ask for one, or for a picture of all.")
    return medium.encode(*joined, suffix)


def write_interpolation(generator: Generator, output: Path, request: Request, steps: int, conditions: Arrays) -> str:
    """Write a sheet whose row i goes from item i of the seed to latent i+1, under the conditions of item i."""
    rows = request.n or DEFAULT_LATENTS
    check_size(rows * steps, "Lower -n or --interpolate")
    z = strips(generator.latents(request.seed, 0, rows + 1), steps)
    items = generator.generate(z.reshape(rows * steps, -1), repeat_rows(conditions, steps))
    write_picture(draw(generator.graph, items, steps), output, output.suffix)
    return f"{rows} rows of {steps} {generator.graph.medium.noun}s"


def write_animation(generator: Generator, output: Path, request: Request, steps: int, conditions: Arrays) -> str:
    """Write one frame per step. A frame shows all conditions, each with the same latent."""
    n = request.n or DEFAULT_LATENTS
    if n < 2:
        raise InputError(f"an animation needs at least 2 latents, not -n {n}.")
    width = turns(conditions)
    check_size(n * steps * width, "Lower -n or --interpolate" + (", or choose fewer conditions" if width > 1 else ""))
    z = loop(generator.latents(request.seed, 0, n), steps).repeat(width, axis=0)
    items = generator.generate(z, conditions)
    write_frames(draw_frames(generator.graph, items, width, sheet_columns(request.columns, width)), output)
    return f"{n * steps} frames through {n} latents"


def write_texts(generator: Generator, output: Path, request: Request, steps: int, conditions: Arrays) -> str:
    """Write a sheet with a row for each latent, from each text to the next, or an animation that shows all latents."""
    animated = output.suffix.lower() in ANIMATED
    texts = TextInterpolation(generator)
    sentences = texts.path(conditions["tokens"], steps, closed=animated)
    n, length = request.n or DEFAULT_LATENTS, len(sentences)
    check_size(n * length, "Lower -n or --interpolate, or give fewer texts")
    z = generator.latents(request.seed, 0, n)
    if not animated:
        items = texts.draw(z.repeat(length, axis=0), np.tile(sentences, (n, 1)), conditions)
        write_picture(draw(generator.graph, items, length), output, output.suffix)
        return f"{n} rows of {length} {generator.graph.medium.noun}s"
    items = texts.draw(np.tile(z, (length, 1)), sentences.repeat(n, axis=0), conditions)
    write_frames(draw_frames(generator.graph, items, n, request.columns), output)
    return f"{length} frames through {len(conditions['tokens'])} texts"


def write_frames(frames: "list[Image.Image]", output: Path) -> None:
    """Write an animation that repeats without end."""
    first, *rest = frames
    write_picture(first, output, output.suffix, save_all=True, append_images=rest, duration=FRAME_MS, loop=0)


def draw(graph: Graph, items: Items, columns: int | None = None, cell: int = CELL) -> "Image.Image":
    """Return one picture of items [n, H, W, C]."""
    return graph.medium.preview(items, graph.result_item, columns, cell)


def draw_frames(graph: Graph, items: Items, per_frame: int, columns: int | None) -> list["Image.Image"]:
    """Return the frames of an animation of items [frames * per_frame, H, W, C]; a single item is enlarged."""
    groups = items.reshape(-1, per_frame, *items.shape[1:])
    return [draw(graph, group, columns, CELL if per_frame > 1 else 4 * CELL) for group in groups]
