"""Directions in the latent space of a generator, and what a step along them changes."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Float64Array, FloatArray, Int64Array

VISIBLE = 0.1
"""Standard deviations per step from which a change of an attribute is reported."""

ROUNDING = 1e-9
"""Spread, relative to the values, up to which they count as constant."""


def principal_directions(weights: FloatArray, count: int) -> Float64Array:
    """Return the unit vectors [count, width] along which layers with weights [outputs, width] change most.

    They are the eigenvectors of A^T A with the largest eigenvalues (SeFa: Shen and Zhou, "Closed-Form Factorization of
    Latent Semantics in GANs", 2021, eq. 5). The sign is chosen so that the largest component is positive.
    """
    matrix = weights.astype(np.float64)
    _, vectors = np.linalg.eigh(matrix.T @ matrix)
    rows = vectors.T[::-1][:count]
    largest = np.take_along_axis(rows, np.abs(rows).argmax(axis=1)[:, None], axis=1)
    directions: Float64Array = rows * np.sign(largest)
    return directions


def attribute_direction(latents: FloatArray, values: FloatArray, groups: Int64Array) -> Float64Array:
    """Return the unit vector [d] of the covariance between latents [n, d] and an attribute of their items [n].

    For z ~ N(0, I) the covariance is the mean gradient of the attribute (Stein's lemma). For styles it leads from the
    mean style of items with little of the attribute to that of items with much. Taken within `groups` [n], such as
    the labels that the items were asked for. A constant attribute has no direction: zeros are returned.
    """
    x, y = centre(latents, groups), centre(values[:, None], groups)
    covariance: Float64Array = (x * y).mean(axis=0)
    return covariance / np.linalg.norm(covariance) if varies(y, values) else np.zeros_like(covariance)


def varies(centred: FloatArray, values: FloatArray) -> bool:
    """Return whether centred values differ from 0 by more than rounding."""
    return bool(centred.std() > ROUNDING * np.abs(values).max())


def scale_to_deviation(direction: Float64Array, latents: FloatArray, groups: Int64Array) -> Float64Array:
    """Scale a unit vector [d] to the standard deviation of latents [n, d] along it, within `groups` [n]."""
    step: Float64Array = direction * (centre(latents, groups) @ direction).std()
    return step


def centre(values: FloatArray, groups: Int64Array) -> Float64Array:
    """Return rows [n, d] minus the mean of their group."""
    count = np.bincount(groups)
    sums = np.zeros((len(count), values.shape[1]))
    np.add.at(sums, groups, values.astype(np.float64))
    centred: Float64Array = values - (sums / np.maximum(count, 1)[:, None])[groups]
    return centred


@dataclass(frozen=True)
class Change:
    """How one attribute changes along a direction.

    Attributes:
        name: The attribute.
        per_step: Change of its mean per step, in standard deviations between unedited items.
        monotonic: Its mean rises, or falls, with every step.
    """

    name: str
    per_step: float
    monotonic: bool


def changes(means: Mapping[str, FloatArray], strengths: FloatArray, deviations: Mapping[str, float]) -> list[Change]:
    """Return the change of each attribute, largest first; the slope is that of a least-squares line.

    Args:
        means: Mean of each attribute at each of the strengths.
        strengths: Ascending steps along the direction.
        deviations: Standard deviation of each attribute between unedited items.
    """
    found = []
    for name, values in means.items():
        slope = np.polyfit(strengths, values, 1)[0] / max(deviations[name], 1e-12)
        steps = np.diff(values)
        found.append(Change(name, float(slope), bool((steps > 0).all() or (steps < 0).all())))
    return sorted(found, key=lambda change: -abs(change.per_step))
