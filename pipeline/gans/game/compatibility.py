"""Settings that contradict each other, for any variant. Every message names both keys, the reason and the fix."""

from pipeline.gans.game.settings import Penalties, Stabilisers
from pipeline.gans.variants.settings import Objective

SMOOTHABLE = {"nonsaturating", "minimax", "lsgan"}
"""Objectives with a target for real images, which label smoothing can lower."""

SIGN_MEANINGFUL = {"nonsaturating", "minimax", "hinge"}
"""Objectives for which a logit of zero means undecided; ADA relies on the sign of D(real)."""


def check_compatibility(penalties: Penalties, stabilisers: Stabilisers, objective: Objective) -> None:
    """Raise ValueError for the first contradiction."""
    for broken, message in [
        *clipping_rules(penalties, stabilisers, objective),
        *penalty_rules(penalties, stabilisers, objective),
        *stabiliser_rules(stabilisers, objective),
    ]:
        if broken:
            raise ValueError(message)


Rule = tuple[bool, str]
"""Whether a rule is broken, and the message for it."""


def clipping_rules(penalties: Penalties, stabilisers: Stabilisers, objective: Objective) -> list[Rule]:
    """Return the rules of weight clipping."""
    clipped = penalties.clip > 0
    return [
        (
            clipped and objective != "wgan",
            f"penalties.clip with objective {objective}: weight clipping bounds a Wasserstein critic. "
            "Set penalties.clip: 0 or objective: wgan",
        ),
        (
            clipped and penalties.any,
            "penalties.clip with a gradient penalty (r1, r2, gp, dragan): both bound the critic. Keep one of them",
        ),
        (
            clipped and stabilisers.spectral_norm,
            "penalties.clip with stabilisers.spectral_norm: both bound the critic. Keep one of them",
        ),
    ]


def penalty_rules(penalties: Penalties, stabilisers: Stabilisers, objective: Objective) -> list[Rule]:
    """Return the rules of the gradient penalties."""
    zero_centred = penalties.r1.ever or penalties.r2.ever
    one_centred = penalties.gp > 0 or penalties.dragan > 0
    return [
        (
            objective == "wgan" and not (penalties.clip > 0 or penalties.any or stabilisers.spectral_norm),
            "objective wgan without a bound on the critic: set penalties.gp: 10 with critic_steps: 5 (Gulrajani 2017), "
            "or penalties.clip: 0.01 (Arjovsky 2017)",
        ),
        (
            penalties.gp > 0 and penalties.dragan > 0,
            "penalties.gp with penalties.dragan: the same penalty at different points. Keep one of them",
        ),
        (
            zero_centred and one_centred,
            "penalties.r1 or r2 with penalties.gp or dragan: the first pull the gradient norm to 0, the others to 1. "
            "Keep one kind",
        ),
    ]


def stabiliser_rules(stabilisers: Stabilisers, objective: Objective) -> list[Rule]:
    """Return the rules of label smoothing and adaptive augmentation."""
    augment = stabilisers.augment
    adaptive = augment.target is not None
    return [
        (
            stabilisers.label_smoothing > 0 and objective not in SMOOTHABLE,
            f"stabilisers.label_smoothing with objective {objective}: it has no target to smooth. "
            "Set label_smoothing: 0 or objective: nonsaturating",
        ),
        (
            adaptive and augment.policy != "ada",
            f"stabilisers.augment.target with policy {augment.policy}: only ada is adaptive. "
            "Set policy: ada or target: null",
        ),
        (
            adaptive and objective not in SIGN_MEANINGFUL,
            f"stabilisers.augment.target with objective {objective}: the sign of its logits is meaningless. "
            "Set target: null and a fixed probability",
        ),
        (
            adaptive and augment.probability.start != augment.probability.end,
            "stabilisers.augment.target with a schedule for augment.probability: only one of them can apply. "
            "Set target: null, or a plain number as the initial probability",
        ),
    ]
