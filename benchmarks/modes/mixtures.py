"""Two-dimensional Gaussian mixtures with known modes (Srivastava 2017, VEEGAN; Lin 2018, PacGAN)."""

import math
from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Float64Array


@dataclass(frozen=True)
class Mixture:
    """Equally likely Gaussians with `means` [K, 2] and standard deviation `sigma` in both coordinates."""

    name: str
    means: Float64Array
    sigma: float

    @property
    def scale(self) -> float:
        """Root mean square of the coordinates of the means; dividing by it gives points unit variance."""
        return float(np.sqrt(np.mean(self.means**2)))

    def draw(self, n: int, rng: np.random.Generator) -> Float64Array:
        """Draw points [n, 2] from the mixture."""
        return self.means[rng.integers(len(self.means), size=n)] + self.sigma * rng.standard_normal((n, 2))


def ring() -> Mixture:
    """Return eight modes on the unit circle, sigma 0.01."""
    angles = 2 * math.pi * np.arange(8) / 8
    return Mixture("ring", np.stack([np.cos(angles), np.sin(angles)], axis=1), 0.01)


def grid() -> Mixture:
    """Return 25 modes at {-4, -2, 0, 2, 4}^2, sigma 0.05."""
    side = np.array([-4.0, -2.0, 0.0, 2.0, 4.0])
    return Mixture("grid", np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2), 0.05)


MIXTURES = {"ring": ring(), "grid": grid()}
