"""One trial of a restoration: what was measured on every image after one kind of degradation."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any, ClassVar

import numpy as np

from pipeline.arrays import Float32Array, Float64Array, Int64Array, Items, UInt8Array
from pipeline.evaluation.extractors.base import ArrayItems, Extractor, extract
from pipeline.evaluation.likeness import Compared, Likeness
from pipeline.evaluation.measures.fid import fid
from pipeline.evaluation.measures.image_similarity import Similarity, compare_images, crop_border, sharpness
from pipeline.evaluation.measures.perceptual_distance import perceptual_distances
from pipeline.evaluation.measures.profile_comparison import RealItems
from pipeline.items import ItemSpec
from pipeline.media.image.patches import patch_errors
from pipeline.media.registry import find_medium
from pipeline.tasks.restore.baseline import kept_detail, smooth

BATCH = 256

FEWEST = 100
"""Squares on each side, below which a Fréchet distance means nothing."""

OF_FINITE = (
    "restored",
    "inputs",
    "sharpness",
    "kept_errors",
    "shifts",
    "distances",
    "details",
    "smoothed",
    "perceptual",
    "patch_errors",
)
"""Lists with one entry for each finite image."""


@dataclass(frozen=True)
class Texture:
    """Fréchet distances between features of squares: restored and input images to the originals.

    `features` are those of restored and original squares, `given` those of the inputs, [n, d] each.
    """

    distance: float
    input_distance: float
    features: tuple[Float32Array, Float32Array]
    given: Float32Array

    @classmethod
    def of(cls, restored: Float32Array, given: Float32Array, original: Float32Array) -> "Texture | None":
        """Compute the distances of features [n, d]; None if there are too few."""
        if len(original) < FEWEST:
            return None
        return cls(fid(restored, original), fid(given, original), (restored, original), given)


@dataclass(frozen=True)
class Squares:
    """Squares of all images, [n, S, S, C] each, and what identifies the originals in a cache.

    `owners` are the positions of their images among the finite ones, [n]; None if they are not known.
    """

    item: ItemSpec
    restored: UInt8Array
    original: UInt8Array
    seed: int = 0
    cache: Path | None = None
    key: str = ""
    owners: Int64Array | None = None


@dataclass
class Trial(Likeness):
    """Held-out images after one kind of degradation. Lists hold one entry for each finite image.

    Attributes:
        border: Pixels that are cut off before images are compared.
        restored, inputs: Similarity to the original.
        sharpness: Of the restored image and of the original.
        kept_errors: Correlation of the error of the restored image with that of the input.
        shifts: Largest change of a channel's mean, in 8-bit levels.
        distances: The variant's own distances to the original, by name: of the restored image and of the input.
        psnrs: PSNR of every image, 0 if it is not finite.
        texture: None if there are too few squares.
        squares: What the look is compared by; None if no image is finite.
        details: Of the restored image, and of the smoothed input: see `kept_detail`.
        smoothed: Similarity to the original of the smoothed input.
        perceptual: Perceptual distance to the original, of the restored image, the input and the smoothed input.
        patch_errors: Error of the colours of patches, of the restored image and of the input.
    """

    transforms: ClassVar[bool] = True

    title: str
    border: int
    nonfinite: int = 0
    restored: list[Similarity] = field(default_factory=list)
    inputs: list[Similarity] = field(default_factory=list)
    sharpness: list[tuple[float, float]] = field(default_factory=list)
    kept_errors: list[float] = field(default_factory=list)
    shifts: list[float] = field(default_factory=list)
    distances: list[tuple[Mapping[str, float], Mapping[str, float]]] = field(default_factory=list)
    psnrs: list[float] = field(default_factory=list)
    texture: Texture | None = None
    squares: Squares | None = None
    details: list[tuple[tuple[float, float], tuple[float, float]]] = field(default_factory=list)
    smoothed: list[Similarity] = field(default_factory=list)
    perceptual: list[tuple[float, float, float]] = field(default_factory=list)
    patch_errors: list[tuple[float, float]] = field(default_factory=list)

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
        self.kept_errors.append(correlate_errors(given, restored, original))
        self.shifts.append(float(np.abs(restored.mean(axis=(0, 1)) - original.mean(axis=(0, 1))).max()))
        self.compare_with_baseline(given, restored, original)

    def compare_with_baseline(self, given: UInt8Array, restored: UInt8Array, original: UInt8Array) -> None:
        """Compare an image, and its input as it is and smoothed, with the original, inside the border."""
        images = [crop_border(one, self.border) for one in (restored, given, smooth(given, original), original)]
        ours, theirs, smoothed, target = images
        self.details.append((kept_detail(ours, target), kept_detail(smoothed, target)))
        self.smoothed.append(compare_images(smoothed, target, 0))
        near, far, filtered = perceptual_distances(np.stack(images[:3]), np.stack([target] * 3)).tolist()
        self.perceptual.append((near, far, filtered))
        mine, other = patch_errors(np.stack([ours, theirs]), np.stack([target] * 2)).tolist()
        self.patch_errors.append((mine, other))

    def compare_texture(
        self, extractor: Extractor, given: UInt8Array, restored: UInt8Array, original: UInt8Array
    ) -> None:
        """Compare squares [n, S, S, C] of all images, if there are enough."""
        if len(original) < FEWEST:
            return
        real, ours, theirs = (extract(extractor, ArrayItems(squares), BATCH) for squares in (original, restored, given))
        self.texture = Texture.of(ours, theirs, real)

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
        """Names of the variant's own distances, and what the images have that measures of the medium need."""
        own = frozenset(self.distances[0][0]) if self.distances else frozenset()
        return own | self.properties if self.squares else own

    @property
    def item(self) -> ItemSpec:
        assert self.squares is not None
        return self.squares.item

    @property
    def compared(self) -> Compared:
        """Squares of the restored images, and of the originals."""
        squares = self.squares
        assert squares is not None
        medium = find_medium(squares.item.medium)
        real = RealItems(ArrayItems(squares.original), None, squares.cache, squares.key, medium)
        return Compared(ArrayItems(squares.restored), real, squares.seed)

    def with_items(self, items: Items) -> "Trial":
        assert self.squares is not None
        return replace(self, squares=replace(self.squares, restored=items))

    def select(self, positions: Int64Array) -> "Trial":
        """Return the trial with some of the finite images alone, and their squares."""
        chosen: dict[str, Any] = {
            name: [getattr(self, name)[k] for k in positions] for name in OF_FINITE if getattr(self, name)
        }
        found = replace(self, **chosen)
        if self.squares is not None and self.squares.owners is not None:
            kept = np.isin(self.squares.owners, positions)
            restored, original = self.squares.restored[kept], self.squares.original[kept]
            owners = self.squares.owners[kept]
            found.squares = replace(self.squares, restored=restored, original=original, owners=owners, cache=None)
            if self.texture is not None:
                ours, real = (features[kept] for features in self.texture.features)
                found.texture = Texture.of(ours, self.texture.given[kept], real)
        return found

    def mean_change(self, name: str) -> Float64Array | None:
        """Return the mean profile of restored squares minus that of the originals; None if there are too few."""
        if self.squares is None or name not in self.profiles:
            return None
        found = self.profiles[name]
        return found.fake - found.real

    @property
    def detail(self) -> tuple[float, float] | None:
        """Share of the originals' fine detail in restored images and in smoothed inputs; None without detail."""
        both = []
        for pairs in zip(*self.details, strict=True):
            common, total = (sum(values) for values in zip(*pairs, strict=True))
            both.append(common / total if total > 0 else None)
        ours, baseline = both
        return None if ours is None or baseline is None else (ours, baseline)

    @property
    def perceptual_ratio(self) -> float | None:
        """Perceptual distance of restored images over that of the inputs, as they are or smoothed, if that is less."""
        ours, given, smoothed = (fmean(values) for values in zip(*self.perceptual, strict=True))
        baseline = min(given, smoothed)
        return ours / baseline if baseline > 0 else None

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


def correlate_errors(given: UInt8Array, restored: UInt8Array, original: UInt8Array) -> float:
    """Return the correlation of the errors of an input and of its restoration; 0 if there is no error.

    It is near 1 for what is left of the input's noise, and near 0 for noise that the model adds.
    """
    first, second = (one.astype(np.float64) - original for one in (given, restored))
    lengths = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(np.sum(first * second)) / lengths if lengths > 0 else 0.0
