"""Compute features in this process and on the workers of a Dask cluster: the same bytes, seconds and processor time.

    python -m benchmarks.features                       two workers on this machine
    python -m benchmarks.features --workers 4
    GANLINE_SCHEDULER=tcp://... python -m benchmarks.features

The items are noise of 32 x 32 RGB pixels, and the networks are untrained: neither changes the time.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from pipeline.arrays import Float32Array, Items
from pipeline.evaluation.extractors import classifier
from pipeline.evaluation.extractors.base import ArrayItems, Compute, Extractor, FeatureSpec, compute_here, extract
from pipeline.evaluation.extractors.inception import Inception
from pipeline.evaluation.extractors.inception_network import DIMS, InceptionV3
from pipeline.items import ItemSpec
from pipeline.media.registry import tensors_of
from pipeline.tasks.cluster_features import ClusterFeatures

ITEM = ItemSpec(height=32, width=32, channels=3, classes=tuple("abcdefghij"))
CPU = torch.device("cpu")
ITEMS = {"classifier": (20_000, 256), "inception": (256, 16)}
"""Number of items and batch size by extractor."""


@dataclass(frozen=True)
class Run:
    """One extraction.

    Attributes:
        features: The features.
        seconds: Wall time.
        here: Processor seconds of this process.
        workers: Processor seconds of the workers.
    """

    features: Float32Array
    seconds: float
    here: float
    workers: float


def make_extractor(name: str) -> Extractor:
    """Return an untrained extractor."""
    torch.manual_seed(0)
    if name == "inception":
        spec = FeatureSpec(name=name, sha256="", dims=DIMS, resize="tf1-bilinear", value_range="-1..1")
        return Inception(spec, InceptionV3(), tensors_of(ITEM), CPU)
    network = classifier.initialise(ITEM)
    spec = FeatureSpec(name=name, sha256="", dims=network.dims, resize="none", value_range="-1..1")
    return classifier.Classifier(spec, network, tensors_of(ITEM), CPU)


@contextmanager
def scheduler_of(workers: int) -> Iterator[str]:
    """Yield the address that GANLINE_SCHEDULER names, or that of workers on this machine."""
    from distributed import LocalCluster

    if address := os.environ.get("GANLINE_SCHEDULER"):
        yield address
        return
    with LocalCluster(n_workers=workers, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster:
        yield str(cluster.scheduler_address)


def measure(extractor: Extractor, items: Items, batch: int, compute: Compute, client: object) -> Run:
    """Extract the features of items and measure the time."""

    def processor_seconds() -> float:
        return float(sum(client.run(time.process_time).values()))  # type: ignore[attr-defined]

    workers, here, began = processor_seconds(), time.process_time(), time.perf_counter()
    features = extract(extractor, ArrayItems(items), batch, compute=compute)
    seconds, here = time.perf_counter() - began, time.process_time() - here
    return Run(features, seconds, here, processor_seconds() - workers)


def main() -> None:
    """Print one table."""
    from distributed import Client

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2, help="workers on this machine (default 2)")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    sys.stdout.write("| extractor | items | where | same bytes | s | processor s here | processor s of workers |\n")
    sys.stdout.write("|---|---|---|---|---|---|---|\n")
    with scheduler_of(options.workers) as address, Client(address, set_as_default=False) as client:
        for name, (count, batch) in ITEMS.items():
            extractor = make_extractor(name)
            items = rng.integers(0, 256, (count, *ITEM.shape), dtype=np.uint8)
            first = measure(extractor, items[: 3 * batch], batch, ClusterFeatures(address), client)
            here = measure(extractor, items, batch, compute_here, client)
            there = measure(extractor, items, batch, ClusterFeatures(address), client)
            for where, run in (("workers, first set", first), ("here", here), ("workers", there)):
                same = run.features.tobytes() == here.features[: len(run.features)].tobytes()
                texts = [name, f"{len(run.features):,}", where, "yes" if same else "NO"]
                numbers = [f"{value:.2f}" for value in (run.seconds, run.here, run.workers)]
                sys.stdout.write(f"| {' | '.join(texts + numbers)} |\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
