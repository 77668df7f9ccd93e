from collections.abc import Callable
from typing import Any

import pytest

from pipeline.gans.variants.dcgan.settings import DCGANSettings
from pipeline.gans.variants.denoise.settings import DenoiseSettings
from pipeline.gans.variants.r3gan.settings import R3GANSettings
from pipeline.training import response
from pipeline.training.health import ADVICE, COMPLETE, DIVERGENCE, OVERFITTING, PARTIAL, VANISHING
from pipeline.training.response import LEAST_R1
from pipeline.training.settings import TrainSettings

treat: Callable[..., tuple[TrainSettings, Any, list[str]]] = response.treat  # whatever variant it is of

TRAIN = TrainSettings.model_validate(
    {"learning_rate": {"generator": 1e-3, "discriminator": {"start": 4e-4, "end": 2e-4}}}
)


def test_rates_fall_for_everything() -> None:
    for symptom in ADVICE:
        train, _, words = treat(TRAIN, DCGANSettings(), [symptom])
        assert train.learning_rate.generator.start == pytest.approx(5e-4)
        assert (train.learning_rate.discriminator.start, train.learning_rate.discriminator.end) == pytest.approx(
            (2e-4, 1e-4)
        )
        assert words[0] == "learning rates times 0.5"
        assert train.model_dump(exclude={"learning_rate"}) == TRAIN.model_dump(exclude={"learning_rate"}), (
            "nothing else of training changes"
        )
    twice, _, _ = treat(TRAIN, DCGANSettings(), [DIVERGENCE, DIVERGENCE])
    assert twice.learning_rate.generator.start == pytest.approx(2.5e-4)


def test_each_symptom_has_its_remedy() -> None:
    plain = DCGANSettings.model_validate({"penalties": {"r1": 0.05}})
    _, model, words = treat(TRAIN, plain, [PARTIAL])
    assert (model.penalties.r1.start, words[1]) == (0.1, "penalties.r1 0.1")
    _, model, words = treat(TRAIN, plain, [PARTIAL, COMPLETE])
    assert (model.penalties.r1.start, words[1]) == (0.2, "penalties.r1 0.2")
    _, model, _ = treat(TRAIN, DCGANSettings.model_validate({"penalties": {"r1": 0.0}}), [COMPLETE])
    assert model.penalties.r1.start == LEAST_R1
    _, model, words = treat(TRAIN, plain, [VANISHING])
    assert (model.stabilisers.instance_noise.start, words[1]) == (0.1, "stabilisers.instance_noise 0.1 to 0")
    _, model, words = treat(TRAIN, plain, [OVERFITTING])
    assert (model.stabilisers.augment.policy, words[1]) == ("diffaugment", "stabilisers.augment.policy diffaugment")
    assert treat(TRAIN, plain, [DIVERGENCE])[1] == plain


def test_ramps_keep_their_shape() -> None:
    model = R3GANSettings.model_validate({"penalties": {"r1": {"start": 4.0, "end": 1.0}, "r2": 1.0}})
    _, changed, words = treat(TRAIN, model, [PARTIAL])
    assert (changed.penalties.r1.start, changed.penalties.r1.end) == (8.0, 2.0)
    assert words[1] == "penalties.r1 8 to 2"


def test_what_contradicts_is_left_out() -> None:
    """R1 does not go with weight clipping: the rates alone fall."""
    clipped = DCGANSettings.model_validate({"objective": "wgan", "penalties": {"r1": 0.0, "clip": 0.01}})
    train, model, words = treat(TRAIN, clipped, [PARTIAL])
    assert model == clipped
    assert words == ["learning rates times 0.5"]
    assert train.learning_rate.generator.start == pytest.approx(5e-4)


def test_where_a_variant_has_no_such_key_the_rates_alone_fall() -> None:
    for symptom in ADVICE:
        _, model, words = treat(TRAIN, DenoiseSettings(), [symptom])
        assert model == DenoiseSettings()
        assert words == ["learning rates times 0.5"]


def test_nothing_seen_changes_nothing() -> None:
    assert treat(TRAIN, DCGANSettings(), []) == (TRAIN, DCGANSettings(), [])
