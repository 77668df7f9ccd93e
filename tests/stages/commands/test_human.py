"""`ganline human` on a real checkout: the page shows real and generated items; results reach metrics and summary."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter

from pipeline.arrays import Int64Array, UInt8Array
from pipeline.cli.summary import summary
from pipeline.data.store import ItemSet, open_split
from pipeline.errors import InputError
from pipeline.evaluation.blind_test import BlindTest, hash_file
from pipeline.gans.base import GAN
from pipeline.gans.registry import ModelSettings, build
from pipeline.items import ItemSpec
from pipeline.media.registry import find_medium
from pipeline.stages.commands import human
from pipeline.tasks.generate.blind_items import draw_generated
from pipeline.tasks.registry import TASKS
from pipeline.training import model_files
from pipeline.training.model_files import ModelConfig
from tests.specs import image_spec
from tests.stages.conftest import Line


def test_results_reach_metrics_and_summary(
    new_line: Callable[[], Line], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = new_line().root
    human.write_page(root, seed=5)
    assert "reports/human.html: 40 items, half of them real" in capsys.readouterr().out
    page = (root / "reports/human.html").read_text()
    test = open_split(root / "data/dataset", root / "data/validated", "test")
    blind = BlindTest(hash_file(root / "models/generator.safetensors"), test.fingerprint, 5)
    shown = re.findall(r'<div class="item" hidden>(.*?)</div>', page)
    real = [find_medium("image").html(item, test.item) for item in test.images(blind.choose(len(test), 20, "items"))]
    assert [html for html, is_real in zip(shown, blind.is_real, strict=True) if is_real] == real
    assert len(set(shown)) == 40

    answers = ["real"] * 40
    result = {"test": "ganline-human-1", "model": blind.model, "data": blind.data, "seed": 5, "key": blind.key}
    path = tmp_path / "human-5.json"
    path.write_text(json.dumps(result | {"answers": answers}))
    with pytest.raises(InputError, match="given twice"):
        human.add_results(root, [path, path])
    human.add_results(root, [path])
    measured = json.loads((root / "metrics/human.json").read_text())
    assert (measured["human_accuracy"], measured["human_answers"], measured["generated_taken_for_real"]) == (0.5, 40, 1)
    line = "50 % of 40 answers are right (35.2 % to 64.8 %; guessing gives 50 %)"
    assert line in capsys.readouterr().out
    assert f"human      {line}" in summary(root)

    metrics = root / "metrics/human.json"
    metrics.write_text(json.dumps({"model_sha256": blind.model}))
    assert "metrics/human.json is not the result of a blind test" in summary(root)

    with (root / "models/generator.safetensors").open("ab") as file:
        file.write(b" ")
    assert "metrics/human.json is about another model" in summary(root)
    with pytest.raises(InputError, match="the test showed another model"):
        human.add_results(root, [path])


def save_untrained(folder: Path, settings: dict[str, Any], item: ItemSpec) -> GAN:
    """Save an untrained model and return it."""
    model = TypeAdapter(ModelSettings).validate_python(settings)
    gan = build(model, item)
    config = ModelConfig(model=model, item=item, dataset_source="", dataset_fingerprint="", images_seen=0)
    model_files.save(gan, config, folder)
    return gan


def split_of(images: UInt8Array, item: ItemSpec, labels: Int64Array) -> ItemSet:
    count = len(images)
    return ItemSet(
        shards=[images],
        shard=np.zeros(count, dtype=np.int64),
        row=np.arange(count),
        labels=labels,
        names=[f"{k}.png" for k in range(count)],
        item=item,
        fingerprint="f" * 64,
    )


def test_translations_are_shown_among_real_images_of_the_target(tmp_path: Path) -> None:
    item = image_spec(16, 3, ["dark", "light"])
    settings = {"variant": "cyclegan", "generator_channels": 4, "discriminator_channels": 4, "blocks": 1}
    gan = save_untrained(tmp_path, settings, item)
    dark, light = (np.full((count, 16, 16, 3), level, np.uint8) for count, level in ((21, 10), (22, 240)))
    light[:, 0, 0, 0] = np.arange(22)
    test = split_of(np.concatenate([dark, light]), item, np.array([0] * 21 + [1] * 22))
    blind = BlindTest("m", "d", 3)
    real, translated = TASKS["translate"].blind_items(gan, test, test, blind)
    assert len({image.tobytes() for image in real}) == len(translated) == 20
    assert all((image[1:] == 240).all() for image in real)
    assert not any((image[1:] == 10).all() for image in translated)
    assert blind.render(real, translated, item).count('class="item"') == 40
    with pytest.raises(InputError, match="19 items of dark, and a blind test needs 20"):
        TASKS["translate"].blind_items(gan, test, split_of(test.images(np.arange(2, 43)), item, test.labels[2:]), blind)


def test_restored_images_are_shown_among_other_originals(tmp_path: Path) -> None:
    item = image_spec(16, 3)
    settings = {"variant": "srgan", "scale": 2, "generator_channels": 4, "blocks": 1, "discriminator_channels": 4}
    gan = save_untrained(tmp_path, settings, item)
    images = np.random.default_rng(0).integers(0, 256, (41, 16, 16, 3)).astype(np.uint8)
    test, blind = split_of(images, item, np.full(41, -1)), BlindTest("m", "d", 0)
    real, restored = TASKS["restore"].blind_items(gan, test, test, blind)
    originals = {image.tobytes() for image in images}
    assert len({image.tobytes() for image in real} & originals) == 20
    assert not {image.tobytes() for image in restored} & originals
    assert {image.shape for image in (*real, *restored)} == {(16, 16, 3)}
    assert blind.render(real, restored, item).count('class="item"') == 40
    with pytest.raises(InputError, match="39 images, and a blind test needs 40"):
        TASKS["restore"].blind_items(gan, test, split_of(images[:39], item, np.full(39, -1)), blind)


def test_a_conditional_model_draws_the_classes_of_the_training_items(tmp_path: Path, trained: Path) -> None:
    train = open_split(trained / "data/dataset", trained / "data/validated", "train")
    settings = {"variant": "cgan", "latent": 8, "generator_channels": 4, "discriminator_channels": 4}
    gan = save_untrained(tmp_path / "models", settings, train.item)
    items = draw_generated(gan, train, 0)
    assert items.shape == (20, 8, 8, 1)
    assert np.array_equal(items, draw_generated(gan, train, 0))
    with torch.no_grad():
        for weight in gan.parameters():
            weight.fill_(np.nan)
    with pytest.raises(InputError, match="the model generates NaN or Inf"):
        draw_generated(gan, train, 0)
