"""What the training loop costs beside a bare one: images per second of `ganline train`, with tracking and looks, against a loop by hand.

    python -m benchmarks.training                          8 and 32 px on the CPU, five rounds each: about a quarter of an hour on two cores
    python -m benchmarks.training --resolutions 8 --rounds 3

Both train the same DCGAN on the digits in one process and take turns every hundred steps: processes differ among each other by a fifth, by
chance. The line's figure includes its first steps, looks, curves, pictures and checkpoints. A round is a process; medians are reported.
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
IMAGES = {8: 180_000, 32: 64_000}  # a round
PARAMS = """
data: {{resolution: {side}, channels: gray, resize: nearest}}
model: {{variant: dcgan, latent: 64, generator_channels: {channels}, discriminator_channels: {channels}, max_channels: {most},
  penalties: {{r1: 0.05, every: 2}}}}
train: {{device: cpu, precision: float32, batch_size: {batch}, total_images: {total}, beta2: 0.99, log_images: {log}, snapshot_images: {total},
  checkpoint_images: {total}, learning_rate: {{generator: 0.001, discriminator: 0.001}}, health: {{images: {looks}}}}}
"""


def once(side: int, looks: int) -> None:
    """Trains the line's way in this process, and after every `TURN` steps as many the bare way; prints what either took."""
    from benchmarks.training.bare import turns
    from pipeline.allocator import keep_freed_memory
    from pipeline.stages import train
    from pipeline.stages.training_reporter import Reporter
    from pipeline.training.loop import Trainer

    keep_freed_memory()  # as the command does; here both have it
    bare = turns(side, TURN, BATCH, CHANNELS[side])
    next(bare)
    ours: list[float] = []
    theirs: list[float] = []
    advanced, run = Reporter.advanced, Trainer.run

    def taking_turns(reporter: Reporter, images_seen: int) -> None:
        advanced(reporter, images_seen)
        if images_seen % (TURN * BATCH) == 0:
            theirs.append(next(bare))

    def timed(trainer: Trainer) -> None:
        began = time.perf_counter()
        run(trainer)
        ours.extend([time.perf_counter() - began - sum(theirs), trainer.looking])

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
        with patch.object(Reporter, "advanced", taking_turns), patch.object(Trainer, "run", timed):
            train.run(root)
    print(
        json.dumps(
            {"ours": total / ours[0], "bare": len(theirs) * TURN * BATCH / sum(theirs), "looks": ours[1] / ours[0]}
        )
    )


def measure(side: int, looks: int) -> tuple[float, float, float, float]:
    """Images per second of the bare loop and of the line, their ratio, and the share of the line's time that looks took."""
    command = [sys.executable, "-m", "benchmarks.training", "--once", str(side), "--looks", str(looks)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    )  # as the command sets it
    found = json.loads(done.stdout.splitlines()[-1])
    return found["bare"], found["ours"], found["ours"] / found["bare"], found["looks"]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--resolutions", type=int, nargs="+", choices=CHANNELS, default=list(CHANNELS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--looks",
        type=int,
        default=20_000,
        help="train.health.images; with more than a round there is the last look alone",
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--once", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once:
        once(options.once, options.looks)
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
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "loop.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
