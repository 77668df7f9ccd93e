"""The adversarial game: every objective, penalty and stabiliser runs with every variant, and has its effect."""

import math
from collections.abc import Callable
from typing import Any, get_args

import pytest
import torch
from pydantic import TypeAdapter
from torch import Tensor, nn

from pipeline.gans.base import GAN, Progress
from pipeline.gans.game.adversarial import Adversarial
from pipeline.gans.game.adversarial_settings import AdversarialSettings
from pipeline.gans.registry import ModelSettings, build
from pipeline.gans.variants.settings import Objective
from tests.specs import image_spec

VARIANTS: dict[str, dict[str, object]] = {
    "vanilla": {"hidden": [8, 8]},
    "dcgan": {"generator_channels": 4, "discriminator_channels": 4, "discriminator_norm": "none"},
    "cgan": {"generator_channels": 4, "discriminator_channels": 4, "discriminator_norm": "none"},
    "stylegan2": {"generator_channels": 8, "discriminator_channels": 8},
    "r3gan": {"generator_channels": 8, "discriminator_channels": 8, "blocks": 1},
}
NO_PENALTIES = {"r1": 0, "r2": 0, "every": 1}
PENALTIES: list[dict[str, object]] = [
    {"r1": 1, "r2": 1},
    {"gp": 10},
    {"dragan": 10},
    {"r1": 1, "every": 4},
    {"gp": 10, "every": 2},
]
STABILISERS: list[dict[str, object]] = [
    {"spectral_norm": True},
    {"instance_noise": {"start": 0.1, "end": 0}},
    {"minibatch_std": 4},
    {"packing": 2},
    {"lecam": 0.3},
    {"top_k": 0.5},
    {"augment": {"policy": "diffaugment"}},
    {"augment": {"policy": "ada", "probability": 0.5, "target": 0.6}},
]


INCOMPATIBLE = {("cgan", "packing"), ("r3gan", "spectral_norm")}


def make(variant: str, **settings: object) -> Any:
    torch.manual_seed(0)
    values = (
        {"variant": variant, "latent": 8, "objective": "nonsaturating", "penalties": NO_PENALTIES}
        | VARIANTS[variant]
        | settings
    )
    return build(TypeAdapter(ModelSettings).validate_python(values), image_spec(8, 1, 3))


def run_phases(gan: GAN) -> None:
    """Run every phase once; losses and gradients must be finite."""
    batch = {"item": torch.rand(8, 1, 8, 8, generator=rng()) * 2 - 1, "label": torch.arange(8) % 3}
    for phase in gan.phases():
        loss = phase.loss({name: value.clone() for name, value in batch.items()}, Progress(0, 0.25), rng())
        torch.autograd.backward(loss.total)
        assert torch.isfinite(loss.total)
        if phase.after_update:
            phase.after_update()
    assert all(torch.isfinite(p.grad).all() for p in gan.parameters() if p.grad is not None)


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(2)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("objective", get_args(Objective))
def test_any_objective(variant: str, objective: str) -> None:
    bound = NO_PENALTIES | ({"clip": 0.01} if objective == "wgan" else {})
    run_phases(make(variant, objective=objective, critic_steps=2, penalties=bound))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("penalties", PENALTIES, ids=str)
def test_any_penalty(variant: str, penalties: dict[str, object]) -> None:
    run_phases(make(variant, penalties=NO_PENALTIES | penalties))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("stabilisers", STABILISERS, ids=str)
def test_any_stabiliser(variant: str, stabilisers: dict[str, object]) -> None:
    if (variant, *stabilisers) in INCOMPATIBLE:
        pytest.skip("rejected with a message, see test_compatibility.py")
    # A penalty tests that each stabiliser is twice differentiable.
    run_phases(make(variant, penalties=NO_PENALTIES | {"r1": 1}, stabilisers=stabilisers))


class Line(nn.Module):
    """D(x) = w . x: its gradient is w."""

    def __init__(self, weight: list[float]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight


class Game(Adversarial):
    """The game on points in a plane instead of images."""

    def __init__(self, weight: list[float], **settings: object) -> None:
        torch.manual_seed(0)
        super().__init__(AdversarialSettings.model_validate({"latent": 2} | settings), nn.Linear(2, 2), Line(weight))


def points(n: int = 6) -> dict[str, Tensor]:
    return {"item": torch.randn(n, 2, generator=torch.Generator().manual_seed(1))}


def total(game: Game, loss: Callable[..., Any] | None = None, fraction: float = 0.0) -> float:
    """Return the total of a loss, the discriminator's by default."""
    return float((loss or game.discriminator_loss)(points(), Progress(0, fraction), rng()).total.detach())


def test_penalties_on_a_linear_critic() -> None:
    """With |w| = 5, R1 and R2 add gamma/2 * 25 each, GP and DRAGAN add their weight times 16."""
    plain = total(Game([3.0, 4.0]))
    assert total(Game([3.0, 4.0], penalties={"r1": 2, "r2": 1})) - plain == pytest.approx(25 + 12.5, rel=1e-4)
    assert total(Game([3.0, 4.0], penalties={"gp": 10})) - plain == pytest.approx(160, rel=1e-4)
    assert total(Game([3.0, 4.0], penalties={"dragan": 2})) - plain == pytest.approx(32, rel=1e-4)
    fading = Game([3.0, 4.0], penalties={"r1": {"start": 2, "end": 0}})
    assert total(fading, fraction=1.0) == pytest.approx(plain, rel=1e-5)


def test_weights_are_clipped_after_every_critic_update() -> None:
    game = Game([3.0, -4.0], objective="wgan", penalties={"clip": 0.01}, critic_steps=5)
    assert [phase.name for phase in game.phases()] == ["discriminator"] * 5 + ["generator"]
    for phase in game.phases():
        assert (phase.after_update is not None) == (phase.name == "discriminator")
    game.clip_weights()
    assert game.discriminator.weight.tolist() == pytest.approx([0.01, -0.01])


def test_label_smoothing_by_hand() -> None:
    """Smoothing by s adds s times the mean real logit to the cross-entropy."""
    plain, smooth = Game([0.3, -0.2]), Game([0.3, -0.2], stabilisers={"label_smoothing": 0.1})
    mean = (points()["item"] @ torch.tensor([0.3, -0.2])).mean().item()
    assert total(smooth) - total(plain) == pytest.approx(0.1 * mean, abs=1e-6)


def test_instance_noise_fades() -> None:
    noisy = Game([1.0, 0.0], stabilisers={"instance_noise": {"start": 2.0, "end": 0.0}})
    x = torch.zeros(20_000, 2)
    std = [noisy.discriminate(x, None, Progress(0, f), rng()).std().item() for f in (0.0, 0.5, 1.0)]
    assert std == pytest.approx([2.0, 1.0, 0.0], abs=0.03)


def test_top_k_uses_the_highest_logits() -> None:
    """With top_k 0.5 the generator's loss is that of the better half of the batch."""
    half, full = Game([1.0, 1.0], stabilisers={"top_k": 0.5}), Game([1.0, 1.0])
    half.generator.load_state_dict(full.generator.state_dict())
    logits = full.discriminator(full.generate(6, None, rng())).sort(descending=True).values
    expected = nn.functional.softplus(-logits[:3]).mean().item()
    assert total(half, half.generator_loss) == pytest.approx(expected, rel=1e-5)


def test_packs_share_a_logit() -> None:
    game = Game([1.0, 0.0, 0.0, 1.0], stabilisers={"packing": 2})
    x = torch.arange(8.0).view(4, 2)
    assert game.discriminate(x, None, Progress(0, 0.0), rng()).tolist() == [0 + 3, 4 + 7]


def test_relativistic_generator_loss_depends_on_real_images() -> None:
    """The relativistic loss depends on the real batch; the non-saturating one does not."""
    game, plain = Game([1.0, 1.0], objective="relativistic"), Game([1.0, 1.0])
    for one, depends in ((game, True), (plain, False)):
        near, far = ({"item": points()["item"] + offset} for offset in (0.0, 5.0))
        values = [one.generator_loss(batch, Progress(0, 0.0), rng()).total.item() for batch in (near, far)]
        assert (not math.isclose(*values)) == depends
