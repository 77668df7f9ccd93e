"""`ganline sample` as a user runs it: another process, another folder, no torch."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.serving.runtime import Generator

WITHOUT = "import sys; from pipeline.cli import app; app(standalone_mode=False); heavy = {'torch', 'mlflow', 'onnx', 'sklearn', 'pandas'} & set(sys.modules); "


def ganline(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", "from pipeline.cli import main; main()", *arguments], cwd=cwd, capture_output=True, text=True, check=False)


def test_a_sheet_is_drawn_from_any_folder_without_torch(made: Any, tmp_path: Path) -> None:
    arguments = ["sample", "-n", "6", "--seed", "7", "-o", "out/grid.png", "--columns", "3", "--model", str(made.path)]
    code = WITHOUT + "sys.exit(f'imported {heavy}' if heavy else 0)"
    done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "out/grid.png: 6 pictures, seed 7" in done.stdout
    with Image.open(tmp_path / "out" / "grid.png") as sheet:
        assert sheet.mode == "L"
        assert sheet.width > sheet.height


def test_a_folder_gets_single_pictures_that_are_those_of_the_seed(made: Any, tmp_path: Path) -> None:
    done = ganline("sample", "-n", "70", "--seed", "9", "-o", "pictures/", "--model", str(made.path), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    files = sorted((tmp_path / "pictures").iterdir())
    assert [file.name for file in files] == [f"{index:04d}.png" for index in range(70)]
    expected = Generator(made.path).sample(70, 9)[:, :, :, 0]
    assert all(np.array_equal(np.asarray(Image.open(file)), picture) for file, picture in zip(files, expected, strict=True))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-n", "0"], "-n"),
        (["-n", "20000", "-o", "grid.png"], "at most 10000"),
        (["--seed", "-1"], "--seed"),
        (["-o", "grid.bogus"], "grid.bogus"),
        (["-o", "grid"], "end the name with /"),
        (["-o", "file/grid.png"], "cannot be written"),
        (["-o", "grid.png", "--model", "absent.onnx"], "absent.onnx: no such file; run `dvc repro`"),
        (["-o", "grid.png", "--model", "file"], "not a model"),
    ],
)
def test_mistakes_are_answered_with_exit_2_and_the_way_out(made: Any, tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "file").write_text("in the way")
    model = [] if "--model" in arguments else ["--model", str(made.path)]
    done = ganline("sample", *arguments, *model, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_help_shows_how(tmp_path: Path) -> None:
    done = ganline("sample", "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert "ganline sample -n 64 --seed 7 -o grid.png" in done.stdout
