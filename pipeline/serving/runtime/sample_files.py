"""Pictures from an exported generator into a file or a folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.arrays import Int64Array, UInt8Array
from pipeline.errors import InputError
from pipeline.media.image.preview import CELL, grid
from pipeline.serving.runtime.generator import Generator
from pipeline.serving.runtime.interpolation import loop, strips

if TYPE_CHECKING:
    from PIL import Image

LARGEST_GRID = 10_000
WIDEST = 16
"""Labels up to which there is a column for each; more of them go round the squarest sheet."""

PICTURES, LATENTS = 64, 8
"""How many are drawn if nobody says: pictures, and latents of an interpolation."""

ANIMATED = (".gif", ".webp", ".apng")
FRAME_MS = 40


@dataclass(frozen=True)
class Request:
    """What to draw. `labels` are class names or indices, in turn; `steps` of an interpolation from each latent to the next; None leaves the choice."""

    n: int | None = None
    seed: int = 0
    labels: Sequence[str] = ()
    psi: float | None = None
    steps: int | None = None
    columns: int | None = None


def sample(model: Path, output: Path, wanted: Request, *, folder: bool) -> str:
    """Draws pictures into one file whose format is `output`'s suffix, or with `folder` into single PNGs named by their index.

    A sheet of a model with labels has a column a class. An interpolation is a sheet of `n` rows, one from each latent to the next, or,
    as GIF, WebP or APNG, an animation through `n` latents and back to the first, that shows the labels side by side.
    Returns what was drawn, in words. Raises InputError for a model that cannot be used, an output that cannot be written, or a
    request that the model cannot fulfil.
    """
    check(output, wanted, folder=folder)
    generator = Generator(model)
    labels = generator.labels(wanted.labels)
    psi = generator.psi(wanted.psi)
    try:
        (output if folder else output.parent).mkdir(parents=True, exist_ok=True)
        if wanted.steps is None:
            drawn = single(generator, output, wanted, labels) if folder else sheet(generator, output, wanted, labels)
        elif output.suffix.lower() in ANIMATED:
            drawn = animation(generator, output, wanted, wanted.steps, labels, psi)
        else:
            drawn = interpolated(generator, output, wanted, wanted.steps, labels, psi)
    except (OSError, ValueError) as error:
        raise InputError(f"{output}: cannot be written: {error}") from None
    return f"{drawn}, seed {wanted.seed}, {generator.provider}"


def check(output: Path, wanted: Request, *, folder: bool) -> None:
    """Refuses what no model could do."""
    from PIL import Image

    if not folder and Image.registered_extensions().get(output.suffix.lower()) not in Image.SAVE:
        raise InputError(
            f"{output}: pictures cannot be written as {output.suffix!r}; use .png, .jpg or .webp, or end the name with / for a folder"
        )
    if wanted.steps is None:
        if not folder and (wanted.n or 0) > LARGEST_GRID:
            raise InputError(
                f"a sheet holds at most {LARGEST_GRID} pictures, not {wanted.n}; end the output's name with / to write them one by one"
            )
        return
    if wanted.steps < 2:
        raise InputError(f"--interpolate takes at least 2 steps from one latent to the next, not {wanted.steps}")
    if folder:
        raise InputError(
            f"{output}: an interpolation is one file: a sheet (.png, .jpg) or an animation ({', '.join(ANIMATED)})"
        )
    if wanted.columns is not None and output.suffix.lower() not in ANIMATED:
        raise InputError("--columns: the rows of an interpolation are as long as it has steps; leave it out")


def within_limit(pictures: int, way_out: str) -> None:
    if pictures > LARGEST_GRID:
        raise InputError(f"that would be {pictures:,} pictures, and one file holds at most {LARGEST_GRID:,}; {way_out}")


def columns_of(wanted: int | None, labels: int) -> int | None:
    """As asked for, else a column a class; None is the squarest sheet."""
    return wanted or (labels if 1 < labels <= WIDEST else None)


def single(generator: Generator, folder: Path, wanted: Request, labels: Int64Array) -> str:
    n = wanted.n or PICTURES
    digits = max(4, len(str(n - 1)))
    index = 0
    for batch in generator.stream(n, wanted.seed, labels, wanted.psi):
        for picture in batch:
            image(picture).save(folder / f"{index:0{digits}d}.png")
            index += 1
    return f"{n} pictures"


def sheet(generator: Generator, output: Path, wanted: Request, labels: Int64Array) -> str:
    n = wanted.n or PICTURES
    grid(generator.sample(n, wanted.seed, labels, wanted.psi), columns_of(wanted.columns, len(labels))).save(output)
    return f"{n} pictures"


def interpolated(
    generator: Generator, output: Path, wanted: Request, steps: int, labels: Int64Array, psi: float
) -> str:
    """A sheet whose row i goes from picture i of the seed to latent i+1, under the label of picture i."""
    rows = wanted.n or LATENTS
    within_limit(rows * steps, "lower -n or --interpolate")
    z = strips(generator.latents(wanted.seed, 0, rows + 1), steps)
    grid(generator.draw(z.reshape(rows * steps, -1), labels.repeat(steps), psi), steps).save(output)
    return f"{rows} rows of {steps} pictures"


def animation(generator: Generator, output: Path, wanted: Request, steps: int, labels: Int64Array, psi: float) -> str:
    """One frame a step. With several labels a frame shows each, all of the same latent."""
    n = wanted.n or LATENTS
    if n < 2:
        raise InputError(f"an animation goes through at least 2 latents, not -n {n}")
    shown = max(1, len(labels))
    within_limit(
        n * steps * shown, "lower -n or --interpolate" + (", or choose fewer classes with --label" if shown > 1 else "")
    )
    z = loop(generator.latents(wanted.seed, 0, n), steps).repeat(shown, axis=0)
    first, *rest = frames(generator.draw(z, labels, psi), shown, columns_of(wanted.columns, len(labels)))
    first.save(output, save_all=True, append_images=rest, duration=FRAME_MS, loop=0, lossless=True)
    return f"{n * steps} frames through {n} latents"


def frames(pictures: UInt8Array, shown: int, columns: int | None) -> list["Image.Image"]:
    """Frames of an animation that show so many of the pictures [frames * shown, H, W, C] each; a single one large."""
    each = pictures.reshape(-1, shown, *pictures.shape[1:])
    return [grid(frame, columns, CELL if shown > 1 else 4 * CELL) for frame in each]


def image(picture: UInt8Array) -> "Image.Image":
    """One picture [H, W, 1 or 3]."""
    from PIL import Image

    return Image.fromarray(picture if picture.shape[-1] == 3 else picture[:, :, 0])
