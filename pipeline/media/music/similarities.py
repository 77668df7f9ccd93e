"""How near an accompanied piece is to its original, and an accompaniment that needs no learning: another piece's."""

import numpy as np

from pipeline.arrays import BoolArray, Float64Array, Items
from pipeline.items import ItemSpec
from pipeline.media.music.families import DRUMS
from pipeline.media.music.form import form_of, lowest
from pipeline.media.music.grid import pitches_of
from pipeline.media.music.rolls import is_on
from pipeline.media.restoration import Similarity

SEED = 19
"""Of the pieces that accompaniments are borrowed from."""


def pitch_class_sets(items: Items, spec: ItemSpec) -> BoolArray:
    """Return which pitch classes sound at each step, [n, steps, 12]; percussion has none."""
    if "tracks" in spec.details:
        names = form_of(spec).names(spec)
        pitched = is_on(items)[..., [k for k, name in enumerate(names) if name != DRUMS]].any(axis=3)
        table = np.eye(12, dtype=np.int64)[(np.arange(spec.width) + lowest(spec)) % 12]
        return np.asarray(pitched.astype(np.int64) @ table > 0)
    pitches = pitches_of(items, spec)
    return np.stack([((pitches >= 0) & (pitches % 12 == number)).any(axis=2) for number in range(12)], axis=2)


def chord_agreement(items: Items, originals: Items, spec: ItemSpec) -> Float64Array:
    """Return how much the pitch classes of a step overlap with those of the original, the mean over steps, [n].

    The overlap is the number of pitch classes that both sound over that of those that one sounds; 1 if neither does.
    """
    ours, theirs = (pitch_class_sets(batch, spec) for batch in (items, originals))
    both, either = (ours & theirs).sum(axis=2), (ours | theirs).sum(axis=2)
    overlap: Float64Array = np.where(either > 0, both / np.maximum(either, 1), 1.0).mean(axis=1)
    return overlap


SIMILARITIES = (
    Similarity(
        "chord_agreement",
        "share of the pitch classes of a step that a piece and its original have in common",
        chord_agreement,
    ),
)


def borrow_accompaniment(given: Items, originals: Items, spec: ItemSpec) -> Items:
    """Return pieces with their own given voices or tracks, and the other ones of a random piece.

    An accompaniment that does not depend on what is given agrees with the originals no better. Neighbours are of one
    class or file, so they are not taken.
    """
    part_axis = 3 if "tracks" in spec.details else 2
    others = tuple(axis for axis in range(4) if axis != part_axis)
    same = (given == originals).all(axis=others)
    shape = [1] * 4
    shape[part_axis] = len(same)
    others_of = np.random.default_rng(SEED).permutation(len(originals))
    return np.where(same.reshape(shape), originals, originals[others_of])
