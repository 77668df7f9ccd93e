"""Predicted frames next to the real ones, and predictions that need no learning."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.arrays import Float64Array, UInt8Array
from pipeline.evaluation.reference import Ratio
from pipeline.tasks.predict.prediction_measures import HORIZONS

WHITE = 255.0
LEAST_ERROR = 0.25
"""Mean squared error in squared levels below which frames count as equal: 54 dB."""


@dataclass
class Predictions:
    """Predictions of one or more frames for each clip; arrays are uint8.

    Attributes:
        given: Frames that each prediction is made from, [n, given, H, W, C]; with `between` the two neighbours.
        predicted, wanted: Predicted and real frames, [n, horizons, H, W, C].
        mean_frame: Mean of all frames of the training data, float64 [H, W, C].
        between: The frame between the given ones is predicted.
        nonfinite: Number of clips with predictions that hold NaN or Inf.
        realism: Fréchet distances of the last predicted frames and of real ones to real frames; None if unknown.
    """

    given: UInt8Array
    predicted: UInt8Array
    wanted: UInt8Array
    mean_frame: Float64Array
    between: bool = False
    nonfinite: int = 0
    title: str = "predictions"
    realism: Ratio | None = None

    @property
    def total(self) -> int:
        """Number of clips, finite or not."""
        return len(self.predicted) + self.nonfinite

    @property
    def horizons(self) -> int:
        """Frames that are predicted for each clip."""
        return int(self.predicted.shape[1])

    @property
    def provides(self) -> frozenset[str]:
        """What the predictions have of what measures need."""
        return frozenset({HORIZONS}) if self.horizons > 1 else frozenset()

    @cached_property
    def scores(self) -> Float64Array:
        """PSNR of predicted frames in dB, [n, horizons]."""
        return psnr(self.predicted, self.wanted)

    @cached_property
    def baselines(self) -> Mapping[str, Float64Array]:
        """PSNR of predictions without learning, [n, horizons] each, by what is predicted."""
        given = self.given.astype(np.float64)
        guesses = {
            "a copy of the last frame": given[:, -1:],
            "the mean of the given frames": given.mean(axis=1, keepdims=True),
            "the mean frame of the training data": self.mean_frame[None, None],
            **{f"a constant level of {level:.0f}": np.full((1, 1, 1, 1, 1), level) for level in self.levels},
        }
        if self.between:
            guesses["a copy of the first frame"] = given[:, :1]
        return {name: psnr(guess, self.wanted) for name, guess in guesses.items()}

    @property
    def levels(self) -> list[float]:
        """Levels that are tried as constant frames: the darkest, the lightest, and the mean."""
        return [0.0, WHITE, float(self.mean_frame.mean())]

    @cached_property
    def best(self) -> list[str]:
        """The best prediction without learning at each horizon."""
        return [max(self.baselines, key=lambda name: self.baselines[name][:, h].mean()) for h in range(self.horizons)]

    @cached_property
    def best_scores(self) -> Float64Array:
        """PSNR of the best prediction without learning at each horizon, [n, horizons]."""
        return np.stack([self.baselines[name][:, h] for h, name in enumerate(self.best)], axis=1)

    @property
    def gains(self) -> Float64Array:
        """Gain of each prediction in dB over the best one without learning, [n, horizons]."""
        gains: Float64Array = self.scores - self.best_scores
        return gains

    @cached_property
    def sharpness_by_horizon(self) -> Float64Array:
        """Sharpness of predicted frames over that of real ones, [horizons]."""
        ours, theirs = (edges(frames).mean(axis=0) for frames in (self.predicted, self.wanted))
        return np.asarray(ours / np.maximum(theirs, 1e-9))

    @property
    def sharpness(self) -> float:
        """Sharpness of all predicted frames over that of real ones."""
        return float(edges(self.predicted).mean() / max(edges(self.wanted).mean(), 1e-9))

    @property
    def edge_strength(self) -> float:
        """Root mean square of the differences of neighbouring pixels over that of real frames."""
        ours, theirs = (edges(frames, power=2).mean() ** 0.5 for frames in (self.predicted, self.wanted))
        return float(ours / max(theirs, 1e-9))

    @property
    def motion(self) -> float:
        """Change from frame to frame over that of real frames."""
        before = self.given[:, :1] if self.between else self.given[:, -1:]
        ours, theirs = (changes(np.concatenate([before, frames], 1)) for frames in (self.predicted, self.wanted))
        return ours / max(theirs, 1e-9)

    def metrics(self) -> dict[str, float]:
        """Return the numbers of each horizon."""
        if self.horizons == 1 or not len(self.predicted):
            return {}
        rows = {
            "psnr": self.scores.mean(axis=0),
            "gain": self.gains.mean(axis=0),
            "sharpness": self.sharpness_by_horizon,
        }
        return {f"{name}_h{h + 1}": float(row[h]) for name, row in rows.items() for h in range(self.horizons)}


def psnr(frames: UInt8Array | Float64Array, wanted: UInt8Array) -> Float64Array:
    """Return the PSNR in dB of frames [..., H, W, C] that broadcast to `wanted`, without the last three axes."""
    error = np.mean((frames.astype(np.float64) - wanted.astype(np.float64)) ** 2, axis=(-3, -2, -1))
    return np.asarray(10 * np.log10(WHITE**2 / np.maximum(error, LEAST_ERROR)))


def edges(frames: UInt8Array, power: int = 1) -> Float64Array:
    """Return the mean difference of neighbouring pixels of frames [n, k, H, W, C], or of its power, [n, k]."""
    values = frames.astype(np.float64)
    across, down = ((np.abs(np.diff(values, axis=axis)) ** power).mean(axis=(2, 3, 4)) for axis in (3, 2))
    return np.asarray((across + down) / 2)


def changes(frames: UInt8Array) -> float:
    """Return the mean change from frame to frame of clips [n, k, H, W, C]."""
    return float(np.abs(np.diff(frames.astype(np.float64), axis=1)).mean())
