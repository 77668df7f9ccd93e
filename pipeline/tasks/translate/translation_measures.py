"""The judgement of translated images: one way for each direction, its numbers, and the verdict.

Distances are taken at one size: of the translations, and of the same inputs untranslated, to held-out images of the target side, and of real
images to real ones (the null). A distance of few images is biased, and so are all three alike. The null splits held-out and training images of
the target side, put together, in two: a small test split alone would say little, and no extractor that is used here was trained on them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

import numpy as np
import torch
from torch.nn.functional import pdist

from pipeline.arrays import Float32Array, FloatArray
from pipeline.evaluation.comparison import Material
from pipeline.evaluation.extractors.base import FeatureSpec
from pipeline.evaluation.measures.copies import proportion
from pipeline.evaluation.measures.distances import neighbours
from pipeline.evaluation.measures.fid import Side, fid
from pipeline.evaluation.measures.kid import SUBSET_SIZE, SUBSETS, kid
from pipeline.evaluation.protocol import QUANTISED
from pipeline.evaluation.reference import DRAWS, DRAWS_WIDE
from pipeline.evaluation.report import Row, number
from pipeline.evaluation.verdict import Test, Verdict, finite_test
from pipeline.evaluation.wording import join_names
from pipeline.tasks.translate.settings import TranslationGate

FEWEST = 10  # images on either side, without which no distance says anything
SIGNIFICANCE = 5.0  # standard deviations of the null
PAIRED = 512  # real images whose pairwise distances are measured
REPEATED = 0.25  # nearer to another than this part of the usual distance between nearest real images: a repeat
UNCHANGED = 2.0  # 8-bit levels

Numbers = dict[str, float | None]

EXPLAINED = {
    "finite images": "translations without NaN or Inf, of the way back too",
    "fid_excess": "Fréchet distance to the target side that is left of the inputs' own, beyond what real images show: 0 at best, 1 nothing gained",
    "dependence": "how much translations of different inputs differ, over how much real images of the target side do",
    "repeats": "translations that all but repeat another; beside it, real images and inputs that do",
    "cycle_ratio": "error after the way there and back, over the difference between two inputs",
    "psnr_gain": "dB of PSNR to the partner, over that of the untranslated input",
    "diversity_ratio": "how much translations of one input in several styles differ, over how much real images do",
    "fid": "Fréchet distance to held-out images of the target side; beside it, between real images",
    "input_fid": "the same of the inputs untranslated",
    "fid_ratio": "the first over the second",
    "kid": "kernel distance to the target side; beside it, that of the inputs untranslated",
    "change": "8-bit levels by which a translation differs from its input",
    "cycle_error": "8-bit levels, after the way there and back; beside it, between two inputs",
    "identity_error": "8-bit levels by which images that are of the target side already are changed",
    "l1": "8-bit levels from the partner; beside it, of the untranslated input",
    "psnr": "dB to the partner; beside it, of the untranslated input",
    "ssim": "to the partner; beside it, of the untranslated input",
    "diversity": "distance between translations of one input in several styles, in the features; beside it, between real images",
}
BESIDE = {
    "fid": "fid_null",
    "kid": "input_kid",
    "cycle_error": "unrelated",
    "diversity": "diversity_real",
    "repeats": "repeats_null",
} | {name: f"input_{name}" for name in ("l1", "psnr", "ssim")}
MOST = ("fid_excess", "repeats", "cycle_ratio")  # of the gate's bounds; the others are least values
REAL = {"fid_excess": 0.0, "dependence": 1.0, "diversity_ratio": 1.0}  # what real images show

SKIPPED = {
    "fid_excess": f"fewer than {FEWEST} images, or inputs that in these features lie no farther from the target side than its own images from each other",
    "repeats": f"fewer than {FEWEST} images",
}

ADVICE = {
    "collapse": "Raise the weight that ties a translation to its input (model.weights.cycle, cross_cycle or l1) over model.weights.adversarial, "
    "or lower train.learning_rate; then train anew",
    "fid_excess": "Train longer (train.total_images) or with wider networks; if translations hardly differ from their inputs, lower the weights that hold "
    "them there (model.weights.cycle, identity or cross_cycle) against model.weights.adversarial",
    "cycle_ratio": "What the input shows is lost on the way: raise model.weights.cycle or cross_cycle, or train longer",
    "psnr_gain": "Train longer, raise model.weights.l1, and look whether partners are matched rightly",
    "diversity_ratio": "The style is ignored: raise model.weights.mode_seeking and latent, or train longer",
}
NAMED = {
    "fid_excess": "not like the target side",
    "cycle_ratio": "content is lost",
    "psnr_gain": "no nearer to the partner than the input",
    "diversity_ratio": "styles without effect",
}


@dataclass(frozen=True)
class Way:
    """One direction over all held-out images of its source: `name` as the variant has it, `title` with the names of the sides, `tests` of the gate.

    `images` were translated, of which `nonfinite` hold NaN or Inf, there or on the way back; `numbers` are of the finite ones, None for what
    could not be measured; `material` is of all.
    """

    name: str
    title: str
    tests: Sequence[str]
    images: int
    nonfinite: int
    numbers: Numbers
    material: Material = field(default_factory=Material)


def applicable(*, back: bool, styles: bool, paired: bool) -> list[str]:
    """Those of the gate that a direction can be held to."""
    only = {"cycle_ratio": back, "psnr_gain": paired, "diversity_ratio": styles}
    return [name for name in TranslationGate.model_fields if only.get(name, True)]


def fidelity(made: Float32Array, given: Float32Array, target: Float32Array, train: Float32Array, seed: int) -> Numbers:
    """Distances from features [n, d] of translations and of their inputs to those of held-out images of the target side, and the null.

    Nothing where there are fewer than 10 of either. `fid_excess` is None where the inputs lie within 5 standard deviations of the null.
    """
    pool = np.concatenate([target, train])
    n = min(len(made), len(target), len(pool) // 2)
    if n < FEWEST:
        return {}
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(DRAWS if made.shape[1] <= 512 else DRAWS_WIDE):
        chosen, order = rng.choice(len(made), n, replace=False), rng.permutation(len(pool))
        real = Side(target[rng.choice(len(target), n, replace=False)])
        found.append([fid(made[chosen], real), fid(given[chosen], real), fid(pool[order[:n]], pool[order[n : 2 * n]])])
    ours, theirs, null = (float(value) for value in np.mean(found, axis=0))
    spread = float(np.std([row[2] for row in found], ddof=1))
    apart = theirs - null
    return {
        "fid": ours,
        "input_fid": theirs,
        "fid_null": null,
        "fid_null_sd": spread,
        "fid_ratio": ours / theirs if theirs > 0 else None,
        "fid_excess": (ours - null) / apart if apart > max(SIGNIFICANCE * spread, 1e-9) else None,
        "kid": kid(made, target, seed),
        "input_kid": kid(given, target, seed),
        "n_compared": n,
    }


def repetition(made: Float32Array, given: Float32Array, target: Float32Array) -> Numbers:
    """Shares of translations, and of inputs or real images, whose nearest other is nearer than a quarter of the usual distance between nearest images."""
    n = min(len(made), len(target))
    if n < FEWEST:
        return {}
    ours, inputs, real = (neighbours(x[:n], 1)[0][:, 0] for x in (made, given, target))
    usual = float(np.median(real))
    null = max(float(np.mean(real < REPEATED * usual)), float(np.mean(inputs < REPEATED * float(np.median(inputs)))))
    return {"repeats": float(np.mean(ours < REPEATED * usual)), "repeats_null": null}


def dependence(first: Float32Array, second: Float32Array, target: Float32Array) -> Numbers:
    """Of features [m, d] of translations of different inputs under equal styles: their mean distance, over that between images of the target side."""
    real = apart(target)
    return {
        "dependence": float(np.linalg.norm(first.astype(np.float64) - second, axis=1).mean()) / real
        if len(first) and real > 0
        else None
    }


def diversity(styles: Float32Array, target: Float32Array) -> Numbers:
    """Of features [m, k, d] of k styles of m inputs: the mean distance between two styles of one input, and that between images of the target side."""
    ours, real = fmean(apart(one) for one in styles), apart(target)
    return {"diversity": ours, "diversity_real": real, "diversity_ratio": ours / real if real > 0 else None}


def apart(features: Float32Array) -> float:
    """Mean distance between two of (at most 512 of) the features [n, d]; 0 of fewer than two."""
    return float(pdist(torch.from_numpy(features[:PAIRED]).double()).mean()) if len(features) > 1 else 0.0


def metrics(ways: Sequence[Way]) -> dict[str, float | int | None]:
    """Flat: every number as its mean over the directions that have it, and of each direction with its name behind it."""
    flat: dict[str, float | int | None] = {
        "images": sum(way.images for way in ways),
        "nonfinite": sum(way.nonfinite for way in ways),
    }
    for name in dict.fromkeys(name for way in ways for name in way.numbers):
        values = [value for way in ways if (value := way.numbers.get(name)) is not None]
        flat[name] = fmean(values) if values else None
    for way in ways:
        flat |= {f"{name}_{way.name}": value for name, value in way.numbers.items()}
    return flat


def material(name: str, nearness: FloatArray | None, made: Float32Array, target: Float32Array) -> Material:
    """Of one direction: PSNR of each image to its partner where there are partners, else the features of both sides, if they suffice for a distance."""
    if nearness is not None:
        return Material(pictures={f"psnr_{name}": nearness})
    return Material(features={f"_{name}": (made, target)} if min(len(made), len(target)) >= FEWEST else {})


def together(ways: Sequence[Way]) -> Material:
    """The material of all directions."""
    pictures = {name: values for way in ways for name, values in way.material.pictures.items()}
    return Material(pictures, {name: pair for way in ways for name, pair in way.material.features.items()})


def judge(ways: Sequence[Way], gate: TranslationGate) -> Verdict:
    """Every test in every direction; `reasons` name the symptom, the direction, the numbers and what to try."""
    verdict, said = Verdict(), set[str]()
    for way in ways:
        here = f" ({way.title})"
        good = way.images - way.nonfinite
        verdict.tests.append(finite_test(f"finite images{here}", good, way.images))
        if way.nonfinite:
            verdict.reasons.append(
                f"non-finite images{here}: {way.nonfinite:,} of {way.images:,} hold NaN or Inf; the generator diverged. Try a lower train.learning_rate"
            )
        failed = []
        for name in way.tests:
            limit, value, most = getattr(gate, name), way.numbers.get(name), name in MOST
            null = way.numbers.get("repeats_null") if name == "repeats" else REAL.get(name)
            bound = (
                "" if limit is None else f"{'<=' if most else '>='} {limit:g}{' + null' if name == 'repeats' else ''}"
            )
            beyond = False
            if value is not None and limit is not None:
                beyond = value > limit if most else value < limit
                if name == "repeats" and null is not None:
                    beyond = value - null > limit and (proportion(value, null, good, good).z or 0.0) > SIGNIFICANCE
            if limit is None:
                test = Test(f"{name}{here}", value, "off", null, "off")
            elif value is None:
                why = SKIPPED.get(name, "images that do not differ") if good else "no finite image"
                test = Test(f"{name}{here}", None, bound, null, "skipped", why)
            else:
                test = Test(f"{name}{here}", value, bound, null, "fail" if beyond else "pass")
            verdict.tests.append(test)
            failed += [name] if beyond else []
        verdict.reasons.extend(reasons(way, failed, {test.name: test.numbers for test in verdict.tests}, here, said))
    return verdict


def reasons(way: Way, failed: Sequence[str], evidence: Mapping[str, str], here: str, said: set[str]) -> list[str]:
    """What is wrong in one direction: a generator that ignores its input explains all else that failed. No advice that was `said` is given again."""

    def shown(names: Sequence[str]) -> str:
        return join_names([evidence[f"{name}{here}"].replace(here, "") for name in names])

    def advice(name: str) -> str:
        new = name not in said
        said.add(name)
        return f". {ADVICE[name]}" if new else ""

    collapse = [name for name in ("dependence", "repeats") if name in failed]
    if collapse:
        what = (
            "the generator ignores its input"
            if "dependence" in collapse
            else "it makes fewer different images than there are real ones"
        )
        rest = [name for name in failed if name not in collapse]
        return [
            f"mode collapse{here}: {what}: {shown(collapse)}{f' (with it {shown(rest)})' if rest else ''}{advice('collapse')}"
        ]
    found = []
    for name in failed:
        change = way.numbers.get("change")
        unchanged = name == "fid_excess" and change is not None and change < UNCHANGED
        symptom = "it hands on its input" if unchanged else NAMED[name]
        also = f"; translations differ from their inputs by {change:.2g} 8-bit levels" if unchanged else ""
        found.append(f"{symptom}{here}: {shown([name])}{also}{advice(name)}")
    return found


def rows(ways: Sequence[Way], verdict: Verdict, previous: Mapping[str, object]) -> list[Row]:
    """Direction by direction the gate's tests, and the plain numbers; `previous` are the metrics of a run before under the same protocol."""
    table, held = [], {test.name: test for test in verdict.tests}
    for way in ways:
        here = f" ({way.title})"

        def before(name: str, way: Way = way) -> str:
            value = previous.get(f"{name}_{way.name}")
            return number(value) if isinstance(value, int | float) else ""

        for name, meaning in EXPLAINED.items():
            test = held.get(f"{name}{here}")
            if test is not None:
                table.append(
                    Row(test.name, meaning, number(test.value), number(test.null), before(name), test.bound, test.state)
                )
            elif way.numbers.get(name) is not None:
                beside = number(way.numbers[BESIDE[name]]) if name in BESIDE else ""
                table.append(Row(f"{name}{here}", meaning, number(way.numbers[name]), beside, before(name), "", ""))
    return table


def protocol(ways: Sequence[Way], spec: FeatureSpec, fingerprints: tuple[str, str], seed: int, styles: int) -> str:
    """Everything that must be equal before two numbers may be compared, in one line; `fingerprints` are of the test and the training split."""
    fields = {
        "measure": spec.measure,
        "features": f"{spec.name}:{spec.sha8}",
        "dims": spec.dims,
        "resize": spec.resize,
        "range": spec.value_range,
        "uint8": QUANTISED,
        "real": f"test:{fingerprints[0][:8]}",
        "null": f"test+train:{fingerprints[1][:8]}",
        "ways": ", ".join(f"{way.name} {way.images}" for way in ways),
        "n": ", ".join(f"{way.numbers.get('n_compared') or 0:.0f}" for way in ways),
        "seed": seed,
        "draws": DRAWS if spec.dims <= 512 else DRAWS_WIDE,
        "kid": f"{SUBSETS}x{SUBSET_SIZE}",
        "cycle": "8 bits between, mean absolute",
        "styles": styles,
    }
    return " | ".join(f"{key}={value}" for key, value in fields.items())
