"""The verdict: which tests a generator passes, and the reasons in the words of the field, with the evidence and what to try."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from pipeline.evaluation.diversity import Modes
from pipeline.evaluation.settings import GateSettings

COLLAPSED = 0.01  # fewer distinct images than this part of the samples is a complete collapse
HOPELESS = 2.0  # a classifier must be this much better than chance before its answers count


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
    accuracy: float | None = None

    @property
    def duplicate_rate(self) -> float | None:
        finite = self.n_fake - self.nonfinite
        return None if self.distinct is None or finite == 0 else 1.0 - self.distinct / finite

    @property
    def classifier_unusable(self) -> bool:
        return self.accuracy is not None and self.accuracy < HOPELESS / len(self.classes)


@dataclass(frozen=True)
class Test:
    """One row of the gate: the measured value, the bound it was held to, and how it went."""

    name: str
    value: float | None
    bound: str
    null: float | None
    state: Literal["pass", "fail", "skipped", "off"]
    note: str = ""


@dataclass
class Verdict:
    """`reasons` says why it failed; `skipped` names the tests that could not be made, and why."""

    tests: list[Test] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)

    @property
    def word(self) -> Literal["pass", "fail"]:
        return "fail" if self.reasons else "pass"

    @property
    def skipped(self) -> list[str]:
        return [f"{test.name}: {test.note}" for test in self.tests if test.state == "skipped"]

    def test(
        self, name: str, value: float | None, limit: float | None, bound: str, failed: bool, reason: str, null: float | None = None, why: str = ""
    ) -> None:
        """Adds a row; without a limit the test is off, without a value it is skipped with `why`."""
        state: Literal["pass", "fail", "skipped", "off"] = "off" if limit is None else "skipped" if value is None else "fail" if failed else "pass"
        self.tests.append(Test(name, value, bound if limit is not None else "off", null, state, why if state == "skipped" else ""))
        if state == "fail":
            self.reasons.append(reason)


def judge(evidence: Evidence, gate: GateSettings) -> Verdict:
    """Holds the evidence against the thresholds; a threshold of None is off."""
    verdict = Verdict()
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
    return verdict


def duplicates(verdict: Verdict, evidence: Evidence, gate: GateSettings, nothing: str) -> None:
    rate, distinct, limit = evidence.duplicate_rate, evidence.distinct or 0, gate.duplicate_rate
    finite = evidence.n_fake - evidence.nonfinite
    # A few samples with one image among them are no more than that: the rate of 2 samples is 0 or .5.
    name = "complete mode collapse" if distinct <= max(1, int(COLLAPSED * finite)) else "repeated samples"
    verdict.test(
        "duplicate_rate",
        rate,
        limit,
        f"<= {limit:g}" if limit is not None else "",
        rate is not None and limit is not None and rate > limit,
        f"{name}: only {distinct:,} of {finite:,} samples are distinct images ({share(rate or 0.0)} are exact repeats; at most {share(limit or 0.0)} may be). "
        "Try model.objective relativistic with model.penalties r1 and r2, a larger train.batch_size, or a longer model.latent",
        null=0.0,
        why=nothing,
    )


def coverage(verdict: Verdict, evidence: Evidence, gate: GateSettings, nothing: str) -> None:
    modes, why = evidence.modes, nothing
    if not nothing and modes is None:
        why = "the data has no classes"
    elif not nothing and evidence.classifier_unusable:
        modes, why = None, f"the classifier names only {share(evidence.accuracy or 0.0)} of the real test images rightly, too near to chance to be believed"
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
    bound = most + evidence.kl_null if most is not None else 0.0
    verdict.test(
        "mode_kl",
        modes.kl if modes else None,
        most,
        f"<= {most:g} + null" if most is not None else "",
        modes is not None and modes.kl > bound,
        unbalanced(modes, bound, evidence.classes) if modes else "",
        null=evidence.kl_null if modes else None,
        why=why,
    )


def fidelity(verdict: Verdict, evidence: Evidence, gate: GateSettings, nothing: str) -> None:
    advice = (
        "Look at the samples: if they are blurred or noisy train longer (train.total_images) or with wider networks; if they are good but alike, it is collapse"
    )
    most = gate.fid_ratio
    verdict.test(
        "fid_ratio",
        evidence.fid_ratio,
        most,
        f"<= {most:g}" if most is not None else "",
        evidence.fid_ratio is not None and most is not None and evidence.fid_ratio > most,
        f"low fidelity or diversity: the Fréchet distance to held-out real images is {evidence.fid_ratio or 0.0:.1f} times what real images show among "
        f"themselves at the same size ({evidence.fid_equal or 0.0:.3g} against {evidence.fid_null or 0.0:.3g}; at most {most or 0.0:g} times). {advice}",
        null=1.0,
        why=nothing or "too few real images for two sets of them, or they do not differ at all",
    )
    verdict.test(
        "fid",
        evidence.fid,
        gate.fid,
        f"<= {gate.fid:g}" if gate.fid is not None else "",
        evidence.fid is not None and gate.fid is not None and evidence.fid > gate.fid,
        f"low fidelity or diversity: the Fréchet distance is {evidence.fid or 0.0:.4g}, above evaluate.gate.fid {gate.fid or 0.0:g}. {advice}",
        why=nothing or "fewer than 2 finite samples",
    )


def dropped(modes: Modes, missing: list[int], classes: Sequence[str]) -> str:
    counts, expected, total = modes.fake[missing], modes.expected[missing], int(modes.fake.sum())
    names = listed([classes[c] for c in missing])
    if len(missing) == modes.total - 1:
        kept = classes[int(modes.fake.argmax())]
        return (
            f"complete mode collapse: {share(float(modes.fake.max()) / total)} of the samples show class {kept} and every other class is missing. "
            "Try model.objective relativistic with model.penalties r1 and r2"
        )
    slips = f", {listed([f'{n:,.0f}' for n in modes.slips[missing] * total])} by slips of the classifier alone" if counts.any() else ""
    seen, wanted = listed([f"{n:,}" for n in counts]), listed([f"{n:,.0f}" for n in expected])
    return (
        f"dropped classes: {names} ({seen} of {total:,} samples show {'it' if len(missing) == 1 else 'them'}; {wanted} expected{slips}). "
        "Try training longer, model.objective relativistic with model.penalties r1 and r2, or a larger train.batch_size"
    )


def unbalanced(modes: Modes, bound: float, classes: Sequence[str]) -> str:
    fake, real = modes.fake / modes.fake.sum(), modes.real / modes.real.sum()
    least, most = int((fake - real).argmin()), int((fake - real).argmax())
    return (
        f"unbalanced classes: the generated class histogram is {modes.kl:.3g} nats from the real one (KL; at most {bound:.3g}); "
        f"most in excess is {classes[most]} ({share(fake[most])} against {share(real[most])}), "
        f"most wanting {classes[least]} ({share(fake[least])} against {share(real[least])}). Try training longer or a larger train.batch_size"
    )


def share(value: float) -> str:
    return f"{100 * value:.3g} %"


def listed(names: Sequence[str]) -> str:
    """a, b and c; at most ten are named."""
    shown = [*names[:10], f"{len(names) - 10:,} more"] if len(names) > 10 else list(names)
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
