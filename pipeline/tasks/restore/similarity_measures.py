"""The measures of restored items of media that say how an item is compared with its original."""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.evaluation.measures.intervals import interval_of_mean, wilson_interval
from pipeline.measure import Measure, Measurement, Symptom
from pipeline.media.base import Medium
from pipeline.media.restoration import RECOGNISED, Similarity
from pipeline.tasks.medium_measures import CHANGES, add_medium_measures

if TYPE_CHECKING:
    from pipeline.tasks.restore.similarity_trial import SimilarityTrial

LONGER = "Train longer (train.total_images), or take wider networks (model.generator_channels)"
NO_GAIN = Symptom("little gain over the input", 40, LONGER)
UNCLEAR = Symptom("classes are lost", 39, LONGER)
BELOW_BASELINE = Symptom("no better than the baseline without learning", 41, LONGER)


def mean(name: str, trial: "SimilarityTrial") -> Measurement:
    """Return the mean similarity of restored items, next to that of the inputs."""
    scores = trial.scores[name]
    return Measurement(float(scores.restored.mean()), float(scores.given.mean()))


def gain(name: str, sign: int, trial: "SimilarityTrial") -> Measurement:
    """Return by how much restored items are nearer to the originals than the inputs are, with its interval."""
    gains = sign * (trial.scores[name].restored - trial.scores[name].given)
    return Measurement(float(gains.mean()), interval=interval_of_mean(gains.tolist(), "items"))


def gain_over_baseline(name: str, sign: int, trial: "SimilarityTrial") -> float:
    """Return by how much restored items are nearer to the originals than the baseline is."""
    return float(sign * (trial.scores[name].restored - trial.scores[name].baseline).mean())


def baseline_gain(name: str, sign: int, trial: "SimilarityTrial") -> float:
    """Return by how much the baseline is nearer to the originals than the inputs are."""
    return float(sign * (trial.scores[name].baseline - trial.scores[name].given).mean())


def accuracy_kept(trial: "SimilarityTrial") -> Measurement:
    """Return the share of results whose class a classifier names, with that of the originals as null."""
    assert trial.recognised is not None
    original, restored = trial.recognised.T
    interval = wilson_interval(int(restored.sum()), len(restored), "items")
    return Measurement(float(restored.mean()), float(original.mean()), interval=interval)


ACCURACY: "Measure[SimilarityTrial]" = Measure(
    "accuracy_kept",
    accuracy_kept,
    "share of restored items whose class a classifier names right, over that of the originals",
    kind="relative",
    better="high",
    bound=0.98,
    limits={"gt": 0, "le": 1},
    needs=RECOGNISED,
    symptoms=(UNCLEAR,),
    headline=True,
)


def measures_of(similarity: Similarity, place: int | None) -> "tuple[Measure[SimilarityTrial], ...]":
    """Return the measures of one similarity: its mean, and what is gained over the input and over the baseline."""
    name, words = similarity.name, similarity.explanation
    sign = 1 if similarity.higher else -1
    nearer = "minus that of the input" if similarity.higher else "below that of the input"
    over = "minus that of the baseline" if similarity.higher else "below that of the baseline"
    needs = similarity.needs
    about: dict[str, Any] = {"better": "high", "bound": 0.0, "group": "fidelity", "needs": needs}
    return (
        Measure(name, functools.partial(mean, name), words, needs=needs, headline=True),
        Measure(
            f"{name}_gain",
            functools.partial(gain, name, sign),
            f"{words}, {nearer}",
            symptoms=(NO_GAIN,),
            headline=True,
            place=place,
            **about,
        ),
        Measure(
            f"{name}_over_baseline",
            functools.partial(gain_over_baseline, name, sign),
            f"{words}, {over}, which needs no learning",
            symptoms=(BELOW_BASELINE,),
            **about,
        ),
        Measure(
            f"{name}_baseline_gain",
            functools.partial(baseline_gain, name, sign),
            f"{words}, of the baseline, compared with that of the input",
            needs=needs,
        ),
    )


@functools.cache
def measures_of_similarity(medium: Medium) -> "Sequence[Measure[Any]]":
    """Return the measures of restored items of a medium: of each similarity, and of how the items look or sound."""
    own = [measure for k, one in enumerate(medium.similarities) for measure in measures_of(one, k + 1)]
    return add_medium_measures([*own, ACCURACY], medium, {}, without=CHANGES)
