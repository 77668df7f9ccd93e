"""`ganline apply` with a model that translates between classes: --label, --label all, --seed and --example."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
from PIL import Image

from pipeline.errors import InputError
from pipeline.media.registry import MEDIA
from pipeline.serving.graph_tensors import latents
from pipeline.serving.onnx.metadata import Metadata
from pipeline.serving.runtime.apply_files import ApplyOptions, apply_to_files
from pipeline.serving.runtime.image_to_image import ImageToImage
from pipeline.tasks.apply_usage import apply_usage
from tests.serving.runtime.test_apply_files import command, picture, pixels, save

CLASSES = ["spring", "summer", "old winter"]


def run_graph(path: Path, label: int, **other: Any) -> npt.NDArray[np.int64]:
    """Return what a graph makes of the picture, rounded as images are."""
    image = picture(16, 16).astype(np.float32).transpose(2, 0, 1)[None] / 127.5 - 1
    inputs = {"image": image, "label": np.array([label]), **other}
    output = onnxruntime.InferenceSession(path).run(["images"], inputs)[0][0]
    rounded: npt.NDArray[np.int64] = np.clip(np.floor(127.5 * output + 128), 0, 255).astype(np.int64)
    return rounded.transpose(1, 2, 0)


def test_the_label_chooses_the_class_and_the_seed_the_style(class_folder: Path, tmp_path: Path) -> None:
    source, model, out = save(tmp_path / "in.png", 16, 16), class_folder / "generator.onnx", tmp_path / "out.png"
    for label, seed, index in (("summer", 0, 1), ("2", 0, 2), ("old winter", 7, 2)):
        code, output = command(source, "-o", out, "--model", model, "--label", label, "--seed", seed)
        assert code == 0, output
        expected = run_graph(model, index, z=latents(seed, 0, 1, 4))
        assert np.abs(pixels(out).astype(int) - expected).max() <= 1


def test_the_label_all_draws_every_class_in_one_row(class_folder: Path, tmp_path: Path) -> None:
    source, model, out = save(tmp_path / "in.png", 16, 16), class_folder / "generator.onnx", tmp_path / "strip.png"
    code, output = command(source, "-o", out, "--model", model, "--label", "all", "--seed", 3)
    assert code == 0, output
    z = latents(3, 0, 1, 4)
    items = np.stack([picture(16, 16), *(run_graph(model, label, z=z) for label in range(3))]).astype(np.uint8)
    expected = np.asarray(MEDIA["image"].preview(items, ImageToImage(model).metadata.item, columns=4))
    assert pixels(out).shape == expected.shape
    assert expected.shape[1] > 3 * expected.shape[0], "one row"
    assert np.abs(pixels(out).astype(int) - expected).max() <= 1


def test_an_example_gives_the_style_of_its_class(class_folder: Path, tmp_path: Path) -> None:
    source, like = save(tmp_path / "in.png", 16, 16), save(tmp_path / "like.png", 16, 16, seed=2)
    out, model = tmp_path / "out.png", class_folder / "generator.onnx"
    assert apply_to_files(model, [source], out, ApplyOptions(example=like, label="spring")).written == 1
    reference = pixels(like).astype(np.float32).transpose(2, 0, 1)[None] / 127.5 - 1
    expected = run_graph(class_folder / "example.onnx", 0, reference=reference)
    assert np.abs(pixels(out).astype(int) - expected).max() <= 1


def test_missing_and_wrong_classes_are_named(class_folder: Path, style_folder: Path, tmp_path: Path) -> None:
    source, model = save(tmp_path / "in.png", 16, 16), class_folder / "generator.onnx"
    shutil.copy(model, tmp_path / "generator.onnx")
    alone, mixed = tmp_path / "generator.onnx", tmp_path / "mixed" / "generator.onnx"
    mixed.parent.mkdir()
    shutil.copy(model, mixed)
    shutil.copy(style_folder / "generator.onnx", mixed.with_name("example.onnx"))
    for path, options, words in (
        (
            model,
            ApplyOptions(),
            "needs a class to translate to. Set the label to one of spring, summer, old winter",
        ),
        (model, ApplyOptions(label="sumer"), "no class 'sumer'. Did you mean 'summer'"),
        (model, ApplyOptions(label="3"), "no class '3'"),
        (model, ApplyOptions(label="all", example=source), "--example shows one class. Name it with --label"),
        (model, ApplyOptions(example=source), "needs a class to translate to"),
        (model, ApplyOptions(example=source, label="spring", seed=1), "both choose the style"),
        (alone, ApplyOptions(example=source, label="spring"), "example.onnx: no such file"),
        (mixed, ApplyOptions(example=source, label="spring"), "not exported together with"),
        (style_folder / "generator.onnx", ApplyOptions(label="spring"), "translates to one domain. Omit the label"),
        (style_folder / "generator.onnx", ApplyOptions(label="all"), "translates to one domain. Omit the label"),
    ):
        with pytest.raises(InputError) as caught:
            apply_to_files(path, [source], tmp_path / "out.png", options)
        assert words in str(caught.value)
    assert not (tmp_path / "out.png").exists()


def test_a_class_named_all_is_a_class(class_folder: Path) -> None:
    model = ImageToImage(class_folder / "generator.onnx")
    assert model.classes == CLASSES
    assert model.asks_for_all("all")
    model.classes = ["none", "all"]
    assert not model.asks_for_all("all")


def test_the_code_of_the_model_card_runs(class_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metadata: Metadata = ImageToImage(class_folder / "generator.onnx").metadata
    inputs = {"inputs": [{"name": "image"}, {"name": "label"}, {"name": "z"}]}
    text = apply_usage(metadata, inputs, "translated")
    assert "-o translated.png --label spring --model generator.onnx" in text
    assert "the class to translate to: spring, summer, old winter, or `all`" in text
    shutil.copy(class_folder / "generator.onnx", tmp_path)
    Image.fromarray(picture(16, 16)).save(tmp_path / MEDIA["image"].example_file)
    monkeypatch.chdir(tmp_path)
    exec(text.partition("```python\n")[2].partition("```")[0], {})
    assert pixels(tmp_path / "translated.png").shape == (16, 16, 3)
