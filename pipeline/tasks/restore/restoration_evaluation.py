"""The judgement of a restoration: held-out images degraded, restored whole, and held beside the originals and beside what was given."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pipeline.arrays import Float32Array, UInt8Array
from pipeline.data.batch_sampling import Pictures, signed
from pipeline.data.degradations import Degradation, enlarged
from pipeline.data.store import ImageSet
from pipeline.errors import InputError
from pipeline.evaluation.extractors.base import Extractor
from pipeline.evaluation.extractors.random_network import random_network
from pipeline.evaluation.report import data_uri, page
from pipeline.gans.base import GAN, View, to_uint8
from pipeline.media.image.preview import grid
from pipeline.serving.runtime.tiling import tiled
from pipeline.tasks.base import EvaluationCase, EvaluationResult, progress_bar
from pipeline.tasks.generate.report_pictures import png
from pipeline.tasks.restore.restoration_measures import Trial, material, metrics, protocol, rows
from pipeline.tasks.restore.restoration_measures import judge as verdict_of
from pipeline.tasks.restore.settings import RestorationGate

SHOWN = 8  # rows of a strip
LISTED = 100  # images named one by one
PART = 128  # side of what is shown of a large image
SQUARES = 4_000  # whose texture is compared, at most


@dataclass(frozen=True)
class Seen:
    """What a trial leaves to be shown, in the order of the images: the middle of each, as given, restored and in the original."""

    parts: list[UInt8Array]
    gains: list[float]


def evaluate(case: EvaluationCase) -> EvaluationResult:
    """Evaluate restorations of at most `evaluate.samples` images of the test split.

    Raises:
        InputError: The test split is empty.
    """
    settings, gate = case.settings, case.settings.gate
    assert isinstance(gate, RestorationGate)
    if not len(case.test):
        raise InputError(
            "the data has no test split to restore: set data.test_fraction above 0, or give a test folder; then run `dvc repro`"
        )
    side = min(case.info.item.height, 64)
    extractor = random_network(case.info.item.channels, case.device)
    tried = [attempt(case, name, view, extractor, side) for name, view in case.gan.evaluation_views().items()]
    trials, seen = [trial for trial, _ in tried], [one for _, one in tried]
    verdict = verdict_of(trials, gate)
    text = protocol(trials, case.test.fingerprint, settings.seed, extractor, side)
    measured = metrics(trials) | {
        "verdict": verdict.word,
        "reasons": verdict.reasons,
        "skipped": verdict.skipped,
        "protocol": text,
    }
    shown = page(
        Path(__file__).with_name("report.html.j2"),
        verdict,
        [],
        rows(trials, verdict),
        text,
        case.provenance(images=f"{trials[0].numbers()['images']:,} of the test split"),
        compared=False,
        beside="Input",
        strips=[
            (trial.name, data_uri(strip(one.parts[:SHOWN])))
            for trial, one in zip(trials, seen, strict=True)
            if one.parts
        ],
        worst=least(seen[0]),
        trials=[trial.name for trial in trials],
        images=listed(case.test, trials),
    )
    return EvaluationResult(measured, shown, line(trials), [], material(trials))


def attempt(case: EvaluationCase, name: str, view: View, extractor: Extractor, side: int) -> tuple[Trial, Seen]:
    """Every held-out image (at most `evaluate.samples`) degraded by one view and restored; textures are compared in squares of `side`."""
    scale, settings = case.gan.scale, case.settings
    trial, seen = Trial(name, border=scale if scale > 1 else 0), Seen([], [])
    degradation = Degradation(**view.options)
    rng = torch.Generator(case.device).manual_seed(settings.seed)
    squares: list[UInt8Array] = []  # of each image [3, n, S, S, C]: given, restored, original
    for position in progress_bar(range(min(len(case.test), settings.samples)), name):
        original = whole(case.test, position, scale).to(case.device)
        low = degradation(original, rng)
        made = restored(case.gan, low)
        large = enlarged(low, scale)
        given, back, clean = pictures = [to_uint8(one)[0] for one in (large, made, original)]
        if not torch.isfinite(made).all():
            trial.add(given, None, clean)
            continue
        trial.add(given, back, clean)
        trial.own.append((case.gan.distances(made, original), case.gan.distances(large, original)))
        if sum(one.shape[1] for one in squares) < SQUARES:
            squares.append(np.stack([cut(picture, side) for picture in pictures]))
        if len(seen.parts) < LISTED:
            seen.parts.append(np.stack([middle(picture) for picture in pictures]))
            seen.gains.append(trial.gains[-1])
    if squares:
        trial.compare_texture(extractor, *np.concatenate(squares, axis=1)[:, :SQUARES])
    return trial, seen


def whole(data: ImageSet, position: int, scale: int) -> Tensor:
    """One image [1, C, H, W] in [-1, 1], its sides cut to multiples of `scale`."""
    pixels = data.picture(position) if isinstance(data, Pictures) else data.images([position])[0]
    height, width = (size // scale * scale for size in pixels.shape[:2])
    return signed(torch.from_numpy(np.array(pixels[None, :height, :width])))


@torch.inference_mode()
def restored(gan: GAN, low: Tensor) -> Tensor:
    """[1, C, h, w] -> [1, C, H, W]; large images go through in tiles."""
    rng = torch.Generator()

    def run(piece: Float32Array) -> Float32Array:
        made: Float32Array = gan.sample(1, rng, image=torch.from_numpy(piece).to(low.device)).cpu().numpy()
        return made

    return torch.from_numpy(tiled(run, low[0].cpu().numpy(), gan.scale))[None].to(low.device)


def cut(picture: UInt8Array, side: int) -> UInt8Array:
    """Squares [n, S, S, C] that lie side by side in a picture [H, W, C]."""
    down, across = picture.shape[0] // side, picture.shape[1] // side
    inner = picture[: down * side, : across * side]
    return inner.reshape(down, side, across, side, -1).swapaxes(1, 2).reshape(down * across, side, side, -1)


def middle(picture: UInt8Array) -> UInt8Array:
    """The middle of a picture, at most 128 pixels wide and high, on a square."""
    side = min(PART, *picture.shape[:2])
    top, left = ((size - side) // 2 for size in picture.shape[:2])
    return picture[top : top + side, left : left + side]


def strip(parts: list[UInt8Array]) -> bytes:
    """A row of three for each image."""
    side = min(part.shape[1] for part in parts)
    return png(grid(np.concatenate([part[:, :side, :side] for part in parts]), columns=3, cell=2 * PART))


def least(seen: Seen) -> str | None:
    """The three that gain least, where that says something."""
    if len(seen.parts) < 2 * SHOWN:
        return None
    order = np.argsort(seen.gains)[:3]
    return data_uri(strip([seen.parts[k] for k in order]))


def listed(test: ImageSet, trials: list[Trial]) -> list[tuple[str, list[str]]]:
    """The first images by name, with a cell for each trial."""
    if any(trial.nonfinite for trial in trials):
        return []
    rows = []
    for k, name in enumerate(test.names[: min(LISTED, len(trials[0].made))]):
        pairs = [(trial.made[k], trial.given[k]) for trial in trials]
        rows.append(
            (
                name,
                [f"{made.psnr:.2f} / {made.ssim:.4f} ({given.psnr:.2f} / {given.ssim:.4f})" for made, given in pairs],
            )
        )
    return rows


def line(trials: list[Trial]) -> str:
    parts = []
    for trial in trials:
        found = trial.numbers()
        if "psnr" in found:
            parts.append(
                f"{trial.name} {found['psnr']:.2f} dB ({found['gain']:+.2f}), SSIM {found['ssim']:.4f} ({found['ssim_gain']:+.4f})"
            )
    return ", ".join(parts) or "no image was finite"
