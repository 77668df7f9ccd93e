"""SGAN: shapes, losses against formulas, updated networks, labels used, export of both graphs, learning."""

import itertools
import math
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot, softplus

from pipeline import params
from pipeline.data.views import choose_labelled
from pipeline.errors import InputError
from pipeline.evaluation.measures import supervised_baseline
from pipeline.gans.base import GAN, Progress
from pipeline.gans.registry import build
from pipeline.gans.variants.sgan.settings import SGANSettings
from pipeline.gans.variants.sgan.sgan import SGAN, feature_matching_loss, supervised_loss, unsupervised_loss
from pipeline.media.registry import tensors_of
from pipeline.tasks.generate.evaluator import Evaluation, Evaluator
from pipeline.tasks.registry import TASKS
from pipeline.training import model_files
from tests.specs import image_spec

CPU = torch.device("cpu")
START = Progress(0, 0.0)


def small(resolution: int = 16, channels: int = 1, classes: int = 3, **settings: object) -> SGAN:
    torch.manual_seed(0)
    values = {"latent": 8, "generator_channels": 4, "discriminator_channels": 4, "max_channels": 16}
    gan = build(SGANSettings.model_validate(values | settings), image_spec(resolution, channels, classes=classes))
    assert isinstance(gan, SGAN)
    return gan


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(2)


def logits(n: int, classes: int, scale: float = 3.0) -> Tensor:
    return scale * torch.randn(n, classes, generator=torch.Generator().manual_seed(n), dtype=torch.float64)


@pytest.mark.parametrize("resolution", [8, 16, 32, 64, 128, 256])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("architecture", ["strided", "residual"])
def test_shapes(resolution: int, channels: int, architecture: str) -> None:
    gan = small(resolution, channels, 7, architecture=architecture)
    fake = gan.sample(3, rng())
    assert fake.shape == (3, channels, resolution, resolution)
    assert fake.abs().max() <= 1
    assert gan.discriminator(fake).shape == (3,)
    assert gan.classifier()(fake).shape == (3, 7)
    features = gan.trunk()(fake)
    assert features.shape == (3, gan.discriminator.classifier.head.in_features)
    torch.testing.assert_close(
        gan.eval().discriminator.classifier.head(gan.trunk()(fake)),
        gan.classifier()(fake),
        msg="the head takes the features that the generator matches",
    )


def test_losses_equal_a_softmax_over_classes_and_generated() -> None:
    """Salimans 2016, eq. 6 to 8, with K + 1 probabilities; the logit of the last class is 0."""
    real, fake, labelled, label = logits(6, 4), logits(9, 4), logits(5, 4), torch.tensor([3, 0, 1, 2, 3])

    def probabilities(values: Tensor) -> Tensor:
        return torch.cat([values, torch.zeros(len(values), 1, dtype=torch.float64)], dim=1).softmax(dim=1)

    classes = probabilities(labelled)[:, :4]
    of_label = (classes * one_hot(label, 4)).sum(dim=1) / classes.sum(dim=1)
    assert supervised_loss(labelled, label).item() == pytest.approx(-of_label.log().mean().item(), rel=1e-12)
    expected = -0.5 * ((1 - probabilities(real)[:, 4]).log().mean() + probabilities(fake)[:, 4].log().mean())
    assert unsupervised_loss(real.logsumexp(1), fake.logsumexp(1)).item() == pytest.approx(expected.item(), rel=1e-12)


def test_losses_against_plain_sums() -> None:
    """L_sup = mean Z - mean l_y; L_unsup = (mean[-Z_real + softplus(Z_real)] + mean softplus(Z_fake)) / 2."""
    real, fake, labelled, label = logits(6, 4), logits(9, 4), logits(5, 4), [3, 0, 1, 2, 3]

    def z(row: list[float]) -> float:
        return math.log(sum(math.exp(value) for value in row))

    def softplus(value: float) -> float:
        return math.log1p(math.exp(value))

    expected = sum(z(row) - row[c] for row, c in zip(labelled.tolist(), label, strict=True)) / 5
    assert supervised_loss(labelled, torch.tensor(label)).item() == pytest.approx(expected, rel=1e-12)
    expected = 0.5 * (
        sum(softplus(z(row)) - z(row) for row in real.tolist()) / 6 + sum(softplus(z(row)) for row in fake.tolist()) / 9
    )
    assert unsupervised_loss(real.logsumexp(1), fake.logsumexp(1)).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("level", [-1e30, -1e3, -100.0, 100.0, 1e3, 1e30])
def test_extreme_logits_have_finite_losses_and_correct_gradients(level: float) -> None:
    """Far from zero a loss is linear, |Z| / 2 per side, if the logit is wrong, and constant if it is right."""
    real, fake = (torch.full((4, 3), level, requires_grad=True) for _ in range(2))
    loss = unsupervised_loss(real.logsumexp(1), fake.logsumexp(1))
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(0.5 * abs(level), rel=0.02)
    assert real.grad is not None
    assert fake.grad is not None
    assert torch.isfinite(real.grad).all()
    assert torch.isfinite(fake.grad).all()
    # At 1e30, log 3 is lost to rounding, and torch's logsumexp gives each of three equal logits the full gradient.
    if abs(level) < 1e30:
        assert real.grad.sum().item() == pytest.approx(0.0 if level > 0 else -0.5, abs=1e-3)
        assert fake.grad.sum().item() == pytest.approx(0.5 if level > 0 else 0.0, abs=1e-3)
    labelled = torch.tensor([[level, 0.0], [0.0, level]], requires_grad=True)
    supervised_loss(labelled, torch.tensor([0, 0])).backward()  # type: ignore[no-untyped-call]
    assert labelled.grad is not None
    assert torch.isfinite(labelled.grad).all()


def test_feature_matching_is_unbiased() -> None:
    """Its mean over all pairs of batches of two, drawn from three images each, is the distance itself."""
    real, fake = logits(3, 2), logits(3, 2, scale=1.0) + 0.5
    batches = list(itertools.product(range(3), repeat=2))
    mean = (
        sum(feature_matching_loss(real[list(a)], fake[list(b)]).item() for a in batches for b in batches)
        / len(batches) ** 2
    )
    assert mean == pytest.approx((real.mean(0) - fake.mean(0)).square().sum().item(), rel=1e-12)


def test_discriminator_loss_against_the_formula() -> None:
    """The sum of both losses and R1 on Z, on the same latents, in float64."""
    gan = small(dropout=0.0, penalties={"r1": 2.0})
    batch = labelled_batch()
    loss = gan.discriminator_loss({name: value.clone() for name, value in batch.items()}, START, rng())
    gan = gan.double()
    real = batch["item"].double().requires_grad_()
    fake = gan.generator(gan.sample_latents(5, rng()).double()).detach()
    z_real, z_fake = (gan.discriminator.classifier(x).double().logsumexp(dim=1) for x in (real, fake))
    (gradient,) = torch.autograd.grad(z_real.sum(), real, retain_graph=True)
    labelled = gan.discriminator.classifier(batch["labelled_item"].double()).double()
    expected = (
        supervised_loss(labelled, batch["label"]) + unsupervised_loss(z_real, z_fake) + gradient.square().sum() / 5
    )
    assert loss.total.item() == pytest.approx(expected.item(), rel=1e-5)
    assert loss.terms["loss_supervised"].item() == pytest.approx(
        supervised_loss(labelled, batch["label"]).item(), rel=1e-5
    )
    assert loss.terms["d_real"].item() == pytest.approx(z_real.sigmoid().mean().item(), rel=1e-5)


def labelled_batch() -> dict[str, Tensor]:
    return {
        "item": torch.randn(5, 1, 16, 16),
        "labelled_item": torch.randn(4, 1, 16, 16),
        "label": torch.tensor([0, 2, 1, 1]),
    }


def test_the_critic_and_the_classifier_have_losses_of_their_own() -> None:
    """The discriminator's loss is the critic's objective with R1 on its logit, plus the losses of the classifier."""
    gan, batch = small(dropout=0.0, critic=True, penalties={"r1": 2.0}), labelled_batch()
    loss = gan.discriminator_loss({name: value.clone() for name, value in batch.items()}, START, rng())
    gan, drawn = gan.double(), rng()
    real = batch["item"].double().requires_grad_()
    for_critic, for_classifier = (gan.generator(gan.sample_latents(5, drawn).double()).detach() for _ in range(2))
    critic, classifier = gan.discriminator.critic, gan.classifier()
    (gradient,) = torch.autograd.grad(critic(real).sum(), real)
    game = softplus(-critic(real)).mean() + softplus(critic(for_critic)).mean() + gradient.square().sum() / 5
    z_real, z_fake = (classifier(images).double().logsumexp(dim=1) for images in (real, for_classifier))
    unsupervised = unsupervised_loss(z_real, z_fake)
    supervised = supervised_loss(classifier(batch["labelled_item"].double()).double(), batch["label"])
    assert loss.terms["loss_discriminator"].item() == pytest.approx(
        (softplus(-critic(real)).mean() + softplus(critic(for_critic)).mean()).item(), rel=1e-5
    )
    assert loss.terms["loss_unsupervised"].item() == pytest.approx(unsupervised.item(), rel=1e-5)
    assert loss.total.item() == pytest.approx((game + unsupervised + supervised).item(), rel=1e-5)


def test_the_generator_plays_against_the_critic_and_matches_features_of_the_classifier() -> None:
    batch = labelled_batch()
    gan = small(dropout=0.0, critic=True, matching=0.5)
    loss = gan.generator_loss(batch, START, rng())
    drawn, trunk = rng(), gan.trunk()
    matched, judged = (gan.generator(gan.sample_latents(5, drawn)) for _ in range(2))
    matching = feature_matching_loss(trunk(batch["item"]), trunk(matched))
    game = softplus(-gan.discriminator.critic(judged)).mean()
    assert loss.terms["loss_generator"].item() == pytest.approx(game.item(), rel=1e-5)
    assert loss.total.item() == pytest.approx((game + 0.5 * matching).item(), rel=1e-5)


@pytest.mark.parametrize("architecture", ["strided", "residual"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"critic": True, "penalties": {"r1": 1.0, "r2": 1.0, "every": 4}},
        {"critic": True, "matching": 0, "stabilisers": {"minibatch_std": 3}},
        {"penalties": {"r1": 1.0, "every": 4}},
        {"stabilisers": {"instance_noise": 0.1, "augment": {"policy": "ada", "target": 0.6}}},
    ],
)
def test_each_phase_updates_its_networks_only(
    architecture: str,
    settings: dict[str, Any],
    check_updates: Callable[[GAN, Mapping[str, Tensor]], None],
    batch: Callable[[int, int, int, int], dict[str, Tensor]],
) -> None:
    check_updates(small(architecture=architecture, **settings), batch(6, 16, 1, 3))


def test_labelled_images_are_augmented_like_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """If labelled images were not augmented, a class could be recognised by that."""
    gan = small()
    sizes: list[int] = []
    original = gan.augment_for_discriminator

    def augment_for_discriminator(images: Tensor, progress: Progress, rng: torch.Generator) -> Tensor:
        sizes.append(len(images))
        return original(images, progress, rng)

    monkeypatch.setattr(gan, "augment_for_discriminator", augment_for_discriminator)
    batch = labelled_batch()
    gan.discriminator_loss(batch, START, rng())
    assert sorted(sizes) == [4, 5, 5]


def test_weights_are_normalised_and_a_class_depends_on_its_image_only() -> None:
    gan = small(classes=4)
    layers: list[Any] = [layer for layer in gan.discriminator.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert len(layers) == 5
    for layer in layers:
        gain = layer.parametrizations.weight.original0
        torch.testing.assert_close(layer.weight.flatten(1).norm(dim=1), gain.flatten().abs())
    images = torch.randn(6, 1, 16, 16, generator=rng())
    logits = gan.eval().classifier()(images)
    torch.testing.assert_close(logits[2:3], gan.classifier()(images[2:3]))
    torch.testing.assert_close(logits, gan.classifier()(images), rtol=0, atol=0)
    assert not torch.equal(gan.train().classifier()(images), gan.classifier()(images)), "dropout in training"


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (
            "stabilisers: {packing: 2}",
            "model: stabilisers.packing with variant sgan: a pack of images has no single class. Set packing: 1",
        ),
        ("objective: hinge", "model: objective hinge with variant sgan: "),
        ("objective: minimax", "model: objective minimax with variant sgan: "),
        ("matching: 0", "model: matching 0 with variant sgan: without a critic the generator has no other loss."),
        ("stabilisers: {minibatch_std: 4}", "model: stabilisers.minibatch_std with variant sgan: "),
        ("stabilisers: {spectral_norm: true}", "model: stabilisers.spectral_norm with variant sgan: "),
        ("stabilisers: {label_smoothing: 0.1}", "model: stabilisers.label_smoothing with variant sgan: "),
        ("stabilisers: {lecam: 0.1}", "model: stabilisers.lecam with variant sgan: "),
        ("stabilisers: {top_k: {start: 1, end: 0.5}}", "model: stabilisers.top_k with variant sgan: "),
        ("penalties: {clip: 0.1}", "model: penalties.clip with objective nonsaturating: "),
        ("labelled_per_class: 0", "model.labelled_per_class: Input should be greater than or equal to 1"),
        ("labeled_per_class: 5", "model.labeled_per_class: unknown key; did you mean `labelled_per_class`?"),
    ],
)
def test_contradictions_are_rejected_by_name(keys: str, words: str) -> None:
    with pytest.raises(InputError) as error:
        params.parse(f"model: {{variant: sgan, {keys}}}", "p")
    assert words in str(error.value)


@pytest.mark.parametrize(
    "keys",
    [
        "penalties: {gp: 1}",
        "penalties: {r1: 1, every: 4}",
        "stabilisers: {augment: {policy: ada, target: 0.6}}",
        "critic_steps: 2",
        "critic: true, objective: relativistic, stabilisers: {minibatch_std: 4, lecam: 0.1}",
    ],
)
def test_valid_combinations(keys: str) -> None:
    assert params.parse(f"model: {{variant: sgan, {keys}}}", "p").model.variant == "sgan"


class Digits:
    """60 images of 8x8 in three classes: bars on noise."""

    item = image_spec(8, 1, 3)

    def __init__(self) -> None:
        self.labels = np.arange(60, dtype=np.int64) % 3
        self.pixels = np.random.default_rng(0).integers(0, 60, (60, 8, 8, 1)).astype(np.uint8)
        for k, c in enumerate(self.labels):
            self.pixels[k, :, 2 * c] += 180

    def __len__(self) -> int:
        return 60

    def images(self, indices: npt.ArrayLike | None = None) -> npt.NDArray[np.uint8]:
        chosen: npt.NDArray[np.uint8] = self.pixels if indices is None else self.pixels[np.asarray(indices)]
        return chosen


def test_training_uses_exactly_the_chosen_labels() -> None:
    data = Digits()
    gan = small(8, labelled_per_class=4)
    view = TASKS[gan.task].open_view(gan.view, data, CPU, 3)
    labelled: set[tuple[int, bytes]] = set()
    every: set[bytes] = set()
    for _ in range(20):
        batch = view.next(16)
        pixels = ((batch["labelled_item"] + 1) * 127.5).round().to(torch.uint8)
        labelled |= {(int(c), image.numpy().tobytes()) for c, image in zip(batch["label"], pixels, strict=True)}
        every |= {image.numpy().tobytes() for image in ((batch["item"] + 1) * 127.5).round().to(torch.uint8)}
    chosen = choose_labelled(data.labels, 4, 3)
    assert labelled == {(int(data.labels[k]), data.pixels[k].tobytes()) for k in chosen}
    assert sorted(c for c, _ in labelled) == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
    assert len(every) == 60, "all images are used without labels"


@pytest.mark.parametrize("labels", [[-1] * 60, [0] * 60, [-1, *[0, 1] * 29, 0]])
def test_data_without_classes_is_an_input_error(labels: list[int]) -> None:
    data = Digits()
    data.labels = np.array(labels)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gan = small(8, classes=len({c for c in labels if c >= 0}))
    with pytest.raises(InputError, match=r"needs (at least two )?classes, .*choose a variant without classes"):
        TASKS[gan.task].open_view(gan.view, data, CPU, 0)


def test_exported_graphs_equal_the_networks(onnx_parity: Callable[[GAN, int], float]) -> None:
    gan = small(16, 3, 4)
    assert onnx_parity(gan, 4) < 1e-5
    generator, classifier = gan.export()
    assert (generator.name, list(generator.inputs), generator.outputs) == ("generator", ["z"], ("items",))
    assert (classifier.name, list(classifier.inputs), classifier.outputs) == ("classifier", ["items"], ("logits",))
    images = torch.randn(5, 3, 16, 16)
    torch.testing.assert_close(classifier.module(images), gan.classifier()(images), rtol=0, atol=0)


def test_classifier_is_saved_with_the_generator(tmp_path: Path) -> None:
    gan = small(8, 1, 2).eval()
    config = model_files.ModelConfig(
        model=SGANSettings(latent=8, generator_channels=4, discriminator_channels=4, max_channels=16),
        item=image_spec(8, 1, ["a", "b"]),
        dataset_source="digits",
        dataset_fingerprint="ab" * 32,
        images_seen=640,
    )
    model_files.save(gan, config, tmp_path)
    assert set(gan.ema_networks) == {"generator", "discriminator"}
    assert not (tmp_path / model_files.OTHERS).exists()
    loaded, _ = model_files.load(tmp_path)
    classifier, images = loaded.classifier(), torch.randn(4, 1, 8, 8)
    assert classifier is not None
    torch.testing.assert_close(classifier(images), gan.classifier()(images), rtol=0, atol=0)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_unlabelled_images_improve_the_classifier(
    evaluator: Evaluator, learn: Callable[..., tuple[Evaluation, GAN]]
) -> None:
    """On the digits it beats its own network trained on the same ten labels per class, with the same augmentation."""
    settings = SGANSettings.model_validate(
        {
            "latent": 64,
            "generator_channels": 32,
            "discriminator_channels": 32,
            "stabilisers": {"augment": {"policy": "diffaugment", "probability": 0.5}},
        }
    )
    rate = {"start": 1e-3, "end": 1e-4}
    evaluation, gan = learn(settings, total_images=60_000, learning_rate={"generator": rate, "discriminator": rate})
    torch.manual_seed(0)
    fresh = build(settings, image_spec(8, 1, 10))
    classifier, baseline = gan.classifier(), fresh.classifier()
    assert classifier is not None
    assert baseline is not None
    splits = supervised_baseline.LabelledSplits(
        train=evaluator.train,
        labelled=choose_labelled(evaluator.train.labels, 10, 0),
        test=evaluator.test,
        tensors=tensors_of(evaluator.item),
        device=CPU,
        augment=lambda values, rng: fresh.augment_for_discriminator(values, Progress(0, 1.0), rng),
    )
    comparison = supervised_baseline.compare_classifiers(classifier, baseline, splits)
    assert comparison.labels == 100
    assert comparison.accuracy > comparison.supervised  # measured: 0.947 over 0.928
    assert comparison.accuracy > 0.93

    def resembles_digits(evaluation: Evaluation) -> bool:
        """Measured for the trained model: fid_ratio 14, 8 of 10 modes."""
        return bool(
            evaluation.metrics["fid_ratio"] < 25
            and evaluation.metrics["modes_covered"] >= 6
            and evaluation.metrics["duplicate_rate"] < 0.01
        )

    assert resembles_digits(evaluation)
    noise = np.random.default_rng(0).integers(0, 256, (2000, 8, 8, 1), dtype=np.uint8)
    assert not resembles_digits(evaluator.evaluate(noise))
    assert not resembles_digits(evaluator.evaluate(np.repeat(evaluator.train.images([0]), 2000, axis=0)))
