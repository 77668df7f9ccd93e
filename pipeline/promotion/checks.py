"""The checks of a promotion, which decide whether the challenger becomes the champion."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pipeline.arrays import Items
from pipeline.evaluation.comparison import Comparison
from pipeline.evaluation.wording import join_names
from pipeline.promotion.settings import PromoteSettings
from pipeline.reasons import name_causes
from pipeline.serving.runtime.contract import summarise
from pipeline.settings import Settings

State = Literal["pass", "fail", "held", "approved", "skipped", "off"]
"""A check that is held needs the approval of a person (`pipeline.promotion.approval`)."""


CONTRACT = "contract against champion"


class Check(Settings):
    """One row of the verdict.

    Attributes:
        name: What is checked.
        state: Result of the check.
        value: The challenger's value.
        champion: The champion's value, if the check compares the two.
        bound: The values that pass, as text.
        reason: Why the check failed or is held, and what to do.
    """

    name: str
    state: State
    value: float | str | None = None
    champion: float | str | None = None
    bound: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Against:
    """Champion and challenger, evaluated under one protocol.

    Attributes:
        version: The champion's version in the registry.
        champion, challenger: Flat metrics.
        measures: The comparison of each measure that decides, by name.
        champion_diversity, challenger_diversity: Diversity relative to real data, by measure.
        contract: How inputs, outputs and class indices of the challenger differ from the champion's.
        champion_items, challenger_items: Items [n, H, W, C] that show both models; None without any.
    """

    version: str
    champion: Mapping[str, Any]
    challenger: Mapping[str, Any]
    measures: Mapping[str, Comparison]
    champion_diversity: Mapping[str, float] = field(default_factory=dict)
    challenger_diversity: Mapping[str, float] = field(default_factory=dict)
    contract: list[str] = field(default_factory=list)
    champion_items: Items | None = None
    challenger_items: Items | None = None


@dataclass(frozen=True)
class Evidence:
    """What the checks read.

    Attributes:
        evaluation, export: The metrics files of the project.
        diversity: The challenger's diversity relative to real data, by measure.
        broken: The links of its lineage that do not match.
        rolled_back: When it was rolled back before; None if it never was.
        version: The challenger's version in the registry.
        against: None without a champion.
    """

    evaluation: Mapping[str, Any]
    export: Mapping[str, Any]
    diversity: Mapping[str, float] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    rolled_back: str | None = None
    version: str = ""
    against: Against | None = None


def check_all(evidence: Evidence, settings: PromoteSettings) -> list[Check]:
    """Return all checks; the challenger passes if none has failed or is held."""
    checks = [*check_admission(evidence), check_untested(evidence, settings)]
    if evidence.against:
        checks += check_against_champion(evidence.against, settings)
        checks.append(check_contract(evidence.against))
    else:
        checks += check_limits(evidence.evaluation, settings)
    floors = settings.floors.model_dump()
    checks += [check_floor(name, evidence.diversity.get(name), least) for name, least in floors.items()]
    parity, latency = (evidence.export.get(name) for name in ("parity_max_abs", "latency_ms_batch_1"))
    parity_help = "promote.parity, the largest difference allowed between PyTorch and ONNX Runtime"
    return [
        *checks,
        check_upper_bound("parity", parity, settings.parity, parity_help),
        check_upper_bound("latency_ms", latency, settings.latency_ms, "promote.latency_ms, the budget for one image"),
    ]


def check_admission(evidence: Evidence) -> list[Check]:
    """Return the checks without comparison: gate, lineage and earlier rollbacks."""
    return [check_gate(evidence), check_lineage(evidence), check_rollback(evidence)]


def check_gate(evidence: Evidence) -> Check:
    """Check that the verdict of the evaluation is "pass"."""
    verdict = str(evidence.evaluation.get("verdict"))
    reasons = evidence.evaluation.get("reasons") or ["no reason recorded"]
    return Check(
        name="gate",
        state="pass" if verdict == "pass" else "fail",
        value=verdict,
        bound="pass",
        reason=f"the gate's verdict is {verdict}: {name_causes(map(str, reasons))}",
    )


def check_untested(evidence: Evidence, settings: PromoteSettings) -> Check:
    """Check that the gate could test every aspect of the model."""
    untested = [str(text) for text in evidence.evaluation.get("untested") or []]
    aspects = [text.partition(": ")[0] for text in untested]
    state: State = "held" if untested else "pass"
    return Check(
        name="untested",
        state="off" if settings.untested == "allow" else state,
        value=", ".join(aspects) or "nothing",
        bound="nothing, or approved",
        reason=f"held for approval: the gate could not test {join_names(aspects)} ({'; '.join(untested)}). "
        f"Provide what is missing, or look at the samples and run `ganline promote --approve {evidence.version}`."
        if untested
        else "",
    )


def check_lineage(evidence: Evidence) -> Check:
    """Check that data, training and exported graph belong together."""
    broken = evidence.broken
    return Check(
        name="lineage",
        state="fail" if broken else "pass",
        value="broken" if broken else "complete",
        bound="complete",
        reason=f"its lineage is broken: {'; '.join(broken)}. Run `dvc repro`, or `dvc repro -f -s evaluate export` if "
        "MLflow is out of date. `ganline lineage` shows all links.",
    )


def check_rollback(evidence: Evidence) -> Check:
    """Check that this model was not rolled back before."""
    when = evidence.rolled_back
    return Check(
        name="rolled back",
        state="fail" if when else "pass",
        value=when or "never",
        bound="never",
        reason=f"it was rolled back on {when}. Train another model, or move the alias `champion` by hand.",
    )


def check_limits(evaluation: Mapping[str, Any], settings: PromoteSettings) -> list[Check]:
    """Check the absolute bounds, which apply if there is no champion. Skip measures that the task does not have."""
    return [
        check_upper_bound(name, evaluation[name], most, f"promote.limits.{name}, which applies without a champion")
        if name in evaluation
        else Check(name=name, state="off" if most is None else "skipped")
        for name, most in settings.limits.model_dump().items()
    ]


def check_against_champion(against: Against, settings: PromoteSettings) -> list[Check]:
    """Check that the challenger is no worse than the champion, and not less diverse."""
    checks = [check_measure(name, against) for name in against.measures]
    better = any(comparison.verdict == "better" for comparison in against.measures.values())
    checks.append(
        Check(
            name="better than champion",
            state="off" if settings.require == "no_worse" else "pass" if better else "fail",
            value="yes" if better else "no",
            bound="yes",
            reason=f"none of {', '.join(against.measures)} is significantly better than the champion's "
            f"(version {against.version}), which promote.require: better demands",
        )
    )
    names = dict.fromkeys([*settings.floors.model_dump(), *against.challenger_diversity])
    return checks + [check_diversity(name, against, settings.diversity) for name in names]


def check_measure(name: str, against: Against) -> Check:
    """Check that a measure is not significantly worse than the champion's, by its bootstrap interval."""
    comparison = against.measures[name]
    ours, theirs = against.challenger.get(name), against.champion.get(name)
    interval = f"95 % interval of the difference [{comparison.low:.3g}, {comparison.high:.3g}]"
    return Check(
        name=f"{name} against champion",
        state="fail" if comparison.verdict == "worse" else "pass",
        value=ours,
        champion=theirs,
        bound=f"not worse ({interval})",
        reason=f"{name} is worse than the champion's (version {against.version}): {format_number(ours)}, champion "
        f"{format_number(theirs)}, {interval}",
    )


def check_diversity(name: str, against: Against, least: float | None) -> Check:
    """Check that the challenger has at least a fraction of the champion's diversity."""
    ours, theirs = against.challenger_diversity.get(name), against.champion_diversity.get(name)
    label = f"{name} against champion"
    if least is None or ours is None or theirs is None:
        return Check(name=label, state="off" if least is None else "skipped", value=ours, champion=theirs)
    return Check(
        name=label,
        state="pass" if ours >= least * theirs else "fail",
        value=ours,
        champion=theirs,
        bound=f">= {least * theirs:.3g}",
        reason=f"{name} is {ours:.3g}, the champion's is {theirs:.3g} (version {against.version}): the ratio is below "
        f"{least:g} (promote.diversity)",
    )


def check_contract(against: Against) -> Check:
    """Check that clients of the champion can use the challenger."""
    changes = summarise(against.contract)
    return Check(
        name=CONTRACT,
        state="held" if changes else "pass",
        value=changes or "same",
        bound="same, or approved",
        reason=f"held for approval: its contract differs from the champion's (version {against.version}): {changes}. "
        "`ganline promote --accept-changes` approves it. Running services load it only after a restart or with "
        "`ganline serve --accept-changes`.",
    )


def check_floor(name: str, value: float | None, least: float | None) -> Check:
    """Check the lower bound on diversity relative to real data, with or without a champion."""
    if least is None or value is None:
        return Check(name=name, state="off" if least is None else "skipped", value=value)
    reason = f"{name} is {value:.3g} relative to real images, below {least:g} (promote.floors.{name})"
    return Check(
        name=name, state="pass" if value >= least else "fail", value=value, bound=f">= {least:g}", reason=reason
    )


def check_upper_bound(name: str, value: Any, most: float | None, reason: str) -> Check:
    """Check an upper bound. A missing value fails unless the check is off."""
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else None
    if most is None:
        return Check(name=name, state="off", value=number)
    bound = f"<= {most:g}"
    if number is None:
        return Check(
            name=name,
            state="fail",
            bound=bound,
            reason=f"{name} was not measured, but has the bound {most:g} ({reason})",
        )
    reason = f"{name} is {number:.4g}, above {most:g} ({reason})"
    return Check(name=name, state="pass" if number <= most else "fail", value=number, bound=bound, reason=reason)


def format_number(value: object) -> str:
    """Format a number with four significant digits; "unmeasured" for anything else."""
    return f"{value:.4g}" if isinstance(value, int | float) else "unmeasured"
