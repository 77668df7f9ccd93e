"""Which settings contradict each other, whatever the variant. Each refusal names both keys, why, and the way out."""

from pipeline.gans.game.settings import Penalties, Stabilisers
from pipeline.gans.variants.settings import Objective

PROBABILISTIC = {"nonsaturating", "minimax", "lsgan"}
"""Objectives whose real images have a target that can be smoothed."""

ANCHORED = {"nonsaturating", "minimax", "hinge"}
"""Objectives under which a logit of zero means undecided: what ADA's sign of D(real) relies on."""


def refuse(penalties: Penalties, stabilisers: Stabilisers, objective: Objective) -> None:
    """Raises ValueError for the first contradiction."""
    zero_centred = penalties.r1.ever or penalties.r2.ever
    one_centred = penalties.gp > 0 or penalties.dragan > 0
    rules = [
        (
            penalties.clip > 0 and objective != "wgan",
            f"penalties.clip with objective {objective}: clipped weights bound a Wasserstein critic; set penalties.clip: 0, or objective: wgan",
        ),
        (
            penalties.clip > 0 and penalties.any,
            "penalties.clip with a gradient penalty (r1, r2, gp, dragan): two ways to bound one critic; keep one of them",
        ),
        (
            penalties.clip > 0 and stabilisers.spectral_norm,
            "penalties.clip with stabilisers.spectral_norm: two ways to bound one critic; keep one of them",
        ),
        (
            objective == "wgan" and not (penalties.clip > 0 or penalties.any or stabilisers.spectral_norm),
            "objective wgan without a bound on the critic: set penalties.gp: 10 with critic_steps: 5 (Gulrajani 2017), or penalties.clip: 0.01 (Arjovsky 2017)",
        ),
        (
            penalties.gp > 0 and penalties.dragan > 0,
            "penalties.gp with penalties.dragan: the same penalty in two places; keep one of them",
        ),
        (
            zero_centred and one_centred,
            "penalties.r1 or r2 with penalties.gp or dragan: one pulls the gradient's norm to 0, the other to 1; keep one of them",
        ),
        (
            stabilisers.label_smoothing > 0 and objective not in PROBABILISTIC,
            f"stabilisers.label_smoothing with objective {objective}: it has no target to smooth; set label_smoothing: 0, or objective: nonsaturating",
        ),
        (
            stabilisers.augment.target is not None and stabilisers.augment.policy != "ada",
            f"stabilisers.augment.target with policy {stabilisers.augment.policy}: only ada adapts; set policy: ada, or target: null",
        ),
        (
            stabilisers.augment.target is not None and objective not in ANCHORED,
            f"stabilisers.augment.target with objective {objective}: the sign of its logits means nothing; set target: null and give a probability",
        ),
        (
            stabilisers.augment.target is not None
            and stabilisers.augment.probability.start != stabilisers.augment.probability.end,
            "stabilisers.augment.target with a schedule for augment.probability: either is followed; set target: null, or a plain probability to start from",
        ),
    ]
    for broken, message in rules:
        if broken:
            raise ValueError(message)
