"""Measure how much the items of one caption differ in pixels: a generator that ignores its latent draws only one."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from pipeline.arrays import Float32Array, Float64Array
from pipeline.evaluation.measures.class_spread import ratio, total_variance
from pipeline.measure import Measurement

FEWEST = 10
"""Captions that two samples and two real items have, at least."""

DRAWS = 200


def caption_spread(
    fake: Float32Array, fake_captions: Sequence[str], real: Float32Array, captions: Sequence[str], *, seed: int
) -> Measurement:
    """Return the standard deviation within captions over that of real items; its spread comes from redrawn captions.

    Variances are averaged over the captions, and the roots of the two means are compared.

    Args:
        fake, real: Reduced items, [n, d] and [m, d].
        fake_captions, captions: Their captions, [n] and [m].
        seed: Seed of the draws.

    Returns:
        The measurement; no value if fewer than 10 captions describe two items on both sides.
    """
    ours, theirs = group(fake_captions), group(captions)
    common = [one for one in theirs if one and len(theirs[one]) > 1 and len(ours.get(one, [])) > 1]
    if len(common) < FEWEST:
        return Measurement(None)
    samples = np.array([total_variance(fake[ours[one]]) for one in common])
    expected = np.array([total_variance(real[theirs[one]]) for one in common])
    rng = np.random.default_rng([seed, 22])
    draws: Float64Array = np.sqrt(expected[rng.integers(len(common), size=(DRAWS, len(common)))].mean(axis=1))
    ours_deviation, deviation = float(samples.mean()) ** 0.5, float(expected.mean()) ** 0.5
    spread = float(draws.std(ddof=1)) / deviation if deviation > 0 else 0.0
    return Measurement(ratio(ours_deviation, deviation), 1.0, spread)


def group(captions: Sequence[str]) -> dict[str, list[int]]:
    """Return the positions of each caption."""
    positions = defaultdict(list)
    for position, caption in enumerate(captions):
        positions[caption].append(position)
    return positions
