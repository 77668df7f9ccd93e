"""The features that evaluate.features selects for data without labels."""

from pathlib import Path

import pytest
import torch

from pipeline.errors import InputError
from pipeline.evaluation.extractors.inception import FILE
from pipeline.evaluation.extractors.selection import unlabelled
from pipeline.evaluation.settings import EvaluateSettings
from tests.gates import GateSettings

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", ["auto", "random"])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_default_is_the_random_network(name: str, channels: int, tmp_path: Path) -> None:
    found = unlabelled(
        EvaluateSettings(features=name, gate=GateSettings()), (16, 16, channels), CPU, tmp_path, tmp_path
    )
    assert found.spec.name == "random"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["mine.onnx", "folder/weights.pth"])
def test_paths_are_relative_to_the_root(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=str(tmp_path / "root" / name)):
        unlabelled(
            EvaluateSettings(features=name, gate=GateSettings()),
            (16, 16, 3),
            CPU,
            tmp_path / "cache",
            tmp_path / "root",
        )


def test_inception_weights_are_read_from_the_cache(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no weights")
    with pytest.raises(InputError, match=rf"{tmp_path / FILE}: not a file of PyTorch weights"):
        unlabelled(
            EvaluateSettings(features="inception", gate=GateSettings()), (16, 16, 3), CPU, tmp_path, tmp_path / "root"
        )
