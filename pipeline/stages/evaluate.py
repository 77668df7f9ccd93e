"""Evaluate: samples of the averaged generator against held-out real images; a verdict, a report, and numbers with their protocol."""

import io
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from pipeline import params as parameters
from pipeline import tracking
from pipeline.data.store import DatasetInfo, ImageSet, UInt8Array, open_split
from pipeline.errors import InputError
from pipeline.evaluation.features import quiet
from pipeline.evaluation.judgement import Judge, Judgement
from pipeline.evaluation.reference import require_reference
from pipeline.evaluation.report import Strip, render
from pipeline.gans.base import GAN, to_uint8
from pipeline.media.preview import grid
from pipeline.params import Params
from pipeline.stages import metrics
from pipeline.stages.paths import Paths
from pipeline.training import model
from pipeline.training.loop import pick_device
from pipeline.training.model import ModelConfig

SHEET = 64
STRIP = 12
STRIPS = 40


def run(root: Path) -> None:
    """Reads data/ and models/; writes metrics/evaluation.json and reports/evaluation.html. A failing verdict is a result, not an error.

    Raises InputError for an empty test split, a model of other data, or feature weights that cannot be had.
    """
    began = time.monotonic()
    paths = Paths(root)
    params = parameters.load(paths.params)
    info = DatasetInfo.read(paths.dataset)
    train, test = (open_split(paths.dataset, paths.validated, split) for split in ("train", "test"))
    require_reference(test)
    gan, config = model.load(paths.weights.parent)
    if (config.resolution, config.channels) != (info.resolution, info.channels):
        raise InputError(
            f"{paths.model_config}: a model of {config.resolution} px and {config.channels} channels, "
            f"but the data has {info.resolution} px and {info.channels}; run `dvc repro train`"
        )
    device = pick_device(params.train.device)
    judge = Judge(train, test, info.classes, params.evaluate, device, paths.cache, root, show)
    with tracking.resume(params.tracking, root, paths.run) as tracked, tempfile.TemporaryFile() as scratch:
        samples, nonfinite = draw(gan.to(device), params.evaluate.samples, params.evaluate.batch_size, params.evaluate.seed, scratch)
        judgement = judge(samples, nonfinite)
        page = report(judgement, samples, test, info, config, params, tracked.id)
        measured = {**judgement.metrics, "seconds": round(time.monotonic() - began, 2)}
        paths.evaluation_report.parent.mkdir(parents=True, exist_ok=True)
        paths.evaluation_report.write_text(page, encoding="utf-8")
        metrics.write(paths.evaluation_metrics, measured)
        tracked.log_params(params.model_dump(by_alias=True, include={"evaluate"}))
        tracked.log_metrics({f"evaluate/{name}": value for name, value in measured.items() if not isinstance(value, str | list) and value is not None})
        tracked.tag({"verdict": judgement.verdict.word, "protocol": measured["protocol"], "dataset_fingerprint": info.fingerprint})
        tracked.log_file(paths.evaluation_report)
        tracked.log_file(paths.evaluation_metrics)
    summarise(judgement, paths)


def show(steps: range, label: str) -> Iterable[int]:
    """A bar on stderr, silent where nobody watches and for what takes one step."""
    return tqdm(steps, desc=label, leave=False, disable=None, mininterval=0.5) if len(steps) > 1 else quiet(steps, label)


def draw(gan: GAN, n: int, batch_size: int, seed: int, scratch: "tempfile._TemporaryFileWrapper[bytes] | io.BufferedRandom") -> tuple[UInt8Array, int]:
    """The finite ones of `n` samples as uint8 [m, H, W, C] on disk behind `scratch`, and how many were not finite."""
    rng = torch.Generator().manual_seed(seed)
    bad = 0
    shape: tuple[int, ...] = ()
    with torch.inference_mode():
        for start in show(range(0, n, batch_size), "samples"):
            images = gan.sample(min(batch_size, n - start), rng)
            finite = torch.isfinite(images).flatten(1).all(dim=1)
            bad += int((~finite).sum())
            pixels = to_uint8(images[finite])
            shape = pixels.shape[1:]
            scratch.write(pixels.tobytes())
    scratch.flush()
    if bad == n:
        return np.empty((0, *shape), dtype=np.uint8), bad
    return np.memmap(scratch, dtype=np.uint8, mode="r", shape=(n - bad, *shape)), bad


def report(judgement: Judgement, samples: UInt8Array, test: ImageSet, info: DatasetInfo, config: ModelConfig, params: Params, run_id: str) -> str:
    """The page, with sheets of as many real as generated images; the real ones are spread evenly over the split, which is ordered by class."""
    count = min(SHEET, len(test))
    real = test.images(np.linspace(0, len(test) - 1, count).astype(np.int64))
    provenance = {
        "model": f"{config.model.variant}, {config.images_seen:,} images seen",
        "MLflow run": run_id,
        "data": f"{config.dataset_source}, {info.resolution} px, {info.channels} channel{'s' if info.channels > 1 else ''}",
        "data fingerprint": info.fingerprint,
        "samples": f"{params.evaluate.samples:,}, seed {params.evaluate.seed}",
    }
    fake = png(grid(samples[:SHEET])) if len(samples) else None
    return render(judgement, info.classes, png(grid(real)), fake, strips(judgement, samples, info.classes), provenance)


def strips(judgement: Judgement, samples: UInt8Array, classes: list[str]) -> list[Strip]:
    """A row of samples for each class, in the order they were drawn; of many classes the first are shown."""
    if judgement.predicted is None:
        return []
    rows = []
    for number, name in enumerate(classes[:STRIPS]):
        members = np.flatnonzero(judgement.predicted == number)
        rows.append(Strip(name, len(members), png(grid(samples[members[:STRIP]], columns=STRIP, cell=48)) if len(members) else None))
    return rows


def png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, format="PNG", optimize=True)
    return out.getvalue()


def summarise(judgement: Judgement, paths: Paths) -> None:
    """One line on stdout; what is wrong, and what to mind, on stderr."""
    measured = judgement.metrics
    parts = [f"{name} {measured[name]:.4g}" for name in ("fid", "fid_ratio", "duplicate_rate") if isinstance(measured[name], float)]
    if judgement.modes:
        parts.append(f"modes {judgement.modes.covered}/{judgement.modes.total}")
    sys.stdout.write(f"{judgement.verdict.word}: {', '.join(parts)}; see {paths.evaluation_report}\n")
    for reason in judgement.verdict.reasons:
        sys.stderr.write(f"ganline: verdict fail: {reason}\n")
    for text in judgement.warnings:
        sys.stderr.write(f"ganline: note: {text}\n")
