"""Many small images on one sheet."""

import math

import numpy as np
from PIL import Image

from pipeline.arrays import UInt8Array

CELL = 64
GAP = 2


def grid(images: UInt8Array, columns: int | None = None, cell: int = CELL) -> Image.Image:
    """Draw uint8 [n, H, W, 1 or 3] on one sheet, row by row, with white gaps.

    Args:
        columns: Images in a row; None makes the sheet as square as possible.
        cell: Small images are enlarged by the largest whole factor that keeps them within so many pixels, without
            smoothing, so that every pixel is visible. Larger images keep their size.

    Raises:
        ValueError: There are no images, or they have another shape.
    """
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or images.dtype != np.uint8 or len(images) == 0:
        raise ValueError(f"a grid takes uint8 [n, H, W, 1 or 3] with n > 0, not {images.dtype} {images.shape}")
    count, height, width, channels = images.shape
    columns = min(count, columns or math.ceil(math.sqrt(count)))
    rows = math.ceil(count / columns)
    factor = max(1, cell // max(height, width))
    large = images.repeat(factor, axis=1).repeat(factor, axis=2)
    step_y, step_x = height * factor + GAP, width * factor + GAP
    sheet = np.full((rows * step_y + GAP, columns * step_x + GAP, channels), 255, dtype=np.uint8)
    for position, image in enumerate(large):
        y, x = divmod(position, columns)
        sheet[GAP + y * step_y :, GAP + x * step_x :][: image.shape[0], : image.shape[1]] = image
    return Image.fromarray(sheet if channels == 3 else sheet[..., 0])
