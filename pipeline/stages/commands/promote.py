"""Register the exported model as challenger, compare it with the champion, and make it the champion if it passes. Outside DVC: the registry changes."""

import hashlib
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline import params as parameters
from pipeline.files import exclusive_lock, write_atomically
from pipeline.params import Params
from pipeline.promotion.aliases import CHALLENGER, CHAMPION, PREVIOUS, ROLLED_BACK, Registry
from pipeline.promotion.checks import Against, Check, Evidence, check_admission, check_all
from pipeline.serving.onnx.metadata import Metadata
from pipeline.serving.runtime.generator import Graph
from pipeline.stages import metrics_files
from pipeline.stages.commands import lineage
from pipeline.stages.export import read_evaluation
from pipeline.stages.paths import Paths
from pipeline.tasks.registry import TASKS
from pipeline.tracking import tracked_run
from pipeline.tracking.mlflow_store import address, connect

VERDICT, KEY = "ganline.promotion", "ganline.promotion.key"
PROMOTED, KEPT, NOT_PROMOTED = "promoted", "champion", "not promoted"


def run(root: Path) -> dict[str, Any]:
    """Reads exported/, metrics/ and data/; moves the aliases; writes metrics/promotion.json, and returns what is in it.

    "not promoted" is an outcome. A second time nothing changes: a model is judged once against one champion under one set of settings, and the verdict
    that the registry holds is the one that counts. Raises InputError for missing or broken inputs, a champion that cannot be compared, or a store that
    does not answer.
    """
    paths = Paths(root)
    params = parameters.load(paths.params)
    with exclusive_lock(paths.promote_lock, "promoting"):
        evaluation = read_evaluation(paths.evaluation_metrics)
        exported = metrics_files.read(paths.export_metrics, "dvc repro export")
        metadata = Graph(paths.generator).metadata
        sha256 = hashlib.sha256(paths.generator.read_bytes()).hexdigest()
        registry = Registry(connect(address(root)), params.tracking.model)
        number = registry.version_of(sha256) or register(paths, params, metadata, sha256)
        # Whose tags are written below is this command; what they said before is no evidence.
        broken = [
            str(link) for link in lineage.chain(root) if link.state == "broken" and lineage.DVC_TAG not in link.detail
        ]
        aliases = registry.aliases()
        version = registry.version(number)
        if aliases.get(CHAMPION) == number:
            verdict = recorded(version) or {
                "outcome": KEPT,
                "reasons": ["it is the champion; no verdict of a promotion is recorded"],
                "champion": None,
                "checks": [],
            }
        else:
            registry.point(CHALLENGER, number)
            champion = aliases.get(CHAMPION)
            key = fingerprint(params, evaluation, exported, broken, champion, version.tags.get(ROLLED_BACK))
            before = recorded(version) if version.tags.get(KEY) == key else None
            if before is not None:
                verdict = before
            else:
                diversity = TASKS[params.model.task].relative_diversity(evaluation)
                evidence = Evidence(evaluation, exported, diversity, broken, version.tags.get(ROLLED_BACK))
                verdict = decide(paths, params, registry, champion, evidence)
                log(paths, params, verdict)
                # Before the aliases move, so that after a kill between them the same command finishes what it decided.
                record(registry, number, verdict, key)
            if verdict["outcome"] == PROMOTED:
                registry.promote(number)
        if not broken:
            registry.tag(number, lineage.hashes(paths))
        verdict = (
            {"model": params.tracking.model, "version": int(number), "sha256": sha256}
            | verdict
            | {"aliases": registry.aliases()}
        )
        write_atomically(paths.promotion, (json.dumps(verdict, indent=2, allow_nan=False) + "\n").encode())
    sys.stdout.write(told(verdict) + "\n")
    return verdict


def register(paths: Paths, params: Params, metadata: Metadata, sha256: str) -> str:
    """A model that this store has not seen: DVC restored it, or it was exported to another store."""
    described = metrics_files.read(paths.signature, "dvc repro export")
    beside = [
        paths.signature,
        paths.model_card,
        *(paths.exported / graph["file"] for graph in described.get("further", [])),
    ]
    with tracked_run.resume(params.tracking, paths.root, paths.run) as tracked:
        number = tracked.log_model(
            paths.generator, described, params.tracking.model, sha256=sha256, tags=metadata.pairs(), files=beside
        )
        tracked.tag({"ganline.verdict": metadata.verdict, "ganline.model_version": number})
    return number


def decide(
    paths: Paths, params: Params, registry: Registry, champion: str | None, evidence: Evidence
) -> dict[str, Any]:
    """The verdict as it is stored: flat numbers, the checks, and the reasons of those that failed."""
    task = TASKS[params.model.task]
    measured: dict[str, Any] = {}
    against = None
    # What the gate or the lineage refuses needs no comparison.
    if champion is not None and not any(check.state == "fail" for check in check_admission(evidence)):
        with tempfile.TemporaryDirectory() as folder:
            against = compare_with(registry.download(champion, Path(folder)), champion, paths, params)
        for name, found in against.measures.items():
            measured |= {name: against.challenger.get(name), f"{name}_champion": against.champion.get(name)}
            measured |= {
                f"{name}_difference": found.difference,
                f"{name}_low": found.low,
                f"{name}_high": found.high,
                f"{name}_verdict": found.verdict,
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
    reasons = [check.reason for check in checks if check.state == "fail"]
    return {
        "outcome": NOT_PROMOTED if reasons else PROMOTED,
        "reasons": reasons,
        "champion": int(champion) if champion is not None else None,
        **measured,
        "parity_max_abs": evidence.export.get("parity_max_abs"),
        "latency_ms_batch_1": evidence.export.get("latency_ms_batch_1"),
        "checks": [row(check) for check in checks],
    }


def compare_with(champion: Path, version: str, paths: Paths, params: Params) -> Against:
    """Compare the project's exported model with a champion on the project's data."""
    from pipeline.data.store import DatasetInfo, open_split
    from pipeline.promotion.side_by_side import side_by_side
    from pipeline.stages.evaluate import evaluation_folders
    from pipeline.tasks.base import EvaluationCase
    from pipeline.training import model_files
    from pipeline.training.device import pick_device

    gan, config = model_files.untrained(paths.weights.parent)
    case = EvaluationCase(
        gan=gan,
        config=config,
        info=DatasetInfo.read(paths.dataset),
        train=open_split(paths.dataset, paths.validated, "train"),
        test=open_split(paths.dataset, paths.validated, "test"),
        settings=params.evaluate,
        device=pick_device(params.train.device),
        folders=evaluation_folders(paths),
        opset=params.export.opset,
    )
    return side_by_side(TASKS[params.model.task], case, paths.generator, champion, version)


def row(check: Check) -> dict[str, Any]:
    """A check without the words that only its failure needs."""
    return check.model_dump(exclude=set() if check.state == "fail" else {"reason"})


def fingerprint(
    params: Params,
    evaluation: dict[str, Any],
    exported: dict[str, Any],
    broken: list[str],
    champion: str | None,
    rolled_back: str | None,
) -> str:
    """Everything that decides: while it is the same, so is the verdict. Times differ from one measurement to the next and decide nothing but one check."""
    settings = params.model_dump(mode="json", by_alias=True, include={"promote", "evaluate", "data"})
    numbers = {name: value for name, value in evaluation.items() if name != "seconds"}
    return hashlib.sha256(
        json.dumps([settings, numbers, exported, broken, champion, rolled_back], sort_keys=True).encode()
    ).hexdigest()


def recorded(version: Any) -> dict[str, Any] | None:
    """The verdict that a version's tag holds."""
    try:
        values = json.loads(version.tags.get(VERDICT, ""))
    except ValueError:
        return None
    return values if isinstance(values, dict) and "outcome" in values else None


def record(registry: Registry, number: str, verdict: dict[str, Any], key: str) -> None:
    """The verdict as tags of the version; the key last, so that a verdict cut short is made again."""
    registry.tag(
        number,
        {
            VERDICT: json.dumps(verdict, allow_nan=False),
            f"{VERDICT}.outcome": verdict["outcome"],
            f"{VERDICT}.reasons": "; ".join(verdict["reasons"]) or "none",
        },
    )
    registry.tag(number, {KEY: key})


def log(paths: Paths, params: Params, verdict: dict[str, Any]) -> None:
    """The end of the line's MLflow run."""
    with tracked_run.resume(params.tracking, paths.root, paths.run) as tracked:
        tracked.log_metrics({f"promote/{name}": value for name, value in verdict.items()})
        tracked.tag({VERDICT: verdict["outcome"], f"{VERDICT}.reasons": "; ".join(verdict["reasons"])})


def roll_back(root: Path) -> str:
    """`champion` goes back to `previous_champion`. Raises InputError where there is none; returns what was done, in words."""
    paths = Paths(root)
    params = parameters.load(paths.params)
    with exclusive_lock(paths.promote_lock, "promoting"):
        registry = Registry(connect(address(root)), params.tracking.model)
        bad, champion = registry.roll_back()
        rest = registry.aliases().get(PREVIOUS)
    return f"{params.tracking.model}: champion is version {champion} again; version {bad} was taken back" + (
        f", {PREVIOUS} is version {rest}" if rest else ""
    )


def told(verdict: dict[str, Any]) -> str:
    """One line for people, and one a reason."""
    name = f"{verdict['model']} version {verdict['version']}"
    against = f" (champion before: version {verdict['champion']})" if verdict["champion"] is not None else ""
    if verdict["outcome"] == NOT_PROMOTED:
        stays = (
            f"; the champion stays version {verdict['champion']}"
            if verdict["champion"] is not None
            else "; there is no champion"
        )
        return "\n".join([f"not promoted: {name}{stays}", *(f"  {reason}" for reason in verdict["reasons"])])
    return f"{verdict['outcome']}: {name}{against}"
