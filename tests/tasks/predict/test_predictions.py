"""Predictions whose quality is known: the gate passes real frames, and names what is wrong with others."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.arrays import UInt8Array
from pipeline.evaluation.reference import Ratio
from pipeline.media.video.moving_digits import draw_clip
from pipeline.tasks.parts import apply_gate, measure_part
from pipeline.tasks.predict.prediction_measures import MEASURES
from pipeline.tasks.predict.predictions import Predictions, psnr
from pipeline.tasks.predict.settings import PredictionGate

PAST, FRAMES, N = 4, 10, 60
CLIPS = np.stack([draw_clip("test", number, 2, FRAMES, (32, 32)) for number in range(N)])
REAL = CLIPS[:, PAST:]
RNG = np.random.default_rng(0)


def predictions(predicted: UInt8Array) -> Predictions:
    return Predictions(CLIPS[:, :PAST], predicted, REAL, CLIPS.mean(axis=(0, 1)))


def noisy(frames: UInt8Array, strength: float) -> UInt8Array:
    return np.clip(frames + RNG.normal(0, strength, frames.shape), 0, 255).astype(np.uint8)


def blurred(frames: UInt8Array, reach: int) -> UInt8Array:
    shifted = [
        np.roll(frames, (dy, dx), axis=(2, 3)) for dy in range(-reach, reach + 1) for dx in range(-reach, reach + 1)
    ]
    return np.asarray(np.mean(shifted, axis=0), dtype=np.uint8)


def falling_apart() -> UInt8Array:
    frames = REAL.copy()
    frames[:, 2:] = np.roll(frames[:, 2:], 7, axis=3)
    return frames


def broken_in_part() -> UInt8Array:
    frames = REAL.copy()
    frames[:12] = REAL[12:24]
    return frames


BROKEN = {
    "frozen": np.repeat(CLIPS[:, PAST - 1 : PAST], FRAMES - PAST, axis=1),
    "blurred": blurred(REAL, 2),
    "artefacts": noisy(REAL, 30),
    "broken clips": broken_in_part(),
    "errors grow with the horizon": falling_apart(),
    "no better than a prediction without learning": np.roll(REAL, 6, axis=2),
    "too much motion": np.where((np.arange(6) % 2 == 0)[None, :, None, None, None], REAL, 255 - REAL),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_predictions_are_named(name: str) -> None:
    part = measure_part(predictions(BROKEN[name]), MEASURES, "", "")
    verdict = apply_gate([part], PredictionGate())
    assert verdict.outcome["verdict"] == "fail"
    assert verdict.outcome["reasons"][0].startswith(name)


@pytest.mark.parametrize("strength", [0, 5])
def test_good_predictions_pass(strength: float) -> None:
    part = measure_part(predictions(noisy(REAL, strength)), MEASURES, "", "")
    verdict = apply_gate([part], PredictionGate())
    assert verdict.outcome["verdict"] == "pass"
    assert part.values["gain_first"] > 10
    assert part.values["sharpness"] == pytest.approx(1, abs=0.25)


def test_small_errors_in_still_clips_are_not_broken() -> None:
    """Half of the clips are still, so a copy is exact; faint noise is worse than that by many decibels."""
    given, wanted = CLIPS[:, :PAST].copy(), REAL.copy()
    given[::2], wanted[::2] = CLIPS[::2, :1], CLIPS[::2, :1]
    data = Predictions(given, noisy(wanted, 5), wanted, CLIPS.mean(axis=(0, 1)))
    assert (data.gains[::2, 0] < -3).all()
    part = measure_part(data, MEASURES, "", "")
    assert part.values["broken_clips"] == 0
    assert "broken clips" not in str(apply_gate([part], PredictionGate()).outcome["reasons"])


@pytest.mark.parametrize(("distance", "verdict"), [(1.0, "pass"), (2.9, "pass"), (3.1, "fail")])
def test_frames_unlike_real_ones_fail_however_sharp_they_are(distance: float, verdict: str) -> None:
    data = replace(predictions(REAL), realism=Ratio(100, distance, 1.0, 0.1))
    outcome = apply_gate([measure_part(data, MEASURES, "", "")], PredictionGate()).outcome
    assert outcome["verdict"] == verdict
    assert [reason.split(":")[0] for reason in outcome["reasons"]] == ["unreal frames"] * (verdict == "fail")


def test_black_frames_beat_copies_and_are_no_success() -> None:
    data = predictions(np.zeros_like(REAL))
    copies = data.baselines["a copy of the last frame"].mean(axis=0)
    assert (data.scores.mean(axis=0)[2:] > copies[2:]).all()
    assert (data.gains.mean(axis=0) <= 1e-9).all()
    assert data.best[0] != data.best[-1] or "copy" not in data.best[0]
    part = measure_part(data, MEASURES, "", "")
    assert apply_gate([part], PredictionGate()).outcome["verdict"] == "fail"


def test_frames_between_are_compared_with_the_blend() -> None:
    given = np.stack([CLIPS[:, [k - 1, k + 1]] for k in (1, 3)], axis=1).reshape(-1, 2, 32, 32, 1)
    wanted = CLIPS[:, [1, 3]].reshape(-1, 1, 32, 32, 1)
    blend = given.mean(axis=1, keepdims=True).astype(np.uint8)
    data = Predictions(given, blend, wanted, CLIPS.mean(axis=(0, 1)), between=True)
    assert data.best == ["the mean of the given frames"]
    assert data.gains.mean() == pytest.approx(0, abs=0.05)
    assert data.provides == frozenset()
    part = measure_part(data, MEASURES, "", "")
    assert "gain_last" not in part.values
    assert data.metrics() == {}


def test_specks_do_not_hide_a_blur() -> None:
    """Faint specks all over a blurred frame bring back the mean difference of neighbours, and nothing that is seen."""
    data = predictions(noisy(blurred(REAL, 2), 9))
    part = measure_part(data, MEASURES, "", "")
    assert part.values["sharpness"] >= 0.7
    assert part.values["edge_strength"] < 0.7
    assert "blurred: edge_strength" in apply_gate([part], PredictionGate()).outcome["reasons"][0]


def test_a_blur_costs_edges_more_strength_than_number() -> None:
    data = predictions(blurred(REAL, 1))
    assert data.edge_strength < data.sharpness < 0.9
    assert predictions(REAL).edge_strength == 1


def test_psnr_of_equal_frames_is_finite() -> None:
    assert psnr(REAL, REAL).max() == pytest.approx(54.15, abs=0.01)
    assert psnr(np.full_like(REAL, 0), np.full_like(REAL, 255))[0, 0] == 0
