"""StyleGAN2: shapes, updated networks, path length, style mixing, truncation, export, learning."""

import copy
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from pipeline.data.batch_sampling import TrainingItems
from pipeline.data.views import Labelled, Unlabelled
from pipeline.gans.base import GAN, Progress
from pipeline.gans.registry import build
from pipeline.gans.variants.settings import Objective
from pipeline.gans.variants.stylegan2.settings import StyleGAN2Settings
from pipeline.gans.variants.stylegan2.stylegan2 import StyleGAN2, path_lengths
from pipeline.gans.variants.stylegan2.stylegan2_layers import EqualisedConv, EqualisedLinear, ModulatedConv
from pipeline.serving.graph_tensors import TENSORS
from pipeline.serving.runtime.session import open_session
from pipeline.tasks.generate.evaluator import Evaluation, Evaluator
from pipeline.training.loop import Trainer
from pipeline.training.settings import TrainSettings
from tests.observer import Watcher
from tests.specs import image_spec

START = Progress(0, 0.0)
Images = Callable[[int, int, int], Tensor]
TINY = {
    "latent": 6,
    "style_width": 8,
    "mapping_layers": 2,
    "generator_channels": 4,
    "discriminator_channels": 4,
    "max_channels": 8,
}


def small(resolution: int = 16, channels: int = 1, classes: int = 3, **settings: Any) -> StyleGAN2:
    torch.manual_seed(0)
    gan = build(StyleGAN2Settings.model_validate(TINY | settings), image_spec(resolution, channels, classes))
    assert isinstance(gan, StyleGAN2)
    return gan


def rng(seed: int = 2) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def with_noise(gan: StyleGAN2) -> StyleGAN2:
    """Set the strength of the noise, which is initialised with 0."""
    with torch.no_grad():
        for conv in gan.generator.synthesis.convs:
            conv.get_parameter("strength").fill_(0.3)
    return gan


@pytest.mark.parametrize("resolution", [8, 16, 32, 64, 128, 256])
@pytest.mark.parametrize("channels", [1, 3])
def test_shapes(resolution: int, channels: int) -> None:
    gan = small(resolution, channels)
    fake = gan.sample(3, rng())
    assert fake.shape == (3, channels, resolution, resolution)
    assert fake.dtype == torch.float32
    assert fake.abs().max() <= 1
    assert gan.discriminator(fake).shape == (3,)
    assert gan.trunk()(fake).shape == (3, 8 * 4 * 4)
    assert gan.generator.synthesis.layers == 2 * int(math.log2(resolution)) - 2
    assert gan.generate(5, None, rng()).shape == (5, channels, resolution, resolution)


CORRECTIONS: list[tuple[dict[str, Any], dict[str, float]]] = [
    ({}, {"discriminator": 16 / 17, "regularisation": 16 / 17, "generator": 4 / 5, "path_length": 4 / 5}),
    (
        {"path_length": {"every": 8}, "penalties": {"r1": 1.0}},
        {"discriminator": 1, "generator": 8 / 9, "path_length": 8 / 9},
    ),
    ({"path_length": {"weight": 0}}, {"discriminator": 16 / 17, "regularisation": 16 / 17, "generator": 1}),
]


@pytest.mark.parametrize(("settings", "corrections"), CORRECTIONS)
def test_lazy_updates_are_corrected(settings: dict[str, Any], corrections: dict[str, float]) -> None:
    """Adam's rate and betas are corrected by k / (k + 1) in all updates of a network (Karras 2020, appendix B)."""
    phases = small(8, **settings).phases()
    assert [phase.name for phase in phases] == list(corrections)
    for phase in phases:
        assert phase.lr_scale == phase.beta_power == pytest.approx(corrections[phase.name])
        assert phase.networks == (
            ("discriminator",) if phase.name in ("discriminator", "regularisation") else ("generator",)
        )
        assert phase.every == {
            "regularisation": 16,
            "path_length": 8 if settings.get("path_length") == {"every": 8} else 4,
        }.get(phase.name, 1)


@pytest.mark.parametrize(
    "settings", [{}, {"penalties": {"r1": 1.0, "r2": 1.0}}, {"path_length": {"weight": 0}}, {"conditional": True}]
)
def test_each_phase_updates_its_networks_only(
    settings: dict[str, Any], images: Images, check_updates: Callable[[GAN, Mapping[str, Tensor]], None]
) -> None:
    check_updates(small(8, **settings), {"item": images(6, 8, 1), "label": torch.arange(6) % 3})


def test_path_length_has_gradients_where_it_depends_on_parameters(images: Images) -> None:
    gan = with_noise(small(8))
    gan.discriminator.requires_grad_(False)
    torch.autograd.backward(gan.path_length_loss({"item": images(6, 8, 1)}, START, rng()).total)
    for name, parameter in gan.generator.named_parameters():
        has_gradient = parameter.grad is not None and bool(parameter.grad.abs().sum() > 0)
        # A bias that no activation follows does not change the Jacobian.
        assert has_gradient != (
            name.startswith("synthesis.pictures") and name.endswith(".bias") and "affine" not in name
        ), name


@pytest.mark.parametrize("objective", get_args(Objective))
def test_every_objective_has_finite_losses(objective: Objective, images: Images) -> None:
    gan = small(8, objective=objective)
    for phase in gan.phases():
        loss = phase.loss({"item": images(8, 8, 1)}, START, rng()).total
        assert torch.isfinite(loss)
        torch.autograd.backward(loss)


STABILISED: list[dict[str, object]] = [
    {"conditional": True, "penalties": {"gp": 10.0}, "objective": "wgan"},
    {"conditional": True, "stabilisers": {"lecam": 0.1, "top_k": 0.5, "augment": {"policy": "ada"}}},
    {"penalties": {"gp": 10.0}, "objective": "wgan", "critic_steps": 2},
    {"penalties": {"dragan": 10.0, "every": 2}},
    {"penalties": {"clip": 0.01}, "objective": "wgan"},
    {"penalties": {}, "stabilisers": {"spectral_norm": True, "minibatch_std": 4}, "objective": "hinge"},
    {"stabilisers": {"packing": 2, "minibatch_std": 2}},
    {"stabilisers": {"label_smoothing": 0.1, "instance_noise": 0.1, "lecam": 0.1, "top_k": 0.5}},
    {"stabilisers": {"augment": {"policy": "diffaugment"}}},
    {"stabilisers": {"augment": {"policy": "ada", "probability": 0.2, "target": 0.6}}},
]


@pytest.mark.parametrize("settings", STABILISED, ids=str)
def test_every_stabiliser_trains(settings: dict[str, object], evaluator: Evaluator, tmp_path: Path) -> None:
    watcher = Watcher()
    trainer(evaluator, tmp_path, watcher, settings, total_images=160).run()
    assert all(math.isfinite(value) for row in watcher.rows for value in row.values())


def test_bfloat16_training_is_finite(evaluator: Evaluator, tmp_path: Path) -> None:
    """Styles, their average and the image keep 32 bits."""
    watcher = Watcher()
    training = trainer(evaluator, tmp_path, watcher, {}, precision="bfloat16", total_images=160)
    training.run()
    assert all(math.isfinite(value) for row in watcher.rows for value in row.values())
    gan = training.gan
    assert isinstance(gan, StyleGAN2)
    with torch.autocast("cpu", torch.bfloat16):
        styles = gan.sample_styles(4, rng())
        assert styles.dtype == gan.generator.w_average.dtype == torch.float32
        half = gan.generator.synthesis.render(styles, gan.generator.synthesis.sample_noise(4, rng(1)))
        assert half.dtype == torch.float32
        assert (
            gan.generator.synthesis.convs[1](torch.randn(4, 8, 4, 4), styles[:, 1], torch.zeros(8, 8)).dtype
            == torch.bfloat16
        )
    full = gan.generator.synthesis.render(styles, gan.generator.synthesis.sample_noise(4, rng(1)))
    assert (half - full).abs().max() < 0.05 * full.abs().max()


def test_defaults_are_the_papers() -> None:
    settings = StyleGAN2Settings()
    assert (
        settings.mapping_layers,
        settings.style_mixing,
        settings.path_length.weight,
        settings.path_length.every,
    ) == (8, 0.9, 2.0, 4)
    assert (settings.penalties.every, settings.stabilisers.minibatch_std, settings.objective) == (
        16,
        4,
        "nonsaturating",
    )
    assert settings.penalties.r1.ever


def test_noise_is_new_in_training_and_fixed_in_samples() -> None:
    gan = with_noise(small(8))
    w = gan.sample_styles(3, rng())
    synthesis = gan.generator.synthesis
    assert not torch.equal(
        synthesis.render(w, synthesis.sample_noise(3, rng(5))), synthesis.render(w, synthesis.sample_noise(3, rng(6)))
    )
    assert [tuple(one.shape) for one in synthesis.sample_noise(3, rng())] == [(3, 1, 4, 4), (3, 1, 8, 8), (3, 1, 8, 8)]
    torch.testing.assert_close(gan.sample(3, rng()), gan.sample(3, rng()), rtol=0, atol=0)
    z = torch.randn(3, 6, generator=rng())
    torch.testing.assert_close(gan.sample(3, rng(8), z=z), gan.sample(3, rng()), rtol=0, atol=0)
    start = small(8)
    torch.testing.assert_close(start.generate(3, None, rng(1)), start.generate(3, None, rng(1)), rtol=0, atol=0)
    for strength in (conv.get_parameter("strength") for conv in start.generator.synthesis.convs):
        assert strength.item() == 0


def test_average_of_w_against_a_loop() -> None:
    gan = small(8)
    expected = torch.zeros(8)
    for seed in range(5):
        with torch.no_grad():
            expected = 0.995 * expected + 0.005 * gan.generator.mapping(torch.randn(7, 6, generator=rng(seed))).mean(
                dim=0
            )
        gan.generate(7, None, rng(seed))
    torch.testing.assert_close(gan.generator.w_average, expected)
    before = gan.generator.w_average.clone()
    gan.sample(7, rng())
    assert torch.equal(gan.generator.w_average, before), "sampling does not update it"
    assert "w_average" in gan.generator.state_dict(), "it is saved with the generator"


def test_average_of_w_of_each_class_against_a_loop() -> None:
    """A class that a batch lacks keeps its average."""
    gan = small(8, conditional=True)
    expected = torch.zeros(3, 8)
    for seed, labels in enumerate(([0, 0, 2, 2, 0], [1, 2, 1, 1, 1], [0, 0, 0, 0, 0])):
        label = torch.tensor(labels)
        with torch.no_grad():
            w = gan.generator.mapping(torch.randn(5, 6, generator=rng(seed)), label)
        for kind in set(labels):
            expected[kind] = 0.995 * expected[kind] + 0.005 * w[label == kind].mean(dim=0)
        gan.generate(5, label, rng(seed))
    torch.testing.assert_close(gan.generator.w_average, expected)


def test_labels_condition_samples() -> None:
    """Truncation leads to the average of the label's own class; without labels, they are drawn."""
    gan = with_noise(small(8, conditional=True))
    for seed in range(100):
        gan.generate(15, torch.arange(15) % 3, rng(seed))
    same, other = (gan.sample(2, rng(), label=torch.tensor(labels)) for labels in ([0, 1], [0, 2]))
    assert torch.equal(same[0], other[0])
    assert not torch.equal(same[1], other[1])
    assert torch.equal(gan.sample(9, rng()), gan.sample(9, rng()))
    label = torch.tensor([2, 0, 1, 2])
    with torch.no_grad():
        _, w = gan.generator(torch.randn(4, 6), torch.zeros(4), label)
    assert torch.equal(w, gan.generator.w_average[label][:, None].expand(4, 4, 8))
    averages = gan.generator.w_average
    assert min((averages[one] - averages[two]).norm() for one, two in ((0, 1), (0, 2), (1, 2))) > 0.1


def test_styles_are_mixed_within_a_label() -> None:
    gan = small(16, conditional=True, style_mixing=1.0)
    label, replay = torch.arange(30) % 3, rng()
    with torch.no_grad():
        styles = gan.sample_styles(30, rng(), label)
        first, second = (gan.generator.mapping(gan.sample_latents(30, replay), label) for _ in range(2))
    assert ((styles == first[:, None]).all(dim=2) | (styles == second[:, None]).all(dim=2)).all()


def test_conditional_logit_against_the_formula() -> None:
    """Miyato and Koyama 2018, eq. 3: the unconditional logit plus <embedding, features>, here over sqrt(features)."""
    gan = small(8, conditional=True, stabilisers={}).eval()
    network = copy.deepcopy(gan.discriminator).double()
    x, label = torch.randn(4, 1, 8, 8, generator=rng(), dtype=torch.float64), torch.tensor([0, 2, 1, 2])
    features = network.head[:-1](network.trunk(x))
    assert features.shape == (4, 8)
    projection = (network.embedding.weight[label] * features).sum(dim=1) / math.sqrt(8)
    torch.testing.assert_close(network(x, label), network.head(network.trunk(x))[:, 0] + projection)


def test_packing_needs_an_unconditional_pair() -> None:
    with pytest.raises(ValidationError, match="a pack of images has no single label"):
        StyleGAN2Settings.model_validate({"conditional": True, "stabilisers": {"packing": 2}})


@pytest.mark.parametrize("conditional", [False, True])
def test_inputs_of_the_exported_graphs(conditional: bool) -> None:
    label = ["label"] if conditional else []
    assert [list(spec.inputs) for spec in small(8, conditional=conditional).export()] == [["z", "psi", *label], ["w"]]


@pytest.mark.slow
def test_conditional_export(onnx_parity: Callable[[GAN, int], float]) -> None:
    assert onnx_parity(with_noise(small(8, conditional=True)), 3) < 1e-4


def test_truncation() -> None:
    """psi 0 gives the image of the average for every z, 1 the untruncated one; between them w is interpolated."""
    gan = with_noise(small(8))
    for seed in range(100):
        gan.generate(16, None, rng(seed))
    z, average = torch.randn(4, 6, generator=rng()), gan.generator.w_average
    with torch.no_grad():
        untruncated = gan.generator.mapping(z)
        images, w = gan.generator(z, torch.zeros(4))
        assert torch.equal(w, average.expand(4, 4, 8))
        torch.testing.assert_close(images, gan.generator.synthesis(average.expand(1, 4, 8)).expand_as(images))
        images, w = gan.generator(z, torch.ones(4))
        assert torch.equal(w, untruncated[:, None].expand(4, 4, 8))
        assert torch.equal(images, gan.sample(4, rng()))
        psi = torch.tensor([0.0, 0.3, 0.7, 1.2])
        _, w = gan.generator(z, psi)
        torch.testing.assert_close(w[:, 2], average + psi[:, None] * (untruncated - average))
        std = [gan.sample(64, rng(), psi=torch.full((64,), p)).std(dim=0).mean().item() for p in (0.0, 0.5, 1.0)]
    assert std[0] == pytest.approx(0, abs=1e-6)
    assert std[0] < std[1] < std[2]


def test_style_mixing() -> None:
    """Layers up to a crossover take the first latent's style, the others the second's; crossovers are uniform."""
    gan = small(16, style_mixing=0.9)
    layers, n = gan.generator.synthesis.layers, 3000
    replay = rng()
    with torch.no_grad():
        styles = gan.sample_styles(n, rng())
        first, second = (gan.generator.mapping(gan.sample_latents(n, replay)) for _ in range(2))
    is_first = (styles == first[:, None]).all(dim=2)
    assert torch.equal(is_first | (styles == second[:, None]).all(dim=2), torch.ones(n, layers, dtype=torch.bool))
    crossover = is_first.sum(dim=1)
    assert torch.equal(is_first, torch.arange(layers) < crossover[:, None]), "one crossover per image"
    counts = torch.bincount(crossover, minlength=layers + 1)
    assert counts[0] == 0
    assert counts[layers].item() / n == pytest.approx(0.1, abs=0.02)
    assert (counts[1:layers] / n).tolist() == pytest.approx([0.9 / (layers - 1)] * (layers - 1), abs=0.03)
    unmixed = small(16, style_mixing=0.0).sample_styles(5, rng())
    assert torch.equal(unmixed, unmixed[:, :1].expand_as(unmixed))


def test_style_weights_are_the_jacobian_of_all_scales() -> None:
    """A change of w changes the scales of all channels, of convolutions and images, by weights @ change."""
    gan = small(16)
    layers = [layer for layer in gan.generator.synthesis.modules() if isinstance(layer, ModulatedConv)]
    weights = gan.style_weights()
    assert weights.shape == (sum(layer.weight.shape[1] for layer in layers), 8)
    w, change = torch.randn(8, generator=rng()), torch.randn(8, generator=rng(1))
    before, after = (torch.cat([layer.affine(one[None])[0] for layer in layers]) for one in (w, w + change))
    torch.testing.assert_close(after - before, weights @ change, atol=1e-5, rtol=1e-4)


def test_path_length_of_a_linear_generator() -> None:
    """images = A w has the Jacobian A: the length is |A^T y|, its mean square |A|^2 over pixels and layers."""
    layers, width, pixels = 3, 5, 16
    a = torch.randn(pixels, layers * width, generator=rng(), dtype=torch.float64)
    w = torch.randn(20_000, layers, width, generator=rng(), dtype=torch.float64, requires_grad=True)
    images = (w.flatten(1) @ a.T).view(-1, 1, 4, 4)
    lengths = path_lengths(images, w, rng(3))
    y = torch.randn(images.shape, generator=rng(3)).double() / 4
    expected = ((y.flatten(1) @ a).view(-1, layers, width).square().sum(dim=2).mean(dim=1)).sqrt()
    torch.testing.assert_close(lengths, expected, rtol=1e-6, atol=1e-8)
    assert lengths.square().mean().item() == pytest.approx(a.square().sum().item() / pixels / layers, rel=0.03)


def test_path_length_loss_against_the_formula(images: Images) -> None:
    """weight x every x mean (length - a)^2 on half the batch; the moving average a starts at 0 with weight 0.01."""
    gan = with_noise(small(8, path_length={"weight": 3.0, "every": 5}))
    mean = 0.0
    for seed in range(3):
        replay = rng(seed)
        w = copy.deepcopy(gan).sample_styles(4, replay)
        rendered = gan.generator.synthesis.render(w, gan.generator.synthesis.sample_noise(4, replay))
        y = torch.randn(4, 1, 8, 8, generator=replay) / 8
        (gradient,) = torch.autograd.grad((rendered * y).sum(), w)
        lengths = gradient.square().sum(dim=2).mean(dim=1).sqrt()
        mean = 0.99 * mean + 0.01 * lengths.mean().item()
        loss = gan.path_length_loss({"item": images(9, 8, 1)}, START, rng(seed))
        assert loss.total.item() == pytest.approx(3 * 5 * (lengths - mean).square().mean().item(), rel=1e-4)
        assert gan.path_mean.item() == pytest.approx(mean, rel=1e-5)
        assert loss.terms["path_length"].item() == pytest.approx(lengths.mean().item(), rel=1e-5)


def test_spectral_norm_and_clipping_apply_to_the_scaled_weights() -> None:
    gan = small(8, penalties={}, stabilisers={"spectral_norm": True})
    for _ in range(30):
        gan.discriminator(torch.zeros(2, 1, 8, 8))
    layers = [layer for layer in gan.discriminator.modules() if isinstance(layer, EqualisedConv | EqualisedLinear)]
    assert len(layers) == 7
    for layer in layers:
        largest = torch.linalg.matrix_norm((layer.weight * layer.gain).flatten(1), ord=2)
        assert largest.item() == pytest.approx(1, abs=0.02)
    gan = small(8, objective="wgan", penalties={"clip": 0.01})
    gan.clip_weights()
    for layer in (layer for layer in gan.discriminator.modules() if isinstance(layer, EqualisedConv | EqualisedLinear)):
        assert (layer.weight * layer.gain).abs().max().item() == pytest.approx(0.01)


def trainer(
    evaluator: Evaluator, folder: Path, watcher: Watcher, model: Mapping[str, Any], **settings: object
) -> Trainer:
    """Return a trainer of a tiny network on the digits."""
    values = {
        "batch_size": 16,
        "total_images": 640,
        "log_images": 96,
        "snapshot_images": 320,
        "checkpoint_images": 320,
        "beta1": 0.0,
        "flips": True,
    }
    train = TrainSettings.model_validate(values | settings)
    cpu, gan = torch.device("cpu"), small(8, classes=10, **model)
    return Trainer(
        gan,
        (Labelled if gan.classes else Unlabelled)(cast(TrainingItems, evaluator.train), cpu, 0, flips=True),
        train,
        device=cpu,
        folder=folder,
        observer=watcher,
        stop=watcher.stop,
        preview_samples=4,
    )


@pytest.mark.slow
def test_styles_can_be_mixed_with_the_exported_graphs(onnx_parity: Callable[[GAN, int], float], tmp_path: Path) -> None:
    """`synthesis` renders the styles of `generator` to the same images, and mixed styles to other images."""
    gan = with_noise(small(8, 3))
    for seed in range(20):
        gan.generate(16, None, rng(seed))
    assert onnx_parity(gan, 0) < 1e-4
    sessions = {spec.name: open_session(tmp_path / f"{spec.name}.onnx", spec.name) for spec in gan.export()}
    assert list(sessions) == ["generator", "synthesis"]
    z, psi = torch.randn(5, 6, generator=rng()), np.ones(5, dtype=np.float32)
    images, w = sessions["generator"].run(["items", "w"], {"z": z.numpy(), "psi": psi})
    np.testing.assert_allclose(images, gan.sample(5, rng()).numpy(), atol=1e-5)
    np.testing.assert_allclose(sessions["synthesis"].run(["items"], {"w": w})[0], images, atol=1e-5)
    half, truncated = sessions["generator"].run(["items", "w"], {"z": z.numpy(), "psi": 0.5 * psi})
    np.testing.assert_allclose(half, gan.sample(5, rng(), psi=torch.full((5,), 0.5)).numpy(), atol=1e-5)
    np.testing.assert_allclose(truncated, (w + gan.generator.w_average.numpy()) / 2, atol=1e-5)
    mixed_styles = np.concatenate([np.roll(w, -1, axis=0)[:, :2], w[:, 2:]], axis=1)
    (mixed,) = sessions["synthesis"].run(["items"], {"w": mixed_styles})
    with torch.no_grad():
        np.testing.assert_allclose(mixed, gan.generator.synthesis(torch.from_numpy(mixed_styles)).numpy(), atol=1e-5)
    assert np.abs(mixed - images).max() > 0.05
    assert np.abs(mixed - np.roll(images, -1, axis=0)).max() > 0.05


@pytest.mark.parametrize("name", ["z", "psi", "w", "items"])
def test_the_signature_knows_the_tensors(name: str) -> None:
    assert (TENSORS[name].limits(image_spec(8, 1)) is None) == (name in ("z", "w"))


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_it_learns_the_digits(learn: Callable[..., tuple[Evaluation, Any]]) -> None:
    """The bound is below the fid_ratio of noise (62), one image (85) and a Gaussian fitted to the data (11.6)."""
    sizes = {
        "latent": 32,
        "style_width": 32,
        "generator_channels": 16,
        "discriminator_channels": 16,
        "max_channels": 32,
    }
    small_images = {"mapping_layers": 2, "style_mixing": 0, "path_length": {"weight": 0}}
    settings = StyleGAN2Settings.model_validate(sizes | small_images | {"penalties": {"r1": 0.2, "every": 8}})
    rate = {"start": 0.01, "end": 0.001}
    evaluation, _ = learn(
        settings, total_images=90_000, beta1=0.0, learning_rate={"generator": rate, "discriminator": rate}
    )
    assert evaluation.metrics["modes_covered"] == 10
    assert evaluation.metrics["fid_ratio"] < 9
    assert evaluation.metrics["duplicate_rate"] < 0.01
