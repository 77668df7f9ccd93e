"""Health checks of each task during training: the measures, the images to compare with, reproducibility."""

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter

from pipeline.data.store import ItemSet, PairSet
from pipeline.gans.base import GAN
from pipeline.gans.registry import ModelSettings, build
from pipeline.tasks.generate.sample_look import SampleLook
from pipeline.tasks.registry import TASKS
from pipeline.tasks.restore.restoration_look import RestorationLook
from pipeline.tasks.training_case import TrainingCase
from pipeline.tasks.translate.translation_look import TranslationLook
from pipeline.training.settings import TrainSettings
from tests.specs import image_spec

CPU = torch.device("cpu")
SMALL = {"generator_channels": 4, "discriminator_channels": 4}
ITEM = image_spec(16, 3, 2)
MODELS: dict[str, dict[str, Any]] = {
    "dcgan": {"variant": "dcgan", **SMALL, "latent": 4},
    "denoise": {"variant": "denoise", **SMALL, "blocks": 1, "pretraining": 1},
    "pix2pix": {"variant": "pix2pix", **SMALL, "discriminator_layers": 1},
    "cyclegan": {"variant": "cyclegan", **SMALL, "discriminator_layers": 1, "blocks": 1},
}


def model(name: str) -> GAN:
    torch.manual_seed(0)
    settings: ModelSettings = TypeAdapter(ModelSettings).validate_python(MODELS[name])
    return build(settings, ITEM).eval()


def data(n: int, seed: int, *, paired: bool) -> ItemSet:
    """Return dark and bright noise as two classes, or as pairs."""
    rng = np.random.default_rng(seed)
    dark, bright = (rng.integers(low, low + 100, (n, 16, 16, 3), dtype=np.uint8) for low in (20, 150))
    common: dict[str, Any] = {
        "names": [f"{k}" for k in range(n)],
        "shard": np.zeros(n, np.int64),
        "row": np.arange(n),
        "fingerprint": f"{seed}",
    }
    if paired:
        return PairSet(
            shards=[np.concatenate([dark, bright], axis=2)],
            labels=np.full(n, -1),
            item=image_spec(16, 3),
            partners=None,
            **common,
        )
    labels = np.arange(n) % 2
    return ItemSet(
        shards=[np.where(labels[:, None, None, None] == 0, dark, bright)],
        labels=labels,
        item=image_spec(16, 3, ["dark", "bright"]),
        **common,
    )


def training_case(name: str, held: int = 40) -> TrainingCase:
    gan = model(name)
    paired = gan.view.name == "paired"
    settings = TrainSettings.model_validate({"batch_size": 8, "health": {"samples": 64}})
    train, held_out = data(80, 0, paired=paired), data(held, 1, paired=paired)
    return TrainingCase(gan, ITEM, train, held_out, settings, CPU)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("dcgan", SampleLook), ("denoise", RestorationLook), ("pix2pix", TranslationLook), ("cyclegan", TranslationLook)],
)
def test_each_task_has_its_own_look_with_reproducible_numbers(name: str, kind: type) -> None:
    case = training_case(name)
    look = TASKS[case.gan.task].look(case)
    assert isinstance(look, kind)
    seen = look.look(case.gan, 64, 0, 8)
    assert seen == look.look(case.gan, 64, 0, 8) == TASKS[case.gan.task].look(case).look(case.gan, 64, 0, 8)
    assert seen["fid"] > 0
    assert {"dcgan": "diversity", "denoise": "psnr", "pix2pix": "distance", "cyclegan": "cycle"}[name] in seen


class Swapped(torch.nn.Module):
    """Add a constant: makes dark noise bright, or bright noise dark."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images + self.by


def test_translations_are_compared_with_their_target_domain() -> None:
    case = training_case("cyclegan")
    look = TASKS["translate"].look(case)
    before = look.look(case.gan, 64, 0, 8)
    case.gan.generator_ab, case.gan.generator_ba = Swapped(130 / 127.5), Swapped(-130 / 127.5)
    right = look.look(case.gan, 64, 0, 8)
    case.gan.generator_ab, case.gan.generator_ba = Swapped(-130 / 127.5), Swapped(130 / 127.5)
    wrong = look.look(case.gan, 64, 0, 8)
    assert right["fid"] < 0.05 * min(before["fid"], wrong["fid"])
    assert right["cycle"] == pytest.approx(0, abs=1e-3)
    assert right["diversity"] == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("held", [0, 40])
def test_without_held_out_images_training_images_are_used(held: int) -> None:
    case = training_case("pix2pix", held)
    look = TASKS["translate"].look(case)
    assert isinstance(look, TranslationLook)
    assert len(look.held_out["a"]) == (held or 64)
    assert set(look.measures) == {"b"}


def test_examples_are_batches_of_the_variant_s_view() -> None:
    pairs = data(40, 1, paired=True)
    first, second = (TASKS["translate"].examples(model("pix2pix"), pairs, CPU, 3) for _ in range(2))
    assert {name: len(values) for name, values in first.items()} == {"a": 8, "b": 8}
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert TASKS["generate"].examples(model("dcgan"), data(40, 1, paired=False), CPU, 3) == {}
