"""Unattended training: rollbacks, stops, the selected checkpoint, and resuming, with real and scripted failures."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from sklearn.datasets import load_digits

from pipeline.data.views import Unlabelled
from pipeline.evaluation.extractors.base import ArrayItems
from pipeline.evaluation.quick_look import QuickLook
from pipeline.gans.registry import build
from pipeline.gans.variants.dcgan.settings import DCGANSettings
from pipeline.tasks.generate.sample_look import SampleLook
from pipeline.training import checkpoint, unattended
from pipeline.training.failure_modes import DIVERGENCE
from pipeline.training.health import Unhealthy
from pipeline.training.loop import Stopped, Trainer
from pipeline.training.response import respond
from pipeline.training.settings import TrainSettings
from tests.observer import Watcher
from tests.specs import image_spec

CPU = torch.device("cpu")
HEALTHY = {"fid": 1.0, "diversity": 1.0, "distance": 1.0, "near_duplicates": 0.0}
SMALL = DCGANSettings.model_validate(
    {"latent": 4, "generator_channels": 4, "discriminator_channels": 4, "max_channels": 4, "penalties": {"r1": 0.1}}
)


class Digits(ArrayItems):
    item = image_spec(8, 1)

    def __init__(self) -> None:
        data = load_digits()
        super().__init__(np.rint(data.images * 255 / 16).astype(np.uint8)[..., None])
        self.labels = data.target.astype(np.int64)


DIGITS = Digits()


Story = Callable[[int], dict[str, float]]  # images seen -> the numbers of a health check


class Training:
    """What the stage gives to `unattended`; health checks return the numbers of a story, if there is one."""

    def __init__(
        self,
        folder: Path,
        story: Story | None = None,
        stop_at: float = math.inf,
        model: DCGANSettings = SMALL,
        **settings: Any,
    ) -> None:
        self.folder, self.story, self.log, self.model = folder, story, Watcher(stop_at), model
        health = {"images": 64, "samples": 64, "patience": 2} | settings.pop("health", {})
        values = {
            "batch_size": 16,
            "total_images": 1024,
            "log_images": 64,
            "snapshot_images": 10**6,
            "checkpoint_images": 256,
            "precision": "float32",
        }
        self.settings = TrainSettings.model_validate(values | settings | {"health": health})
        self.look = (
            QuickLook(
                DIGITS,
                image_spec(8, 1, 10),
                samples=self.settings.health.samples,
                seed=0,
                device=CPU,
                labels=DIGITS.labels,
            )
            if story is None
            else None
        )

    def make(self, symptoms: Sequence[str]) -> tuple[Trainer, list[str]]:
        settings, model, changes = respond(self.settings, self.model, symptoms, {"diffaugment"})
        torch.manual_seed(len(symptoms))
        gan = build(model, image_spec(8, 1))
        batches = Unlabelled(DIGITS, CPU, 0)
        trainer = Trainer(
            gan,
            batches,
            settings,
            device=CPU,
            folder=self.folder,
            observer=self.log,
            meta={"run_id": "x"},
            look=SampleLook(self.measure, DIGITS.item),
            stop=self.log.stop,
        )
        return trainer, changes

    def measure(self, pixels: npt.NDArray[np.uint8]) -> dict[str, float]:
        if self.story is None:
            assert self.look is not None
            return dict(self.look(pixels))
        return HEALTHY | self.story(self.log.images_seen)

    def run(self) -> Trainer:
        saved, corrupted = checkpoint.load_latest(self.folder)
        assert not corrupted
        return unattended.run(unattended.start_or_resume(self.make, saved), self.make)


def events(trainer: Trainer) -> list[str]:
    return [str(event) for event in trainer.health.events]


def weights(trainer: Trainer) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in trainer.ema.networks["generator"].state_dict().items()}


def at(folder: Path, images: int) -> dict[str, bytes]:
    state = checkpoint.read(checkpoint.path_of(folder, images))
    assert state is not None
    return {name: value.numpy().tobytes() for name, value in state["ema"]["generator"].items()}


def falling(images: int) -> dict[str, float]:
    return {"fid": 100 / images}


def collapsing(images: int) -> dict[str, float]:
    """Return healthy numbers, except between 400 and 600 images."""
    return {"near_duplicates": 0.9, "fid": 0.5} if 400 < images < 600 else falling(images)


def test_healthy_training_has_no_events(tmp_path: Path) -> None:
    trainer = Training(tmp_path, falling).run()
    assert (trainer.images_seen, trainer.select_best(), events(trainer)) == (1024, 1024, [])
    assert [int(row["images"]) for row in trainer.history if "health_fid" in row] == list(range(64, 1025, 64))


def test_health_checks_do_not_change_the_weights(tmp_path: Path) -> None:
    """The weights are bit-identical with and without health checks."""
    checked, unchecked = (
        Training(tmp_path / "a", falling).run(),
        Training(tmp_path / "b", falling, health={"images": 10**9}).run(),
    )
    assert weights(checked) == weights(unchecked)
    assert [{k: v for k, v in row.items() if k.startswith(("loss", "d_", "r1"))} for row in checked.history] == [
        {k: v for k, v in row.items() if k.startswith(("loss", "d_", "r1"))} for row in unchecked.history
    ]


def test_collapse_is_rolled_back_with_safer_settings(tmp_path: Path) -> None:
    training = Training(tmp_path, collapsing)
    trainer = training.run()
    assert events(trainer) == [
        "512 images (step 32): mode collapse: 90% of the samples are near-duplicates (maximum 30%); "
        "rolled back to the checkpoint at 384 images, with learning rates times 0.5 and penalties.r1 0.2"
    ]
    assert trainer.images_seen == 1024
    rates = {int(row["images"]): row["lr_generator"] for row in trainer.history}
    assert rates[512] == pytest.approx(2e-4)
    assert rates[640] == pytest.approx(1e-4)
    assert trainer.gan.penalties.r1.start == 0.2  # type: ignore[union-attr]
    assert [row["step"] for row in trainer.history] == sorted({row["step"] for row in trainer.history}), (
        "the step is not rolled back: no row occurs twice"
    )
    assert training.log.rows == trainer.history
    assert training.log.warnings == events(trainer)


def test_rollback_restores_the_last_healthy_weights(tmp_path: Path) -> None:
    training = Training(tmp_path, collapsing)
    trainer = unattended.start_or_resume(training.make, None)
    with pytest.raises(Unhealthy) as error:
        trainer.run()
    before = weights(trainer)
    safer = unattended.handle(trainer, error.value, training.make)
    assert weights(safer) == at(tmp_path, 384)
    assert weights(safer) != before
    assert str(safer.batches.state()) == str(trainer.batches.state())
    assert torch.equal(safer.rng.get_state(), trainer.rng.get_state())


@pytest.mark.parametrize("stop_at", [500, 528, *(pytest.param(n, marks=pytest.mark.slow) for n in (320, 600, 900))])
def test_resumed_training_equals_an_uninterrupted_one(tmp_path: Path, stop_at: int) -> None:
    """Stopped before, during and after the collapse: weights, rows and events are bit-identical."""
    whole = Training(tmp_path / "whole", collapsing).run()
    interrupted = Training(tmp_path / "parts", collapsing, stop_at=stop_at)
    with pytest.raises(Stopped):
        interrupted.run()
    parts = Training(tmp_path / "parts", collapsing).run()
    assert weights(parts) == weights(whole)
    assert events(parts) == events(whole)
    assert parts.health.state() == whole.health.state()
    untimed = [
        [{k: v for k, v in row.items() if k not in ("seconds", "images_per_second")} for row in one.history]
        for one in (parts, whole)
    ]
    assert untimed[0] == untimed[1]
    assert parts.select_best() == whole.select_best()


def test_training_stops_after_the_last_rollback_and_selects_the_best(tmp_path: Path) -> None:
    def story(images: int) -> dict[str, float]:
        return {"fid": abs(images - 256) / 100 + 1, "near_duplicates": 0.9 if images > 400 else 0.0}

    training = Training(tmp_path, story, health={"rollbacks": 1})
    trainer = training.run()
    assert len(trainer.health.events) == 2
    assert events(trainer)[1].endswith("stopped, best checkpoint at 256 images")
    assert trainer.images_seen < 1024
    assert trainer.select_best() == 256
    assert weights(trainer) == at(tmp_path, 256)
    again = Training(tmp_path, story, health={"rollbacks": 1}).run()
    assert again.images_seen == trainer.images_seen, "a stopped training is not continued"
    assert (again.select_best(), events(again)) == (256, events(trainer))


def test_responses_stop_and_warn(tmp_path: Path) -> None:
    stopped = Training(tmp_path / "stop", collapsing, health={"response": "stop"}).run()
    assert (stopped.images_seen, stopped.select_best()) == (512, 384)
    warned = Training(tmp_path / "warn", collapsing, health={"response": "warn"}).run()
    assert (warned.images_seen, warned.select_best()) == (1024, 1024)
    assert [event.response for event in warned.health.events] == ["reported only"]


def test_a_training_that_was_never_healthy_fails_with_advice(tmp_path: Path) -> None:
    """Each rollback starts with new weights, because no checkpoint is usable."""
    training = Training(tmp_path, lambda images: {"distance": 0.01})
    with pytest.raises(
        Unhealthy,
        match=r"complete mode collapse after \d+ images: the distance between samples is 0\.01 of .* "
        r"What may help: lower train\.learning_rate",
    ) as found:
        training.run()
    assert found.value.exit_code == 4
    assert len(training.log.warnings) == 2
    assert all("rolled back to new weights" in text for text in training.log.warnings)


def test_without_a_healthy_check_the_best_unhealthy_one_is_selected(tmp_path: Path) -> None:
    """The gate decides about it; rollbacks return to its weights instead of new ones."""
    training = Training(tmp_path, lambda images: {"near_duplicates": 0.9, "fid": 1 + abs(images - 320) / 100})
    trainer = training.run()
    assert "rolled back to the checkpoint at 320 images" in training.log.warnings[0]
    assert trainer.select_best() == 320
    assert trainer.health.last_healthy == -1


def test_a_training_that_is_always_collapsed_fails(tmp_path: Path) -> None:
    """Also with response warn."""
    for response in ("rollback", "warn"):
        training = Training(
            tmp_path / response,
            lambda images: {"diversity": 0.2, "fid": 1 + images / 1e4},
            health={"response": response},
        )
        with pytest.raises(
            Unhealthy,
            match=r"no health check was healthy, and at the best one \(\d+ images\) the Vendi score is 0\.2 of",
        ):
            training.run()


def test_the_first_healthy_check_outranks_all_unhealthy_ones(tmp_path: Path) -> None:
    trainer = Training(
        tmp_path, lambda images: {"near_duplicates": 0.9, "fid": 0.8} if images < 200 else {"fid": 1.2}
    ).run()
    assert trainer.select_best() == 1024


def test_early_stopping(tmp_path: Path) -> None:
    trainer = Training(
        tmp_path,
        lambda images: {"fid": 2.0 - min(images, 256) / 256 + max(images - 256, 0) / 1e4},
        health={"early_stopping_images": 320},
    ).run()
    assert (trainer.images_seen, trainer.select_best()) == (576, 256)
    again = Training(tmp_path, lambda images: {"fid": 1.0}, health={"early_stopping_images": 320}).run()
    assert again.images_seen == 576


def test_without_health_checks_the_last_weights_are_selected(tmp_path: Path) -> None:
    training = Training(tmp_path, falling)
    trainer, _ = training.make([])
    trainer.look = None
    trainer.meta |= {"symptoms": "[]", "stopped_by": ""}
    trainer.run()
    assert trainer.select_best() == 1024
    assert not list(tmp_path.glob("*.mark"))


def test_without_the_best_checkpoint_the_last_weights_are_selected(tmp_path: Path) -> None:
    trainer = Training(tmp_path, lambda images: {"fid": 1 + images / 1e4}).run()
    checkpoint.path_of(tmp_path, 64).write_bytes(b"torn")
    assert trainer.select_best() == 1024


HOT = {"generator": 0.3, "discriminator": 0.3}


def test_real_divergence_is_detected(tmp_path: Path) -> None:
    """With learning rates a thousand times too high, training is rolled back or fails with advice."""
    training = Training(
        tmp_path, None, learning_rate=HOT, total_images=6400, health={"images": 320, "rollbacks": 3, "samples": 128}
    )
    try:
        trainer = training.run()
        messages = events(trainer)
    except Unhealthy as failed:
        messages = [*training.log.warnings, str(failed)]
    assert messages
    assert any(name in messages[0] for name in ("collapse", DIVERGENCE)), messages


@pytest.mark.slow
def test_a_stable_training_has_no_events(tmp_path: Path) -> None:
    model = DCGANSettings.model_validate(
        {"latent": 16, "generator_channels": 16, "discriminator_channels": 16, "penalties": {"r1": 0.1}}
    )
    settings: dict[str, Any] = {
        "learning_rate": {"generator": 1e-3, "discriminator": 1e-3},
        "total_images": 48_000,
        "batch_size": 64,
        "ema_half_life": 2000,
    }
    trainer = Training(tmp_path, None, model=model, health={"images": 3200, "samples": 256}, **settings).run()
    assert events(trainer) == []
    assert trainer.select_best() > 36_000
    distances = [row["health_fid"] for row in trainer.history if "health_fid" in row]
    assert distances[-1] < distances[0] / 10
