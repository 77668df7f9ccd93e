"""The failure modes of GAN training, and how a health check detects them.

A health check measures samples of the EMA networks; the losses are means since the last check. Thresholds are the
settings `train.health.limits`. A loss alone never counts as a symptom, because in this game it says little.

**Mode collapse** (Goodfellow 2016, "NIPS 2016 Tutorial", section 5.1). Complete collapse: `distance`, the root mean
square distance between samples over that between real images. Partial collapse: `near_duplicates`, the fraction of
samples closer to another sample than 99 % of real images are to another; `diversity`, the Vendi score (Friedman & Dieng
2023) over that of real images, absolute and compared with its maximum so far; `classes`, the fraction of the classes
covered.

**Vanishing gradients** (Arjovsky & Bottou 2017, theorem 2.4): the discriminator ranks nearly all pairs of real and
generated images correctly, and the generator's gradient norm is a small fraction of its median.

**Divergence**: the metric that selects the best checkpoint is far above its minimum, or a number is not finite.
**Oscillation**: the metric swings around its mean; this is only reported.

**Overfitting discriminator**: r_v of Karras 2020 ("Training Generative Adversarial Networks with Limited Data", eq. 1),
from logits: (training - held-out) / (training - generated). It is 0 if held-out images score like training images, and
1 if they score like generated ones.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median, pstdev

from pipeline.training.settings import HealthLimits, HealthSettings

Numbers = Mapping[str, float]
"""Numbers of one health check by name."""

COMPLETE_COLLAPSE = "complete mode collapse"
PARTIAL_COLLAPSE = "mode collapse"
VANISHING_GRADIENTS = "vanishing gradients"
DIVERGENCE = "divergence"
OSCILLATION = "oscillation"
OVERFITTING = "overfitting discriminator"

ADVICE = {
    COMPLETE_COLLAPSE: "lower train.learning_rate, or raise model.penalties.r1; model.objective relativistic with r1 "
    "and r2 rarely collapses",
    PARTIAL_COLLAPSE: "raise model.penalties.r1, set model.stabilisers.minibatch_std or packing, or raise "
    "train.batch_size",
    VANISHING_GRADIENTS: "lower train.learning_rate.discriminator, set model.critic_steps 1, or "
    "model.stabilisers.instance_noise {start: 0.1, end: 0}",
    DIVERGENCE: "lower train.learning_rate, raise model.penalties.r1, or set train.precision float32",
    OSCILLATION: "lower train.learning_rate towards the end ({start, end}), or raise train.ema_half_life",
    OVERFITTING: "add training data, or set model.stabilisers.augment.policy to diffaugment or ada",
}
"""What may help against each failure mode; a variant can replace an entry (`GAN.advice`)."""


@dataclass(frozen=True)
class Symptom:
    """A failure mode seen in one health check.

    Attributes:
        name: The failure mode.
        evidence: The numbers that show it.
        critical: Calls for a response at once instead of after `patience` checks.
        report_only: Never calls for a response.
    """

    name: str
    evidence: str
    critical: bool = False
    report_only: bool = False


def detect_collapse(now: Numbers, before: Sequence[Numbers], limits: HealthLimits) -> list[Symptom]:
    """Detect complete or partial mode collapse.

    Args:
        now: The numbers of this check.
        before: Those of the checks before it.
        limits: Thresholds.
    """
    if "distance" not in now:
        return []  # the outputs of restoration are as diverse as its inputs
    if now["distance"] < limits.distance:
        evidence = f"the distance between samples is {now['distance']:.2g} of that between real images"
        return [Symptom(COMPLETE_COLLAPSE, f"{evidence} (minimum {limits.distance:g})", critical=True)]
    reached = max((numbers["diversity"] for numbers in before), default=0.0)
    covered = now.get("classes", 1.0)
    if now["near_duplicates"] > limits.near_duplicates:
        evidence = (
            f"{now['near_duplicates']:.0%} of the samples are near-duplicates (maximum {limits.near_duplicates:.0%})"
        )
    elif now["diversity"] < limits.diversity:
        evidence = f"the Vendi score is {now['diversity']:.2g} of that of real images (minimum {limits.diversity:g})"
    elif now["diversity"] < limits.diversity_drop * min(reached, 1.0):
        evidence = f"the Vendi score dropped from {reached:.2g} to {now['diversity']:.2g} of that of real images"
    elif covered < limits.classes:
        evidence = f"{covered:.0%} of the classes are covered (minimum {limits.classes:.0%})"
    else:
        return []
    return [Symptom(PARTIAL_COLLAPSE, evidence)]


def detect_vanishing_gradients(now: Numbers, before: Sequence[Numbers], limits: HealthLimits) -> list[Symptom]:
    """Detect a saturated discriminator whose generator hardly learns."""
    if "d_accuracy" not in now or "grad_norm_generator" not in now:
        return []
    norm = now["grad_norm_generator"]
    norms = [numbers["grad_norm_generator"] for numbers in before if "grad_norm_generator" in numbers]
    usual = median(norms or [norm])
    if now["d_accuracy"] < limits.saturation or norm >= limits.gradient * usual:
        return []
    return [
        Symptom(
            VANISHING_GRADIENTS,
            f"the discriminator ranks {now['d_accuracy']:.1%} of the pairs correctly, and the generator's gradient "
            f"norm is {norm:.2g} (median {usual:.2g})",
        )
    ]


def detect_divergence(
    now: Numbers, before: Sequence[Numbers], settings: HealthSettings, metric: str, label: str
) -> list[Symptom]:
    """Detect divergence and oscillation of `metric`, which messages call `label`."""
    lowest = min((numbers[metric] for numbers in before), default=math.inf)
    if now[metric] > settings.limits.divergence * lowest:
        return [Symptom(DIVERGENCE, f"the {label} rose from {lowest:.3g} to {now[metric]:.3g}")]
    window = 2 * settings.patience
    recent = [numbers[metric] for numbers in before[-window + 1 :]] + [now[metric]]
    if len(recent) == window and len(before) > window:
        swing = pstdev(recent) / max(fmean(recent), 1e-12)
        if swing > settings.limits.oscillation and min(recent[-2:]) > lowest:
            evidence = f"the {label} swings by {swing:.0%} around its mean of {fmean(recent):.3g}"
            return [Symptom(OSCILLATION, evidence, report_only=True)]
    return []


def detect_overfitting(now: Numbers, limits: HealthLimits) -> list[Symptom]:
    """Detect a discriminator that has memorised its training images."""
    r_v = now.get("overfitting", 0.0)
    if r_v <= limits.overfitting:
        return []
    return [
        Symptom(
            OVERFITTING,
            f"held-out images score {r_v:.0%} of the way from training images to generated ones "
            f"(r_v, maximum {limits.overfitting:.0%})",
        )
    ]
