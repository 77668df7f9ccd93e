"""The training loop. It knows the protocol of `gans.base` and no variant.

One step runs every phase of the variant that is due. A phase takes a fresh batch, differentiates its loss and updates
its networks. Everything that later steps depend on is in `Trainer.state()`, so N + N steps equal 2N steps bit for bit.
"""

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline import memory_format, processes, random_state
from pipeline.gans.base import GAN, Batch, Phase, Progress
from pipeline.training import checkpoint
from pipeline.training.checkpoint_writer import CheckpointWriter
from pipeline.training.device import exact_float32, pick_precision
from pipeline.training.ema import EMA
from pipeline.training.failure_modes import DIVERGENCE, Symptom
from pipeline.training.freezing import freeze_discriminators
from pipeline.training.gradient_accumulation import GradientAccumulator, TermMeans
from pipeline.training.graphs import PhaseGraphs
from pipeline.training.health import HealthMonitor, Unhealthy
from pipeline.training.looks import Look
from pipeline.training.optimizers import Optimizers
from pipeline.training.placement import Placement
from pipeline.training.protocols import Batches, Observer, Row
from pipeline.training.settings import TrainSettings, is_due
from pipeline.training.step_batches import StepBatches

NUMBERS_OF_CHECK = ("images", "step", "d_accuracy", "grad_norm_generator")
"""Numbers of a row that a health check takes."""


class Stopped(Exception):
    """Training was asked to stop. A checkpoint of this step exists unless the observer was warned."""


class Trainer:
    """Trains a variant.

    Args:
        gan: A freshly built variant; it is moved to `device`.
        batches: Training batches, on `device`.
        settings: The `train` section of the parameters.
        device: Where to train.
        folder: Folder for the checkpoints of this training and no other.
        observer: Is notified of progress.
        meta: Strings that travel with the checkpoints, such as the tracking run's id.
        look: Measures health checks; without it there are none, and the last weights are selected.
        preview_samples: Images in a preview, for variants that take no examples.
        examples: Held-out items for the preview, for variants that take some.
        stop: Called after every step; training stops if it returns True.
        items: Training items, for variants that count epochs; 0 if not known.

    Attributes:
        ema: The EMA networks, which are delivered.
        frozen: Names of the discriminator's frozen layers.
        images_seen: Images seen so far.
        step: Steps so far.
        history: All rows so far.
        writer: Writes the checkpoints, in a thread.
        seconds: Duration so far; `health_seconds` of it were health checks.
    """

    def __init__(
        self,
        gan: GAN,
        batches: Batches,
        settings: TrainSettings,
        *,
        device: torch.device,
        folder: Path,
        observer: Observer,
        meta: Mapping[str, str] | None = None,
        look: Look | None = None,
        preview_samples: int = 64,
        examples: Batch | None = None,
        stop: Callable[[], bool] = lambda: False,
        items: int = 0,
    ) -> None:
        self.gan = memory_format.channels_last(gan.to(device)).train()
        self.batches, self.settings, self.device, self.folder = batches, settings, device, folder
        self.observer, self.stop, self.look = observer, stop, look
        self.preview_samples, self.examples, self.items = preview_samples, examples or {}, items
        self.meta = dict(meta or {})
        self.health = HealthMonitor(settings.health, settings.total_images, look.goals if look else {})
        self.dtype = pick_precision(settings.precision, device, observer.on_warning)
        self.accumulator = GradientAccumulator(settings, device, self.dtype, gan=gan, warn=observer.on_warning)
        self.phases = gan.phases()
        self.frozen = freeze_discriminators(gan, self.phases, settings.freeze_discriminator)
        self.optimizers = Optimizers(gan, self.phases, settings)
        self.placement = Placement(gan, self.optimizers)
        self.ema = EMA(gan, random_start=settings.start_from is None)
        self.rng = torch.Generator(device).manual_seed(settings.seed)
        self.graphs = PhaseGraphs(self.accumulator, self.rng, settings.graphs, observer)
        self.step_batches = StepBatches(batches, self.phases, self.rng)
        self.schedule_images = settings.schedule_images or settings.total_images
        self.writer = CheckpointWriter(folder, observer.on_warning)
        self.step, self.images_seen, self.seconds, self.health_seconds = 0, 0, 0.0, 0.0
        self.history: list[Row] = []
        self.term_means = TermMeans()

    @property
    def fraction(self) -> float:
        """Fraction of the schedule that has passed, 0 to 1."""
        return min(self.images_seen / self.schedule_images, 1.0)

    @property
    def progress(self) -> Progress:
        """How far training has come."""
        return Progress(self.step, self.fraction, self.images_seen / self.items if self.items else 0.0)

    def learning_rate(self, phase: Phase) -> float:
        """Return the learning rate of a phase now."""
        rates = self.settings.learning_rate
        rate = rates.generator if phase.role == "generator" else rates.discriminator
        return phase.lr_scale * rate.at(self.fraction)

    def run(self) -> None:
        """Train until `total_images`, or until early stopping.

        Raises:
            Stopped: `stop` returned True; a checkpoint was saved first.
            Unhealthy: A loss is not finite, or a health check calls for a response.
        """
        try:
            with exact_float32(self.dtype):
                self.run_steps()
        finally:
            self.writer.wait()

    def run_steps(self) -> None:
        """Train as `run` does; the last checkpoint may still be being written at the end."""
        size, total, intervals = self.settings.batch_size, self.settings.total_images, self.settings.intervals
        if self.step == 0:
            self.take_snapshot()
            if self.settings.start_from is not None and self.look is not None:
                self.record({}, check=True)  # the parent competes for the best checkpoint
                self.save()
        clock = time.monotonic()
        while self.images_seen < total and not self.health.should_stop_early():
            before, now = self.images_seen, self.images_seen + size
            finished = now >= total
            checks = self.look is not None and (finished or is_due(intervals.health or total, before, now))
            logs = finished or checks or is_due(intervals.log, before, now)
            norms: Row = {}
            for phase in self.phases:
                if self.step % phase.every == 0 and self.fraction >= phase.start:
                    norms |= self.update(phase, measure=logs)
            self.step += 1
            self.images_seen = now
            self.ema.update(self.settings.ema_half_life.at(self.fraction), now, size)
            self.observer.on_step(now)
            symptoms = self.record(norms, check=checks) if logs else []
            if finished or is_due(intervals.snapshots, before, now):
                self.take_snapshot()
            self.seconds += time.monotonic() - clock
            clock = time.monotonic()
            stopping = not finished and processes.any_of(self.stop())
            best_or_healthy = now in (self.health.last_healthy, self.health.best)
            if finished or stopping or best_or_healthy or is_due(intervals.checkpoints, before, now):
                self.save()
            if symptoms and not finished:
                raise Unhealthy(symptoms[0], now, self.gan.advice)
            if stopping:
                raise Stopped
            for symptom in symptoms:
                self.health.record_event({"step": self.step, "images": now}, symptom, "training was finished")

    def update(self, phase: Phase, *, measure: bool) -> Row:
        """Run one phase: one optimizer step of its networks.

        Returns:
            The gradient norm, if `measure`.
        """
        optimizers = self.optimizers.select(phase)
        progress, batch = self.progress, self.step_batches.draw(phase, self.settings.batch_size)
        if phase.before_update is not None:
            phase.before_update(progress)
            self.placement.follow()
        self.term_means.add(self.graphs.backward(phase, batch, progress, optimizers))
        rate, step = self.learning_rate(phase), self.accumulator.step
        norm = self.optimizers.take_step(phase, rate, progress.fraction, measure=measure, step=step)
        if phase.after_update is not None:
            phase.after_update()
        return norm

    def record(self, norms: Row, *, check: bool) -> list[Symptom]:
        """Add a row to the history, with a health check if `check`.

        Returns:
            The symptoms that call for a response.

        Raises:
            Unhealthy: A loss is not finite.
        """
        last = self.history[-1] if self.history else {"step": 0, "seconds": 0.0}
        steps, seconds = self.step - last["step"], self.seconds - last["seconds"]
        means = self.term_means.compute() | norms
        broken = [name for name, value in means.items() if not math.isfinite(value)]
        if broken:
            symptom = Symptom(DIVERGENCE, f"{', '.join(broken)} not finite", critical=True)
            raise Unhealthy(symptom, self.images_seen, self.gan.advice)
        speed = steps * self.settings.batch_size / seconds if seconds > 0 else 0.0
        row = {"step": self.step, "images": self.images_seen, "seconds": self.seconds, "images_per_second": speed}
        row |= means | {f"lr_{phase.name}": self.learning_rate(phase) for phase in self.phases}
        measured = processes.from_first(self.measure_health) if check else {}
        row |= {f"health_{name}": value for name, value in measured.items() if math.isfinite(value)}
        self.term_means.reset()
        self.history.append(row)
        self.observer.on_row(row)
        if not check:
            return []
        numbers = measured | {name: row[name] for name in NUMBERS_OF_CHECK if name in row}
        return self.health.check(numbers, self.gan.selection_metric(self.progress))

    def measure_health(self) -> Row:
        """Measure the EMA networks; does not change the random state of the training."""
        assert self.look is not None
        start, look = time.monotonic(), self.look.look
        samples, seed = self.settings.health.samples, self.settings.seed
        with self.ema.apply_to(self.gan) as gan:
            numbers = self.accumulator.fit(lambda size: look(gan, samples, seed, size))
        self.health_seconds += time.monotonic() - start
        return numbers

    def take_snapshot(self) -> None:
        """Show a preview of the EMA networks with fixed latents; does not change the random state of the training."""
        if not processes.is_first():
            return
        rng = torch.Generator().manual_seed(self.settings.seed)
        with self.ema.apply_to(self.gan) as gan:
            images: Tensor = gan.preview(self.preview_samples, rng, self.examples)
            self.observer.on_snapshot(self.images_seen, images)

    def save(self) -> None:
        """Save a checkpoint in the first process while training continues; if that fails, warn."""
        self.placement.bring_together()
        state = self.state()
        if processes.is_first():
            marks = {"last_healthy": self.health.last_healthy, "best": self.health.best}
            self.writer.save(self.images_seen, state, marks)

    def select_best(self) -> int:
        """Load the networks of the best health check, if there is one; return the images they have seen."""
        self.writer.wait()
        best = checkpoint.read_marked(self.folder, "best") if self.health.best >= 0 else None
        if best is None:
            return self.images_seen
        self.gan.load_state_dict(best["gan"])
        self.ema.restore(best["ema"])
        return int(best["images_seen"])

    def state(self) -> checkpoint.State:
        """Return everything that later steps depend on."""
        return {
            **{name: getattr(self, name) for name in COUNTERS},
            "micro_batch": self.accumulator.state(),
            "gan": self.gan.state_dict(),
            "ema": self.ema.state(),
            "optimizers": self.optimizers.state(),
            "rng": self.rng.get_state(),
            **random_state.default_generators(self.device),
            "batches": self.batches.state(),
            "history": self.history,
            "term_means": self.term_means.state(),
            "health": self.health.state(),
            "schedule_images": self.schedule_images,
            "meta": self.meta,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from `state` as if training had not been interrupted."""
        for name in COUNTERS:
            setattr(self, name, state[name])
        self.writer.saved_images = self.images_seen
        self.accumulator.restore(state["micro_batch"])
        self.gan.load_state_dict(state["gan"])
        self.placement.settle()
        self.ema.restore(state["ema"])
        self.optimizers.restore(state["optimizers"])
        if not random_state.restore_generator(self.rng, state["rng"]):
            self.observer.on_warning(
                f"the checkpoint at {self.images_seen:,} images was written on another type of device than "
                f"{self.device.type}. Training continues with new random numbers; its weights will differ"
            )
        random_state.restore_default_generators(state, self.device)
        self.batches.restore(state["batches"])
        self.history = list(state["history"])
        self.term_means.restore(state["term_means"], self.device)
        self.health.restore(state["health"])
        self.meta = dict(state["meta"])


COUNTERS = ("step", "images_seen", "seconds", "health_seconds")
"""Attributes of Trainer that a checkpoint holds as they are."""
