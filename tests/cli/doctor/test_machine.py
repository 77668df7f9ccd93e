"""Checks of the machine."""

import importlib.metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from pipeline.cli.doctor import machine
from pipeline.telemetry import OFF


def test_versions_are_compared_with_the_lock_and_markers_are_respected(tmp_path: Path) -> None:
    numpy = importlib.metadata.version("numpy")
    lines = [
        *(f"numpy=={numpy}", "no-such-package==1.0", "pydantic==0.1"),
        *("pywin32==312 ; sys_platform == 'no-such-system'", "# comment"),
    ]
    (tmp_path / "requirements.lock").write_text("\n".join(lines) + "\n")
    missing, different = machine.check_packages(tmp_path)
    assert (missing.level, missing.result) == ("fail", "missing: no-such-package")
    assert (different.level, different.result.split(" (")[0]) == (
        "warn",
        f"not the tested version: pydantic {importlib.metadata.version('pydantic')}",
    )
    assert "uv pip install -r requirements.lock" in missing.remedy


@pytest.mark.parametrize("content", [None, "not a requirement !!", "\x00"])
def test_a_lock_that_cannot_be_read(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "requirements.lock").write_text(content)
    (finding,) = machine.check_packages(tmp_path)
    assert finding.level == "warn"


def test_long_lists_of_names_are_cut() -> None:
    assert machine.join_names(list("abcdefgh")) == "a, b, c, d, e, f, g, h"
    assert machine.join_names(list("abcdefghij")) == "a, b, c, d, e, f, g, h and 2 more"


def test_onnxruntime_and_onnxruntime_gpu_conflict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(machine.check_onnxruntime_packages(tmp_path)) == []
    second = tmp_path / "onnxruntime-1.0.dist-info"
    second.mkdir()
    (second / "METADATA").write_text("Metadata-Version: 2.1\nName: onnxruntime\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    (finding,) = machine.check_onnxruntime_packages(tmp_path)
    assert finding.level == "fail"


def test_onnxruntime_runs_a_graph(tmp_path: Path) -> None:
    (finding,) = machine.check_onnxruntime_provider(tmp_path)
    assert finding.level in {"ok", "warn"}
    assert "Provider" in finding.result or "GPU" in finding.result


@pytest.mark.parametrize(("major", "words"), [(7, "no bfloat16"), (8, "bfloat16")])
def test_a_gpu_that_emulates_bfloat16_has_none(monkeypatch: pytest.MonkeyPatch, major: int, words: str) -> None:
    """As the training sees it: a T4 (7.5) emulates it, an A100 (8.0) has it."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    device = SimpleNamespace(name="a card", major=major, total_memory=2**34)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: device)
    (finding,) = machine.check_cuda(Path())
    assert finding.result.startswith(f"0: a card, 16 GiB, {words} (torch ")


def test_enabled_telemetry_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in OFF.items():
        monkeypatch.setenv(name, value)
    (finding,) = machine.check_telemetry(tmp_path)
    assert finding.level == "ok"
    monkeypatch.setenv("GX_ANALYTICS_ENABLED", "true")
    (finding,) = machine.check_telemetry(tmp_path)
    assert finding.level == "warn"
    assert "GX_ANALYTICS_ENABLED=true" in finding.result
