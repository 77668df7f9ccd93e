"""DiffAugment, ADA and turns: each transformation, second derivatives, probability 0, and the adaptive probability."""

import math

import pytest
import torch
from torch import Tensor

from pipeline.gans.augment.ada import ada, rotation, scaling, split_position, translation, warp
from pipeline.gans.augment.augmentation import POLICIES, Augment
from pipeline.gans.augment.diffaugment import cutout, diffaugment, translate
from pipeline.gans.augment.turns import turns
from pipeline.gans.game.settings import AugmentSettings
from pipeline.settings import ramp


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_images(n: int = 4, channels: int = 3, side: int = 8) -> Tensor:
    return torch.rand(n, channels, side, side, generator=rng(1)) * 2 - 1


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [8, 64])
def test_shape_seed_and_zero_probability(policy: "object", channels: int, side: int) -> None:
    assert callable(policy)
    x = random_images(4, channels, side)
    changed = policy(x, torch.tensor(1.0), rng())
    assert changed.shape == x.shape
    assert torch.isfinite(changed).all()
    assert not torch.equal(changed, x)
    assert torch.equal(changed, policy(x, torch.tensor(1.0), rng()))
    torch.testing.assert_close(policy(x, torch.tensor(0.0), rng()), x, rtol=0, atol=1e-6)


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_policies_are_twice_differentiable(policy: "object") -> None:
    """R1 needs the gradient of a squared gradient; compare it with finite differences in float64."""
    assert callable(policy)
    x = random_images(2, 3, 6).double().requires_grad_()

    def energy(points: Tensor) -> Tensor:
        result: Tensor = policy(points, torch.tensor(1.0), rng(3)).tanh().square().sum(dim=(1, 2, 3))
        return result

    assert torch.autograd.gradgradcheck(energy, (x,), atol=1e-4)


def test_each_image_is_augmented_with_the_probability() -> None:
    x = random_images(4000, 1, 8)
    same = (diffaugment(x, torch.tensor(0.3), rng()) == x).flatten(1).all(dim=1).float().mean().item()
    assert same == pytest.approx(0.7, abs=0.03)


def test_turns_show_eight_views_of_a_volume_equally_often() -> None:
    x = random_images(1, 2, 4)
    quarter = [x.rot90(k, (2, 3)) for k in range(4)]
    views = quarter + [view.flip(3) for view in quarter]
    found = turns(x.expand(4000, -1, -1, -1), torch.tensor(1.0), rng())
    shares = torch.stack([(found == view).flatten(1).all(dim=1).float().mean() for view in views])
    torch.testing.assert_close(shares, torch.full((8,), 1 / 8), rtol=0, atol=0.02)


def test_translation_is_by_whole_pixels_with_zero_padding() -> None:
    x = torch.arange(1.0, 65.0).view(1, 1, 8, 8).expand(300, 1, 8, 8)
    shifts = set()
    for y in translate(x, rng()):
        (match,) = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if torch.equal(y[0], shifted(x[0, 0], dy, dx))]
        shifts.add(match)
    assert len(shifts) == 9, "an eighth of eight pixels: one in each direction"


def shifted(x: Tensor, dy: int, dx: int) -> Tensor:
    out = torch.zeros_like(x)
    for row in range(8):
        for column in range(8):
            if 0 <= row + dy < 8 and 0 <= column + dx < 8:
                out[row, column] = x[row + dy, column + dx]
    return out


def test_cutout_is_a_square_of_half_the_side() -> None:
    holes = (cutout(torch.ones(500, 1, 16, 16), rng()) == 0).flatten(1).sum(dim=1)
    assert holes.max() == 64
    assert holes.min() >= 16, "its centre is inside the image"


def test_warp_by_known_maps() -> None:
    x = random_images(1, 2, 8)
    eye = torch.eye(3)[None]
    assert torch.equal(warp(x, eye), x)
    one = torch.ones(1)
    torch.testing.assert_close(warp(x, scaling(-one, one)), x.flip(3))
    torch.testing.assert_close(warp(x, rotation(one * math.pi / 2)), torch.rot90(x, 1, (2, 3)))
    right = warp(x, translation(one, 0 * one))
    torch.testing.assert_close(right[..., :-1], x[..., 1:])
    torch.testing.assert_close(right[..., -1], x[..., -2], msg="mirrored at the border")
    half = warp(x, translation(0.5 * one, 0 * one))
    torch.testing.assert_close(half[..., :-1], (x[..., 1:] + x[..., :-1]) / 2)


def test_positions_are_mirrored_at_the_borders() -> None:
    positions = torch.tensor([-3.0, -1.0, 0.0, 2.5, 4.0, 5.0, 7.0, 9.0])
    first, fraction = split_position(positions, 5)
    assert (first + fraction).tolist() == [3.0, 1.0, 0.0, 2.5, 4.0, 3.0, 1.0, 1.0]
    assert first.min() >= 0
    assert first.max() <= 3, "the next pixel exists too"


def test_ada_keeps_gray_images_gray() -> None:
    """Hue and saturation rotate about the gray axis; brightness, contrast and the luma flip move along it."""
    gray = random_images(16, 1, 8).expand(-1, 3, -1, -1)
    y = ada(gray, torch.tensor(1.0), rng())
    torch.testing.assert_close(y[:, 0], y[:, 1], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(y[:, 0], y[:, 2], atol=1e-5, rtol=1e-4)


def test_probability_adapts_towards_the_target() -> None:
    """Every fourth update it changes by images / adapt_images, up above the target and down below it, within 0 to 1."""
    augment = Augment(AugmentSettings(policy="ada", probability=ramp(0.5), target=0.6, adapt_images=1000))
    confident, undecided = torch.ones(10), torch.cat([torch.ones(5), -torch.ones(5)])
    probabilities = [augment.adapt(confident)["ada_probability"].item() for _ in range(8)]
    assert probabilities == pytest.approx([0.5, 0.5, 0.5, 0.54, 0.54, 0.54, 0.54, 0.58])
    for _ in range(8):
        terms = augment.adapt(undecided)
    assert terms["ada_probability"].item() == pytest.approx(0.5)
    assert terms["ada_sign"].item() == pytest.approx(0.0)
    for _ in range(200):
        augment.adapt(confident)
    assert augment.probability.item() == 1.0
    other = Augment(augment.settings)
    other.load_state_dict(augment.state_dict())
    assert other.probability.item() == 1.0


def test_without_a_target_the_probability_does_not_adapt() -> None:
    augment = Augment(AugmentSettings(policy="ada", probability=ramp(0.5)))
    assert augment.adapt(torch.ones(4)) == {}
    x = random_images()
    assert Augment(AugmentSettings())(x, 0.5, rng()) is x
