"""Overhead of the training loop: images per second of `ganline train` against a minimal hand-written loop.

    python -m benchmarks.training                          8 and 32 px on the CPU, five rounds: 15 minutes on two cores
    python -m benchmarks.training --resolutions 8 --rounds 3

Both train the same DCGAN on the digits in one process and alternate every hundred steps, because the speed of processes
varies by up to 20 %. The figure of `ganline train` includes its first steps, tracking, health checks, curves, pictures
and checkpoints. A round is a process; medians are reported.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

BATCH = 128
CHANNELS = {8: 64, 32: 32}
TURN = 100  # steps
IMAGES = {8: 180_000, 32: 64_000}  # per round
PARAMS = """
data: {{resolution: {side}, channels: gray, resize: nearest}}
model: {{variant: dcgan, latent: 64, generator_channels: {channels}, discriminator_channels: {channels},
  max_channels: {most}, penalties: {{r1: 0.05, every: 2}}}}
train: {{device: cpu, precision: float32, batch_size: {batch}, total_images: {total}, beta2: 0.99, log_images: {log},
  snapshot_images: {total}, checkpoint_images: {total}, health: {{images: {looks}}},
  learning_rate: {{generator: 0.001, discriminator: 0.001}}}}
"""


def run_round(side: int, looks: int) -> None:
    """Alternate between `ganline train` and the minimal loop every `TURN` steps; print the speed of both."""
    from benchmarks.training.bare import turns
    from pipeline.allocator import keep_freed_memory
    from pipeline.stages import train
    from pipeline.stages.training_reporter import Reporter
    from pipeline.training.loop import Trainer

    keep_freed_memory()  # as `ganline train` does; here it applies to both loops
    bare = turns(side, TURN, BATCH, CHANNELS[side])
    next(bare)
    ours: list[float] = []
    theirs: list[float] = []
    on_step, run = Reporter.on_step, Trainer.run

    def advance_both(reporter: Reporter, images_seen: int) -> None:
        on_step(reporter, images_seen)
        if images_seen % (TURN * BATCH) == 0:
            theirs.append(next(bare))

    def run_timed(trainer: Trainer) -> None:
        began = time.perf_counter()
        run(trainer)
        ours.extend([time.perf_counter() - began - sum(theirs), trainer.health_seconds])

    total, width = IMAGES[side], CHANNELS[side]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        text = PARAMS.format(
            side=side,
            channels=width,
            most=4 * width,
            batch=BATCH,
            total=total,
            log=total // 10,
            looks=min(looks, total),
        )
        (root / "params.yaml").write_text(text)
        for stage in ("ingest", "validate"):
            subprocess.run([sys.executable, "-m", "pipeline", stage], cwd=root, capture_output=True, check=True)
        with patch.object(Reporter, "on_step", advance_both), patch.object(Trainer, "run", run_timed):
            train.run(root)
    print(
        json.dumps(
            {"ours": total / ours[0], "bare": len(theirs) * TURN * BATCH / sum(theirs), "looks": ours[1] / ours[0]}
        )
    )


def measure(side: int, looks: int) -> tuple[float, float, float, float]:
    """Return images per second of both loops, their ratio, and the fraction of time spent on health checks."""
    command = [sys.executable, "-m", "benchmarks.training", "--once", str(side), "--looks", str(looks)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    )  # as `ganline train` sets it
    speeds = json.loads(done.stdout.splitlines()[-1])
    return speeds["bare"], speeds["ours"], speeds["ours"] / speeds["bare"], speeds["looks"]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--resolutions", type=int, nargs="+", choices=CHANNELS, default=list(CHANNELS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--looks",
        type=int,
        default=20_000,
        help="train.health.images; a value above the length of a round leaves only the last health check",
    )
    parser.add_argument("--out", type=Path, help="folder for loop.md; without it the result is only printed")
    parser.add_argument("--once", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once:
        run_round(options.once, options.looks)
        return
    rows = ["| resolution | bare loop, images/s | ganline train, images/s | ratio | looks |", "|---|---|---|---|---|"]
    for side in options.resolutions:
        rounds = []
        for _ in range(options.rounds):
            rounds.append(measure(side, options.looks))
            print(
                f"{side} px: bare {rounds[-1][0]:.0f}, line {rounds[-1][1]:.0f} images/s, ratio {rounds[-1][2]:.3f}",
                file=sys.stderr,
            )
        middle = [statistics.median(column) for column in zip(*rounds, strict=True)]
        rows.append(
            f"| {side} px | {middle[0]:.0f} | {middle[1]:.0f} | {middle[2]:.3f} | {100 * middle[3]:.1f} % of the time |"
        )
    text = "\n".join([*rows, "", f"Batch {BATCH}, {options.rounds} rounds, medians.", ""])
    print(text)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "loop.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
