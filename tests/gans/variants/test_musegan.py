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
from pipeline.gans.variants.musegan.forms import form_of
from pipeline.gans.variants.musegan.layers import intervals
from pipeline.gans.variants.musegan.musegan import Generator, MuseGAN
from pipeline.gans.variants.musegan.temporal import TemporalGenerator
from pipeline.items import ItemSpec
from pipeline.media.registry import tensors_of
from pipeline.params import parse_values
from pipeline.serving.onnx.graph_export import export
from pipeline.serving.onnx.parity import check_parity

ITEM = ItemSpec(medium="music", height=8, width=3, channels=1, symbols=14, classes=("a", "b"), details={"lowest": 59})
ROLLS = ITEM.model_copy(
    update={"width": 13, "channels": 2, "symbols": 2, "details": {"lowest": 59, "tracks": ["a", "b"]}}
)
WITH_ONSETS = ROLLS.model_copy(
    update={"symbols": 3, "details": {"lowest": 59, "tracks": ["drums", "b"], "onsets": True}}
)
STRUCK = ITEM.model_copy(update={"symbols": 27, "details": {"lowest": 59, "onsets": True}})
TRACKS = pytest.mark.parametrize("item", [ROLLS, WITH_ONSETS], ids=["tracks", "with onsets"])
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


# --- tracks ---


def cells_of(maps: Tensor, item: ItemSpec) -> Tensor:
    """Return maps as symbols, [n, tracks, steps, pitches]."""
    return maps.reshape(len(maps), item.channels, item.symbols, *maps.shape[2:]).argmax(dim=2)


def rolls(item: ItemSpec, n: int = 8) -> Tensor:
    """Return random maps of tracks whose first step holds nothing."""
    cells = torch.randint(item.symbols, (n, *item.shape), generator=torch.Generator().manual_seed(0))
    cells[:, 0][cells[:, 0] == 2] = 1
    return tensors_of(item).to_network(cells)


@TRACKS
@pytest.mark.parametrize("choice", ["argmax", "gumbel"])
@pytest.mark.parametrize("networks", NETWORKS)
def test_tracks_are_binary_neurons(item: ItemSpec, choice: str, networks: str) -> None:
    gan = small(item, choice=choice, networks=networks, conditional=True)
    z, labels = gan.sample_latents(4, torch.Generator().manual_seed(0)), torch.tensor([0, 1, 0, 1])
    gan.train()
    maps = gan.generator(z, labels)
    assert maps.shape == (4, item.network_channels, 8, 13)
    assert set(maps.detach().unique().round(decimals=5).tolist()) <= {0.0, 1.0}
    chosen = cells_of(maps, item)
    maps[:, 1].sum().backward()
    assert any(one.grad is not None and one.grad.abs().sum() > 0 for one in gan.generator.parameters())
    with torch.no_grad():
        probable = gan.eval().generator(z, labels)
    assert torch.equal(cells_of(probable, item), chosen), "samples are what training makes"
    assert (tensors_of(item).from_network(probable) == tensors_of(item).from_network(maps)).all()


@TRACKS
def test_neurons_are_on_with_their_probability(item: ItemSpec) -> None:
    form = form_of(item)
    logits = torch.tensor([-2.0, 0.0, 1.0]).repeat(form.choices)[: form.choices, None, None].expand(-1, 40, 2)
    normal = torch.randn(200, form.choices, 40, 2, generator=torch.Generator().manual_seed(0))
    drawn = form.choose(logits.expand(200, -1, -1, -1), form.draw(normal), 1.0, training=True)
    share = drawn.mean(dim=(0, 2, 3))[:3]
    assert torch.allclose(share, torch.tensor([-2.0, 0.0, 1.0]).sigmoid(), atol=0.015)
    certain = form.choose(logits.expand(2, -1, -1, -1), None, 1.0, training=True)
    assert certain[0, :3, 0, 0].tolist() == [0, 0, 1]


@pytest.mark.parametrize("item", [ITEM, STRUCK, ROLLS, WITH_ONSETS], ids=["voices", "struck", "tracks", "with onsets"])
def test_notes_are_written_as_they_are_read(item: ItemSpec) -> None:
    form, maps = form_of(item), rolls(item)
    notes = form.read(maps)
    assert notes.shape == (8, form.features, 8, form.parts)
    assert torch.equal(form.write(notes, training=True), maps)
    assert torch.equal(cells_of(form.write(notes, training=False), item), cells_of(maps, item))
    played = notes.permute(0, 2, 3, 1)
    sounding = form.pitched(played)
    assert sounding.shape == (8, 8, form.parts, 1 + form.pitches)
    values = torch.from_numpy(tensors_of(item).from_network(maps).astype("int64"))
    struck = (values > 0) & (values <= form.pitches) if item is STRUCK else values == 1
    if item in (STRUCK, WITH_ONSETS):
        assert torch.equal(form.begins(notes).sum(), struck.sum().float())
    heard = form.hear(notes[:, :, :1])
    assert torch.equal(heard, notes[:, :, 0].transpose(1, 2).flatten(1))


def test_percussion_has_no_pitch_class() -> None:
    form, notes = form_of(WITH_ONSETS), form_of(WITH_ONSETS).read(rolls(WITH_ONSETS))
    assert torch.equal(form.melodic(notes, 3), notes[..., 1:])
    assert torch.equal(form_of(ROLLS).melodic(notes, 3), notes)
    assert form.chroma()[:, 13:].sum() == 0, "being struck has none either"


@TRACKS
@pytest.mark.parametrize("networks", NETWORKS)
def test_each_phase_updates_its_networks_only_for_tracks(
    item: ItemSpec, networks: str, check_updates: Callable[[GAN, dict[str, Tensor]], None]
) -> None:
    check_updates(small(item, networks=networks, choice="gumbel"), {"item": rolls(item)})


@pytest.mark.parametrize("item", [ROLLS, pytest.param(WITH_ONSETS, marks=pytest.mark.slow)], ids=["tracks", "onsets"])
def test_onnx_of_tracks(item: ItemSpec, tmp_path: Path) -> None:
    item = item.model_copy(update={"height": 2})
    (spec,) = small(item, choice="gumbel", networks="temporal").eval().export()
    path = tmp_path / "generator.onnx"
    export(spec, path, {}, 20)
    assert check_parity(spec, path, 1e-4, item).max_abs < 1e-5
