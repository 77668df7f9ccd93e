"""One trial of a restoration: what was measured on every image after one kind of degradation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean

import numpy as np

from pipeline.arrays import Float32Array, UInt8Array
from pipeline.evaluation.extractors.base import ArrayItems, Extractor, extract
from pipeline.evaluation.measures.fid import fid
from pipeline.evaluation.measures.image_similarity import Similarity, compare_images, sharpness

BATCH = 256

FEWEST = 100
"""Squares on each side, below which a Fréchet distance means nothing."""


@dataclass(frozen=True)
class Texture:
    """Fréchet distances between features of squares: restored and input images to the originals.

    `features` are those of restored and original squares, [n, d] each.
    """

    distance: float
    input_distance: float
    features: tuple[Float32Array, Float32Array]


@dataclass
class Trial:
    """Held-out images after one kind of degradation. Lists hold one entry for each finite image.

    Attributes:
        border: Pixels that are cut off before images are compared.
        restored, inputs: Similarity to the original.
        sharpness: Of the restored image and of the original.
        shifts: Largest change of a channel's mean, in 8-bit levels.
        distances: The variant's own distances to the original, by name: of the restored image and of the input.
        psnrs: PSNR of every image, 0 if it is not finite.
        texture: None if there are too few squares.
    """

    title: str
    border: int
    nonfinite: int = 0
    restored: list[Similarity] = field(default_factory=list)
    inputs: list[Similarity] = field(default_factory=list)
    sharpness: list[tuple[float, float]] = field(default_factory=list)
    shifts: list[float] = field(default_factory=list)
    distances: list[tuple[Mapping[str, float], Mapping[str, float]]] = field(default_factory=list)
    psnrs: list[float] = field(default_factory=list)
    texture: Texture | None = None

    def add(self, given: UInt8Array, restored: UInt8Array | None, original: UInt8Array) -> None:
        """Measure one image, uint8 [H, W, C].

        Args:
            given: The input, enlarged to the size of the original.
            restored: None if it is not finite.
        """
        if restored is None:
            self.nonfinite += 1
            self.psnrs.append(0.0)
            return
        self.inputs.append(compare_images(given, original, self.border))
        self.restored.append(compare_images(restored, original, self.border))
        self.psnrs.append(self.restored[-1].psnr)
        self.sharpness.append((sharpness(restored), sharpness(original)))
        self.shifts.append(float(np.abs(restored.mean(axis=(0, 1)) - original.mean(axis=(0, 1))).max()))

    def compare_texture(
        self, extractor: Extractor, given: UInt8Array, restored: UInt8Array, original: UInt8Array
    ) -> None:
        """Compare squares [n, S, S, C] of all images, if there are enough."""
        if len(original) < FEWEST:
            return
        real, ours, theirs = (extract(extractor, ArrayItems(squares), BATCH) for squares in (original, restored, given))
        self.texture = Texture(fid(ours, real), fid(theirs, real), (ours, real))

    @property
    def total(self) -> int:
        """Number of images, finite or not."""
        return len(self.restored) + self.nonfinite

    @property
    def key(self) -> str:
        """The title as a part of a metric's name."""
        return self.title.replace(" ", "_").replace(".", "p")

    @property
    def provides(self) -> frozenset[str]:
        """Names of the variant's own distances, and "images"."""
        return frozenset(self.distances[0][0]) if self.distances else frozenset()

    @property
    def gains(self) -> list[float]:
        """PSNR of each image minus that of its input, in dB."""
        return [ours.psnr - theirs.psnr for ours, theirs in zip(self.restored, self.inputs, strict=True)]

    @property
    def ssim_gains(self) -> list[float]:
        """SSIM of each image minus that of its input."""
        return [ours.ssim - theirs.ssim for ours, theirs in zip(self.restored, self.inputs, strict=True)]

    def mean(self, name: str) -> float:
        """Return the mean similarity of restored images, such as "psnr"."""
        return fmean(getattr(one, name) for one in self.restored)

    def input_mean(self, name: str) -> float:
        """Return the mean similarity of the inputs."""
        return fmean(getattr(one, name) for one in self.inputs)

    def mean_distance(self, name: str) -> float:
        """Return the mean of one of the variant's own distances over restored images."""
        return fmean(ours[name] for ours, _ in self.distances)

    def mean_input_distance(self, name: str) -> float:
        """Return the mean of one of the variant's own distances over the inputs."""
        return fmean(theirs[name] for _, theirs in self.distances)

    @property
    def sharpness_ratio(self) -> float | None:
        """Mean sharpness of restored images over that of the originals; None if those are flat."""
        ours, original = (fmean(values) for values in zip(*self.sharpness, strict=True))
        return ours / original if original > 0 else None

    @property
    def texture_ratio(self) -> float | None:
        """The texture's distance over that of the inputs."""
        texture = self.texture
        return texture.distance / texture.input_distance if texture and texture.input_distance else None
