"""Evaluate: samples of the averaged generator against held-out real images; a verdict, a report, and numbers with their protocol."""

import io
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from pipeline import params as parameters
from pipeline import tracking
from pipeline.data.store import DatasetInfo, ImageSet, UInt8Array, open_split
from pipeline.data.views import labelled_few
from pipeline.errors import InputError
from pipeline.evaluation.diversity import Int64Array
from pipeline.evaluation.features import quiet
from pipeline.evaluation.judgement import Judge, Judgement
from pipeline.evaluation.reference import require_reference
from pipeline.evaluation.report import Pictures, render
from pipeline.evaluation.semi_supervised import compare
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.gans.base import GAN, Progress, to_uint8
from pipeline.gans.registry import build
from pipeline.params import Params
from pipeline.stages import judge as judges
from pipeline.stages import metrics, sheets
from pipeline.stages.paths import Paths
from pipeline.training import model
from pipeline.training.device import pick_device
from pipeline.training.model import ModelConfig


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
        samples = draw(gan.to(device), params.evaluate, train, scratch)
        judgement = judge(samples.images, samples.nonfinite, samples.asked)
        judgement = replace(judgement, metrics=judgement.metrics | classified(gan, config, train, test, params.evaluate.batch_size, device, paths))
        before = paths.work / "evaluation.json"  # the run before: DVC has removed its file under metrics/ by now
        page = report(judgement, samples, gan, train, test, config, info.fingerprint, params, tracked.id, metrics.kept(before))
        measured = {**judgement.metrics, "seconds": round(time.monotonic() - began, 2)}
        paths.evaluation_report.parent.mkdir(parents=True, exist_ok=True)
        paths.evaluation_report.write_text(page, encoding="utf-8")
        metrics.write(paths.evaluation_metrics, measured)
        metrics.write(before, measured)
        tracked.log_params(params.model_dump(by_alias=True, include={"evaluate"}))
        tracked.log_metrics({f"evaluate/{name}": value for name, value in measured.items() if not isinstance(value, str | list) and value is not None})
        tracked.tag({"verdict": judgement.verdict.word, "protocol": measured["protocol"], "dataset_fingerprint": info.fingerprint})
        tracked.log_file(paths.evaluation_report)
        tracked.log_file(paths.evaluation_metrics)
    kept = judges.keep(judgement.extractor, (info.resolution, info.resolution, info.channels), paths.judges, params.export.opset)
    summarise(judgement, paths, kept)


def show(steps: range, label: str) -> Iterable[int]:
    """A bar on stderr, silent where nobody watches and for what takes one step."""
    return tqdm(steps, desc=label, leave=False, disable=None, mininterval=0.5) if len(steps) > 1 else quiet(steps, label)


@dataclass(frozen=True)
class Samples:
    """The finite ones of what was drawn, uint8 [m, H, W, C]; how many were not; and the classes asked for, [m], where the variant takes any."""

    images: UInt8Array
    nonfinite: int
    asked: Int64Array | None


def draw(gan: GAN, settings: EvaluateSettings, train: ImageSet, scratch: "tempfile._TemporaryFileWrapper[bytes] | io.BufferedRandom") -> Samples:
    """Draws `settings.samples` images onto the disk behind `scratch`; classes are asked for in the shares of the training images."""
    rng = torch.Generator().manual_seed(settings.seed)
    n = settings.samples
    labels = np.random.default_rng(settings.seed).choice(train.labels, n) if gan.classes else None
    kept: list[npt.NDArray[np.bool_]] = []
    shape: tuple[int, ...] = ()
    with torch.inference_mode():
        for start in show(range(0, n, settings.batch_size), "samples"):
            size = min(settings.batch_size, n - start)
            conditions = {} if labels is None else {"label": torch.from_numpy(labels[start : start + size])}
            images = gan.sample(size, rng, **conditions)
            finite = torch.isfinite(images).flatten(1).all(dim=1)
            kept.append(finite.cpu().numpy())
            pixels = to_uint8(images[finite])
            shape = pixels.shape[1:]
            scratch.write(pixels.tobytes())
    scratch.flush()
    good = np.concatenate(kept)
    count = int(good.sum())
    drawn = np.memmap(scratch, dtype=np.uint8, mode="r", shape=(count, *shape)) if count else np.empty((0, *shape), dtype=np.uint8)
    return Samples(drawn, n - count, None if labels is None else labels[good])


def classified(gan: GAN, config: ModelConfig, train: ImageSet, test: ImageSet, batch_size: int, device: torch.device, paths: Paths) -> dict[str, float | int]:
    """The accuracy of a semi-supervised variant's classifier beside a supervised baseline on the very labels it was shown; nothing of other variants.

    Raises InputError when the training images are no longer those of the model, whose labels then cannot be found again.
    """
    classifier = gan.classifier()
    if classifier is None or gan.view.name != "partly_labelled":
        return {}
    if train.fingerprint != config.dataset_fingerprint:
        raise InputError(
            f"{paths.model_config}: the model was trained on other images, and the labels it was shown are not known any more; run `dvc repro train`"
        )
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        fresh = build(config.model, config.image).to(device)
    baseline = fresh.classifier()
    assert baseline is not None
    few = labelled_few(train.labels, gan.view.options["per_class"], config.seed)
    # The end of the schedule: how strongly images were changed when training stopped.
    end = Progress(step=0, done=1.0)
    return compare(classifier, baseline, train, few, test, device, config.seed, batch_size, lambda images, rng: fresh.seen(images, end, rng), show).metrics


def report(
    judgement: Judgement,
    samples: Samples,
    gan: GAN,
    train: ImageSet,
    test: ImageSet,
    config: ModelConfig,
    fingerprint: str,
    params: Params,
    run_id: str,
    previous: dict[str, Any] | None,
) -> str:
    """The page and its pictures."""
    provenance = {
        "model": f"{config.model.variant}, {config.images_seen:,} images seen",
        "MLflow run": run_id,
        "data": f"{config.dataset_source}, {config.resolution} px, {config.channels} channel{'s' if config.channels > 1 else ''}",
        "data fingerprint": fingerprint,
        "samples": f"{params.evaluate.samples:,}, seed {params.evaluate.seed}",
    }
    asked = samples.asked
    pictures = Pictures(
        real=sheets.real_sheet(test),
        fake=sheets.fake_sheet(samples.images),
        strips=sheets.class_strips(samples.images, judgement.predicted if asked is None else asked, config.class_names),
        asked=asked is not None,
        interpolations=sheets.interpolation_sheet(gan, params.evaluate.seed),
        neighbours=sheets.neighbour_sheet(samples.images, train, judgement.neighbours),
        best=sheets.ranked_sheet(samples.images, judgement.typical),
        worst=sheets.ranked_sheet(samples.images, judgement.typical[::-1]),
        plane=sheets.plane_chart(judgement.plane),
    )
    return render(judgement, config.class_names, pictures, provenance, previous)


def summarise(judgement: Judgement, paths: Paths, kept: Path | None) -> None:
    """One line on stdout; what is wrong, and what to mind, on stderr."""
    measured = judgement.metrics
    parts = [f"{name} {measured[name]:.4g}" for name in ("fid", "fid_ratio", "duplicate_rate") if isinstance(measured[name], float)]
    if judgement.modes:
        parts.append(f"modes {judgement.modes.covered}/{judgement.modes.total}")
    if "semi_supervised_accuracy" in measured:
        ours, theirs, labels = (measured[name] for name in ("semi_supervised_accuracy", "supervised_accuracy", "labels_used"))
        parts.append(f"classifier {ours:.1%} right with {labels:,} labels ({theirs:.1%} by them alone)")
    sys.stdout.write(f"{judgement.verdict.word}: {', '.join(parts)}; see {paths.evaluation_report}\n")
    for reason in judgement.verdict.reasons:
        sys.stderr.write(f"ganline: verdict fail: {reason}\n")
    for text in judgement.warnings:
        sys.stderr.write(f"ganline: note: {text}\n")
    if kept:
        sys.stderr.write(f"ganline: the judging network is kept as {kept}; evaluate.features takes it, to judge by the same on another machine\n")
