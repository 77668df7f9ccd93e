"""The outline of an image: dark lines on white, one pixel wide, where its colours change.

The gradient is that of all channels together (Di Zenzo, A note on the gradient of a multi-image, 1986). Only its ridges
are kept (Canny, A computational approach to edge detection, 1986). The computation uses integers and square roots, so
the lines are the same on every machine.
"""

import numpy as np
import numpy.typing as npt

FAINT, FULL = 10.0, 40.0
"""Steps of colour in 8-bit levels (root mean square over the channels): no line up to FAINT, black from FULL on."""


def outline(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the outline of an image, uint8 [H, W, C] -> uint8 [H, W, C] with equal channels."""
    values = np.pad(pixels.astype(np.int64), ((1, 1), (1, 1), (0, 0)), mode="edge")
    across, down = values[:, 2:] - values[:, :-2], values[2:] - values[:-2]
    dx = across[:-2] + 2 * across[1:-1] + across[2:]  # Sobel: a step of one level gives 4
    dy = down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:]
    xx, yy, xy = (dx * dx).sum(axis=2), (dy * dy).sum(axis=2), (dx * dy).sum(axis=2)
    # The larger eigenvalue of [[xx, xy], [xy, yy]]: the rate of change in the direction of the fastest change.
    squared = (xx + yy + np.sqrt((xx - yy) ** 2 + 4 * xy**2)) / 2
    strength = np.sqrt(squared / pixels.shape[2]) / 4
    shade = np.clip((strength - FAINT) / (FULL - FAINT), 0, 1) * find_ridges(strength, xx - yy, 2 * xy)
    lines = (255 - np.rint(255 * shade)).astype(np.uint8)
    return np.broadcast_to(lines[:, :, None], pixels.shape).copy()


def find_ridges(
    strength: npt.NDArray[np.float64], cosine: npt.NDArray[np.int64], sine: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Return where `strength` has a maximum along the gradient, bool [H, W].

    The gradient's direction is rounded to one of four. A maximum is at least as large as the value before it, and
    larger than the value after it.

    Args:
        cosine, sine: Of twice the gradient's angle, times any positive number.
    """
    height, width = strength.shape
    around = np.pad(strength, 1)
    ridges = np.zeros(strength.shape, dtype=bool)
    straight = np.abs(cosine) >= np.abs(sine)
    directions = (
        (0, 1, straight & (cosine >= 0)),
        (1, 0, straight & (cosine < 0)),
        (1, 1, ~straight & (sine > 0)),
        (1, -1, ~straight & (sine < 0)),
    )
    for y, x, here in directions:
        before, after = (
            around[1 + sign * y : 1 + sign * y + height, 1 + sign * x : 1 + sign * x + width] for sign in (-1, 1)
        )
        ridges |= here & (strength >= before) & (strength > after)
    return ridges
