"""Handwritten digits that move in straight lines and bounce off the edges: clips without a download, of known truth.

The digits are those of scikit-learn (see `pipeline.media.image.digits`). Clips for training and for testing show
different ones. A digit's side is half that of the frame, and where two overlap the lighter one is seen.
"""

import functools
import io
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from pipeline.arrays import Float32Array, Float64Array, Int64Array, UInt8Array
from pipeline.media.video.writer import as_strip

ONE, TWO = "moving-digits", "two-moving-digits"
"""Values of `data.source`. The class of a clip of one digit is the digit; clips of two have none."""

CLIPS = {"train": 4000, "test": 1000}
TEST_DIGITS = 360
"""Digits, of 1,797, that only test clips show."""
SLOWEST, FASTEST = 0.045, 0.125
"""Speed along each axis, as a share of the frame's side a frame."""
SEED = 20


class MovingDigits:
    """One strip of frames a clip, the same at every call.

    Args:
        digits: Digits of a clip, 1 or 2.
        frames: Frames of a clip.
        height, width: Of a frame.
    """

    def __init__(self, digits: int, frames: int, height: int, width: int) -> None:
        self.digits, self.frames, self.height, self.width = digits, frames, height, width
        self.name = ONE if digits == 1 else TWO

    def files(self) -> Iterator[tuple[str, Callable[[], bytes]]]:
        """Yield the clips of both splits; of one digit, in a folder of its class."""
        _, labels = load_digits()
        for split, count in CLIPS.items():
            for number in range(count):
                shown, _, _ = draw_motion(split, number, self.digits)
                below = f"/{labels[shown[0]]}" if self.digits == 1 else ""
                yield f"{split}{below}/{number:05d}.pgm", functools.partial(self.write, split, number)

    def write(self, split: str, number: int) -> bytes:
        """Return a clip as a strip without compression."""
        frames = draw_clip(split, number, self.digits, self.frames, (self.height, self.width))
        out = io.BytesIO()
        Image.fromarray(as_strip(frames)[..., 0]).save(out, "PPM")
        return out.getvalue()


@functools.cache
def load_digits() -> tuple[Float32Array, Int64Array]:
    """Return the digits in a random order, float32 [1797, 8, 8] in 0..1, and which digit each one is."""
    from sklearn import datasets

    data = datasets.load_digits()
    order = np.random.Generator(np.random.Philox(key=SEED)).permutation(len(data.target))
    return (data.images[order] / 16).astype(np.float32), data.target[order].astype(np.int64)


def draw_motion(split: str, number: int, digits: int) -> tuple[Int64Array, Float64Array, Float64Array]:
    """Return which digits a clip shows, where they start, and their speeds, [digits], [digits, 2], [digits, 2].

    Starts are shares of the room that a digit has, speeds are shares of the frame's side a frame.
    """
    rng = np.random.Generator(np.random.Philox(key=[SEED, 2 * number + (split == "test")], counter=digits))
    total = len(load_digits()[1])
    low, high = (0, TEST_DIGITS) if split == "test" else (TEST_DIGITS, total)
    shown = rng.integers(low, high, digits)
    speeds = rng.uniform(SLOWEST, FASTEST, (digits, 2)) * rng.choice([-1, 1], (digits, 2))
    return shown, rng.random((digits, 2)), speeds


def draw_clip(split: str, number: int, digits: int, frames: int, size: tuple[int, int]) -> UInt8Array:
    """Return a clip, uint8 [frames, H, W, 1]."""
    shown, starts, speeds = draw_motion(split, number, digits)
    side = min(size) // 2
    room = np.array(size) - side
    canvas = np.zeros((frames, *size), dtype=np.float32)
    for digit, start, speed in zip(shown, starts, speeds, strict=True):
        places = bounce(start * room + np.arange(frames)[:, None] * speed * np.array(size), room)
        sprite = enlarge(int(digit), side)
        for frame, place in zip(canvas, places, strict=True):
            paste(frame, sprite, place)
    return np.rint(canvas * 255).astype(np.uint8)[..., None]


def bounce(places: Float64Array, room: Int64Array) -> Float64Array:
    """Return places on straight lines [n, 2] reflected into 0 .. room."""
    turned = np.mod(places, 2 * room)
    return np.asarray(np.minimum(turned, 2 * room - turned))


@functools.cache
def enlarge(digit: int, side: int) -> Float32Array:
    """Return a digit with this side, in 0..1."""
    image = Image.fromarray(load_digits()[0][digit], mode="F")
    return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR), dtype=np.float32)


def paste(frame: Float32Array, sprite: Float32Array, place: Float64Array) -> None:
    """Draw a sprite at a place between pixels, in place: each pixel gets its share of the four nearest ones."""
    (top, left), (down, right) = np.floor(place).astype(int), place - np.floor(place)
    side = len(sprite)
    spread = np.zeros((side + 1, side + 1), dtype=np.float32)
    for dy, dx in np.ndindex(2, 2):
        share = (down if dy else 1 - down) * (right if dx else 1 - right)
        spread[dy : dy + side, dx : dx + side] += np.float32(share) * sprite
    seen = frame[top : top + side + 1, left : left + side + 1]
    np.maximum(seen, spread[: seen.shape[0], : seen.shape[1]], out=seen)
