"""torchvision's data sets, read from files that the tests write, without a network."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.media.image.image import Target, decode
from pipeline.media.image.torchvision_source import Torchvision


def write_idx(folder: Path, name: str, values: Any) -> None:
    array = np.asarray(values, dtype=np.uint8)
    folder.mkdir(parents=True, exist_ok=True)
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    (folder / name).write_bytes(header + array.tobytes())


def test_fashion_mnist_is_read_from_its_files(tmp_path: Path) -> None:
    raw = tmp_path / "FashionMNIST" / "FashionMNIST" / "raw"
    rng = np.random.default_rng(0)
    images = {
        part: rng.integers(0, 256, (count, 28, 28), dtype=np.uint8) for part, count in (("train", 20), ("t10k", 10))
    }
    for part, pixels in images.items():
        write_idx(raw, f"{part}-images-idx3-ubyte", pixels)
        write_idx(raw, f"{part}-labels-idx1-ubyte", np.arange(len(pixels)) % 10)
    source = Torchvision("FashionMNIST", tmp_path)
    files = list(source.files())
    assert source.name == "torchvision:FashionMNIST"
    assert files[0][0] == "train/T-shirt_top/000000.ppm"
    assert files[-1][0] == "test/Ankle boot/000009.ppm"
    assert len(files) == 30
    for (_, load), pixels in zip(files, [*images["train"], *images["t10k"]], strict=True):
        target = Target(32, "gray", "#000000", "pad", "nearest")
        assert decode(load(), target).width == 28
        assert load().endswith(pixels.tobytes())


def test_a_data_set_without_splits_is_read(tmp_path: Path) -> None:
    files = list(Torchvision("FakeData", tmp_path).files())
    assert len(files) == 1000
    assert {path.split("/")[0] for path, _ in files} == {str(number) for number in range(10)}
    assert decode(files[0][1](), Target(8, "rgb")).width == 224


def test_without_a_network_the_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import urllib.request

    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError("network is unreachable")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    for name in ("CIFAR10", "SVHN", "FashionMNIST"):
        message = rf"(?s)torchvision:{name} cannot be opened.*torchvision\.datasets\.{name}\(.*copy the folder"
        with pytest.raises(InputError, match=message):
            Torchvision(name, tmp_path)


def test_a_data_set_that_needs_more_than_a_name_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be opened"):
        Torchvision("ImageFolder", tmp_path)
