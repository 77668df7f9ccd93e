"""Write a self-contained ONNX generator, check it against PyTorch, register it; refuse when the verdict is fail."""

import hashlib
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from pipeline import __version__
from pipeline import params as parameters
from pipeline.errors import GateRefused, InputError
from pipeline.params import Params
from pipeline.serving.onnx import model_card, parity, signature, triton
from pipeline.serving.onnx.graph_export import export
from pipeline.serving.onnx.metadata import Metadata
from pipeline.serving.onnx.model_card import reasons_of
from pipeline.stages import metrics_files
from pipeline.stages.paths import Paths
from pipeline.tasks.registry import TASKS
from pipeline.tracking import tracked_run
from pipeline.training import model_files
from pipeline.training.model_files import ModelConfig

CODE = ("pipeline", "params.yaml", "dvc.yaml", "requirements.lock")
"""What makes a commit "-dirty": code and settings. A line that just ran has always rewritten its metrics and dvc.lock."""


def run(root: Path) -> None:
    """Reads models/ and metrics/evaluation.json; writes exported/ and metrics/export.json, and registers the model in MLflow.

    Raises GateRefused when the verdict is fail and `export.allow_failed` is not set; InputError for missing or broken inputs, a
    graph that differs from PyTorch, or a store that does not answer.
    """
    paths = Paths(root)
    params = parameters.load(paths.params)
    evaluation = read_evaluation(paths.evaluation_metrics)
    if evaluation["verdict"] == "fail" and not params.export.allow_failed:
        why = "; ".join(reasons_of(evaluation)) or "no reason recorded"
        raise GateRefused(
            f"the verdict in {paths.evaluation_metrics} is fail: {why}; train on or change `evaluate.gate`, or set `export.allow_failed: true`"
        )
    gan, config = model_files.load(paths.weights.parent)
    specs = gan.export()
    with tracked_run.resume(params.tracking, root, paths.run) as tracked, tempfile.TemporaryDirectory() as scratch:
        metadata = Metadata(
            **origin(config, root, tracked.id),
            task=gan.task,
            scale=gan.scale,
            multiple=specs[0].multiple,
            latent=int(specs[0].inputs["z"].shape[1]) if "z" in specs[0].inputs else 0,
            verdict=evaluation["verdict"],
            fid=finite(evaluation.get("fid")),
            protocol=str(evaluation.get("protocol", "not recorded")),
        )
        measured: dict[str, Any] = {}
        described = []
        for spec in specs:
            path = Path(scratch) / f"{spec.name}.onnx"
            export(spec, path, metadata.pairs(), params.export.opset)
            prefix = "" if spec is specs[0] else f"{spec.name}_"
            found = parity.check(spec, path, params.export.parity_tolerance, config.item)
            measured |= {
                f"{prefix}{key}": value for key, value in measurements(path, found, params.export.opset).items()
            }
            described.append(signature.describe(path, config.item))
        publish(paths, Path(scratch), metadata, described, config, evaluation, measured)
        register(tracked, paths, params, metadata, described, measured)
    size, latency = measured["size_bytes"] / 1e6, measured["latency_ms_batch_1"]
    sys.stdout.write(
        f"{paths.generator}: {size:.1f} MB, {latency:.2f} ms an image on {measured['provider']}, {params.tracking.model} {measured['version']}\n"
    )


def origin(config: ModelConfig, root: Path, run: str) -> dict[str, Any]:
    """What the metadata of every graph says about where it comes from."""
    return {
        "version": __version__,
        "variant": config.model.variant,
        "item": config.item,
        "dataset_name": Path(config.dataset_source).name,
        "dataset_fingerprint": config.dataset_fingerprint,
        "images_seen": config.images_seen,
        "git_commit": git_commit(root),
        "mlflow_run": run,
    }


def measurements(path: Path, found: parity.Parity, opset: int) -> dict[str, Any]:
    """One graph's part of metrics/export.json; metrics/features.json has the same."""
    return {
        "parity_max_abs": found.max_abs,
        **{f"latency_ms_batch_{n}": round(value, 4) for n, value in found.latency_ms.items()},
        "size_bytes": path.stat().st_size,
        "opset": opset,
        "provider": found.provider,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }


def publish(
    paths: Paths,
    made: Path,
    metadata: Metadata,
    described: list[dict[str, Any]],
    config: ModelConfig,
    evaluation: dict[str, Any],
    measured: dict[str, Any],
) -> None:
    """Moves the checked graphs to exported/ and describes them there; graphs after the first are listed under "further"."""
    paths.exported.mkdir(parents=True, exist_ok=True)
    for old in paths.exported.glob("*.onnx"):
        old.unlink()
    for graph in described:
        (paths.exported / graph["file"]).write_bytes((made / graph["file"]).read_bytes())
    first = described[0] | ({"further": described[1:]} if described[1:] else {})
    (paths.exported / "signature.json").write_text(json.dumps(first, indent=2) + "\n", encoding="utf-8")
    triton.write(paths.exported / "triton", described, paths.exported)
    # Times differ from run to run and would give exported/ a new hash in DVC without a new model.
    lasting = {name: value for name, value in measured.items() if "latency" not in name}
    card = model_card.render(
        TASKS[metadata.task], metadata, first, config.model.model_dump(mode="json"), evaluation, lasting
    )
    (paths.exported / "model_card.md").write_text(card, encoding="utf-8")


def register(
    tracked: tracked_run.Run,
    paths: Paths,
    params: Params,
    metadata: Metadata,
    described: list[dict[str, Any]],
    measured: dict[str, Any],
) -> None:
    """Logs the first graph, with the others beside it, and the measurements to the run, registers it, and writes metrics/export.json."""
    graph, *others = (paths.exported / one["file"] for one in described)
    beside = [paths.exported / "signature.json", paths.exported / "model_card.md", *others]
    pairs = metadata.pairs()
    version = tracked.log_model(
        graph, described[0], params.tracking.model, sha256=measured["sha256"], tags=pairs, files=beside
    )
    measured |= {"registered_model": params.tracking.model, "version": int(version)}
    tracked.log_metrics({f"export/{name}": value for name, value in measured.items()})
    tracked.tag({"ganline.verdict": metadata.verdict, "ganline.model_version": version})
    metrics_files.write(paths.export_metrics, measured)


def read_evaluation(path: Path) -> dict[str, Any]:
    """metrics/evaluation.json. Raises InputError when it is missing, broken, or without a verdict."""
    values = metrics_files.read(path, "dvc repro evaluate")
    if not isinstance(values, dict) or values.get("verdict") not in ("pass", "fail"):
        raise InputError(f"{path}: `verdict` must be pass or fail; run `dvc repro -f evaluate`")
    return values


def finite(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


def git_commit(root: Path) -> str:
    """The commit of the checkout, with "-dirty" where code or settings differ from it; "unknown" outside of git."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("-dirty" if git("status", "--porcelain", "--", *CODE) else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
