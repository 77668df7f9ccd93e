"""Health checks: symptoms, responses, events and the best checkpoint, from scripted numbers."""

import json
import math
import re
from typing import Any

import pytest
import torch

from pipeline.gans.registry import VARIANTS, network_class
from pipeline.training.failure_modes import (
    ADVICE,
    COMPLETE_COLLAPSE,
    DIVERGENCE,
    OSCILLATION,
    OVERFITTING,
    PARTIAL_COLLAPSE,
    VANISHING_GRADIENTS,
    Symptom,
)
from pipeline.training.health import HealthMonitor, Unhealthy
from pipeline.training.settings import HealthSettings

TOTAL = 4000
HEALTHY = {
    "fid": 1.0,
    "diversity": 1.0,
    "distance": 1.0,
    "near_duplicates": 0.01,
    "classes": 1.0,
    "d_accuracy": 0.7,
    "grad_norm_generator": 1.0,
    "overfitting": 0.1,
}


def run(checks: list[dict[str, float]], **settings: Any) -> tuple[HealthMonitor, list[list[Symptom]]]:
    """Run a health check every 100 images, with HEALTHY numbers except those given."""
    health = HealthMonitor(HealthSettings(**settings), TOTAL)
    return health, [
        health.check({**HEALTHY, **numbers, "images": 100 * (k + 1), "step": k + 1}) for k, numbers in enumerate(checks)
    ]


def names(symptoms: list[list[Symptom]]) -> list[list[str]]:
    return [[symptom.name for symptom in one] for one in symptoms]


def test_healthy_training_has_no_symptoms() -> None:
    health, found = run([{"fid": fid} for fid in (9, 5, 3, 2, 1.5, 1.6, 1.4, 1.5, 1.45)])
    assert not any(found)
    assert health.events == []
    assert (health.best, health.last_healthy) == (700, 900)


BROKEN = [
    ({"near_duplicates": 0.5}, PARTIAL_COLLAPSE),
    ({"diversity": 0.4}, PARTIAL_COLLAPSE),
    ({"diversity": 0.7}, PARTIAL_COLLAPSE),  # a drop from 1.0
    ({"classes": 0.7}, PARTIAL_COLLAPSE),
    ({"d_accuracy": 0.995, "grad_norm_generator": 0.01}, VANISHING_GRADIENTS),
    ({"fid": 4.0}, DIVERGENCE),
    ({"overfitting": 0.9}, OVERFITTING),
]


@pytest.mark.parametrize(("numbers", "name"), BROKEN)
def test_persistent_symptoms_call_for_a_response(numbers: dict[str, float], name: str) -> None:
    health, found = run([{}] * 4 + [numbers] * 3 + [{}])
    assert names(found) == [[], [], [], [], [], [], [name], []]
    assert (health.best, health.last_healthy) == (800, 800), "the last of equal checks"
    assert found[6][0].evidence
    _, interrupted = run([{}] * 4 + [numbers, numbers, {}, numbers, numbers])
    assert not any(interrupted), "two consecutive checks are not three"


@pytest.mark.parametrize(
    ("numbers", "name"),
    [
        ({"distance": 0.02}, COMPLETE_COLLAPSE),
        ({"fid": math.nan}, DIVERGENCE),
        ({"grad_norm_generator": math.inf}, DIVERGENCE),
    ],
)
def test_critical_symptoms_call_for_a_response_at_once(numbers: dict[str, float], name: str) -> None:
    health, found = run([{}] * 4 + [numbers])
    assert names(found)[-1] == [name]
    assert found[-1][0].critical
    assert (health.best, health.last_healthy) == (400, 400)


@pytest.mark.parametrize("numbers", [*(numbers for numbers, _ in BROKEN), {"distance": 0.02}])
def test_the_first_checks_do_not_count(numbers: dict[str, float]) -> None:
    health, found = run([numbers] * 3)
    assert not any(found)
    assert health.events == []


def test_grace_period_ends_with_the_first_healthy_check() -> None:
    """Without a healthy check, symptoms do not count for a quarter of the training."""
    _, found = run([{"distance": 0.01}] * 12)
    assert [bool(symptoms) for symptoms in found] == [False] * 10 + [True] * 2
    _, found = run([{}] + [{"distance": 0.01}] * 5)
    assert [bool(symptoms) for symptoms in found] == [False] * 3 + [True] * 3


def test_while_the_metric_improves_a_symptom_is_only_reported() -> None:
    """Near-duplicates persist while the distance falls: one event. A response is due when it stops falling."""
    health, found = run(
        [{"near_duplicates": 0.9, "fid": 9 - k} for k in range(6)] + [{"near_duplicates": 0.9, "fid": 5.0}] * 4,
        grace=0.0,
    )
    assert [bool(symptoms) for symptoms in found] == [False] * 7 + [True] * 3
    assert [(event.images, event.response) for event in health.events] == [(400, "reported only")]


def test_a_single_nonfinite_first_check_does_not_count() -> None:
    _, found = run([{"fid": math.nan}, {}, {}, {}, {}])
    assert not any(found)


@pytest.mark.parametrize(
    "numbers", [{"d_accuracy": 0.995}, {"grad_norm_generator": 0.01}, {"d_accuracy": 0.98, "grad_norm_generator": 0.0}]
)
def test_a_strong_discriminator_or_a_small_gradient_alone_is_no_symptom(numbers: dict[str, float]) -> None:
    assert not any(run([{}] * 4 + [numbers] * 5)[1])


def test_missing_numbers_are_skipped() -> None:
    health = HealthMonitor(HealthSettings(), TOTAL)
    few = {name: HEALTHY[name] for name in ("fid", "diversity", "distance", "near_duplicates")}
    for k in range(8):
        found = health.check({**few, "images": 100 * k, "step": k} | ({"near_duplicates": 0.9} if k >= 5 else {}))
    assert [symptom.name for symptom in found] == [PARTIAL_COLLAPSE]


def test_oscillation_is_reported_once_without_a_response() -> None:
    swinging = [{"fid": value} for value in (1.0, 0.9, 1.2, 2.6, 1.0, 2.6, 1.0, 2.6, 1.1, 2.6, 1.1, 2.6, 1.1)]
    health, found = run(swinging)
    assert not any(found)
    assert [event.symptom for event in health.events] == [OSCILLATION]
    assert "swings by" in health.events[0].evidence


def test_best_check_has_the_lowest_distance_without_a_symptom() -> None:
    health, _ = run([{"fid": 3.0}, {"fid": 2.0}, {"fid": 1.0, "near_duplicates": 0.9}, {"fid": 2.5}])
    assert (health.best, health.last_healthy) == (200, 400)


def test_an_overfitted_discriminator_does_not_exclude_its_generator() -> None:
    """The distance to held-out items decides; weights to return to come from before the overfitting."""
    health, _ = run([{"fid": 3.0}, {"fid": 2.0, "overfitting": 0.9}, {"fid": 1.0, "overfitting": 1.0}, {"fid": 2.5}])
    assert (health.best, health.last_healthy) == (300, 400)


def test_of_checks_within_the_standard_error_the_latest_is_best() -> None:
    """The error is counted from the lowest distance, so that a slow decline does not accumulate."""
    health, _ = run([{"fid": fid, "fid_error": 0.1} for fid in (2.0, 1.0, 1.09, 1.05, 1.11, 1.2)])
    assert health.best == 400


def test_early_stopping() -> None:
    health, _ = run([{"fid": 2.0}, {"fid": 1.0}, {"fid": 1.1}, {"fid": 1.1}], early_stopping_images=300)
    before = health.should_stop_early()
    health.check({**HEALTHY, "fid": 1.2, "images": 500, "step": 5})
    assert (before, health.should_stop_early()) == (False, True)
    assert not run([{"fid": 2.0}] * 9)[0].should_stop_early()


def test_patience_restarts_after_a_rollback() -> None:
    health, found = run([{}] * 4 + [{"near_duplicates": 0.9}] * 3)
    assert found[-1]
    health.reset_after_rollback(700)
    more = [health.check({**HEALTHY, "near_duplicates": 0.9, "images": 1000 + k, "step": 10 + k}) for k in range(3)]
    assert [bool(symptoms) for symptoms in more] == [False, False, True]


def test_state_survives_a_checkpoint(tmp_path: Any) -> None:
    """Checks before and after saving and restoring equal uninterrupted ones."""
    checks = [
        {**HEALTHY, "fid": 9.0, "images": 100 * k, "step": k} | ({"diversity": 0.3} if k > 6 else {}) for k in range(12)
    ]
    whole, first_half = HealthMonitor(HealthSettings(), TOTAL), HealthMonitor(HealthSettings(), TOTAL)
    expected = [whole.check(numbers) for numbers in checks]
    found = [first_half.check(numbers) for numbers in checks[:8]]
    first_half.record_event(checks[7], Symptom(PARTIAL_COLLAPSE, "evidence"), "response")
    torch.save(first_half.state(), tmp_path / "state.pt")
    again = HealthMonitor(HealthSettings(), TOTAL)
    again.restore(torch.load(tmp_path / "state.pt", weights_only=True))
    found += [again.check(numbers) for numbers in checks[8:]]
    assert found == expected
    assert [str(event) for event in again.events] == ["700 images (step 7): mode collapse: evidence; response"]
    json.dumps(again.state())


def test_every_symptom_has_advice() -> None:
    assert set(ADVICE) == {
        COMPLETE_COLLAPSE,
        PARTIAL_COLLAPSE,
        VANISHING_GRADIENTS,
        DIVERGENCE,
        OSCILLATION,
        OVERFITTING,
    }


def test_a_new_metric_starts_a_new_ranking() -> None:
    """First the lowest error is best, then the lowest distance; earlier checks no longer compete."""
    health = HealthMonitor(HealthSettings(), TOTAL)
    errors, distances = [9.0, 7.0, 8.0, 8.5, 8.6], [5.0, 5.0, 5.0, 4.0, 4.5]
    for k, (rmse, fid) in enumerate(zip(errors, distances, strict=True)):
        assert (
            health.check({"rmse": rmse, "fid": fid, "images": 100 * (k + 1), "step": k + 1}, "rmse" if k < 3 else "fid")
            == []
        )
        assert health.best == [100, 200, 200, 400, 400][k]
    again = HealthMonitor(HealthSettings(), TOTAL)
    again.restore(json.loads(json.dumps(health.state())))
    again.check({"rmse": 99.0, "fid": 3.0, "images": 600, "step": 6}, "fid")
    assert again.best == 600
    assert not again.events, "an error that rises under another metric is no divergence"


def test_divergence_is_detected_in_the_metric() -> None:
    health = HealthMonitor(HealthSettings(), TOTAL, {"rmse": "error of the restored images"})
    found = [
        health.check({"rmse": 30.0 if k >= 6 else 5.0, "fid": 1.0, "images": 100 * (k + 1), "step": k + 1}, "rmse")
        for k in range(9)
    ]
    assert [symptom.name for symptom in found[-1]] == [DIVERGENCE]
    assert "error of the restored images rose from 5 to 30" in found[-1][0].evidence


def test_advice_of_variants_names_existing_failure_modes_and_settings() -> None:
    """Every model.KEY in it is a setting of a variant of the family."""
    for family in (("srgan", "denoise"), ("pix2pix", "cyclegan", "drit")):
        kinds: list[Any] = [VARIANTS[name].settings for name in family]
        known = {name for kind in kinds for name in kind.model_fields}
        known |= {f"weights.{name}" for kind in kinds for name in kind.model_fields["weights"].annotation.model_fields}
        for advice in (network_class(name).advice for name in family):
            assert set(advice) <= set(ADVICE)
            assert set(re.findall(r"model\.([a-z_0-9.]+[a-z0-9])", " ".join(advice.values()))) <= known
    symptom = Symptom(PARTIAL_COLLAPSE, "evidence")
    assert "model.penalties" in str(Unhealthy(symptom, 9, {}))
    assert str(Unhealthy(symptom, 9, network_class("cyclegan").advice)).endswith("cycle or cross_cycle")
