"""The training loop: rows, errors, learning, mixed precision, shared optimizers and gradient clipping."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.data.views import Unlabelled
from pipeline.errors import InputError, TrainingFailed
from pipeline.evaluation.extractors.base import ArrayItems
from pipeline.gans.base import GAN, Batch, ExportSpec, Loss, Phase, Progress, View
from pipeline.gans.game.settings import Penalties
from pipeline.gans.registry import build
from pipeline.gans.variants.dcgan.settings import DCGANSettings
from pipeline.training.device import pick_device, pick_precision
from pipeline.training.loop import Trainer
from pipeline.training.settings import TrainSettings, is_due
from tests.observer import Watcher
from tests.specs import image_spec

CPU = torch.device("cpu")
MODEL = DCGANSettings(
    latent=8,
    generator_channels=8,
    discriminator_channels=8,
    objective="relativistic",
    penalties=Penalties(r1=0.5, r2=0.5),
)


class Bars(ArrayItems):
    """Bright bars on black, 90 images."""

    item = image_spec(8, 1)

    def __init__(self) -> None:
        super().__init__(np.zeros((90, 8, 8, 1), dtype=np.uint8))
        self.labels = np.full(90, -1)
        for k in range(90):
            self.array[k, :, k % 8] = 200 + k % 50


def trainer(
    folder: Path, watcher: Watcher, model: DCGANSettings = MODEL, samples: int = 4, **settings: object
) -> Trainer:
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
    gan = build(model, image_spec(8, 1))
    return Trainer(
        gan,
        Unlabelled(Bars(), CPU, train.seed, flips=train.flips),
        train,
        device=CPU,
        folder=folder,
        observer=watcher,
        stop=watcher.stop,
        preview_samples=samples,
    )


def test_rows_hold_means_and_learning_rates(tmp_path: Path) -> None:
    watcher = Watcher()
    trainer(tmp_path, watcher).run()
    assert [row["images"] for row in watcher.rows] == [112, 208, 304, 400, 512, 608, 640]
    last = watcher.rows[-1]
    assert last["step"] == 40
    assert {
        "loss_discriminator",
        "loss_generator",
        "d_real",
        "d_fake",
        "r1",
        "r2",
        "grad_norm_discriminator",
        "grad_norm_generator",
    } <= last.keys()
    assert 0 <= last["d_real"] <= 1
    assert last["lr_generator"] == pytest.approx(2e-5, rel=1e-6), "the cosine ends at a tenth"
    assert watcher.rows[0]["lr_generator"] == pytest.approx(2e-4 * (0.1 + 0.45 * (1 + math.cos(math.pi * 112 / 640))))
    assert sorted(watcher.snapshots) == [0, 208, 400, 608, 640]


def test_nonfinite_loss_is_a_divergence(tmp_path: Path) -> None:
    broken = trainer(tmp_path, Watcher())
    with torch.no_grad():
        next(broken.gan.get_submodule("discriminator").parameters()).fill_(float("nan"))
    with pytest.raises(
        TrainingFailed, match=r"divergence after \d+ images: .*loss_discriminator.* not finite.*learning_rate"
    ):
        broken.run()


@pytest.mark.slow
def test_it_learns(tmp_path: Path) -> None:
    """Samples end closer to the data than the initial gray and show most of the bars; noise and one image both fail."""
    watcher = Watcher()
    trainer(
        tmp_path,
        watcher,
        total_images=16_000,
        learning_rate={"generator": 2e-3, "discriminator": 2e-3},
        ema_half_life=500,
        flips=False,
        samples=64,
    ).run()
    real = torch.from_numpy(Bars().images()).permute(0, 3, 1, 2).float() / 127.5 - 1
    nearest = torch.cdist(watcher.snapshots[16_000].flatten(1), real.flatten(1)).min(dim=1)
    gray = torch.cdist(watcher.snapshots[0].flatten(1), real.flatten(1)).min(dim=1)
    assert nearest.values.mean() < 0.5 * gray.values.mean()
    assert len({int(k) % 8 for k in nearest.indices}) >= 6


def test_due() -> None:
    assert is_due(100, 96, 112)
    assert not is_due(100, 100, 164)
    assert is_due(100, 90, 350)


def test_device_and_precision() -> None:
    assert pick_device("cpu") == CPU
    if not torch.cuda.is_available() and not torch.backends.mps.is_available():
        assert pick_device("auto") == CPU
        with pytest.raises(InputError, match=r"train\.device is cuda"):
            pick_device("cuda")
    assert pick_precision("auto", CPU, pytest.fail) is torch.float32
    assert pick_precision("bfloat16", CPU, print) is torch.bfloat16


def test_an_apple_gpu_is_used_if_there_is_no_cuda_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert pick_device("mps") == torch.device("mps")
    assert pick_device("cpu") == CPU
    for cuda, expected in ((False, "mps"), (True, "cuda")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda cuda=cuda: cuda)
        assert pick_device("auto") == torch.device(expected)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"train\.device is mps, but torch sees no Apple \(MPS\) device"):
        pick_device("mps")
    assert pick_precision("auto", torch.device("mps"), pytest.fail) is torch.float32


def test_bfloat16_is_chosen_where_it_is_not_emulated(monkeypatch: pytest.MonkeyPatch) -> None:
    """A T4 or V100 emulates bfloat16: torch calls that supported, but float32 is faster."""
    for computes, expected in ((False, torch.float32), (True, torch.bfloat16)):
        supported = lambda including_emulation=True, computes=computes: computes or including_emulation  # noqa: E731
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
        assert pick_precision("auto", torch.device("cuda"), pytest.fail) is expected


@pytest.mark.parametrize("emulated", [True, False])
def test_emulated_bfloat16_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, emulated: bool) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: not emulated)
    watcher = Watcher()
    trainer(tmp_path, watcher, precision="bfloat16")
    assert [warning.partition(",")[0] for warning in watcher.warnings] == ["train.precision is bfloat16"] * emulated
    watcher = Watcher()
    trainer(tmp_path, watcher)
    assert watcher.warnings == []


class SwitchWatcher(Watcher):
    """Records the switches that decide whether CUDA rounds float32 to TF32."""

    def __init__(self) -> None:
        super().__init__()
        self.switches: list[tuple[bool, str]] = []

    def on_step(self, images_seen: int) -> None:
        super().on_step(images_seen)
        self.switches.append((torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()))


@pytest.mark.parametrize(("precision", "rounds"), [("float32", False), ("bfloat16", True)])
def test_a_training_in_float32_does_not_round_to_tf32(tmp_path: Path, precision: str, rounds: bool) -> None:
    torch.set_float32_matmul_precision("high")
    try:
        trainer(tmp_path, watcher := SwitchWatcher(), precision=precision, total_images=16).run()
        assert watcher.switches == [(rounds, "highest")]
        assert (torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()) == (True, "high")
    finally:
        torch.set_float32_matmul_precision("highest")


def test_bfloat16_training_is_finite(tmp_path: Path) -> None:
    watcher = Watcher()
    trainer(tmp_path, watcher, precision="bfloat16").run()
    assert all(math.isfinite(value) for row in watcher.rows for value in row.values())


class Twice(GAN):
    """Two phases update the same network; the second clips its gradient to a norm of 0.5."""

    view = View("unlabelled")

    def __init__(self) -> None:
        super().__init__()
        self.generator = nn.Linear(2, 1, bias=False)
        self.other = nn.Linear(2, 1, bias=False)

    def phases(self) -> list[Phase]:
        return [
            Phase("first", ("generator",), self.loss, "generator"),
            Phase("second", ("generator", "other"), self.loss, "generator", max_grad_norm=0.5),
        ]

    def loss(self, batch: Batch, progress: Progress, rng: torch.Generator) -> Loss:
        """The gradient of either network is (30, 40) if it is updated."""
        x = torch.tensor([30.0, 40.0])
        return Loss(self.generator(x).sum() + self.other(x).sum())

    def sample(self, n: int, rng: torch.Generator, **conditions: torch.Tensor) -> torch.Tensor:
        return torch.zeros(n, 1, 8, 8)

    def export(self) -> list[ExportSpec]:
        return []


def test_phases_share_the_optimizer_of_a_network_and_clip_separately(tmp_path: Path) -> None:
    settings = TrainSettings(batch_size=4, total_images=4, beta1=0.5)
    twice = Trainer(Twice(), Unlabelled(Bars(), CPU, 0), settings, device=CPU, folder=tmp_path, observer=Watcher())
    twice.run()
    shared, alone = (next(iter(twice.optimizers[name].state.values())) for name in ("generator", "other"))
    assert (int(shared["step"]), int(alone["step"])) == (2, 1)
    # The gradient of both networks together has a norm of 50 sqrt(2), which is clipped to 0.5.
    small = torch.tensor([[30.0, 40.0]]) * 0.5 / (50 * math.sqrt(2))
    torch.testing.assert_close(alone["exp_avg"], 0.5 * small, rtol=1e-4, atol=0)
    torch.testing.assert_close(shared["exp_avg"], 0.25 * torch.tensor([[30.0, 40.0]]) + 0.5 * small, rtol=1e-4, atol=0)
    assert twice.history[-1]["grad_norm_second"] == pytest.approx(50 * math.sqrt(2)), "the norm before clipping"
