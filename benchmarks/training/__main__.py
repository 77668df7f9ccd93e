"""What the training loop costs beside a bare one: images per second of `ganline train`, with tracking and looks, against a loop by hand.

    python -m benchmarks.training                          8 and 32 px on the CPU, five rounds each: about ten minutes on two cores
    python -m benchmarks.training --resolutions 8 --rounds 3

Both train the same DCGAN on the digits in processes of their own, in turn; medians and the median of the rounds' ratios are reported.
The line's figure includes its looks, curves, pictures and checkpoints.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

BATCH = 128
CHANNELS = {8: 64, 32: 32}
IMAGES = {8: 180_000, 32: 38_400}  # a round
PARAMS = """
data: {{resolution: {side}, channels: gray, resize: nearest}}
model: {{variant: dcgan, latent: 64, generator_channels: {channels}, discriminator_channels: {channels}, max_channels: {most},
  penalties: {{r1: 0.05, every: 2}}}}
train: {{device: cpu, precision: float32, batch_size: {batch}, total_images: {total}, beta2: 0.99, log_images: {log}, snapshot_images: {total},
  checkpoint_images: {total}, learning_rate: {{generator: 0.001, discriminator: 0.001}}, health: {{images: {looks}}}}}
"""


def bare(side: int) -> float:
    code = f"from benchmarks.training.bare import train; print(train({side}, {IMAGES[side] // BATCH}, 5, {BATCH}, {CHANNELS[side]}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


def line(side: int, looks: int) -> tuple[float, float]:
    """Images per second of the stage, and the share of its time that looks took."""
    total, width = IMAGES[side], CHANNELS[side]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        text = PARAMS.format(side=side, channels=width, most=4 * width, batch=BATCH, total=total, log=total // 10, looks=min(looks, total))
        (root / "params.yaml").write_text(text)
        for stage in ("ingest", "validate", "train"):
            subprocess.run([sys.executable, "-m", "pipeline", stage], cwd=root, capture_output=True, check=True)
        found = json.loads((root / "metrics" / "train.json").read_text())
    return found["images_per_second"], found["health_share"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resolutions", type=int, nargs="+", choices=CHANNELS, default=list(CHANNELS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--looks", type=int, default=20_000, help="train.health.images; with more than a round there is the last look alone")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    rows = ["| resolution | bare loop, images/s | ganline train, images/s | ratio | looks |", "|---|---|---|---|---|"]
    for side in options.resolutions:
        rounds = []
        for _ in range(options.rounds):
            speed = bare(side)
            ours, share = line(side, options.looks)
            rounds.append((speed, ours, ours / speed, share))
            print(f"{side} px: bare {speed:.0f}, line {ours:.0f} images/s, ratio {ours / speed:.3f}", file=sys.stderr)
        middle = [statistics.median(column) for column in zip(*rounds, strict=True)]
        rows.append(f"| {side} px | {middle[0]:.0f} | {middle[1]:.0f} | {middle[2]:.3f} | {100 * middle[3]:.1f} % of the time |")
    text = "\n".join([*rows, "", f"Batch {BATCH}, {options.rounds} rounds in turn, medians.", ""])
    print(text)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "loop.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
