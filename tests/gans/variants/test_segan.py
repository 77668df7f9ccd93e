"""SEGAN: shapes, updated networks, evaluation views, export, and what it refuses."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.errors import InputError
from pipeline.gans.base import GAN, Progress
from pipeline.gans.registry import build, parse_settings
from pipeline.gans.variants.segan.segan import SEGAN, Generator
from pipeline.gans.variants.segan.spectral import SpectralGenerator
from pipeline.items import ItemSpec
from pipeline.media.audio.medium import AudioMedium
from pipeline.media.audio.settings import AudioSettings
from pipeline.media.audio.similarities import si_sdr as measured_si_sdr
from pipeline.media.audio.waves import store_waves
from pipeline.params import parse_values
from pipeline.serving.onnx import parity
from pipeline.serving.onnx.graph_export import export, name_tensors

AUDIO = AudioMedium()
ITEM = AUDIO.spec(AudioSettings(representation="wave", seconds=0.064), ())


def small(item: ItemSpec = ITEM, **settings: Any) -> SEGAN:
    torch.manual_seed(0)
    sizes = {"generator_channels": 2, "discriminator_channels": 2, "kernel": 9, "layers": 4}
    gan = build(parse_settings({"variant": "segan"} | sizes | settings), item)
    assert isinstance(gan, SEGAN)
    return gan


def waves(n: int) -> Tensor:
    """Return random waves."""
    return torch.rand(n, 1, 1, 512, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize(("stride", "layers", "kernel"), [(2, 4, 9), (2, 9, 31), (4, 3, 15), (4, 1, 5)])
def test_shapes(stride: int, layers: int, kernel: int) -> None:
    gan = small(stride=stride, layers=layers, kernel=kernel)
    assert gan.sample(3, torch.Generator(), item=waves(3)).shape == (3, 1, 1, 512)
    assert gan.discriminator(waves(3), waves(3)).shape == (3,)
    preview = gan.preview(0, torch.Generator(), {"input": waves(2), "target": waves(2)})
    assert preview.shape == (6, 1, 1, 512)


def test_the_decoder_sees_the_encoder() -> None:
    gan = small()
    before = gan.sample(1, torch.Generator(), item=waves(1))
    assert isinstance(gan.generator, Generator)
    with torch.no_grad():
        gan.generator.up[0][0].weight.zero_()  # type: ignore[index]
        gan.generator.up[0][0].bias.zero_()  # type: ignore[index]
    after = gan.sample(1, torch.Generator(), item=waves(1))
    assert not torch.equal(after, before)
    assert float(after.std()) > 0, "without the innermost layer, the skip connections still carry the wave"


def test_each_phase_updates_its_networks_only(check_updates: Callable[[GAN, dict[str, Tensor]], None]) -> None:
    check_updates(small(weights={"l1": 1}), {"input": waves(4), "target": waves(4).flip(0)})


def test_a_mask_of_ones_returns_the_wave() -> None:
    gan = small(networks="spectrum", window=64)
    assert isinstance(gan.generator, SpectralGenerator)
    bias = gan.generator.get_parameter("mask.bias").data
    bias.fill_(30)
    assert torch.allclose(gan.sample(3, torch.Generator(), item=waves(3)), waves(3), atol=1e-4)
    bias.fill_(-30)
    assert gan.sample(3, torch.Generator(), item=waves(3)).abs().max() < 1e-6


def test_the_loss_weighs_the_ratio_of_signal_to_distortion() -> None:
    gan, batch = small(weights={"l1": 0, "adversarial": 0, "si_sdr": 2}), {"input": waves(4), "target": waves(4)}
    made, clean = (store_waves(one[:, 0, 0].detach().numpy()) for one in (gan.generator(waves(4)), waves(4)))
    loss = gan.generator_loss(batch, Progress(0, 0), torch.Generator())
    assert -loss.total.item() / 2 == pytest.approx(measured_si_sdr(made, clean, ITEM).mean(), abs=0.05)


def test_the_loss_weighs_the_error_of_the_spectrum_in_nepers() -> None:
    gan = small(weights={"l1": 0, "adversarial": 0, "spectrum": 3}, window=64)
    gan.add_module("generator", torch.nn.Identity())
    batch = {"input": waves(4), "target": waves(4) / 2}
    loss = gan.generator_loss(batch, Progress(0, 0), torch.Generator())
    assert loss.total.item() == pytest.approx(3 * math.log(2), rel=0.01)


def test_the_loss_weighs_the_error() -> None:
    gan, batch = small(weights={"l1": 100, "adversarial": 0}), {"input": waves(4), "target": waves(4).flip(0)}
    loss = gan.generator_loss(batch, Progress(0, 0), torch.Generator())
    assert loss.total.item() == pytest.approx(100 * loss.terms["loss_l1"].item())


def test_it_is_evaluated_at_the_middle_and_at_the_worst_of_each_range() -> None:
    views = small(degradation={"snr": [0, 10], "clipping": [0.2, 0.2]}).evaluation_views()
    assert {name: dict(view.options) for name, view in views.items()} == {
        "snr 5": {"snr": (5, 5)},
        "snr 0": {"snr": (0, 0)},
        "clipping 0.2": {"clipping": (0.2, 0.2)},
    }


@pytest.mark.parametrize("networks", ["wave", "spectrum"])
def test_the_exported_graph_returns_waves_and_the_sound(
    networks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parity, "BATCHES", (1, 3))
    monkeypatch.setattr(parity, "LATENCY_BATCHES", ())
    (spec,) = small(networks=networks, window=64).eval().export()
    spec, path = name_tensors(spec, ITEM), tmp_path / "generator.onnx"
    assert (list(spec.inputs), spec.outputs) == (["wave"], ("waves",))
    export(spec, path, {}, 20, lambda model: AUDIO.extend_graph(model, ITEM))
    assert parity.check_parity(spec, path, 1e-4, ITEM).max_abs < 1e-5


WAVES = {"medium": "audio", "representation": "wave"}


@pytest.mark.parametrize(
    ("data", "model", "words"),
    [
        ({"medium": "audio"}, {}, "has no transformation of clips"),
        ({"medium": "image"}, {}, "needs waves"),
        (WAVES | {"seconds": 0.528}, {"layers": 8}, "multiple of 256 samples; the nearest is 4096"),
        (WAVES, {"kernel": 24}, "Set kernel: 25"),
        (WAVES, {"window": 250}, "set a multiple of 4, such as 256"),
        (WAVES, {"networks": "spectrum", "window": 20000}, "less than or equal to 4096"),
        (WAVES, {"networks": "spectrum", "window": 240, "layers": 4}, "the nearest is 4080"),
        (WAVES, {"degradation": {"snr": None}}, r"every kind of degradation is null.*snr: \[0, 15\]"),
        (WAVES, {"degradation": {"snr": [5, 0]}}, r"must be \[minimum, maximum\]"),
        (WAVES, {"degradation": {"clipping": [0, 0.5]}}, "levels are shares of the peak"),
        (WAVES, {"degradation": {"band": [0, 500]}}, "frequencies are above 0"),
        (WAVES, {"variant": "denoise"}, "needs squares whose side is a power of two"),
    ],
)
def test_what_it_cannot_train_on_is_refused(data: dict[str, Any], model: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse_values({"data": data, "model": {"variant": "segan"} | model, "train": {"flips": False}})
