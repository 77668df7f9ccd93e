"""DF-GAN: shapes, updated networks, the matching-aware game, the frozen text encoder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

from pipeline.data.views import Captioned
from pipeline.gans.base import GAN, Progress
from pipeline.gans.networks.text_encoder import build_text_encoder
from pipeline.gans.registry import build
from pipeline.gans.variants.dfgan.dfgan import DFGAN
from pipeline.gans.variants.dfgan.settings import DFGANSettings
from pipeline.stages.pretraining import pretrain
from tests.captioned import COLOURS, captioned_items

START = Progress(0, 0.0)
CPU = torch.device("cpu")
DATA = captioned_items()
SMALL = {"latent": 6, "generator_channels": 8, "discriminator_channels": 8, "text_width": 12, "text_steps": 150}


def small(**settings: Any) -> DFGAN:
    torch.manual_seed(0)
    gan = build(DFGANSettings.model_validate(SMALL | settings), DATA.item)
    assert isinstance(gan, DFGAN)
    return gan


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(2)


def batch(n: int = 16) -> dict[str, Tensor]:
    return Captioned(DATA, CPU, 0).next(n)


@pytest.mark.parametrize("resolution", [8, 32])
def test_shapes(resolution: int) -> None:
    item = DATA.item.model_copy(update={"height": resolution, "width": resolution})
    gan = build(DFGANSettings.model_validate(SMALL | {"stabilisers": {"minibatch_std": 4}}), item)
    assert gan.condition == "tokens"
    images = gan.sample(5, rng())
    assert images.shape == (5, 3, resolution, resolution)
    score = gan.score(images, batch(5)["tokens"])
    assert score is not None
    assert score.shape == (5,)
    trunk = gan.trunk()
    assert trunk is not None
    assert trunk(images).ndim == 2


def test_phases_update_their_networks_and_never_the_text_encoder(
    check_updates: Callable[[GAN, dict[str, Tensor]], None],
) -> None:
    check_updates(small(penalties={"r1": 1.0, "every": 2}), batch())


def test_the_discriminator_also_rejects_real_images_with_other_captions() -> None:
    gan, data = small().eval(), batch(8)
    text = gan.text(data["tokens"])
    torch.manual_seed(0)
    found = gan.discriminator_loss({name: value.clone() for name, value in data.items()}, START, rng()).total
    fake = gan.generator(gan.sample_latents(8, rng()), text)
    real, generated = gan.discriminator(data["item"], text), gan.discriminator(fake, text)
    mismatched = gan.discriminator(data["item"], text.roll(1, 0))
    expected = softplus(-real).mean() + (softplus(generated).mean() + softplus(mismatched).mean()) / 2
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)


def test_the_gradient_penalty_is_on_images_and_sentences() -> None:
    gan, data = small(penalties={"r1": 2.0}).eval(), batch(8)
    terms = gan.discriminator_loss({name: value.clone() for name, value in data.items()}, START, rng()).terms
    image, text = data["item"].clone().requires_grad_(), gan.text(data["tokens"]).detach().requires_grad_()
    gradients = torch.autograd.grad(gan.discriminator(image, text).sum(), (image, text))
    expected = sum(gradient.flatten(1).square().sum(dim=1) for gradient in gradients)
    assert isinstance(expected, Tensor)
    assert float(terms["r1"].detach()) == pytest.approx(float(expected.mean()), rel=1e-4)


def test_captions_that_are_not_given_are_examples() -> None:
    gan = small().eval()
    assert torch.equal(gan.sample(4, rng()), gan.sample(4, rng()))
    shown = gan.example_conditions(70)["tokens"]
    assert torch.equal(shown[: len(gan.examples)], gan.examples)
    assert torch.equal(gan.preview(6, rng(), {}), gan.sample(6, rng(), tokens=shown[:6]))


def test_truncation_scales_the_latent() -> None:
    gan, tokens = small().eval(), batch(4)["tokens"]
    still = gan.sample(4, rng(), tokens=tokens[:1].expand(4, -1), psi=torch.zeros(4))
    assert torch.allclose(still, still[:1].expand_as(still), atol=1e-6)
    assert torch.equal(gan.sample(4, rng(), tokens=tokens, psi=torch.ones(4)), gan.sample(4, rng(), tokens=tokens))


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"stabilisers": {"packing": 2}}, "no single caption"), ({"objective": "relativistic"}, "nonsaturating or hinge")],
)
def test_games_without_a_place_for_captions_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DFGANSettings.model_validate(settings)


def test_the_text_encoder_is_pretrained_once_and_learns_what_captions_mean(tmp_path: Path) -> None:
    gan, again = small(), small()
    pretrain(gan, DATA, CPU, 0, tmp_path)
    (cached,) = tmp_path.iterdir()
    written = cached.stat().st_mtime_ns
    pretrain(again, DATA, CPU, 0, tmp_path)
    assert cached.stat().st_mtime_ns == written
    for one, other in zip(gan.text.parameters(), again.text.parameters(), strict=True):
        assert torch.equal(one, other)
    assert DATA.item.vocabulary is not None
    texts = [sentence.format(name) for name in COLOURS for sentence in ("a {} square", "the square is {}")]
    with torch.no_grad():
        cosines = gan.text(torch.from_numpy(DATA.item.vocabulary.tokens(texts)))
    cosines = (cosines @ cosines.T).fill_diagonal_(-1)
    assert torch.equal(cosines.argmax(dim=1), torch.arange(8) ^ 1), "the nearest text has the same colour"
    pretrain(small(text_steps=1), DATA, CPU, 0, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2, "other settings are another training"


def test_an_empty_caption_has_an_embedding() -> None:
    encoder = build_text_encoder(DATA.item, 12)
    assert torch.isfinite(encoder(torch.zeros(2, 10, dtype=torch.int64))).all()


def test_data_without_captions_is_an_error_that_names_them() -> None:
    from pipeline.errors import InputError

    item = DATA.item.model_copy(update={"vocabulary": None})
    gan = build(DFGANSettings.model_validate(SMALL), item)
    with pytest.raises(InputError, match="needs items with captions"):
        pretrain(gan, captioned_items(item=item, captions=()), CPU, 0, Path("unused"))
    assert gan.example_conditions(2)["tokens"].tolist() == [[0], [0]]
