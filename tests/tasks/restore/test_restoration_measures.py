"""Measures of restored images, verdict, metrics and rows of the report."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from pipeline.arrays import UInt8Array
from pipeline.evaluation.extractors.random_network import open_random_network
from pipeline.evaluation.report_page import Row
from pipeline.evaluation.verdict import Verdict
from pipeline.media.registry import MEDIA
from pipeline.tasks import parts
from pipeline.tasks.restore.restoration_evaluation import flatten, material, measure_trials, protocol
from pipeline.tasks.restore.restoration_measures import MEASURES, measures_for
from pipeline.tasks.restore.settings import restoration_gate
from pipeline.tasks.restore.trial import Squares, Trial
from tests.specs import image_spec
from tests.tasks.translate.test_translation_evaluation import case, perfect

GATE = restoration_gate(MEASURES)
RNG = np.random.default_rng(0)


def waves(seed: int) -> UInt8Array:
    y, x = np.mgrid[:64, :64]
    values = 128 + 90 * np.stack([np.sin(x / (3 + seed + k)) * np.cos(y / 5) for k in range(3)], axis=2)
    return np.asarray(np.clip(values, 0, 255), dtype=np.uint8)


def noisy(image: UInt8Array, sigma: float) -> UInt8Array:
    return np.asarray(
        np.clip(np.rint(image + np.random.default_rng(1).normal(0, sigma, image.shape)), 0, 255), dtype=np.uint8
    )


def metrics(*trials: Trial) -> dict[str, Any]:
    return flatten(measure_trials(trials))


def verdict_of(*trials: Trial, gate: Any) -> Verdict:
    return parts.apply_gate(measure_trials(trials), gate)


def rows(*trials: Trial, gate: Any) -> list[Row]:
    return parts.report_rows(measure_trials(trials), verdict_of(*trials, gate=gate), gate, {})


def trial(name: str = "gaussian 25", made: float = 5.0, given: float = 25.0, *, shift: int = 0) -> Trial:
    found = Trial(name, border=0)
    for seed in range(3):
        clean = waves(seed)
        found.add(noisy(clean, given), np.clip(noisy(clean, made).astype(int) + shift, 0, 255).astype(np.uint8), clean)
    return found


OPEN = GATE(texture=None, sharpness=None)


def test_measures_are_means_over_the_images() -> None:
    found = metrics(trial())
    assert found["images"] == 3
    assert found["psnr"] == pytest.approx(20 * math.log10(255 / 5), abs=0.4)
    assert found["input_psnr"] == pytest.approx(20 * math.log10(255 / 25), abs=0.4)
    assert found["gain"] == pytest.approx(found["psnr"] - found["input_psnr"])
    assert found["gain_y"] == pytest.approx(found["psnr_y"] - found["input_psnr_y"])
    assert found["worst_gain"] == min(trial().gains)
    assert found["worst_gain"] <= found["gain"]


def test_settings_of_the_gate_are_derived_from_the_measures() -> None:
    assert GATE().model_dump() == {
        "gain": 0.0,
        "ssim_gain": 0.0,
        "worst_gain": -1.0,
        "texture": 1.0,
        "sharpness": 1.2,
        "shift": 2.0,
        "added_power": 3.0,
        "coloured_patches": 0.1,
        "detail": 1.0,
        "perceptual_ratio": 1.25,
        "patch_error": 6.0,
    }


def test_each_bound_can_fail_and_names_its_symptom() -> None:
    good = trial()
    assert verdict_of(good, gate=OPEN).word == "pass"
    gain = metrics(good)["gain"]
    for change, name, symptom in (
        ({"gain": gain + 0.1}, "gain", "little gain over the input"),
        ({"ssim_gain": 0.9}, "ssim_gain", "little gain over the input"),
        ({"worst_gain": 30.0}, "worst_gain", "little gain over the input"),
        ({"sharpness": 0.1}, "sharpness", "remaining noise"),
    ):
        verdict = verdict_of(good, gate=OPEN.model_copy(update=change))
        assert verdict.failed == [name]
        assert verdict.reasons[0].startswith(f"{symptom}: {name} ")
        assert "). " in verdict.reasons[0]
    shifted = verdict_of(trial(shift=9), gate=OPEN)
    assert shifted.failed[0] == "shift"
    assert [reason.partition(":")[0] for reason in shifted.reasons] == ["shifted colours"]
    worse = verdict_of(trial(made=40.0), gate=OPEN)
    assert {"gain", "ssim_gain", "worst_gain"} <= set(worse.failed)
    assert worse.reasons[0].startswith("little gain over the input: gain ")
    assert "; also failed: ssim_gain" in worse.reasons[0]


def test_every_trial_is_tested_and_named() -> None:
    easy, hard = trial(), trial("gaussian 50", made=60.0, given=50.0)
    verdict = verdict_of(easy, hard, gate=OPEN)
    assert verdict.word == "fail"
    assert all("(gaussian 50)" in reason for reason in verdict.reasons)
    flat = metrics(easy, hard)
    assert flat["gain"] == flat["gain_gaussian_25"] == metrics(easy)["gain"]
    assert flat["gain_gaussian_50"] == metrics(hard)["gain"]
    assert flat["images"] == flat["images_gaussian_50"] == 3
    assert "gain_gaussian_25" not in metrics(easy)


def test_nonfinite_images_fail() -> None:
    broken = trial()
    broken.add(waves(0), None, waves(0))
    verdict = verdict_of(broken, gate=OPEN)
    assert verdict.failed == ["finite images"]
    assert verdict.reasons[0].startswith("non-finite images: 1 of 4")
    nothing = Trial("x4", border=4)
    nothing.add(waves(0), None, waves(0))
    assert verdict_of(nothing, gate=GATE()).word == "fail"
    found = metrics(nothing)
    assert (found.pop("images"), found.pop("nonfinite")) == (0, 1)
    assert set(found.values()) == {None}
    assert rows(nothing, gate=GATE())


def test_texture_is_a_ratio_of_frechet_distances_of_enough_squares() -> None:
    extractor = open_random_network(image_spec(16, 3), torch.device("cpu"))
    clean = np.concatenate([RNG.integers(0, 256, (1, 16, 16, 3), dtype=np.uint8) // 2 + k for k in range(120)])
    near, far = (np.clip(clean + RNG.normal(0, s, clean.shape), 0, 255).astype(np.uint8) for s in (2, 40))
    found = trial()
    found.compare_texture(extractor, far, near, clean)
    ratio = metrics(found)["texture"]
    assert ratio is not None
    assert ratio < 0.3
    assert ratio == metrics(found)["fid"] / metrics(found)["input_fid"]
    assert verdict_of(found, gate=GATE(sharpness=None)).word == "pass"
    assert verdict_of(found, gate=GATE(sharpness=None, texture=ratio / 2)).failed == ["texture"]
    few = trial()
    few.compare_texture(extractor, far[:50], near[:50], clean[:50])
    verdict = verdict_of(few, gate=GATE(sharpness=None))
    assert verdict.word == "pass"
    assert verdict.skipped == ["texture: fewer than 100 squares to compare"]


def test_rows_show_the_input_next_to_the_result() -> None:
    table = {row.name: row for row in rows(trial(), gate=OPEN)}
    assert table["gain"].state == "pass"
    assert table["texture"].state == "off"
    assert float(table["psnr"].value) > float(table["psnr"].null)
    assert "input_psnr" not in table


def test_models_are_compared_image_by_image() -> None:
    one = trial()
    one.add(waves(0), None, waves(0))
    assert one.psnrs == [*(near.psnr for near in one.restored), 0.0], "non-finite images count as the worst"
    assert material([one]).features == {}
    several = [trial(), trial("jpeg 12.5")]
    squares = np.stack([waves(k)[:32, :32] for k in range(100)])
    several[0].compare_texture(open_random_network(image_spec(16, 3), torch.device("cpu")), squares, squares, squares)
    left = material(several)
    assert list(left.item_scores) == ["psnr_gaussian_25", "psnr_jpeg_12p5"]
    assert set(left.item_scores) <= set(metrics(*several))
    assert float(np.mean(left.item_scores["psnr_jpeg_12p5"])) == pytest.approx(metrics(*several)["psnr_jpeg_12p5"])
    assert list(left.features) == ["_gaussian_25"]
    assert not left.kernel
    assert list(material([several[0]]).item_scores) == ["psnr"]


def test_the_protocol_defines_the_psnr(tmp_path: Path) -> None:
    extractor = open_random_network(image_spec(16, 3), torch.device("cpu"))
    text = protocol([Trial("x4", border=4)], case(perfect, tmp_path, seed=7), extractor)
    for part in (
        "measure=psnr",
        "border=4",
        "RGB",
        "BT.601",
        "bicubic antialias",
        "real=test:22222222",
        "seed=7",
        "fd_random_",
        "squares of 16",
    ):
        assert part in text


def test_a_variant_s_own_distances_are_compared_with_those_of_the_input() -> None:
    found = Trial("x2", border=0)
    for number in range(2):
        found.add(waves(number), waves(number), waves(number))
        found.distances.append(({"perceptual": 0.1 + number}, {"perceptual": 0.4 + number}))
    measured = metrics(found)
    assert measured["perceptual"] == pytest.approx(0.6)
    assert measured["input_perceptual"] == pytest.approx(0.9)
    table = {row.name: row for row in rows(found, gate=GATE())}
    assert (table["perceptual"].value, table["perceptual"].null) == ("0.6", "0.9")
    assert "perceptual" not in metrics(trial())


def test_restored_images_are_compared_with_what_needs_no_learning() -> None:
    """Results that are as smooth as the best Gaussian filter, noisy, patchy or swapped are named; originals pass."""
    clean = np.stack([noisy(waves(seed % 9), 6.0) for seed in range(12)])
    side = clean.shape[1]
    grid = np.indices((side, side)).sum(axis=0)[..., None]
    patches = 260 * gaussian_filter(RNG.normal(size=(12, side, side, 1)), (0, 2, 2, 0)) * np.array([1, -1, 0])

    def clip(values: Any) -> UInt8Array:
        return np.asarray(np.clip(np.rint(values), 0, 255), dtype=np.uint8)

    for name, results in (
        ("", clip(clean + RNG.normal(0, 2, clean.shape))),
        ("checkerboard artefacts", clip(clean + 15 * (grid % 2 * 2 - 1))),
        ("added noise", clip(clean + RNG.normal(0, 12, clean.shape))),
        ("colour patches", clip(clean + patches)),
        ("broken images", np.where(np.arange(12)[:, None, None, None] == 4, 255 - clean, clean)),
        ("blurred", clip(gaussian_filter(clean.astype(float), (0, 3, 3, 0)))),
    ):
        found = Trial("gaussian 25", border=0)
        for image, result in zip(clean, results, strict=True):
            found.add(np.clip(image + RNG.normal(0, 25, image.shape), 0, 255).astype(np.uint8), result, image)
        made, real = (
            one.reshape(12, 2, 32, 2, 32, 3).swapaxes(2, 3).reshape(-1, 32, 32, 3) for one in (results, clean)
        )
        found.squares = Squares(image_spec(32, 3), made, real, owners=np.repeat(np.arange(12), 4))
        measures = measures_for(MEDIA["image"])
        verdict = parts.apply_gate(measure_trials([found], measures), restoration_gate(measures)())
        assert [reason.partition(":")[0] for reason in verdict.reasons[:1]] == [name] * bool(name), verdict.reasons
