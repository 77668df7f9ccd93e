"""Find out whether all samples are mirrored, turned, shifted, or have their colour channels in another order.

The mean of all samples then looks like the mean of real images that was changed in the same way.
"""

import functools
import itertools
from collections.abc import Callable, Iterator

import numpy as np

from pipeline.arrays import Float64Array, FloatArray, Items
from pipeline.items import ItemSpec
from pipeline.media.image.pixel_maps import moments
from pipeline.media.profiles import Change, Profile, best_change

NAME = "placement"
REACH = 6  # shifts are searched up to this part of a side
LARGEST = 32  # side of the mean images; the pixels of larger images are averaged in squares
LEAST = 2.0  # gray levels: nearer mean images are not compared further
HARMLESS_FROM = 28
"""Side of images from which a shift of one pixel is harmless."""
CHANNELS = ("red", "green", "blue")


def placement(spec: ItemSpec) -> Profile:
    """Return the profile whose mean is the mean image."""
    values = functools.partial(mean_image, square=side_of_square(spec))
    compare, change = functools.partial(compare_placement, spec=spec), functools.partial(find_change, spec=spec)
    return Profile(NAME, values, compare, weighted=False, change=change)


def mean_image(images: Items, square: int) -> FloatArray:
    """Return the values of each image, [n, H * W * C]."""
    both = moments(images, square)
    return both[:, : both.shape[1] // 2]


def compare_placement(fake: Float64Array, real: Float64Array, spec: ItemSpec) -> float:
    """Return how much nearer the mean image comes to the real one by the best change, in gray levels; mostly 0."""
    return search(fake, real, spec)[0]


def find_change(fake: Float64Array, real: Float64Array, spec: ItemSpec) -> Change | None:
    """Return the best change; None if there is none that explains the difference."""
    return search(fake, real, spec)[1]


def search(fake: Float64Array, real: Float64Array, spec: ItemSpec) -> tuple[float, Change | None]:
    """Return the gain of the best change in gray levels, and the change."""
    square = side_of_square(spec)
    shape = spec.height // square, spec.width // square, spec.channels
    ours, theirs = fake.reshape(shape), real.reshape(shape)
    return best_change(
        distance(ours, theirs),
        itertools.chain(symmetric(ours, theirs, spec), orders(ours, theirs), shifts(ours, theirs, spec)),
        LEAST,
    )


def side_of_square(spec: ItemSpec) -> int:
    """Return how many pixels of an image one pixel of a mean image stands for, in each direction."""
    return -(-max(spec.height, spec.width) // LARGEST)


def distance(first: FloatArray, second: FloatArray) -> float:
    """Return the root mean squared difference of two pictures, in gray levels."""
    return float(np.sqrt(np.mean((first - second) ** 2)))


def symmetries(spec: ItemSpec) -> list[Change]:
    """Return how images can be mirrored or turned; quarter turns only where they are square."""
    undoes: list[tuple[str, str, Callable[[FloatArray], FloatArray]]] = [
        ("mirrored", "mirrored left to right", lambda x: x[:, ::-1]),
        ("upside down", "mirrored top to bottom", lambda x: x[::-1]),
        ("rotated", "rotated by 180 degrees", lambda x: x[::-1, ::-1]),
    ]
    if spec.height == spec.width:
        undoes += [
            ("rotated", "rotated by 90 degrees to the left", lambda x: np.rot90(x, -1)),
            ("rotated", "rotated by 90 degrees to the right", lambda x: np.rot90(x, 1)),
        ]
    return [Change(name, words, each(undo)) for name, words, undo in undoes]


def symmetric(ours: FloatArray, theirs: FloatArray, spec: ItemSpec) -> Iterator[tuple[Change, float]]:
    """Yield mirrored and turned pictures, with their distances."""
    for change in symmetries(spec):
        yield change, distance(change.undo(ours[None])[0], theirs)


def orders(ours: FloatArray, theirs: FloatArray) -> Iterator[tuple[Change, float]]:
    """Yield the other orders of the channels, with their distances."""
    if ours.shape[2] != len(CHANNELS):
        return
    for order in list(itertools.permutations(range(3)))[1:]:
        undo = functools.partial(np.take, indices=order, axis=2)
        parts = [f"{CHANNELS[b]} is {CHANNELS[a]}" for a, b in enumerate(order) if a != b]
        words = ", ".join(sorted(parts, reverse=True))
        yield Change("swapped colours", words, each(undo)), distance(undo(ours), theirs)


def shifts(ours: FloatArray, theirs: FloatArray, spec: ItemSpec) -> Iterator[tuple[Change, float]]:
    """Yield shifts of up to a quarter of a side, with the distances where the pictures overlap."""
    height, width = ours.shape[:2]
    square = side_of_square(spec)
    for down in range(-(height // REACH), height // REACH + 1):
        for right in range(-(width // REACH), width // REACH + 1):
            if (down, right) == (0, 0):
                continue
            there = theirs[max(0, -down) : height - max(0, down), max(0, -right) : width - max(0, right)]
            here = ours[max(0, down) : height + min(0, down), max(0, right) : width + min(0, right)]
            small = max(abs(down), abs(right)) * square <= 1 and min(spec.height, spec.width) >= HARMLESS_FROM
            words = f"shifted by {describe_shift(down * square, right * square)}"
            undo = functools.partial(shift, down=-down * square, right=-right * square)
            yield Change("shifted", words, undo, harmless=small), distance(here, there)


def describe_shift(down: int, right: int) -> str:
    """Return a shift in words."""
    parts = [f"{abs(down)} px {'down' if down > 0 else 'up'}"] * bool(down)
    parts += [f"{abs(right)} px to the {'right' if right > 0 else 'left'}"] * bool(right)
    return " and ".join(parts)


def shift(images: Items, down: int, right: int) -> Items:
    """Shift images [n, H, W, C] and repeat their edges in the gap."""
    rows = np.clip(np.arange(images.shape[1]) - down, 0, images.shape[1] - 1)
    columns = np.clip(np.arange(images.shape[2]) - right, 0, images.shape[2] - 1)
    return np.asarray(images)[:, rows[:, None], columns]


def each(change: Callable[[FloatArray], FloatArray]) -> Callable[[Items], Items]:
    """Return the function that changes each of the images [n, H, W, C]."""
    return lambda images: np.stack([change(image) for image in images])
