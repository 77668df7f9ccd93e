"""The cache of tensors: computed once per key, again if a file is damaged or the code has changed."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.arrays import Int64Array, UInt8Array
from pipeline.evaluation.cache import Tensors, remember
from pipeline.evaluation.extractors.base import ArrayItems, quiet
from pipeline.evaluation.extractors.caption_matcher import train_matcher
from pipeline.evaluation.extractors.classifier import train_classifier
from pipeline.evaluation.extractors.contrastive import train_contrastive
from pipeline.evaluation.extractors.random_network import open_random_network
from pipeline.evaluation.reference import load_or_extract
from pipeline.items import ItemSpec
from pipeline.media.registry import tensors_of


class Computation:
    """Compute a tensor and count the calls."""

    def __init__(self, value: float = 1.0) -> None:
        self.value, self.calls = value, 0

    def __call__(self) -> Tensors:
        self.calls += 1
        return {"x": torch.full((3,), self.value)}


SHAPES = {"x": (3,)}


def test_values_are_computed_once_per_key(tmp_path: Path) -> None:
    first, other = Computation(1.0), Computation(2.0)
    for _ in range(3):
        assert remember(tmp_path, "n", "a", SHAPES, first)["x"].tolist() == [1.0] * 3
    assert remember(tmp_path, "n", "b", SHAPES, other)["x"].tolist() == [2.0] * 3
    assert (first.calls, other.calls) == (1, 1)
    assert not list(tmp_path.glob("*.*[0-9]"))


@pytest.mark.parametrize("damage", ["truncated", "empty", "noise", "other", "list", "missing"])
def test_a_damaged_file_is_computed_again(tmp_path: Path, damage: str) -> None:
    remember(tmp_path, "n", "a", SHAPES, Computation())
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    if damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "noise":
        path.write_bytes(bytes(range(256)) * 20)
    elif damage == "other":
        torch.save({"x": torch.zeros(4)}, path)
    elif damage == "list":
        torch.save([torch.zeros(3)], path)
    else:
        path.unlink()
    computation = Computation()
    assert remember(tmp_path, "n", "a", SHAPES, computation)["x"].tolist() == [1.0] * 3
    assert computation.calls == 1
    again = Computation()
    remember(tmp_path, "n", "a", SHAPES, again)
    assert again.calls == 0


def test_code_in_a_pickle_is_never_run(tmp_path: Path) -> None:
    marker = tmp_path / "ran"

    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (marker,))

    folder = tmp_path / "cache"
    remember(folder, "n", "a", SHAPES, Computation())
    (path,) = folder.iterdir()
    torch.save({"x": Evil()}, path)
    computation = Computation()
    remember(folder, "n", "a", SHAPES, computation)
    assert computation.calls == 1
    assert not marker.exists()


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert remember(tmp_path / "file" / "cache", "n", "a", SHAPES, Computation())["x"].tolist() == [1.0] * 3


def test_a_failure_leaves_no_files(tmp_path: Path) -> None:
    def fail() -> Tensors:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        remember(tmp_path, "n", "a", SHAPES, fail)
    assert not list(tmp_path.iterdir())


def test_changed_code_invalidates_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remember(tmp_path, "n", "a", SHAPES, Computation())
    monkeypatch.setattr("pipeline.evaluation.cache.code_digest", lambda *modules: "another")
    again = Computation()
    remember(tmp_path, "n", "a", SHAPES, again)
    assert again.calls == 1


@dataclass
class Pictures(ArrayItems):
    """Pictures with labels and captions."""

    array: UInt8Array
    labels: Int64Array
    captions: list[str]
    fingerprint: str = "items"


class Stopped(Exception):
    """Ends a computation whose cache key is known."""


ITEMS = Pictures(np.zeros((8, 16, 16, 1), np.uint8), np.arange(8) % 2, ["low", "high"] * 4)
PICTURES = ItemSpec(medium="image", height=16, width=16, channels=1, classes=("low", "high"))
CPU = torch.device("cpu")


def load_features(folder: Path) -> Any:
    """Return the features of the items by the untrained network."""
    network = open_random_network(PICTURES, CPU)
    return load_or_extract(network, ITEMS, "", batch_size=8, cache=folder, progress=quiet, label="")


@pytest.mark.parametrize(
    "compute",
    [
        load_features,
        lambda folder: train_classifier(ITEMS, np.arange(1), PICTURES, CPU, folder=folder),
        lambda folder: train_contrastive(ITEMS, np.arange(1), PICTURES, CPU, folder=folder),
        lambda folder: train_matcher(ITEMS, np.arange(1), PICTURES, CPU, folder=folder),
    ],
    ids=["features", "classifier", "contrastive", "matcher"],
)
def test_the_key_covers_how_the_medium_prepares_items(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compute: Callable[[Path], Any]
) -> None:
    seen: list[str] = []

    def stop(*modules: str) -> str:
        seen.extend(modules)
        raise Stopped

    monkeypatch.setattr("pipeline.evaluation.cache.code_digest", stop)
    with pytest.raises(Stopped):
        compute(tmp_path)
    assert type(tensors_of(PICTURES)).__module__ == "pipeline.media.image.tensors"
    assert "pipeline.media.image.tensors" in seen
