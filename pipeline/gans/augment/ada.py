"""The augmentations of ADA: Karras et al., "Training Generative Adversarial Networks with Limited Data" (2020), appendix B.

Pixel blitting, geometry and colour ("bgc"), each applied to each image with one probability; below about 0.8 the generator does
not learn to imitate them. All geometry is one affine map and one bilinear reading of the image (the paper's also filters against
aliasing), mirrored at the borders; all colour is one affine map of the channels.
"""

import math

import torch
from torch import Tensor


def ada(images: Tensor, probability: Tensor, rng: torch.Generator) -> Tensor:
    """Images [B, C, H, W] in [-1, 1] -> the same shape; `probability` is a scalar."""
    draws = Draws(len(images), probability, rng, images.device)
    moved = warp(images, geometry(draws, images.shape[2], images.shape[3]))
    return recolour(moved, draws)


class Draws:
    """Random numbers for `n` images; `often` keeps a value with the pipeline's probability and replaces it by a neutral one otherwise."""

    def __init__(self, n: int, probability: Tensor, rng: torch.Generator, device: torch.device) -> None:
        self.n, self.probability, self.rng, self.device = n, probability, rng, device

    def uniform(self) -> Tensor:
        return torch.rand(self.n, generator=self.rng, device=self.device)

    def normal(self) -> Tensor:
        return torch.randn(self.n, generator=self.rng, device=self.device)

    def often(self, value: Tensor, neutral: float, probability: Tensor | None = None) -> Tensor:
        return torch.where(
            self.uniform() < (self.probability if probability is None else probability),
            value,
            torch.full_like(value, neutral),
        )


def geometry(draws: Draws, height: int, width: int) -> Tensor:
    """Maps [B, 3, 3] from a pixel of the result to where it is read, both counted from the centre (section B.1, in the paper's order)."""
    mirror = draws.often(torch.where(draws.uniform() < 0.5, -1.0, 1.0), 1.0)
    quarter = draws.often((draws.uniform() * 4).floor() * (math.pi / 2), 0.0)
    whole_x = draws.often(((draws.uniform() * 2 - 1) * 0.125 * width).round(), 0.0)
    whole_y = draws.often(((draws.uniform() * 2 - 1) * 0.125 * height).round(), 0.0)
    isotropic = draws.often(torch.exp2(0.2 * draws.normal()), 1.0)
    # Rotation is tried before and after the stretch; together as probable as anything else.
    half = 1 - (1 - draws.probability).sqrt()
    before = draws.often((draws.uniform() * 2 - 1) * math.pi, 0.0, half)
    stretch = draws.often(torch.exp2(0.2 * draws.normal()), 1.0)
    after = draws.often((draws.uniform() * 2 - 1) * math.pi, 0.0, half)
    part_x = draws.often(0.125 * width * draws.normal(), 0.0)
    part_y = draws.often(0.125 * height * draws.normal(), 0.0)
    return (
        scaling(mirror, torch.ones_like(mirror))
        @ rotation(quarter)
        @ translation(whole_x, whole_y)
        @ scaling(1 / isotropic, 1 / isotropic)
        @ rotation(before)
        @ scaling(1 / stretch, stretch)
        @ rotation(after)
        @ translation(part_x, part_y)
    )


def matrix(rows: list[list[Tensor]]) -> Tensor:
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def scaling(x: Tensor, y: Tensor) -> Tensor:
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    return matrix([[x, zero, zero], [zero, y, zero], [zero, zero, one]])


def rotation(angle: Tensor) -> Tensor:
    zero, one = torch.zeros_like(angle), torch.ones_like(angle)
    return matrix([[angle.cos(), -angle.sin(), zero], [angle.sin(), angle.cos(), zero], [zero, zero, one]])


def translation(x: Tensor, y: Tensor) -> Tensor:
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    return matrix([[one, zero, x], [zero, one, y], [zero, zero, one]])


def warp(images: Tensor, maps: Tensor) -> Tensor:
    """Reads `images` [B, C, H, W] at the places `maps` [B, 3, 3] send each pixel to, bilinearly, mirrored beyond the borders.

    By gathers rather than torch's grid_sample, which cannot be differentiated twice.
    """
    n, channels, height, width = images.shape
    y, x = torch.meshgrid(
        torch.arange(height, device=images.device) - (height - 1) / 2,
        torch.arange(width, device=images.device) - (width - 1) / 2,
        indexing="ij",
    )
    pixels = torch.stack([x.flatten(), y.flatten(), torch.ones(height * width, device=images.device)])
    places = maps[:, :2].float() @ pixels
    columns, right = neighbours(places[:, 0] + (width - 1) / 2, width)
    rows, down = neighbours(places[:, 1] + (height - 1) / 2, height)
    flat = images.flatten(2)

    def read(row: Tensor, column: Tensor) -> Tensor:
        return flat.gather(2, (row * width + column).unsqueeze(1).expand(n, channels, -1))

    right, down = right.unsqueeze(1), down.unsqueeze(1)
    upper = read(rows, columns) * (1 - right) + read(rows, columns + 1) * right
    lower = read(rows + 1, columns) * (1 - right) + read(rows + 1, columns + 1) * right
    return (upper * (1 - down) + lower * down).view(n, channels, height, width)


def neighbours(place: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The pixel at or before each place along one axis, mirrored into 0 .. size-1, and how far towards the next the place lies."""
    # Rounding of sines would move whole pixels by a millionth; snapping keeps blits exact.
    place = torch.where((place - place.round()).abs() < 1e-4, place.round(), place)
    period = 2 * (size - 1)
    mirrored = (size - 1) - (place.remainder(period) - (size - 1)).abs()
    first = mirrored.floor().clamp(0, size - 2)
    return first.long(), mirrored - first


def recolour(images: Tensor, draws: Draws) -> Tensor:
    """Brightness, contrast, luma flip, hue and saturation (section B.2); of gray images the first three."""
    brightness = draws.often(0.2 * draws.normal(), 0.0).view(-1, 1, 1, 1)
    contrast = draws.often(torch.exp2(0.5 * draws.normal()), 1.0)
    flip = draws.often(torch.where(draws.uniform() < 0.5, -1.0, 1.0), 1.0)
    if images.shape[1] != 3:
        return images * (contrast * flip).view(-1, 1, 1, 1) + (brightness * contrast.view(-1, 1, 1, 1)) * flip.view(
            -1, 1, 1, 1
        )
    hue = draws.often((draws.uniform() * 2 - 1) * math.pi, 0.0)
    saturation = draws.often(torch.exp2(draws.normal()), 1.0)
    luma = torch.full((3, 3), 1 / 3, device=images.device)  # projects on the gray axis
    chroma = torch.eye(3, device=images.device) - luma
    axis = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]], device=images.device) / math.sqrt(
        3
    )  # a quarter turn about it

    def per_image(value: Tensor) -> Tensor:
        return value.view(-1, 1, 1)

    turn = per_image(hue.cos()) * chroma + per_image(hue.sin()) * axis
    colours = per_image(contrast) * (per_image(flip) * luma + per_image(saturation) * turn)
    return torch.einsum("nij,njhw->nihw", colours.to(images.dtype), images + brightness)
