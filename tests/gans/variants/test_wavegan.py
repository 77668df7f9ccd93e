"""WaveGAN: shapes, phase shuffle, updated networks, labels, export, and what it refuses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.errors import InputError
from pipeline.gans.base import GAN
from pipeline.gans.registry import build, parse_settings
from pipeline.gans.variants.wavegan.wavegan import PhaseShuffle, WaveGAN
from pipeline.items import ItemSpec
from pipeline.media.audio.medium import AudioMedium
from pipeline.media.audio.settings import AudioSettings
from pipeline.params import parse_values
from pipeline.serving.onnx import parity
from pipeline.serving.onnx.graph_export import export, name_tensors

AUDIO = AudioMedium()
ITEM = AUDIO.spec(AudioSettings(representation="wave", seconds=0.064), ("low", "high"))


def small(item: ItemSpec = ITEM, **settings: Any) -> WaveGAN:
    torch.manual_seed(0)
    sizes = {"variant": "wavegan", "latent": 6, "generator_channels": 2, "discriminator_channels": 2, "kernel": 9}
    gan = build(parse_settings(sizes | settings), item)
    assert isinstance(gan, WaveGAN)
    return gan


def waves(n: int) -> Tensor:
    """Return random waves."""
    return torch.rand(n, 1, 1, 512, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("samples", [64, 80, 512, 4096, 5120])
@pytest.mark.parametrize("settings", [{}, {"conditional": False, "kernel": 25, "stabilisers": {"packing": 2}}])
def test_shapes(samples: int, settings: dict[str, Any]) -> None:
    gan = small(ITEM.model_copy(update={"width": samples}), **settings)
    sampled = gan.sample(3, torch.Generator().manual_seed(0))
    assert sampled.shape == (3, 1, 1, samples)
    assert gan.score(sampled, torch.tensor([0, 1, 0])).shape == (3,)
    assert gan.trunk()(sampled).shape[0] == 3


def test_the_sizes_of_the_paper() -> None:
    """Table 3 and 4 of Donahue 2019: d = 64, 16,384 samples; 19 and 17.6 million weights."""
    item = ITEM.model_copy(update={"width": 16_384})
    gan = build(parse_settings({"variant": "wavegan", "latent": 100, "conditional": False}), item)
    assert isinstance(gan, WaveGAN)
    counts = [sum(weight.numel() for weight in network.parameters()) for network in (gan.generator, gan.discriminator)]
    assert [round(count / 1e6, 1) for count in counts] == [19.1, 17.4]
    assert (gan.critic_steps, gan.penalties.gp) == (5, 10)


def test_phase_shuffle_shifts_and_mirrors_in_training_only() -> None:
    layer, maps = PhaseShuffle(2), torch.arange(8.0).reshape(1, 1, 1, 8)
    torch.manual_seed(0)
    seen = {tuple(layer.train()(maps).flatten().tolist()) for _ in range(100)}
    assert seen == {
        (0, 1, 2, 3, 4, 5, 6, 7),
        (1, 0, 1, 2, 3, 4, 5, 6),
        (2, 1, 0, 1, 2, 3, 4, 5),
        (1, 2, 3, 4, 5, 6, 7, 6),
        (2, 3, 4, 5, 6, 7, 6, 5),
    }
    assert layer.eval()(maps) is maps
    gan = small(phase_shuffle=0)
    logits = [gan.discriminator.train()(waves(4), torch.zeros(4, dtype=torch.int64)) for _ in range(2)]
    assert torch.equal(*logits)


@pytest.mark.parametrize(
    "settings",
    [{"critic_steps": 1}, {"objective": "relativistic", "critic_steps": 1, "penalties": {"r1": 1}}],
)
def test_each_phase_updates_its_networks_only(
    settings: dict[str, Any], check_updates: Callable[[GAN, dict[str, Tensor]], None]
) -> None:
    check_updates(small(**settings), {"item": waves(8), "label": torch.arange(8) % 2})


def test_labels_decide_what_is_generated_and_how_it_is_scored() -> None:
    gan = small()
    z = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    first, second = (gan.sample(4, torch.Generator(), z=z, label=torch.full((4,), k)) for k in range(2))
    assert not torch.equal(first, second)
    assert not torch.equal(*(gan.score(first, torch.full((4,), k)) for k in range(2)))


@pytest.mark.parametrize("conditional", [pytest.param(False, marks=pytest.mark.slow), True])
def test_the_exported_graph_returns_waves_and_the_sound(
    conditional: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parity, "BATCHES", (1, 3))
    monkeypatch.setattr(parity, "LATENCY_BATCHES", ())
    (spec,) = small(conditional=conditional).eval().export()
    spec, path = name_tensors(spec, ITEM), tmp_path / "generator.onnx"
    assert spec.outputs == ("waves",)
    export(spec, path, {}, 20, lambda model: AUDIO.extend_graph(model, ITEM))
    assert parity.check_parity(spec, path, 1e-4, ITEM).max_abs < 1e-5


WAVES = {"medium": "audio", "representation": "wave"}


@pytest.mark.parametrize(
    ("data", "model", "words"),
    [
        ({"medium": "audio"}, {}, r"needs waves; set data\.medium: audio and data\.representation: wave"),
        ({"medium": "image"}, {}, r"needs waves"),
        (WAVES | {"seconds": 0.528}, {}, "needs a multiple of 256 samples, at least 64; the nearest is 4096"),
        (WAVES, {"kernel": 24}, "Set kernel: 25"),
        (WAVES, {"stabilisers": {"packing": 2}}, "a pack of waves has no single label"),
        (WAVES, {"stabilisers": {"augment": {"policy": "diffaugment"}}}, "does not suit clips; choose one of none"),
        (WAVES, {"variant": "vanilla", "stabilisers": {"augment": {"policy": "diffaugment"}}}, "does not suit clips"),
        (WAVES, {"variant": "dcgan"}, "needs squares whose side is a power of two"),
    ],
)
def test_what_it_cannot_train_on_is_refused(data: dict[str, Any], model: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse_values({"data": data, "model": {"variant": "wavegan"} | model, "train": {"flips": False}})
