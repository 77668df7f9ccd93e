"""3D-GAN: shapes, updated networks, labels, export, and what it refuses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.errors import InputError
from pipeline.gans.base import GAN
from pipeline.gans.registry import build, parse_settings
from pipeline.gans.variants.voxgan.voxgan import VoxGAN
from pipeline.items import ItemSpec
from pipeline.media.registry import MEDIA
from pipeline.media.volume.settings import VolumeSettings
from pipeline.params import parse_values
from pipeline.serving.onnx import parity
from pipeline.serving.onnx.graph_export import export, name_tensors


def cube(side: int, classes: tuple[str, ...] = ("box", "ball")) -> ItemSpec:
    return MEDIA["volume"].spec(VolumeSettings(resolution=side), classes)


def small(side: int = 8, classes: tuple[str, ...] = ("box", "ball"), **settings: Any) -> VoxGAN:
    torch.manual_seed(0)
    sizes = {"variant": "voxgan", "latent": 6, "generator_channels": 2, "discriminator_channels": 2}
    gan = build(parse_settings(sizes | settings), cube(side, classes))
    assert isinstance(gan, VoxGAN)
    return gan


def volumes(n: int, side: int = 8) -> Tensor:
    """Return random volumes."""
    return torch.rand(n, side, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("side", [8, 16, 32])
@pytest.mark.parametrize("settings", [{}, {"conditional": False, "stabilisers": {"packing": 2, "minibatch_std": 2}}])
def test_shapes(side: int, settings: dict[str, Any]) -> None:
    gan = small(side, **settings)
    sampled = gan.sample(3, torch.Generator().manual_seed(0))
    assert sampled.shape == (3, side, side, side)
    assert gan.score(sampled, torch.tensor([0, 1, 0])).shape == (3,)
    assert gan.trunk()(sampled).shape[0] == 3


def test_data_without_classes_needs_no_labels() -> None:
    gan = small(classes=())
    assert (gan.classes, gan.view.name) == (0, "unlabelled")
    assert gan.sample(2, torch.Generator().manual_seed(0)).shape == (2, 8, 8, 8)


def test_convolutions_see_all_three_directions_alike() -> None:
    gan, batch = small(conditional=False).eval(), volumes(2)
    turned = small(conditional=False).eval()
    with torch.no_grad():
        for layer in turned.discriminator.modules():
            if isinstance(layer, torch.nn.Conv3d):
                layer.weight.copy_(layer.weight.permute(0, 1, 4, 2, 3).clone())
    torch.testing.assert_close(gan.score(batch), turned.score(batch.permute(0, 3, 1, 2)))


@pytest.mark.parametrize("settings", [{}, {"objective": "wgan", "penalties": {"gp": 10}, "critic_steps": 2}])
def test_each_phase_updates_its_networks_only(
    settings: dict[str, Any], check_updates: Callable[[GAN, dict[str, Tensor]], None]
) -> None:
    check_updates(small(**settings), {"item": volumes(8), "label": torch.arange(8) % 2})


def test_labels_decide_what_is_generated_and_how_it_is_scored() -> None:
    gan = small().eval()
    z = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    first, second = (gan.sample(4, torch.Generator(), z=z, label=torch.full((4,), k)) for k in range(2))
    assert not torch.equal(first, second)
    assert not torch.equal(*(gan.score(first, torch.full((4,), k)) for k in range(2)))


def test_an_untrained_generator_has_the_occupancy_of_the_data() -> None:
    sampled = small(occupancy=0.3).eval().sample(16, torch.Generator().manual_seed(0))
    assert float((sampled.mean() + 1) / 2) == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize("conditional", [pytest.param(False, marks=pytest.mark.slow), True])
def test_the_exported_graph_returns_volumes(conditional: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parity, "BATCHES", (1, 3))
    monkeypatch.setattr(parity, "LATENCY_BATCHES", ())
    (spec,) = small(conditional=conditional).eval().export()
    spec, path = name_tensors(spec, cube(8)), tmp_path / "generator.onnx"
    assert spec.outputs == ("volumes",)
    export(spec, path, {}, 20)
    assert parity.check_parity(spec, path, 1e-4, cube(8)).max_abs < 1e-5


@pytest.mark.parametrize(
    ("data", "model", "words"),
    [
        ({"medium": "image"}, {}, "needs cubes of voxels; set data.medium: volume"),
        ({"medium": "volume", "resolution": 24}, {}, "whose side is a power of two"),
        ({"medium": "volume"}, {"stabilisers": {"packing": 2}}, "a pack of volumes has no single label"),
        ({"medium": "volume"}, {"stabilisers": {"augment": {"policy": "diffaugment"}}}, "does not suit volumes"),
    ],
)
def test_what_does_not_fit_is_refused(data: dict[str, Any], model: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse_values({"data": data, "model": {"variant": "voxgan"} | model})
