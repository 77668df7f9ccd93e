"""One unattended training on the digits, and what an independent judge says of every look at it."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from sklearn.datasets import load_digits

from benchmarks.judgement.data import Images
from benchmarks.unattended.failing import CASES
from pipeline.data.views import Unlabelled
from pipeline.evaluation.extractors.base import Held, extract
from pipeline.evaluation.extractors.classifier import Classifier, classifier
from pipeline.evaluation.measures.calibration import NEAR
from pipeline.evaluation.measures.distances import neighbours
from pipeline.evaluation.measures.fid import fid
from pipeline.evaluation.measures.modes import COVERED_SHARE, histogram
from pipeline.evaluation.measures.vendi import vendi
from pipeline.evaluation.quick_look import QuickLook
from pipeline.gans.registry import build
from pipeline.items import ItemSpec
from pipeline.training import unattended
from pipeline.training.health import COMPLETE, PARTIAL, Unhealthy
from pipeline.training.looks import Watch
from pipeline.training.loop import Row, Trainer
from pipeline.training.response import treat

CPU = torch.device("cpu")
COLLAPSED = 0.5  # less than this part of the effective number of different real images, or of the classes, or more near-duplicates: collapse
GRACE = 0.25  # of a training, in which everything looks collapsed
HELD_OUT = 400
UInt8 = npt.NDArray[np.uint8]


def digits() -> tuple[Images, Images]:
    """Training and held-out images."""
    data = load_digits()
    images = np.rint(data.images * 255 / 16).astype(np.uint8)[..., None]
    labels = data.target.astype(np.int64)
    order = np.random.default_rng(0).permutation(len(images))
    held, train = order[:HELD_OUT], order[HELD_OUT:]
    return Images(images[train], labels[train], "train"), Images(images[held], labels[held], "held")


@dataclass(frozen=True)
class Seen:
    """A look, judged independently of what health measured: in the features of a classifier that no part of training knows."""

    images: int
    fid: float
    diversity: float  # Vendi score over that of real images
    classes: float  # share of the classes that hold a quarter of their share
    near_duplicates: (
        float  # share nearer to another sample than 99 % of held-out images are to each other, at equal numbers
    )

    @property
    def collapsed(self) -> bool:
        return self.diversity < COLLAPSED or self.classes < COLLAPSED or self.near_duplicates > COLLAPSED


@dataclass(frozen=True)
class Outcome:
    """`seen` are all looks in order; `delivered` the one whose networks came out, None where the training failed with advice."""

    case: str
    seed: int
    total: int
    seen: list[Seen]
    delivered: int | None
    events: list[str]
    told: list[str]  # names of the symptoms
    looking: float  # share of the time

    @property
    def best(self) -> float:
        return min(look.fid for look in self.seen)

    @property
    def ratio(self) -> float | None:
        """FID of what was delivered over the best seen."""
        return (
            None
            if self.delivered is None
            else next(look.fid for look in reversed(self.seen) if look.images == self.delivered) / self.best
        )

    @property
    def collapsed(self) -> bool:
        """Whether two looks in a row, after the first quarter of the training, were collapsed."""
        flags = [look.collapsed for look in self.seen if look.images > GRACE * self.total]
        return any(a and b for a, b in pairwise(flags))

    @property
    def reported(self) -> bool:
        return any(name in (COMPLETE, PARTIAL) for name in self.told)


class Silent:
    """An observer that only counts images."""

    def __init__(self) -> None:
        self.seen = 0

    def advanced(self, images_seen: int) -> None:
        self.seen = images_seen

    def measured(self, row: Row) -> None: ...

    def snapshot(self, images_seen: int, images: torch.Tensor) -> None: ...

    def warned(self, message: str) -> None: ...


class Judge:
    """Fréchet distance and diversity in the features of a classifier."""

    def __init__(self, train: Images, held: Images) -> None:
        self.network: Classifier = classifier(
            train,
            np.empty(0, dtype=np.int64),
            ItemSpec(height=8, width=8, channels=1, classes=tuple("0123456789")),
            CPU,
        )
        self.real = extract(self.network, held, 256)
        self.near = float(np.quantile(neighbours(self.real, 1)[0][:, 0], NEAR))
        self.shares = histogram(self.network.predict(self.real)) / len(self.real)

    def __call__(self, images: int, pixels: UInt8) -> Seen:
        found = extract(self.network, Held(pixels), 256)
        shares = histogram(self.network.predict(found)) / len(found)
        covered = float(np.mean(shares >= COVERED_SHARE * self.shares))
        same = found[: len(self.real)]
        near = float(np.mean(neighbours(same, 1)[0][:, 0] < self.near))
        return Seen(images, fid(found, self.real), vendi(same) / vendi(self.real), covered, near)


def run(case: str, seed: int, response: str = "rollback", total: int | None = None) -> Outcome:
    """Trains one configuration as `ganline train` does, and judges every look afterwards."""
    failing = CASES[case]
    train, held = digits()
    if failing.images is not None:
        train = Images(train.array[: failing.images], train.labels[: failing.images], "few")
    settings, design, log = failing.training(seed, response, total), failing.design(), Silent()
    quick = QuickLook(train, train.labels, 10, 1, settings.health.samples, seed, CPU)
    looks: list[tuple[int, UInt8]] = []

    def measure(pixels: UInt8) -> dict[str, float]:
        looks.append((log.seen, pixels))
        return dict(quick(pixels))

    with tempfile.TemporaryDirectory() as folder:

        def make(symptoms: Sequence[str]) -> tuple[Trainer, list[str]]:
            calmer, changed, words = treat(settings, design, symptoms)
            torch.manual_seed(seed + len(symptoms))
            gan = build(changed, ItemSpec(height=8, width=8, channels=1))
            watch = Watch(
                measure,
                Unlabelled(train, CPU, seed).next(min(len(train), 400)),
                Unlabelled(held, CPU, seed).next(HELD_OUT),
            )
            return Trainer(gan, Unlabelled(train, CPU, seed), calmer, CPU, Path(folder), log, {}, watch), words

        trainer = unattended.start(make, None)
        delivered: int | None
        try:
            trainer = unattended.run(trainer, make)
            delivered = trainer.deliver()
            events = trainer.health.events
            told, words = [event.symptom for event in events], [str(event) for event in events]
        except Unhealthy as failed:
            delivered, told, words = None, [failed.sign.name], [str(failed)]
    judge = Judge(*digits())
    return Outcome(
        case,
        seed,
        settings.total_images,
        [judge(images, pixels) for images, pixels in looks],
        delivered,
        words,
        told,
        trainer.looking / max(trainer.seconds, 1e-9),
    )
