"""Profiles of clips: equal frames, flicker, grain, the order of the frames, cuts, and the course over time."""

from collections.abc import Callable, Sequence

import numpy as np

from pipeline.arrays import Float32Array, Float64Array, FloatArray, Items
from pipeline.items import ItemSpec
from pipeline.media.profiles import Change, Profile, best_change, take_first
from pipeline.media.video.clip import unfold
from pipeline.media.video.digit_recognition import recognised_frames
from pipeline.media.video.statistics import DARK, EQUAL, changes, levels

CELLS = 4
"""Rows and columns of the mean frames whose course is compared."""
LEAST = 2.0
"""Gray levels: courses that are nearer are not compared further."""
DIGIT = "digit"
"""What all clips but those of one built-in digit lack; see `Measure.needs`."""


def lacks(spec: ItemSpec) -> frozenset[str]:
    """Return "digit" for all clips but those of one moving digit."""
    return frozenset() if spec.details.get(DIGIT) else frozenset({DIGIT})


def profiles(spec: ItemSpec) -> Sequence[Profile]:
    """Return the profiles of clips of a spec."""
    colours = spec.channels // spec.frames

    def of(function: Callable[[Float32Array], FloatArray]) -> Callable[[Items], FloatArray]:
        return lambda items: function(levels(unfold(items, colours)))

    def find_change(fake: Float64Array, real: Float64Array) -> Change | None:
        return search(fake, real, spec)[1]

    found = [Profile("recognised", of(recognised_frames), take_first)] if spec.details.get(DIGIT) else []
    return [
        *found,
        Profile("equal_frames", of(equal_frames), difference),
        Profile("flicker", of(flicker), difference),
        Profile("grain", of(grain), difference),
        Profile("order", of(lagged_changes), compare_orders),
        Profile("cuts", of(largest_change), difference),
        Profile(
            "course",
            of(course),
            lambda fake, real: search(fake, real, spec)[0],
            weighted=False,
            change=find_change,
        ),
    ]


def difference(fake: Float64Array, real: Float64Array) -> float:
    """Return how much larger the mean of samples is."""
    return float(fake.mean() - real.mean())


def equal_frames(values: Float32Array) -> FloatArray:
    """Return the share of frames that equal the one before, [n, 1]."""
    least = EQUAL * values.reshape(len(values), -1).std(axis=1, keepdims=True) + 1e-4
    return np.asarray((changes(values, 1) < least).mean(axis=1, keepdims=True), dtype=np.float32)


def flicker(values: Float32Array) -> FloatArray:
    """Return by how much the light of a whole frame differs from that of its neighbours, as a share of it, [n, 1].

    The light of a frame is compared with the mean of the frames before and after it, so a slow change does not count.
    """
    light = values.mean(axis=(2, 3, 4))
    if light.shape[1] < 3:
        return np.zeros((len(light), 1), dtype=np.float32)
    between = np.abs(light[:, 1:-1] - (light[:, :-2] + light[:, 2:]) / 2).mean(axis=1)
    return np.asarray(between / (light.mean(axis=1) + DARK), dtype=np.float32)[:, None]


def grain(values: Float32Array) -> FloatArray:
    """Return the median difference of a pixel from the mean of its neighbours left and right, in gray levels, [n, 1].

    Edges are few, so the median shows what covers the whole frame.
    """
    apart = np.abs(values[:, :, :, 1:-1] - (values[:, :, :, :-2] + values[:, :, :, 2:]) / 2)
    return np.asarray(255 * np.median(apart.reshape(len(values), -1), axis=1, keepdims=True), dtype=np.float32)


def lagged_changes(values: Float32Array) -> FloatArray:
    """Return the mean change between neighbouring frames, and between frames that are two apart, [n, 2]."""
    second = changes(values, 2) if values.shape[1] > 2 else changes(values, 1)
    return np.stack([changes(values, 1).mean(axis=1), second.mean(axis=1)], axis=1).astype(np.float32)


def compare_orders(fake: Float64Array, real: Float64Array) -> float:
    """Return how much nearer to 1 the ratio of both changes is: in random order neighbours are no more alike."""
    ours, theirs = (float(one[0] / (one[1] + 1e-6)) for one in (fake, real))
    return ours - theirs


def largest_change(values: Float32Array) -> FloatArray:
    """Return the largest change between neighbouring frames over the median one, [n, 1]."""
    found = changes(values, 1)
    ratio = found.max(axis=1, keepdims=True) / (np.median(found, axis=1, keepdims=True) + DARK / 2)
    return np.asarray(ratio, dtype=np.float32)


def course(values: Float32Array) -> FloatArray:
    """Return coarse frames in gray levels, [n, T * 16]."""
    n, frames, height, width = values.shape[:4]
    rows, columns = (np.linspace(0, side, CELLS + 1).astype(int)[:-1] for side in (height, width))
    light = values.mean(axis=4)
    sums = np.add.reduceat(np.add.reduceat(light, rows, axis=2), columns, axis=3)
    means = 255 * sums / (height * width / CELLS**2)
    return np.asarray(means.reshape(n, frames * CELLS**2), dtype=np.float32)


def search(fake: Float64Array, real: Float64Array, spec: ItemSpec) -> tuple[float, Change | None]:
    """Return how much nearer the mean course comes to the real one, in gray levels, if clips are reversed."""
    ours, theirs = (one.reshape(spec.frames, -1) for one in (fake, real))
    backwards = Change("backwards", "played backwards", lambda items: reverse(items, spec))
    return best_change(distance(ours, theirs), [(backwards, distance(ours[::-1], theirs))], LEAST)


def distance(first: Float64Array, second: Float64Array) -> float:
    """Return the root mean squared difference."""
    return float(np.sqrt(np.mean((first - second) ** 2)))


def reverse(items: Items, spec: ItemSpec) -> Items:
    """Return clips [n, H, W, T * C] with their frames in the opposite order."""
    n, height, width, channels = items.shape
    clips = items.reshape(n, height, width, spec.frames, channels // spec.frames)
    return np.ascontiguousarray(clips[:, :, :, ::-1].reshape(items.shape))
