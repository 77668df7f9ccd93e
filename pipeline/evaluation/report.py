"""reports/evaluation.html: one file a person can read on a phone, with the verdict first and nothing to fetch."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.evaluation.measures.modes import Modes
from pipeline.evaluation.verdict import Test, Verdict
from pipeline.tasks.generate.evaluator import Judgement
from pipeline.tasks.generate.gate import EXCESS, RELATIVE

TEMPLATE = Path(__file__).parents[1] / "tasks" / "generate" / "report.html.j2"
BARS = 40  # classes shown in the histogram; of more, those furthest from their share

EXPLAINED = {
    "finite samples": "samples without NaN or Inf",
    "duplicate_rate": "share of samples that repeat another pixel for pixel",
    "modes_covered": "classes that the samples show",
    "mode_kl": "how far the class shares are from the real ones (KL, nats)",
    "fid_ratio": "Fréchet distance over that between two sets of real images, at one size",
    "fid": "Fréchet distance of all samples to the test images",
    "precision": "samples that look real, over the same of real images",
    "recall": "real images that samples surround, over the same of real images",
    "coverage": "real images with a sample nearby, over the same of real images",
    "density": "how crowded samples lie where real images do, over the same of real images",
    "vendi_ratio": "effective number of different samples, over that of real images",
    "near_duplicates": "samples nearer to another than 99 % of real images are",
    "jsd": "how far the shares in bins of feature space are from the real ones (Jensen-Shannon, nats), over chance",
    "copies_features": "samples nearer to a training image, in features, than 99 % of held-out images are",
    "copies_pixels": "the same in pixels",
    "copying": "C_T: ranks of distances to training images, samples against held-out images; far below 0 is copying",
    "authenticity": "AuthPct less that of held-out images",
    "brightness": "mean gray value over that of real images",
    "contrast": "spread of gray values over that of real images",
    "sharpness": "difference between neighbouring pixels over that of real images",
    "checkerboard": "strength of a two-pixel pattern over that of real images",
    "colour": "spread of the channels over that of real images",
    "fid_infinity": "Fréchet distance as it would be with endlessly many samples",
    "kid": "kernel distance; about 0 for a perfect generator at any size",
    "inception_score": "how decided and how varied Inception finds the samples: 1 to 1,008",
    "inception_score_real": "the same of the real test images",
    "smallest_class_share": "smallest share of a class over the share it should have",
    "classifier_accuracy": "test images whose class the judging classifier names rightly",
    "semi_supervised_accuracy": "test images whose class the trained discriminator names rightly",
    "supervised_accuracy": "the same of its network trained on the same labelled images alone",
    "labels_used": "labelled images that both were shown",
    "label_agreement": "samples that the classifier sees as the class they were asked for",
    "cas": "classification accuracy score: real test images that a classifier trained on samples alone names rightly",
    "class_vendi_ratio_mean": "diversity within a class over that of real images; mean over the classes",
    "class_vendi_ratio_worst": "the same of the class that varies least",
    "class_fid_ratio_mean": "fid_ratio within a class, of the samples asked for; mean over the classes",
    "class_fid_ratio_worst": "fid_ratio within the class where it is highest",
}


@dataclass(frozen=True)
class Strip:
    """Samples that show one class: a PNG, None where no sample does."""

    name: str
    count: int
    picture: bytes | None


@dataclass(frozen=True)
class Pictures:
    """PNG sheets; None for what there is nothing to show of. `asked`: the strips show the class asked for, not the one seen."""

    real: bytes
    fake: bytes | None
    strips: Sequence[Strip] = ()
    asked: bool = False
    interpolations: bytes | None = None
    neighbours: bytes | None = None
    best: bytes | None = None
    worst: bytes | None = None
    plane: bytes | None = None


@dataclass(frozen=True)
class Bar:
    """One class's shares, in percent of the widest bar and in words."""

    name: str
    real: float
    fake: float
    words: str
    missing: bool


@dataclass(frozen=True)
class Row:
    name: str
    meaning: str
    value: str
    null: str
    before: str
    bound: str
    state: str


def render(
    judgement: Judgement,
    classes: Sequence[str],
    pictures: Pictures,
    provenance: Mapping[str, str],
    previous: Mapping[str, object] | None = None,
) -> str:
    """The page. `provenance` is what was judged, by name; `previous` the metrics of the run before, shown where the protocol is the same.

    Everything that is not markup is escaped: class names and sources are the user's own text.
    """
    before = previous if previous and previous.get("protocol") == judgement.metrics["protocol"] else {}
    return page(
        TEMPLATE,
        judgement.verdict,
        judgement.warnings,
        rows(judgement, before),
        judgement.metrics["protocol"],
        provenance,
        compared=bool(before),
        beside="Real images",
        real=data_uri(pictures.real),
        fake=optional(pictures.fake),
        strips=[(strip.name, f"{strip.count:,}", optional(strip.picture)) for strip in pictures.strips],
        asked=pictures.asked,
        interpolations=optional(pictures.interpolations),
        neighbours=optional(pictures.neighbours),
        best=optional(pictures.best),
        worst=optional(pictures.worst),
        plane=optional(pictures.plane),
        among=judgement.metrics["neighbours_among"],
        by_class=[
            (of.name, f"{of.count:,}", f"{100 * of.agreement:.1f} %", number(of.fid_ratio)) for of in judgement.by_class
        ],
        bars=bars(judgement.modes, classes) if judgement.modes else [],
        all_classes=len(classes),
    )


def page(
    template: Path,
    verdict: Verdict,
    warnings: Sequence[str],
    rows: Sequence[Row],
    protocol: str,
    provenance: Mapping[str, str],
    *,
    compared: bool,
    beside: str,
    **more: object,
) -> str:
    """A template of this folder, filled: what every task's report has, and `more` of its own. `beside` heads the column of reference values."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = FileSystemLoader([template.parent, Path(__file__).parent / "templates"])
    environment = Environment(
        loader=folder, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(template.name).render(
        passed=verdict.word == "pass",
        reasons=[reason.partition(": ") for reason in verdict.reasons],
        warnings=warnings,
        skipped=verdict.skipped,
        rows=rows,
        protocol=protocol,
        provenance=provenance,
        compared=compared,
        beside=beside,
        **more,
    )


def rows(judgement: Judgement, previous: Mapping[str, object] | None = None) -> list[Row]:
    """The gate's tests, and after them the measurements that no test holds to a bound; beside them what the run before had."""
    before = previous or {}
    metrics, tests = judgement.metrics, judgement.verdict.tests
    table = [
        Row(t.name, EXPLAINED[t.name], number(t.value), number(t.null), earlier(t, before), t.bound, t.state)
        for t in tests
    ]
    plain = {
        "fid_infinity": "0",
        "kid": "0",
        "inception_score": "",
        "inception_score_real": "",
        "classifier_accuracy": "",
        "semi_supervised_accuracy": "",
        "supervised_accuracy": "",
        "labels_used": "",
        "label_agreement": "1",
        "cas": "",
        "class_vendi_ratio_mean": "1",
        "class_vendi_ratio_worst": "1",
        "class_fid_ratio_mean": "1",
        "class_fid_ratio_worst": "1",
    }
    return table + [
        Row(name, EXPLAINED[name], number(metrics[name]), null, number(before[name]) if name in before else "", "", "")
        for name, null in plain.items()
        if metrics.get(name) is not None
    ]


def earlier(test: Test, before: Mapping[str, object]) -> str:
    """A test's value in the run before, where it is stored as the test shows it; what is shown relative to real images is set against them again."""
    value, null = before.get(test.name), before.get(f"{test.name}_null")
    if not isinstance(value, int | float):
        return ""
    if isinstance(null, int | float) and test.null == 1.0 and null > 0 and test.name in RELATIVE:
        return number(value / null)
    return number(float(value - null)) if isinstance(null, int | float) and test.name in EXCESS else number(value)


def bars(modes: Modes, classes: Sequence[str]) -> list[Bar]:
    real, fake = modes.real / modes.real.sum(), modes.fake / max(int(modes.fake.sum()), 1)
    shown = np.sort(np.argsort(-np.abs(fake - real), kind="stable")[:BARS])
    widest = max(float(real[shown].max()), float(fake[shown].max()))
    missing = set(modes.missing)
    return [
        Bar(
            classes[c],
            round(100 * float(real[c]) / widest, 2),
            round(100 * float(fake[c]) / widest, 2),
            f"real {100 * real[c]:.1f} %, generated {100 * fake[c]:.1f} % ({int(modes.fake[c]):,})",
            int(c) in missing,
        )
        for c in shown
    ]


def number(value: object) -> str:
    """Four digits that matter; a dash for what was not measured."""
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}" if isinstance(value, float) else str(value)


def optional(png: bytes | None) -> str | None:
    return data_uri(png) if png else None


def data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
