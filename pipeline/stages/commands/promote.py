"""`ganline promote` and `ganline rollback`: decide which exported model is the champion.

They are not DVC stages, because they change the registry.
"""

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline import params as parameters
from pipeline.errors import InputError
from pipeline.files import exclusive_lock, write_atomically
from pipeline.media.registry import find_medium
from pipeline.media.wording import say
from pipeline.params import Params
from pipeline.promotion.aliases import CHALLENGER, CHAMPION, PREVIOUS, ROLLED_BACK, Registry
from pipeline.promotion.approval import (
    HELD,
    NOT_PROMOTED,
    PROMOTED,
    approval_tags,
    find_user,
    held_checks,
    label,
    settle,
)
from pipeline.promotion.checks import CONTRACT, Against, Check, Evidence, check_admission, check_all
from pipeline.serving.onnx.metadata import Metadata
from pipeline.serving.runtime.generator import Graph
from pipeline.stages import metrics_files
from pipeline.stages.commands import lineage
from pipeline.stages.commands.champion_comparison import compare_with_version, was_compared, write_page
from pipeline.stages.export import read_evaluation
from pipeline.stages.paths import Paths
from pipeline.tasks.registry import TASKS
from pipeline.tracking import tracked_run
from pipeline.tracking.mlflow_store import address, connect
from pipeline.tracking.run_json import require_run

VERDICT, KEY = "ganline.promotion", "ganline.promotion.key"
KEPT = "champion"
UNRECORDED: dict[str, Any] = {
    "outcome": KEPT,
    "reasons": ["it is the champion, but no verdict of a promotion is recorded"],
    "champion": None,
    "checks": [],
}
"""Verdict on a champion that was promoted by other means."""


def run(root: Path, *, accept_changes: bool = False, approve: int | None = None) -> dict[str, Any]:
    """Register the exported model as challenger, and make it the champion if it passes all checks.

    Reads exported/, metrics/ and data/. Writes metrics/promotion.json and returns its content; after a comparison with
    a champion also reports/promotion.html. The command is idempotent: a model is evaluated once for each champion and
    settings, and the verdict in the registry is reused.

    Args:
        accept_changes: Approve that inputs, outputs or class indices differ from the champion's.
        approve: Version whose held checks are approved; it must be that of the exported model.

    Raises:
        InputError: Inputs are missing or invalid, the champion cannot be compared, the version to approve is another
            one, or the store does not respond or did not record the training.
    """
    paths = Paths(root)
    params = parameters.load(paths.params)
    with exclusive_lock(paths.promote_lock, "promoting"):
        evaluation = read_evaluation(paths.evaluation_metrics)
        exported = metrics_files.read(paths.export_metrics, "dvc repro export")
        metadata = Graph(paths.generator).metadata
        sha256 = hashlib.sha256(paths.generator.read_bytes()).hexdigest()
        require_run(root, paths.run)
        registry = Registry(connect(address(root)), params.tracking.model)
        number = registry.find_version(sha256) or register(paths, params, metadata, sha256)
        if approve is not None and str(approve) != str(number):
            raise InputError(
                f"--approve {approve}: the exported model is version {number} of {params.tracking.model}. Only the "
                "exported model can be approved: check out the commit of the other one, run `dvc checkout` and repeat."
            )
        broken = find_broken_links(root)
        aliases = registry.aliases()
        version = registry.version(number)
        against = None
        if aliases.get(CHAMPION) == number:
            verdict = read_verdict(version) or UNRECORDED
        else:
            registry.point(CHALLENGER, number)
            champion = aliases.get(CHAMPION)
            rolled_back = version.tags.get(ROLLED_BACK)
            evidence = Evidence(evaluation, exported, {}, broken, rolled_back, number)
            key = fingerprint(params, evidence, champion)
            before = read_verdict(version) if version.tags.get(KEY) == key else None
            if before is None:
                diversity = TASKS[params.model.task].relative_diversity(evaluation, find_medium(params.data.medium))
                verdict, against = decide(paths, params, registry, champion, replace(evidence, diversity=diversity))
            else:
                verdict = before
            if approve is not None or accept_changes:
                approve_checks(root, registry, number, verdict, only_contract=approve is None)
            verdict = settle(verdict, registry.version(number).tags)
            if verdict != before:
                if against is None and was_compared(verdict):  # an approval changes the outcome on the page
                    against = compare_with_version(str(champion), registry, paths, params)
                log_verdict(paths, params, verdict)
                # Stored before the aliases move: after a crash in between, the same command finishes the promotion.
                store_verdict(registry, number, verdict, key)
            if verdict["outcome"] == PROMOTED:
                registry.promote(number)
        if not broken:
            registry.tag(number, lineage.output_hashes(paths))
        verdict = (
            {"model": params.tracking.model, "version": int(number), "sha256": sha256}
            | verdict
            | {"aliases": registry.aliases()}
        )
        write_atomically(paths.promotion, (json.dumps(verdict, indent=2, allow_nan=False) + "\n").encode())
        write_page(paths, params, verdict, against)
    sys.stdout.write(format_outcome(verdict) + "\n")
    return verdict


def find_broken_links(root: Path) -> list[str]:
    """Return the broken links of the lineage. Tags of dvc.lock are left out: promotion writes them itself."""
    return [str(link) for link in lineage.chain(root) if link.state == "broken" and lineage.DVC_TAG not in link.detail]


def register(paths: Paths, params: Params, metadata: Metadata, sha256: str) -> str:
    """Register the exported model and return its version.

    The model is unknown to this store if DVC restored it, or if it was exported to another store.
    """
    signature = metrics_files.read(paths.signature, "dvc repro export")
    companions = [
        paths.signature,
        paths.model_card,
        *(paths.exported / graph["file"] for graph in signature.get("further", [])),
    ]
    with tracked_run.resume(params.tracking, paths.root, paths.run) as tracked:
        number = tracked.log_model(
            paths.generator, signature, params.tracking.model, sha256=sha256, tags=metadata.pairs(), files=companions
        )
        tracked.tag({"ganline.verdict": metadata.verdict, "ganline.model_version": number})
    return number


def decide(
    paths: Paths, params: Params, registry: Registry, champion: str | None, evidence: Evidence
) -> tuple[dict[str, Any], Against | None]:
    """Return the verdict as it is stored, without its outcome: flat numbers and the checks; and what was compared."""
    task = TASKS[params.model.task]
    measured: dict[str, Any] = {}
    against = None
    # A model that fails the gate or the lineage check is not compared.
    if champion is not None and not any(check.state == "fail" for check in check_admission(evidence)):
        against = compare_with_version(champion, registry, paths, params)
        for name, comparison in against.measures.items():
            measured |= {name: against.challenger.get(name), f"{name}_champion": against.champion.get(name)}
            measured |= {
                f"{name}_difference": comparison.difference,
                f"{name}_low": comparison.low,
                f"{name}_high": comparison.high,
                f"{name}_verdict": comparison.verdict,
            }
        measured["protocol"] = against.challenger["protocol"]
    else:
        measured |= {
            name: evidence.evaluation[name] for name in (*task.compared, "protocol") if name in evidence.evaluation
        }
    if champion is not None and against is None:
        checks = check_admission(evidence)
    else:
        checks = check_all(replace(evidence, against=against), params.promote)
    verdict = {
        "champion": int(champion) if champion is not None else None,
        **measured,
        "parity_max_abs": evidence.export.get("parity_max_abs"),
        "latency_ms_batch_1": evidence.export.get("latency_ms_batch_1"),
        "checks": [check_row(check, find_medium(params.data.medium).noun) for check in checks],
    }
    return verdict, against


def check_row(check: Check, noun: str) -> dict[str, Any]:
    """Return a check as a mapping; if it failed or is held with the reason, in which `noun` is the word for items."""
    row = check.model_dump(exclude={"reason"})
    return row | {"reason": say(check.reason, noun)} if check.state in ("fail", "held") else row


def approve_checks(
    root: Path, registry: Registry, number: str, verdict: dict[str, Any], *, only_contract: bool
) -> None:
    """Record that the user approves the held checks of a version, or only that of its contract."""
    contract = {label(check) for check in verdict["checks"] if check["name"] == CONTRACT}
    checks = [check for check in held_checks(verdict) if not only_contract or check in contract]
    registry.tag(number, approval_tags(registry.version(number).tags, checks, find_user(root)))


def fingerprint(params: Params, evidence: Evidence, champion: str | None) -> str:
    """Return the digest of everything that decides the verdict, except the duration of the evaluation."""
    settings = params.model_dump(mode="json", by_alias=True, include={"promote", "evaluate", "data"})
    numbers = {name: value for name, value in evidence.evaluation.items() if name != "seconds"}
    facts = [settings, numbers, evidence.export, evidence.broken, champion, evidence.rolled_back]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def read_verdict(version: Any) -> dict[str, Any] | None:
    """Return the verdict in the tags of a version; None if there is none."""
    try:
        values = json.loads(version.tags.get(VERDICT, ""))
    except ValueError:
        return None
    return values if isinstance(values, dict) and "outcome" in values else None


def store_verdict(registry: Registry, number: str, verdict: dict[str, Any], key: str) -> None:
    """Store the verdict in the tags of a version. The key comes last, so that an incomplete verdict is not reused."""
    registry.tag(
        number,
        {
            VERDICT: json.dumps(verdict, allow_nan=False),
            f"{VERDICT}.outcome": verdict["outcome"],
            f"{VERDICT}.reasons": "; ".join(verdict["reasons"]) or "none",
        },
    )
    registry.tag(number, {KEY: key})


def log_verdict(paths: Paths, params: Params, verdict: dict[str, Any]) -> None:
    """Log the verdict to the MLflow run of the model."""
    with tracked_run.resume(params.tracking, paths.root, paths.run) as tracked:
        tracked.log_metrics({f"promote/{name}": value for name, value in verdict.items()})
        tracked.tag({VERDICT: verdict["outcome"], f"{VERDICT}.reasons": "; ".join(verdict["reasons"])})


def roll_back(root: Path) -> str:
    """Make `previous_champion` the champion again and return a message.

    Raises:
        InputError: There is no previous champion.
    """
    paths = Paths(root)
    params = parameters.load(paths.params)
    with exclusive_lock(paths.promote_lock, "promoting"):
        registry = Registry(connect(address(root)), params.tracking.model)
        bad, champion = registry.roll_back()
        rest = registry.aliases().get(PREVIOUS)
    message = f"{params.tracking.model}: version {champion} is the champion again, version {bad} was rolled back"
    return f"{message}, {PREVIOUS} is version {rest}" if rest else message


def format_outcome(verdict: dict[str, Any]) -> str:
    """Format the outcome as one line, followed by one line for each reason."""
    name = f"{verdict['model']} version {verdict['version']}"
    against = f" (champion before: version {verdict['champion']})" if verdict["champion"] is not None else ""
    if verdict["outcome"] in (NOT_PROMOTED, HELD):
        stays = (
            f"; version {verdict['champion']} stays the champion"
            if verdict["champion"] is not None
            else "; there is no champion"
        )
        what = "held: needs approval" if verdict["outcome"] == HELD else NOT_PROMOTED
        return "\n".join([f"{what}: {name}{stays}", *(f"  {reason}" for reason in verdict["reasons"])])
    return f"{verdict['outcome']}: {name}{against}"
