"""Is the challenger to become the champion? Every check with what it saw and the bound it was held to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pipeline.evaluation.comparison import Comparison
from pipeline.promotion.settings import PromoteSettings
from pipeline.settings import Settings

State = Literal["pass", "fail", "skipped", "off"]


# Of translations; each is relative to real images already. What the gate asks of them is no floor of promotion's besides.
RELATIVE = ("dependence", "diversity_ratio")


class Check(Settings):
    """One row of a verdict. `value` is the challenger's, `champion` the champion's where there is one; `reason` is told when it fails."""

    name: str
    state: State
    value: float | str | None = None
    champion: float | str | None = None
    bound: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Against:
    """A champion and a challenger judged side by side under one protocol: their flat metrics, and the differences of those that decide, by name."""

    version: str
    champion: Mapping[str, Any]
    challenger: Mapping[str, Any]
    measures: Mapping[str, Comparison]


@dataclass(frozen=True)
class Evidence:
    """`evaluation` and `export` are the line's own metrics; `broken` the links of its lineage that do not hold; `rolled_back` says when it was taken
    back before, if it was; `against` is None where there is no champion."""

    evaluation: Mapping[str, Any]
    export: Mapping[str, Any]
    broken: list[str] = field(default_factory=list)
    rolled_back: str | None = None
    against: Against | None = None


def judge(evidence: Evidence, settings: PromoteSettings) -> list[Check]:
    """All checks; the challenger passes when none has failed."""
    checks = [gate(evidence), lineage(evidence), taken_back(evidence)]
    checks += relative(evidence.against, settings) if evidence.against else absolute(evidence.evaluation, settings)
    checks += [floor(name, evidence.evaluation, least) for name, least in settings.floors.model_dump().items()]
    export = evidence.export
    checks.append(
        at_most(
            "parity",
            export.get("parity_max_abs"),
            settings.parity,
            "promote.parity, the most by which PyTorch and ONNX Runtime may differ",
        )
    )
    checks.append(
        at_most(
            "latency_ms",
            export.get("latency_ms_batch_1"),
            settings.latency_ms,
            "promote.latency_ms, the budget of one image",
        )
    )
    return checks


def gate(evidence: Evidence) -> Check:
    word = str(evidence.evaluation.get("verdict"))
    why = evidence.evaluation.get("reasons") or ["no reason recorded"]
    reason = f"the gate's verdict is {word}: {'; '.join(map(str, why))}"
    return Check(name="gate", state="pass" if word == "pass" else "fail", value=word, bound="pass", reason=reason)


def lineage(evidence: Evidence) -> Check:
    broken = evidence.broken
    way_out = "run `dvc repro`, or `dvc repro -f -s evaluate export` where MLflow is behind; `ganline lineage` shows the whole chain"
    reason = f"its lineage is broken: {'; '.join(broken)}; {way_out}"
    return Check(
        name="lineage",
        state="fail" if broken else "pass",
        value="broken" if broken else "whole",
        bound="whole",
        reason=reason,
    )


def taken_back(evidence: Evidence) -> Check:
    when = evidence.rolled_back
    reason = f"it was rolled back on {when}; train another, or move the alias `champion` by hand"
    return Check(
        name="rolled back", state="fail" if when else "pass", value=when or "never", bound="never", reason=reason
    )


def absolute(evaluation: Mapping[str, Any], settings: PromoteSettings) -> list[Check]:
    """Without a champion; what the task does not measure is skipped."""
    return [
        at_most(name, evaluation[name], most, f"promote.limits.{name}, held where there is no champion")
        if name in evaluation
        else Check(name=name, state="off" if most is None else "skipped")
        for name, most in settings.limits.model_dump().items()
    ]


def relative(against: Against, settings: PromoteSettings) -> list[Check]:
    """Beside the champion."""
    checks = []
    names = [*settings.floors.model_dump(), *(name for name in RELATIVE if name in against.challenger)]
    better = any(found.verdict == "better" for found in against.measures.values())
    for name, found in against.measures.items():
        ours, theirs = against.challenger.get(name), against.champion.get(name)
        span = f"95 % interval of the difference [{found.low:.3g}, {found.high:.3g}]"
        worse = found.verdict == "worse"
        checks.append(
            Check(
                name=f"{name} against champion",
                state="fail" if worse else "pass",
                value=ours,
                champion=theirs,
                bound=f"not worse ({span})",
                reason=f"{name} is worse than the champion's (version {against.version}): {number(ours)} against {number(theirs)}, {span}",
            )
        )
    checks.append(
        Check(
            name="better than champion",
            state="off" if settings.require == "no_worse" else "pass" if better else "fail",
            value="yes" if better else "no",
            bound="yes",
            reason=f"none of {', '.join(against.measures)} is better than the champion's (version {against.version}) beyond chance; promote.require is better",
        )
    )
    return checks + [kept(name, against, settings.diversity) for name in names]


def kept(name: str, against: Against, least: float | None) -> Check:
    """Diversity as a part of the champion's."""
    ours, theirs = share(name, against.challenger), share(name, against.champion)
    label = f"{name} against champion"
    if least is None or ours is None or theirs is None:
        return Check(name=label, state="off" if least is None else "skipped", value=ours, champion=theirs)
    reason = f"{name} fell to {ours:.3g} from the champion's {theirs:.3g} (version {against.version}): less than {least:g} of it (promote.diversity)"
    return Check(
        name=label,
        state="pass" if ours >= least * theirs else "fail",
        value=ours,
        champion=theirs,
        bound=f">= {least * theirs:.3g}",
        reason=reason,
    )


def floor(name: str, evaluation: Mapping[str, Any], least: float | None) -> Check:
    value = share(name, evaluation)
    if least is None or value is None:
        return Check(name=name, state="off" if least is None else "skipped", value=value)
    reason = f"{name} is {value:.3g} of what real images show, below promote.floors.{name} {least:g}"
    return Check(
        name=name, state="pass" if value >= least else "fail", value=value, bound=f">= {least:g}", reason=reason
    )


def at_most(name: str, value: Any, most: float | None, reason: str) -> Check:
    """A number with an upper bound; one that was not measured cannot pass, unless the check is off."""
    known = value if isinstance(value, int | float) and not isinstance(value, bool) else None
    if most is None:
        return Check(name=name, state="off", value=known)
    if known is None:
        return Check(
            name=name, state="fail", bound=f"<= {most:g}", reason=f"{name} was not measured, and is bounded by {most:g}"
        )
    told = f"{name} is {known:.4g}, above {most:g} ({reason})"
    return Check(name=name, state="pass" if known <= most else "fail", value=known, bound=f"<= {most:g}", reason=told)


def share(name: str, metrics: Mapping[str, Any]) -> float | None:
    """A measure of diversity relative to real images; None where it was not measured."""
    value = metrics.get(name)
    if name in RELATIVE:
        return float(value) if isinstance(value, int | float) else None
    null = metrics.get("modes_total") if name == "modes_covered" else metrics.get(f"{name}_null")
    return (
        float(value) / float(null)
        if isinstance(value, int | float) and isinstance(null, int | float) and null > 0
        else None
    )


def number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else "unmeasured"
