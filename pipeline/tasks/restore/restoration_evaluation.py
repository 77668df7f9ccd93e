"""Evaluate a restoration: degrade held-out images, restore them, and compare them with originals and inputs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.arrays import Float32Array, UInt8Array
from pipeline.data.batch_sampling import UncroppedItems
from pipeline.data.store import ItemSet
from pipeline.errors import InputError
from pipeline.evaluation.comparison import Material
from pipeline.evaluation.extractors.base import Extractor
from pipeline.evaluation.extractors.random_network import open_random_network
from pipeline.evaluation.protocol import describe_rounding, with_code
from pipeline.evaluation.report_page import Exhibit, data_uri, render_page
from pipeline.gans.base import GAN, View
from pipeline.measure import Measure
from pipeline.media.image.degradations import upsample
from pipeline.media.registry import find_medium, tensors_of
from pipeline.media.sheet import grid
from pipeline.serving.runtime.tiling import run_tiled
from pipeline.tasks.base import EvaluationCase, EvaluationResult, progress_bar
from pipeline.tasks.generate.report_pictures import png
from pipeline.tasks.medium_measures import modules_of
from pipeline.tasks.parts import Part, apply_gate, measure_part, report_head, report_rows
from pipeline.tasks.restore.restoration_look import RestorationLook
from pipeline.tasks.restore.restoration_measures import MEASURES, measures_for
from pipeline.tasks.restore.trial import Squares, Trial

STRIP_ROWS = 8
"""Images in a strip of the report."""

WORST_ROWS = 3
"""The images that gain least."""

LISTED = 100
"""Images that the report lists by name."""

DETAIL = 128
"""Height and width of the detail that the report shows of a large image."""

TEXTURE_SIDE = 64
"""Side of the squares whose texture is compared."""

MOST_SQUARES = 4_000
"""Most squares whose texture is compared."""


@dataclass
class TrialPictures:
    """The pictures of a trial for the report, in the order of the images.

    Attributes:
        details: [3, S, S, C] of each image: the input, the restored image and the original.
        gains: The gain of each image in dB.
    """

    details: list[UInt8Array] = field(default_factory=list)
    gains: list[float] = field(default_factory=list)


def require_test_images(test: ItemSet) -> None:
    """Raise InputError if there is no image to restore."""
    if not len(test):
        raise InputError(
            "the data has no test split to restore. Set data.test_fraction above 0, or give a test folder, then run "
            "`dvc repro`."
        )


def evaluate(case: EvaluationCase) -> EvaluationResult:
    """Evaluate restorations of at most `evaluate.samples` images of the test split.

    Raises:
        InputError: The test split is empty.
    """
    require_test_images(case.test)
    extractor = open_random_network(case.info.item, case.device)
    views = case.gan.evaluation_views().items()
    results = [run_trial(case, title, view, extractor) for title, view in views]
    trials, pictures = [trial for trial, _ in results], [shown for _, shown in results]
    measures = measures_for(find_medium(case.info.item.medium))
    parts = measure_trials(trials, measures)
    verdict = apply_gate(parts, case.settings.gate, case.checks(RestorationLook.goals))
    text = with_code(protocol(trials, case, extractor), __name__, *modules_of(measures))
    metrics = flatten(parts) | {
        **verdict.outcome,
        "protocol": text,
    }
    html = render_page(
        Path(__file__).with_name("report.html.j2"),
        verdict,
        warnings=[],
        rows=report_rows(parts, verdict, case.settings.gate, {}, [worst_exhibit(shown) for shown in pictures]),
        protocol=text,
        provenance=case.provenance(images=f"{len(trials[0].restored):,} of the test split"),
        compared=False,
        head=report_head(parts, verdict, case.settings.gate, case.runs(metrics)),
        reference_title="Input",
        strips=[
            (trial.title, data_uri(strip(shown.details[:STRIP_ROWS])))
            for trial, shown in zip(trials, pictures, strict=True)
            if shown.details
        ],
        worst=worst_strip(pictures[0]),
        trials=[trial.title for trial in trials],
        images=image_table(case.test, trials),
    )
    return EvaluationResult(metrics, html, summary_line(trials), [], material(trials))


def measure_trials(trials: Sequence[Trial], measures: Sequence[Measure[Any]] = MEASURES) -> list[Part]:
    """Compute the measures of every trial; a single trial needs no name."""
    several = len(trials) > 1
    return [
        measure_part(trial, measures, f"_{trial.key}" if several else "", f" ({trial.title})" if several else "")
        for trial in trials
    ]


def flatten(parts: Sequence[Part]) -> dict[str, Any]:
    """Return the flat metrics: those of the first trial by their names, and those of each trial with its name."""
    flat: dict[str, Any] = {}
    for number, part in enumerate(parts):
        counts = {"images": part.data.total - part.data.nonfinite, "nonfinite": part.data.nonfinite}
        flat |= (counts | part.values) if number == 0 else {}
        flat |= {f"{name}{part.suffix}": count for name, count in counts.items()} | part.metrics
    return flat


def material(trials: Sequence[Trial]) -> Material:
    """Return what models are compared by: the PSNR of each image, and texture features if every image is finite."""
    suffixes = {trial.title: f"_{trial.key}" if len(trials) > 1 else "" for trial in trials}
    return Material(
        {f"psnr{suffixes[trial.title]}": np.array(trial.psnrs) for trial in trials},
        {
            suffixes[trial.title]: trial.texture.features
            for trial in trials
            if trial.texture is not None and not trial.nonfinite
        },
        kernel=False,
    )


def protocol(trials: Sequence[Trial], case: EvaluationCase, extractor: Extractor) -> str:
    """Return everything that must be equal before two PSNRs may be compared, in one line."""
    fields = {
        "measure": "psnr",
        "pixels": "8-bit RGB, and Y of BT.601",
        "border": "/".join(dict.fromkeys(str(trial.border) for trial in trials)),
        "ssim": "gaussian 1.5, 11x11",
        case.info.item.dtype: describe_rounding(case.info.item),
        "trials": ", ".join(trial.title for trial in trials),
        "down": "bicubic antialias a=-0.5, rounded to 8 bits",
        "real": f"test:{case.test.fingerprint[:8]}",
        "n_real": trials[0].total,
        "seed": case.settings.seed,
        "texture": f"{extractor.spec.measure}, squares of {square_side(case)}",
    }
    return " | ".join(f"{key}={value}" for key, value in fields.items())


def run_trial(case: EvaluationCase, title: str, view: View, extractor: Extractor) -> tuple[Trial, TrialPictures]:
    """Degrade and restore held-out images, at most `evaluate.samples`, and compare their texture in squares."""
    scale, settings = case.gan.scale, case.settings
    trial, pictures = Trial(title, border=scale if scale > 1 else 0), TrialPictures()
    degradation = case.tensors.degradation(**view.options)
    rng = torch.Generator(case.device).manual_seed(settings.seed)
    squares: list[UInt8Array] = []  # of each image [3, n, S, S, C]: input, restored, original
    owners: list[int] = []
    for position in progress_bar(range(min(len(case.test), settings.samples)), title):
        original = read_image(case.test, position, scale).to(case.device)
        low = degradation(original, rng)
        restored = restore(case.gan, low)
        given = upsample(low, scale)
        images = [case.tensors.from_network(one)[0] for one in (given, restored, original)]
        if not torch.isfinite(restored).all():
            trial.add(images[0], None, images[2])
            continue
        trial.add(*images)
        trial.distances.append((case.gan.distances(restored, original), case.gan.distances(given, original)))
        if sum(one.shape[1] for one in squares) < MOST_SQUARES:
            squares.append(np.stack([cut_squares(image, square_side(case)) for image in images]))
            owners += [len(trial.restored) - 1] * squares[-1].shape[1]
        if len(pictures.details) < LISTED:
            pictures.details.append(np.stack([crop_centre(image) for image in images]))
            pictures.gains.append(trial.gains[-1])
    if squares:
        given_squares, restored_squares, original_squares = np.concatenate(squares, axis=1)[:, :MOST_SQUARES]
        trial.compare_texture(extractor, given_squares, restored_squares, original_squares)
        side = square_side(case)
        item = case.info.item.model_copy(update={"height": side, "width": side})
        key = f"{case.test.fingerprint} {side} {len(original_squares)} {scale}"
        of_images = np.array(owners[:MOST_SQUARES])
        trial.squares = Squares(
            item, restored_squares, original_squares, settings.seed, case.folders.cache, key, of_images
        )
    return trial, pictures


def square_side(case: EvaluationCase) -> int:
    """Return the side of the squares whose texture is compared."""
    return min(case.info.item.height, TEXTURE_SIDE)


def read_image(data: ItemSet, position: int, scale: int) -> Tensor:
    """Return one image [1, C, H, W] in [-1, 1], cropped so that `scale` divides its height and width."""
    pixels = data.read_uncropped(position) if isinstance(data, UncroppedItems) else data.images([position])[0]
    height, width = (size // scale * scale for size in pixels.shape[:2])
    return tensors_of(data.item).to_network(torch.from_numpy(np.array(pixels[None, :height, :width])))


@torch.inference_mode()
def restore(gan: GAN, low: Tensor) -> Tensor:
    """Restore an image: [1, C, h, w] -> [1, C, H, W]. Large images are processed in tiles."""
    rng = torch.Generator()

    def run(tile: Float32Array) -> Float32Array:
        restored: Float32Array = gan.sample(1, rng, item=torch.from_numpy(tile).to(low.device)).cpu().numpy()
        return restored

    return torch.from_numpy(run_tiled(run, low[0].cpu().numpy(), gan.scale))[None].to(low.device)


def cut_squares(image: UInt8Array, side: int) -> UInt8Array:
    """Cut an image [H, W, C] into adjacent squares [n, S, S, C]."""
    down, across = image.shape[0] // side, image.shape[1] // side
    inner = image[: down * side, : across * side]
    return inner.reshape(down, side, across, side, -1).swapaxes(1, 2).reshape(down * across, side, side, -1)


def crop_centre(image: UInt8Array) -> UInt8Array:
    """Return the square in the middle of an image, at most 128 pixels wide."""
    side = min(DETAIL, *image.shape[:2])
    top, left = ((size - side) // 2 for size in image.shape[:2])
    return image[top : top + side, left : left + side]


def strip(details: Sequence[UInt8Array]) -> bytes:
    """Draw rows of three, one for each image, as PNG."""
    side = min(detail.shape[1] for detail in details)
    return png(grid(np.concatenate([detail[:, :side, :side] for detail in details]), columns=3, cell=2 * DETAIL))


def worst_exhibit(pictures: TrialPictures) -> list[Exhibit]:
    """Return the pictures of a trial's failed tests: the three images that gain least."""
    if not pictures.details:
        return []
    worst = strip([pictures.details[k] for k in np.argsort(pictures.gains)[:WORST_ROWS]])
    return [Exhibit("The images that gain least; from left to right: before, after, original", worst)]


def worst_strip(pictures: TrialPictures) -> str | None:
    """Draw the three images that gain least; None if there are too few to choose from."""
    if len(pictures.details) < 2 * STRIP_ROWS:
        return None
    order = np.argsort(pictures.gains)[:WORST_ROWS]
    return data_uri(strip([pictures.details[k] for k in order]))


def image_table(test: ItemSet, trials: Sequence[Trial]) -> list[tuple[str, list[str]]]:
    """Return the first images by name, with a cell for each trial; empty if an image is not finite."""
    if any(trial.nonfinite for trial in trials):
        return []
    return [
        (
            name,
            [
                f"{ours.psnr:.2f} / {ours.ssim:.4f} ({theirs.psnr:.2f} / {theirs.ssim:.4f})"
                for ours, theirs in ((trial.restored[k], trial.inputs[k]) for trial in trials)
            ],
        )
        for k, name in enumerate(test.names[: min(LISTED, len(trials[0].restored))])
    ]


def summary_line(trials: Sequence[Trial]) -> str:
    """Return the most important numbers of every trial."""
    words = []
    for trial in trials:
        if trial.restored:
            psnr, ssim = trial.mean("psnr"), trial.mean("ssim")
            gain, ssim_gain = psnr - trial.input_mean("psnr"), ssim - trial.input_mean("ssim")
            words.append(f"{trial.title} {psnr:.2f} dB ({gain:+.2f}), SSIM {ssim:.4f} ({ssim_gain:+.4f})")
    return ", ".join(words) or "no image was finite"
