"""The last layer of generators: one-hot in training with the gradient of a softmax, a softmax in eval mode."""

import pytest
import torch
from torch import Tensor, nn

from pipeline.gans.networks.heads import Binary, Categorical, gumbel, output_head
from pipeline.gans.variants.dcgan.dcgan import DCGAN
from pipeline.gans.variants.dcgan.settings import DCGANSettings
from pipeline.gans.variants.r3gan.settings import R3GANSettings
from pipeline.gans.variants.vanilla.settings import VanillaSettings
from pipeline.gans.variants.vanilla.vanilla import Vanilla
from pipeline.items import DataLayout, ItemSpec
from pipeline.media.tensors import Tensors

ITEM = ItemSpec(height=8, width=4, channels=2, symbols=5)


def by_symbol(maps: Tensor) -> Tensor:
    """Return maps [n, C * 5, H, W] as [n, C, 5, H, W]."""
    n, channels, height, width = maps.shape
    return maps.detach().reshape(n, channels // 5, 5, height, width)


def test_values_on_a_scale_have_tanh() -> None:
    assert isinstance(output_head(ITEM.model_copy(update={"symbols": 0})), nn.Tanh)


def test_binary_values_are_on_by_their_probability_with_the_gradient_of_softsign() -> None:
    head = output_head(ITEM.model_copy(update={"symbols": 0, "details": {"values": "occupancy"}}))
    assert isinstance(head, Binary)
    logits = torch.tensor([-40.0, -0.5, 0.0, 0.5, 40.0]).expand(4000, 5).clone().requires_grad_()
    torch.manual_seed(0)
    values = head(logits)
    assert torch.equal(values.detach().abs().round(decimals=5), torch.ones(4000, 5))
    shares = (values > 0).float().mean(0).tolist()
    assert shares == pytest.approx(torch.sigmoid(2 * logits[0]).tolist(), abs=0.03)
    assert (shares[0], shares[4]) == (0, 1)
    (gradient,) = torch.autograd.grad(values.sum(), logits)
    assert torch.allclose(gradient, (1 + logits.abs()) ** -2, atol=1e-6)
    assert torch.equal(head.eval()(logits), torch.tanh(logits))


def test_training_chooses_one_symbol_and_passes_gradients() -> None:
    head = Categorical(5)
    logits = torch.randn(3, 10, 8, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    maps = head(logits)
    assert torch.allclose(by_symbol(maps).amax(2), torch.ones(3, 2, 8, 4))
    assert torch.allclose(by_symbol(maps).sum(2), torch.ones(3, 2, 8, 4))
    (maps * torch.randn_like(maps)).sum().backward()
    assert logits.grad is not None
    assert logits.grad.abs().min() > 0


def test_argmax_in_training_and_softmax_in_eval_name_the_same_symbols() -> None:
    head, logits = Categorical(5), torch.randn(3, 10, 8, 4, generator=torch.Generator().manual_seed(1))
    tensors = Tensors(ITEM)
    trained = tensors.from_network(head(logits))
    assert (trained == tensors.from_network(head.eval()(logits))).all()
    assert torch.allclose(by_symbol(head(logits)).sum(2), torch.ones(3, 2, 8, 4))


def test_gumbel_draws_symbols_by_their_probability() -> None:
    logits = torch.tensor([0.5, 0.3, 0.2]).log().reshape(1, 3, 1, 1)
    noise = gumbel(torch.randn(4000, 3, 1, 1, generator=torch.Generator().manual_seed(0)))
    shares = Categorical(3)(logits + noise).mean(0).flatten()
    assert shares.tolist() == pytest.approx([0.5, 0.3, 0.2], abs=0.03)
    assert torch.isfinite(gumbel(torch.tensor([-100.0, 0.0, 100.0]))).all()


def test_vanilla_and_dcgan_generate_categories() -> None:
    rng = torch.Generator().manual_seed(0)
    vanilla = Vanilla(VanillaSettings(hidden=(16,), latent=4), ITEM)
    square = ITEM.model_copy(update={"width": 8})
    for gan, item in ((vanilla, ITEM), (DCGAN(DCGANSettings(latent=4, generator_channels=4), square), square)):
        maps = gan.sample(2, rng)
        assert maps.shape == (2, 10, *item.shape[:2])
        assert torch.allclose(by_symbol(maps).amax(2), torch.ones(2, 2, *item.shape[:2]))


def test_other_variants_refuse_categories() -> None:
    layout = DataLayout(height=8, width=8, symbols=5)
    with pytest.raises(ValueError, match=r"model.variant r3gan: .* categories; set model.variant"):
        R3GANSettings().check_data(layout)
    DCGANSettings().check_data(layout)
