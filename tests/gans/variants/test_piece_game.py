"""The likelihood of pieces of music: it is that of what is drawn, sums to one, and comes before the game."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.gans.progress import Progress
from pipeline.gans.registry import build, parse_settings
from pipeline.gans.variants.accompaniment.accompaniment import Accompaniment
from pipeline.gans.variants.musegan.musegan import MuseGAN
from pipeline.gans.variants.musegan.piece_game import PieceGame
from pipeline.items import ItemSpec
from pipeline.media.registry import tensors_of

VOICES = ItemSpec(medium="music", height=2, width=2, channels=1, symbols=3, details={"lowest": 60})
STRUCK = ItemSpec(medium="music", height=2, width=1, channels=1, symbols=5, details={"lowest": 60, "onsets": True})
TRACKS = ItemSpec(medium="music", height=2, width=2, channels=1, symbols=2, details={"lowest": 60, "tracks": ["piano"]})
WITH_ONSETS = ItemSpec(
    medium="music", height=2, width=1, channels=2, symbols=3,
    details={"lowest": 60, "tracks": ["piano", "bass"], "onsets": True},
)  # fmt: skip
ITEMS = pytest.mark.parametrize("item", [VOICES, STRUCK, TRACKS, WITH_ONSETS], ids=["voices", "struck", "tracks", "on"])
VOICES_OF_A_STEP = pytest.mark.parametrize("voices", ["in_turn", "at_once"])
GAME = {"latent": 4, "shared": 8, "private": 8, "choice": "gumbel"}


def small(item: ItemSpec, **settings: Any) -> MuseGAN:
    torch.manual_seed(0)
    gan = build(parse_settings({"variant": "musegan", "networks": "temporal"} | GAME | settings), item)
    assert isinstance(gan, MuseGAN)
    with torch.no_grad():
        for network in gan.generator.private:
            network[-1].weight.mul_(4)  # far from equal probabilities
        for layer in (gan.generator.before, *gan.generator.within):
            layer.weight.mul_(4)
    return gan


def all_pieces(item: ItemSpec) -> Tensor:
    """Return the maps of every piece."""
    cells = item.channels * item.height * item.width
    symbols = torch.tensor(list(itertools.product(range(item.symbols), repeat=cells)))
    return tensors_of(item).to_network(symbols.reshape(-1, *item.shape))


def probabilities(gan: PieceGame, maps: Tensor, z: Tensor, condition: Tensor | None = None) -> Tensor:
    """Return the probability of each piece by the likelihood."""
    generator = gan.generator
    notes = generator.steps * (generator.form.parts - generator.given)
    one = slice(0, 1)
    with torch.no_grad():
        nats = torch.stack(
            [generator.nll(piece[None], z[one], None if condition is None else condition[one]) for piece in maps]
        )
    likelihood: Tensor = (-notes * nats).exp()
    return likelihood


@ITEMS
@VOICES_OF_A_STEP
def test_the_probabilities_of_all_pieces_sum_to_one(item: ItemSpec, voices: str) -> None:
    gan = small(item, voices=voices)
    z = torch.randn(1, gan.latent, generator=torch.Generator().manual_seed(1))
    of_pieces = probabilities(gan, all_pieces(item), z)
    assert float(of_pieces.sum()) == pytest.approx(1, abs=1e-5)
    assert float(of_pieces.max()) > 2 * float(of_pieces.median()), "the networks prefer some pieces"


@ITEMS
@VOICES_OF_A_STEP
def test_pieces_are_drawn_by_their_likelihood(item: ItemSpec, voices: str) -> None:
    gan, draws = small(item, voices=voices).train(), 20_000
    rng = torch.Generator().manual_seed(2)
    z = torch.randn(draws, gan.latent, generator=rng)
    latents = gan.generator.latent
    z[:, :latents] = z[:1, :latents]  # one plan, and other noise for each piece
    pieces = all_pieces(item)
    with torch.no_grad():
        drawn = gan.generator(z)
    counts = (drawn.round().flatten(1) @ pieces.flatten(1).T).argmax(dim=1).bincount(minlength=len(pieces))
    wanted = draws * probabilities(gan, pieces, z)
    likely = wanted > 5
    chi_squared = ((counts - wanted) ** 2 / wanted)[likely].sum()
    freedom = int(likely.sum())
    assert float(chi_squared) < freedom + 5 * (2 * freedom) ** 0.5


def test_an_accompaniment_has_a_likelihood_given_the_first_voice() -> None:
    torch.manual_seed(0)
    gan = build(parse_settings({"variant": "accompaniment", "voices": "in_turn"} | GAME), VOICES)
    assert isinstance(gan, Accompaniment)
    z = torch.randn(1, gan.latent, generator=torch.Generator().manual_seed(1))
    pieces = all_pieces(VOICES)
    melodies = pieces[..., 0].flatten(1)
    sums = []
    for melody in torch.unique(melodies, dim=0):
        same = pieces[(melodies == melody).all(dim=1)]
        given = tensors_of(VOICES).degradation(given=1)(same, torch.Generator())
        sums.append(float(probabilities(gan, same, z, given).sum()))
    assert sums == pytest.approx([1] * len(sums), abs=1e-5)


def test_the_game_starts_after_pretraining() -> None:
    gan = small(VOICES, pretraining=0.5, likelihood=0.25)
    phases = gan.phases()
    assert {phase.name: phase.start for phase in phases if phase.role == "discriminator"} == {"discriminator": 0.5}
    batch = {"item": all_pieces(VOICES)[:16]}
    before, after = (
        gan.generator_loss(batch, Progress(0, done), torch.Generator().manual_seed(0)) for done in (0.4, 0.6)
    )
    assert set(before.terms) == {"loss_generator", "loss_likelihood"}
    total = after.terms["loss_adversarial"] + 0.25 * after.terms["loss_likelihood"]
    assert torch.allclose(after.total, total)


def test_without_pretraining_the_game_is_the_usual_one() -> None:
    gan, batch = small(VOICES), {"item": all_pieces(VOICES)[:16]}
    assert all(phase.start == 0 for phase in gan.phases())
    loss = gan.generator_loss(batch, Progress(0, 0.0), torch.Generator().manual_seed(0))
    assert set(loss.terms) == {"loss_generator"}


@pytest.mark.parametrize("setting", ["pretraining", "likelihood"])
def test_dense_networks_have_no_likelihood(setting: str) -> None:
    with pytest.raises(ValueError, match=r"only networks temporal have a likelihood. Set networks: temporal"):
        parse_settings({"variant": "musegan", setting: 0.5})


def test_likelihood_finds_the_notes_of_the_data() -> None:
    """After a short training the frequent piece of the data is as likely as it is frequent."""
    gan = small(VOICES, voices="in_turn", pretraining=1)
    pieces = all_pieces(VOICES)[[5, 5, 5, 77]]
    optimizer = torch.optim.Adam(gan.generator.parameters(), lr=0.02)
    rng = torch.Generator().manual_seed(0)
    for _ in range(150):
        loss = gan.generator_loss({"item": pieces}, Progress(0, 0.0), rng)
        optimizer.zero_grad()
        torch.autograd.backward(loss.total)
        optimizer.step()
    z = torch.randn(1, gan.latent, generator=rng)
    assert probabilities(gan, pieces, z).tolist() == pytest.approx([0.75, 0.75, 0.75, 0.25], abs=0.1)
