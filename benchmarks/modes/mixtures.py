"""Mixtures of Gaussians in the plane whose modes are known (Srivastava 2017, VEEGAN; Lin 2018, PacGAN)."""

import math
from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Float64Array


@dataclass(frozen=True)
class Mixture:
    """Equal Gaussians: `means` [K, 2], each with the standard deviation `sigma` in both directions."""

    name: str
    means: Float64Array
    sigma: float

    @property
    def scale(self) -> float:
        """Root mean square of a coordinate of the means, which are centred: what brings points to unit size."""
        return float(np.sqrt(np.mean(self.means**2)))

    def draw(self, n: int, rng: np.random.Generator) -> Float64Array:
        """`n` points [n, 2] of the mixture: what a perfect sampler gives."""
        return self.means[rng.integers(len(self.means), size=n)] + self.sigma * rng.standard_normal((n, 2))


def ring() -> Mixture:
    """Eight modes on the unit circle, sigma 0.01."""
    angles = 2 * math.pi * np.arange(8) / 8
    return Mixture("ring", np.stack([np.cos(angles), np.sin(angles)], axis=1), 0.01)


def grid() -> Mixture:
    """Twenty-five modes at {-4, -2, 0, 2, 4}^2, sigma 0.05."""
    side = np.array([-4.0, -2.0, 0.0, 2.0, 4.0])
    return Mixture("grid", np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2), 0.05)


MIXTURES = {"ring": ring(), "grid": grid()}
