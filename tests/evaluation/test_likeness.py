"""How results of a transformation look, next to real images: each fault has its name, and real images have none."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, zoom

from pipeline.arrays import Items, UInt8Array
from pipeline.evaluation.extractors.base import ArrayItems
from pipeline.evaluation.gate_settings import gate_settings
from pipeline.evaluation.likeness import Compared, Likeness
from pipeline.evaluation.measures.profile_comparison import RealItems
from pipeline.items import ItemSpec
from pipeline.media.registry import MEDIA
from pipeline.tasks.medium_measures import CHANGES, add_medium_measures
from pipeline.tasks.parts import apply_gate, measure_part
from tests.specs import image_spec

IMAGE = MEDIA["image"]
MEASURES = add_medium_measures((), IMAGE, {}, without=CHANGES)
GATE = gate_settings(MEASURES)()
SIDE = 16


def discs(n: int, seed: int) -> UInt8Array:
    """Return discs of any colour before a background of any colour, with sharp edges and a little noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    centre, radius = rng.uniform(4, 12, (n, 2, 1, 1)), rng.uniform(2, 6, (n, 1, 1))
    inside = 1 / (1 + np.exp(4 * (np.hypot(y - centre[:, 0], x - centre[:, 1]) - radius)))[..., None]
    front, back = rng.uniform(20, 235, (2, n, 1, 1, 3))
    values = inside * front + (1 - inside) * back + rng.normal(0, 2, (n, SIDE, SIDE, 3))
    return np.asarray(np.clip(np.rint(values), 0, 255), dtype=np.uint8)


@dataclass(frozen=True, eq=False)
class Results(Likeness):
    """Images as results of a transformation, next to real ones."""

    transforms: ClassVar[bool] = True

    images: UInt8Array
    real: UInt8Array
    title: str = "results"
    nonfinite: int = 0

    @property
    def item(self) -> ItemSpec:
        return image_spec(SIDE, self.images.shape[3])

    @property
    def compared(self) -> Compared:
        return Compared(ArrayItems(self.images), RealItems(ArrayItems(self.real), code=IMAGE), 0)

    def with_items(self, items: Items) -> "Results":
        return replace(self, images=items)

    @property
    def total(self) -> int:
        return len(self.images)

    @cached_property
    def provides(self) -> frozenset[str]:
        return self.properties


REAL, FRESH = discs(240, 0), discs(120, 1)


def names(images: UInt8Array, real: UInt8Array = REAL) -> list[str]:
    verdict = apply_gate([measure_part(Results(images, real), MEASURES, "", "")], GATE)
    return [reason.partition(":")[0] for reason in verdict.reasons]


def clip(values: Any) -> UInt8Array:
    return np.asarray(np.clip(np.rint(values), 0, 255), dtype=np.uint8)


def colour_patches(images: UInt8Array, strength: float = 25) -> UInt8Array:
    """Add colours that change from patch to patch, and leave the brightness if they are not clipped."""
    rng = np.random.default_rng(2)
    coarse = zoom(rng.normal(0, strength, (len(images), 4, 4, 2)), (1, 4, 4, 1), order=1)
    first, second = coarse[..., 0], coarse[..., 1]
    return clip(images + np.stack([first + second, second - first, -2 * second], axis=-1))


def one_style(images: UInt8Array) -> UInt8Array:
    """Give every image the mean colour of all."""
    return clip(images - images.mean(axis=(1, 2), keepdims=True) + images.mean(axis=(0, 1, 2)))


def mark(images: UInt8Array) -> UInt8Array:
    out = images.copy()
    out[:, 1:6, 1:6] = 255
    return out


CHECKERS = (np.indices((SIDE, SIDE)).sum(axis=0) % 2 * 2 - 1)[None, :, :, None]
FAULTS: dict[str, tuple[str, Callable[[UInt8Array], UInt8Array]]] = {
    "checkerboard": ("checkerboard artefacts", lambda x: clip(x + 12.0 * CHECKERS)),
    "grain": ("noisy", lambda x: clip(x + np.random.default_rng(3).normal(0, 12, x.shape))),
    "blur": ("blurred", lambda x: clip(gaussian_filter(x.astype(float), (0, 2, 2, 0)))),
    "patches": ("colour patches", colour_patches),
    "clipped patches": ("colour patches", lambda x: colour_patches(x, 90)),
    "style": ("one style for all", one_style),
    "mark": ("constant mark", mark),
    "colours": ("colour cast", lambda x: clip(x + np.array([24, -12, -12]))),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_of_results_has_its_name(fault: str) -> None:
    name, apply = FAULTS[fault]
    assert names(apply(FRESH))[0] == name


def test_real_images_have_no_faults() -> None:
    for seed in range(2, 4):
        assert names(discs(120, seed)) == []


def test_gray_images_have_no_tests_of_colours() -> None:
    fresh, real = (images.mean(axis=3, keepdims=True).astype(np.uint8) for images in (FRESH, REAL))
    assert names(fresh, real) == []
    assert "coloured input" not in Results(fresh, real).properties
    assert names(one_style(fresh), real)[0] == "one style for all"
