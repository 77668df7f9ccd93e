"""Facts of a decoded image for the manifest: its size, how it was stored, and what its pixels are like."""

import numpy as np

from pipeline.arrays import Items
from pipeline.media.image.image import Decoded
from pipeline.media.image.settings import ImageSettings


def describe_image(image: Decoded, settings: ImageSettings) -> dict[str, float | int | str]:
    """Return the facts of an image by name; those of the range only for files of more than 8 bits."""
    mean, variance = moments(image.pixels)
    white = int(np.iinfo(image.pixels.dtype).max)
    width: float = image.width
    if settings.side_by_side:
        variance = min(moments(half)[1] for half in np.split(image.pixels, 2, axis=1))
    if settings.pairs == "halves":
        width /= 2
    facts: dict[str, float | int | str] = {
        "width": image.width,
        "height": image.height,
        "side": float(min(width, image.height)),
        "mode": image.mode,
        "mean": mean / white,
        "std": variance**0.5 / white,
    }
    if image.levels is not None:
        bounds = image.levels.bounds
        facts |= {"lowest": bounds.low, "highest": bounds.high}
        facts |= {"range_share": image.levels.use, "outside_share": image.levels.outside}
    return facts


def moments(pixels: Items) -> tuple[float, float]:
    """Return mean and variance of unsigned values."""
    # Sums of whole numbers are exact, so the results are the same on every machine.
    values = pixels.astype(np.int64)
    mean = int(values.sum()) / pixels.size
    return mean, max(0.0, int((values * values).sum()) / pixels.size - mean * mean)
