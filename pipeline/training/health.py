"""Is the training well? Three ways in which GANs fail, and a discriminator that overfits, as numbers with thresholds.

Every so many images the averaged generator is looked at and the losses since the last look are read. What is wrong in one look is a
*sign*; a sign that stays for `patience` looks is a *symptom*. Losses alone never condemn: in this game they say little.

**Mode collapse** (Goodfellow 2016, "NIPS 2016 Tutorial", section 5.1): `distance`, the root mean square distance between samples over
that of real images, says complete collapse; `near_duplicates` (samples nearer to another than 99 % of real images are) and `diversity`
(the Vendi score over that of real images; Friedman & Dieng 2023) say the partial kind, at once or as a fall from what was reached;
`classes`, where there are labels, says which share of the classes is left.

**Vanishing gradients** (Arjovsky & Bottou 2017, theorem 2.4): a discriminator that orders nearly all pairs of real and generated images
rightly, while the generator's gradient is a small part of what it was.

**Non-convergence**: the Fréchet distance of the look far above the best it has been (divergence), or swinging about its mean
(oscillation, which is told and not treated), or numbers that are not finite.

**Overfitting discriminator**: r_v of Karras 2020 ("Training Generative Adversarial Networks with Limited Data", eq. 1), from logits:
(training - held out) / (training - generated); 0 where held-out images look as real as training images, 1 where they look generated.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, median, pstdev
from typing import Any

from pipeline.errors import TrainingFailed
from pipeline.training.settings import HealthLimits, HealthSettings

Numbers = Mapping[str, float]

COMPLETE = "complete mode collapse"
PARTIAL = "mode collapse"
VANISHING = "vanishing gradients"
DIVERGENCE = "divergence"
OSCILLATION = "oscillation"
OVERFITTING = "overfitting discriminator"

ADVICE = {
    COMPLETE: "lower train.learning_rate, or raise model.penalties.r1; model.objective relativistic with r1 and r2 hardly ever collapses",
    PARTIAL: "raise model.penalties.r1, set model.stabilisers.minibatch_std or packing, or a larger train.batch_size",
    VANISHING: "lower train.learning_rate.discriminator, set model.critic_steps 1, or model.stabilisers.instance_noise {start: 0.1, end: 0}",
    DIVERGENCE: "lower train.learning_rate, raise model.penalties.r1, or set train.precision float32",
    OSCILLATION: "lower train.learning_rate towards the end ({start, end}), or raise train.ema_half_life",
    OVERFITTING: "give more data, or set model.stabilisers.augment.policy to diffaugment or ada",
}


@dataclass(frozen=True)
class Sign:
    """`name` in the words of the field, and the numbers that say so; a grave one cannot wait, a told one is never treated."""

    name: str
    evidence: str
    grave: bool = False
    told: bool = False


@dataclass(frozen=True)
class Event:
    """What was noticed or done, for metrics/train.json."""

    step: int
    images: int
    symptom: str
    evidence: str
    response: str

    def __str__(self) -> str:
        return f"{self.images:,} images (step {self.step:,}): {self.symptom}: {self.evidence}; {self.response}"


class Unhealthy(TrainingFailed):
    """Training shows a symptom that calls for a response; where nobody responds, it has failed."""

    def __init__(self, sign: Sign, images: int, advice: Mapping[str, str]) -> None:
        """`advice` is the variant's own, by symptom, where it has settings of its own."""
        super().__init__(
            f"{sign.name} after {images:,} images: {sign.evidence}. What may help: {advice.get(sign.name, ADVICE[sign.name])}"
        )
        self.sign = sign


class Health:
    """Keeps the looks of one training, and says what they show.

    As images seen, -1 where there was none: `well` is the last look without a sign, `best` the last one whose Fréchet distance is, but
    for chance, the smallest, of those without a sign, or, while there are none, of those without a grave one.
    """

    def __init__(self, settings: HealthSettings, total: int, goals: Mapping[str, str] | None = None) -> None:
        """`goals` labels the numbers by which looks may be ranked."""
        self.settings, self.total, self.goals = settings, total, goals or {}
        self.looks: list[dict[str, float]] = []
        self.signs: list[list[str]] = []  # of each look since the last response
        self.events: list[Event] = []
        self.best, self.well, self.least = -1, -1, math.inf
        self.active: list[str] = []  # symptoms of the last look
        self.start = (0, 0)  # looks and images before the weights that are trained
        self.goal, self.since = "fid", 0  # what looks are ranked by, and how many there were before it was

    def look(self, numbers: Numbers, goal: str = "fid") -> list[Sign]:
        """Adds a look (with `images` and `step`, and whatever was measured); returns the symptoms that call for a response now.

        `goal` names the number, smaller is better, by which looks are ranked; a new one begins a new ranking. What is only to be told
        becomes an event when it begins: by its nature, or by the settings, or since training still improves.
        """
        if goal != self.goal:
            self.goal, self.since, self.least = goal, len(self.looks), math.inf
        found = self.read(numbers)
        self.signs.append([sign.name for sign in found])
        if all(math.isfinite(value) for value in numbers.values()):
            self.looks.append(dict(numbers))
        self.rank(numbers, found)
        symptoms = [
            sign for sign in found if self.begun(int(numbers["images"])) and (sign.grave or self.stays(sign.name))
        ]
        told = [
            sign
            for sign in symptoms
            if sign.told or self.settings.response == "warn" or (self.improving and not sign.grave)
        ]
        for sign in told:
            if sign.name not in self.active:
                self.note(numbers, sign, "told")
        self.active = [sign.name for sign in symptoms]
        return [sign for sign in symptoms if sign not in told]

    def rank(self, numbers: Numbers, found: list[Sign]) -> None:
        """Whether this look is the last healthy one, and whether it is the best."""
        if any(sign.grave for sign in found) or (found and self.well >= 0):
            return
        if not found:
            self.least = math.inf if self.well < 0 else self.least  # what was best of the sick counts no more
            self.well = int(numbers["images"])
        self.least = min(self.least, numbers[self.goal])
        if numbers[self.goal] <= self.least + numbers.get(f"{self.goal}_error", 0.0):
            self.best = int(numbers["images"])

    def begun(self, images: int) -> bool:
        """Whether signs mean something: a generator that has hardly begun shows all of them."""
        looks, since = self.start
        return len(self.looks) - looks > self.settings.patience and (
            self.well >= 0 or images - since > self.settings.grace * self.total
        )

    @property
    def improving(self) -> bool:
        """Whether the least distance since the last response is among the last looks."""
        since = self.looks[max(self.since, len(self.looks) - len(self.signs)) :]
        least = min(range(len(since)), key=lambda k: since[k][self.goal], default=0)
        return len(since) - least < self.settings.patience

    def note(self, numbers: Numbers, sign: Sign, response: str) -> None:
        """Records an event."""
        self.events.append(Event(int(numbers["step"]), int(numbers["images"]), sign.name, sign.evidence, response))

    def treated(self, images: int) -> None:
        """Training goes on from other weights: what was seen before says nothing any more, and who was never healthy has a new grace."""
        self.signs, self.active = [], []
        if self.well < 0:
            self.start = (len(self.looks), images)

    @property
    def hopeless(self) -> Sign | None:
        """What is wrong with a training that has nothing to deliver: of more looks than patience none was healthy, and the best is collapsed."""
        if self.well >= 0 or len(self.looks) <= self.settings.patience:
            return None
        if self.best < 0:
            return Sign(COMPLETE, "every look was, or was not finite")
        found = next(look for look in self.looks if look["images"] == self.best).get("diversity", math.inf)
        if found >= self.settings.limits.diversity / 2:
            return None  # poor, but something: the gate decides
        return Sign(
            PARTIAL,
            f"no look was healthy, and the best, of {self.best:,} images, has {found:.2g} of the effective number of different real images",
        )

    @property
    def stalled(self) -> bool:
        """Whether `early_stopping_images` have passed without a better look."""
        most = self.settings.early_stopping_images
        return most is not None and self.best >= 0 and self.looks[-1]["images"] - self.best >= most

    def stays(self, name: str) -> bool:
        last = self.signs[-self.settings.patience :]
        return len(last) == self.settings.patience and all(name in names for names in last)

    def read(self, now: Numbers) -> list[Sign]:
        """The signs of one look, in the light of those before it."""
        bound = self.settings.limits
        if not all(math.isfinite(value) for value in now.values()):
            broken = ", ".join(name for name, value in now.items() if not math.isfinite(value))
            return [Sign(DIVERGENCE, f"{broken} not finite", grave=True)]
        return [
            *collapse(now, self.looks, bound),
            *vanishing(now, self.looks, bound),
            *convergence(now, self.looks[self.since :], self.settings, self.goal, self.goals.get(self.goal, self.goal)),
            *overfitting(now, bound),
        ]

    def state(self) -> dict[str, Any]:
        """Plain values, for a checkpoint."""
        events = [asdict(event) for event in self.events]
        return {
            "looks": self.looks,
            "signs": self.signs,
            "events": events,
            "best": self.best,
            "well": self.well,
            "least": self.least,
            "active": self.active,
            "start": self.start,
            "goal": self.goal,
            "since": self.since,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self.looks, self.signs = [dict(look) for look in state["looks"]], [list(names) for names in state["signs"]]
        self.events = [Event(**event) for event in state["events"]]
        self.best, self.well, self.least, self.active = (
            state["best"],
            state["well"],
            state["least"],
            list(state["active"]),
        )
        self.start = (state["start"][0], state["start"][1])
        self.goal, self.since = state["goal"], state["since"]


def collapse(now: Numbers, before: Sequence[Numbers], bound: HealthLimits) -> list[Sign]:
    if "distance" not in now:
        return []  # what is made of inputs is as varied as they are
    if now["distance"] < bound.distance:
        return [
            Sign(
                COMPLETE,
                f"samples lie {now['distance']:.2g} times as far apart as real images (at least {bound.distance:g})",
                grave=True,
            )
        ]
    reached = max((look["diversity"] for look in before), default=0.0)
    if now["near_duplicates"] > bound.near_duplicates:
        return [
            Sign(
                PARTIAL,
                f"{now['near_duplicates']:.0%} of the samples nearly repeat another (at most {bound.near_duplicates:.0%})",
            )
        ]
    if now["diversity"] < bound.diversity:
        return [
            Sign(
                PARTIAL,
                f"the effective number of different samples is {now['diversity']:.2g} of that of real images (at least {bound.diversity:g})",
            )
        ]
    if now["diversity"] < bound.diversity_drop * min(reached, 1.0):
        return [
            Sign(
                PARTIAL,
                f"the effective number of different samples fell from {reached:.2g} to {now['diversity']:.2g} of that of real images",
            )
        ]
    if now.get("classes", 1.0) < bound.classes:
        return [Sign(PARTIAL, f"{now['classes']:.0%} of the classes are shown (at least {bound.classes:.0%})")]
    return []


def vanishing(now: Numbers, before: Sequence[Numbers], bound: HealthLimits) -> list[Sign]:
    if "d_accuracy" not in now or "grad_norm_generator" not in now:
        return []
    usual = median(
        [look["grad_norm_generator"] for look in before if "grad_norm_generator" in look]
        or [now["grad_norm_generator"]]
    )
    if now["d_accuracy"] < bound.saturation or now["grad_norm_generator"] >= bound.gradient * usual:
        return []
    return [
        Sign(
            VANISHING,
            f"the discriminator orders {now['d_accuracy']:.1%} of the pairs rightly, and the generator's gradient is "
            f"{now['grad_norm_generator']:.2g} (usually {usual:.2g})",
        )
    ]


def convergence(now: Numbers, before: Sequence[Numbers], settings: HealthSettings, goal: str, name: str) -> list[Sign]:
    """Return the signs of divergence and oscillation of the number `goal`, which messages call `name`."""
    bound, patience = settings.limits, settings.patience
    least = min((look[goal] for look in before), default=math.inf)
    if now[goal] > bound.divergence * least:
        return [Sign(DIVERGENCE, f"the {name} is {now[goal]:.3g}, and was {least:.3g}")]
    last = [look[goal] for look in before[-2 * patience + 1 :]] + [now[goal]]
    if len(last) == 2 * patience and len(before) > 2 * patience:
        swing = pstdev(last) / max(fmean(last), 1e-12)
        if swing > bound.oscillation and min(last[-2:]) > least:
            return [
                Sign(OSCILLATION, f"the {name} swings by {swing:.0%} about its mean of {fmean(last):.3g}", told=True)
            ]
    return []


def overfitting(now: Numbers, bound: HealthLimits) -> list[Sign]:
    if now.get("overfitting", 0.0) <= bound.overfitting:
        return []
    return [
        Sign(
            OVERFITTING,
            f"held-out images look {now['overfitting']:.0%} of the way from training images to generated ones (r_v; at most {bound.overfitting:.0%})",
        )
    ]
