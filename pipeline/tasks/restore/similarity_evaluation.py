"""Evaluate a restoration by the similarities of its medium: degrade held-out items, restore and compare them."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from pipeline.arrays import BoolArray, Int64Array, Items
from pipeline.evaluation.comparison import Material
from pipeline.evaluation.extractors.classifier import train_classifier
from pipeline.evaluation.measures.kept_classes import classify
from pipeline.evaluation.protocol import describe_rounding, with_code
from pipeline.evaluation.report_page import render_page
from pipeline.gans.base import View
from pipeline.media.registry import find_medium
from pipeline.tasks.base import EvaluationCase, EvaluationResult, progress_bar
from pipeline.tasks.medium_measures import modules_of
from pipeline.tasks.parts import Part, apply_gate, measure_part, report_head, report_rows
from pipeline.tasks.restore.restoration_evaluation import flatten, require_test_images
from pipeline.tasks.restore.similarity_measures import measures_of_similarity
from pipeline.tasks.restore.similarity_trial import SimilarityTrial

SHOWN = 4
"""Items that the report shows of each trial, and as many of those that gain least."""


def evaluate(case: EvaluationCase) -> EvaluationResult:
    """Evaluate restorations of at most `evaluate.samples` items of the test split.

    Raises:
        InputError: The test split is empty.
    """
    require_test_images(case.test)
    trials = [run_trial(case, title, view) for title, view in case.gan.evaluation_views().items()]
    measures = measures_of_similarity(find_medium(case.info.item.medium))
    several = len(trials) > 1
    parts = [
        measure_part(trial, measures, trial.suffix if several else "", f" ({trial.title})" if several else "")
        for trial in trials
    ]
    verdict = apply_gate(parts, case.settings.gate)
    text = with_code(protocol(trials, case), __name__, *modules_of(measures))
    metrics = flatten(parts) | {**verdict.outcome, "protocol": text}
    html = render_page(
        Path(__file__).with_name("similarity_report.html.j2"),
        verdict,
        warnings=[],
        rows=report_rows(parts, verdict, case.settings.gate, {}),
        protocol=text,
        provenance=case.provenance(items=f"{trials[0].total:,} of the test split"),
        compared=False,
        head=report_head(parts, verdict, case.settings.gate, case.runs(metrics)),
        reference_title="Input",
        trials=[(trial.title, rows_of(trial)) for trial in trials],
    )
    return EvaluationResult(metrics, html, summary_line(parts), [], material(trials))


class Results(NamedTuple):
    """What a model made of held-out items.

    Attributes:
        given: Degraded items, or their stand-ins.
        restored: Results.
        finite: Which results are finite, [n].
        stand_ins: `given` holds stand-ins, see `Tensors.stand_in`.
    """

    given: Items
    restored: Items
    finite: BoolArray
    stand_ins: bool


def run_trial(case: EvaluationCase, title: str, view: View) -> SimilarityTrial:
    """Degrade and restore held-out items, at most `evaluate.samples`."""
    positions = np.arange(min(len(case.test), case.settings.samples))
    results = restore_items(case, title, view, positions)
    kept = results.finite
    return SimilarityTrial(
        title,
        case.info.item,
        case.test.images(positions[kept]),
        results.given[kept],
        results.restored[kept],
        int((~kept).sum()),
        case.settings.seed,
        case.folders.cache,
        f"{case.test.fingerprint} {len(positions)}",
        results.stand_ins,
        recognise(case, positions[kept], results.restored[kept]) if results.stand_ins else None,
    )


@torch.inference_mode()
def restore_items(case: EvaluationCase, title: str, view: View, positions: Int64Array) -> Results:
    """Degrade and restore these items of the test split."""
    settings, tensors = case.settings, case.tensors
    degradation = tensors.degradation(**view.options)
    rng = torch.Generator(case.device).manual_seed(settings.seed)
    given, restored, finite, stand_ins = [], [], [], False
    for start in progress_bar(range(0, len(positions), settings.batch_size), title):
        items = case.test.images(positions[start : start + settings.batch_size])
        low = degradation(tensors.to_network(torch.from_numpy(np.array(items)).to(case.device)), rng)
        results = case.gan.sample(len(low), torch.Generator(), item=low)
        finite.append(results.isfinite().flatten(1).all(dim=1).cpu().numpy())
        stand_in = tensors.stand_in(low, **view.options)
        stand_ins = stand_in is not None
        given.append(tensors.from_network(low) if stand_in is None else stand_in)
        restored.append(tensors.from_network(results))
    return Results(np.concatenate(given), np.concatenate(restored), np.concatenate(finite), stand_ins)


def recognise(case: EvaluationCase, positions: Int64Array, restored: Items) -> BoolArray | None:
    """Return whether a classifier names the class of held-out items, and of what was made of them, [n, 2].

    None if the items have fewer than two classes.
    """
    labels = case.test.labels[positions]
    if len(case.info.item.classes) < 2 or not len(labels) or (labels < 0).any():
        return None
    nothing = np.empty(0, dtype=np.int64)
    judge = train_classifier(
        case.train, nothing, case.info.item, case.device, folder=case.folders.cache, progress=progress_bar
    )
    sets = (case.test.images(positions), restored)
    return np.stack([classify(items, judge) == labels for items in sets], axis=1)


def protocol(trials: Sequence[SimilarityTrial], case: EvaluationCase) -> str:
    """Return everything that must be equal before two similarities may be compared, in one line."""
    medium = find_medium(case.info.item.medium)
    fields = {
        "measure": "/".join(one.name for one in medium.similarities),
        case.info.item.dtype: describe_rounding(case.info.item),
        "trials": ", ".join(trial.title for trial in trials),
        "real": f"test:{case.test.fingerprint[:8]}",
        "n_real": trials[0].total,
        "seed": case.settings.seed,
    }
    return " | ".join(f"{key}={value}" for key, value in fields.items())


def material(trials: Sequence[SimilarityTrial]) -> Material:
    """Return what models are compared by: the first similarity of each item, if every result is finite."""
    scores = {}
    for trial in trials:
        if not trial.nonfinite:
            similarity = next(iter(trial.similarities.values()))
            values = trial.scores[similarity.name].restored
            name = f"{'' if similarity.higher else 'minus_'}{similarity.name}"
            scores[f"{name}{trial.suffix if len(trials) > 1 else ''}"] = values if similarity.higher else -values
    return Material(scores, {}, kernel=False)


def rows_of(trial: SimilarityTrial) -> list[tuple[str, list[str]]]:
    """Return the first items, and those that gain least: a caption, then input, result, baseline and original."""
    if not len(trial.original):
        return []
    medium = find_medium(trial.spec.medium)
    similarity = next(iter(trial.similarities.values()))
    scores = trial.scores[similarity.name]
    gains = (scores.restored - scores.given) * (1 if similarity.higher else -1)
    chosen = [("", k) for k in range(min(SHOWN, len(gains)))]
    chosen += [("gains least: ", int(k)) for k in np.argsort(gains)[:SHOWN] if k >= SHOWN]
    return [
        (
            f"{why}{similarity.name} {scores.restored[k]:.3g}, of the input {scores.given[k]:.3g}",
            [
                medium.html(items[k], trial.spec)
                for items in (trial.given, trial.restored, trial.baseline, trial.original)
            ],
        )
        for why, k in chosen
    ]


def summary_line(parts: Sequence[Part]) -> str:
    """Return the gains of every trial."""
    words = []
    for part in parts:
        gains = {
            name: value
            for name, value in part.values.items()
            if name.endswith("_gain") and "baseline" not in name and isinstance(value, float)
        }
        words.append(" ".join([part.data.title, *(f"{name} {value:+.2f}" for name, value in gains.items())]))
    return ", ".join(words)
