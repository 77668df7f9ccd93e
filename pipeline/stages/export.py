"""Export a self-contained ONNX generator, check it against PyTorch, and register it, unless the verdict is fail."""

import functools
import hashlib
import json
import math
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import __version__
from pipeline import params as parameters
from pipeline.errors import GateRefused, InputError
from pipeline.files import write_atomically
from pipeline.gans.base import GAN
from pipeline.media.registry import find_medium
from pipeline.params import Params
from pipeline.reasons import name_causes
from pipeline.serving.onnx.graph_export import export, name_tensors
from pipeline.serving.onnx.metadata import Metadata
from pipeline.serving.onnx.model_card import reasons_of, render_card
from pipeline.serving.onnx.parity import Parity, check_parity
from pipeline.serving.onnx.signature import describe_graph
from pipeline.serving.onnx.triton import write_repository
from pipeline.stages import metrics_files
from pipeline.stages.exported_commit import exported_commit
from pipeline.stages.paths import Paths
from pipeline.stages.vocoder import Vocoder, load_vocoder
from pipeline.tasks.registry import TASKS
from pipeline.tracking import run_networks, tracked_run
from pipeline.training import model_files
from pipeline.training.model_files import ModelConfig
from pipeline.training.warm_start import digest_networks


@dataclass(frozen=True)
class ExportedModel:
    """The exported graphs of one model.

    Attributes:
        signatures: One per graph, as in signature.json; the generator first.
        measured: Content of metrics/export.json.
    """

    metadata: Metadata
    signatures: list[dict[str, Any]]
    measured: dict[str, Any]


def run(root: Path) -> None:
    """Write exported/ and metrics/export.json from models/ and metrics/evaluation.json, and register the model.

    Raises:
        GateRefused: The verdict is fail and `export.allow_failed` is not set.
        InputError: An input is missing or damaged, a graph differs from PyTorch, or the MLflow store does not respond.
    """
    paths = Paths(root)
    params = parameters.load(paths.params)
    evaluation = read_evaluation(paths.evaluation_metrics)
    if evaluation["verdict"] == "fail" and not params.export.allow_failed:
        raise GateRefused(
            f"the verdict in {paths.evaluation_metrics} is fail: "
            f"{name_causes(reasons_of(evaluation)) or 'no reason recorded'}.\n"
            f"  evidence: {paths.evaluation_report}, and the output of evaluate\n"
            "  try: train longer, change `evaluate.gate`, or set `export.allow_failed: true`"
        )
    gan, config = model_files.load(paths.weights.parent)
    vocoder = load_vocoder(root, params.export.vocoder, config.item)
    with tracked_run.resume(params.tracking, root, paths.run) as tracked, tempfile.TemporaryDirectory() as scratch:
        metadata = Metadata(
            **origin(config, paths, tracked.id),
            **interface(gan),
            **quality(evaluation),
            vocoder=vocoder.fingerprint if vocoder else "",
        )
        model = export_graphs(gan, metadata, Path(scratch), params, vocoder)
        publish(paths, Path(scratch), model, config, evaluation)
        register_model(tracked, paths, params, model)
        store_networks(tracked, paths.weights.parent)
    size, latency = model.measured["size_bytes"] / 1e6, model.measured["latency_ms_batch_1"]
    noun = find_medium(config.item.medium).noun
    sys.stdout.write(
        f"{paths.generator}: {size:.1f} MB, {latency:.2f} ms per {noun} on {model.measured['provider']}, "
        f"{params.tracking.model} {model.measured['version']}\n"
    )


def origin(config: ModelConfig, paths: Paths, run_id: str) -> dict[str, Any]:
    """Return the metadata that says where a model comes from."""
    return {
        "version": __version__,
        "variant": config.model.variant,
        "item": config.item,
        "dataset_name": Path(config.dataset_source).name,
        "dataset_fingerprint": config.dataset_fingerprint,
        "images_seen": config.images_seen,
        "parent": str(config.parent or ""),
        "git_commit": exported_commit(paths.root, paths.weights, paths.cache / "commits", export_graphs),
        "mlflow_run": run_id,
    }


def interface(gan: GAN) -> dict[str, Any]:
    """Return the metadata that says how a model is used."""
    generator = gan.export()[0]
    return {
        "task": gan.task,
        "scale": gan.scale,
        "multiple": generator.multiple,
        "past": gan.past,
        "between": gan.between,
        "motion": gan.motion,
        "keeps_colours": TASKS[gan.task].keeps_colours,
        "latent": int(generator.inputs["z"].shape[1]) if "z" in generator.inputs else 0,
    }


def quality(evaluation: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata that says how good a model is."""
    fid = evaluation.get("fid")
    return {
        "verdict": evaluation["verdict"],
        "fid": float(fid) if isinstance(fid, int | float) and math.isfinite(fid) else None,
        "protocol": str(evaluation.get("protocol", "not recorded")),
    }


def export_graphs(
    gan: GAN, metadata: Metadata, folder: Path, params: Params, vocoder: Vocoder | None = None
) -> ExportedModel:
    """Export all graphs of a model to `folder` and check them against PyTorch."""
    measured: dict[str, Any] = {}
    signatures = []
    medium = find_medium(metadata.item.medium)
    items = medium.output_name(metadata.item)
    for number, spec in enumerate(name_tensors(spec, metadata.item) for spec in gan.export()):
        path = folder / f"{spec.name}.onnx"
        extend = functools.partial(medium.extend_graph, spec=metadata.item) if items in spec.outputs else None
        if vocoder and spec.outputs == (items,):
            spec, extend = vocoder.append_to(spec), None
        export(spec, path, metadata.pairs(), params.export.opset, extend)
        parity = check_parity(spec, path, params.export.parity_tolerance, metadata.item)
        prefix = f"{spec.name}_" if number else ""
        values = measurements(path, parity, params.export.opset)
        measured |= {f"{prefix}{key}": value for key, value in values.items()}
        signatures.append(describe_graph(path, metadata.item))
    return ExportedModel(metadata, signatures, measured)


def measurements(path: Path, parity: Parity, opset: int) -> dict[str, Any]:
    """Return the entries of one graph in metrics/export.json or metrics/features.json."""
    return {
        "parity_max_abs": parity.max_abs,
        **{f"latency_ms_batch_{n}": round(value, 4) for n, value in parity.latency_ms.items()},
        "size_bytes": path.stat().st_size,
        "opset": opset,
        "provider": parity.provider,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }


def publish(paths: Paths, folder: Path, model: ExportedModel, config: ModelConfig, evaluation: dict[str, Any]) -> None:
    """Move the checked graphs to exported/ and write signature, model card and Triton repository.

    signature.json describes the generator; other graphs are listed under "further".
    """
    paths.exported.mkdir(parents=True, exist_ok=True)
    for old in paths.exported.glob("*.onnx"):
        old.unlink()
    for graph in model.signatures:
        write_atomically(paths.exported / graph["file"], (folder / graph["file"]).read_bytes())
    generator, *others = model.signatures
    described = generator | ({"further": others} if others else {})
    write_atomically(paths.exported / "signature.json", (json.dumps(described, indent=2) + "\n").encode())
    write_repository(paths.exported / "triton", model.signatures, paths.exported)
    # Latencies vary between runs and would give exported/ a new hash in DVC without a new model.
    stable = {name: value for name, value in model.measured.items() if "latency" not in name}
    card = render_card(
        TASKS[model.metadata.task],
        model.metadata,
        described,
        settings=config.model.model_dump(mode="json"),
        evaluation=evaluation,
        measured=stable,
    )
    write_atomically(paths.exported / "model_card.md", card.encode())


def register_model(tracked: tracked_run.Run, paths: Paths, params: Params, model: ExportedModel) -> None:
    """Log the graphs and measurements to the run, register the model, and write metrics/export.json."""
    generator, *others = (paths.exported / graph["file"] for graph in model.signatures)
    version = tracked.log_model(
        generator,
        model.signatures[0],
        params.tracking.model,
        sha256=model.measured["sha256"],
        tags=model.metadata.pairs(),
        files=[paths.exported / "signature.json", paths.exported / "model_card.md", *others],
    )
    model.measured.update({"registered_model": params.tracking.model, "version": int(version)})
    tracked.log_metrics({f"export/{name}": value for name, value in model.measured.items()})
    tracked.tag({"ganline.verdict": model.metadata.verdict, "ganline.model_version": version})
    metrics_files.write(paths.export_metrics, model.measured)


def store_networks(tracked: tracked_run.Run, folder: Path) -> None:
    """Log all networks to the run, so that another training can start from them."""
    tracked.log_file(folder, run_networks.ARTIFACTS)
    tracked.tag({run_networks.NETWORKS_SHA256: digest_networks(folder)})


def read_evaluation(path: Path) -> dict[str, Any]:
    """Return metrics/evaluation.json. Raises InputError if it is missing, damaged, or has no verdict."""
    values = metrics_files.read(path, "dvc repro evaluate")
    if not isinstance(values, dict) or values.get("verdict") not in ("pass", "fail"):
        raise InputError(f"{path}: `verdict` must be pass or fail. Run `dvc repro -f evaluate`.")
    return values
