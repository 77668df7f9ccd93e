"""Does the class of an item survive the way through its file, such as from a spectrogram to a sound and back?"""

from math import sqrt

import numpy as np
import numpy.typing as npt

from pipeline.arrays import Int64Array, Items
from pipeline.evaluation.extractors.base import ArrayItems, Images, extract
from pipeline.evaluation.extractors.classifier import Classifier
from pipeline.evaluation.measures.copies import choose
from pipeline.evaluation.measures.intervals import wilson_interval
from pipeline.items import ItemSpec
from pipeline.measure import Measurement
from pipeline.media.registry import find_medium

MOST = 500
"""Items of either side that are written and read again; a share of 0.95 is known within 2 %."""
BATCH = 250


Kept = npt.NDArray[np.bool_]
"""For each of some items whether its class stays, [n]."""


def compare_kept(kept: Kept, real: Kept) -> Measurement:
    """Return the share of samples whose most probable class stays, with that of real items as null."""
    share = float(real.mean())
    # A share of all items is known no better than to one item.
    uncertain = max(1 - share, 1 / len(real)) * share
    spread = sqrt(uncertain * (1 / len(kept) + 1 / len(real)))
    interval = wilson_interval(int(kept.sum()), len(kept), "samples")
    return Measurement(float(kept.mean()), share, spread, interval=interval)


def find_kept(items: Images, judge: Classifier, item: ItemSpec) -> Kept | None:
    """Return for each of at most 500 items whether its class stays, [n]; None if files change nothing."""
    positions = choose(len(items), MOST)
    found = []
    for chosen in np.array_split(positions, -(-len(positions) // BATCH)):
        before = items.images(chosen)
        after = find_medium(item.medium).reread(before, item)
        if after is None:
            return None
        found.append(classify(before, judge) == classify(after, judge))
    return np.concatenate(found)


def classify(items: Items, judge: Classifier) -> Int64Array:
    """Return the most probable class of each item, [n]."""
    classes: Int64Array = judge.predict(extract(judge, ArrayItems(items), BATCH)).argmax(axis=1).astype(np.int64)
    return classes
