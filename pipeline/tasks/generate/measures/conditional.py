"""Does a conditional generator draw the class that it is asked for, and with variety?"""

from typing import TYPE_CHECKING

import numpy as np

from pipeline.tasks.generate.measures.registry import measure

if TYPE_CHECKING:
    from pipeline.tasks.generate.sample_set import SampleSet


@measure(explanation="share of samples that the classifier sees as the class asked for", needs="conditions", ideal="1")
def label_agreement(data: "SampleSet") -> float | None:
    if data.predicted is None or not len(data):
        return None
    return float(np.mean(data.predicted == data.labels))


@measure(
    explanation="classification accuracy score: real test images that a classifier trained on samples alone gets right",
    needs="conditions",
)
def cas(data: "SampleSet") -> float | None:
    return data.classification_accuracy_score


def class_ratios(data: "SampleSet") -> list[tuple[float, str]]:
    """Return fid_ratio and name of each class that has enough items."""
    return [(one.fid_ratio, one.name) for one in data.class_distances if one.fid_ratio is not None]


@measure(
    explanation="fid_ratio within a class, of the samples asked for; mean over the classes",
    needs="conditions",
    ideal="1",
)
def class_fid_ratio_mean(data: "SampleSet") -> float | None:
    ratios = class_ratios(data)
    return float(np.mean([ratio for ratio, _ in ratios])) if ratios else None


@measure(explanation="fid_ratio within the class where it is highest", needs="conditions", ideal="1")
def class_fid_ratio_worst(data: "SampleSet") -> float | None:
    return max((ratio for ratio, _ in class_ratios(data)), default=None)


@measure(explanation="class with the highest fid_ratio", needs="conditions", reported=False)
def class_fid_ratio_worst_class(data: "SampleSet") -> str | None:
    return max(class_ratios(data), key=lambda pair: pair[0], default=(0.0, None))[1]


@measure(
    explanation="diversity within a class over that of real images; mean over the classes", needs="classes", ideal="1"
)
def class_vendi_ratio_mean(data: "SampleSet") -> float | None:
    values = [value for _, value in data.class_diversity]
    return float(np.mean(values)) if values else None


@measure(explanation="diversity within the least diverse class over that of real images", needs="classes", ideal="1")
def class_vendi_ratio_worst(data: "SampleSet") -> float | None:
    return min((value for _, value in data.class_diversity), default=None)


@measure(explanation="the least diverse class", needs="classes", reported=False)
def class_vendi_ratio_worst_class(data: "SampleSet") -> str | None:
    return min(data.class_diversity, key=lambda pair: pair[1], default=(None, 0.0))[0]
