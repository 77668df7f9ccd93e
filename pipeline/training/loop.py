"""The training loop: reads top to bottom, knows the protocol of `gans.base` and no variant.

One step runs every phase of the variant that is due, each on a fresh batch: zero the gradients of its networks, differentiate
its loss, move them. Everything that a later step depends on is in `Trainer.state()`, so N + N steps equal 2N bit for bit.
"""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from pipeline.gans.base import GAN, Batch, Phase, Progress
from pipeline.training import checkpoint
from pipeline.training.device import pick_precision
from pipeline.training.ema import Average
from pipeline.training.health import DIVERGENCE, Health, Sign, Unhealthy
from pipeline.training.looks import Look
from pipeline.training.micro_batches import halved, parts
from pipeline.training.settings import TrainSettings

Row = dict[str, float]
"""One line of the curves: step, images, seconds, images_per_second, learning rates, the losses' terms and gradient norms."""


class Batches(Protocol):
    """An endless, resumable source of training batches; the views of `pipeline.data` are."""

    def next(self, n: int) -> Batch: ...

    def state(self) -> dict[str, object]: ...

    def restore(self, state: Mapping[str, object]) -> None: ...


class Observer(Protocol):
    """Who is told what happens while training; none of it may change the training."""

    def advanced(self, images_seen: int) -> None:
        """After every step."""

    def measured(self, row: Row) -> None:
        """Every `log_images`: the means since the row before."""

    def snapshot(self, images_seen: int, images: Tensor) -> None:
        """Every `snapshot_images`: samples of the averaged networks from fixed latents, float [n, C, H, W] in [-1, 1]."""

    def warned(self, message: str) -> None:
        """Something went wrong that training survives."""


class Stopped(Exception):
    """Training was asked to stop; a checkpoint of this very step is on disk, unless the observer was warned that it could not be written."""


def due(interval: int, before: int, now: int) -> bool:
    """Whether a multiple of `interval` lies in (before, now]."""
    return now // interval > before // interval


@torch.no_grad()
def add_up(sums: dict[str, Tensor], terms: Mapping[str, Tensor], share: float) -> None:
    """Adds `share` of each scalar to the sum of its name; one call for all of them, because there are many in every step."""
    for name, value in terms.items():
        if name not in sums:
            sums[name] = torch.zeros_like(value)
    if terms:
        torch._foreach_add_([sums[name] for name in terms], list(terms.values()), alpha=share)


class Trainer:
    """Trains `gan` on `batches`; `meta` (plain values, such as the tracking run's id) travels in the checkpoints.

    Attributes that matter afterwards: `average` (the networks to deliver), `images_seen`, `step`, `history` (all rows), `saved`
    (images seen at the newest checkpoint).
    """

    def __init__(
        self,
        gan: GAN,  # freshly built; moved to the device here
        batches: Batches,  # on the same device
        settings: TrainSettings,
        device: torch.device,
        folder: Path,  # checkpoints of exactly this training live here
        observer: Observer,
        meta: dict[str, str] | None = None,
        watch: Look | None = None,  # without one nobody looks, and the last weights are delivered
        samples: int = 64,  # images in a snapshot
        examples: Batch | None = None,  # held-out data for it, where the variant wants any
        stop: Callable[[], bool] = lambda: False,  # asked after every step
    ) -> None:
        self.gan = gan.to(device).to(memory_format=torch.channels_last).train()
        self.batches, self.settings, self.device, self.folder = batches, settings, device, folder
        self.observer, self.stop, self.watch, self.samples = observer, stop, watch, samples
        self.examples = examples or {}
        self.health = Health(settings.health, settings.total_images, watch.goals if watch else {})
        self.meta = dict(meta or {})
        self.dtype = pick_precision(settings.precision, device)
        self.phases = gan.phases()
        # Looked up once: a step of a small network is soon over.
        self.parameters = {name: list(network.parameters()) for name, network in self.gan.named_children()}
        # Of each network its own, which phases share that move the same one.
        self.optimizers = {name: self.optimizer(name) for phase in self.phases for name in phase.networks}
        self.average = Average(gan)
        self.rng = torch.Generator(device).manual_seed(settings.seed)
        self.micro = (
            settings.micro_batch if isinstance(settings.micro_batch, int) else settings.batch_size
        )  # images in memory at a time
        self.schedule = settings.schedule_images or settings.total_images
        self.step, self.images_seen, self.saved = 0, 0, 0
        self.seconds, self.looking = 0.0, 0.0  # in all, and for looks
        self.history: list[Row] = []
        self.sums: dict[str, Tensor] = {}  # of the losses' terms since the last row, and how many of each:
        self.counts: dict[str, int] = {}  # a lazy penalty has fewer than the steps

    def optimizer(self, network: str) -> torch.optim.Adam:
        # Rates and decays are set anew at every update.
        return torch.optim.Adam(self.parameters[network], lr=1.0, fused=True)

    @property
    def done(self) -> float:
        """The share of the schedule that has passed, 0 to 1."""
        return min(self.images_seen / self.schedule, 1.0)

    def learning_rate(self, phase: Phase) -> float:
        rates = self.settings.learning_rate
        return phase.lr_scale * (rates.generator if phase.role == "generator" else rates.discriminator).at(self.done)

    def run(self) -> None:
        """Trains from where `restore` left it until `total_images`, or until nothing has improved for as long as the settings allow.

        Raises Stopped (after a checkpoint) when asked to, Unhealthy when a loss is no longer finite or a look shows what calls for a response.
        """
        size, total = self.settings.batch_size, self.settings.total_images
        if self.step == 0:
            self.take_snapshot()
        clock = time.monotonic()
        while self.images_seen < total and not self.health.stalled:
            before, now = self.images_seen, self.images_seen + size
            finished = now >= total
            looks = self.watch is not None and (finished or due(self.settings.health.images or total, before, now))
            logs = finished or looks or due(self.settings.log_images, before, now)
            norms: Row = {}
            for phase in self.phases:
                if self.step % phase.every == 0 and self.done >= phase.start:
                    norms |= self.update(phase, measure=logs)
            self.step += 1
            self.images_seen = now
            self.average.update(self.settings.ema_half_life.at(self.done), now, size)
            self.observer.advanced(now)
            symptoms = self.record(norms, looks=looks) if logs else []
            if finished or due(self.settings.snapshot_images, before, now):
                self.take_snapshot()
            self.seconds += time.monotonic() - clock
            clock = time.monotonic()
            stopping = not finished and self.stop()
            if (
                finished
                or stopping
                or due(self.settings.checkpoint_images, before, now)
                or now in (self.health.well, self.health.best)
            ):
                self.save()
            if symptoms and not finished:
                raise Unhealthy(symptoms[0], now, self.gan.advice)  # who answers runs on, and stops then
            if stopping:
                raise Stopped
            for sign in symptoms:
                self.health.note({"step": self.step, "images": now}, sign, "at the end")

    def update(self, phase: Phase, *, measure: bool) -> Row:
        """One optimizer step of one phase; returns its gradient's norm if asked. The loss's terms go into `sums`, without waiting for the device."""
        for name, parameters in self.parameters.items():
            for parameter in parameters:
                parameter.requires_grad = name in phase.networks
        optimizers = [self.optimizers[name] for name in phase.networks]
        pieces = self.differentiate(phase, self.batches.next(self.settings.batch_size))
        for terms in pieces:
            add_up(self.sums, terms, 1 / len(pieces))
        for name in pieces[0]:
            self.counts[name] = self.counts.get(name, 0) + 1
        groups = [group for optimizer in optimizers for group in optimizer.param_groups]
        for group in groups:
            group["lr"] = self.learning_rate(phase)
            group["betas"] = (
                self.settings.beta1**phase.beta_power,
                self.settings.beta2.at(self.done) ** phase.beta_power,
            )
        norm: Row = {}
        if measure or phase.max_grad_norm:
            gradients = [p.grad for group in groups for p in group["params"] if p.grad is not None]
            total = torch.nn.utils.get_total_norm(gradients)
            if phase.max_grad_norm:
                torch.nn.utils.clip_grads_with_norm_(
                    [p for group in groups for p in group["params"]], phase.max_grad_norm, total
                )
            if measure:
                norm[f"grad_norm_{phase.name}"] = float(total)
        for optimizer in optimizers:
            optimizer.step()
        if phase.after_update is not None:
            phase.after_update()
        return norm

    def differentiate(self, phase: Phase, batch: Batch) -> list[dict[str, Tensor]]:
        """Leaves the gradients of a phase's loss in its networks, and returns the loss's terms in every part of the batch.

        Where memory does not suffice and train.micro_batch is auto, the parts become smaller from here on.
        """
        while True:
            for name in phase.networks:
                self.optimizers[name].zero_grad(set_to_none=True)
            try:
                return self.accumulate(phase, batch)
            except torch.OutOfMemoryError:
                smaller = halved(self.micro, self.gan.group) if self.settings.micro_batch == "auto" else None
                if smaller is None:
                    raise
            # Only here, where the error is gone, is what it held: the tensors of the failed attempt.
            self.micro = smaller
            torch.cuda.empty_cache()
            self.observer.warned(
                f"out of GPU memory: going on with train.micro_batch {smaller}, for the same train.batch_size {self.settings.batch_size}"
            )

    def precision(self) -> AbstractContextManager[object]:
        """Where losses are computed: under autocast to bfloat16, or plainly."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.dtype is torch.bfloat16 else nullcontext()

    def accumulate(self, phase: Phase, batch: Batch) -> list[dict[str, Tensor]]:
        """Adds up the gradients of the batch's parts; returns the terms of each."""
        share = self.micro / self.settings.batch_size
        terms = []
        for part in parts(batch, self.micro):
            with self.precision():
                loss = phase.loss(part, Progress(self.step, self.done), self.rng)
            torch.autograd.backward(loss.total, torch.full_like(loss.total, share))
            terms.append({name: value.detach() for name, value in loss.terms.items()})
        return terms

    def record(self, norms: Row, *, looks: bool) -> list[Sign]:
        """Adds a row to the history, with a look in it where one is due; returns what the look shows that calls for a response.

        Raises Unhealthy where a loss is no longer finite.
        """
        last = self.history[-1] if self.history else {"step": 0, "seconds": 0.0}
        steps, seconds = self.step - last["step"], self.seconds - last["seconds"]
        measured = {name: float(value) / self.counts[name] for name, value in self.sums.items()} | norms
        broken = [name for name, value in measured.items() if not math.isfinite(value)]
        if broken:
            raise Unhealthy(
                Sign(DIVERGENCE, f"{', '.join(broken)} not finite", grave=True), self.images_seen, self.gan.advice
            )
        rates = {f"lr_{phase.name}": self.learning_rate(phase) for phase in self.phases}
        speed = steps * self.settings.batch_size / seconds if seconds > 0 else 0.0
        row = (
            {"step": self.step, "images": self.images_seen, "seconds": self.seconds, "images_per_second": speed}
            | measured
            | rates
        )
        seen = self.look() if looks else {}
        row |= {f"health_{name}": value for name, value in seen.items() if math.isfinite(value)}
        self.sums, self.counts = {}, {}
        self.history.append(row)
        self.observer.measured(row)
        known = {name: row[name] for name in ("images", "step", "d_accuracy", "grad_norm_generator") if name in row}
        return (
            self.health.look(seen | known, self.gan.selection_metric(Progress(self.step, self.done))) if looks else []
        )

    def look(self) -> Row:
        """What the watch measures of the averaged networks; the training's random state is untouched."""
        began = time.monotonic()
        assert self.watch is not None
        with self.average.applied(self.gan) as gan:
            seen = self.watch.look(gan, self.settings.health.samples, self.settings.seed, self.settings.batch_size)
        self.looking += time.monotonic() - began
        return seen

    def take_snapshot(self) -> None:
        """What the averages make of latents and examples that are the same at every snapshot; the training's random state is untouched."""
        fixed = torch.Generator().manual_seed(self.settings.seed)
        with self.average.applied(self.gan) as gan:
            self.observer.snapshot(self.images_seen, gan.preview(self.samples, fixed, self.examples))

    def save(self) -> None:
        """A checkpoint; where it cannot be written training goes on, and may have more luck at the next."""
        try:
            checkpoint.save(self.folder, self.images_seen, self.state())
            self.saved = self.images_seen
            self.mark()
        except checkpoint.Unwritten as error:
            self.observer.warned(
                f"{error}; training goes on, the last checkpoint is that of {self.saved:,} images, and the next is tried when it is due"
            )

    def mark(self) -> None:
        """Keeps the checkpoints of the last healthy and of the best look."""
        for name, images in (("well", self.health.well), ("best", self.health.best)):
            if checkpoint.named(self.folder, images).exists():
                checkpoint.mark(self.folder, name, images)

    def deliver(self) -> int:
        """Puts the networks of the best look in the place of the last ones, where there was one; returns how many images they saw."""
        best = checkpoint.marked(self.folder, "best") if self.health.best >= 0 else None
        if best is None:
            return self.images_seen
        self.gan.load_state_dict(best["gan"])
        self.average.restore(best["average"])
        seen: int = best["images_seen"]
        return seen

    def state(self) -> checkpoint.State:
        """Everything the future of this training depends on."""
        return {
            "step": self.step,
            "images_seen": self.images_seen,
            "schedule_images": self.schedule,
            "micro_batch": self.micro,
            "seconds": self.seconds,
            "gan": self.gan.state_dict(),
            "average": self.average.state(),
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "rng": self.rng.get_state(),
            "rng_cpu": torch.get_rng_state(),
            "rng_cuda": torch.cuda.get_rng_state_all() if self.device.type == "cuda" else [],
            "batches": self.batches.state(),
            "history": self.history,
            "sums": self.sums,
            "counts": self.counts,
            "health": self.health.state(),
            "looking": self.looking,
            "meta": self.meta,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continues from `state` as if training had never been interrupted."""
        self.step, self.images_seen, self.seconds = state["step"], state["images_seen"], state["seconds"]
        self.saved, self.micro = self.images_seen, state["micro_batch"]
        self.gan.load_state_dict(state["gan"])
        self.average.restore(state["average"])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.rng.set_state(state["rng"])
        torch.set_rng_state(state["rng_cpu"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state_all(state["rng_cuda"])
        self.batches.restore(state["batches"])
        self.history = list(state["history"])
        self.sums = {name: value.to(self.device) for name, value in state["sums"].items()}
        self.counts = dict(state["counts"])
        self.health.restore(state["health"])
        self.looking = state["looking"]
        self.meta = dict(state["meta"])
