"""The judgement of restored images: numbers, the verdict and its words, the rows of the report."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.arrays import UInt8Array
from pipeline.evaluation.extractors.random_network import random_network
from pipeline.tasks.restore.restoration_measures import Trial, judge, material, metrics, protocol, rows
from pipeline.tasks.restore.settings import RestorationGate

RNG = np.random.default_rng(0)


def waves(seed: int) -> UInt8Array:
    y, x = np.mgrid[:64, :64]
    values = 128 + 90 * np.stack([np.sin(x / (3 + seed + k)) * np.cos(y / 5) for k in range(3)], axis=2)
    return np.asarray(np.clip(values, 0, 255), dtype=np.uint8)


def noisy(image: UInt8Array, sigma: float) -> UInt8Array:
    return np.asarray(
        np.clip(np.rint(image + np.random.default_rng(1).normal(0, sigma, image.shape)), 0, 255), dtype=np.uint8
    )


def numbers(found: Trial) -> dict[str, Any]:
    return dict(found.numbers())


def trial(name: str = "gaussian 25", made: float = 5.0, given: float = 25.0, *, shift: int = 0) -> Trial:
    found = Trial(name, border=0)
    for seed in range(3):
        clean = waves(seed)
        found.add(noisy(clean, given), np.clip(noisy(clean, made).astype(int) + shift, 0, 255).astype(np.uint8), clean)
    return found


OPEN = RestorationGate(texture=None, sharpness=None)


def test_numbers_are_means_over_the_images() -> None:
    found = numbers(trial())
    assert found["images"] == 3
    assert found["psnr"] == pytest.approx(20 * math.log10(255 / 5), abs=0.4)
    assert found["input_psnr"] == pytest.approx(20 * math.log10(255 / 25), abs=0.4)
    assert found["gain"] == pytest.approx(found["psnr"] - found["input_psnr"])
    assert found["gain_y"] == pytest.approx(found["psnr_y"] - found["input_psnr_y"])
    assert found["worst_gain"] == min(trial().gains)
    assert found["worst_gain"] <= found["gain"]


def test_it_passes_and_fails_by_every_bound() -> None:
    good = trial()
    assert judge([good], OPEN).word == "pass"
    gain = numbers(good)["gain"]
    for change, name in (
        ({"gain": gain + 0.1}, "gain"),
        ({"ssim_gain": 0.9}, "ssim_gain"),
        ({"worst_gain": 30.0}, "worst_gain"),
        ({"sharpness": 0.1}, "sharpness"),
    ):
        verdict = judge([good], OPEN.model_copy(update=change))
        assert verdict.failed == [name]
        assert verdict.reasons[0].startswith(f"{name}: ")
        assert "passes. " in verdict.reasons[0]
    moved = judge([trial(shift=9)], OPEN)
    assert moved.failed == ["shift"]
    assert "colours" in moved.reasons[0].lower()
    worse = judge([trial(made=40.0)], OPEN)
    assert {"gain", "ssim_gain", "worst_gain"} <= set(worse.failed)


def test_every_trial_counts_and_is_named() -> None:
    easy, hard = trial(), trial("gaussian 50", made=60.0, given=50.0)
    verdict = judge([easy, hard], OPEN)
    assert verdict.word == "fail"
    assert all("(gaussian 50)" in reason for reason in verdict.reasons)
    flat = metrics([easy, hard])
    assert flat["gain"] == flat["gain_gaussian_25"] == easy.numbers()["gain"]
    assert flat["gain_gaussian_50"] == hard.numbers()["gain"]
    assert "gain_gaussian_25" not in metrics([easy])


def test_images_that_are_not_finite_fail() -> None:
    broken = trial()
    broken.add(waves(0), None, waves(0))
    verdict = judge([broken], OPEN)
    assert verdict.failed == ["finite images"]
    assert verdict.reasons[0].startswith("non-finite images: 1 of 4")
    nothing = Trial("x4", border=4)
    nothing.add(waves(0), None, waves(0))
    verdict = judge([nothing], RestorationGate())
    assert verdict.word == "fail"
    assert metrics([nothing]) == {"images": 0, "nonfinite": 1}
    assert rows([nothing], verdict)


def test_texture_is_a_ratio_of_frechet_distances_of_enough_squares() -> None:
    extractor = random_network(3, torch.device("cpu"))
    clean = np.concatenate([RNG.integers(0, 256, (1, 16, 16, 3), dtype=np.uint8) // 2 + k for k in range(120)])
    near, far = (np.clip(clean + RNG.normal(0, s, clean.shape), 0, 255).astype(np.uint8) for s in (2, 40))
    found = trial()
    found.compare_texture(extractor, far, near, clean)
    ratio = found.numbers()["texture"]
    assert ratio is not None
    assert ratio < 0.3
    assert judge([found], RestorationGate(sharpness=None)).word == "pass"
    assert judge([found], RestorationGate(sharpness=None, texture=ratio / 2)).failed == ["texture"]
    few = trial()
    few.compare_texture(extractor, far[:50], near[:50], clean[:50])
    verdict = judge([few], RestorationGate(sharpness=None))
    assert verdict.word == "pass"
    assert verdict.skipped == ["texture: fewer than 100 squares to compare"]


def test_rows_show_the_input_beside_the_result() -> None:
    table = {row.name: row for row in rows([trial()], judge([trial()], OPEN))}
    assert table["gain"].state == "pass"
    assert table["texture"].state == "off"
    assert float(table["psnr"].value) > float(table["psnr"].null)


def test_what_a_restoration_is_compared_by() -> None:
    one = trial()
    one.add(waves(0), None, waves(0))
    assert one.psnrs == [*(near.psnr for near in one.made), 0.0], (
        "what is not finite is as bad as can be, and keeps its place"
    )
    assert material([one]).features == {}
    several = [trial(), trial("jpeg 12.5")]
    squares = np.stack([waves(k)[:32, :32] for k in range(100)])
    several[0].compare_texture(random_network(3, torch.device("cpu")), squares, squares, squares)
    left = material(several)
    assert list(left.pictures) == ["psnr_gaussian_25", "psnr_jpeg_12p5"]
    assert set(left.pictures) <= set(metrics(several))
    assert float(np.mean(left.pictures["psnr_jpeg_12p5"])) == pytest.approx(metrics(several)["psnr_jpeg_12p5"])
    assert list(left.features) == ["_gaussian_25"]
    assert not left.kernel
    assert list(material([several[0]]).pictures) == ["psnr"]


def test_the_protocol_says_what_a_psnr_is_of() -> None:
    text = protocol([Trial("x4", border=4)], "f" * 64, 7, random_network(3, torch.device("cpu")), 64)
    for part in (
        "measure=psnr",
        "border=4",
        "RGB",
        "BT.601",
        "bicubic antialias",
        "real=test:ffffffff",
        "seed=7",
        "fd_random_",
    ):
        assert part in text


def test_a_variant_s_own_distances_stand_beside_those_of_the_input() -> None:
    found = Trial("x2", border=0)
    for number in range(2):
        found.add(waves(number), waves(number), waves(number))
        found.own.append(({"perceptual": 0.1 + number}, {"perceptual": 0.4 + number}))
    numbers = found.numbers()
    assert numbers["perceptual"] == pytest.approx(0.6)
    assert numbers["input_perceptual"] == pytest.approx(0.9)
    table = {row.name: row for row in rows([found], judge([found], RestorationGate()))}
    assert table["perceptual"].value == "0.6"
