"""No step of any preset waits for the device: its networks with few channels, random items, a pretended GPU."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline import params
from pipeline.captions import Vocabulary
from pipeline.cli import presets
from pipeline.data.store import ItemSet, PairSet
from pipeline.gans.base import View
from pipeline.gans.registry import VARIANTS, build, parse_settings
from pipeline.gans.variants.settings import VariantSettings
from pipeline.items import ItemSpec
from pipeline.media.registry import find_medium
from pipeline.params import Params
from pipeline.tasks.registry import TASKS
from pipeline.training.loop import Trainer
from tests.observer import Watcher
from tests.pretended_cuda import GPU, pretend
from tests.training.test_on_cuda import run_steps, unexpected

PRESETS = {preset.name: preset for preset in presets.list_presets(Path(__file__).parents[2])}
CAPTIONS = ("a red seven", "a green two")
WIDTH = 16
BATCH = 10
"""Images in a batch: five workers have two each."""


def random_items(view: View, item: ItemSpec) -> ItemSet:
    """Return 40 random items with all that a view asks for."""
    rng, n = np.random.default_rng(0), 40
    shape = item.height, item.width * (2 if view.name == "paired" else 1), item.channels
    limits = np.iinfo(item.dtype)
    low, high = (0, item.symbols) if item.symbols else (limits.min, limits.max + 1)
    common: dict[str, Any] = {
        "shards": [rng.integers(low, high, (n, *shape), dtype=item.dtype)],
        "shard": np.zeros(n, dtype=np.int64),
        "row": np.arange(n),
        "names": [str(number) for number in range(n)],
        "item": item,
        "fingerprint": "random",
    }
    if view.name == "paired":
        return PairSet(**common, labels=np.full(n, -1), partners=None)
    return ItemSet(
        **common,
        labels=np.arange(n) % max(len(item.classes), 1),
        captions=[CAPTIONS[number % 2] for number in range(n)] if item.vocabulary else (),
    )


def narrow(settings: VariantSettings) -> VariantSettings:
    """Return the settings with few channels, so that a step on the CPU takes about a second."""
    values = settings.model_dump()
    few = {name: min(value, WIDTH) for name, value in values.items() if name.endswith("channels")}
    return parse_settings(values | few)


def item_of(settings: Params) -> ItemSpec:
    """Return what an item of a preset is, with as many classes as its variant needs."""
    two = VARIANTS[settings.model.variant].settings.sides == "domains"
    classes = settings.data.classes or (tuple("ab") if two else tuple("abcdefghij"))
    item = find_medium(settings.data.medium).spec(settings.data, classes)
    captioned = settings.model.variant == "dfgan"
    return item.model_copy(update={"vocabulary": Vocabulary.of(CAPTIONS)}) if captioned else item


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
def test_no_step_of_a_preset_waits_for_the_device(tmp_path: Path, name: str) -> None:
    settings = params.parse(PRESETS[name].complete_text(), name)
    train = settings.train.model_copy(update={"batch_size": BATCH, "micro_batch": None})
    with pretend() as gpu:
        torch.manual_seed(0)
        item = item_of(settings)
        gan = build(narrow(settings.model), item)
        task, data = TASKS[gan.task], random_items(gan.view, item)
        batches = task.open_view(gan.view, data, GPU, 0, flips=train.flips)
        trainer = Trainer(gan, batches, train, device=GPU, folder=tmp_path, observer=Watcher(), items=len(data))
        run_steps(trainer, 0, 0.9)  # makes the state of the optimizers
        gpu.clear()
        run_steps(trainer, 0, 0.9)
        assert unexpected(gpu) == [], gpu.report()
