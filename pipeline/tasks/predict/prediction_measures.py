"""The measures of predicted frames and the failure modes that they name.

A bound is an effect size: decibels over the best prediction without learning, or a share of what real frames have.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.evaluation.measures.intervals import interval_of_mean
from pipeline.measure import Measure, Measurement, Symptom

if TYPE_CHECKING:
    from pipeline.tasks.predict.predictions import Predictions

HORIZONS = "horizons"
"""What predictions have that lead further than one frame."""

FAR_OFF = -3.0
"""Gain in dB below which a prediction has twice the error of one without learning."""

STILL = 0.5
"""Motion, of that of real frames, below which nothing moves."""

LONGER = "Train longer (train.total_images), or with more model.generator_channels or model.blocks"


def is_still(found: Mapping[str, Measurement]) -> bool:
    """Return whether predicted frames repeat those before them."""
    return (found["motion"].number or 0.0) < STILL


def is_rough(found: Mapping[str, Measurement]) -> bool:
    """Return whether predicted frames have more edges than real ones."""
    return (found["sharpness"].number or 0.0) > 1


def starts_well(found: Mapping[str, Measurement]) -> bool:
    """Return whether the first predicted frame is better than what needs no learning."""
    return (found["gain_first"].number or 0.0) > 0


def is_blurred(found: Mapping[str, Measurement]) -> bool:
    """Return whether predicted frames have fewer edges than real ones."""
    return not is_rough(found)


FROZEN = Symptom(
    "frozen",
    10,
    f"Predicted frames repeat the last one. {LONGER}",
    explains=frozenset({"fidelity", "sharpness", "edge_strength"}),
    when=is_still,
)
RESTLESS = Symptom(
    "too much motion",
    12,
    "Predicted frames jump or flicker: lower model.weights.adversarial, or raise model.weights.l2",
    explains=frozenset({"fidelity"}),
)
NOISY = Symptom(
    "artefacts",
    14,
    "Predicted frames have edges that real ones have not: lower model.weights.adversarial, or raise model.weights.l2",
    explains=frozenset({"fidelity"}),
    when=is_rough,
)
BROKEN = Symptom(
    "broken clips", 16, f"Some predictions are far off; the report shows the worst. {LONGER}", when=starts_well
)
BLURRED = Symptom(
    "blurred",
    20,
    "Predicted frames average over several futures: lower model.pretraining, raise model.weights.adversarial, or train "
    "longer (train.total_images)",
    when=is_blurred,
)
UNREAL = Symptom(
    "unreal frames",
    26,
    "The last predicted frames show nothing that real frames show. Predict fewer frames (data.frames), train longer "
    "(train.total_images), or with more model.generator_channels or model.blocks",
)
NO_GAIN = Symptom("no better than a prediction without learning", 30, LONGER, causes=("broken_clips",))
FALLS_APART = Symptom(
    "errors grow with the horizon",
    28,
    "Raise model.ahead, so that training sees predicted frames as input, too",
    when=starts_well,
)


def gain_at(data: "Predictions", horizon: int) -> Measurement:
    """Return the gain in dB over the best prediction without learning at a horizon, with its interval."""
    gains = data.gains[:, horizon]
    return Measurement(float(gains.mean()), interval=interval_of_mean(gains, "clips"))


def psnr_at(data: "Predictions", horizon: int) -> Measurement:
    """Return the PSNR at a horizon, next to that of the best prediction without learning."""
    return Measurement(float(data.scores[:, horizon].mean()), float(data.best_scores[:, horizon].mean()))


def broken_clips(data: "Predictions") -> float:
    """Return the share of clips whose first predicted frame is far off.

    In a still clip a copy of the last frame is exact, and every error is far from that. So the error must also be
    larger than that of a prediction without learning is on average.
    """
    scores, typical = data.scores[:, 0], data.best_scores[:, 0].mean()
    return float(((data.gains[:, 0] < FAR_OFF) & (scores < typical)).mean())


def fid_ratio_last(data: "Predictions") -> Measurement:
    """Return the Fréchet distance of the last predicted frames over that of real frames, with its interval."""
    found = data.realism
    if found is None:
        return Measurement(None, skip="there are too few frames")
    interval = None if found.interval is None or found.value is None else found.interval.rescale(1 / found.null)
    return Measurement(found.value, 1.0, interval=interval)


def describe_best(data: "Predictions", horizon: int) -> str:
    """Return the evidence of a small gain."""
    ours, best = data.scores[:, horizon].mean(), data.best_scores[:, horizon].mean()
    where = f" at horizon {horizon % data.horizons + 1}" if data.horizons > 1 else ""
    return f"PSNR{where} is {ours:.2f} dB; {data.best[horizon]} reaches {best:.2f} dB without learning"


MEASURES: "tuple[Measure[Predictions], ...]" = (
    Measure(
        "psnr_first",
        lambda data: psnr_at(data, 0),
        "PSNR of the first predicted frame in dB; the reference is the best prediction without learning",
    ),
    Measure(
        "gain_first",
        lambda data: gain_at(data, 0),
        "PSNR of the first predicted frame in dB, minus that of the best prediction without learning",
        better="high",
        bound=1.0,
        group="fidelity",
        symptoms=(NO_GAIN,),
        evidence=lambda data, bounds: describe_best(data, 0),
        headline=True,
        place=1,
    ),
    Measure(
        "psnr_last",
        lambda data: psnr_at(data, -1),
        "PSNR of the last predicted frame in dB; the reference is the best prediction without learning",
        needs=HORIZONS,
    ),
    Measure(
        "gain_last",
        lambda data: gain_at(data, -1),
        "PSNR of the last predicted frame in dB, minus that of the best prediction without learning",
        better="high",
        bound=0.0,
        needs=HORIZONS,
        group="fidelity",
        symptoms=(FALLS_APART, NO_GAIN),
        evidence=lambda data, bounds: describe_best(data, -1),
        headline=True,
        place=2,
    ),
    Measure(
        "sharpness",
        lambda data: data.sharpness,
        "mean difference of neighbouring pixels of predicted frames over that of the real ones",
        better="range",
        bound=(0.7, 1.3),
        symptoms=(NOISY, BLURRED),
        headline=True,
        place=3,
    ),
    Measure(
        "sharpness_last",
        lambda data: float(data.sharpness_by_horizon[-1]),
        "the same of the last predicted frame alone",
        needs=HORIZONS,
    ),
    Measure(
        "edge_strength",
        lambda data: data.edge_strength,
        "root mean square of these differences over that of the real frames: a blur lowers it more, and faint specks "
        "raise it less",
        better="high",
        bound=0.7,
        limits={"gt": 0, "le": 1},
        symptoms=(BLURRED,),
    ),
    Measure(
        "fid_ratio_last",
        fid_ratio_last,
        "Fréchet distance of the last predicted frames to real ones over that between real frames, in features learned "
        "from real frames",
        better="low",
        bound=3.0,
        limits={"gt": 0},
        symptoms=(UNREAL,),
        headline=True,
        place=4,
    ),
    Measure(
        "motion",
        lambda data: data.motion,
        "mean change from frame to frame of predicted frames over that of the real ones",
        better="range",
        bound=(STILL, 1.5),
        symptoms=(FROZEN, RESTLESS),
    ),
    Measure(
        "broken_clips",
        broken_clips,
        f"share of clips whose first frame is {-FAR_OFF:g} dB worse than the best prediction without learning, and "
        "worse than that is on average",
        better="low",
        bound=0.05,
        limits={"gt": 0, "le": 1},
        symptoms=(BROKEN,),
    ),
)
