"""`ganline reference`: statistics of a project's data are written, listed and compared."""

import shutil
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.stages.commands import reference


def test_statistics_are_computed_listed_and_compared(
    digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "project"
    shutil.copytree(digits / "data", root / "data")
    (root / "params.yaml").write_text("data: {resolution: 8}\nevaluate: {features: random}\n")
    reference.list_all(root)
    assert "no reference statistics" in capsys.readouterr().out
    reference.compute(root, "held-out", "test")
    reference.compute(root, "training", "train")
    assert "features of random:" in capsys.readouterr().out
    reference.list_all(root)
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == ["held-out", "training"]
    reference.compare(root, "held-out", "training")
    assert capsys.readouterr().out.startswith("fd_random_")
    with pytest.raises(InputError, match="letters, digits"):
        reference.compute(root, "../elsewhere", "test")
    with pytest.raises(InputError, match="no such file"):
        reference.compare(root, "held-out", "missing")
