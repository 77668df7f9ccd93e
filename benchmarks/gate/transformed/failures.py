"""Failures of the results of a translation or a restoration, imitated with real targets."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from benchmarks.gate.failure import Apply, Failure, UInt8, clip, draw, replace
from benchmarks.gate.images.corruptions.filters import compress, rotate, shuffle_quadrants


@dataclass(frozen=True)
class Results:
    """Inputs, the results of a good model for them, other real targets, and images of another kind, [n, H, W, C]."""

    inputs: UInt8
    good: UInt8
    others: UInt8
    foreign: UInt8


@dataclass(frozen=True)
class TransformedFailure(Failure[Results]):
    """A failure of a model that changes given images; `unrelated`: its results no longer depend on their inputs."""

    unrelated: bool = False


def checkerboard(results: Results, amplitude: float, rng: np.random.Generator) -> UInt8:
    """Add the pattern of strided transposed convolutions."""
    pattern = np.indices(results.good.shape[1:3]).sum(axis=0) % 2 * 2 - 1
    return clip(results.good + amplitude * pattern[None, :, :, None])


def colour_patches(results: Results, strength: float, rng: np.random.Generator) -> UInt8:
    """Add smooth random colours without changing the brightness."""
    n, height, width, _ = results.good.shape
    noise = gaussian_filter(rng.normal(size=(n, height, width, 2)), (0, 2, 2, 0))
    first, second = np.moveaxis(noise * (strength / noise.std()), -1, 0)
    return clip(results.good + np.stack([first + second, second - first, -2 * second], axis=-1))


def one_style(results: Results, share: float, rng: np.random.Generator) -> UInt8:
    """Move the mean colour of each image towards that of all images."""
    own = results.good.mean(axis=(1, 2), keepdims=True)
    return clip(results.good + share * (results.good.mean(axis=(0, 1, 2)) - own))


def tint(results: Results, strength: float, rng: np.random.Generator) -> UInt8:
    """Make images redder."""
    return clip(results.good + strength * np.array([1.0, -0.5, -0.5]))


def blur(results: Results, radius: float, rng: np.random.Generator) -> UInt8:
    """Apply a Gaussian blur."""
    return clip(gaussian_filter(results.good.astype(np.float32), (0, radius, radius, 0)))


def garbage(results: Results, share: float, rng: np.random.Generator) -> UInt8:
    """Replace a share of the results by images of another kind."""
    return replace(results.good, draw(results.foreign, len(results.good), rng), share, rng)


def white_noise(results: Results, share: float, rng: np.random.Generator) -> UInt8:
    """Replace a share of the results by noise."""
    return replace(results.good, rng.integers(0, 256, results.good.shape).astype(np.uint8), share, rng)


UNRELATED = ("no closer to the partner than the input", "lost content", "mode collapse")
BROKEN = ("broken images", "unreal images")
NO_GAIN = ("little gain over the input", "no closer to the original than the smoothed input", "wrong texture")
COLOURS = ("colour cast", "wrong colours", "shifted colours")


def both(
    key: str,
    names: tuple[tuple[str, ...], tuple[str, ...]],
    strengths: tuple[float, ...],
    apply: Apply[Results],
    must: float,
    *,
    unrelated: bool = False,
) -> dict[str, TransformedFailure]:
    """Return a failure for both tasks; `names` has those of a translation and those of a restoration."""
    return {
        task: TransformedFailure(key, modes, strengths, apply, must=must, unrelated=unrelated)
        for task, modes in zip(("translate", "restore"), names, strict=True)
    }


BOTH = (
    both("checkerboard", (("checkerboard artefacts",), ("checkerboard artefacts",)), (4, 12, 30), checkerboard, 12),
    both(
        "grain",
        (("noisy",), ("added noise", "noisy")),
        (2, 12, 25),
        lambda r, sigma, rng: clip(r.good + rng.normal(0, sigma, r.good.shape)),
        25,
    ),
    both("colour patches", (("colour patches",), ("colour patches", *COLOURS)), (4, 15, 30), colour_patches, 15),
    both("one style for all", (("one style for all",), ("one style for all", *COLOURS)), (0.3, 0.7, 1), one_style, 0.7),
    both("wrong colours", (COLOURS, COLOURS), (3, 12, 30), tint, 30),
    both("blur", (("blurred",), ("blurred", *NO_GAIN)), (0.5, 1, 2), blur, 1),
    both(
        "JPEG",
        (("compression artefacts", "posterised"), ("compression artefacts", "posterised", *NO_GAIN)),
        (75, 10, 4),
        lambda r, quality, rng: compress(r.good, quality),
        10,
    ),
    both(
        "input returned",
        (("copies of the input", "not like the target domain"), ("remaining noise", *NO_GAIN)),
        (1,),
        lambda r, _, rng: r.inputs,
        1,
    ),
    both(
        "another target returned",
        (UNRELATED, (*NO_GAIN, *COLOURS, "blurred")),
        (1,),
        lambda r, _, g: r.others,
        1,
        unrelated=True,
    ),
    both("foreign images", (BROKEN, (*BROKEN, *NO_GAIN)), (0.02, 0.1), garbage, 0.1),
    both("noise images", (BROKEN, (*BROKEN, *NO_GAIN, "added noise")), (0.01, 0.05), white_noise, 0.05),
    both(
        "quadrants",
        ((*BROKEN, *UNRELATED), (*BROKEN, *NO_GAIN)),
        (0.1, 0.5),
        lambda r, share, rng: replace(r.good, shuffle_quadrants(r.good), share, rng),
        0.5,
    ),
    both(
        "rotated",
        ((*BROKEN, *UNRELATED), (*BROKEN, *NO_GAIN)),
        (0.1, 0.5),
        lambda r, share, rng: replace(r.good, rotate(r.good), share, rng),
        0.5,
    ),
)
FAILURES = {task: tuple(pair[task] for pair in BOTH) for task in ("translate", "restore")}
