"""`ganline lineage`: check that dvc.lock, files, MLflow run, ONNX metadata and registry agree."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline import params as parameters
from pipeline.data.store import DatasetInfo, open_split
from pipeline.errors import InputError
from pipeline.promotion.aliases import Registry
from pipeline.serving.onnx.metadata import Metadata
from pipeline.serving.runtime.generator import Graph
from pipeline.stages import metrics_files
from pipeline.stages.paths import Paths
from pipeline.tracking.entries import clip_text
from pipeline.tracking.mlflow_store import SHA256, address, connect
from pipeline.tracking.run_networks import NETWORKS_SHA256
from pipeline.training.model_files import ModelConfig, Origin

PASSED_ON = {
    "data/dataset": "ingest",
    "data/validated": "validate",
    "models": "train",
    "metrics/evaluation.json": "evaluate",
    "exported": "export",
}
"""Outputs that later stages read, with the stage that writes each."""

DVC_TAG = "ganline.dvc."


@dataclass(frozen=True)
class Link:
    """A fact that is recorded in two places.

    Attributes:
        name: The two places.
        state: Whether they agree; "missing" if one of them does not record the fact.
        detail: The recorded values, or what to do.
    """

    name: str
    state: Literal["agrees", "broken", "missing"]
    detail: str

    def __str__(self) -> str:
        return f"{self.name}: {self.detail}"


def chain(root: Path) -> list[Link]:
    """Return all links of the model in exported/, from the data to the registry.

    Raises:
        InputError: A required file is missing or cannot be read, or MLflow's store does not respond.
    """
    paths = Paths(root)
    graph = Graph(paths.generator)
    metadata = graph.metadata
    sha256 = hashlib.sha256(paths.generator.read_bytes()).hexdigest()
    lock = read_lock(paths)
    links = [*stage_links(lock), *file_links(root, lock)]
    links += model_links(paths, metadata)
    links += evaluation_links(metrics_files.read(paths.evaluation_metrics, "dvc repro evaluate"), metadata)
    exported = metrics_files.read(paths.export_metrics, "dvc repro export")
    links.append(compare("metrics/export.json -> generator.onnx", "sha256", exported.get("sha256"), sha256))
    links += store_links(paths, graph, sha256, lock)
    return links


def broken_links(links: list[Link]) -> list[str]:
    """Format the broken links."""
    return [str(link) for link in links if link.state == "broken"]


def output_hashes(paths: Paths) -> dict[str, str]:
    """Return the tags that record the hashes of the stages' outputs in the registry."""
    lock = read_lock(paths)
    return {
        f"{DVC_TAG}{path}": digest for path, stage in PASSED_ON.items() if (digest := recorded_hash(lock, stage, path))
    }


def read_lock(paths: Paths) -> dict[str, Any]:
    """Return the stages of dvc.lock. Raise InputError."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        values = YAML(typ="safe", pure=True).load(paths.dvc_lock.read_text(encoding="utf-8"))
        stages = values["stages"]
    except FileNotFoundError:
        raise InputError(
            f"{paths.dvc_lock}: no such file, so the data of this model is unknown; run `dvc repro`"
        ) from None
    except (OSError, UnicodeDecodeError, YAMLError, KeyError, TypeError) as error:
        raise InputError(
            f"{paths.dvc_lock}: cannot be read ({' '.join(str(error).split())[:200]}); "
            "restore it from git, or run `dvc repro`"
        ) from None
    return stages if isinstance(stages, dict) else {}


def recorded_hash(lock: Mapping[str, Any], stage: str, path: str, side: str = "outs") -> str | None:
    """Return the hash of a stage's output or dependency in dvc.lock."""
    entries = (lock.get(stage) or {}).get(side) or []
    return next((str(entry.get("md5")) for entry in entries if entry.get("path") == path), None)


def stage_links(lock: Mapping[str, Any]) -> Iterator[Link]:
    """Check that each stage read the output of the stage before it."""
    for path, writer in PASSED_ON.items():
        for reader in lock:
            if (read := recorded_hash(lock, reader, path, "deps")) is not None:
                yield compare(f"dvc.lock: {writer} -> {reader}", path, recorded_hash(lock, writer, path), read)


def file_links(root: Path, lock: Mapping[str, Any]) -> Iterator[Link]:
    """Check that the files match dvc.lock."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    here = root.resolve()
    try:
        with Repo(str(root)) as repo:
            outs = {
                str(Path(out.fs_path).relative_to(here)): out
                for out in repo.index.outs
                if Path(out.fs_path).is_relative_to(here)
            }
            for path, writer in PASSED_ON.items():
                hashed, name = recorded_hash(lock, writer, path), f"dvc.lock -> {path}"
                if path not in outs or hashed is None:
                    yield Link(name, "missing", f"dvc.lock has no output {path} of {writer}; run `dvc repro {writer}`")
                elif changed := outs[path].status():
                    yield Link(
                        name,
                        "broken",
                        f"{path} is {next(iter(changed.values()))} since {writer} wrote it (md5 {hashed})",
                    )
                else:
                    yield Link(name, "agrees", f"md5 {hashed}")
    except DvcException as error:
        raise InputError(f"{root}: DVC cannot read the project: {error}; run in its root") from None


def model_links(paths: Paths, metadata: Metadata) -> Iterator[Link]:
    """Check that weights, data and metadata of the graph belong together."""
    try:
        config = ModelConfig.model_validate_json(paths.model_config.read_bytes())
        run_id = json.loads(paths.run.read_text(encoding="utf-8"))["run_id"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{paths.model_config.parent}: cannot be read ({' '.join(str(error).split())[:200]}); run `dvc repro train`"
        ) from None
    fingerprint = open_split(paths.dataset, paths.validated, "train").fingerprint
    yield compare(
        "data/validated -> models/config.json",
        "fingerprint of the training data",
        fingerprint,
        config.dataset_fingerprint,
    )
    yield compare(
        "models/config.json -> ONNX metadata",
        "fingerprint of the training data",
        config.dataset_fingerprint,
        metadata.dataset_fingerprint,
    )
    yield compare("models/config.json -> ONNX metadata", "images seen", config.images_seen, metadata.images_seen)
    if config.parent:
        yield compare("models/config.json -> ONNX metadata", "parent", str(config.parent), metadata.parent)
    yield compare("models/run.json -> ONNX metadata", "MLflow run", run_id, metadata.mlflow_run)


def parent_links(client: Any, parent: Origin) -> Iterator[Link]:
    """Check that MLflow still records the networks that the training started from."""
    name = f"models/config.json -> MLflow run {parent.run_id}"
    try:
        tags = client.get_run(parent.run_id).data.tags
    except Exception as error:  # noqa: BLE001 - every backend raises its own
        yield Link(name, "missing", f"the parent's run is not in this store ({' '.join(str(error).split())[:120]})")
        return
    yield compare(name, f"networks of the parent {parent.source}", parent.sha256, tags.get(NETWORKS_SHA256))


def evaluation_links(evaluation: Mapping[str, Any], metadata: Metadata) -> Iterator[Link]:
    """Check that the metadata of the graph records this evaluation."""
    for key in ("verdict", "protocol", "fid"):
        yield compare("metrics/evaluation.json -> ONNX metadata", key, evaluation.get(key), getattr(metadata, key))


def store_links(paths: Paths, graph: Graph, sha256: str, lock: Mapping[str, Any]) -> Iterator[Link]:
    """Check MLflow's run and registry."""
    metadata = graph.metadata
    settings = parameters.load(paths.params).tracking
    client = connect(address(paths.root))
    registry = Registry(client, settings.model)
    number = registry.find_version(sha256)
    parent = ModelConfig.model_validate_json(paths.model_config.read_bytes()).parent
    if parent and parent.run_id:
        yield from parent_links(client, parent)
    yield from run_links(client, metadata, DatasetInfo.read(paths.dataset).fingerprint, number)
    if number is None:
        yield Link(
            "generator.onnx -> registry",
            "missing",
            f"{settings.model} has no version with sha256 {sha256[:12]}; `ganline promote` registers it",
        )
        return
    version = registry.version(number)
    name = f"registry {settings.model} version {number}"
    yield compare(f"generator.onnx -> {name}", "sha256", sha256, version.tags.get(SHA256))
    yield compare(f"ONNX metadata -> {name}", "MLflow run", metadata.mlflow_run, version.run_id)
    for key, value in graph.pairs.items():
        yield compare(f"ONNX metadata -> {name}", f"tag {key}", clip_text(value), version.tags.get(key))
    for path, writer in PASSED_ON.items():
        yield compare(
            f"dvc.lock -> {name}",
            f"tag {DVC_TAG}{path}",
            recorded_hash(lock, writer, path),
            version.tags.get(f"{DVC_TAG}{path}"),
        )


def run_links(client: Any, metadata: Metadata, dataset: str, number: str | None) -> Iterator[Link]:
    """Check the MLflow run that the graph names."""
    name = f"ONNX metadata -> MLflow run {metadata.mlflow_run}"
    try:
        tags = client.get_run(metadata.mlflow_run).data.tags
    except Exception as error:  # noqa: BLE001 - every backend raises its own
        yield Link(
            name,
            "broken",
            f"the run is not in this store ({' '.join(str(error).split())[:120]}); "
            "set MLFLOW_TRACKING_URI to the store that recorded it",
        )
        return
    yield compare(name, "tag verdict", metadata.verdict, tags.get("verdict"))
    yield compare(name, "tag protocol", metadata.protocol, tags.get("protocol"))
    yield compare(
        f"data/dataset -> MLflow run {metadata.mlflow_run}",
        "tag dataset_fingerprint",
        dataset,
        tags.get("dataset_fingerprint"),
    )
    yield compare(f"MLflow run {metadata.mlflow_run} -> registry", "version", tags.get("ganline.model_version"), number)


def compare(name: str, what: str, first: Any, second: Any) -> Link:
    """Compare two recorded values."""
    if first is None and second is None:
        return Link(name, "missing", f"{what} is recorded in neither place")
    if first is None or second is None:
        return Link(name, "missing", f"{what} is recorded in one place only: {first if second is None else second}")
    if first == second:
        return Link(name, "agrees", f"{what} {first}")
    return Link(name, "broken", f"{what} is {first} on the left and {second} on the right")
