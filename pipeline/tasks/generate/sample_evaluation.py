"""The judgement of a generator of images: samples of the averages against held-out real images."""

import io
import tempfile
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from pipeline.arrays import Int64Array, UInt8Array
from pipeline.data.store import ImageSet
from pipeline.data.views import labelled_few
from pipeline.errors import InputError
from pipeline.evaluation.comparison import Material
from pipeline.evaluation.measures.semi_supervised import compare
from pipeline.evaluation.reference import require_reference
from pipeline.evaluation.report import Pictures, render
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.gans.base import GAN, Progress, to_uint8
from pipeline.gans.registry import build
from pipeline.tasks import extractor_export as judges
from pipeline.tasks.base import EvaluationCase, EvaluationResult, progress_bar
from pipeline.tasks.generate import report_pictures
from pipeline.tasks.generate.evaluator import Judge, Judgement
from pipeline.training import model_files


def evaluate(case: EvaluationCase) -> EvaluationResult:
    """Evaluate samples of the averaged generator.

    Raises:
        InputError: The test split is empty, or the weights of the features are missing.
    """
    require_reference(case.test)
    info, settings, folders = case.info, case.settings, case.folders
    judge = Judge(
        case.train, case.test, info.item.classes, settings, case.device, folders.cache, folders.root, progress_bar
    )
    with tempfile.TemporaryFile() as scratch:
        samples = draw(case.gan, settings, case.train, scratch)
        judgement = judge(samples.images, samples.nonfinite, samples.asked)
        added = compare_classifiers(case)
        judgement = replace(judgement, metrics=judgement.metrics | added)
        page = report(judgement, samples, case)
    kept = judges.keep(judgement.extractor, info.item.shape, folders.extractors, case.opset)
    notes = [f"note: {text}" for text in judgement.warnings]
    if kept:
        notes.append(
            f"the judging network is kept as {kept}; evaluate.features takes it, to judge by the same on another machine"
        )
    return EvaluationResult(
        judgement.metrics, page, line(judgement), notes, Material(features={"": judgement.features})
    )


@dataclass(frozen=True)
class Samples:
    """The finite ones of what was drawn, uint8 [m, H, W, C]; how many were not; and the classes asked for, [m], where the variant takes any."""

    images: UInt8Array
    nonfinite: int
    asked: Int64Array | None


def draw(
    gan: GAN,
    settings: EvaluateSettings,
    train: ImageSet,
    scratch: "tempfile._TemporaryFileWrapper[bytes] | io.BufferedRandom",
) -> Samples:
    """Draws `settings.samples` images onto the disk behind `scratch`; classes are asked for in the shares of the training images."""
    rng = torch.Generator().manual_seed(settings.seed)
    n = settings.samples
    labels = np.random.default_rng(settings.seed).choice(train.labels, n) if gan.classes else None
    kept: list[npt.NDArray[np.bool_]] = []
    shape: tuple[int, ...] = ()
    with torch.inference_mode():
        for start in progress_bar(range(0, n, settings.batch_size), "samples"):
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
    drawn = (
        np.memmap(scratch, dtype=np.uint8, mode="r", shape=(count, *shape))
        if count
        else np.empty((0, *shape), dtype=np.uint8)
    )
    return Samples(drawn, n - count, None if labels is None else labels[good])


def compare_classifiers(case: EvaluationCase) -> dict[str, float | int]:
    """Compare a semi-supervised classifier with a supervised one that is trained on the same labels.

    Returns nothing for a variant without a semi-supervised classifier.

    Raises:
        InputError: The training images are not those of the model, so its labels are unknown.
    """
    gan, config, train, device = case.gan, case.config, case.train, case.device
    classifier = gan.classifier()
    if classifier is None or gan.view.name != "partly_labelled":
        return {}
    if train.fingerprint != config.dataset_fingerprint:
        raise InputError(
            f"{case.folders.model / model_files.CONFIG}: the model was trained on other images, so the labels that it "
            "was shown are unknown. Run `dvc repro train`."
        )
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        fresh = build(config.model, config.item).to(device)
    baseline = fresh.classifier()
    assert baseline is not None
    few = labelled_few(train.labels, gan.view.options["per_class"], config.seed)
    # The end of the schedule: how strongly images were changed when training stopped.
    end = Progress(step=0, fraction=1.0)
    return compare(
        classifier,
        baseline,
        train,
        few,
        case.test,
        device,
        config.seed,
        case.settings.batch_size,
        lambda images, rng: fresh.augment_for_discriminator(images, end, rng),
        progress_bar,
    ).metrics


def report(judgement: Judgement, samples: Samples, case: EvaluationCase) -> str:
    """The page and its pictures."""
    settings, asked = case.settings, samples.asked
    pictures = Pictures(
        real=report_pictures.real_sheet(case.test),
        fake=report_pictures.fake_sheet(samples.images),
        strips=report_pictures.class_strips(
            samples.images, judgement.predicted if asked is None else asked, case.config.item.classes
        ),
        asked=asked is not None,
        interpolations=report_pictures.interpolation_sheet(case.gan, settings.seed),
        neighbours=report_pictures.neighbour_sheet(samples.images, case.train, judgement.neighbours),
        best=report_pictures.ranked_sheet(samples.images, judgement.typical),
        worst=report_pictures.ranked_sheet(samples.images, judgement.typical[::-1]),
        plane=report_pictures.plane_chart(judgement.plane),
    )
    provenance = case.provenance(samples=f"{settings.samples:,}, seed {settings.seed}")
    return render(judgement, case.config.item.classes, pictures, provenance, case.previous)


def line(judgement: Judgement) -> str:
    """The numbers that matter most."""
    measured = judgement.metrics
    parts = [
        f"{name} {measured[name]:.4g}"
        for name in ("fid", "fid_ratio", "duplicate_rate")
        if isinstance(measured[name], float)
    ]
    if judgement.modes:
        parts.append(f"modes {judgement.modes.covered}/{judgement.modes.total}")
    if "semi_supervised_accuracy" in measured:
        ours, theirs, labels = (
            measured[name] for name in ("semi_supervised_accuracy", "supervised_accuracy", "labels_used")
        )
        parts.append(f"classifier {ours:.1%} right with {labels:,} labels ({theirs:.1%} by them alone)")
    return ", ".join(parts)
