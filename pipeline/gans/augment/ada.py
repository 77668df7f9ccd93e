"""ADA: Karras et al., "Training Generative Adversarial Networks with Limited Data" (2020), appendix B.

The augmentations of the "bgc" pipeline: pixel blitting, geometric and colour transformations, each applied to each
image with the same probability. Below a probability of about 0.8 they do not leak into the generated images. All
geometry is one affine map and one bilinear lookup with mirrored borders; the paper's anti-aliasing filter is left out.
All colour is one affine map of the channels.

All numbers of a batch are drawn at once, because each call is a kernel that a GPU must launch.
"""

import math

import torch
from torch import Tensor

REACH = 0.125
"""Largest shift by whole pixels, and standard deviation of fractional shifts, as a fraction of the side."""

UNIFORM = ("pre_angle", "post_angle", "hue", "quarter_turns", "mirror", "luma_flip", "integer_x", "integer_y")
"""Parameters drawn from U(-1, 1). The two angles come first, because their probability is another one."""
NORMAL = ("isotropic", "anisotropic", "contrast", "saturation", "fractional_x", "fractional_y", "brightness")
"""Parameters drawn from N(0, 1)."""


def ada(images: Tensor, probability: Tensor, rng: torch.Generator) -> Tensor:
    """Augment images [B, C, H, W] in [-1, 1]; `probability` is a scalar."""
    drawn = draw(len(images), probability, rng)
    return transform_colour(warp(images, geometry(drawn, images.shape[2], images.shape[3])), drawn)


def draw(n: int, probability: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
    """Draw the parameters of `n` images by name, [n] each; 0 is the parameter of an image that stays as it is."""
    count, device = len(UNIFORM) + len(NORMAL), probability.device
    uniform = torch.rand(n, count + len(UNIFORM), generator=rng, device=device)
    normal = torch.randn(n, len(NORMAL), generator=rng, device=device)
    # Rotation may apply before and after the anisotropic scaling; one of the two applies with the usual probability.
    half = 1 - (1 - probability).sqrt()
    limits = torch.cat([half.expand(2), probability.expand(count - 2)])
    values = torch.cat([2 * uniform[:, count:] - 1, normal], dim=1) * (uniform[:, :count] < limits)
    return dict(zip(UNIFORM + NORMAL, values.unbind(1), strict=True))


def geometry(drawn: dict[str, Tensor], height: int, width: int) -> Tensor:
    """Return affine maps [B, 2, 3] from output to input pixels, relative to the centre (section B.1, in its order)."""
    angles = torch.stack([(2 * drawn["quarter_turns"]).floor() / 2, drawn["pre_angle"], drawn["post_angle"]]) * math.pi
    cos, sin = angles.cos(), angles.sin()
    quarter_turn, pre_rotation, post_rotation = torch.stack([cos, -sin, sin, cos], dim=-1).view(3, -1, 2, 2)
    integer = torch.stack([drawn["integer_x"] * (REACH * width), drawn["integer_y"] * (REACH * height)], dim=-1).round()
    fractional = torch.stack(
        [drawn["fractional_x"] * (REACH * width), drawn["fractional_y"] * (REACH * height)], dim=-1
    )
    mirror = sign(drawn["mirror"])
    blit = torch.stack([mirror, torch.ones_like(mirror)], dim=-1)[..., None] * quarter_turn
    isotropic, anisotropic = torch.exp2(0.2 * torch.stack([drawn["isotropic"], drawn["anisotropic"]]))
    stretch = torch.stack([1 / anisotropic, anisotropic], dim=-1)[..., None]
    linear = (pre_rotation / isotropic[:, None, None]) @ (stretch * post_rotation)
    maps: Tensor = blit @ torch.cat([linear, linear @ fractional[..., None] + integer[..., None]], dim=2)
    return maps


def sign(value: Tensor) -> Tensor:
    """Return -1 for values below 0, else 1."""
    return 1 - 2 * (value < 0).to(value.dtype)


def warp(images: Tensor, maps: Tensor) -> Tensor:
    """Sample `images` [B, C, H, W] at the pixels that `maps` [B, 2, 3] point to, bilinearly, with mirrored borders.

    Built from a gather, because torch's grid_sample is not twice differentiable.
    """
    height, width = images.shape[2:]
    y, x = torch.meshgrid(
        torch.arange(height, device=images.device) - (height - 1) / 2,
        torch.arange(width, device=images.device) - (width - 1) / 2,
        indexing="ij",
    )
    pixels = torch.stack([x.flatten(), y.flatten(), torch.ones(height * width, device=images.device)])
    last = 2 * pixels[:2, -1:]
    first, fraction = split_position(maps.float() @ pixels + last / 2, last)
    corner = first[:, 1] * width + first[:, 0]
    corners = torch.cat([corner, corner + 1, corner + width, corner + (width + 1)], dim=1)
    right, down = torch.stack([1 - fraction, fraction], dim=2).unbind(1)  # [B, 2, pixels] each
    weights = (down[:, :, None] * right[:, None]).flatten(1, 2).unsqueeze(1)
    values = images.flatten(2).gather(2, corners.unsqueeze(1).expand(-1, images.shape[1], -1))
    warped: Tensor = (values.view(*images.shape[:2], 4, -1) * weights).sum(dim=2)
    return warped.view_as(images)


def split_position(position: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
    """Split positions, mirrored into 0 .. last, into the pixel before them and the fraction beyond it."""
    # Snap to whole pixels: rounding errors of the sines would make blits inexact.
    whole = position.round()
    position = torch.where((position - whole).abs() < 1e-4, whole, position)
    mirrored = last - (position.remainder(2 * last) - last).abs()
    first = mirrored.floor().minimum(last - 1)
    return first.long(), mirrored - first


def transform_colour(images: Tensor, drawn: dict[str, Tensor]) -> Tensor:
    """Transform brightness, contrast, luma, hue and saturation (section B.2); gray images have only the first three."""
    flip = sign(drawn["luma_flip"]).view(-1, 1, 1)
    contrast = torch.exp2(0.5 * drawn["contrast"]).view(-1, 1, 1)
    shifted = images + (0.2 * drawn["brightness"]).view(-1, 1, 1, 1)
    if images.shape[1] != 3:
        return shifted * (contrast * flip).unsqueeze(1)
    angle, saturation = (math.pi * drawn["hue"]).view(-1, 1, 1), torch.exp2(drawn["saturation"]).view(-1, 1, 1)
    luma = torch.full((3, 3), 1 / 3, device=images.device)  # projection on the gray axis
    identity = torch.eye(3, device=images.device)
    # Generator of the rotation about the gray axis: [[0, -1, 1], [1, 0, -1], [-1, 1, 0]] / sqrt(3).
    axis = (identity.roll(1, 0) - identity.roll(1, 1)) / math.sqrt(3)
    turn = angle.cos() * (identity - luma) + angle.sin() * axis
    colours = contrast * (flip * luma + saturation * turn)
    return torch.einsum("nij,njhw->nihw", colours.to(images.dtype), shifted)
