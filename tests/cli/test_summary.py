"""The summary at the end of `make run`."""

import json
from pathlib import Path

import pytest

from pipeline.cli.summary import summary
from pipeline.errors import InputError


def evaluated(root: Path, task: str = "generate", **metrics: object) -> None:
    (root / "metrics").mkdir()
    metrics |= {"task": task, "medium": "image"}
    (root / "metrics/evaluation.json").write_text(json.dumps(metrics))


def test_results_and_their_files_are_listed(tmp_path: Path) -> None:
    evaluated(
        tmp_path,
        verdict="pass",
        reasons=[],
        fid=12.345678,
        duplicate_rate=0,
        modes_covered=10,
        modes_total=10,
        protocol="classifier/abc",
    )
    (tmp_path / "reports/samples").mkdir(parents=True)
    for name in ("000001.png", "000002.png"):
        (tmp_path / "reports/samples" / name).touch()
    (tmp_path / "reports/evaluation.html").touch()
    (tmp_path / "exported").mkdir()
    (tmp_path / "exported/generator.onnx").touch()
    assert summary(tmp_path).splitlines() == [
        "verdict    pass",
        "numbers    duplicate_rate 0, fid 12.35, modes 10/10",
        "protocol   classifier/abc",
        "samples    reports/samples/ (2 pictures, the last 000002.png)",
        "metrics    metrics/",
        "report     reports/evaluation.html",
        "generator  exported/generator.onnx",
        "try it     ganline sample -n 64 --seed 7 -o grid.png",
    ]


def test_a_pass_says_what_was_not_tested_and_what_is_near_its_bound(tmp_path: Path) -> None:
    evaluated(
        tmp_path, verdict="pass", reasons=[], untested=["memorisation: few"], near_bounds=["mode_kl 0.045 of 0.05"]
    )
    lines = summary(tmp_path).splitlines()
    assert lines[:2] == ["verdict    pass, memorisation not tested", "note       near its bound: mode_kl 0.045 of 0.05"]


def test_a_failed_verdict_has_its_reasons_and_the_missing_files(tmp_path: Path) -> None:
    evaluated(tmp_path, verdict="fail", reasons=["low fidelity: fid 90. Train longer", "7 of 10 modes"], fid=90)
    text = summary(tmp_path)
    assert "verdict    fail\nbecause    low fidelity; 7 of 10 modes" in text
    assert "generator  exported/generator.onnx: not there" in text
    assert "try it" not in text


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such file"), ("{", "cannot be read"), ("[]", "not the metrics of an evaluation")],
)
def test_missing_metrics_are_an_error(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "metrics").mkdir()
        (tmp_path / "metrics/evaluation.json").write_text(content)
    with pytest.raises(InputError, match=message):
        summary(tmp_path)


def test_a_restoration_model_is_used_with_apply(tmp_path: Path) -> None:
    evaluated(tmp_path, "restore", verdict="pass", reasons=[], psnr=25.5, gain=0.75, ssim=0.7, ssim_gain=0.02)
    (tmp_path / "exported").mkdir()
    (tmp_path / "exported/generator.onnx").touch()
    text = summary(tmp_path)
    assert "numbers    gain 0.75, ssim_gain 0.02, psnr 25.5, ssim 0.7" in text
    assert "try it     ganline apply photo.jpg" in text


def test_a_translation_model_is_used_with_apply(tmp_path: Path) -> None:
    evaluated(
        tmp_path,
        "translate",
        verdict="pass",
        reasons=[],
        fid=3.5,
        fid_excess=0.25,
        dependence=0.9,
        cycle_error=9.5,
        cycle_ratio=0.2,
    )
    (tmp_path / "exported").mkdir()
    (tmp_path / "exported/generator.onnx").touch()
    text = summary(tmp_path)
    assert "numbers    fid_excess 0.25, fid 3.5, cycle_error 9.5" in text
    assert "try it     ganline apply photo.jpg -o translated.png" in text
