"""Evaluate a variant that predicts frames: complete held-out clips, and compare what it predicts with real frames."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from pipeline.arrays import Float64Array, Int64Array, Items, UInt8Array
from pipeline.data.store import ItemSet
from pipeline.errors import InputError
from pipeline.evaluation.comparison import Material
from pipeline.evaluation.protocol import describe_rounding, with_code
from pipeline.evaluation.report_page import render_page
from pipeline.gans.game.frame_completion import complete, predicted_frames
from pipeline.items import ItemSpec
from pipeline.media.registry import find_medium
from pipeline.tasks.base import EvaluationCase, EvaluationResult, progress_bar
from pipeline.tasks.parts import apply_gate, measure_part, report_head, report_rows
from pipeline.tasks.predict.frame_realism import compare_frames
from pipeline.tasks.predict.prediction_look import PredictionLook
from pipeline.tasks.predict.prediction_measures import MEASURES
from pipeline.tasks.predict.predictions import Predictions

SHOWN = 6
"""Clips that the report shows, and as many of those that gain least."""

MEAN_OF = 1000
"""Training clips whose mean frame is a prediction without learning."""


@dataclass(frozen=True)
class Completed:
    """Completed clips and the real ones, uint8 [n, H, W, T * C] each; `nonfinite` more held NaN or Inf."""

    completed: Items
    real: Items
    nonfinite: int


def require_clips(test: ItemSet) -> None:
    """Raise InputError if there is no clip to predict frames of."""
    if not len(test):
        raise InputError(
            "the data has no test split to predict frames of. Set data.test_fraction above 0, or give a test folder, "
            "then run `dvc repro`."
        )


def evaluate(case: EvaluationCase) -> EvaluationResult:
    """Evaluate predictions for at most `evaluate.samples` clips of the test split.

    Raises:
        InputError: The test split is empty.
    """
    require_clips(case.test)
    clips = complete_clips(case)
    data = compare(case, clips)
    part = measure_part(data, MEASURES, "", "")
    verdict = apply_gate([part], case.settings.gate, case.checks(PredictionLook.goals))
    text = with_code(protocol(case, data), __name__)
    counts = {"images": len(data.predicted), "nonfinite": data.nonfinite}
    metrics = counts | part.metrics | data.metrics() | {**verdict.outcome, "protocol": text}
    html = render_page(
        Path(__file__).with_name("report.html.j2"),
        verdict,
        warnings=[],
        rows=report_rows([part], verdict, case.settings.gate, {}),
        protocol=text,
        provenance=case.provenance(images=f"{data.total:,} of the test split"),
        compared=False,
        head=report_head([part], verdict, case.settings.gate, case.runs(metrics)),
        reference_title="Best without learning",
        horizons=horizon_table(data),
        clips=[(caption, show(case.info.item, values)) for caption, values in examples(clips, data)],
    )
    measured = [
        name
        for name in ("gain_first", "gain_last", "sharpness", "fid_ratio_last")
        if isinstance(metrics.get(name), float)
    ]
    line = ", ".join(f"{name} {metrics[name]:.2f}" for name in measured)
    scores = {} if data.nonfinite else {"psnr_first": data.scores[:, 0]}
    return EvaluationResult(metrics, html, line, [], Material(scores, {}, kernel=False))


@torch.inference_mode()
def complete_clips(case: EvaluationCase) -> Completed:
    """Complete held-out clips."""
    settings, tensors, item = case.settings, case.tensors, case.info.item
    positions = np.arange(min(len(case.test), settings.samples))
    completed, finite = [], []
    for start in progress_bar(range(0, len(positions), settings.batch_size), "predictions"):
        items = case.test.images(positions[start : start + settings.batch_size])
        real = tensors.to_network(torch.from_numpy(np.array(items)).to(case.device))
        values = complete(case.gan, real, item.channels // item.frames, torch.Generator())
        finite.append(values.isfinite().flatten(1).all(dim=1).cpu().numpy())
        completed.append(tensors.from_network(values))
    kept = np.concatenate(finite)
    return Completed(np.concatenate(completed)[kept], case.test.images(positions[kept]), int((~kept).sum()))


def compare(case: EvaluationCase, clips: Completed) -> Predictions:
    """Return the predicted frames of completed clips next to the real ones."""
    item = case.info.item
    numbers = predicted_frames(case.gan, item.frames)
    completed, real = (unfold(values, item) for values in (clips.completed, clips.real))
    if case.gan.between:
        # Every predicted frame is a case of its own, given its two neighbours.
        shape = (-1, 1, *real.shape[2:])
        given = np.stack([real[:, [k - 1, k + 1]] for k in numbers], axis=1).reshape(-1, 2, *real.shape[2:])
        predicted, wanted = completed[:, numbers].reshape(shape), real[:, numbers].reshape(shape)
    else:
        given, predicted, wanted = real[:, : case.gan.past], completed[:, numbers], real[:, numbers]
    last = predicted[:, -1], wanted[:, -1]
    realism = compare_frames(case.train, *last, case.settings, device=case.device, cache=case.folders.cache)
    mean = mean_frame(case.train)
    return Predictions(given, predicted, wanted, mean, case.gan.between, clips.nonfinite, realism=realism)


def mean_frame(train: ItemSet) -> Float64Array:
    """Return the mean of all frames of training clips, [H, W, C]."""
    item = train.item
    positions: Int64Array = np.unique(np.linspace(0, len(train) - 1, min(MEAN_OF, len(train))).astype(np.int64))
    means: Float64Array = unfold(train.images(positions), item).mean(axis=(0, 1), dtype=np.float64)
    return means


def unfold(values: Items, item: ItemSpec) -> UInt8Array:
    """Return clips [n, H, W, T * C] as [n, T, H, W, C]."""
    n, height, width, _ = values.shape
    clips = values.reshape(n, height, width, item.frames, -1).transpose(0, 3, 1, 2, 4)
    return np.ascontiguousarray(clips)


def protocol(case: EvaluationCase, data: Predictions) -> str:
    """Return everything that must be equal before two PSNRs may be compared, in one line."""
    item = case.info.item
    fields = {
        "measure": "psnr",
        "frames": f"{item.height}x{item.width}, 8-bit",
        "predicted": "between two" if data.between else f"{data.horizons} after {case.gan.past}",
        item.dtype: describe_rounding(item),
        "real": f"test:{case.test.fingerprint[:8]}",
        "n_real": data.total,
        "mean": f"train:{case.train.fingerprint[:8]}",
    }
    return " | ".join(f"{key}={value}" for key, value in fields.items())


def horizon_table(data: Predictions) -> list[tuple[str, list[str]]]:
    """Return rows of numbers for each horizon: the model, predictions without learning, and the sharpness."""
    if not len(data.predicted):
        return []
    rows = [("model, PSNR in dB", data.scores.mean(axis=0))]
    rows += [(f"{name}, PSNR in dB", scores.mean(axis=0)) for name, scores in data.baselines.items()]
    rows.append(("gain over the best of these in dB", data.gains.mean(axis=0)))
    rows.append(("sharpness over that of real frames", data.sharpness_by_horizon))
    return [(name, [f"{value:.2f}" for value in values]) for name, values in rows]


def examples(clips: Completed, data: Predictions) -> list[tuple[str, tuple[Items, Items]]]:
    """Return the first completed clips and those that gain least, each with the real one."""
    if not len(clips.real):
        return []
    gains = data.gains.reshape(len(clips.real), -1).mean(axis=1)
    chosen = [("", k) for k in range(min(SHOWN, len(gains)))]
    chosen += [("gains least: ", int(k)) for k in np.argsort(gains)[:SHOWN] if k >= SHOWN]
    return [(f"{why}{gains[k]:+.2f} dB", (clips.completed[k], clips.real[k])) for why, k in chosen]


def show(item: ItemSpec, pair: tuple[Items, Items]) -> list[str]:
    """Return the elements of a completed and a real clip."""
    medium = find_medium(item.medium)
    return [medium.html(values, item) for values in pair]
