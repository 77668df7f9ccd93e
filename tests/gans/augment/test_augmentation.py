"""DiffAugment, ADA and turns: each transformation, second derivatives, probability 0, and the adaptive probability."""

import math

import pytest
import torch
from torch import Tensor

from pipeline.gans.augment.ada import NORMAL, UNIFORM, ada, draw, geometry, split_position, transform_colour, warp
from pipeline.gans.augment.augmentation import POLICIES, Augment
from pipeline.gans.augment.diffaugment import cutout, diffaugment, translate
from pipeline.gans.augment.turns import turns
from pipeline.gans.game.settings import AugmentSettings
from pipeline.gans.progress import Progress
from pipeline.settings import ramp
from tests.pretended_cuda import GPU, pretend


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


def scaling(x: float, y: float) -> Tensor:
    return torch.diag(torch.tensor([x, y, 1.0], dtype=torch.float64))


def rotation(angle: float) -> Tensor:
    cos, sin = math.cos(angle), math.sin(angle)
    return torch.tensor([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]], dtype=torch.float64)


def translation(x: float, y: float) -> Tensor:
    return torch.tensor([[1, 0, x], [0, 1, y], [0, 0, 1]], dtype=torch.float64)


def test_warp_by_known_maps() -> None:
    x = random_images(1, 2, 8)

    def by(matrix: Tensor) -> Tensor:
        return warp(x, matrix[None, :2])

    assert torch.equal(by(torch.eye(3)), x)
    torch.testing.assert_close(by(scaling(-1, 1)), x.flip(3))
    torch.testing.assert_close(by(rotation(math.pi / 2)), torch.rot90(x, 1, (2, 3)))
    right = by(translation(1, 0))
    torch.testing.assert_close(right[..., :-1], x[..., 1:])
    torch.testing.assert_close(right[..., -1], x[..., -2], msg="mirrored at the border")
    half = by(translation(0.5, 0))
    torch.testing.assert_close(half[..., :-1], (x[..., 1:] + x[..., :-1]) / 2)
    wide = random_images(1, 2, 8)[:, :, :4]
    torch.testing.assert_close(warp(wide, translation(0, 1)[None, :2])[:, :, -1], wide[:, :, -2])


def test_positions_are_mirrored_at_the_borders() -> None:
    positions = torch.tensor([-3.0, -1.0, 0.0, 2.5, 4.0, 5.0, 7.0, 9.0])
    first, fraction = split_position(positions, torch.tensor(4.0))
    assert (first + fraction).tolist() == [3.0, 1.0, 0.0, 2.5, 4.0, 3.0, 1.0, 1.0]
    assert first.min() >= 0
    assert first.max() <= 3, "the next pixel exists too"


def test_the_geometry_of_ada_is_that_of_the_paper() -> None:
    """The product of 3 x 3 matrices in float64, in the order of section B.1."""
    drawn = draw(50, torch.tensor(0.8), rng())
    maps = geometry(drawn, 16, 24)
    for number in range(50):
        one = {name: float(values[number]) for name, values in drawn.items()}
        stretch, grow = 2 ** (0.2 * one["anisotropic"]), 2 ** (0.2 * one["isotropic"])
        expected = (
            scaling(-1 if one["mirror"] < 0 else 1, 1)
            @ rotation(math.floor(2 * one["quarter_turns"]) * math.pi / 2)
            @ translation(round(one["integer_x"] * 0.125 * 24), round(one["integer_y"] * 0.125 * 16))
            @ scaling(1 / grow, 1 / grow)
            @ rotation(math.pi * one["pre_angle"])
            @ scaling(1 / stretch, stretch)
            @ rotation(math.pi * one["post_angle"])
            @ translation(0.125 * 24 * one["fractional_x"], 0.125 * 16 * one["fractional_y"])
        )
        torch.testing.assert_close(maps[number].double(), expected[:2], rtol=0, atol=1e-5)


def test_parameters_of_ada_have_their_distributions() -> None:
    """Each is not 0 with the probability, of the two rotations one or both; independent of each other."""
    n, p = 40_000, 0.6
    drawn = draw(n, torch.tensor(p), rng())
    assert tuple(drawn) == UNIFORM + NORMAL
    values = torch.stack(list(drawn.values()))
    shares = (values != 0).float().mean(dim=1)
    half = 1 - math.sqrt(1 - p)
    torch.testing.assert_close(shares, torch.tensor([half, half] + [p] * 13), rtol=0, atol=0.012)
    squares = torch.stack([value[value != 0].square().mean() for value in values])
    torch.testing.assert_close(squares, torch.tensor([1 / 3] * 8 + [1.0] * 7), rtol=0.04, atol=0)
    correlations = torch.corrcoef(values) - torch.eye(15)
    assert correlations.abs().max() < 0.025
    assert (values[:8].abs() <= 1).all()
    quarters = (2 * drawn["quarter_turns"][drawn["quarter_turns"] != 0]).floor()
    assert torch.unique(quarters).tolist() == [-2, -1, 0, 1]


def test_ada_launches_few_kernels() -> None:
    """It launched 286 for colour and 259 for gray images when each number was drawn on its own."""
    for channels, most in ((3, 130), (1, 110)):
        with pretend() as gpu:
            images, probability = torch.rand(4, channels, 16, 16, device=GPU), torch.full((), 0.5, device=GPU)
            generator = torch.Generator(GPU).manual_seed(0)
            gpu.clear()
            ada(images, probability, generator)
            assert gpu.kernels.total() <= most, gpu.report()
            assert not gpu.waits


def test_colours_of_ada_by_known_parameters() -> None:
    images, zero = random_images(1, 3, 4), torch.zeros(1)
    still = dict.fromkeys(UNIFORM + NORMAL, zero)
    torch.testing.assert_close(transform_colour(images, still), images)
    brighter = transform_colour(images, still | {"brightness": zero + 1, "contrast": zero + 2})
    torch.testing.assert_close(brighter, 2 * (images + 0.2))
    gray = images.mean(dim=1, keepdim=True)
    flipped = transform_colour(images, still | {"luma_flip": zero - 0.5})
    torch.testing.assert_close(flipped, images - 2 * gray, msg="the luma is mirrored, the chroma stays")
    turned = transform_colour(images, still | {"hue": zero + 2 / 3})
    torch.testing.assert_close(turned, images.roll(1, 1), msg="120 degrees exchange the channels in a circle")
    vivid = transform_colour(images, still | {"saturation": zero + 1})
    torch.testing.assert_close(vivid, gray + 2 * (images - gray))


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
    assert Augment(AugmentSettings())(x, Progress(0, 0.5), rng()) is x
