"""The translation game: updated networks, losses against formulas, preview and export."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

from pipeline.gans.base import GAN, Loss, Progress
from pipeline.gans.game.image_translation import sum_losses
from tests.gans.translating import random_pairs, small

ALL = pytest.mark.parametrize("variant", ["pix2pix", "cyclegan", "drit"])


@ALL
@pytest.mark.parametrize("objective", ["lsgan", "nonsaturating"])
def test_each_phase_updates_its_networks_only(
    variant: str, objective: str, check_updates: Callable[[GAN, dict[str, Tensor]], None]
) -> None:
    check_updates(small(variant, objective=objective), random_pairs())


@pytest.mark.parametrize(
    ("variant", "channels"),
    [
        ("pix2pix", 1),
        ("pix2pix", 3),
        pytest.param("cyclegan", 1, marks=pytest.mark.slow),
        pytest.param("drit", 3, marks=pytest.mark.slow),
    ],
)
def test_onnx_at_several_sizes_and_batches(
    variant: str, channels: int, onnx_parity: Callable[[GAN, int], float]
) -> None:
    gan = small(variant, channels=channels)
    graphs = {spec.name: list(spec.inputs) for spec in gan.export()}
    inputs = ["item", "z"] if variant == "drit" else ["item"]
    expected = {"generator": inputs} | ({} if variant == "pix2pix" else {"reverse": inputs})
    assert graphs == expected | ({"style_a": ["item"], "style_b": ["item"]} if variant == "drit" else {})
    assert onnx_parity(gan, 0) < 1e-4


@ALL
def test_preview_has_one_row_per_example(variant: str) -> None:
    gan = small(variant).eval()
    batch = random_pairs(gan.preview_examples)
    sheet = gan.preview(64, torch.Generator().manual_seed(3), batch)
    assert sheet.shape == (gan.preview_examples * gan.preview_columns, 3, 16, 16)
    rows = sheet.reshape(gan.preview_examples, gan.preview_columns, 3, 16, 16)
    torch.testing.assert_close(rows[:, 0], batch["a"])
    assert gan.preview_columns == {"pix2pix": 3, "cyclegan": 6, "drit": 10}[variant]
    if variant == "pix2pix":
        torch.testing.assert_close(rows[:, 2], batch["b"])
    else:
        torch.testing.assert_close(rows[:, gan.preview_columns // 2], batch["b"])


@ALL
def test_sample_translates_in_the_first_direction(variant: str) -> None:
    gan = small(variant).eval()
    name, way = next(iter(gan.directions().items()))
    images = random_pairs()[way.source]
    rngs = [torch.Generator().manual_seed(5) for _ in range(2)]
    torch.testing.assert_close(gan.sample(4, rngs[0], item=images), gan.translate(images, name, rngs[1]))


def test_discriminator_accuracy_counts_patches() -> None:
    gan = small("cyclegan", objective="nonsaturating")
    real, fake = torch.tensor([[1.0, -1.0]]), torch.tensor([[0.0, 0.0]])
    loss = gan.discriminator_objective(torch.nn.Identity(), real, fake)
    terms = loss.terms
    torch.testing.assert_close(loss.total, softplus(-real).mean() + softplus(fake).mean())
    assert (float(terms["d_accuracy"]), float(terms["d_real"]), float(terms["d_fake"])) == (0.5, 0.0, 0.0)


def test_paired_objective_has_no_gradient_for_real_images() -> None:
    gan = small("cyclegan", objective="relativistic")
    real, fake = (
        torch.randn(2, 1, 2, 2, generator=torch.Generator().manual_seed(seed), requires_grad=True) for seed in (0, 1)
    )
    loss = gan.generator_objective(torch.nn.Hardtanh(-9, 9), real, fake)
    torch.testing.assert_close(loss, softplus(real - fake).mean())
    loss.backward()
    assert real.grad is None
    assert fake.grad is not None


def test_losses_of_several_discriminators_are_summed_and_their_terms_averaged() -> None:
    losses = [
        Loss(torch.tensor(1.0), {"d": torch.tensor(2.0)}),
        Loss(torch.tensor(3.0), {"d": torch.tensor(4.0)}),
    ]
    loss = sum_losses(losses)
    assert (float(loss.total), float(loss.terms["d"])) == (4.0, 3.0)


@ALL
def test_losses_draw_only_from_the_given_generator(variant: str) -> None:
    gan = small(variant)
    if variant == "pix2pix":
        gan.eval()  # its dropout uses the global generator
    for phase in gan.phases():
        torch.manual_seed(1)
        losses = [
            phase.loss(random_pairs(), Progress(0, 0.0), torch.Generator().manual_seed(7)).total for _ in range(2)
        ]
        assert torch.equal(losses[0], losses[1]), phase.name
