"""Translate the held-out images of a domain, there and back, and compare images pixel by pixel."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.arrays import Float32Array, Float64Array, Int64Array, Items, UInt8Array
from pipeline.evaluation.extractors.base import Extractor
from pipeline.evaluation.measures.image_similarity import psnr, ssim
from pipeline.evaluation.measures.perceptual_distance import perceptual_distances
from pipeline.gans.base import Direction
from pipeline.items import ItemSpec
from pipeline.media.image.patches import patch_errors, patch_excess
from pipeline.media.registry import tensors_of
from pipeline.tasks.base import EvaluationCase, progress_bar
from pipeline.tasks.translate.domain_features import DomainFeatures

MOST_PIXELS = 2**20
"""Pixels of a batch: a translator keeps many channels at full resolution."""

LISTED = 500
"""Translations whose pictures are kept for the report."""

LARGEST = 128
"""Largest height and width of a picture in the report."""

SSIM_WINDOW = 11

BoolArray = npt.NDArray[np.bool_]


@dataclass
class Translations:
    """The translations of one direction.

    Attributes:
        finite: Of each image, whether its translation, and the way back if there is one, is finite.
        features: Features [n, d] of every translation; values that are not finite count as black.
        values: Per-image values of finite images, by measure.
        partner_psnr: PSNR to the partner, 0 for an image that is not finite; empty without pairs.
        images: Every translation, stored items [n, H, W, C]; values that are not finite are black.
        pictures: [columns, H, W, C] of the first finite images: input, translation, partner, way back.
    """

    finite: list[bool] = field(default_factory=list)
    features: list[Float32Array] = field(default_factory=list)
    values: dict[str, list[float]] = field(default_factory=dict)
    partner_psnr: list[float] = field(default_factory=list)
    images: Items = field(default_factory=lambda: np.empty((0, 1, 1, 1), dtype=np.uint8))
    pictures: list[UInt8Array] = field(default_factory=list)

    def record(self, name: str, values: Sequence[float] | Float64Array) -> None:
        """Append the values of one batch."""
        self.values.setdefault(name, []).extend(map(float, values))

    def select(self, positions: Int64Array) -> "Translations":
        """Return the same with some of the finite translations alone, by their positions among these."""
        count, finite = sum(self.finite), np.zeros(len(self.finite), dtype=bool)
        finite[np.flatnonzero(self.finite)[positions]] = True
        # If only the way back is not finite, some values have an entry more, and their places are not known.
        values = {
            name: [found[position] for position in positions] if len(found) == count else found
            for name, found in self.values.items()
        }
        return replace(self, finite=finite.tolist(), values=values)

    def mean(self, name: str) -> float | None:
        """Return the mean of a per-image value; None if no image has one."""
        values = self.values.get(name)
        return float(np.mean(values)) if values else None


@dataclass(frozen=True)
class Route:
    """One direction of a case: from a source domain to a target domain, under the variant's name for it."""

    name: str
    direction: Direction
    source: DomainFeatures
    target: DomainFeatures
    paired: bool

    @property
    def title(self) -> str:
        """The direction by the names of its domains."""
        return f"{self.source.name} to {self.target.name}"

    @property
    def columns(self) -> list[str]:
        """What a row of the report's pictures shows, from left to right."""
        partner = [f"real {self.target.name}"] if self.paired else []
        return [self.source.name, f"as {self.target.name}", *partner, *(["and back"] if self.direction.inverse else [])]


def batch_size(case: EvaluationCase) -> int:
    """Return how many images are translated at a time."""
    item = case.info.item
    return max(2, min(case.settings.batch_size, MOST_PIXELS // (item.height * item.width)))


@torch.inference_mode()
def translate_images(case: EvaluationCase, route: Route, extractor: Extractor, rng: torch.Generator) -> Translations:
    """Translate every held-out image of the source, and back if there is an inverse direction."""
    result = Translations()
    size = batch_size(case)
    with tempfile.TemporaryFile() as scratch:
        for start in progress_bar(range(0, len(route.source.order), size), route.title):
            translated = translate_batch(case, route, slice(start, start + size), rng, result)
            result.features.append(extractor.features(translated))
            scratch.write(translated.tobytes())
        scratch.flush()
        shape = (len(route.source.order), *translated.shape[1:])
        result.images = np.memmap(scratch, dtype=translated.dtype, mode="r", shape=shape)
    return result


def translate_batch(
    case: EvaluationCase, route: Route, part: slice, rng: torch.Generator, result: Translations
) -> UInt8Array:
    """Translate some images of the source, record what is measured image by image, and return the translations."""
    inputs = route.source.images(part)
    item, device = case.info.item, case.device
    output = case.gan.translate(to_network(inputs, item, device), route.name, rng)
    finite, translated = is_finite(output), case.tensors.from_network(output)
    columns = [inputs, translated]
    if route.paired:
        partners = route.target.held_out.images(route.source.order[part])
        columns.append(partners)
        record_partners(result, columns, finite)
    if route.direction.inverse:
        # The way back starts from 8-bit pixels, as delivered, in which nothing can be hidden.
        start, originals = (to_network(images, item, device) for images in (translated, inputs))
        returned = case.gan.reconstruct(start, originals, route.name, rng)
        finite &= is_finite(returned)
        columns.append(case.tensors.from_network(returned))
        result.record("cycle_error", pixel_difference(columns[-1], inputs)[finite])
    result.record("change", pixel_difference(translated, inputs)[finite])
    result.finite += finite.tolist()
    if len(result.pictures) < LISTED:
        result.pictures += list(np.stack([shrink(images[finite]) for images in columns], axis=1))
    return translated


def record_partners(result: Translations, columns: Sequence[UInt8Array], finite: BoolArray) -> None:
    """Compare finite translations, and their inputs, with their partners."""
    inputs, translated, partners = columns
    others = np.roll(partners, 1, axis=0)
    compared = (("", translated), ("input_", inputs), ("other_", others))
    values = {prefix: compare_with_partners(images[finite], partners[finite]) for prefix, images in compared}
    ours = values[""]
    for prefix, found in values.items():
        for name, numbers in found.items():
            result.record(f"{prefix}{name}", numbers)
    if partners.shape[3] == 3:
        result.record("patch_excess", patch_excess(translated[finite], partners[finite]))
    every = np.zeros(len(finite))
    every[finite] = ours["psnr"]
    result.partner_psnr += every.tolist()


def to_network(images: UInt8Array, item: ItemSpec, device: torch.device) -> Tensor:
    """Convert images [n, H, W, C] to what networks take."""
    return tensors_of(item).to_network(torch.from_numpy(images)).to(device)


def is_finite(images: Tensor) -> BoolArray:
    """Return which of the images [n, C, H, W] are finite, bool [n]."""
    finite: BoolArray = torch.isfinite(images).flatten(1).all(dim=1).cpu().numpy()
    return finite


def pixel_difference(images: UInt8Array, others: UInt8Array) -> Float64Array:
    """Return the mean absolute difference of each pair of images [n, H, W, C], in 8-bit levels."""
    return np.asarray(np.abs(images.astype(np.int16) - others).mean(axis=(1, 2, 3)))


def compare_with_partners(images: UInt8Array, partners: UInt8Array) -> dict[str, list[float]]:
    """Return L1 and the error of patches in 8-bit levels, PSNR in dB, the perceptual distance and SSIM of each image.

    There is no SSIM if its window does not fit.
    """
    pairs = [(one.astype(np.float64), other.astype(np.float64)) for one, other in zip(images, partners, strict=True)]
    values = {
        "l1": pixel_difference(images, partners).tolist(),
        "psnr": [psnr(*pair) for pair in pairs],
        "perceptual": perceptual_distances(images, partners).tolist(),
        "patch_error": patch_errors(images, partners).tolist(),
    }
    return values | ({"ssim": [ssim(*pair) for pair in pairs]} if images.shape[1] >= SSIM_WINDOW else {})


def shrink(images: UInt8Array) -> UInt8Array:
    """Shrink images [n, S, S, C] by averaging squares, to at most 128 pixels."""
    n, height, width, channels = images.shape
    factor = max(1, height // LARGEST)
    if factor == 1:
        return images
    small = images.reshape(n, height // factor, factor, width // factor, factor, channels).mean(axis=(2, 4))
    return np.asarray(np.rint(small), dtype=np.uint8)
