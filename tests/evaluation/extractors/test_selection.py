"""The features that evaluate.features selects for data without labels."""

from pathlib import Path

import pytest
import torch

from pipeline.errors import InputError
from pipeline.evaluation.extractors.inception import FILE
from pipeline.evaluation.extractors.selection import open_extractor
from pipeline.evaluation.settings import EvaluateSettings
from tests.gates import GateSettings
from tests.specs import image_spec

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["auto", "random"])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_default_is_the_random_network(name: str, channels: int, tmp_path: Path) -> None:
    found = open_extractor(
        EvaluateSettings(features=name, gate=GateSettings()), image_spec(16, channels), CPU, tmp_path, tmp_path
    )
    assert found.spec.name == "random"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["mine.onnx", "folder/weights.pth"])
def test_paths_are_relative_to_the_root(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=str(tmp_path / "root" / name)):
        open_extractor(
            EvaluateSettings(features=name, gate=GateSettings()),
            image_spec(16, 3),
            CPU,
            tmp_path / "cache",
            tmp_path / "root",
        )


def test_inception_weights_are_read_from_the_cache(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no weights")
    with pytest.raises(InputError, match=rf"{tmp_path / FILE}: not a file of PyTorch weights"):
        open_extractor(
            EvaluateSettings(features="inception", gate=GateSettings()),
            image_spec(16, 3),
            CPU,
            tmp_path,
            tmp_path / "root",
        )
