"""PatchGAN: how far a patch sees, by its gradient, is what the paper says."""

import pytest
import torch

from pipeline.gans.networks.patchgan import Norm, PatchDiscriminator


@pytest.mark.parametrize(("layers", "field"), [(1, 16), (2, 34), (3, 70)])
def test_the_patch_is_the_papers(layers: int, field: int) -> None:
    torch.manual_seed(0)
    judge = PatchDiscriminator(1, 4, layers, "none")
    images = torch.rand(1, 1, 192, 192, requires_grad=True)
    logits = judge(images)
    middle = logits.shape[2] // 2
    (gradient,) = torch.autograd.grad(logits[0, 0, middle, middle], images)
    seen = gradient[0, 0].abs().sum(dim=0).nonzero()
    assert int(seen.max() - seen.min()) + 1 == field


@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
@pytest.mark.parametrize(("layers", "least"), [(1, 8), (2, 16), (3, 32), (6, 256)])
def test_the_least_picture_is_judged(norm: Norm, layers: int, least: int) -> None:
    logits = PatchDiscriminator(3, 4, layers, norm)(torch.rand(2, 3, least, least))
    assert logits.shape == (2, 1, 2, 2)
    assert torch.isfinite(logits).all()
