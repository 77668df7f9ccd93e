"""Pictures from an exported generator into a file or a folder."""

from pathlib import Path

import numpy as np

from pipeline.errors import InputError
from pipeline.media.preview import grid
from pipeline.serving.runtime import Generator

LARGEST_GRID = 10_000


def sample(model: Path, output: Path, n: int, seed: int, columns: int | None, *, folder: bool) -> str:
    """Draws `n` pictures: one sheet whose format is `output`'s suffix, or with `folder` single PNGs named by their index.

    Returns the ONNX Runtime provider that ran. Raises InputError for a model that cannot be used or an output that cannot be written.
    """
    from PIL import Image

    formats = Image.registered_extensions()
    if not folder and formats.get(output.suffix.lower()) not in Image.SAVE:
        raise InputError(f"{output}: pictures cannot be written as {output.suffix!r}; use .png, .jpg or .webp, or end the name with / for a folder")
    if not folder and n > LARGEST_GRID:
        raise InputError(f"a sheet holds at most {LARGEST_GRID} pictures, not {n}; end the output's name with / to write them one by one")
    generator = Generator(model)
    target = output if folder else output.parent
    try:
        target.mkdir(parents=True, exist_ok=True)
        if folder:
            digits = max(4, len(str(n - 1)))
            index = 0
            for batch in generator.stream(n, seed):
                for picture in batch:
                    Image.fromarray(picture if picture.shape[-1] == 3 else picture[:, :, 0]).save(output / f"{index:0{digits}d}.png")
                    index += 1
        else:
            grid(np.concatenate(list(generator.stream(n, seed))), columns).save(output)
    except (OSError, ValueError) as error:
        raise InputError(f"{output}: cannot be written: {error}") from None
    return generator.provider
