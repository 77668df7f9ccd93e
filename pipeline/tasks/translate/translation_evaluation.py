"""Evaluate a translation: held-out images of each domain, translated, against real images of the other domain.

The features are those of evaluate.features; `auto` is the random network. Those of a classifier of the domains would
not do: it learns only what separates them, which is what the adversary trained the generator to imitate, and overlooks
everything else, variety included. Features that were never trained cannot be fooled, and need no images of their own.
A classifier only says whether translations show the class that was asked for.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from pipeline.arrays import UInt8Array
from pipeline.errors import InputError
from pipeline.evaluation.comparison import Material
from pipeline.evaluation.extractors.base import Extractor
from pipeline.evaluation.extractors.selection import open_extractor
from pipeline.evaluation.measures.kid import SUBSET_SIZE, SUBSETS
from pipeline.evaluation.projection import rank_by_typicality
from pipeline.evaluation.protocol import describe_rounding, with_code
from pipeline.evaluation.report_page import Exhibit, data_uri, render_page
from pipeline.measure import Measure
from pipeline.media.registry import find_medium
from pipeline.media.sheet import grid
from pipeline.tasks.base import EvaluationCase, EvaluationResult
from pipeline.tasks.extractor_export import keep_with_note
from pipeline.tasks.generate.report_pictures import png
from pipeline.tasks.medium_measures import modules_of
from pipeline.tasks.parts import Part, apply_gate, measure_part, report_head, report_rows
from pipeline.tasks.translate.direction_probe import STYLES
from pipeline.tasks.translate.direction_result import DirectionResult, evaluate_direction
from pipeline.tasks.translate.domain_features import load_domains
from pipeline.tasks.translate.feature_statistics import draws
from pipeline.tasks.translate.recognition import train_recogniser
from pipeline.tasks.translate.translation_look import TranslationLook
from pipeline.tasks.translate.translation_measures import measures_for
from pipeline.tasks.translate.translations import LISTED, Route

STRIP_ROWS = 8
"""Images in a strip of the report."""

WORST_ROWS = 4
"""The least convincing translations that the report shows."""

LISTED_DIRECTIONS = 4
"""Directions in the summary."""

CELL = 96
"""Size of a picture in the report, in pixels."""

CAUTION = (
    "Features of an untrained network see colour, texture, noise, blur and collapse, but not whether a translation "
    "means the right thing. Set evaluate.features to Inception weights or an encoder of your own, and look at the "
    "images."
)


def evaluate(case: EvaluationCase) -> EvaluationResult:
    """Evaluate translations of at most `evaluate.samples` held-out images of each domain.

    Raises:
        InputError: A domain has fewer than 2 images, or the weights of the features are missing.
    """
    extractor = select_extractor(case)
    domains = load_domains(case, extractor)
    paired = case.gan.view.name == "paired"
    recogniser = None if paired else train_recogniser(case, domains)
    results = [
        evaluate_direction(
            case, Route(name, way, domains[way.source], domains[way.target], paired), extractor, recogniser
        )
        for name, way in case.gan.directions().items()
    ]
    measures = measures_for(find_medium(case.info.item.medium))
    parts = measure_directions(results, measures)
    verdict = apply_gate(parts, case.settings.gate, case.checks(TranslationLook.goals))
    text = with_code(protocol(results, case, extractor), __name__, *modules_of(measures))
    metrics = flatten(parts) | {
        "features": extractor.spec.name,
        "features_sha256": extractor.spec.sha256,
        **verdict.outcome,
        "protocol": text,
    }
    warnings = [CAUTION] if extractor.spec.name == "random" else []
    previous = case.previous if case.previous and case.previous.get("protocol") == text else {}
    counts = ", ".join(f"{result.total:,} {result.title}" for result in results)
    html = render_page(
        Path(__file__).with_name("report.html.j2"),
        verdict,
        warnings=warnings,
        rows=report_rows(parts, verdict, case.settings.gate, previous, [worst_exhibit(result) for result in results]),
        protocol=text,
        provenance=case.provenance(images=f"{counts}, all of the test split"),
        compared=bool(previous),
        head=report_head(parts, verdict, case.settings.gate, case.runs(metrics)),
        reference_title="To compare",
        ways=[report_pictures(result) for result in results],
    )
    return EvaluationResult(
        metrics,
        html,
        summary_line(parts),
        [*map("note: {}".format, warnings), *keep_with_note(extractor, case)],
        merge_material(results),
    )


def select_extractor(case: EvaluationCase) -> Extractor:
    """Return the feature extractor. Raises InputError if it cannot evaluate a translation, or is missing."""
    settings, folders = case.settings, case.folders
    if settings.features == "classifier":
        raise InputError(
            "evaluate.features is classifier. A classifier of the two domains learns only what separates them, which "
            "is what a translator is trained to imitate. Set it to auto, inception, or the path of an encoder."
        )
    if settings.features == "contrastive":
        raise InputError(
            "evaluate.features is contrastive, which the evaluation of generated items alone supports. "
            "Set it to auto, inception, or the path of an encoder."
        )
    return open_extractor(settings, case.info.item, case.device, folders.cache, folders.root)


def measure_directions(results: Sequence[DirectionResult], measures: Sequence[Measure[Any]]) -> list[Part]:
    """Compute the measures of every direction."""
    return [measure_part(result, measures, f"_{result.route.name}", f" ({result.title})") for result in results]


def flatten(parts: Sequence[Part]) -> dict[str, Any]:
    """Return the flat metrics: every number as its mean over the directions, and of each direction with its name."""
    flat: dict[str, Any] = {
        "images": sum(part.data.total for part in parts),
        "nonfinite": sum(part.data.nonfinite for part in parts),
    }
    for name in dict.fromkeys(name for part in parts for name in part.values):
        values = [value for part in parts if (value := part.values.get(name)) is not None]
        numbers = [value for value in values if not isinstance(value, str)]
        flat[name] = fmean(numbers) if numbers else "; ".join(dict.fromkeys(values)) or None
    for part in parts:
        flat |= part.metrics
    return flat


def merge_material(results: Sequence[DirectionResult]) -> Material:
    """Return what models are compared by, of all directions."""
    item_scores: dict[str, Any] = {}
    features: dict[str, Any] = {}
    for result in results:
        item_scores |= result.material.item_scores
        features |= result.material.features
    return Material(item_scores, features)


def protocol(results: Sequence[DirectionResult], case: EvaluationCase, extractor: Extractor) -> str:
    """Return everything that must be equal before two numbers may be compared, in one line."""
    spec = extractor.spec
    sizes = [result.distances.n if result.nonfinite < result.total and result.distances else 0 for result in results]
    fields = {
        "measure": spec.measure,
        "features": f"{spec.name}:{spec.sha8}",
        "dims": spec.dims,
        "resize": spec.resize,
        "range": spec.value_range,
        case.info.item.dtype: describe_rounding(case.info.item),
        "real": f"test:{case.test.fingerprint[:8]}",
        "null": f"test+train:{case.train.fingerprint[:8]}",
        "ways": ", ".join(f"{result.route.name} {result.total}" for result in results),
        "n": ", ".join(str(size) for size in sizes),
        "seed": case.settings.seed,
        "draws": draws(spec.dims),
        "kid": f"{SUBSETS}x{SUBSET_SIZE}",
        "cycle": "8 bits between, mean absolute",
        "styles": STYLES,
    }
    return " | ".join(f"{key}={value}" for key, value in fields.items())


def report_pictures(result: DirectionResult) -> Mapping[str, Any]:
    """Return what the report's template shows of one direction."""
    pictures = result.translations.pictures
    return {
        "title": result.title,
        "caption": f"From left to right: {', '.join(result.route.columns)}.",
        "strip": strip(pictures[:STRIP_ROWS]),
        "styles": strip(result.probe.pictures),
        "examples": strip(result.probe.by_example.pictures if result.probe.by_example else ()),
        "worst": strip(least_convincing(result)),
        "count": STYLES,
    }


def least_convincing(result: DirectionResult) -> list[UInt8Array]:
    """Return the pictures of the translations farthest from real images; empty if there are too few."""
    pictures = result.translations.pictures
    if len(pictures) < 2 * STRIP_ROWS:
        return []
    if result.outliers is None:
        order = rank_by_typicality(result.features[:LISTED][: len(pictures)], result.target_features)[::-1]
    else:
        order = result.outliers.order[result.outliers.order < len(pictures)]
    return [pictures[k] for k in order[:WORST_ROWS]]


def worst_exhibit(result: DirectionResult) -> list[Exhibit]:
    """Return the pictures of a direction's failed tests."""
    worst = draw_rows(least_convincing(result))
    columns = ", ".join(result.route.columns)
    return (
        [Exhibit(f"{result.title}, farthest from real images; from left to right: {columns}", worst)] if worst else []
    )


def draw_rows(rows: Sequence[UInt8Array]) -> bytes | None:
    """Draw rows of pictures as PNG; None without rows."""
    return png(grid(np.concatenate(rows), columns=len(rows[0]), cell=CELL)) if rows else None


def strip(rows: Sequence[UInt8Array]) -> str | None:
    """Draw rows of pictures as the source of an <img>; None without rows."""
    picture = draw_rows(rows)
    return data_uri(picture) if picture else None


def summary_line(parts: Sequence[Part]) -> str:
    """Return the most important numbers of every direction."""
    words = {
        "psnr": "PSNR {:.2f} dB",
        "target_accuracy": "target class {:.0%} of real",
        "cycle_error": "cycle error {:.1f}",
        "diversity_ratio": "diversity {:.2f} of real",
    }
    lines = []
    for part in parts[:LISTED_DIRECTIONS]:
        values = part.values
        fid, given = values["fid"], values["input_fid"]
        texts = [] if fid is None else [f"fid {fid:.4g} (untranslated {given:.4g})"]
        texts += [text.format(value) for name, text in words.items() if (value := values.get(name)) is not None]
        lines.append(f"{part.data.title}: {', '.join(texts) or 'no image was finite'}")
    more = len(parts) - len(lines)
    return "; ".join([*lines, *([f"{more} more directions in the report"] if more else [])])
