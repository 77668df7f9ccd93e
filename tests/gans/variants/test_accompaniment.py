"""The accompanist: given voices stay, the others depend on them, and tracks are made as voices are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.errors import InputError
from pipeline.gans.base import GAN, Progress
from pipeline.gans.registry import build, parse_settings
from pipeline.gans.variants.accompaniment.accompaniment import Accompaniment
from pipeline.items import ItemSpec
from pipeline.media.registry import tensors_of
from pipeline.params import parse_values
from pipeline.serving.onnx.graph_export import export
from pipeline.serving.onnx.parity import check_parity

VOICES = ItemSpec(medium="music", height=8, width=3, channels=1, symbols=14, details={"lowest": 59})
TRACKS = ItemSpec(
    medium="music",
    height=8,
    width=13,
    channels=3,
    symbols=3,
    details={"lowest": 59, "tracks": ["piano", "drums", "bass"], "onsets": True},
)
ITEMS = pytest.mark.parametrize("item", [VOICES, TRACKS], ids=["voices", "tracks"])


def small(item: ItemSpec, **settings: Any) -> Accompaniment:
    torch.manual_seed(0)
    sizes = {"variant": "accompaniment", "latent": 6, "shared": 16, "private": 8}
    gan = build(parse_settings(sizes | settings), item)
    assert isinstance(gan, Accompaniment)
    return gan


def pieces(item: ItemSpec, n: int, seed: int = 0) -> Tensor:
    """Return random maps."""
    rng = torch.Generator().manual_seed(seed)
    batch = torch.randint(item.symbols, (n, *item.shape), generator=rng)
    if item is TRACKS:
        batch[:, 0][batch[:, 0] == 2] = 1
    return tensors_of(item).to_network(batch)


def silenced(item: ItemSpec, maps: Tensor, given: int = 1) -> Tensor:
    return tensors_of(item).degradation(given=given)(maps, torch.Generator())


@ITEMS
@pytest.mark.parametrize("given", [1, 2])
def test_what_is_given_stays_and_the_rest_is_silenced(item: ItemSpec, given: int) -> None:
    maps = pieces(item, 4)
    read, part_axis = tensors_of(item).from_network, 3 if item is TRACKS else 2
    before, after = read(maps), read(silenced(item, maps, given))
    kept = [slice(None)] * 4
    kept[part_axis] = slice(0, given)
    assert (after[tuple(kept)] == before[tuple(kept)]).all()
    kept[part_axis] = slice(given, None)
    assert not after[tuple(kept)].any()
    gan = small(item, given=given)
    for choice in (gan.train(), gan.eval()):
        made = read(choice.sample(4, torch.Generator().manual_seed(1), item=silenced(item, maps, given)))
        kept[part_axis] = slice(0, given)
        assert (made[tuple(kept)] == before[tuple(kept)]).all()
        kept[part_axis] = slice(given, None)
        assert made[tuple(kept)].any()


@ITEMS
def test_only_what_is_given_decides(item: ItemSpec) -> None:
    gan, maps = small(item).eval(), pieces(item, 4)
    z = torch.randn(4, gan.latent, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        gan.generator.get_parameter("listen.weight").mul_(20)
    made, same = (gan.sample(4, torch.Generator(), z=z, item=one) for one in (maps, silenced(item, maps)))
    assert torch.equal(made, same), "the other voices of the input are not read"
    other = gan.sample(4, torch.Generator(), z=z, item=pieces(item, 4, 9))
    part = (made - other).reshape(4, item.channels, -1, 8, item.width)
    assert (part[:, 1:] if item is TRACKS else part[..., 1:]).abs().max() > 0.01


@ITEMS
@pytest.mark.parametrize(
    "about", [{"choice": "gumbel"}, {"voices": "in_turn", "private": 16, "penalties": {"r1": 0.1}}]
)
def test_each_phase_updates_its_networks_only(
    item: ItemSpec, about: dict[str, Any], check_updates: Callable[[GAN, dict[str, Tensor]], None]
) -> None:
    target = pieces(item, 8)
    check_updates(small(item, **about), {"input": silenced(item, target), "target": target})


@ITEMS
def test_the_preview_shows_what_is_given_what_is_made_and_the_original(item: ItemSpec) -> None:
    gan, target = small(item), pieces(item, 3)
    sheet = gan.preview(0, torch.Generator().manual_seed(0), {"input": silenced(item, target), "target": target})
    assert sheet.shape == (9, *target.shape[1:])
    assert torch.equal(sheet[2::3], target)
    assert gan.score(target).shape == (3,)
    assert gan.discriminator_loss(
        {"input": silenced(item, target), "target": target}, Progress(0, 0.0), torch.Generator()
    ).total.isfinite()


@pytest.mark.parametrize("item", [VOICES, pytest.param(TRACKS, marks=pytest.mark.slow)], ids=["voices", "tracks"])
def test_onnx(item: ItemSpec, tmp_path: Path) -> None:
    item = item.model_copy(update={"height": 2})
    (spec,) = small(item, choice="gumbel").eval().export()
    path = tmp_path / "generator.onnx"
    export(spec, path, {}, 20)
    assert check_parity(spec, path, 1e-4, item).max_abs < 1e-5


def test_giving_everything_is_refused() -> None:
    with pytest.raises(InputError, match=r"model.given 3: pieces have 3 voices; give at most 2"):
        tensors_of(VOICES).degradation(given=3)
    with pytest.raises(InputError, match=r"model.given 4: pieces have 3 tracks"):
        tensors_of(TRACKS).degradation(given=4)
    with pytest.raises(InputError, match="variant accompaniment makes symbols"):
        parse_values({"data": {"medium": "image"}, "model": {"variant": "accompaniment"}})
