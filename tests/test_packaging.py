"""Requirements and lock file choose the packages of each platform."""

import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PLATFORMS = {
    "Linux with a GPU or without": ("x86_64", "linux", "onnxruntime-gpu"),
    "Windows": ("AMD64", "win32", "onnxruntime-gpu"),
    "Linux on ARM": ("aarch64", "linux", "onnxruntime"),
    "macOS": ("arm64", "darwin", "onnxruntime"),
    "macOS on Intel": ("x86_64", "darwin", "onnxruntime"),
    "Windows on ARM": ("ARM64", "win32", "onnxruntime"),
}


def chosen(lines: Iterable[str], machine: str, system: str) -> set[str]:
    """Return the names of the packages for a platform."""
    environment = {"platform_machine": machine, "sys_platform": system, "python_full_version": "3.11.9"}
    requirements = [Requirement(line) for line in lines]
    return {one.name for one in requirements if one.marker is None or one.marker.evaluate(environment)}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_exactly_one_onnxruntime_is_chosen(platform: str) -> None:
    """The GPU package exists for x86-64 Linux and Windows only; both together overwrite each other's files."""
    machine, system, expected = PLATFORMS[platform]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for lines in (project["dependencies"], (ROOT / "requirements.lock").read_text().splitlines()):
        names = chosen(lines, machine, system)
        assert {"onnxruntime", "onnxruntime-gpu"} & names == {expected}
        assert bool(names & {"nvidia-cudnn-cu13"}) <= (system == "linux")
