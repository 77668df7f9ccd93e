"""The Fréchet distance of 10,000 samples, and one whole evaluation, on the device."""

import numpy as np
import torch

from benchmarks.gpu.machine import Machine, Values
from benchmarks.gpu.models import CLASSES, build_model
from pipeline.arrays import Float32Array, Items
from pipeline.evaluation.extractors.base import ArrayItems, Extractor, FeatureSpec, extract
from pipeline.evaluation.extractors.inception_network import DIMS, SIDE, InceptionV3
from pipeline.evaluation.measures.fid import fid
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.items import ItemSpec
from pipeline.media.registry import MEDIA, tensors_of
from pipeline.tasks.generate.evaluator import Evaluator
from pipeline.tasks.registry import TASKS

SAMPLES, FEW = 10_000, 32
BATCH = 256
NAME = "dcgan-32"


class Patterns(ArrayItems):
    """Coloured patterns of ten classes under noise, uint8 [n, S, S, 3]."""

    def __init__(self, n: int, side: int, seed: int) -> None:
        rng, templates = np.random.default_rng(seed), np.random.default_rng(0)
        coarse = templates.uniform(0, 255, (CLASSES, 4, 4, 3))
        self.labels = np.arange(n, dtype=np.int64) % CLASSES
        images = coarse.repeat(side // 4, 1).repeat(side // 4, 2)[self.labels] + rng.normal(0, 30, (n, side, side, 3))
        super().__init__(np.clip(images, 0, 255).astype(np.uint8))
        self.fingerprint = f"patterns {n} {side} {seed}"


def draw_samples(machine: Machine, n: int) -> Items:
    """Return samples of an untrained generator as stored items, uint8 [n, H, W, C]."""
    gan, rng = build_model(machine, NAME).to(machine.device).eval(), torch.Generator().manual_seed(0)
    item = ItemSpec(height=32, width=32, channels=3)
    parts = [tensors_of(item).from_network(gan.sample(min(BATCH, n - start), rng)) for start in range(0, n, BATCH)]
    return np.concatenate([np.asarray(part) for part in parts])


def measure_fid(machine: Machine) -> Values:
    """Return the seconds of sampling, of Inception-v3's features (with random weights), and of the distance.

    Only the times mean something, because the weights are random.
    """
    n, item = FEW if machine.small else SAMPLES, ItemSpec(height=32, width=32, channels=3)
    torch.manual_seed(0)
    spec = FeatureSpec(name="inception", sha256="0" * 64, dims=DIMS, resize=f"{SIDE}", value_range="[-1, 1]")
    extractor = Extractor(spec, InceptionV3(), tensors_of(item), machine.device)
    samples: list[Items] = []
    features: list[Float32Array] = []
    sampling = machine.seconds(lambda: samples.append(draw_samples(machine, n)))
    real = Patterns(n, 32, 1)
    extractor.features(real.images(np.arange(min(n, BATCH))))

    def read() -> None:
        features.extend(extract(extractor, items, BATCH) for items in (ArrayItems(samples[0]), real))

    reading = machine.seconds(read) / 2
    measuring = machine.seconds(lambda: fid(features[0], features[1]))
    return {
        "samples": n,
        "seconds_sampling": sampling,
        "seconds_features": reading,
        "seconds_distance": measuring,
        "images_per_second_features": n / reading,
    }


def measure_evaluation(machine: Machine) -> Values:
    """Return the seconds of one evaluation of the generate task, with and without what is cached of the real data."""
    samples, real, side = (60, 200, 8) if machine.small else (5_000, 10_000, 32)
    item = ItemSpec(height=side, width=side, channels=3, classes=tuple(str(k) for k in range(CLASSES)))
    gate = TASKS["generate"].gate(MEDIA["image"])()
    settings = EvaluateSettings(samples=samples, gate=gate)
    drawn = Patterns(samples, side, 2)

    def evaluate() -> None:
        folder = machine.folder / "evaluation"
        evaluator = Evaluator(
            Patterns(real, side, 3), Patterns(real // 2, side, 4), item, settings, machine.device, folder
        )
        evaluator.evaluate(drawn.images())

    first = machine.seconds(evaluate)
    return {
        "samples": samples,
        "real": real,
        "side": side,
        "seconds_first": first,
        "seconds_again": machine.seconds(evaluate),
    }
