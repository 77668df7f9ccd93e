"""Attributes of what images show, by closed forms: brightness, and thickness, slant and width of a figure.

The figure is what differs from the background: the weight of a pixel is the distance of its gray value from the median
of the image's border. One line of handwriting, a drawing or an object on a plain ground is such a figure.
"""

import numpy as np

from pipeline.arrays import Float64Array, UInt8Array

BLANK = 1e-6
"""Sum of weights below which an image shows no figure; its attributes are 0."""


def attributes(images: UInt8Array) -> dict[str, Float64Array]:
    """Return four numbers of each image of uint8 [n, H, W, C], each [n].

    - brightness: mean gray value, 0..1.
    - thickness: of the strokes, in pixels: twice the area over the length of the outline. A long straight strip of
      width t has t. The length of the outline is the total variation of the weights.
    - slant: columns that the figure moves to the right per row upwards: a shear by k adds k (moments, -m11 / m02).
    - width: standard deviation of the columns in pixels, without the part that slant explains: (m20 - m11^2 / m02)^0.5.
    """
    gray = images.astype(np.float64).mean(axis=3) / 255
    weights = figure_weights(gray)
    mass = weights.sum(axis=(1, 2))
    m20, m11, m02 = central_moments(weights)
    outline = total_variation(weights)
    shown = mass > BLANK
    tall = shown & (m02 > BLANK)
    return {
        "brightness": gray.mean(axis=(1, 2)),
        "thickness": np.divide(2 * mass, outline, out=np.zeros_like(mass), where=shown & (outline > BLANK)),
        "slant": np.divide(-m11, m02, out=np.zeros_like(mass), where=tall),
        "width": np.sqrt(np.maximum(m20 - np.divide(m11**2, m02, out=np.zeros_like(mass), where=tall), 0)),
    }


def figure_weights(gray: Float64Array) -> Float64Array:
    """Return how far each gray value of [n, H, W] is from the background, the median of the border."""
    border = np.concatenate([gray[:, 0], gray[:, -1], gray[:, 1:-1, 0], gray[:, 1:-1, -1]], axis=1)
    weights: Float64Array = np.abs(gray - np.median(border, axis=1)[:, None, None])
    return weights


def central_moments(weights: Float64Array) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Return the variance of the columns, their covariance with the rows, and the variance of the rows, each [n]."""
    mass = np.maximum(weights.sum(axis=(1, 2)), BLANK)
    rows, columns = np.indices(weights.shape[1:], dtype=np.float64)
    y, x = (
        grid - ((weights * grid).sum(axis=(1, 2)) / mass)[:, None, None] for grid in (rows, columns)
    )  # distances from the centre of mass
    m20, m11, m02 = ((weights * product).sum(axis=(1, 2)) / mass for product in (x * x, x * y, y * y))
    return m20, m11, m02


def total_variation(weights: Float64Array) -> Float64Array:
    """Return the sum of the gradient's length over each image [n, H, W], with background around it."""
    padded = np.pad(weights, ((0, 0), (1, 1), (1, 1)))
    down, right = padded[:, 1:, :-1] - padded[:, :-1, :-1], padded[:, :-1, 1:] - padded[:, :-1, :-1]
    length: Float64Array = np.hypot(down, right).sum(axis=(1, 2))
    return length
