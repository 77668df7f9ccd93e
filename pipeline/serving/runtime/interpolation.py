"""Interpolation between latents."""

import math
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Float32Array

PARALLEL = 1e-6
"""Sine of the angle between two latents below which they count as parallel."""


def spherical(start: Float32Array, end: Float32Array, shares: npt.ArrayLike) -> Float32Array:
    """Return latents [k, latent] at `shares` [k] (0..1) of the way from `start` to `end`, each [latent].

    Follows the great circle: a straight line between normal latents passes through norms that the generator never saw
    in training (White, "Sampling Generative Networks", 2016). Parallel latents are interpolated linearly.
    """
    a, b, t = start.astype(np.float64), end.astype(np.float64), np.asarray(shares, dtype=np.float64)[:, None]
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    angle = math.acos(min(max(float(a @ b) / lengths, -1.0), 1.0)) if lengths > 0 else 0.0
    sine = math.sin(angle)
    path: npt.NDArray[np.float64] = (
        (1 - t) * a + t * b if sine < PARALLEL else (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / sine
    )
    return path.astype(np.float32)


def strips(latents: Float32Array, steps: int) -> Float32Array:
    """Interpolate latents [n+1, latent]: return [n, steps, latent]; row i runs from latent i to i+1, both included."""
    shares = np.linspace(0.0, 1.0, steps)
    return np.stack([spherical(start, end, shares) for start, end in pairwise(latents)])


def loop(latents: Float32Array, steps: int) -> Float32Array:
    """Interpolate latents [n, latent] in a circle: return [n * steps, latent], `steps` from each to the next."""
    shares = np.arange(steps) / steps
    return np.concatenate(
        [spherical(start, end, shares) for start, end in zip(latents, np.roll(latents, -1, axis=0), strict=True)]
    )
