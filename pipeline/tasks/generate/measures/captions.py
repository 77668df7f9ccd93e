"""Does a generator draw what its text says, also what it never saw, and with variety?"""

from typing import TYPE_CHECKING

from pipeline.evaluation.measures.intervals import wilson_interval
from pipeline.evaluation.wording import percent
from pipeline.measure import Bounds, Measurement
from pipeline.tasks.generate.measures.registry import measure
from pipeline.tasks.generate.symptoms import TRUNCATED_TEXT, WRONG_TEXT

if TYPE_CHECKING:
    from pipeline.tasks.generate.sample_set import SampleSet

UNMATCHED = "the captions of held-out items are too few or too much alike"


def precision(data: "SampleSet", *, unseen: bool = False) -> Measurement:
    """Return the share of samples whose own caption is found, next to that of real items."""
    if data.retrieved is None:
        return Measurement(None)
    samples, real = data.retrieved
    (hits, n), (known, m) = samples.share(unseen=unseen), real.share(unseen=unseen)
    if not n or not m or not known:
        return Measurement(None)
    expected = known / m
    spread = (expected * (1 - expected) * (1 / n + 1 / m)) ** 0.5
    return Measurement(hits / n, expected, spread, "", wilson_interval(hits, n, "samples"))


def describe_wrong_text(data: "SampleSet", bounds: Bounds) -> str:
    """Return the evidence that samples show something else than their captions say."""
    found, unseen = precision(data), precision(data, unseen=True)
    text = f"{percent(found.number or 0.0)} of the samples are nearest to their own caption of 60 "
    text += f"({percent(found.null or 0.0)} of real images)"
    if unseen.number is not None:
        text += f"; {percent(unseen.number)} of those with captions that are not in the training data"
    return text


@measure(
    explanation="R-precision: samples whose own caption is the nearest of 60 to a network that the model was not "
    "trained with, over that of real images",
    kind="relative",
    better="high",
    bound=0.5,
    limits={"ge": 0, "le": 1},
    missing=UNMATCHED,
    needs="captions",
    group="conditions",
    symptoms=(WRONG_TEXT,),
    evidence=describe_wrong_text,
    place=3,
)
def caption_precision(data: "SampleSet") -> Measurement:
    return precision(data)


@measure(
    explanation="caption_precision of captions that no training image has",
    kind="relative",
    better="high",
    bound=0.5,
    limits={"ge": 0, "le": 1},
    missing=UNMATCHED,
    needs="captions",
    group="conditions",
    symptoms=(WRONG_TEXT,),
    evidence=describe_wrong_text,
)
def caption_precision_unseen(data: "SampleSet") -> Measurement:
    return precision(data, unseen=True)


@measure(
    explanation="standard deviation between samples of one caption, in reduced pixels, over that of real images",
    kind="relative",
    better="high",
    bound=0.75,
    limits={"ge": 0},
    missing="too few captions describe several real images",
    needs="captions",
    group="conditions",
    symptoms=(TRUNCATED_TEXT,),
)
def caption_spread(data: "SampleSet") -> Measurement:
    return data.caption_spread


@measure(explanation="samples with captions that no training image has", needs="captions")
def captions_unseen(data: "SampleSet") -> int | None:
    return None if data.retrieved is None else data.retrieved[0].share(unseen=True)[1]
