"""Failures of a generator of clips, imitated by real clips that are broken on purpose."""

from dataclasses import dataclass

import numpy as np

from benchmarks.gate.common_failures import REPEATED, ask_other, copy_training, drop_class, keep, repeat_few
from benchmarks.gate.failure import Failure, Real, UInt8, clip, replace


@dataclass(frozen=True)
class Clips(Real):
    """Real clips; `frames` frames are folded into the channels."""

    frames: int

    @property
    def unfolded(self) -> UInt8:
        """The clips as [n, T, H, W, C]."""
        n, height, width, channels = self.images.shape
        shape = (n, height, width, self.frames, channels // self.frames)
        return self.images.reshape(shape).transpose(0, 3, 1, 2, 4)


def fold(clips: UInt8) -> UInt8:
    """Return clips [n, T, H, W, C] as they are stored."""
    n, frames, height, width, colours = clips.shape
    return np.ascontiguousarray(clips.transpose(0, 2, 3, 1, 4).reshape(n, height, width, frames * colours))


def freeze(real: Clips, share: float, rng: np.random.Generator) -> UInt8:
    """Repeat the first frame, in some clips."""
    return replace(real.images, fold(np.repeat(real.unfolded[:, :1], real.frames, axis=1)), share, rng)


def stop(real: Clips, frames: float, rng: np.random.Generator) -> UInt8:
    """Repeat one frame up to the end: the last `frames` frames do not move."""
    clips = real.unfolded.copy()
    clips[:, -int(frames) :] = clips[:, -int(frames) - 1][:, None]
    return fold(clips)


def shuffle(real: Clips, share: float, rng: np.random.Generator) -> UInt8:
    """Bring the frames of some clips into a random order."""
    clips = np.stack([one[rng.permutation(real.frames)] for one in real.unfolded])
    return replace(real.images, fold(clips), share, rng)


def blur(real: Clips, width: float, rng: np.random.Generator) -> UInt8:
    """Average neighbouring pixels of all frames."""
    from scipy.ndimage import uniform_filter

    return clip(uniform_filter(real.images.astype(np.float32), size=(1, int(width), int(width), 1)))


def trail(real: Clips, frames: float, rng: np.random.Generator) -> UInt8:
    """Average neighbouring frames: what moves leaves a trail."""
    from scipy.ndimage import uniform_filter1d

    return fold(clip(uniform_filter1d(real.unfolded.astype(np.float32), int(frames), axis=1, mode="nearest")))


def flicker(real: Clips, strength: float, rng: np.random.Generator) -> UInt8:
    """Make every frame lighter or darker at random."""
    gain = 1 + strength * rng.choice([-1.0, 1.0], (len(real.images), real.frames, 1, 1, 1))
    return fold(clip(real.unfolded * gain))


def add_noise(real: Clips, strength: float, rng: np.random.Generator) -> UInt8:
    """Add noise of so many gray levels to all frames."""
    return clip(real.images + strength * rng.standard_normal(real.images.shape))


def cut(real: Clips, share: float, rng: np.random.Generator) -> UInt8:
    """Let some clips go on as another one from the middle on."""
    clips = real.unfolded.copy()
    clips[:, real.frames // 2 :] = clips[rng.permutation(len(clips)), real.frames // 2 :]
    return replace(real.images, fold(clips), share, rng)


def slow_down(real: Clips, factor: float, rng: np.random.Generator) -> UInt8:
    """Play all clips more slowly, with blends between their frames."""
    clips = real.unfolded.astype(np.float32)
    places = np.arange(real.frames) / factor
    low = np.floor(places).astype(int)
    part = (places - low).astype(np.float32)[None, :, None, None, None]
    return fold(clip((1 - part) * clips[:, low] + part * clips[:, np.minimum(low + 1, real.frames - 1)]))


def darken(real: Clips, gain: float, rng: np.random.Generator) -> UInt8:
    """Make all clips darker."""
    return clip(real.images * gain)


FAILURES: tuple[Failure[Clips], ...] = (
    Failure("one clip", ("complete mode collapse",), (1,), repeat_few, must=1),
    Failure("few clips", REPEATED, (50, 20, 5), repeat_few, must=20),
    Failure("frozen clips", ("frozen",), (0.05, 0.1, 0.3, 1), freeze, must=0.1),
    Failure("stops", ("frozen",), (1, 2, 4), stop, must=1),
    Failure("shuffled", ("shuffled frames",), (0.2, 0.5, 1), shuffle, must=0.5),
    Failure("cuts", ("cuts",), (0.1, 0.3, 0.5, 1), cut, must=1),
    Failure("flicker", ("flicker",), (0.02, 0.05, 0.1, 0.3), flicker, must=0.1),
    Failure("blurred frames", ("blurred frames",), (2, 3, 5), blur, must=3),
    Failure("trails", ("slow motion", "blurred frames"), (2, 3, 5), trail, must=3),
    Failure("noise", ("noisy frames",), (3, 10, 30), add_noise, must=10),
    Failure("slow motion", ("slow motion",), (1.5, 2, 4), slow_down, must=2),
    Failure("dark", ("wrong brightness",), (0.9, 0.7, 0.5), darken, must=0.7),
    Failure("training clips", ("memorisation",), (0.1, 0.5, 1), copy_training, must=0.5),
    Failure("classes dropped", ("dropped classes",), (1, 2), drop_class, must=1, needs_labels=True),
    Failure("wrong classes", ("wrong classes",), (0.05, 0.2, 1), keep, must=0.2, ask=ask_other, needs_labels=True),
)
