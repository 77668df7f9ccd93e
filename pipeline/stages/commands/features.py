"""Export what the discriminator learnt as a feature extractor, and say what it is worth. Run by hand; no stage of dvc.yaml."""

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
from pipeline.data.store import DatasetInfo, ImageSet, open_split
from pipeline.errors import InputError
from pipeline.evaluation.measures.linear_probe import at_most, probe
from pipeline.gans.base import ExportSpec
from pipeline.gans.registry import build
from pipeline.serving.onnx import parity
from pipeline.serving.onnx.graph_export import export
from pipeline.serving.onnx.metadata import Metadata
from pipeline.serving.runtime.session import open_session
from pipeline.stages import metrics_files
from pipeline.stages.export import measurements, origin
from pipeline.stages.paths import Paths
from pipeline.tasks.base import progress_bar
from pipeline.tracking import tracked_run
from pipeline.training import model_files
from pipeline.training.model_files import ModelConfig

PER_CLASS, IN_ALL = 2000, 20_000
"""Images the probe is trained and tested on, at most: more would move the figures by less than their error, and take hours."""

BATCH = 256


def run(root: Path, output: Path | None = None) -> None:
    """Reads models/ and data/; writes `output` (exported/features.onnx) and metrics/features.json.

    Raises InputError for missing or broken inputs, data of another shape, a variant without features, or a graph that differs from PyTorch.
    """
    paths = Paths(root)
    params = parameters.load(paths.params)
    target = output or paths.features
    if target.suffix != ".onnx":
        raise InputError(f"{target}: the feature extractor is an ONNX file; let its name end in .onnx")
    gan, config = model_files.load(paths.weights.parent, discriminators=True)
    trunk = gan.trunk()
    if trunk is None:
        raise InputError(
            f"{paths.model_config}: the variant {config.model.variant} has no discriminator whose features could be reused"
        )
    info = DatasetInfo.read(paths.dataset)
    config.require_shape(info.item, paths.model_config)
    with tracked_run.resume(params.tracking, root, paths.run) as tracked, tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / "features.onnx"
        metadata = Metadata(
            **origin(config, root, tracked.id),
            latent=0,
            verdict="none",
            fid=None,
            protocol="features of the discriminator: not judged",
        )
        spec = graph(trunk, config)
        export(spec, made, metadata.pairs(), params.export.opset)
        found = parity.check(spec, made, params.export.parity_tolerance, config.item)
        control = made.with_name("untrained.onnx")
        export(graph(untrained(config, params.evaluate.seed), config), control, {}, params.export.opset)
        sessions = {
            "": open_session(made, made.name),
            "_untrained": open_session(control, control.name),
            "_pixels": None,
        }
        train, test = (open_split(paths.dataset, paths.validated, split) for split in ("train", "test"))
        probed = compare(sessions, train, test, params.evaluate.seed)
        measured = {
            "dims": sessions[""].get_outputs()[0].shape[1],
            **measurements(made, found, params.export.opset),
            **probed,
        }
        write(target, made.read_bytes())
        metrics_files.write(paths.features_metrics, measured)
        tracked.log_metrics(
            {f"features/{name}": value for name, value in measured.items() if not isinstance(value, str)}
        )
    sys.stdout.write(f"{target}: {measured['dims']} features an image; {in_words(probed)}\n")


def graph(trunk: nn.Module, config: ModelConfig) -> ExportSpec:
    """images [n, C, H, W] in [-1, 1] -> features [n, d]."""
    return ExportSpec(
        "features",
        trunk.eval(),
        {"images": torch.zeros(2, config.item.network_channels, config.item.height, config.item.width)},
        ("features",),
    )


def untrained(config: ModelConfig, seed: int) -> nn.Module:
    """The same network with random weights: what it can tell is its architecture's merit, not the training's."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        trunk = build(config.model, config.item).trunk()
    assert trunk is not None
    return trunk


def compare(sources: Mapping[str, Any], train: ImageSet, test: ImageSet, seed: int) -> dict[str, Any]:
    """Accuracy of the linear probe on each source's vectors, of the same images; nothing where no labels are to be told apart."""
    per_class = max(1, min(PER_CLASS, IN_ALL // max(1, len(train.classes))))
    picked, judged = at_most(train.labels, per_class, seed), at_most(test.labels, per_class, seed)
    if len(np.unique(train.labels[picked])) < 2 or not len(judged):
        return {}
    measured: dict[str, Any] = {}
    for name, source in sources.items():
        seen, new = (vectors(source, data, rows) for data, rows in ((train, picked), (test, judged)))
        result = probe(seen, train.labels[picked], new, test.labels[judged], seed, progress_bar, f"probe{name}")
        measured |= {f"probe_accuracy{name}": round(result.accuracy, 6), f"probe_c{name}": result.c}
    return measured | {
        "probe_train_images": len(picked),
        "probe_test_images": len(judged),
        "probe_images_per_class_limit": per_class,
    }


def vectors(session: Any, data: ImageSet, rows: Int64Array) -> Float32Array:
    """One vector an image, float32 [n, d]: the graph's features, or without a graph the pixels in [-1, 1]."""
    out = []
    for at in progress_bar(range(0, len(rows), BATCH), "features" if session else "pixels"):
        images = np.ascontiguousarray(
            (data.images(rows[at : at + BATCH]).astype(np.float32) / 127.5 - 1).transpose(0, 3, 1, 2)
        )
        out.append(session.run(["features"], {"images": images})[0] if session else images.reshape(len(images), -1))
    return np.concatenate(out)


def write(target: Path, content: bytes) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {error.strerror}") from None


def in_words(probed: Mapping[str, Any]) -> str:
    if not probed:
        return "the data has no labels to tell apart, so there is nothing to probe"
    ours, fresh, pixels = (probed[f"probe_accuracy{name}"] for name in ("", "_untrained", "_pixels"))
    seen, judged, limit = (
        probed[f"probe_{name}"] for name in ("train_images", "test_images", "images_per_class_limit")
    )
    return (
        f"a linear probe gets {ours:.1%} of {judged:,} test images right, {pixels:.1%} from raw pixels and {fresh:.1%} from the network untrained "
        f"({seen:,} to learn from, at most {limit:,} a class)"
    )
