"""ADA: Karras et al., "Training Generative Adversarial Networks with Limited Data" (2020), appendix B.

The augmentations of the "bgc" pipeline: pixel blitting, geometric and colour transformations, each applied to each
image with the same probability. Below a probability of about 0.8 they do not leak into the generated images. All
geometry is one affine map and one bilinear lookup with mirrored borders; the paper's anti-aliasing filter is left out.
All colour is one affine map of the channels.
"""

import math

import torch
from torch import Tensor


def ada(images: Tensor, probability: Tensor, rng: torch.Generator) -> Tensor:
    """Augment images [B, C, H, W] in [-1, 1]; `probability` is a scalar."""
    draws = Draws(len(images), probability, rng, images.device)
    warped = warp(images, geometry(draws, images.shape[2], images.shape[3]))
    return transform_colour(warped, draws)


class Draws:
    """Random parameters of the transformations of `n` images."""

    def __init__(self, n: int, probability: Tensor, rng: torch.Generator, device: torch.device) -> None:
        self.n, self.probability, self.rng, self.device = n, probability, rng, device

    def uniform(self) -> Tensor:
        """Draw from U(0, 1), [n]."""
        return torch.rand(self.n, generator=self.rng, device=self.device)

    def normal(self) -> Tensor:
        """Draw from N(0, 1), [n]."""
        return torch.randn(self.n, generator=self.rng, device=self.device)

    def maybe(self, value: Tensor, neutral: float, probability: Tensor | None = None) -> Tensor:
        """Keep each of `value` [n] with the pipeline's probability, or with `probability`; else return `neutral`."""
        return torch.where(
            self.uniform() < (self.probability if probability is None else probability),
            value,
            torch.full_like(value, neutral),
        )


def geometry(draws: Draws, height: int, width: int) -> Tensor:
    """Draw affine maps [B, 3, 3] from output to input pixels, relative to the centre (section B.1, in its order)."""
    mirror = draws.maybe(torch.where(draws.uniform() < 0.5, -1.0, 1.0), 1.0)
    quarter_turn = draws.maybe((draws.uniform() * 4).floor() * (math.pi / 2), 0.0)
    integer_x = draws.maybe(((draws.uniform() * 2 - 1) * 0.125 * width).round(), 0.0)
    integer_y = draws.maybe(((draws.uniform() * 2 - 1) * 0.125 * height).round(), 0.0)
    isotropic = draws.maybe(torch.exp2(0.2 * draws.normal()), 1.0)
    # Rotation may apply before and after the anisotropic scaling; one of the two applies with the usual probability.
    half = 1 - (1 - draws.probability).sqrt()
    pre_angle = draws.maybe((draws.uniform() * 2 - 1) * math.pi, 0.0, half)
    anisotropic = draws.maybe(torch.exp2(0.2 * draws.normal()), 1.0)
    post_angle = draws.maybe((draws.uniform() * 2 - 1) * math.pi, 0.0, half)
    fractional_x = draws.maybe(0.125 * width * draws.normal(), 0.0)
    fractional_y = draws.maybe(0.125 * height * draws.normal(), 0.0)
    return (
        scaling(mirror, torch.ones_like(mirror))
        @ rotation(quarter_turn)
        @ translation(integer_x, integer_y)
        @ scaling(1 / isotropic, 1 / isotropic)
        @ rotation(pre_angle)
        @ scaling(1 / anisotropic, anisotropic)
        @ rotation(post_angle)
        @ translation(fractional_x, fractional_y)
    )


def matrix(rows: list[list[Tensor]]) -> Tensor:
    """Stack entries [B] to matrices [B, rows, columns]."""
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def scaling(x: Tensor, y: Tensor) -> Tensor:
    """Return matrices [B, 3, 3] that scale both axes."""
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    return matrix([[x, zero, zero], [zero, y, zero], [zero, zero, one]])


def rotation(angle: Tensor) -> Tensor:
    """Return matrices [B, 3, 3] that rotate by `angle` in radians."""
    zero, one = torch.zeros_like(angle), torch.ones_like(angle)
    return matrix([[angle.cos(), -angle.sin(), zero], [angle.sin(), angle.cos(), zero], [zero, zero, one]])


def translation(x: Tensor, y: Tensor) -> Tensor:
    """Return matrices [B, 3, 3] that translate by pixels."""
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    return matrix([[one, zero, x], [zero, one, y], [zero, zero, one]])


def warp(images: Tensor, maps: Tensor) -> Tensor:
    """Sample `images` [B, C, H, W] at the pixels that `maps` [B, 3, 3] point to, bilinearly, with mirrored borders.

    Built from gathers, because torch's grid_sample is not twice differentiable.
    """
    n, channels, height, width = images.shape
    y, x = torch.meshgrid(
        torch.arange(height, device=images.device) - (height - 1) / 2,
        torch.arange(width, device=images.device) - (width - 1) / 2,
        indexing="ij",
    )
    pixels = torch.stack([x.flatten(), y.flatten(), torch.ones(height * width, device=images.device)])
    positions = maps[:, :2].float() @ pixels
    columns, right = split_position(positions[:, 0] + (width - 1) / 2, width)
    rows, down = split_position(positions[:, 1] + (height - 1) / 2, height)
    flat = images.flatten(2)

    def read(row: Tensor, column: Tensor) -> Tensor:
        return flat.gather(2, (row * width + column).unsqueeze(1).expand(n, channels, -1))

    right, down = right.unsqueeze(1), down.unsqueeze(1)
    upper = read(rows, columns) * (1 - right) + read(rows, columns + 1) * right
    lower = read(rows + 1, columns) * (1 - right) + read(rows + 1, columns + 1) * right
    return (upper * (1 - down) + lower * down).view(n, channels, height, width)


def split_position(position: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Split positions on one axis, mirrored into 0 .. size-1, into the pixel before them and the fraction beyond it."""
    # Snap to whole pixels: rounding errors of the sines would make blits inexact.
    position = torch.where((position - position.round()).abs() < 1e-4, position.round(), position)
    period = 2 * (size - 1)
    mirrored = (size - 1) - (position.remainder(period) - (size - 1)).abs()
    first = mirrored.floor().clamp(0, size - 2)
    return first.long(), mirrored - first


def transform_colour(images: Tensor, draws: Draws) -> Tensor:
    """Transform brightness, contrast, luma, hue and saturation (section B.2); gray images have only the first three."""
    brightness = draws.maybe(0.2 * draws.normal(), 0.0).view(-1, 1, 1, 1)
    contrast = draws.maybe(torch.exp2(0.5 * draws.normal()), 1.0)
    flip = draws.maybe(torch.where(draws.uniform() < 0.5, -1.0, 1.0), 1.0)
    if images.shape[1] != 3:
        return images * (contrast * flip).view(-1, 1, 1, 1) + (brightness * contrast.view(-1, 1, 1, 1)) * flip.view(
            -1, 1, 1, 1
        )
    hue = draws.maybe((draws.uniform() * 2 - 1) * math.pi, 0.0)
    saturation = draws.maybe(torch.exp2(draws.normal()), 1.0)
    luma = torch.full((3, 3), 1 / 3, device=images.device)  # projection on the gray axis
    identity = torch.eye(3, device=images.device)
    chroma = identity - luma
    # Generator of the rotation about the gray axis: [[0, -1, 1], [1, 0, -1], [-1, 1, 0]] / sqrt(3).
    axis = (identity.roll(1, 0) - identity.roll(1, 1)) / math.sqrt(3)

    def per_image(value: Tensor) -> Tensor:
        return value.view(-1, 1, 1)

    turn = per_image(hue.cos()) * chroma + per_image(hue.sin()) * axis
    colours = per_image(contrast) * (per_image(flip) * luma + per_image(saturation) * turn)
    return torch.einsum("nij,njhw->nihw", colours.to(images.dtype), images + brightness)
