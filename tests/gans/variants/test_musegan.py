"""MuseGAN: shapes, updated networks, the streams of the discriminator, conditions, export."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.errors import InputError
from pipeline.gans.base import GAN, ExportSpec
from pipeline.gans.registry import build, parse_settings
from pipeline.gans.variants.musegan.layers import intervals
from pipeline.gans.variants.musegan.musegan import Generator, MuseGAN
from pipeline.gans.variants.musegan.temporal import TemporalGenerator
from pipeline.items import ItemSpec
from pipeline.params import parse_values
from pipeline.serving.onnx.graph_export import export
from pipeline.serving.onnx.parity import check_parity

ITEM = ItemSpec(medium="music", height=8, width=3, channels=1, symbols=14, classes=("a", "b"), details={"lowest": 59})
NETWORKS = ["dense", "temporal"]


def small(item: ItemSpec = ITEM, **settings: Any) -> MuseGAN:
    torch.manual_seed(0)
    sizes = {"variant": "musegan", "latent": 6, "shared": 16, "private": 8}
    gan = build(parse_settings(sizes | settings), item)
    assert isinstance(gan, MuseGAN)
    return gan


def pieces(n: int) -> Tensor:
    """Return random one-hot maps."""
    symbols = torch.randint(14, (n, 8, 3), generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.one_hot(symbols, 14).movedim(-1, 1).float()


@pytest.mark.parametrize(("steps", "voices", "symbols"), [(8, 4, 40), (16, 1, 3), (2, 16, 120)])
@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("networks", NETWORKS)
def test_shapes(steps: int, voices: int, symbols: int, conditional: bool, networks: str) -> None:
    item = ITEM.model_copy(update={"height": steps, "width": voices, "symbols": symbols})
    gan = small(item, conditional=conditional, networks=networks)
    maps = gan.sample(3, torch.Generator().manual_seed(0))
    assert maps.shape == (3, symbols, steps, voices)
    assert torch.allclose(maps.sum(1), torch.ones(3, steps, voices))
    score = gan.score(maps, torch.tensor([0, 1, 0]) if conditional else None)
    assert score.shape == (3,)
    assert gan.trunk()(maps).shape == (3, 16)


@pytest.mark.parametrize("choice", ["argmax", "gumbel"])
@pytest.mark.parametrize("networks", NETWORKS)
def test_each_phase_updates_its_networks_only(
    choice: str, networks: str, check_updates: Callable[[GAN, dict[str, Tensor]], None]
) -> None:
    batch = {"item": pieces(8), "label": torch.arange(8) % 2}
    check_updates(small(choice=choice, conditional=True, networks=networks), batch)


@pytest.mark.parametrize("networks", NETWORKS)
def test_the_discriminator_hears_pitch_classes(networks: str) -> None:
    trunk = small(networks=networks).discriminator.trunk
    classes = torch.einsum("ps,bstv->bpt", trunk.chroma, pieces(1))
    symbols = pieces(1).argmax(1)[0, 0]
    wanted = torch.bincount((symbols[symbols > 0] + 58) % 12, minlength=12)
    assert classes[0, :, 0].tolist() == wanted.tolist()
    assert not trunk.chroma[:, 0].any(), "a rest has no pitch class"


def test_intervals_are_one_hot_and_larger_ones_are_zeros() -> None:
    symbols = torch.tensor([3, 3, 5, 1, 13, 12])[None, :, None]
    moved = intervals(torch.nn.functional.one_hot(symbols, 14).float(), largest=5)[0, :, 0]
    assert torch.allclose(moved.sum(1), torch.tensor([0.0, 1, 1, 1, 0, 1]), atol=1e-5)
    assert (moved.argmax(1) - 5)[[1, 2, 3, 5]].tolist() == [0, 2, -4, -1]


def test_a_temporal_network_chooses_notes_in_order() -> None:
    """The latents of a step change no earlier notes than its blocks reach: two of them, two steps back."""
    gan = small(networks="temporal").eval()
    assert gan.latent == 6 + 8 * 8
    z = torch.randn(1, gan.latent, generator=torch.Generator().manual_seed(0)).repeat(2, 1)
    z[1, -8:] += 3
    with torch.no_grad():
        first, second = gan.generator(z)
    changed = (first - second).abs().amax(dim=(0, 2)) > 1e-6
    assert changed.tolist() == [False] * 5 + [True] * 3


def test_a_temporal_network_hears_the_notes_before() -> None:
    gan = small(networks="temporal").eval()
    z = gan.sample_latents(4, torch.Generator().manual_seed(0))
    weights = [weight for name, weight in gan.generator.named_parameters() if name == "before.weight"]
    with torch.no_grad():
        before = gan.generator(z)
        weights[0].mul_(-5)
        after = gan.generator(z)
    assert torch.equal(before[:, :, 0], after[:, :, 0])
    assert not torch.allclose(before[:, :, 1], after[:, :, 1])


def test_labels_decide_what_is_generated_and_how_it_is_scored() -> None:
    gan = small(conditional=True)
    z = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    first, second = (gan.sample(4, torch.Generator(), z=z, label=torch.full((4,), k)) for k in range(2))
    assert not torch.equal(first, second)
    scores = [gan.score(first, torch.full((4,), k)) for k in range(2)]
    assert not torch.equal(*scores)


@pytest.mark.parametrize(
    ("conditional", "choice", "networks"),
    [
        (False, "argmax", "dense"),
        (True, "gumbel", "dense"),
        pytest.param(True, "argmax", "temporal", marks=pytest.mark.slow),  # ten seconds
    ],
)
def test_onnx(conditional: bool, choice: str, networks: str, tmp_path: Path) -> None:
    (spec,) = small(conditional=conditional, choice=choice, networks=networks).eval().export()
    spec = ExportSpec(spec.name, spec.module, spec.inputs, ("pieces",))
    path = tmp_path / "generator.onnx"
    export(spec, path, {}, 20)
    assert check_parity(spec, path, 1e-4, ITEM).max_abs < 1e-5


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"data": {"medium": "image"}, "model": {"variant": "musegan"}}, "set data.medium: music"),
        ({"data": {"medium": "music"}, "model": {"variant": "musegan", "voices": "in_turn"}}, "Set networks: temporal"),
        (
            {"data": {"medium": "music"}, "model": {"variant": "musegan", "stabilisers": {"packing": 2}}},
            "stabilisers.packing with variant musegan",
        ),
    ],
)
def test_what_it_cannot_train_on_is_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        parse_values(values | {"train": {"flips": False}})


def test_drawn_symbols_depend_on_the_noise_in_z() -> None:
    gan = small(choice="gumbel")
    assert gan.latent == 6 + 8 * 3 * 14
    z = torch.randn(2, gan.latent, generator=torch.Generator().manual_seed(0))
    z[1, :6] = z[0, :6]
    first, second = gan.sample(2, torch.Generator(), z=z)
    assert not torch.equal(first, second)
    assert torch.equal(gan.sample(2, torch.Generator(), z=z)[0], first)


def test_draw_temperature_scales_the_noise_of_samples_only() -> None:
    gan = small(choice="gumbel", draw_temperature=0)
    generator = gan.generator
    assert isinstance(generator, Generator)
    z = torch.randn(2, gan.latent, generator=torch.Generator().manual_seed(0))
    z[1, :6] = z[0, :6]
    torch.testing.assert_close(*gan.eval().sample(2, torch.Generator(), z=z), rtol=0, atol=1e-6)
    gan.train()
    first, second = generator(z)
    assert (first - second).abs().max() > 0.01


@pytest.mark.parametrize("choice", ["argmax", "gumbel"])
def test_a_voice_in_turn_hears_the_voices_before_it(choice: str) -> None:
    gan = small(networks="temporal", voices="in_turn", choice=choice)
    z = torch.randn(8, gan.latent, generator=torch.Generator().manual_seed(0))
    before = gan.sample(8, torch.Generator(), z=z).argmax(dim=1)
    assert isinstance(gan.generator, TemporalGenerator)
    with torch.no_grad():
        gan.generator.get_parameter("within.1.weight").mul_(-40)
    after = gan.sample(8, torch.Generator(), z=z).argmax(dim=1)
    assert torch.equal(after[:, 0, :2], before[:, 0, :2]), "the first two voices of the first step hear nobody else"
    assert not torch.equal(after[:, 0, 2], before[:, 0, 2])
