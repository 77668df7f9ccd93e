"""Profiles of clips: mean spectrum, course over time, levels, hiss, silence, and the mean picture.

Each is compared in a unit that tells whether a person hears the difference: decibels, or a share of the length.
"""

import functools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from pipeline.arrays import Float64Array, FloatArray, Int64Array, Items
from pipeline.items import ItemSpec
from pipeline.media.audio.mel_codec import MelCodec, hertz_to_mel, mel_to_hertz
from pipeline.media.audio.statistics import decibels, powers
from pipeline.media.audio.waves import from_pictures, picture_spec, pictures_of
from pipeline.media.profiles import Change, Profile, best_change

FAINT = 1e-6
"""Power, relative to all bands, that is added to each band: -60 dB, which other sounds mask."""
SILENT_DB = -50.0
"""Level of the loudest cell of a silent item."""
QUIETEST = 0.25
"""Share of an item's cells whose mean level is its hiss."""
STEPS = 32
"""Thresholds of a distribution of levels."""
REACH = 6
"""Shifts are searched up to this part of a side."""
SPEEDS = tuple(2 ** (quarter / 24) for quarter in range(-12, 13) if abs(quarter) > 1)
"""Speeds that are tried, in quarter tones up to a half octave."""
LEAST = 1.0
"""Decibels: nearer mean pictures are not compared further."""


def profiles(spec: ItemSpec) -> Sequence[Profile]:
    """Return the profiles of clips of a spec."""
    floor = MelCodec.of(spec).floor_db

    def of(function: Callable[..., FloatArray]) -> Callable[[Items], FloatArray]:
        return lambda items: function(pictures_of(items, spec), floor=floor)

    compare, change = functools.partial(gain, spec=spec), functools.partial(find_change, spec=spec)
    return [
        Profile("spectrum", of(spectrum), compare_spectra),
        Profile("course", of(course), compare_courses),
        Profile("levels", of(levels), functools.partial(compare_levels, floor=floor)),
        # Noise changes the classes that a classifier sees, so real clips are not weighted by them.
        Profile("hiss", of(hiss), difference, weighted=False),
        Profile("silence", of(silence), difference),
        Profile("placement", of(picture), compare, weighted=False, change=change),
    ]


def difference(fake: Float64Array, real: Float64Array) -> float:
    """Return how much larger the mean of samples is."""
    return float(fake.mean() - real.mean())


def spectrum(items: Items, floor: float) -> FloatArray:
    """Return the power of each mel band, [n, mels]."""
    found: FloatArray = powers(items, floor).mean(axis=2)
    return found


def compare_spectra(fake: Float64Array, real: Float64Array) -> float:
    """Return the largest difference of the shares of a band in two spectra, in decibels."""
    ours, theirs = (one / (one.sum() + 1e-12) + FAINT for one in (fake, real))
    return float(np.abs(10 * np.log10(ours / theirs)).max())


def course(items: Items, floor: float) -> FloatArray:
    """Return the share of the power in each column, [n, frames]."""
    found = powers(items, floor).sum(axis=1)
    shares: FloatArray = found / (found.sum(axis=1, keepdims=True) + 1e-12)
    return shares


def compare_courses(fake: Float64Array, real: Float64Array) -> float:
    """Return the earth mover's distance of two courses, as a share of the length."""
    ours, theirs = (np.cumsum(one) / max(float(one.sum()), 1e-12) for one in (fake, real))
    return float(np.abs(ours - theirs).mean())


def levels(items: Items, floor: float) -> FloatArray:
    """Return the share of an item's cells above each of 32 levels, [n, 32]."""
    steps = np.linspace(floor, 0, STEPS, endpoint=False)
    found = decibels(items, floor).reshape(len(items), -1)
    return np.stack([(found > step).mean(axis=1) for step in steps], axis=1).astype(np.float32)


def compare_levels(fake: Float64Array, real: Float64Array, floor: float) -> float:
    """Return the earth mover's distance of two distributions of levels, in decibels."""
    return float(np.abs(fake - real).mean() * -floor)


def hiss(items: Items, floor: float) -> FloatArray:
    """Return the mean level of the quietest quarter of an item's cells, in decibels, [n, 1]."""
    found = decibels(items, floor).reshape(len(items), -1)
    count = max(1, round(QUIETEST * found.shape[1]))
    quiet: FloatArray = np.partition(found, count - 1, axis=1)[:, :count].mean(axis=1, keepdims=True)
    return quiet


def silence(items: Items, floor: float) -> FloatArray:
    """Return 1 for items without a sound, else 0, [n, 1]."""
    return np.asarray(decibels(items, floor).max(axis=(1, 2)) < SILENT_DB, dtype=np.float32)[:, None]


# --- what was done to all samples ---


def picture(items: Items, floor: float) -> FloatArray:
    """Return the levels of all cells in decibels, [n, mels * frames]."""
    return decibels(items, floor).reshape(len(items), -1)


def gain(fake: Float64Array, real: Float64Array, spec: ItemSpec) -> float:
    """Return how much nearer the mean picture comes to the real one by the best change, in decibels; mostly 0."""
    return search(fake, real, spec)[0]


def find_change(fake: Float64Array, real: Float64Array, spec: ItemSpec) -> Change | None:
    """Return the best change; None if there is none that explains the difference."""
    return search(fake, real, spec)[1]


def search(fake: Float64Array, real: Float64Array, spec: ItemSpec) -> tuple[float, Change | None]:
    """Return the gain of the best change in decibels, and the change."""
    picture = picture_spec(spec)
    ours, theirs = (values.reshape(picture.height, picture.width) for values in (fake, real))
    return best_change(distance(ours, theirs), changes(ours, theirs, spec), LEAST)


def distance(first: FloatArray, second: FloatArray) -> float:
    """Return the root mean squared difference of two pictures."""
    return float(np.sqrt(np.mean((first - second) ** 2)))


def changes(ours: Float64Array, theirs: Float64Array, spec: ItemSpec) -> Iterator[tuple[Change, float]]:
    """Yield reversal in time, shifts along both axes and other speeds, with the distances where pictures overlap."""
    yield Change("backwards", "played backwards", lambda items: items[:, :, ::-1]), distance(ours[:, ::-1], theirs)
    height, width = ours.shape
    sides = ((0, height, "pitch shifted", "mel bands up"), (1, width, "delayed", "columns late"))
    for axis, side, name, words in sides:
        for by in range(-(side // REACH), side // REACH + 1):
            if by:
                mine = np.take(ours, np.arange(max(0, by), side + min(0, by)), axis)
                yours = np.take(theirs, np.arange(max(0, -by), side - max(0, by)), axis)
                undo = functools.partial(shift, spec=spec, by=-by, axis=axis + 1)
                yield Change(name, f"{by:+d} {words}", undo), distance(mine, yours)
    for speed in SPEEDS:
        rows, columns = positions_at(MelCodec.of(spec), speed)
        inside = np.ix_((rows >= 0) & (rows < height), columns < width)
        left = distance(take(ours, rows, columns)[inside], theirs[inside])
        undo = functools.partial(play_slower, spec=spec, speed=speed)
        yield Change("pitch shifted", f"played {speed:.2f} times as fast", undo), left


def positions_at(codec: MelCodec, speed: float) -> tuple[Int64Array, Int64Array]:
    """Return the rows and columns where a clip that is played so much faster has those of the clip itself."""
    low, high = (hertz_to_mel(np.array(hertz)) for hertz in (codec.low_hz, codec.high_hz))
    step = (high - low) / (codec.mels + 1)
    centres = mel_to_hertz(low + step * np.arange(1, codec.mels + 1))
    rows = (hertz_to_mel(centres * speed) - low) / step - 1
    columns = (np.arange(codec.frames) + 0.5) / speed - 0.5
    return np.rint(rows).astype(np.int64), np.rint(columns).astype(np.int64)


def take(pictures: FloatArray, rows: Int64Array, columns: Int64Array) -> FloatArray:
    """Return the cells of pictures [..., mels, frames] at these rows and columns; the edge is repeated beyond them."""
    height, width = pictures.shape[-2:]
    return pictures[..., np.clip(rows, 0, height - 1)[:, None], np.clip(columns, 0, width - 1)]


def play_slower(items: Items, spec: ItemSpec, speed: float) -> Items:
    """Return items as they were before they were played so much faster."""
    pictures = take(pictures_of(items, spec)[..., 0], *positions_at(MelCodec.of(spec), speed))
    return from_pictures(pictures[..., None], spec)


def shift(items: Items, spec: ItemSpec, by: int, axis: int) -> Items:
    """Shift the pictures of items along an axis and repeat their edge in the gap."""
    pictures = pictures_of(items, spec)
    side = pictures.shape[axis]
    return from_pictures(np.take(pictures, np.clip(np.arange(side) - by, 0, side - 1), axis), spec)
