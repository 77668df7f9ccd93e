"""Perceptual path length against its closed form for a linear generator."""

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.arrays import Float64Array
from pipeline.evaluation.measures.path_length import draw_paths, path_length, slerp


def test_a_linear_generator_has_a_closed_form() -> None:
    """The derivative of the path by t is known, and a linear generator maps it to that of the features."""
    weights = torch.randn(6, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def features_of(latents: Tensor, rows: slice) -> Float64Array:
        features: Float64Array = (latents.double() @ weights).numpy()
        return features

    first, second, t = draw_paths(6, 7)
    lengths = first.norm(dim=1, keepdim=True) * second.norm(dim=1, keepdim=True)
    angle = torch.acos((first * second).sum(dim=1, keepdim=True) / lengths)
    speed = (angle * (torch.cos(t * angle) * second - torch.cos((1 - t) * angle) * first) / torch.sin(angle)) @ weights
    expected = np.sort(speed.square().sum(dim=1).numpy())[2:-2].mean() / 4.0
    # Latents are float32, as the networks take them.
    assert path_length(features_of, 6, 7, 4.0) == pytest.approx(expected, rel=2e-3)


def test_a_path_starts_and_ends_at_its_latents() -> None:
    first, second, _ = draw_paths(5, 0)
    np.testing.assert_allclose(slerp(first, second, torch.zeros(len(first), 1).double()), first, atol=1e-12)
    np.testing.assert_allclose(slerp(first, second, torch.ones(len(first), 1).double()), second, atol=1e-12)


def test_an_abrupt_generator_has_longer_paths() -> None:
    def smooth(latents: Tensor, rows: slice) -> Float64Array:
        features: Float64Array = latents.double().numpy()
        return features

    def abrupt(latents: Tensor, rows: slice) -> Float64Array:
        features: Float64Array = torch.tanh(20 * latents.double()).numpy()
        return features

    # Both sets of features have a variance of about 1.
    assert path_length(abrupt, 8, 0, 16.0) > 2 * path_length(smooth, 8, 0, 16.0)
