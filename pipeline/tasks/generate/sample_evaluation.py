"""Evaluate a generator: samples of the averaged networks next to held-out real images."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

import numpy as np
import torch
from torch import nn

from pipeline.arrays import BoolArray, Items
from pipeline.data.batch_sampling import TrainingItems
from pipeline.data.store import ItemSet
from pipeline.data.views import choose_labelled
from pipeline.errors import InputError
from pipeline.evaluation.measures.path_length import PATHS
from pipeline.evaluation.measures.supervised_baseline import LabelledSplits, SemiSupervised, compare_classifiers
from pipeline.evaluation.reference import require_reference
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.gans.base import GAN, Progress
from pipeline.gans.registry import build
from pipeline.media.registry import tensors_of
from pipeline.tasks.base import EvaluationCase, EvaluationResult, progress_bar
from pipeline.tasks.extractor_export import keep_with_note
from pipeline.tasks.generate.conditions import Conditions, draw_conditions
from pipeline.tasks.generate.evaluator import Evaluation, evaluate
from pipeline.tasks.generate.failure_pictures import draw_failures
from pipeline.tasks.generate.report import Pictures, render
from pipeline.tasks.generate.report_classes import draw_classes
from pipeline.tasks.generate.report_pictures import ReportPictures, plane_chart
from pipeline.tasks.generate.sample_set import SampleSet
from pipeline.training import model_files


def evaluate_case(case: EvaluationCase) -> EvaluationResult:
    """Evaluate samples of the averaged generator.

    Raises:
        InputError: The test split is empty, or the weights of the features are missing.
    """
    require_reference(case.test)
    settings, real = case.settings, case.real_data(progress_bar)
    with tempfile.TemporaryFile() as scratch:
        samples = draw_samples(case.gan, settings, source_of_conditions(case), scratch)
        comparison = classifier_comparison(case)
        looks = case.checks({"fid": "Fréchet distance"})["Fréchet distance"]
        draw = value_source(case.gan, settings.seed, source_of_conditions(case))
        asked = samples.asked
        data = SampleSet(
            real,
            samples.images,
            samples.nonfinite,
            asked.labels,
            comparison,
            looks,
            draw,
            case.gan.latent,
            asked.captions,
        )
        evaluation = evaluate(data)
        page = report(evaluation, case)
    notes = [*map("note: {}".format, evaluation.warnings), *keep_with_note(real.extractor, case)]
    return EvaluationResult(evaluation.metrics, page, headline(evaluation), notes, evaluation.material)


@dataclass(frozen=True)
class Samples:
    """Samples of a generator.

    Attributes:
        images: The finite samples as stored items [m, H, W, C].
        nonfinite: Number of the others.
        asked: The conditions of the finite ones.
    """

    images: Items
    nonfinite: int
    asked: Conditions


def source_of_conditions(case: EvaluationCase) -> ItemSet:
    """Return the items whose conditions samples are asked for: labels of training items, captions of held-out ones."""
    return case.test if case.gan.condition == "tokens" else case.train


def draw_samples(gan: GAN, settings: EvaluateSettings, source: TrainingItems, scratch: IO[bytes]) -> Samples:
    """Draw `evaluate.samples` items onto the disk behind `scratch`; conditions in the shares of those of `source`."""
    tensors = tensors_of(source.item)
    rng = torch.Generator().manual_seed(settings.seed)
    n = settings.samples
    asked = draw_conditions(gan, source, n, settings.seed)
    finite: list[BoolArray] = []
    shape: tuple[int, ...] = ()
    with torch.inference_mode():
        for start in progress_bar(range(0, n, settings.batch_size), "samples"):
            size = min(settings.batch_size, n - start)
            images = gan.sample(size, rng, **asked.batch(start, size))
            good = torch.isfinite(images).flatten(1).all(dim=1)
            finite.append(good.cpu().numpy())
            items = tensors.from_network(images[good])
            shape = items.shape[1:]
            scratch.write(items.tobytes())
    scratch.flush()
    usable = np.concatenate(finite)
    count = int(usable.sum())
    if not count:
        return Samples(np.empty((0, *shape), dtype=tensors.spec.dtype), n, asked.select(usable))
    stored = np.memmap(scratch, dtype=tensors.spec.dtype, mode="r", shape=(count, *shape))
    return Samples(stored, n - count, asked.select(usable))


def value_source(gan: GAN, seed: int, source: TrainingItems) -> Callable[[torch.Tensor, slice], torch.Tensor] | None:
    """Return a function that draws network values [n, C, H, W] from latents of some paths; None without latents.

    A path keeps its condition, and everything else that is random is the same in each call.
    """
    if not gan.latent:
        return None
    asked = draw_conditions(gan, source, PATHS, [seed, 3])

    def draw(latents: torch.Tensor, rows: slice) -> torch.Tensor:
        conditions = {name: values[rows] for name, values in asked.inputs.items()}
        return gan.sample(len(latents), torch.Generator().manual_seed(seed), z=latents, **conditions)

    return draw


def classifier_comparison(case: EvaluationCase) -> Callable[[], SemiSupervised] | None:
    """Return the comparison of a semi-supervised variant's classifier with a baseline; None for other variants."""
    classifier = case.gan.classifier()
    if classifier is None or case.gan.view.name != "partly_labelled":
        return None
    return lambda: compare_classifier(case, classifier)


def compare_classifier(case: EvaluationCase, classifier: nn.Module) -> SemiSupervised:
    """Compare the classifier with one that is trained on the same labelled images alone.

    Raises:
        InputError: The training images are no longer those of the model, so its labelled images are not known.
    """
    config, train = case.config, case.train
    if train.fingerprint != config.dataset_fingerprint:
        raise InputError(
            f"{case.folders.model / model_files.CONFIG}: the model was trained on other images, so the labels that it "
            "was shown are unknown. Run `dvc repro train`."
        )
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        fresh = build(config.model, config.item).to(case.device)
    baseline = fresh.classifier()
    assert baseline is not None
    # The end of the schedule: the augmentation at the end of training.
    end = Progress(step=0, fraction=1.0)
    splits = LabelledSplits(
        train=train,
        labelled=choose_labelled(train.labels, case.gan.view.options["per_class"], config.seed),
        test=case.test,
        tensors=case.tensors,
        device=case.device,
        seed=config.seed,
        batch_size=case.settings.batch_size,
        augment=lambda values, rng: fresh.augment_for_discriminator(values, end, rng),
        progress=progress_bar,
    )
    return compare_classifiers(classifier, baseline, splits)


def report(evaluation: Evaluation, case: EvaluationCase) -> str:
    """Return the page with its pictures."""
    data, settings = evaluation.data, case.settings
    draw = ReportPictures(case.info.item)
    pictures = Pictures(
        real=draw.real_sheet(case.test),
        fake=draw.fake_sheet(data.images),
        classes=draw_classes(data, draw),
        interpolations=draw.interpolation_sheet(case.gan, settings.seed),
        neighbours=draw.neighbour_sheet(data.images, case.train, data.neighbours),
        best=draw.ranked_sheet(data.images, data.most_typical),
        worst=draw.ranked_sheet(data.images, data.least_typical),
        plane=plane_chart(data.plane),
        profiles=draw.profile_strips(data),
        failures=draw_failures(evaluation, draw),
        players=draw.players(data.images, case.test),
    )
    provenance = case.provenance(samples=f"{settings.samples:,}, seed {settings.seed}")
    return render(evaluation, pictures, provenance, case.previous, case.runs(evaluation.metrics))


def headline(evaluation: Evaluation) -> str:
    """Return the most important numbers in one line."""
    metrics, modes = evaluation.metrics, evaluation.data.modes
    parts = [
        f"{name} {metrics[name]:.4g}"
        for name in ("fid", "fid_ratio", "duplicate_rate")
        if isinstance(metrics[name], float)
    ]
    if modes:
        parts.append(f"modes {modes.covered}/{modes.total}")
    if metrics.get("semi_supervised_accuracy") is not None:
        ours, theirs, labels = (
            metrics[name] for name in ("semi_supervised_accuracy", "supervised_accuracy", "labels_used")
        )
        parts.append(f"classifier {ours:.1%} right with {labels:,} labels ({theirs:.1%} by them alone)")
    return ", ".join(parts)
