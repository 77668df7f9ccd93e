"""R-precision of text to image: is an item's own caption the nearest of 60 (Xu et al., "AttnGAN", 2018)?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.arrays import BoolArray, Float32Array

CANDIDATES = 60
"""Captions that an item is compared with, its own included."""

SAME = 0.8
"""Cosine from which two captions say the same, so that neither is a wrong answer for the other."""

FEWEST = 10
"""Captions that say something else, below which there is no precision."""


@dataclass(frozen=True)
class Retrieved:
    """Whether the own caption of each item was found; `unseen` marks captions that no training item has, [n]."""

    hits: BoolArray
    unseen: BoolArray

    def share(self, *, unseen: bool = False) -> tuple[int, int]:
        """Return the number of hits and of items, of all or of those with unseen captions."""
        chosen = self.hits[self.unseen] if unseen else self.hits
        return int(chosen.sum()), len(chosen)


def retrieve(
    items: Float32Array, captions: Sequence[str], directions: dict[str, Float32Array], seed: int
) -> BoolArray | None:
    """Return for each item whether its own caption is nearer than 59 others that say something else, [n].

    Args:
        items: Directions of the items, [n, d], of length 1.
        captions: Their captions, [n].
        directions: Directions of all captions that are candidates, [d] each, of length 1.
        seed: Seed of the draws of candidates.

    Returns:
        The hits; None if a caption has too few others that say something else.
    """
    names = list(directions)
    places = {name: place for place, name in enumerate(names)}
    texts = np.stack([directions[name] for name in names])
    others = [np.flatnonzero(row) for row in texts @ texts.T < SAME]
    own = [places[caption] for caption in captions]
    if min((len(others[place]) for place in own), default=0) < FEWEST:
        return None
    rng, cosines = np.random.default_rng([seed, 21]), items @ texts.T
    hits = np.empty(len(items), dtype=bool)
    for number, place in enumerate(own):
        wrong = rng.permutation(others[place])[: CANDIDATES - 1]
        hits[number] = cosines[number, place] > cosines[number, wrong].max()
    return hits
