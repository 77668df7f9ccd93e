"""`ganline sample` as a user runs it: another process, another folder, without torch."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.arrays import UInt8Array
from pipeline.media.sheet import CELL, GAP
from pipeline.serving.runtime.generator import Generator
from pipeline.serving.runtime.sample_files import Request, sample_to_files

WITHOUT = """
import sys
from pipeline.cli.app import app
app(standalone_mode=False)
heavy = {'torch', 'mlflow', 'onnx', 'sklearn', 'pandas'} & set(sys.modules)
"""


def ganline(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from pipeline.cli.app import main; main()", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def test_sample_runs_in_any_folder_without_torch(plain_graph: Any, tmp_path: Path) -> None:
    arguments = [
        "sample",
        "-n",
        "6",
        "--seed",
        "7",
        "-o",
        "out/grid.png",
        "--columns",
        "3",
        "--model",
        str(plain_graph.path),
    ]
    code = WITHOUT + "sys.exit(f'imported {heavy}' if heavy else 0)"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "out/grid.png: 6 images, seed 7" in done.stdout
    with Image.open(tmp_path / "out" / "grid.png") as sheet:
        assert sheet.mode == "L"
        assert sheet.width > sheet.height


def test_a_folder_gets_one_file_per_image(plain_graph: Any, tmp_path: Path) -> None:
    done = ganline(
        "sample", "-n", "70", "--seed", "9", "-o", "pictures/", "--model", str(plain_graph.path), cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    files = sorted((tmp_path / "pictures").iterdir())
    assert [file.name for file in files] == [f"{index:04d}.png" for index in range(70)]
    expected = Generator(plain_graph.path).sample(70, 9)[:, :, :, 0]
    assert all(
        np.array_equal(np.asarray(Image.open(file)), picture) for file, picture in zip(files, expected, strict=True)
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-n", "0"], "-n"),
        (["-n", "20000", "-o", "grid.png"], "maximum 10,000"),
        (["--seed", "-1"], "--seed"),
        (["-o", "grid.bogus"], "grid.bogus"),
        (["-o", "grid"], "end the name with /"),
        (["-o", "file/grid.png"], "cannot be written"),
        (["-o", "grid.png", "--model", "absent.onnx"], "absent.onnx: no such file. Run `dvc repro`"),
        (["-o", "grid.png", "--model", "file"], "not a model"),
        (["--label", "zero"], "(dcgan) takes no label"),
        (["--psi", "0.7"], "(dcgan) takes no psi"),
        (["--interpolate", "0"], "at least 2 steps"),
        (["--interpolate", "4", "-o", "strips/"], "an interpolation is one file"),
        (["--interpolate", "4", "-o", "strips"], "cannot be written as ''"),
        (["--interpolate", "4", "--columns", "3", "-o", "strips.png"], "--columns"),
        (["--interpolate", "5000", "-n", "3"], "15,000 items"),
        (["--interpolate", "5000", "-n", "3", "-o", "loop.gif"], "15,000 items"),
        (["--interpolate", "4", "-n", "1", "-o", "loop.gif"], "at least 2 latents"),
    ],
)
def test_invalid_options_exit_with_2_and_a_message(
    plain_graph: Any, tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "file").write_text("in the way")
    model = [] if "--model" in arguments else ["--model", str(plain_graph.path)]
    done = ganline("sample", *arguments, *model, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def cells(path: Path, side: int, columns: int) -> UInt8Array:
    """Return the images of a sheet of 64-pixel cells, [rows, columns, side, side, C], in their own resolution."""
    with Image.open(path) as sheet:
        pixels = np.asarray(sheet).reshape(sheet.height, sheet.width, -1)
    rows = (pixels.shape[0] - GAP) // (CELL + GAP)
    assert pixels.shape[:2] == (GAP + rows * (CELL + GAP), GAP + columns * (CELL + GAP))
    found = pixels[GAP:, GAP:].reshape(rows, CELL + GAP, columns, CELL + GAP, -1)[:, :CELL, :, :CELL]
    return found[:, :: CELL // side, :, :: CELL // side].transpose(0, 2, 1, 3, 4)


def draw(model: Path, output: Path, wanted: Request) -> str:
    return sample_to_files(model, output, wanted, folder=False)


def test_a_sheet_has_one_column_per_class(labelled_graph: Any, tmp_path: Path) -> None:
    done = ganline(
        "sample", "-n", "12", "--seed", "3", "-o", "all.png", "--model", str(labelled_graph.path), cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    generator = Generator(labelled_graph.path)
    found = cells(tmp_path / "all.png", 8, 5)
    assert np.array_equal(found.reshape(15, 8, 8, 3)[:12], generator.sample(12, 3))
    arguments = [
        "--label",
        "d",
        "--label",
        "1",
        "-n",
        "6",
        "--seed",
        "3",
        "-o",
        "two.png",
        "--model",
        str(labelled_graph.path),
    ]
    done = ganline("sample", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = cells(tmp_path / "two.png", 8, 2)
    for column, label in enumerate((3, 1)):
        assert np.array_equal(found[:, column], generator.sample(6, 3, label=[label])[column::2])


def test_many_classes_use_the_squarest_sheet(styled_graph: Any, tmp_path: Path) -> None:
    draw(styled_graph.path, tmp_path / "sheet.png", Request(n=30))
    assert cells(tmp_path / "sheet.png", 8, 6).shape[:2] == (5, 6)


def test_strips_interpolate_from_each_image_to_the_next_latent(
    plain_graph: Any, styled_graph: Any, tmp_path: Path
) -> None:
    assert draw(plain_graph.path, tmp_path / "strips.png", Request(n=3, seed=5, steps=4)).startswith(
        "3 rows of 4 images, seed 5"
    )
    found = cells(tmp_path / "strips.png", 16, 4)
    four = Generator(plain_graph.path).sample(4, 5)
    assert np.array_equal(found[:, 0], four[:3])
    assert np.array_equal(found[:, -1], four[1:])
    assert len(np.unique(found.reshape(12, -1), axis=0)) == 10, "images in between are new"

    draw(
        styled_graph.path,
        tmp_path / "strips.png",
        Request(n=3, seed=5, steps=4, conditions={"label": ["kind 7", "2"], "psi": 0.5}),
    )
    found = cells(tmp_path / "strips.png", 8, 4)
    generator = Generator(styled_graph.path)
    for row, label in enumerate((7, 2, 7)):
        ends = generator.sample(row + 2, 5, label=[label], psi=0.5)[row:]
        assert np.array_equal(found[row, [0, -1]], ends), "label and psi are constant along a row"


@pytest.mark.parametrize("suffix", ["gif", "webp", "apng"])
def test_an_animation_has_one_frame_per_step_and_loops(plain_graph: Any, tmp_path: Path, suffix: str) -> None:
    done = ganline(
        "sample",
        "--interpolate",
        "5",
        "-n",
        "3",
        "--seed",
        "4",
        "-o",
        f"loop.{suffix}",
        "--model",
        str(plain_graph.path),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert f"loop.{suffix}: 15 frames through 3 latents, seed 4" in done.stdout
    pictures = Generator(plain_graph.path).sample(3, 4)
    with Image.open(tmp_path / f"loop.{suffix}") as animation:
        assert animation.n_frames == 15  # type: ignore[attr-defined]
        assert animation.info["loop"] == 0
        for number, picture in enumerate(pictures):
            animation.seek(5 * number)
            frame = np.asarray(animation.convert("L"))
            assert frame.shape == (260, 260)
            assert np.array_equal(frame[GAP:-GAP:16, GAP:-GAP:16], picture[:, :, 0])


def test_an_animation_shows_labels_side_by_side(labelled_graph: Any, tmp_path: Path) -> None:
    draw(
        labelled_graph.path,
        tmp_path / "loop.webp",
        Request(n=2, steps=3, seed=1, conditions={"label": ["e", "a", "c"]}),
    )
    generator = Generator(labelled_graph.path)
    with Image.open(tmp_path / "loop.webp") as animation:
        assert animation.n_frames == 6  # type: ignore[attr-defined]
        for number in (0, 1):
            animation.seek(3 * number)
            animation.convert("RGB").save(tmp_path / "frame.png")
            (row,) = cells(tmp_path / "frame.png", 8, 3)
            expected = [generator.sample(2, 1, label=[label])[number] for label in (4, 0, 2)]
            assert np.array_equal(row, expected), "all cells of a frame share a latent"


def test_help_has_examples(tmp_path: Path) -> None:
    done = ganline("sample", "--help", cwd=tmp_path)
    assert done.returncode == 0
    for example in (
        "ganline sample -n 64 --seed 7 -o grid.png",
        "--label sneaker",
        "--psi 0.7",
        "--interpolate 24 -o loop.gif",
    ):
        assert example in done.stdout
