"""The judgement of translations: distances against closed forms, the verdict and its words, the rows of the report."""

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.arrays import Float32Array
from pipeline.evaluation.extractors.random_network import random_network
from pipeline.tasks.translate.settings import TranslationGate
from pipeline.tasks.translate.translation_measures import (
    EXPLAINED,
    REAL,
    Way,
    apart,
    applicable,
    dependence,
    diversity,
    fidelity,
    judge,
    metrics,
    protocol,
    repetition,
    rows,
)

GOOD: dict[str, float | None] = {
    "fid": 2.0,
    "input_fid": 9.0,
    "fid_null": 1.0,
    "fid_ratio": 2 / 9,
    "fid_excess": 0.125,
    "kid": 0.01,
    "input_kid": 0.2,
    "dependence": 0.9,
    "repeats": 0.02,
    "repeats_null": 0.01,
    "cycle_error": 8.0,
    "unrelated": 60.0,
    "cycle_ratio": 8 / 60,
    "identity_error": 5.0,
    "change": 30.0,
}
EVERY = applicable(back=True, styles=False, paired=False)


def way(
    name: str = "a_to_b",
    title: str = "horse to deer",
    held_to: list[str] = EVERY,
    nonfinite: int = 0,
    **numbers: float | None,
) -> Way:
    return Way(name, title, held_to, 200, nonfinite, GOOD | numbers)


def normal(n: int, seed: int, d: int = 6, shift: float = 0.0) -> Float32Array:
    return (np.random.default_rng(seed).normal(size=(n, d)) + shift).astype(np.float32)


def test_distances_are_those_of_normal_distributions() -> None:
    """Of N(s, I) to N(0, I) in d dimensions it is d s^2."""
    found = fidelity(normal(800, 1, shift=1), normal(800, 2, shift=3), normal(800, 3), normal(800, 4), 0)
    assert found["n_compared"] == 800
    assert found["fid"] == pytest.approx(6, rel=0.1)
    assert found["input_fid"] == pytest.approx(54, rel=0.1)
    assert found["fid_ratio"] == pytest.approx(1 / 9, rel=0.15)
    assert found["fid_excess"] == pytest.approx(1 / 9, rel=0.15)
    assert found["fid_null"] is not None
    assert found["fid_null"] < 0.1
    assert found["kid"] is not None
    assert found["input_kid"] is not None
    assert 0 < found["kid"] < found["input_kid"]


def test_idle_and_perfect_are_1_and_0_whatever_the_size() -> None:
    for n in (40, 400):
        given, target, train = normal(n, 1, shift=1), normal(n, 2), normal(4 * n, 3)
        idle = fidelity(given, given, target, train, 0)
        assert (idle["fid_ratio"], idle["fid_excess"]) == (1, 1)
        found = fidelity(normal(n, 5), given, target, train, 0)["fid_excess"]
        assert found == pytest.approx(0, abs=0.08), "the bias of few images is in all three distances"


def test_sides_that_cannot_be_told_apart_are_not_tested() -> None:
    found = fidelity(normal(100, 1), normal(100, 2), normal(100, 3), normal(400, 4), 0)
    assert found["fid_excess"] is None
    verdict = judge([replace(way(), numbers={**GOOD, **found})], TranslationGate())
    assert verdict.word == "pass"
    assert "no farther from the target side" in verdict.skipped[0]
    assert fidelity(normal(9, 1), normal(9, 2), normal(100, 3), normal(100, 4), 0) == {}


def test_repetition_counts_what_lies_much_nearer_than_real_images_do() -> None:
    real, given = normal(200, 1), normal(200, 2)
    assert repetition(normal(200, 3), given, real) == {"repeats": 0, "repeats_null": 0}
    assert repetition(normal(200, 3) * 0.6, given, real)["repeats"] == pytest.approx(0, abs=0.05), (
        "smoother is not yet repeated"
    )
    prototypes = normal(20, 4)[np.arange(200) % 20] + 0.001 * normal(200, 5)
    assert repetition(prototypes, given, real) == {"repeats": 1, "repeats_null": 0}
    twice = np.concatenate([given[:100], given[:100]])
    assert repetition(prototypes, twice, real)["repeats_null"] == 0, (
        "where every input comes twice the usual distance is 0"
    )
    some = np.concatenate([given[:180], given[:20]])
    assert repetition(some, some, real) == {"repeats": 0.2, "repeats_null": 0.2}
    assert repetition(real[:5], given, real) == {}


def test_distances_between_pairs() -> None:
    x = normal(30, 1)
    every = [float(np.linalg.norm(a - b)) for a, b in combinations(x.astype(np.float64), 2)]
    assert apart(x) == pytest.approx(np.mean(every))
    assert apart(x[:1]) == 0
    assert dependence(x, x, x) == {"dependence": 0}
    assert dependence(x, x + 1, x)["dependence"] == pytest.approx(np.sqrt(6) / np.mean(every))
    assert dependence(x[:0], x[:0], x) == {"dependence": None}
    assert dependence(x, x + 1, np.ones_like(x)) == {"dependence": None}
    alike = np.repeat(x[:, None], 4, axis=1)
    assert diversity(alike, x) == {
        "diversity": 0,
        "diversity_real": pytest.approx(np.mean(every)),
        "diversity_ratio": 0,
    }
    assert diversity(np.stack([x, 2 * x], axis=1), x)["diversity"] == pytest.approx(np.linalg.norm(x, axis=1).mean())


def test_a_direction_is_held_to_what_it_can_be() -> None:
    assert applicable(back=False, styles=False, paired=False) == ["fid_excess", "dependence", "repeats"]
    assert set(applicable(back=True, styles=True, paired=False)) - {"diversity_ratio", "cycle_ratio"} == {
        "fid_excess",
        "dependence",
        "repeats",
    }
    assert set(applicable(back=True, styles=True, paired=True)) == set(TranslationGate.model_fields)


@pytest.mark.parametrize(
    ("numbers", "name", "words"),
    [
        (
            {"fid_excess": 0.9},
            "fid_excess",
            "not like the target side (horse to deer): fid_excess 0.9 where <= 0.8 passes and real images show 0. Train longer",
        ),
        ({"fid_excess": 1.0, "change": 0.4}, "fid_excess", "it hands on its input (horse to deer): fid_excess 1 where"),
        ({"cycle_ratio": 0.7}, "cycle_ratio", "content is lost (horse to deer): cycle_ratio 0.7 where <= 0.6 passes. "),
        (
            {"dependence": 0.1},
            "dependence",
            "mode collapse (horse to deer): the generator ignores its input: dependence 0.1 where >= 0.25 passes",
        ),
        (
            {"repeats": 0.5},
            "repeats",
            "mode collapse (horse to deer): it makes fewer different images than there are real ones: repeats 0.5 where <= 0.1 + null",
        ),
        (
            {"psnr_gain": -1.0},
            "psnr_gain",
            "no nearer to the partner than the input (horse to deer): psnr_gain -1 where >= 0 passes",
        ),
        (
            {"diversity_ratio": 0.0},
            "diversity_ratio",
            "styles without effect (horse to deer): diversity_ratio 0 where >= 0.05 passes",
        ),
    ],
)
def test_it_passes_and_fails_by_every_bound(numbers: dict[str, float], name: str, words: str) -> None:
    every = list(TranslationGate.model_fields)
    good = way(held_to=every, psnr_gain=3.0, diversity_ratio=0.3)
    assert judge([good], TranslationGate()).word == "pass"
    bad = replace(good, numbers={**good.numbers, **numbers})
    verdict = judge([bad], TranslationGate())
    assert verdict.failed == [f"{name} (horse to deer)"]
    assert len(verdict.reasons) == 1
    assert verdict.reasons[0].startswith(words)
    off: dict[str, Any] = {name: None}
    assert judge([bad], TranslationGate(**off)).word == "pass"


def test_few_repeats_by_chance_do_not_fail() -> None:
    few = replace(way(repeats=0.2, repeats_null=0.0), images=10)
    assert judge([few], TranslationGate()).word == "pass"
    assert judge([replace(few, images=500)], TranslationGate()).word == "fail"


def test_collapse_explains_what_fails_with_it_and_advice_is_given_once() -> None:
    bad = way(dependence=0.01, repeats=1.0, cycle_ratio=0.9, fid_excess=12.0)
    verdict = judge([bad, replace(bad, name="b_to_a", title="deer to horse")], TranslationGate())
    first, second = verdict.reasons
    assert first.startswith("mode collapse (horse to deer): the generator ignores its input: dependence 0.01")
    assert "(with it fid_excess 12" in first
    assert "Raise the weight" in first
    assert second.startswith("mode collapse (deer to horse): ")
    assert "Raise the weight" not in second


def test_images_that_are_not_finite_fail() -> None:
    verdict = judge([way(nonfinite=3)], TranslationGate())
    assert verdict.failed == ["finite images (horse to deer)"]
    assert verdict.reasons == [
        "non-finite images (horse to deer): 3 of 200 hold NaN or Inf; the generator diverged. Try a lower train.learning_rate"
    ]
    nothing = Way("a_to_b", "horse to deer", EVERY, 200, 200, {})
    verdict = judge([nothing], TranslationGate())
    assert all(text.endswith(": no finite image") for text in verdict.skipped)
    assert len(verdict.skipped) == len(EVERY)
    assert metrics([nothing]) == {"images": 200, "nonfinite": 200}
    assert rows([nothing], verdict, {})


def test_metrics_are_flat_means_and_each_direction() -> None:
    flat = metrics([way(), way("b_to_a", "deer to horse", fid=4.0, kid=None)])
    assert (flat["fid"], flat["fid_a_to_b"], flat["fid_b_to_a"]) == (3.0, 2.0, 4.0)
    assert (flat["kid"], flat["kid_b_to_a"]) == (0.01, None)
    assert flat["images"] == 400
    assert metrics([way()])["fid_a_to_b"] == 2.0


def test_rows_show_what_to_compare_with_and_the_run_before() -> None:
    ways = [way(), way("b_to_a", "deer to horse")]
    table = {
        row.name: row
        for row in rows(
            ways, judge(ways, TranslationGate()), {"fid_b_to_a": 7.5, "fid_excess_b_to_a": 0.5, "kid_b_to_a": None}
        )
    }
    fid = table["fid (deer to horse)"]
    assert (fid.value, fid.null, fid.before, fid.state) == ("2", "1", "7.5", "")
    held = table["fid_excess (deer to horse)"]
    assert (held.value, held.null, held.before, held.bound, held.state) == ("0.125", "0", "0.5", "<= 0.8", "pass")
    assert (table["cycle_error (horse to deer)"].null, table["kid (deer to horse)"].before) == ("60", "")
    assert all(name.split(" (")[0] in EXPLAINED for name in table)


def test_the_protocol_says_what_a_distance_is_of() -> None:
    spec = random_network(3, torch.device("cpu")).spec
    text = protocol([way(n_compared=150.0), way("b_to_a")], spec, ("f" * 64, "e" * 64), 7, 8)
    for part in (
        "measure=fd_random_",
        "real=test:ffffffff",
        "null=test+train:eeeeeeee",
        "ways=a_to_b 200, b_to_a 200",
        "n=150, 0",
        "seed=7",
        "styles=8",
    ):
        assert part in text


def test_the_gate_s_bounds_are_explained() -> None:
    assert set(REAL) <= set(TranslationGate.model_fields) <= set(EXPLAINED)
