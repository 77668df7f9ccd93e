"""PatchGAN: its receptive field, measured by gradients, is the paper's."""

import pytest
import torch

from pipeline.gans.networks.patchgan import Norm, PatchDiscriminator


@pytest.mark.parametrize(("layers", "field"), [(1, 16), (2, 34), (3, 70)])
def test_receptive_field(layers: int, field: int) -> None:
    torch.manual_seed(0)
    discriminator = PatchDiscriminator(1, 4, layers, "none")
    images = torch.rand(1, 1, 192, 192, requires_grad=True)
    logits = discriminator(images)
    middle = logits.shape[2] // 2
    (gradient,) = torch.autograd.grad(logits[0, 0, middle, middle], images)
    columns = gradient[0, 0].abs().sum(dim=0).nonzero()
    assert int(columns.max() - columns.min()) + 1 == field


@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
@pytest.mark.parametrize(("layers", "side"), [(1, 8), (2, 16), (3, 32), (6, 256)])
def test_smallest_image(norm: Norm, layers: int, side: int) -> None:
    logits = PatchDiscriminator(3, 4, layers, norm)(torch.rand(2, 3, side, side))
    assert logits.shape == (2, 1, 2, 2)
    assert torch.isfinite(logits).all()
