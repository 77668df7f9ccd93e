"""One unattended training on the digits, and an independent evaluation of every health check."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from sklearn.datasets import load_digits

from benchmarks.gate.data import Items
from benchmarks.unattended.failing import CASES
from pipeline.data.views import Unlabelled
from pipeline.evaluation.extractors.base import ArrayItems, extract
from pipeline.evaluation.extractors.classifier import Classifier, train_classifier
from pipeline.evaluation.measures.distances import NEAR, neighbours
from pipeline.evaluation.measures.fid import fid
from pipeline.evaluation.measures.modes import COVERED_SHARE, histogram
from pipeline.evaluation.measures.vendi import vendi
from pipeline.evaluation.quick_look import QuickLook
from pipeline.gans.registry import build
from pipeline.items import ItemSpec
from pipeline.media.registry import MEDIA
from pipeline.tasks.generate.sample_look import SampleLook
from pipeline.training import unattended
from pipeline.training.failure_modes import COMPLETE_COLLAPSE, PARTIAL_COLLAPSE
from pipeline.training.health import Unhealthy
from pipeline.training.loop import Trainer
from pipeline.training.protocols import Row
from pipeline.training.response import respond

CPU = torch.device("cpu")
COLLAPSED = 0.5
"""Collapse: Vendi score ratio or fraction of classes below it, or fraction of near-duplicates above it."""
GRACE = 0.25
"""Fraction of the training in which collapse is not counted."""
HELD_OUT = 400
UInt8 = npt.NDArray[np.uint8]


def digits() -> tuple[Items, Items]:
    """Return training and held-out images."""
    data = load_digits()
    images = np.rint(data.images * 255 / 16).astype(np.uint8)[..., None]
    labels = data.target.astype(np.int64)
    order = np.random.default_rng(0).permutation(len(images))
    held_out, train = order[:HELD_OUT], order[HELD_OUT:]
    return Items(images[train], labels[train], "train"), Items(images[held_out], labels[held_out], "held")


@dataclass(frozen=True)
class CheckResult:
    """Measures of one health check in the features of a classifier that the training does not use.

    Attributes:
        images: Training images seen so far.
        fid: Fréchet distance to the held-out images.
        diversity: Vendi score over that of real images.
        classes: Fraction of the classes with at least a quarter of their expected share.
        near_duplicates: Fraction of samples closer to another sample than 99 % of held-out images are to each other.
    """

    images: int
    fid: float
    diversity: float
    classes: float
    near_duplicates: float

    @property
    def collapsed(self) -> bool:
        """Whether these samples are collapsed."""
        return self.diversity < COLLAPSED or self.classes < COLLAPSED or self.near_duplicates > COLLAPSED


@dataclass(frozen=True)
class Outcome:
    """Result of one run.

    Attributes:
        checks: All health checks in order.
        selected: Images seen by the selected checkpoint; None if the training failed with advice.
        symptoms: Names of the symptoms that the training reported.
        looking: Fraction of the time spent on health checks.
    """

    case: str
    seed: int
    total: int
    checks: list[CheckResult]
    selected: int | None
    events: list[str]
    symptoms: list[str]
    looking: float

    @property
    def best(self) -> float:
        """The lowest FID of the run."""
        return min(check.fid for check in self.checks)

    @property
    def ratio(self) -> float | None:
        """FID of the selected checkpoint over the lowest FID."""
        if self.selected is None:
            return None
        return next(check.fid for check in reversed(self.checks) if check.images == self.selected) / self.best

    @property
    def collapsed(self) -> bool:
        """Whether two consecutive health checks after the grace period were collapsed."""
        flags = [check.collapsed for check in self.checks if check.images > GRACE * self.total]
        return any(a and b for a, b in pairwise(flags))

    @property
    def reported(self) -> bool:
        """Whether the training reported a collapse."""
        return any(name in (COMPLETE_COLLAPSE, PARTIAL_COLLAPSE) for name in self.symptoms)


class ImageCounter:
    """A training observer that only counts images."""

    def __init__(self) -> None:
        self.seen = 0

    def on_step(self, images_seen: int) -> None:
        self.seen = images_seen

    def on_row(self, row: Row) -> None: ...

    def on_snapshot(self, images_seen: int, images: torch.Tensor) -> None: ...

    def on_note(self, message: str) -> None: ...

    def on_warning(self, message: str) -> None: ...


DIGIT = ItemSpec(height=8, width=8, channels=1, classes=tuple("0123456789"))


class CheckEvaluator:
    """Evaluate samples in the features of a classifier."""

    def __init__(self, train: Items, held_out: Items) -> None:
        self.network: Classifier = train_classifier(
            train,
            np.empty(0, dtype=np.int64),
            DIGIT,
            CPU,
        )
        self.real = extract(self.network, held_out, 256)
        self.near = float(np.quantile(neighbours(self.real, 1)[0][:, 0], NEAR))
        self.shares = histogram(self.network.predict(self.real)) / len(self.real)

    def __call__(self, images: int, pixels: UInt8) -> CheckResult:
        features = extract(self.network, ArrayItems(pixels), 256)
        shares = histogram(self.network.predict(features)) / len(features)
        covered = float(np.mean(shares >= COVERED_SHARE * self.shares))
        subset = features[: len(self.real)]  # as many as real images
        near = float(np.mean(neighbours(subset, 1)[0][:, 0] < self.near))
        return CheckResult(images, fid(features, self.real), vendi(subset) / vendi(self.real), covered, near)


def run(case: str, seed: int, response: str = "rollback", total: int | None = None) -> Outcome:
    """Train one configuration as `ganline train` does, then evaluate every health check."""
    failing = CASES[case]
    train, held_out = digits()
    if failing.images is not None:
        train = Items(train.array[: failing.images], train.labels[: failing.images], "few")
    settings, design, log = failing.training(seed, response, total), failing.design(), ImageCounter()
    quick = QuickLook(train, DIGIT, samples=settings.health.samples, seed=seed, device=CPU, labels=train.labels)
    looks: list[tuple[int, UInt8]] = []

    def measure(pixels: UInt8) -> dict[str, float]:
        looks.append((log.seen, pixels))
        return dict(quick(pixels))

    with tempfile.TemporaryDirectory() as folder:

        def build_trainer(symptoms: Sequence[str]) -> tuple[Trainer, list[str]]:
            safer, changed, words = respond(settings, design, symptoms, MEDIA["image"].augmentations)
            torch.manual_seed(seed + len(symptoms))
            gan = build(changed, ItemSpec(height=8, width=8, channels=1))
            watch = SampleLook(
                measure,
                train.item,
                Unlabelled(train, CPU, seed).next(min(len(train), 400)),
                Unlabelled(held_out, CPU, seed).next(HELD_OUT),
            )
            return Trainer(
                gan, Unlabelled(train, CPU, seed), safer, device=CPU, folder=Path(folder), observer=log, look=watch
            ), words

        trainer = unattended.start_or_resume(build_trainer, None)
        selected: int | None
        try:
            trainer = unattended.run(trainer, build_trainer)
            selected = trainer.select_best()
            events = trainer.health.events
            names, words = [event.symptom for event in events], [str(event) for event in events]
        except Unhealthy as failed:
            selected, names, words = None, [failed.symptom.name], [str(failed)]
    evaluate = CheckEvaluator(*digits())
    return Outcome(
        case,
        seed,
        settings.total_images,
        [evaluate(images, pixels) for images, pixels in looks],
        selected,
        words,
        names,
        trainer.health_seconds / max(trainer.seconds, 1e-9),
    )
