"""`ganline project` on a finished project: its file is what `ganline sample --latent` draws."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.cli.app import app
from pipeline.errors import InputError
from pipeline.serving.runtime.generator import Generator
from pipeline.serving.runtime.saved_latent import read_latent
from pipeline.stages.commands.project import project_file
from tests.stages.conftest import Line


@pytest.fixture(scope="module")
def project(new_line: Callable[[], Line]) -> Path:
    return new_line().root


def test_a_projected_image_is_drawn_and_edited(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    generator = Generator(project / "exported" / "generator.onnx")
    wanted = generator.sample(1, 77)[0, :, :, 0]
    Image.fromarray(wanted).save(tmp_path / "photo.png")
    monkeypatch.chdir(project)
    app(["project", str(tmp_path / "photo.png")], standalone_mode=False)
    said = capfd.readouterr().out
    matched = re.fullmatch(r".*photo.npz: PSNR (\S+) dB; a generated image is found with (\S+) dB\n", said)
    assert matched is not None, said
    assert min(map(float, matched.groups())) > 25
    assert read_latent(tmp_path / "photo.npz", generator.metadata).values.shape == (16,)
    app(["sample", "--latent", str(tmp_path / "photo.npz"), "-o", f"{tmp_path}/one/"], standalone_mode=False)
    drawn = np.asarray(Image.open(tmp_path / "one" / "0000.png")).astype(float)
    error = np.mean((drawn - wanted) ** 2)
    assert 10 * np.log10(255**2 / error) == pytest.approx(float(matched[1]), abs=0.1)
    with Image.open(project / "reports" / "projection.png") as picture:
        assert picture.height > 1.8 * picture.width, "the image, and below it what was found"


def test_held_out_items_are_measured(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    app(["project", "--held-out", "20"], standalone_mode=False)
    said = capfd.readouterr().out
    matched = re.fullmatch(r"20 held-out images: PSNR (\S+) dB on average, (\S+) at least; class kept (\S+)%\n", said)
    assert matched is not None, said
    average, least, kept = map(float, matched.groups())
    assert average > 9, "after so short a training"
    assert least <= average
    assert 0 <= kept <= 100


def test_unusable_input_is_refused(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text.png").write_text("no picture")
    picture = tmp_path / "photo.png"
    Image.new("L", (8, 8)).save(picture)
    for source, output, label, message in (
        (tmp_path / "none.png", tmp_path / "a.npz", None, r"none.png: cannot be read: No such file"),
        (tmp_path / "text.png", tmp_path / "a.npz", None, r"text.png: "),
        (picture, tmp_path / "a.png", None, r"a.png: a latent is a NumPy archive, so its name must end in .npz"),
        (picture, tmp_path / "a.npz", "7", r"--label 7: this model \(dcgan\) takes no label. Omit it"),
        (picture, tmp_path / "photo.png" / "a.npz", None, r"a.npz: cannot be written"),
    ):
        with pytest.raises(InputError, match=message):
            project_file(project, source, output, label)
    monkeypatch.chdir(project)
    for arguments in (["project"], ["project", str(picture), "--held-out", "3"]):
        with pytest.raises(InputError, match="name an IMAGE, or --held-out with a number of images"):
            app(arguments, standalone_mode=False)
    with pytest.raises(InputError, match=r"--held-out 900: the test split has 600 items. Choose fewer"):
        app(["project", "--held-out", "900"], standalone_mode=False)
