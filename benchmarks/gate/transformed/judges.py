"""Apply the gate of a task to results that are given as arrays."""

import functools
import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.gate.failure import UInt8
from benchmarks.gate.transformed.data import Split
from pipeline.data.domains import DomainItems
from pipeline.evaluation.extractors.base import ArrayItems, Extractor, Subset, extract
from pipeline.evaluation.extractors.random_network import open_random_network
from pipeline.evaluation.verdict import Verdict
from pipeline.gans.base import Direction
from pipeline.items import ItemSpec
from pipeline.media.registry import MEDIA
from pipeline.tasks.parts import apply_gate, measure_part
from pipeline.tasks.registry import TASKS
from pipeline.tasks.restore.trial import Squares, Trial
from pipeline.tasks.translate.direction_probe import PROBED, Probe
from pipeline.tasks.translate.direction_result import DirectionResult
from pipeline.tasks.translate.domain_features import DomainFeatures
from pipeline.tasks.translate.translations import Route, Translations, pixel_difference, record_partners

IMAGE = MEDIA["image"]
BATCH = 256
NOISE = 25.0
"""Standard deviation of the noise that restorations remove, in gray levels."""


def spec_of(images: UInt8) -> ItemSpec:
    """Return the spec of images [n, H, W, C]."""
    height, width, channels = images.shape[1:]
    return ItemSpec(height=height, width=width, channels=channels)


def gate_of(task: str) -> Any:
    """Return the default gate of a task."""
    return TASKS[task].gate(IMAGE)()


@dataclass(frozen=True)
class RealSide:
    """What all results of a split are compared with, and a folder that caches what depends on it alone."""

    extractor: Extractor
    source: DomainFeatures
    target: DomainFeatures
    cache: tempfile.TemporaryDirectory[str]


@functools.lru_cache(maxsize=1)
def prepare(split: Split) -> RealSide:
    """Extract the features of the real images of a split."""
    cache, extractor = tempfile.TemporaryDirectory(), open_random_network(spec_of(split.target), torch.device("cpu"))

    def domain(name: str, images: UInt8, train: UInt8) -> DomainFeatures:
        fingerprint = hashlib.sha256(images.tobytes()).hexdigest()
        names = [f"{number}.png" for number in range(len(images))]
        held_out = DomainItems(name, spec_of(images), lambda positions: images[positions], names, fingerprint)
        features, known = (extract(extractor, ArrayItems(one), BATCH) for one in (images, train))
        chosen = Subset(ArrayItems(train), np.arange(len(train)))
        order, folder = np.arange(len(images)), Path(cache.name)
        return DomainFeatures(name, held_out, order, features, known, chosen, fingerprint, folder)

    inputs = split.results.inputs
    return RealSide(extractor, domain("input", inputs, inputs[:2]), domain("target", split.target, split.train), cache)


def judge_translations(split: Split, outputs: UInt8, *, unrelated: bool = False) -> Verdict:
    """Test translations [n, H, W, C] of the inputs of a split; `unrelated`: the way back leads to another input."""
    real, inputs = prepare(split), split.results.inputs
    extractor, source, target = real.extractor, real.source, real.target
    way = Direction("a", "b", None if split.paired else "b_to_a")
    found = Translations(images=outputs, finite=[True] * len(outputs))
    found.features.append(extract(extractor, ArrayItems(outputs), BATCH))
    found.record("change", pixel_difference(outputs, inputs))
    if split.paired:
        record_partners(found, [inputs, outputs, split.target], np.ones(len(outputs), dtype=bool))
    else:
        found.record("cycle_error", pixel_difference(np.roll(inputs, int(unrelated), axis=0), inputs))
    probed = (outputs, np.roll(outputs, 1, axis=0))
    first, second = (extract(extractor, ArrayItems(one[:PROBED]), BATCH) for one in probed)
    result = DirectionResult(Route("a_to_b", way, source, target, split.paired), found, Probe(first, second), 0)
    return apply_gate([measure_part(result, TASKS["translate"].measures(IMAGE), "", "")], gate_of("translate"))


def judge_restorations(split: Split, outputs: UInt8, *, unrelated: bool = False) -> Verdict:
    """Test restorations [n, H, W, C] of the noisy inputs of a split, whose targets are the originals."""
    trial, originals = Trial("gaussian 25", border=0), split.target
    for given, restored, original in zip(split.results.inputs, outputs, originals, strict=True):
        trial.add(given, restored, original)
    real = prepare(split)
    trial.compare_texture(real.extractor, split.results.inputs, outputs, originals)
    owners, folder = np.arange(len(outputs)), real.target.cache
    trial.squares = Squares(spec_of(outputs), outputs, originals, cache=folder, key=real.target.key, owners=owners)
    return apply_gate([measure_part(trial, TASKS["restore"].measures(IMAGE), "", "")], gate_of("restore"))


def add_noise(images: UInt8, seed: int) -> UInt8:
    """Return images with noise, rounded to 8 bits."""
    noise = np.random.default_rng(seed).normal(0, NOISE, images.shape)
    return np.asarray(np.clip(np.rint(images + noise), 0, 255), dtype=np.uint8)
