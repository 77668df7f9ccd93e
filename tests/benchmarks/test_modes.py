"""Benchmarks with known truth: metrics against closed forms, and a few training steps of every recipe."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.modes import gaussians, stacked_digits
from benchmarks.modes.metrics import OFF, coverage_of_points, coverage_of_triples, divergence
from benchmarks.modes.mixtures import MIXTURES
from benchmarks.modes.points import PointDiscriminator, Points
from benchmarks.modes.triples import EVALUATED_TRIPLES, TripleClassifier, Triples, digits

GRID, RING = MIXTURES["grid"], MIXTURES["ring"]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def classifier() -> TripleClassifier:
    return TripleClassifier(CPU)


def test_the_mixtures_match_the_papers() -> None:
    assert RING.means.shape == (8, 2)
    np.testing.assert_allclose(np.linalg.norm(RING.means, axis=1), 1)
    assert np.linalg.norm(RING.means[0] - RING.means[1]) == pytest.approx(2 * math.sin(math.pi / 8))
    assert RING.sigma == 0.01
    assert {tuple(mean) for mean in GRID.means} == {(x, y) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)}
    assert GRID.sigma == 0.05
    assert GRID.scale == pytest.approx(math.sqrt(8))


@pytest.mark.parametrize("name", ["ring", "grid"])
def test_the_mixture_itself_is_a_perfect_sampler(name: str) -> None:
    found = coverage_of_points(MIXTURES[name].draw(200_000, np.random.default_rng(0)), MIXTURES[name])
    assert found.modes == found.total
    assert found.quality == pytest.approx(1 - math.exp(-4.5), abs=9e-4), "P(|x - mean| <= 3 sigma) in the plane"
    assert 0 <= found.kl < 3e-4


def test_the_kl_of_a_single_mode_is_the_logarithm_of_its_share() -> None:
    found = coverage_of_points(np.repeat(GRID.means[:1], 100, axis=0), GRID)
    assert (found.modes, found.quality) == (1, 1.0)
    assert found.kl == pytest.approx(math.log(25 / (1 - OFF)))


def test_points_far_from_all_modes_have_their_own_bin() -> None:
    far = coverage_of_points(np.full((50, 2), 1.0), GRID)
    assert (far.modes, far.quality) == (0, 0.0)
    assert far.kl == pytest.approx(4.5), "-ln OFF"
    half = coverage_of_points(np.concatenate([GRID.means, np.full((24, 2), 1.0), [[np.nan, 0.0]]]), GRID)
    assert (half.modes, half.quality) == (25, 0.5)
    assert half.kl == pytest.approx(0.5 * math.log(0.5 / (1 - OFF)) + 0.5 * math.log(0.5 / OFF))


def test_high_quality_ends_at_three_sigma() -> None:
    inside, outside = GRID.means[7] + [0.1499, 0], GRID.means[7] + [0.1501, 0]
    assert coverage_of_points(inside[None], GRID).quality == 1
    assert coverage_of_points(outside[None], GRID).quality == 0


def test_the_divergence_by_hand() -> None:
    truth = np.array([0.5, 0.25, 0.25])
    assert divergence(np.array([2, 1, 1]), truth) == 0
    assert divergence(np.array([3, 1, 0]), truth) == pytest.approx(0.75 * math.log(1.5))
    with pytest.raises(ValueError, match="no samples"):
        divergence(np.zeros(3, dtype=np.int64), truth)


def test_the_digits_of_a_triple_give_its_mode() -> None:
    every = np.stack(np.meshgrid(*[np.arange(10)] * 3), axis=-1).reshape(-1, 3)
    assert coverage_of_triples(every).modes == 1000
    assert coverage_of_triples(every).kl == pytest.approx(0, abs=1e-12)
    swapped = coverage_of_triples(np.array([[1, 2, 3], [3, 2, 1]]))
    assert swapped.modes == 2, "the order of the channels counts"
    assert swapped.kl == pytest.approx(math.log(500))


def test_uniform_triples_reach_the_published_floor() -> None:
    floor = [coverage_of_triples(np.random.default_rng(seed).integers(10, size=(26_000, 3))).kl for seed in range(20)]
    assert np.mean(floor) == pytest.approx(0.0193, abs=0.0005)
    assert np.mean(floor) == pytest.approx(999 / (2 * 26_000), rel=0.02), (
        "the bias of a histogram's entropy (Miller 1955)"
    )


@pytest.mark.slow
def test_the_classifier_generalises_and_real_triples_nearly_reach_the_floor(classifier: TripleClassifier) -> None:
    assert classifier.accuracy >= 0.97
    found = classifier.evaluate_true_sampler(0)
    assert found.modes == 1000
    assert 0.018 < found.kl < 0.026, "the floor plus the effect of unequal class shares"


def test_training_and_held_out_digits_are_disjoint() -> None:
    train, held_out = digits()
    assert (len(train), len(held_out)) == (1438, 359)
    kept = {image.tobytes() for image in train.pixels}
    assert sum(image.tobytes() in kept for image in held_out.pixels) == 0
    assert np.abs(np.bincount(train.labels) / len(train) - 0.1).max() < 0.01


@pytest.mark.slow
def test_the_channels_of_a_triple_are_the_digits_of_its_label(classifier: TripleClassifier) -> None:
    triples = Triples(classifier.train, 500, seed=3)
    assert triples.pixels.shape == (500, 8, 8, 3)
    named = np.stack(
        [classifier.classify(np.ascontiguousarray(triples.pixels[..., k : k + 1])) for k in range(3)], axis=1
    )
    assert np.mean(named @ np.array([100, 10, 1]) == triples.labels) > 0.98
    assert (triples.pixels == Triples(classifier.train, 500, seed=3).pixels).all()
    assert (triples.pixels != Triples(classifier.train, 500, seed=4).pixels).any()


def test_all_points_of_a_pack_share_the_fourier_features() -> None:
    torch.manual_seed(0)
    network = PointDiscriminator(packing=3)
    points = torch.randn(5, 6)
    features = torch.cat([network.sines(points[:, k : k + 2]) for k in (0, 2, 4)], dim=1)
    torch.testing.assert_close(network(points), network.layers(features)[:, 0])


def test_points_have_unit_variance_and_resume() -> None:
    batches = Points(GRID, 10_000, CPU, seed=1)
    assert batches.next(5000)["item"].square().mean().sqrt() == pytest.approx(1, abs=0.03)
    state = batches.state()
    expected = batches.next(7)["item"]
    batches.restore(state)
    assert torch.equal(batches.next(7)["item"], expected)


def test_every_recipe_for_gaussians_trains_and_appears_in_the_report(tmp_path: Path) -> None:
    runs = [
        gaussians.run(recipe, mixture, seed=0, device="cpu", steps=3)
        for recipe in gaussians.RECIPES
        for mixture in MIXTURES
    ]
    again = gaussians.run("r3gan", "grid", seed=0, device="cpu", steps=3)
    assert (again.points == next(one for one in runs if (one.recipe, one.mixture) == ("r3gan", "grid")).points).all(), (
        "a seed determines the run"
    )
    assert all(one.points.shape == (2500, 2) and np.isfinite(one.points).all() for one in runs)
    text = gaussians.report(runs, seeds=1, place="here")
    assert text.count("\n| ") == 2 * len(gaussians.RECIPES) + 3
    assert text.count("a perfect sampler") == 2
    gaussians.draw_picture(runs, tmp_path / "gaussians.png")
    assert (tmp_path / "gaussians.png").stat().st_size < 300_000


@pytest.mark.slow
def test_every_recipe_for_stacked_digits_trains_and_appears_in_the_report(
    classifier: TripleClassifier, tmp_path: Path
) -> None:
    runs = [stacked_digits.run(recipe, 0, classifier, CPU, images=128, n=64) for recipe in stacked_digits.RECIPES]
    assert all(one.sheet.shape == (64, 8, 8, 3) and 1 <= one.coverage.modes <= 64 for one in runs)
    text = stacked_digits.report(
        runs,
        classifier,
        [coverage_of_triples(Triples(classifier.train, 64, 0).labels[:, None] // np.array([100, 10, 1]) % 10)],
        "here",
    )
    assert text.count("\n| ") == len(stacked_digits.RECIPES) + 1
    stacked_digits.draw_picture(runs, classifier, tmp_path / "stacked_digits.png")
    assert (tmp_path / "stacked_digits.png").stat().st_size < 300_000


@pytest.mark.slow
def test_a_generator_that_repeats_one_triple_gets_the_worst_kl(classifier: TripleClassifier) -> None:
    found = classifier.coverage(
        np.repeat(classifier.train.pixels[:1], 3, axis=3).repeat(EVALUATED_TRIPLES // 100, axis=0)
    )
    assert found.modes == 1
    assert found.kl == pytest.approx(math.log(1000))


@pytest.mark.parametrize("module", [gaussians, stacked_digits])
def test_invalid_counts_are_rejected(module: object, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        module.arguments(["--seeds", "0"])  # type: ignore[attr-defined]
    assert "--seeds must be at least 1" in capsys.readouterr().err
