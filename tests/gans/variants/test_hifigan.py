"""HiFi-GAN: shapes, its spectrogram, updated networks, losses, export, and what it refuses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.errors import InputError
from pipeline.gans.base import GAN, Progress
from pipeline.gans.registry import build, parse_settings
from pipeline.gans.variants.hifigan.hifigan import HiFiGAN
from pipeline.gans.variants.hifigan.inverse_stft import SpectrumHead
from pipeline.gans.variants.hifigan.log_mel import LogMel
from pipeline.items import ItemSpec
from pipeline.media.audio.medium import AudioMedium
from pipeline.media.audio.settings import AudioSettings
from pipeline.media.audio.tensors import mel_pictures
from pipeline.params import parse_values
from pipeline.serving.onnx import parity
from pipeline.serving.onnx.graph_export import export, name_tensors

AUDIO = AudioMedium()
ITEM = AUDIO.spec(AudioSettings(representation="wave", seconds=0.064, hop=16, window=64, mels=8), ())


def small(item: ItemSpec = ITEM, **settings: Any) -> HiFiGAN:
    torch.manual_seed(0)
    sizes = {"generator_channels": 4, "discriminator_channels": 2, "rates": [8, 2], "periods": [2, 3], "scales": 2}
    gan = build(parse_settings({"variant": "hifigan"} | sizes | settings), item)
    assert isinstance(gan, HiFiGAN)
    return gan


def waves(n: int) -> Tensor:
    """Return random waves."""
    return torch.rand(n, 1, 1, 512, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("rates", [[8, 2], [4, 4], [2, 2, 2, 2], [16]])
def test_the_wave_is_as_long_as_its_spectrogram_says(rates: list[int]) -> None:
    gan = small(rates=rates, generator_channels=16)
    assert gan.sample(3, torch.Generator(), item=waves(3)).shape == (3, 1, 1, 512)
    assert gan.vocoder()(torch.zeros(2, 1, 8, 5)).shape == (2, 1, 80)


@pytest.mark.parametrize(("rates", "hop", "window"), [([], 16, 64), ([2], 8, 32), ([4, 2], 2, 8)])
def test_an_inverse_transform_makes_what_the_rates_leave(rates: list[int], hop: int, window: int) -> None:
    gan = small(rates=rates, column_blocks=2)
    head = gan.generator.layers[-1]
    assert isinstance(head, SpectrumHead)
    assert (head.inverse.hop, head.inverse.filters.shape) == (hop, (window + 2, 1, window))
    assert gan.sample(3, torch.Generator(), item=waves(3)).shape == (3, 1, 1, 512)
    assert gan.vocoder()(torch.zeros(2, 1, 8, 5)).shape == (2, 1, 80)


def test_column_blocks_come_before_the_upsampling() -> None:
    layers = [type(layer).__name__ for layer in small(column_blocks=3).generator.layers]
    assert layers[:5] == ["Conv1d", "ColumnBlock", "ColumnBlock", "ColumnBlock", "LeakyReLU"]
    assert layers[-1] == "Tanh"


def test_the_spectrum_is_part_of_the_loss() -> None:
    gan, batch = small(weights={"spectrum": 3}, adversarial_start=1), {"input": waves(4), "target": waves(4)}
    loss = gan.generator_loss(batch, Progress(0, 0), torch.Generator())
    expected = 45 * loss.terms["loss_mel"] + 3 * loss.terms["loss_spectrum"]
    assert loss.terms["loss_spectrum"] > 0
    assert loss.total.item() == pytest.approx(expected.item())


@pytest.mark.parametrize("settings", [{}, {"low_hz": 100, "mels": 20, "high_hz": 3000, "floor_db": -60}])
def test_its_spectrogram_is_that_of_the_data(settings: dict[str, Any]) -> None:
    codec = AudioSettings(representation="wave", seconds=0.064, hop=16, window=64, **settings)
    theirs = mel_pictures(waves(4).flatten(2), codec.codec) * 2 - 1
    ours = LogMel(AUDIO.spec(codec, ()))(waves(4))[:, 0]
    assert np.allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("settings", [{}, {"rates": [], "column_blocks": 2, "weights": {"spectrum": 1}}])
def test_each_phase_updates_its_networks_only(
    settings: dict[str, Any], check_updates: Callable[[GAN, dict[str, Tensor]], None]
) -> None:
    check_updates(small(**settings), {"input": waves(4), "target": waves(4).flip(0)})


def test_there_is_one_judgement_for_each_period_and_scale() -> None:
    judged = small().discriminator(waves(3))
    assert len(judged) == 4
    assert all(logits.shape[0] == 3 and len(maps) > 4 for logits, maps in judged)


def test_before_the_game_starts_there_is_only_the_spectrogram() -> None:
    gan, batch = small(adversarial_start=0.5), {"input": waves(4), "target": waves(4)}
    early, late = (gan.generator_loss(batch, Progress(0, at), torch.Generator()) for at in (0.4, 0.5))
    assert early.total.item() == pytest.approx(45 * early.terms["loss_mel"].item())
    assert "loss_adversarial" in late.terms
    assert [phase.start for phase in gan.phases()] == [0.5, 0]


def test_the_error_is_that_of_the_logarithm() -> None:
    gan, batch = small(), {"input": waves(4), "target": waves(4)}
    gan.vocode = lambda waves: waves / 2  # type: ignore[method-assign]
    loss = gan.generator_loss(batch, Progress(0, 0), torch.Generator())
    assert loss.terms["loss_mel"].item() == pytest.approx(np.log(2), rel=0.01)


@pytest.mark.parametrize(
    "settings",
    [
        {"rates": [], "column_blocks": 1},
        pytest.param({"rates": [4], "column_blocks": 1}, marks=pytest.mark.slow),
        pytest.param({}, marks=pytest.mark.slow),
    ],
)
def test_the_exported_graph_returns_waves_and_the_sound(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parity, "BATCHES", (1, 3))
    monkeypatch.setattr(parity, "LATENCY_BATCHES", ())
    (spec,) = small(scales=0, **settings).eval().export()
    spec, path = name_tensors(spec, ITEM), tmp_path / "generator.onnx"
    export(spec, path, {}, 20, lambda model: AUDIO.extend_graph(model, ITEM))
    assert parity.check_parity(spec, path, 1e-4, ITEM).max_abs < 1e-4


@pytest.mark.parametrize(
    ("data", "model", "words"),
    [
        ({}, {}, "hifigan transforms items"),
        ({"representation": "wave"}, {"rates": [3, 5]}, "their product must be data.hop or divide it"),
        ({"representation": "wave"}, {"rates": []}, "Set column_blocks"),
        ({"representation": "wave"}, {"kernels": [4, 5, 7]}, "filters need a middle"),
        ({"representation": "wave"}, {"kernels": [3]}, "each kernel has a block"),
        ({"representation": "wave"}, {"generator_channels": 12}, "set a multiple of 8"),
        ({"representation": "wave"}, {"periods": [], "scales": 0}, "there is no discriminator"),
    ],
)
def test_what_it_cannot_train_on_is_refused(data: dict[str, Any], model: dict[str, Any], words: str) -> None:
    data = {"medium": "audio"} | data
    with pytest.raises(InputError, match=words):
        parse_values({"data": data, "model": {"variant": "hifigan"} | model, "train": {"flips": False}})


def test_columns_of_another_length_are_refused() -> None:
    with pytest.raises(InputError, match=r"set rates whose product is data\.hop or divides it"):
        small(rates=[8, 4])
