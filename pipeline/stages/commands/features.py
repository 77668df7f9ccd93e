"""Export the discriminator as a feature extractor and evaluate it with a linear probe. Not a stage of dvc.yaml."""

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from pipeline import params as parameters
from pipeline.arrays import Float32Array, Int64Array
from pipeline.data.store import DatasetInfo, ItemSet, open_split
from pipeline.errors import InputError
from pipeline.evaluation.measures.linear_probe import limit_per_class, probe
from pipeline.files import write_atomically
from pipeline.gans.base import ExportSpec
from pipeline.gans.registry import build
from pipeline.media.registry import find_medium
from pipeline.media.wording import say
from pipeline.serving.onnx.graph_export import export
from pipeline.serving.onnx.metadata import Metadata
from pipeline.serving.onnx.parity import check_parity
from pipeline.serving.runtime.session import open_session
from pipeline.stages import metrics_files
from pipeline.stages.export import measurements, origin
from pipeline.stages.paths import Paths
from pipeline.tasks.base import progress_bar
from pipeline.tracking import tracked_run
from pipeline.training import model_files
from pipeline.training.model_files import ModelConfig

MAX_PER_CLASS, MAX_IMAGES = 2000, 20_000
"""Images for training and testing the probe. More change the accuracy by less than its error and take hours."""

BATCH = 256


def run(root: Path, output: Path | None = None) -> None:
    """Read models/ and data/; write `output` (exported/features.onnx) and metrics/features.json.

    Raises:
        InputError: Inputs are missing or invalid, the data has another shape, the variant has no features, or the graph
            differs from PyTorch.
    """
    paths = Paths(root)
    params = parameters.load(paths.params)
    target = output or paths.features
    if target.suffix != ".onnx":
        raise InputError(f"{target}: the feature extractor is an ONNX file, so its name must end in .onnx")
    gan, config = model_files.load(paths.weights.parent, discriminators=True)
    trunk = gan.trunk()
    if trunk is None:
        raise InputError(f"{paths.model_config}: variant {config.model.variant} has no discriminator with features")
    info = DatasetInfo.read(paths.dataset)
    noun = find_medium(info.item.medium).noun
    config.require_shape(info.item, paths.model_config)
    with tracked_run.resume(params.tracking, root, paths.run) as tracked, tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "features.onnx"
        metadata = Metadata(
            **origin(config, paths, tracked.id),
            latent=0,
            verdict="none",
            fid=None,
            protocol="features of the discriminator: not evaluated",
        )
        spec = graph(trunk, config)
        export(spec, file, metadata.pairs(), params.export.opset)
        difference = check_parity(spec, file, params.export.parity_tolerance, config.item)
        control = file.with_name("untrained.onnx")
        export(graph(untrained_trunk(config, params.evaluate.seed), config), control, {}, params.export.opset)
        sessions = {
            "": open_session(file, file.name),
            "_untrained": open_session(control, control.name),
            "_pixels": None,
        }
        train, test = (open_split(paths.dataset, paths.validated, split) for split in ("train", "test"))
        probe_metrics = compare(sessions, train, test, params.evaluate.seed)
        measured = {
            "dims": sessions[""].get_outputs()[0].shape[1],
            **measurements(file, difference, params.export.opset),
            **probe_metrics,
        }
        write(target, file.read_bytes())
        metrics_files.write(paths.features_metrics, measured)
        tracked.log_metrics(
            {f"features/{name}": value for name, value in measured.items() if not isinstance(value, str)}
        )
    sys.stdout.write(f"{target}: {measured['dims']} features per {noun}; {say(describe_probe(probe_metrics), noun)}\n")


def graph(trunk: nn.Module, config: ModelConfig) -> ExportSpec:
    """Return the graph from images [n, C, H, W] in [-1, 1] to features [n, d]."""
    output = find_medium(config.item.medium).output_name(config.item)
    return ExportSpec(
        "features",
        trunk.eval(),
        {output: torch.zeros(2, config.item.network_channels, config.item.height, config.item.width)},
        ("features",),
    )


def untrained_trunk(config: ModelConfig, seed: int) -> nn.Module:
    """Return the same network with random weights, to separate the effect of the architecture from that of training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        trunk = build(config.model, config.item).trunk()
    assert trunk is not None
    return trunk


def compare(sources: Mapping[str, Any], train: ItemSet, test: ItemSet, seed: int) -> dict[str, Any]:
    """Return the accuracy of the linear probe on the vectors of each source; empty with fewer than two labels."""
    per_class = max(1, min(MAX_PER_CLASS, MAX_IMAGES // max(1, len(train.classes))))
    train_rows, test_rows = (
        limit_per_class(train.labels, per_class, seed),
        limit_per_class(test.labels, per_class, seed),
    )
    if len(np.unique(train.labels[train_rows])) < 2 or not len(test_rows):
        return {}
    measured: dict[str, Any] = {}
    for name, source in sources.items():
        train_vectors, test_vectors = (
            vectors(source, data, rows) for data, rows in ((train, train_rows), (test, test_rows))
        )
        result = probe(
            train_vectors,
            train.labels[train_rows],
            test_vectors,
            test.labels[test_rows],
            seed=seed,
            progress=progress_bar,
            label=f"probe{name}",
        )
        measured |= {f"probe_accuracy{name}": round(result.accuracy, 6), f"probe_c{name}": result.c}
    return measured | {
        "probe_train_images": len(train_rows),
        "probe_test_images": len(test_rows),
        "probe_images_per_class_limit": per_class,
    }


def vectors(session: Any, data: ItemSet, rows: Int64Array) -> Float32Array:
    """Return one vector per image, float32 [n, d]: features of the graph, or the pixels in [-1, 1] without one."""
    out, medium = [], find_medium(data.item.medium)
    name = medium.output_name(data.item)
    for at in progress_bar(range(0, len(rows), BATCH), "features" if session else "pixels"):
        values = medium.to_network(data.images(rows[at : at + BATCH]), data.item)
        out.append(session.run(["features"], {name: values})[0] if session else values.reshape(len(values), -1))
    return np.concatenate(out)


def write(target: Path, content: bytes) -> None:
    """Write a file and its folder. Raise InputError."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, content)
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {error.strerror}") from None


def describe_probe(probe_metrics: Mapping[str, Any]) -> str:
    """Format the result of the probe as a sentence."""
    if not probe_metrics:
        return "no probe, because the data has fewer than two labels"
    ours, fresh, pixels = (probe_metrics[f"probe_accuracy{name}"] for name in ("", "_untrained", "_pixels"))
    seen, tested, limit = (
        probe_metrics[f"probe_{name}"] for name in ("train_images", "test_images", "images_per_class_limit")
    )
    return (
        f"accuracy of a linear probe on {tested:,} test images: {ours:.1%}, {pixels:.1%} with raw pixels, "
        f"{fresh:.1%} with the untrained network (trained on {seen:,} images, at most {limit:,} per class)"
    )
