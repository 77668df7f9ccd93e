"""Fixtures for the tests of every variant: batches, one training step, and ONNX parity."""

import copy
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from pipeline.evaluation.settings import EvaluateSettings
from pipeline.gans.base import GAN, Progress
from pipeline.gans.registry import ModelSettings, build
from pipeline.tasks.generate.evaluator import Evaluation, Evaluator
from pipeline.tasks.registry import TASKS
from pipeline.training.loop import Trainer
from pipeline.training.settings import TrainSettings
from tests.gates import GateSettings
from tests.specs import image_spec, to_uint8

START = Progress(step=0, fraction=0.0)

Batch = dict[str, Tensor]


def random_images(n: int, resolution: int, channels: int) -> Tensor:
    """Return uniform noise in [-1, 1] from a fixed seed."""
    return torch.rand(n, channels, resolution, resolution, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.fixture
def images() -> Callable[[int, int, int], Tensor]:
    """Return `random_images`."""
    return random_images


@pytest.fixture
def batch() -> Callable[[int, int, int, int], Batch]:
    """Return a function (n, resolution, channels, classes) -> a batch with the tensors of all views of generation."""

    def make(n: int, resolution: int, channels: int, classes: int) -> Batch:
        label = torch.arange(n) % max(classes, 1)
        return {
            "item": random_images(n, resolution, channels),
            "label": label,
            "labelled_item": random_images(n, resolution, channels),
        }

    return make


@pytest.fixture
def check_updates() -> Callable[[GAN, Mapping[str, Tensor]], None]:
    """Return a check that runs every phase of a variant once: it must update all its networks and no others."""

    def check(gan: GAN, batch: Mapping[str, Tensor]) -> None:
        gan.train()
        for phase in gan.phases():
            before = copy.deepcopy(dict(gan.named_parameters()))
            for name, network in gan.named_children():
                network.requires_grad_(name in phase.networks)
            optimizer = torch.optim.SGD(
                [p for name in phase.networks for p in gan.get_submodule(name).parameters()], lr=1.0
            )
            optimizer.zero_grad()
            copies = {name: value.clone() for name, value in batch.items()}
            loss = phase.loss(copies, START, torch.Generator().manual_seed(2))
            torch.autograd.backward(loss.total)
            optimizer.step()
            if phase.after_update is not None:
                phase.after_update()
            for name, value in gan.named_parameters():
                if name.split(".")[0] not in phase.networks:
                    assert torch.equal(value, before[name]), f"{phase.name} updated {name}"
                elif phase.name in ("discriminator", "generator", "content", "random"):
                    assert not torch.equal(value, before[name]), f"{phase.name} did not update {name}"

    return check


@pytest.fixture
def onnx_parity(tmp_path: Path) -> Callable[[GAN, int], float]:
    """Return a function (gan, classes) -> the largest difference between PyTorch and ONNX Runtime over all graphs."""

    def check(gan: GAN, classes: int) -> float:
        from pipeline.serving.onnx.graph_export import export
        from pipeline.serving.onnx.parity import check_parity

        worst = 0.0
        for spec in gan.eval().export():
            path = tmp_path / f"{spec.name}.onnx"
            export(spec, path, {}, 20)
            worst = max(worst, check_parity(spec, path, 1e-3, image_spec(8, 1, classes)).max_abs)
        return worst

    return check


class Digits:
    """scikit-learn's handwritten digits, 8x8; every fifth is in the test split."""

    item = image_spec(8, 1, 10)

    def __init__(self, *, test: bool) -> None:
        from sklearn.datasets import load_digits

        data = load_digits()
        chosen = (np.arange(len(data.target)) % 5 == 0) == test
        self.pixels = np.minimum(np.round(data.images[chosen] * (255 / 16)), 255).astype(np.uint8)[..., None]
        self.labels = data.target[chosen].astype(np.int64)
        self.fingerprint = f"digits {'test' if test else 'train'}"

    def __len__(self) -> int:
        return len(self.pixels)

    def images(self, indices: npt.ArrayLike | None = None) -> npt.NDArray[np.uint8]:
        picked: npt.NDArray[np.uint8] = (
            self.pixels if indices is None else self.pixels[np.asarray(indices, dtype=np.int64)]
        )
        return picked


class Silent:
    """An observer that ignores everything."""

    def on_step(self, images_seen: int) -> None: ...

    def on_row(self, row: dict[str, float]) -> None: ...

    def on_snapshot(self, images_seen: int, images: Tensor) -> None: ...

    def on_note(self, message: str) -> None: ...

    def on_warning(self, message: str) -> None: ...


@pytest.fixture(scope="session")
def evaluator(tmp_path_factory: pytest.TempPathFactory) -> Evaluator:
    cache = tmp_path_factory.mktemp("evaluator")
    return Evaluator(
        Digits(test=False),
        Digits(test=True),
        image_spec(8, 1, 10),
        EvaluateSettings(samples=2000, gate=GateSettings()),
        torch.device("cpu"),
        cache,
    )


@pytest.fixture
def learn(evaluator: Evaluator, tmp_path: Path) -> Callable[..., tuple[Evaluation, GAN]]:
    """Return a function that trains a variant on the digits and evaluates 2,000 samples of its averaged networks."""

    def run(settings: ModelSettings, **train: object) -> tuple[Evaluation, GAN]:
        values = TrainSettings.model_validate(
            {"batch_size": 64, "beta2": 0.99, "ema_half_life": 5000, "log_images": 10**9, "snapshot_images": 10**9}
            | train
        )
        torch.manual_seed(0)
        gan = build(settings, image_spec(8, 1, 10))
        batches = TASKS[gan.task].open_view(gan.view, Digits(test=False), torch.device("cpu"), 0)
        trainer = Trainer(gan, batches, values, device=torch.device("cpu"), folder=tmp_path, observer=Silent())
        trainer.run()
        with trainer.ema.apply_to(gan) as averaged_gan, torch.no_grad():
            samples = to_uint8(averaged_gan.sample(2000, torch.Generator().manual_seed(0)))
        for name, network in trainer.ema.networks.items():
            setattr(gan, name, network)
        return evaluator.evaluate(samples), gan

    return run
