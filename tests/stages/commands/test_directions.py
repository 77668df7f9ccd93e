"""`ganline directions` on a finished project: the file, the measured effects, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.cli.app import app
from pipeline.errors import InputError
from pipeline.media.image.attributes import attributes
from pipeline.serving.runtime.directions import identity, read_directions
from pipeline.serving.runtime.edited_generator import EditedGenerator
from pipeline.serving.runtime.generator import Generator
from pipeline.serving.runtime.latent_space import StyleSpace
from pipeline.stages.commands import directions
from tests.serving.style_pair import export_pair
from tests.stages.conftest import Line


@pytest.fixture(scope="module")
def project(new_line: Callable[[], Line]) -> Path:
    return new_line().root


def test_the_file_holds_the_effects_that_edited_samples_show(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    app(["directions", "-n", "1000"], standalone_mode=False)
    said = capfd.readouterr().out
    generator = Generator(project / "exported" / "generator.onnx")
    found = read_directions(project / "exported" / "directions.json", generator.metadata)
    assert (found.model, found.space, found.samples) == (identity(generator.metadata), "z", 125)
    classes = [f"class-{one}" for one in generator.metadata.item.classes]
    assert set(found.names) == {"brightness", "thickness", "slant", "width", *classes}
    for direction in found.directions[:3]:
        assert direction.monotonic, direction.name
        assert len(direction.vector) == 16
        assert np.linalg.norm(direction.vector) == pytest.approx(1, abs=0.1), "one standard deviation of z"
    largest = [abs(direction.per_step[direction.main]) for direction in found.directions if direction.monotonic]
    assert largest == sorted(largest, reverse=True)
    assert (
        f"14 directions in z\none step, 125 images, in standard deviations between images:\n  {found.names[0]}" in said
    )
    # The means are those of `ganline sample --edit`.
    for direction in found.directions[:3]:
        for strength in (-2, 1):
            edited = EditedGenerator(generator, found.shift([f"{direction.name}={strength}"]))
            measured = attributes(edited.sample(125, 0))
            for name, values in measured.items():
                expected = direction.means[name][found.strengths.index(strength)]
                assert values.mean() == pytest.approx(expected, rel=1e-4, abs=1e-4)
    with Image.open(project / "reports" / "directions.png") as picture:
        assert picture.height > 2.5 * picture.width, "14 rows of 5 images"


def test_class_directions_raise_the_chance_of_their_class(project: Path) -> None:
    directions.run(project, 1000)
    found = json.loads((project / "exported" / "directions.json").read_text())
    rising = [
        one["means"][one["name"]][-1] > one["means"][one["name"]][0]
        for one in found["directions"]
        if one["name"].startswith("class-")
    ]
    assert np.mean(rising) >= 0.8, "after so short a training, some classes are not generated"


def test_styles_have_directions_in_closed_form(tmp_path: Path) -> None:
    """The weights say that the styles' second axis decides most, and the items of the toy agree."""
    path = export_pair(tmp_path)
    generator = Generator(path)
    weights = np.diag([1.0, 3.0, 2.0, 0.5])
    search = directions.Search(generator, directions.Attributes(generator, None), 500)
    found = search.directions(weights)
    assert found.space == "w"
    assert set(found.names) == {"sefa-1", "sefa-2", "sefa-3", "sefa-4", "brightness", "thickness", "slant", "width"}
    by_name = {direction.name: direction for direction in found.directions}
    z = generator.latents(0, 0, 500)
    w = StyleSpace(generator).encode(z, generator.conditions())[:, 0]
    within = np.concatenate([w[k::5] - w[k::5].mean(axis=0) for k in range(5)])
    for name, axis in (("sefa-1", 1), ("sefa-2", 2), ("sefa-3", 0), ("sefa-4", 3)):
        expected = np.zeros(4)
        expected[axis] = within[:, axis].std()
        np.testing.assert_allclose(by_name[name].vector, expected, rtol=1e-4, atol=1e-6)
        assert by_name[name].class_kept is None
    (tmp_path / "directions.json").write_text(found.model_dump_json())
    edited = EditedGenerator(
        generator, read_directions(tmp_path / "directions.json", generator.metadata).shift(["sefa-1=2"])
    )
    measured = attributes(edited.sample(found.samples, 0))
    assert measured["brightness"].mean() == pytest.approx(by_name["sefa-1"].means["brightness"][-1], rel=1e-4)


def test_another_model_in_the_project_is_refused(new_line: Callable[[], Line]) -> None:
    root = new_line().root
    run = root / "models" / "run.json"
    run.write_text(json.dumps(json.loads(run.read_text()) | {"run_id": "0" * 32}))
    with pytest.raises(InputError, match=r"generator.onnx: is not the model in .*models. Run `dvc repro export`"):
        directions.run(root, 100)
    (root / "exported" / "generator.onnx").unlink()
    with pytest.raises(InputError, match=r"generator.onnx: no such file"):
        directions.run(root, 100)
