"""Data that are divided by class: one GAN on all data, MD-GAN, and one GAN for each worker.

    python -m benchmarks.training.workers --project . --work /tmp/workers
    python -m benchmarks.training.workers --project . --work /tmp/workers --images 400000
    python -m benchmarks.training.workers --source fashion-mnist.zip --work /tmp/workers

The project's data/dataset and data/validated are divided among five workers, so that each has the items of two classes
if there are ten; with --source a folder or archive at 16 px. All trainings have as many steps; each worker's GAN sees
as many real items as the worker of MD-GAN. 2,000 samples of each model are compared with the test split. "mixture" has
as many samples from the GAN of each worker.

A training that has finished in --work is not repeated.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import TypeAdapter

from pipeline.arrays import Items
from pipeline.data.store import ItemSet, open_split
from pipeline.data.worker_shards import divide
from pipeline.evaluation.settings import EvaluateSettings
from pipeline.gans.base import GAN
from pipeline.gans.registry import ModelSettings, build
from pipeline.media.registry import MEDIA, tensors_of
from pipeline.stages.training_reporter import Silent
from pipeline.tasks.generate.evaluator import Evaluator
from pipeline.tasks.registry import TASKS
from pipeline.training.loop import Trainer
from pipeline.training.settings import TrainSettings

CPU = torch.device("cpu")
PARAMS = """
data: {{source: {source}, resolution: 16, limit: 1000, background: "#000000"}}
validate: {{min_side: {{limit: 8, severity: warning}}}}
"""
WORKERS, PER_WORKER, SAMPLES = 5, 32, 2000
ALONE = "workers alone"
RATE = {"start": 1e-3, "end": 1e-4}
NETWORKS: dict[str, Any] = {"latent": 64, "max_channels": 256, "penalties": {"r1": 0.05}}
COLUMNS = {"modes_covered": "classes covered", "fid_ratio": "Fréchet distance / null", "precision": "precision"} | {
    "coverage": "coverage"
}


class Bench:
    """Trainings on the data of a project, whose samples are kept in `work`."""

    def __init__(self, project: Path, work: Path, images: int, seed: int) -> None:
        folders = project / "data" / "dataset", project / "data" / "validated"
        self.train, self.test = (open_split(*folders, split) for split in ("train", "test"))
        self.shards = divide(self.train, WORKERS, "classes", seed)
        self.work, self.images, self.seed = work, images, seed
        work.mkdir(parents=True, exist_ok=True)
        gate = TASKS["generate"].gate(MEDIA[self.train.item.medium])()
        settings = EvaluateSettings(samples=SAMPLES, gate=gate)
        self.evaluator = Evaluator(self.train, self.test, self.train.item, settings, CPU, work / "cache")

    def samples(self, name: str, data: ItemSet, model: dict[str, Any], batch: int) -> Items:
        """Train a model on `data` with batches of this size; return samples of its averaged networks."""
        path = self.work / f"{name.replace(' ', '-')}-{self.images}-{self.seed}.npy"
        if not path.exists():
            np.save(path, self.fit(data, model, batch))
            sys.stderr.write(f"{name}: trained\n")
        kept: Items = np.load(path)
        return kept

    def fit(self, data: ItemSet, model: dict[str, Any], batch: int) -> Items:
        """Train for as many steps as MD-GAN and return samples."""
        settings: ModelSettings = TypeAdapter(ModelSettings).validate_python(NETWORKS | model)
        values = {
            "seed": self.seed,
            "batch_size": batch,
            "total_images": self.images * batch // (WORKERS * PER_WORKER),
            "learning_rate": {"generator": RATE, "discriminator": RATE},
            "beta2": 0.99,
            "ema_half_life": 10_000 * batch // (WORKERS * PER_WORKER),
            "checkpoint_images": 10**9,
            "snapshot_images": 10**9,
        }
        train = TrainSettings.model_validate(values)
        torch.manual_seed(self.seed)
        gan: GAN = build(settings, data.item)
        batches = TASKS[gan.task].open_view(gan.view, data, CPU, self.seed)
        folder = self.work / "checkpoints"
        trainer = Trainer(
            gan, batches, train, device=CPU, folder=folder, observer=Silent(), items=len(data), preview_samples=1
        )
        trainer.run()
        rng = torch.Generator().manual_seed(self.seed)
        to_items = tensors_of(data.item).from_network
        with trainer.ema.apply_to(gan), torch.no_grad():
            return np.concatenate([to_items(gan.sample(SAMPLES // 10, rng)) for _ in range(10)])

    def report(self, name: str, samples: Items) -> None:
        """Print the measures of samples as a row of a table."""
        metrics = self.evaluator.evaluate(samples).metrics
        values = [metrics[key] for key in COLUMNS]
        cells = [f"{value:.3g}" if isinstance(value, int | float) else "" for value in values]
        sys.stdout.write(f"| {name} | {' | '.join(cells)} |\n")
        sys.stdout.flush()


def open_source(source: Path, root: Path) -> Path:
    """Ingest at most 1,000 images of each class at 16 px into the project `root`; return it."""
    if not (root / "data" / "validated" / "index.parquet").exists():
        root.mkdir(parents=True, exist_ok=True)
        (root / "params.yaml").write_text(PARAMS.format(source=source.resolve()))
        for stage in ("ingest", "validate"):
            subprocess.run([sys.executable, "-m", "pipeline", stage], cwd=root, check=True, env=os.environ)
    return root


def main() -> None:
    """Run the trainings and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, default=Path(), help="folder with data/dataset and data/validated")
    parser.add_argument("--source", type=Path, help="images to ingest at 16 px, in place of the project's data")
    parser.add_argument("--work", type=Path, required=True, help="folder of the results")
    parser.add_argument("--images", type=int, default=100_000, help="images that all workers see together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", help=f"names of the rows to measure; {ALONE!r}: a GAN for each, and all")
    arguments = parser.parse_args()
    project = open_source(arguments.source, arguments.work / "data") if arguments.source else arguments.project
    bench = Bench(project, arguments.work, arguments.images, arguments.seed)
    whole = WORKERS * PER_WORKER
    mdgan: dict[str, Any] = {"variant": "mdgan", "workers": WORKERS, "split": "classes", "batches": WORKERS}
    paper = mdgan | {"objective": "minimax", "batches": 1}
    shared: dict[str, dict[str, Any]] = {
        "one GAN on all data": {"variant": "dcgan"},
        "MD-GAN, items at random": mdgan | {"split": "iid"},
        "MD-GAN, no swaps": mdgan | {"swap_epochs": 0},
        "MD-GAN, swaps every 0.1 epochs": mdgan | {"swap_epochs": 0.1},
        "MD-GAN, swaps every epoch": mdgan,
        "MD-GAN, one batch, no swaps": mdgan | {"batches": 1, "swap_epochs": 0},
        "MD-GAN, one batch, swaps every epoch": mdgan | {"batches": 1},
        "MD-GAN, minimax, one batch, no swaps": paper | {"swap_epochs": 0},
        "MD-GAN, minimax, one batch, swaps every epoch": paper,
    }
    sys.stdout.write(f"| model | {' | '.join(COLUMNS.values())} |\n|---|{'---|' * len(COLUMNS)}\n")
    for name, model in shared.items():
        if arguments.only is None or name in arguments.only:
            bench.report(name, bench.samples(name, bench.train, model, whole))
    if arguments.only is not None and ALONE not in arguments.only:
        return
    alone = []
    for number, shard in enumerate(bench.shards):
        own = subset(bench.train, shard)
        alone.append(bench.samples(f"worker {number} alone", own, {"variant": "dcgan"}, PER_WORKER))
        bench.report(f"worker {number} alone", alone[-1])
    bench.report("mixture", np.concatenate([samples[: SAMPLES // WORKERS] for samples in alone]))


def subset(data: ItemSet, positions: Any) -> ItemSet:
    """Return some of the items."""
    return ItemSet(
        shards=data.shards,
        shard=data.shard[positions],
        row=data.row[positions],
        labels=data.labels[positions],
        names=[data.names[position] for position in positions],
        item=data.item,
        fingerprint=f"{data.fingerprint} {positions.tolist()}",
    )


if __name__ == "__main__":
    main()
