"""The verdict: which tests a generator passes, and the reasons in the words of the field, with the evidence and what to try."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.evaluation.measures.calibration import Measured
from pipeline.evaluation.measures.modes import Modes
from pipeline.evaluation.verdict import State, Test, Verdict
from pipeline.evaluation.wording import join_names, percent
from pipeline.tasks.generate.settings import GateSettings
from pipeline.tasks.generate.symptoms import LOOKS, diagnose

COLLAPSED = 0.01  # fewer distinct images than this part of the samples is a complete collapse
HOPELESS = 2.0  # a classifier must be this much better than chance before its answers count
RARE = -4.5  # standard deviations under its share at which a class is not rare by chance: of ten classes looked at every week, once in centuries

RELATIVE = (
    "precision",
    "recall",
    "coverage",
    "vendi_ratio",
    "density",
)  # held to bounds as parts of what real images show
EXCESS = ("jsd", "authenticity")  # held to bounds as what lies beyond real images

TOO_FEW = "too few real images for two sets of them"


@dataclass(frozen=True)
class Evidence:
    """What was measured; None is what could not be, and then its test is skipped."""

    n_fake: int
    nonfinite: int
    classes: Sequence[str]
    distinct: int | None = None
    fid: float | None = None
    fid_ratio: float | None = None
    fid_equal: float | None = None
    fid_null: float | None = None
    modes: Modes | None = None
    kl_null: float = 0.0
    kl_spread: float = 0.0
    accuracy: float | None = None
    measured: Mapping[str, Measured] = field(default_factory=dict)

    @property
    def duplicate_rate(self) -> float | None:
        finite = self.n_fake - self.nonfinite
        return None if self.distinct is None or finite == 0 else 1.0 - self.distinct / finite

    @property
    def collapsed(self) -> bool:
        """Hardly two samples differ. A few samples with one image among them are no more than that: the rate of 2 samples is 0 or .5."""
        return self.distinct is not None and self.distinct <= max(1, int(COLLAPSED * (self.n_fake - self.nonfinite)))

    @property
    def classifier_unusable(self) -> bool:
        return self.accuracy is not None and self.accuracy < HOPELESS / len(self.classes)


@dataclass
class Draft:
    """The rows and reasons so far, and each failed test's own words."""

    tests: list[Test] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    told: dict[str, str] = field(default_factory=dict)

    @property
    def failed(self) -> list[str]:
        return [test.name for test in self.tests if test.state == "fail"]

    def test(
        self,
        name: str,
        value: float | None,
        limit: float | None,
        bound: str,
        failed: bool,
        reason: str,
        null: float | None = None,
        why: str = "",
    ) -> None:
        """Adds a row; without a limit the test is off, without a value it is skipped with `why`. `reason` is what is told of it should it name the symptom."""
        state: State = "off" if limit is None else "skipped" if value is None else "fail" if failed else "pass"
        self.tests.append(
            Test(name, value, bound if limit is not None else "off", null, state, why if state == "skipped" else "")
        )
        if state == "fail":
            self.told[name] = reason


def judge(evidence: Evidence, gate: GateSettings) -> Verdict:
    """Holds the evidence against the thresholds; a threshold of None is off."""
    verdict = Draft()
    bad = evidence.nonfinite
    verdict.test(
        "finite samples",
        evidence.n_fake - bad,
        0,
        f"all {evidence.n_fake:,}",
        bad > 0,
        f"non-finite samples: {bad:,} of {evidence.n_fake:,} hold NaN or Inf; the generator diverged. Try a lower train.learning_rate, "
        "or model.penalties.r1 above 0; train.precision float32 where it was bfloat16",
    )
    nothing = "no finite samples to measure" if bad == evidence.n_fake else ""
    duplicates(verdict, evidence, gate, nothing)
    coverage(verdict, evidence, gate, nothing)
    fidelity(verdict, evidence, gate, nothing)
    calibrated(verdict, evidence, gate, nothing)
    explain(verdict, evidence)
    return Verdict(verdict.tests, verdict.reasons)


def explain(verdict: Draft, evidence: Evidence) -> None:
    """Fills `reasons`: a test's own words where it has any, else its numbers; then what failed with it, and what to try."""
    failed = verdict.failed
    if "finite samples" in failed:
        verdict.reasons.append(verdict.told["finite samples"])
    rows = {test.name: test for test in verdict.tests}
    for symptom in diagnose(
        [name for name in failed if name != "finite samples"], evidence.measured, collapsed=evidence.collapsed
    ):
        first, *rest = symptom.tests
        own = verdict.told[first]
        text = own if own else f"{symptom.name}: {rows[first].numbers}"
        also = f" (with it {join_names([rows[name].numbers for name in rest])})" if rest else ""
        verdict.reasons.append(f"{text}{also}. {symptom.advice}")


def duplicates(verdict: Draft, evidence: Evidence, gate: GateSettings, nothing: str) -> None:
    rate, distinct, limit = evidence.duplicate_rate, evidence.distinct or 0, gate.duplicate_rate
    finite = evidence.n_fake - evidence.nonfinite
    name = "complete mode collapse" if evidence.collapsed else "repeated samples"
    verdict.test(
        "duplicate_rate",
        rate,
        limit,
        f"<= {limit:g}" if limit is not None else "",
        rate is not None and limit is not None and rate > limit,
        f"{name}: only {distinct:,} of {finite:,} samples are distinct images ({percent(rate or 0.0)} are exact repeats; at most {percent(limit or 0.0)} may be)",
        null=0.0,
        why=nothing,
    )


def coverage(verdict: Draft, evidence: Evidence, gate: GateSettings, nothing: str) -> None:
    modes, why = evidence.modes, nothing
    if not nothing and modes is None:
        why = "the data has no classes"
    elif not nothing and evidence.classifier_unusable:
        modes, why = (
            None,
            f"the classifier names only {percent(evidence.accuracy or 0.0)} of the real test images rightly, too near to chance to be believed",
        )
    missing = modes.missing if modes else []
    least, most = gate.modes_covered, gate.mode_kl
    verdict.test(
        "modes_covered",
        modes.covered if modes else None,
        least,
        f">= {least * modes.total:g}" if modes and least is not None else "",
        modes is not None and least is not None and modes.covered < least * modes.total,
        dropped(modes, missing, evidence.classes) if modes and missing else "",
        null=modes.total if modes else None,
        why=why,
    )
    smallest(verdict, modes, gate, evidence.classes, why)
    bound = most + evidence.kl_null if most is not None else 0.0
    verdict.test(
        "mode_kl",
        modes.kl if modes else None,
        most,
        f"<= {most:g} + null" if most is not None else "",
        modes is not None and modes.kl > bound and modes.kl - evidence.kl_null > gate.significance * evidence.kl_spread,
        unbalanced(modes, bound, evidence.classes) if modes else "",
        null=evidence.kl_null if modes else None,
        why=why,
    )


def smallest(verdict: Draft, modes: Modes | None, gate: GateSettings, classes: Sequence[str], why: str) -> None:
    """The class that is rarest for its share, if that is beyond chance."""
    least = gate.smallest_class_share
    value = modes.smallest_share if modes else None
    rare = [c for c in modes.wanting(least) if modes.deviation(c) < RARE] if modes and least is not None else []
    words = (
        f"unbalanced classes: {join_names([classes[c] for c in rare])} appear at less than {percent(least or 0.0)} of the share of real images"
        if rare
        else ""
    )
    verdict.test(
        "smallest_class_share",
        value,
        least,
        f">= {least:g}" if least is not None else "",
        bool(rare),
        words,
        null=1.0,
        why=why,
    )


def calibrated(verdict: Draft, evidence: Evidence, gate: GateSettings, nothing: str) -> None:
    """Everything that has a null at the same size: beyond the bound, and beyond what real images show by chance."""
    worst = gate.significance

    def bounded(name: str, least: float | None, most: float | None) -> None:
        found, relative, excess = evidence.measured.get(name), name in RELATIVE, name in EXCESS
        value, failed = None, False
        if found is not None:
            value = (
                found.value / found.null
                if relative and found.null > 0
                else found.value - found.null
                if excess
                else found.value
            )
            low = least is not None and value < least and found.z < -worst
            high = most is not None and value > most and found.z > worst
            failed = low or high
        off = least is None and most is None
        sides = [
            text
            for text in (f">= {least:.3g}" if least is not None else "", f"<= {most:.3g}" if most is not None else "")
            if text
        ]
        null = None if found is None else 1.0 if relative else 0.0 if excess else found.null
        verdict.test(
            name, value, None if off else 0.0, " and ".join(sides), failed, "", null=null, why=nothing or TOO_FEW
        )

    for name, least in (
        ("precision", gate.precision),
        ("recall", gate.recall),
        ("coverage", gate.coverage),
        ("vendi_ratio", gate.vendi_ratio),
    ):
        bounded(name, least, None)
    bounded("density", *(gate.density or (None, None)))
    bounded("near_duplicates", None, gate.near_duplicates)
    bounded("jsd", None, gate.jsd)
    for name in ("copies_features", "copies_pixels"):
        bounded(name, None, gate.copies)
    bounded("copying", gate.copying, None)
    bounded("authenticity", -gate.authenticity if gate.authenticity is not None else None, None)
    for name in sorted(LOOKS - {"checkerboard"}):
        bounded(
            name,
            1 - gate.appearance if gate.appearance is not None else None,
            1 / (1 - gate.appearance) if gate.appearance is not None else None,
        )
    bounded("checkerboard", None, gate.checkerboard)


def fidelity(verdict: Draft, evidence: Evidence, gate: GateSettings, nothing: str) -> None:
    most = gate.fid_ratio
    verdict.test(
        "fid_ratio",
        evidence.fid_ratio,
        most,
        f"<= {most:g}" if most is not None else "",
        evidence.fid_ratio is not None and most is not None and evidence.fid_ratio > most,
        f"low fidelity or diversity: the Fréchet distance to held-out real images is {evidence.fid_ratio or 0.0:.1f} times what real images show among "
        f"themselves at the same size ({evidence.fid_equal or 0.0:.3g} against {evidence.fid_null or 0.0:.3g}; at most {most or 0.0:g} times)",
        null=1.0,
        why=nothing or "too few real images for two sets of them, or they do not differ at all",
    )
    verdict.test(
        "fid",
        evidence.fid,
        gate.fid,
        f"<= {gate.fid:g}" if gate.fid is not None else "",
        evidence.fid is not None and gate.fid is not None and evidence.fid > gate.fid,
        f"low fidelity or diversity: the Fréchet distance is {evidence.fid or 0.0:.4g}, above evaluate.gate.fid {gate.fid or 0.0:g}",
        why=nothing or "fewer than 2 finite samples",
    )


def dropped(modes: Modes, missing: list[int], classes: Sequence[str]) -> str:
    counts, expected, total = modes.fake[missing], modes.expected[missing], int(modes.fake.sum())
    names = join_names([classes[c] for c in missing])
    if len(missing) == modes.total - 1:
        kept = classes[int(modes.fake.argmax())]
        return f"complete mode collapse: {percent(float(modes.fake.max()) / total)} of the samples show class {kept} and every other class is missing"
    slips = (
        f", {join_names([f'{n:,.0f}' for n in modes.slips[missing] * total])} by slips of the classifier alone"
        if counts.any()
        else ""
    )
    seen, wanted = join_names([f"{n:,}" for n in counts]), join_names([f"{n:,.0f}" for n in expected])
    return f"dropped classes: {names} ({seen} of {total:,} samples show {'it' if len(missing) == 1 else 'them'}; {wanted} expected{slips})"


def unbalanced(modes: Modes, bound: float, classes: Sequence[str]) -> str:
    fake, real = modes.fake / modes.fake.sum(), modes.real / modes.real.sum()
    least, most = int((fake - real).argmin()), int((fake - real).argmax())
    return (
        f"unbalanced classes: the generated class histogram is {modes.kl:.3g} nats from the real one (KL; at most {bound:.3g}); "
        f"most in excess is {classes[most]} ({percent(fake[most])} against {percent(real[most])}), "
        f"most wanting {classes[least]} ({percent(fake[least])} against {percent(real[least])})"
    )
