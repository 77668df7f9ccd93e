"""Evaluate a set of samples: compute the measures, apply the gate, collect the flat metrics that are stored."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.arrays import Int64Array, Items
from pipeline.errors import InputError
from pipeline.evaluation.comparison import Material
from pipeline.evaluation.protocol import Protocol, with_code
from pipeline.evaluation.real_data import RealData
from pipeline.evaluation.reference import require_reference
from pipeline.evaluation.reliability import (
    blind_features,
    classifier_warnings,
    feature_warnings,
    mode_warnings,
    reference_warnings,
)
from pipeline.evaluation.verdict import Verdict
from pipeline.measure import Measure, Measurement
from pipeline.tasks.generate.gate import apply_gate, take
from pipeline.tasks.generate.measures.registry import measure_modules, measures_for
from pipeline.tasks.generate.sample_set import SampleSet
from pipeline.tasks.generate.settings import SampleGate

Metrics = dict[str, Any]
"""Flat: numbers, text, lists of text; None for what was not measured."""


@dataclass(frozen=True)
class Evaluation:
    """The result: samples with what was derived from them, measurements by name, verdict, and the flat metrics."""

    data: SampleSet
    measures: Sequence[Measure[Any]]
    measurements: Mapping[str, Measurement]
    verdict: Verdict
    warnings: list[str]
    metrics: Metrics

    @property
    def material(self) -> Material:
        """What another model's evaluation is compared with."""
        return Material(features={"": (self.data.features, self.data.real.reference.real)})


class Evaluator(RealData):
    """Evaluates samples against real data."""

    def evaluate(
        self,
        images: Items,
        nonfinite: int = 0,
        labels: Int64Array | None = None,
        *,
        leave_out: Collection[str] = (),
    ) -> Evaluation:
        """Evaluate finite samples, stored items [n, H, W, C].

        Args:
            nonfinite: Number of samples that were dropped because they held NaN or Inf.
            labels: int64 [n], classes that the samples were conditioned on; None for unconditional models.
            leave_out: Measures that are not computed, such as slow ones that no test reads.

        Raises:
            InputError: The test split is empty, the samples have another shape, or feature weights are missing.
        """
        return evaluate(SampleSet(self, images, nonfinite, labels), leave_out=leave_out)


def evaluate(data: SampleSet, *, leave_out: Collection[str] = ()) -> Evaluation:
    """Evaluate samples; see `Evaluator.evaluate`."""
    real = data.real
    require_reference(real.test)
    expected = real.test.images(np.arange(1)).shape[1:]
    if data.images.shape[1:] != expected:
        raise InputError(
            f"samples are {list(data.images.shape[1:])} and the data {list(expected)}: "
            "the model was trained on other data; run `dvc repro train`"
        )
    change = data.change
    if change is not None and change.harmless:
        data = data.undo_change()
    settings = real.settings.gate
    assert isinstance(settings, SampleGate)
    _ = real.named_reference  # an unusable file is an error before anything is measured
    measures = [measure for measure in measures_for(real.medium) if measure.name not in leave_out]
    measurements = {measure.name: take(measure, data) for measure in measures}
    verdict = apply_gate(data, measures, measurements, settings)
    warnings = all_warnings(data)
    if change is not None and change.harmless:
        warnings.append(
            f"samples are {change.words}, which is harmless: they were shifted back before they were measured"
        )
    metrics = {"verdict": verdict.word, **flatten(measurements), **context(data), **verdict.outcome}
    metrics["warnings"] = warnings
    return Evaluation(data, measures, measurements, verdict, warnings, require_finite(metrics))


def flatten(measurements: Mapping[str, Measurement]) -> Metrics:
    """Return the values by name; of a measure with a null also the null and z."""
    metrics: Metrics = {name: found.value for name, found in measurements.items()}
    for name, found in measurements.items():
        if found.z is not None:
            metrics |= {f"{name}_null": found.null, f"{name}_z": found.z}
    return metrics


def all_warnings(data: SampleSet) -> list[str]:
    """Return what a reader of the numbers must know."""
    real, spec = data.real, data.real.extractor.spec
    found = feature_warnings(spec)
    if blind := blind_features(real.recognition):
        found.append(blind)
    if real.classifier is not None:
        found += classifier_warnings(real.classifier_accuracy, len(real.classes))
    if data.modes is not None:
        found += mode_warnings(data.modes, real.classes)
    return found + reference_warnings(real.reference.real)


def context(data: SampleSet) -> Metrics:
    """Return what the numbers were measured with: counts, features and protocol."""
    real, spec = data.real, data.real.extractor.spec
    searched, train = len(real.training_positions), len(real.train)
    protocol = Protocol(
        features=spec,
        item=real.item,
        split="test",
        fingerprint=real.test.fingerprint,
        n_real=len(real.reference.real),
        n_fake=len(data),
        n_calibrated=data.calibrated_size,
        seed=data.seed,
        reference=real.named_reference.fingerprint[:8] if real.named_reference else "",
    )
    return {
        "n_calibrated": data.calibrated_size,
        "neighbours_among": f"{searched:,} of {train:,}" if searched < train else None,
        "nonfinite_samples": data.nonfinite,
        "n_real": len(real.reference.real),
        "n_fake": len(data),
        "features": spec.name,
        "features_sha256": spec.sha256,
        "protocol": with_code(str(protocol), __name__, *measure_modules(real.medium)),
    }


def require_finite(metrics: Metrics) -> Metrics:
    """Return the metrics. Raise InputError naming a number that is not finite: it would be a bug in a measure."""
    for name, value in metrics.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(
                f"{name} came out as {value}: the features of these images cannot be measured; "
                "set evaluate.features to another extractor"
            )
    return metrics
