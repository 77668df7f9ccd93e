"""Failures of a generator of volumes, imitated by real volumes that are broken on purpose."""

import numpy as np

from benchmarks.gate.common_failures import REPEATED, ask_other, copy_training, drop_class, keep, repeat_few
from benchmarks.gate.failure import Failure, Real, UInt8, replace

OCCUPIED = 255
BLOCK = 2
"""Side of a floating block, in voxels."""
ASYMMETRIC = 10.0
"""Difference of the mean volume and its mirror image, in gray levels, from which mirrored volumes are another set."""


def add_dust(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Occupy some voxels at random."""
    return np.where(rng.random(real.images.shape) < share, np.uint8(OCCUPIED), real.images)


def pierce(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Empty some of the occupied voxels."""
    return np.where(rng.random(real.images.shape) < share, np.uint8(0), real.images)


def thicken(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Occupy the neighbours of all occupied voxels, in some volumes."""
    thick = real.images
    for axis in (1, 2, 3):
        thick = np.maximum(thick, np.maximum(np.roll(real.images, 1, axis), np.roll(real.images, -1, axis)))
    return replace(real.images, thick, share, rng)


def float_block(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Add a block in a corner of some volumes, apart from the solid."""
    out = real.images.copy()
    ends = [(slice(0, BLOCK), slice(0, BLOCK + 1)), (slice(-BLOCK, None), slice(-BLOCK - 1, None))]
    for number in rng.choice(len(out), round(share * len(out)), replace=False):
        corners = [(x, y, z) for x in ends for y in ends for z in ends]
        for place in rng.permutation(len(corners)):
            near = tuple(side[1] for side in corners[place])
            if not out[number][near].any():
                out[number][tuple(side[0] for side in corners[place])] = OCCUPIED
                break
    return out


def tear(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Empty a slice through the middle of some volumes."""
    torn = real.images.copy()
    torn[:, :, real.side // 2 - 1 : real.side // 2 + 1] = 0
    return replace(real.images, torn, share, rng)


def merge_two(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Put another volume into some volumes; a pair of which one contains the other would repeat that one."""
    others = real.images[rng.permutation(len(real.images))]
    both = np.maximum(real.images, others)
    is_new = (both != real.images).any((1, 2, 3)) & (both != others).any((1, 2, 3))
    return replace(real.images, np.where(is_new[:, None, None, None], both, real.images), share, rng)


def empty(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Empty some volumes."""
    return replace(real.images, np.zeros_like(real.images), share, rng)


def flip_upright(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Turn all volumes upside down."""
    return real.images[..., ::-1].copy()


def mirror(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Mirror all volumes along y."""
    return real.images[:, :, ::-1].copy()


def is_asymmetric(real: Real) -> bool:
    """Return whether volumes that are mirrored along y are another set."""
    mean = real.train.astype(np.float32).mean(axis=0)
    return bool(np.sqrt(np.mean((mean - mean[:, ::-1]) ** 2)) > ASYMMETRIC)


def lie_down(real: Real, share: float, rng: np.random.Generator) -> UInt8:
    """Turn all volumes by a quarter around x."""
    return np.ascontiguousarray(np.rot90(real.images, 1, (2, 3)))


def shift(real: Real, voxels: float, rng: np.random.Generator) -> UInt8:
    """Shift all volumes along z."""
    moved = np.roll(real.images, int(voxels), axis=3)
    moved[..., : int(voxels)] = 0
    return moved


FAILURES: tuple[Failure[Real], ...] = (
    Failure("one shape", ("complete mode collapse",), (1,), repeat_few, must=1),
    Failure("few shapes", REPEATED, (50, 20, 5), repeat_few, must=20),
    Failure("dust", ("dust",), (0.0003, 0.001, 0.003, 0.01), add_dust, must=0.001),
    Failure("holes", ("holes",), (0.02, 0.05, 0.1, 0.3), pierce, must=0.1),
    Failure("thickened", ("thickened",), (0.1, 0.5, 1), thicken, must=0.5),
    Failure("floating pieces", ("floating pieces",), (0.1, 0.25, 0.5, 1), float_block, must=0.5),
    Failure("torn", ("floating pieces", "broken samples", "holes"), (0.1, 0.5, 1), tear, must=0.5),
    Failure("two in one", ("unreal samples", "broken samples", "thickened"), (0.1, 0.5, 1), merge_two, must=0.5),
    Failure("empty", ("empty samples",), (0.02, 0.1, 0.5, 1), empty, must=0.1),
    Failure("upside down", ("upside down",), (1,), flip_upright, must=1),
    Failure("mirrored", ("mirrored",), (1,), mirror, must=1, exists=is_asymmetric),
    Failure("lying down", ("turned",), (1,), lie_down, must=1),
    Failure("shifted", ("shifted",), (2,), shift, must=2),
    Failure("training volumes", ("memorisation",), (0.1, 0.5, 1), copy_training, must=0.5),
    Failure("classes dropped", ("dropped classes",), (1, 2), drop_class, must=1, needs_labels=True),
    Failure("wrong classes", ("wrong classes",), (0.05, 0.2, 1), keep, must=0.2, ask=ask_other, needs_labels=True),
)
