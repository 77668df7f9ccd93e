"""The example code on the model card runs for every kind of graph."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import TypeAdapter

from pipeline.gans.registry import ModelSettings, build
from pipeline.items import ItemSpec
from pipeline.serving.onnx.graph_export import export, name_tensors
from pipeline.serving.onnx.metadata import Metadata
from pipeline.serving.onnx.model_card import render_card
from pipeline.serving.onnx.signature import describe_graph
from pipeline.tasks.registry import TASKS
from pipeline.tasks.task import Task
from tests.specs import image_spec


def card_of(task: Task, metadata: Metadata, signature: Any) -> str:
    return render_card(task, metadata, signature, settings={}, evaluation={"verdict": "pass"}, measured={})


@pytest.mark.parametrize(
    ("which", "shape"),
    [("plain_graph", (16, 16, 16, 1)), ("labelled_graph", (16, 8, 8, 3)), ("styled_graph", (16, 8, 8, 1))],
)
def test_the_example_code_generates_images(
    which: str, shape: tuple[int, ...], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = request.getfixturevalue(which)
    described = describe_graph(exported.path, exported.metadata.item)
    card = card_of(TASKS["generate"], exported.metadata, described)
    (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    monkeypatch.chdir(Path(exported.path).parent)
    scope: dict[str, Any] = {}
    exec(code, scope)
    items = scope["values"].transpose(0, 2, 3, 1)
    assert (items.shape, items.dtype) == (shape, np.uint8)
    assert len(np.unique(items.reshape(16, -1), axis=0)) == 16
    assert ("--label" in card, "--psi" in card) == (which != "plain_graph", which == "styled_graph")


@pytest.mark.parametrize(
    ("variant", "channels", "size"),
    [("denoise", 1, (19, 30)), ("srgan", 3, (76, 120)), ("pix2pix", 3, (16, 16)), ("drit", 3, (16, 24))],
)
def test_the_example_code_transforms_an_image(
    variant: str, channels: int, size: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {"generator_channels": 4, "discriminator_channels": 4}
    settings = TypeAdapter(ModelSettings).validate_python(
        {"variant": variant, **small, "blocks": 1} if variant != "pix2pix" else {"variant": variant, **small}
    )
    gan = build(settings, image_spec(16 if variant != "srgan" else 32, channels, 2))
    spec = name_tensors(gan.export()[0], image_spec(16, channels, 2))
    about = {
        "version": "1",
        "variant": variant,
        "item": ItemSpec(height=16, width=16, channels=channels, classes=("horse", "deer")),
        "dataset_name": "d",
    }
    rest = {
        "dataset_fingerprint": "f",
        "images_seen": 1,
        "git_commit": "c",
        "mlflow_run": "r",
        "verdict": "pass",
        "fid": None,
        "protocol": "p",
    }
    metadata = Metadata(**about, **rest, task=gan.task, scale=gan.scale, multiple=spec.multiple, latent=gan.latent)
    export(spec, tmp_path / "generator.onnx", metadata.pairs(), 20)
    described = describe_graph(tmp_path / "generator.onnx", metadata.item)
    card = card_of(TASKS[gan.task], metadata, described)
    (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.random.default_rng(0).integers(256, size=(19, 30, 3), dtype=np.uint8)).save("photo.jpg")
    exec(code, {})
    with Image.open("restored.png" if gan.task == "restore" else "translated.png") as result:
        assert (result.height, result.width) == size
    assert ("--example" in card) == (variant == "drit")
    assert ("from horse to deer" in card) == (gan.task == "translate")
