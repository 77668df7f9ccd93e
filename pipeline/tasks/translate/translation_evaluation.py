"""The judgement of a translation: held-out images of each side as the other's, beside real images of that side, and back again.

Features are those of evaluate.features; `auto` is the random network. A classifier of the two sides would be no judge: the one thing it
learns to see is what tells them apart, which is what the adversary taught the generator to fake, and all else, variety too, it learns to
overlook; nor has paired data labels to train it on. What was never trained can be fooled by nobody and needs no images of its own.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipeline.arrays import Float32Array, Float64Array, Int64Array, UInt8Array
from pipeline.data.domains import DomainItems, split_domains
from pipeline.errors import InputError
from pipeline.evaluation.extractors.base import Extractor, Subset
from pipeline.evaluation.extractors.selection import unlabelled
from pipeline.evaluation.measures.image_similarity import psnr, ssim
from pipeline.evaluation.projection import typical
from pipeline.evaluation.protocol import with_code
from pipeline.evaluation.reference import kept, require_reference
from pipeline.evaluation.report import data_uri, page
from pipeline.gans.base import GAN, Direction, to_uint8
from pipeline.media.image.preview import grid
from pipeline.media.registry import tensors_of
from pipeline.tasks import extractor_export as judges
from pipeline.tasks.base import EvaluationCase, EvaluationResult, progress_bar
from pipeline.tasks.generate.report_pictures import png
from pipeline.tasks.translate.settings import TranslationGate
from pipeline.tasks.translate.translation_measures import (
    Numbers,
    Way,
    applicable,
    dependence,
    diversity,
    fidelity,
    material,
    metrics,
    protocol,
    repetition,
    rows,
    together,
)
from pipeline.tasks.translate.translation_measures import judge as verdict_of

MOST = 10_000  # training images of a side that the null is made with
PIXELS = 2**20  # of a batch: a translator keeps many channels at full resolution
PROBED = 128  # inputs that are translated twice, and images whose differences are measured
STYLES = 8  # of one input
SHOWN, PAINTED = 8, 4  # rows of a strip, and of a strip of styles
LISTED = 500  # translations among which the least convincing are looked for
LEAST = 4  # of them are shown
CELL = 96  # pixels of a picture on the page, enlarged
LARGEST = 128  # and shrunk
SMALLEST = 11  # side of the window of SSIM

CAUTION = (
    "features of an untrained network see colour, texture, noise, blur and collapse, but not whether a translation means the right thing: "
    "set evaluate.features to Inception weights or an encoder of your own to know more, and look at the pictures"
)


@dataclass(frozen=True)
class Ground:
    """One side's held-out and training images, and the features [n, d] of both; `order` is a fixed shuffle of the held-out ones that are judged."""

    name: str
    held: DomainItems
    order: Int64Array
    features: Float32Array  # in that order
    trained: Float32Array


@dataclass
class Seen:
    """What one direction leaves to be shown: rows of pictures, some made in several styles, and those of the least convincing."""

    caption: str
    rows: list[UInt8Array] = field(default_factory=list)  # each [columns, H, W, C]
    styles: list[UInt8Array] = field(default_factory=list)
    worst: list[UInt8Array] = field(default_factory=list)


def evaluate(case: EvaluationCase) -> EvaluationResult:
    """Evaluate translations of at most `evaluate.samples` held-out images of each domain.

    Raises:
        InputError: A domain has fewer than 2 images, or the weights of the features are missing.
    """
    settings, gate = case.settings, case.settings.gate
    assert isinstance(gate, TranslationGate)
    extractor = chosen(case)
    grounds = both(case, extractor)
    tried = [
        attempt(case, name, way, grounds[way.source], grounds[way.target], extractor)
        for name, way in case.gan.directions().items()
    ]
    ways, seen = [way for way, _ in tried], [one for _, one in tried]
    verdict = verdict_of(ways, gate)
    fingerprints = (case.test.fingerprint, case.train.fingerprint)
    text = with_code(protocol(ways, extractor.spec, fingerprints, settings.seed, STYLES), __name__)
    measured = metrics(ways) | {
        "features": extractor.spec.name,
        "features_sha256": extractor.spec.sha256,
        "verdict": verdict.word,
        "reasons": verdict.reasons,
        "skipped": verdict.skipped,
        "protocol": text,
    }
    warnings = [CAUTION] if extractor.spec.name == "random" else []
    previous = case.previous if case.previous and case.previous.get("protocol") == text else {}
    shown = page(
        Path(__file__).with_name("report.html.j2"),
        verdict,
        warnings=warnings,
        rows=rows(ways, verdict, previous),
        protocol=text,
        provenance=case.provenance(
            images=", ".join(f"{way.images:,} {way.title}" for way in ways) + ", all of the test split"
        ),
        compared=bool(previous),
        beside="To compare",
        ways=[
            {
                "title": way.title,
                "caption": one.caption,
                "strip": strip(one.rows),
                "styles": strip(one.styles),
                "worst": strip(one.worst),
                "count": STYLES,
            }
            for way, one in zip(ways, seen, strict=True)
        ],
    )
    judge_file = judges.keep(extractor, case.info.item.shape, case.folders.extractors, case.opset)
    notes = [f"note: {warning}" for warning in warnings]
    if judge_file:
        notes.append(
            f"the judging network is kept as {judge_file}; evaluate.features takes it, to judge by the same on another machine"
        )
    return EvaluationResult(measured, shown, line(ways), notes, together(ways))


def chosen(case: EvaluationCase) -> Extractor:
    """The features. Raises InputError for those that cannot judge a translation, or cannot be had."""
    settings, folders = case.settings, case.folders
    if settings.features == "classifier":
        raise InputError(
            "evaluate.features is classifier, which of two sides would learn only what tells them apart, and that is what a translator is trained to fake; "
            "set it to auto, inception, or the path of an encoder"
        )
    return unlabelled(
        settings,
        case.info.item.shape,
        case.device,
        folders.cache,
        folders.root,
    )


def both(case: EvaluationCase, extractor: Extractor) -> dict[str, Ground]:
    """Sides a and b."""
    require_reference(case.test)
    settings, grounds = case.settings, {}
    held, trained = split_domains(case.test), split_domains(case.train)
    names = case.test.classes if len(case.test.classes) == 2 else ("A", "B")
    # One shuffle serves both, so that partners stay together.
    rng = np.random.default_rng(settings.seed)
    shuffle = rng.permutation(max(map(len, held)))
    for letter, name, new, known in zip("ab", names, held, trained, strict=True):
        if len(new) < 2:
            raise InputError(
                f"the test split holds {len(new)} images of the side {name}, and translations are judged against them: raise data.test_fraction"
            )
        order = shuffle[shuffle < len(new)][: settings.samples]
        some = np.sort(rng.permutation(len(known))[: min(len(new), MOST)])
        found = [
            features(case, extractor, side, at, f"{label} {name}")
            for side, at, label in ((new, order, "held-out"), (known, some, "training"))
        ]
        grounds[letter] = Ground(name, new, order, *found)
    return grounds


def features(case: EvaluationCase, extractor: Extractor, side: DomainItems, at: Int64Array, label: str) -> Float32Array:
    """Features [n, d] of a side's images at some positions, from the cache where they are there."""
    key = f"{side.fingerprint} {hashlib.sha256(at.tobytes()).hexdigest()}"
    return kept(extractor, Subset(side, at), key, case.settings.batch_size, case.folders.cache, progress_bar, label)


@torch.inference_mode()
def attempt(
    case: EvaluationCase, name: str, direction: Direction, source: Ground, target: Ground, extractor: Extractor
) -> tuple[Way, Seen]:
    """Every held-out image of the source translated, and back where there is a way back; beside its partner where the data is paired."""
    gan, settings, paired = case.gan, case.settings, case.gan.view.name == "paired"
    title = f"{source.name} to {target.name}"
    rng = torch.Generator().manual_seed(settings.seed)
    columns = [
        source.name,
        f"as {target.name}",
        *([f"real {target.name}"] if paired else []),
        *(["and back"] if direction.inverse else []),
    ]
    seen = Seen(f"From left to right: {', '.join(columns)}.")
    batch = max(2, min(settings.batch_size, PIXELS // (case.info.item.height * case.info.item.width)))
    finite: list[bool] = []
    found: list[Float32Array] = []
    of_each: dict[str, list[float]] = {}
    pictures: list[UInt8Array] = []
    near: list[Float64Array] = []  # PSNR to the partner, 0 where a translation is not finite

    def note(measure: str, values: list[float]) -> None:
        of_each.setdefault(measure, []).extend(values)

    for start in progress_bar(range(0, len(source.order), batch), title):
        at = source.order[start : start + batch]
        given = source.held.images(at)
        made = gan.translate(tensors_of(case.info.item).to_network(torch.from_numpy(given)).to(case.device), name, rng)
        good, there = whole(made), to_uint8(made)
        shown = [given, there]
        if paired:
            partners = target.held.images(at)
            shown.append(partners)
            ours, theirs = (nearness(images[good], partners[good]) for images in (there, given))
            for measure, values in (ours | {f"input_{measure}": values for measure, values in theirs.items()}).items():
                note(measure, values)
            near.append(np.zeros(len(good)))
            near[-1][good] = ours["psnr"]
        if direction.inverse:
            # The way back starts from what is delivered: 8-bit pixels, in which nothing can be hidden.
            originals, delivered = (
                tensors_of(case.info.item).to_network(torch.from_numpy(images)).to(case.device)
                for images in (given, there)
            )
            again = gan.reconstruct(delivered, originals, name, rng)
            good &= whole(again)
            shown.append(to_uint8(again))
            note("cycle_error", levels(shown[-1], given)[good].tolist())
        note("change", levels(there, given)[good].tolist())
        finite += good.tolist()
        found.append(extractor.features(there))
        if len(pictures) < LISTED:
            pictures += list(np.stack([shrunk(one[good]) for one in shown], axis=1))
    kept_rows = np.flatnonzero(finite)
    every = np.concatenate(found)
    made_features = every[kept_rows]
    seen.rows = pictures[:SHOWN]
    if len(pictures) >= 2 * SHOWN:
        seen.worst = [
            pictures[k] for k in typical(made_features[:LISTED][: len(pictures)], target.features)[::-1][:LEAST]
        ]
    means = {measure: float(np.mean(values)) for measure, values in of_each.items() if values}
    if "psnr" in means:
        means["psnr_gain"] = means["psnr"] - means["input_psnr"]
    numbers: Numbers = {**means}
    numbers |= fidelity(made_features, source.features[kept_rows], target.features, target.trained, settings.seed)
    numbers |= repetition(made_features, source.features[kept_rows], target.features)
    numbers |= probed(case, name, direction, source, target, extractor, seen)
    lost = len(finite) - len(kept_rows)
    if direction.inverse:
        numbers |= cycle(numbers, source)
        error, broken = identity(gan, name, target, batch, case.device, rng)
        numbers["identity_error"] = error
        lost = min(lost + broken, len(finite))
    held_to = applicable(back=direction.inverse is not None, styles=direction.multimodal, paired=paired)
    left = material(name, np.concatenate(near) if paired else None, every, target.features)
    return Way(name, title, held_to, len(finite), lost, numbers, left), seen


def probed(
    case: EvaluationCase,
    name: str,
    direction: Direction,
    source: Ground,
    target: Ground,
    extractor: Extractor,
    seen: Seen,
) -> Numbers:
    """How translations depend on their input, two inputs being given equal styles, and on the style, one input being given several."""
    gan, seed = case.gan, case.settings.seed
    given = source.held.images(
        source.order[: min(PROBED, max(2, PIXELS // (case.info.item.height * case.info.item.width)))]
    )
    images = tensors_of(case.info.item).to_network(torch.from_numpy(given)).to(case.device)
    pair = [gan.translate(x, name, torch.Generator().manual_seed(seed)) for x in (images, images.roll(1, dims=0))]
    good = whole(pair[0]) & whole(pair[1])
    first, second = (
        extractor.features(to_uint8(one)[good]) if good.any() else np.empty((0, 1), dtype=np.float32) for one in pair
    )
    numbers = dependence(first, second, target.features)
    if not direction.multimodal:
        return numbers
    rng = torch.Generator().manual_seed(seed + 1)
    painted = [gan.translate(images, name, rng) for _ in range(STYLES)]
    good = np.logical_and.reduce([whole(one) for one in painted])
    if not good.any():
        return numbers
    pixels = [to_uint8(one)[good] for one in painted]
    seen.styles = list(np.stack([shrunk(one[:PAINTED]) for one in (given[good], *pixels)], axis=1))
    return numbers | diversity(np.stack([extractor.features(one) for one in pixels], axis=1), target.features)


def cycle(numbers: Numbers, source: Ground) -> Numbers:
    """What the cycle error is measured by: how far two images of the source are apart."""
    images = source.held.images(source.order[:PROBED])
    unrelated, error = float(levels(images, np.roll(images, 1, axis=0)).mean()), numbers.get("cycle_error")
    return {"unrelated": unrelated, "cycle_ratio": error / unrelated if error is not None and unrelated > 0 else None}


def identity(
    gan: GAN, name: str, target: Ground, batch: int, device: torch.device, rng: torch.Generator
) -> tuple[float | None, int]:
    """By how many levels images that are of the target side already are changed, and how many of them hold NaN or Inf; None where it has no such way."""
    errors: list[float] = []
    broken = 0
    for start in range(0, len(target.order), batch):
        images = target.held.images(target.order[start : start + batch])
        same = gan.map_identity(tensors_of(target.held.item).to_network(torch.from_numpy(images)).to(device), name, rng)
        if same is None:
            return None, 0
        good = whole(same)
        errors += levels(to_uint8(same), images)[good].tolist()
        broken += int((~good).sum())
    return (float(np.mean(errors)) if errors else None), broken


def whole(images: Tensor) -> npt.NDArray[np.bool_]:
    """Which of [n, C, H, W] are finite, bool [n]."""
    finite: npt.NDArray[np.bool_] = torch.isfinite(images).flatten(1).all(dim=1).cpu().numpy()
    return finite


def levels(images: UInt8Array, others: UInt8Array) -> Float64Array:
    """Mean absolute difference of each of two sets of images [n, H, W, C], in 8-bit levels."""
    return np.asarray(np.abs(images.astype(np.int16) - others).mean(axis=(1, 2, 3)))


def nearness(images: UInt8Array, partners: UInt8Array) -> dict[str, list[float]]:
    """L1 in 8-bit levels, PSNR in dB and SSIM of each image to its partner; no SSIM where its window does not fit."""
    pairs = [(one.astype(np.float64), other.astype(np.float64)) for one, other in zip(images, partners, strict=True)]
    found = {"l1": levels(images, partners).tolist(), "psnr": [psnr(*pair) for pair in pairs]}
    return found | ({"ssim": [ssim(*pair) for pair in pairs]} if images.shape[1] >= SMALLEST else {})


def shrunk(images: UInt8Array) -> UInt8Array:
    """Images [n, S, S, C] of at most 128 pixels, each the mean of its square."""
    n, side, _, channels = images.shape
    factor = max(1, side // LARGEST)
    if factor == 1:
        return images
    small = images.reshape(n, side // factor, factor, side // factor, factor, channels).mean(axis=(2, 4))
    return np.asarray(np.rint(small), dtype=np.uint8)


def strip(rows: list[UInt8Array]) -> str | None:
    return data_uri(png(grid(np.concatenate(rows), columns=len(rows[0]), cell=CELL))) if rows else None


def line(ways: list[Way]) -> str:
    """The numbers that matter most, a direction at a time."""
    parts = []
    for way in ways:
        found = {
            name: value
            for name in ("fid", "input_fid", "cycle_error", "psnr", "diversity_ratio")
            if (value := way.numbers.get(name)) is not None
        }
        words = [f"fid {found['fid']:.4g} (untranslated {found['input_fid']:.4g})"] if "fid" in found else []
        words += [f"PSNR {found['psnr']:.2f} dB"] if "psnr" in found else []
        words += [f"cycle error {found['cycle_error']:.1f}"] if "cycle_error" in found else []
        words += [f"diversity {found['diversity_ratio']:.2f} of real"] if "diversity_ratio" in found else []
        parts.append(f"{way.title}: {', '.join(words) or 'no image was finite'}")
    return "; ".join(parts)
