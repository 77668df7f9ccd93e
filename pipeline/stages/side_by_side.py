"""Champion and challenger judged as they are delivered: drawn by ONNX Runtime from one seed, under one protocol."""

import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from tqdm import tqdm

from pipeline.data.store import DatasetInfo, ImageSet, UInt8Array, open_split
from pipeline.errors import InputError
from pipeline.evaluation import cache
from pipeline.evaluation.champion import compare, compare_kernel
from pipeline.evaluation.features import Float32Array
from pipeline.evaluation.judgement import Judge
from pipeline.evaluation.reference import require_reference
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.params import Params
from pipeline.promotion.verdict import Against
from pipeline.serving.runtime import Generator
from pipeline.stages.paths import Paths
from pipeline.training.device import pick_device


@dataclass(frozen=True)
class Judged:
    """One model's flat metrics, and the features of its samples [n, d] and of the reference [N, d]."""

    metrics: dict[str, Any]
    features: Float32Array
    real: Float32Array


def side_by_side(paths: Paths, params: Params, challenger: Path, champion: Path, version: str) -> Against:
    """Judges both files; what was judged before under the same protocol is not judged again.

    Raises InputError for a champion whose images are of another shape, or data that cannot be read.
    """
    ours, theirs = Generator(challenger), Generator(champion)
    info = DatasetInfo.read(paths.dataset)
    for path, made, whose in ((challenger, ours.metadata, "the challenger"), (champion, theirs.metadata, f"the champion (version {version})")):
        if (made.resolution, made.channels) != (info.resolution, info.channels):
            raise InputError(
                f"{path.name}: {whose} makes images of {made.resolution} px and {made.channels} channels, the data has {info.resolution} px and "
                f"{info.channels}: they cannot be compared; give the new kind of model a name of its own in `tracking.model`"
            )
    train, test = (open_split(paths.dataset, paths.validated, split) for split in ("train", "test"))
    require_reference(test)
    first, second = (judged(path, generator, train, test, info.classes, params, paths) for path, generator in ((challenger, ours), (champion, theirs)))
    protocols = str(first.metrics["protocol"]), str(second.metrics["protocol"])
    seed = params.evaluate.seed
    return Against(
        version=version,
        champion=second.metrics,
        challenger=first.metrics,
        fid=compare(first.features, second.features, first.real, protocols, seed),
        kid=compare_kernel(first.features, second.features, first.real, protocols, seed),
    )


def judged(path: Path, generator: Generator, train: ImageSet, test: ImageSet, classes: list[str], params: Params, paths: Paths) -> Judged:
    """One model's judgement, from the cache where this file was judged by this protocol."""
    settings = params.evaluate
    protocol = settings.model_dump_json(exclude={"gate"})
    key = (
        f"{hashlib.sha256(path.read_bytes()).hexdigest()} {protocol} {train.fingerprint} {test.fingerprint} {torch.__version__} {weights(settings, paths.root)}"
    )
    file = paths.judged / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.pt"
    kept = cache.read(file)
    if kept is not None and {"metrics", "features", "real"} == set(kept):
        return Judged(json.loads(kept["metrics"].numpy().tobytes()), kept["features"].numpy(), kept["real"].numpy())
    judge = Judge(train, test, classes, settings, pick_device(params.train.device), paths.cache, paths.root)
    with tempfile.TemporaryFile() as scratch:
        judgement = judge(draw(generator, settings, train, classes, path.name, scratch))
    fake, real = judgement.features
    text = np.frombuffer(json.dumps(judgement.metrics).encode(), dtype=np.uint8)
    try:
        cache.write(file, {"metrics": torch.from_numpy(text.copy()), "features": torch.from_numpy(fake), "real": torch.from_numpy(np.array(real))})
    except OSError:  # a full disk costs time the next run, not this one
        file.unlink(missing_ok=True)
    return Judged(judgement.metrics, fake, real)


def weights(settings: EvaluateSettings, root: Path) -> str:
    """Which bytes a file named in evaluate.features holds; empty for the names of built-in features."""
    path = root / settings.features
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def draw(generator: Generator, settings: EvaluateSettings, train: ImageSet, classes: list[str], name: str, scratch: IO[bytes]) -> UInt8Array:
    """`settings.samples` pictures, uint8 [n, H, W, C], on the disk behind `scratch`; classes in the shares of the training images.

    A class that this model was never taught is not asked of it, and missing from its pictures. Raises InputError where it was taught none of the data's.
    """
    n = settings.samples
    labels = np.zeros(n, dtype=np.int64)
    if generator.classes:
        taught = {classes.index(label): position for position, label in enumerate(generator.classes) if label in classes}
        known = train.labels[np.isin(train.labels, list(taught))]
        if not len(known):
            raise InputError(f"{name}: was taught the classes {', '.join(generator.classes[:20])}, of which the data has none; the two cannot be compared")
        asked = np.random.default_rng(settings.seed).choice(known, n)
        labels = np.array([taught[int(label)] for label in asked], dtype=np.int64)
    shape: tuple[int, ...] = ()
    for start in tqdm(range(0, n, settings.batch_size), desc=f"samples of {name}", leave=False, disable=None, mininterval=0.5):
        size = min(settings.batch_size, n - start)
        pictures = generator.draw(generator.latents(settings.seed, start, size), labels[start : start + size], 1.0)
        shape = pictures.shape[1:]
        scratch.write(pictures.tobytes())
    scratch.flush()
    return np.memmap(scratch, dtype=np.uint8, mode="r", shape=(n, *shape))
