"""Styles of several seeds and files in one item, mixtures of labels, and saved latents."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import InputError
from pipeline.serving.runtime.directions import identity
from pipeline.serving.runtime.edited_generator import EditedGenerator, Edits, edit_generator
from pipeline.serving.runtime.generator import Generator
from pipeline.serving.runtime.latent_space import StyleSpace
from pipeline.serving.runtime.sample_files import Request, sample_to_files
from pipeline.serving.runtime.saved_latent import SavedLatent, read_latent
from tests.serving.runtime.test_sample_files import cells


def edited(path: Path, edits: Edits, **conditions: Any) -> EditedGenerator:
    found = edit_generator(Generator(path), edits, conditions)
    assert isinstance(found, EditedGenerator)
    return found


def encode(path: Path, n: int, seed: int, **conditions: Any) -> Any:
    generator = Generator(path)
    rows = generator.conditions(**conditions)
    return StyleSpace(generator).encode(generator.latents(seed, 0, n), rows)


def render(path: Path, w: Any) -> Any:
    return StyleSpace(Generator(path)).render(w, {})


def test_groups_of_layers_take_the_styles_of_other_seeds(styled: Path) -> None:
    """Item i takes item i of each seed, under its own label."""
    w = encode(styled, 70, 3, label=["b", "e"])
    w[:, 0], w[:, 2] = encode(styled, 70, 7, label=["b", "e"])[:, 0], encode(styled, 70, 9, label=["b", "e"])[:, 2]
    found = edited(styled, Edits(styles="coarse:7,fine:9"))
    assert np.array_equal(found.sample(70, 3, label=["b", "e"]), render(styled, w))
    w[:, :, 1] += np.float32(0.5 * 2)
    both = edited(styled, Edits(("class-7=2",), "coarse:7, fine:9"))
    assert np.array_equal(both.sample(70, 3, label=["b", "e"]), render(styled, w))


def test_a_mixture_of_labels_is_the_weighted_mean_of_styles(styled: Path) -> None:
    w = [encode(styled, 6, 3, label=[name]) for name in "abe"]
    conditions = {"label": ["a:1,b:3", "e", "b:0.5,a:0.25,e:0.25"]}
    found = edited(styled, Edits(), **conditions).sample(6, 3, **conditions)
    shares = np.array([[0.25, 0.75, 0], [0, 0, 1], [0.25, 0.5, 0.25]] * 2, dtype=np.float32)
    expected = sum(shares[:, k, None, None] * w[k] for k in range(3))
    np.testing.assert_allclose(found.astype(int), render(styled, expected.astype(np.float32)).astype(int), atol=1)
    once = {"label": ["b:2,b:5"]}
    assert np.array_equal(edited(styled, Edits(), **once).sample(6, 3, **once), render(styled, w[1]))


def test_a_class_may_contain_a_colon(styled: Path) -> None:
    generator = Generator(styled)
    assert edit_generator(generator, Edits(), {"label": ["3:1"]}) is generator
    both = {"label": ["3:1:1,a:1"]}
    mean = (encode(styled, 2, 0, label=["3:1"]) + encode(styled, 2, 0, label=["a"])) / 2
    np.testing.assert_allclose(
        edited(styled, Edits(), **both).sample(2, 0, **both).astype(int), render(styled, mean).astype(int), atol=1
    )


def test_sheets_have_a_column_for_each_mixture(styled: Path, tmp_path: Path) -> None:
    conditions = {"label": ["a:1,b:1", "c", "b:1,e:1"]}
    sample_to_files(styled, tmp_path / "a.png", Request(n=6, conditions=conditions), folder=False)
    expected = edited(styled, Edits(), **conditions).sample(6, 0, **conditions)
    assert np.array_equal(cells(tmp_path / "a.png", 8, 3).reshape(6, 8, 8, 1), expected)
    sample_to_files(styled, tmp_path / "b.png", Request(n=3, conditions=conditions, steps=4), folder=False)
    assert np.array_equal(cells(tmp_path / "b.png", 8, 4)[:, 0], expected[:3])


def save(path: Path, model: Path, values: Any, label: int = -1, space: Any = "w") -> None:
    SavedLatent(values, space, label, identity(Generator(model).metadata)).save(path)


def test_a_saved_style_is_drawn_edited_and_mixed(styled: Path, tmp_path: Path) -> None:
    w = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
    file = tmp_path / "photo.npz"
    save(file, styled, w)
    sample_to_files(styled, tmp_path / "a.png", Request(edits=Edits(("slant=2",), latent=file)), folder=False)
    shifted = w + np.array([1, 0, 0, 0], dtype=np.float32)
    with Image.open(tmp_path / "a.png") as picture:
        assert np.array_equal(np.asarray(picture)[2:66:8, 2:66:8], render(styled, shifted[None])[0, :, :, 0])
    mixed = encode(styled, 3, 5, label=["a"])
    mixed[:, 2] = w[2]
    assert np.array_equal(edited(styled, Edits(styles=f"fine:{file}")).sample(3, 5, label=["a"]), render(styled, mixed))
    with pytest.raises(InputError, match="--latent: styles contain label and psi already"):
        sample_to_files(
            styled, tmp_path / "a.png", Request(conditions={"psi": 0.5}, edits=Edits(latent=file)), folder=False
        )
    with pytest.raises(InputError, match="--latent: an interpolation goes from latent to latent of a seed"):
        sample_to_files(styled, tmp_path / "a.png", Request(steps=3, edits=Edits(latent=file)), folder=False)


def test_a_saved_z_is_drawn_and_edited(plain: Path, tmp_path: Path) -> None:
    z = np.random.default_rng(0).standard_normal(24).astype(np.float32)
    save(tmp_path / "z.npz", plain, z, space="z")
    found = edited(plain, Edits(("slant=2",), latent=tmp_path / "z.npz")).sample(3, 99)
    shifted = z + 2 * np.eye(24, dtype=np.float32)[0]
    assert np.array_equal(found, Generator(plain).generate(shifted[None].repeat(3, axis=0), {}))


def test_a_saved_z_brings_its_label(labelled_graph: Any, tmp_path: Path) -> None:
    z = np.random.default_rng(0).standard_normal(12).astype(np.float32)
    save(tmp_path / "z.npz", labelled_graph.path, z, label=3, space="z")
    generator = Generator(labelled_graph.path)
    found = edited(labelled_graph.path, Edits(latent=tmp_path / "z.npz"))
    assert np.array_equal(found.sample(1), generator.generate(z[None], {"label": np.array([3])}))
    assert np.array_equal(found.sample(1, label=["b"]), generator.generate(z[None], {"label": np.array([1])}))


@pytest.mark.parametrize(
    ("edits", "labels", "message"),
    [
        (Edits(styles="rough:7"), [], "--styles rough:7: must be GROUP:SEED or GROUP:FILE, such as coarse:7,fine:9"),
        (Edits(styles="coarse"), [], "Groups: coarse, middle, fine"),
        (Edits(styles="coarse:"), [], "must be GROUP:SEED"),
        (Edits(styles="fine:nothing.npz"), [], "nothing.npz: no such file. Write it with `ganline project IMAGE"),
        (Edits(), ["a:0.5,b"], "--label a:0.5,b: a mixture is CLASS:SHARE,CLASS:SHARE"),
        (Edits(), ["a:-1,b:2"], "a mixture is CLASS:SHARE"),
        (Edits(), ["a:0,b:2"], "a mixture is CLASS:SHARE"),
        (Edits(), ["a:inf,b:2"], "a mixture is CLASS:SHARE"),
        (Edits(), ["a:1,zz:2"], "no class 'zz'"),
    ],
)
def test_unusable_mixtures_are_refused(styled: Path, edits: Edits, labels: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message.replace("(", "\\(")):
        edited(styled, edits, label=labels).sample(2, label=labels)


def test_generators_without_styles_mix_nothing(plain: Path, labelled_graph: Any) -> None:
    with pytest.raises(InputError, match=r"this model \(dcgan\) has no styles by layer"):
        edited(plain, Edits(styles="coarse:7"))
    with pytest.raises(InputError, match=r"this model \(dcgan\) has no styles by layer"):
        edited(labelled_graph.path, Edits(), label=["a:1,b:1"]).sample(2, label=["a:1,b:1"])
    with pytest.raises(InputError, match=r"takes no label"):
        Generator(plain).sample(2, label=["a:1,b:1"])


def test_damaged_latents_are_refused(styled: Path, tmp_path: Path) -> None:
    metadata, file = Generator(styled).metadata, tmp_path / "photo.npz"
    w = np.zeros((3, 4), dtype=np.float32)
    save(file, styled, w)
    assert read_latent(file, metadata).values.shape == (3, 4)
    with pytest.raises(InputError, match=r"photo.npz: belongs to another model. Project the image again"):
        read_latent(file, metadata.model_copy(update={"mlflow_run": "1" * 32}))
    whole = file.read_bytes()
    pickled = io.BytesIO()
    np.savez(pickled, latent=np.array([{}], dtype=object), space="w", label=0, model="m")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as other:
        other.writestr("latent.npy", b"nothing")
    unusual = io.BytesIO()
    np.savez(unusual, latent=w * np.nan, space="w", label=0, model=identity(metadata))
    for content in (b"", whole[: len(whole) // 2], b"text", pickled.getvalue(), archive.getvalue(), unusual.getvalue()):
        file.write_bytes(content)
        with pytest.raises(InputError, match=r"photo.npz: is no latent that `ganline project` wrote"):
            read_latent(file, metadata)
    save(file, styled, np.zeros(4, dtype=np.float32))
    with pytest.raises(InputError, match="it holds no latent"):
        read_latent(file, metadata)
