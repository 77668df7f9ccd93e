"""One judgement from samples to verdict: features, distances, diversity, the gate, and the flat metrics that are stored."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.arrays import Float32Array, Float64Array, Int64Array, UInt8Array
from pipeline.errors import InputError
from pipeline.evaluation import reliability
from pipeline.evaluation.extractors.base import Extractor, Held, Progress, Subset, extract, quiet
from pipeline.evaluation.extractors.classifier import Classifier, Labelled, classifier
from pipeline.evaluation.extractors.inception import Inception
from pipeline.evaluation.extractors.selection import unlabelled
from pipeline.evaluation.measures.calibration import Measured, calibrated, means, size
from pipeline.evaluation.measures.class_diversity import class_diversity
from pipeline.evaluation.measures.class_fid import OfClass, by_class
from pipeline.evaluation.measures.copies import copies, thumbnails
from pipeline.evaluation.measures.distances import nearest
from pipeline.evaluation.measures.fid import Side, fid
from pipeline.evaluation.measures.fid_infinity import fid_infinity
from pipeline.evaluation.measures.inception_score import inception_score
from pipeline.evaluation.measures.kid import kid
from pipeline.evaluation.measures.modes import Modes, distinct, kl_null
from pipeline.evaluation.projection import plane, typical
from pipeline.evaluation.protocol import Protocol
from pipeline.evaluation.reference import Reference, calibration, kept, ratio, reference, require_reference
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.evaluation.verdict import Verdict
from pipeline.items import ItemSpec
from pipeline.media.image.appearance import NAMES, appearance
from pipeline.tasks.generate import gate
from pipeline.tasks.generate.settings import GateSettings

SHOWN, NEIGHBOURS = 12, 7  # samples whose nearest training images the report shows, and how many of them
SEARCHED = 20_000  # training images among which they are looked for
Metrics = dict[str, Any]  # flat: numbers, text, lists of text, None for what was not measured


@dataclass(frozen=True)
class Judgement:
    """`metrics` is flat and holds no NaN; `predicted` [n] is the class of each sample, None without classes.

    `by_class` is empty unless classes were asked for; `neighbours` [m, k] are the first samples' nearest training images, as positions;
    `typical` ranks samples, the most like a real image first; `plane` holds samples and real images as points [n, 2]; `extractor` made the features
    of the samples [n, d] and of the reference [N, d].
    """

    metrics: Metrics
    verdict: Verdict
    modes: Modes | None
    predicted: Int64Array | None
    warnings: list[str]
    by_class: list[OfClass]
    neighbours: Int64Array
    typical: Int64Array
    plane: tuple[Float64Array, Float64Array] | None
    extractor: Extractor
    features: tuple[Float32Array, Float32Array]


@dataclass(frozen=True)
class Training:
    """Training images that samples are compared with: their positions [m] and features [m, d]."""

    positions: Int64Array
    features: Float32Array


class Lessons(Held):
    """Samples with the classes they were asked for, as a split to learn from; never cached, so without a fingerprint."""

    fingerprint = ""

    def __init__(self, array: UInt8Array, labels: Int64Array) -> None:
        super().__init__(array)
        self.labels = labels


@dataclass(frozen=True)
class Judge:
    """How samples are judged: the real splits, the extractors and the settings. `root` is what a relative path in evaluate.features starts from."""

    train: Labelled
    test: Labelled
    classes: Sequence[str]
    settings: EvaluateSettings
    device: torch.device
    cache: Path | None = None
    root: Path = Path()
    progress: Progress = quiet

    def __call__(self, samples: UInt8Array, nonfinite: int = 0, asked: Int64Array | None = None) -> Judgement:
        """Judges uint8 samples [n, H, W, C], all that were finite; `nonfinite` more were not. `asked` [n] are the classes they were asked for.

        Raises InputError for an empty test split, images of another shape, or weights that cannot be had.
        """
        require_reference(self.test)
        expected = self.test.images(np.arange(1)).shape[1:]
        if samples.shape[1:] != expected:
            raise InputError(
                f"samples are {list(samples.shape[1:])} and the data {list(expected)}: the model was trained on other data; run `dvc repro train`"
            )
        held = calibration(self.train, self.test)
        labels = self.test.labels, self.train.labels[held]
        namer = self.namer(held, expected)
        extractor = self.extractor(namer, expected)
        warnings = reliability.about_features(extractor.spec)

        real = reference(extractor, self.train, self.test, held, self.settings.batch_size, self.cache, self.progress)
        fake = self.extracted(extractor, samples)
        known = (
            real
            if namer is extractor or namer is None
            else reference(namer, self.train, self.test, held, self.settings.batch_size, self.cache, self.progress)
        )
        answers = (
            None if namer is None else namer.predict(fake if namer is extractor else self.extracted(namer, samples))
        )
        modes, accuracy = None, None
        if namer is not None and answers is not None:
            accuracy = self.accuracy(namer.predict(known.real))
            warnings += reliability.about_classifier(accuracy, len(self.classes))
            if len(samples):
                modes = Modes.of(
                    answers, namer.predict(np.concatenate([known.real, known.held])), np.concatenate(labels)
                )
                warnings += reliability.about_modes(modes, self.classes)

        predicted = None if answers is None else np.argmax(answers, axis=1).astype(np.int64)
        classwise: list[OfClass] = []
        if asked is not None and predicted is not None and len(samples):
            classwise = by_class(fake, asked, predicted, real, labels, self.classes, self.settings.seed)
        varied: list[tuple[str, float]] = []
        if predicted is not None:
            pool = np.concatenate([real.real, real.held])
            varied = class_diversity(fake, predicted, pool, np.concatenate(labels), self.classes, self.settings.seed)
        ratios = [of.fid_ratio for of in classwise if of.fid_ratio is not None]
        trained = self.training(extractor)
        neighbours = trained.positions[
            nearest(fake[:SHOWN], trained.features, min(NEIGHBOURS, len(trained.positions)))[1]
        ]
        measured = self.measured(extractor, fake, samples, real, held, trained)

        chance = kl_null(modes, self.settings.seed) if modes else (0.0, 0.0)
        enough = len(samples) >= 2
        against = Side(real.real)
        equal = ratio(fake, real, self.settings.seed) if enough else None
        evidence = gate.Evidence(
            n_fake=len(samples) + nonfinite,
            nonfinite=nonfinite,
            classes=self.classes,
            distinct=distinct(samples) if len(samples) else None,
            fid=fid(fake, against) if enough else None,
            fid_ratio=equal.value if equal else None,
            fid_equal=equal.generated if equal else None,
            fid_null=equal.null if equal else None,
            modes=modes,
            kl_null=chance[0],
            kl_spread=chance[1],
            accuracy=accuracy,
            measured=measured,
        )
        warnings += reliability.about_size(real.real)
        assert isinstance(self.settings.gate, GateSettings)
        verdict = gate.judge(evidence, self.settings.gate)
        calibrated_at = size(len(fake), len(real.real) + len(real.held))
        protocol = Protocol(
            features=extractor.spec,
            split="test",
            fingerprint=self.test.fingerprint,
            n_real=len(real.real),
            n_fake=len(samples),
            n_calibrated=calibrated_at,
            seed=self.settings.seed,
        )
        metrics: Metrics = {
            "verdict": verdict.word,
            "fid": evidence.fid,
            "fid_infinity": fid_infinity(fake, against, self.settings.seed),
            "kid": kid(fake, real.real, self.settings.seed) if enough else None,
            "inception_score": inception_score(extractor.logits(fake), self.settings.seed)
            if isinstance(extractor, Inception) and enough
            else None,
            "inception_score_real": inception_score(extractor.logits(real.real), self.settings.seed)
            if isinstance(extractor, Inception)
            else None,
            "fid_ratio": evidence.fid_ratio,
            "fid_equal": evidence.fid_equal,
            "fid_null": evidence.fid_null,
            "fid_null_sd": equal.spread if equal else None,
            "n_null": equal.n if equal else None,
            "duplicate_rate": evidence.duplicate_rate,
            "modes_covered": modes.covered if modes else None,
            "modes_total": modes.total if modes else 0,
            "mode_kl": modes.kl if modes else None,
            "mode_kl_null": evidence.kl_null if modes else None,
            "smallest_class_share": modes.smallest_share if modes else None,
            "classifier_accuracy": accuracy,
            "label_agreement": float(np.mean(predicted == asked)) if classwise and predicted is not None else None,
            "cas": self.taught(samples, asked, expected) if classwise and asked is not None else None,
            "class_fid_ratio_mean": float(np.mean(ratios)) if ratios else None,
            "class_fid_ratio_worst": max(ratios) if ratios else None,
            "class_fid_ratio_worst_class": max(
                (of for of in classwise if of.fid_ratio is not None), key=lambda of: of.fid_ratio or 0.0
            ).name
            if ratios
            else None,
            "class_vendi_ratio_mean": float(np.mean([value for _, value in varied])) if varied else None,
            "class_vendi_ratio_worst": min(value for _, value in varied) if varied else None,
            "class_vendi_ratio_worst_class": min(varied, key=lambda pair: pair[1])[0] if varied else None,
            **{name: found.value for name, found in measured.items()},
            **{f"{name}_null": found.null for name, found in measured.items()},
            **{f"{name}_z": found.z for name, found in measured.items()},
            "memorization": measured["copies_features"].value if "copies_features" in measured else None,
            "n_calibrated": calibrated_at,
            "neighbours_among": f"{len(trained.positions):,} of {len(self.train):,}"
            if len(trained.positions) < len(self.train)
            else None,
            "nonfinite_samples": nonfinite,
            "n_real": len(real.real),
            "n_fake": len(samples),
            "features": extractor.spec.name,
            "features_sha256": extractor.spec.sha256,
            "protocol": str(protocol),
            "reasons": verdict.reasons,
            "warnings": warnings,
            "skipped": verdict.skipped,
        }
        ranks, flat = typical(fake, trained.features), plane(fake, real.real, self.settings.seed) if len(fake) else None
        return Judgement(
            clean(metrics),
            verdict,
            modes,
            predicted,
            warnings,
            classwise,
            neighbours,
            ranks,
            flat,
            extractor,
            (fake, real.real),
        )

    def training(self, extractor: Extractor) -> "Training":
        """Features of the training images, of at most 20,000 spread evenly over them."""
        positions = np.linspace(0, len(self.train) - 1, min(len(self.train), SEARCHED)).astype(np.int64)
        images = Subset(self.train, positions)
        key = f"{self.train.fingerprint} {len(positions)}"
        return Training(
            positions,
            kept(extractor, images, key, self.settings.batch_size, self.cache, self.progress, "training images"),
        )

    def measured(
        self,
        extractor: Extractor,
        fake: Float32Array,
        samples: UInt8Array,
        real: Reference,
        held: Int64Array,
        known: "Training",
    ) -> dict[str, Measured]:
        """Every measure that has a null: manifolds and bins in features, appearance in pixels, and copies in both."""
        key = f"{extractor.spec.model_dump_json()} {self.train.fingerprint} {self.test.fingerprint} {len(known.positions)}"
        pool, seed, batch_size = np.concatenate([real.real, real.held]), self.settings.seed, self.settings.batch_size
        train = Subset(self.train, known.positions)
        pictures = Held(samples)
        looks = np.concatenate([appearance(self.test), appearance(Subset(self.train, held))])
        small = [thumbnails(images, batch_size) for images in (pictures, self.test, train)]
        return (
            calibrated(fake, pool, seed, self.cache, key)
            | means(appearance(pictures), looks, NAMES, seed)
            | copies((fake, real.real, known.features), (small[0], small[1], small[2]), seed, self.cache, key)
        )

    def taught(self, samples: UInt8Array, asked: Int64Array, shape: tuple[int, ...]) -> float | None:
        """The classification accuracy score (Ravuri & Vinyals 2019): of the classifier trained on samples instead, tested on real images."""
        if len(np.unique(asked)) < 2:
            return None
        lessons = Lessons(samples, asked)
        pupil = classifier(
            lessons,
            np.empty(0, dtype=np.int64),
            self.item(shape),
            self.device,
            None,
            self.progress,
        )
        return self.accuracy(
            pupil.predict(extract(pupil, self.test, self.settings.batch_size, self.progress, "features"))
        )

    def namer(self, held: Int64Array, shape: tuple[int, ...]) -> Classifier | None:
        """The classifier, where there are at least two classes with labelled images to train it on."""
        labels = np.delete(self.train.labels, held)
        if len(np.unique(labels[labels >= 0])) < 2:
            if self.settings.features == "classifier":
                raise InputError(
                    "evaluate.features is classifier, but the data has fewer than two classes; set it to auto, random or inception"
                )
            return None
        return classifier(self.train, held, self.item(shape), self.device, self.cache, self.progress)

    def item(self, shape: tuple[int, ...]) -> ItemSpec:
        height, width, channels = shape
        return ItemSpec(height=height, width=width, channels=channels, classes=tuple(self.classes))

    def extractor(self, namer: Classifier | None, shape: tuple[int, ...]) -> Extractor:
        if namer is not None and self.settings.features in ("auto", "classifier"):
            return namer
        return unlabelled(
            self.settings, shape, self.device, self.cache if self.cache is not None else self.root, self.root
        )

    def extracted(self, extractor: Extractor, samples: UInt8Array) -> Float32Array:
        return extract(extractor, Held(samples), self.settings.batch_size, self.progress, "features")

    def accuracy(self, answers: Float32Array) -> float | None:
        """Share of the labelled test images that the classifier names rightly; None where none is labelled."""
        labelled = self.test.labels >= 0
        return float((answers.argmax(axis=1) == self.test.labels)[labelled].mean()) if labelled.any() else None


def clean(metrics: Metrics) -> Metrics:
    """No NaN reaches a file: a number that is not finite would be a bug in a metric, and is named as one."""
    for name, value in metrics.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(
                f"{name} came out as {value}: the features of these images cannot be measured; set evaluate.features to another extractor"
            )
    return metrics
