"""A training that starts from a finished model: what is copied, what is frozen, and what is refused."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from pipeline.errors import InputError
from pipeline.gans.base import GAN
from pipeline.gans.registry import ModelSettings, build
from pipeline.items import ItemSpec
from pipeline.training import model_files
from pipeline.training.ema import EMA
from pipeline.training.freezing import layers_of
from pipeline.training.settings import TrainSettings
from pipeline.training.warm_start import Parent, read_parent
from tests.observer import Watcher
from tests.specs import image_spec
from tests.training.small_trainings import MODELS, PIXELS, STORED, build_trainer

SPLIT = {"seed": 0, "test_fraction": 0.2}


def build_model(name: str, seed: int, item: ItemSpec | None = None, **changes: object) -> GAN:
    torch.manual_seed(seed)
    settings = settings_of(name, **changes)
    return build(settings, item or STORED.get(settings.variant, PIXELS))


def settings_of(name: str, **changes: object) -> ModelSettings:
    settings: ModelSettings = TypeAdapter(ModelSettings).validate_python(MODELS[name] | changes)
    return settings


def save_parent(name: str, folder: Path) -> Parent:
    """Save an untrained model and read it as a parent."""
    settings = settings_of(name)
    config = model_files.ModelConfig(
        model=settings,
        item=STORED.get(settings.variant, PIXELS),
        dataset_source="bars",
        dataset_fingerprint="ab" * 32,
        images_seen=640,
        split=SPLIT,
    )
    model_files.save(build_model(name, 0), config, folder)
    return read_parent(folder, "parent")


def weights(gan: GAN) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in gan.named_parameters()}


@pytest.mark.parametrize("name", MODELS)
def test_all_networks_start_as_the_parents(tmp_path: Path, name: str) -> None:
    parent, gan = save_parent(name, tmp_path), build_model(name, 1)
    parent.load_into(gan)
    expected, found = weights(build_model(name, 0)), weights(gan)
    assert expected.keys() == found.keys()
    assert [key for key, value in expected.items() if not torch.equal(value, found[key])] == []


def test_the_averages_of_the_parent_fade_with_the_whole_half_life() -> None:
    for random_start, weight in ((True, 1 - 0.5**20), (False, 1 - 0.5**0.016)):
        gan = build_model("vanilla", 0)
        ema = EMA(gan, random_start=random_start)
        before = ema.averages[0].clone()
        with torch.no_grad():
            ema.sources[0].add_(1)
        ema.update(1000, 16, 16)
        torch.testing.assert_close(ema.averages[0], before + weight)


def train_frozen(name: str, folder: Path, count: int, stop_at: float = 48) -> tuple[Any, dict[str, Tensor]]:
    """Train three steps with frozen layers; return the trainer and the weights before."""
    trainer = build_trainer(
        MODELS[name], folder, Watcher(stop_at), 48, start_from="parent", freeze_discriminator=count, schedule_images=48
    )
    before = weights(trainer.gan)
    trainer.run()
    return trainer, before


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in ("vanilla", "vanilla clipped", "drit") else [pytest.mark.slow])
        for name in MODELS
    ],
)
def test_frozen_layers_stay_bit_equal(tmp_path: Path, name: str) -> None:
    trainer, before = train_frozen(name, tmp_path, 1)
    after = weights(trainer.gan)
    frozen = {key for key in after if key.startswith(tuple(f"{layer}." for layer in trainer.frozen))}
    assert frozen
    assert all(torch.equal(before[key], after[key]) for key in frozen)
    assert any(not torch.equal(before[key], after[key]) for key in after if "discriminator" in key)
    assert not {id(parameter) for key, parameter in trainer.gan.named_parameters() if key in frozen} & {
        id(parameter)
        for optimizer in trainer.optimizers.values()
        for group in optimizer.param_groups
        for parameter in group["params"]
    }


LAST = {"cgan": {"embedding", "network.head"}}
"""Layers at the output that run side by side, in either order."""


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_layers_are_counted_from_the_image_side(tmp_path: Path, name: str) -> None:
    trainer = build_trainer(MODELS[name], tmp_path, Watcher())
    trainer.images_seen = trainer.schedule_images
    for phase in trainer.phases:
        for network in phase.networks if phase.role == "discriminator" else ():
            module, order = trainer.gan.get_submodule(network), list[str]()
            layers = [layer for layer in layers_of(module) if layer not in LAST.get(name, ())]
            for layer in layers:
                record = partial(lambda order, layer, *_: order.append(layer), order, layer)
                module.get_submodule(layer).register_forward_pre_hook(record)
            trainer.update(phase, measure=False)
            assert list(dict.fromkeys(order)) == layers


def test_a_discriminator_without_a_layer_left_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"freeze_discriminator 2: discriminator has 2 layers. Set it to at most 1"):
        train_frozen("vanilla", tmp_path, 2)


def test_new_weights_are_not_frozen() -> None:
    with pytest.raises(ValidationError, match="would freeze new weights; set start_from"):
        TrainSettings.model_validate({"freeze_discriminator": 1})


@pytest.mark.parametrize(
    ("name", "refuse", "words"),
    [
        ("vanilla", lambda parent: parent.check(settings_of("dcgan"), PIXELS), "is a vanilla, and model.variant is"),
        ("vanilla", lambda parent: parent.check(settings_of("vanilla"), image_spec(16, 1)), "of image 8 x 8 x 1 uint8"),
        ("cgan", lambda parent: parent.check(settings_of("cgan"), image_spec(8, 1, list("3210"))), "classes are 0, 1"),
        ("vanilla", lambda parent: parent.check_split(SPLIT | {"seed": 1}), "data.seed 0.*held out now"),
        (
            "vanilla",
            lambda parent: parent.load_into(build_model("vanilla", 0, hidden=[8])),
            "layers.0.bias is 16 in the parent",
        ),
    ],
)
def test_a_parent_that_does_not_fit_is_refused(
    tmp_path: Path, name: str, refuse: Callable[[Parent], None], words: str
) -> None:
    parent = save_parent(name, tmp_path)
    with pytest.raises(InputError, match=f"train.start_from parent: .*{words}.*set train.start_from: null"):
        refuse(parent)


def test_classes_without_a_meaning_for_the_networks_may_differ(tmp_path: Path) -> None:
    parent = save_parent("vanilla", tmp_path)
    parent.check(settings_of("vanilla"), image_spec(8, 1, list("3210")))
    parent.check_split(SPLIT)
