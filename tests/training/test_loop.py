"""The loop: exact resumption, what it refuses, what it reports."""

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from pipeline.data.views import Unlabelled
from pipeline.errors import InputError, TrainingFailed
from pipeline.gans.base import ImageSpec
from pipeline.gans.registry import build
from pipeline.gans.settings import DCGANSettings, Penalties
from pipeline.training import checkpoint
from pipeline.training.loop import Row, Stopped, Trainer, due, pick_device, pick_precision
from pipeline.training.settings import TrainSettings

CPU = torch.device("cpu")
MODEL = DCGANSettings(latent=8, generator_channels=8, discriminator_channels=8, objective="relativistic", penalties=Penalties(r1=0.5, r2=0.5))


class Bars:
    """Bright bars on black, 90 images."""

    def __init__(self) -> None:
        self.labels = np.full(90, -1)
        self.pixels = np.zeros((90, 8, 8, 1), dtype=np.uint8)
        for k in range(90):
            self.pixels[k, :, k % 8] = 200 + k % 50

    def __len__(self) -> int:
        return 90

    def images(self, indices: npt.ArrayLike | None = None) -> npt.NDArray[np.uint8]:
        return self.pixels if indices is None else self.pixels[np.asarray(indices)]


class Watcher:
    """Remembers what the loop reports; asks it to stop at an image count."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.seen, self.stop_at = 0, stop_at
        self.rows: list[Row] = []
        self.snapshots: dict[int, Tensor] = {}
        self.warnings: list[str] = []

    def advanced(self, images_seen: int) -> None:
        self.seen = images_seen

    def measured(self, row: Row) -> None:
        self.rows.append(row)

    def snapshot(self, images_seen: int, images: Tensor) -> None:
        self.snapshots[images_seen] = images.clone()

    def warned(self, message: str) -> None:
        self.warnings.append(message)

    def stop(self) -> bool:
        return self.stop_at is not None and self.seen >= self.stop_at


def trainer(folder: Path, watcher: Watcher, model: DCGANSettings = MODEL, samples: int = 4, **settings: object) -> Trainer:
    rate = {"start": 2e-4, "end": 2e-5}
    values = {
        "learning_rate": {"generator": rate, "discriminator": rate},
        "batch_size": 16,
        "total_images": 640,
        "log_images": 100,
        "snapshot_images": 200,
        "checkpoint_images": 320,
        "flips": True,
    }
    train = TrainSettings.model_validate(values | settings)
    torch.manual_seed(train.seed)
    gan = build(model, ImageSpec(8, 1))
    return Trainer(gan, Unlabelled(Bars(), CPU, train.seed, flips=train.flips), train, CPU, folder, watcher, stop=watcher.stop, samples=samples)


def timeless(rows: list[Row]) -> list[Row]:
    return [{name: value for name, value in row.items() if name not in ("seconds", "images_per_second")} for row in rows]


def assert_equal_states(a: object, b: object, where: str = "") -> None:
    """Bit for bit, but for wall-clock time."""
    assert type(a) is type(b), where
    if isinstance(a, dict):
        assert isinstance(b, dict)
        assert a.keys() == b.keys(), where
        for key in a.keys() - {"seconds", "images_per_second"}:
            assert_equal_states(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, list | tuple):
        assert isinstance(b, list | tuple)
        assert len(a) == len(b), where
        for k, (left, right) in enumerate(zip(a, b, strict=True)):
            assert_equal_states(left, right, f"{where}[{k}]")
    elif isinstance(a, Tensor):
        assert isinstance(b, Tensor)
        assert torch.equal(a, b), where
    else:
        assert a == b, where


@pytest.mark.parametrize("stop_at", [16, 208, 320, 624])
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_resumed_training_equals_an_undisturbed_one(tmp_path: Path, stop_at: int, norm: str) -> None:
    """Stopped at any step and continued in a new process's objects: weights, optimizers, averages, random states, curves, pictures."""
    model = MODEL.model_copy(update={"discriminator_norm": norm})
    whole = Watcher()
    undisturbed = trainer(tmp_path / "a", whole, model)
    undisturbed.run()

    first = Watcher(stop_at)
    with pytest.raises(Stopped):
        trainer(tmp_path / "b", first, model).run()
    torch.rand(7)  # whatever else the process does with the global generator must not matter
    state, damaged = checkpoint.latest(tmp_path / "b")
    assert state is not None
    assert damaged == []
    assert state["images_seen"] == stop_at
    second = Watcher()
    resumed = trainer(tmp_path / "b", second, model)
    resumed.restore(state)
    resumed.run()

    assert_equal_states(undisturbed.state(), resumed.state())
    assert timeless(first.rows + second.rows) == timeless(whole.rows)
    assert timeless(resumed.history) == timeless(whole.rows)
    for images_seen, images in (first.snapshots | second.snapshots).items():
        assert torch.equal(images, whole.snapshots[images_seen])


def test_rows_hold_means_and_rates(tmp_path: Path) -> None:
    watcher = Watcher()
    trainer(tmp_path, watcher).run()
    assert [row["images"] for row in watcher.rows] == [112, 208, 304, 400, 512, 608, 640]
    last = watcher.rows[-1]
    assert last["step"] == 40
    assert {"loss_discriminator", "loss_generator", "d_real", "d_fake", "r1", "r2", "grad_norm_discriminator", "grad_norm_generator"} <= last.keys()
    assert 0 <= last["d_real"] <= 1
    assert last["lr_generator"] == pytest.approx(2e-5, rel=1e-6), "a cosine ends at a tenth"
    assert watcher.rows[0]["lr_generator"] == pytest.approx(2e-4 * (0.1 + 0.45 * (1 + math.cos(math.pi * 112 / 640))))
    assert sorted(watcher.snapshots) == [0, 208, 400, 608, 640]


def test_divergence_is_named(tmp_path: Path) -> None:
    broken = trainer(tmp_path, Watcher())
    with torch.no_grad():
        next(broken.gan.get_submodule("discriminator").parameters()).fill_(float("nan"))
    with pytest.raises(TrainingFailed, match=r"diverged: .*loss_discriminator.* not finite after \d+ images.*learning_rate"):
        broken.run()


def test_it_learns(tmp_path: Path) -> None:
    """Samples end nearer to the data than the start's gray, and show most of the eight bars: noise and a single image both fail."""
    watcher = Watcher()
    trainer(tmp_path, watcher, total_images=16_000, learning_rate={"generator": 2e-3, "discriminator": 2e-3}, ema_half_life=500, flips=False, samples=64).run()
    real = torch.from_numpy(Bars().images()).permute(0, 3, 1, 2).float() / 127.5 - 1
    nearest = torch.cdist(watcher.snapshots[16_000].flatten(1), real.flatten(1)).min(dim=1)
    gray = torch.cdist(watcher.snapshots[0].flatten(1), real.flatten(1)).min(dim=1)
    assert nearest.values.mean() < 0.5 * gray.values.mean()
    assert len({int(k) % 8 for k in nearest.indices}) >= 6


def test_due() -> None:
    assert due(100, 96, 112)
    assert not due(100, 100, 164)
    assert due(100, 90, 350)


def test_device_and_precision() -> None:
    assert pick_device("cpu") == CPU
    if not torch.cuda.is_available():
        assert pick_device("auto") == CPU
        with pytest.raises(InputError, match=r"train\.device is cuda"):
            pick_device("cuda")
    assert pick_precision("auto", CPU) is torch.float32
    assert pick_precision("bfloat16", CPU) is torch.bfloat16


def test_bfloat16_trains_in_finite_numbers(tmp_path: Path) -> None:
    watcher = Watcher()
    trainer(tmp_path, watcher, precision="bfloat16").run()
    assert all(math.isfinite(value) for row in watcher.rows for value in row.values())
