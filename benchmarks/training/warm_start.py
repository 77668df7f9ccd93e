"""Warm starts: images needed to reach a champion's look distance, and small data with FreezeD.

    python -m benchmarks.training.warm_start --source fashion-mnist.zip --work /tmp/warm
    python -m benchmarks.training.warm_start --source fashion-mnist.zip --work /tmp/warm --seeds 0 1 2

Growing data: a champion is trained on 90 % of Fashion-MNIST at 16 px. On all of it, one training starts from new
weights and one from the champion.
Small data: a parent is trained on eight classes. 500 images of the other two are learned from new weights, from the
parent, and from the parent with frozen layers.

Distances are those of the health checks. A training that has finished in --work is not repeated, so the command can be
stopped and run again.
"""

import argparse
import csv
import json
import math
import os
import subprocess
import sys
from pathlib import Path

Checks = list[tuple[int, float]]
"""Images seen and distance of each health check."""

OTHERS, NEW = list("01234567"), list("89")
RATE, LOWER = 4e-4, 1e-4
POINTS = (0, 10_000, 20_000, 40_000, 100_000, 200_000)
PARAMS = """
data: {{source: {source}, resolution: 16, background: "#000000", {data}}}
validate: {{min_side: {{limit: 8, severity: warning}}}}
model: {{variant: dcgan, generator_channels: 32, discriminator_channels: 32, penalties: {{r1: 0.1, every: 4}},
  stabilisers: {{augment: {{policy: {augment}}}}}}}
train: {{device: cpu, seed: {seed}, total_images: {images},
  learning_rate: {{generator: {rate}, discriminator: {rate}}}, health: {{images: 10000, response: warn}},
  start_from: {parent}, freeze_discriminator: {frozen}}}
"""


class Bench:
    """Trainings in folders below `work`, each of which runs once."""

    def __init__(self, source: Path, work: Path, seed: int) -> None:
        self.source, self.work, self.seed = source.resolve(), work.resolve(), seed

    def train(
        self, name: str, data: str, images: int, *, rate: float = RATE, parent: str = "", frozen: int = 0
    ) -> Checks:
        """Train on the data settings `data`; return the health checks."""
        root = self.work / f"{name}-{self.seed}"
        if not (root / "metrics" / "train.json").exists():
            root.mkdir(parents=True, exist_ok=True)
            text = PARAMS.format(
                source=self.source,
                data=data,
                augment="diffaugment" if "limit: 250" in data else "none",
                seed=self.seed,
                images=images,
                rate=rate,
                parent=json.dumps(str(self.work / f"{parent}-{self.seed}" / "models")) if parent else "null",
                frozen=frozen,
            )
            (root / "params.yaml").write_text(text)
            for stage in ("ingest", "validate", "train"):
                subprocess.run([sys.executable, "-m", "pipeline", stage], cwd=root, check=True, env=os.environ)
        with (root / "reports" / "training.csv").open() as file:
            rows = [row for row in csv.DictReader(file) if row["health_fid"]]
        return [(int(row["images"]), float(row["health_fid"])) for row in rows]

    def grow(self) -> dict[str, Checks]:
        """Compare warm and cold on data that grew from 90 % to 100 %."""
        champion = self.train("champion", "limit: 5400", 200_000)
        cold = self.train("cold", "limit: null", 200_000)
        warm = self.train("warm", "limit: null", 100_000, rate=LOWER, parent="champion")
        target = min(distance for _, distance in champion)
        for name, checks in (("cold", cold), ("warm", warm)):
            reached = next((str(images) for images, distance in checks if distance <= target), "not")
            sys.stdout.write(f"seed {self.seed}: {name} reaches the champion's {target:.3g} at {reached} images\n")
        return {"90 %, cold (the champion)": champion, "100 %, cold": cold, "100 %, warm": warm}

    def transfer(self) -> dict[str, Checks]:
        """Compare new weights, the parent, and the parent with frozen layers on 500 images of new classes."""
        self.train("parent", f"classes: {json.dumps(OTHERS)}", 100_000)
        data = f"classes: {json.dumps(NEW)}, limit: 250"
        rows = {"500 images, cold": self.train("few-cold", data, 40_000)}
        for frozen, rate in ((0, RATE), (1, RATE), (0, LOWER), (1, LOWER)):
            checks = self.train(f"few-{frozen}-{rate:g}", data, 40_000, rate=rate, parent="parent", frozen=frozen)
            rows[f"500 images, warm, {frozen} layers frozen, rate {rate:g}"] = checks
        return rows


def main() -> None:
    """Run the trainings and print distances by images seen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, required=True, help="Fashion-MNIST with a folder per split and class")
    parser.add_argument("--work", type=Path, required=True, help="folder of the trainings")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--only", choices=["grow", "transfer"])
    arguments = parser.parse_args()
    for seed in arguments.seeds:
        bench = Bench(arguments.source, arguments.work, seed)
        rows: dict[str, Checks] = {}
        if arguments.only != "transfer":
            rows |= bench.grow()
        if arguments.only != "grow":
            rows |= bench.transfer()
        sys.stdout.write(f"\n| seed {seed}: distance at | {' | '.join(f'{n:,}' for n in POINTS)} | best |\n")
        sys.stdout.write(f"|---|{'---|' * (len(POINTS) + 1)}\n")
        for name, checks in rows.items():
            cells = [next((d for images, d in checks if abs(images - n) < 200), math.nan) for n in POINTS]
            values = " | ".join("" if math.isnan(value) else f"{value:.3g}" for value in cells)
            sys.stdout.write(f"| {name} | {values} | {min(d for _, d in checks):.3g} |\n")


if __name__ == "__main__":
    main()
