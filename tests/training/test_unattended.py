"""Responses to real failures and to scripted ones: rollbacks, stops, what is delivered, and that none of it is lost in a kill."""

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
from pipeline.evaluation.extractors.base import Held
from pipeline.evaluation.quick_look import QuickLook
from pipeline.gans.registry import build
from pipeline.gans.variants.dcgan.settings import DCGANSettings
from pipeline.tasks.generate.sample_look import SampleLook
from pipeline.training import checkpoint, unattended
from pipeline.training.health import DIVERGENCE, Unhealthy
from pipeline.training.loop import Stopped, Trainer
from pipeline.training.response import treat
from pipeline.training.settings import TrainSettings
from tests.observer import Watcher
from tests.specs import image_spec

CPU = torch.device("cpu")
WELL = {"fid": 1.0, "diversity": 1.0, "distance": 1.0, "near_duplicates": 0.0}
SMALL = DCGANSettings.model_validate(
    {"latent": 4, "generator_channels": 4, "discriminator_channels": 4, "max_channels": 4, "penalties": {"r1": 0.1}}
)


class Digits(Held):
    item = image_spec(8, 1)

    def __init__(self) -> None:
        data = load_digits()
        super().__init__(np.rint(data.images * 255 / 16).astype(np.uint8)[..., None])
        self.labels = data.target.astype(np.int64)


DIGITS = Digits()


Story = Callable[[int], dict[str, float]]  # images seen -> what a look measures


class Training:
    """Everything that `unattended` is given by the stage; looks tell a story instead of what they see, unless there is none."""

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
            QuickLook(DIGITS, DIGITS.labels, 10, 1, self.settings.health.samples, 0, CPU) if story is None else None
        )

    def make(self, symptoms: Sequence[str]) -> tuple[Trainer, list[str]]:
        settings, model, words = treat(self.settings, self.model, symptoms)
        torch.manual_seed(len(symptoms))
        gan = build(model, image_spec(8, 1))
        batches = Unlabelled(DIGITS, CPU, 0)
        watch = SampleLook(self.measure)
        return Trainer(
            gan, batches, settings, CPU, self.folder, self.log, {"run_id": "x"}, watch, stop=self.log.stop
        ), words

    def measure(self, pixels: npt.NDArray[np.uint8]) -> dict[str, float]:
        return dict(self.look(pixels)) if self.look is not None else WELL | self.story(self.log.seen)  # type: ignore[misc]

    def run(self) -> Trainer:
        saved, damaged = checkpoint.latest(self.folder)
        assert not damaged
        return unattended.run(unattended.start(self.make, saved), self.make)


def events(trainer: Trainer) -> list[str]:
    return [str(event) for event in trainer.health.events]


def weights(trainer: Trainer) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in trainer.average.networks["generator"].state_dict().items()}


def at(folder: Path, images: int) -> dict[str, bytes]:
    state = checkpoint.read(checkpoint.named(folder, images))
    assert state is not None
    return {name: value.numpy().tobytes() for name, value in state["average"]["generator"].items()}


def falling(images: int) -> dict[str, float]:
    return {"fid": 100 / images}


def collapsing(images: int) -> dict[str, float]:
    """Well until 400 images, ill between 400 and 600."""
    return {"near_duplicates": 0.9, "fid": 0.5} if 400 < images < 600 else falling(images)


def test_a_healthy_training_is_left_alone(tmp_path: Path) -> None:
    trainer = Training(tmp_path, falling).run()
    assert (trainer.images_seen, trainer.deliver(), events(trainer)) == (1024, 1024, [])
    assert [int(row["images"]) for row in trainer.history if "health_fid" in row] == list(range(64, 1025, 64))


def test_looks_change_nothing(tmp_path: Path) -> None:
    """The same weights, to the bit, with looks and without."""
    watched, blind = (
        Training(tmp_path / "a", falling).run(),
        Training(tmp_path / "b", falling, health={"images": 10**9}).run(),
    )
    assert weights(watched) == weights(blind)
    assert [{k: v for k, v in row.items() if k.startswith(("loss", "d_", "r1"))} for row in watched.history] == [
        {k: v for k, v in row.items() if k.startswith(("loss", "d_", "r1"))} for row in blind.history
    ]


def test_a_collapse_is_rolled_back_and_treated(tmp_path: Path) -> None:
    training = Training(tmp_path, collapsing)
    trainer = training.run()
    assert events(trainer) == [
        "512 images (step 32): mode collapse: 90% of the samples nearly repeat another (at most 30%); "
        "rolled back to the weights of 384 images, with learning rates times 0.5 and penalties.r1 0.2"
    ]
    assert trainer.images_seen == 1024
    rates = {int(row["images"]): row["lr_generator"] for row in trainer.history}
    assert rates[512] == pytest.approx(2e-4)
    assert rates[640] == pytest.approx(1e-4)
    assert trainer.gan.penalties.r1.start == 0.2  # type: ignore[union-attr]
    assert [row["step"] for row in trainer.history] == sorted({row["step"] for row in trainer.history}), (
        "the count goes on: no row is doubled"
    )
    assert training.log.rows == trainer.history
    assert training.log.warnings == events(trainer)


def test_the_weights_that_come_back_are_those_of_the_last_healthy_look(tmp_path: Path) -> None:
    training = Training(tmp_path, collapsing)
    trainer = unattended.start(training.make, None)
    with pytest.raises(Unhealthy) as found:
        trainer.run()
    before = weights(trainer)
    calmer = unattended.respond(trainer, found.value, training.make)
    assert weights(calmer) == at(tmp_path, 384)
    assert weights(calmer) != before
    assert str(calmer.batches.state()) == str(trainer.batches.state())
    assert torch.equal(calmer.rng.get_state(), trainer.rng.get_state())


@pytest.mark.parametrize("stop_at", [320, 500, 528, 600, 900])
def test_stopped_anywhere_and_continued_equals_undisturbed(tmp_path: Path, stop_at: int) -> None:
    """Before the collapse, in it, in the step after the rollback, and later: the same weights, curves and events, to the bit."""
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
    assert parts.deliver() == whole.deliver()


def test_after_the_last_rollback_it_stops_and_delivers_the_best(tmp_path: Path) -> None:
    def story(images: int) -> dict[str, float]:
        return {"fid": abs(images - 256) / 100 + 1, "near_duplicates": 0.9 if images > 400 else 0.0}

    training = Training(tmp_path, story, health={"rollbacks": 1})
    trainer = training.run()
    assert len(trainer.health.events) == 2
    assert events(trainer)[1].endswith("stopped, with the model of 256 images as the best")
    assert trainer.images_seen < 1024
    assert trainer.deliver() == 256
    assert weights(trainer) == at(tmp_path, 256)
    again = Training(tmp_path, story, health={"rollbacks": 1}).run()
    assert again.images_seen == trainer.images_seen, "an ended training stays ended"
    assert (again.deliver(), events(again)) == (256, events(trainer))


def test_stop_and_warn(tmp_path: Path) -> None:
    stopped = Training(tmp_path / "stop", collapsing, health={"response": "stop"}).run()
    assert (stopped.images_seen, stopped.deliver()) == (512, 384)
    warned = Training(tmp_path / "warn", collapsing, health={"response": "warn"}).run()
    assert (warned.images_seen, warned.deliver()) == (1024, 1024)
    assert [event.response for event in warned.health.events] == ["told"]


def test_never_healthy_is_a_failure_with_advice(tmp_path: Path) -> None:
    """Each rollback begins with new weights, since there are none to go back to."""
    training = Training(tmp_path, lambda images: {"distance": 0.01})
    with pytest.raises(
        Unhealthy,
        match=r"complete mode collapse after \d+ images: samples lie 0\.01 times .* What may help: lower train\.learning_rate",
    ) as found:
        training.run()
    assert found.value.exit_code == 4
    assert len(training.log.warnings) == 2
    assert all("rolled back to new weights" in text for text in training.log.warnings)


def test_the_best_of_the_sick_is_delivered_where_none_was_healthy(tmp_path: Path) -> None:
    """The gate decides what it is worth; and weights that are merely poor are gone on with, not thrown away."""
    training = Training(tmp_path, lambda images: {"near_duplicates": 0.9, "fid": 1 + abs(images - 320) / 100})
    trainer = training.run()
    assert "rolled back to the weights of 320 images" in training.log.warnings[0]
    assert trainer.deliver() == 320
    assert trainer.health.well == -1


def test_a_collapse_from_the_first_to_the_last_look_delivers_nothing(tmp_path: Path) -> None:
    """Also where nothing is done about it: a model that cannot be any good is a failure, with advice, not a delivery."""
    for response in ("rollback", "warn"):
        training = Training(
            tmp_path / response,
            lambda images: {"diversity": 0.2, "fid": 1 + images / 1e4},
            health={"response": response},
        )
        with pytest.raises(
            Unhealthy, match=r"no look was healthy, and the best, of \d+ images, has 0\.2 of the effective number"
        ):
            training.run()


def test_the_first_healthy_look_outranks_every_sick_one(tmp_path: Path) -> None:
    trainer = Training(
        tmp_path, lambda images: {"near_duplicates": 0.9, "fid": 0.8} if images < 200 else {"fid": 1.2}
    ).run()
    assert trainer.deliver() == 1024


def test_nothing_better_for_long_ends_it(tmp_path: Path) -> None:
    trainer = Training(
        tmp_path,
        lambda images: {"fid": 2.0 - min(images, 256) / 256 + max(images - 256, 0) / 1e4},
        health={"early_stopping_images": 320},
    ).run()
    assert (trainer.images_seen, trainer.deliver()) == (576, 256)
    again = Training(tmp_path, lambda images: {"fid": 1.0}, health={"early_stopping_images": 320}).run()
    assert again.images_seen == 576


def test_without_looks_the_last_weights_are_delivered(tmp_path: Path) -> None:
    training = Training(tmp_path, falling)
    trainer, _ = training.make([])
    trainer.watch = None
    trainer.meta |= {"treated": "[]", "ended": ""}
    trainer.run()
    assert trainer.deliver() == 1024
    assert not list(tmp_path.glob("*.mark"))


def test_a_lost_best_checkpoint_falls_back_on_the_last_weights(tmp_path: Path) -> None:
    trainer = Training(tmp_path, lambda images: {"fid": 1 + images / 1e4}).run()
    checkpoint.named(tmp_path, 64).write_bytes(b"torn")
    assert trainer.deliver() == 1024


HOT = {"generator": 0.3, "discriminator": 0.3}


def test_a_real_divergence_is_seen_and_answered(tmp_path: Path) -> None:
    """Rates a thousand times too high: rolled back with halved rates, over and over, or failed with advice; never silent."""
    training = Training(
        tmp_path, None, learning_rate=HOT, total_images=6400, health={"images": 320, "rollbacks": 3, "samples": 128}
    )
    try:
        trainer = training.run()
        told = events(trainer)
    except Unhealthy as failed:
        told = [*training.log.warnings, str(failed)]
    assert told
    assert any(name in told[0] for name in ("collapse", DIVERGENCE)), told


def test_a_sane_training_of_the_same_kind_has_no_event(tmp_path: Path) -> None:
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
    assert trainer.deliver() > 36_000
    found = [row["health_fid"] for row in trainer.history if "health_fid" in row]
    assert found[-1] < found[0] / 10
