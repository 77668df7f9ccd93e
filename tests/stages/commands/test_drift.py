"""Drift of new data: none if it is like the old data, detected if it is not."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from pipeline.errors import InputError
from pipeline.gans.variants.dcgan.settings import DCGANSettings
from pipeline.stages import ingest, validate
from pipeline.stages.commands import drift

if TYPE_CHECKING:
    from tests.stages.conftest import Line


def write(folder: Path, first: int, last: int, change: Callable[[np.ndarray], np.ndarray] = lambda x: x) -> None:
    """Write some of the digits as images, with one folder per class."""
    data = load_digits()
    images = np.rint(data.images * 255 / 16).astype(np.uint8)
    for number in range(first, last):
        path = folder / str(data.target[number]) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(change(images[number])).save(path)


@pytest.fixture(scope="module")
def base(new_line: Callable[[], "Line"]) -> Path:
    """Return a project with 900 validated digits from a folder."""
    line = new_line()
    text = (
        (line.root / "params.yaml")
        .read_text()
        .replace("limit: 60, test_fraction: 0.5, watch: data/raw", "source: data/raw/mine, watch: data/raw")
    )
    (line.root / "params.yaml").write_text(text)
    write(line.root / "data" / "raw" / "mine", 0, 900)
    ingest.run(line.root)
    validate.run(line.root)
    return line.root


@pytest.fixture
def project(base: Path, tmp_path: Path) -> Path:
    shutil.copytree(base, tmp_path / "project", symlinks=True)
    return tmp_path / "project"


@pytest.mark.slow
def test_without_new_images_nothing_is_compared(project: Path) -> None:
    found = drift.run(project)
    assert (found["new"], found["drift"], found["message"]) == (
        0,
        False,
        "0 new images: at least 32 are needed for a comparison",
    )
    assert json.loads((project / ".ganline" / "drift.json").read_text()) == found


@pytest.mark.slow
def test_similar_images_are_no_drift_and_mirrored_ones_are(project: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(project / "data", elsewhere / "data")
    write(elsewhere / "data" / "raw" / "mine", 900, 1700)
    same = drift.run(project, elsewhere)
    # Some digits are pixel by pixel equal to others.
    assert 780 <= same["new"] <= 800
    assert not same["drift"]
    assert 0.5 < same["ratio"] < 2

    shutil.rmtree(elsewhere)
    shutil.copytree(project / "data", elsewhere / "data")
    write(elsewhere / "data" / "raw" / "mine", 900, 1700, np.fliplr)
    other = drift.run(project, elsewhere)
    assert other["drift"]
    assert other["ratio"] > 2
    assert other["z"] > 5
    assert "which differ from the data so far" in other["message"]
    assert not drift.run(project, elsewhere, limit=1000.0)["drift"]


UNTRAINED = "train: {device: cpu}\nevaluate: {features: random}\n"
"""Features that show paleness without seconds of training."""


def arrivals(root: Path, write: Callable[[Path, int, int, bool], None], first: int, last: int) -> dict[str, Any]:
    """Return the drift of new images, unchanged ("same") and pale ("other").

    The project has the images before `first`; those from `first` to `last` are new.
    """
    raw = root / "data" / "raw"
    write(raw, 0, first, False)
    ingest.run(root)
    validate.run(root)
    assert drift.run(root)["new"] == 0
    found = {}
    for name, pale in (("same", False), ("other", True)):
        arrived = root.parent / name
        shutil.copytree(raw, arrived / "data" / "raw")
        write(arrived / "data" / "raw", first, last, pale)
        found[name] = drift.run(root, arrived)
    return found


@pytest.mark.parametrize("pairs", ["halves", "folders"])
def test_both_images_of_a_pair_are_compared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pairs: str) -> None:
    """A is the digit, B its negative. Only B of the new pairs is pale."""
    monkeypatch.setattr(DCGANSettings, "sides", "paired")
    root = tmp_path / "project"
    root.mkdir()
    text = "data: {resolution: 8, source: data/raw, pairs: PAIRS, test_fraction: 0.4}\n"
    (root / "params.yaml").write_text(text.replace("PAIRS", pairs) + UNTRAINED)
    # The digits are sorted by writer, which would be drift as well.
    images = np.random.default_rng(0).permutation(np.rint(load_digits().images * 255 / 16).astype(np.uint8))

    def write_pairs(folder: Path, first: int, last: int, pale: bool) -> None:
        for number in range(first, last):
            a, b = images[number], 255 - images[number] // (2 if pale else 1)
            parts = {"AB": np.concatenate([a, b], axis=1)} if pairs == "halves" else {"a": a, "b": b}
            for name, part in parts.items():
                (folder / name).mkdir(parents=True, exist_ok=True)
                Image.fromarray(part).save(folder / name / f"{number}.png")

    found = arrivals(root, write_pairs, 500, 800)
    assert 560 <= found["same"]["new"] <= 600
    assert not found["same"]["drift"]
    assert found["other"]["z"] > 5 > found["same"]["z"]
    assert found["other"]["drift"]


def test_images_of_different_sizes_are_compared_by_their_centre_crops(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    data = "data: {resolution: 8, source: data/raw, fit: keep, test_fraction: 0.4}\n"
    (root / "params.yaml").write_text(data + "model: {variant: denoise}\n" + UNTRAINED)
    images = np.random.default_rng(0).permutation(np.rint(load_digits().images * 255 / 16).astype(np.uint8))

    def frame(folder: Path, first: int, last: int, pale: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(first, last):
            around = ((1 + number % 3,) * 2, (2, 2 + number % 2 * 2))
            Image.fromarray(np.pad(images[number] // (2 if pale else 1), around)).save(folder / f"{number}.png")

    found = arrivals(root, frame, 600, 800)
    assert (found["same"]["new"], found["same"]["drift"], found["other"]["drift"]) == (200, False, True)


def test_without_ingested_data_the_error_names_the_command(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("")
    with pytest.raises(InputError, match=r"dataset\.json: no such file; run `dvc repro ingest`"):
        drift.run(tmp_path)
