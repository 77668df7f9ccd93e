"""Models that can be edited: in styles, and in z."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.serving.style_pair import export_pair, write_directions


@pytest.fixture(scope="module")
def styled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_pair(tmp_path_factory.mktemp("styles"))


@pytest.fixture
def plain(plain_graph: Any, tmp_path: Path) -> Path:
    """The DCGAN with directions along two axes of z."""
    path = tmp_path / "model" / "generator.onnx"
    path.parent.mkdir()
    shutil.copy(plain_graph.path, path)
    write_directions(path.parent, plain_graph.metadata, "z", np.eye(24)[:2])
    return path
