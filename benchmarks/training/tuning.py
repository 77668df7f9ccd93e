"""A search from a spoiled start, next to the preset that a person tuned.

    python -m benchmarks.training.tuning --source fashion-mnist.zip --work /tmp/tuning

The start is `fashion-mnist-32` at 16 px and 60,000 images, with ten times the learning rates and without R1. It is
searched for half an hour. The result and the preset are trained on the same three new seeds, on the same part of the
training split and with the same health checks. The bar: a distance at most 15 % above that of the preset.

The command can be stopped and run again.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import fmean
from typing import Any

from pipeline import params as parameters
from pipeline.stages.commands.tune import open_training_split
from pipeline.stages.commands.tune_training import CheckWatch, for_trial, train
from pipeline.stages.paths import Paths

PARAMS = """
data: {{source: {source}, resolution: 16, background: "#000000"}}
validate: {{min_side: {{limit: 8, severity: warning}}}}
model: {{variant: dcgan, generator_channels: 32, discriminator_channels: 32, penalties: {{r1: {r1}, every: 4}}}}
train: {{device: cpu, total_images: {images}, learning_rate: {{generator: {rates}, discriminator: {rates}}}}}
tracking: {{model: tuning}}
"""
START = {"r1": 0, "rates": "{start: 0.004, end: 0.0004}"}
PRESET = {"r1": 0.1, "rates": "{start: 0.0004, end: 0.00004}"}


def ganline(root: Path, *arguments: str) -> None:
    """Run a command in a project."""
    subprocess.run([sys.executable, "-m", "pipeline", *arguments], cwd=root, check=True, env=os.environ)


def measure_preset(root: Path, seeds: int) -> list[float]:
    """Train the preset as the confirmation trains; return its distances. Finished seeds are not repeated."""
    path = root / "distances.json"
    distances: list[float] = json.loads(path.read_text()) if path.exists() else []
    params = parameters.load(root / "params.yaml")
    inputs = open_training_split(Paths(root), params)
    values = params.model_dump(mode="json", by_alias=True)
    for seed in range(len(distances) + 1, seeds + 1):
        values["train"]["seed"] = seed
        watch = CheckWatch(lambda: False, lambda check, value: "")
        distances.append(train(for_trial(inputs, values, params.tune.checks), watch).value)
        path.write_text(json.dumps(distances))
    return distances


def main() -> None:
    """Search, train the preset, and print both distances."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, required=True, help="Fashion-MNIST with a folder per split and class")
    parser.add_argument("--work", type=Path, required=True, help="folder of the trainings")
    parser.add_argument("--images", type=int, default=60_000, help="length of a training (60,000)")
    parser.add_argument("--hours", type=float, default=0.5, help="duration of the search (0.5)")
    arguments = parser.parse_args()
    searched, preset = (arguments.work.resolve() / name for name in ("searched", "preset"))
    for root, values in ((searched, START), (preset, PRESET)):
        root.mkdir(parents=True, exist_ok=True)
        (root / "dvc.yaml").touch()
        text = PARAMS.format(source=arguments.source.resolve(), images=arguments.images, **values)
        (root / "params.yaml").write_text(text)
        if not (root / "data" / "validated" / "index.parquet").exists():
            for stage in ("ingest", "validate"):
                ganline(root, stage)
    ganline(searched, "tune", "--hours", str(arguments.hours))
    metrics: dict[str, Any] = json.loads((searched / "metrics" / "tune.json").read_text())
    distances = measure_preset(preset, 3)
    tuned = metrics.get("distance_tuned", float("nan"))
    sys.stdout.write(
        f"{metrics['trials']} trials, {metrics['trials_finished']} to the end, {metrics['search_seconds']:.0f} s\n"
        f"start {metrics.get('distance_start', 'failed')}, tuned {tuned:.4g}, preset {fmean(distances):.4g} "
        f"({', '.join(f'{value:.4g}' for value in distances)}): {tuned / fmean(distances):.2f} of the preset's\n"
    )


if __name__ == "__main__":
    main()
