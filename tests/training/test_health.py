"""Signs, symptoms and events, from numbers whose story is known."""

import json
import math
import re
from typing import Any

import pytest
import torch

from pipeline.gans.registry import VARIANTS, network_class
from pipeline.training.health import (
    ADVICE,
    COMPLETE,
    DIVERGENCE,
    OSCILLATION,
    OVERFITTING,
    PARTIAL,
    VANISHING,
    Health,
    Sign,
    Unhealthy,
)
from pipeline.training.settings import HealthSettings

TOTAL = 4000
WELL = {
    "fid": 1.0,
    "diversity": 1.0,
    "distance": 1.0,
    "near_duplicates": 0.01,
    "classes": 1.0,
    "d_accuracy": 0.7,
    "grad_norm_generator": 1.0,
    "overfitting": 0.1,
}


def run(looks: list[dict[str, float]], **settings: Any) -> tuple[Health, list[list[Sign]]]:
    """Looks every 100 images, each WELL but for what it names."""
    health = Health(HealthSettings(**settings), TOTAL)
    return health, [
        health.look({**WELL, **look, "images": 100 * (k + 1), "step": k + 1}) for k, look in enumerate(looks)
    ]


def names(found: list[list[Sign]]) -> list[list[str]]:
    return [[sign.name for sign in signs] for signs in found]


def test_a_healthy_training_shows_nothing() -> None:
    health, found = run([{"fid": fid} for fid in (9, 5, 3, 2, 1.5, 1.6, 1.4, 1.5, 1.45)])
    assert not any(found)
    assert health.events == []
    assert (health.best, health.well) == (700, 900)


BROKEN = [
    ({"near_duplicates": 0.5}, PARTIAL),
    ({"diversity": 0.4}, PARTIAL),
    ({"diversity": 0.7}, PARTIAL),  # a fall from 1.0
    ({"classes": 0.7}, PARTIAL),
    ({"d_accuracy": 0.995, "grad_norm_generator": 0.01}, VANISHING),
    ({"fid": 4.0}, DIVERGENCE),
    ({"overfitting": 0.9}, OVERFITTING),
]


@pytest.mark.parametrize(("numbers", "name"), BROKEN)
def test_a_sign_becomes_a_symptom_when_it_stays(numbers: dict[str, float], name: str) -> None:
    health, found = run([{}] * 4 + [numbers] * 3 + [{}])
    assert names(found) == [[], [], [], [], [], [], [name], []]
    assert (health.best, health.well) == (800, 800), "of equals the last"
    assert found[6][0].evidence
    _, interrupted = run([{}] * 4 + [numbers, numbers, {}, numbers, numbers])
    assert not any(interrupted), "two looks in a row are not three"


@pytest.mark.parametrize(
    ("numbers", "name"),
    [({"distance": 0.02}, COMPLETE), ({"fid": math.nan}, DIVERGENCE), ({"grad_norm_generator": math.inf}, DIVERGENCE)],
)
def test_what_is_grave_does_not_wait(numbers: dict[str, float], name: str) -> None:
    health, found = run([{}] * 4 + [numbers])
    assert names(found)[-1] == [name]
    assert found[-1][0].grave
    assert (health.best, health.well) == (400, 400)


@pytest.mark.parametrize("numbers", [*(numbers for numbers, _ in BROKEN), {"distance": 0.02}])
def test_a_beginning_is_not_a_collapse(numbers: dict[str, float]) -> None:
    health, found = run([numbers] * 3)
    assert not any(found)
    assert health.events == []


def test_who_was_never_healthy_has_a_grace() -> None:
    """A slow start is left alone for a quarter of the training; who was healthy once has none."""
    _, found = run([{"distance": 0.01}] * 12)
    assert [bool(signs) for signs in found] == [False] * 10 + [True] * 2
    _, found = run([{}] + [{"distance": 0.01}] * 5)
    assert [bool(signs) for signs in found] == [False] * 3 + [True] * 3


def test_while_it_improves_a_symptom_is_told_only() -> None:
    """Near-duplicates stay, but the distance falls: told once; acted upon when it has not fallen for as long as patience is."""
    health, found = run(
        [{"near_duplicates": 0.9, "fid": 9 - k} for k in range(6)] + [{"near_duplicates": 0.9, "fid": 5.0}] * 4,
        grace=0.0,
    )
    assert [bool(signs) for signs in found] == [False] * 7 + [True] * 3
    assert [(event.images, event.response) for event in health.events] == [(400, "told")]


def test_one_look_that_is_not_finite_at_the_start_does_wait() -> None:
    _, found = run([{"fid": math.nan}, {}, {}, {}, {}])
    assert not any(found)


@pytest.mark.parametrize(
    "numbers", [{"d_accuracy": 0.995}, {"grad_norm_generator": 0.01}, {"d_accuracy": 0.98, "grad_norm_generator": 0.0}]
)
def test_a_strong_discriminator_or_a_small_gradient_alone_is_none(numbers: dict[str, float]) -> None:
    assert not any(run([{}] * 4 + [numbers] * 5)[1])


def test_variants_without_labels_or_a_discriminator_are_judged_by_the_rest() -> None:
    health = Health(HealthSettings(), TOTAL)
    few = {name: WELL[name] for name in ("fid", "diversity", "distance", "near_duplicates")}
    for k in range(8):
        found = health.look({**few, "images": 100 * k, "step": k} | ({"near_duplicates": 0.9} if k >= 5 else {}))
    assert [sign.name for sign in found] == [PARTIAL]


def test_oscillation_is_told_once_and_not_treated() -> None:
    swinging = [{"fid": value} for value in (1.0, 0.9, 1.2, 2.6, 1.0, 2.6, 1.0, 2.6, 1.1, 2.6, 1.1, 2.6, 1.1)]
    health, found = run(swinging)
    assert not any(found)
    assert [event.symptom for event in health.events] == [OSCILLATION]
    assert "swings by" in health.events[0].evidence


def test_the_best_is_the_least_distance_without_a_sign() -> None:
    health, _ = run([{"fid": 3.0}, {"fid": 2.0}, {"fid": 1.0, "near_duplicates": 0.9}, {"fid": 2.5}])
    assert (health.best, health.well) == (200, 400)


def test_within_chance_of_the_least_the_later_is_the_best() -> None:
    """Of looks that cannot be told apart the one that trained longer; but chance never adds up to a slow decline."""
    health, _ = run([{"fid": fid, "fid_error": 0.1} for fid in (2.0, 1.0, 1.09, 1.05, 1.11, 1.2)])
    assert health.best == 400


def test_stalling() -> None:
    health, _ = run([{"fid": 2.0}, {"fid": 1.0}, {"fid": 1.1}, {"fid": 1.1}], early_stopping_images=300)
    before = health.stalled
    health.look({**WELL, "fid": 1.2, "images": 500, "step": 5})
    assert (before, health.stalled) == (False, True)
    assert not run([{"fid": 2.0}] * 9)[0].stalled


def test_after_a_response_patience_begins_anew() -> None:
    health, found = run([{}] * 4 + [{"near_duplicates": 0.9}] * 3)
    assert found[-1]
    health.treated(700)
    more = [health.look({**WELL, "near_duplicates": 0.9, "images": 1000 + k, "step": 10 + k}) for k in range(3)]
    assert [bool(signs) for signs in more] == [False, False, True]


def test_state_goes_through_a_checkpoint(tmp_path: Any) -> None:
    """Half the looks, saved and restored, then the rest: as if never interrupted."""
    looks = [
        {**WELL, "fid": 9.0, "images": 100 * k, "step": k} | ({"diversity": 0.3} if k > 6 else {}) for k in range(12)
    ]
    whole, halves = Health(HealthSettings(), TOTAL), Health(HealthSettings(), TOTAL)
    expected = [whole.look(look) for look in looks]
    found = [halves.look(look) for look in looks[:8]]
    halves.note(looks[7], Sign(PARTIAL, "seen"), "told")
    torch.save(halves.state(), tmp_path / "state.pt")
    again = Health(HealthSettings(), TOTAL)
    again.restore(torch.load(tmp_path / "state.pt", weights_only=True))
    found += [again.look(look) for look in looks[8:]]
    assert found == expected
    assert [str(event) for event in again.events] == ["700 images (step 7): mode collapse: seen; told"]
    json.dumps(again.state())


def test_every_symptom_has_advice() -> None:
    assert set(ADVICE) == {COMPLETE, PARTIAL, VANISHING, DIVERGENCE, OSCILLATION, OVERFITTING}


def test_a_new_goal_begins_a_new_ranking() -> None:
    """Of the first part the least error counts, of the second the least distance; what was best before is best no more."""
    health = Health(HealthSettings(), TOTAL)
    errors, distances = [9.0, 7.0, 8.0, 8.5, 8.6], [5.0, 5.0, 5.0, 4.0, 4.5]
    for k, (rmse, fid) in enumerate(zip(errors, distances, strict=True)):
        assert (
            health.look({"rmse": rmse, "fid": fid, "images": 100 * (k + 1), "step": k + 1}, "rmse" if k < 3 else "fid")
            == []
        )
        assert health.best == [100, 200, 200, 400, 400][k]
    again = Health(HealthSettings(), TOTAL)
    again.restore(json.loads(json.dumps(health.state())))
    again.look({"rmse": 99.0, "fid": 3.0, "images": 600, "step": 6}, "fid")
    assert again.best == 600
    assert not again.events, "an error that rose under another goal is no divergence"


def test_divergence_is_seen_in_the_goal() -> None:
    health = Health(HealthSettings(), TOTAL, {"rmse": "error of the restored images"})
    found = [
        health.look({"rmse": 30.0 if k >= 6 else 5.0, "fid": 1.0, "images": 100 * (k + 1), "step": k + 1}, "rmse")
        for k in range(9)
    ]
    assert [sign.name for sign in found[-1]] == [DIVERGENCE]
    assert "error of the restored images is 30" in found[-1][0].evidence


def test_a_variant_s_own_advice_is_for_symptoms_there_are_and_names_settings_it_has() -> None:
    """Whatever is named as model.KEY, or beside it in a list, is a key of each such variant, or of one of its family."""
    for family in (("srgan", "denoise"), ("pix2pix", "cyclegan", "drit")):
        kinds: list[Any] = [VARIANTS[name].settings for name in family]
        known = {name for kind in kinds for name in kind.model_fields}
        known |= {f"weights.{name}" for kind in kinds for name in kind.model_fields["weights"].annotation.model_fields}
        for advice in (network_class(name).advice for name in family):
            assert set(advice) <= set(ADVICE)
            assert set(re.findall(r"model\.([a-z_0-9.]+[a-z0-9])", " ".join(advice.values()))) <= known
    sign = Sign(PARTIAL, "shown")
    assert "model.penalties" in str(Unhealthy(sign, 9, {}))
    assert str(Unhealthy(sign, 9, network_class("cyclegan").advice)).endswith("cycle or cross_cycle")
