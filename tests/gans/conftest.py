"""What the tests of every variant share: batches, one real training step, and ONNX Runtime beside PyTorch."""

import copy
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from pipeline.gans.base import GAN, Progress

START = Progress(step=0, done=0.0)

Batch = dict[str, Tensor]


def random_images(n: int, resolution: int, channels: int) -> Tensor:
    return torch.rand(n, channels, resolution, resolution, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.fixture
def images() -> Callable[[int, int, int], Tensor]:
    """(n, resolution, channels) -> noise in [-1, 1], always the same."""
    return random_images


@pytest.fixture
def batch() -> Callable[[int, int, int, int], Batch]:
    """(n, resolution, channels, classes) -> a batch of every view at once."""

    def make(n: int, resolution: int, channels: int, classes: int) -> Batch:
        label = torch.arange(n) % max(classes, 1)
        return {"image": random_images(n, resolution, channels), "label": label, "labelled_image": random_images(n, resolution, channels)}

    return make


@pytest.fixture
def moves() -> Callable[[GAN, Mapping[str, Tensor]], None]:
    """Runs every phase of a variant once, as the loop does; each must move every parameter of its networks and no other."""

    def check(gan: GAN, batch: Mapping[str, Tensor]) -> None:
        gan.train()
        for phase in gan.phases():
            before = copy.deepcopy(dict(gan.named_parameters()))
            for name, network in gan.named_children():
                network.requires_grad_(name in phase.networks)
            optimizer = torch.optim.SGD([p for name in phase.networks for p in gan.get_submodule(name).parameters()], lr=1.0)
            optimizer.zero_grad()
            torch.autograd.backward(phase.loss({name: value.clone() for name, value in batch.items()}, START, torch.Generator().manual_seed(2)).total)
            optimizer.step()
            if phase.after is not None:
                phase.after()
            for name, value in gan.named_parameters():
                if name.split(".")[0] not in phase.networks:
                    assert torch.equal(value, before[name]), f"{phase.name} moved {name}"
                elif phase.name in ("discriminator", "generator"):
                    assert not torch.equal(value, before[name]), f"{phase.name} did not move {name}"

    return check


@pytest.fixture
def onnx_parity(tmp_path: Path) -> Callable[[GAN, int], float]:
    """(gan, classes) -> the largest difference between PyTorch and ONNX Runtime over every exported graph, at batches 1, 2, 7 and 64."""

    def check(gan: GAN, classes: int) -> float:
        from pipeline.serving import parity
        from pipeline.serving.onnx_export import export

        worst = 0.0
        for spec in gan.eval().export():
            path = tmp_path / f"{spec.name}.onnx"
            export(spec, path, {}, 20)
            worst = max(worst, parity.check(spec, path, 1e-3, classes).max_abs)
        return worst

    return check
