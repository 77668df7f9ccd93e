"""Edits along directions: in z and in styles, their parsing, and files that do not fit."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.serving.runtime.directions import read_directions
from pipeline.serving.runtime.edited_generator import EditedGenerator, Edits
from pipeline.serving.runtime.generator import Generator
from pipeline.serving.runtime.latent_space import StyleSpace, open_space
from pipeline.serving.runtime.sample_files import Request, sample_to_files
from tests.serving.runtime.test_sample_files import cells
from tests.serving.style_pair import write_directions

ONE_STEP = Edits(("slant=1",))


def shift_of(path: Path, *edits: str) -> Any:
    return read_directions(path.with_name("directions.json"), Generator(path).metadata).shift(edits)


def test_an_edit_in_z_adds_a_vector_to_z(plain: Path) -> None:
    generator = Generator(plain)
    edited = EditedGenerator(generator, shift_of(plain, "slant=+1.5", "class-7=-2"))
    z = generator.latents(3, 0, 70)
    expected = generator.generate(z + np.eye(24, dtype=np.float32)[0] * 1.5 - np.eye(24, dtype=np.float32)[1] * 2, {})
    assert np.array_equal(edited.sample(70, 3), expected)
    assert not np.array_equal(edited.sample(70, 3), generator.sample(70, 3))
    zero = EditedGenerator(generator, shift_of(plain, "slant=0"))
    assert np.array_equal(zero.sample(70, 3), generator.sample(70, 3))


def test_an_edit_of_styles_is_added_to_every_layer_after_the_label(styled: Path) -> None:
    generator = Generator(styled)
    space = open_space(generator)
    assert isinstance(space, StyleSpace)
    conditions = generator.conditions(label=["b", "e"], psi=0.6)
    z = generator.latents(3, 0, 70)
    w = space.encode(z, conditions)
    assert w.shape == (70, 3, 4)
    assert np.array_equal(space.render(w, conditions), generator.generate(z, conditions))
    w[:, :, 0] += np.float32(0.5 * 1.5)
    edited = EditedGenerator(generator, shift_of(styled, "slant=1.5"))
    assert np.array_equal(edited.sample(70, 3, label=["b", "e"], psi=0.6), space.render(w, conditions))


def test_several_edits_are_added(plain: Path) -> None:
    expected = np.zeros(24, dtype=np.float32)
    expected[:2] = 1.5, -0.25
    for edits in (("slant=+1.5", "class-7=-.25"), (" class-7 = -0.25 , slant=1.5",), ("slant=1.5,", "class-7=-25e-2")):
        assert np.array_equal(shift_of(plain, *edits), expected)


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        (["slnt=1"], "there is no direction 'slnt'. Did you mean 'slant'\\? Known: slant, class-7"),
        (["slant"], "must be NAME=STRENGTH, such as slant=\\+1.5"),
        (["slant=much"], "must be NAME=STRENGTH"),
        (["slant=nan"], "must be NAME=STRENGTH"),
        (["slant=inf"], "must be NAME=STRENGTH"),
        (["slant=11"], "must lie in -10 .. 10"),
        (["slant=1", "slant=1"], "is given twice"),
    ],
)
def test_unusable_edits_are_refused(plain: Path, edits: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        shift_of(plain, *edits)


def test_directions_of_another_model_are_refused(plain: Path, plain_graph: Any) -> None:
    """A retrained model has another run, in which the same vector means something else."""
    folder = plain.parent
    request = Request(n=2, edits=ONE_STEP)
    sample_to_files(plain, folder / "a.png", request, folder=False)
    write_directions(folder, plain_graph.metadata.model_copy(update={"mlflow_run": "0" * 32}), "z", np.eye(24)[:2])
    with pytest.raises(InputError, match=r"directions.json: belongs to another model. Run `ganline directions`"):
        sample_to_files(plain, folder / "a.png", request, folder=False)
    (folder / "directions.json").write_text('{"model": 3}')
    with pytest.raises(InputError, match=r"directions.json: cannot be read \("):
        sample_to_files(plain, folder / "a.png", request, folder=False)
    (folder / "directions.json").unlink()
    with pytest.raises(InputError, match=r"directions.json: no such file. Run `ganline directions`"):
        sample_to_files(plain, folder / "a.png", request, folder=False)


def test_edits_of_styles_need_both_parts(styled: Path, tmp_path: Path) -> None:
    for name in ("generator.onnx", "directions.json"):
        shutil.copy(styled.with_name(name), tmp_path)
    with pytest.raises(InputError, match=r"synthesis.onnx: no such file. An edit of styles needs it next to generator"):
        sample_to_files(
            tmp_path / "generator.onnx", tmp_path / "a.png", Request(n=2, edits=Edits(("slant=1",))), folder=False
        )


def test_sheets_and_interpolations_are_edited(plain: Path, tmp_path: Path) -> None:
    edited = EditedGenerator(Generator(plain), shift_of(plain, "slant=2"))
    sample_to_files(
        plain, tmp_path / "sheet.png", Request(n=6, seed=4, columns=3, edits=Edits(("slant=2",))), folder=False
    )
    sheet = cells(tmp_path / "sheet.png", 16, 3).reshape(6, 16, 16, 1)
    assert np.array_equal(sheet, edited.sample(6, 4))
    strips = Request(n=2, seed=4, steps=3, edits=Edits(("slant=2",)))
    sample_to_files(plain, tmp_path / "strips.png", strips, folder=False)
    found = cells(tmp_path / "strips.png", 16, 3)
    assert np.array_equal(found[:, 0], edited.sample(2, 4))
