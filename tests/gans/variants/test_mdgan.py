"""MD-GAN: one worker against DCGAN, feedback against autograd, local steps, swaps, export, learning."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline import params
from pipeline.errors import InputError
from pipeline.gans.base import GAN, Progress
from pipeline.gans.registry import build
from pipeline.gans.variants.dcgan.dcgan import DCGAN
from pipeline.gans.variants.dcgan.settings import DCGANSettings
from pipeline.gans.variants.mdgan.mdgan import MDGAN
from pipeline.gans.variants.mdgan.settings import MDGANSettings
from pipeline.tasks.generate.evaluator import Evaluation
from pipeline.training.loop import Trainer
from tests.observer import Watcher
from tests.specs import image_spec
from tests.training.small_trainings import MODELS, build_trainer

START = Progress(0, 0.0)
SMALL = {"latent": 6, "generator_channels": 4, "discriminator_channels": 4, "max_channels": 8}


def small(**settings: object) -> MDGAN:
    torch.manual_seed(0)
    gan = build(MDGANSettings.model_validate(SMALL | settings), image_spec(8, 1))
    assert isinstance(gan, MDGAN)
    return gan


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(2)


def images(n: int) -> Tensor:
    return torch.rand(n, 1, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1


def gradients(gan: GAN, name: str) -> list[Tensor]:
    found = [parameter.grad for parameter in gan.get_submodule(name).parameters()]
    return [gradient.clone() for gradient in found if gradient is not None]


@pytest.fixture
def float64(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Compute in float64, also where a loss asks for 32 bits."""
    monkeypatch.setattr(Tensor, "float", Tensor.double)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    "settings",
    [
        {"objective": "minimax"},
        {"objective": "hinge", "penalties": {"r1": 0.5, "r2": 0.3}, "discriminator_norm": "none"},
        {"penalties": {"r1": 0.5, "r2": 0.3, "every": 4}, "stabilisers": {"label_smoothing": 0.1}},
        {"objective": "relativistic", "discriminator_norm": "none"},
    ],
)
def test_one_worker_is_dcgan(float64: None, settings: dict[str, Any]) -> None:
    """Losses, terms and gradients of every phase, for the same latents."""
    ours = small(workers=1, **settings)
    theirs = build(DCGANSettings.model_validate(SMALL | settings), image_spec(8, 1))
    assert isinstance(theirs, DCGAN)
    theirs.generator.load_state_dict(ours.generator.state_dict())
    theirs.discriminator.load_state_dict(ours.discriminators[0].state_dict())
    names = {"generator": "generator", "discriminator": "discriminator_0", "regularisation": "discriminator_0"}
    assert [phase.name for phase in ours.phases()] == [phase.name for phase in theirs.phases()]
    for mine, other in zip(ours.phases(), theirs.phases(), strict=True):
        assert (mine.lr_scale, mine.beta_power, mine.every) == (other.lr_scale, other.beta_power, other.every)
        ours.zero_grad()
        theirs.zero_grad()
        losses = [phase.loss({"item": images(12)}, START, rng()) for phase in (mine, other)]
        for loss in losses:
            torch.autograd.backward(loss.total)
        shared = losses[0].terms.keys() & losses[1].terms.keys()
        assert shared == losses[1].terms.keys()
        for name in shared:
            torch.testing.assert_close(losses[0].terms[name], losses[1].terms[name], rtol=1e-12, atol=1e-14)
        expected = gradients(theirs, "generator" if mine.name == "generator" else "discriminator")
        assert expected
        torch.testing.assert_close(gradients(ours, names[mine.name]), expected, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("objective", ["nonsaturating", "minimax", "lsgan", "hinge", "relativistic"])
@pytest.mark.parametrize(("workers", "k"), [(3, 2), (5, 1), (4, 4)])
def test_merged_feedback_is_the_gradient_of_the_mean_objective(
    float64: None, objective: str, workers: int, k: int
) -> None:
    """Section IV-B by the chain rule: the gradient of mean J_n(X(n mod k)) through discriminators and generator."""
    gan = small(workers=workers, batches=k, objective=objective, discriminator_norm="none")
    gan.discriminator_at = gan.discriminator_at[1:] + gan.discriminator_at[:1]
    batch = {"item": images(4 * workers)}
    torch.autograd.backward(gan.generator_loss(batch, START, rng()).total)
    found = gradients(gan, "generator")
    gan.zero_grad()
    generated = gan.generator(gan.sample_latents(4 * k, rng())).reshape(k, 4, 1, 8, 8)
    objectives = []
    for n in range(workers):
        discriminator = gan.discriminators[(n + 1) % workers]
        real, fake = discriminator(batch["item"][n::workers]), discriminator(generated[n % k])
        objectives.append(gan.objective.generator(real.detach(), fake))
    torch.autograd.backward(torch.stack(objectives).mean())
    torch.testing.assert_close(found, gradients(gan, "generator"), rtol=1e-11, atol=1e-14)


def test_the_feedback_of_a_worker_against_finite_differences(float64: None) -> None:
    gan = small(workers=2, discriminator_norm="none")
    discriminator, fake = gan.discriminators[1], images(3)
    feedback, value = gan.feedback(discriminator, fake.clone(), fake)
    shift = torch.zeros_like(fake)
    shift[2, 0, 3, 5] = 1e-5
    with torch.no_grad():
        up, down = (gan.objective.generator(fake, discriminator(fake + sign * shift)) for sign in (1, -1))
    assert feedback[2, 0, 3, 5].item() == pytest.approx(((up - down) / 2e-5).item(), rel=1e-6)
    assert value.item() == pytest.approx((up + down).item() / 2, rel=1e-6)


def test_a_worker_s_discriminator_learns_from_its_own_data_only(float64: None) -> None:
    gan = small(workers=3, penalties={"r1": 0.1})
    batch, other = images(12), images(12)
    other[1::3] = -other[1::3]
    found = []
    for item in (batch, other):
        gan.zero_grad()
        torch.autograd.backward(gan.discriminator_loss({"item": item}, START, rng()).total)
        found.append([gradients(gan, f"discriminator_{n}") for n in range(3)])
    for n in (0, 2):
        torch.testing.assert_close(found[0][n], found[1][n], rtol=0, atol=0)
    assert not torch.equal(found[0][1][0], found[1][1][0])


def test_each_phase_updates_its_networks_only(
    check_updates: Callable[[GAN, dict[str, Tensor]], None], batch: Callable[[int, int, int, int], dict[str, Tensor]]
) -> None:
    check_updates(small(workers=4), batch(16, 8, 1, 0))


def test_generated_batches_follow_the_paper() -> None:
    """k = floor(log N), at least 1."""
    assert [MDGANSettings(workers=n).generated for n in (1, 4, 7, 8, 10, 25, 50)] == [1, 1, 1, 2, 2, 3, 3]
    assert MDGANSettings(workers=4, batches=3).generated == 3


def trainer_of(folder: Path, watcher: Watcher, **model: object) -> Trainer:
    return build_trainer(MODELS["mdgan"] | model, folder, watcher)


def test_a_step_has_one_batch_and_one_set_of_latents(tmp_path: Path) -> None:
    """L local steps, the penalty and the feedback see the same images; the next step has new ones."""
    trainer = trainer_of(tmp_path, Watcher(), critic_steps=3)
    gan = trainer.gan
    assert isinstance(gan, MDGAN)
    seen: list[tuple[Tensor, Tensor]] = []
    drawn: list[Tensor] = []
    gan.generator.register_forward_pre_hook(lambda _, inputs: drawn.append(inputs[0]))
    for _ in range(2):
        for phase in trainer.phases:
            trainer.update(phase, measure=False)
            assert trainer.step_batches.last is not None
            seen.append((trainer.step_batches.last[0]["item"], drawn[-1]))
    assert [phase.name for phase in trainer.phases] == ["discriminator"] * 3 + ["regularisation", "generator"]
    for real, latents in seen[1:5]:
        assert torch.equal(real, seen[0][0])
        assert torch.equal(latents, seen[0][1])
    assert not torch.equal(seen[5][0], seen[0][0])
    assert not torch.equal(seen[5][1], seen[0][1])


def test_discriminators_move_every_e_epochs(tmp_path: Path) -> None:
    """90 items, 16 per step: swaps when 90, 180, 270, ... images have been seen; half as often for E = 2."""
    for epochs, steps in ((1.0, [6, 12, 17, 23]), (2.0, [12, 23]), (0.0, [])):
        trainer = trainer_of(tmp_path / str(epochs), Watcher(), swap_epochs=epochs)
        gan = trainer.gan
        assert isinstance(gan, MDGAN)
        moved, swaps = [], 0
        for step in range(24):
            before = gan.discriminator_at.copy()
            trainer.step, trainer.images_seen = step, 16 * step
            trainer.update(trainer.phases[0], measure=False)
            if gan.swaps > swaps:
                moved.append(step)
                swaps = gan.swaps
                assert sorted(gan.discriminator_at) == [0, 1, 2, 3]
                assert all(old != new for old, new in zip(before, gan.discriminator_at, strict=True))
            else:
                assert gan.discriminator_at == before
        assert moved == steps


def test_all_orders_occur() -> None:
    """Cycles of three workers: both of them."""
    found = set()
    gan = small(workers=3)
    for epoch in range(20):
        gan.discriminator_at = [0, 1, 2]
        gan.swap(Progress(epoch, 0.0, epochs=1.0 + epoch))
        found.add(tuple(gan.discriminator_at))
    assert found == {(1, 2, 0), (2, 0, 1)}
    alone = small(workers=1)
    alone.swap(Progress(5, 0.0, epochs=3.0))
    assert alone.discriminator_at == [0]


def test_the_order_is_a_part_of_the_state() -> None:
    gan, other = small(workers=4), small(workers=4)
    gan.swap(Progress(9, 0.0, epochs=2.5))
    other.load_state_dict(gan.state_dict())
    assert (other.discriminator_at, other.swaps) == (gan.discriminator_at, 2)
    assert gan.discriminator_at != [0, 1, 2, 3]


def test_scores_are_means_over_discriminators() -> None:
    gan = small(workers=3)
    fake = gan.sample(4, rng())
    expected = torch.stack([one.eval()(fake) for one in gan.discriminators]).mean(dim=0)
    for one in gan.discriminators:
        one.train()
    torch.testing.assert_close(gan.score(fake), expected)
    assert all(one.training for one in gan.discriminators)


def test_onnx(onnx_parity: Callable[[GAN, int], float]) -> None:
    assert onnx_parity(small(workers=2), 0) < 1e-5


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("batches: 5", "model: batches 5 with workers 4: set batches to at most 4"),
        ("penalties: {gp: 10}, discriminator_norm: none", "model: penalties.gp with variant mdgan: "),
        ("stabilisers: {lecam: 0.1}", "model: stabilisers.lecam with variant mdgan: "),
        ("stabilisers: {augment: {policy: ada}}", "Set stabilisers.augment.policy: none, or choose another variant"),
        ("workers: 5", "train.batch_size 64 is not a multiple of model.workers 5"),
        ("workers: 0", "model.workers: Input should be greater than or equal to 1"),
    ],
)
def test_settings_that_do_not_apply_are_refused_by_name(keys: str, words: str) -> None:
    with pytest.raises(InputError) as error:
        params.parse(f"model: {{variant: mdgan, {keys}}}", "p")
    assert words in str(error.value)


@pytest.mark.slow
def test_workers_with_two_classes_each_learn_all_ten(learn: Callable[..., tuple[Evaluation, Any]]) -> None:
    rate = {"start": 1e-3, "end": 1e-4}
    evaluation, _ = learn(
        MDGANSettings.model_validate(
            {
                "workers": 5,
                "split": "classes",
                "latent": 32,
                "generator_channels": 32,
                "discriminator_channels": 32,
                "penalties": {"r1": 0.05},
            }
        ),
        batch_size=80,
        total_images=80_000,
        learning_rate={"generator": rate, "discriminator": rate},
    )
    assert evaluation.metrics["modes_covered"] >= 9
    assert evaluation.metrics["duplicate_rate"] < 0.01
