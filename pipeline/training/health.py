"""The health of a training: its checks, the best and the last healthy of them, and which symptoms call for a response.

A symptom calls for a response if it persists for `patience` checks, or at once if it is critical. Failure modes and
their thresholds are in `failure_modes`.
"""

import math
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.errors import TrainingFailed
from pipeline.training.failure_modes import (
    ADVICE,
    COMPLETE_COLLAPSE,
    DIVERGENCE,
    OVERFITTING,
    PARTIAL_COLLAPSE,
    Numbers,
    Symptom,
    detect_collapse,
    detect_divergence,
    detect_overfitting,
    detect_vanishing_gradients,
)
from pipeline.training.settings import HealthSettings


@dataclass(frozen=True)
class Event:
    """A symptom and the response to it, for metrics/train.json."""

    step: int
    images: int
    symptom: str
    evidence: str
    response: str

    def __str__(self) -> str:
        return f"{self.images:,} images (step {self.step:,}): {self.symptom}: {self.evidence}; {self.response}"


class Unhealthy(TrainingFailed):
    """A symptom that calls for a response. If nothing responds, training has failed.

    Args:
        symptom: What is wrong.
        images: Images seen.
        advice: The variant's own advice by failure mode.
    """

    def __init__(self, symptom: Symptom, images: int, advice: Mapping[str, str]) -> None:
        remedy = advice.get(symptom.name, ADVICE[symptom.name])
        super().__init__(f"{symptom.name} after {images:,} images: {symptom.evidence}. What may help: {remedy}")
        self.symptom = symptom


class HealthMonitor:
    """Keeps the health checks of one training and decides when a response is due.

    Args:
        settings: Intervals, thresholds and responses.
        total_images: Length of the training.
        metric_labels: What messages call the metrics that select the best checkpoint, by name.

    Attributes:
        checks: Numbers of all checks, without those that were not finite.
        events: Symptoms and responses so far.
        best: Images seen at the best check, -1 if there is none. The best check has the lowest metric up to its
            standard error. It is chosen among checks without a symptom of the generator, or until there is one, among
            those without a critical symptom.
        last_healthy: Images seen at the last check without a symptom, -1 if there is none.
    """

    def __init__(
        self, settings: HealthSettings, total_images: int, metric_labels: Mapping[str, str] | None = None
    ) -> None:
        self.settings, self.total_images, self.metric_labels = settings, total_images, metric_labels or {}
        self.checks: list[dict[str, float]] = []
        self.symptom_names: list[list[str]] = []  # of each check since the last rollback
        self.events: list[Event] = []
        self.best, self.last_healthy, self.lowest = -1, -1, math.inf
        self.persistent: list[str] = []  # symptoms of the last check that persist
        self.checks_at_start, self.images_at_start = 0, 0  # when the current weights were initialised
        self.metric, self.metric_start = "fid", 0  # the metric, and the number of checks before it applied

    def check(self, numbers: Numbers, metric: str = "fid") -> list[Symptom]:
        """Add a health check.

        Persistent symptoms that call for no response become an event when they start. These are symptoms that are
        only reported, all symptoms if the response is "warn", and symptoms that are not critical while the metric
        still improves.

        Args:
            numbers: `images` and `step`, and everything that was measured.
            metric: Name of the number, smaller is better, that ranks checks; a new name starts a new ranking.

        Returns:
            The symptoms that call for a response now.
        """
        if metric != self.metric:
            self.metric, self.metric_start, self.lowest = metric, len(self.checks), math.inf
        symptoms = self.detect(numbers)
        self.symptom_names.append([symptom.name for symptom in symptoms])
        if all(math.isfinite(value) for value in numbers.values()):
            self.checks.append(dict(numbers))
        self.rank(numbers, symptoms)
        responsive = self.past_warmup(int(numbers["images"]))
        persistent = [s for s in symptoms if responsive and (s.critical or self.persists(s.name))]
        reported = [
            symptom
            for symptom in persistent
            if symptom.report_only or self.settings.response == "warn" or (self.is_improving() and not symptom.critical)
        ]
        for symptom in reported:
            if symptom.name not in self.persistent:
                self.record_event(numbers, symptom, "reported only")
        self.persistent = [symptom.name for symptom in persistent]
        return [symptom for symptom in persistent if symptom not in reported]

    def detect(self, now: Numbers) -> list[Symptom]:
        """Return the symptoms of a check, compared with the checks before it."""
        broken = [name for name, value in now.items() if not math.isfinite(value)]
        if broken:
            return [Symptom(DIVERGENCE, f"{', '.join(broken)} not finite", critical=True)]
        limits, label = self.settings.limits, self.metric_labels.get(self.metric, self.metric)
        return [
            *detect_collapse(now, self.checks, limits),
            *detect_vanishing_gradients(now, self.checks, limits),
            *detect_divergence(now, self.checks[self.metric_start :], self.settings, self.metric, label),
            *detect_overfitting(now, limits),
        ]

    def rank(self, numbers: Numbers, symptoms: list[Symptom]) -> None:
        """Update `best` and `last_healthy`.

        A discriminator that overfits does not exclude its generator: the metric compares with held-out items.
        """
        of_generator = [symptom for symptom in symptoms if symptom.name != OVERFITTING]
        if any(symptom.critical for symptom in symptoms) or (of_generator and self.last_healthy >= 0):
            return
        if not symptoms:
            if self.last_healthy < 0:
                self.lowest = math.inf  # unhealthy checks no longer compete
            self.last_healthy = int(numbers["images"])
        self.lowest = min(self.lowest, numbers[self.metric])
        if numbers[self.metric] <= self.lowest + numbers.get(f"{self.metric}_error", 0.0):
            self.best = int(numbers["images"])

    def past_warmup(self, images: int) -> bool:
        """Return whether symptoms count; a generator that has just started shows all of them."""
        if len(self.checks) - self.checks_at_start <= self.settings.patience:
            return False
        grace = self.settings.grace * self.total_images
        return self.last_healthy >= 0 or images - self.images_at_start > grace

    def persists(self, name: str) -> bool:
        """Return whether each of the last `patience` checks showed this symptom."""
        recent = self.symptom_names[-self.settings.patience :]
        return len(recent) == self.settings.patience and all(name in names for names in recent)

    def is_improving(self) -> bool:
        """Return whether the metric's minimum since the last rollback is among the last `patience` checks."""
        recent = self.checks[max(self.metric_start, len(self.checks) - len(self.symptom_names)) :]
        lowest = min(range(len(recent)), key=lambda k: recent[k][self.metric], default=0)
        return len(recent) - lowest < self.settings.patience

    def should_stop_early(self) -> bool:
        """Return whether `early_stopping_images` have passed without a better check."""
        patience = self.settings.early_stopping_images
        return patience is not None and self.best >= 0 and self.checks[-1]["images"] - self.best >= patience

    def find_failure(self) -> Symptom | None:
        """Return why a finished training has nothing to deliver; None if it has.

        It has failed if none of more than `patience` checks was healthy and the best of them is collapsed.
        """
        if self.last_healthy >= 0 or len(self.checks) <= self.settings.patience:
            return None
        if self.best < 0:
            return Symptom(COMPLETE_COLLAPSE, "every health check was collapsed or not finite")
        best = next(numbers for numbers in self.checks if numbers["images"] == self.best)
        diversity = best.get("diversity", math.inf)
        if diversity >= self.settings.limits.diversity / 2:
            return None  # poor, but not collapsed: the gate decides
        return Symptom(
            PARTIAL_COLLAPSE,
            f"no health check was healthy, and at the best one ({self.best:,} images) the Vendi score is "
            f"{diversity:.2g} of that of real images",
        )

    def record_event(self, numbers: Numbers, symptom: Symptom, response: str) -> None:
        """Record a symptom at the `step` and `images` of `numbers`, and the response to it."""
        self.events.append(
            Event(int(numbers["step"]), int(numbers["images"]), symptom.name, symptom.evidence, response)
        )

    def reset_after_rollback(self, images: int) -> None:
        """Forget the symptoms of the replaced weights; without a healthy check so far, grant a new grace period."""
        self.symptom_names, self.persistent = [], []
        if self.last_healthy < 0:
            self.checks_at_start, self.images_at_start = len(self.checks), images

    def state(self) -> dict[str, Any]:
        """Return the state as plain values, for a checkpoint."""
        values = {name: getattr(self, name) for name in STATE}
        return values | {"events": [asdict(event) for event in self.events]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        for name in STATE:
            setattr(self, name, deepcopy(state[name]))
        self.events = [Event(**event) for event in state["events"]]


STATE = (
    *("checks", "symptom_names", "best", "last_healthy", "lowest", "persistent"),
    *("checks_at_start", "images_at_start", "metric", "metric_start"),
)
"""Attributes of HealthMonitor that a checkpoint holds, next to the events."""
