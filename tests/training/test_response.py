"""The response to each failure mode: lower learning rates and adjusted settings."""

from collections.abc import Callable
from typing import Any

import pytest

from pipeline.gans.variants.dcgan.settings import DCGANSettings
from pipeline.gans.variants.denoise.settings import DenoiseSettings
from pipeline.gans.variants.r3gan.settings import R3GANSettings
from pipeline.media.registry import MEDIA
from pipeline.training import response
from pipeline.training.failure_modes import (
    ADVICE,
    COMPLETE_COLLAPSE,
    DIVERGENCE,
    OVERFITTING,
    PARTIAL_COLLAPSE,
    VANISHING_GRADIENTS,
)
from pipeline.training.response import INITIAL_R1
from pipeline.training.settings import TrainSettings

IMAGES = MEDIA["image"].augmentations
respond: Callable[..., tuple[TrainSettings, Any, list[str]]] = response.respond  # settings of any variant

TRAIN = TrainSettings.model_validate(
    {"learning_rate": {"generator": 1e-3, "discriminator": {"start": 4e-4, "end": 2e-4}}}
)


def test_every_symptom_lowers_the_learning_rates() -> None:
    for symptom in ADVICE:
        train, _, changes = respond(TRAIN, DCGANSettings(), [symptom], IMAGES)
        assert train.learning_rate.generator.start == pytest.approx(5e-4)
        assert (train.learning_rate.discriminator.start, train.learning_rate.discriminator.end) == pytest.approx(
            (2e-4, 1e-4)
        )
        assert changes[0] == "learning rates times 0.5"
        assert train.model_dump(exclude={"learning_rate"}) == TRAIN.model_dump(exclude={"learning_rate"}), (
            "no other setting of the training changes"
        )
    twice, _, _ = respond(TRAIN, DCGANSettings(), [DIVERGENCE, DIVERGENCE], IMAGES)
    assert twice.learning_rate.generator.start == pytest.approx(2.5e-4)


def test_each_symptom_has_its_adjustment() -> None:
    plain = DCGANSettings.model_validate({"penalties": {"r1": 0.05}})
    _, model, changes = respond(TRAIN, plain, [PARTIAL_COLLAPSE], IMAGES)
    assert (model.penalties.r1.start, changes[1]) == (0.1, "penalties.r1 0.1")
    _, model, changes = respond(TRAIN, plain, [PARTIAL_COLLAPSE, COMPLETE_COLLAPSE], IMAGES)
    assert (model.penalties.r1.start, changes[1]) == (0.2, "penalties.r1 0.2")
    _, model, _ = respond(TRAIN, DCGANSettings.model_validate({"penalties": {"r1": 0.0}}), [COMPLETE_COLLAPSE], IMAGES)
    assert model.penalties.r1.start == INITIAL_R1
    _, model, changes = respond(TRAIN, plain, [VANISHING_GRADIENTS], IMAGES)
    assert (model.stabilisers.instance_noise.start, changes[1]) == (0.1, "stabilisers.instance_noise 0.1 to 0")
    _, model, changes = respond(TRAIN, plain, [OVERFITTING], IMAGES)
    assert (model.stabilisers.augment.policy, changes[1]) == ("diffaugment", "stabilisers.augment.policy diffaugment")
    assert respond(TRAIN, plain, [DIVERGENCE], IMAGES)[1] == plain


def test_an_overfitting_discriminator_gets_an_augmentation_that_suits_the_items() -> None:
    for name, medium in MEDIA.items():
        _, model, changes = respond(TRAIN, DCGANSettings(), [OVERFITTING], medium.augmentations)
        policy = model.stabilisers.augment.policy
        assert policy in {"none", *medium.augmentations}, name
        assert (changes[-1] == f"stabilisers.augment.policy {policy}") == bool(medium.augmentations)
    assert (
        respond(TRAIN, DCGANSettings(), [OVERFITTING], MEDIA["volume"].augmentations)[1].stabilisers.augment.policy
        == "turns"
    )


def test_ramps_keep_their_shape() -> None:
    model = R3GANSettings.model_validate({"penalties": {"r1": {"start": 4.0, "end": 1.0}, "r2": 1.0}})
    _, changed, changes = respond(TRAIN, model, [PARTIAL_COLLAPSE], IMAGES)
    assert (changed.penalties.r1.start, changed.penalties.r1.end) == (8.0, 2.0)
    assert changes[1] == "penalties.r1 8 to 2"


def test_contradictory_adjustments_are_skipped() -> None:
    """R1 contradicts weight clipping, so only the learning rates are lowered."""
    clipped = DCGANSettings.model_validate({"objective": "wgan", "penalties": {"r1": 0.0, "clip": 0.01}})
    train, model, changes = respond(TRAIN, clipped, [PARTIAL_COLLAPSE], IMAGES)
    assert model == clipped
    assert changes == ["learning rates times 0.5"]
    assert train.learning_rate.generator.start == pytest.approx(5e-4)


def test_variants_without_these_settings_only_lower_the_learning_rates() -> None:
    for symptom in ADVICE:
        _, model, changes = respond(TRAIN, DenoiseSettings(), [symptom], IMAGES)
        assert model == DenoiseSettings()
        assert changes == ["learning rates times 0.5"]


def test_no_symptom_changes_nothing() -> None:
    assert respond(TRAIN, DCGANSettings(), [], IMAGES) == (TRAIN, DCGANSettings(), [])
